import { randomUnit, type RandomSource } from "../../protocol/kernel/random.ts";
import { durationMs, type DurationMs } from "../../protocol/kernel/time.ts";

const firstDelayMs = 1000;
const longestDelayMs = 300_000;
/** Spread of the delays, so that nodes that lost the same peer do not return at the same moment. */
const jitter = 0.3;

/** Delay before dialling again after `failures` failures in a row (1, 2, …): 1 s doubled each time up to 5 min, ± 30 %. */
export const backoff = (failures: number, random: RandomSource): DurationMs => {
  const base = Math.min(longestDelayMs, firstDelayMs * 2 ** Math.max(0, failures - 1));
  return durationMs(Math.round(base * (1 - jitter + 2 * jitter * randomUnit(random))));
};
