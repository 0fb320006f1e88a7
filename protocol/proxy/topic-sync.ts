import { bytesToHex } from "../kernel/bytes.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { createInitiator, type Initiator } from "../reconcile/reconciler.ts";
import type { ProxyClientEffect, ProxyClientSource, ProxyTopic, ProxyTopicState } from "./client-events.ts";
import type { EdgeMessage, ItemsMessage, LiveMessage, Subscribed, Subscription } from "./messages.ts";
import { SUBSCRIBE_STATUS } from "./messages.ts";
import { MAX_PAGE_ITEMS, MAX_TOPICS_PER_MESSAGE } from "./wire.ts";

/** A question about topics, without its number. */
export type TopicQuestion =
  | { readonly type: "subscribe"; readonly topics: readonly Subscription[] }
  | { readonly type: "unsubscribe"; readonly topics: readonly Uint8Array[]; readonly forget: boolean }
  | (Omit<Extract<EdgeMessage, { readonly type: "pull" }>, "request"> & { readonly type: "pull" })
  | { readonly type: "reconcile"; readonly topic: Uint8Array; readonly payload: Uint8Array }
  | { readonly type: "get"; readonly topic: Uint8Array; readonly oids: readonly Uint8Array[] };

/** What the topics want done: a question, or an effect for the host. */
export type TopicAction = { readonly type: "question"; readonly question: TopicQuestion } | ProxyClientEffect;

interface Handed {
  readonly token: number;
  readonly cursor: number | null;
  readonly isPage: boolean;
}

interface Topic {
  readonly pk: Uint8Array;
  live: boolean;
  pin: boolean;
  /** Cursor the host has stored, and the one of everything handed to it. */
  stored: number | null;
  cursor: number | null;
  state: ProxyTopicState;
  /** Newest position when the comparison began. */
  target: number;
  initiator: Initiator | undefined;
  toGet: Uint8Array[];
  /** A question is open or a page is being stored. */
  isBusy: boolean;
  /** What the host is storing now; one at a time, so that no cursor can pass a page that fails. */
  storing: Handed | undefined;
  /** Live items that follow what is being stored. */
  waiting: Uint8Array[];
  /** Items are known to wait at the proxy. */
  isBehind: boolean;
}

/** The topics of one account at one proxy: cursors, catching up, comparing (PRX-4 to PRX-8). */
export interface TopicSync {
  readonly change: (topics: readonly ProxyTopic[], isOnline: boolean) => TopicAction[];
  /** Another incarnation: no cursor holds any more. */
  readonly dropCursors: () => void;
  /** Subscribes every topic of this connection. */
  readonly subscribeAll: () => TopicAction[];
  /** Compares again what is not live, and asks again for what was refused. */
  readonly audit: () => TopicAction[];
  /** Pins again what the proxy says is not pinned. */
  readonly resubscribe: (topics: readonly Uint8Array[]) => TopicAction[];
  readonly disconnected: () => void;
  readonly subscribed: (asked: readonly Subscription[], answers: readonly Subscribed[]) => TopicAction[] | undefined;
  readonly pulled: (topic: Uint8Array, after: number, answer: ItemsMessage) => TopicAction[] | undefined;
  readonly compared: (topic: Uint8Array, payload: Uint8Array | null) => TopicAction[] | undefined;
  readonly got: (topic: Uint8Array, asked: number, answer: ItemsMessage) => TopicAction[] | undefined;
  readonly live: (message: LiveMessage) => TopicAction[];
  /** An item of ours is stored at `position`, right after `previous`; the new cursor if it moves. */
  readonly ownStored: (topic: Uint8Array, previous: number, position: number) => number | undefined;
  readonly itemsStored: (token: number) => TopicAction[];
  /** Starts what waits. */
  readonly advance: () => TopicAction[];
  /** The topic's question failed at the proxy. */
  readonly failed: (topic: Uint8Array) => TopicAction[];
}

/** Topics caught up at once: enough to hide the round trip behind storing a page. */
const MAX_BUSY = 4;
/** A page is verified and stored within some 50 ms. */
const PAGE_BYTES = 262_144;
/** Live items kept while the host stores; beyond them the topic is pulled. */
const MAX_WAITING = 64;

export const createTopicSync = (crypto: CryptoProvider, source: ProxyClientSource): TopicSync => {
  const topics = new Map<string, Topic>();
  const storing = new Map<number, Topic>();
  let nextToken = 1;

  const find = (pk: Uint8Array): Topic | undefined => topics.get(bytesToHex(pk));
  const question = (asked: TopicQuestion): TopicAction => ({ type: "question", question: asked });

  const enter = (topic: Topic, state: ProxyTopicState): TopicAction[] => {
    if (topic.state === state) return [];
    topic.state = state;
    return [{ type: "topicStateChanged", topic: topic.pk, state }];
  };

  const hand = (topic: Topic, wires: readonly Uint8Array[], cursor: number | null, isPage: boolean): TopicAction => {
    const token = nextToken++;
    if (cursor !== null) topic.cursor = Math.max(topic.cursor ?? 0, cursor);
    const reached = cursor === null ? null : topic.cursor;
    topic.storing = { token, cursor: reached, isPage };
    topic.waiting = [];
    storing.set(token, topic);
    return { type: "itemsReceived", token, topic: topic.pk, wires, cursor: reached };
  };

  const subscriptionOf = (topic: Topic): Subscription => ({
    topic: topic.pk,
    after: topic.cursor,
    live: topic.live,
    pin: topic.pin,
    checkpointFirst: topic.cursor === null,
    relay: topic.pin,
  });

  const subscribe = (wanted: readonly Topic[]): TopicAction[] => {
    const actions: TopicAction[] = [];
    for (let at = 0; at < wanted.length; at += MAX_TOPICS_PER_MESSAGE) {
      const page = wanted.slice(at, at + MAX_TOPICS_PER_MESSAGE);
      for (const topic of page) if (topic.state === "refused") actions.push(...enter(topic, "subscribing"));
      actions.push(question({ type: "subscribe", topics: page.map(subscriptionOf) }));
    }
    return actions;
  };

  const busy = (): number => {
    let count = 0;
    for (const topic of topics.values()) if (topic.isBusy) count++;
    return count;
  };

  const startNext = (topic: Topic): TopicAction[] => {
    if (topic.state === "comparing") {
      topic.isBusy = true;
      if (topic.toGet.length > 0)
        return [question({ type: "get", topic: topic.pk, oids: topic.toGet.slice(0, MAX_PAGE_ITEMS) })];
      topic.initiator = createInitiator({ crypto, set: source.itemSet(topic.pk) });
      return [question({ type: "reconcile", topic: topic.pk, payload: topic.initiator.start() })];
    }
    topic.isBusy = true;
    topic.isBehind = false;
    const after = topic.cursor ?? 0;
    const asked = { topic: topic.pk, after, maxItems: MAX_PAGE_ITEMS, maxBytes: PAGE_BYTES };
    return [...enter(topic, "pulling"), question({ type: "pull", ...asked })];
  };

  const isWaiting = (topic: Topic): boolean =>
    !topic.isBusy &&
    topic.storing === undefined &&
    (topic.state === "comparing" ||
      topic.state === "pulling" ||
      (topic.state === "current" && topic.isBehind && topic.cursor !== null));

  const advance = (): TopicAction[] => {
    const actions: TopicAction[] = [];
    let room = MAX_BUSY - busy();
    for (const topic of topics.values()) {
      if (room <= 0) break;
      if (!isWaiting(topic)) continue;
      actions.push(...startNext(topic));
      room--;
    }
    return actions;
  };

  /** The next step of a topic that has just stored a page or ended a comparison. */
  const settle = (topic: Topic): TopicAction[] => {
    topic.isBusy = false;
    if (topic.state === "pulling" && !topic.isBehind) return [...enter(topic, "current"), ...advance()];
    return advance();
  };

  /** Gets what the comparison found missing, and sets the cursor with the last of it. */
  const finishComparison = (topic: Topic): TopicAction[] => {
    topic.initiator = undefined;
    if (topic.toGet.length > 0)
      return [question({ type: "get", topic: topic.pk, oids: topic.toGet.slice(0, MAX_PAGE_ITEMS) })];
    topic.state = "pulling";
    return [hand(topic, [], topic.target, true)];
  };

  const applyAnswer = (topic: Topic, answer: Subscribed): TopicAction[] => {
    const { status, position, checkpoint } = answer;
    if (topic.state !== "subscribing") {
      // The flags of a topic in use changed: only what it has missed matters.
      topic.isBehind = topic.isBehind || (topic.cursor ?? position) < position;
      return [];
    }
    if (status === SUBSCRIBE_STATUS.cursorUnknown) {
      topic.cursor = null;
      topic.stored = null;
    } else if (status !== SUBSCRIBE_STATUS.subscribed) return enter(topic, "refused");
    if (topic.cursor !== null) {
      topic.isBehind = topic.isBehind || topic.cursor < position;
      return topic.isBehind ? enter(topic, "pulling") : enter(topic, "current");
    }
    topic.target = position;
    topic.toGet = [];
    if (source.itemSet(topic.pk).size() > 0) return enter(topic, "comparing");
    if (checkpoint !== null) {
      topic.target = 0;
      topic.toGet = [checkpoint];
      topic.isBehind = true;
      return enter(topic, "comparing");
    }
    topic.isBehind = position > 0;
    return enter(topic, "pulling");
  };

  return {
    change: (given, isOnline) => {
      const actions: TopicAction[] = [];
      const kept = new Set(given.map(({ pk }) => bytesToHex(pk)));
      const left = [...topics.values()].filter(({ pk }) => !kept.has(bytesToHex(pk)));
      for (const { pk } of left) topics.delete(bytesToHex(pk));
      if (isOnline && left.length > 0)
        for (let at = 0; at < left.length; at += MAX_TOPICS_PER_MESSAGE) {
          const page = left.slice(at, at + MAX_TOPICS_PER_MESSAGE).map(({ pk }) => pk);
          actions.push(question({ type: "unsubscribe", topics: page, forget: false }));
        }
      const fresh: Topic[] = [];
      for (const { pk, cursor, live, pin } of given) {
        const known = find(pk);
        if (known === undefined) {
          const topic: Topic = {
            pk,
            live,
            pin,
            stored: cursor,
            cursor,
            state: "subscribing",
            target: 0,
            initiator: undefined,
            toGet: [],
            isBusy: false,
            isBehind: false,
            storing: undefined,
            waiting: [],
          };
          topics.set(bytesToHex(pk), topic);
          fresh.push(topic);
        } else if (known.live !== live || known.pin !== pin) {
          known.live = live;
          known.pin = pin;
          fresh.push(known);
        }
      }
      // Catching up goes from the first to the last.
      for (const { pk } of given) {
        const key = bytesToHex(pk);
        const topic = topics.get(key);
        if (topic !== undefined && topics.delete(key)) topics.set(key, topic);
      }
      return isOnline ? [...actions, ...subscribe(fresh)] : actions;
    },
    dropCursors: () => {
      for (const topic of topics.values()) {
        topic.cursor = null;
        topic.stored = null;
      }
    },
    subscribeAll: () => subscribe([...topics.values()]),
    audit: () =>
      subscribe(
        [...topics.values()].filter(({ live, state }) => state === "refused" || (!live && state === "current")),
      ),
    resubscribe: (given) => subscribe(given.flatMap((pk) => find(pk) ?? []).filter(({ pin }) => pin)),
    disconnected: () => {
      storing.clear();
      for (const topic of topics.values()) {
        topic.cursor = topic.stored;
        topic.state = "subscribing";
        topic.initiator = undefined;
        topic.toGet = [];
        topic.isBusy = false;
        topic.isBehind = false;
        topic.storing = undefined;
        topic.waiting = [];
      }
    },
    subscribed: (asked, answers) => {
      if (asked.length !== answers.length) return undefined;
      const actions: TopicAction[] = [];
      for (const [i, { topic: pk }] of asked.entries()) {
        const topic = find(pk);
        if (topic !== undefined) actions.push(...applyAnswer(topic, answers[i] as Subscribed));
      }
      return [...actions, ...advance()];
    },
    pulled: (pk, after, answer) => {
      const { items, more, next } = answer;
      if (next < after || (more && next === after)) return undefined;
      if (items.some(({ position }, i) => position > next || position <= (items[i - 1]?.position ?? after)))
        return undefined;
      const topic = find(pk);
      if (topic === undefined) return advance();
      topic.isBehind = topic.isBehind || more;
      if (items.length === 0 && next === after && topic.stored !== null) return settle(topic);
      const wires = items.map(({ wire }) => wire);
      return [hand(topic, wires, next, true)];
    },
    compared: (pk, payload) => {
      const topic = find(pk);
      if (topic?.initiator === undefined) return advance();
      if (payload === null) {
        // The proxy cannot compare this topic: everything is pulled instead.
        topic.initiator = undefined;
        topic.cursor = 0;
        topic.isBusy = false;
        return [...enter(topic, "pulling"), ...advance()];
      }
      const taken = topic.initiator.take(payload);
      if (!taken.ok) return undefined;
      const { have, need, next } = taken.value;
      for (const oid of need) topic.toGet.push(oid);
      const lacking: TopicAction[] = have.length === 0 ? [] : [{ type: "proxyLacks", topic: pk, oids: have }];
      if (next !== undefined) return [...lacking, question({ type: "reconcile", topic: pk, payload: next })];
      return [...lacking, ...finishComparison(topic)];
    },
    got: (pk, asked, { items, next }) => {
      const topic = find(pk);
      if (topic === undefined) return advance();
      if (next === 0 || next > asked || items.length > next) return undefined;
      topic.toGet.splice(0, next);
      const wires = items.map(({ wire }) => wire);
      if (topic.toGet.length > 0) {
        topic.isBusy = true;
        return [hand(topic, wires, null, true)];
      }
      topic.state = "pulling";
      return [hand(topic, wires, topic.target, true)];
    },
    live: ({ topic: pk, previous, position, wire }) => {
      const topic = find(pk);
      if (topic === undefined) return [];
      if (position === 0) return wire === null ? [] : [{ type: "liveReceived", topic: pk, wire }];
      if (topic.cursor !== null && position <= topic.cursor) return [];
      const isNext = wire !== null && topic.cursor !== null && previous <= topic.cursor;
      const isAsking = topic.isBusy && topic.storing === undefined;
      if (!isNext || isAsking || topic.waiting.length >= MAX_WAITING) {
        topic.isBehind = true;
        return advance();
      }
      if (topic.storing === undefined) return [hand(topic, [wire], position, false)];
      topic.waiting.push(wire);
      topic.cursor = position;
      return [];
    },
    ownStored: (pk, previous, position) => {
      const topic = find(pk);
      if (topic === undefined) return undefined;
      if (topic.cursor !== null && position <= topic.cursor) return undefined;
      if (topic.cursor === null || previous > topic.cursor || topic.isBusy || topic.storing !== undefined) {
        topic.isBehind = true;
        return undefined;
      }
      topic.cursor = position;
      topic.stored = position;
      return position;
    },
    itemsStored: (token) => {
      const topic = storing.get(token);
      storing.delete(token);
      if (topic?.storing === undefined) return [];
      const { cursor, isPage } = topic.storing;
      topic.storing = undefined;
      if (cursor !== null) topic.stored = Math.max(topic.stored ?? 0, cursor);
      const waiting = topic.waiting;
      const more = waiting.length === 0 ? [] : [hand(topic, waiting, topic.cursor, false)];
      return [...more, ...(isPage ? settle(topic) : advance())];
    },
    advance,
    failed: (pk) => {
      const topic = find(pk);
      if (topic === undefined) return advance();
      topic.isBusy = false;
      topic.initiator = undefined;
      return [...enter(topic, "refused"), ...advance()];
    },
  };
};
