/** Most named elements of one run. */
export const MAXIMUM_NAMES = 256;

/** Sizes a set may show. */
const BUCKETS: readonly number[] = [16, 32, 64, 128, 256];

export const isBucket = (count: number): boolean => BUCKETS.includes(count);

/** Smallest bucket that holds `count` elements, `count` at most 256. */
export const bucketOf = (count: number): number => BUCKETS.find((size) => size >= count) ?? MAXIMUM_NAMES;

export const ELEMENT_BYTES = 32;
export const PROOF_BYTES = 64;
/** Uniform bytes per random scalar (`Voprf`). */
export const UNIFORM_BYTES = 64;
