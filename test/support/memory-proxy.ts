import type { Link, Links } from "../../app/ports/links.ts";
import type { Clock } from "../../app/ports/clock.ts";
import { checkTopicSignature, readItem } from "../../protocol/entry/item.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import { durationMs } from "../../protocol/kernel/time.ts";
import type { EdgeMessage, LiveMessage, ProxyMessage, ProxyPushResult } from "../../protocol/proxy/messages.ts";
import { relayStatement } from "../../protocol/proxy/statements.ts";
import { decodeProxyMessage, encodeProxyMessage } from "../../protocol/proxy/wire.ts";
import { createItemSet } from "../../protocol/reconcile/item-set.ts";
import { respond } from "../../protocol/reconcile/reconciler.ts";
import { filled, must, native } from "./data-fixtures.ts";

interface Kept {
  readonly position: number;
  readonly topic: string;
  readonly oid: Uint8Array;
  readonly gen: number;
  readonly wire: Uint8Array;
}

/** A proxy in memory for tests of the edge: what it is told to misbehave in is in `behaviour`. */
export interface MemoryProxy {
  readonly staticKey: Uint8Array;
  /** Dials this proxy under its one address. */
  readonly links: Links;
  readonly items: () => readonly Kept[];
  /** Messages edges sent, by type. */
  readonly heard: () => readonly EdgeMessage["type"][];
  readonly behaviour: {
    isUp: boolean;
    hasAccount: boolean;
    code: Uint8Array | undefined;
    quotaItems: number;
    /** Changes wires on their way out. */
    tamper: ((wire: Uint8Array) => Uint8Array) | undefined;
  };
  /** Ends every connection. */
  readonly cut: () => void;
  /** Comes back with another database. */
  readonly renew: (keep: boolean) => void;
  /** Forgets an item it has acknowledged. */
  readonly lose: (oid: Uint8Array) => void;
}

export const PROXY_ADDRESS = "192.0.2.50:4040";

export const createMemoryProxy = (clock: Clock, seed = 77): MemoryProxy => {
  const staticKey = filled(seed, 32);
  let incarnation = 1;
  let items: Kept[] = [];
  let nextPosition = 1;
  const heard: EdgeMessage["type"][] = [];
  const open = new Set<{
    readonly send: (message: ProxyMessage) => void;
    readonly live: Set<string>;
    close: () => void;
  }>();
  const behaviour: MemoryProxy["behaviour"] = {
    isUp: true,
    hasAccount: true,
    code: undefined,
    quotaItems: Number.POSITIVE_INFINITY,
    tamper: undefined,
  };
  const limits = { maxItem: 5_000_000, maxTopics: 2_000, quota: 1_000_000, used: 0, graceDays: 30, rate: 20 };
  const inTopic = (topic: string): Kept[] => items.filter((item) => item.topic === topic);
  const out = (wire: Uint8Array): Uint8Array => behaviour.tamper?.(wire) ?? wire;

  const store = (wire: Uint8Array, from: object): ProxyPushResult => {
    const item = must(readItem(native, wire));
    must(checkTopicSignature(native, item));
    const topic = bytesToHex(item.topicPk);
    const known = items.find(({ oid }) => bytesToHex(oid) === bytesToHex(item.oid));
    if (known !== undefined) return { oid: item.oid, status: 1, position: known.position, previous: 0 };
    if (items.length >= behaviour.quotaItems) return { oid: item.oid, status: 4, position: 0, previous: 0 };
    const previous = inTopic(topic).at(-1)?.position ?? 0;
    const position = nextPosition++;
    items.push({ position, topic, oid: item.oid, gen: item.gen, wire: wire.slice() });
    const live: LiveMessage = { type: "live", topic: item.topicPk, previous, position, wire: out(wire) };
    for (const session of open) if (session !== from && session.live.has(topic)) session.send(live);
    return { oid: item.oid, status: 0, position, previous };
  };

  const answer = (session: { readonly live: Set<string> }, message: EdgeMessage): ProxyMessage | undefined => {
    switch (message.type) {
      case "hello":
        return {
          type: "welcome",
          version: 1,
          incarnation: filled(incarnation, 16),
          now: 0,
          limits,
          hasAccount: behaviour.hasAccount,
        };
      case "redeem":
        behaviour.hasAccount = behaviour.code !== undefined && bytesToHex(behaviour.code) === bytesToHex(message.code);
        return behaviour.hasAccount
          ? { type: "account", request: message.request, quota: limits.quota, used: 0 }
          : { type: "error", request: message.request, code: 6, text: "" };
      case "subscribe":
        return {
          type: "subscribed",
          request: message.request,
          topics: message.topics.map(({ topic, live }) => {
            if (live) session.live.add(bytesToHex(topic));
            const kept = inTopic(bytesToHex(topic));
            return {
              position: kept.at(-1)?.position ?? 0,
              count: kept.length,
              oldest: kept[0]?.position ?? 0,
              checkpoint: null,
              status: 0,
            };
          }),
        };
      case "pull": {
        const waiting = inTopic(bytesToHex(message.topic)).filter(({ position }) => position > message.after);
        // Small pages: there is always a next one to lose.
        const page = waiting.slice(0, 2);
        return {
          type: "items",
          request: message.request,
          items: page.map(({ position, wire }) => ({ position, wire: out(wire) })),
          more: page.length < waiting.length,
          next: page.at(-1)?.position ?? message.after,
        };
      }
      case "get": {
        const wanted = message.oids.map(bytesToHex);
        const page = items.filter(({ oid }) => wanted.includes(bytesToHex(oid)));
        return {
          type: "items",
          request: message.request,
          items: page.map(({ position, wire }) => ({ position, wire })),
          more: false,
          next: wanted.length,
        };
      }
      case "reconcile": {
        const set = createItemSet(inTopic(bytesToHex(message.topic)).map(({ gen, oid }) => ({ gen, id: oid })));
        return {
          type: "reconciled",
          request: message.request,
          payload: must(respond({ crypto: native, set }, message.payload)),
        };
      }
      case "push":
        return { type: "pushed", request: message.request, results: message.wires.map((wire) => store(wire, session)) };
      case "stat":
        return {
          type: "stats",
          request: message.request,
          topics: 1,
          items: items.length,
          blobs: 0,
          quota: limits.quota,
          used: items.length,
        };
      case "unsubscribe":
        for (const topic of message.topics) {
          session.live.delete(bytesToHex(topic));
          if (message.forget) items = items.filter((item) => item.topic !== bytesToHex(topic));
        }
        return { type: "done", request: message.request, status: 0 };
      case "relay": {
        const { request, topic, until, signature } = message;
        const isSigned = native.verify(topic, relayStatement(staticKey, until), signature);
        return { type: "done", request, status: isSigned ? 0 : 2 };
      }
      default:
        throw new Error(`not expected of an edge here: ${message.type}`);
    }
  };

  const accept = (): Link => {
    let handlers: Parameters<Link["start"]>[0] | undefined;
    const waiting: (() => void)[] = [];
    // Nothing arrives within the call that sent it.
    const later = (work: () => void): void => {
      clock.after(durationMs(1), () => {
        if (handlers === undefined) waiting.push(work);
        else work();
      });
    };
    const session = {
      live: new Set<string>(),
      send: (message: ProxyMessage) =>
        later(() => {
          if (open.has(session)) handlers?.message(encodeProxyMessage(message));
        }),
      close: () => {
        if (open.delete(session)) later(() => handlers?.closed("The connection ended."));
      },
    };
    open.add(session);
    return {
      role: "initiator",
      handshakeHash: filled(1, 32),
      remoteStatic: staticKey,
      address: PROXY_ADDRESS,
      send: (bytes) =>
        later(() => {
          if (!open.has(session)) return;
          const message = must(decodeProxyMessage(bytes)) as EdgeMessage;
          heard.push(message.type);
          const answered = answer(session, message);
          if (answered !== undefined) session.send(answered);
        }),
      start: (given) => {
        handlers = given;
        for (const work of waiting.splice(0)) work();
      },
      probe: () => undefined,
      close: session.close,
    };
  };

  const cut = (): void => {
    for (const session of open) session.close();
  };

  return {
    staticKey,
    links: {
      listen: async () => err({ type: "PortInUse", message: "" }),
      dial: async () => (behaviour.isUp ? ok(accept()) : err({ type: "PeerUnreachable", message: "Nobody answers." })),
      stop: async () => undefined,
    },
    items: () => items,
    heard: () => heard,
    behaviour,
    cut,
    renew: (keep) => {
      cut();
      incarnation++;
      nextPosition = 1;
      items = keep ? items.toReversed().map((item) => ({ ...item, position: nextPosition++ })) : [];
    },
    lose: (oid) => {
      items = items.filter((item) => bytesToHex(item.oid) !== bytesToHex(oid));
    },
  };
};
