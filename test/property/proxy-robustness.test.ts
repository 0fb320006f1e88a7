import { expect, test } from "vitest";
import { ITEM_KINDS } from "../../protocol/entry/item.ts";
import { randomBelow, type RandomSource } from "../../protocol/kernel/random.ts";
import { monotonicMs } from "../../protocol/kernel/time.ts";
import { createProxyClient } from "../../protocol/proxy/client.ts";
import type { OutboxItem, ProxyClientEvent } from "../../protocol/proxy/client-events.ts";
import { ERROR_CODE, type ProxyMessage } from "../../protocol/proxy/messages.ts";
import { decodeProxyMessage, encodeProxyMessage } from "../../protocol/proxy/wire.ts";
import { createItemSet } from "../../protocol/reconcile/item-set.ts";
import { filled, must, native } from "../support/data-fixtures.ts";
import { createProxyWorld, sealed, topicKey } from "../support/proxy-world.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const RUNS = Number(process.env["PROXY_RUNS"] ?? 60);
const MESSAGES = 120;
const keys = [topicKey(1), topicKey(2)] as const;
const topics = [keys[0].publicKey, keys[1].publicKey, filled(9, 32)] as const;
const items = Array.from({ length: 20 }, (_, n) => sealed(keys[n % 2] ?? keys[0], n, `item ${n}`, kindOf(n)));

function kindOf(n: number) {
  return n % 7 === 0 ? ITEM_KINDS.checkpoint : n % 11 === 0 ? ITEM_KINDS.live : ITEM_KINDS.entry;
}

/** Any message of the protocol, with numbers and ids that often mean something. */
const anyMessage = (random: RandomSource): ProxyMessage => {
  const below = (bound: number): number => randomBelow(random, bound);
  const flip = (): boolean => below(2) === 0;
  const topic = topics[below(3)] ?? topics[0];
  const request = below(12);
  const number = flip() ? below(30) : below(2 ** 32) * 1_000_000;
  const oids = Array.from({ length: below(6) }, () => items[below(items.length)]?.oid ?? filled(0, 32));
  const wires = Array.from({ length: below(6) }, () =>
    below(8) === 0 ? random.bytes(1 + below(300)) : (items[below(items.length)]?.wire ?? filled(0, 1)),
  );
  const messages: readonly ProxyMessage[] = [
    { type: "hello", version: below(3), features: 0 },
    {
      type: "welcome",
      version: below(3),
      incarnation: filled(below(2), 16),
      now: below(9),
      limits: { maxItem: 1, maxTopics: 1, quota: number, used: number, graceDays: 1, rate: 1 },
      hasAccount: flip(),
    },
    {
      type: "subscribe",
      request,
      topics: topics.map((each) => ({
        topic: each,
        after: flip() ? null : number,
        live: flip(),
        pin: flip(),
        checkpointFirst: flip(),
        relay: flip(),
      })),
    },
    {
      type: "subscribed",
      request,
      topics: topics.slice(0, below(4)).map(() => ({
        position: number,
        count: below(9),
        oldest: below(9),
        checkpoint: flip() ? null : (oids[0] ?? null),
        status: flip() ? 0 : 1,
      })),
    },
    { type: "pull", request, topic, after: number, maxItems: below(257), maxBytes: below(10_000) },
    {
      type: "items",
      request,
      items: wires.map((wire, n) => ({ position: below(20) + n, wire })),
      more: flip(),
      next: number,
    },
    { type: "push", request, wires },
    {
      type: "pushed",
      request,
      results: oids.map((oid) => ({ oid, status: flip() ? 0 : 6, position: below(20), previous: below(20) })),
    },
    { type: "live", topic, previous: below(20), position: below(20), wire: flip() ? null : (wires[0] ?? null) },
    { type: "reconcile", request, topic, payload: flip() ? Uint8Array.of(0x61) : random.bytes(below(80)) },
    { type: "reconciled", request, payload: flip() ? null : random.bytes(below(80)) },
    { type: "get", request, topic, oids },
    { type: "unsubscribe", request, topics: [topic], forget: flip() },
    { type: "relay", request, topic, until: below(9), signature: filled(0, 64), contacts: [] },
    { type: "putBlob", request, topic, id: native.hash("SHA256", filled(1, 9)), bytes: filled(1, 9) },
    { type: "haveBlobs", request, topic, ids: oids },
    { type: "getBlob", request, topic, id: oids[0] ?? filled(0, 32) },
    { type: flip() ? "pinBlobs" : "unpinBlobs", request, topic, ids: oids, signature: filled(0, 64) },
    { type: "registerInbox", request, inbox: topic, signature: filled(0, 64) },
    { type: "redeem", request, code: filled(below(3), 16) },
    { type: "stat", request },
    { type: "ping", request },
    { type: "done", request, status: flip() ? 0 : 5 },
    { type: "blobsPresent", request, present: oids.map(flip) },
    { type: "blob", request, bytes: flip() ? null : filled(1, 9) },
    { type: "account", request, quota: number, used: 0 },
    { type: "stats", request, topics: 1, items: 1, blobs: 1, quota: 1, used: 1 },
    { type: "pong", request },
    { type: "error", request, code: ERROR_CODE.busy, text: "" },
  ];
  return must(decodeProxyMessage(encodeProxyMessage(messages[below(messages.length)] ?? { type: "ping", request })));
};

test("PRX-3 whatever edges say in whatever order, the proxy does not throw, and accounts stay within what quotas allow", async () => {
  for (let run = 0; run < RUNS; run++) {
    const random = createSeededRandom(`proxy-server/${run}`);
    const world = createProxyWorld({ server: { openQuota: 3_000, maxTopics: 2 } });
    const accounts = [filled(1, 32), filled(2, 32)];
    let peers = accounts.map((account) => world.connect(account));
    for (let n = 0; n < MESSAGES; n++) {
      const at = randomBelow(random, 2);
      const peer = peers[at];
      if (peer === undefined || peer.isClosed() || randomBelow(random, 40) === 0) {
        peer?.event("connectionClosed");
        peers = peers.map((each, index) => (index === at ? world.connect(accounts[at] ?? filled(1, 32)) : each));
        peers[at]?.send({ type: "hello", version: 1, features: 0 });
      } else if (randomBelow(random, 30) === 0) peer.congested(randomBelow(random, 2) === 0);
      else peer.send(anyMessage(random));
      if (randomBelow(random, 3) === 0) await world.settle();
    }
    await world.settle();
    for (const account of accounts) {
      const [stats] = must(await world.store().perform([{ type: "stat", account }]));
      expect((stats as { readonly used: number }).used, `run ${run}`).toBeLessThanOrEqual(2 * 3_000);
      expect((stats as { readonly used: number }).used).toBeGreaterThanOrEqual(0);
    }
  }
});

test("PRX-3 whatever a proxy says, its client neither throws nor asks more than thirty-one questions at once", () => {
  for (let run = 0; run < 5 * RUNS; run++) {
    const random = createSeededRandom(`proxy-client/${run}`);
    const set = createItemSet(items.map(({ gen, oid }) => ({ gen, id: oid })));
    const outbox = items.map((item): OutboxItem => ({ oid: item.oid, topic: item.topicPk, wire: item.wire }));
    const client = createProxyClient(
      { crypto: native, random, source: { outbox: (most) => outbox.slice(0, most), itemSet: () => set } },
      { incarnation: null, topics: topics.map((pk) => ({ pk, cursor: null, live: true, pin: true })) },
    );
    const open = new Set<number>();
    const tokens: number[] = [];
    let isLinked = false;
    let now = 0;
    const handle = (event: ProxyClientEvent): void => {
      if (event.type === "messageReceived" && "request" in event.message) open.delete(event.message.request);
      for (const effect of client.handle(event, monotonicMs(now))) {
        if (effect.type === "itemsReceived") tokens.push(effect.token);
        if (effect.type === "dial" || effect.type === "hangUp") {
          open.clear();
          isLinked = effect.type === "dial";
        }
        if (effect.type === "send" && "request" in effect.message) open.add(effect.message.request);
      }
      expect(open.size, `run ${run}`).toBeLessThanOrEqual(31);
    };
    handle({ type: "started" });
    for (let n = 0; n < MESSAGES; n++) {
      const chance = randomBelow(random, 12);
      const token = tokens.shift();
      if (!isLinked) handle({ type: "linkClosed" });
      if (chance === 0) handle({ type: "linkOpened" });
      else if (chance === 1) {
        now = client.nextDeadline() ?? now;
        handle({ type: "deadlineReached" });
      } else if (chance < 4 && token !== undefined) handle({ type: "itemsStored", token, stored: chance === 2 });
      else if (chance === 4) handle({ type: "outboxChanged" });
      else if (chance === 5) handle({ type: "ask", token: n, question: { type: "stat" } });
      else handle({ type: "messageReceived", message: answerFor(random, [...open]) });
    }
  }
});

/** Often an answer to something that was asked. */
const answerFor = (random: RandomSource, open: readonly number[]): ProxyMessage => {
  const message = anyMessage(random);
  const request = open[randomBelow(random, open.length + 1)];
  return "request" in message && request !== undefined ? { ...message, request } : message;
};
