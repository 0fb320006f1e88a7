/** Quiet time after a reload, at least; a burst of events becomes one reload. */
const MIN_PAUSE_MS = 120;
/** A reload may use this fraction of the time at most, so that a list of 10 000 notes does not reload all the time. */
const PAUSE_PER_DURATION = 5;

/**
 * Runs `load` for any number of requests, one at a time: the first at once, later ones together after a pause that grows with
 * what a load costs. The last request is always followed by a load that started after it.
 */
export const createRefresh = (load: () => Promise<void>): (() => Promise<void>) => {
  let running: Promise<void> | undefined;
  let wanted = false;
  let restUntil = 0;

  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  const run = async () => {
    while (wanted) {
      const rest = restUntil - performance.now();
      if (rest > 0) await pause(rest);
      wanted = false;
      const started = performance.now();
      await load();
      const ended = performance.now();
      restUntil = ended + Math.max(MIN_PAUSE_MS, (ended - started) * PAUSE_PER_DURATION);
    }
    running = undefined;
  };
  return () => {
    wanted = true;
    running ??= run();
    return running;
  };
};
