import type { Clock } from "../ports/clock.ts";
import type { LinkError, Links } from "../ports/links.ts";
import type { Log } from "../ports/log.ts";
import type { ProxyRow } from "../ports/proxy-store.ts";
import type { Store, StoreError, TopicRow } from "../ports/store.ts";
import type { RepositoryService } from "../repositories/repository-service.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import { proxyCheck } from "../../protocol/entry/item.ts";
import { versionWords } from "../peers/version-words.ts";
import { exhaustive } from "../../protocol/kernel/assert.ts";
import { bytesEqual, bytesToHex, hexToBytes } from "../../protocol/kernel/bytes.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import { randomBelow } from "../../protocol/kernel/random.ts";
import { after, durationMs } from "../../protocol/kernel/time.ts";
import { createProxyClient } from "../../protocol/proxy/client.ts";
import type {
  ProxyClientEffect,
  ProxyClientEvent,
  ProxyClientState,
  ProxyQuestion,
  ProxyTopic,
  ProxyTopicState,
} from "../../protocol/proxy/client-events.ts";
import type { ProxyAnswer, RelayContact } from "../../protocol/proxy/messages.ts";
import { PUSH_STATUS } from "../../protocol/proxy/messages.ts";
import { MAX_TOPICS_PER_MESSAGE } from "../../protocol/proxy/wire.ts";
import type { ItemSet } from "../../protocol/reconcile/item-set.ts";
import type { ChunkTransfer } from "./chunk-transfer.ts";
import { createChunkTransfer } from "./chunk-transfer.ts";
import { createProxyConnection } from "./proxy-connection.ts";
import { createRelayDelegation } from "./relay-delegation.ts";

/** What became of a connection to a proxy so far. */
export interface ProxyProgress {
  readonly state: ProxyClientState;
  /** Attempts to connect in a row that failed. */
  readonly failures: number;
  /** Why it is not online, as a sentence; "" when there is nothing to say. */
  readonly reason: string;
  /** Why the last attempt to connect failed. */
  readonly fault: LinkError["type"] | undefined;
  /** Topics that are not up to date. */
  readonly behind: number;
  /** Something waits to be sent, besides what rests. */
  readonly isOwing: boolean;
  /** Chunks of files are being sent. */
  readonly isUploading: boolean;
  /** Something was not taken for want of space. */
  readonly isFull: boolean;
  /** The code was refused. */
  readonly isCodeBad: boolean;
}

/** One proxy of this identity: connection, cursors and outbox. */
export interface ProxySession {
  readonly n: number;
  readonly start: () => void;
  readonly progress: () => ProxyProgress;
  /**
   * Follows these topics, the first ones first, and no others. What is followed no more is forgotten at the proxy, except for
   * what rests: nothing of it travels, and the proxy keeps it.
   */
  readonly follow: (topics: readonly TopicRow[], resting: readonly TopicRow[]) => void;
  /** An item was stored; `source` is where it came from, undefined for an own one. */
  readonly stored: (source: object | undefined) => void;
  /** A new code is there to be redeemed. */
  readonly redeem: () => void;
  /** The answer, or null when the session ended before. */
  readonly ask: (question: ProxyQuestion) => Promise<ProxyAnswer | null>;
  /** Gives topics up at the proxy, which deletes what nobody else keeps there; settles when it has answered. */
  readonly forget: (topics: readonly Uint8Array[]) => Promise<unknown>;
  /** Whether chunks of this repository can be asked for here. */
  readonly hasChunksOf: (repository: number) => boolean;
  readonly fetchChunk: ChunkTransfer["fetch"];
  /** Chunks came to this device. */
  readonly chunksChanged: () => void;
  readonly owesChunks: (repository: number) => boolean;
  /** Settles when the proxy has every own item, or does not answer. */
  readonly drained: () => Promise<void>;
  readonly wake: () => void;
  readonly stop: () => void;
}

/** data.md section 9.4: 0 to 1 s on top of the batching of edits. */
const OWN_DELAY_MS = 1_000;
/** Items of others have mostly reached the proxy by themselves before: whoever made them pushes them there too. */
const LEARNED_DELAY_MS = 3_000;
const LEARNED_SPREAD_MS = 5_000;
/** Chunks that came are offered together; also what a proxy needs to learn of the topics it keeps them under. */
const CHUNK_DELAY = durationMs(1_000);
/** Topics come up to date together. */
const RELAY_DELAY = durationMs(500);
/** How often the space used is asked for while it grows. */
const USAGE_DELAY = durationMs(10_000);
/** How often the time of the last answer is written down. */
const CONTACT_MS = 60_000;

export const createProxySession = (
  deps: {
    readonly store: Store;
    readonly links: Links;
    readonly crypto: CryptoProvider;
    readonly random: RandomSource;
    readonly clock: Clock;
    readonly log: Log;
    readonly repositories: RepositoryService;
    readonly itemSet: (topic: Uint8Array) => ItemSet;
    readonly readChunk: (repository: number, id: Uint8Array) => Promise<Uint8Array | null>;
    readonly chunkSourcesChanged: () => void;
    /** Other proxies at which the topic is followed. */
    readonly relayContacts: (topic: Uint8Array) => readonly RelayContact[];
    readonly changed: () => void;
    readonly fault: (error: StoreError) => void;
  },
  given: ProxyRow,
): ProxySession => {
  const { store, links, crypto, random, clock, log, repositories } = deps;
  const { n, staticKey, kind } = given;
  let wanted = new Set<string>();
  let resting: readonly TopicRow[] = [];
  let isStopped = false;
  let state: ProxyClientState = "offline";
  let failures = 0;
  /** Topics the proxy has no room for. */
  const refused = new Set<string>();
  let isPushRefused = false;
  let isCodeBad = false;
  let contactAt = 0;
  /** Topics that are up to date, or refused. */
  const settled = new Set<string>();
  let learnedFrom = clock.monotonic();
  let learnedTimer: (() => void) | undefined;
  let ownTimer: (() => void) | undefined;
  let usageTimer: (() => void) | undefined;
  let chunkTimer: (() => void) | undefined;
  let relayTimer: (() => void) | undefined;
  let timer: (() => void) | undefined;
  /** Replaced when a page could not be stored or the positions mean something else: what was handed over before sets no cursor. */
  let trusted = {};
  const questions = new Map<number, (answer: ProxyAnswer | null) => void>();
  let nextQuestion = 1;
  const draining: (() => void)[] = [];

  const write = (work: () => void): boolean => {
    const written = store.transaction(work);
    if (!written.ok) deps.fault(written.error);
    return written.ok;
  };

  /** What the machine follows: the wanted topics with their cursors. */
  const followed = (): readonly ProxyTopic[] => {
    const known = new Map(store.proxies.topics(n).map((topic) => [bytesToHex(topic.pk), topic]));
    return [...wanted].flatMap((topic) => {
      const { pk, cursor } = known.get(topic) ?? { pk: undefined, cursor: null };
      return pk === undefined ? [] : { pk, cursor, live: true, pin: kind === "own" };
    });
  };
  const isGone = (pk: Uint8Array): boolean =>
    !wanted.has(bytesToHex(pk)) && !resting.some((topic) => bytesEqual(topic.pk, pk));
  const restingRows = (): readonly number[] => resting.map((topic) => topic.n);
  const owesOwn = (): boolean =>
    store.proxies.owed(n, { learned: false, limit: 1, bytes: 0, without: restingRows() }).length > 0;

  const machine = createProxyClient(
    {
      crypto,
      random: random.fork("client"),
      source: {
        outbox: (limit, bytes, held) => {
          const without = [...held].flatMap((hex) => {
            const pk = hexToBytes(hex);
            return (pk === undefined ? undefined : repositories.topicByPk(pk)?.n) ?? [];
          });
          const learned = clock.monotonic() >= learnedFrom;
          return store.proxies
            .owed(n, { learned, limit, bytes, without: [...without, ...restingRows()] })
            .map(({ oid, topicPk, wire }) => ({ oid, topic: topicPk, wire }));
        },
        itemSet: deps.itemSet,
      },
    },
    { incarnation: given.incarnation, topics: [], isGuest: kind === "guest" },
  );

  const events: ProxyClientEvent[] = [];
  let isRunning = false;
  /** What an effect brings about waits until all effects of the event before it are carried out. */
  const dispatch = (event: ProxyClientEvent): void => {
    events.push(event);
    if (isRunning) return;
    isRunning = true;
    try {
      for (let next = events.shift(); next !== undefined; next = events.shift())
        for (const effect of machine.handle(next, clock.monotonic())) run(effect);
    } finally {
      isRunning = false;
    }
    timer?.();
    timer = undefined;
    const deadline = machine.nextDeadline();
    if (deadline !== undefined)
      timer = clock.after(durationMs(Math.max(0, deadline - clock.monotonic())), () =>
        dispatch({ type: "deadlineReached" }),
      );
  };

  const connection = createProxyConnection(
    {
      store,
      links,
      account: crypto.dhKeyPair(given.accountKey),
      opened: () => dispatch({ type: "linkOpened" }),
      received: (message) => dispatch({ type: "messageReceived", message }),
      closed: () => dispatch({ type: "linkClosed" }),
      write,
    },
    given,
  );

  const run = (effect: ProxyClientEffect): void => {
    switch (effect.type) {
      case "dial":
        connection.dial();
        return;
      case "hangUp":
        connection.hangUp();
        return;
      case "send":
        connection.send(effect.message, effect.urgent ? "urgent" : "bulk");
        return;
      case "stateChanged":
        onState(effect.state, effect.failures);
        return;
      case "limitsChanged": {
        const { used, quota } = effect.limits;
        write(() => store.proxies.setContact(n, clock.unix(), { used, quota }));
        deps.changed();
        return;
      }
      case "incarnationChanged":
        trusted = {};
        write(() => store.proxies.reset(n, effect.incarnation));
        // The machine has looked into the outbox before this filled it.
        dispatch({ type: "outboxChanged" });
        return;
      case "itemsReceived":
        take(effect);
        return;
      case "liveReceived":
        // Carets and unsealed keystrokes are sent to connected devices only: their replay protection needs both sides.
        return;
      case "pushed":
        onPushed(effect);
        return;
      case "proxyLacks":
        onLack(effect.oids);
        return;
      case "topicStateChanged":
        onTopic(bytesToHex(effect.topic), effect.state);
        return;
      case "answered": {
        const settle = questions.get(effect.token);
        questions.delete(effect.token);
        settle?.(effect.answer);
        return;
      }
      case "proxyViolated":
        log.info("proxy broke a rule", { rule: effect.rule });
        connection.blame(`The always-on node broke rule ${effect.rule} of the protocol.`);
        return;
      case "versionRefused":
        log.info("no version in common with a proxy", { toUpdate: effect.toUpdate });
        connection.blame(versionWords(effect));
        return;
      default:
        exhaustive(effect);
    }
  };

  const onState = (next: ProxyClientState, failed: number): void => {
    state = next;
    failures = failed;
    if (next === "online") {
      isCodeBad = false;
      connection.preferAddress();
      touch();
      forgetGone();
      askUsage();
      uploadSoon();
    } else {
      settled.clear();
      refused.clear();
      settleDrained();
    }
    if (next === "noAccount") redeem();
    deps.chunkSourcesChanged();
    deps.changed();
  };

  const touch = (): void => {
    const now = clock.unix();
    if (now - contactAt < CONTACT_MS) return;
    contactAt = now;
    write(() => store.proxies.setContact(n, now, undefined));
  };

  const askUsage = (): void => {
    if (kind === "guest") return;
    void ask({ type: "stat" }).then((answer) => {
      if (answer?.type !== "stats") return;
      write(() => store.proxies.setContact(n, clock.unix(), { used: answer.used, quota: answer.quota }));
      deps.changed();
    });
  };
  const askUsageSoon = (): void => {
    usageTimer ??= clock.after(USAGE_DELAY, () => {
      usageTimer = undefined;
      askUsage();
    });
  };

  const onTopic = (topic: string, next: ProxyTopicState): void => {
    if (next === "current" || next === "refused") settled.add(topic);
    else settled.delete(topic);
    if (next === "refused") refused.add(topic);
    else refused.delete(topic);
    if (next === "current") {
      touch();
      delegateSoon();
    }
    deps.changed();
  };

  const take = ({ token, topic: pk, wires, cursor }: Extract<ProxyClientEffect, { type: "itemsReceived" }>): void => {
    const topic = repositories.topicByPk(pk);
    if (topic === undefined) {
      dispatch({ type: "itemsStored", token, stored: true });
      return;
    }
    const handed = trusted;
    const source = session;
    repositories.ingest(
      topic,
      wires,
      {
        source,
        isAcknowledged: false,
        covered: (results) => {
          const held = results.filter(({ status }) => status === 0 || status === 1).map(({ oid }) => oid);
          store.proxies.acknowledge(n, held);
          if (cursor !== null && handed === trusted) store.proxies.setCursor(n, pk, cursor);
        },
      },
      (results) => {
        const stored = results.every(({ status }) => status !== 4);
        if (!stored) trusted = {};
        if (results.some(({ status }) => status === 2)) countBad(topic, wires);
        dispatch({ type: "itemsStored", token, stored });
        deps.changed();
      },
    );
  };

  /** Only what anybody can see to be wrong is the proxy's fault; the rest is its author's. */
  const countBad = ({ pk }: TopicRow, wires: readonly Uint8Array[]): void => {
    const bad = wires.filter((wire) => {
      const item = proxyCheck(crypto, wire);
      return !item.ok || !bytesEqual(item.value.topicPk, pk);
    }).length;
    if (bad === 0) return;
    log.warn("proxy handed out broken items", { count: bad });
    write(() => store.proxies.addBadItems(n, bad));
  };

  const onPushed = ({ results, cursors }: Extract<ProxyClientEffect, { type: "pushed" }>): void => {
    const held: Uint8Array[] = [];
    const dead: (typeof results)[number][] = [];
    let isShort = false;
    for (const result of results) {
      const { status } = result;
      if (status === PUSH_STATUS.stored || status === PUSH_STATUS.duplicate || status === PUSH_STATUS.retired)
        held.push(result.oid);
      else if (status === PUSH_STATUS.bad || status === PUSH_STATUS.tooBig) dead.push(result);
      else isShort ||= status === PUSH_STATUS.quota || status === PUSH_STATUS.notPinned;
    }
    isPushRefused = isShort;
    for (const { status, oid } of dead)
      log.error("proxy refused an item for good", { status, oid: bytesToHex(oid.subarray(0, 4)) });
    write(() => {
      store.proxies.acknowledge(n, held);
      for (const { oid, status } of dead) store.proxies.refuse(n, oid, status);
      for (const { topic, cursor } of cursors) store.proxies.setCursor(n, topic, cursor);
    });
    touch();
    askUsageSoon();
    if (!owesOwn()) settleDrained();
    // One push holds a page of what is owed: the machine looks again when this one is settled.
    if (held.length + dead.length > 0) dispatch({ type: "outboxChanged" });
    deps.changed();
  };

  const onLack = (oids: readonly Uint8Array[]): void => {
    write(() => {
      const lost = store.proxies.owe(n, oids);
      if (lost === 0) return;
      log.warn("proxy lost acknowledged items", { count: lost });
      store.proxies.addBadItems(n, lost);
    });
    dispatch({ type: "outboxChanged" });
  };

  const settleDrained = (): void => {
    for (const settle of draining.splice(0)) settle();
  };

  const ask: ProxySession["ask"] = (question) =>
    new Promise((resolve) => {
      const token = nextQuestion++;
      questions.set(token, resolve);
      dispatch({ type: "ask", token, question });
    });

  const chunks = createChunkTransfer({
    n,
    staticKey,
    store,
    crypto,
    log,
    repositories,
    ask,
    isFollowed: (pk) => wanted.has(bytesToHex(pk)),
    read: deps.readChunk,
    progressed: () => {
      askUsageSoon();
      deps.changed();
    },
    fault: deps.fault,
  });
  /** Guests use what others keep there. */
  const uploadSoon = (): void => {
    if (kind === "guest" || isStopped) return;
    chunkTimer ??= clock.after(CHUNK_DELAY, () => {
      chunkTimer = undefined;
      if (state === "online") void chunks.upload();
    });
  };

  const relay = createRelayDelegation({
    clock,
    staticKey,
    repositories,
    ask,
    isFollowed: (pk) => wanted.has(bytesToHex(pk)),
    contacts: deps.relayContacts,
  });
  const delegateSoon = (): void => {
    if (kind === "guest" || isStopped) return;
    relayTimer ??= clock.after(RELAY_DELAY, () => {
      relayTimer = undefined;
      if (state === "online") void relay.renew();
    });
  };

  const redeem = (): void => {
    const code = store.proxies.find(staticKey)?.code ?? null;
    if (code === null) return;
    void ask({ type: "redeem", code }).then((answer) => {
      if (answer === null) return;
      isCodeBad = answer.type !== "account";
      write(() => store.proxies.redeemed(n));
      deps.changed();
    });
  };

  const forget: ProxySession["forget"] = (gone) => {
    const pages = Array.from({ length: Math.ceil(gone.length / MAX_TOPICS_PER_MESSAGE) }, (_, page) =>
      gone.slice(page * MAX_TOPICS_PER_MESSAGE, (page + 1) * MAX_TOPICS_PER_MESSAGE),
    );
    return Promise.all(
      pages.map(async (topics) => {
        const answer = await ask({ type: "unsubscribe", topics, forget: true });
        if (answer?.type !== "done") return;
        write(() => {
          for (const pk of topics) if (isGone(pk)) store.proxies.unfollow(n, pk);
        });
      }),
    );
  };

  /** Topics that are followed here no more are given up at the proxy, and only then forgotten. */
  const forgetGone = (): void => {
    if (state !== "online") return;
    const followedThere = store.proxies.topics(n).map(({ pk }) => pk);
    void forget(followedThere.filter(isGone));
  };

  const flushSoon = (): void => {
    ownTimer ??= clock.after(durationMs(randomBelow(random, OWN_DELAY_MS)), () => {
      ownTimer = undefined;
      dispatch({ type: "outboxChanged" });
    });
  };

  const session: ProxySession = {
    n,
    start: () => dispatch({ type: "started" }),
    progress: () => ({
      state,
      failures,
      reason: connection.reason(),
      fault: connection.fault(),
      behind: [...wanted].filter((topic) => !settled.has(topic)).length,
      isOwing: store.proxies.owed(n, { learned: true, limit: 1, bytes: 0, without: restingRows() }).length > 0,
      isUploading: chunks.isUploading(),
      isFull: isPushRefused || refused.size > 0 || chunks.isFull(),
      isCodeBad,
    }),
    follow: (topics, atRest) => {
      if (isStopped) return;
      resting = atRest;
      wanted = new Set(topics.map(({ pk }) => bytesToHex(pk)));
      const known = new Set(store.proxies.topics(n).map(({ pk }) => bytesToHex(pk)));
      const fresh = topics.filter(({ pk }) => !known.has(bytesToHex(pk)));
      if (
        fresh.length > 0 &&
        !write(() => {
          for (const { pk } of fresh) store.proxies.follow(n, pk);
        })
      )
        return;
      dispatch({ type: "topicsChanged", topics: followed() });
      flushSoon();
      forgetGone();
    },
    stored: (source) => {
      if (isStopped || source === session) return;
      if (source === undefined) {
        flushSoon();
        return;
      }
      if (learnedTimer !== undefined) return;
      const delay = durationMs(LEARNED_DELAY_MS + randomBelow(random, LEARNED_SPREAD_MS));
      learnedFrom = after(clock.monotonic(), delay);
      learnedTimer = clock.after(delay, () => {
        learnedTimer = undefined;
        dispatch({ type: "outboxChanged" });
      });
    },
    redeem: () => {
      if (state === "noAccount") redeem();
    },
    ask,
    forget,
    hasChunksOf: (repository) =>
      state === "online" &&
      repositories.topics().some((topic) => topic.repository === repository && wanted.has(bytesToHex(topic.pk))),
    fetchChunk: chunks.fetch,
    chunksChanged: () => {
      chunks.changed();
      uploadSoon();
    },
    owesChunks: chunks.owes,
    drained: () =>
      new Promise((resolve) => {
        if (state !== "online" || !owesOwn()) {
          resolve();
          return;
        }
        draining.push(resolve);
        dispatch({ type: "outboxChanged" });
      }),
    wake: () => {
      connection.probe();
      dispatch({ type: "started" });
    },
    stop: () => {
      isStopped = true;
      connection.stop();
      ownTimer?.();
      chunkTimer?.();
      relayTimer?.();
      usageTimer?.();
      learnedTimer?.();
      dispatch({ type: "stopped" });
      timer?.();
      settleDrained();
    },
  };
  return session;
};
