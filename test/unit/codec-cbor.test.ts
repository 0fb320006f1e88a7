import { encode as cborgEncode, rfc8949EncodeOptions } from "cborg";
import { describe, expect, it } from "vitest";
import { type CborValue, decodeCbor, decodeShape, encodeCbor, type Shape } from "../../protocol/codec/cbor.ts";
import { padmeLength } from "../../protocol/codec/padme.ts";
import {
  array,
  bytes,
  bytesUpTo,
  literal,
  mapped,
  nullable,
  openTuple,
  refined,
  tagged,
  text,
  tuple,
  uint,
} from "../../protocol/codec/shape.ts";
import { decodeUtf8, encodeUtf8 } from "../../protocol/codec/utf8.ts";
import { leastCpuMs } from "../support/cpu-time.ts";
import { hexToBytes } from "../../protocol/kernel/bytes.ts";

const hex = (digits: string): Uint8Array => hexToBytes(digits) as Uint8Array;
const refusal = (digits: string): string => {
  const read = decodeCbor(hex(digits));
  return read.ok ? "accepted" : read.error.rule;
};
const ruleOf = <T>(shape: Shape<T>, value: CborValue): string => {
  const read = decodeShape(shape, encodeCbor(value));
  return read.ok ? "accepted" : read.error.rule;
};

describe("deterministic CBOR", () => {
  it("CBR-1 refuses every type outside the subset", () => {
    for (const foreign of ["20", "f93c00", "fb3ff0000000000000", "a0", "a10102", "c000", "f7", "ff", "f0", "f820"]) {
      expect(refusal(foreign), foreign).toBe("type outside the subset");
    }
    expect(refusal("9f01ff")).toBe("indefinite or reserved length");
    expect(refusal("5f4101ff")).toBe("indefinite or reserved length");
    expect(refusal("1c")).toBe("indefinite or reserved length");
    expect(refusal("1b0020000000000000")).toBe("integer above 2^53");
  });

  it("CBR-2 refuses integers and lengths that are not in shortest form", () => {
    for (const long of ["1817", "1900ff", "1a0000ffff", "1b00000000ffffffff", "580101", "780161", "9801f6"]) {
      expect(refusal(long), long).toBe("integer not in shortest form");
    }
  });

  it("CBR-3 refuses trailing bytes and empty input", () => {
    expect(refusal("0000")).toBe("trailing bytes");
    expect(refusal("")).toBe("truncated");
  });

  it("CBR-4 accepts sixteen levels and refuses seventeen", () => {
    expect(refusal(`${"81".repeat(15)}80`)).toBe("accepted");
    expect(refusal(`${"81".repeat(16)}80`)).toBe("nested too deep");
  });

  it("CBR-5 refuses lengths and counts beyond the remaining bytes", () => {
    expect(refusal("5affffffff00")).toBe("truncated");
    expect(refusal("7affffffff00")).toBe("truncated");
    expect(refusal("9affffffff00")).toBe("count exceeds the remaining bytes");
    expect(refusal("830102")).toBe("count exceeds the remaining bytes");
    expect(refusal("82820001")).toBe("truncated");
  });

  it("CBR-6 refuses text that is not UTF-8", () => {
    for (const bad of ["61ff", "62c080", "63eda080", "64f4908080", "61c3", "64f0808080"]) {
      expect(refusal(bad), bad).toBe("text is not UTF-8");
    }
  });

  it("I40 CBR-7 depth, count and width bombs are refused in under 5 ms", () => {
    const bombs = [
      new Uint8Array(1_000_000).fill(0x81),
      new Uint8Array(1_000_000).fill(0x9f),
      hex("9b001fffffffffffff"),
      Uint8Array.from({ length: 1_000_000 }, (_, i) => (i % 5 === 0 ? 0x9a : 0xff)),
    ];
    for (const bomb of bombs) {
      expect(decodeCbor(bomb).ok).toBe(false);
      expect(leastCpuMs(() => decodeCbor(bomb))).toBeLessThan(5);
    }
  });

  it("CBR-2 agrees with cborg on the edges of every integer width", () => {
    for (const n of [0, 23, 24, 255, 256, 65535, 65536, 2 ** 32 - 1, 2 ** 32, 2 ** 48, Number.MAX_SAFE_INTEGER]) {
      const value = [n, new Uint8Array(Math.min(n, 70000)), "é".repeat(Math.min(n, 300))];
      const ours = encodeCbor(value);
      expect(Buffer.compare(ours, cborgEncode(value, rfc8949EncodeOptions))).toBe(0);
      const read = decodeCbor(ours);
      if (!read.ok || !Array.isArray(read.value)) throw new Error("refused");
      const [number, bytesOfN, textOfN] = read.value as [number, Uint8Array, string];
      expect([number, textOfN]).toEqual([n, value[2]]);
      expect(Buffer.compare(bytesOfN, value[1] as Uint8Array)).toBe(0);
    }
  });

  it("CBR-1 throws on values outside the subset, which are our own bugs", () => {
    expect(() => encodeCbor(-1)).toThrow("invariant");
    expect(() => encodeCbor(0.5)).toThrow("invariant");
    expect(() => encodeCbor(2 ** 53)).toThrow("invariant");
  });
});

describe("shapes", () => {
  it("SHP-1 a tuple has exactly its members, an open tuple at least", () => {
    const pair = tuple(uint(9), bytes(2));
    expect(decodeShape(pair, encodeCbor([3, hex("0102")]))).toEqual({ ok: true, value: [3, hex("0102")] });
    expect(ruleOf(pair, [3])).toBe("expected 2 members");
    expect(ruleOf(pair, [3, hex("0102"), 0])).toBe("expected 2 members");
    expect(ruleOf(pair, [10, hex("0102")])).toBe("integer above 9");
    expect(ruleOf(pair, [3, hex("01")])).toBe("expected 2 bytes");
    expect(ruleOf(pair, 3)).toBe("expected an array");
    expect(decodeShape(openTuple(uint(9)), encodeCbor([3, ["more", null]]))).toEqual({ ok: true, value: [3] });
    expect(ruleOf(openTuple(uint(9)), [])).toBe("expected at least 1 members");
  });

  it("SHP-1 bounds arrays, byte strings and text", () => {
    expect(ruleOf(array(uint(), 2, 1), [])).toBe("expected 1 to 2 items");
    expect(ruleOf(array(uint(), 2, 1), [1, 2, 3])).toBe("expected 1 to 2 items");
    expect(ruleOf(array(uint(), 2, 1), [1, 2])).toBe("accepted");
    expect(ruleOf(bytesUpTo(3, 1), new Uint8Array(0))).toBe("expected 1 to 3 bytes");
    expect(ruleOf(bytesUpTo(3, 1), new Uint8Array(4))).toBe("expected 1 to 3 bytes");
    for (const max of [0, 1, 22, 23, 24, 25, 254, 255, 256, 257, 65535, 65536]) {
      expect(ruleOf(text(max), "a".repeat(max)), `${max}`).toBe("accepted");
      expect(ruleOf(text(max), "a".repeat(max + 1)), `${max}`).toBe(`text above ${max} bytes`);
    }
  });

  it("SHP-1 literals, null, tags, refinements", () => {
    expect(ruleOf(literal(1), 2)).toBe("expected 1");
    expect(ruleOf(nullable(uint()), null)).toBe("accepted");
    expect(ruleOf(nullable(uint()), "x")).toBe("expected an unsigned integer");
    const either = tagged<string>({
      0: mapped(tuple(literal(0), uint()), ([, n]) => `number ${n}`),
      1: mapped(tuple(literal(1), text(9)), ([, t]) => `text ${t}`),
    });
    expect(decodeShape(either, encodeCbor([0, 7]))).toEqual({ ok: true, value: "number 7" });
    expect(decodeShape(either, encodeCbor([1, "seven"]))).toEqual({ ok: true, value: "text seven" });
    expect(ruleOf(either, [2, 0])).toBe("unknown tag 2");
    expect(ruleOf(either, [])).toBe("truncated");
    expect(
      ruleOf(
        refined(uint(), "must be even", (n) => n % 2 === 0),
        3,
      ),
    ).toBe("must be even");
    expect(
      ruleOf(
        array(either, 20),
        Array.from({ length: 20 }, (_, i) => [0, i]),
      ),
    ).toBe("accepted");
  });
});

describe("text and padding", () => {
  it("CBR-6 UTF-8 agrees with TextEncoder and TextDecoder, also beyond one slice", () => {
    for (const sample of [
      "",
      "a",
      "é",
      "汉",
      "🜚",
      "x".repeat(5000) + "🜚".repeat(5000),
      "\ud800",
      "a\udc00b",
      "\ud800\ud800\udc00",
    ]) {
      expect(Buffer.compare(encodeUtf8(sample), new TextEncoder().encode(sample))).toBe(0);
      expect(decodeUtf8(encodeUtf8(sample))).toBe(sample.toWellFormed());
    }
  });

  it("I5 PAD-1 the padded length depends on the length alone and never shrinks", () => {
    let previous = 0;
    for (let n = 0; n < 20_000; n++) {
      const padded = padmeLength(n);
      const holds = padded >= Math.max(n, previous) && (n <= 256 || padded / n <= 1.12);
      if (!holds) throw new Error(`${n} is padded to ${padded}`);
      previous = padded;
    }
    expect(previous).toBe(padmeLength(19_999));
  });
});
