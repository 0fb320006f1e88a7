import { invariant } from "./assert.ts";

/** Big-endian writer with a hard upper bound; passing it is our bug, because every message has a bounded size. */
export interface Writer {
  readonly u8: (value: number) => void;
  readonly u16: (value: number) => void;
  readonly u32: (value: number) => void;
  /** Integer in [0, 2^53). */
  readonly u53: (value: number) => void;
  readonly raw: (bytes: Uint8Array) => void;
  /** Copy of everything written. */
  readonly finish: () => Uint8Array;
}

export const createWriter = (limit: number, expected = 64): Writer => {
  let bytes = new Uint8Array(Math.min(expected, limit));
  let at = 0;

  const reserve = (count: number): void => {
    const needed = at + count;
    if (needed <= bytes.length) return;
    invariant(needed <= limit, `message of more than ${limit} bytes`);
    const grown = new Uint8Array(Math.min(limit, Math.max(needed, 2 * bytes.length)));
    grown.set(bytes);
    bytes = grown;
  };
  const u16 = (value: number): void => {
    reserve(2);
    bytes[at++] = value >>> 8;
    bytes[at++] = value;
  };
  const u32 = (value: number): void => {
    u16(value >>> 16);
    u16(value & 0xffff);
  };

  return {
    u8: (value) => {
      reserve(1);
      bytes[at++] = value;
    },
    u16,
    u32,
    u53: (value) => {
      u32(Math.floor(value / 2 ** 32));
      u32(value % 2 ** 32);
    },
    raw: (part) => {
      reserve(part.length);
      bytes.set(part, at);
      at += part.length;
    },
    finish: () => bytes.slice(0, at),
  };
};
