import { Worker } from "node:worker_threads";
import type { HistoryAnswer, HistoryReader, HistoryRequest } from "../../app/ports/history-reader.ts";
import type { Log } from "../../app/ports/log.ts";
import { err } from "../../protocol/kernel/result.ts";
import type { FromHistoryWorker, HistoryFile, ToHistoryWorker } from "./history-worker.ts";

/** Heap of the worker: the graph of a million changes and 32 MB of copies fit; beyond, the worker ends and the request fails. */
const MAX_HEAP_MB = 768;
/** Longest answer: the longest note there is, replayed from its beginning on a machine ten times as busy as when measured. */
const MAX_TIME_MS = 120_000;
/** A worker nobody asks gives its memory back after this long. */
const IDLE_MS = 60_000;

interface Waiting {
  readonly settle: (answer: HistoryAnswer) => void;
  readonly timer: NodeJS.Timeout;
}

/** The history reader in a worker thread, started on first use and again after it ended. `script` is the built worker. */
export const createHistoryHost = (script: URL, file: HistoryFile, log: Log): HistoryReader => {
  let worker: Worker | undefined;
  let idle: NodeJS.Timeout | undefined;
  let nextId = 1;
  const waiting = new Map<number, Waiting>();

  const end = (reason: string | undefined): void => {
    clearTimeout(idle);
    const ended = worker;
    worker = undefined;
    void ended?.terminate();
    if (reason !== undefined) log.error("history worker ended", { reason });
    for (const { settle, timer } of waiting.values()) {
      clearTimeout(timer);
      settle(err({ type: "Failed" }));
    }
    waiting.clear();
  };

  const running = (): Worker => {
    if (worker !== undefined) return worker;
    const started = new Worker(script, {
      workerData: file,
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
    });
    worker = started;
    started.on("message", ({ id, answer, failure }: FromHistoryWorker) => {
      if (failure !== undefined) log.error("history not computed", { failure });
      const asked = waiting.get(id);
      waiting.delete(id);
      clearTimeout(asked?.timer);
      asked?.settle(answer);
      if (waiting.size === 0 && worker === started) idle = setTimeout(() => end(undefined), IDLE_MS).unref();
    });
    started.on("error", (cause) => {
      if (worker === started) end(cause instanceof Error ? cause.message : "failed");
    });
    started.unref();
    return started;
  };

  return {
    ask: <Type extends HistoryRequest["type"]>(request: Extract<HistoryRequest, { type: Type }>) =>
      new Promise<HistoryAnswer<Type>>((resolve) => {
        clearTimeout(idle);
        const id = nextId++;
        const timer = setTimeout(() => end("no answer in time"), MAX_TIME_MS).unref();
        waiting.set(id, { settle: (answer) => resolve(answer as HistoryAnswer<Type>), timer });
        running().postMessage({ type: "ask", id, request } satisfies ToHistoryWorker);
      }),
    forget: (document) => {
      worker?.postMessage({ type: "forget", document } satisfies ToHistoryWorker);
    },
    stop: async () => {
      const ended = worker;
      end(undefined);
      await ended?.terminate();
    },
  };
};
