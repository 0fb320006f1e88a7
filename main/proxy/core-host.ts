import type { Clock } from "../../app/ports/clock.ts";
import type { Connection, Transport } from "../../app/ports/transport.ts";
import type { LinkOpened } from "../../app/runtime/link.ts";
import { createNoiseLink, type NoiseLink } from "../../app/runtime/noise-link.ts";
import { createCoreConfig } from "../../protocol/core/config.ts";
import type { CoreEffect, CoreEvent } from "../../protocol/core/core-events.ts";
import { createCoreNode } from "../../protocol/core/core-node.ts";
import { CORE_APPLICATION, type DialTarget } from "../../protocol/core/messages.ts";
import type { CoreStatus } from "../../protocol/core/status.ts";
import type { CryptoProvider, DhKeyPair } from "../../protocol/crypto/provider.ts";
import { ascii, bytesToHex } from "../../protocol/kernel/bytes.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import { durationMs, type MonotonicMs } from "../../protocol/kernel/time.ts";
import type { RelayContact } from "../../protocol/proxy/messages.ts";
import { parseProxyLink } from "../../protocol/proxy/proxy-link.ts";
import type { NewItem, StoreAnswer, StoreOperation, StoreRequest } from "../../protocol/proxy/store.ts";
import { formatAddress, hostOf, parseAddress } from "./core-address.ts";
import type { CoreStore } from "./core-store.ts";

export interface CoreHostConfig {
  /** Gossip period in milliseconds. */
  readonly periodMs: number;
  /** `host:port` or proxy links of nodes to begin with. */
  readonly peers: readonly string[];
  /** `host:port` under which this node is reached, best first. */
  readonly addresses: readonly string[];
  /** The operator named the addresses: they count as reachable. */
  readonly isAnnounced: boolean;
}

export interface CoreHostDeps {
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly clock: Clock;
  readonly transport: Transport;
  readonly keys: DhKeyPair;
  readonly store: CoreStore;
  /** Asks the proxy's store; `null` when it failed. */
  readonly ask: <K extends StoreOperation>(request: StoreRequest<K>) => Promise<StoreAnswer<K> | null>;
  /** Hands items to the proxy, which checks and stores them. */
  readonly offer: (wires: readonly Uint8Array[]) => void;
  readonly report: (line: string) => void;
}

export interface CoreHandlers {
  readonly message: (bytes: Uint8Array) => void;
  readonly drained: () => void;
  readonly closed: () => void;
}

/** The overlay node of a proxy: sessions, topics it follows for its accounts, and the repair of these. */
export interface CoreHost {
  /** False when its disk takes nothing: it takes no part in the overlay then. */
  readonly start: () => Promise<boolean>;
  /** A session that another core node opened. */
  readonly accept: (link: NoiseLink, opened: LinkOpened) => CoreHandlers;
  readonly itemsStored: (items: readonly NewItem[]) => void;
  readonly relayWanted: (topics: readonly Uint8Array[]) => void;
  readonly relayDelegated: (topic: Uint8Array, until: number, contacts: readonly RelayContact[]) => void;
  readonly topicsGone: (topics: readonly Uint8Array[]) => void;
  readonly topicsSwept: (topics: readonly Uint8Array[]) => void;
  readonly status: () => CoreStatus;
  /** Says goodbye and closes every session. */
  readonly stop: () => void;
}

/** The one core overlay there is; a separate one for tests of the same name would be another network. */
const OVERLAY = Uint8Array.from(Buffer.from("p2pcollab core 1"));
const DIAL_DEADLINE = durationMs(8_000);
const KEEP_EVERY = durationMs(60_000);
const CHECK_EVERY_MS = 3_600_000;
/** More waiting for one peer: its questions are not read until it has taken what there is (COR-16). */
const STALLED_BYTES = 8_388_608;
/** A pin that no device has renewed by then is followed no more; devices subscribe at every connection. */
const DAY_SECONDS = 86_400;
const WANTED_SECONDS = 30 * DAY_SECONDS;
const RENEWED_SECONDS = DAY_SECONDS;
const NODE_KEY_INFO = ascii("p2pcollab/core-node-key/v1");
const NO_ACCOUNT = new Uint8Array(32);

const targetOf = (peer: string): DialTarget | undefined => {
  if (peer.startsWith("p2pc:")) {
    const link = parseProxyLink(peer);
    if (!link.ok) return undefined;
    const addresses = link.value.addresses.flatMap((address) => parseAddress(address) ?? []);
    return { transportKey: link.value.staticPk, addresses };
  }
  const address = parseAddress(peer);
  return address === undefined ? undefined : { transportKey: undefined, addresses: [address] };
};

/** Whether `peer` can be given as one to begin with. */
export const isPeer = (peer: string): boolean => (targetOf(peer)?.addresses.length ?? 0) > 0;

export const createCoreHost = (deps: CoreHostDeps, config: CoreHostConfig): CoreHost => {
  const { crypto, random, clock, transport, keys, store, report } = deps;
  const seconds = (): number => Math.floor(clock.unix() / 1000);
  const links = new Map<number, NoiseLink>();
  const stalled = new Set<number>();
  const relays = new Map(store.relays().map((row) => [bytesToHex(row.topic), row]));
  let nextConnection = 1;
  let timer: { readonly due: MonotonicMs; readonly cancel: () => void } | undefined;
  let keeping: (() => void) | undefined;
  let checkedAt = 0;
  let isStopped = false;

  const node = createCoreNode({
    config: createCoreConfig(config.periodMs),
    crypto,
    random: random.fork("core"),
    unixNow: clock.unix,
    startAt: clock.monotonic(),
    signingKey: crypto.signingKey(crypto.hkdfSha256(keys.privateKey, new Uint8Array(0), NODE_KEY_INFO, 32)),
    transportKey: keys.publicKey,
    overlay: OVERLAY,
    addresses: config.addresses.flatMap((address) => parseAddress(address) ?? []).slice(0, 4),
    isAnnounced: config.isAnnounced,
    contacts: config.peers.flatMap((peer) => targetOf(peer) ?? []),
    restored: store.snapshot(),
  });

  const events: CoreEvent[] = [];
  let isRunning = false;
  /** What an effect brings about waits until all effects of the event before it are carried out. */
  const dispatch = (event: CoreEvent): void => {
    if (isStopped) return;
    events.push(event);
    if (isRunning) return;
    isRunning = true;
    try {
      for (let next = events.shift(); next !== undefined; next = events.shift())
        for (const effect of node.handle(next, clock.monotonic())) carryOut(effect);
    } finally {
      isRunning = false;
      arm();
    }
  };

  const arm = (): void => {
    const due = node.nextDeadline();
    if (due === undefined || isStopped || timer?.due === due) return;
    timer?.cancel();
    const cancel = clock.after(durationMs(Math.max(0, due - clock.monotonic())), () => {
      timer = undefined;
      dispatch({ type: "deadlineReached" });
    });
    timer = { due, cancel };
  };

  const carryOut = (effect: CoreEffect): void => {
    switch (effect.type) {
      case "dial":
        void dial(effect);
        break;
      case "close":
        links.get(effect.connection)?.close();
        break;
      case "send":
        send(effect);
        break;
      case "store":
        deps.offer(effect.wires);
        break;
      case "load":
        void deps
          .ask<"itemSet">({ type: "itemSet", topic: effect.pk })
          .then((items) => dispatch({ type: "loaded", topic: effect.topic, items }));
        break;
      case "read": {
        const { token, pk, oids, maxBytes } = effect;
        void deps.ask<"get">({ type: "get", topic: pk, oids, maxBytes }).then((page) => {
          const wires = (page?.items ?? []).map(({ wire }) => wire);
          dispatch({ type: "read", token, wires, dealt: page?.next ?? 0 });
        });
        break;
      }
      case "peerViolated":
        report(`a core node broke rule ${effect.rule}`);
        break;
    }
  };

  const send = ({ connection, bytes, urgent }: CoreEffect & { readonly type: "send" }): void => {
    const link = links.get(connection);
    if (link === undefined) return;
    const sent = link.send(bytes, urgent ? "urgent" : "bulk");
    // A link that has just closed says so by itself.
    if (!sent.ok && sent.error.type === "MessageTooLong") report("a message to a core node was too long to be sent");
    if (link.queuedBytes() <= STALLED_BYTES || stalled.has(connection)) return;
    stalled.add(connection);
    link.pause();
  };

  const dial = async ({ attempt, address, transportKey }: CoreEffect & { readonly type: "dial" }): Promise<void> => {
    const dialled = await transport.dial(formatAddress(address), DIAL_DEADLINE);
    if (!dialled.ok || isStopped) {
      if (dialled.ok) dialled.value.destroy();
      dispatch({ type: "dialFailed", attempt });
      return;
    }
    connect(dialled.value, attempt, transportKey);
  };

  const connect = (connection: Connection, attempt: number, transportKey: Uint8Array | undefined): void => {
    let handlers: CoreHandlers | undefined;
    const role = { side: "initiator", staticKey: keys, application: CORE_APPLICATION } as const;
    const link = createNoiseLink(
      { crypto, random, clock },
      connection,
      transportKey === undefined ? role : { ...role, remoteStatic: transportKey },
      {
        opened: (opened) => {
          handlers = adopt(link, opened, attempt);
        },
        message: (bytes) => handlers?.message(bytes),
        drained: () => handlers?.drained(),
        closed: () => {
          if (handlers === undefined) dispatch({ type: "dialFailed", attempt });
          else handlers.closed();
        },
      },
    );
  };

  const adopt = (link: NoiseLink, opened: LinkOpened, attempt: number | undefined): CoreHandlers => {
    const connection = nextConnection++;
    links.set(connection, link);
    const { handshakeHash, remoteStatic } = opened;
    const { remoteAddress } = link;
    const remoteHost = hostOf(remoteAddress);
    dispatch({ type: "linkOpened", connection, attempt, handshakeHash, remoteStatic, remoteHost, remoteAddress });
    return {
      message: (bytes) => dispatch({ type: "bytesReceived", connection, bytes }),
      drained: () => {
        if (stalled.delete(connection)) link.resume();
      },
      closed: () => {
        links.delete(connection);
        stalled.delete(connection);
        dispatch({ type: "linkClosed", connection });
      },
    };
  };

  const hold = (): void => {
    const now = seconds();
    const topics = [...relays.values()].filter(
      ({ wantedUntil, delegatedUntil }) => Math.max(wantedUntil, delegatedUntil) > now,
    );
    dispatch({
      type: "topicsChanged",
      topics: topics.map(({ topic, delegatedUntil }) => ({ pk: topic, publishes: delegatedUntil > now })),
    });
  };

  const drop = (topic: Uint8Array): boolean => {
    if (isStopped) return false;
    store.dropRelay(topic);
    return relays.delete(bytesToHex(topic));
  };

  const note = (topic: Uint8Array, wantedUntil: number, delegatedUntil: number): boolean => {
    if (isStopped) return false;
    const known = relays.get(bytesToHex(topic));
    const row = {
      topic: topic.slice(),
      wantedUntil: Math.max(wantedUntil, known?.wantedUntil ?? 0),
      delegatedUntil: Math.max(delegatedUntil, known?.delegatedUntil ?? 0),
    };
    const isRenewed =
      row.wantedUntil - (known?.wantedUntil ?? 0) > RENEWED_SECONDS ||
      row.delegatedUntil - (known?.delegatedUntil ?? 0) > RENEWED_SECONDS;
    if (!isRenewed) return false;
    relays.set(bytesToHex(topic), row);
    store.setRelay(row);
    return true;
  };

  /** What nobody pins any more, or has not renewed, is followed no more. */
  const check = async (): Promise<void> => {
    checkedAt = clock.monotonic();
    const now = seconds();
    const rows = [...relays.values()];
    const topics = rows.map(({ topic }) => ({ topic, pin: false, checkpoint: false }));
    const states = await deps.ask<"subscribe">({ type: "subscribe", account: NO_ACCOUNT, maxTopics: 0, topics });
    if (states === null || isStopped) return;
    for (const [at, { topic, wantedUntil, delegatedUntil }] of rows.entries())
      if (states[at]?.status !== "known" || Math.max(wantedUntil, delegatedUntil) <= now) drop(topic);
    hold();
  };

  const keep = (): boolean => store.keep(node.snapshot(), { at: seconds(), core: node.status() });

  const keepSoon = (): void => {
    keeping = clock.after(KEEP_EVERY, () => {
      keep();
      if (clock.monotonic() - checkedAt > CHECK_EVERY_MS) void check();
      keepSoon();
    });
  };

  return {
    start: async () => {
      // The sequence is on the disk before anybody sees it: a descriptor is never signed twice under one.
      if (!keep()) return false;
      await check();
      if (isStopped) return true;
      dispatch({ type: "started" });
      keepSoon();
      return true;
    },
    accept: (link, opened) => adopt(link, opened, undefined),
    itemsStored: (items) => {
      const byTopic = new Map<string, NewItem[]>();
      for (const item of items) {
        const name = bytesToHex(item.topic);
        if (relays.has(name)) byTopic.set(name, [...(byTopic.get(name) ?? []), item]);
      }
      for (const given of byTopic.values()) {
        const [{ topic }] = given as [NewItem];
        const stored = given.map(({ oid, gen, wire }) => ({ id: oid.slice(), gen, wire: wire.slice() }));
        dispatch({ type: "itemsStored", topic, items: stored });
        // What was marked is compared no more.
        if (given.some(({ retires }) => retires.length > 0)) dispatch({ type: "itemsDeleted", topic });
      }
    },
    relayWanted: (topics) => {
      // In whole days: when somebody was here is not kept.
      const until = Math.ceil((seconds() + WANTED_SECONDS) / DAY_SECONDS) * DAY_SECONDS;
      let isChanged = false;
      for (const topic of topics) if (note(topic, until, 0)) isChanged = true;
      if (isChanged) hold();
    },
    relayDelegated: (topic, until, contacts) => {
      if (note(topic, 0, until)) hold();
      for (const { staticPk, address } of contacts) {
        const parsed = parseAddress(address);
        if (parsed === undefined) continue;
        const target = { transportKey: staticPk.slice(), addresses: [parsed] };
        dispatch({ type: "contactFound", target, topic: topic.slice() });
      }
    },
    topicsGone: (topics) => {
      let isChanged = false;
      for (const topic of topics) if (drop(topic)) isChanged = true;
      if (isChanged) hold();
    },
    topicsSwept: (topics) => {
      for (const topic of topics) dispatch({ type: "itemsDeleted", topic });
    },
    status: node.status,
    stop: () => {
      dispatch({ type: "suspend" });
      isStopped = true;
      timer?.cancel();
      keeping?.();
      keep();
      for (const link of links.values()) link.close();
      store.close();
    },
  };
};
