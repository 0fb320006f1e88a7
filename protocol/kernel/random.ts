/**
 * Randomness handed to a machine at creation. Production passes the operating system's generator,
 * tests and the simulator a seeded stream: one interface, so privacy code cannot be tested on a weaker path.
 */
export interface RandomSource {
  /** Fresh array of `count` random bytes. */
  readonly bytes: (count: number) => Uint8Array;
  /** Uniform integer in [0, 2^32). */
  readonly uint32: () => number;
  /** Independent stream for a child, so that a new consumer does not reshuffle the others. */
  readonly fork: (label: string) => RandomSource;
}

/**
 * Uniform integer in [0, bound), 1 <= bound <= 2^32, without modulo bias. Small bounds take one multiplication
 * (Lemire, "Fast Random Integer Generation in an Interval", 2019), exact below 2^53; this is the simulator's hottest line.
 */
export const randomBelow = (random: RandomSource, bound: number): number => {
  if (bound <= 2 ** 20) {
    let product = random.uint32() * bound;
    if (product >>> 0 < bound) {
      const rejected = 2 ** 32 % bound;
      while (product >>> 0 < rejected) product = random.uint32() * bound;
    }
    return Math.floor(product / 2 ** 32);
  }
  const limit = 2 ** 32 - (2 ** 32 % bound);
  for (;;) {
    const value = random.uint32();
    if (value < limit) return value % bound;
  }
};

/** Uniform real in [0, 1) with 53 bits. */
export const randomUnit = (random: RandomSource): number =>
  (random.uint32() * 2 ** 21 + (random.uint32() >>> 11)) / 2 ** 53;

/** Uniform element of a non-empty array, `undefined` when it is empty. */
export const pick = <T>(random: RandomSource, items: readonly T[]): T | undefined =>
  items.length === 0 ? undefined : items[randomBelow(random, items.length)];

/** New array with the items in uniform random order (Fisher-Yates). */
export const shuffle = <T>(random: RandomSource, items: readonly T[]): T[] => {
  const out = [...items];
  for (let i = out.length - 1; i > 0; i--) {
    const j = randomBelow(random, i + 1);
    const swap = out[i] as T;
    out[i] = out[j] as T;
    out[j] = swap;
  }
  return out;
};

/** `count` distinct items in uniform random order (all of them when fewer). */
export const sample = <T>(random: RandomSource, items: readonly T[], count: number): T[] => {
  const out = [...items];
  const taken = Math.min(count, out.length);
  for (let i = 0; i < taken; i++) {
    const j = i + randomBelow(random, out.length - i);
    const swap = out[i] as T;
    out[i] = out[j] as T;
    out[j] = swap;
  }
  out.length = taken;
  return out;
};
