import { createBfpsi, type BfpsiEffect, type BfpsiEvent } from "../bfpsi/bfpsi.ts";
import { createRunQuota } from "../bfpsi/run-quota.ts";
import { type SecretElement, secretElement } from "../bfpsi/secret-element.ts";
import { decodeBfpsiMessage, encodeBfpsiMessage } from "../bfpsi/wire.ts";
import { DEFAULT_PROFILE_PARAMETERS_ID } from "../blip/parameters.ts";
import { slotOf } from "../blip/publisher.ts";
import type { CryptoProvider, SigningKey } from "../crypto/provider.ts";
import { proxyCheck } from "../entry/item.ts";
import { type Address, createDescriptor, decodeDescriptor } from "../identity/descriptor.ts";
import type { NodeId } from "../identity/node-id.ts";
import { createDescriptorVerifier, trustOwnDescriptor, type VerifiedDescriptor } from "../identity/verified.ts";
import { exhaustive } from "../kernel/assert.ts";
import { bytesEqual, bytesToBase64url } from "../kernel/bytes.ts";
import type { Machine } from "../kernel/machine.ts";
import type { RandomSource } from "../kernel/random.ts";
import { after, earliest, type MonotonicMs, type UnixMs } from "../kernel/time.ts";
import { createGossipNode } from "../node/gossip-node.ts";
import type { GossipMessage, GossipNodeEffect, GossipNodeEvent } from "../node/messages.ts";
import { createPrivateInterests } from "../node/private-interests.ts";
import { decodeGossipMessage, encodeGossipMessage, verifyGossipMessage } from "../node/wire.ts";
import { createTopicKeys, createTopicSeal, type TopicKeys } from "../poldercast/topic-keys.ts";
import type { TopicSeal } from "../poldercast/wire.ts";
import type { TopicTag } from "../ringcast/messages.ts";
import type { CoreConfig } from "./config.ts";
import { type ConnectionsEffect, type ConnectionsEvent, createConnections } from "./connections.ts";
import type { CoreEffect, CoreEvent, CoreSnapshot, HeldTopic, StoredItem } from "./core-events.ts";
import { createExchange, type ExchangeEffect, type ExchangeEvent } from "./exchange.ts";
import { CORE_VERSIONS, type DialTarget, type ExchangeMessage, type Hello } from "./messages.ts";
import { createPeerMemory } from "./peer-memory.ts";
import { createPublishedProfile } from "./published-profile.ts";
import { createReachability } from "./reachability.ts";
import type { CoreCounters, CoreStatus } from "./status.ts";
import { decodeCoreMessage, encodeCoreMessage } from "./wire.ts";

export interface CoreNodeOptions {
  readonly config: CoreConfig;
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly unixNow: () => UnixMs;
  readonly startAt: MonotonicMs;
  /** The node's name in the overlay, and the key of its sessions. */
  readonly signingKey: SigningKey;
  readonly transportKey: Uint8Array;
  /** 16 bytes that name the overlay. */
  readonly overlay: Uint8Array;
  /** Where it listens; announced by the operator, or found on this computer. */
  readonly addresses: readonly Address[];
  readonly isAnnounced: boolean;
  /** Dialled whenever nobody else is known. */
  readonly contacts: readonly DialTarget[];
  readonly restored?: CoreSnapshot | undefined;
}

export interface CoreNode extends Machine<CoreEvent, CoreEffect> {
  readonly id: NodeId;
  readonly status: () => CoreStatus;
  readonly snapshot: () => CoreSnapshot;
}

type Outgoing =
  | { readonly layer: "gossip"; readonly message: GossipMessage }
  | { readonly layer: "exchange"; readonly message: ExchangeMessage };

interface Session {
  readonly connection: number;
  readonly attempt: number | undefined;
  readonly handshakeHash: Uint8Array;
  readonly remoteStatic: Uint8Array;
  readonly remoteAddress: string;
  readonly greetBy: MonotonicMs;
  peer: VerifiedDescriptor | undefined;
  seal: TopicSeal | undefined;
  intersections: Machine<BfpsiEvent, BfpsiEffect> | undefined;
  /** Topics for which the other side proved that it holds them. */
  readonly proven: Set<TopicTag>;
}

interface Topic {
  readonly pk: Uint8Array;
  readonly element: SecretElement;
  readonly keys: TopicKeys;
  publishes: boolean;
}

const BFPSI_PROTOCOL = 2;
/** CBOR arrays of up to 23 members. */
const CBOR_ARRAY = 0x80;
const CBOR_ARRAY_END = 0x97;
/** Ring neighbors, spares and random members told of what is not pushed. */
const MAXIMUM_TOLD = 4;

/** A core node: gossip, sessions, topics and their repair as one machine (SPEC.md). */
export const createCoreNode = (options: CoreNodeOptions): CoreNode => {
  const { config, crypto, random, unixNow, startAt, signingKey, transportKey, overlay, contacts, restored } = options;
  const verifier = createDescriptorVerifier(crypto);
  const topics = new Map<TopicTag, Topic>();
  const tagByPk = new Map<string, TopicTag>();
  const sessions = new Map<number, Session>();
  /** Peers to intersect with once there is a session. */
  const toIntersect = new Set<NodeId>();
  /** Topics to compare with whoever holds this transport key. */
  const introduced = new Map<string, Set<TopicTag>>();
  const comparedAt = new Map<TopicTag, Map<NodeId, MonotonicMs>>();
  const peers = createPeerMemory(restored?.peers ?? []);
  const profile = createPublishedProfile(crypto, () => random.bytes(32), restored?.profile);
  const reachability = createReachability({
    hosts: options.addresses.flatMap(({ kind, host }) => (kind === "dns" ? [] : [host])),
    isAnnounced: options.isAnnounced,
  });
  const connections = createConnections<Outgoing>(config.connections, random.fork("connections"));
  const exchange = createExchange(crypto);
  const started = createRunQuota(config.intersections);
  const answered = createRunQuota(config.intersections);
  const counters = {
    sentMessages: 0,
    receivedMessages: 0,
    delivered: 0,
    duplicates: 0,
    published: 0,
    compared: 0,
    repaired: 0,
    dialled: 0,
    unreachable: 0,
    violations: 0,
    intersections: 0,
  } satisfies { -readonly [K in keyof CoreCounters]: number };
  let publishesHeard = 0;
  let nextTick = after(startAt, config.periodMs);
  let nextContact = startAt;
  let isStarted = false;

  const issue = (sequence: number): VerifiedDescriptor =>
    trustOwnDescriptor(
      createDescriptor(signingKey, {
        sequence,
        issuedAt: Math.floor(unixNow() / 1000),
        transportKey,
        reachable: reachability.isReachable(),
        // Addresses that nobody can dial say only where somebody lives.
        addresses: reachability.isReachable() ? options.addresses : [],
        profile: profile.shown(unixNow()),
      }),
    );
  let self = issue((restored?.sequence ?? 0) + SEQUENCE_GAP);

  const keysOf = (tag: TopicTag): TopicKeys | undefined => topics.get(tag)?.keys;
  const interests = createPrivateInterests({
    self: self.id,
    own: profile.own,
    policy: () => ({ parametersId: DEFAULT_PROFILE_PARAMETERS_ID, currentSlot: slotOf(unixNow()) }),
    keysOf,
  });
  const gossip = createGossipNode({
    config: config.gossip,
    crypto,
    descriptor: self,
    interests,
    isAuthentic: (tag, id, payload) => {
      const topic = topics.get(tag);
      if (topic === undefined || topic.keys.messageId(payload) !== id) return false;
      const item = proxyCheck(crypto, payload);
      return item.ok && bytesEqual(item.value.topicPk, topic.pk);
    },
    random: random.fork("gossip"),
    startAt,
  });

  const toConnections = (event: ConnectionsEvent<Outgoing>, now: MonotonicMs, effects: CoreEffect[]): void => {
    for (const effect of connections.handle(event, now)) fromConnections(effect, now, effects);
  };
  const fromConnections = (effect: ConnectionsEffect<Outgoing>, now: MonotonicMs, effects: CoreEffect[]): void => {
    switch (effect.type) {
      case "dial":
        counters.dialled++;
        effects.push(effect);
        break;
      case "deliver":
        transmit(effect.connection, effect.message, effects);
        break;
      case "close":
        sessions.delete(effect.connection);
        effects.push(effect);
        break;
      case "unreachable":
        counters.unreachable++;
        toIntersect.delete(effect.peer);
        toExchange({ type: "peerUnreachable", peer: effect.peer }, now, effects);
        toGossip({ type: "peerUnreachable", peer: effect.peer }, now, effects);
        break;
      default:
        exhaustive(effect);
    }
  };

  const transmit = (connection: number, { layer, message }: Outgoing, effects: CoreEffect[]): void => {
    const seal = sessions.get(connection)?.seal;
    if (seal === undefined) return;
    counters.sentMessages++;
    const bytes = layer === "gossip" ? encodeGossipMessage(message, seal) : encodeCoreMessage(message, seal.prove);
    const isBulk = layer === "exchange" && (message.type === "items" || message.type === "give");
    effects.push({ type: "send", connection, bytes, urgent: !isBulk });
  };

  const send = (
    peer: NodeId,
    route: VerifiedDescriptor | undefined,
    message: Outgoing,
    now: MonotonicMs,
    effects: CoreEffect[],
  ): void => {
    // Nobody dials who says that it cannot be dialled (PLD-15); a session it opened serves all the same.
    const target = route?.reachable === true ? route : undefined;
    toConnections({ type: "sendRequested", peer, route: target, message }, now, effects);
  };

  const toGossip = (event: GossipNodeEvent, now: MonotonicMs, effects: CoreEffect[]): void => {
    for (const effect of gossip.handle(event, now)) fromGossip(effect, now, effects);
  };
  const fromGossip = (effect: GossipNodeEffect, now: MonotonicMs, effects: CoreEffect[]): void => {
    switch (effect.type) {
      case "send":
        send(effect.to, effect.route, { layer: "gossip", message: effect.message }, now, effects);
        break;
      case "deliver": {
        counters.delivered++;
        const topic = topics.get(effect.topic);
        if (topic !== undefined) effects.push({ type: "store", topic: topic.pk, wires: [effect.payload] });
        break;
      }
      case "intersect":
        intersect(effect.peer, now, effects);
        break;
      case "descriptorDue":
        reissue(now, effects);
        break;
      case "contactsNeeded":
        findContacts(now, effects);
        break;
      case "peerSuspected":
        break;
      case "peerViolated":
        counters.violations++;
        effects.push({ type: "peerViolated", peer: effect.peer, rule: effect.rule });
        break;
      case "peerBlocked":
        toConnections({ type: "dropped", peer: effect.peer }, now, effects);
        break;
      default:
        exhaustive(effect);
    }
  };

  const toExchange = (event: ExchangeEvent, now: MonotonicMs, effects: CoreEffect[]): void => {
    for (const effect of exchange.handle(event, now)) fromExchange(effect, now, effects);
  };
  const fromExchange = (effect: ExchangeEffect, now: MonotonicMs, effects: CoreEffect[]): void => {
    switch (effect.type) {
      case "send":
        send(effect.to, effect.route, { layer: "exchange", message: effect.message }, now, effects);
        break;
      case "store": {
        const topic = topics.get(effect.topic);
        counters.repaired += effect.wires.length;
        if (topic !== undefined) effects.push({ type: "store", topic: topic.pk, wires: effect.wires });
        break;
      }
      case "compared":
        counters.compared++;
        break;
      case "peerViolated":
        toGossip({ type: "messageRefused", from: effect.peer }, now, effects);
        break;
      case "load":
      case "read":
        effects.push(effect);
        break;
      default:
        exhaustive(effect);
    }
  };

  const reissue = (now: MonotonicMs, effects: CoreEffect[]): void => {
    self = issue(self.sequence + 1);
    toGossip({ type: "descriptorIssued", descriptor: self }, now, effects);
  };

  const findContacts = (now: MonotonicMs, effects: CoreEffect[]): void => {
    if (now < nextContact || !isStarted) return;
    nextContact = after(now, config.periodMs);
    for (const target of [...contacts, ...peers.next(self.id)])
      toConnections({ type: "dialRequested", target }, now, effects);
  };

  const sessionOf = (peer: NodeId): Session | undefined => {
    let found: Session | undefined;
    for (const session of sessions.values()) if (session.peer?.id === peer) found = session;
    return found;
  };

  const intersect = (peer: VerifiedDescriptor, now: MonotonicMs, effects: CoreEffect[]): void => {
    const session = sessionOf(peer.id);
    if (session?.intersections !== undefined) {
      runIntersection(session, { type: "intersect" }, now, effects);
      return;
    }
    if (!peer.reachable || toIntersect.has(peer.id)) return;
    toIntersect.add(peer.id);
    // Any message opens the session; this one asks for nothing.
    const request = 0;
    send(peer.id, peer, { layer: "exchange", message: { type: "refused", request } }, now, effects);
  };

  const runIntersection = (session: Session, event: BfpsiEvent, now: MonotonicMs, effects: CoreEffect[]): void => {
    for (const effect of session.intersections?.handle(event, now) ?? []) {
      if (effect.type === "send")
        effects.push({
          type: "send",
          connection: session.connection,
          bytes: encodeBfpsiMessage(effect.message),
          urgent: true,
        });
      else if (effect.type === "intersectionFound" && session.peer !== undefined) {
        counters.intersections++;
        const common = effect.common as readonly TopicTag[];
        for (const tag of common) session.proven.add(tag);
        toGossip({ type: "topicsConfirmed", peer: session.peer, topics: common }, now, effects);
      }
    }
  };

  const linkOpened = (
    event: CoreEvent & { readonly type: "linkOpened" },
    now: MonotonicMs,
    effects: CoreEffect[],
  ): void => {
    const { connection, attempt, handshakeHash, remoteStatic, remoteAddress, remoteHost } = event;
    sessions.set(connection, {
      connection,
      attempt,
      handshakeHash: handshakeHash.slice(),
      remoteStatic: remoteStatic.slice(),
      remoteAddress,
      greetBy: after(now, config.greetingMs),
      peer: undefined,
      seal: undefined,
      intersections: undefined,
      proven: new Set(),
    });
    const hello: Hello = {
      type: "hello",
      version: CORE_VERSIONS.newest,
      overlay,
      descriptor: self.bytes,
      observed: remoteHost,
    };
    effects.push({ type: "send", connection, bytes: encodeCoreMessage(hello, () => NO_PROOF), urgent: true });
  };

  const end = (session: Session, now: MonotonicMs, effects: CoreEffect[]): void => {
    sessions.delete(session.connection);
    effects.push({ type: "close", connection: session.connection });
    linkGone(session, now, effects);
  };

  const linkGone = (session: Session, now: MonotonicMs, effects: CoreEffect[]): void => {
    const { connection, attempt, peer } = session;
    // A link that closes before its peer has said who it is was a failed dial.
    if (peer === undefined && attempt !== undefined) toConnections({ type: "dialFailed", attempt }, now, effects);
    toConnections({ type: "closed", connection }, now, effects);
  };

  const greeted = (session: Session, hello: Hello, now: MonotonicMs, effects: CoreEffect[]): void => {
    const decoded = decodeDescriptor(hello.descriptor);
    const verified = decoded.ok ? verifier.verify(decoded.value, unixNow()) : decoded;
    const isMine = verified.ok && verified.value.id === self.id;
    if (
      !verified.ok ||
      isMine ||
      gossip.isBlocked(verified.value.id, now) ||
      hello.version < CORE_VERSIONS.oldest ||
      !bytesEqual(hello.overlay, overlay) ||
      !bytesEqual(verified.value.transportKey, session.remoteStatic)
    ) {
      end(session, now, effects);
      return;
    }
    const peer = verified.value;
    const binding = { handshakeHash: session.handshakeHash, self: self.id, peer: peer.id };
    session.peer = peer;
    session.seal = createTopicSeal(crypto, random, keysOf, binding);
    session.intersections = createBfpsi({
      crypto,
      random: random.fork(`bfpsi ${session.connection}`),
      channel: { handshakeHash: session.handshakeHash, local: transportKey, remote: session.remoteStatic },
      peer: peer.id,
      items: () => new Map([...topics].map(([tag, { element }]) => [tag, element])),
      started,
      answered,
    });
    peers.remember(peer);
    if (session.attempt !== undefined) {
      const before = reachability.isReachable();
      reachability.observed(peer.id, hello.observed);
      if (reachability.isReachable() !== before) {
        toConnections({ type: "reachabilityChanged", isReachable: !before }, now, effects);
        reissue(now, effects);
      }
    }
    const isFirst = !connections.isConnected(peer.id);
    const { connection, attempt } = session;
    toConnections({ type: "opened", connection, peer: peer.id, attempt }, now, effects);
    toGossip({ type: "peerConnected", peer }, now, effects);
    if (isFirst && attempt !== undefined && gossip.polderCast.cyclon.view.size() < JOINS_BELOW)
      toGossip({ type: "join", contacts: [peer] }, now, effects);
    meet(peer, now, effects);
    if (toIntersect.delete(peer.id)) runIntersection(session, { type: "intersect" }, now, effects);
  };

  /** Comparing shows both sides that the other holds the topic, if it does. */
  const meet = (peer: VerifiedDescriptor, now: MonotonicMs, effects: CoreEffect[]): void => {
    const key = bytesToBase64url(peer.transportKey);
    const tags = introduced.get(key) ?? [];
    introduced.delete(key);
    for (const tag of tags) if (topics.has(tag)) compare(tag, peer, now, effects);
  };

  const contactFound = (
    { target, topic }: CoreEvent & { readonly type: "contactFound" },
    now: MonotonicMs,
    effects: CoreEffect[],
  ): void => {
    const { transportKey: theirs } = target;
    const tag = topic === undefined ? undefined : tagByPk.get(bytesToBase64url(topic));
    if (theirs !== undefined) {
      if (bytesEqual(theirs, transportKey)) return;
      if (tag !== undefined) {
        const key = bytesToBase64url(theirs);
        introduced.set(key, (introduced.get(key) ?? new Set()).add(tag));
        for (const oldest of introduced.keys()) {
          if (introduced.size <= MAXIMUM_INTRODUCED) break;
          introduced.delete(oldest);
        }
      }
      for (const { peer, seal } of sessions.values())
        if (peer !== undefined && seal !== undefined && bytesEqual(peer.transportKey, theirs))
          return meet(peer, now, effects);
    }
    toConnections({ type: "dialRequested", target }, now, effects);
  };

  const received = (session: Session, bytes: Uint8Array, now: MonotonicMs, effects: CoreEffect[]): void => {
    const { peer, seal } = session;
    counters.receivedMessages++;
    const first = bytes[0] ?? 0;
    const isCore = first >= CBOR_ARRAY && first <= CBOR_ARRAY_END;
    if (peer === undefined || seal === undefined) {
      const decoded = isCore ? decodeCoreMessage(bytes, () => false) : undefined;
      if (decoded?.ok === true && decoded.value.type === "hello") greeted(session, decoded.value, now, effects);
      else end(session, now, effects);
      return;
    }
    const from = peer.id;
    const refuse = (): void => toGossip({ type: "messageRefused", from }, now, effects);
    if (isCore) {
      const decoded = decodeCoreMessage(bytes, seal.refutes);
      if (!decoded.ok || decoded.value.type === "hello") return refuse();
      const message = decoded.value;
      if ("topic" in message && topics.has(message.topic)) {
        if (!session.proven.has(message.topic)) {
          session.proven.add(message.topic);
          toGossip({ type: "memberProven", peer, topic: message.topic }, now, effects);
        }
        if (message.type === "changed") compare(message.topic, peer, now, effects);
      }
      if (message.type !== "refused" || message.request !== 0)
        toConnections({ type: "used", connection: session.connection }, now, effects);
      return toExchange({ type: "messageReceived", from, message }, now, effects);
    }
    toConnections({ type: "used", connection: session.connection }, now, effects);
    if (first === BFPSI_PROTOCOL) {
      const decoded = decodeBfpsiMessage(bytes);
      if (!decoded.ok) return refuse();
      return runIntersection(session, { type: "messageReceived", message: decoded.value }, now, effects);
    }
    const decoded = decodeGossipMessage(bytes, seal);
    const verified = decoded.ok ? verifyGossipMessage(decoded.value, verifier, unixNow()) : decoded;
    if (!verified.ok) return refuse();
    if (verified.value.type === "publish") publishesHeard++;
    toGossip({ type: "messageReceived", from, message: verified.value }, now, effects);
  };

  const compare = (topic: TopicTag, peer: VerifiedDescriptor, now: MonotonicMs, effects: CoreEffect[]): void => {
    const times = comparedAt.get(topic) ?? new Map<NodeId, MonotonicMs>();
    comparedAt.set(topic, times);
    times.delete(peer.id);
    times.set(peer.id, now);
    for (const oldest of times.keys()) {
      if (times.size <= MAXIMUM_COMPARED) break;
      times.delete(oldest);
    }
    toExchange({ type: "compare", topic, peer: peer.id, route: peer }, now, effects);
  };

  /** Nearest neighbors on the ring: a new one is compared with at once, a known one now and then. */
  const audit = (now: MonotonicMs, effects: CoreEffect[]): void => {
    const rest = reachability.isReachable() ? config.auditMs : config.ownAuditMs;
    let room = config.comparisonsPerPeriod;
    for (const tag of topics.keys()) {
      const ring = gossip.polderCast.rings.ring(tag);
      for (const peer of new Set([ring?.successors()[0], ring?.predecessors()[0]])) {
        if (peer === undefined || room <= 0) continue;
        const last = comparedAt.get(tag)?.get(peer.id);
        if (last !== undefined && now - last < rest) continue;
        room--;
        compare(tag, peer, now, effects);
      }
    }
  };

  /** Tells neighbors of what was not pushed, and nodes nobody can push to of everything. */
  const tell = (tag: TopicTag, isPushed: boolean, now: MonotonicMs, effects: CoreEffect[]): void => {
    const told = new Set<NodeId>();
    const message: ExchangeMessage = { type: "changed", topic: tag };
    if (!isPushed) {
      const links = gossip.polderCast.links(tag);
      const near = [links?.successors[0], links?.predecessors[0], ...(links?.members ?? [])];
      for (const peer of near) {
        if (peer === undefined || told.has(peer.id) || told.size >= MAXIMUM_TOLD) continue;
        told.add(peer.id);
        send(peer.id, peer, { layer: "exchange", message }, now, effects);
      }
    }
    for (const { peer, proven } of sessions.values())
      if (peer !== undefined && !peer.reachable && proven.has(tag) && !told.has(peer.id))
        send(peer.id, undefined, { layer: "exchange", message }, now, effects);
  };

  const itemsStored = (pk: Uint8Array, items: readonly StoredItem[], now: MonotonicMs, effects: CoreEffect[]): void => {
    const tag = tagByPk.get(bytesToBase64url(pk));
    const topic = tag === undefined ? undefined : topics.get(tag);
    if (tag === undefined || topic === undefined || items.length === 0) return;
    toExchange({ type: "stored", topic: tag, items }, now, effects);
    const { history } = gossip.polderCast.cast;
    let isPushed = true;
    for (const { wire } of items) {
      const id = topic.keys.messageId(wire);
      if (history.hasSeen(id)) continue;
      if (!topic.publishes || wire.length > config.maxPublishedBytes || items.length > MAXIMUM_PUBLISHED) {
        isPushed = false;
        continue;
      }
      counters.published++;
      toGossip({ type: "publish", topic: tag, id, payload: wire }, now, effects);
    }
    tell(tag, isPushed, now, effects);
  };

  const topicsChanged = (given: readonly HeldTopic[], now: MonotonicMs, effects: CoreEffect[]): void => {
    const kept = new Set<TopicTag>();
    for (const { pk, publishes } of given) {
      const name = bytesToBase64url(pk);
      const known = topics.get(tagByPk.get(name) ?? NO_TAG);
      if (known !== undefined) {
        known.publishes = publishes;
        kept.add(known.keys.tag);
        continue;
      }
      const element = secretElement(crypto, pk);
      const keys = createTopicKeys(crypto, element);
      topics.set(keys.tag, { pk, element, keys, publishes });
      tagByPk.set(name, keys.tag);
      kept.add(keys.tag);
      toExchange({ type: "topicHeld", topic: keys.tag, pk }, now, effects);
      toGossip({ type: "subscribe", topic: keys.tag, contacts: [] }, now, effects);
    }
    for (const [tag, { pk }] of topics) {
      if (kept.has(tag)) continue;
      // Says goodbye on the ring first: that needs the topic's keys.
      toGossip({ type: "unsubscribe", topic: tag }, now, effects);
      topics.delete(tag);
      tagByPk.delete(bytesToBase64url(pk));
      comparedAt.delete(tag);
      toExchange({ type: "topicLeft", topic: tag }, now, effects);
    }
    profile.topicsChanged([...topics.values()].map(({ element }) => element));
  };

  const tick = (now: MonotonicMs, effects: CoreEffect[]): void => {
    nextTick = after(now, config.periodMs);
    audit(now, effects);
    if (gossip.polderCast.cyclon.view.size() === 0) findContacts(now, effects);
  };

  const deadlineReached = (now: MonotonicMs, effects: CoreEffect[]): void => {
    for (const session of sessions.values()) {
      if (session.peer === undefined && session.greetBy <= now) end(session, now, effects);
      else if ((session.intersections?.nextDeadline() ?? now + 1) <= now)
        runIntersection(session, { type: "deadlineReached" }, now, effects);
    }
    toConnections({ type: "deadlineReached" }, now, effects);
    toExchange({ type: "deadlineReached" }, now, effects);
    if ((gossip.nextDeadline() ?? now + 1) <= now) toGossip({ type: "deadlineReached" }, now, effects);
    if (nextTick <= now) tick(now, effects);
  };

  const nextDeadline = (): MonotonicMs | undefined => {
    if (!isStarted) return undefined;
    const deadlines = [gossip.nextDeadline(), connections.nextDeadline(), exchange.nextDeadline(), nextTick];
    for (const { peer, greetBy, intersections } of sessions.values())
      deadlines.push(peer === undefined ? greetBy : intersections?.nextDeadline());
    return earliest(deadlines);
  };

  const handle = (event: CoreEvent, now: MonotonicMs): readonly CoreEffect[] => {
    const effects: CoreEffect[] = [];
    switch (event.type) {
      case "started":
        isStarted = true;
        findContacts(now, effects);
        return effects;
      case "topicsChanged":
        topicsChanged(event.topics, now, effects);
        return effects;
      case "linkOpened":
        linkOpened(event, now, effects);
        return effects;
      case "dialFailed":
        toConnections(event, now, effects);
        return effects;
      case "linkClosed": {
        const session = sessions.get(event.connection);
        sessions.delete(event.connection);
        if (session !== undefined) linkGone(session, now, effects);
        return effects;
      }
      case "bytesReceived": {
        const session = sessions.get(event.connection);
        if (session !== undefined) received(session, event.bytes, now, effects);
        return effects;
      }
      case "contactFound":
        contactFound(event, now, effects);
        return effects;
      case "itemsStored":
        itemsStored(event.topic, event.items, now, effects);
        return effects;
      case "itemsDeleted": {
        const topic = tagByPk.get(bytesToBase64url(event.topic));
        if (topic !== undefined) toExchange({ type: "shrunk", topic }, now, effects);
        return effects;
      }
      case "loaded":
      case "read":
        toExchange(event, now, effects);
        return effects;
      case "suspend":
        toGossip(event, now, effects);
        return effects;
      case "wake":
        toConnections({ type: "wake" }, now, effects);
        comparedAt.clear();
        toGossip(event, now, effects);
        return effects;
      case "deadlineReached":
        deadlineReached(now, effects);
        return effects;
      default:
        return exhaustive(event);
    }
  };

  const ids = (descriptors: readonly VerifiedDescriptor[]): NodeId[] => descriptors.map(({ id }) => id);

  return {
    id: self.id,
    handle,
    nextDeadline,
    snapshot: () => ({ sequence: self.sequence, peers: peers.all(), profile: profile.snapshot() }),
    status: () => ({
      id: self.id,
      isReachable: reachability.isReachable(),
      links: connections.open().map(({ connection, peer, isOurs }) => ({
        peer,
        dialledHere: isOurs,
        address: sessions.get(connection)?.remoteAddress ?? "",
      })),
      dialling: connections.dialling(),
      views: {
        random: ids(gossip.polderCast.cyclon.view.descriptors()),
        interest: ids(gossip.polderCast.vicinity.view.descriptors()),
      },
      topics: [...topics].map(([tag, { publishes }]) => {
        const ring = gossip.polderCast.rings.ring(tag);
        return {
          tag,
          publishes,
          successors: ids(ring?.successors() ?? []),
          predecessors: ids(ring?.predecessors() ?? []),
        };
      }),
      counters: { ...counters, duplicates: Math.max(0, publishesHeard - counters.delivered) },
    }),
  };
};

/** After a crash the latest sequences may not have been kept; none is ever used for two descriptors. */
const SEQUENCE_GAP = 64;
const NO_PROOF = new Uint8Array(16);
const NO_TAG = "" as TopicTag;
/** A view with fewer neighbors asks whom it meets for more; later, gossip alone fills it. */
const JOINS_BELOW = 5;
const MAXIMUM_COMPARED = 64;
const MAXIMUM_INTRODUCED = 1_024;
/** A larger batch is a newcomer's whole notebook: comparing moves it in order and at the receiver's pace. */
const MAXIMUM_PUBLISHED = 64;
