import type { Clock } from "../../../app/ports/clock.ts";
import type { MonotonicMs, UnixMs } from "../../../protocol/kernel/time.ts";
import { createEventQueue } from "../kernel/event-queue.ts";

/** Time of a whole world of nodes: it passes only from event to event, and everything that is due runs in one fixed order. */
export interface VirtualTime {
  readonly now: () => number;
  /** Runs `run` after `delayMs`; the returned function cancels it. */
  readonly after: (delayMs: number, run: () => void) => () => void;
  /** Runs everything that is due up to `until`; promises settle between two events. */
  readonly runUntil: (until: number) => Promise<void>;
}

/** Date of the first event, Unix milliseconds. */
const BEGIN = 1_700_000_000_000;

/** Lets every promise that can settle do so. */
const settlePromises = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export const createVirtualTime = (): VirtualTime => {
  const queue = createEventQueue(1 << 10);
  const waiting = new Map<number, () => void>();
  let now = 0;
  let next = 0;
  return {
    now: () => now,
    after: (delayMs, run) => {
      const id = next++;
      waiting.set(id, run);
      queue.push(now + Math.max(0, delayMs), 0, id);
      return () => {
        waiting.delete(id);
      };
    },
    runUntil: async (until) => {
      await settlePromises();
      while (queue.peekTime() <= until) {
        queue.pop();
        const { time, payload } = queue.popped;
        const run = waiting.get(payload);
        if (run === undefined) continue;
        waiting.delete(payload);
        now = time;
        run();
        await settlePromises();
      }
      now = until;
    },
  };
};

/** The clock of one computer, `skewMs` away from the others'; its timers fall silent with `isAlive`. */
export const createSkewedClock = (time: VirtualTime, skewMs: number, isAlive: () => boolean): Clock => ({
  monotonic: () => time.now() as MonotonicMs,
  unix: () => Math.floor(BEGIN + time.now() + skewMs) as UnixMs,
  after: (delay, callback) =>
    time.after(delay, () => {
      if (isAlive()) callback();
    }),
});
