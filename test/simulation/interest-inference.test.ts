import { expect, test } from "vitest";
import { DEFAULT_PROFILE_PARAMETERS_ID } from "../../protocol/blip/parameters.ts";
import { DEFAULT_DECOY_TURNOVER, DEFAULT_DECOYS, DEFAULT_REDRAW } from "../../protocol/blip/publisher.ts";
import { type InterestInferenceScenario, runInterestInference } from "./scenarios/interest-inference.ts";

/** 1 is the short version; the nightly run sets ten times as many victims. */
const scale = Number(process.env["SIM_SCALE"] ?? 1);
const one: InterestInferenceScenario = {
  seed: process.env["SIM_SEED"] ?? "interest-inference",
  victims: 300 * scale,
  universe: 2000,
  followed: 20,
  parametersId: DEFAULT_PROFILE_PARAMETERS_ID,
  epsilon: 2,
  redraw: DEFAULT_REDRAW,
  slots: 1,
  changesPerSlot: 0,
  decoys: DEFAULT_DECOYS,
  decoyTurnover: DEFAULT_DECOY_TURNOVER,
};
/** The scheme without this project's additions. */
const naive = { redraw: 1, decoys: 0 };
const year: InterestInferenceScenario = { ...one, victims: 12 * scale, slots: 52 };

test("[BLP-11] one publication at epsilon 2: precision at most 0.06, AUC at most 0.88", () => {
  const figures = runInterestInference(one);
  expect(figures.precision).toBeLessThanOrEqual(0.06);
  expect(figures.auc).toBeLessThanOrEqual(0.88);
  expect(figures.auc).toBeGreaterThan(0.8);
  expect(figures.spent).toBe(2);
});

test("[BLP-11] a year of weekly slots, interests changing every fourth week: precision at most 0.10 within the ledger", () => {
  const figures = runInterestInference({ ...year, changesPerSlot: 1 / 4 });
  expect(figures.precision).toBeLessThanOrEqual(0.1);
  expect(figures.spent).toBeLessThan(4);
});

test("[BLP-11] the same with a topic replaced every week", () => {
  const figures = runInterestInference({ ...year, victims: 20 * scale, changesPerSlot: 0.99 });
  expect(figures.precision).toBeLessThanOrEqual(0.1);
  expect(figures.spent).toBeLessThan(4);
});

test("[BLP-11] control: fresh noise every week shows the exact filter", () => {
  const figures = runInterestInference({ ...year, victims: 4 * scale, ...naive });
  expect(figures.bitsRight).toBeGreaterThan(0.999);
  expect(figures.onesRight).toBeGreaterThan(0.98);
  expect(figures.auc).toBeGreaterThan(0.98);
  // About five known topics share each bit, so even the exact filter leaves four in five guesses wrong.
  expect(figures.precision).toBeGreaterThan(0.15);
});

test("[BLP-11] control: the filter of ocaml-blip with fresh noise is read topic by topic", () => {
  const figures = runInterestInference({ ...year, slots: 26, victims: scale, parametersId: 2, epsilon: 3, ...naive });
  expect(figures.precision).toBeGreaterThan(0.95);
});
