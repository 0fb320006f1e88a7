import { expect, test } from "vitest";
import { defaultRingCastScenario, disseminate, freezeOverlay, runRingCast } from "./scenarios/ringcast.ts";

const small = { ...defaultRingCastScenario, nodes: 600, cycles: 20, messages: 20 };
const overlay = freezeOverlay(small);

test("without failures every node gets every message, for fan-out 2 and 3, at F copies per node", () => {
  for (const fanout of [2, 3]) {
    const figures = disseminate(overlay, { ...small, fanout });
    expect(figures.missRatio).toBe(0);
    expect(figures.completeShare).toBe(1);
    expect(figures.messagesPerNode).toBeCloseTo(fanout, 1);
    expect(figures.duplicatesPerNode).toBeCloseTo(fanout - 1, 1);
  }
});

test("control: random links alone miss nodes at fan-out 3", () => {
  const figures = disseminate(overlay, { ...small, randomOnly: true });
  expect(figures.missRatio).toBeGreaterThan(0.02);
  expect(figures.missRatio).toBeLessThan(0.08);
  expect(figures.completeShare).toBe(0);
});

test("with 5 % dead the ring misses at least ten times less than random links, and fail-over closes most of the rest", () => {
  const plain = disseminate(overlay, { ...small, failures: 0.05 });
  const random = disseminate(overlay, { ...small, failures: 0.05, randomOnly: true });
  const guarded = disseminate(overlay, { ...small, failures: 0.05, failOver: true });
  expect(plain.missRatio).toBeLessThan(random.missRatio / 10);
  expect(guarded.missRatio).toBeLessThanOrEqual(plain.missRatio / 10);
});

test("under churn misses concentrate on the young, and fail-over removes them", () => {
  const churning = { ...small, nodes: 300, cycles: 45, churn: 0.01, fanout: 2 };
  const aged = freezeOverlay(churning);
  const plain = disseminate(aged, churning);
  expect(aged.young.size).toBeGreaterThan(0);
  expect(plain.missRatio).toBeGreaterThan(0);
  expect(plain.missRatioSettled!).toBeLessThan(plain.missRatio);
  expect(disseminate(aged, { ...churning, failOver: true }).missRatio).toBeLessThan(plain.missRatio);
});

test("the same seed gives the same run, through bytes as well", () => {
  const scenario = { ...small, nodes: 120, cycles: 8, messages: 4 };
  expect(JSON.stringify(runRingCast({ ...scenario, throughBytes: true }))).toBe(JSON.stringify(runRingCast(scenario)));
});
