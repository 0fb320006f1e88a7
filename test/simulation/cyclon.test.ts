import { expect, test } from "vitest";
import { defaultCyclonScenario, runCyclon } from "./scenarios/cyclon.ts";

const small = { ...defaultCyclonScenario, nodes: 1000, graphEvery: 10 };

test.each(["chain", "star", "random"] as const)(
  "a %s becomes a random-graph-like overlay of even in-degree within 40 cycles",
  (start) => {
    const figures = runCyclon({ ...small, start, cycles: 40, seed: 42 });
    expect(figures.components).toBe(1);
    expect(figures.inDegreeMean).toBeCloseTo(20, 5);
    // A random graph of this size has 4.35; the scratch measurement 2.44.
    expect(figures.inDegreeSd).toBeLessThan(2.7);
    expect(figures.averagePathLength).toBeGreaterThan(2.12);
    expect(figures.averagePathLength).toBeLessThan(2.2);
    expect(figures.clustering).toBeLessThan(1.15 * 0.04);
    expect(figures.maximumAge).toBeLessThanOrEqual(26);
  },
);

test("half of the nodes may die: dead links vanish, the rest stays whole and evens out again", () => {
  const figures = runCyclon({ ...small, cycles: 80, failures: 0.5, failAt: 30, seed: 42 });
  expect(figures.components).toBe(1);
  expect(figures.deadLinksGoneAtCycle).toBeGreaterThan(0);
  expect(figures.deadLinksGoneAtCycle).toBeLessThanOrEqual(34);
  expect(figures.deadLinkShare).toBe(0);
});

test("control: with the published join and refill rules, small lossy networks fall apart; with ours they do not", () => {
  const runs = (variant: "paper" | "product") =>
    Array.from({ length: 8 }, (_, seed) =>
      runCyclon({ ...small, nodes: 30, cycles: 200, start: "star", loss: 0.1, graphEvery: 200, variant, seed }),
    ).filter(({ components }) => components > 1).length;
  expect(runs("product")).toBe(0);
  expect(runs("paper")).toBeGreaterThanOrEqual(6);
});

test("the same seed gives the same run, and encoding every message changes nothing", () => {
  const scenario = { ...small, nodes: 200, cycles: 15, churn: 0.01, seed: 9 };
  const once = JSON.stringify(runCyclon(scenario));
  expect(JSON.stringify(runCyclon(scenario))).toBe(once);
  expect(JSON.stringify(runCyclon({ ...scenario, throughBytes: true }))).toBe(once);
  expect(JSON.stringify(runCyclon({ ...scenario, seed: 10 }))).not.toBe(once);
});

test("under constant churn of 0.2 % a cycle views hold few dead links", () => {
  const figures = runCyclon({ ...small, cycles: 90, churn: 0.002, seed: 4 });
  expect(figures.components).toBe(1);
  expect(figures.deadLinkShare).toBeLessThan(0.03);
});
