import { expect, test } from "vitest";
import { defaultPolderCastScenario, runPolderCast } from "./scenarios/poldercast.ts";

const small = { ...defaultPolderCastScenario, nodes: 150, topics: 20, cycles: 8 };

test("static: every subscriber gets every message, nobody else gets any, at F-1 duplicates for every fan-out", () => {
  const figures = runPolderCast({ ...small, sweep: [2, 3, 4] });
  expect(figures.ringLinksCorrect).toBe(1);
  expect(figures.hitRatio).toBe(1);
  expect(figures.relays).toBe(0);
  expect(figures.messagesPerSubscription).toBeLessThan(12);
  expect(figures.byFanout).toHaveLength(3);
  for (const { fanout, hitRatio, duplicateRatio } of figures.byFanout ?? []) {
    expect(hitRatio).toBe(1);
    expect(duplicateRatio).toBeLessThanOrEqual(fanout - 1 + 0.15);
  }
});

test("everybody subscribes at once in a network that has only gossiped: the rings stand after three cycles", () => {
  const social = { ...small, workload: "friends", subscriptions: 21, subscribeAt: 5, hitEvery: 1 } as const;
  const { series } = runPolderCast(social);
  expect(series.find(({ cycle }) => cycle === 5)!.ringLinksCorrect).toBeGreaterThan(0.95);
  expect(series.find(({ cycle }) => cycle === 8)!.hitRatio).toBeGreaterThan(0.999);
  expect(series.find(({ cycle }) => cycle === 8)!.ringLinksCorrect).toBeGreaterThan(0.999);
});

test("the layers as published converge too, only later", () => {
  const paper = runPolderCast({ ...small, cycles: 15, variant: "paper", hitEvery: 5 });
  const product = runPolderCast({ ...small, cycles: 5, hitEvery: 5 });
  expect(paper.hitRatio).toBeGreaterThan(0.97);
  expect(paper.relays).toBe(0);
  expect(product.series[0]!.hitRatio).toBeGreaterThan(paper.series[0]!.hitRatio);
});

test("a tenth dies at once: fail-over keeps 99.5 % at t+0, heartbeats bring the rest within a minute", () => {
  const figures = runPolderCast({ ...small, cycles: 8, failures: 0.1, failAt: 8, repair: true });
  expect(figures.hitRatio).toBeGreaterThanOrEqual(0.995);
  expect(figures.repairedRatio).toBe(1);
});

test("walks and probes heal the rings; control: without fail-over the same failure costs messages", () => {
  const failing = { ...small, cycles: 18, failures: 0.25, failAt: 8, hitEvery: 40 };
  const at = (figures: ReturnType<typeof runPolderCast>, cycle: number) =>
    figures.series.find((each) => each.cycle === cycle)!.hitRatio;
  const guarded = runPolderCast(failing);
  expect(at(guarded, 18)).toBe(1);
  expect(at(runPolderCast({ ...failing, cycles: 8, failOver: false }), 8)).toBeLessThan(at(guarded, 8));
});

test("under churn of 0.4 % a cycle at least 99.9 % of deliveries happen", () => {
  const figures = runPolderCast({ ...small, cycles: 30, churn: 0.004, hitEvery: 30 });
  expect(figures.hitRatio).toBeGreaterThan(0.999);
  expect(figures.relays).toBe(0);
});

test("the same seed gives the same run, through bytes as well", () => {
  const scenario = { ...small, nodes: 100, cycles: 5 };
  expect(JSON.stringify(runPolderCast({ ...scenario, throughBytes: true }))).toBe(
    JSON.stringify(runPolderCast(scenario)),
  );
});
