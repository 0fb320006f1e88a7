import { execFileSync } from "node:child_process";
import path from "node:path";
import { expect, test } from "vitest";

const CLI = path.join(import.meta.dirname, "cli.ts");
const sim = (...args: readonly string[]) =>
  execFileSync(process.execPath, [CLI, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });

const fields = {
  cyclon: [
    "inDegreeMean",
    "inDegreeSd",
    "inDegreeMin",
    "inDegreeMax",
    "averagePathLength",
    "clustering",
    "components",
    "deadLinkShare",
    "convergedAtCycle",
    "deadLinksGoneAtCycle",
    "series",
  ],
  vicinity: ["correctLinks", "closedAtCycle", "series"],
  ringcast: ["missRatio", "completeShare", "messagesPerNode", "duplicatesPerNode", "hopsMean", "hopsLast"],
  poldercast: [
    "hitRatio",
    "ringLinksCorrect",
    "duplicateRatio",
    "hopsMean",
    "hopsLast",
    "degreeMean",
    "degreeMax",
    "relays",
    "messagesPerSubscription",
  ],
  urps: ["adversaryShare", "overRepresentation", "klDivergence"],
} as const;
const flags = {
  cyclon: ["--failures", "10"],
  vicinity: [],
  ringcast: ["--messages", "3"],
  poldercast: ["--topics", "5"],
  urps: [],
} as const;

test.each(["cyclon", "vicinity", "ringcast", "poldercast", "urps"] as const)(
  "%s prints one JSON object with its figures, the same bytes for the same seed",
  (protocol) => {
    const args = [
      "--protocol",
      protocol,
      "--nodes",
      "60",
      "--cycles",
      "6",
      "--seed",
      "4",
      ...flags[protocol],
      "--json",
    ];
    const text = sim(...args);
    const report = JSON.parse(text) as Record<string, unknown>;
    for (const field of ["protocol", "seed", "nodes", "cycles", "bytesPerNodePerCycle", ...fields[protocol]])
      expect(Object.keys(report)).toContain(field);
    expect(report).not.toHaveProperty("wallMs");
    expect(sim(...args)).toBe(text);
  },
);

test("unknown protocols and flags, and values out of range, end with an error", () => {
  for (const args of [
    [],
    ["--protocol", "chord"],
    ["--protocol", "cyclon", "--fanout", "3"],
    ["--protocol", "cyclon", "--nodes", "1"],
  ])
    expect(() => sim(...args)).toThrow();
});
