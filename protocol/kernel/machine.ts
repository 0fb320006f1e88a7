import type { MonotonicMs } from "./time.ts";

/**
 * A protocol as a state machine without I/O (shape after str0m, quinn-proto and Firezone's connlib).
 * Deterministic for (seed, events, times): the same code runs in a unit test, in the simulator and in the app.
 */
export interface Machine<Event, Effect> {
  /** Applies one event at time `now` and returns everything that must happen because of it, in order. */
  readonly handle: (event: Event, now: MonotonicMs) => readonly Effect[];
  /** The time at which the host must deliver `{ type: "deadlineReached" }`, if any. */
  readonly nextDeadline: () => MonotonicMs | undefined;
}

/** The one event every machine with deadlines understands. */
export interface DeadlineReached {
  readonly type: "deadlineReached";
}
