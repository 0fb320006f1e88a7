import { bytesToHex, compareBytes } from "../kernel/bytes.ts";
import type { RandomSource } from "../kernel/random.ts";

export const TAG_BYTES = 16;

/** Sorted, padded with random tags to `length`, so that neither order nor number says which tags are real. */
export const paddedTags = (
  random: RandomSource,
  tags: readonly Uint8Array[],
  length: number,
): readonly Uint8Array[] => {
  const all = new Map(tags.map((tag) => [bytesToHex(tag), tag]));
  while (all.size < length) {
    const padding = random.bytes(TAG_BYTES);
    all.set(bytesToHex(padding), padding);
  }
  return [...all.values()].sort(compareBytes);
};

export const areStrictlyAscending = (tags: readonly Uint8Array[]): boolean =>
  tags.every((tag, i) => i === 0 || compareBytes(tags[i - 1] as Uint8Array, tag) < 0);

export const tagSet = (tags: readonly Uint8Array[]): ReadonlySet<string> => new Set(tags.map(bytesToHex));
