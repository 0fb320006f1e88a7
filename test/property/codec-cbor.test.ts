import { decode as cborgDecode, encode as cborgEncode, rfc8949EncodeOptions } from "cborg";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CborValue, decodeCbor, encodeCbor } from "../../protocol/codec/cbor.ts";
import { decodeUtf8 } from "../../protocol/codec/utf8.ts";

const RUNS = Number(process.env["PROPERTY_RUNS"] ?? 2000);

const value = fc.letrec<{ value: CborValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: "medium", maxDepth: 6 },
    fc.constantFrom(null, true, false),
    fc.maxSafeNat(),
    fc.nat(300),
    fc.string({ unit: "binary", maxLength: 40 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie("value"), { maxLength: 8 }),
  ),
})).value;

describe("CBOR properties", () => {
  it("CBR-2 every value survives and has the bytes cborg gives it", () => {
    fc.assert(
      fc.property(value, (sample) => {
        const encoded = encodeCbor(sample);
        expect(Buffer.compare(encoded, cborgEncode(sample, rfc8949EncodeOptions))).toBe(0);
        expect(decodeCbor(encoded)).toEqual({ ok: true, value: sample });
      }),
      { numRuns: RUNS },
    );
  });

  it("I2 CBR-2 any bytes are refused or re-encode to themselves, and cborg reads what we accept", () => {
    const mutated = fc
      .tuple(value, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }))
      .map(([sample, edits]) => {
        const encoded = encodeCbor(sample);
        for (const [at, byte] of edits) encoded[at % encoded.length] = byte;
        return encoded;
      });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 64 }), mutated), (input) => {
        const read = decodeCbor(input);
        if (!read.ok) return;
        expect(Buffer.compare(encodeCbor(read.value), input)).toBe(0);
        expect(cborgDecode(input, { strict: true, rejectDuplicateMapKeys: true })).toEqual(read.value);
      }),
      { numRuns: RUNS * 2 },
    );
  });

  it("CBR-6 UTF-8 decoding accepts exactly what a fatal TextDecoder accepts", () => {
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 12 }),
          fc.string({ unit: "binary" }).map((s) => new TextEncoder().encode(s)),
        ),
        (input) => {
          let expected: string | undefined;
          try {
            expected = decoder.decode(input);
          } catch {
            expected = undefined;
          }
          expect(decodeUtf8(input)).toBe(expected);
        },
      ),
      { numRuns: RUNS * 2 },
    );
  });
});
