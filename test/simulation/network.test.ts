import { expect, test } from "vitest";
import { defaultRingCastScenario, disseminate, freezeOverlay } from "./scenarios/ringcast.ts";
import { defaultWholeNodesScenario, runWholeNodes } from "./scenarios/whole-nodes.ts";

const small = { ...defaultWholeNodesScenario, nodes: 40, cycles: 24, topics: 8, subscriptions: 3 };
const { network } = small;

test("[NOD-8] a network cut in two heals: halves become rings of their own and merge again", () => {
  const figures = runWholeNodes({ ...small, cycles: 70, partitionAt: 20, healAt: 40 });
  const at = (cycle: number) => figures.series.find((each) => each.cycle === cycle)!.ringLinksCorrect;
  expect(at(39)).toBeLessThan(0.8);
  expect(figures.mergedAfterCycles).toBeGreaterThanOrEqual(0);
  expect(figures.mergedAfterCycles).toBeLessThanOrEqual(25);
  expect(figures.hitRatioRepaired).toBe(1);
});

test("[PLD-15] with 30 % behind NATs and 2 % loss everybody gets everything, those behind NATs by asking", () => {
  const figures = runWholeNodes({ ...small, network: { ...network, natShare: 0.3, loss: 0.02 } });
  expect(figures.hitRatioRepaired).toBe(1);
  expect(figures.relays).toBe(0);
});

test("[PLD-9] a quarter of the nodes sleeps for ten minutes and has everything two minutes after waking", () => {
  const figures = runWholeNodes({ ...small, sleepers: 0.25 });
  expect(figures.sleepersComplete).toBe(1);
});

test("[RNG-5] a fifth that takes every message and passes none on stops nobody: repair over the ring brings the rest", () => {
  const figures = runWholeNodes({ ...small, adversary: "dropper", adversaries: 0.2 });
  expect(figures.hitRatio).toBeGreaterThan(0.9);
  expect(figures.hitRatioRepaired).toBe(1);
});

test("[BLP-10] [NOD-10] liars who claim every topic crowd neighbors chosen by clear profiles, not those chosen by noisy ones that proofs correct", () => {
  const liars = { ...small, nodes: 60, adversary: "liar", adversaries: 0.15 } as const;
  const clear = runWholeNodes({ ...liars, profiles: "clear" });
  const blip = runWholeNodes(liars);
  expect(blip.adversaryLinkShare).toBeLessThan(clear.adversaryLinkShare);
  expect(blip.adversaryLinkShare).toBeLessThan(0.15);
});

test("[RNG-13] silent droppers on a frozen overlay: the ring with random links reaches more than 99 % of the others", () => {
  const scenario = { ...defaultRingCastScenario, nodes: 400, cycles: 20, messages: 20, droppers: 0.1 };
  const overlay = freezeOverlay(scenario);
  const plain = disseminate(overlay, scenario);
  const flooded = disseminate(overlay, { ...scenario, floodOwn: true });
  expect(plain.missRatio).toBeLessThan(0.02);
  expect(flooded.missRatio).toBeLessThanOrEqual(plain.missRatio);
  expect(disseminate(overlay, { ...scenario, randomOnly: true }).missRatio).toBeGreaterThan(0.05);
});
