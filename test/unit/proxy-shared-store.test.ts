import { expect, test } from "vitest";
import { openProxyStore } from "../../main/proxy/proxy-store.ts";
import { ok } from "../../protocol/kernel/result.ts";
import { monotonicMs, unixMs } from "../../protocol/kernel/time.ts";
import type { LiveMessage, ProxyMessage } from "../../protocol/proxy/messages.ts";
import { createProxyServer, type ProxyServerEvent } from "../../protocol/proxy/server.ts";
import { DEFAULT_TOPIC_RATES } from "../../protocol/proxy/topic-rates.ts";
import { filled, must, native } from "../support/data-fixtures.ts";
import { sealed, STATIC_PK, topicKey } from "../support/proxy-world.ts";

/** Machines that share one store, as processes do; what they would send is collected by connection. */
const createShared = () => {
  const store = must(openProxyStore(":memory:"));
  const config = { openQuota: 2 ** 30, capacity: 2 ** 40, maxTopics: 100, itemGraceDays: 30, blobGraceDays: 14 };
  const process = () => {
    const machine = createProxyServer(
      { crypto: native, unixNow: () => unixMs(1_800_000_000_000) },
      { ...config, rates: { ...DEFAULT_TOPIC_RATES, burst: 10_000 }, incarnation: filled(7, 16), staticPk: STATIC_PK },
    );
    const sent: ProxyMessage[] = [];
    const feed = async (event: ProxyServerEvent): Promise<void> => {
      for (const effect of machine.handle(event, monotonicMs(0))) {
        if (effect.type === "send") sent.push(effect.message);
        if (effect.type !== "store") continue;
        const [answer = null] = must(await store.perform([effect.request]));
        await feed({ type: "storeAnswered", id: effect.id, answer: ok(answer) });
      }
    };
    const tell = (message: ProxyMessage) => feed({ type: "messageReceived", connection: 1, message });
    return {
      feed,
      tell,
      live: () => sent.filter((message): message is LiveMessage => message.type === "live"),
      forget: () => sent.splice(0),
      greet: async (account: Uint8Array) => {
        await feed({ type: "connectionOpened", connection: 1, account });
        await tell({ type: "hello", version: 1, features: 0 });
        const subscription = {
          topic: key.publicKey,
          after: 0,
          live: true,
          pin: true,
          checkpointFirst: false,
          relay: false,
        };
        await tell({ type: "subscribe", request: 1, topics: [subscription] });
      },
    };
  };
  return { one: process(), other: process() };
};

const key = topicKey(1);
const wiresOf = (count: number) => Array.from({ length: count }, (_, n) => sealed(key, n).wire);

test("PRX-30 what another process stored reaches the followers here, as one's own would", async () => {
  const { one, other } = createShared();
  await one.greet(filled(1, 32));
  await other.greet(filled(2, 32));
  const wires = wiresOf(3);
  await one.tell({ type: "push", request: 2, wires });
  await other.feed({
    type: "storeChanged",
    change: { type: "appended", topic: key.publicKey, previous: 0, newest: 3 },
  });
  expect(other.live().map(({ previous, position }) => [previous, position])).toEqual([
    [0, 1],
    [1, 2],
    [2, 3],
  ]);
  expect(other.live().map(({ wire }) => Buffer.from(wire ?? []))).toEqual(wires.map((wire) => Buffer.from(wire)));
});

test("PRX-30 of a long change the rest is named, not sent", async () => {
  const { one, other } = createShared();
  await one.greet(filled(1, 32));
  await other.greet(filled(2, 32));
  for (let n = 0; n < 2; n++) await one.tell({ type: "push", request: 2 + n, wires: wiresOf(50) });
  await other.feed({
    type: "storeChanged",
    change: { type: "appended", topic: key.publicKey, previous: 0, newest: 100 },
  });
  expect(other.live()).toHaveLength(65);
  expect(other.live().at(-1)).toMatchObject({ previous: 64, position: 100, wire: null });
});

test("PRX-30 after a gap followers are told the newest position", async () => {
  const { one, other } = createShared();
  await one.greet(filled(1, 32));
  await other.greet(filled(2, 32));
  await one.tell({ type: "push", request: 2, wires: wiresOf(5) });
  other.forget();
  await other.feed({ type: "storeChanged", change: { type: "missed" } });
  expect(other.live()).toEqual([
    { type: "live", topic: new Uint8Array(key.publicKey), previous: 5, position: 5, wire: null },
  ]);
});
