import { bytesToBase64url } from "../../../protocol/kernel/bytes.ts";
import { pick, randomBelow, sample } from "../../../protocol/kernel/random.ts";
import { durationMs, monotonicMs } from "../../../protocol/kernel/time.ts";
import {
  defaultPolderCastConfig,
  paperPolderCastConfig,
  type PolderCastConfig,
} from "../../../protocol/poldercast/config.ts";
import type { PolderCastEffect, PolderCastEvent, PolderCastMessage } from "../../../protocol/poldercast/messages.ts";
import { createPolderCast, type PolderCast } from "../../../protocol/poldercast/poldercast.ts";
import type { MessageId } from "../../../protocol/ringcast/messages.ts";
import { createSeededRandom } from "../../support/seeded-random.ts";
import { artificialChurn, type Churn, noChurn, sessionChurn } from "../kernel/churn.ts";
import { createClearProfiles } from "../kernel/clear-interests.ts";
import { spreadOf } from "../kernel/graph.ts";
import { createNetem, perfectNetwork } from "../kernel/netem.ts";
import { createPopulation } from "../kernel/population.ts";
import { polderCastWire } from "../kernel/wires.ts";
import { createSubscriptions, type Workload } from "../kernel/workloads.ts";
import { createWorld } from "../kernel/world.ts";
import { seedViews, type Start } from "./cyclon.ts";

export interface PolderCastScenario {
  readonly nodes: number;
  readonly cycles: number;
  readonly seed: number;
  readonly topics: number;
  readonly subscriptions: number;
  readonly workload: Workload["kind"];
  readonly fanout: number;
  /** Further fan-outs, each measured once on the overlay as it is before the failure, or at the end. */
  readonly sweep: readonly number[];
  readonly start: Start;
  /** The three layers as published, or with walks, probes, tombstones, fail-over and repair. */
  readonly variant: "product" | "paper";
  /** Switches of single additions, on top of the variant. */
  readonly walks: boolean;
  readonly probes: boolean;
  readonly tombstones: boolean;
  readonly failOver: boolean;
  /** Whether a publisher sends to twelve members at once; off in the figures that are compared with the paper's cost. */
  readonly floodOwn: boolean;
  /** Cycle in which everybody subscribes. */
  readonly subscribeAt: number;
  /** Members of the topic, subscribed already, whom a subscriber knows from an invitation; without any only gossip finds them. */
  readonly contacts: number;
  /** Share of nodes dying at once in cycle `failAt`. */
  readonly failures: number;
  readonly failAt: number;
  /** After the failure the run goes on for a minute of virtual time, in which neighbors announce what was missed; then it ends. */
  readonly repair: boolean;
  readonly churn: number;
  readonly churnModel: "artificial" | "sessions";
  /** Every how many cycles one message per topic is sent and counted. */
  readonly hitEvery: number;
  /** Messages of each count, spread evenly over the topics; 0 is one per topic. */
  readonly messages: number;
  readonly throughBytes: boolean;
}

export const defaultPolderCastScenario: PolderCastScenario = {
  nodes: 500,
  cycles: 30,
  seed: 5,
  topics: 50,
  subscriptions: 7.5,
  workload: "zipf",
  fanout: 2,
  sweep: [],
  start: "random",
  variant: "product",
  walks: true,
  probes: true,
  tombstones: true,
  failOver: true,
  floodOwn: false,
  subscribeAt: 1,
  contacts: 0,
  failures: 0,
  failAt: 20,
  repair: false,
  churn: 0,
  churnModel: "artificial",
  hitEvery: 10,
  messages: 0,
  throughBytes: false,
};

export interface PolderCastCycle {
  readonly cycle: number;
  readonly ringLinksCorrect: number;
  readonly hitRatio: number;
}

export interface PolderCastFigures {
  /** Mean over topics of reached live subscribers, the source not counted. */
  readonly hitRatio: number;
  /** Worst topic. */
  readonly hitRatioMin: number;
  readonly ringLinksCorrect: number;
  /** Copies to live nodes that already had the message, per delivery. */
  readonly duplicateRatio: number;
  readonly hopsMean: number;
  readonly hopsLast: number;
  /** Distinct neighbors of a node over all layers. */
  readonly degreeMean: number;
  readonly degreeMax: number;
  /** Messages that reached a node which does not subscribe to their topic. */
  readonly relays: number;
  /** Walk and probe messages per subscription during the walks; 0 when there are none. */
  readonly messagesPerSubscription: number;
  readonly bytesPerNodePerCycle: number;
  /** With `repair`: share of live subscribers that hold the messages sent right after the failure, a minute later. */
  readonly repairedRatio?: number;
  /** With `sweep`: figures of the further fan-outs. */
  readonly byFanout?: readonly FanoutFigures[];
  readonly series: readonly PolderCastCycle[];
}

export interface FanoutFigures {
  readonly fanout: number;
  readonly hitRatio: number;
  readonly duplicateRatio: number;
  readonly hopsMean: number;
  readonly hopsLast: number;
}

const PERIOD_MS = 10_000;
/** Churn starts when the rings stand. */
const WARM_UP_CYCLES = 10;
const REPAIR_MS = 60_000;
const PAYLOAD = new Uint8Array(256);

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const configOf = (scenario: PolderCastScenario): PolderCastConfig => {
  const base = scenario.variant === "paper" ? paperPolderCastConfig : defaultPolderCastConfig;
  const rhythm = { gossipPeriodMs: durationMs(PERIOD_MS), jitter: 0 };
  const isProduct = scenario.variant === "product";
  return {
    ...base,
    cyclon: { ...base.cyclon, ...rhythm },
    vicinity: { ...base.vicinity, ...rhythm },
    rings: {
      ...base.rings,
      ...rhythm,
      walks: isProduct && scenario.walks,
      probesPerPeriod: isProduct && scenario.probes ? defaultPolderCastConfig.rings.probesPerPeriod : 0,
    },
    cast: {
      ...base.cast,
      fanout: scenario.fanout,
      ownFanout: isProduct && scenario.floodOwn ? base.cast.ownFanout : 0,
      failOver: isProduct && scenario.failOver ? base.cast.failOver : 0,
      // Figures of push alone: repair would hide what dissemination missed.
      heartbeatMs: durationMs(0),
    },
    tombstoneMs: durationMs(isProduct && scenario.tombstones ? 30 * PERIOD_MS : 0),
    addressCapacity: 64,
  };
};

export const runPolderCast = (scenario: PolderCastScenario): PolderCastFigures => {
  const random = createSeededRandom(scenario.seed);
  const experiment = random.fork("experiment");
  const population = createPopulation(random.fork("population"));
  const profiles = createClearProfiles(population);
  const configured = configOf(scenario);
  // Fan-out and heartbeat change between measurements on one overlay.
  const cast: Mutable<PolderCastConfig["cast"]> = { ...configured.cast };
  const config: PolderCastConfig = { ...configured, cast };
  const workload = {
    kind: scenario.workload,
    nodes: scenario.nodes,
    topics: scenario.topics,
    meanSubscriptions: scenario.subscriptions,
  };
  const subscriptions = createSubscriptions(workload, random.fork("workload"));
  const topicCount = scenario.workload === "friends" ? scenario.nodes : scenario.topics;
  const machines: PolderCast[] = [];
  profiles.priorityOf.lookup = (index, topic) => machines[index]?.rings.priority(topic) ?? 0;

  let current: MessageId | undefined;
  let reached = 0;
  let copiesToLive = 0;
  let hops = 0;
  let hopsLast = 0;
  let relays = 0;
  let finds = 0;
  const world = createWorld<PolderCastMessage, PolderCastEvent, PolderCastEffect>({
    population,
    netem: createNetem(perfectNetwork, random.fork("netem")),
    random: random.fork("world"),
    periodMs: PERIOD_MS,
    wire: polderCastWire(population),
    throughBytes: scenario.throughBytes,
    onSend: (_, to, message) => {
      if (message.type === "ringFind") finds++;
      if (message.type === "publish" && message.id === current && world.isAlive(to)) copiesToLive++;
    },
    onEffect: (_, effect) => {
      if (effect.type === "peerViolated" && effect.rule === "RNG-10") relays++;
      if (effect.type !== "deliver" || effect.id !== current) return;
      reached++;
      hops += effect.hops;
      hopsLast = Math.max(hopsLast, effect.hops);
    },
  });

  const nodeRandom = random.fork("nodes");
  const addNode = (index: number, topics: Int32Array): void => {
    const descriptor = population.create(index);
    profiles.topicsOf[index] = topics;
    const machine = createPolderCast({
      config,
      self: () => descriptor,
      interests: profiles.interestsOf(index),
      addSamples: () => undefined,
      isAuthentic: () => true,
      random: nodeRandom.fork(String(index)),
      startAt: monotonicMs(0),
    });
    machines[index] = machine;
    world.add(index, machine);
  };
  const subscribed: number[][] = [];
  const subscribeAll = (index: number): void => {
    for (const topic of profiles.topicsOf[index]!) {
      const known = scenario.contacts === 0 ? [] : (subscribed[topic] ??= []);
      const contacts = sample(experiment, known.filter(world.isAlive), scenario.contacts);
      known.push(index);
      world.command(index, {
        type: "subscribe",
        topic: profiles.tagOf(topic),
        contacts: contacts.map((contact) => population.descriptors[contact]!),
      });
    }
  };
  for (let index = 0; index < scenario.nodes; index++) addNode(index, subscriptions[index]!);
  seedViews(
    scenario.start,
    population.descriptors,
    20,
    (index, neighbor) => machines[index]!.cyclon.view.put(neighbor, 0),
    random.fork("start"),
  );

  const churnRandom = random.fork("churn");
  const churnFrom = scenario.subscribeAt + WARM_UP_CYCLES;
  const churn: Churn =
    scenario.churn === 0
      ? noChurn
      : scenario.churnModel === "artificial"
        ? artificialChurn(scenario.churn, churnFrom, churnRandom)
        : sessionChurn(1 / scenario.churn, churnFrom, churnRandom);

  const sent = new Map<MessageId, number>();
  const liveSubscribers = (): number[][] => {
    const members: number[][] = Array.from({ length: topicCount }, () => []);
    for (const index of world.alive()) for (const topic of profiles.topicsOf[index]!) members[topic]!.push(index);
    return members;
  };

  const ringLinksCorrect = (members: readonly number[][]): number => {
    let correct = 0;
    let total = 0;
    members.forEach((subscribers, topic) => {
      if (subscribers.length < 2) return;
      const tag = profiles.tagOf(topic);
      const places = new Map(
        subscribers.map((index) => [index, profiles.position(topic, population.descriptors[index]!)]),
      );
      const ring = [...subscribers].sort((a, b) => places.get(a)! - places.get(b)!);
      ring.forEach((index, rank) => {
        const held = machines[index]!.rings.ring(tag);
        const next = population.descriptors[ring[(rank + 1) % ring.length]!]!.id;
        const previous = population.descriptors[ring[(rank + ring.length - 1) % ring.length]!]!.id;
        total += 2;
        if (held?.successors()[0]?.id === next) correct++;
        if (held?.predecessors()[0]?.id === previous) correct++;
      });
    });
    return total === 0 ? 1 : correct / total;
  };

  const disseminate = (members: readonly number[][], fanout = scenario.fanout) => {
    cast.fanout = fanout;
    sent.clear();
    const busy = members.flatMap((subscribers, topic) => (subscribers.length >= 2 ? [topic] : []));
    const order = sample(experiment, busy, busy.length);
    const count = scenario.messages === 0 || busy.length === 0 ? busy.length : scenario.messages;
    const chosen = Array.from({ length: count }, (_, message) => order[message % order.length]!);
    const sums = { hit: 0, worst: 1, duplicates: 0, deliveries: 0, hops: 0, last: 0 };
    for (const topic of chosen) {
      const subscribers = members[topic]!;
      const source = subscribers[randomBelow(experiment, subscribers.length)]!;
      reached = copiesToLive = hops = hopsLast = 0;
      const id = bytesToBase64url(experiment.bytes(32)) as MessageId;
      current = id;
      sent.set(id, topic);
      world.command(source, { type: "publish", topic: profiles.tagOf(topic), id, payload: PAYLOAD });
      const hit = reached / (subscribers.length - 1);
      sums.hit += hit;
      sums.worst = Math.min(sums.worst, hit);
      sums.duplicates += copiesToLive - reached;
      sums.deliveries += reached;
      sums.hops += hops;
      sums.last = Math.max(sums.last, hopsLast);
    }
    return { ...sums, hitRatio: chosen.length === 0 ? 1 : sums.hit / chosen.length };
  };

  let last: ReturnType<typeof disseminate> | undefined;
  /** A minute of heartbeats after the last messages, and who holds them then. */
  const repaired = (): number => {
    cast.heartbeatMs = defaultPolderCastConfig.cast.heartbeatMs;
    last = disseminate(liveSubscribers());
    world.runUntil(world.now() + REPAIR_MS);
    const members = liveSubscribers();
    let held = 0;
    let wanted = 0;
    for (const [id, topic] of sent)
      for (const index of members[topic]!) {
        wanted++;
        if (machines[index]!.cast.history.hasSeen(id)) held++;
      }
    return wanted === 0 ? 1 : held / wanted;
  };

  const series: PolderCastCycle[] = [];
  const byFanout: FanoutFigures[] = [];
  let repairedRatio: number | undefined;
  let overlayBytes = 0;
  let messagesPerSubscription = 0;
  for (let cycle = 1; cycle <= scenario.cycles; cycle++) {
    const bytesBefore = world.bytesSent();
    if (cycle === scenario.subscribeAt) {
      const order = sample(experiment, world.alive(), scenario.nodes);
      for (const index of order) subscribeAll(index);
    }
    if (cycle === (scenario.failures > 0 ? scenario.failAt : scenario.cycles))
      for (const fanout of scenario.sweep) {
        const figures = disseminate(liveSubscribers(), fanout);
        byFanout.push({
          fanout,
          hitRatio: figures.hitRatio,
          duplicateRatio: figures.duplicates / Math.max(1, figures.deliveries),
          hopsMean: figures.hops / Math.max(1, figures.deliveries),
          hopsLast: figures.last,
        });
      }
    if (scenario.failures > 0 && cycle === scenario.failAt)
      for (const victim of sample(experiment, world.alive(), Math.round(scenario.failures * world.aliveCount())))
        world.kill(victim);
    const victims = churn.victims(world.alive(), cycle);
    for (const victim of victims) {
      world.kill(victim);
      if (!churn.replaces) continue;
      const contact = population.descriptors[pick(experiment, world.alive())!]!;
      const index = population.descriptors.length;
      addNode(index, profiles.topicsOf[victim]!);
      world.command(index, { type: "join", contacts: [contact] });
      subscribeAll(index);
    }
    // The cycle of the failure itself is measured before anybody could repair: t + 0.
    const isFailure = scenario.failures > 0 && cycle === scenario.failAt;
    if (isFailure && scenario.repair) {
      const members = liveSubscribers();
      const linksAtFailure = ringLinksCorrect(members);
      repairedRatio = repaired();
      series.push({ cycle, ringLinksCorrect: linksAtFailure, hitRatio: last!.hitRatio });
      break;
    }
    if (!isFailure) world.runCycle();
    overlayBytes += world.bytesSent() - bytesBefore;
    if (cycle === Math.min(scenario.cycles, scenario.subscribeAt + 3)) {
      let total = 0;
      for (const index of world.alive()) total += profiles.topicsOf[index]!.length;
      messagesPerSubscription = config.rings.walks ? finds / total : 0;
    }
    const sinceFailure = scenario.failures > 0 ? cycle - scenario.failAt : -1;
    if (cycle % scenario.hitEvery === 0 || cycle === scenario.cycles || [0, 1, 5, 10, 20].includes(sinceFailure)) {
      const members = liveSubscribers();
      last = disseminate(members);
      series.push({ cycle, ringLinksCorrect: ringLinksCorrect(members), hitRatio: last.hitRatio });
    }
  }
  if (last === undefined) throw new Error("the last cycle is always measured");

  const degree = spreadOf(
    world.alive().map((index) => {
      const machine = machines[index]!;
      const neighbors = new Set<string>();
      for (const { id } of [...machine.cyclon.view.descriptors(), ...machine.vicinity.view.descriptors()])
        neighbors.add(id);
      for (const topic of machine.rings.topics())
        for (const { descriptor } of machine.rings.ring(topic)!.neighbors()) neighbors.add(descriptor.id);
      return neighbors.size;
    }),
  );
  return {
    hitRatio: last.hitRatio,
    hitRatioMin: last.worst,
    ringLinksCorrect: series[series.length - 1]!.ringLinksCorrect,
    duplicateRatio: last.deliveries === 0 ? 0 : last.duplicates / last.deliveries,
    hopsMean: last.deliveries === 0 ? 0 : last.hops / last.deliveries,
    hopsLast: last.last,
    degreeMean: degree.mean,
    degreeMax: degree.max,
    relays,
    messagesPerSubscription,
    bytesPerNodePerCycle: overlayBytes / scenario.nodes / scenario.cycles,
    ...(repairedRatio === undefined ? {} : { repairedRatio }),
    ...(byFanout.length === 0 ? {} : { byFanout }),
    series,
  };
};
