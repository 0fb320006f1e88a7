import { Worker } from "node:worker_threads";
import type { Log } from "../../app/ports/log.ts";
import type { SearchIndex, SearchMatch } from "../../app/ports/search-index.ts";

interface Answer {
  readonly id: number;
  readonly matches?: readonly SearchMatch[];
  readonly failure?: string;
}

/** Search in a worker thread, started on first use and again after it died. `script` is the built reader worker. */
export const createReaderHost = (script: URL, file: string, log: Log): SearchIndex => {
  let worker: Worker | undefined;
  let nextId = 1;
  const waiting = new Map<number, (matches: readonly SearchMatch[]) => void>();

  const answerAll = (): void => {
    for (const settle of waiting.values()) settle([]);
    waiting.clear();
  };

  const running = (): Worker => {
    if (worker !== undefined) return worker;
    const started = new Worker(script, { workerData: { file } });
    worker = started;
    started.on("message", ({ id, matches, failure }: Answer) => {
      if (failure !== undefined) log.error("search failed", { failure });
      waiting.get(id)?.(matches ?? []);
      waiting.delete(id);
    });
    started.on("error", (cause) => {
      log.error("reader worker ended", { cause: cause instanceof Error ? cause.message : "failed" });
      if (worker === started) worker = undefined;
      answerAll();
    });
    started.unref();
    return started;
  };

  return {
    search: (request) =>
      new Promise((resolve) => {
        const id = nextId++;
        waiting.set(id, resolve);
        running().postMessage({ id, request });
      }),
    stop: async () => {
      answerAll();
      await worker?.terminate();
      worker = undefined;
    },
  };
};
