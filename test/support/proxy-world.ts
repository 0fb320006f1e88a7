import { openProxyStore, type SqliteProxyStore } from "../../main/proxy/proxy-store.ts";
import type { SigningKey } from "../../protocol/crypto/provider.ts";
import {
  type CheckedItem,
  ITEM_KINDS,
  type ItemKind,
  proxyCheck,
  publishItem,
  sealItem,
} from "../../protocol/entry/item.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import { type MonotonicMs, monotonicMs, unixMs } from "../../protocol/kernel/time.ts";
import { createProxyClient } from "../../protocol/proxy/client.ts";
import type {
  OutboxItem,
  ProxyClientEffect,
  ProxyClientEvent,
  ProxyTopic,
} from "../../protocol/proxy/client-events.ts";
import type { ProxyMessage } from "../../protocol/proxy/messages.ts";
import {
  createProxyServer,
  type ProxyServerConfig,
  type ProxyServerEffect,
  type ProxyServerEvent,
} from "../../protocol/proxy/server.ts";
import { hashCode } from "../../protocol/proxy/statements.ts";
import type { StoreFault, StoreRequest } from "../../protocol/proxy/store.ts";
import { DEFAULT_TOPIC_RATES } from "../../protocol/proxy/topic-rates.ts";
import { decodeProxyMessage, encodeProxyMessage } from "../../protocol/proxy/wire.ts";
import { createItemSet, type ItemSet } from "../../protocol/reconcile/item-set.ts";
import { filled, must, native } from "./data-fixtures.ts";
import { createSeededRandom } from "./seeded-random.ts";

const READ_KEY = filled(77, 32);
const random = createSeededRandom("proxy-world");
const DAY_MS = 86_400_000;
export const STATIC_PK = filled(42, 32);

/** A topic with its signing key. */
export const topicKey = (n: number): SigningKey => native.signingKey(filled(n, 32));

/** A sealed item of a topic, the `gen`th of its kind; the text is what a member reads. */
export const sealed = (
  key: SigningKey,
  gen: number,
  text = `item ${gen}`,
  kind: ItemKind = ITEM_KINDS.entry,
): CheckedItem =>
  must(sealItem(native, { kind, topicKey: key, gen, salt: random.bytes(16) }, READ_KEY, Buffer.from(text)));
export const published = (key: SigningKey, kind: ItemKind, body: Uint8Array): CheckedItem =>
  must(publishItem(native, { kind, topicKey: key, gen: 0, salt: random.bytes(16) }, body));

export interface Held {
  readonly wires: Map<string, Uint8Array>;
  readonly set: ItemSet;
}

/** What a device keeps on its disk; survives the machine and the connection. */
export interface DeviceDisk {
  readonly topics: Map<string, Held>;
  readonly cursors: Map<string, number>;
  incarnation: Uint8Array | null;
  outbox: OutboxItem[];
}

export const emptyDisk = (): DeviceDisk => ({
  topics: new Map(),
  cursors: new Map(),
  incarnation: null,
  outbox: [],
});

export interface WorldOptions {
  readonly file?: string;
  readonly server?: Partial<ProxyServerConfig>;
}

/** A real proxy machine on a real store and real client machines; the network, clocks and disks of devices are the test's. */
export const createProxyWorld = (options: WorldOptions = {}) => {
  let now = 0;
  let store: SqliteProxyStore = must(openProxyStore(options.file ?? ":memory:"));
  let incarnation = store.incarnation(() => random.bytes(16));
  const unixNow = () => unixMs(1_800_000_000_000 + now);
  const startServer = () =>
    createProxyServer(
      { crypto: native, unixNow },
      {
        openQuota: null,
        capacity: 2 ** 40,
        maxTopics: 2_000,
        itemGraceDays: 30,
        blobGraceDays: 14,
        rates: DEFAULT_TOPIC_RATES,
        ...options.server,
        incarnation,
        staticPk: STATIC_PK,
      },
    );
  let server = startServer();
  let requests: { readonly id: number; readonly request: StoreRequest }[] = [];
  const mail: (() => void)[] = [];
  const receivers = new Map<number, { readonly message: (m: ProxyMessage) => void; readonly closed: () => void }>();
  let nextConnection = 1;
  /** What the proxy tells its overlay node. */
  const toCore: Exclude<ProxyServerEffect, { readonly type: "store" | "send" | "close" }>[] = [];
  /** Every message that crossed the wire, as bytes. */
  const captured: Uint8Array[] = [];

  const transmit = (message: ProxyMessage): ProxyMessage => {
    const bytes = encodeProxyMessage(message);
    captured.push(bytes);
    return must(decodeProxyMessage(bytes));
  };
  const toServer = (event: ProxyServerEvent): void => {
    for (const effect of server.handle(event, monotonicMs(now))) {
      if (effect.type === "store") requests.push(effect);
      else if (effect.type === "send") {
        const message = transmit(effect.message);
        mail.push(() => receivers.get(effect.connection)?.message(message));
      } else if (effect.type === "close")
        mail.push(() => {
          receivers.get(effect.connection)?.closed();
          receivers.delete(effect.connection);
        });
      else toCore.push(effect);
    }
  };
  let isDiskFull = false;
  /** One message or one batch of the store; false when nothing is under way. */
  const step = async (): Promise<boolean> => {
    const next = mail.shift();
    if (next !== undefined) {
      next();
      return true;
    }
    if (requests.length === 0) return false;
    const batch = requests;
    requests = [];
    const answers = isDiskFull
      ? err<StoreFault>({ type: "DiskFull", message: "by the test" })
      : await store.perform(batch.map(({ request }) => request));
    for (const [i, { id }] of batch.entries())
      toServer({ type: "storeAnswered", id, answer: answers.ok ? ok(answers.value[i] ?? null) : answers });
    return true;
  };
  /** Delivers everything under way. */
  const settle = async (): Promise<void> => {
    while (await step());
  };

  /** A connection without a client machine. */
  const connect = (account: Uint8Array) => {
    const connection = nextConnection++;
    const inbox: ProxyMessage[] = [];
    let isClosed = false;
    receivers.set(connection, {
      message: (message) => inbox.push(message),
      closed: () => {
        isClosed = true;
      },
    });
    toServer({ type: "connectionOpened", connection, account });
    const send = (message: ProxyMessage): void =>
      toServer({ type: "messageReceived", connection, message: transmit(message) });
    return {
      connection,
      inbox,
      isClosed: () => isClosed,
      send,
      event: (event: "connectionClosed") => toServer({ type: event, connection }),
      congested: (isCongested: boolean) => toServer({ type: "congestionChanged", connection, isCongested }),
      /** Sends and answers with everything that came back. */
      ask: async (message: ProxyMessage): Promise<readonly ProxyMessage[]> => {
        inbox.length = 0;
        send(message);
        await settle();
        return [...inbox];
      },
    };
  };

  const device = (account: Uint8Array, disk: DeviceDisk, keys: readonly SigningKey[], live = true) => {
    const effects: ProxyClientEffect[] = [];
    let connection: number | undefined;
    let isReachable = true;
    let failNextStore = false;
    const held = (topic: Uint8Array): Held => {
      const name = bytesToHex(topic);
      const known = disk.topics.get(name) ?? { wires: new Map<string, Uint8Array>(), set: createItemSet() };
      disk.topics.set(name, known);
      return known;
    };
    const keep = (item: CheckedItem): boolean => {
      const { wires, set } = held(item.topicPk);
      const name = bytesToHex(item.oid);
      if (wires.has(name)) return false;
      wires.set(name, item.wire);
      set.add({ gen: item.gen, id: item.oid });
      return true;
    };
    const topics = keys.map(({ publicKey }): ProxyTopic => {
      const cursor = disk.cursors.get(bytesToHex(publicKey)) ?? null;
      return { pk: publicKey, cursor, live, pin: true };
    });
    const client = createProxyClient(
      {
        crypto: native,
        random: createSeededRandom(`device/${bytesToHex(account)}`),
        source: {
          outbox: (maxItems, maxBytes, heldBack) => {
            const items: OutboxItem[] = [];
            let bytes = 0;
            for (const item of disk.outbox) {
              if (heldBack.has(bytesToHex(item.topic))) continue;
              bytes += item.wire.length;
              if (items.length > 0 && (bytes > maxBytes || items.length === maxItems)) break;
              items.push(item);
            }
            return items;
          },
          itemSet: (topic) => held(topic).set,
        },
      },
      { incarnation: disk.incarnation, topics },
    );
    const disconnect = (): void => {
      if (connection === undefined) return;
      receivers.delete(connection);
      toServer({ type: "connectionClosed", connection });
      connection = undefined;
    };
    const carryOut = (effect: ProxyClientEffect): void => {
      effects.push(effect);
      switch (effect.type) {
        case "dial":
          mail.push(() => {
            if (!isReachable) {
              handle({ type: "linkClosed" });
              return;
            }
            const opened = nextConnection++;
            connection = opened;
            receivers.set(opened, {
              message: (message) => handle({ type: "messageReceived", message }),
              closed: () => {
                if (connection !== opened) return;
                connection = undefined;
                handle({ type: "linkClosed" });
              },
            });
            toServer({ type: "connectionOpened", connection: opened, account });
            handle({ type: "linkOpened" });
          });
          break;
        case "hangUp":
          disconnect();
          mail.push(() => handle({ type: "linkClosed" }));
          break;
        case "send": {
          const to = connection;
          const message = transmit(effect.message);
          if (to !== undefined) mail.push(() => toServer({ type: "messageReceived", connection: to, message }));
          break;
        }
        case "incarnationChanged":
          disk.incarnation = effect.incarnation;
          disk.cursors.clear();
          break;
        case "itemsReceived": {
          const stored = !failNextStore;
          failNextStore = false;
          if (stored) {
            for (const wire of effect.wires) {
              const item = proxyCheck(native, wire);
              if (item.ok) keep(item.value);
            }
            if (effect.cursor !== null) disk.cursors.set(bytesToHex(effect.topic), effect.cursor);
          }
          mail.push(() => handle({ type: "itemsStored", token: effect.token, stored }));
          break;
        }
        case "pushed": {
          const settled = new Set(
            effect.results.filter(({ status }) => ![4, 5, 6].includes(status)).map(({ oid }) => bytesToHex(oid)),
          );
          disk.outbox = disk.outbox.filter(({ oid }) => !settled.has(bytesToHex(oid)));
          for (const { topic, cursor } of effect.cursors) disk.cursors.set(bytesToHex(topic), cursor);
          mail.push(() => handle({ type: "outboxChanged" }));
          break;
        }
        case "proxyLacks":
          for (const oid of effect.oids) {
            const wire = held(effect.topic).wires.get(bytesToHex(oid));
            if (wire !== undefined) disk.outbox.push({ oid, topic: effect.topic, wire });
          }
          mail.push(() => handle({ type: "outboxChanged" }));
          break;
        default:
      }
    };
    let isDead = false;
    const handle = (event: ProxyClientEvent): void => {
      if (isDead) return;
      for (const effect of client.handle(event, monotonicMs(now))) carryOut(effect);
    };
    return {
      disk,
      effects,
      handle,
      nextDeadline: client.nextDeadline,
      write: (item: CheckedItem): void => {
        keep(item);
        disk.outbox.push({ oid: item.oid, topic: item.topicPk, wire: item.wire });
        handle({ type: "outboxChanged" });
      },
      oids: (topic: Uint8Array): readonly string[] => [...held(topic).wires.keys()].toSorted(),
      setReachable: (value: boolean) => {
        isReachable = value;
      },
      /** The connection breaks without a goodbye. */
      cut: () => {
        disconnect();
        handle({ type: "linkClosed" });
      },
      /** The process dies; the disk stays. */
      kill: () => {
        isDead = true;
        disconnect();
      },
      /** The proxy finds the connection full, or free again. */
      setCongested: (isCongested: boolean) => {
        if (connection !== undefined) toServer({ type: "congestionChanged", connection, isCongested });
      },
      failNextStore: () => {
        failNextStore = true;
      },
    };
  };

  return {
    store: () => store,
    /** What the proxy told its overlay node since the last time. */
    toCore: () => toCore.splice(0),
    /** Items come through the overlay. */
    offer: (wires: readonly Uint8Array[]): Promise<void> => {
      toServer({ type: "itemsOffered", wires });
      return settle();
    },
    captured,
    step,
    settle,
    setDiskFull: (value: boolean) => {
      isDiskFull = value;
    },
    connect,
    device,
    mint: (quota: number): Uint8Array => {
      const code = random.bytes(16);
      store.addCode(hashCode(native, code), quota);
      return code;
    },
    now: (): MonotonicMs => monotonicMs(now),
    advance: async (ms: number, devices: readonly { readonly handle: (event: ProxyClientEvent) => void }[] = []) => {
      now += ms;
      toServer({ type: "deadlineReached" });
      for (const each of devices) each.handle({ type: "deadlineReached" });
      await settle();
    },
    days: (count: number) => count * DAY_MS,
    /** The process dies and starts again on the same file; connections break, what was not stored is gone. */
    restart: (isNewIncarnation: boolean): void => {
      requests = [];
      mail.length = 0;
      if (options.file !== undefined) {
        store.close();
        store = must(openProxyStore(options.file));
      }
      if (isNewIncarnation) {
        incarnation = random.bytes(16);
        store.setIncarnation(incarnation);
      }
      server = startServer();
      const lost = [...receivers.values()];
      receivers.clear();
      for (const { closed } of lost) closed();
    },
  };
};

export type ProxyWorld = ReturnType<typeof createProxyWorld>;
export type Device = ReturnType<ProxyWorld["device"]>;
