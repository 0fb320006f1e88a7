import { bytesEqual, bytesToHex } from "../kernel/bytes.ts";
import { exhaustive } from "../kernel/assert.ts";
import type { Machine } from "../kernel/machine.ts";
import { randomUnit } from "../kernel/random.ts";
import type { DurationMs, MonotonicMs } from "../kernel/time.ts";
import { after, durationMs, earliest } from "../kernel/time.ts";
import type {
  OutboxItem,
  OutboxResult,
  ProxyClientConfig,
  ProxyClientDeps,
  ProxyClientEffect,
  ProxyClientEvent,
  ProxyClientState,
  ProxyQuestion,
} from "./client-events.ts";
import { takeVersion, type VersionRefused } from "../kernel/versions.ts";
import type { ProxyAnswer, ProxyMessage, ProxyPushResult, Welcome } from "./messages.ts";
import { ERROR_CODE, PROXY_VERSIONS, PUSH_STATUS } from "./messages.ts";
import { createTopicSync, type TopicAction, type TopicQuestion } from "./topic-sync.ts";
import { MAX_PUSH_ITEMS } from "./wire.ts";

type Pending = { readonly deadline: MonotonicMs } & (
  | { readonly kind: "topics"; readonly question: TopicQuestion }
  | { readonly kind: "push"; readonly items: readonly OutboxItem[] }
  | { readonly kind: "ask"; readonly token: number; readonly question: ProxyQuestion }
);

/** `closing`: hung up, the host has not yet said that the link is gone. */
type Phase = "stopped" | "waiting" | "dialling" | "greeting" | "noAccount" | "online" | "closing";

/** A proxy that stores a full page on a slow disk answers well within this; our choice. */
const ANSWER_TIMEOUT = durationMs(60_000);
/** A proxy answers at most 32 questions at once (PRX-3): these and one push stay below that. */
const MAX_OPEN_ASKS = 15;
const MAX_OPEN_ABOUT_TOPICS = 15;
/** Bytes of one push: what a home uplink of 10 Mbit/s takes in a second or less. */
const PUSH_BYTES = 1_048_576;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 300_000;
const PAUSE_JITTER = 0.3;
/** A topic above its rate has room for another hundred items by then. */
const RATE_PAUSE = durationMs(5_000);
/** Quotas change when somebody acts. */
const REFUSED_PAUSE = durationMs(600_000);
/** Data formats, section 9.2: other proxies are audited by cursor every hour. */
const AUDIT_MS = 3_600_000;

/** One identity's side of one proxy: dials, catches up, follows, empties the outbox (SPEC.md). */
export const createProxyClient = (
  deps: ProxyClientDeps,
  config: ProxyClientConfig,
): Machine<ProxyClientEvent, ProxyClientEffect> => {
  const { crypto, random, source } = deps;
  const topics = createTopicSync(crypto, source);
  const pending = new Map<number, Pending>();
  /** Questions that wait until others are answered. */
  const aboutTopics: TopicQuestion[] = [];
  const asks: { readonly token: number; readonly question: ProxyQuestion }[] = [];
  /** Topics whose outbox waits, and until when. */
  const held = new Map<string, MonotonicMs>();
  let phase: Phase = "stopped";
  let incarnation = config.incarnation;
  let failures = 0;
  let nextRequest = 1;
  let retryAt: MonotonicMs | undefined;
  let greetedBy: MonotonicMs | undefined;
  let auditAt: MonotonicMs | undefined;
  /** The host has changed its outbox since it was read last. */
  let hasOutbox = true;
  let mayDial = false;
  topics.change(config.topics, false);

  const stateOf = (): ProxyClientState => {
    if (phase === "online" || phase === "noAccount") return phase;
    return phase === "dialling" || phase === "greeting" ? "connecting" : "offline";
  };

  const enter = (next: Phase): ProxyClientEffect[] => {
    const before = stateOf();
    phase = next;
    return stateOf() === before ? [] : [{ type: "stateChanged", state: stateOf(), failures }];
  };

  const pause = (): DurationMs => {
    const base = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 16));
    return durationMs(Math.round(base * (1 - PAUSE_JITTER + 2 * PAUSE_JITTER * randomUnit(random))));
  };

  const send = (message: ProxyMessage, urgent = false): ProxyClientEffect => ({ type: "send", message, urgent });

  const countOpen = (wanted: Pending["kind"]): number => {
    let count = 0;
    for (const { kind } of pending.values()) if (kind === wanted) count++;
    return count;
  };

  const askAboutTopics = (now: MonotonicMs): ProxyClientEffect[] => {
    const effects: ProxyClientEffect[] = [];
    let room = MAX_OPEN_ABOUT_TOPICS - countOpen("topics");
    while (room-- > 0) {
      const question = aboutTopics.shift();
      if (question === undefined) break;
      const request = nextRequest++;
      pending.set(request, { kind: "topics", question, deadline: after(now, ANSWER_TIMEOUT) });
      effects.push(send({ ...question, request }));
    }
    return effects;
  };

  const carryOut = (actions: readonly TopicAction[], now: MonotonicMs): ProxyClientEffect[] => {
    const effects: ProxyClientEffect[] = [];
    for (const action of actions)
      if (action.type === "question") aboutTopics.push(action.question);
      else effects.push(action);
    return [...effects, ...askAboutTopics(now)];
  };

  const sendAsks = (now: MonotonicMs): ProxyClientEffect[] => {
    const effects: ProxyClientEffect[] = [];
    let room = MAX_OPEN_ASKS - countOpen("ask");
    while (room-- > 0) {
      const next = asks.shift();
      if (next === undefined) break;
      const request = nextRequest++;
      pending.set(request, { kind: "ask", ...next, deadline: after(now, ANSWER_TIMEOUT) });
      effects.push(send({ ...next.question, request }));
    }
    return effects;
  };

  const push = (now: MonotonicMs): ProxyClientEffect[] => {
    if (phase !== "online" || !hasOutbox || countOpen("push") > 0) return [];
    const items = source.outbox(MAX_PUSH_ITEMS, PUSH_BYTES, new Set(held.keys()));
    hasOutbox = false;
    if (items.length === 0) return [];
    const request = nextRequest++;
    pending.set(request, { kind: "push", items, deadline: after(now, ANSWER_TIMEOUT) });
    return [send({ type: "push", request, wires: items.map(({ wire }) => wire) })];
  };

  const dropSession = (): ProxyClientEffect[] => {
    const lost = [...pending.values()].flatMap((each) => (each.kind === "ask" ? [each.token] : []));
    lost.push(...asks.map(({ token }) => token));
    pending.clear();
    asks.length = 0;
    aboutTopics.length = 0;
    greetedBy = undefined;
    auditAt = undefined;
    topics.disconnected();
    return lost.map((token) => ({ type: "answered", token, answer: null }));
  };

  const dial = (): ProxyClientEffect[] => {
    retryAt = undefined;
    return [...enter("dialling"), { type: "dial" }];
  };

  /** Ends the session; the pause before the next one begins when the host says that the link is closed. */
  const hangUp = (): ProxyClientEffect[] => [...dropSession(), ...enter("closing"), { type: "hangUp" }];
  const violated = (rule: string): ProxyClientEffect[] => [{ type: "proxyViolated", rule }, ...hangUp()];

  const versionRefused = (toUpdate: VersionRefused["toUpdate"]): ProxyClientEffect[] => [
    { type: "versionRefused", toUpdate },
    ...hangUp(),
  ];

  const goOnline = (now: MonotonicMs): ProxyClientEffect[] => {
    auditAt = after(now, durationMs(Math.round(AUDIT_MS * (0.8 + 0.4 * randomUnit(random)))));
    hasOutbox = true;
    held.clear();
    return [...enter("online"), ...carryOut(topics.subscribeAll(), now), ...push(now)];
  };

  const welcome = (message: Welcome, now: MonotonicMs): ProxyClientEffect[] => {
    if (phase !== "greeting") return violated("PRX-2");
    const version = takeVersion(PROXY_VERSIONS, message.version);
    if (!version.ok) return versionRefused(version.error.toUpdate);
    greetedBy = undefined;
    failures = 0;
    const effects: ProxyClientEffect[] = [{ type: "limitsChanged", limits: message.limits }];
    if (incarnation === null || !bytesEqual(incarnation, message.incarnation)) {
      incarnation = message.incarnation.slice();
      topics.dropCursors();
      effects.push({ type: "incarnationChanged", incarnation });
    }
    const isAdmitted = message.hasAccount || config.isGuest === true;
    return [...effects, ...(isAdmitted ? goOnline(now) : enter("noAccount"))];
  };

  const pushed = (
    items: readonly OutboxItem[],
    results: readonly ProxyPushResult[],
    now: MonotonicMs,
  ): ProxyClientEffect[] => {
    if (results.length !== items.length) return violated("PRX-9");
    const outcome: OutboxResult[] = [];
    const cursors = new Map<string, { readonly topic: Uint8Array; readonly cursor: number }>();
    const unpinned = new Map<string, Uint8Array>();
    for (const [i, { oid, topic }] of items.entries()) {
      const { oid: named, status, position, previous } = results[i] as ProxyPushResult;
      // What the proxy could not read has no id.
      const isUnread =
        (status === PUSH_STATUS.bad || status === PUSH_STATUS.tooBig) && named.every((byte) => byte === 0);
      if (!isUnread && !bytesEqual(named, oid)) return violated("PRX-9");
      outcome.push({ oid, topic, status });
      const name = bytesToHex(topic);
      if (status === PUSH_STATUS.stored) {
        const cursor = topics.ownStored(topic, previous, position);
        if (cursor !== undefined) cursors.set(name, { topic, cursor });
      } else if (status === PUSH_STATUS.rate) held.set(name, after(now, RATE_PAUSE));
      else if (status === PUSH_STATUS.quota || status === PUSH_STATUS.notPinned) {
        held.set(name, after(now, REFUSED_PAUSE));
        if (status === PUSH_STATUS.notPinned) unpinned.set(name, topic);
      }
    }
    const repinned = topics.resubscribe([...unpinned.values()]);
    return [
      { type: "pushed", results: outcome, cursors: [...cursors.values()] },
      ...carryOut([...repinned, ...topics.advance()], now),
      ...push(now),
    ];
  };

  const answered = (answer: ProxyAnswer & { readonly request: number }, now: MonotonicMs): ProxyClientEffect[] => {
    const entry = pending.get(answer.request);
    if (entry === undefined) return violated("PRX-3");
    pending.delete(answer.request);
    if (entry.kind === "ask") {
      const effects: ProxyClientEffect[] = [{ type: "answered", token: entry.token, answer }, ...sendAsks(now)];
      const isRedeemed = entry.question.type === "redeem" && answer.type === "account";
      return isRedeemed && phase === "noAccount" ? [...effects, ...goOnline(now)] : effects;
    }
    if (entry.kind === "push") {
      if (answer.type === "pushed") return pushed(entry.items, answer.results, now);
      return answer.type === "error" ? hangUp() : violated("PRX-3");
    }
    const { question } = entry;
    if (answer.type === "error") {
      if (answer.code !== ERROR_CODE.unknownTopic || !("topic" in question)) return hangUp();
      return carryOut(topics.failed(question.topic), now);
    }
    const actions = topicsAnswered(question, answer);
    return actions === undefined ? violated("PRX-3") : carryOut(actions, now);
  };

  const topicsAnswered = (question: TopicQuestion, answer: ProxyAnswer): TopicAction[] | undefined => {
    switch (question.type) {
      case "subscribe":
        return answer.type === "subscribed" ? topics.subscribed(question.topics, answer.topics) : undefined;
      case "unsubscribe":
        return answer.type === "done" ? [] : undefined;
      case "pull":
        return answer.type === "items" ? topics.pulled(question.topic, question.after, answer) : undefined;
      case "reconcile":
        return answer.type === "reconciled" ? topics.compared(question.topic, answer.payload) : undefined;
      case "get":
        return answer.type === "items" ? topics.got(question.topic, question.oids.length, answer) : undefined;
      default:
        return exhaustive(question);
    }
  };

  const received = (message: ProxyMessage, now: MonotonicMs): ProxyClientEffect[] => {
    if (phase !== "greeting" && phase !== "noAccount" && phase !== "online") return [];
    switch (message.type) {
      case "welcome":
        return welcome(message, now);
      case "live":
        return phase === "online" ? carryOut(topics.live(message), now) : violated("PRX-2");
      case "subscribed":
      case "items":
      case "pushed":
      case "reconciled":
      case "done":
      case "blobsPresent":
      case "blob":
      case "account":
      case "stats":
      case "pong":
        return answered(message, now);
      case "error":
        if (message.request !== 0) return answered(message, now);
        return message.code === ERROR_CODE.version ? versionRefused("us") : hangUp();
      default:
        return violated("PRX-2");
    }
  };

  const linkClosed = (now: MonotonicMs): ProxyClientEffect[] => {
    if (phase === "stopped" || phase === "waiting") return [];
    const lost = dropSession();
    if (!mayDial) return [...lost, ...enter("stopped")];
    failures++;
    retryAt = after(now, pause());
    // Told even when it stays offline: the number of failures is new.
    phase = "waiting";
    return [...lost, { type: "stateChanged", state: "offline", failures }];
  };

  const deadlineReached = (now: MonotonicMs): ProxyClientEffect[] => {
    if (phase === "waiting" && retryAt !== undefined && now >= retryAt) return dial();
    if (greetedBy !== undefined && now >= greetedBy) return hangUp();
    for (const { deadline } of pending.values()) if (now >= deadline) return hangUp();
    for (const [name, until] of held)
      if (now >= until) {
        held.delete(name);
        hasOutbox = true;
      }
    const effects = push(now);
    if (auditAt === undefined || now < auditAt) return effects;
    auditAt = after(now, durationMs(AUDIT_MS));
    return [...effects, ...carryOut(topics.audit(), now)];
  };

  const handle = (event: ProxyClientEvent, now: MonotonicMs): readonly ProxyClientEffect[] => {
    switch (event.type) {
      case "started":
        mayDial = true;
        failures = 0;
        return phase === "stopped" || phase === "waiting" ? dial() : [];
      case "stopped":
        mayDial = false;
        retryAt = undefined;
        if (phase === "waiting") return enter("stopped");
        return phase === "stopped" || phase === "closing" ? [] : hangUp();
      case "linkOpened":
        if (phase !== "dialling") return [];
        greetedBy = after(now, ANSWER_TIMEOUT);
        return [...enter("greeting"), send({ type: "hello", version: PROXY_VERSIONS.newest, features: 0 }, true)];
      case "linkClosed":
        return linkClosed(now);
      case "messageReceived":
        return received(event.message, now);
      case "topicsChanged":
        return carryOut(topics.change(event.topics, phase === "online"), now);
      case "outboxChanged":
        hasOutbox = true;
        return push(now);
      case "itemsStored":
        if (phase !== "online") return [];
        return event.stored ? carryOut(topics.itemsStored(event.token), now) : hangUp();
      case "sendLive": {
        const { topic, wire } = event;
        return phase === "online" ? [send({ type: "live", topic, previous: 0, position: 0, wire }, true)] : [];
      }
      case "ask":
        if (phase !== "online" && phase !== "noAccount")
          return [{ type: "answered", token: event.token, answer: null }];
        asks.push({ token: event.token, question: event.question });
        return sendAsks(now);
      case "deadlineReached":
        return deadlineReached(now);
      default:
        return exhaustive(event);
    }
  };

  return {
    handle,
    nextDeadline: () =>
      earliest([
        retryAt,
        greetedBy,
        auditAt,
        ...(phase === "online" ? held.values() : []),
        ...[...pending.values()].map(({ deadline }) => deadline),
      ]),
  };
};
