import { Worker } from "node:worker_threads";
import type { ItemOpener } from "../../app/ports/item-opener.ts";
import type { Log } from "../../app/ports/log.ts";
import type { OpenedWire } from "../../app/repositories/integrate.ts";
import type { PostedWire } from "./opener-worker.ts";

/** The worker costs some 15 MB; pulls come seldom. */
const IDLE_MS = 30_000;

/** What kills the worker again and again is left to the thread that asks. */
const MAX_DEATHS = 3;

/** Opens items in a worker thread, started on first use and again after it died or had long nothing to do. */
export const createOpenerHost = (script: URL, log: Log): ItemOpener => {
  let worker: Worker | undefined;
  let nextId = 1;
  let isReady = false;
  let whenReady: (() => void) | undefined;
  let idle: NodeJS.Timeout | undefined;
  let stopped = false;
  let deaths = 0;
  const waiting = new Map<number, (opened: readonly PostedWire[] | undefined) => void>();

  const end = async (): Promise<void> => {
    const ended = worker;
    worker = undefined;
    isReady = false;
    clearTimeout(idle);
    await ended?.terminate();
  };

  const giveUp = (): void => {
    for (const settle of waiting.values()) settle(undefined);
    waiting.clear();
  };

  const running = (): Worker => {
    clearTimeout(idle);
    if (worker !== undefined) return worker;
    const started = new Worker(script);
    worker = started;
    started.on("message", (message: "ready" | { readonly id: number; readonly opened: readonly PostedWire[] }) => {
      if (worker !== started) return;
      if (message === "ready") {
        isReady = true;
        const ready = whenReady;
        whenReady = undefined;
        ready?.();
      } else {
        const settle = waiting.get(message.id);
        waiting.delete(message.id);
        settle?.(message.opened);
      }
      if (waiting.size === 0) idle = setTimeout(() => void end(), IDLE_MS).unref();
    });
    started.on("error", (cause) => {
      log.error("opener worker ended", { cause: cause instanceof Error ? cause.message : "failed" });
      if (worker !== started) return;
      worker = undefined;
      isReady = false;
      whenReady = undefined;
      deaths++;
      giveUp();
    });
    started.unref();
    return started;
  };

  return {
    isReady: () => isReady,
    prepare: (ready) => {
      if (stopped || whenReady !== undefined || deaths >= MAX_DEATHS) return;
      whenReady = ready;
      running();
    },
    open: (request) =>
      new Promise((resolve) => {
        if (stopped) {
          resolve(undefined);
          return;
        }
        const id = nextId++;
        waiting.set(id, (opened) =>
          resolve(opened?.map((one, index) => withWire(one, request.wires[index] as Uint8Array))),
        );
        running().postMessage({ id, request });
      }),
    stop: async () => {
      stopped = true;
      giveUp();
      await end();
    },
  };
};

const withWire = ({ oid, candidate, bodyLength }: PostedWire, wire: Uint8Array): OpenedWire => {
  if (candidate === undefined) return { oid, candidate };
  const body = wire.subarray(wire.length - bodyLength);
  return { oid, candidate: { opened: candidate.opened, item: { ...candidate.item, wire, body } } };
};
