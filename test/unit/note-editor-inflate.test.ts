import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { inflateRaw } from "../../renderer/src/editors/note-editor/inflate-raw.ts";

const sample = fc.oneof(
  fc.uint8Array({ maxLength: 2_000 }),
  fc
    .array(fc.constantFrom("lorem ", "ipsum ", "a", "\u00e9"), { maxLength: 3_000 })
    .map((words) => new Uint8Array(Buffer.from(words.join("")))),
);

test("inflates what zlib deflated, at every level and strategy", () => {
  fc.assert(
    fc.property(sample, fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 4 }), (bytes, level, strategy) => {
      const packed = new Uint8Array(deflateRawSync(bytes, { level, strategy }));
      expect(inflateRaw(packed, bytes.length)).toEqual(bytes);
      if (bytes.length > 0) expect(inflateRaw(packed, bytes.length - 1)).toBeUndefined();
    }),
    { numRuns: 300 },
  );
});

test("refuses input that is cut, goes on or is garbage, and never throws", () => {
  fc.assert(
    fc.property(sample, fc.nat(), fc.uint8Array({ maxLength: 100 }), (bytes, cut, garbage) => {
      const packed = new Uint8Array(deflateRawSync(bytes));
      expect(inflateRaw(packed.subarray(0, cut % packed.length), 10_000)).toBeUndefined();
      expect(inflateRaw(new Uint8Array([...packed, 0]), 100_000)).toBeUndefined();
      const out = inflateRaw(garbage, 1_000);
      expect(out === undefined || out.length <= 1_000).toBe(true);
    }),
    { numRuns: 300 },
  );
});
