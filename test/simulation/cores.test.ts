import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { judge } from "./cores/checks.ts";
import { play, shapeOf } from "./cores/history.ts";

/** Worlds in every run of the tests; `test/simulation/cores/cli.ts --seeds` plays as many as one likes. */
const SEEDS = [2, 5, 8];

const rejections: string[] = [];
const rejected = (cause: unknown): void => {
  rejections.push(String(cause));
};
beforeAll(() => {
  process.on("unhandledRejection", rejected);
});
afterAll(() => {
  process.off("unhandledRejection", rejected);
});

describe("whole nodes under random histories", () => {
  it.each(SEEDS)(
    "I8 I9 I10 I11 I16 I17 I20 seed %i: edits, membership and devices, partitions, skewed clocks, doubled and shuffled delivery, crashes: in the end all agree, nothing acknowledged is lost, nothing new is readable for who is out",
    async (seed) => {
      const world = await play(seed, { ...shapeOf(seed), computers: 10 });
      const verdict = judge(world);
      world.dispose();
      expect([...verdict.failures, ...rejections]).toEqual([]);
      expect(verdict.compared).toBeGreaterThan(4);
      expect(verdict.readable).toBeGreaterThan(10);
      expect(verdict.guarded).toBeGreaterThan(10);
      expect(verdict.kept).toBeGreaterThan(0);
    },
    120_000,
  );

  it("the same seed is the same world", async () => {
    const traces = [];
    for (let run = 0; run < 2; run++) {
      const world = await play(1, { computers: 5, steps: 25 });
      traces.push(world.trace);
      world.dispose();
    }
    expect(traces[1]).toEqual(traces[0]);
    expect(traces[0]?.length).toBeGreaterThan(30);
  }, 60_000);
});
