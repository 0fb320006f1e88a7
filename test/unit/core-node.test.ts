import { describe, expect, test, vi } from "vitest";
import { decodeDescriptor } from "../../protocol/identity/descriptor.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { monotonicMs } from "../../protocol/kernel/time.ts";
import type { Address } from "../../protocol/identity/descriptor.ts";
import type { NodeId } from "../../protocol/identity/node-id.ts";
import {
  type ConnectionsEffect,
  type ConnectionsEvent,
  createConnections,
  defaultConnectionsConfig,
} from "../../protocol/core/connections.ts";
import { decodeCoreMessage, encodeCoreMessage } from "../../protocol/core/wire.ts";
import { type CoreWorld, createCoreWorld, type CoreWorldOptions } from "../support/core-world.ts";
import { filled, native } from "../support/data-fixtures.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const PERIOD = 10_000;
const key = native.signingKey(filled(7, 32));
const topic = key.publicKey;
const pinned = [{ pk: topic, publishes: true }];
const followed = [{ pk: topic, publishes: false }];
const TAG_PROOF = filled(1, 16);

/** A network of `count` nodes that begin with the first one, after it has settled. */
const settled = (count: number, options: Partial<CoreWorldOptions> = {}, periods = 8): CoreWorld => {
  const world = createCoreWorld({ seed: 11, ...options });
  for (let index = 0; index < count; index++) world.add(index === 0 ? [] : [0]);
  world.runUntil(periods * PERIOD);
  return world;
};
const run = (world: CoreWorld, periods: number): void => world.runUntil(world.now() + periods * PERIOD);
const holders = (world: CoreWorld, indices: readonly number[]): readonly number[] =>
  indices.map((index) => world.held(index, topic).size);
const statusOf = (world: CoreWorld, index: number) => {
  const status = world.machine(index)?.status();
  if (status === undefined) throw new Error("the node is down");
  return status;
};

vi.setConfig({ testTimeout: 30_000 });

describe("COR-2 COR-3 COR-4 connections", () => {
  const peer = (n: number) => `${n}`.padStart(43, "A") as NodeId;
  const address = (n: number): Address => ({ kind: "ipv4", host: Uint8Array.of(10, 0, 0, n), port: 4711 });
  const routeTo = (...hosts: readonly number[]) => ({ transportKey: undefined, addresses: hosts.map(address) });
  const setUp = () => {
    const machine = createConnections<string>(defaultConnectionsConfig, createSeededRandom(3));
    const handle = (event: ConnectionsEvent<string>, at: number): readonly ConnectionsEffect<string>[] =>
      machine.handle(event, monotonicMs(at));
    const send = (n: number, message: string, at = 0, hosts: readonly number[] = [n]) =>
      handle({ type: "sendRequested", peer: peer(n), route: routeTo(...hosts), message }, at);
    return { machine, handle, send };
  };

  test("COR-2 no more dials at once than allowed; the next starts when one ends", () => {
    const { handle, send } = setUp();
    const dials = Array.from({ length: 12 }, (_, n) => send(n + 1, "x")).flat();
    expect(dials).toHaveLength(defaultConnectionsConfig.maxDials);
    const [next] = handle({ type: "dialFailed", attempt: 1 }, 10).filter(({ type }) => type === "dial");
    expect(next).toMatchObject({ address: address(9) });
  });

  test("COR-2 a second address is tried soon, the first to answer wins; without any the peer rests", () => {
    const { machine, handle, send } = setUp();
    send(1, "x", 0, [1, 2]);
    expect(machine.nextDeadline()).toBe(500);
    expect(handle({ type: "deadlineReached" }, 500)).toMatchObject([{ type: "dial", address: address(2) }]);
    expect(handle({ type: "dialFailed", attempt: 1 }, 600)).toEqual([]);
    expect(handle({ type: "dialFailed", attempt: 2 }, 700)).toEqual([{ type: "unreachable", peer: peer(1) }]);
    expect(send(1, "again", 800)).toEqual([{ type: "unreachable", peer: peer(1) }]);
    expect(send(1, "later", 4_000)).toMatchObject([{ type: "dial" }]);
    // Silence counts as failure.
    expect(handle({ type: "deadlineReached" }, 12_001)).toEqual([{ type: "unreachable", peer: peer(1) }]);
    expect(handle({ type: "wake" }, 12_002)).toEqual([]);
    expect(send(1, "awake", 12_003)).toMatchObject([{ type: "dial" }]);
  });

  test("COR-3 what waits for a session goes over it in order, then everything goes over it", () => {
    const { handle, send } = setUp();
    send(1, "a");
    expect(send(1, "b")).toEqual([]);
    const opened = handle({ type: "opened", connection: 5, peer: peer(1), attempt: 1 }, 20);
    expect(opened).toEqual(["a", "b"].map((message) => ({ type: "deliver", connection: 5, message })));
    expect(send(1, "c", 30)).toEqual([{ type: "deliver", connection: 5, message: "c" }]);
    handle({ type: "closed", connection: 5 }, 40);
    expect(handle({ type: "sendRequested", peer: peer(1), route: undefined, message: "d" }, 50)).toEqual([]);
  });

  test("COR-4 an idle session is closed, one of a node nobody can dial is kept", () => {
    const { handle, send } = setUp();
    send(1, "a");
    handle({ type: "opened", connection: 5, peer: peer(1), attempt: 1 }, 0);
    handle({ type: "reachabilityChanged", isReachable: false }, 0);
    expect(handle({ type: "deadlineReached" }, 60_000)).toEqual([]);
    handle({ type: "reachabilityChanged", isReachable: true }, 61_000);
    expect(handle({ type: "deadlineReached" }, 75_000)).toEqual([{ type: "close", connection: 5 }]);
  });

  test("COR-4 beyond the limit the session unused for longest goes", () => {
    const { machine, handle } = setUp();
    const count = defaultConnectionsConfig.maxConnections;
    for (let n = 0; n < count; n++) handle({ type: "opened", connection: n, peer: peer(n), attempt: undefined }, n);
    handle({ type: "used", connection: 0 }, 500);
    const effects = handle({ type: "opened", connection: 999, peer: peer(999), attempt: undefined }, 600);
    expect(effects).toEqual([{ type: "close", connection: 1 }]);
    expect(machine.open()).toHaveLength(count);
  });
});

test("COR-1 COR-6 nodes that know one address find everybody, without a violation", () => {
  const world = settled(8);
  for (let index = 0; index < 8; index++) expect(statusOf(world, index).views.random).toHaveLength(7);
  expect(world.violations).toEqual([]);
});

test("COR-1 a session without a hello that fits its key ends", () => {
  const world = settled(2, {}, 2);
  const machine = world.machine(0);
  if (machine === undefined) throw new Error("down");
  const now = monotonicMs(world.now());
  const remoteHost = null;
  const opened = { type: "linkOpened", attempt: undefined, handshakeHash: filled(1, 32), remoteHost } as const;
  const connection = 900;
  const [greeting] = machine.handle({ ...opened, connection, remoteStatic: filled(9, 32), remoteAddress: "" }, now);
  // Its own greeting, mirrored: another key than the session's.
  const bytes = greeting?.type === "send" ? greeting.bytes : new Uint8Array(0);
  expect(machine.handle({ type: "bytesReceived", connection, bytes }, now)).toContainEqual({
    type: "close",
    connection,
  });
  for (const wrong of [new Uint8Array(0), Uint8Array.of(1, 4), Uint8Array.of(0x82, 4, 7)]) {
    machine.handle({ ...opened, connection: 901, remoteStatic: filled(9, 32), remoteAddress: "" }, now);
    const effects = machine.handle({ type: "bytesReceived", connection: 901, bytes: wrong }, now);
    expect(effects).toContainEqual({ type: "close", connection: 901 });
  }
});

test("COR-6 after a restart the peers of before are dialled, and no sequence is used twice", () => {
  const world = settled(6);
  world.keepSnapshots();
  const before = world.machine(3)?.snapshot();
  world.kill(3);
  run(world, 3);
  world.restart(3);
  run(world, 3);
  expect(statusOf(world, 3).views.random.length).toBeGreaterThanOrEqual(4);
  expect(world.machine(3)?.snapshot().sequence).toBeGreaterThan(before?.sequence ?? Infinity);
});

test("COR-5 a node behind a translator finds out, is dialled by nobody, and gets and gives everything all the same", () => {
  const world = settled(6, { isBehindNat: (index) => index === 4 });
  expect(statusOf(world, 4).isReachable).toBe(false);
  const own =
    world
      .machine(0)
      ?.snapshot()
      .peers.map((bytes) => decodeDescriptor(bytes)) ?? [];
  expect(own.filter((read) => read.ok && !read.value.reachable)).toEqual([]);
  for (const index of [1, 4]) world.pin(index, pinned);
  world.introduce(4, 1, topic);
  run(world, 2);
  world.push(1, world.item(key, 1, world.random));
  run(world, 1);
  expect(holders(world, [1, 4])).toEqual([1, 1]);
  world.push(4, world.item(key, 2, world.random));
  run(world, 1);
  expect(holders(world, [1, 4])).toEqual([2, 2]);
  expect(statusOf(world, 4).links.every(({ dialledHere }) => dialledHere)).toBe(true);
});

test("COR-7 COR-8 COR-14 holders find each other by intersection alone; others learn nothing", () => {
  const world = settled(6);
  for (const index of [2, 5]) world.pin(index, pinned);
  run(world, 16);
  world.push(2, world.item(key, 1, world.random));
  world.runUntil(world.now() + 3_000);
  expect(holders(world, [2, 5])).toEqual([1, 1]);
  expect(holders(world, [0, 1, 3, 4])).toEqual([0, 0, 0, 0]);
  expect(statusOf(world, 0).topics).toEqual([]);
  expect(statusOf(world, 2).topics).toMatchObject([{ successors: [statusOf(world, 5).id] }]);
});

test("COR-7 a message about a held topic needs the proof of this session", () => {
  const message = { type: "changed", topic: statusOf(withTopic(), 1).topics[0]?.tag ?? ("" as never) } as const;
  const bytes = encodeCoreMessage(message, () => TAG_PROOF);
  expect(decodeCoreMessage(bytes, () => true)).toMatchObject({ ok: false, error: { rule: "COR-7 proof" } });
  expect(decodeCoreMessage(bytes, () => false)).toEqual({ ok: true, value: message });
});
const withTopic = (): CoreWorld => {
  const world = settled(2, {}, 1);
  world.pin(1, pinned);
  return world;
};

test("COR-9 a wire of another topic is refused and counts against its sender", () => {
  const world = settled(3);
  for (const index of [1, 2]) world.pin(index, pinned);
  world.introduce(1, 2, topic);
  run(world, 1);
  const other = native.signingKey(filled(8, 32));
  // The disk of one node is corrupt: under this topic it has an item of another one.
  world.corrupt(1, topic, world.item(other, 1, world.random));
  world.introduce(1, 2, topic);
  run(world, 2);
  expect(world.held(2, topic).size).toBe(0);
  expect(world.violations).toContain("NOD-3");
});

test("COR-10 what is not followed is not held, and what is left is forgotten", () => {
  const world = settled(4);
  for (const index of [1, 2, 3]) world.pin(index, pinned);
  for (const index of [2, 3]) world.introduce(index, 1, topic);
  run(world, 3);
  world.push(1, world.item(key, 1, world.random));
  run(world, 1);
  world.pin(2, []);
  world.push(1, world.item(key, 2, world.random));
  run(world, 2);
  expect(holders(world, [1, 2, 3])).toEqual([2, 0, 2]);
  expect(statusOf(world, 2).topics).toEqual([]);
  expect(world.figures.refusedUnpinned).toBe(0);
});

test.each([
  ["a small item", pinned, 100, "published"],
  ["an item above 48 KiB", pinned, 60_000, "compared"],
  ["an item without a delegation", followed, 100, "compared"],
] as const)("COR-11 %s arrives within seconds", (_, held, bytes, way) => {
  const world = settled(5);
  const members = [1, 2, 3, 4];
  for (const index of members) world.pin(index, held);
  for (const index of [2, 3, 4]) world.introduce(index, 1, topic);
  run(world, 3);
  const before = statusOf(world, 2).counters;
  world.push(2, world.item(key, 1, world.random, bytes));
  world.runUntil(world.now() + 2_000);
  expect(holders(world, members)).toEqual([1, 1, 1, 1]);
  expect(statusOf(world, 2).counters.published - before.published).toBe(way === "published" ? 1 : 0);
});

test("COR-12 what was written apart is the same everywhere after the cut is mended", () => {
  const world = settled(8, { loss: 0.02 });
  const members = [1, 2, 3, 4, 5, 6];
  for (const index of members) world.pin(index, pinned);
  for (const index of members.slice(1)) world.introduce(index, 1, topic);
  run(world, 4);
  world.cut((index) => (index < 4 ? 0 : 1));
  run(world, 8);
  for (let n = 0; n < 60; n++) world.push(n % 2 === 0 ? 2 : 5, world.item(key, n, world.random));
  run(world, 4);
  expect(holders(world, [1, 4])).toEqual([30, 30]);
  world.cut(undefined);
  run(world, 45);
  expect(holders(world, members)).toEqual(members.map(() => 60));
});

test("COR-12 who was killed with kill -9 has everything after it is back", () => {
  const world = settled(6);
  for (const index of [1, 2, 3]) world.pin(index, pinned);
  for (const index of [2, 3]) world.introduce(index, 1, topic);
  run(world, 3);
  world.keepSnapshots();
  world.kill(2);
  for (let n = 0; n < 20; n++) world.push(1, world.item(key, n, world.random));
  run(world, 6);
  world.restart(2);
  run(world, 20);
  expect(holders(world, [1, 2, 3])).toEqual([20, 20, 20]);
});

test("COR-13 what is refused is not fetched over and over", () => {
  const world = settled(3);
  for (const index of [1, 2]) world.pin(index, pinned);
  world.refuse(2, true);
  world.introduce(1, 2, topic);
  run(world, 1);
  world.push(1, world.item(key, 1, world.random, 60_000));
  run(world, 2);
  const bytes = world.figures.bytes;
  world.introduce(2, 1, topic);
  run(world, 2);
  expect(world.held(2, topic).size).toBe(0);
  expect(world.figures.bytes - bytes, "less than the item").toBeLessThan(60_000);
});

test("an unused network costs little: bytes a node and hour", () => {
  const world = settled(8);
  const before = world.figures.bytes;
  run(world, 90);
  const perNodeAndHour = ((world.figures.bytes - before) / 8) * 4;
  expect(perNodeAndHour).toBeLessThan(25_000_000);
  expect(bytesToHex(topic)).toHaveLength(64);
});

test("COR-17 who was blocked for what it did is refused when it comes again", () => {
  const world = settled(2, {}, 2);
  expect(statusOf(world, 0).links).toHaveLength(1);
  // The first link: node 1 dialled, and this is the other end.
  for (let n = 0; n < 8; n++) world.dispatch(0, { type: "bytesReceived", connection: 2, bytes: Uint8Array.of(0x80) });
  expect(statusOf(world, 0).links).toEqual([]);
  const { dialled } = statusOf(world, 1).counters;
  run(world, 6);
  expect(statusOf(world, 1).counters.dialled).toBeGreaterThan(dialled);
  expect(statusOf(world, 0).links).toEqual([]);
});
