import { expect, test } from "vitest";
import { parseFlags } from "../simulation/flags.ts";
import { createEventQueue } from "../simulation/kernel/event-queue.ts";
import {
  averagePathLength,
  buildOverlay,
  clusteringCoefficient,
  componentSizes,
  undirected,
} from "../simulation/kernel/graph.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

test("the event queue returns events by time, first in first out among equals", () => {
  const queue = createEventQueue(4);
  const random = createSeededRandom(3);
  const pushed = Array.from({ length: 500 }, (_, order) => ({ time: random.uint32() % 20, order }));
  for (const { time, order } of pushed) queue.push(time, order, 0);
  const popped: number[] = [];
  while (queue.pop()) popped.push(queue.popped.target);
  const expected = [...pushed].sort((a, b) => a.time - b.time || a.order - b.order).map(({ order }) => order);
  expect(popped).toEqual(expected);
});

test("graph measures agree with hand-counted graphs", () => {
  const random = createSeededRandom(1);
  const links: Record<number, number[]> = { 0: [1, 2], 1: [2], 2: [], 3: [4, 99], 4: [] };
  const { overlay, deadLinks, totalLinks } = buildOverlay([0, 1, 2, 3, 4], (index) => links[index] ?? []);
  expect([deadLinks, totalLinks]).toEqual([1, 5]);
  expect(componentSizes(overlay)).toEqual([3, 2]);
  expect(averagePathLength(undirected(overlay), 1000, random)).toBe(1);
  expect(clusteringCoefficient(undirected(overlay), 5, random)).toBeCloseTo(3 / 5);
});

test("flags that are unknown, repeated, malformed or out of range are errors", () => {
  const specs = {
    nodes: { type: "integer", minimum: 2, maximum: 9, initial: 5 },
    kind: { type: "choice", choices: ["a"], initial: "a" },
    wire: { type: "switch" },
  } as const;
  for (const bad of [
    ["--node", "3"],
    ["--nodes"],
    ["--nodes", "1"],
    ["--nodes", "2.5"],
    ["--nodes", "x"],
    ["--nodes", "3", "--nodes", "3"],
    ["--kind", "b"],
    ["3"],
  ])
    expect(parseFlags(bad, specs).ok, bad.join(" ")).toBe(false);
  const good = parseFlags(["--nodes", "3", "--wire"], specs);
  expect(good.ok && good.values).toEqual({ nodes: 3, kind: "a", wire: true });
});
