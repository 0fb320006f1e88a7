// PolderCast: Setty, van Steen, Vitenberg, Voulgaris (2012): CYCLON, VICINITY and RINGS over one set of descriptors, RingCast above.
import { createCyclon, type Cyclon, type CyclonOptions } from "../cyclon/cyclon.ts";
import type { CyclonEffect } from "../cyclon/messages.ts";
import type { VerifiedDescriptor } from "../identity/verified.ts";
import { exhaustive } from "../kernel/assert.ts";
import type { Machine } from "../kernel/machine.ts";
import type { RandomSource } from "../kernel/random.ts";
import { after, earliest, type MonotonicMs } from "../kernel/time.ts";
import type { MessageId, RingCastEffect, RingCastMessage, TopicTag } from "../ringcast/messages.ts";
import { createRingCast, type RingCast } from "../ringcast/ringcast.ts";
import type { RingLinks } from "../ringcast/targets.ts";
import type { VicinityEffect } from "../vicinity/messages.ts";
import { type Proximity, selectClosest } from "../vicinity/selection.ts";
import { createVicinity, type Vicinity } from "../vicinity/vicinity.ts";
import type { Candidates } from "../view/candidates.ts";
import { createLivenessBook, type LivenessBook } from "../view/liveness-book.ts";
import type { PolderCastConfig } from "./config.ts";
import type { Interests } from "./interests.ts";
import type { PolderCastEffect, PolderCastEvent, PolderCastMessage, RingsEffect } from "./messages.ts";
import { createRings, type Rings } from "./rings.ts";

export interface PolderCast extends Machine<PolderCastEvent, PolderCastEffect> {
  readonly cyclon: Cyclon;
  readonly vicinity: Vicinity;
  readonly rings: Rings;
  readonly cast: RingCast;
  readonly book: LivenessBook;
  /** Links over which messages of the topic travel at this moment; `undefined` when not subscribed. */
  readonly links: (topic: TopicTag) => RingLinks | undefined;
}

export interface PolderCastOptions {
  readonly config: PolderCastConfig;
  readonly self: () => VerifiedDescriptor;
  readonly interests: Interests;
  /** Adds uniform samples (`protocol/urps`) to the random layer that feeds VICINITY. */
  readonly addSamples: (candidates: Candidates) => void;
  /** Whether CYCLON may take in a node it does not hold (`Urps.tolerates`). */
  readonly admits?: CyclonOptions["admits"];
  readonly outsider?: CyclonOptions["outsider"];
  readonly isAuthentic: (topic: TopicTag, id: MessageId, payload: Uint8Array) => boolean;
  readonly random: RandomSource;
  readonly startAt: MonotonicMs;
}

/** Periods after waking in which every ring is asked: walks and neighbors that woke at the same time have settled by then. */
const WAKING_PERIODS = 6;
/** One unit of priority outweighs any number of shared topics or estimated affinity. */
const PRIORITY_WEIGHT = 2 ** 20;

const isRingCast = (message: PolderCastMessage): message is RingCastMessage =>
  message.type === "publish" ||
  message.type === "acknowledge" ||
  message.type === "announce" ||
  message.type === "want" ||
  message.type === "prune" ||
  message.type === "catchUp";

export const createPolderCast = (options: PolderCastOptions): PolderCast => {
  const { config, self, interests, addSamples, isAuthentic, random, startAt } = options;
  const ownId = self().id;
  const book = createLivenessBook(config);
  const caughtUpAt = new Map<TopicTag, MonotonicMs>();
  const behind = new Set<TopicTag>();
  let awakeFrom: MonotonicMs | undefined;
  let known = new Map<TopicTag, RingLinks>();

  const cyclon = createCyclon({
    config: config.cyclon,
    self,
    book,
    admits: options.admits,
    outsider: options.outsider,
    random: random.fork("cyclon"),
    startAt,
  });

  /** Paper section 3.2: candidates for topics whose ring is incomplete come first, then the number of common topics. */
  const proximity: Proximity = (reference) => {
    const affinity = interests.affinity(reference);
    if (reference.id !== ownId) return affinity;
    const isEveryRingFull = rings.topics().every((topic) => rings.priority(topic) === 0);
    return (candidate) => {
      const shared = interests.shared(candidate);
      if (shared.length === 0) return affinity(candidate);
      let priority = 0;
      if (!isEveryRingFull) for (const topic of shared) priority += rings.priority(topic);
      return PRIORITY_WEIGHT * (1 + priority) + shared.length;
    };
  };
  const vicinity = createVicinity({
    config: config.vicinity,
    self,
    selection: selectClosest(proximity),
    addRandomLayer: (candidates) => {
      candidates.addView(cyclon.view);
      addSamples(candidates);
    },
    book,
    random: random.fork("vicinity"),
    startAt,
  });
  const rings = createRings({
    config: config.rings,
    self,
    interests,
    below: [vicinity.view, cyclon.view],
    book,
    random: random.fork("rings"),
    startAt,
  });

  const links = (topic: TopicTag): RingLinks | undefined => {
    const cached = known.get(topic);
    if (cached !== undefined) return cached;
    const ring = rings.ring(topic);
    if (ring === undefined) return undefined;
    const members = ring.neighbors().map(({ descriptor }) => descriptor);
    members.push(...rings.membersAround(topic));
    const fresh: RingLinks = { successors: [...ring.successors()], predecessors: [...ring.predecessors()], members };
    known.set(topic, fresh);
    return fresh;
  };
  const forgetLinks = (): void => {
    if (known.size > 0) known = new Map();
  };

  const cast = createRingCast({ config: config.cast, links, isAuthentic, random: random.fork("ringcast") });

  const fromCast = (produced: readonly RingCastEffect[], effects: PolderCastEffect[]): void => {
    for (const effect of produced) effects.push(effect);
  };

  /** A ring that keeps changing while it forms asks its neighbors once per period, not at each change; the last change is not forgotten. */
  const catchUp = (topic: TopicTag, now: MonotonicMs, effects: PolderCastEffect[]): void => {
    if (config.cast.heartbeatMs === 0) return;
    if ((caughtUpAt.get(topic) ?? now) > now) {
      behind.add(topic);
      return;
    }
    behind.delete(topic);
    caughtUpAt.set(topic, after(now, config.rings.gossipPeriodMs));
    fromCast(cast.handle({ type: "ringChanged", topic }, now), effects);
  };

  /**
   * Nobody can push to a node that cannot be dialled: it asks its ring neighbors every period. So does one that just woke:
   * its neighbors may have slept as well and know no more yet.
   */
  const keepUp = (now: MonotonicMs, effects: PolderCastEffect[]): void => {
    const isWaking = awakeFrom !== undefined && now - awakeFrom < WAKING_PERIODS * config.rings.gossipPeriodMs;
    for (const topic of isWaking || !self().reachable ? rings.topics() : [...behind])
      if ((caughtUpAt.get(topic) ?? now) <= now) catchUp(topic, now, effects);
  };

  const fromRings = (produced: readonly RingsEffect[], now: MonotonicMs, effects: PolderCastEffect[]): void => {
    for (const effect of produced) {
      if (effect.type === "ringChanged") {
        forgetLinks();
        catchUp(effect.topic, now, effects);
      } else effects.push(effect);
    }
  };

  /** CYCLON and VICINITY pass on what they heard, so that the rings see it even when their own views have no room. */
  const fromBelow = (
    produced: readonly (CyclonEffect | VicinityEffect)[],
    now: MonotonicMs,
    effects: PolderCastEffect[],
  ): void => {
    for (const effect of produced) {
      effects.push(effect);
      if (effect.type !== "descriptorsHeard") continue;
      const offered: RingsEffect[] = [];
      for (const neighbor of effect.neighbors) rings.offer(neighbor, offered, now);
      if (offered.length > 0) fromRings(offered, now, effects);
    }
  };

  const received = (
    event: PolderCastEvent & { readonly type: "messageReceived" },
    now: MonotonicMs,
    effects: PolderCastEffect[],
  ): void => {
    const { from, message } = event;
    if (isRingCast(message)) {
      if (message.type === "publish") rings.touch(message.topic, from);
      return fromCast(cast.handle({ type: "messageReceived", from, message }, now), effects);
    }
    forgetLinks();
    switch (message.type) {
      case "shuffleRequest":
      case "shuffleResponse":
      case "joinRequest":
      case "joinWalk":
      case "joinGift":
        return fromBelow(cyclon.handle({ type: "messageReceived", from, message }, now), now, effects);
      case "vicinityRequest":
      case "vicinityResponse":
        return fromBelow(vicinity.handle({ type: "messageReceived", from, message }, now), now, effects);
      case "ringRequest":
      case "ringResponse":
      case "ringFind":
      case "ringFound":
      case "ringLeave":
        return fromRings(rings.handle({ type: "messageReceived", from, message }, now), now, effects);
      default:
        return exhaustive(message);
    }
  };

  const unsubscribe = (topic: TopicTag, now: MonotonicMs, effects: PolderCastEffect[]): void => {
    fromRings(rings.handle({ type: "unsubscribe", topic }, now), now, effects);
    fromCast(cast.handle({ type: "topicLeft", topic }, now), effects);
    caughtUpAt.delete(topic);
    behind.delete(topic);
    forgetLinks();
  };

  return {
    cyclon,
    vicinity,
    rings,
    cast,
    book,
    links,
    nextDeadline: () =>
      earliest([cyclon.nextDeadline(), vicinity.nextDeadline(), rings.nextDeadline(), cast.nextDeadline()]),
    handle: (event, now) => {
      const effects: PolderCastEffect[] = [];
      switch (event.type) {
        case "deadlineReached":
          forgetLinks();
          fromBelow(cyclon.handle(event, now), now, effects);
          fromBelow(vicinity.handle(event, now), now, effects);
          fromRings(rings.handle(event, now), now, effects);
          fromCast(cast.handle(event, now), effects);
          keepUp(now, effects);
          return effects;
        case "messageReceived":
          received(event, now, effects);
          return effects;
        case "peerUnreachable":
          // RingCast first: it finds the spare from the ring as it was.
          fromCast(cast.handle(event, now), effects);
          forgetLinks();
          fromBelow(cyclon.handle(event, now), now, effects);
          fromBelow(vicinity.handle(event, now), now, effects);
          fromRings(rings.handle(event, now), now, effects);
          return effects;
        case "join":
          fromBelow(cyclon.handle(event, now), now, effects);
          return effects;
        case "subscribe":
          fromRings(rings.handle(event, now), now, effects);
          forgetLinks();
          return effects;
        case "unsubscribe":
          unsubscribe(event.topic, now, effects);
          return effects;
        case "publish":
          fromCast(cast.handle(event, now), effects);
          return effects;
        case "membersConfirmed": {
          const offered: RingsEffect[] = [];
          rings.offer({ descriptor: event.peer, age: 0 }, offered, now);
          fromRings(offered, now, effects);
          vicinity.reselect(now);
          forgetLinks();
          return effects;
        }
        case "wake":
          fromBelow(cyclon.handle({ type: "join", contacts: book.known().slice(-3) }, now), now, effects);
          awakeFrom = now;
          fromRings(rings.walkAll(now), now, effects);
          for (const topic of rings.topics()) {
            caughtUpAt.delete(topic);
            catchUp(topic, now, effects);
          }
          return effects;
        default:
          return exhaustive(event);
      }
    },
  };
};
