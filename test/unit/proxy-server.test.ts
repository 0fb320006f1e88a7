import { describe, expect, test } from "vitest";
import { encodeCbor } from "../../protocol/codec/cbor.ts";
import { ITEM_KINDS } from "../../protocol/entry/item.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import type { ProxyMessage } from "../../protocol/proxy/messages.ts";
import { blobStatement, relayStatement } from "../../protocol/proxy/statements.ts";
import { filled, native, withFlippedBit } from "../support/data-fixtures.ts";
import {
  createProxyWorld,
  emptyDisk,
  type ProxyWorld,
  published,
  sealed,
  STATIC_PK,
  topicKey,
} from "../support/proxy-world.ts";

const key = topicKey(1);
const topic = key.publicKey;
const alice = filled(101, 32);
const bob = filled(102, 32);

type Peer = ReturnType<ProxyWorld["connect"]>;
const greet = async (world: ProxyWorld, account: Uint8Array, quota?: number): Promise<Peer> => {
  const peer = world.connect(account);
  await peer.ask({ type: "hello", version: 1, features: 0 });
  if (quota !== undefined) await peer.ask({ type: "redeem", request: 1, code: world.mint(quota) });
  return peer;
};
const subscription = { topic, after: 0, live: true, pin: true, checkpointFirst: false, relay: false };
const subscribe = async (peer: Peer, fields: Partial<typeof subscription> = {}) => {
  const [answer] = await peer.ask({ type: "subscribe", request: 2, topics: [{ ...subscription, ...fields }] });
  return answer?.type === "subscribed" ? answer.topics[0] : undefined;
};
const push = async (peer: Peer, ...wires: readonly Uint8Array[]) => {
  const answers = await peer.ask({ type: "push", request: 3, wires });
  const [answer] = answers.filter(({ type }) => type === "pushed");
  return answer?.type === "pushed" ? answer.results : [];
};
const statuses = async (peer: Peer, ...wires: readonly Uint8Array[]) =>
  (await push(peer, ...wires)).map(({ status }) => status);
const pull = async (peer: Peer, after = 0, maxItems = 256, maxBytes = 100_000) => {
  const [answer] = await peer.ask({ type: "pull", request: 4, topic, after, maxItems, maxBytes });
  return answer?.type === "items" ? answer : undefined;
};
const get = async (peer: Peer, ...oids: readonly Uint8Array[]) => {
  const [answer] = await peer.ask({ type: "get", request: 6, topic, oids });
  return answer?.type === "items" ? answer.items.length : 0;
};
const used = async (peer: Peer): Promise<number> => {
  const [answer] = await peer.ask({ type: "stat", request: 5 });
  return answer?.type === "stats" ? answer.used : -1;
};

describe("PRX-2 greeting", () => {
  test("the welcome names version, incarnation, quota and limits", async () => {
    const world = createProxyWorld();
    const peer = world.connect(alice);
    const [welcome] = await peer.ask({ type: "hello", version: 9, features: 0 });
    expect(welcome).toMatchObject({
      type: "welcome",
      version: 1,
      hasAccount: false,
      limits: { quota: 0, graceDays: 30 },
    });
  });

  test("anything else before hello, and a second hello, end the session", async () => {
    const world = createProxyWorld();
    const silent = world.connect(alice);
    await silent.ask({ type: "ping", request: 1 });
    expect(silent.isClosed()).toBe(true);
    const twice = await greet(world, alice);
    await twice.ask({ type: "hello", version: 1, features: 0 });
    expect(twice.isClosed()).toBe(true);
  });

  test("in open mode whoever comes has a small account", async () => {
    const world = createProxyWorld({ server: { openQuota: 1_000 } });
    const [welcome] = await world.connect(alice).ask({ type: "hello", version: 1, features: 0 });
    expect(welcome).toMatchObject({ hasAccount: true, limits: { quota: 1_000, used: 0 } });
  });

  test("what only a proxy says ends the session", async () => {
    const peer = await greet(createProxyWorld(), alice);
    await peer.ask({ type: "pong", request: 1 });
    expect(peer.isClosed()).toBe(true);
  });
});

describe("PRX-3 questions", () => {
  test("the 33rd open one ends the session", async () => {
    const world = createProxyWorld();
    const peer = await greet(world, alice);
    for (let request = 1; request <= 33; request++) peer.send({ type: "stat", request });
    await world.settle();
    expect(peer.isClosed()).toBe(true);
    expect(peer.inbox).toContainEqual(expect.objectContaining({ type: "error", request: 0, code: 3 }));
  });

  test("a store that fails is an error for the question, not for the session", async () => {
    const world = createProxyWorld();
    const peer = await greet(world, alice, 10_000);
    await subscribe(peer);
    world.setDiskFull(true);
    const answers = await peer.ask({ type: "push", request: 9, wires: [sealed(key, 1).wire] });
    expect(answers).toMatchObject([{ type: "error", request: 9, code: 5 }]);
    world.setDiskFull(false);
    expect(await statuses(peer, sealed(key, 1).wire)).toEqual([0]);
  });
});

describe("PRX-5 subscriptions", () => {
  test("knowing a topic's key is enough to read it, pinning it needs an account", async () => {
    const world = createProxyWorld();
    const owner = await greet(world, alice, 100_000);
    expect(await subscribe(owner)).toMatchObject({ status: 0, position: 0, count: 0 });
    await push(owner, sealed(key, 1).wire, sealed(key, 2, "x", ITEM_KINDS.checkpoint).wire);
    const guest = await greet(world, bob);
    expect(await subscribe(guest, { checkpointFirst: true })).toMatchObject({
      status: 0,
      count: 2,
      oldest: 1,
      position: 2,
    });
    expect((await pull(guest))?.items).toHaveLength(2);
    expect(await subscribe(guest, { topic: topicKey(2).publicKey })).toMatchObject({ status: 5 });
  });

  test("the newest checkpoint is named on request; a cursor beyond everything stored is called unknown", async () => {
    const world = createProxyWorld();
    const peer = await greet(world, alice, 100_000);
    await subscribe(peer);
    const checkpoint = sealed(key, 2, "x", ITEM_KINDS.checkpoint);
    await push(peer, sealed(key, 1).wire, checkpoint.wire, sealed(key, 3).wire);
    expect((await subscribe(peer, { checkpointFirst: true }))?.checkpoint).toEqual(checkpoint.oid);
    expect((await subscribe(peer))?.checkpoint).toBeNull();
    expect((await subscribe(peer, { after: 4 }))?.status).toBe(1);
    expect((await subscribe(peer, { after: 3 }))?.status).toBe(0);
  });

  test("an account has a number of topics and no more", async () => {
    const world = createProxyWorld({ server: { maxTopics: 2 } });
    const peer = await greet(world, alice, 1_000);
    expect((await subscribe(peer, { topic: topicKey(1).publicKey }))?.status).toBe(0);
    expect((await subscribe(peer, { topic: topicKey(2).publicKey }))?.status).toBe(0);
    expect((await subscribe(peer, { topic: topicKey(3).publicKey }))?.status).toBe(8);
    expect((await subscribe(peer, { topic: topicKey(1).publicKey }))?.status).toBe(0);
  });
});

describe("PRX-6 pages", () => {
  test("at most as many items and bytes as asked for, but one of any size; next says how far the page goes", async () => {
    const world = createProxyWorld();
    const peer = await greet(world, alice, 1_000_000);
    await subscribe(peer);
    const items = Array.from({ length: 10 }, (_, n) => sealed(key, n));
    await push(peer, ...items.map(({ wire }) => wire));
    const first = await pull(peer, 0, 4);
    expect(first?.items.map(({ position }) => position)).toEqual([1, 2, 3, 4]);
    expect(first).toMatchObject({ more: true, next: 4 });
    expect(await pull(peer, 4, 256, 1)).toMatchObject({ more: true, next: 5 });
    const rest = await pull(peer, 5);
    expect(rest?.items.map(({ wire }) => bytesToHex(wire))).toEqual(items.slice(5).map(({ wire }) => bytesToHex(wire)));
    expect(rest).toMatchObject({ more: false, next: 10 });
    expect(await pull(peer, 10)).toMatchObject({ items: [], more: false, next: 10 });
  });

  test("GET passes over what is not stored and counts the ids dealt with", async () => {
    const world = createProxyWorld();
    const peer = await greet(world, alice, 1_000_000);
    await subscribe(peer);
    const item = sealed(key, 1);
    await push(peer, item.wire);
    const [answer] = await peer.ask({ type: "get", request: 1, topic, oids: [filled(9, 32), item.oid, filled(8, 32)] });
    expect(answer).toMatchObject({ items: [{ position: 1, wire: item.wire }], more: false, next: 3 });
    const [unknown] = await peer.ask({ type: "get", request: 1, topic: filled(5, 32), oids: [item.oid] });
    expect(unknown).toMatchObject({ type: "error", code: 7 });
  });
});

describe("PRX-7 live items", () => {
  test("followers hear of an item with its place; who pushed it learns that from the answer", async () => {
    const world = createProxyWorld();
    const writer = await greet(world, alice, 100_000);
    const reader = await greet(world, bob);
    await subscribe(writer);
    await subscribe(reader);
    reader.inbox.length = 0;
    const [a, b] = [sealed(key, 1), sealed(key, 2)];
    const results = await push(writer, a.wire, b.wire, a.wire);
    expect(results.map(({ status, position, previous }) => [status, position, previous])).toEqual([
      [0, 1, 0],
      [0, 2, 1],
      [1, 1, 0],
    ]);
    expect(reader.inbox).toEqual([
      { type: "live", topic, previous: 0, position: 1, wire: a.wire },
      { type: "live", topic, previous: 1, position: 2, wire: b.wire },
    ]);
    expect(writer.inbox.filter(({ type }) => type === "live")).toEqual([]);
  });

  test("a connection that does not take more is told once that there is more", async () => {
    const world = createProxyWorld();
    const writer = await greet(world, alice, 100_000);
    const reader = await greet(world, bob);
    await subscribe(writer);
    await subscribe(reader);
    reader.inbox.length = 0;
    reader.congested(true);
    await push(writer, sealed(key, 1).wire, sealed(key, 2).wire);
    expect(reader.inbox).toEqual([]);
    reader.congested(false);
    await world.settle();
    expect(reader.inbox).toEqual([{ type: "live", topic, previous: 1, position: 2, wire: null }]);
  });

  test("PRX-17 ephemeral items reach who follows the topic and are never stored", async () => {
    const world = createProxyWorld();
    const writer = await greet(world, alice, 100_000);
    const reader = await greet(world, bob);
    await subscribe(writer);
    await subscribe(reader);
    reader.inbox.length = 0;
    const item = sealed(key, 1, "caret", ITEM_KINDS.live);
    const live: ProxyMessage = { type: "live", topic, previous: 0, position: 0, wire: item.wire };
    writer.send(live);
    await world.settle();
    expect(reader.inbox).toEqual([live]);
    const notLive = sealed(key, 1).wire;
    const forged = withFlippedBit(item.wire, 8 * 150);
    for (const wire of [notLive, forged]) writer.send({ ...live, wire });
    for (let n = 0; n < 100; n++) writer.send(live);
    await world.settle();
    expect(reader.inbox.length).toBeLessThanOrEqual(41);
    expect(await statuses(writer, item.wire)).toEqual([2]);
    expect((await pull(reader))?.items).toEqual([]);
  });
});

describe("PRX-10 write gate and quota", () => {
  test("I30 an item of a topic nobody pins is refused", async () => {
    const world = createProxyWorld();
    const peer = await greet(world, alice, 100_000);
    expect(await statuses(peer, sealed(key, 1).wire)).toEqual([5]);
  });

  test("items of topics nobody pins cost no signature check, those of a topic pinned a moment ago are stored", async () => {
    const world = createProxyWorld();
    const stranger = await greet(world, bob);
    const forged = withFlippedBit(sealed(key, 1).wire, 8 * 130);
    expect(await statuses(stranger, forged, sealed(key, 2).wire)).toEqual([5, 5]);
    const owner = await greet(world, alice, 100_000);
    await subscribe(owner);
    expect(await statuses(stranger, forged, sealed(key, 2).wire)).toEqual([2, 0]);
    await owner.ask({ type: "unsubscribe", request: 1, topics: [topic], forget: true });
    expect(await statuses(stranger, sealed(key, 3).wire)).toEqual([5]);
  });

  test("I30 the quota is exact to the byte, and everybody who pins a topic is charged", async () => {
    const [a, b] = [sealed(key, 1), sealed(key, 2)];
    const world = createProxyWorld();
    const exact = await greet(world, alice, a.wire.length + b.wire.length);
    const other = await greet(world, bob, a.wire.length + 5);
    await subscribe(exact);
    await subscribe(other);
    expect(await statuses(other, a.wire)).toEqual([0]);
    expect([await used(exact), await used(other)]).toEqual([a.wire.length, a.wire.length]);
    expect(await statuses(other, b.wire)).toEqual([0]);
    expect(await used(exact)).toBe(a.wire.length + b.wire.length);
    expect(await statuses(exact, sealed(key, 3).wire)).toEqual([4]);
    const world2 = createProxyWorld();
    const short = await greet(world2, alice, a.wire.length + b.wire.length - 1);
    await subscribe(short);
    expect(await statuses(short, a.wire, b.wire)).toEqual([0, 4]);
  });

  test("a topic larger than what is left cannot be pinned", async () => {
    const world = createProxyWorld();
    const owner = await greet(world, alice, 100_000);
    await subscribe(owner);
    await push(owner, sealed(key, 1).wire);
    const small = await greet(world, bob, 10);
    expect((await subscribe(small))?.status).toBe(4);
    expect(await used(small)).toBe(0);
  });

  test("the proxy's own capacity bounds all accounts together", async () => {
    const item = sealed(key, 1);
    const world = createProxyWorld({ server: { capacity: item.wire.length } });
    const peer = await greet(world, alice, 100_000);
    await subscribe(peer);
    expect(await statuses(peer, item.wire, sealed(key, 2).wire)).toEqual([0, 4]);
  });

  test("what is forged, cut, of another kind or not an item at all is refused by name", async () => {
    const world = createProxyWorld();
    const peer = await greet(world, alice, 1_000_000);
    await subscribe(peer);
    const item = sealed(key, 1);
    const wires = [
      withFlippedBit(item.wire, 8 * 130),
      withFlippedBit(item.wire, 8 * (item.wire.length - 1)),
      item.wire.slice(0, -1),
      filled(0, 1),
      published(key, ITEM_KINDS.retire, filled(0, 5)).wire,
      published(key, ITEM_KINDS.inbox, filled(0, 5)).wire,
    ];
    expect(await statuses(peer, ...wires)).toEqual([2, 2, 2, 2, 2, 2]);
    expect(await used(peer)).toBe(0);
  });
});

test("PRX-11 a topic brings 200 items at once, then 20 a second; other topics are not slowed", async () => {
  const world = createProxyWorld();
  const peer = await greet(world, alice, 10_000_000);
  await subscribe(peer);
  const stored: number[] = [];
  const item = sealed(key, 1);
  for (let n = 0; n < 4; n++) stored.push(...(await statuses(peer, ...Array.from({ length: 60 }, () => item.wire))));
  expect(stored.filter((status) => status !== 6)).toHaveLength(200);
  await world.advance(500);
  expect(
    (await statuses(peer, ...Array.from({ length: 20 }, () => item.wire))).filter((status) => status !== 6),
  ).toHaveLength(10);
  expect(await statuses(peer, sealed(topicKey(2), 1).wire)).toEqual([5]);
});

test("PRX-11 a topic brings so many bytes a day", async () => {
  const item = sealed(key, 1);
  const rates = { itemsPerSecond: 20, burst: 200, bytesPerDay: 2 * item.wire.length };
  const world = createProxyWorld({ server: { rates } });
  const peer = await greet(world, alice, 10_000_000);
  await subscribe(peer);
  expect(await statuses(peer, item.wire, sealed(key, 2).wire, sealed(key, 3).wire)).toEqual([0, 0, 6]);
  await world.advance(world.days(1));
  expect(await statuses(peer, sealed(key, 3).wire)).toEqual([0]);
});

describe("PRX-12 retirement", () => {
  const retireOf = (...oids: readonly Uint8Array[]) => published(key, ITEM_KINDS.retire, encodeCbor([...oids])).wire;

  test("I31 retired items are given to who names them for thirty days, then deleted and not taken again", async () => {
    const world = createProxyWorld();
    const peer = await greet(world, alice, 1_000_000);
    await subscribe(peer);
    const [old, kept] = [sealed(key, 1), sealed(key, 2)];
    const retire = retireOf(old.oid);
    expect(await statuses(peer, old.wire, kept.wire, retire)).toEqual([0, 0, 0]);
    // PRX-6: who reads the topic gets what covers them instead.
    const rest = async () => (await pull(peer))?.items.map(({ position }) => position);
    expect(await rest()).toEqual([2, 3]);
    await world.advance(world.days(30));
    expect(await get(peer, old.oid)).toBe(1);
    expect(await used(peer)).toBe(old.wire.length + kept.wire.length + retire.length);
    await world.advance(world.days(1));
    expect(await get(peer, old.oid)).toBe(0);
    expect(await rest()).toEqual([2, 3]);
    expect(await used(peer)).toBe(kept.wire.length + retire.length);
    expect(await statuses(peer, old.wire)).toEqual([7]);
  });

  test("I31 pushing it again within the grace revives it", async () => {
    const world = createProxyWorld();
    const peer = await greet(world, alice, 1_000_000);
    await subscribe(peer);
    const item = sealed(key, 1);
    await push(peer, item.wire, retireOf(item.oid));
    expect((await pull(peer))?.items).toHaveLength(1);
    await world.advance(world.days(20));
    expect(await statuses(peer, item.wire)).toEqual([1]);
    await world.advance(world.days(20));
    expect((await pull(peer))?.items).toHaveLength(2);
  });

  test("the key of one topic retires nothing of another", async () => {
    const world = createProxyWorld();
    const peer = await greet(world, alice, 1_000_000);
    const other = topicKey(2);
    await subscribe(peer);
    await subscribe(peer, { topic: other.publicKey });
    const item = sealed(key, 1);
    await push(peer, item.wire, published(other, ITEM_KINDS.retire, encodeCbor([item.oid])).wire);
    await world.advance(world.days(60));
    expect((await pull(peer))?.items).toHaveLength(1);
  });
});

test("PRX-13 forgetting deletes what nobody else pins, at once; positions are never given again", async () => {
  const world = createProxyWorld();
  const [one, two] = [await greet(world, alice, 100_000), await greet(world, bob, 100_000)];
  await subscribe(one);
  await subscribe(two);
  const item = sealed(key, 1);
  await push(one, item.wire);
  const forget = { type: "unsubscribe", request: 1, topics: [topic], forget: true } as const;
  expect(await one.ask({ ...forget, forget: false })).toEqual([{ type: "done", request: 1, status: 0 }]);
  expect(await used(one)).toBe(item.wire.length);
  await one.ask(forget);
  expect(await used(one)).toBe(0);
  expect((await pull(two))?.items).toHaveLength(1);
  await two.ask(forget);
  expect(await pull(two)).toBeUndefined();
  await subscribe(one);
  expect((await push(one, item.wire))[0]?.position).toBe(2);
});

describe("PRX-15 chunks", () => {
  const content = filled(3, 5_000);
  const id = native.hash("SHA256", content);
  const pin = (type: "pinBlobs" | "unpinBlobs", ids: readonly Uint8Array[], proxy = STATIC_PK): ProxyMessage => {
    const signature = key.sign(blobStatement(native, type, proxy, topic, ids));
    return { type, request: 7, topic, ids, signature };
  };
  const put: ProxyMessage = { type: "putBlob", request: 8, topic, id, bytes: content };
  const status = async (peer: Peer, message: ProxyMessage) => {
    const [answer] = await peer.ask(message);
    return answer?.type === "done" ? answer.status : undefined;
  };
  const fetched = async (peer: Peer) => {
    const [answer] = await peer.ask({ type: "getBlob", request: 9, topic, id });
    return answer?.type === "blob" ? answer.bytes : undefined;
  };

  test("only what a writer of the topic pinned is stored; it counts for the quota and is served to who knows the topic", async () => {
    const world = createProxyWorld();
    const peer = await greet(world, alice, 8_000);
    await subscribe(peer);
    expect(await status(peer, put)).toBe(5);
    expect(await status(peer, pin("pinBlobs", [id], filled(1, 32)))).toBe(2);
    expect(await status(peer, pin("pinBlobs", [id]))).toBe(0);
    expect(await status(peer, { ...put, bytes: filled(4, 10) })).toBe(2);
    expect(await status(peer, put)).toBe(0);
    expect(await status(peer, put)).toBe(1);
    expect(await used(peer)).toBe(5_000);
    const [has] = await peer.ask({ type: "haveBlobs", request: 1, topic, ids: [filled(9, 32), id] });
    expect(has).toMatchObject({ present: [false, true] });
    const guest = await greet(world, bob);
    expect(await fetched(guest)).toEqual(content);
    const [elsewhere] = await guest.ask({ type: "getBlob", request: 9, topic: filled(6, 32), id });
    expect(elsewhere).toMatchObject({ bytes: null });
  });

  test("I30 a chunk that does not fit is refused", async () => {
    const world = createProxyWorld();
    const peer = await greet(world, alice, 4_999);
    await subscribe(peer);
    await peer.ask(pin("pinBlobs", [id]));
    expect(await status(peer, put)).toBe(4);
  });

  test("unpinned for more than fourteen days it is deleted; pinned again before that it stays", async () => {
    const world = createProxyWorld();
    const peer = await greet(world, alice, 8_000);
    await subscribe(peer);
    await peer.ask(pin("pinBlobs", [id]));
    await peer.ask(put);
    await peer.ask(pin("unpinBlobs", [id]));
    await world.advance(world.days(10));
    await peer.ask(pin("pinBlobs", [id]));
    await world.advance(world.days(20));
    expect(await fetched(peer)).toEqual(content);
    await peer.ask(pin("unpinBlobs", [id]));
    await world.advance(world.days(15));
    expect(await fetched(peer)).toBeNull();
    expect(await used(peer)).toBe(0);
  });
});

test("PRX-16 a code opens one account once; another one adds to it", async () => {
  const world = createProxyWorld();
  const code = world.mint(500);
  const peer = await greet(world, alice);
  expect(await peer.ask({ type: "redeem", request: 1, code })).toEqual([
    { type: "account", request: 1, quota: 500, used: 0 },
  ]);
  const thief = await greet(world, bob);
  expect(await thief.ask({ type: "redeem", request: 1, code })).toMatchObject([{ type: "error", code: 6 }]);
  expect(await peer.ask({ type: "redeem", request: 2, code: world.mint(70) })).toMatchObject([{ quota: 570 }]);
});

test("PRX-18 a pin and the topic key's word make the proxy follow and publish a topic in the overlay", async () => {
  const world = createProxyWorld();
  const peer = await greet(world, alice, 100_000);
  const now = 1_800_000_000;
  const until = now + 1_000;
  const contacts = [{ staticPk: STATIC_PK, address: "192.0.2.1:4711" }];
  const relay = (request: number, at: number, signature: Uint8Array) =>
    peer.ask({ type: "relay", request, topic, until: at, signature, contacts });
  const signed = key.sign(relayStatement(STATIC_PK, until));
  expect(await relay(1, until, signed), "not pinned").toMatchObject([{ status: 5 }]);
  const pin = { topic, after: null, live: false, pin: true, checkpointFirst: false, relay: true };
  await peer.ask({ type: "subscribe", request: 2, topics: [pin] });
  expect(world.toCore()).toEqual([{ type: "relayWanted", topics: [topic] }]);
  expect(await relay(3, until, filled(1, 64)), "not the topic's signature").toMatchObject([{ status: 2 }]);
  expect(await relay(4, until + 1, signed), "another time").toMatchObject([{ status: 2 }]);
  const past = key.sign(relayStatement(STATIC_PK, now - 1));
  expect(await relay(5, now - 1, past), "run out").toMatchObject([{ status: 2 }]);
  expect(await relay(6, until, signed)).toMatchObject([{ status: 0 }]);
  expect(world.toCore()).toEqual([{ type: "relayDelegated", topic, until, contacts }]);
  const item = sealed(key, 1);
  await peer.ask({ type: "push", request: 7, wires: [item.wire] });
  expect(world.toCore()).toMatchObject([{ type: "itemsStored", items: [{ oid: item.oid }] }]);
  await peer.ask({ type: "unsubscribe", request: 8, topics: [topic], forget: true });
  expect(world.toCore()).toEqual([{ type: "topicsGone", topics: [topic] }]);
});

test("PRX-18 contacts are for accounts, and of few nodes an hour", async () => {
  const world = createProxyWorld();
  const owner = await greet(world, alice, 100_000);
  const guest = await greet(world, bob);
  await subscribe(owner);
  const until = 1_800_001_000;
  const signature = key.sign(relayStatement(STATIC_PK, until));
  const relay = async (peer: Peer, ...hosts: readonly number[]) => {
    const contacts = hosts.map((host) => ({ staticPk: STATIC_PK, address: `192.0.2.${host}:4711` }));
    await peer.ask({ type: "relay", request: 9, topic, until, signature, contacts });
    return world.toCore().flatMap((effect) => (effect.type === "relayDelegated" ? [effect.contacts.length] : []));
  };
  expect(await relay(guest, 1, 2)).toEqual([0]);
  for (let host = 0; host < 16; host += 4) expect(await relay(owner, host, host + 1, host + 2, host + 3)).toEqual([4]);
  expect(await relay(owner, 3, 16, 17), "known ones as often as topics are there").toEqual([1]);
});

test("PRX-22 what the overlay brings is checked, stored for pinned topics only, and handed on live", async () => {
  const world = createProxyWorld();
  const peer = await greet(world, alice, 100_000);
  const pin = { topic, after: null, live: true, pin: true, checkpointFirst: false, relay: true };
  await peer.ask({ type: "subscribe", request: 1, topics: [pin] });
  world.toCore();
  const [good, forged, foreign] = [sealed(key, 1), sealed(key, 2).wire.slice(), sealed(topicKey(99), 1)];
  forged[forged.length - 1] = (forged[forged.length - 1] as number) ^ 1;
  await world.offer([good.wire, forged, foreign.wire]);
  expect(world.toCore()).toMatchObject([{ type: "itemsStored", items: [{ oid: good.oid }] }]);
  expect(peer.inbox.filter(({ type }) => type === "live")).toMatchObject([{ position: 1 }]);
  await world.offer([good.wire]);
  expect(world.toCore(), "known").toEqual([]);
});

test("PRX-19 inboxes are refused by name until they exist", async () => {
  const peer = await greet(createProxyWorld(), alice);
  const signature = filled(1, 64);
  expect(await peer.ask({ type: "registerInbox", request: 2, inbox: topic, signature })).toMatchObject([{ code: 1 }]);
});

describe("a client machine and a proxy machine", () => {
  test("A writes and leaves, B comes later and has it; new items come live", async () => {
    const world = createProxyWorld();
    const a = world.device(alice, emptyDisk(), [key]);
    a.handle({ type: "started" });
    await world.settle();
    expect(a.effects.at(-1)).toMatchObject({ state: "noAccount" });
    a.handle({ type: "ask", token: 1, question: { type: "redeem", code: world.mint(1_000_000) } });
    await world.settle();
    for (let n = 0; n < 70; n++) a.write(sealed(key, n));
    await world.settle();
    expect(a.disk.outbox).toEqual([]);
    a.kill();
    const b = world.device(bob, emptyDisk(), [key]);
    b.handle({ type: "started" });
    await world.settle();
    b.handle({ type: "ask", token: 1, question: { type: "redeem", code: world.mint(1_000_000) } });
    await world.settle();
    expect(b.oids(topic)).toEqual(a.oids(topic));
    const again = world.device(alice, a.disk, [key]);
    again.handle({ type: "started" });
    await world.settle();
    again.write(sealed(key, 70));
    await world.settle();
    expect(b.oids(topic)).toEqual(again.oids(topic));
    expect(b.effects.at(-1)).toMatchObject({ type: "itemsReceived", cursor: 71 });
  });

  test("I29 another incarnation, and a proxy that lost everything: all come together again", async () => {
    const world = createProxyWorld({ server: { openQuota: 10_000_000 } });
    const [a, b] = [alice, bob].map((account) => world.device(account, emptyDisk(), [key]));
    if (a === undefined || b === undefined) throw new Error("two devices");
    for (const each of [a, b]) each.handle({ type: "started" });
    await world.settle();
    for (let n = 0; n < 50; n++) (n % 2 === 0 ? a : b).write(sealed(key, n));
    await world.settle();
    world.restart(true);
    b.setReachable(false);
    b.write(sealed(key, 60));
    await world.advance(2_000, [a, b]);
    a.write(sealed(key, 61));
    await world.settle();
    b.setReachable(true);
    await world.advance(400_000, [a, b]);
    expect(b.oids(topic)).toEqual(a.oids(topic));
    expect(a.oids(topic)).toHaveLength(52);
    const fresh = createProxyWorld({ server: { openQuota: 10_000_000 } });
    const moved = fresh.device(alice, a.disk, [key]);
    moved.handle({ type: "started" });
    await fresh.settle();
    const reader = fresh.device(bob, emptyDisk(), [key]);
    reader.handle({ type: "started" });
    await fresh.settle();
    expect(reader.oids(topic)).toEqual(a.oids(topic));
  });

  test("PRX-14 I27 nothing a member reads, and no time finer than a day, is in what the proxy keeps or carries", async () => {
    const world = createProxyWorld({ server: { openQuota: 10_000_000 } });
    const a = world.device(alice, emptyDisk(), [key]);
    a.handle({ type: "started" });
    await world.settle();
    for (let n = 0; n < 20; n++) a.write(sealed(key, n, `Quittenmarmelade ${n}`));
    await world.settle();
    const haystack = Buffer.concat(world.captured);
    expect(haystack.includes(Buffer.from(topic))).toBe(true);
    expect(haystack.includes("Quittenmarmelade")).toBe(false);
  });
});
