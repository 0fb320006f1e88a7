import { createNativeProvider } from "../../../main/adapters/native-crypto.ts";
import { createNobleProvider } from "../../../protocol/crypto/noble-provider.ts";
import type { NodeId } from "../../../protocol/identity/node-id.ts";
import { randomBelow, sample } from "../../../protocol/kernel/random.ts";
import type { GossipMessage, GossipNodeEffect, GossipNodeEvent } from "../../../protocol/node/messages.ts";
import type { Interests } from "../../../protocol/poldercast/interests.ts";
import { createTopicKeys } from "../../../protocol/poldercast/topic-keys.ts";
import type { MessageId, TopicTag } from "../../../protocol/ringcast/messages.ts";
import { createFixtureNode } from "../../support/gossip-fixture.ts";
import { createSeededRandom } from "../../support/seeded-random.ts";
import { createNetem, type NetemConfig } from "../kernel/netem.ts";
import type { Population } from "../kernel/population.ts";
import { polderCastWire } from "../kernel/wires.ts";
import { commonTopics, createSubscriptions, type Workload } from "../kernel/workloads.ts";
import { createWorld } from "../kernel/world.ts";

export interface WholeNodesScenario {
  readonly nodes: number;
  readonly cycles: number;
  readonly seed: number;
  readonly topics: number;
  readonly subscriptions: number;
  readonly workload: Workload["kind"];
  /** What a descriptor shows: the exact topics (PolderCast as published), a BLIP filter, or nothing. */
  readonly profiles: "clear" | "blip" | "none";
  readonly network: NetemConfig;
  /** Cycles in which the network falls into two halves and is mended; 0 for never. */
  readonly partitionAt: number;
  readonly healAt: number;
  /** Share of nodes that sleep for ten minutes in the middle of the run, while messages are sent. */
  readonly sleepers: number;
  /** `dropper` takes part in everything and passes no message on; `liar` claims topics it does not hold. */
  readonly adversary: "none" | "dropper" | "liar";
  readonly adversaries: number;
}

export const defaultWholeNodesScenario: WholeNodesScenario = {
  nodes: 100,
  cycles: 30,
  seed: 5,
  topics: 20,
  subscriptions: 4,
  workload: "clustered",
  profiles: "blip",
  network: { latency: { type: "uniform", fromMs: 10, toMs: 50 }, loss: 0, natShare: 0 },
  partitionAt: 0,
  healAt: 0,
  sleepers: 0,
  adversary: "none",
  adversaries: 0,
};

export interface WholeNodesFigures {
  /** Mean over topics of honest live subscribers reached within five seconds, and after two more minutes of repair. */
  readonly hitRatio: number;
  readonly hitRatioRepaired: number;
  /** Of the dialable nodes' links to successors and predecessors, the share that is right. */
  readonly ringLinksCorrect: number;
  /** First cycle with 95 % of ring links right; -1 if never. */
  readonly convergedAtCycle: number;
  /** Cycles between mending the network and 99 % of ring links right over both halves; -1 if never or never cut. */
  readonly mergedAfterCycles: number;
  /** Share of what sleepers missed that they have two minutes after waking. */
  readonly sleepersComplete: number;
  /** Private set intersections run, and runs for each that found a common topic. */
  readonly intersections: number;
  readonly intersectionsPerMatch: number;
  /** Share of the adversary in honest nodes' VICINITY views. */
  readonly adversaryLinkShare: number;
  /** Mean number of common topics with the neighbors in VICINITY's view. */
  readonly commonTopicsMean: number;
  readonly relays: number;
  readonly bytesPerNodePerCycle: number;
  readonly series: readonly { readonly cycle: number; readonly ringLinksCorrect: number }[];
}

const PERIOD_MS = 10_000;
const IN_TIME_MS = 5_000;
const REPAIR_MS = 120_000;
const SLEEP_MS = 600_000;
const CONTACTS = 3;
/** As many as a profile takes. */
const CLAIMED_TOPICS = 128;

export const runWholeNodes = (scenario: WholeNodesScenario): WholeNodesFigures => {
  const { nodes: count } = scenario;
  const random = createSeededRandom(scenario.seed);
  const experiment = random.fork("experiment");
  const crypto = createNativeProvider(createNobleProvider());
  const workload = {
    kind: scenario.workload,
    nodes: count,
    topics: scenario.topics,
    meanSubscriptions: scenario.subscriptions,
  };
  const subscriptions = createSubscriptions(workload, random.fork("workload"));
  const topicCount = scenario.workload === "friends" ? count : scenario.topics;
  const topics = Array.from({ length: topicCount }, () => {
    const element = random.bytes(32);
    return { element, keys: createTopicKeys(crypto, element) };
  });
  const topicByTag = new Map(topics.map(({ keys }, topic) => [keys.tag, topic]));
  const keysOf = (tag: TopicTag) => topics[topicByTag.get(tag) ?? -1]?.keys;
  const everybody = Array.from({ length: count }, (_, index) => index);
  const hostile = new Set(
    scenario.adversary === "none" ? [] : sample(experiment, everybody, Math.round(scenario.adversaries * count)),
  );
  const isLiar = (index: number): boolean => scenario.adversary === "liar" && hostile.has(index);
  const held = (index: number): Int32Array => (isLiar(index) ? new Int32Array(0) : subscriptions[index]!);
  const claims = sample(experiment, [...topics.keys()], CLAIMED_TOPICS).sort((a, b) => a - b);
  const shown = (index: number): Int32Array => (isLiar(index) ? Int32Array.from(claims) : subscriptions[index]!);
  const netem = createNetem(scenario.network, random.fork("netem"));

  const indexById = new Map<NodeId, number>();
  const wholeNodes = everybody.map((index) =>
    createFixtureNode({
      crypto,
      random: random.fork(`node ${index}`),
      topics: [...shown(index)].map((topic) => topics[topic]!),
      keysOf,
      issuedAt: 1,
      reachable: !netem.isBehindNat(index),
      interestsOf: (priv, own) => interestsOf(index, priv, own),
    }),
  );
  wholeNodes.forEach(({ descriptor }, index) => indexById.set(descriptor.id, index));

  function interestsOf<I extends Interests>(index: number, priv: I, ownId: NodeId): I {
    switch (scenario.profiles) {
      case "blip":
        return priv;
      case "none":
        return { ...priv, affinity: () => () => 0 };
      case "clear":
        return {
          ...priv,
          affinity: (reference) => {
            const from = reference.id === ownId ? held(index) : shown(indexById.get(reference.id)!);
            return (candidate) => commonTopics(from, shown(indexById.get(candidate.id)!)).length - 0.5;
          },
        };
    }
  }

  const population: Population = {
    create: () => {
      throw new Error("all nodes exist from the start");
    },
    indexOf: (id) => indexById.get(id) ?? -1,
    placeOf: ({ id }) => indexById.get(id) ?? -1,
    recognise: (descriptor) => wholeNodes[indexById.get(descriptor.id) ?? -1]?.descriptor,
    descriptors: wholeNodes.map(({ descriptor }) => descriptor),
  };
  const wire = polderCastWire(population);
  const delivered = new Map<MessageId, Set<number>>();
  let intersections = 0;
  let matches = 0;
  let relays = 0;
  const isCut = (a: number, b: number): boolean => isPartitioned && a % 2 !== b % 2;
  let isPartitioned = false;
  const world = createWorld<GossipMessage, GossipNodeEvent, GossipNodeEffect>({
    population,
    netem,
    random: random.fork("world"),
    periodMs: PERIOD_MS,
    throughBytes: false,
    wire: {
      sizeOf: (message) => (message.type === "bye" ? 2 : wire.sizeOf(message)),
      roundTrip: (message) => message,
    },
    intercept: (from, _, message) => {
      const isPassedOn = message.type === "publish" || message.type === "announce";
      return scenario.adversary === "dropper" && hostile.has(from) && isPassedOn ? "drop" : message;
    },
    onEffect: (index, effect) => {
      if (effect.type === "deliver") delivered.get(effect.id)?.add(index);
      if (effect.type === "peerViolated" && effect.rule === "RNG-10") relays++;
      if (effect.type !== "intersect") return;
      const peer = indexById.get(effect.peer.id)!;
      if (!world.isAlive(peer) || isCut(index, peer) || netem.isBehindNat(peer)) return;
      intersections++;
      const common = commonTopics(held(index), held(peer)).map((topic) => topics[topic]!.keys.tag);
      if (common.length > 0) matches++;
      const confirm = (at: number, other: number): void =>
        world.command(at, { type: "topicsConfirmed", peer: wholeNodes[other]!.descriptor, topics: common });
      confirm(index, peer);
      confirm(peer, index);
    },
  });
  world.runUntil(0);
  wholeNodes.forEach(({ node }, index) => world.add(index, node));
  const dialable = everybody.filter((index) => !netem.isBehindNat(index));
  for (const index of everybody) {
    const contacts = sample(experiment, dialable, CONTACTS + 1).filter((other) => other !== index);
    world.command(index, {
      type: "join",
      contacts: contacts.slice(0, CONTACTS).map((other) => wholeNodes[other]!.descriptor),
    });
    for (const topic of held(index))
      world.command(index, { type: "subscribe", topic: topics[topic]!.keys.tag, contacts: [] });
  }

  const honestMembers = (): number[][] => {
    const members: number[][] = topics.map(() => []);
    for (const index of everybody)
      if (world.isAlive(index) && !(hostile.has(index) && scenario.adversary === "liar"))
        for (const topic of held(index)) members[topic]!.push(index);
    return members;
  };
  const ringLinksCorrect = (): number => {
    let correct = 0;
    let total = 0;
    honestMembers().forEach((members, topic) => {
      const { tag, position } = topics[topic]!.keys;
      const places = members
        .filter((index) => !netem.isBehindNat(index))
        .map((index) => ({ index, id: wholeNodes[index]!.descriptor.id }))
        .map(({ index, id }) => ({ index, id, place: position(id) }))
        .sort((a, b) => a.place - b.place);
      if (places.length < 2) return;
      places.forEach(({ index }, rank) => {
        const ring = wholeNodes[index]!.node.polderCast.rings.ring(tag);
        total += 2;
        if (ring?.successors()[0]?.id === places[(rank + 1) % places.length]!.id) correct++;
        if (ring?.predecessors()[0]?.id === places[(rank + places.length - 1) % places.length]!.id) correct++;
      });
    });
    return total === 0 ? 1 : correct / total;
  };

  const publish = (topic: number, source: number): MessageId => {
    const payload = experiment.bytes(64);
    const { keys } = topics[topic]!;
    const id = keys.messageId(payload);
    delivered.set(id, new Set([source]));
    world.command(source, { type: "publish", topic: keys.tag, id, payload });
    return id;
  };
  /** One message of an honest member for each topic with company. */
  const publishAll = () =>
    honestMembers().flatMap((members, topic) => {
      const honest = members.filter((index) => !hostile.has(index));
      if (honest.length < 2) return [];
      return [{ topic, id: publish(topic, honest[randomBelow(experiment, honest.length)]!), members: honest }];
    });
  const hits = (sent: ReturnType<typeof publishAll>): number => {
    let sum = 0;
    for (const { id, members } of sent)
      sum += members.filter((index) => delivered.get(id)!.has(index)).length / members.length;
    return sent.length === 0 ? 1 : sum / sent.length;
  };

  const series: { cycle: number; ringLinksCorrect: number }[] = [];
  let convergedAtCycle = -1;
  let mergedAfterCycles = -1;
  for (let cycle = 1; cycle <= scenario.cycles; cycle++) {
    if (cycle === scenario.partitionAt) isPartitioned = true;
    if (cycle === scenario.healAt) isPartitioned = false;
    netem.partition(isPartitioned);
    world.runUntil(cycle * PERIOD_MS);
    const correct = ringLinksCorrect();
    series.push({ cycle, ringLinksCorrect: correct });
    if (correct >= 0.95 && convergedAtCycle < 0) convergedAtCycle = cycle;
    const isMended = scenario.healAt > 0 && cycle >= scenario.healAt;
    if (isMended && correct >= 0.99 && mergedAfterCycles < 0) mergedAfterCycles = cycle - scenario.healAt;
  }
  const bytesOfOverlay = world.bytesSent();

  let sleepersComplete = 1;
  if (scenario.sleepers > 0) {
    const asleep = sample(experiment, everybody, Math.round(scenario.sleepers * count));
    for (const index of asleep) world.suspend(index);
    const missed: { readonly topic: number; readonly id: MessageId }[] = [];
    for (let minute = 0; minute < SLEEP_MS / 60_000; minute++) {
      missed.push(...publishAll());
      world.runUntil(world.now() + 60_000);
    }
    for (const index of asleep) {
      world.resume(index);
      world.command(index, { type: "wake" });
    }
    world.runUntil(world.now() + REPAIR_MS);
    let expected = 0;
    let got = 0;
    for (const { topic, id } of missed)
      for (const index of asleep) {
        if (!held(index).includes(topic)) continue;
        expected++;
        if (delivered.get(id)!.has(index)) got++;
      }
    sleepersComplete = expected === 0 ? 1 : got / expected;
  }

  const sent = publishAll();
  world.runUntil(world.now() + IN_TIME_MS);
  const hitRatio = hits(sent);
  world.runUntil(world.now() + REPAIR_MS);

  let links = 0;
  let hostileLinks = 0;
  let common = 0;
  for (const index of everybody) {
    if (hostile.has(index) || !world.isAlive(index)) continue;
    for (const { id } of wholeNodes[index]!.node.polderCast.vicinity.view.descriptors()) {
      const peer = indexById.get(id)!;
      links++;
      if (hostile.has(peer)) hostileLinks++;
      common += commonTopics(held(index), held(peer)).length;
    }
  }
  return {
    hitRatio,
    hitRatioRepaired: hits(sent),
    ringLinksCorrect: ringLinksCorrect(),
    convergedAtCycle,
    mergedAfterCycles,
    sleepersComplete,
    intersections,
    intersectionsPerMatch: matches === 0 ? 0 : intersections / matches,
    adversaryLinkShare: links === 0 ? 0 : hostileLinks / links,
    commonTopicsMean: links === 0 ? 0 : common / links,
    relays,
    bytesPerNodePerCycle: bytesOfOverlay / count / scenario.cycles,
    series,
  };
};
