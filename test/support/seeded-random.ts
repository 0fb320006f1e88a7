import { createHash } from "node:crypto";
import type { RandomSource } from "../../protocol/kernel/random.ts";

/** Deterministic stream for tests and the simulator (sfc32, seeded from SHA-256 of the label). Not for keys of real people. */
export const createSeededRandom = (seed: string | number): RandomSource => {
  const digest = createHash("sha256").update(String(seed)).digest();
  // Signed, so that the state stays in small integers: unsigned ones above 2^31 would be allocated one by one.
  let a = digest.readInt32LE(0);
  let b = digest.readInt32LE(4);
  let c = digest.readInt32LE(8);
  let counter = 1;
  const uint32 = (): number => {
    const out = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + out) | 0;
    return out >>> 0;
  };
  for (let i = 0; i < 12; i++) uint32();
  return {
    uint32,
    bytes: (count) => Uint8Array.from({ length: count }, () => uint32() & 255),
    fork: (label) => createSeededRandom(`${seed}/${label}/${uint32()}`),
  };
};
