import { randomFillSync } from "node:crypto";
import type { RandomSource } from "../../protocol/kernel/random.ts";

/** The operating system's generator. Forks are the same source: it has no state to separate. */
export const createSystemRandom = (): RandomSource => {
  const pool = new Uint32Array(256);
  let used = pool.length;
  const random: RandomSource = {
    bytes: (count) => randomFillSync(new Uint8Array(count)),
    uint32: () => {
      if (used === pool.length) {
        randomFillSync(pool);
        used = 0;
      }
      return pool[used++] as number;
    },
    fork: () => random,
  };
  return random;
};
