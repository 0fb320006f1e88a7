import type { Brand } from "./brand.ts";

/** Milliseconds on a clock that never goes back; only for deadlines inside one process. */
export type MonotonicMs = Brand<number, "MonotonicMs">;
/** Milliseconds since 1970-01-01 UTC; only inside documents and expiry of signed things. */
export type UnixMs = Brand<number, "UnixMs">;
/** Length of time in milliseconds. */
export type DurationMs = Brand<number, "DurationMs">;

export const monotonicMs = (value: number): MonotonicMs => value as MonotonicMs;
export const unixMs = (value: number): UnixMs => value as UnixMs;
export const durationMs = (value: number): DurationMs => value as DurationMs;

/** `base + delay`; the only way to make a deadline, so that wall-clock times cannot slip in. */
export const after = (base: MonotonicMs, delay: DurationMs): MonotonicMs => (base + delay) as MonotonicMs;

/** Earliest of the given deadlines, `undefined` when none is set. */
export const earliest = (deadlines: Iterable<MonotonicMs | undefined>): MonotonicMs | undefined => {
  let first: MonotonicMs | undefined;
  for (const deadline of deadlines)
    if (deadline !== undefined && (first === undefined || deadline < first)) first = deadline;
  return first;
};
