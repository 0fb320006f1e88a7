import { pick, randomBelow, sample } from "../../../protocol/kernel/random.ts";
import { bytesToBase64url } from "../../../protocol/kernel/bytes.ts";
import { durationMs, monotonicMs } from "../../../protocol/kernel/time.ts";
import { defaultRingCastConfig, paperRingCastConfig, type RingCastConfig } from "../../../protocol/ringcast/config.ts";
import type { MessageId, RingCastEffect, RingCastEvent, RingCastMessage } from "../../../protocol/ringcast/messages.ts";
import { createRingCast } from "../../../protocol/ringcast/ringcast.ts";
import { selectRing } from "../../../protocol/vicinity/selection.ts";
import { createSeededRandom } from "../../support/seeded-random.ts";
import { artificialChurn } from "../kernel/churn.ts";
import { createNetem, perfectNetwork } from "../kernel/netem.ts";
import {
  createOverlayNode,
  GROUP,
  type OverlayCommand,
  type OverlayEffect,
  type OverlayMessage,
  type OverlayNode,
  overlayWire,
  ringPosition,
} from "../kernel/overlay-node.ts";
import { createPopulation, type Population } from "../kernel/population.ts";
import { ringCastWire } from "../kernel/wires.ts";
import { createWorld } from "../kernel/world.ts";
import { seedViews } from "./cyclon.ts";

export interface RingCastScenario {
  readonly nodes: number;
  /** Cycles in which the overlay forms before it is frozen. */
  readonly cycles: number;
  readonly seed: number;
  readonly fanout: number;
  /** RandCast, the comparison of the paper. */
  readonly randomOnly: boolean;
  readonly failOver: boolean;
  /** Share of nodes dead when messages are sent; another set for every ten messages. */
  readonly failures: number;
  readonly churn: number;
  readonly messages: number;
  /** Share of nodes that take every message and pass none on; the figures speak of the others. */
  readonly droppers: number;
  /** Whether a publisher sends to twelve members at once. */
  readonly floodOwn: boolean;
  readonly throughBytes: boolean;
}

export const defaultRingCastScenario: RingCastScenario = {
  nodes: 1000,
  cycles: 30,
  seed: 7,
  fanout: 3,
  randomOnly: false,
  failOver: false,
  failures: 0,
  churn: 0,
  messages: 50,
  droppers: 0,
  floodOwn: false,
  throughBytes: false,
};

export interface RingCastFigures {
  readonly missRatio: number;
  /** Under churn: among nodes that joined more than twenty cycles ago. */
  readonly missRatioSettled?: number;
  readonly correctLinks: number;
  readonly completeShare: number;
  readonly messagesPerNode: number;
  readonly duplicatesPerNode: number;
  readonly hopsMean: number;
  readonly hopsLast: number;
  readonly bytesPerNodePerCycle: number;
  readonly series: readonly { readonly message: number; readonly missRatio: number; readonly hopsLast: number }[];
}

const PERIOD_MS = 10_000;
const MESSAGES_PER_FAILURE = 10;
const PAYLOAD = new Uint8Array(1024);
/** Misses under churn concentrate on nodes younger than this. */
const SETTLED_CYCLES = 20;
/** Churn starts when the overlay has formed. */
const WARM_UP_CYCLES = 30;

/** A network whose rings have formed and whose lower layers stand still: the state the papers disseminate on. */
export interface FrozenOverlay {
  readonly population: Population;
  readonly nodes: readonly OverlayNode[];
  readonly alive: readonly number[];
  /** Nodes that joined in the last `SETTLED_CYCLES` cycles. */
  readonly young: ReadonlySet<number>;
  /** Share of successor and predecessor links that are the true ones. */
  readonly correctLinks: number;
  readonly bytesPerNodePerCycle: number;
}

export const freezeOverlay = (
  scenario: Pick<RingCastScenario, "nodes" | "cycles" | "seed" | "churn" | "throughBytes">,
): FrozenOverlay => {
  const random = createSeededRandom(scenario.seed);
  const experiment = random.fork("experiment");
  const population = createPopulation(random.fork("population"));
  const nodes: OverlayNode[] = [];
  const world = createWorld<OverlayMessage, OverlayCommand, OverlayEffect>({
    population,
    netem: createNetem(perfectNetwork, random.fork("netem")),
    random: random.fork("world"),
    periodMs: PERIOD_MS,
    wire: overlayWire(population),
    throughBytes: scenario.throughBytes,
  });
  const nodeRandom = random.fork("nodes");
  const selection = selectRing(ringPosition);
  const addNode = (index: number): void => {
    const node = createOverlayNode({
      descriptor: population.create(index),
      periodMs: PERIOD_MS,
      jitter: 0,
      cast: paperRingCastConfig,
      selection,
      random: nodeRandom.fork(String(index)),
      startAt: monotonicMs(0),
    });
    nodes[index] = node;
    world.add(index, node);
  };
  for (let index = 0; index < scenario.nodes; index++) addNode(index);
  const start = random.fork("start");
  seedViews(
    "random",
    population.descriptors,
    20,
    (index, neighbor) => nodes[index]!.cyclon.view.put(neighbor, 0),
    start,
  );
  const young = new Set<number>();
  const churn = artificialChurn(scenario.churn, WARM_UP_CYCLES + 1, random.fork("churn"));
  for (let cycle = 1; cycle <= scenario.cycles; cycle++) {
    const victims = scenario.churn > 0 ? churn.victims(world.alive(), cycle) : [];
    for (const victim of victims) world.kill(victim);
    for (let i = 0; i < victims.length; i++) {
      const contact = population.descriptors[pick(experiment, world.alive())!]!;
      const index = population.descriptors.length;
      addNode(index);
      if (cycle > scenario.cycles - SETTLED_CYCLES) young.add(index);
      world.command(index, { type: "join", contacts: [contact] });
    }
    world.runCycle();
  }
  const alive = world.alive();
  return {
    population,
    nodes,
    alive,
    young,
    correctLinks: correctLinks(population, nodes, alive),
    bytesPerNodePerCycle: world.bytesSent() / scenario.nodes / scenario.cycles,
  };
};

const correctLinks = (population: Population, nodes: readonly OverlayNode[], alive: readonly number[]): number => {
  const ring = [...alive].sort(
    (a, b) => ringPosition(population.descriptors[a]!) - ringPosition(population.descriptors[b]!),
  );
  let correct = 0;
  ring.forEach((index, rank) => {
    const { successors, predecessors } = nodes[index]!.links();
    if (successors[0] === population.descriptors[ring[(rank + 1) % ring.length]!]) correct++;
    if (predecessors[0] === population.descriptors[ring[(rank + ring.length - 1) % ring.length]!]) correct++;
  });
  return correct / (2 * ring.length);
};

/** Sends messages over a frozen overlay, by fresh RingCast machines of the wanted kind. */
export const disseminate = (overlay: FrozenOverlay, scenario: RingCastScenario): RingCastFigures => {
  const { population, nodes, alive } = overlay;
  const random = createSeededRandom(`${scenario.seed} dissemination`);
  const experiment = random.fork("experiment");
  const config: RingCastConfig = {
    ...paperRingCastConfig,
    fanout: scenario.fanout,
    ownFanout: scenario.floodOwn ? defaultRingCastConfig.ownFanout : 0,
    mode: scenario.randomOnly ? "randomOnly" : "plain",
    failOver: scenario.failOver ? defaultRingCastConfig.failOver : 0,
    ackTimeoutMs: durationMs(0),
  };
  const droppers = new Set(sample(experiment, alive, Math.round(scenario.droppers * alive.length)));
  let copies = 0;
  let copiesToLive = 0;
  let reached = 0;
  let hopsSum = 0;
  let hopsMax = 0;
  let reachedYoung = 0;
  let current: MessageId | undefined;
  const world = createWorld<RingCastMessage, RingCastEvent, RingCastEffect>({
    population,
    netem: createNetem(perfectNetwork, random.fork("netem")),
    random: random.fork("world"),
    periodMs: PERIOD_MS,
    wire: ringCastWire,
    throughBytes: scenario.throughBytes,
    ...(droppers.size === 0
      ? {}
      : { intercept: (from, _, message) => (message.type === "publish" && droppers.has(from) ? "drop" : message) }),
    onSend: (_, to, message) => {
      if (message.type !== "publish" || message.id !== current) return;
      copies++;
      if (world.isAlive(to)) copiesToLive++;
    },
    onEffect: (index, effect) => {
      if (effect.type !== "deliver" || effect.id !== current || droppers.has(index)) return;
      reached++;
      if (overlay.young.has(index)) reachedYoung++;
      hopsSum += effect.hops;
      hopsMax = Math.max(hopsMax, effect.hops);
    },
  });
  const nodeRandom = random.fork("nodes");
  for (const index of alive) {
    const { links } = nodes[index]!;
    world.add(
      index,
      createRingCast({
        config,
        links: (topic) => (topic === GROUP ? links() : undefined),
        isAuthentic: () => true,
        random: nodeRandom.fork(String(index)),
      }),
    );
  }

  const series: { message: number; missRatio: number; hopsLast: number }[] = [];
  const sums = { settled: 0, miss: 0, complete: 0, copies: 0, duplicates: 0, hops: 0, deliveries: 0, last: 0 };
  let down: readonly number[] = [];
  for (let message = 1; message <= scenario.messages; message++) {
    if (scenario.failures > 0 && (message - 1) % MESSAGES_PER_FAILURE === 0) {
      for (const index of down) world.resume(index);
      down = sample(experiment, alive, Math.round(scenario.failures * alive.length));
      for (const index of down) world.suspend(index);
    }
    const live = world.alive().filter((index) => !droppers.has(index));
    copies = copiesToLive = reached = reachedYoung = hopsSum = hopsMax = 0;
    const source = live[randomBelow(experiment, live.length)]!;
    const id = bytesToBase64url(experiment.bytes(32)) as MessageId;
    current = id;
    world.command(source, { type: "publish", topic: GROUP, id, payload: PAYLOAD });
    const missRatio = 1 - (reached + 1) / live.length;
    sums.miss += missRatio;
    if (overlay.young.size > 0) {
      const young = live.filter((index) => overlay.young.has(index)).length;
      const isYoung = overlay.young.has(source) ? 1 : 0;
      sums.settled += 1 - (reached + 1 - reachedYoung - isYoung) / (live.length - young);
    }
    sums.complete += reached + 1 === live.length ? 1 : 0;
    sums.copies += copies / live.length;
    sums.duplicates += (copiesToLive - reached) / live.length;
    sums.hops += hopsSum;
    sums.deliveries += reached;
    sums.last += hopsMax;
    series.push({ message, missRatio, hopsLast: hopsMax });
    // Lets the waiting for refusals of this message end before the next one.
    if (scenario.failOver) world.runCycle();
  }
  const count = scenario.messages;
  return {
    missRatio: sums.miss / count,
    ...(scenario.churn > 0 ? { missRatioSettled: sums.settled / count } : {}),
    correctLinks: overlay.correctLinks,
    completeShare: sums.complete / count,
    messagesPerNode: sums.copies / count,
    duplicatesPerNode: sums.duplicates / count,
    hopsMean: sums.deliveries === 0 ? 0 : sums.hops / sums.deliveries,
    hopsLast: sums.last / count,
    bytesPerNodePerCycle: overlay.bytesPerNodePerCycle,
    series,
  };
};

export const runRingCast = (scenario: RingCastScenario): RingCastFigures =>
  disseminate(freezeOverlay(scenario), scenario);

export interface RingCastCell extends Omit<RingCastFigures, "series"> {
  readonly kind: "randcast" | "ringcast" | "failOver";
  readonly failures: number;
  readonly fanout: number;
}

const SWEPT_FANOUTS = [2, 3, 4, 5, 6, 8, 10];
/** Under churn the dead are in the overlay already. */
const SWEPT_FAILURES = [0, 0.01, 0.02, 0.05, 0.1];

/** The paper's table: every fan-out and share of dead nodes, on one overlay. */
export const sweepRingCast = (
  scenario: RingCastScenario,
): { readonly bytesPerNodePerCycle: number; readonly table: readonly RingCastCell[] } => {
  const overlay = freezeOverlay(scenario);
  const table: RingCastCell[] = [];
  for (const failures of scenario.churn > 0 ? [0] : SWEPT_FAILURES)
    for (const fanout of SWEPT_FANOUTS)
      for (const kind of ["randcast", "ringcast", "failOver"] as const) {
        if (kind === "failOver" && failures === 0 && scenario.churn === 0) continue;
        const randomOnly = kind === "randcast";
        const cell = { ...scenario, fanout, failures, randomOnly, failOver: kind === "failOver" };
        const { series: _, ...figures } = disseminate(overlay, cell);
        table.push({ kind, failures, fanout, ...figures });
      }
  return { bytesPerNodePerCycle: overlay.bytesPerNodePerCycle, table };
};
