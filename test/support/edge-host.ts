// Run inside the namespace of a segment: one JSON object a line in, one a line out.
import { createInterface } from "node:readline";
import { createNoiseLinks } from "../../main/adapters/noise-links.ts";
import { createSystemClock } from "../../main/adapters/system-clock.ts";
import { createSystemRandom } from "../../main/adapters/system-random.ts";
import { createTcpTransport } from "../../main/adapters/tcp-transport.ts";
import type { Link } from "../../app/ports/links.ts";
import { ITEM_KINDS, proxyCheck, publishItem } from "../../protocol/entry/item.ts";
import { bytesToHex, hexToBytes } from "../../protocol/kernel/bytes.ts";
import { durationMs } from "../../protocol/kernel/time.ts";
import { createProxyClient } from "../../protocol/proxy/client.ts";
import type { OutboxItem, ProxyClientEffect, ProxyClientEvent } from "../../protocol/proxy/client-events.ts";
import { PROXY_APPLICATION } from "../../protocol/proxy/messages.ts";
import { relayStatement } from "../../protocol/proxy/statements.ts";
import { decodeProxyMessage, encodeProxyMessage } from "../../protocol/proxy/wire.ts";
import { createItemSet, type ItemSet } from "../../protocol/reconcile/item-set.ts";
import { native } from "./data-fixtures.ts";
import { readLink } from "./proxy-process.ts";

/** What the test tells an edge host; every command is answered by a line with the same `id`. */
export type EdgeCommand = { readonly id: number } & (
  | {
      readonly type: "add";
      readonly edge: string;
      /** Link of the one proxy it uses. */
      readonly link: string;
      /** Seeds of its repositories' topic keys, hex. */
      readonly topics: readonly string[];
    }
  | { readonly type: "write"; readonly edge: string; readonly topic: string; readonly count: number }
  /** Dials at once what waits for a pause. */
  | { readonly type: "wake" }
  | { readonly type: "state" }
);

export interface EdgeState {
  readonly edge: string;
  readonly state: string;
  /** Items not acknowledged by the proxy. */
  readonly waiting: number;
  /** Ids of what it has, by topic public key, both hex. */
  readonly items: Readonly<Record<string, readonly string[]>>;
}

const clock = createSystemClock();
const random = createSystemRandom();
const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const links = createNoiseLinks({ transport: createTcpTransport(), crypto: native, random, clock, log });
const DELEGATED_SECONDS = 86_400;

const createEdge = (name: string, proxyLink: string, seeds: readonly string[]) => {
  const { staticPk, code, addresses } = readLink(proxyLink);
  const account = native.dhKeyPair(random.bytes(32));
  const keys = seeds.map((seed) => native.signingKey(hexToBytes(seed) ?? new Uint8Array(32)));
  const held = new Map<string, { readonly wires: Map<string, Uint8Array>; readonly set: ItemSet }>(
    keys.map(({ publicKey }) => [bytesToHex(publicKey), { wires: new Map(), set: createItemSet() }]),
  );
  let outbox: OutboxItem[] = [];
  let link: Link | undefined;
  let state = "offline";
  let timer: (() => void) | undefined;
  let token = 1;

  const client = createProxyClient(
    {
      crypto: native,
      random,
      source: {
        outbox: (limit, _bytes, without) =>
          outbox.filter(({ topic }) => !without.has(bytesToHex(topic))).slice(0, limit),
        itemSet: (topic) => held.get(bytesToHex(topic))?.set ?? createItemSet(),
      },
    },
    {
      incarnation: null,
      topics: keys.map(({ publicKey }) => ({ pk: publicKey, cursor: null, live: true, pin: true })),
    },
  );

  const keep = (wire: Uint8Array): void => {
    const item = proxyCheck(native, wire);
    if (!item.ok) return;
    const topic = held.get(bytesToHex(item.value.topicPk));
    if (topic === undefined) throw new Error("an item of a topic this edge does not follow");
    topic.wires.set(bytesToHex(item.value.oid), wire.slice());
    topic.set.add({ gen: item.value.gen, id: item.value.oid.slice() });
  };

  const queue: ProxyClientEvent[] = [];
  let isRunning = false;
  const handle = (event: ProxyClientEvent): void => {
    queue.push(event);
    if (isRunning) return;
    isRunning = true;
    for (let next = queue.shift(); next !== undefined; next = queue.shift())
      for (const effect of client.handle(next, clock.monotonic())) carryOut(effect);
    isRunning = false;
    timer?.();
    const due = client.nextDeadline();
    timer =
      due === undefined
        ? undefined
        : clock.after(durationMs(Math.max(0, due - clock.monotonic())), () => handle({ type: "deadlineReached" }));
  };
  const ask = (question: Extract<ProxyClientEvent, { type: "ask" }>["question"]): void =>
    handle({ type: "ask", token: token++, question });

  const dial = async (): Promise<void> => {
    const as = { application: PROXY_APPLICATION, staticKey: account, remoteStatic: staticPk };
    const dialled = await links.dial(addresses[0] ?? "", as);
    if (!dialled.ok) return handle({ type: "linkClosed" });
    link = dialled.value;
    handle({ type: "linkOpened" });
    link.start({
      message: (bytes) => {
        const message = decodeProxyMessage(bytes);
        if (message.ok) handle({ type: "messageReceived", message: message.value });
      },
      closed: () => {
        link = undefined;
        handle({ type: "linkClosed" });
      },
    });
  };

  const carryOut = (effect: ProxyClientEffect): void => {
    switch (effect.type) {
      case "dial":
        void dial();
        break;
      case "hangUp":
        if (link === undefined) handle({ type: "linkClosed" });
        else link.close();
        break;
      case "send":
        link?.send(encodeProxyMessage(effect.message), effect.urgent ? "urgent" : "bulk");
        break;
      case "stateChanged":
        state = effect.state;
        if (state === "noAccount" && code !== null) ask({ type: "redeem", code });
        break;
      case "topicStateChanged": {
        const key = keys.find(({ publicKey }) => bytesToHex(publicKey) === bytesToHex(effect.topic));
        if (effect.state !== "current" || key === undefined) break;
        const until = Math.floor(clock.unix() / 1000) + DELEGATED_SECONDS;
        const signature = key.sign(relayStatement(staticPk, until));
        ask({ type: "relay", topic: effect.topic, until, signature, contacts: [] });
        break;
      }
      case "itemsReceived":
        for (const wire of effect.wires) keep(wire);
        handle({ type: "itemsStored", token: effect.token, stored: true });
        break;
      case "pushed": {
        const settled = effect.results.filter(({ status }) => ![4, 5, 6].includes(status));
        const done = new Set(settled.map(({ oid }) => bytesToHex(oid)));
        outbox = outbox.filter(({ oid }) => !done.has(bytesToHex(oid)));
        handle({ type: "outboxChanged" });
        break;
      }
      case "proxyLacks":
        for (const oid of effect.oids) {
          const wire = held.get(bytesToHex(effect.topic))?.wires.get(bytesToHex(oid));
          if (wire !== undefined) outbox.push({ oid, topic: effect.topic, wire });
        }
        handle({ type: "outboxChanged" });
        break;
      default:
    }
  };

  handle({ type: "started" });
  return {
    wake: () => handle({ type: "started" }),
    write: (topicPk: string, count: number): void => {
      const topicKey = keys.find(({ publicKey }) => bytesToHex(publicKey) === topicPk);
      if (topicKey === undefined) throw new Error("not a member");
      for (let n = 0; n < count; n++) {
        const gen = held.get(topicPk)?.set.size() ?? 0;
        const origin = { kind: ITEM_KINDS.feed, topicKey, gen, salt: random.bytes(16) };
        const item = publishItem(native, origin, random.bytes(200));
        if (!item.ok) throw new Error(item.error.type);
        keep(item.value.wire);
        outbox.push({ oid: item.value.oid, topic: topicKey.publicKey, wire: item.value.wire });
      }
      handle({ type: "outboxChanged" });
    },
    read: (): EdgeState => ({
      edge: name,
      state,
      waiting: outbox.length,
      items: Object.fromEntries([...held].map(([topic, { wires }]) => [topic, [...wires.keys()].toSorted()])),
    }),
  };
};

if (process.argv[1] === import.meta.filename) {
  const edges = new Map<string, ReturnType<typeof createEdge>>();
  createInterface({ input: process.stdin }).on("line", (line) => {
    const command = JSON.parse(line) as EdgeCommand;
    if (command.type === "add") edges.set(command.edge, createEdge(command.edge, command.link, command.topics));
    if (command.type === "write") edges.get(command.edge)?.write(command.topic, command.count);
    if (command.type === "wake") for (const edge of edges.values()) edge.wake();
    const states = command.type === "state" ? [...edges.values()].map((edge) => edge.read()) : [];
    process.stdout.write(`${JSON.stringify({ id: command.id, states })}\n`);
  });
}
