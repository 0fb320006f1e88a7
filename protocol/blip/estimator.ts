import { andPopcount, type BloomParameters, estimateCount, popcount } from "../bloom/bloom-filter.ts";
import { invariant } from "../kernel/assert.ts";
import { type BlippedFilter, filterParameters } from "./blipped-filter.ts";
import { flipProbability } from "./parameters.ts";
import type { SubscriptionProfile } from "./subscription-profile.ts";

/** An unbiased estimate of what two profiles share. */
export interface OverlapEstimate {
  /** Common one bits. */
  readonly bits: number;
  /** Common topics, chance collisions removed. */
  readonly items: number;
  /** Standard deviation of `bits`. */
  readonly deviation: number;
}

const noiseOf = (filter: BlippedFilter): { readonly p: number; readonly d: number; readonly variance: number } => {
  const p = flipProbability(filter.epsilonMilli / 1000, filterParameters(filter).hashes);
  const d = 1 - 2 * p;
  return { p, d, variance: (p * (1 - p)) / d ** 2 };
};

const clamp = (value: number, least: number, most: number): number => Math.min(Math.max(value, least), most);

/** One bits of the exact filter behind a noisy one, clamped to what is possible. */
const estimateOnes = (filter: BlippedFilter): number => {
  const { bits } = filterParameters(filter);
  const { p, d } = noiseOf(filter);
  return clamp((popcount(filter.bytes) - p * bits) / d, 0, bits - 1);
};

/** Number of topics behind a peer's filter. */
export const estimateTopics = (filter: BlippedFilter): number =>
  estimateCount(filterParameters(filter), estimateOnes(filter));

const commonItems = (parameters: BloomParameters, common: number, onesA: number, onesB: number): number => {
  const { bits, hashes } = parameters;
  if (hashes === 1) return (common * bits - onesA * onesB) / Math.max(1, bits + common - onesA - onesB);
  const size = (ones: number): number => estimateCount(parameters, ones);
  return size(onesA) + size(onesB) - size(onesA + onesB - common);
};

/** Overlap of the own exact profile with a peer's noisy one: the ranking of the product. */
export const estimateOverlap = (own: SubscriptionProfile, peer: BlippedFilter): OverlapEstimate => {
  const parameters = filterParameters(peer);
  invariant(own.exact.parameters.bits === parameters.bits, "profiles of one network have the same size");
  const { p, d, variance } = noiseOf(peer);
  const ones = popcount(own.exact.bytes);
  const bits = (andPopcount(own.exact.bytes, peer.bytes) - p * ones) / d;
  return {
    bits,
    items: commonItems(parameters, bits, ones, estimateOnes(peer)),
    deviation: Math.sqrt(ones * variance),
  };
};

/** Overlap of two noisy profiles of equal epsilon, for choosing entries on behalf of someone else. */
export const estimateOverlapNoisy = (a: BlippedFilter, b: BlippedFilter): OverlapEstimate => {
  const parameters = filterParameters(a);
  invariant(a.parametersId === b.parametersId, "profiles of one network have the same size");
  const noiseA = noiseOf(a);
  const noiseB = noiseOf(b);
  const onesA = popcount(a.bytes);
  const onesB = popcount(b.bytes);
  // E|a' and b'| = dA dB S + pB dA |a| + pA dB |b| + pA pB m, with |x| estimated from its own popcount.
  const sizeA = (onesA - noiseA.p * parameters.bits) / noiseA.d;
  const sizeB = (onesB - noiseB.p * parameters.bits) / noiseB.d;
  const expectedByChance =
    noiseB.p * noiseA.d * sizeA + noiseA.p * noiseB.d * sizeB + noiseA.p * noiseB.p * parameters.bits;
  const bits = (andPopcount(a.bytes, b.bytes) - expectedByChance) / (noiseA.d * noiseB.d);
  const possibleA = clamp(sizeA, 0, parameters.bits - 1);
  const possibleB = clamp(sizeB, 0, parameters.bits - 1);
  return {
    bits,
    items: commonItems(parameters, bits, possibleA, possibleB),
    deviation: Math.sqrt(
      parameters.bits * noiseA.variance * noiseB.variance + noiseB.variance * possibleA + noiseA.variance * possibleB,
    ),
  };
};

/** Cosine of two noisy filters, the measure of ocaml-blip; 0 when one is empty. */
export const cosineSimilarity = (a: BlippedFilter, b: BlippedFilter): number => {
  const product = popcount(a.bytes) * popcount(b.bytes);
  return product === 0 ? 0 : andPopcount(a.bytes, b.bytes) / Math.sqrt(product);
};

/**
 * Rank of a peer, higher is nearer, in [0, number of own topics]: containment with a floor, so that neither a huge profile
 * nor one of a single topic wins by size.
 */
export const rankPeer = (own: SubscriptionProfile, peer: BlippedFilter): number => {
  const { items } = estimateOverlap(own, peer);
  const size = Math.max(estimateTopics(peer), own.topics / 4, 1);
  return clamp((items / size) * own.topics, 0, own.topics);
};
