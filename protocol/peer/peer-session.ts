import { hk } from "../crypto/kdf.ts";
import type { CryptoProvider, SigningKey } from "../crypto/provider.ts";
import { exhaustive } from "../kernel/assert.ts";
import { ascii, bytesToHex, concatBytes } from "../kernel/bytes.ts";
import type { DeadlineReached, Machine } from "../kernel/machine.ts";
import type { RandomSource } from "../kernel/random.ts";
import { shuffle } from "../kernel/random.ts";
import type { MonotonicMs } from "../kernel/time.ts";
import { after, durationMs, earliest } from "../kernel/time.ts";
import type { ItemSet } from "../reconcile/item-set.ts";
import type { Initiator } from "../reconcile/reconciler.ts";
import { createInitiator, respond } from "../reconcile/reconciler.ts";
import { createChunkExchange } from "./chunk-exchange.ts";
import type { PeerMessage, PushResult } from "./messages.ts";
import { agreeOnVersion, type VersionRefused } from "../kernel/versions.ts";
import { PEER_VERSIONS } from "./messages.ts";
import { MAX_ITEMS, MAX_OIDS, TAG_BYTES } from "./wire.ts";

/** A topic this device follows. `device` signs for it when the topic belongs to a repository (not to a rendezvous). */
export interface FollowedTopic {
  readonly pk: Uint8Array;
  readonly readKey: Uint8Array;
  readonly device: SigningKey | null;
}

/** Read access to the stored items; synchronous, because it is an in-memory index or SQLite. */
export interface ItemSource {
  /** The items of a topic, kept current by the host. */
  readonly itemSet: (topic: Uint8Array) => ItemSet;
  readonly wire: (oid: Uint8Array) => Uint8Array | undefined;
  readonly has: (oid: Uint8Array) => boolean;
}

export interface PeerSessionConfig {
  /** Noise handshake hash of the session: binds tags and signatures to this very channel. */
  readonly handshakeHash: Uint8Array;
  readonly role: "initiator" | "responder";
}

export type PeerEvent =
  | { readonly type: "opened"; readonly topics: readonly FollowedTopic[] }
  | { readonly type: "messageReceived"; readonly message: PeerMessage }
  | { readonly type: "topicsChanged"; readonly topics: readonly FollowedTopic[] }
  | { readonly type: "itemStored"; readonly topic: Uint8Array; readonly oid: Uint8Array; readonly wire: Uint8Array }
  | { readonly type: "sendLive"; readonly topic: Uint8Array; readonly wire: Uint8Array }
  /** Ids nobody has acknowledged yet: does the peer hold them? (PEER-9) */
  | { readonly type: "askDelivered"; readonly topic: Uint8Array; readonly oids: readonly Uint8Array[] }
  /** Wants a chunk of an attachment from this peer; `urgent` ones go first. Answered by `chunkReceived`. */
  | { readonly type: "fetchChunk"; readonly topic: Uint8Array; readonly id: Uint8Array; readonly urgent: boolean }
  /** The host has read what `chunkRequested` asked for; `null` when it is not here. */
  | { readonly type: "chunkRead"; readonly request: number; readonly bytes: Uint8Array | null }
  /** The host has stored (or refused) what `itemsReceived` handed it. */
  | { readonly type: "itemsIngested"; readonly token: IngestToken; readonly results: readonly PushResult[] }
  | DeadlineReached;

/** Names one `itemsReceived` to its `itemsIngested`. */
export type IngestToken = { readonly push: number } | { readonly get: number; readonly more: boolean };

export type PeerEffect =
  | { readonly type: "send"; readonly message: PeerMessage }
  | {
      readonly type: "itemsReceived";
      readonly topic: Uint8Array;
      readonly wires: readonly Uint8Array[];
      readonly token: IngestToken;
    }
  | { readonly type: "liveReceived"; readonly topic: Uint8Array; readonly wire: Uint8Array }
  | { readonly type: "topicShared"; readonly topic: Uint8Array }
  /** One of the two follows it no more. */
  | { readonly type: "topicUnshared"; readonly topic: Uint8Array }
  /** Both sides held the same items a moment ago. */
  | { readonly type: "topicSynced"; readonly topic: Uint8Array }
  /** The peer holds every item this device holds of the topic (PEER-14). */
  | { readonly type: "topicHeld"; readonly topic: Uint8Array }
  | { readonly type: "deviceProved"; readonly topic: Uint8Array; readonly device: Uint8Array }
  /** Checked against its id; `null` when the peer does not have it or the topic is not shared any more. */
  | {
      readonly type: "chunkReceived";
      readonly topic: Uint8Array;
      readonly id: Uint8Array;
      readonly bytes: Uint8Array | null;
    }
  | {
      readonly type: "chunkRequested";
      readonly request: number;
      readonly topic: Uint8Array;
      readonly id: Uint8Array;
    }
  | { readonly type: "delivered"; readonly oids: readonly Uint8Array[] }
  /** `refused`: nothing was broken, but there is no version in common. */
  | { readonly type: "peerViolated"; readonly rule: string; readonly refused?: VersionRefused };

interface TopicSession {
  readonly pk: Uint8Array;
  /** Only on the side that reconciles: the Noise initiator. */
  readonly initiator: Initiator | undefined;
  /** Ids the other side did not list, which it may hold all the same (PEER-15). */
  readonly toOffer: Uint8Array[];
  /** Ids to send (they are at this device) and to ask for, in the order found. */
  readonly toPush: Uint8Array[];
  readonly toGet: Uint8Array[];
  reconciling: boolean;
  synced: boolean;
  /** The peer did not store something that was pushed to it. */
  refused: boolean;
  /** `topicHeld` was said and nothing was stored since. */
  held: boolean;
}

type Request =
  | { readonly kind: "reconcile"; readonly topic: string; deadline: MonotonicMs }
  | { readonly kind: "get"; readonly topic: string; deadline: MonotonicMs }
  /** `offered`: what is not held is pushed. */
  | { readonly kind: "have"; readonly topic: string; readonly offered: readonly Uint8Array[]; deadline: MonotonicMs }
  | { readonly kind: "push"; readonly topic: string; readonly oids: readonly Uint8Array[]; deadline: MonotonicMs };

const DEVICE_DOMAIN = ascii("p2pc/peer/1\0");
const EMPTY = new Uint8Array(0);
/** Fewest tags sent, so that one notebook or none look the same (PEER-2). */
const MIN_TAGS = 16;
/** A peer busy storing a full page on a slow disk still answers well within this; our choice. */
const REQUEST_TIMEOUT = durationMs(60_000);
/** Requests under way at once: enough to hide one round trip behind storing the page before. */
const MAX_PUSHES = 4;
const MAX_GETS = 2;
const MAX_RECONCILIATIONS = 4;
const MAX_OFFERS = 4;
/** Bytes of items in one message: a page is verified and stored within some 50 ms. */
const PAGE_BYTES = 262_144;

/** The tag by which `role` names a topic in this session; only who knows the topic's read key can compute or match it. */
export const topicTag = (
  crypto: CryptoProvider,
  readKey: Uint8Array,
  handshakeHash: Uint8Array,
  role: "initiator" | "responder",
): Uint8Array =>
  crypto.hmac("SHA256", hk(crypto, readKey, EMPTY, "peer-tag", 32), handshakeHash, ascii(role)).subarray(0, TAG_BYTES);

/** How either side names a topic in this session, `theirs` in hex. */
interface Tags {
  readonly own: Uint8Array;
  readonly theirs: string;
}

const deviceStatement = (handshakeHash: Uint8Array, role: string, topic: Uint8Array): Uint8Array =>
  concatBytes(DEVICE_DOMAIN, handshakeHash, ascii(role), topic);

/** Synchronises the common topics of two devices over one session: see SPEC.md. */
export const createPeerSession = (
  deps: { readonly crypto: CryptoProvider; readonly random: RandomSource; readonly items: ItemSource },
  config: PeerSessionConfig,
): Machine<PeerEvent, PeerEffect> => {
  const { crypto, random, items } = deps;
  const { handshakeHash, role } = config;
  const otherRole = role === "initiator" ? "responder" : "initiator";
  let greeted = false;
  let followed = new Map<string, FollowedTopic>();
  const tagged = new Map<string, Tags>();
  /** Tag the peer would send -> topic. */
  let expected = new Map<string, string>();
  let peerTags = new Set<string>();
  const shared = new Map<string, TopicSession>();
  /** Shared once in this session: what was sent before the other side knew that it ended is answered, not blamed. */
  const former = new Set<string>();
  const requests = new Map<number, Request>();
  let nextRequest = 1;
  const ingesting = new Map<number, string>();
  const chunks = createChunkExchange(crypto, () => nextRequest++);

  const deadlines = (): readonly MonotonicMs[] => [
    ...[...requests.values()].map(({ deadline }) => deadline),
    ...chunks.deadlines(),
  ];

  const inFlight = (kind: Request["kind"]): number => {
    let count = 0;
    for (const request of requests.values()) if (request.kind === kind) count++;
    return count;
  };

  const tagsOf = ({ pk, readKey }: FollowedTopic): Tags => {
    const key = bytesToHex(pk);
    const known = tagged.get(key);
    if (known !== undefined) return known;
    const tags: Tags = {
      own: topicTag(crypto, readKey, handshakeHash, role),
      theirs: bytesToHex(topicTag(crypto, readKey, handshakeHash, otherRole)),
    };
    tagged.set(key, tags);
    return tags;
  };

  const sendTags = (topics: readonly FollowedTopic[]): PeerEffect => {
    followed = new Map(topics.map((topic) => [bytesToHex(topic.pk), topic]));
    expected = new Map(topics.map((topic) => [tagsOf(topic).theirs, bytesToHex(topic.pk)]));
    const tags = topics.map((topic) => tagsOf(topic).own);
    let padded = MIN_TAGS;
    while (padded < tags.length) padded *= 2;
    while (tags.length < padded) tags.push(random.bytes(TAG_BYTES));
    return { type: "send", message: { type: "tags", tags: shuffle(random, tags) } };
  };

  const violated = (rule: string): readonly PeerEffect[] => [{ type: "peerViolated", rule }];

  const isShared = (topic: Uint8Array): boolean => shared.has(bytesToHex(topic));

  /** Makes exactly the topics that both sides name shared ones. */
  const matchTopics = (): PeerEffect[] => {
    const effects: PeerEffect[] = [];
    const named = new Set([...expected].flatMap(([tag, key]) => (peerTags.has(tag) ? key : [])));
    for (const [key, { pk }] of shared)
      if (!named.has(key)) {
        shared.delete(key);
        former.add(key);
        effects.push({ type: "topicUnshared", topic: pk });
      }
    effects.push(...chunks.keepTopics(isShared));
    for (const [tag, key] of expected) {
      if (!peerTags.has(tag) || shared.has(key)) continue;
      const topic = followed.get(key) as FollowedTopic;
      shared.set(key, {
        pk: topic.pk,
        initiator: role === "initiator" ? createInitiator({ crypto, set: items.itemSet(topic.pk) }) : undefined,
        toOffer: [],
        toPush: [],
        toGet: [],
        reconciling: role === "initiator",
        synced: false,
        refused: false,
        held: false,
      });
      effects.push({ type: "topicShared", topic: topic.pk });
      if (topic.device !== null)
        effects.push({
          type: "send",
          message: {
            type: "device",
            topic: topic.pk,
            device: topic.device.publicKey,
            signature: topic.device.sign(deviceStatement(handshakeHash, role, topic.pk)),
          },
        });
    }
    return effects;
  };

  /** Starts as many requests as the limits allow; the only place that decides what to do next. */
  const advance = (now: MonotonicMs): PeerEffect[] => {
    const effects: PeerEffect[] = [];
    const ask = (request: Omit<Request, "deadline">, message: (id: number) => PeerMessage): void => {
      const id = nextRequest++;
      requests.set(id, { ...request, deadline: after(now, REQUEST_TIMEOUT) } as Request);
      effects.push({ type: "send", message: message(id) });
    };
    for (const [key, session] of shared) {
      const { initiator } = session;
      if (session.reconciling && initiator !== undefined && inFlight("reconcile") < MAX_RECONCILIATIONS) {
        if (![...requests.values()].some((request) => request.kind === "reconcile" && request.topic === key))
          ask({ kind: "reconcile", topic: key }, (request) => ({
            type: "reconcile",
            request,
            topic: session.pk,
            payload: initiator.start(),
          }));
      }
      while (session.toOffer.length > 0 && inFlight("have") < MAX_OFFERS) {
        const offered = session.toOffer.splice(0, MAX_OIDS);
        ask({ kind: "have", topic: key, offered } as Omit<Request, "deadline">, (request) => ({
          type: "have",
          request,
          topic: session.pk,
          oids: offered,
        }));
      }
      while (session.toGet.length > 0 && inFlight("get") < MAX_GETS) {
        const oids = session.toGet.splice(0, MAX_OIDS);
        ask({ kind: "get", topic: key }, (request) => ({ type: "get", request, topic: session.pk, oids }));
      }
      while (session.toPush.length > 0 && inFlight("push") < MAX_PUSHES) {
        const page = nextPage(session.toPush);
        if (page.wires.length === 0) continue;
        ask({ kind: "push", topic: key, oids: page.oids } as Omit<Request, "deadline">, (request) => ({
          type: "push",
          request,
          topic: session.pk,
          wires: page.wires,
        }));
      }
      if (!session.held && isHeld(key, session)) {
        session.held = true;
        effects.push({ type: "topicHeld", topic: session.pk });
      }
    }
    return effects;
  };

  /** Whether both sides were compared and all that had to go to the peer since is acknowledged. */
  const isHeld = (key: string, { synced, refused, toOffer, toPush }: TopicSession): boolean =>
    synced &&
    !refused &&
    toOffer.length === 0 &&
    toPush.length === 0 &&
    ![...requests.values()].some(
      (request) =>
        request.topic === key && (request.kind === "push" || (request.kind === "have" && request.offered.length > 0)),
    );

  /** Takes ids from the front of `oids` while their items fit one page; ids no longer stored are dropped. */
  const nextPage = (oids: Uint8Array[]): { oids: Uint8Array[]; wires: Uint8Array[] } => {
    const page = { oids: [] as Uint8Array[], wires: [] as Uint8Array[] };
    let size = 0;
    let taken = 0;
    for (const oid of oids) {
      const wire = items.wire(oid);
      if (wire !== undefined) {
        if (page.wires.length > 0 && size + wire.length > PAGE_BYTES) break;
        size += wire.length;
        page.oids.push(oid);
        page.wires.push(wire);
      }
      taken++;
      if (page.wires.length === MAX_ITEMS) break;
    }
    oids.splice(0, taken);
    return page;
  };

  const onTags = (tags: readonly Uint8Array[], now: MonotonicMs): readonly PeerEffect[] => {
    peerTags = new Set(tags.map(bytesToHex));
    return [...matchTopics(), ...advance(now)];
  };

  const onReconcile = (message: PeerMessage & { type: "reconcile" }): readonly PeerEffect[] => {
    const key = bytesToHex(message.topic);
    const session = shared.get(key);
    const refusal: PeerEffect = {
      type: "send",
      message: { type: "reconciled", request: message.request, payload: null },
    };
    if (session === undefined || role === "initiator") return [refusal];
    const answer = respond({ crypto, set: items.itemSet(session.pk) }, message.payload);
    if (!answer.ok) return [refusal, { type: "peerViolated", rule: "PEER-6" }];
    return [{ type: "send", message: { type: "reconciled", request: message.request, payload: answer.value } }];
  };

  const onReconciled = (message: PeerMessage & { type: "reconciled" }, now: MonotonicMs): readonly PeerEffect[] => {
    const request = requests.get(message.request);
    if (request?.kind !== "reconcile") return violated("PEER-4");
    requests.delete(message.request);
    const session = shared.get(request.topic);
    if (session?.initiator === undefined) return advance(now);
    if (message.payload === null) {
      session.reconciling = false;
      return advance(now);
    }
    const step = session.initiator.take(message.payload);
    if (!step.ok) {
      session.reconciling = false;
      return violated("PEER-6");
    }
    for (const oid of step.value.have) session.toOffer.push(oid);
    // Kept, though not listed any more: a checkpoint covers it.
    for (const oid of step.value.need) if (!items.has(oid)) session.toGet.push(oid);
    const effects: PeerEffect[] = [];
    if (step.value.next === undefined) {
      session.reconciling = false;
      session.synced = true;
      if (session.toGet.length === 0) effects.push(...announceSynced(session));
    } else {
      const id = nextRequest++;
      requests.set(id, { kind: "reconcile", topic: request.topic, deadline: after(now, REQUEST_TIMEOUT) });
      effects.push({
        type: "send",
        message: { type: "reconcile", request: id, topic: session.pk, payload: step.value.next },
      });
    }
    return [...effects, ...advance(now)];
  };

  const onGet = (message: PeerMessage & { type: "get" }): readonly PeerEffect[] => {
    if (!shared.has(bytesToHex(message.topic))) return violated("PEER-3");
    const effects: PeerEffect[] = [];
    const left = [...message.oids];
    do {
      const page = nextPage(left);
      effects.push({
        type: "send",
        message: { type: "items", request: message.request, wires: page.wires, more: left.length > 0 },
      });
    } while (left.length > 0);
    return effects;
  };

  const onItems = (message: PeerMessage & { type: "items" }, now: MonotonicMs): readonly PeerEffect[] => {
    const request = requests.get(message.request);
    if (request?.kind !== "get") return violated("PEER-4");
    request.deadline = after(now, REQUEST_TIMEOUT);
    if (!message.more) requests.delete(message.request);
    const session = shared.get(request.topic);
    if (session === undefined) return advance(now);
    if (message.wires.length === 0) return advance(now);
    ingesting.set(message.request, request.topic);
    return [
      {
        type: "itemsReceived",
        topic: session.pk,
        wires: message.wires,
        token: { get: message.request, more: message.more },
      },
      ...advance(now),
    ];
  };

  const onPush = (message: PeerMessage & { type: "push" }): readonly PeerEffect[] =>
    shared.has(bytesToHex(message.topic))
      ? [{ type: "itemsReceived", topic: message.topic, wires: message.wires, token: { push: message.request } }]
      : violated("PEER-3");

  const onPushed = (message: PeerMessage & { type: "pushed" }, now: MonotonicMs): readonly PeerEffect[] => {
    const request = requests.get(message.request);
    if (request?.kind !== "push") return violated("PEER-4");
    requests.delete(message.request);
    const sent = new Set(request.oids.map(bytesToHex));
    const session = shared.get(request.topic);
    const delivered = message.results
      .filter(({ oid, status }) => (status === 0 || status === 1) && sent.has(bytesToHex(oid)))
      .map(({ oid }) => oid);
    if (session !== undefined && new Set(delivered.map(bytesToHex)).size < sent.size) session.refused = true;
    const effects: PeerEffect[] = delivered.length > 0 ? [{ type: "delivered", oids: delivered }] : [];
    return [...effects, ...advance(now)];
  };

  const onDevice = (message: PeerMessage & { type: "device" }): readonly PeerEffect[] => {
    if (!shared.has(bytesToHex(message.topic))) return violated("PEER-3");
    const statement = deviceStatement(handshakeHash, otherRole, message.topic);
    if (!crypto.verify(message.device, statement, message.signature)) return violated("PEER-5");
    return [{ type: "deviceProved", topic: message.topic, device: message.device }];
  };

  const onIngested = (event: PeerEvent & { type: "itemsIngested" }, now: MonotonicMs): readonly PeerEffect[] => {
    const effects: PeerEffect[] = [];
    if ("push" in event.token)
      effects.push({ type: "send", message: { type: "pushed", request: event.token.push, results: event.results } });
    else if (!event.token.more) {
      const key = ingesting.get(event.token.get);
      ingesting.delete(event.token.get);
      const session = key === undefined ? undefined : shared.get(key);
      const waiting = [...requests.values()].some((request) => request.kind === "get" && request.topic === key);
      if (session !== undefined && session.synced && session.toGet.length === 0 && !waiting)
        effects.push(...announceSynced(session));
    }
    return [...effects, ...advance(now)];
  };

  const announceSynced = (session: TopicSession): readonly PeerEffect[] => [
    { type: "send", message: { type: "compared", topic: session.pk } },
    { type: "topicSynced", topic: session.pk },
  ];

  const askDelivered = (topic: Uint8Array, oids: readonly Uint8Array[], now: MonotonicMs): readonly PeerEffect[] => {
    const key = bytesToHex(topic);
    if (!shared.has(key)) return [];
    const effects: PeerEffect[] = [];
    for (let from = 0; from < oids.length; from += MAX_OIDS) {
      const request = nextRequest++;
      requests.set(request, { kind: "have", topic: key, offered: [], deadline: after(now, REQUEST_TIMEOUT) });
      effects.push({
        type: "send",
        message: { type: "have", request, topic, oids: oids.slice(from, from + MAX_OIDS) },
      });
    }
    return effects;
  };

  const onHave = (message: PeerMessage & { type: "have" }): readonly PeerEffect[] =>
    shared.has(bytesToHex(message.topic))
      ? [{ type: "send", message: { type: "has", request: message.request, oids: message.oids.filter(items.has) } }]
      : violated("PEER-3");

  const onHas = (message: PeerMessage & { type: "has" }, now: MonotonicMs): readonly PeerEffect[] => {
    const request = requests.get(message.request);
    if (request?.kind !== "have") return violated("PEER-4");
    requests.delete(message.request);
    const held = new Set(message.oids.map(bytesToHex));
    shared.get(request.topic)?.toPush.push(...request.offered.filter((oid) => !held.has(bytesToHex(oid))));
    const effects: PeerEffect[] = message.oids.length > 0 ? [{ type: "delivered", oids: message.oids }] : [];
    return [...effects, ...advance(now)];
  };

  const onCompared = (topic: Uint8Array, now: MonotonicMs): readonly PeerEffect[] => {
    const session = shared.get(bytesToHex(topic));
    if (session === undefined) return violated("PEER-3");
    if (role === "responder") session.synced = true;
    return [{ type: "topicSynced", topic }, ...advance(now)];
  };

  /** The empty answer to a message about a topic that is shared no more. */
  const answerFormer = (message: PeerMessage): readonly PeerEffect[] | undefined => {
    if (!("topic" in message) || shared.has(bytesToHex(message.topic)) || !former.has(bytesToHex(message.topic)))
      return;
    const send = (answer: PeerMessage): readonly PeerEffect[] => [{ type: "send", message: answer }];
    switch (message.type) {
      case "get":
        return send({ type: "items", request: message.request, wires: [], more: false });
      case "push":
        return send({ type: "pushed", request: message.request, results: [] });
      case "have":
        return send({ type: "has", request: message.request, oids: [] });
      case "getChunk":
        return send({ type: "chunk", request: message.request, bytes: null });
      case "device":
      case "compared":
        return [];
      default:
        return;
    }
  };

  const onMessage = (message: PeerMessage, now: MonotonicMs): readonly PeerEffect[] => {
    if (!greeted && message.type !== "hello") return violated("PEER-1");
    const late = answerFormer(message);
    if (late !== undefined) return late;
    switch (message.type) {
      case "hello": {
        const version = agreeOnVersion(PEER_VERSIONS, message.version);
        if (greeted) return violated("PEER-1");
        if (!version.ok) return [{ type: "peerViolated", rule: "PEER-1", refused: version.error }];
        greeted = true;
        return [];
      }
      case "tags":
        return onTags(message.tags, now);
      case "device":
        return onDevice(message);
      case "reconcile":
        return onReconcile(message);
      case "reconciled":
        return onReconciled(message, now);
      case "get":
        return onGet(message);
      case "items":
        return onItems(message, now);
      case "push":
        return onPush(message);
      case "pushed":
        return onPushed(message, now);
      case "compared":
        return onCompared(message.topic, now);
      case "have":
        return onHave(message);
      case "has":
        return onHas(message, now);
      case "getChunk":
        return isShared(message.topic)
          ? (chunks.asked(message.request, message.topic, message.id) ?? violated("PEER-13"))
          : violated("PEER-3");
      case "chunk":
        return chunks.received(message.request, message.bytes, now) ?? violated("PEER-4");
      case "live":
        // Live items may overtake the tags that make their topic a shared one.
        return shared.has(bytesToHex(message.topic))
          ? [{ type: "liveReceived", topic: message.topic, wire: message.wire }]
          : [];
      default:
        return exhaustive(message);
    }
  };

  return {
    handle: (event, now) => {
      switch (event.type) {
        case "opened":
          return [
            { type: "send", message: { type: "hello", version: PEER_VERSIONS.newest } },
            sendTags(event.topics),
            ...matchTopics(),
            ...advance(now),
          ];
        case "messageReceived":
          return onMessage(event.message, now);
        case "topicsChanged":
          return [sendTags(event.topics), ...matchTopics(), ...advance(now)];
        case "itemStored": {
          const session = shared.get(bytesToHex(event.topic));
          if (session === undefined) return [];
          session.held = false;
          session.toPush.push(event.oid);
          return advance(now);
        }
        case "sendLive":
          return shared.has(bytesToHex(event.topic))
            ? [{ type: "send", message: { type: "live", topic: event.topic, wire: event.wire } }]
            : [];
        case "askDelivered":
          return askDelivered(event.topic, event.oids, now);
        case "fetchChunk":
          if (!isShared(event.topic)) return [{ type: "chunkReceived", topic: event.topic, id: event.id, bytes: null }];
          chunks.want({ topic: event.topic, id: event.id }, event.urgent);
          return chunks.advance(now);
        case "chunkRead":
          return chunks.answer(event.request, event.bytes);
        case "itemsIngested":
          return onIngested(event, now);
        case "deadlineReached": {
          const late = deadlines().some((deadline) => deadline <= now);
          return late ? violated("PEER-7") : [];
        }
        default:
          return exhaustive(event);
      }
    },
    nextDeadline: () => earliest(deadlines()),
  };
};
