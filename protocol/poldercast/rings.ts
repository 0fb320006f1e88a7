// The RINGS module of PolderCast: Setty, van Steen, Vitenberg, Voulgaris, "PolderCast: Fast, Robust, and Scalable
// Architecture for P2P Topic-Based Pub/Sub" (2012). Walks and probes are additions, see SPEC.md.
import type { NodeId } from "../identity/node-id.ts";
import type { VerifiedDescriptor } from "../identity/verified.ts";
import { exhaustive } from "../kernel/assert.ts";
import type { Machine } from "../kernel/machine.ts";
import { pick, randomUnit, type RandomSource, sample } from "../kernel/random.ts";
import { after, durationMs, earliest, type MonotonicMs } from "../kernel/time.ts";
import type { TopicTag } from "../ringcast/messages.ts";
import { selectRing } from "../vicinity/selection.ts";
import { createCandidates } from "../view/candidates.ts";
import type { LivenessBook } from "../view/liveness-book.ts";
import type { Neighbor } from "../view/neighbor.ts";
import type { View } from "../view/view.ts";
import type { RingsConfig } from "./config.ts";
import type { Interests } from "./interests.ts";
import type { RingsEffect, RingsEvent, RingsMessage, TopicNeighbors } from "./messages.ts";
import { createTopicRing, type TopicRing } from "./topic-ring.ts";

export interface Rings extends Machine<RingsEvent, RingsEffect> {
  readonly ring: (topic: TopicTag) => TopicRing | undefined;
  readonly topics: () => readonly TopicTag[];
  /** Members of the topic in the views of the layers below and in the reserve, with repetitions. */
  readonly membersAround: (topic: TopicTag) => readonly VerifiedDescriptor[];
  /** Empty slots of a ring: how urgently the topic wants candidates (0 when not subscribed). */
  readonly priority: (topic: TopicTag) => number;
  /** Shows a descriptor that some layer heard of to the rings of the topics it shares. */
  readonly offer: (neighbor: Neighbor, effects: RingsEffect[], now: MonotonicMs) => void;
  readonly touch: (topic: TopicTag, peer: NodeId) => void;
  /** Walks to the node's place on every ring again. */
  readonly walkAll: (now: MonotonicMs) => readonly RingsEffect[];
}

export interface RingsOptions {
  readonly config: RingsConfig;
  readonly self: () => VerifiedDescriptor;
  readonly interests: Interests;
  /** Views of the layers below. */
  readonly below: readonly View[];
  readonly book: LivenessBook;
  readonly random: RandomSource;
  readonly startAt: MonotonicMs;
}

interface Exchange {
  readonly id: number;
  readonly partner: VerifiedDescriptor;
  readonly attempt: number;
  readonly deadline: MonotonicMs;
}
interface Walk {
  readonly asked: Set<NodeId>;
  steps: number;
}
interface Held {
  readonly ring: TopicRing;
  /** Members of the topic below, as of `indexedAt`. */
  readonly members: VerifiedDescriptor[];
  walk: Walk | undefined;
  /** Whether a nearest neighbor changed in this period. */
  isUnsettled: boolean;
  /** Members heard of wherever they stand, lately met ones more likely. */
  readonly reserve: VerifiedDescriptor[];
}

/** Questions of one walk: 5.4 rounds sufficed in a cold ring of 5 000 (simulation). */
const MAXIMUM_WALK_STEPS = 10;
/**
 * Members kept for each topic beside the ring. When a tenth of all nodes dies, all four ring neighbors of one subscription in ten thousand
 * are among them; four and eight together, one in 10^12.
 */
const RESERVE_LENGTH = 8;
/** A ring whose neighbors all died at once is noticed within this many periods: a minute with room for the walk. */
const PROBE_ROUND_PERIODS = 5;
/** Neighbors in an answer to a seeker: both sides with a spare for each of two descriptors' worth of staleness. */
const FOUND_LENGTH = 8;
const MAXIMUM_NEIGHBORS = 16;

// Shared by all machines of a process: filled and read within one call (see `vicinity.ts`).
const candidates = createCandidates();

export const createRings = (options: RingsOptions): Rings => {
  const { config, self, interests, below, book, random, startAt } = options;
  const ownId = self().id;
  const rings = new Map<TopicTag, Held>();
  let indexedAt = -1;
  let exchange: Exchange | undefined;
  let probeAt = 0;
  let nextExchange = after(startAt, durationMs(config.jitter === 0 ? 0 : randomUnit(random) * config.gossipPeriodMs));

  const exchangeId = (): number => random.uint32() * 2 ** 21 + (random.uint32() >>> 11);

  const keep = (reserve: VerifiedDescriptor[], descriptor: VerifiedDescriptor): void => {
    const at = reserve.findIndex(({ id }) => id === descriptor.id);
    if (at >= 0) {
      if (descriptor.sequence > (reserve[at] as VerifiedDescriptor).sequence) reserve[at] = descriptor;
    } else if (reserve.length < RESERVE_LENGTH) reserve.push(descriptor);
    else reserve[random.uint32() % RESERVE_LENGTH] = descriptor;
  };

  const take = (topic: TopicTag, neighbor: Neighbor, effects: RingsEffect[], now: MonotonicMs): void => {
    const held = rings.get(topic);
    const { descriptor, age } = neighbor;
    if (held === undefined || descriptor.id === ownId || !descriptor.reachable || !book.accepts(descriptor, now))
      return;
    keep(held.reserve, descriptor);
    if (!held.ring.offer(descriptor, age)) return;
    effects.push({ type: "ringChanged", topic });
    held.isUnsettled = true;
    // Gossip brought a nearer neighbor: it may know nearer ones still, so the walk goes on from there.
    if (config.walks && held.walk === undefined) startWalk(topic, held, effects);
  };

  const takeAll = (from: NodeId, topics: readonly TopicNeighbors[], effects: RingsEffect[], now: MonotonicMs): void => {
    for (const { topic, neighbors } of topics) {
      if (!rings.has(topic)) continue;
      effects.push({ type: "descriptorsHeard", from, neighbors });
      for (const neighbor of neighbors) {
        if (neighbor.descriptor.id === ownId) continue;
        effects.push({ type: "membershipLearned", topic, member: neighbor.descriptor, from });
        take(topic, neighbor, effects, now);
      }
    }
  };

  const revision = (): number => {
    let sum = interests.revision();
    for (const view of below) sum += view.revision();
    return sum;
  };
  /** Finds the members of all topics below at once, and again only after a view or an interest changed. */
  const indexMembers = (): void => {
    const current = revision();
    if (current === indexedAt) return;
    indexedAt = current;
    for (const { members } of rings.values()) members.length = 0;
    for (const view of below)
      for (const descriptor of view.descriptors())
        for (const topic of interests.shared(descriptor)) rings.get(topic)?.members.push(descriptor);
  };

  const takeFromBelow = (topic: TopicTag, { members }: Held, effects: RingsEffect[], now: MonotonicMs): void => {
    indexMembers();
    for (const descriptor of members) take(topic, { descriptor, age: 1 }, effects, now);
  };

  /** The best known members of `topic` for the place of `reference`. */
  const bestFor = (reference: VerifiedDescriptor, topic: TopicTag, count: number): Neighbor[] => {
    const held = rings.get(topic);
    if (held === undefined) return [];
    indexMembers();
    candidates.reset(reference);
    candidates.add(self(), 0);
    held.ring.addTo(candidates);
    for (const descriptor of held.members) candidates.add(descriptor, 1);
    return selectRing(held.ring.position)(count, reference, candidates, random);
  };

  const topicsFor = (peer: VerifiedDescriptor, shared: readonly TopicTag[]): TopicNeighbors[] => {
    const all: { topic: TopicTag; neighbor: Neighbor }[] = [];
    // More topics than neighbors fit: a uniform few of them, another few next time.
    const named = sample(random, shared, config.exchangeLength);
    for (const topic of named)
      for (const neighbor of bestFor(peer, topic, 2 * config.slotsPerSide)) all.push({ topic, neighbor });
    const chosen = all.length > config.exchangeLength ? sample(random, all, config.exchangeLength) : all;
    const byTopic = new Map<TopicTag, Neighbor[]>();
    for (const { topic, neighbor } of chosen) {
      const list = byTopic.get(topic);
      if (list === undefined) byTopic.set(topic, [neighbor]);
      else list.push(neighbor);
    }
    // Topics for which nothing was chosen still say: I am a member.
    for (const topic of shared) if (!byTopic.has(topic) && byTopic.size < MAXIMUM_NEIGHBORS) byTopic.set(topic, []);
    return [...byTopic].map(([topic, neighbors]) => ({ topic, neighbors }));
  };

  const send = (to: VerifiedDescriptor, message: RingsMessage, effects: RingsEffect[]): void => {
    effects.push({ type: "send", to: to.id, route: to, message });
  };

  const choosePartner = (): VerifiedDescriptor | undefined => {
    let oldest: Neighbor | undefined;
    for (const { ring } of rings.values()) {
      const neighbor = ring.oldest();
      if (neighbor !== undefined && (oldest === undefined || neighbor.age > oldest.age)) oldest = neighbor;
    }
    if (oldest !== undefined) return oldest.descriptor;
    const sharing: VerifiedDescriptor[] = [];
    for (const view of below)
      for (const descriptor of view.descriptors())
        if (interests.shared(descriptor).length > 0) sharing.push(descriptor);
    return pick(random, sharing);
  };

  const sharedWith = (peer: VerifiedDescriptor): TopicTag[] => {
    const shared = interests.shared(peer).filter((topic) => rings.has(topic));
    for (const [topic, { ring }] of rings) if (!shared.includes(topic) && ring.has(peer.id)) shared.push(topic);
    return shared;
  };

  const initiate = (attempt: number, now: MonotonicMs, effects: RingsEffect[]): void => {
    const partner = choosePartner();
    if (partner === undefined) return;
    const id = exchangeId();
    exchange = { id, partner, attempt, deadline: after(now, config.replyTimeoutMs) };
    for (const { ring } of rings.values()) ring.touch(partner.id);
    const topics = topicsFor(partner, sharedWith(partner));
    send(partner, { type: "ringRequest", exchange: id, sender: self(), topics }, effects);
  };

  const ask = (topic: TopicTag, peer: VerifiedDescriptor, effects: RingsEffect[]): void =>
    send(peer, { type: "ringFind", exchange: exchangeId(), sender: self(), topic }, effects);

  const step = (topic: TopicTag, held: Held, effects: RingsEffect[]): void => {
    const { ring, walk } = held;
    if (walk === undefined) return;
    let isDone = true;
    for (const nearest of [ring.successors()[0], ring.predecessors()[0]]) {
      if (nearest === undefined || walk.asked.has(nearest.id) || walk.steps >= MAXIMUM_WALK_STEPS) continue;
      walk.asked.add(nearest.id);
      walk.steps++;
      isDone = false;
      ask(topic, nearest, effects);
    }
    if (isDone && walk.asked.size > 0) held.walk = undefined;
  };

  const startWalk = (topic: TopicTag, held: Held, effects: RingsEffect[]): void => {
    if (!config.walks) return;
    held.walk = { asked: new Set(), steps: 0 };
    step(topic, held, effects);
  };

  const probe = (effects: RingsEffect[]): void => {
    const topics = [...rings.keys()];
    if (config.probesPerPeriod === 0) return;
    const count = Math.max(config.probesPerPeriod, Math.ceil(topics.length / PROBE_ROUND_PERIODS));
    for (let i = 0; i < Math.min(count, topics.length); i++, probeAt++) {
      const topic = topics[probeAt % topics.length] as TopicTag;
      const held = rings.get(topic);
      if (held === undefined) continue;
      const { ring, reserve } = held;
      // One from elsewhere on the ring: two rings that closed apart find each other only so.
      const asked = [ring.successors()[0], ring.predecessors()[0], pick(random, reserve)][
        Math.floor(probeAt / topics.length) % 3
      ];
      if (asked !== undefined) ask(topic, asked, effects);
    }
  };

  const tick = (now: MonotonicMs, effects: RingsEffect[]): void => {
    exchange = undefined;
    const stretch = config.jitter === 0 ? 1 : 1 + config.jitter * (2 * randomUnit(random) - 1);
    nextExchange = after(now, durationMs(config.gossipPeriodMs * stretch));
    if (rings.size === 0) return;
    for (const [topic, held] of rings) {
      held.ring.growOlder();
      // Somebody did not answer, such as one who subscribes later, or the ring moved and those asked knew less than they do now.
      if (held.walk !== undefined || held.isUnsettled) startWalk(topic, held, effects);
      held.isUnsettled = false;
    }
    initiate(1, now, effects);
    probe(effects);
  };

  const buried = (peer: NodeId, now: MonotonicMs, effects: RingsEffect[]): void => {
    for (const [topic, held] of rings) {
      const { ring, reserve } = held;
      const kept = reserve.findIndex(({ id }) => id === peer);
      if (kept >= 0) reserve.splice(kept, 1);
      if (!ring.has(peer)) continue;
      const wasNearest = ring.successors()[0]?.id === peer || ring.predecessors()[0]?.id === peer;
      const lost = ring.neighbors().find(({ descriptor }) => descriptor.id === peer);
      if (lost === undefined) continue;
      book.bury(lost.descriptor, now);
      ring.remove(peer);
      takeFromBelow(topic, held, effects, now);
      for (const descriptor of held.reserve) take(topic, { descriptor, age: 1 }, effects, now);
      if (!wasNearest) continue;
      effects.push({ type: "ringChanged", topic });
      startWalk(topic, held, effects);
    }
    if (exchange === undefined || exchange.partner.id !== peer) return;
    const { partner, attempt } = exchange;
    exchange = undefined;
    book.bury(partner, now);
    if (attempt < config.attempts) initiate(attempt + 1, now, effects);
  };

  const received = (from: NodeId, message: RingsMessage, now: MonotonicMs): RingsEffect[] => {
    const effects: RingsEffect[] = [];
    if ("topics" in message) {
      let count = 0;
      for (const { neighbors } of message.topics) count += neighbors.length;
      if (count > MAXIMUM_NEIGHBORS) return [{ type: "peerViolated", peer: from, rule: "PLD-11" }];
    }
    if ("sender" in message && message.sender.id !== from)
      return [{ type: "peerViolated", peer: from, rule: "PLD-10" }];
    switch (message.type) {
      case "ringRequest": {
        book.sawAlive(message.sender);
        takeAll(from, message.topics, effects, now);
        const common = message.topics.map(({ topic }) => topic).filter((topic) => rings.has(topic));
        for (const topic of common) take(topic, { descriptor: message.sender, age: 0 }, effects, now);
        const answer: RingsMessage = {
          type: "ringResponse",
          exchange: message.exchange,
          sender: self(),
          topics: topicsFor(message.sender, common),
        };
        effects.push({ type: "send", to: from, route: undefined, message: answer });
        return effects;
      }
      case "ringResponse":
        if (exchange === undefined || exchange.id !== message.exchange) return effects;
        if (exchange.partner.id !== from) return [{ type: "peerViolated", peer: from, rule: "PLD-12" }];
        exchange = undefined;
        book.sawAlive(message.sender);
        takeAll(from, message.topics, effects, now);
        for (const { topic } of message.topics) take(topic, { descriptor: message.sender, age: 0 }, effects, now);
        return effects;
      case "ringFind": {
        // Whoever names a topic this node does not hold learns nothing, not even that.
        if (!rings.has(message.topic)) return effects;
        book.sawAlive(message.sender);
        const neighbors = bestFor(message.sender, message.topic, FOUND_LENGTH);
        take(message.topic, { descriptor: message.sender, age: 0 }, effects, now);
        const answer: RingsMessage = {
          type: "ringFound",
          exchange: message.exchange,
          topics: [{ topic: message.topic, neighbors }],
        };
        effects.push({ type: "membershipLearned", topic: message.topic, member: message.sender, from });
        effects.push({ type: "send", to: from, route: undefined, message: answer });
        return effects;
      }
      case "ringFound":
        takeAll(from, message.topics, effects, now);
        for (const { topic } of message.topics) {
          const held = rings.get(topic);
          if (held === undefined) continue;
          held.ring.touch(from);
          step(topic, held, effects);
        }
        return effects;
      case "ringLeave":
        for (const { topic } of message.topics) {
          if (rings.get(topic)?.ring.remove(from) === true) effects.push({ type: "ringChanged", topic });
        }
        takeAll(from, message.topics, effects, now);
        return effects;
      default:
        return exhaustive(message);
    }
  };

  const subscribe = (
    topic: TopicTag,
    contacts: readonly VerifiedDescriptor[],
    now: MonotonicMs,
    effects: RingsEffect[],
  ): void => {
    if (rings.has(topic)) return;
    const ring = createTopicRing(interests.position(topic), self(), config.slotsPerSide);
    const held: Held = { ring, members: [], walk: undefined, isUnsettled: false, reserve: [] };
    rings.set(topic, held);
    if (indexedAt === revision())
      for (const view of below)
        for (const descriptor of view.descriptors())
          if (interests.shared(descriptor).includes(topic)) held.members.push(descriptor);
    for (const descriptor of contacts) {
      book.remember(descriptor);
      effects.push({ type: "membershipLearned", topic, member: descriptor, from: ownId });
      take(topic, { descriptor, age: 0 }, effects, now);
    }
    takeFromBelow(topic, held, effects, now);
    if (held.walk === undefined) startWalk(topic, held, effects);
  };

  const unsubscribe = (topic: TopicTag, effects: RingsEffect[]): void => {
    const ring = rings.get(topic)?.ring;
    if (ring === undefined) return;
    rings.delete(topic);
    if (!config.walks) return;
    const neighbors = ring.neighbors();
    for (const nearest of new Set([ring.successors()[0], ring.predecessors()[0]]))
      if (nearest !== undefined) {
        const others = neighbors.filter(({ descriptor }) => descriptor.id !== nearest.id);
        send(nearest, { type: "ringLeave", exchange: exchangeId(), topics: [{ topic, neighbors: others }] }, effects);
      }
  };

  return {
    ring: (topic) => rings.get(topic)?.ring,
    topics: () => [...rings.keys()],
    membersAround: (topic) => {
      indexMembers();
      const held = rings.get(topic);
      return held === undefined ? [] : [...held.members, ...held.reserve];
    },
    priority: (topic) => rings.get(topic)?.ring.missing() ?? 0,
    offer: (neighbor, effects, now) => {
      for (const topic of interests.shared(neighbor.descriptor)) take(topic, neighbor, effects, now);
    },
    touch: (topic, peer) => rings.get(topic)?.ring.touch(peer),
    walkAll: () => {
      const effects: RingsEffect[] = [];
      for (const [topic, held] of rings) startWalk(topic, held, effects);
      return effects;
    },
    nextDeadline: () => earliest([nextExchange, exchange?.deadline]),
    handle: (event, now) => {
      const effects: RingsEffect[] = [];
      switch (event.type) {
        case "deadlineReached":
          if (exchange !== undefined && exchange.deadline <= now) {
            book.remember(exchange.partner);
            for (const { ring } of rings.values()) ring.remove(exchange.partner.id);
            exchange = undefined;
          }
          if (nextExchange <= now) tick(now, effects);
          return effects;
        case "messageReceived":
          return received(event.from, event.message, now);
        case "peerUnreachable":
          buried(event.peer, now, effects);
          return effects;
        case "subscribe":
          subscribe(event.topic, event.contacts, now, effects);
          return effects;
        case "unsubscribe":
          unsubscribe(event.topic, effects);
          return effects;
        default:
          return exhaustive(event);
      }
    },
  };
};
