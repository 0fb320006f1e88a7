import { expect, test } from "vitest";
import { defaultPollutionScenario, runPollution } from "./scenarios/pollution.ts";

const tenth = { ...defaultPollutionScenario, nodes: 200, cycles: 70, adversaries: 0.1, attackAt: 20 };

test("control: a tenth that offers only accomplices takes over the views that ask nobody", () => {
  const figures = runPollution({ ...tenth, nodes: 400, cycles: 60, attackRate: 4, guarded: false });
  expect(figures.adversaryLinkShare).toBeGreaterThan(0.95);
  expect(figures.eclipsedShare).toBeGreaterThan(0.6);
});

test("[CYC-16] [URP-10] [URP-4] with the sampler's word a tenth that sends half of all descriptors gets a quarter of the links and its share of the samples", () => {
  const figures = runPollution({ ...tenth, attackRate: 12 });
  expect(figures.adversaryHeardShare).toBeGreaterThan(0.5);
  expect(figures.adversaryLinkShare).toBeLessThan(0.28);
  expect(figures.eclipsedShare).toBe(0);
  expect(figures.overRepresentation).toBeLessThanOrEqual(1.15);
});

test("[CYC-17] [CYC-18] an eclipse attempt by a tenth of the nodes on one victim fails: it keeps honest links both ways throughout", () => {
  const figures = runPollution({ ...tenth, cycles: 45, adversary: "eclipse", attackRate: 2 });
  expect(figures.victimHonestLinksMin).toBeGreaterThanOrEqual(4);
  expect(figures.victimSampleShare).toBeLessThan(0.3);
  expect(figures.victimHonestNeighborsMin).toBeGreaterThan(20);
  expect(figures.victimInDegree).toBeGreaterThan(4);
});

test("[NOD-12] one host that invents a node for each exchange gets three places of a view; unguarded it gets all", () => {
  const inventor = { ...tenth, nodes: 120, cycles: 40, adversary: "sybil", adversaries: 0.01, attackRate: 40 } as const;
  const figures = runPollution(inventor);
  expect(figures.adversaryLinkShare).toBeLessThanOrEqual(0.15);
  expect(figures.adversaryShare).toBeLessThan(0.27);
  expect(runPollution({ ...inventor, guarded: false }).adversaryLinkShare).toBeGreaterThan(0.6);
});

test("the same seed gives the same attack, through bytes as well", () => {
  const scenario = { ...tenth, nodes: 60, cycles: 12, attackAt: 4, adversary: "sybil" } as const;
  expect(JSON.stringify(runPollution({ ...scenario, throughBytes: true }))).toBe(
    JSON.stringify(runPollution(scenario)),
  );
});
