import { describe, expect, test } from "vitest";
import { popcount } from "../../protocol/bloom/bloom-filter.ts";
import { estimateOverlap, estimateOverlapNoisy, estimateTopics } from "../../protocol/blip/estimator.ts";
import { flipProbability, type ProfileParametersId, profileParameters } from "../../protocol/blip/parameters.ts";
import { DEFAULT_DECOYS } from "../../protocol/blip/publisher.ts";
import { randomBelow } from "../../protocol/kernel/random.ts";
import { blipWith, profileOfBits } from "../support/blip-profiles.ts";
import { createSeededRandom } from "../support/seeded-random.ts";
import { runBlipUtility, runDialEconomy } from "./scenarios/blip-utility.ts";

const seed = process.env["SIM_SEED"] ?? "blip";
const RUNS = Number(process.env["BLIP_RUNS"] ?? 1500);
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

const summary = (values: readonly number[]): { readonly mean: number; readonly deviation: number } => {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  return { mean, deviation: Math.sqrt(variance) };
};

/** Mean within four standard errors, deviation within 5 percent plus four of its own standard errors. */
const expectLaw = (values: readonly number[], mean: number, deviation: number): void => {
  const found = summary(values);
  expect(Math.abs(found.mean - mean)).toBeLessThan((4 * deviation) / Math.sqrt(values.length));
  expect(Math.abs(found.deviation / deviation - 1)).toBeLessThan(0.05 + 4 / Math.sqrt(2 * values.length));
};

describe("[BLP-9] estimators, 20 topics each, 10 in common, m 1024, k 1", () => {
  const own = profileOfBits(profileParameters[1], range(0, 20));
  const theirs = profileOfBits(profileParameters[1], range(10, 30));

  test.each([1, 2, 3, 5])("at epsilon %d mean and deviation follow the theory", (epsilon) => {
    const random = createSeededRandom(`${seed}/estimators/${epsilon}`);
    const p = flipProbability(epsilon, 1);
    const v = (p * (1 - p)) / (1 - 2 * p) ** 2;
    const mine: number[] = [];
    const both: number[] = [];
    for (let run = 0; run < RUNS; run++) {
      const a = blipWith(random, own, epsilon, 1);
      const b = blipWith(random, theirs, epsilon, 1);
      const estimate = estimateOverlap(own, b);
      mine.push(estimate.bits);
      both.push(estimateOverlapNoisy(a, b).bits);
      expect(estimate.deviation).toBeCloseTo(Math.sqrt(20 * v), 9);
    }
    expectLaw(mine, 10, Math.sqrt(20 * v));
    expectLaw(both, 10, Math.sqrt(1024 * v * v + 40 * v));
  });

  test("chance collisions are removed from the number of common topics", () => {
    const random = createSeededRandom(`${seed}/collisions`);
    const raw: number[] = [];
    const corrected: number[] = [];
    const indexOf = (): number => randomBelow(random, profileParameters[1].bits);
    for (let run = 0; run < RUNS; run++) {
      const common = range(0, 10).map(indexOf);
      const a = profileOfBits(profileParameters[1], [...common, ...range(0, 60).map(indexOf)]);
      const b = profileOfBits(profileParameters[1], [...common, ...range(0, 60).map(indexOf)]);
      const noiseless = blipWith(random, b, 5, 1);
      const estimate = estimateOverlap(a, noiseless);
      raw.push(estimate.bits);
      corrected.push(estimate.items);
    }
    expect(summary(raw).mean).toBeGreaterThan(12.5);
    expect(Math.abs(summary(corrected).mean - 10)).toBeLessThan(0.5);
  });

  test("the number of topics is estimated from the noise alone", () => {
    const random = createSeededRandom(`${seed}/size`);
    const large = profileOfBits(profileParameters[1], range(0, 100));
    const sizes = range(0, RUNS).map(() => estimateTopics(blipWith(random, large, 3, 1)));
    const expected = -1024 * Math.log(1 - popcount(large.exact.bytes) / 1024);
    expect(Math.abs(summary(sizes).mean - expected)).toBeLessThan(1.5);
  });
});

describe("[BLP-9] quality of the ten chosen neighbours among 400, relative to the best ten", () => {
  const quality = (
    epsilon: number,
    measure: "ownExact" | "bothNoisy" | "cosine",
    parametersId: ProfileParametersId = 1,
    decoys = 0,
  ): number => runBlipUtility({ seed, nodes: 400, parametersId, epsilon, measure, decoys });

  test.each([
    [1, 0.227],
    [2, 0.512],
    [3, 0.797],
    [5, 0.957],
  ])("own exact profile at epsilon %d: %f", (epsilon, expected) => {
    expect(Math.abs(quality(epsilon, "ownExact") - expected)).toBeLessThan(0.04);
  });

  test.each([
    [2, 0.148],
    [3, 0.414],
  ])("both noisy at epsilon %d: %f", (epsilon, expected) => {
    expect(Math.abs(quality(epsilon, "bothNoisy") - expected)).toBeLessThan(0.04);
  });

  test("the product's 512 bits choose almost as well at epsilon 2 as 1024 bits", () => {
    expect(quality(2, "ownExact", 3)).toBeGreaterThan(0.45);
  });

  test("[BLP-12] decoys cost little of it", () => {
    expect(quality(2, "ownExact", 3, DEFAULT_DECOYS)).toBeGreaterThan(0.43);
  });

  test("the filter of ocaml-blip with its cosine at epsilon 3 is no better than chance", () => {
    expect(quality(3, "cosine", 2)).toBeLessThan(0.09);
  });
});

test("[BLP-9] dialling by profile at epsilon 2 needs at most a quarter of the intersections of dialling at random", () => {
  const population = { seed, nodes: 400, parametersId: 3, epsilon: 2, decoys: DEFAULT_DECOYS } as const;
  const blip = runDialEconomy(population, "blip");
  expect(blip).toBeLessThan(runDialEconomy(population, "random") / 4);
  expect(blip).toBeGreaterThan(runDialEconomy(population, "exact"));
});
