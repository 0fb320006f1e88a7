import { expect, test } from "vitest";
import { defaultPolderCastScenario, runPolderCast } from "./scenarios/poldercast.ts";

const small = { ...defaultPolderCastScenario, nodes: 150, topics: 20, cycles: 20 };

test("static: every subscriber gets every message, nobody else gets any, at F-1 duplicates", () => {
  const figures = runPolderCast(small);
  expect(figures.ringLinksCorrect).toBeGreaterThan(0.999);
  expect(figures.hitRatio).toBe(1);
  expect(figures.relays).toBe(0);
  expect(figures.duplicateRatio).toBeLessThanOrEqual(1.15);
  expect(figures.messagesPerSubscription).toBeLessThan(12);
});

test("the layers as published converge too, only later", () => {
  const paper = runPolderCast({ ...small, variant: "paper", hitEvery: 5 });
  const product = runPolderCast({ ...small, hitEvery: 5 });
  expect(paper.hitRatio).toBeGreaterThan(0.98);
  expect(paper.relays).toBe(0);
  expect(product.series[0]!.hitRatio).toBeGreaterThan(paper.series[0]!.hitRatio);
});

test("a tenth dies at once: fail-over keeps 99.5 % at t+0, walks and probes restore the rest", () => {
  const figures = runPolderCast({ ...small, cycles: 40, failures: 0.1, failAt: 20, hitEvery: 40 });
  const at = (cycle: number) => figures.series.find((each) => each.cycle === cycle)!.hitRatio;
  expect(at(20)).toBeGreaterThanOrEqual(0.995);
  expect(at(40)).toBe(1);
});

test("under churn of 0.4 % a cycle at least 99.9 % of deliveries happen", () => {
  const figures = runPolderCast({ ...small, cycles: 50, churn: 0.004, hitEvery: 50 });
  expect(figures.hitRatio).toBeGreaterThan(0.999);
  expect(figures.relays).toBe(0);
});

test("the same seed gives the same run, through bytes as well", () => {
  const scenario = { ...small, nodes: 100, cycles: 5 };
  expect(JSON.stringify(runPolderCast({ ...scenario, throughBytes: true }))).toBe(
    JSON.stringify(runPolderCast(scenario)),
  );
});
