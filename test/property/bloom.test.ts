import fc from "fast-check";
import { expect, test } from "vitest";
import {
  andPopcount,
  bitAt,
  bloomContains,
  buildBloomFilter,
  decodeBloomFilter,
  estimateCount,
  falsePositiveRate,
  mergeBloomFilters,
  popcount,
} from "../../protocol/bloom/bloom-filter.ts";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const crypto = createNobleProvider();
const element = fc.uint8Array({ minLength: 32, maxLength: 32 });
const parameters = fc.record({
  bits: fc.integer({ min: 8, max: 128 }).map((n) => 8 * n),
  hashes: fc.integer({ min: 1, max: 32 }),
});
const SETS = Number(process.env["BLOOM_SETS"] ?? 300);

test("[BLM-3] no false negative over random sets and parameters", () => {
  fc.assert(
    fc.property(parameters, element, fc.array(element, { maxLength: 12 }), (size, context, elements) => {
      const filter = buildBloomFilter(crypto, size, context, elements);
      return elements.every((each) => bloomContains(crypto, filter, each));
    }),
    { numRuns: SETS },
  );
});

test("[BLM-3] the false-positive rate at capacity is within 1.15 of the formula", () => {
  const size = { bits: 1048, hashes: 7 };
  const count = 100;
  const random = createSeededRandom("bloom-fpr");
  let claimed = 0;
  const probes = Number(process.env["BLOOM_PROBES"] ?? 100_000);
  const perFilter = 1_000;
  for (let done = 0; done < probes; done += perFilter) {
    const elements = Array.from({ length: count }, () => random.bytes(32));
    const filter = buildBloomFilter(crypto, size, random.bytes(32), elements);
    for (let i = 0; i < perFilter; i++) if (bloomContains(crypto, filter, random.bytes(32))) claimed += 1;
  }
  const expected = falsePositiveRate(size, count);
  expect(expected).toBeCloseTo(0.00653, 5);
  const slack = 4 * Math.sqrt((expected * (1 - expected)) / probes);
  expect(claimed / probes).toBeLessThan(1.15 * expected + slack);
  expect(claimed / probes).toBeGreaterThan(expected / 1.15 - slack);
});

test("[BLM-6] the size estimate is within 15 percent at half capacity", () => {
  const size = { bits: 1048, hashes: 7 };
  const random = createSeededRandom("bloom-size");
  for (let round = 0; round < 20; round++) {
    const filter = buildBloomFilter(
      crypto,
      size,
      random.bytes(32),
      Array.from({ length: 50 }, () => random.bytes(32)),
    );
    const estimate = estimateCount(size, popcount(filter.bytes));
    expect(estimate).toBeGreaterThan(50 * 0.85);
    expect(estimate).toBeLessThan(50 * 1.15);
  }
});

test("[BLM-5] merging gives the filter of the union and refuses strangers", () => {
  fc.assert(
    fc.property(
      parameters,
      element,
      fc.array(element, { maxLength: 6 }),
      fc.array(element, { maxLength: 6 }),
      (size, context, a, b) => {
        const merged = mergeBloomFilters(
          buildBloomFilter(crypto, size, context, a),
          buildBloomFilter(crypto, size, context, b),
        );
        expect(merged).toEqual({ ok: true, value: buildBloomFilter(crypto, size, context, [...a, ...b]) });
      },
    ),
    { numRuns: 100 },
  );
  const filter = buildBloomFilter(crypto, { bits: 64, hashes: 1 }, new Uint8Array(32), []);
  for (const other of [
    { ...filter, context: new Uint8Array(32).fill(1) },
    { ...filter, parameters: { bits: 64, hashes: 2 } },
    buildBloomFilter(crypto, { bits: 72, hashes: 1 }, new Uint8Array(32), []),
  ]) {
    expect(mergeBloomFilters(filter, other)).toEqual({ ok: false, error: { type: "BloomRejected", rule: "BLM-5" } });
  }
});

test("[BLM-1] [BLM-4] decoding is total and takes exactly m/8 bytes", () => {
  fc.assert(
    fc.property(
      fc.double(),
      fc.double(),
      fc.uint8Array({ maxLength: 64 }),
      fc.uint8Array({ maxLength: 200 }),
      (bits, hashes, context, bytes) => {
        expect(decodeBloomFilter({ bits, hashes }, context, bytes).ok).toBe(false);
      },
    ),
  );
  fc.assert(
    fc.property(parameters, element, fc.uint8Array({ maxLength: 140 }), (size, context, bytes) => {
      const decoded = decodeBloomFilter(size, context, bytes);
      expect(decoded.ok).toBe(bytes.length === size.bits / 8);
      if (decoded.ok) expect(decoded.value.bytes).toEqual(bytes);
    }),
  );
  const context = new Uint8Array(32);
  for (const size of [
    { bits: 63, hashes: 1 },
    { bits: 60, hashes: 1 },
    { bits: 2 ** 20 + 8, hashes: 1 },
    { bits: 64, hashes: 0 },
    { bits: 64, hashes: 33 },
  ]) {
    expect(decodeBloomFilter(size, context, new Uint8Array(8))).toEqual({
      ok: false,
      error: { type: "BloomRejected", rule: "BLM-1" },
    });
  }
});

test("popcounts agree with counting bits", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(255), fc.nat(255)), { maxLength: 40 }), (pairs) => {
      const a = Uint8Array.from(pairs, ([x]) => x);
      const b = Uint8Array.from(pairs, ([, y]) => y);
      const count = (at: (i: number) => number): number =>
        Array.from({ length: 8 * a.length }, (_, i) => at(i)).reduce((sum, bit) => sum + bit, 0);
      expect(popcount(a)).toBe(count((i) => bitAt(a, i)));
      expect(andPopcount(a, b)).toBe(count((i) => bitAt(a, i) & bitAt(b, i)));
    }),
  );
});
