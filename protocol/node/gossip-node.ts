import type { CryptoProvider } from "../crypto/provider.ts";
import { type NodeId, nodeIdToBytes } from "../identity/node-id.ts";
import type { VerifiedDescriptor } from "../identity/verified.ts";
import { exhaustive } from "../kernel/assert.ts";
import { bytesToHex } from "../kernel/bytes.ts";
import type { Machine } from "../kernel/machine.ts";
import { pick, randomBelow, type RandomSource } from "../kernel/random.ts";
import { after, type DurationMs, durationMs, earliest, type MonotonicMs } from "../kernel/time.ts";
import { defaultPolderCastConfig, type PolderCastConfig } from "../poldercast/config.ts";
import type { PolderCastEffect, PolderCastEvent } from "../poldercast/messages.ts";
import { createPolderCast, type PolderCast } from "../poldercast/poldercast.ts";
import type { MessageId, TopicTag } from "../ringcast/messages.ts";
import { defaultUrpsConfig, type UrpsConfig } from "../urps/config.ts";
import { createUrps, type UrpsSnapshot } from "../urps/urps.ts";
import type { GossipMessage, GossipNodeEffect, GossipNodeEvent } from "./messages.ts";
import type { PrivateInterests } from "./private-interests.ts";
import { createRateLimit } from "./rate-limit.ts";

export interface GossipNodeConfig {
  readonly polderCast: PolderCastConfig;
  readonly urps: UrpsConfig;
  /** Uniform samples shown to VICINITY in each selection. */
  readonly samples: number;
  /** A fresh descriptor is signed this often (descriptor SPEC). */
  readonly descriptorPeriodMs: DurationMs;
  /** Rhythm of proposing private set intersections, and rest between two with one peer. */
  readonly intersectPeriodMs: DurationMs;
  readonly intersectAgainMs: DurationMs;
  /** One in this many intersections goes to a uniform sample, so that noise and poisoned profiles cannot starve real matches. */
  readonly uniformIntersections: number;
  /** One address-book node absent from all views is contacted this often: partitions heal. */
  readonly bridgePeriodMs: DurationMs;
  /** Violations within `blockMs` after which a peer is blocked for that long. */
  readonly violationsAllowed: number;
  readonly blockMs: DurationMs;
  /** Length of the gossip period in units of the usual ten seconds: a network that gossips faster allows more per second. */
  readonly pace: number;
}

/** Rates after the design's policy: at most six intersections a minute, ten minutes apart per peer; bridges every tenth period. */
export const defaultGossipNodeConfig: GossipNodeConfig = {
  polderCast: defaultPolderCastConfig,
  urps: defaultUrpsConfig,
  samples: 8,
  descriptorPeriodMs: durationMs(600_000),
  intersectPeriodMs: durationMs(10_000),
  intersectAgainMs: durationMs(600_000),
  uniformIntersections: 4,
  bridgePeriodMs: durationMs(100_000),
  violationsAllowed: 8,
  blockMs: durationMs(1_800_000),
  pace: 1,
};

/** What survives a restart; descriptors are checked again by whoever restores them. */
export interface GossipNodeSnapshot {
  readonly sequence: number;
  readonly addresses: readonly VerifiedDescriptor[];
  readonly urps: UrpsSnapshot<VerifiedDescriptor>;
}

export interface GossipNode extends Machine<GossipNodeEvent, GossipNodeEffect> {
  readonly polderCast: PolderCast;
  /** Nothing is sent to such a peer, and nothing it sends is heard. */
  readonly isBlocked: (peer: NodeId, now: MonotonicMs) => boolean;
  readonly snapshot: () => GossipNodeSnapshot;
}

export interface GossipNodeOptions {
  readonly config: GossipNodeConfig;
  readonly crypto: CryptoProvider;
  readonly descriptor: VerifiedDescriptor;
  readonly interests: PrivateInterests;
  readonly isAuthentic: (topic: TopicTag, id: MessageId, payload: Uint8Array) => boolean;
  readonly random: RandomSource;
  readonly startAt: MonotonicMs;
  readonly restored?: GossipNodeSnapshot | undefined;
}

interface Offender {
  count: number;
  since: MonotonicMs;
  blockedUntil: MonotonicMs | undefined;
}

/** Neighbors of one network (/24, /64) in CYCLON's view; a LAN has no such bound. */
const MAXIMUM_OF_NETWORK = 3;
const MAXIMUM_OFFENDERS = 4_096;
const MAXIMUM_INTERSECTED = 4_096;

export const createGossipNode = (options: GossipNodeOptions): GossipNode => {
  const { config, crypto, interests, isAuthentic, random, startAt, restored } = options;
  let self = options.descriptor;
  const rateLimit = createRateLimit(config.pace);
  const offenders = new Map<NodeId, Offender>();
  const intersectedAt = new Map<NodeId, MonotonicMs>();
  let nextDescriptor = after(startAt, config.descriptorPeriodMs);
  let nextIntersection = after(startAt, config.intersectPeriodMs);
  let nextBridge = after(startAt, config.bridgePeriodMs);

  const urps = createUrps<VerifiedDescriptor>(
    {
      crypto,
      random: random.fork("urps"),
      idToBytes: (id) => nodeIdToBytes(id as NodeId),
      newer: (held, heard) => (heard.sequence > held.sequence ? heard : held),
      startAt,
    },
    config.urps,
    restored?.urps,
  );
  const dice = random.fork("outsider");
  const polderCast = createPolderCast({
    config: config.polderCast,
    self: () => self,
    interests,
    addSamples: (candidates) => {
      for (const descriptor of urps.sample(config.samples)) candidates.add(descriptor, 0);
    },
    admits: (newcomer, isPartner) => (isPartner || urps.tolerates(newcomer.id)) && hasRoomFor(newcomer),
    outsider: () => pick(dice, urps.anchors()),
    isAuthentic,
    random: random.fork("poldercast"),
    startAt,
  });
  const hasRoomFor = (newcomer: VerifiedDescriptor): boolean => {
    const network = networkOf(newcomer);
    if (network === undefined) return true;
    let neighbors = 0;
    for (const held of polderCast.cyclon.view.descriptors()) if (networkOf(held) === network) neighbors++;
    return neighbors < MAXIMUM_OF_NETWORK;
  };
  for (const descriptor of restored?.addresses ?? []) polderCast.book.remember(descriptor);

  const violate = (peer: NodeId, rule: string, now: MonotonicMs, effects: GossipNodeEffect[]): void => {
    const held = offenders.get(peer);
    const isFresh = held === undefined || now - held.since > config.blockMs;
    const offender: Offender = isFresh ? { count: 0, since: now, blockedUntil: undefined } : held;
    offenders.delete(peer);
    offenders.set(peer, offender);
    if (offenders.size > MAXIMUM_OFFENDERS) dropFirst(offenders);
    offender.count++;
    effects.push({ type: "peerViolated", peer, rule, count: offender.count });
    if (offender.count < config.violationsAllowed || offender.blockedUntil !== undefined) return;
    offender.blockedUntil = after(now, config.blockMs);
    effects.push({ type: "peerBlocked", peer });
    lose(peer, now, effects);
  };
  const isBlocked = (peer: NodeId, now: MonotonicMs): boolean => {
    const until = offenders.get(peer)?.blockedUntil;
    return until !== undefined && until > now;
  };

  const pass = (event: PolderCastEvent, now: MonotonicMs, effects: GossipNodeEffect[]): void =>
    translate(polderCast.handle(event, now), now, effects);

  const lose = (peer: NodeId, now: MonotonicMs, effects: GossipNodeEffect[]): void => {
    urps.handle({ type: "peerUnreachable", id: peer }, now);
    pass({ type: "peerUnreachable", peer }, now, effects);
  };

  const translate = (produced: readonly PolderCastEffect[], now: MonotonicMs, effects: GossipNodeEffect[]): void => {
    for (const effect of produced) {
      switch (effect.type) {
        case "send":
          if (!isBlocked(effect.to, now)) effects.push(effect);
          break;
        case "descriptorsHeard":
          for (const { descriptor } of effect.neighbors) {
            if (descriptor.id === self.id || isBlocked(descriptor.id, now)) continue;
            const id = descriptor.id;
            const heard = {
              type: "entryHeard",
              partner: effect.from,
              id,
              entry: descriptor,
              network: networkOf(descriptor),
            } as const;
            // What exceeds the partner's allowance is dropped by the gate, which is no offence: views overlap.
            urps.handle(heard, now);
          }
          break;
        case "membershipLearned":
          interests.learn(effect.member.id, effect.topic);
          break;
        case "peerViolated":
          violate(effect.peer, effect.rule, now, effects);
          break;
        case "deliver":
        case "peerSuspected":
        case "contactsNeeded":
          effects.push(effect);
          break;
        default:
          exhaustive(effect);
      }
    }
  };

  const received = (from: NodeId, message: GossipMessage, now: MonotonicMs, effects: GossipNodeEffect[]): void => {
    if (from === self.id || isBlocked(from, now)) return;
    const admission = rateLimit.admit(from, message, now);
    if (admission === "excessive") return violate(from, "NOD-2", now, effects);
    if (admission === "dropped") return;
    if (message.type === "bye") return lose(from, now, effects);
    pass({ type: "messageReceived", from, message }, now, effects);
  };

  const proposeIntersection = (now: MonotonicMs, effects: GossipNodeEffect[]): void => {
    nextIntersection = after(now, config.intersectPeriodMs);
    const isDue = ({ id }: VerifiedDescriptor): boolean =>
      !isBlocked(id, now) && now - (intersectedAt.get(id) ?? -config.intersectAgainMs) >= config.intersectAgainMs;
    const ranked = polderCast.vicinity.view
      .descriptors()
      .filter((peer) => !interests.isConfirmed(peer.id) && isDue(peer));
    const isUniform = randomBelow(random, config.uniformIntersections) === 0;
    const peer = (isUniform ? undefined : ranked[0]) ?? urps.sample(config.samples).find(isDue) ?? ranked[0];
    if (peer === undefined || polderCast.rings.topics().length === 0) return;
    intersectedAt.delete(peer.id);
    intersectedAt.set(peer.id, now);
    if (intersectedAt.size > MAXIMUM_INTERSECTED) dropFirst(intersectedAt);
    effects.push({ type: "intersect", peer });
  };

  const bridge = (now: MonotonicMs, effects: GossipNodeEffect[]): void => {
    nextBridge = after(now, config.bridgePeriodMs);
    const { cyclon, vicinity, book } = polderCast;
    const stranger = book.pick(
      random,
      (id) => id === self.id || cyclon.view.has(id) || vicinity.view.has(id) || isBlocked(id, now),
    );
    if (stranger !== undefined) pass({ type: "join", contacts: [stranger] }, now, effects);
  };

  const suspend = (effects: GossipNodeEffect[]): void => {
    const peers = new Map<NodeId, VerifiedDescriptor>();
    for (const view of [polderCast.cyclon.view, polderCast.vicinity.view])
      for (const descriptor of view.descriptors()) peers.set(descriptor.id, descriptor);
    for (const topic of polderCast.rings.topics())
      for (const { descriptor } of polderCast.rings.ring(topic)?.neighbors() ?? [])
        peers.set(descriptor.id, descriptor);
    // Only over sessions that exist: dialling to say goodbye would wake everybody.
    for (const id of peers.keys()) effects.push({ type: "send", to: id, route: undefined, message: { type: "bye" } });
  };

  return {
    polderCast,
    isBlocked,
    snapshot: () => ({ sequence: self.sequence, addresses: polderCast.book.known(), urps: urps.snapshot() }),
    nextDeadline: () =>
      earliest([polderCast.nextDeadline(), urps.nextDeadline(), nextDescriptor, nextIntersection, nextBridge]),
    handle: (event, now) => {
      const effects: GossipNodeEffect[] = [];
      switch (event.type) {
        case "deadlineReached":
          urps.handle(event, now);
          if (nextDescriptor <= now) {
            nextDescriptor = after(now, config.descriptorPeriodMs);
            effects.push({ type: "descriptorDue", sequence: self.sequence + 1 });
          }
          if (nextIntersection <= now) proposeIntersection(now, effects);
          if (nextBridge <= now) bridge(now, effects);
          pass(event, now, effects);
          return effects;
        case "messageReceived":
          received(event.from, event.message, now, effects);
          return effects;
        case "messageRefused":
          violate(event.from, "NOD-3", now, effects);
          return effects;
        case "peerConnected":
          if (!isBlocked(event.peer.id, now)) {
            polderCast.book.sawAlive(event.peer);
            urps.handle(
              { type: "entryVouched", id: event.peer.id, entry: event.peer, network: networkOf(event.peer) },
              now,
            );
          }
          return effects;
        case "peerUnreachable":
          lose(event.peer, now, effects);
          return effects;
        case "join":
          for (const contact of event.contacts)
            urps.handle({ type: "entryVouched", id: contact.id, entry: contact, network: networkOf(contact) }, now);
          pass(event, now, effects);
          return effects;
        case "subscribe":
        case "publish":
          pass(event, now, effects);
          return effects;
        case "unsubscribe":
          pass(event, now, effects);
          interests.forgetTopic(event.topic);
          return effects;
        case "topicsConfirmed":
          interests.confirm(event.peer.id, event.topics);
          pass({ type: "membersConfirmed", peer: event.peer }, now, effects);
          return effects;
        case "memberProven":
          interests.learn(event.peer.id, event.topic);
          pass({ type: "membersConfirmed", peer: event.peer }, now, effects);
          return effects;
        case "descriptorIssued":
          if (event.descriptor.id === self.id && event.descriptor.sequence > self.sequence) self = event.descriptor;
          return effects;
        case "suspend":
          suspend(effects);
          return effects;
        case "wake":
          nextDescriptor = now;
          pass(event, now, effects);
          return effects;
        default:
          return exhaustive(event);
      }
    },
  };
};

/** Network of the first address, for the sampler's cap on slots; private ranges are one LAN and exempt (RFC 1918, 4193). */
const networkOf = ({ addresses: [address] }: VerifiedDescriptor): string | undefined => {
  if (address === undefined || address.kind === "dns") return undefined;
  const [first = 0, second = 0] = address.host;
  if (address.kind === "ipv6") return first >= 0xfc ? undefined : bytesToHex(address.host.subarray(0, 8));
  const isPrivate =
    first === 10 ||
    first === 127 ||
    (first === 172 && second >= 16 && second < 32) ||
    (first === 192 && second === 168) ||
    (first === 169 && second === 254);
  return isPrivate ? undefined : bytesToHex(address.host.subarray(0, 3));
};

const dropFirst = (map: Map<NodeId, unknown>): void => {
  for (const id of map.keys()) {
    map.delete(id);
    return;
  }
};
