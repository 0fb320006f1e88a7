import { Worker } from "node:worker_threads";
import type { BundlePage, Compactor, Packed, Tail } from "../../app/ports/compactor.ts";
import type { Log } from "../../app/ports/log.ts";
import type { CompactorAnswer, CompactorFile, CompactorQuestion } from "./compactor-worker.ts";

/** A worker nobody asks gives its memory back after this long. */
const IDLE_MS = 30_000;
/** Heap of the worker: the records of one bundle, unpacked, several times over. */
const MAX_HEAP_MB = 512;
/** Most of what it makes is handed over at once: a small young generation would copy it again and again. */
const YOUNG_HEAP_MB = 64;

type Unasked<Question> = Question extends unknown ? Omit<Question, "id"> : never;

/** Packs and unpacks in a worker thread, started on first use and again after it ended. `script` is the built worker. */
export const createCompactorHost = (script: URL, file: CompactorFile, log: Log): Compactor => {
  let worker: Worker | undefined;
  let idle: NodeJS.Timeout | undefined;
  let nextId = 1;
  let stopped = false;
  const waiting = new Map<number, (value: CompactorAnswer["value"]) => void>();

  const end = async (reason: string | undefined): Promise<void> => {
    clearTimeout(idle);
    const ended = worker;
    worker = undefined;
    if (reason !== undefined) log.error("compactor worker ended", { reason });
    for (const settle of waiting.values()) settle(undefined);
    waiting.clear();
    await ended?.terminate();
  };

  const running = (): Worker => {
    if (worker !== undefined) return worker;
    const started = new Worker(script, {
      workerData: file,
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB, maxYoungGenerationSizeMb: YOUNG_HEAP_MB },
    });
    worker = started;
    started.on("message", ({ id, value, failure }: CompactorAnswer) => {
      if (failure !== undefined) log.error("not compacted", { failure });
      const settle = waiting.get(id);
      waiting.delete(id);
      settle?.(value);
      if (waiting.size === 0 && worker === started) idle = setTimeout(() => void end(undefined), IDLE_MS).unref();
    });
    started.on("error", (cause) => {
      if (worker === started) void end(cause instanceof Error ? cause.message : "failed");
    });
    started.unref();
    return started;
  };

  const ask = <T>(question: Unasked<CompactorQuestion>): Promise<T | undefined> =>
    new Promise((resolve) => {
      if (stopped) {
        resolve(undefined);
        return;
      }
      clearTimeout(idle);
      const id = nextId++;
      waiting.set(id, (value) => resolve(value as T | undefined));
      running().postMessage({ ...question, id });
    });

  return {
    prepare: () => {
      if (stopped || worker !== undefined) return;
      running();
      idle = setTimeout(() => void end(undefined), IDLE_MS).unref();
    },
    pack: (request) => ask<Packed>({ type: "pack", request }),
    unpack: (request) => ask<BundlePage | "refused">({ type: "unpack", request }),
    tail: (topic) => ask<Tail>({ type: "tail", topic }),
    stop: async () => {
      stopped = true;
      await end(undefined);
    },
  };
};
