import { isChunk } from "../blob/chunk.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { checkTopicSignature, type Item, type ItemError, ITEM_KINDS, proxyCheck, readItem } from "../entry/item.ts";
import { readRetirement } from "../entry/retirement.ts";
import { exhaustive } from "../kernel/assert.ts";
import { bytesToHex, hexToBytes } from "../kernel/bytes.ts";
import type { DeadlineReached, Machine } from "../kernel/machine.ts";
import { ok, type Result } from "../kernel/result.ts";
import type { MonotonicMs, UnixMs } from "../kernel/time.ts";
import { after, durationMs } from "../kernel/time.ts";
import { agreeOnVersion } from "../kernel/versions.ts";
import { createItemSet, type ItemSet } from "../reconcile/item-set.ts";
import { respond } from "../reconcile/reconciler.ts";
import {
  type EdgeMessage,
  ERROR_CODE,
  type ErrorCode,
  type LiveMessage,
  PROXY_VERSIONS,
  type ProxyAnswer,
  type ProxyMessage,
  type ProxyPushResult,
  PUSH_STATUS,
  type PushStatus,
  type RelayContact,
  SUBSCRIBE_STATUS,
} from "./messages.ts";
import { blobStatement, hashCode, relayStatement } from "./statements.ts";
import type {
  AppendResult,
  ForeignChange,
  NewItem,
  StoreAnswer,
  StoredPage,
  StoreFault,
  StoreOperation,
  StoreRequest,
} from "./store.ts";
import { createTopicRates, type TopicRateLimits } from "./topic-rates.ts";
import { MAX_WIRE_BYTES } from "./wire.ts";

export interface ProxyServerConfig {
  readonly incarnation: Uint8Array;
  /** The proxy's Noise static key: signatures for chunks name it. */
  readonly staticPk: Uint8Array;
  /** Quota of an account opened by whoever comes; `null`: a code is needed. */
  readonly openQuota: number | null;
  /** Bytes of items and chunks the proxy keeps in all. */
  readonly capacity: number;
  readonly maxTopics: number;
  readonly itemGraceDays: number;
  readonly blobGraceDays: number;
  readonly rates: TopicRateLimits;
}

export type ProxyServerEvent =
  /** A NoiseSocket session whose other side proved to hold the static key `account`. */
  | { readonly type: "connectionOpened"; readonly connection: number; readonly account: Uint8Array }
  | { readonly type: "messageReceived"; readonly connection: number; readonly message: ProxyMessage }
  | { readonly type: "connectionClosed"; readonly connection: number }
  /** The connection does not take what is queued for it, or takes it again. */
  | { readonly type: "congestionChanged"; readonly connection: number; readonly isCongested: boolean }
  | { readonly type: "storeAnswered"; readonly id: number; readonly answer: Result<StoreAnswer, StoreFault> }
  /** Only where several processes share the store. */
  | { readonly type: "storeChanged"; readonly change: ForeignChange }
  /** Items that came through the core overlay: checked, stored and handed on like what an edge pushes. */
  | { readonly type: "itemsOffered"; readonly wires: readonly Uint8Array[] }
  | DeadlineReached;

export type ProxyServerEffect =
  | { readonly type: "send"; readonly connection: number; readonly message: ProxyMessage; readonly urgent: boolean }
  | { readonly type: "close"; readonly connection: number; readonly rule: string }
  /** Requests are performed, and answered by `storeAnswered`, in the order in which they are emitted. */
  | { readonly type: "store"; readonly id: number; readonly request: StoreRequest }
  /** New items are stored, in this order. */
  | { readonly type: "itemsStored"; readonly items: readonly NewItem[] }
  /** An account that pins these topics wants them followed in the core overlay. */
  | { readonly type: "relayWanted"; readonly topics: readonly Uint8Array[] }
  /** The topic key lets this proxy publish the topic in the core overlay until then (Unix seconds). */
  | {
      readonly type: "relayDelegated";
      readonly topic: Uint8Array;
      readonly until: number;
      readonly contacts: readonly RelayContact[];
    }
  /** Nobody pins these any more, and they are deleted. */
  | { readonly type: "topicsGone"; readonly topics: readonly Uint8Array[] }
  /** The sweep deleted items of these topics. */
  | { readonly type: "topicsSwept"; readonly topics: readonly Uint8Array[] };

interface Connection {
  readonly id: number;
  readonly account: Uint8Array;
  stage: "new" | "greeting" | "greeted";
  hasAccount: boolean;
  /** Questions not yet answered. */
  open: number;
  readonly topics: Set<string>;
  isCongested: boolean;
  /** Topics of which something was not sent while congested. */
  readonly skipped: Map<string, LiveMessage>;
  live: { tokens: number; at: MonotonicMs };
}

/** Data formats, section 9.2. */
const MAX_OPEN_QUESTIONS = 32;
/** With 256 positions still below the largest message of a link. */
const MAX_PAGE_BYTES = 4_194_304;
const SWEEP_EVERY = durationMs(3_600_000);
const DAY_MS = 86_400_000;
/** Sets kept for comparing: a round of a comparison follows within seconds. */
const MAX_SETS = 8;
/** Some 15 MB of names. */
const MAX_PINNED_NOTED = 100_000;
/** Ephemeral items of one connection: four sessions at the five a second of data formats, section 9.3. */
const LIVE_PER_SECOND = 20;
const LIVE_BURST = 40;

/** Different nodes an account may have the proxy dial within an hour; a device names the few proxies its topics are at. */
const MAX_INTRODUCED = 16;
const INTRODUCED_MS = 3_600_000;
/** Accounts of which that is noted. */
const MAX_INTRODUCERS = 4_096;

/** Items of another process sent on at once; of more, followers are only told. */
const MAX_FORWARDED = 64;

/** The proxy's side of all its connections: checks, stores by way of the host, answers, fans out (SPEC.md). */
export const createProxyServer = (
  deps: { readonly crypto: CryptoProvider; readonly unixNow: () => UnixMs },
  config: ProxyServerConfig,
): Machine<ProxyServerEvent, ProxyServerEffect> => {
  const { crypto, unixNow } = deps;
  const connections = new Map<number, Connection>();
  /** Connections that follow a topic live. */
  const followers = new Map<string, Set<Connection>>();
  const pending = new Map<number, (answer: Result<unknown, StoreFault>) => ProxyServerEffect[]>();
  const sets = new Map<string, ItemSet>();
  /** Topics somebody pinned when the store was asked last: what is pushed to others costs no signature check. */
  const pinned = new Set<string>();
  const rates = createTopicRates(config.rates);
  /** Nodes that accounts named lately. */
  const introducers = new Map<string, { readonly since: MonotonicMs; readonly named: Set<string> }>();
  let nextId = 1;
  let sweepAt: MonotonicMs | undefined;

  const today = (): number => Math.floor(unixNow() / DAY_MS);

  const send = ({ id }: Connection, message: ProxyMessage, urgent = false): ProxyServerEffect[] =>
    connections.has(id) ? [{ type: "send", connection: id, message, urgent }] : [];

  const answer = (connection: Connection, message: ProxyAnswer): ProxyServerEffect[] => {
    connection.open--;
    return send(connection, message);
  };
  const refuse = (connection: Connection, request: number, code: ErrorCode, words: string): ProxyServerEffect[] =>
    answer(connection, { type: "error", request, code, text: words });
  const done = (connection: Connection, request: number, status: PushStatus): ProxyServerEffect[] =>
    answer(connection, { type: "done", request, status });

  const drop = (connection: Connection): void => {
    connections.delete(connection.id);
    for (const name of connection.topics) unfollow(connection, name);
  };
  const unfollow = (connection: Connection, name: string): void => {
    connection.topics.delete(name);
    connection.skipped.delete(name);
    const all = followers.get(name);
    all?.delete(connection);
    if (all?.size === 0) followers.delete(name);
  };
  const violated = (connection: Connection, rule: string, code?: ErrorCode): ProxyServerEffect[] => {
    const last =
      code === undefined ? [] : send(connection, { type: "error", request: 0, code, text: `see rule ${rule}` }, true);
    drop(connection);
    return [...last, { type: "close", connection: connection.id, rule }];
  };

  const ask = <K extends StoreOperation>(
    request: StoreRequest<K>,
    then: (result: Result<StoreAnswer<K>, StoreFault>) => ProxyServerEffect[],
  ): ProxyServerEffect[] => {
    const id = nextId++;
    pending.set(id, then as (result: Result<unknown, StoreFault>) => ProxyServerEffect[]);
    return [{ type: "store", id, request: request as StoreRequest }];
  };

  /** `ask` for a question of the edge: a fault of the store is an answer like another. */
  const askFor = <K extends StoreOperation>(
    connection: Connection,
    request: number,
    what: StoreRequest<K>,
    then: (result: StoreAnswer<K>) => ProxyServerEffect[],
  ): ProxyServerEffect[] =>
    ask(what, (result) =>
      result.ok ? then(result.value) : refuse(connection, request, ERROR_CODE.storage, result.error.type),
    );

  const remember = (name: string, set: ItemSet): void => {
    sets.delete(name);
    sets.set(name, set);
    for (const oldest of sets.keys()) {
      if (sets.size <= MAX_SETS) break;
      sets.delete(oldest);
    }
  };

  const hello = (connection: Connection, version: number): ProxyServerEffect[] => {
    const spoken = agreeOnVersion(PROXY_VERSIONS, version);
    if (connection.stage !== "new" || !spoken.ok) return violated(connection, "PRX-2", ERROR_CODE.version);
    connection.stage = "greeting";
    const { account } = connection;
    const { openQuota, maxTopics, itemGraceDays, incarnation } = config;
    const request: StoreRequest<"account" | "openAccount"> =
      openQuota === null ? { type: "account", account } : { type: "openAccount", account, quota: openQuota };
    return ask(request, (result) => {
      if (!result.ok) return violated(connection, "PRX-2", ERROR_CODE.storage);
      connection.stage = "greeted";
      connection.hasAccount = result.value !== null;
      const { quota, used } = result.value ?? { quota: 0, used: 0 };
      return send(connection, {
        type: "welcome",
        version: spoken.value,
        incarnation,
        now: Math.floor(unixNow() / 1000),
        limits: {
          maxItem: MAX_WIRE_BYTES,
          maxTopics,
          quota,
          used,
          graceDays: itemGraceDays,
          rate: config.rates.itemsPerSecond,
        },
        hasAccount: connection.hasAccount,
      });
    });
  };

  const subscribe = (
    connection: Connection,
    { request, topics }: Extract<EdgeMessage, { type: "subscribe" }>,
  ): ProxyServerEffect[] => {
    const { account, hasAccount } = connection;
    const asked = topics.map(({ topic, pin, checkpointFirst }) => ({
      topic,
      pin: pin && hasAccount,
      checkpoint: checkpointFirst,
    }));
    const what = { type: "subscribe", account, maxTopics: config.maxTopics, topics: asked } as const;
    return askFor(connection, request, what, (results) => {
      const states = results.map(({ status, ...state }, i) => {
        const { topic, after: cursor, live } = topics[i] as (typeof topics)[number];
        const name = bytesToHex(topic);
        if (!live || status === "notPinned") unfollow(connection, name);
        else if (status === "known" && connections.has(connection.id)) {
          connection.topics.add(name);
          const all = followers.get(name) ?? new Set();
          followers.set(name, all.add(connection));
        }
        const isUnknown = status === "known" && cursor !== null && cursor > state.position;
        const code = status === "known" ? (isUnknown ? "cursorUnknown" : "subscribed") : status;
        return { ...state, status: SUBSCRIBE_STATUS[code] };
      });
      const relayed = topics.flatMap(({ topic, relay, pin }, i) =>
        relay && pin && hasAccount && results[i]?.status === "known" ? [topic.slice()] : [],
      );
      const wanted: ProxyServerEffect[] = relayed.length === 0 ? [] : [{ type: "relayWanted", topics: relayed }];
      return [...answer(connection, { type: "subscribed", request, topics: states }), ...wanted];
    });
  };

  const page = (connection: Connection, request: number, result: StoredPage | null): ProxyServerEffect[] =>
    result === null
      ? refuse(connection, request, ERROR_CODE.unknownTopic, "not stored here")
      : answer(connection, { type: "items", request, ...result });

  /** The item behind a pushed wire if it may be stored, else what is wrong with it. The signature, which costs most, comes last. */
  const check = (
    read: Result<Item, ItemError>,
    allowed: ReadonlySet<string>,
    now: MonotonicMs,
  ): { readonly item?: NewItem; readonly result: ProxyPushResult } => {
    const refusal = (status: PushStatus, oid: Uint8Array = NO_OID): { readonly result: ProxyPushResult } => ({
      result: { oid, status, position: 0, previous: 0 },
    });
    if (!read.ok) return refusal(read.error.type === "BodyTooLarge" ? PUSH_STATUS.tooBig : PUSH_STATUS.bad);
    const { topicPk: topic, oid, kind, gen, wire } = read.value;
    const name = bytesToHex(topic);
    if (!allowed.has(name)) return refusal(PUSH_STATUS.notPinned, oid);
    if (kind === ITEM_KINDS.live || kind === ITEM_KINDS.inbox) return refusal(PUSH_STATUS.bad, oid);
    const retires = retiredBy(read.value);
    if (retires === undefined || !checkTopicSignature(crypto, read.value).ok) return refusal(PUSH_STATUS.bad, oid);
    if (!rates.take(name, wire.length, now)) return refusal(PUSH_STATUS.rate, oid);
    return { item: { topic, oid, kind, gen, wire, retires }, ...refusal(PUSH_STATUS.bad, oid) };
  };

  const push = (
    connection: Connection,
    { request, wires }: Extract<EdgeMessage, { type: "push" }>,
    now: MonotonicMs,
  ): ProxyServerEffect[] => {
    const reads = wires.map((wire) => readItem(crypto, wire));
    const allowed = new Set<string>();
    const unknown = new Map<string, Uint8Array>();
    for (const read of reads) {
      if (!read.ok) continue;
      const name = bytesToHex(read.value.topicPk);
      if (pinned.has(name)) allowed.add(name);
      else unknown.set(name, read.value.topicPk);
    }
    if (unknown.size === 0) return storePush(connection, request, reads, allowed, now);
    const topics = [...unknown.values()].map((topic) => ({ topic, pin: false, checkpoint: false }));
    const what = { type: "subscribe", account: connection.account, maxTopics: config.maxTopics, topics } as const;
    return askFor(connection, request, what, (results) => {
      for (const [i, name] of [...unknown.keys()].entries())
        if (results[i]?.status === "known") {
          allowed.add(name);
          notePinned(name);
        }
      return storePush(connection, request, reads, allowed, now);
    });
  };

  const notePinned = (name: string): void => {
    for (const oldest of pinned) {
      if (pinned.size < MAX_PINNED_NOTED) break;
      pinned.delete(oldest);
    }
    pinned.add(name);
  };

  const storePush = (
    connection: Connection,
    request: number,
    reads: readonly Result<Item, ItemError>[],
    allowed: ReadonlySet<string>,
    now: MonotonicMs,
  ): ProxyServerEffect[] => {
    const checked = reads.map((read) => check(read, allowed, now));
    const items = checked.flatMap(({ item }) => (item === undefined ? [] : [item]));
    if (items.length === 0)
      return answer(connection, { type: "pushed", request, results: checked.map(({ result }) => result) });
    const what = { type: "append", items, day: today(), capacity: config.capacity } as const;
    return askFor(connection, request, what, (appended) => {
      const outcomes = [...appended];
      const results = checked.map(({ item, result }) => {
        if (item === undefined) return result;
        const { status, position, previous } = outcomes.shift() as AppendResult;
        return { oid: item.oid, status: PUSH_STATUS[status], position, previous };
      });
      return [...answer(connection, { type: "pushed", request, results }), ...fanOut(connection, items, appended)];
    });
  };

  const fanOut = (
    from: Connection | undefined,
    items: readonly NewItem[],
    appended: readonly AppendResult[],
  ): ProxyServerEffect[] => {
    const effects: ProxyServerEffect[] = [];
    const stored: NewItem[] = [];
    for (const [i, { topic, oid, gen, wire, retires }] of items.entries()) {
      const { status, position, previous } = appended[i] as AppendResult;
      const name = bytesToHex(topic);
      // What was marked or lost its mark is compared from the store.
      if (retires.length > 0 || status === "duplicate") sets.delete(name);
      if (status !== "stored") continue;
      stored.push(items[i] as NewItem);
      sets.get(name)?.add({ gen, id: oid });
      for (const follower of followers.get(name) ?? [])
        if (follower !== from)
          effects.push(...sendLive(follower, name, { type: "live", topic, previous, position, wire }));
    }
    return stored.length === 0 ? effects : [...effects, { type: "itemsStored", items: stored }];
  };

  const sendLive = (connection: Connection, name: string, message: LiveMessage): ProxyServerEffect[] => {
    if (!connection.isCongested) return send(connection, message, message.position === 0);
    if (message.position > 0) connection.skipped.set(name, { ...message, topic: message.topic.slice(), wire: null });
    return [];
  };

  const ephemeral = (connection: Connection, wire: Uint8Array | null, now: MonotonicMs): ProxyServerEffect[] => {
    const { live } = connection;
    live.tokens = Math.min(LIVE_BURST, live.tokens + ((now - live.at) * LIVE_PER_SECOND) / 1000);
    live.at = now;
    if (wire === null || live.tokens < 1) return [];
    live.tokens--;
    const item = proxyCheck(crypto, wire);
    if (!item.ok || item.value.kind !== ITEM_KINDS.live) return [];
    const { topicPk: topic } = item.value;
    const name = bytesToHex(topic);
    const effects: ProxyServerEffect[] = [];
    for (const follower of followers.get(name) ?? [])
      if (follower !== connection)
        effects.push(...sendLive(follower, name, { type: "live", topic, previous: 0, position: 0, wire }));
    return effects;
  };

  const reconcile = (
    connection: Connection,
    { request, topic, payload }: Extract<EdgeMessage, { type: "reconcile" }>,
  ): ProxyServerEffect[] => {
    const name = bytesToHex(topic);
    const reply = (set: ItemSet | null): ProxyServerEffect[] => {
      const response = set === null ? undefined : respond({ crypto, set }, payload);
      return answer(connection, {
        type: "reconciled",
        request,
        payload: response?.ok === true ? response.value : null,
      });
    };
    const known = sets.get(name);
    if (known !== undefined) {
      remember(name, known);
      return reply(known);
    }
    return askFor(connection, request, { type: "itemSet", topic }, (items) => {
      if (items === null) return reply(null);
      const set = createItemSet(items);
      remember(name, set);
      return reply(set);
    });
  };

  const unsubscribe = (
    connection: Connection,
    { request, topics, forget }: Extract<EdgeMessage, { type: "unsubscribe" }>,
  ): ProxyServerEffect[] => {
    for (const topic of topics) unfollow(connection, bytesToHex(topic));
    if (!forget || !connection.hasAccount) return done(connection, request, PUSH_STATUS.stored);
    const what = { type: "unpin", account: connection.account, topics } as const;
    return askFor(connection, request, what, (gone) => {
      for (const topic of gone) {
        const name = bytesToHex(topic);
        sets.delete(name);
        pinned.delete(name);
        for (const follower of followers.get(name) ?? []) unfollow(follower, name);
      }
      const effects = done(connection, request, PUSH_STATUS.stored);
      return gone.length === 0 ? effects : [...effects, { type: "topicsGone", topics: gone }];
    });
  };

  /** What the overlay brings is bounded by bytes: a comparison after an absence moves more than the rate of writers. */
  const offered = (wires: readonly Uint8Array[], now: MonotonicMs): ProxyServerEffect[] => {
    const items: NewItem[] = [];
    for (const wire of wires) {
      const item = proxyCheck(crypto, wire);
      if (!item.ok || item.value.kind === ITEM_KINDS.live || item.value.kind === ITEM_KINDS.inbox) continue;
      const { topicPk: topic, oid, kind, gen } = item.value;
      const retires = retiredBy(item.value);
      if (retires !== undefined && rates.takeBytes(bytesToHex(topic), wire.length, now))
        items.push({ topic, oid, kind, gen, wire, retires, keepsMark: true });
    }
    if (items.length === 0) return [];
    const what = { type: "append", items, day: today(), capacity: config.capacity } as const;
    return ask(what, (result) => (result.ok ? fanOut(undefined, items, result.value) : []));
  };

  /** Those of `contacts` that the proxy may be told of: dialling costs, and whoever has an account chooses the addresses. */
  const introducedBy = (
    { account, hasAccount }: Connection,
    contacts: readonly RelayContact[],
    now: MonotonicMs,
  ): readonly RelayContact[] => {
    if (!hasAccount) return [];
    const name = bytesToHex(account);
    let introducer = introducers.get(name);
    if (introducer === undefined || now - introducer.since > INTRODUCED_MS) {
      introducer = { since: now, named: new Set() };
      introducers.delete(name);
      introducers.set(name, introducer);
    }
    for (const oldest of introducers.keys()) {
      if (introducers.size <= MAX_INTRODUCERS) break;
      introducers.delete(oldest);
    }
    const { named } = introducer;
    return contacts.filter(({ staticPk, address }) => {
      const contact = `${bytesToHex(staticPk)} ${address}`;
      if (!named.has(contact) && named.size >= MAX_INTRODUCED) return false;
      named.add(contact);
      return true;
    });
  };

  const relay = (
    connection: Connection,
    { request, topic, until, signature, contacts }: Extract<EdgeMessage, { type: "relay" }>,
    now: MonotonicMs,
  ): ProxyServerEffect[] => {
    const isCurrent = until * 1000 > unixNow();
    if (!isCurrent || !crypto.verify(topic, relayStatement(config.staticPk, until), signature))
      return done(connection, request, PUSH_STATUS.bad);
    const topics = [{ topic, pin: false, checkpoint: false }];
    const what = { type: "subscribe", account: connection.account, maxTopics: config.maxTopics, topics } as const;
    return askFor(connection, request, what, ([state]) => {
      if (state?.status !== "known") return done(connection, request, PUSH_STATUS.notPinned);
      const introduced = introducedBy(connection, contacts, now);
      const delegated = { type: "relayDelegated", topic: topic.slice(), until, contacts: introduced } as const;
      return [...done(connection, request, PUSH_STATUS.stored), delegated];
    });
  };

  const keepBlobs = (
    connection: Connection,
    { type, request, topic, ids, signature }: Extract<EdgeMessage, { type: "pinBlobs" | "unpinBlobs" }>,
  ): ProxyServerEffect[] => {
    if (!crypto.verify(topic, blobStatement(crypto, type, config.staticPk, topic, ids), signature))
      return done(connection, request, PUSH_STATUS.bad);
    if (type === "pinBlobs")
      return askFor(connection, request, { type, topic, ids }, (result) =>
        done(connection, request, PUSH_STATUS[result === null ? "notPinned" : result === "quota" ? "quota" : "stored"]),
      );
    return askFor(connection, request, { type, topic, ids, day: today() }, (result) =>
      done(connection, request, PUSH_STATUS[result === null ? "notPinned" : "stored"]),
    );
  };

  const question = (connection: Connection, message: EdgeMessage, now: MonotonicMs): ProxyServerEffect[] => {
    const { account } = connection;
    switch (message.type) {
      case "hello":
        return violated(connection, "PRX-2", ERROR_CODE.version);
      case "subscribe":
        return subscribe(connection, message);
      case "pull": {
        const { request, topic, after: cursor, maxItems, maxBytes } = message;
        const what = { type: "pull", topic, after: cursor, maxItems: Math.max(1, maxItems), maxBytes } as const;
        return askFor(connection, request, what, (result) => page(connection, request, result));
      }
      case "push":
        return push(connection, message, now);
      case "reconcile":
        return reconcile(connection, message);
      case "get": {
        const { request, topic, oids } = message;
        const what = { type: "get", topic, oids, maxBytes: MAX_PAGE_BYTES } as const;
        return askFor(connection, request, what, (result) => page(connection, request, result));
      }
      case "unsubscribe":
        return unsubscribe(connection, message);
      case "putBlob": {
        const { request, topic, id, bytes: content } = message;
        if (!isChunk(crypto, id, content)) return done(connection, request, PUSH_STATUS.bad);
        const what = { type: "putBlob", topic, id, bytes: content, capacity: config.capacity } as const;
        return askFor(connection, request, what, (result) =>
          done(connection, request, PUSH_STATUS[result === "busy" ? "rate" : result]),
        );
      }
      case "haveBlobs": {
        const { request, topic, ids } = message;
        return askFor(connection, request, { type: "haveBlobs", topic, ids }, (present) =>
          answer(connection, { type: "blobsPresent", request, present }),
        );
      }
      case "getBlob": {
        const { request, topic, id } = message;
        return askFor(connection, request, { type: "getBlob", topic, id }, (content) =>
          answer(connection, { type: "blob", request, bytes: content }),
        );
      }
      case "pinBlobs":
      case "unpinBlobs":
        return keepBlobs(connection, message);
      case "redeem": {
        const { request } = message;
        const what = { type: "redeem", account, codeHash: hashCode(crypto, message.code) } as const;
        return askFor(connection, request, what, (row) => {
          if (row === null) return refuse(connection, request, ERROR_CODE.badCode, "unknown or used");
          connection.hasAccount = true;
          return answer(connection, { type: "account", request, ...row });
        });
      }
      case "stat": {
        const { request } = message;
        return askFor(connection, request, { type: "stat", account }, (stats) =>
          answer(connection, { type: "stats", request, ...stats }),
        );
      }
      case "ping":
        return answer(connection, { type: "pong", request: message.request });
      case "relay":
        return relay(connection, message, now);
      case "registerInbox":
        return refuse(connection, message.request, ERROR_CODE.unsupported, message.type);
      default:
        return exhaustive(message);
    }
  };

  const received = (connection: Connection, message: ProxyMessage, now: MonotonicMs): ProxyServerEffect[] => {
    if (message.type === "hello") return hello(connection, message.version);
    if (connection.stage !== "greeted") return violated(connection, "PRX-2");
    if (message.type === "live") return ephemeral(connection, message.wire, now);
    if (!isQuestion(message)) return violated(connection, "PRX-3");
    connection.open++;
    if (connection.open > MAX_OPEN_QUESTIONS) return violated(connection, "PRX-3", ERROR_CODE.tooManyRequests);
    return question(connection, message, now);
  };

  const sweep = (now: MonotonicMs): ProxyServerEffect[] => {
    sweepAt = after(now, SWEEP_EVERY);
    rates.prune(now);
    const { itemGraceDays, blobGraceDays } = config;
    return ask({ type: "sweep", day: today(), itemGraceDays, blobGraceDays }, (result) => {
      if (!result.ok) return [];
      for (const topic of result.value) sets.delete(bytesToHex(topic));
      return result.value.length === 0 ? [] : [{ type: "topicsSwept", topics: result.value }];
    });
  };

  /** Sends what another process stored to those who follow it here; `wire` is null where there is more than a page of it. */
  const forward = (topic: Uint8Array, previous: number, newest: number): ProxyServerEffect[] => {
    const name = bytesToHex(topic);
    sets.delete(name);
    if (!followers.has(name)) return [];
    const what = { type: "pull", topic, after: previous, maxItems: MAX_FORWARDED, maxBytes: MAX_PAGE_BYTES } as const;
    return ask(what, (result) => {
      const effects: ProxyServerEffect[] = [];
      let before = previous;
      const items = result.ok ? (result.value?.items ?? []).filter(({ position }) => position <= newest) : [];
      for (const { position, wire } of items) {
        for (const follower of followers.get(name) ?? [])
          effects.push(...sendLive(follower, name, { type: "live", topic, previous: before, position, wire }));
        before = position;
      }
      if (before < newest)
        for (const follower of followers.get(name) ?? [])
          effects.push(
            ...sendLive(follower, name, { type: "live", topic, previous: before, position: newest, wire: null }),
          );
      return effects;
    });
  };

  /** After a gap nobody knows what was stored: followers are told the newest position and pull what they lack. */
  const catchUp = (): ProxyServerEffect[] => {
    sets.clear();
    pinned.clear();
    const topics = [...followers.keys()].map((name) => hexToBytes(name) ?? NO_OID);
    if (topics.length === 0) return [];
    const asked = topics.map((topic) => ({ topic, pin: false, checkpoint: false }));
    const what = { type: "subscribe", account: config.staticPk, maxTopics: config.maxTopics, topics: asked } as const;
    return ask(what, (result) =>
      (result.ok ? result.value : []).flatMap(({ status, position }, i) => {
        const topic = topics[i] ?? NO_OID;
        const name = bytesToHex(topic);
        if (status !== "known" || position === 0) return [];
        return [...(followers.get(name) ?? [])].flatMap((follower) =>
          sendLive(follower, name, { type: "live", topic, previous: position, position, wire: null }),
        );
      }),
    );
  };

  const storeChanged = (change: ForeignChange): ProxyServerEffect[] => {
    if (change.type === "missed") return catchUp();
    if (change.type === "appended") return forward(change.topic, change.previous, change.newest);
    sets.delete(bytesToHex(change.topic));
    pinned.delete(bytesToHex(change.topic));
    return [];
  };

  const handle = (event: ProxyServerEvent, now: MonotonicMs): readonly ProxyServerEffect[] => {
    switch (event.type) {
      case "connectionOpened": {
        const { connection: id, account } = event;
        connections.set(id, {
          id,
          account,
          stage: "new",
          hasAccount: false,
          open: 0,
          topics: new Set(),
          isCongested: false,
          skipped: new Map(),
          live: { tokens: LIVE_BURST, at: now },
        });
        return sweepAt === undefined ? sweep(now) : [];
      }
      case "messageReceived": {
        const connection = connections.get(event.connection);
        return connection === undefined ? [] : received(connection, event.message, now);
      }
      case "connectionClosed": {
        const connection = connections.get(event.connection);
        if (connection !== undefined) drop(connection);
        return [];
      }
      case "congestionChanged": {
        const connection = connections.get(event.connection);
        if (connection === undefined) return [];
        connection.isCongested = event.isCongested;
        if (event.isCongested) return [];
        const skipped = [...connection.skipped.values()];
        connection.skipped.clear();
        return skipped.flatMap((message) => send(connection, message));
      }
      case "storeAnswered": {
        const then = pending.get(event.id);
        pending.delete(event.id);
        return then?.(event.answer) ?? [];
      }
      case "storeChanged":
        return storeChanged(event.change);
      case "itemsOffered":
        return offered(event.wires, now);
      case "deadlineReached":
        return sweepAt !== undefined && now >= sweepAt ? sweep(now) : [];
      default:
        return exhaustive(event);
    }
  };

  return { handle, nextDeadline: () => sweepAt };
};

const NO_OID = new Uint8Array(32);

/** What the item retires; `undefined` when its kind says so and its body does not. */
const retiredBy = ({ kind, body }: Item): readonly Uint8Array[] | undefined => {
  if (kind !== ITEM_KINDS.retire) return [];
  const oids = readRetirement(body);
  return (oids.ok ? oids : ok(undefined)).value;
};

const isQuestion = (message: ProxyMessage): message is Exclude<EdgeMessage, { type: "hello" }> => {
  switch (message.type) {
    case "subscribe":
    case "pull":
    case "push":
    case "reconcile":
    case "get":
    case "unsubscribe":
    case "relay":
    case "putBlob":
    case "haveBlobs":
    case "getBlob":
    case "pinBlobs":
    case "unpinBlobs":
    case "registerInbox":
    case "redeem":
    case "stat":
    case "ping":
      return true;
    default:
      return false;
  }
};
