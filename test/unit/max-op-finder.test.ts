import { expect, test } from "vitest";
import { FACT_BYTES } from "../../app/repositories/change-batch.ts";
import { createMaxOpFinder } from "../../main/adapters/sqlite/max-op-finder.ts";

const hashOf = (n: number): Uint8Array => {
  const hash = new Uint8Array(32).fill(7);
  new DataView(hash.buffer).setUint32(3, n);
  return hash;
};

/** `runs` rows of `size` changes each; change n has maxOp n * 10. */
const finderOver = (runs: number, size: number) => {
  const rows = Array.from({ length: runs }, (_, row) => {
    const facts = new Uint8Array(size * FACT_BYTES);
    for (let i = 0; i < size; i++) {
      facts.set(hashOf(row * size + i), i * FACT_BYTES);
      new DataView(facts.buffer).setUint32(i * FACT_BYTES + 32, (row * size + i) * 10, true);
    }
    return { n: row + 1, facts };
  }).toReversed();
  let read = 0;
  const find = createMaxOpFinder((before, limit) => {
    const page = rows.filter(({ n }) => n < before).slice(0, limit);
    read += page.length;
    return page;
  });
  return { find, read: () => read };
};

test("a change of the newest run is found in it alone, an old one further back, an unknown one nowhere", () => {
  const { find, read } = finderOver(50, 20);
  expect(find(hashOf(999))).toBe(9_990);
  expect(read()).toBe(1);
  expect(find(hashOf(0))).toBe(0);
  expect(find(hashOf(1_000))).toBeUndefined();
  expect(read()).toBe(50);
});

test("many questions get the answers of few", () => {
  const { find, read } = finderOver(30, 10);
  for (let n = 299; n >= 0; n -= 3) expect(find(hashOf(n)), `change ${n}`).toBe(n * 10);
  expect(find(hashOf(300))).toBeUndefined();
  expect(read()).toBe(30);
});

test("a hash is not found across the boundary of two facts", () => {
  const facts = new Uint8Array(2 * FACT_BYTES);
  for (let i = 0; i < facts.length; i++) facts[i] = i;
  const find = createMaxOpFinder((before) => (before > 1 ? [{ n: 1, facts }] : []));
  expect(find(facts.slice(5, 37))).toBeUndefined();
});
