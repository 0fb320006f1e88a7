import { expect, test } from "vitest";
import { defaultVicinityScenario, runVicinity } from "./scenarios/vicinity.ts";

test.each(["random", "star"] as const)(
  "from a %s start every ring link is right within 28 cycles and stays right",
  (start) => {
    const { closedAtCycle, series } = runVicinity({ ...defaultVicinityScenario, start, cycles: 34 });
    expect(closedAtCycle).toBeGreaterThan(0);
    expect(closedAtCycle).toBeLessThanOrEqual(28);
    for (const { cycle, correctLinks } of series) if (cycle > closedAtCycle) expect(correctLinks).toBe(1);
  },
);

test("control: without the random layer the ring does not close", () => {
  const small = { ...defaultVicinityScenario, view: 4, exchange: 4, cycles: 60 };
  expect(runVicinity(small).closedAtCycle).toBeGreaterThan(0);
  const stuck = runVicinity({ ...small, randomLayer: false });
  expect(stuck.closedAtCycle).toBe(-1);
  expect(stuck.correctLinks).toBeLessThan(0.99);
});

test("the same seed gives the same run, through bytes as well", () => {
  const scenario = { ...defaultVicinityScenario, nodes: 150, cycles: 6 };
  const once = JSON.stringify(runVicinity(scenario));
  expect(JSON.stringify(runVicinity({ ...scenario, throughBytes: true }))).toBe(once);
});
