import type { FlagSpec, FlagValues } from "../flags.ts";
import { defaultCyclonScenario, runCyclon, type Start } from "./cyclon.ts";

/** A protocol the command line can simulate: its own flags beside the common ones, and its run. */
export interface ScenarioEntry {
  readonly flags: Readonly<Record<string, FlagSpec>>;
  readonly run: (values: FlagValues) => object;
}

export const numberOf = (values: FlagValues, name: string): number => Number(values[name]);
export const textOf = (values: FlagValues, name: string): string => String(values[name]);
export const isSet = (values: FlagValues, name: string): boolean => values[name] === true;

/** Flags of every protocol. */
export const commonFlags = {
  nodes: { type: "integer", minimum: 2, maximum: 200_000, initial: 1000 },
  cycles: { type: "integer", minimum: 1, maximum: 10_000, initial: 60 },
  seed: { type: "integer", minimum: 0, maximum: 2 ** 31, initial: 1 },
  wire: { type: "switch" },
} as const satisfies Record<string, FlagSpec>;

export const viewFlag: FlagSpec = { type: "integer", minimum: 2, maximum: 100, initial: 20 };
export const exchangeFlag: FlagSpec = { type: "integer", minimum: 1, maximum: 16, initial: 8 };
export const startFlag: FlagSpec = { type: "choice", choices: ["random", "chain", "star"], initial: "random" };
/** Shares are written in per cent, as in the papers. */
export const shareFlag: FlagSpec = { type: "number", minimum: 0, maximum: 99, initial: 0 };

const cyclon: ScenarioEntry = {
  flags: {
    view: viewFlag,
    exchange: exchangeFlag,
    start: startFlag,
    variant: { type: "choice", choices: ["product", "paper"], initial: "product" },
    failures: shareFlag,
    "fail-at": { type: "integer", minimum: 1, maximum: 10_000, initial: 50 },
    churn: shareFlag,
    loss: shareFlag,
    "graph-every": { type: "integer", minimum: 1, maximum: 10_000, initial: 1 },
    removal: { type: "switch" },
  },
  run: (values) =>
    runCyclon({
      ...defaultCyclonScenario,
      nodes: numberOf(values, "nodes"),
      cycles: numberOf(values, "cycles"),
      seed: numberOf(values, "seed"),
      view: numberOf(values, "view"),
      exchange: numberOf(values, "exchange"),
      start: textOf(values, "start") as Start,
      variant: textOf(values, "variant") === "paper" ? "paper" : "product",
      failures: numberOf(values, "failures") / 100,
      failAt: Math.min(numberOf(values, "fail-at"), Math.max(1, Math.floor(numberOf(values, "cycles") / 2))),
      churn: numberOf(values, "churn") / 100,
      loss: numberOf(values, "loss") / 100,
      throughBytes: isSet(values, "wire"),
      graphEvery: numberOf(values, "graph-every"),
      removal: isSet(values, "removal"),
    }),
};

export const scenarios: Readonly<Record<string, ScenarioEntry>> = { cyclon };
