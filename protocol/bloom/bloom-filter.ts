import type { CryptoProvider } from "../crypto/provider.ts";
import { invariant } from "../kernel/assert.ts";
import { ascii } from "../kernel/bytes.ts";
import { err, ok, type Result } from "../kernel/result.ts";

/** Size of a filter: `bits` in [64, 2^20] and a multiple of 8, `hashes` in [1, 32] (papers: m and k). */
export interface BloomParameters {
  readonly bits: number;
  readonly hashes: number;
}

/** A filter over 32-byte elements; bit i is byte `i >> 3`, mask `1 << (i & 7)`. */
export interface BloomFilter {
  readonly parameters: BloomParameters;
  /** 32 bytes that separate networks and sessions: filters of different contexts share nothing. */
  readonly context: Uint8Array;
  readonly bytes: Uint8Array;
}

export interface BloomRejected {
  readonly type: "BloomRejected";
  readonly rule: "BLM-1" | "BLM-4" | "BLM-5";
}

const MIN_BITS = 64;
const MAX_BITS = 2 ** 20;
const MAX_HASHES = 32;
const WORDS_PER_BLOCK = 16;
const BLOCK_DOMAIN = ascii("BF1");

/** 32, the length of every element and of the context. */
export const BLOOM_ELEMENT_BYTES = 32;

export const areBloomParametersValid = ({ bits, hashes }: BloomParameters): boolean =>
  Number.isInteger(bits) &&
  bits >= MIN_BITS &&
  bits <= MAX_BITS &&
  bits % 8 === 0 &&
  Number.isInteger(hashes) &&
  hashes >= 1 &&
  hashes <= MAX_HASHES;

/** The `hashes` bit positions of one element; repetitions are possible. */
export const bloomIndices = (
  crypto: CryptoProvider,
  parameters: BloomParameters,
  context: Uint8Array,
  element: Uint8Array,
): readonly number[] => {
  invariant(areBloomParametersValid(parameters), "Bloom parameters out of range");
  invariant(
    context.length === BLOOM_ELEMENT_BYTES && element.length === BLOOM_ELEMENT_BYTES,
    "Bloom context and elements have 32 bytes",
  );
  const indices: number[] = [];
  let words: DataView | undefined;
  for (let i = 0; i < parameters.hashes; i++) {
    const word = i % WORDS_PER_BLOCK;
    if (words === undefined || word === 0) {
      const block = crypto.hash("SHA512", BLOCK_DOMAIN, context, Uint8Array.of(i / WORDS_PER_BLOCK), element);
      words = new DataView(block.buffer, block.byteOffset, block.byteLength);
    }
    // A product below 2^52 is exact in a double, so the mapping is the same on every platform.
    indices.push(Math.floor((words.getUint32(4 * word, true) * parameters.bits) / 2 ** 32));
  }
  return indices;
};

/** Filter of a set. Every element and the context are 32 bytes. */
export const buildBloomFilter = (
  crypto: CryptoProvider,
  parameters: BloomParameters,
  context: Uint8Array,
  elements: Iterable<Uint8Array>,
): BloomFilter => {
  invariant(areBloomParametersValid(parameters), "Bloom parameters out of range");
  const bytes = new Uint8Array(parameters.bits / 8);
  for (const element of elements) {
    for (const index of bloomIndices(crypto, parameters, context, element)) {
      bytes[index >> 3] = (bytes[index >> 3] as number) | (1 << (index & 7));
    }
  }
  return { parameters, context, bytes };
};

/** Whether the element may be in the set: never a false negative. */
export const bloomContains = (crypto: CryptoProvider, filter: BloomFilter, element: Uint8Array): boolean =>
  bloomIndices(crypto, filter.parameters, filter.context, element).every((index) => bitAt(filter.bytes, index) === 1);

/** Filter of the union; refuses filters of other parameters or context. */
export const mergeBloomFilters = (a: BloomFilter, b: BloomFilter): Result<BloomFilter, BloomRejected> => {
  const alike =
    a.parameters.bits === b.parameters.bits &&
    a.parameters.hashes === b.parameters.hashes &&
    a.context.every((byte, i) => byte === b.context[i]);
  if (!alike) return err({ type: "BloomRejected", rule: "BLM-5" });
  return ok({ ...a, bytes: a.bytes.map((byte, i) => byte | (b.bytes[i] as number)) });
};

/** Takes received bits for a filter of the given parameters and context. */
export const decodeBloomFilter = (
  parameters: BloomParameters,
  context: Uint8Array,
  bytes: Uint8Array,
): Result<BloomFilter, BloomRejected> => {
  if (!areBloomParametersValid(parameters) || context.length !== BLOOM_ELEMENT_BYTES)
    return err({ type: "BloomRejected", rule: "BLM-1" });
  if (bytes.length !== parameters.bits / 8) return err({ type: "BloomRejected", rule: "BLM-4" });
  return ok({ parameters, context, bytes: Uint8Array.from(bytes) });
};

/** Value 0 or 1 of bit `index`. */
export const bitAt = (bytes: Uint8Array, index: number): number => ((bytes[index >> 3] as number) >> (index & 7)) & 1;

const ONES_BY_BYTE = Uint8Array.from({ length: 256 }, (_, byte) => {
  let ones = 0;
  for (let rest = byte; rest > 0; rest >>= 1) ones += rest & 1;
  return ones;
});

/** Number of one bits. */
export const popcount = (bytes: Uint8Array): number => {
  let ones = 0;
  for (const byte of bytes) ones += ONES_BY_BYTE[byte] as number;
  return ones;
};

/** Number of positions that are one in both; the arrays have the same length. */
export const andPopcount = (a: Uint8Array, b: Uint8Array): number => {
  invariant(a.length === b.length, "bit vectors of the same length");
  let ones = 0;
  for (let i = 0; i < a.length; i++) ones += ONES_BY_BYTE[(a[i] as number) & (b[i] as number)] as number;
  return ones;
};

/** Probability that a filter of `count` elements claims a foreign one (Bloom 1970, independent-hash model). */
export const falsePositiveRate = ({ bits, hashes }: BloomParameters, count: number): number =>
  (1 - (1 - 1 / bits) ** (hashes * count)) ** hashes;

/** Maximum-likelihood size of the set behind `ones` set bits (Swamidass and Baldi 2007); `ones` is clamped to bits - 1. */
export const estimateCount = ({ bits, hashes }: BloomParameters, ones: number): number =>
  -(bits / hashes) * Math.log(1 - Math.min(Math.max(ones, 0), bits - 1) / bits);
