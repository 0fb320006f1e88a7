import { durationMs } from "../../protocol/kernel/time.ts";
import type { Clock } from "../ports/clock.ts";

/** Longest uninterrupted piece of background work: half of the 16 ms the main process may be busy. */
const SLICE_MS = 8;

/** Runs queued jobs in order, one slice at a time, so that the event loop is never held up for long. */
export interface SliceQueue {
  /** `step` does a small piece and answers whether the job is finished. */
  readonly add: (step: () => boolean) => void;
  readonly stop: () => void;
}

export const createSliceQueue = (clock: Clock): SliceQueue => {
  const jobs: (() => boolean)[] = [];
  let scheduled = false;
  let stopped = false;

  const run = (): void => {
    scheduled = false;
    const start = clock.monotonic();
    while (!stopped) {
      const job = jobs[0];
      if (job === undefined) return;
      if (job()) jobs.shift();
      if (clock.monotonic() - start >= SLICE_MS) break;
    }
    schedule();
  };
  const schedule = (): void => {
    if (scheduled || stopped || jobs.length === 0) return;
    scheduled = true;
    clock.after(durationMs(0), run);
  };

  return {
    add: (step) => {
      jobs.push(step);
      schedule();
    },
    stop: () => {
      stopped = true;
      jobs.length = 0;
    },
  };
};
