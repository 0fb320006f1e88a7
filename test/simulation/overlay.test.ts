import { expect, test } from "vitest";
import { defaultOverlayScenario, runOverlay } from "./scenarios/overlay.ts";

const SEEDS = Number(process.env["OVERLAY_SEEDS"] ?? 1);
const NODES = Number(process.env["OVERLAY_NODES"] ?? 24);

test.each(Array.from({ length: SEEDS }, (_, at) => at + 1))(
  `seed %s: ${NODES} core nodes in four segments, one behind a translator, lose packets, are cut apart and killed, and have everything in the end`,
  (seed) => {
    const figures = runOverlay({ ...defaultOverlayScenario, nodes: NODES, seed });
    expect(figures.completeAtMending, "the cut was felt").toBeLessThan(0.95);
    expect(figures.complete).toBe(1);
    expect(figures.delivered).toEqual({ toStrangers: 0, unpinnedTopics: 0 });
    expect(figures.violations).toEqual([]);
  },
);
