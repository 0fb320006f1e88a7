import { type DecodeError, decodeError, ok, type Result } from "./result.ts";

/**
 * Big-endian cursor over untrusted bytes. The first broken rule sticks: every later read returns zero or an empty array,
 * so a decoder may read a whole structure and ask once, in `finish`, whether it was there.
 */
export interface Reader {
  readonly u8: () => number;
  readonly u16: () => number;
  readonly u32: () => number;
  /** Unsigned 64-bit integer; fails above 2^53 - 1. */
  readonly u53: () => number;
  /** A view on the next `count` bytes, not a copy. */
  readonly take: (count: number) => Uint8Array;
  /** Reads a number that must not exceed `limit`; zero when it does. */
  readonly bounded: (value: number, limit: number, rule: string) => number;
  readonly remaining: () => number;
  /** Marks the input as broken; the first call wins. */
  readonly fail: (rule: string) => void;
  readonly failed: () => boolean;
  /** The value if nothing failed and all bytes were read. */
  readonly finish: <T>(value: T) => Result<T, DecodeError>;
}

const NOTHING = new Uint8Array(0);

export const createReader = (bytes: Uint8Array): Reader => {
  let at = 0;
  let broken: { readonly rule: string; readonly at: number } | undefined;

  const fail = (rule: string): void => {
    broken ??= { rule, at };
  };
  const advance = (count: number): number => {
    if (broken === undefined && at + count > bytes.length) fail("truncated");
    if (broken !== undefined) return -1;
    const start = at;
    at += count;
    return start;
  };
  const u8 = (): number => {
    const start = advance(1);
    return start < 0 ? 0 : (bytes[start] as number);
  };
  const u16 = (): number => {
    const start = advance(2);
    return start < 0 ? 0 : ((bytes[start] as number) << 8) | (bytes[start + 1] as number);
  };
  const u32 = (): number => {
    const high = u16();
    return high * 0x10000 + u16();
  };

  return {
    u8,
    u16,
    u32,
    u53: () => {
      const high = u32();
      const low = u32();
      if (high > 0x1fffff) fail("integer-range");
      return broken === undefined ? high * 2 ** 32 + low : 0;
    },
    take: (count) => {
      const start = advance(count);
      return start < 0 ? NOTHING : bytes.subarray(start, start + count);
    },
    bounded: (value, limit, rule) => {
      if (value <= limit) return value;
      fail(rule);
      return 0;
    },
    remaining: () => (broken === undefined ? bytes.length - at : 0),
    fail,
    failed: () => broken !== undefined,
    finish: (value) => {
      if (broken === undefined && at !== bytes.length) fail("trailing-bytes");
      return broken === undefined ? ok(value) : decodeError(broken.rule, broken.at);
    },
  };
};
