import { Worker } from "node:worker_threads";
import type { Log } from "../../app/ports/log.ts";
import type { StorageMeter, StorageSizes } from "../../app/ports/storage-meter.ts";
import type { IndexedNote, SearchIndex, SearchMatch, SearchRequest } from "../../app/ports/search-index.ts";

export interface ReaderData {
  readonly profileFile: string;
  readonly searchFile: string;
  /** Of both files, 32 bytes. */
  readonly key: Uint8Array;
}

export type ReaderRequest =
  | { readonly type: "search"; readonly request: SearchRequest }
  | { readonly type: "index"; readonly notes: readonly IndexedNote[] }
  | { readonly type: "identity" }
  | { readonly type: "measure"; readonly repository: number }
  | { readonly type: "checkpoint" }
  | { readonly type: "verify" };

export type ReaderAnswer =
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | { readonly id: number; readonly ok: false; readonly failure: string };

export interface ReaderHost extends SearchIndex, StorageMeter {
  /** Moves what the write-ahead log holds into the database file, away from the thread that writes. */
  readonly checkpoint: () => void;
  /** Whether every page of the database is sound; true as well when that could not be found out. */
  readonly verify: () => Promise<boolean>;
}

/** The reader worker, a thread started on first use and again after it died. `script` is the built entry. */
export const createReaderHost = (script: URL, files: ReaderData, log: Log): ReaderHost => {
  let worker: Worker | undefined;
  let nextId = 1;
  let checkpointing = false;
  let stopped = false;
  const waiting = new Map<number, (answer: unknown) => void>();

  const answerAll = (): void => {
    for (const settle of waiting.values()) settle(undefined);
    waiting.clear();
  };

  const running = (): Worker => {
    if (worker !== undefined) return worker;
    const started = new Worker(script, { workerData: files });
    worker = started;
    started.on("message", (answer: ReaderAnswer) => {
      if (!answer.ok) log.error("reader request failed", { failure: answer.failure });
      waiting.get(answer.id)?.(answer.ok ? answer.value : undefined);
      waiting.delete(answer.id);
    });
    started.on("error", (cause) => {
      log.error("reader worker ended", { cause: cause instanceof Error ? cause.message : "failed" });
      if (worker === started) worker = undefined;
      answerAll();
    });
    started.unref();
    return started;
  };

  /** Answers `undefined` when the request failed, null when it has no value. */
  const ask = <T>(request: ReaderRequest): Promise<T | undefined> =>
    new Promise((resolve) => {
      if (stopped) {
        resolve(undefined);
        return;
      }
      const id = nextId++;
      waiting.set(id, (answer) => resolve(answer as T | undefined));
      running().postMessage({ id, request });
    });

  return {
    search: async (request) => (await ask<readonly SearchMatch[]>({ type: "search", request })) ?? [],
    index: async (notes) => (await ask<null>({ type: "index", notes })) !== undefined,
    identity: () => ask<string>({ type: "identity" }),
    measure: (repository) => ask<StorageSizes>({ type: "measure", repository }),
    checkpoint: () => {
      if (checkpointing) return;
      checkpointing = true;
      void ask<null>({ type: "checkpoint" }).then(() => {
        checkpointing = false;
      });
    },
    verify: async () => (await ask<boolean>({ type: "verify" })) !== false,
    stop: async () => {
      stopped = true;
      answerAll();
      await worker?.terminate();
      worker = undefined;
    },
  };
};
