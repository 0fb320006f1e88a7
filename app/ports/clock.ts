import type { DurationMs, MonotonicMs, UnixMs } from "../../protocol/kernel/time.ts";

/**
 * Time as the host sees it.
 * P-CLOCK-1 `monotonic` never goes back. P-CLOCK-2 A callback runs at most once, not before its delay, and not after it was cancelled.
 */
export interface Clock {
  readonly monotonic: () => MonotonicMs;
  readonly unix: () => UnixMs;
  /** Runs `callback` after `delay`; the returned function cancels it. */
  readonly after: (delay: DurationMs, callback: () => void) => () => void;
}
