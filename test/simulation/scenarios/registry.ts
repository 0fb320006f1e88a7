import type { FlagSpec, FlagValues } from "../flags.ts";
import { defaultCyclonScenario, runCyclon, type Start } from "./cyclon.ts";
import { defaultLazyScenario, runLazy } from "./lazy.ts";
import { defaultOverlayScenario, runOverlay } from "./overlay.ts";
import { defaultPollutionScenario, runPollution } from "./pollution.ts";
import { runPolderCast } from "./poldercast.ts";
import { defaultRingCastScenario, type RingCastScenario, runRingCast, sweepRingCast } from "./ringcast.ts";
import { runInterestInference } from "./interest-inference.ts";
import { runUrps, type StreamLaw } from "./urps.ts";
import { defaultVicinityScenario, runVicinity } from "./vicinity.ts";
import { runWholeNodes } from "./whole-nodes.ts";
import {
  DEFAULT_DECOY_TURNOVER,
  DEFAULT_DECOYS,
  DEFAULT_EPSILON_MILLI,
  DEFAULT_REDRAW,
} from "../../../protocol/blip/publisher.ts";
import type { Workload } from "../kernel/workloads.ts";
import { paperStrategy, urps2Strategy } from "../../../protocol/urps/config.ts";

/** A protocol the command line can simulate: its own flags beside the common ones, and its run. */
export interface ScenarioEntry {
  readonly flags: Readonly<Record<string, FlagSpec>>;
  /** What is wrong with flags that are fine one by one. */
  readonly problem?: (values: FlagValues) => string | undefined;
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
/** The share of the nodes that is the adversary's, and its exchanges per period; an honest node makes one. */
const adversaryFlags: Readonly<Record<string, FlagSpec>> = {
  adversaries: { type: "number", minimum: 0, maximum: 60, initial: 10 },
  "attack-rate": { type: "integer", minimum: 1, maximum: 100, initial: 1 },
  "attack-at": { type: "integer", minimum: 1, maximum: 10_000, initial: 10 },
};
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
    adversary: { type: "choice", choices: ["none", "hub", "sybil", "eclipse"], initial: "none" },
    ...adversaryFlags,
    "no-guard": { type: "switch" },
  },
  run: (values) => (textOf(values, "adversary") === "none" ? honestCyclon(values) : pollutedCyclon(values)),
};

const pollutedCyclon = (values: FlagValues): object =>
  runPollution({
    ...defaultPollutionScenario,
    nodes: numberOf(values, "nodes"),
    cycles: numberOf(values, "cycles"),
    seed: numberOf(values, "seed"),
    view: numberOf(values, "view"),
    exchange: numberOf(values, "exchange"),
    variant: textOf(values, "variant") === "paper" ? "paper" : "product",
    adversary: textOf(values, "adversary") as "hub" | "sybil" | "eclipse",
    adversaries: numberOf(values, "adversaries") / 100,
    attackRate: numberOf(values, "attack-rate"),
    attackAt: numberOf(values, "attack-at"),
    guarded: !isSet(values, "no-guard") && textOf(values, "variant") === "product",
    throughBytes: isSet(values, "wire"),
  });

const honestCyclon = (values: FlagValues): object =>
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
  });

/** What whole nodes can be put through: the emulated network, absences, adversaries. */
const wholeNodesFlags: Readonly<Record<string, FlagSpec>> = {
  topics: { type: "integer", minimum: 1, maximum: 10_000, initial: 100 },
  subscriptions: { type: "number", minimum: 1, maximum: 500, initial: 7.5 },
  workload: { type: "choice", choices: ["zipf", "random", "clustered", "friends"], initial: "zipf" },
  /** Uniform 10 to 50 ms, or log-normal around 80 ms. */
  latency: { type: "choice", choices: ["none", "continental", "global"], initial: "continental" },
  loss: shareFlag,
  nat: shareFlag,
  "partition-at": { type: "integer", minimum: 0, maximum: 10_000, initial: 0 },
  "heal-at": { type: "integer", minimum: 0, maximum: 10_000, initial: 0 },
  sleepers: shareFlag,
  adversary: { type: "choice", choices: ["none", "dropper", "liar"], initial: "none" },
  adversaries: { type: "number", minimum: 0, maximum: 60, initial: 10 },
};
const latencies = {
  none: { type: "none" },
  continental: { type: "uniform", fromMs: 10, toMs: 50 },
  global: { type: "lognormal", medianMs: 80, sigma: 0.6 },
} as const;

/** Flags of whole nodes that were set although the abstract scenario, which has no use for them, was asked for. */
const misplaced = (values: FlagValues): readonly string[] =>
  ["loss", "nat", "partition-at", "heal-at", "sleepers"].filter((name) => numberOf(values, name) !== 0);

const wholeNodes = (values: FlagValues): object =>
  runWholeNodes({
    nodes: numberOf(values, "nodes"),
    cycles: numberOf(values, "cycles"),
    seed: numberOf(values, "seed"),
    topics: numberOf(values, "topics"),
    subscriptions: numberOf(values, "subscriptions"),
    workload: textOf(values, "workload") as Workload["kind"],
    profiles: textOf(values, "profiles") as "clear" | "blip" | "none",
    network: {
      latency: latencies[textOf(values, "latency") as keyof typeof latencies],
      loss: numberOf(values, "loss") / 100,
      natShare: numberOf(values, "nat") / 100,
    },
    partitionAt: numberOf(values, "partition-at"),
    healAt: numberOf(values, "heal-at"),
    sleepers: numberOf(values, "sleepers") / 100,
    adversary: textOf(values, "adversary") as "none" | "dropper" | "liar",
    adversaries: numberOf(values, "adversaries") / 100,
  });

const vicinity: ScenarioEntry = {
  flags: {
    view: viewFlag,
    exchange: { type: "integer", minimum: 1, maximum: 20, initial: 10 },
    start: startFlag,
    "no-random-layer": { type: "switch" },
    /** A ring, or interests as descriptors show them, on whole nodes. */
    profiles: { type: "choice", choices: ["ring", "clear", "blip", "none"], initial: "ring" },
    ...wholeNodesFlags,
  },
  problem: (values) => problemOf(values, "ring"),
  run: (values) => (textOf(values, "profiles") === "ring" ? ringOfVicinity(values) : wholeNodes(values)),
};

const problemOf = (values: FlagValues, abstract: string): string | undefined => {
  if (textOf(values, "profiles") !== abstract) return undefined;
  const names = [...misplaced(values), ...(textOf(values, "adversary") === "none" ? [] : ["adversary"])];
  return names.length === 0 ? undefined : `--${names.join(", --")} need --profiles clear, blip or none`;
};

const ringOfVicinity = (values: FlagValues): object =>
  runVicinity({
    ...defaultVicinityScenario,
    nodes: numberOf(values, "nodes"),
    cycles: numberOf(values, "cycles"),
    seed: numberOf(values, "seed"),
    view: numberOf(values, "view"),
    exchange: numberOf(values, "exchange"),
    start: textOf(values, "start") as Start,
    randomLayer: !isSet(values, "no-random-layer"),
    throughBytes: isSet(values, "wire"),
  });

const ringcast: ScenarioEntry = {
  flags: {
    fanout: { type: "integer", minimum: 1, maximum: 20, initial: 3 },
    "random-only": { type: "switch" },
    "fail-over": { type: "switch" },
    /** With latencies, in virtual time, beside a flooded mesh: the lazy tree, or plain pushing on the same network. */
    lazy: { type: "switch" },
    /** Every fan-out, share of failures and kind of dissemination on one frozen overlay; `table` holds the cells. */
    sweep: { type: "switch" },
    timed: { type: "switch" },
    "tree-links": { type: "integer", minimum: 0, maximum: 10, initial: defaultLazyScenario.treeLinks },
    failures: shareFlag,
    churn: shareFlag,
    messages: { type: "integer", minimum: 1, maximum: 10_000, initial: 100 },
    adversary: { type: "choice", choices: ["none", "dropper"], initial: "none" },
    adversaries: { type: "number", minimum: 0, maximum: 60, initial: 10 },
    "flood-own": { type: "switch" },
  },
  run: (values) => {
    if (isSet(values, "sweep")) return sweepRingCast(ringCastScenario(values));
    return isSet(values, "lazy") || isSet(values, "timed")
      ? timedRingCast(values)
      : runRingCast(ringCastScenario(values));
  },
};

const ringCastScenario = (values: FlagValues): RingCastScenario => ({
  ...defaultRingCastScenario,
  nodes: numberOf(values, "nodes"),
  cycles: numberOf(values, "cycles"),
  seed: numberOf(values, "seed"),
  fanout: numberOf(values, "fanout"),
  randomOnly: isSet(values, "random-only"),
  failOver: isSet(values, "fail-over"),
  failures: numberOf(values, "failures") / 100,
  churn: numberOf(values, "churn") / 100,
  messages: numberOf(values, "messages"),
  droppers: textOf(values, "adversary") === "dropper" ? numberOf(values, "adversaries") / 100 : 0,
  floodOwn: isSet(values, "flood-own"),
  throughBytes: isSet(values, "wire"),
});

const timedRingCast = (values: FlagValues): object =>
  runLazy({
    ...defaultLazyScenario,
    nodes: numberOf(values, "nodes"),
    cycles: numberOf(values, "cycles"),
    seed: numberOf(values, "seed"),
    fanout: numberOf(values, "fanout"),
    mode: isSet(values, "lazy") ? "lazy" : "plain",
    treeLinks: numberOf(values, "tree-links"),
    failures: numberOf(values, "failures") / 100,
    messages: numberOf(values, "messages"),
  });

const poldercast: ScenarioEntry = {
  flags: {
    ...wholeNodesFlags,
    /** The published system in cycles, or whole nodes in virtual time whose descriptors show interests as said. */
    profiles: { type: "choice", choices: ["published", "clear", "blip", "none"], initial: "published" },
    fanout: { type: "integer", minimum: 1, maximum: 20, initial: 2 },
    start: startFlag,
    variant: { type: "choice", choices: ["product", "paper"], initial: "product" },
    "no-walks": { type: "switch" },
    "no-probes": { type: "switch" },
    "no-tombstones": { type: "switch" },
    "no-fail-over": { type: "switch" },
    "flood-own": { type: "switch" },
    contacts: { type: "integer", minimum: 0, maximum: 20, initial: 0 },
    "subscribe-at": { type: "integer", minimum: 1, maximum: 1_000, initial: 1 },
    failures: shareFlag,
    "fail-at": { type: "integer", minimum: 1, maximum: 10_000, initial: 40 },
    churn: shareFlag,
    "churn-model": { type: "choice", choices: ["artificial", "sessions"], initial: "artificial" },
    repair: { type: "switch" },
    sweep: { type: "switch" },
    "hit-every": { type: "integer", minimum: 1, maximum: 10_000, initial: 10 },
    messages: { type: "integer", minimum: 0, maximum: 100_000, initial: 0 },
  },
  problem: (values) => problemOf(values, "published"),
  run: (values) => (textOf(values, "profiles") === "published" ? publishedPolderCast(values) : wholeNodes(values)),
};

const publishedPolderCast = (values: FlagValues): object =>
  runPolderCast({
    nodes: numberOf(values, "nodes"),
    cycles: numberOf(values, "cycles"),
    seed: numberOf(values, "seed"),
    topics: numberOf(values, "topics"),
    subscriptions: numberOf(values, "subscriptions"),
    workload: textOf(values, "workload") as Workload["kind"],
    fanout: numberOf(values, "fanout"),
    start: textOf(values, "start") as Start,
    variant: textOf(values, "variant") === "paper" ? "paper" : "product",
    walks: !isSet(values, "no-walks"),
    probes: !isSet(values, "no-probes"),
    tombstones: !isSet(values, "no-tombstones"),
    failOver: !isSet(values, "no-fail-over"),
    floodOwn: isSet(values, "flood-own"),
    contacts: numberOf(values, "contacts"),
    subscribeAt: numberOf(values, "subscribe-at"),
    failures: numberOf(values, "failures") / 100,
    failAt: numberOf(values, "fail-at"),
    churn: numberOf(values, "churn") / 100,
    churnModel: textOf(values, "churn-model") === "sessions" ? "sessions" : "artificial",
    repair: isSet(values, "repair"),
    sweep: isSet(values, "sweep") ? [2, 3, 4] : [],
    hitEvery: numberOf(values, "hit-every"),
    messages: numberOf(values, "messages"),
    throughBytes: isSet(values, "wire"),
  });

/** A cycle is one arrival per node; the first tenth of the cycles is not counted. */
const urps: ScenarioEntry = {
  flags: {
    view: { type: "integer", minimum: 1, maximum: 1024, initial: 64 },
    adversary: {
      type: "choice",
      choices: ["uniform", "loud", "colluders50", "colluders80", "zipf"],
      initial: "colluders50",
    },
    strategy: { type: "choice", choices: ["urps2", "paper", "paper-small", "omniscient"], initial: "urps2" },
  },
  run: (values) => {
    const strategies = {
      urps2: urps2Strategy,
      paper: paperStrategy,
      "paper-small": { type: "paper", columns: 10, rows: 5, minimum: "all" },
      omniscient: "omniscient",
    } as const;
    const ids = numberOf(values, "nodes");
    const arrivals = ids * numberOf(values, "cycles");
    return {
      ...runUrps({
        seed: numberOf(values, "seed"),
        ids,
        arrivals,
        law: textOf(values, "adversary") as StreamLaw,
        slots: numberOf(values, "view"),
        strategy: strategies[textOf(values, "strategy") as keyof typeof strategies],
        warmUp: Math.floor(arrivals / 10),
      }),
      // The sampler is local: it sends nothing.
      bytesPerNodePerCycle: 0,
    };
  },
};

/** Interest inference from published profiles: a node is a victim, a cycle is a weekly publication. */
const blip: ScenarioEntry = {
  flags: {
    epsilon: { type: "number", minimum: 0.5, maximum: 5, initial: DEFAULT_EPSILON_MILLI / 1000 },
    redraw: { type: "number", minimum: 0, maximum: 100, initial: 100 * DEFAULT_REDRAW },
    changes: shareFlag,
    decoys: { type: "integer", minimum: 0, maximum: 64, initial: DEFAULT_DECOYS },
    "key-slots": { type: "integer", minimum: 1, maximum: 10_000, initial: 10_000 },
    topics: { type: "integer", minimum: 100, maximum: 100_000, initial: 2000 },
    followed: { type: "integer", minimum: 1, maximum: 100, initial: 20 },
    filter: { type: "choice", choices: ["512", "1024", "ocaml-blip"], initial: "512" },
  },
  run: (values) =>
    runInterestInference({
      seed: numberOf(values, "seed"),
      victims: numberOf(values, "nodes"),
      universe: numberOf(values, "topics"),
      followed: numberOf(values, "followed"),
      parametersId: ({ "512": 3, "1024": 1, "ocaml-blip": 2 } as const)[
        textOf(values, "filter") as "512" | "1024" | "ocaml-blip"
      ],
      epsilon: numberOf(values, "epsilon"),
      redraw: numberOf(values, "redraw") / 100,
      slots: numberOf(values, "cycles"),
      changesPerSlot: numberOf(values, "changes") / 100,
      keySlots: numberOf(values, "key-slots"),
      decoys: numberOf(values, "decoys"),
      decoyTurnover: DEFAULT_DECOY_TURNOVER,
    }),
};

/** Core nodes as proxies run them: sessions, pins, stores and comparisons, through a cut, kills and loss. */
const overlay: ScenarioEntry = {
  flags: {
    repositories: { type: "number", minimum: 0.1, maximum: 100, initial: defaultOverlayScenario.repositoriesPerTen },
    introduced: { type: "number", minimum: 0, maximum: 100, initial: 100 * defaultOverlayScenario.introduced },
    killed: { type: "number", minimum: 0, maximum: 90, initial: 100 * defaultOverlayScenario.killed },
    loss: { type: "number", minimum: 0, maximum: 50, initial: 100 * defaultOverlayScenario.loss },
  },
  run: (values) =>
    runOverlay({
      nodes: numberOf(values, "nodes"),
      cycles: numberOf(values, "cycles"),
      seed: numberOf(values, "seed"),
      repositoriesPerTen: numberOf(values, "repositories"),
      introduced: numberOf(values, "introduced") / 100,
      killed: numberOf(values, "killed") / 100,
      loss: numberOf(values, "loss") / 100,
    }),
};

export const scenarios: Readonly<Record<string, ScenarioEntry>> = {
  blip,
  cyclon,
  overlay,
  poldercast,
  ringcast,
  urps,
  vicinity,
};
