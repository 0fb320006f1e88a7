import { performance } from "node:perf_hooks";
import type { Clock } from "../../app/ports/clock.ts";
import { monotonicMs, unixMs } from "../../protocol/kernel/time.ts";

export interface SystemClock extends Clock {
  /** Calls `listener` soon after the computer woke up; the returned function removes it. */
  readonly onResumed: (listener: () => void) => () => void;
  readonly close: () => void;
}

export interface SystemTime {
  readonly monotonic: () => number;
  readonly unix: () => number;
}

const tickMs = 5000;
/** A busy event loop is late by less; a suspended computer by more. */
const sleepMs = 10_000;

const systemTime: SystemTime = { monotonic: () => performance.now(), unix: () => Date.now() };

/**
 * The process' clock. On Linux the monotonic clock stands still while the computer sleeps and the wall clock runs on; on
 * Windows and macOS both run on and only the tick comes late. Either gap beyond ten seconds counts as a wake-up.
 */
export const createSystemClock = (time: SystemTime = systemTime): SystemClock => {
  const listeners = new Set<() => void>();
  let lastMonotonic = time.monotonic();
  let lastUnix = time.unix();
  const tick = (): void => {
    const monotonic = time.monotonic();
    const unix = time.unix();
    const late = Math.max(monotonic - lastMonotonic, unix - lastUnix) - tickMs;
    lastMonotonic = monotonic;
    lastUnix = unix;
    if (late > sleepMs) for (const listener of listeners) listener();
  };
  const timer = setInterval(tick, tickMs);
  timer.unref();
  return {
    monotonic: () => monotonicMs(time.monotonic()),
    unix: () => unixMs(time.unix()),
    after: (delay, callback) => {
      const timeout = setTimeout(callback, Math.max(0, delay));
      return () => clearTimeout(timeout);
    },
    onResumed: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: () => {
      clearInterval(timer);
      listeners.clear();
    },
  };
};
