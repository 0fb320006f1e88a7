import { defaultCyclonConfig, paperCyclonConfig, type CyclonConfig } from "../../../protocol/cyclon/config.ts";
import { createCyclon, type Cyclon } from "../../../protocol/cyclon/cyclon.ts";
import type { CyclonEffect, CyclonEvent, CyclonMessage } from "../../../protocol/cyclon/messages.ts";
import type { VerifiedDescriptor } from "../../../protocol/identity/verified.ts";
import { randomBelow, type RandomSource } from "../../../protocol/kernel/random.ts";
import { durationMs, monotonicMs } from "../../../protocol/kernel/time.ts";
import { createLivenessBook } from "../../../protocol/view/liveness-book.ts";
import { createSeededRandom } from "../../support/seeded-random.ts";
import { artificialChurn, catastrophe, type Churn, noChurn } from "../kernel/churn.ts";
import {
  averagePathLength,
  buildOverlay,
  clusteringCoefficient,
  componentSizes,
  inDegrees,
  type Overlay,
  spreadOf,
  undirected,
} from "../kernel/graph.ts";
import { createNetem, perfectNetwork } from "../kernel/netem.ts";
import { createPopulation } from "../kernel/population.ts";
import { cyclonWire } from "../kernel/wires.ts";
import { createWorld } from "../kernel/world.ts";

export type Start = "chain" | "star" | "random";

export interface CyclonScenario {
  readonly nodes: number;
  readonly cycles: number;
  readonly seed: number;
  readonly view: number;
  readonly exchange: number;
  readonly start: Start;
  readonly variant: "product" | "paper";
  /** Share of nodes killed at once. */
  readonly failures: number;
  /** Cycle of the failure. */
  readonly failAt: number;
  /** Share of nodes replaced per cycle. */
  readonly churn: number;
  readonly loss: number;
  readonly throughBytes: boolean;
  /** How often path length and clustering are measured; each costs several breadth-first searches. */
  readonly graphEvery: number;
  /** Whether to remove ever more nodes of the final overlay until it falls apart. */
  readonly removal: boolean;
}

export const defaultCyclonScenario: CyclonScenario = {
  nodes: 1000,
  cycles: 60,
  seed: 1,
  view: 20,
  exchange: 8,
  start: "random",
  variant: "product",
  failures: 0,
  failAt: 50,
  churn: 0,
  loss: 0,
  throughBytes: false,
  graphEvery: 1,
  removal: false,
};

export interface CyclonCycle {
  readonly cycle: number;
  readonly inDegreeMean: number;
  readonly inDegreeSd: number;
  readonly averagePathLength: number;
  readonly components: number;
  readonly deadLinkShare: number;
}

export interface CyclonFigures {
  readonly inDegreeMean: number;
  readonly inDegreeSd: number;
  readonly inDegreeMin: number;
  readonly inDegreeMax: number;
  readonly averagePathLength: number;
  readonly clustering: number;
  readonly components: number;
  readonly deadLinkShare: number;
  /** First cycle from which path length (within 0.02) and in-degree spread (within a tenth) stay at their final values; -1 if never. */
  readonly convergedAtCycle: number;
  /** Cycles between the failure and the first cycle without a link to a dead node; -1 if never. */
  readonly deadLinksGoneAtCycle?: number;
  /** Largest share of nodes, in steps of 0.05, whose random removal leaves the rest in one piece. */
  readonly wholeAfterRemovalOf?: number;
  readonly maximumAge: number;
  readonly exchangesReceivedMax: number;
  readonly bytesPerNodePerCycle: number;
  readonly series: readonly CyclonCycle[];
}

const PERIOD_MS = 10_000;
const PATH_SOURCES = 10;
const CLUSTERING_SAMPLES = 500;

export const cyclonConfigOf = (scenario: Pick<CyclonScenario, "view" | "exchange" | "variant">): CyclonConfig => ({
  ...(scenario.variant === "paper" ? paperCyclonConfig : defaultCyclonConfig),
  viewLength: scenario.view,
  exchangeLength: scenario.exchange,
  gossipPeriodMs: durationMs(PERIOD_MS),
  jitter: 0,
});

/** Fills the views as the experiment starts: everyone knows the next one, everyone knows node 0, or random others. */
export const seedViews = (
  start: Start,
  descriptors: readonly VerifiedDescriptor[],
  viewLength: number,
  put: (index: number, neighbor: VerifiedDescriptor) => void,
  random: RandomSource,
): void => {
  const count = descriptors.length;
  for (let index = 0; index < count; index++) {
    if (start === "chain") put(index, descriptors[(index + 1) % count]!);
    else if (start === "star") put(index, descriptors[index === 0 ? 1 % count : 0]!);
    else for (let i = 0; i < Math.min(viewLength, count - 1); i++) put(index, descriptors[randomBelow(random, count)]!);
  }
};

export const runCyclon = (scenario: CyclonScenario): CyclonFigures => {
  const random = createSeededRandom(scenario.seed);
  const measure = random.fork("measure");
  const population = createPopulation(random.fork("population"));
  const config = cyclonConfigOf(scenario);
  const received = new Map<number, number>();
  const world = createWorld<CyclonMessage, CyclonEvent, CyclonEffect>({
    population,
    netem: createNetem({ ...perfectNetwork, loss: scenario.loss }, random.fork("netem")),
    random: random.fork("world"),
    periodMs: PERIOD_MS,
    wire: cyclonWire(population),
    throughBytes: scenario.throughBytes,
    onSend: (_, to, message) => {
      if (message.type === "shuffleRequest") received.set(to, (received.get(to) ?? 0) + 1);
    },
  });
  const cyclons: Cyclon[] = [];
  const churn: Churn =
    scenario.failures > 0
      ? catastrophe(scenario.failures, scenario.failAt, random.fork("failures"))
      : scenario.churn > 0
        ? artificialChurn(scenario.churn, Math.min(40, scenario.cycles), random.fork("churn"))
        : noChurn;

  const nodeRandom = random.fork("nodes");
  const addNode = (index: number): void => {
    const self = population.create(index);
    const cyclon = createCyclon({
      config,
      self: () => self,
      book: createLivenessBook({
        addressCapacity: config.lowWater === 0 ? 1 : 64,
        tombstoneMs: durationMs(scenario.variant === "paper" ? 0 : 30 * PERIOD_MS),
      }),
      random: nodeRandom.fork(String(index)),
      startAt: monotonicMs(0),
    });
    cyclons[index] = cyclon;
    world.add(index, cyclon);
  };
  for (let index = 0; index < scenario.nodes; index++) addNode(index);
  seedViews(
    scenario.start,
    population.descriptors,
    scenario.view,
    (index, neighbor) => cyclons[index]!.view.put(neighbor, 0),
    random.fork("start"),
  );

  const linksOf = (index: number): number[] =>
    cyclons[index]!.view.descriptors().map((descriptor) => population.indexOf(descriptor.id));
  const series: CyclonCycle[] = [];
  let pathLength = 0;
  let overlay: Overlay | undefined;
  let deadLinksGoneAtCycle = -1;
  let exchangesReceivedMax = 0;

  for (let cycle = 1; cycle <= scenario.cycles; cycle++) {
    const victims = churn.victims(world.alive(), cycle);
    for (const victim of victims) world.kill(victim);
    if (churn.replaces)
      for (let i = 0; i < victims.length; i++) {
        const alive = world.alive();
        const contact = population.descriptors[alive[randomBelow(nodeRandom, alive.length)]!]!;
        const index = population.descriptors.length;
        addNode(index);
        world.command(index, { type: "join", contacts: [contact] });
      }
    received.clear();
    world.runCycle();
    // The first cycles of a star flood its centre; the bound on received exchanges speaks of the converged overlay.
    if (cycle > scenario.cycles / 2)
      for (const count of received.values()) exchangesReceivedMax = Math.max(exchangesReceivedMax, count);
    const built = buildOverlay(world.alive(), linksOf);
    overlay = built.overlay;
    const degree = spreadOf(inDegrees(overlay));
    if (cycle % scenario.graphEvery === 0 || cycle === scenario.cycles)
      pathLength = averagePathLength(undirected(overlay), PATH_SOURCES, measure);
    const deadLinkShare = built.totalLinks === 0 ? 0 : built.deadLinks / built.totalLinks;
    if (scenario.failures > 0 && cycle >= scenario.failAt && deadLinkShare === 0 && deadLinksGoneAtCycle < 0)
      deadLinksGoneAtCycle = cycle - scenario.failAt;
    series.push({
      cycle,
      inDegreeMean: degree.mean,
      inDegreeSd: degree.sd,
      averagePathLength: pathLength,
      components: componentSizes(overlay).length,
      deadLinkShare,
    });
  }

  if (overlay === undefined) throw new Error("at least one cycle");
  const degree = spreadOf(inDegrees(overlay));
  const last = series[series.length - 1]!;
  let maximumAge = 0;
  for (const index of world.alive())
    for (const { age } of cyclons[index]!.view.neighbors()) maximumAge = Math.max(maximumAge, age);
  return {
    inDegreeMean: degree.mean,
    inDegreeSd: degree.sd,
    inDegreeMin: degree.min,
    inDegreeMax: degree.max,
    averagePathLength: last.averagePathLength,
    clustering: clusteringCoefficient(undirected(overlay), CLUSTERING_SAMPLES, measure),
    components: last.components,
    deadLinkShare: last.deadLinkShare,
    convergedAtCycle: convergedAt(series),
    ...(scenario.failures > 0 ? { deadLinksGoneAtCycle } : {}),
    ...(scenario.removal ? { wholeAfterRemovalOf: wholeAfterRemovalOf(overlay, measure) } : {}),
    maximumAge,
    exchangesReceivedMax,
    bytesPerNodePerCycle: world.bytesSent() / scenario.nodes / scenario.cycles,
    series,
  };
};

const convergedAt = (series: readonly CyclonCycle[]): number => {
  const last = series[series.length - 1]!;
  let first = -1;
  for (let i = series.length - 1; i >= 0; i--) {
    const { averagePathLength, inDegreeSd, components, cycle } = series[i]!;
    const settled =
      components === last.components &&
      Math.abs(averagePathLength - last.averagePathLength) <= 0.02 &&
      Math.abs(inDegreeSd - last.inDegreeSd) <= 0.1 * last.inDegreeSd;
    if (!settled) break;
    first = cycle;
  }
  return first;
};

const wholeAfterRemovalOf = (overlay: Overlay, random: RandomSource): number => {
  const order = Array.from({ length: overlay.count }, (_, i) => i);
  for (let i = order.length - 1; i > 0; i--) {
    const j = randomBelow(random, i + 1);
    const swap = order[i]!;
    order[i] = order[j]!;
    order[j] = swap;
  }
  let whole = 0;
  for (let percent = 5; percent < 100; percent += 5) {
    const survivors = order.slice(Math.round((percent / 100) * order.length)).sort((a, b) => a - b);
    const { overlay: rest } = buildOverlay(survivors, (index) =>
      Array.from(overlay.links.subarray(overlay.rows[index], overlay.rows[index + 1])),
    );
    if (componentSizes(rest).length > 1) break;
    whole = percent / 100;
  }
  return whole;
};
