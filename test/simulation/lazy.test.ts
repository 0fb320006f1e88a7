import { expect, test } from "vitest";
import { defaultLazyScenario, runLazy } from "./scenarios/lazy.ts";

const small = { ...defaultLazyScenario, nodes: 300, messages: 15, cycles: 12 };

test("the tree delivers everything with hardly a double, in at most 1.4 payloads of bytes and twice the hops", () => {
  const lazy = runLazy(small);
  const plain = runLazy({ ...small, mode: "plain" });
  expect(lazy.deliveredShare).toBe(1);
  expect(lazy.duplicatesPerNode).toBeLessThanOrEqual(0.2);
  expect(lazy.bytesPerDelivery).toBeLessThanOrEqual(1.4);
  expect(lazy.hopsP99).toBeLessThanOrEqual(2 * plain.hopsP99);
  expect(plain.duplicatesPerNode).toBeGreaterThan(1.5);
  expect(lazy.meshDuplicatesPerDelivery).toBeGreaterThan(3.5);
});

test("a fifth of the nodes dies at once: everything still arrives after repair", () => {
  const figures = runLazy({ ...small, failures: 0.2 });
  expect(figures.deliveredAfterRepair).toBe(1);
  expect(figures.duplicatesPerNode).toBeLessThanOrEqual(0.2);
  expect(figures.bytesPerDelivery).toBeLessThanOrEqual(1.5);
});
