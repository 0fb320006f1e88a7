import type { CryptoProvider } from "../crypto/provider.ts";
import { proxyCheck } from "../entry/item.ts";
import type { NodeId } from "../identity/node-id.ts";
import type { VerifiedDescriptor } from "../identity/verified.ts";
import { bytesEqual, bytesToHex } from "../kernel/bytes.ts";
import type { DeadlineReached, Machine } from "../kernel/machine.ts";
import { after, durationMs, earliest, type MonotonicMs } from "../kernel/time.ts";
import { createItemSet, type ItemSet, type SetItem } from "../reconcile/item-set.ts";
import { createInitiator, type Initiator, respond } from "../reconcile/reconciler.ts";
import type { TopicTag } from "../ringcast/messages.ts";
import type { ExchangeMessage } from "./messages.ts";
import { MAX_EXCHANGED_BYTES, MAX_EXCHANGED_ITEMS } from "./wire.ts";

export type ExchangeEvent =
  | { readonly type: "topicHeld"; readonly topic: TopicTag; readonly pk: Uint8Array }
  | { readonly type: "topicLeft"; readonly topic: TopicTag }
  /** Compares the topic with this peer as soon as a comparison is free. */
  | { readonly type: "compare"; readonly topic: TopicTag; readonly peer: NodeId; readonly route: Route }
  | { readonly type: "messageReceived"; readonly from: NodeId; readonly message: ExchangeMessage }
  | { readonly type: "peerUnreachable"; readonly peer: NodeId }
  /** Answers `load`; `null` when the store does not have the topic. */
  | { readonly type: "loaded"; readonly topic: TopicTag; readonly items: readonly SetItem[] | null }
  /** Answers `read`; `dealt` counts the ids dealt with. */
  | {
      readonly type: "read";
      readonly token: number;
      readonly wires: readonly Uint8Array[];
      readonly dealt: number;
    }
  | { readonly type: "stored"; readonly topic: TopicTag; readonly items: readonly SetItem[] }
  /** Items of the topic were deleted: its set is loaded again. */
  | { readonly type: "shrunk"; readonly topic: TopicTag }
  | DeadlineReached;

export type ExchangeEffect =
  | { readonly type: "send"; readonly to: NodeId; readonly route: Route; readonly message: ExchangeMessage }
  | { readonly type: "load"; readonly topic: TopicTag; readonly pk: Uint8Array }
  | {
      readonly type: "read";
      readonly token: number;
      readonly pk: Uint8Array;
      readonly oids: readonly Uint8Array[];
      readonly maxBytes: number;
    }
  /** To be checked and stored like what an edge pushes. `from` brought them. */
  | { readonly type: "store"; readonly topic: TopicTag; readonly wires: readonly Uint8Array[]; readonly from: NodeId }
  | { readonly type: "compared"; readonly topic: TopicTag; readonly peer: NodeId }
  | { readonly type: "peerViolated"; readonly peer: NodeId; readonly rule: string };

type Route = VerifiedDescriptor | undefined;

interface Held {
  readonly pk: Uint8Array;
  set: ItemSet | undefined;
  isLoading: boolean;
  /** Stored while the set is loaded: the answer may be from before. */
  added: SetItem[];
  /** Something was deleted while the set is loaded. */
  isStale: boolean;
  /** Continues once the set is there. */
  readonly waiting: ((set: ItemSet | undefined, now: MonotonicMs) => ExchangeEffect[])[];
}
interface Run {
  readonly request: number;
  readonly topic: TopicTag;
  readonly peer: NodeId;
  readonly route: Route;
  initiator: Initiator | undefined;
  /** What the initiator compares. */
  set: ItemSet | undefined;
  rounds: number;
  need: Uint8Array[];
  have: Uint8Array[];
  phase: "comparing" | "fetching" | "giving";
  deadline: MonotonicMs;
}

export interface Exchange extends Machine<ExchangeEvent, ExchangeEffect> {
  readonly open: () => number;
}

/** Comparisons this node started and that are under way. */
const MAX_RUNS = 8;
/** Questions of one peer not yet answered: it has as many comparisons of its own, each with one question at a time. */
const MAX_ASKED = MAX_RUNS;
const MAX_WANTED = 4_096;
/** Sets in memory: some 80 bytes an item, and a topic has a few hundred. */
const MAX_SETS = 64;
const ANSWER_TIMEOUT = durationMs(20_000);
/** What was fetched and is not stored was refused: quota, retired, forged. It is asked for again after this. */
const REFUSED_MS = 600_000;
/** Differences scattered over a set of 300 000 items take some 180; the next comparison finds the rest of larger ones. */
const MAX_ROUNDS = 256;
/** Ids kept in memory; the next comparison finds the rest. */
const MAX_NEEDED = 65_536;
const MAX_TRIED = 8_192;

/** Makes two holders of a topic equal by range-based set reconciliation; both sides of all its comparisons (SPEC.md). */
export const createExchange = (crypto: CryptoProvider): Exchange => {
  const topics = new Map<TopicTag, Held>();
  const runs = new Map<number, Run>();
  const wanted = new Map<string, { readonly topic: TopicTag; readonly peer: NodeId; readonly route: Route }>();
  const reads = new Map<number, (wires: readonly Uint8Array[], dealt: number, now: MonotonicMs) => ExchangeEffect[]>();
  /** Questions of each peer that are not yet answered. */
  const asked = new Map<NodeId, number>();
  /** By id: from whom it was fetched when. */
  const tried = new Map<string, Map<NodeId, MonotonicMs>>();
  let nextRequest = 1;
  let nextToken = 1;

  const send = (to: NodeId, route: Route, message: ExchangeMessage): ExchangeEffect => ({
    type: "send",
    to,
    route,
    message,
  });

  const withSet = (
    topic: TopicTag,
    held: Held,
    now: MonotonicMs,
    then: (set: ItemSet | undefined, now: MonotonicMs) => ExchangeEffect[],
  ): ExchangeEffect[] => {
    if (held.set !== undefined) {
      // The least recently used set is the first of the map.
      topics.delete(topic);
      topics.set(topic, held);
      return then(held.set, now);
    }
    held.waiting.push(then);
    if (held.isLoading) return [];
    held.isLoading = true;
    return [{ type: "load", topic, pk: held.pk }];
  };

  const evict = (): void => {
    let sets = 0;
    for (const { set } of topics.values()) if (set !== undefined) sets++;
    for (const held of topics.values()) {
      if (sets <= MAX_SETS) return;
      if (held.set === undefined) continue;
      held.set = undefined;
      sets--;
    }
  };

  const loaded = (topic: TopicTag, items: readonly SetItem[] | null, now: MonotonicMs): ExchangeEffect[] => {
    const held = topics.get(topic);
    if (held?.isLoading !== true) return [];
    if (held.isStale) {
      held.isStale = false;
      return [{ type: "load", topic, pk: held.pk }];
    }
    held.isLoading = false;
    held.set = items === null ? undefined : createItemSet(items);
    for (const item of held.added) held.set?.add(item);
    held.added = [];
    const effects = held.waiting.splice(0).flatMap((then) => then(held.set, now));
    evict();
    return effects;
  };

  const read = (
    pk: Uint8Array,
    oids: readonly Uint8Array[],
    then: (wires: readonly Uint8Array[], dealt: number, now: MonotonicMs) => ExchangeEffect[],
  ): ExchangeEffect[] => {
    const token = nextToken++;
    reads.set(token, then);
    return [{ type: "read", token, pk, oids, maxBytes: MAX_EXCHANGED_BYTES }];
  };

  const startWanted = (now: MonotonicMs): ExchangeEffect[] => {
    const effects: ExchangeEffect[] = [];
    for (const [key, { topic, peer, route }] of wanted) {
      if (runs.size >= MAX_RUNS) break;
      if ([...runs.values()].some((run) => run.peer === peer && run.topic === topic)) continue;
      wanted.delete(key);
      const held = topics.get(topic);
      if (held === undefined) continue;
      const request = nextRequest++ % 2 ** 32;
      const deadline = after(now, ANSWER_TIMEOUT);
      const run: Run = {
        request,
        topic,
        peer,
        route,
        initiator: undefined,
        set: undefined,
        rounds: 0,
        need: [],
        have: [],
        phase: "comparing",
        deadline,
      };
      runs.set(request, run);
      effects.push(
        ...withSet(topic, held, now, (set) => {
          if (set === undefined) {
            runs.delete(request);
            return [];
          }
          run.set = set;
          run.initiator = createInitiator({ crypto, set });
          return [send(peer, route, { type: "compare", request, topic, payload: run.initiator.start() })];
        }),
      );
    }
    return effects;
  };

  const finish = (run: Run, now: MonotonicMs): ExchangeEffect[] => {
    runs.delete(run.request);
    return [{ type: "compared", topic: run.topic, peer: run.peer }, ...startWanted(now)];
  };

  /** Of each peer apart: what one gave in vain or claims to have, another one may give. */
  const isRefusedHere = (oid: Uint8Array, from: NodeId, now: MonotonicMs): boolean =>
    now - (tried.get(bytesToHex(oid))?.get(from) ?? -REFUSED_MS) < REFUSED_MS;
  const noteTried = (oids: readonly Uint8Array[], from: NodeId, now: MonotonicMs): void => {
    for (const oid of oids) {
      const key = bytesToHex(oid);
      const times = tried.get(key) ?? new Map<NodeId, MonotonicMs>();
      tried.delete(key);
      tried.set(key, times.set(from, now));
    }
    for (const oldest of tried.keys()) {
      if (tried.size <= MAX_TRIED) break;
      tried.delete(oldest);
    }
  };

  const proceed = (run: Run, now: MonotonicMs): ExchangeEffect[] => {
    const { request, topic, peer, route } = run;
    const held = topics.get(topic);
    if (held === undefined) return finish(run, now);
    run.deadline = after(now, ANSWER_TIMEOUT);
    if (run.need.length > 0) {
      run.phase = "fetching";
      const oids = run.need.slice(0, MAX_EXCHANGED_ITEMS);
      return [send(peer, route, { type: "fetch", request, topic, oids })];
    }
    if (run.have.length === 0) return finish(run, now);
    run.phase = "giving";
    const oids = run.have.slice(0, MAX_EXCHANGED_ITEMS);
    return read(held.pk, oids, (wires, dealt, later) => {
      if (!runs.has(request) || dealt === 0) return runs.has(request) ? finish(run, later) : [];
      run.have.splice(0, dealt);
      if (wires.length === 0) return proceed(run, later);
      return [send(peer, route, { type: "give", request, topic, wires })];
    });
  };

  /** A wire of another topic, without its signature or none at all is the sender's fault. */
  const take = (topic: TopicTag, held: Held, wires: readonly Uint8Array[], from: NodeId, now: MonotonicMs) => {
    const oids: Uint8Array[] = [];
    for (const wire of wires) {
      const item = proxyCheck(crypto, wire);
      if (!item.ok || !bytesEqual(item.value.topicPk, held.pk)) return undefined;
      oids.push(item.value.oid);
    }
    noteTried(oids, from, now);
    const stored: ExchangeEffect[] = wires.length === 0 ? [] : [{ type: "store", topic, wires, from }];
    return stored;
  };

  const answered = (
    from: NodeId,
    message: Extract<ExchangeMessage, { readonly type: "compared" | "refused" | "items" | "taken" }>,
    now: MonotonicMs,
  ): ExchangeEffect[] => {
    const run = runs.get(message.request);
    // Late answers of a run given up are no fault.
    if (run?.peer !== from) return [];
    const violated = (): ExchangeEffect[] => {
      runs.delete(run.request);
      return [{ type: "peerViolated", peer: from, rule: "COR-9" }, ...startWanted(now)];
    };
    const held = topics.get(run.topic);
    if (held === undefined || message.type === "refused") return finish(run, now);
    switch (message.type) {
      case "compared": {
        if (run.phase !== "comparing" || run.initiator === undefined || message.topic !== run.topic) return violated();
        run.rounds++;
        const taken = run.initiator.take(message.payload);
        if (!taken.ok) return violated();
        const { have, need, next } = taken.value;
        for (const oid of have) run.have.push(oid);
        // Each of its own items was listed once at most, unless the peer had the same range listed again.
        if (run.have.length > (run.set?.size() ?? 0)) return violated();
        // A copy, not a view that keeps the message in memory.
        for (const oid of need)
          if (run.need.length < MAX_NEEDED && !isRefusedHere(oid, from, now)) run.need.push(oid.slice());
        if (next === undefined || run.rounds >= MAX_ROUNDS || run.need.length >= MAX_NEEDED) return proceed(run, now);
        run.deadline = after(now, ANSWER_TIMEOUT);
        const { request, topic, route } = run;
        return [send(from, route, { type: "compare", request, topic, payload: next })];
      }
      case "items": {
        if (run.phase !== "fetching" || message.dealt === 0 || message.dealt > run.need.length) return violated();
        noteTried(run.need.splice(0, message.dealt), from, now);
        const stored = take(run.topic, held, message.wires, from, now);
        return stored === undefined ? violated() : [...stored, ...proceed(run, now)];
      }
      case "taken":
        return run.phase === "giving" ? proceed(run, now) : violated();
    }
  };

  const received = (from: NodeId, message: ExchangeMessage, now: MonotonicMs): ExchangeEffect[] => {
    if (message.type === "changed" || !("topic" in message) || message.type === "compared")
      return message.type === "changed" ? [] : answered(from, message, now);
    const { request, topic } = message;
    const refused = { type: "refused", request } as const;
    const refusal = send(from, undefined, refused);
    const held = topics.get(topic);
    if (held === undefined || (asked.get(from) ?? 0) >= MAX_ASKED) return [refusal];
    asked.set(from, (asked.get(from) ?? 0) + 1);
    const answer = (reply: ExchangeMessage): ExchangeEffect[] => {
      const left = (asked.get(from) ?? 1) - 1;
      if (left === 0) asked.delete(from);
      else asked.set(from, left);
      return [send(from, undefined, reply)];
    };
    switch (message.type) {
      case "compare":
        return withSet(topic, held, now, (set) => {
          const response = set === undefined ? undefined : respond({ crypto, set }, message.payload);
          return answer(
            response?.ok === true ? { type: "compared", request, topic, payload: response.value } : refused,
          );
        });
      case "fetch":
        return read(held.pk, message.oids, (wires, dealt) =>
          answer(dealt === 0 ? refused : { type: "items", request, dealt, wires }),
        );
      case "give": {
        const stored = take(topic, held, message.wires, from, now);
        const taken = answer({ type: "taken", request });
        return stored === undefined ? [{ type: "peerViolated", peer: from, rule: "COR-9" }] : [...stored, ...taken];
      }
    }
  };

  const drop = (isDropped: (run: Run) => boolean, now: MonotonicMs): ExchangeEffect[] => {
    for (const run of runs.values()) if (isDropped(run)) runs.delete(run.request);
    return startWanted(now);
  };

  return {
    open: () => runs.size,
    nextDeadline: () => earliest([...runs.values()].map(({ deadline }) => deadline)),
    handle: (event, now) => {
      switch (event.type) {
        case "topicHeld":
          if (!topics.has(event.topic))
            topics.set(event.topic, {
              pk: event.pk,
              set: undefined,
              isLoading: false,
              added: [],
              isStale: false,
              waiting: [],
            });
          return [];
        case "topicLeft": {
          const waiting = topics.get(event.topic)?.waiting.splice(0) ?? [];
          topics.delete(event.topic);
          return [
            ...waiting.flatMap((then) => then(undefined, now)),
            ...drop(({ topic }) => topic === event.topic, now),
          ];
        }
        case "compare": {
          const { topic, peer, route } = event;
          if (wanted.size < MAX_WANTED) wanted.set(`${topic} ${peer}`, { topic, peer, route });
          return startWanted(now);
        }
        case "messageReceived":
          return received(event.from, event.message, now);
        case "peerUnreachable":
          for (const [key, { peer }] of wanted) if (peer === event.peer) wanted.delete(key);
          return drop(({ peer }) => peer === event.peer, now);
        case "loaded":
          return loaded(event.topic, event.items, now);
        case "read": {
          const then = reads.get(event.token);
          reads.delete(event.token);
          return then?.(event.wires, event.dealt, now) ?? [];
        }
        case "stored": {
          const held = topics.get(event.topic);
          for (const item of event.items) {
            held?.set?.add(item);
            if (held?.isLoading === true) held.added.push(item);
            tried.delete(bytesToHex(item.id));
          }
          return [];
        }
        case "shrunk": {
          const held = topics.get(event.topic);
          if (held === undefined) return [];
          held.set = undefined;
          held.isStale = held.isLoading;
          held.added = [];
          return [];
        }
        case "deadlineReached":
          return drop(({ deadline }) => deadline <= now, now);
      }
    },
  };
};
