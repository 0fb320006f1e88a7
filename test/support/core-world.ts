import { type CoreConfig, createCoreConfig } from "../../protocol/core/config.ts";
import type { CoreEffect, CoreEvent, CoreSnapshot } from "../../protocol/core/core-events.ts";
import { type CoreNode, createCoreNode } from "../../protocol/core/core-node.ts";
import type { DialTarget } from "../../protocol/core/messages.ts";
import type { CryptoProvider, SigningKey } from "../../protocol/crypto/provider.ts";
import { ITEM_KINDS, proxyCheck, publishItem } from "../../protocol/entry/item.ts";
import type { Address } from "../../protocol/identity/descriptor.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { randomUnit, type RandomSource } from "../../protocol/kernel/random.ts";
import { monotonicMs, unixMs } from "../../protocol/kernel/time.ts";
import { createEventQueue } from "../simulation/kernel/event-queue.ts";
import { must, native } from "./data-fixtures.ts";
import { createSeededRandom } from "./seeded-random.ts";

export interface CoreWorldOptions {
  readonly seed: number | string;
  readonly periodMs?: number;
  readonly fromMs?: number;
  readonly toMs?: number;
  /** Share of packets lost; a lost one is sent again after 200 ms, then 400 ms, as TCP does. */
  readonly loss?: number;
  readonly isBehindNat?: (index: number) => boolean;
}

interface Kept {
  readonly gen: number;
  readonly id: Uint8Array;
  readonly wire: Uint8Array;
}
interface WorldNode {
  readonly index: number;
  machine: CoreNode | undefined;
  /** The disk: what survives kill -9. */
  readonly store: Map<string, Map<string, Kept>>;
  pins: readonly { readonly pk: Uint8Array; readonly publishes: boolean }[];
  snapshot: CoreSnapshot | undefined;
  contacts: readonly DialTarget[];
  readonly links: Map<number, Link>;
  armedAt: number;
  /** Processes so far: what was meant for an earlier one does not arrive. */
  life: number;
  /** Its store takes nothing, as with a quota used up. */
  isFull: boolean;
}
interface Link {
  readonly ends: readonly [number, number];
  readonly connections: readonly [number, number];
  isOpen: boolean;
  /** Bytes arrive in order. */
  readonly arrivesAt: [number, number];
}

const PORT = 4711;
const DIAL_TIMEOUT_MS = 8_000;
/** A session over a cut is given up after the link's idle time (app/runtime). */
const SILENCE_MS = 50_000;
const EPOCH = 1_800_000_000_000;
const RETRANSMIT_MS = 200;

/** One signature is checked once in a whole simulated network: the same bytes give the same answer everywhere. */
const remembering = (crypto: CryptoProvider): CryptoProvider => {
  const known = new Map<string, boolean>();
  return {
    ...crypto,
    verify: (publicKey, message, signature) => {
      const key = bytesToHex(signature) + bytesToHex(publicKey.subarray(0, 8));
      let result = known.get(key);
      if (result === undefined) known.set(key, (result = crypto.verify(publicKey, message, signature)));
      return result;
    },
  };
};

/** Core nodes on a simulated network of streams: real machines and bytes, virtual time, disks in memory. */
export const createCoreWorld = (options: CoreWorldOptions) => {
  const random = createSeededRandom(options.seed);
  const network = random.fork("network");
  const crypto = remembering(native);
  const config: CoreConfig = createCoreConfig(options.periodMs ?? 10_000);
  const { fromMs = 10, toMs = 50, loss = 0, isBehindNat = () => false } = options;
  const nodes: WorldNode[] = [];
  const keys: { readonly signing: SigningKey; readonly transport: Uint8Array }[] = [];
  const queue = createEventQueue();
  const jobs = new Map<number, () => void>();
  let nextJob = 1;
  let now = 0;
  let sides: ((index: number) => number) | undefined;
  const figures = { bytes: 0, messages: 0, refusedUnpinned: 0 };

  const later = (delay: number, job: () => void): void => {
    const number = nextJob++;
    jobs.set(number, job);
    queue.push(now + delay, 0, number);
  };
  const latency = (): number => {
    let delay = fromMs + (toMs - fromMs) * randomUnit(network);
    for (let wait = RETRANSMIT_MS; loss > 0 && randomUnit(network) < loss; wait *= 2) delay += wait;
    return delay;
  };
  const isCut = (a: number, b: number): boolean => sides !== undefined && sides(a) !== sides(b);

  const hostOf = (index: number): Uint8Array => Uint8Array.of(index >>> 8 > 126 ? 11 : 10, index >>> 8, index & 255, 1);
  const addressOf = (index: number): Address => ({ kind: "ipv4", host: hostOf(index), port: PORT });
  const indexOf = ({ host }: Address): number => ((host[1] ?? 0) << 8) | (host[2] ?? 0);
  /** What others see: everybody behind the translator has its one address. */
  const seenAs = (index: number): Uint8Array => (isBehindNat(index) ? Uint8Array.of(12, 0, 0, 1) : hostOf(index));

  const dispatch = (node: WorldNode, event: CoreEvent): void => {
    const { machine } = node;
    if (machine === undefined) return;
    const pending: CoreEvent[] = [event];
    for (let next = pending.shift(); next !== undefined; next = pending.shift())
      for (const effect of machine.handle(next, monotonicMs(now))) carryOut(node, effect, pending);
    arm(node);
  };

  const arm = (node: WorldNode): void => {
    const due = node.machine?.nextDeadline();
    if (due === undefined || node.armedAt <= due) return;
    const { life } = node;
    node.armedAt = due;
    later(Math.max(0, due - now), () => {
      if (node.life !== life || node.armedAt !== due) return;
      node.armedAt = Number.POSITIVE_INFINITY;
      dispatch(node, { type: "deadlineReached" });
    });
  };

  /** What an open link delivers to `index`, unless that process has died since. */
  const toEnd = (link: Link, end: 0 | 1, delay: number, event: CoreEvent): void => {
    const node = nodes[link.ends[end]] as WorldNode;
    const { life } = node;
    const at = Math.max(now + delay, link.arrivesAt[end]);
    link.arrivesAt[end] = at;
    later(at - now, () => {
      if (node.life === life && (link.isOpen || event.type === "linkClosed")) dispatch(node, event);
    });
  };

  const sever = (link: Link, by: number | undefined, delay: number): void => {
    if (!link.isOpen) return;
    link.isOpen = false;
    for (const end of [0, 1] as const) {
      nodes[link.ends[end]]?.links.delete(link.connections[end]);
      const connection = link.connections[end];
      if (end !== by) toEnd(link, end, delay, { type: "linkClosed", connection });
    }
  };

  let nextConnection = 1;
  const dial = (from: WorldNode, attempt: number, address: Address, expected: Uint8Array | undefined): void => {
    const { life } = from;
    const fail = (delay: number): void =>
      later(delay, () => {
        if (from.life === life) dispatch(from, { type: "dialFailed", attempt });
      });
    const index = indexOf(address);
    const target = nodes[index];
    if (target === undefined || isBehindNat(index) || isCut(from.index, index)) return fail(DIAL_TIMEOUT_MS);
    const roundTrip = 2 * latency();
    if (target.machine === undefined) return fail(roundTrip);
    later(2 * roundTrip, () => {
      if (from.life !== life) return;
      const key = keys[index]?.transport;
      const isOther = expected !== undefined && key !== undefined && bytesToHex(expected) !== bytesToHex(key);
      if (target.machine === undefined || isCut(from.index, index) || isOther) return fail(0);
      const link: Link = {
        ends: [from.index, index],
        connections: [nextConnection++, nextConnection++],
        isOpen: true,
        arrivesAt: [now, now],
      };
      const handshakeHash = network.bytes(32);
      for (const end of [0, 1] as const) {
        const [own, other] = end === 0 ? [from, target] : [target, from];
        own.links.set(link.connections[end], link);
        dispatch(own, {
          type: "linkOpened",
          connection: link.connections[end],
          attempt: end === 0 ? attempt : undefined,
          handshakeHash,
          remoteStatic: (keys[other.index] as (typeof keys)[number]).transport,
          remoteHost: seenAs(other.index),
          remoteAddress: `${hostOf(other.index).join(".")}:${PORT}`,
        });
      }
    });
  };

  const store = (node: WorldNode, wires: readonly Uint8Array[], pending: CoreEvent[]): void => {
    for (const wire of wires) {
      const item = proxyCheck(crypto, wire);
      if (!item.ok) throw new Error("an item that does not hold came through the overlay");
      const { topicPk, oid, gen } = item.value;
      const topic = node.store.get(bytesToHex(topicPk));
      if (topic === undefined) {
        figures.refusedUnpinned++;
        continue;
      }
      if (topic.has(bytesToHex(oid)) || node.isFull) continue;
      topic.set(bytesToHex(oid), { gen, id: oid, wire });
      pending.push({ type: "itemsStored", topic: topicPk, items: [{ id: oid, gen, wire }] });
    }
  };

  const carryOut = (node: WorldNode, effect: CoreEffect, pending: CoreEvent[]): void => {
    switch (effect.type) {
      case "dial":
        dial(node, effect.attempt, effect.address, effect.transportKey);
        break;
      case "close": {
        const link = node.links.get(effect.connection);
        if (link !== undefined) sever(link, link.ends[0] === node.index ? 0 : 1, latency());
        break;
      }
      case "send": {
        const link = node.links.get(effect.connection);
        if (link === undefined || isCut(...link.ends)) break;
        figures.bytes += effect.bytes.length;
        figures.messages++;
        const end = link.ends[0] === node.index ? 1 : 0;
        toEnd(link, end, latency(), {
          type: "bytesReceived",
          connection: link.connections[end],
          bytes: effect.bytes,
        });
        break;
      }
      case "store":
        store(node, effect.wires, pending);
        break;
      case "load": {
        const topic = node.store.get(bytesToHex(effect.pk));
        pending.push({ type: "loaded", topic: effect.topic, items: topic === undefined ? null : [...topic.values()] });
        break;
      }
      case "read": {
        const topic = node.store.get(bytesToHex(effect.pk));
        const found = effect.oids.map((oid) => topic?.get(bytesToHex(oid))?.wire);
        const wires = found.filter((wire) => wire !== undefined);
        pending.push({ type: "read", token: effect.token, wires, dealt: topic === undefined ? 0 : effect.oids.length });
        break;
      }
      case "peerViolated":
        violations.push(effect.rule);
        break;
    }
  };
  const violations: string[] = [];

  const start = (node: WorldNode): void => {
    const { signing, transport } = keys[node.index] as (typeof keys)[number];
    node.life++;
    node.armedAt = Number.POSITIVE_INFINITY;
    node.machine = createCoreNode({
      config,
      crypto,
      random: random.fork(`node ${node.index} ${node.life}`),
      unixNow: () => unixMs(EPOCH + now),
      startAt: monotonicMs(now),
      signingKey: signing,
      transportKey: transport,
      overlay: new Uint8Array(16),
      addresses: [addressOf(node.index)],
      isAnnounced: false,
      contacts: node.contacts,
      restored: node.snapshot,
    });
    node.snapshot = node.machine.snapshot();
    dispatch(node, { type: "topicsChanged", topics: node.pins });
    dispatch(node, { type: "started" });
  };

  return {
    config,
    figures,
    violations,
    now: () => now,
    random,
    /** Adds a node that begins with these others. */
    add: (contacts: readonly number[]): number => {
      const index = nodes.length;
      const own = random.fork(`keys ${index}`);
      keys.push({ signing: crypto.signingKey(own.bytes(32)), transport: own.bytes(32) });
      const targets = contacts.map((contact) => ({ transportKey: undefined, addresses: [addressOf(contact)] }));
      const node: WorldNode = {
        index,
        machine: undefined,
        store: new Map(),
        pins: [],
        snapshot: undefined,
        contacts: targets,
        links: new Map(),
        armedAt: Number.POSITIVE_INFINITY,
        life: 0,
        isFull: false,
      };
      nodes.push(node);
      start(node);
      return index;
    },
    machine: (index: number): CoreNode | undefined => nodes[index]?.machine,
    /** The complete list of what the node's accounts pin and have it relay. */
    pin: (index: number, topics: readonly { readonly pk: Uint8Array; readonly publishes: boolean }[]): void => {
      const node = nodes[index] as WorldNode;
      node.pins = topics;
      const names = new Set(topics.map(({ pk }) => bytesToHex(pk)));
      for (const name of node.store.keys()) if (!names.has(name)) node.store.delete(name);
      for (const name of names) if (!node.store.has(name)) node.store.set(name, new Map());
      dispatch(node, { type: "topicsChanged", topics });
    },
    /** An edge of the node says that the other keeps the topic as well. */
    introduce: (index: number, other: number, topic: Uint8Array): void => {
      const target = { transportKey: keys[other]?.transport, addresses: [addressOf(other)] };
      dispatch(nodes[index] as WorldNode, { type: "contactFound", target, topic });
    },
    /** An edge pushes an item to the node; false when the node is down or does not pin the topic. */
    push: (index: number, wire: Uint8Array): boolean => {
      const node = nodes[index] as WorldNode;
      if (node.machine === undefined) return false;
      const events: CoreEvent[] = [];
      store(node, [wire], events);
      for (const event of events) dispatch(node, event);
      return events.length > 0;
    },
    refuse: (index: number, isFull: boolean): void => {
      (nodes[index] as WorldNode).isFull = isFull;
    },
    /** Puts an item onto the disk under a topic that is not its own. */
    corrupt: (index: number, topic: Uint8Array, wire: Uint8Array): void => {
      const id = random.bytes(32);
      nodes[index]?.store.get(bytesToHex(topic))?.set(bytesToHex(id), { gen: 1, id, wire });
      dispatch(nodes[index] as WorldNode, { type: "itemsDeleted", topic });
    },
    held: (index: number, topic: Uint8Array): ReadonlySet<string> =>
      new Set(nodes[index]?.store.get(bytesToHex(topic))?.keys()),
    topicsHeld: (index: number): readonly string[] => [...(nodes[index]?.store.keys() ?? [])],
    /** kill -9: the disk stays, the sessions break. */
    kill: (index: number): void => {
      const node = nodes[index] as WorldNode;
      node.machine = undefined;
      node.life++;
      for (const link of node.links.values()) sever(link, link.ends[0] === index ? 0 : 1, latency());
      node.links.clear();
    },
    restart: (index: number): void => start(nodes[index] as WorldNode),
    /** Nothing passes between nodes of different sides; `undefined` mends it. */
    cut: (side: ((index: number) => number) | undefined): void => {
      sides = side;
      if (side === undefined) return;
      const crossing = new Set(nodes.flatMap(({ links }) => [...links.values()]).filter((link) => isCut(...link.ends)));
      for (const link of crossing) later(SILENCE_MS, () => sever(link, undefined, 0));
    },
    keepSnapshots: (): void => {
      for (const node of nodes) if (node.machine !== undefined) node.snapshot = node.machine.snapshot();
    },
    runUntil: (time: number): void => {
      while (queue.peekTime() <= time) {
        queue.pop();
        now = Math.max(now, queue.popped.time);
        const job = jobs.get(queue.popped.payload);
        jobs.delete(queue.popped.payload);
        job?.();
      }
      now = Math.max(now, time);
    },
    dispatch: (index: number, event: CoreEvent): void => dispatch(nodes[index] as WorldNode, event),
    item: (topicKey: SigningKey, gen: number, own: RandomSource, bytes = 100): Uint8Array =>
      must(publishItem(crypto, { kind: ITEM_KINDS.feed, topicKey, gen, salt: own.bytes(16) }, own.bytes(bytes))).wire,
  };
};

export type CoreWorld = ReturnType<typeof createCoreWorld>;
