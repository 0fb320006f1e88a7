import type { BloomParameters } from "../bloom/bloom-filter.ts";

/** Set sizes are shown as a power of two in [2^4, 2^10]. */
export const MINIMUM_BUCKET_LOG2 = 4;
export const MAXIMUM_BUCKET_LOG2 = 10;
/** Most elements one run takes; a larger set is split by the caller into fixed parts. */
export const MAXIMUM_ITEMS = 2 ** MAXIMUM_BUCKET_LOG2;

/** Ten hash functions give one false candidate in a thousand foreign elements. */
const HASHES = 10;

/** Binary logarithm of the smallest bucket that holds `count` elements. */
export const bucketLog2 = (count: number): number => {
  let log2 = MINIMUM_BUCKET_LOG2;
  while (2 ** log2 < count) log2 += 1;
  return log2;
};

/** Filter for 2^log2 elements at half fill. */
export const offerParameters = (log2: number): BloomParameters => ({
  bits: 8 * Math.ceil((2 ** log2 * HASHES) / Math.LN2 / 8),
  hashes: HASHES,
});

/** Variance of the popcount of a filter at half fill, per bit: e^-l (1 - (1 + l) e^-l) at l = ln 2. */
const POPCOUNT_VARIANCE = 0.0767;

/** One bits an honest offer may have, inclusive: six deviations above half fill, and no near-empty filter. */
export const offerPopcountWindow = ({ bits }: BloomParameters): { readonly least: number; readonly most: number } => ({
  least: bits / 4,
  most: Math.floor(bits / 2 + 6 * Math.sqrt(POPCOUNT_VARIANCE * bits)),
});

/**
 * Next of 0, 4, 8, 16, 32, 64, 128, 192, 256, 384, 512, ...: the number of tags sent for `count`. Half steps above 128,
 * because one false candidate beyond a power of two would otherwise double a message of kilobytes.
 */
export const paddedCount = (count: number): number => {
  if (count === 0) return 0;
  let padded = 4;
  while (padded < count) padded *= 2;
  const between = (3 * padded) / 4;
  return padded > 128 && count <= between ? between : padded;
};

/** Most tags an initiator with `items` elements accepts in a challenge: all its elements and some false candidates. */
export const maximumChallengeTags = (items: number): number => paddedCount(2 * items + 8);

/** Bound of the codec: a challenge for 1024 elements. */
export const MAXIMUM_TAGS = 4096;
