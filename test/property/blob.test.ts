import fc from "fast-check";
import { expect, test } from "vitest";
import { CHUNK_BYTES, openChunk, sealChunk } from "../../protocol/blob/chunk.ts";
import { chunkCount, chunkLength, chunksOfRange } from "../../protocol/blob/manifest.ts";
import { concatBytes } from "../../protocol/kernel/bytes.ts";
import { filled, must, native } from "../support/data-fixtures.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const numRuns = Number(process.env["PROPERTY_RUNS"] ?? 200);

const size = fc.oneof(
  fc.integer({ min: 1, max: 5 * CHUNK_BYTES }),
  fc.integer({ min: 1, max: 5 }).map((n) => n * CHUNK_BYTES),
);

test("BLOB-6 I49 the chunks of a range cover it exactly, and no other chunk is asked for", () => {
  fc.assert(
    fc.property(size, fc.nat(), fc.nat(), (bytes, a, b) => {
      const start = a % bytes;
      const end = start + (b % (bytes + 10));
      const slices = chunksOfRange(bytes, start, end);
      let at = start;
      for (const { position, from, to } of slices) {
        expect(position * CHUNK_BYTES + from).toBe(at);
        expect(to).toBeGreaterThan(from);
        expect(to).toBeLessThanOrEqual(chunkLength(bytes, position));
        at = position * CHUNK_BYTES + to;
      }
      expect(at).toBe(Math.max(start, Math.min(end, bytes)));
      expect(slices.length).toBeLessThanOrEqual(chunkCount(bytes));
    }),
    { numRuns },
  );
});

test("I49 a range read from sealed chunks equals the slice of the file", () => {
  const random = createSeededRandom("range-read");
  const file = random.bytes(3 * CHUNK_BYTES + 12_345);
  const chunks = Array.from({ length: chunkCount(file.length) }, (_, n) =>
    sealChunk(native, filled(3, 32), file.subarray(n * CHUNK_BYTES, (n + 1) * CHUNK_BYTES)),
  );
  const read = (start: number, end: number): Uint8Array =>
    concatBytes(
      ...chunksOfRange(file.length, start, end).map(({ position, from, to }) => {
        const chunk = chunks[position];
        if (chunk === undefined) throw new Error(`no chunk ${position}`);
        return must(openChunk(native, chunk, chunk.ciphertext, chunkLength(file.length, position))).subarray(from, to);
      }),
    );
  fc.assert(
    fc.property(fc.nat({ max: file.length }), fc.nat({ max: file.length }), (a, b) => {
      const [start, end] = [Math.min(a, b), Math.max(a, b)];
      expect(Buffer.compare(read(start, end), file.subarray(start, end))).toBe(0);
    }),
    { numRuns: Math.min(numRuns, 60) },
  );
});
