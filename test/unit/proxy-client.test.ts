import { describe, expect, test } from "vitest";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { type MonotonicMs, monotonicMs } from "../../protocol/kernel/time.ts";
import { createProxyClient } from "../../protocol/proxy/client.ts";
import type {
  OutboxItem,
  ProxyClientConfig,
  ProxyClientEffect,
  ProxyClientEvent,
} from "../../protocol/proxy/client-events.ts";
import type { ProxyMessage, Welcome } from "../../protocol/proxy/messages.ts";
import { createItemSet, type SetItem } from "../../protocol/reconcile/item-set.ts";
import { respond } from "../../protocol/reconcile/reconciler.ts";
import { filled, must, native } from "../support/data-fixtures.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const topic = filled(1, 32);
const wire = (n: number): Uint8Array => filled(n, 100);
const incarnation = filled(9, 16);
const welcome: Welcome = {
  type: "welcome",
  version: 1,
  incarnation,
  now: 1,
  limits: { maxItem: 4_195_328, maxTopics: 2_000, quota: 1_000, used: 0, graceDays: 30, rate: 20 },
  hasAccount: true,
};
const subscribed = { position: 0, count: 0, oldest: 0, checkpoint: null, status: 0 } as const;

/** A client with a proxy played by the test. */
const createScene = (config: Partial<ProxyClientConfig> = {}, stored: readonly SetItem[] = []) => {
  const outbox: OutboxItem[] = [];
  const set = createItemSet(stored);
  const client = createProxyClient(
    {
      crypto: native,
      random: createSeededRandom("proxy-client"),
      source: {
        outbox: (maxItems, _, held) => outbox.filter((each) => !held.has(bytesToHex(each.topic))).slice(0, maxItems),
        itemSet: () => set,
      },
    },
    { incarnation, topics: [{ pk: topic, cursor: 0, live: true, pin: true }], ...config },
  );
  let now = 0;
  const handle = (event: ProxyClientEvent) => client.handle(event, monotonicMs(now));
  const receive = (message: ProxyMessage) => handle({ type: "messageReceived", message });
  return {
    client,
    outbox,
    handle,
    receive,
    wait: () => {
      now = client.nextDeadline() ?? now;
      return now;
    },
    /** Dials and is welcomed; the effects of the welcome. */
    connect: (given: Welcome = welcome) => {
      expect(handle({ type: "started" }).at(-1)).toEqual({ type: "dial" });
      handle({ type: "linkOpened" });
      return receive(given);
    },
  };
};

const sent = (effects: readonly ProxyClientEffect[]) =>
  effects.flatMap((effect) => (effect.type === "send" ? [effect.message] : []));
const only = <T extends ProxyClientEffect["type"]>(effects: readonly ProxyClientEffect[], type: T) =>
  effects.filter((effect): effect is Extract<ProxyClientEffect, { type: T }> => effect.type === type);
const requestOf = (effects: readonly ProxyClientEffect[], type: ProxyMessage["type"]): number => {
  const found = sent(effects).find((message) => message.type === type);
  if (found === undefined || !("request" in found)) throw new Error(`no ${type} was sent`);
  return found.request;
};

describe("PRX-2 greeting", () => {
  test("hello comes first; the welcome opens the session", () => {
    const scene = createScene();
    scene.handle({ type: "started" });
    expect(sent(scene.handle({ type: "linkOpened" }))).toEqual([{ type: "hello", version: 1, features: 0 }]);
    const effects = scene.receive(welcome);
    expect(only(effects, "limitsChanged")[0]?.limits.quota).toBe(1_000);
    expect(only(effects, "stateChanged")[0]?.state).toBe("online");
    expect(sent(effects)).toMatchObject([{ type: "subscribe", topics: [{ topic, after: 0, live: true, pin: true }] }]);
  });

  test("a version never offered ends the session", () => {
    const scene = createScene();
    expect(scene.connect({ ...welcome, version: 2 })).toContainEqual({ type: "hangUp" });
  });

  test("no version in common is told with the side that has to be updated", () => {
    const newer = createScene().connect({ ...welcome, version: 2 });
    expect(only(newer, "versionRefused")).toEqual([{ type: "versionRefused", toUpdate: "us" }]);
    const refusedScene = createScene();
    refusedScene.handle({ type: "started" });
    refusedScene.handle({ type: "linkOpened" });
    const refused = refusedScene.receive({ type: "error", request: 0, code: 4, text: "see rule PRX-2" });
    expect(only(refused, "versionRefused")).toEqual([{ type: "versionRefused", toUpdate: "us" }]);
    expect(refused).toContainEqual({ type: "hangUp" });
  });

  test("without an account nothing is subscribed until a code was redeemed", () => {
    const scene = createScene();
    expect(sent(scene.connect({ ...welcome, hasAccount: false }))).toEqual([]);
    const asked = scene.handle({ type: "ask", token: 5, question: { type: "redeem", code: filled(1, 16) } });
    const effects = scene.receive({ type: "account", request: requestOf(asked, "redeem"), quota: 5, used: 0 });
    expect(effects[0]).toMatchObject({ type: "answered", token: 5 });
    expect(sent(effects)).toMatchObject([{ type: "subscribe" }]);
  });
});

describe("PRX-3 questions and answers", () => {
  test("an answer nobody asked for ends the session", () => {
    const scene = createScene();
    scene.connect();
    const effects = scene.receive({ type: "pong", request: 77 });
    expect(effects.map(({ type }) => type)).toContain("proxyViolated");
    expect(effects.at(-1)).toEqual({ type: "hangUp" });
  });

  test("however many topics and asks there are, a proxy is never asked more than it answers at once", () => {
    const many = Array.from({ length: 40 * 256 }, (_, n) => native.hash("SHA256", Uint8Array.of(n >> 8, n & 255)));
    const scene = createScene({ topics: many.map((pk) => ({ pk, cursor: 0, live: true, pin: true })) });
    const effects = [...scene.connect()];
    for (let token = 0; token < 40; token++)
      effects.push(...scene.handle({ type: "ask", token, question: { type: "stat" } }));
    scene.outbox.push({ oid: filled(1, 32), topic: filled(9, 32), wire: wire(1) });
    effects.push(...scene.handle({ type: "outboxChanged" }));
    expect(sent(effects)).toHaveLength(31);
    let subscriptions = 0;
    for (let next = sent(effects); next.length > 0;) {
      const [message, ...rest] = next;
      if (message?.type === "subscribe") {
        subscriptions += message.topics.length;
        const topics = message.topics.map(() => subscribed);
        next = [...rest, ...sent(scene.receive({ type: "subscribed", request: message.request, topics }))];
      } else next = rest;
    }
    expect(subscriptions).toBe(many.length);
  });

  test("a question without an answer ends the session after its deadline, and says so to who asked", () => {
    const scene = createScene({ topics: [] });
    scene.connect();
    scene.handle({ type: "ask", token: 1, question: { type: "stat" } });
    scene.wait();
    const effects = scene.handle({ type: "deadlineReached" });
    expect(effects).toContainEqual({ type: "answered", token: 1, answer: null });
    expect(effects.at(-1)).toEqual({ type: "hangUp" });
  });
});

describe("PRX-4 cursors", () => {
  test("pages are pulled one after another as they are stored, and each sets the cursor", () => {
    const scene = createScene();
    let effects = scene.connect();
    const topics = [{ ...subscribed, position: 9, count: 3 }];
    effects = scene.receive({ type: "subscribed", request: requestOf(effects, "subscribe"), topics });
    expect(sent(effects)).toMatchObject([{ type: "pull", after: 0 }]);
    const items = [{ position: 4, wire: wire(1) }];
    effects = scene.receive({ type: "items", request: requestOf(effects, "pull"), items, more: true, next: 4 });
    expect(effects).toEqual([{ type: "itemsReceived", token: 1, topic, wires: [wire(1)], cursor: 4 }]);
    effects = scene.handle({ type: "itemsStored", token: 1, stored: true });
    expect(sent(effects)).toMatchObject([{ type: "pull", after: 4 }]);
    effects = scene.receive({ type: "items", request: requestOf(effects, "pull"), items: [], more: false, next: 9 });
    effects = scene.handle({ type: "itemsStored", token: 2, stored: true });
    expect(effects).toEqual([{ type: "topicStateChanged", topic, state: "current" }]);
  });

  test("a page that could not be stored does not move the cursor of the next session", () => {
    const scene = createScene();
    let effects = scene.connect();
    const topics = [{ ...subscribed, position: 9, count: 3 }];
    effects = scene.receive({ type: "subscribed", request: requestOf(effects, "subscribe"), topics });
    const items = [{ position: 9, wire: wire(1) }];
    scene.receive({ type: "items", request: requestOf(effects, "pull"), items, more: false, next: 9 });
    expect(scene.handle({ type: "itemsStored", token: 1, stored: false })).toContainEqual({ type: "hangUp" });
    scene.handle({ type: "linkClosed" });
    scene.wait();
    expect(scene.handle({ type: "deadlineReached" })).toContainEqual({ type: "dial" });
    scene.handle({ type: "linkOpened" });
    expect(sent(scene.receive(welcome))).toMatchObject([{ type: "subscribe", topics: [{ after: 0 }] }]);
  });

  test("positions that do not rise end the session", () => {
    const scene = createScene();
    let effects = scene.connect();
    const topics = [{ ...subscribed, position: 9, count: 3 }];
    effects = scene.receive({ type: "subscribed", request: requestOf(effects, "subscribe"), topics });
    const items = [5, 5].map((position) => ({ position, wire: wire(1) }));
    effects = scene.receive({ type: "items", request: requestOf(effects, "pull"), items, more: false, next: 9 });
    expect(effects.at(-1)).toEqual({ type: "hangUp" });
  });
});

const goCurrent = (scene: ReturnType<typeof createScene>) => {
  const effects = scene.connect();
  scene.receive({ type: "subscribed", request: requestOf(effects, "subscribe"), topics: [subscribed] });
};

describe("PRX-7 live items", () => {
  test("one that follows the cursor moves it; those that come while it is stored follow as one page", () => {
    const scene = createScene();
    goCurrent(scene);
    const live = (previous: number, position: number) =>
      scene.receive({ type: "live", topic, previous, position, wire: wire(position) });
    expect(live(0, 3)).toEqual([{ type: "itemsReceived", token: 1, topic, wires: [wire(3)], cursor: 3 }]);
    expect([...live(3, 5), ...live(5, 6)]).toEqual([]);
    expect(scene.handle({ type: "itemsStored", token: 1, stored: true })).toEqual([
      { type: "itemsReceived", token: 2, topic, wires: [wire(5), wire(6)], cursor: 6 },
    ]);
    expect(live(3, 5)).toEqual([]);
  });

  test("I28 after a gap, and for an item that was too large, the topic is pulled from the cursor", () => {
    for (const message of [
      { type: "live", topic, previous: 4, position: 5, wire: wire(5) },
      { type: "live", topic, previous: 0, position: 5, wire: null },
    ] as const) {
      const scene = createScene();
      goCurrent(scene);
      const effects = scene.receive(message);
      expect(only(effects, "itemsReceived")).toEqual([]);
      expect(sent(effects)).toMatchObject([{ type: "pull", after: 0 }]);
    }
  });

  test("PRX-17 ephemeral items pass through", () => {
    const scene = createScene();
    goCurrent(scene);
    const effects = scene.receive({ type: "live", topic, previous: 0, position: 0, wire: wire(7) });
    expect(effects).toEqual([{ type: "liveReceived", topic, wire: wire(7) }]);
    expect(sent(scene.handle({ type: "sendLive", topic, wire: wire(8) }))).toEqual([
      { type: "live", topic, previous: 0, position: 0, wire: wire(8) },
    ]);
  });
});

describe("PRX-8 another incarnation", () => {
  const items = Array.from({ length: 40 }, (_, n): SetItem => ({ gen: n, id: filled(n + 1, 32) }));

  test("I29 cursors are dropped, the topic is compared, both sides get what they lack, and the new cursor is the old end", () => {
    const scene = createScene({ incarnation: filled(8, 16) }, items.slice(0, 30));
    let effects = scene.connect();
    expect(only(effects, "incarnationChanged")).toEqual([{ type: "incarnationChanged", incarnation }]);
    expect(sent(effects)).toMatchObject([{ type: "subscribe", topics: [{ after: null, checkpointFirst: true }] }]);
    const topics = [{ ...subscribed, position: 50, count: 35 }];
    effects = scene.receive({ type: "subscribed", request: requestOf(effects, "subscribe"), topics });
    const theirs = createItemSet(items.slice(5));
    const lacks: string[] = [];
    for (;;) {
      const question = sent(effects).find((message) => message.type === "reconcile");
      if (question?.type !== "reconcile") break;
      const payload = must(respond({ crypto: native, set: theirs }, question.payload));
      effects = scene.receive({ type: "reconciled", request: question.request, payload });
      lacks.push(...only(effects, "proxyLacks").flatMap(({ oids }) => oids.map(bytesToHex)));
    }
    expect(lacks.toSorted()).toEqual(items.slice(0, 5).map(({ id }) => bytesToHex(id)));
    const get = sent(effects).find((message) => message.type === "get");
    if (get?.type !== "get") throw new Error("nothing was asked for");
    expect(get.oids.map(bytesToHex).toSorted()).toEqual(items.slice(30).map(({ id }) => bytesToHex(id)));
    const wires = get.oids.map((_, n) => ({ position: n + 1, wire: wire(n) }));
    effects = scene.receive({ type: "items", request: get.request, items: wires.slice(0, 4), more: true, next: 5 });
    expect(only(effects, "itemsReceived")).toMatchObject([{ cursor: null }]);
    effects = scene.handle({ type: "itemsStored", token: 1, stored: true });
    const rest = requestOf(effects, "get");
    effects = scene.receive({ type: "items", request: rest, items: wires.slice(5), more: false, next: 5 });
    expect(only(effects, "itemsReceived")).toMatchObject([{ cursor: 50 }]);
  });

  test("a topic with nothing here is pulled from its start, its newest checkpoint first", () => {
    const scene = createScene({ incarnation: null });
    let effects = scene.connect();
    const topics = [{ ...subscribed, position: 50, count: 35, checkpoint: filled(3, 32) }];
    effects = scene.receive({ type: "subscribed", request: requestOf(effects, "subscribe"), topics });
    const request = requestOf(effects, "get");
    scene.receive({ type: "items", request, items: [{ position: 30, wire: wire(1) }], more: false, next: 1 });
    effects = scene.handle({ type: "itemsStored", token: 1, stored: true });
    expect(sent(effects)).toMatchObject([{ type: "pull", after: 0 }]);
  });
});

describe("PRX-9 the outbox", () => {
  const item = (n: number): OutboxItem => ({ oid: filled(n, 32), topic, wire: wire(n) });

  test("one push at a time; own items move the cursor when nothing lies between", () => {
    const scene = createScene();
    goCurrent(scene);
    scene.outbox.push(item(1), item(2));
    let effects = scene.handle({ type: "outboxChanged" });
    const request = requestOf(effects, "push");
    expect(scene.handle({ type: "outboxChanged" })).toEqual([]);
    scene.outbox.length = 0;
    effects = scene.receive({
      type: "pushed",
      request,
      results: [
        { oid: filled(1, 32), status: 0, position: 4, previous: 0 },
        { oid: filled(2, 32), status: 1, position: 3, previous: 0 },
      ],
    });
    expect(only(effects, "pushed")).toEqual([
      {
        type: "pushed",
        results: [
          { oid: filled(1, 32), topic, status: 0 },
          { oid: filled(2, 32), topic, status: 1 },
        ],
        cursors: [{ topic, cursor: 4 }],
      },
    ]);
  });

  test("an own item stored after somebody else's does not hide it", () => {
    const scene = createScene();
    goCurrent(scene);
    scene.outbox.push(item(1));
    const request = requestOf(scene.handle({ type: "outboxChanged" }), "push");
    const results = [{ oid: filled(1, 32), status: 0, position: 4, previous: 3 }] as const;
    const effects = scene.receive({ type: "pushed", request, results });
    expect(only(effects, "pushed")).toMatchObject([{ cursors: [] }]);
    expect(sent(effects)).toMatchObject([{ type: "pull", after: 0 }]);
  });

  test("I28 an own item does not take the cursor past one that is still being stored", () => {
    const scene = createScene();
    goCurrent(scene);
    scene.outbox.push(item(1));
    const request = requestOf(scene.handle({ type: "outboxChanged" }), "push");
    scene.receive({ type: "live", topic, previous: 0, position: 3, wire: wire(3) });
    const results = [{ oid: filled(1, 32), status: 0, position: 4, previous: 3 }] as const;
    expect(only(scene.receive({ type: "pushed", request, results }), "pushed")).toMatchObject([{ cursors: [] }]);
    const effects = scene.handle({ type: "itemsStored", token: 1, stored: true });
    expect(sent(effects)).toMatchObject([{ type: "pull", after: 3 }]);
  });

  test("a topic above its rate waits, then is tried again", () => {
    const scene = createScene();
    goCurrent(scene);
    scene.outbox.push(item(1));
    const request = requestOf(scene.handle({ type: "outboxChanged" }), "push");
    const results = [{ oid: filled(1, 32), status: 6, position: 0, previous: 0 }] as const;
    scene.receive({ type: "pushed", request, results });
    expect(scene.handle({ type: "outboxChanged" })).toEqual([]);
    expect(scene.wait()).toBe(5_000);
    expect(sent(scene.handle({ type: "deadlineReached" }))).toMatchObject([{ type: "push" }]);
  });

  test("an answer about other items ends the session", () => {
    const scene = createScene();
    goCurrent(scene);
    scene.outbox.push(item(1));
    const request = requestOf(scene.handle({ type: "outboxChanged" }), "push");
    const results = [{ oid: filled(2, 32), status: 0, position: 4, previous: 0 }] as const;
    expect(scene.receive({ type: "pushed", request, results }).at(-1)).toEqual({ type: "hangUp" });
  });
});

describe("PRX-21 being away", () => {
  test("pauses double from one second to five minutes, 30 % either way, and a welcome forgives", () => {
    const scene = createScene({ topics: [] });
    scene.handle({ type: "started" });
    let at = 0;
    for (let failure = 0; failure < 12; failure++) {
      const effects = scene.handle({ type: "linkClosed" });
      expect(only(effects, "stateChanged")).toMatchObject([{ state: "offline", failures: failure + 1 }]);
      const until: MonotonicMs = monotonicMs(scene.wait());
      const expected = Math.min(300_000, 1_000 * 2 ** failure);
      expect(until - at).toBeGreaterThanOrEqual(0.7 * expected);
      expect(until - at).toBeLessThanOrEqual(1.3 * expected);
      at = until;
      expect(scene.handle({ type: "deadlineReached" })).toContainEqual({ type: "dial" });
    }
    scene.handle({ type: "linkOpened" });
    scene.receive(welcome);
    expect(only(scene.handle({ type: "linkClosed" }), "stateChanged")).toMatchObject([{ failures: 1 }]);
  });

  test("stopped: hangs up and stays away", () => {
    const scene = createScene();
    scene.connect();
    expect(scene.handle({ type: "stopped" }).at(-1)).toEqual({ type: "hangUp" });
    scene.handle({ type: "linkClosed" });
    expect(scene.client.nextDeadline()).toBeUndefined();
    expect(scene.handle({ type: "started" })).toContainEqual({ type: "dial" });
  });
});
