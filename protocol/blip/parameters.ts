import type { BloomParameters } from "../bloom/bloom-filter.ts";

/** Filter sizes by their number on the wire. */
export type ProfileParametersId = 1 | 2 | 3;

/**
 * 3 is the product's: one hash function is the best signal for a given epsilon, and at epsilon 2 a filter of 512 bits ranks
 * peers almost as well as one of 1024 (1) while four known topics instead of two share a bit (SPEC.md, parameters).
 * 2 is the operating point of ocaml-blip. 1 and 2 serve comparisons.
 */
export const profileParameters: Readonly<Record<ProfileParametersId, BloomParameters>> = {
  1: { bits: 1024, hashes: 1 },
  2: { bits: 9664, hashes: 7 },
  3: { bits: 512, hashes: 1 },
};

export const DEFAULT_PROFILE_PARAMETERS_ID: ProfileParametersId = 3;

/** Topics of one profile; beyond that the filter is too full to say anything at a useful epsilon. */
export const MAXIMUM_PROFILE_TOPICS = 128;
/** Thousandths of epsilon a profile may claim; above 5 the noise is decoration (posterior .94 from a prior of .1). */
export const MINIMUM_EPSILON_MILLI = 500;
export const MAXIMUM_EPSILON_MILLI = 5000;

/** Probability with which each bit is flipped so that one topic changes any output's probability by at most e^epsilon. */
export const flipProbability = (epsilon: number, hashes: number): number => 1 / (1 + Math.exp(epsilon / hashes));

/** A bit flips when a uniform 32-bit number is below this; rounded up, so never less noise than promised. */
export const flipThreshold = (epsilon: number, hashes: number): number =>
  Math.ceil(flipProbability(epsilon, hashes) * 2 ** 32);
