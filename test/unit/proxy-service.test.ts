import { expect, test } from "vitest";
import { createTopicItems } from "../../app/repositories/item-source.ts";
import type { ProxyService } from "../../app/proxies/proxy-service.ts";
import { createFollowing } from "../../app/sharing/following.ts";
import { createProxyService } from "../../app/proxies/proxy-service.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import { formatProxyLink } from "../../protocol/proxy/proxy-link.ts";
import { filled, native } from "../support/data-fixtures.ts";
import type { MemoryProxy } from "../support/memory-proxy.ts";
import { createMemoryProxy, PROXY_ADDRESS } from "../support/memory-proxy.ts";
import type { ManualClock, RepositoryPeer } from "../support/repository-peers.ts";
import { createManualClock, createRepositoryPeer } from "../support/repository-peers.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const CODE = filled(5, 16);
/** Long enough for answers to overtake what is still being stored. */
const STORING_MS = 300;
/** Time passes in steps of 10 ms, each of which is work; the machine is shared. */
const SLOW = { timeout: 60_000 };

/** One device with its proxies, on the time of the test. */
interface Edge {
  readonly peer: RepositoryPeer;
  proxies: () => ProxyService;
  /** Starts again from the database, as after kill -9. */
  readonly crash: () => void;
}

const createEdge = (name: string, random: RandomSource, clock: ManualClock, ...servers: MemoryProxy[]): Edge => {
  const peer = createRepositoryPeer(name, random, clock, STORING_MS);
  const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
  const start = (): ProxyService => {
    const items = createTopicItems(peer.store, (pk) => peer.service().topicByPk(pk));
    const service = createProxyService({
      store: peer.store,
      links: {
        ...(servers[0] as MemoryProxy).links,
        dial: (address, as) => {
          const server = servers.find(({ staticKey }) => as?.remoteStatic?.[0] === staticKey[0]) ?? servers[0];
          return (server as MemoryProxy).links.dial(address, as);
        },
      },
      crypto: native,
      random: random.fork("proxies"),
      clock,
      log,
      repositories: peer.service(),
      itemSet: (topic) => items.itemSet(topic),
      isFollowed: () => true,
      following: createFollowing(peer.store),
      chunks: { serve: async () => null, received: () => undefined, sourcesChanged: () => undefined },
      changed: () => undefined,
      fault: (error) => {
        throw new Error(error.message);
      },
    });
    peer.observe({
      stored: (topic, item, source) => {
        items.added(topic, item);
        service.stored(source);
      },
      topicsChanged: () => service.topicsChanged(),
    });
    return service;
  };
  let proxies = start();
  return {
    peer,
    proxies: () => proxies,
    crash: () => {
      // What still runs of the one before hears nothing and is heard by nobody.
      void proxies.stop();
      peer.restart();
      proxies = start();
      proxies.open();
    },
  };
};

const linkOf = ({ staticKey }: MemoryProxy, code: Uint8Array | null = null): string =>
  formatProxyLink({ staticPk: staticKey, code, addresses: [PROXY_ADDRESS] });

/** Lets time pass, and everything that waits on promises between. */
const pass = async (clock: ManualClock, ms: number): Promise<void> => {
  for (let passed = 0; passed < ms; passed += 10) {
    clock.advance(10);
    for (let turn = 0; turn < 8; turn++) await Promise.resolve();
  }
};

const add = async (clock: ManualClock, edge: Edge, link: string): ReturnType<ProxyService["add"]> => {
  let answer: Awaited<ReturnType<ProxyService["add"]>> | undefined;
  void edge
    .proxies()
    .add({ link })
    .then((given) => {
      answer = given;
    });
  for (let turn = 0; turn < 300 && answer === undefined; turn++) await pass(clock, 100);
  if (answer === undefined) throw new Error("adding does not end");
  return answer;
};

const ownerAndProxy = async (label: string) => {
  const clock = createManualClock();
  const random = createSeededRandom(label);
  const server = createMemoryProxy(clock);
  const owner = createEdge("owner", random.fork("owner"), clock, server);
  owner.peer.found();
  const added = await add(clock, owner, linkOf(server));
  expect(added.ok).toBe(true);
  return { clock, random, server, owner };
};

const stateOf = (edge: Edge) => edge.proxies().list()[0]?.state;
const safetyOf = (edge: Edge) => edge.proxies().safety(edge.peer.repository() as never);

test("what one device writes is at the proxy, and reaches a member that comes when the writer is gone", async () => {
  const { clock, random, server, owner } = await ownerAndProxy("store-and-forward");
  const member = createEdge("member", random.fork("member"), clock, server);
  owner.peer.admit(member.peer, 2);
  owner.peer.write("written alone ", "now");
  expect(safetyOf(owner), "nothing is safe by hope").toEqual({ on: 0, of: 1 });
  await pass(clock, 3_000);
  expect(safetyOf(owner)).toEqual({ on: 1, of: 1 });
  expect(stateOf(owner)).toBe("synced");
  await owner.proxies().stop();
  await add(clock, member, linkOf(server));
  await pass(clock, 1_000);
  expect(member.peer.text()).toBe("written alone ");
  member.peer.write("and answered", "now");
  await pass(clock, 2_000);
  owner.crash();
  await pass(clock, 2_000);
  expect(owner.peer.text()).toBe("written alone and answered");
  expect(owner.peer.heads()).toBe(member.peer.heads());
});

test("items of others that came live need not be pushed by everybody", async () => {
  const { clock, random, server, owner } = await ownerAndProxy("learned");
  const member = createEdge("member", random.fork("member"), clock, server);
  owner.peer.admit(member.peer, 2);
  await add(clock, member, linkOf(server));
  await pass(clock, 20_000);
  const pushes = () => server.heard().filter((type) => type === "push").length;
  const before = pushes();
  owner.peer.write("seen live", "now");
  await pass(clock, 20_000);
  expect(member.peer.text()).toBe("seen live");
  expect(pushes() - before).toBe(1);
  expect(safetyOf(member)).toEqual({ on: 1, of: 1 });
});

test("I28 whatever the moment of a crash or a cut, no item of the proxy is skipped", SLOW, async () => {
  for (let round = 0; round < 6; round++) {
    const { clock, random, server, owner } = await ownerAndProxy(`crash-${round}`);
    const member = createEdge("member", random.fork("member"), clock, server);
    owner.peer.admit(member.peer, 2);
    for (let i = 0; i < 12; i++) owner.peer.write(`${i} `, "now");
    await pass(clock, 3_000);
    await add(clock, member, linkOf(server));
    for (let step = 0; step < 8; step++) {
      await pass(clock, 10 * (1 + (random.uint32() % 8)));
      owner.peer.write(`live ${step} `, "now");
      if (random.uint32() % 2 === 0) member.crash();
      else server.cut();
    }
    await pass(clock, 20_000);
    expect(member.peer.text(), `round ${round}`).toBe(owner.peer.text());
    expect(member.peer.heads()).toBe(owner.peer.heads());
    await Promise.all([owner.proxies().stop(), member.proxies().stop()]);
  }
});

test("I28 a cursor is not set by own items while an earlier item is not stored yet", SLOW, async () => {
  const { clock, random, server, owner } = await ownerAndProxy("cursor-order");
  const member = createEdge("member", random.fork("member"), clock, server);
  owner.peer.admit(member.peer, 2);
  await add(clock, member, linkOf(server));
  await pass(clock, 20_000);
  const { store } = member.peer;
  const cursors: string[] = [];
  const held = store.proxies.setCursor;
  const watched = {
    ...store.proxies,
    setCursor: (n: number, pk: Uint8Array, cursor: number) => {
      const topic = member.peer.service().topicByPk(pk);
      const here = new Set(store.entries.items(topic?.n ?? 0).map(({ oid }) => oid.join()));
      const missing = server
        .items()
        .filter(({ position, topic: name }) => position <= cursor && name === Buffer.from(pk).toString("hex"))
        .filter(({ oid }) => !here.has(oid.join()));
      if (missing.length > 0) cursors.push(`${cursor} before ${missing.map(({ position }) => position).join()}`);
      held(n, pk, cursor);
    },
  };
  Object.assign(store, { proxies: watched });
  for (let i = 0; i < 15; i++) {
    owner.peer.write(`o${i} `, "now");
    member.peer.write(`m${i} `, "now");
    await pass(clock, 2_500);
  }
  expect(cursors).toEqual([]);
  expect(member.peer.heads()).toBe(owner.peer.heads());
});

test("I29 another incarnation of the proxy gets everything again, also in another order", SLOW, async () => {
  for (const keep of [false, true]) {
    const { clock, random, server, owner } = await ownerAndProxy(`incarnation-${keep}`);
    const member = createEdge("member", random.fork("member"), clock, server);
    owner.peer.admit(member.peer, 2);
    for (let i = 0; i < 6; i++) owner.peer.write(`${i} `, "now");
    await add(clock, member, linkOf(server));
    await pass(clock, 10_000);
    const before = server.items().length;
    server.renew(keep);
    owner.peer.write("after ", "now");
    expect(safetyOf(owner).on).toBe(0);
    await pass(clock, 30_000);
    expect(server.items().length).toBeGreaterThan(before);
    expect(safetyOf(owner)).toEqual({ on: 1, of: 1 });
    expect(member.peer.text()).toBe(owner.peer.text());
    expect(stateOf(owner)).toBe("synced");
  }
});

test("one of two proxies goes away: the other carries on, and safety says so", async () => {
  const clock = createManualClock();
  const random = createSeededRandom("two-proxies");
  const [first, second] = [createMemoryProxy(clock, 77), createMemoryProxy(clock, 78)];
  const owner = createEdge("owner", random.fork("owner"), clock, first, second);
  const member = createEdge("member", random.fork("member"), clock, first, second);
  owner.peer.found();
  owner.peer.admit(member.peer, 2);
  for (const edge of [owner, member])
    for (const server of [first, second]) expect((await add(clock, edge, linkOf(server))).ok).toBe(true);
  owner.peer.write("both ", "now");
  await pass(clock, 20_000);
  expect(safetyOf(owner)).toEqual({ on: 2, of: 2 });
  first.behaviour.isUp = false;
  first.cut();
  owner.peer.write("one ", "now");
  await pass(clock, 5_000);
  expect(member.peer.text()).toBe("both one ");
  expect(safetyOf(owner)).toEqual({ on: 1, of: 2 });
  expect(owner.proxies().list()[0]).toMatchObject({ state: "waiting", reason: "Nobody answers at that address." });
  first.behaviour.isUp = true;
  owner.proxies().wake();
  await pass(clock, 5_000);
  expect(safetyOf(owner)).toEqual({ on: 2, of: 2 });
});

test("a full proxy is said to be full and keeps nothing from the others; room lets the rest in", async () => {
  const { clock, server, owner } = await ownerAndProxy("full");
  await pass(clock, 5_000);
  server.behaviour.quotaItems = server.items().length;
  owner.peer.write("too much", "now");
  await pass(clock, 3_000);
  expect(owner.proxies().list()[0]).toMatchObject({ state: "full", waiting: 1 });
  expect(safetyOf(owner)).toEqual({ on: 0, of: 1 });
  server.behaviour.quotaItems = Number.POSITIVE_INFINITY;
  await pass(clock, 700_000);
  expect(owner.proxies().list()[0]).toMatchObject({ state: "synced", waiting: 0 });
});

test("a proxy that hands out broken items, or loses what it acknowledged, counts no more", async () => {
  const { clock, random, server, owner } = await ownerAndProxy("broken");
  const member = createEdge("member", random.fork("member"), clock, server);
  owner.peer.admit(member.peer, 2);
  owner.peer.write("x", "now");
  await pass(clock, 3_000);
  server.behaviour.tamper = (wire) => wire.with(wire.length - 1, (wire.at(-1) as number) ^ 1);
  await add(clock, member, linkOf(server));
  await pass(clock, 3_000);
  expect(stateOf(member)).toBe("unreliable");
  expect(safetyOf(member).on).toBe(0);
  server.behaviour.tamper = undefined;
  expect(safetyOf(owner)).toEqual({ on: 1, of: 1 });
  server.lose(server.items().at(-1)?.oid as Uint8Array);
  // Its database was put back: an older state under the same name is noticed where the comparison runs.
  owner.peer.store.transaction(() => {
    for (const { n } of owner.peer.store.proxies.all())
      for (const { pk } of owner.peer.store.proxies.topics(n)) {
        owner.peer.store.proxies.unfollow(n, pk);
        owner.peer.store.proxies.follow(n, pk);
        owner.peer.store.proxies.acknowledge(
          n,
          owner.peer.store.entries.items(1).map(({ oid }) => oid),
        );
      }
  });
  owner.crash();
  await pass(clock, 5_000);
  expect(stateOf(owner)).toBe("unreliable");
  expect(
    server.items().some(({ gen }) => gen > 0),
    "what was lost is there again",
  ).toBe(true);
});

test("an account is opened with a code; a wrong or missing one is refused in words and leaves nothing behind", async () => {
  const { clock, server, owner } = await ownerAndProxy("codes");
  const other = createMemoryProxy(clock, 79);
  const edge = createEdge("second", createSeededRandom("second"), clock, other);
  edge.peer.found();
  other.behaviour.hasAccount = false;
  other.behaviour.code = CODE;
  expect(await add(clock, edge, linkOf(other))).toMatchObject({ ok: false, error: { type: "ProxyCodeRequired" } });
  expect(await add(clock, edge, linkOf(other, filled(6, 16)))).toMatchObject({
    ok: false,
    error: { type: "BadProxyCode" },
  });
  expect(edge.proxies().list()).toEqual([]);
  expect(await add(clock, edge, linkOf(other, CODE))).toMatchObject({ ok: true });
  expect(edge.peer.store.proxies.all()[0]?.code, "a code is used once").toBe(null);
  expect(await add(clock, edge, "p2pc:x/nonsense")).toMatchObject({ ok: false, error: { type: "BadProxyLink" } });
  server.behaviour.isUp = false;
  const third = createEdge("third", createSeededRandom("third"), clock, server);
  expect(await add(clock, third, linkOf(server))).toMatchObject({ ok: false, error: { type: "PeerUnreachable" } });
  expect(third.proxies().list()).toEqual([]);
  expect(owner.proxies().list().length).toBe(1);
});

test("I32 two proxies of one identity see different accounts", async () => {
  const clock = createManualClock();
  const [first, second] = [createMemoryProxy(clock, 77), createMemoryProxy(clock, 78)];
  const owner = createEdge("owner", createSeededRandom("accounts"), clock, first, second);
  owner.peer.found();
  for (const server of [first, second]) await add(clock, owner, linkOf(server));
  const keys = owner.peer.store.proxies.all().map(({ accountKey }) => Buffer.from(accountKey).toString("hex"));
  expect(new Set(keys).size).toBe(2);
});

test("the space used at a proxy is asked for after it grew", async () => {
  const { clock, server, owner } = await ownerAndProxy("usage");
  owner.peer.write("x", "now");
  await pass(clock, 15_000);
  expect(owner.proxies().list()[0]).toMatchObject({ used: server.items().length, quota: 1_000_000 });
});

test("a removed proxy forgets what it kept and is used no more", async () => {
  const { clock, server, owner } = await ownerAndProxy("removed");
  owner.peer.write("x", "now");
  await pass(clock, 3_000);
  expect(server.items().length).toBeGreaterThan(0);
  const removing = owner.proxies().remove(owner.proxies().list()[0]?.id as string);
  await pass(clock, 1_000);
  expect(await removing).toMatchObject({ ok: true });
  expect(server.items()).toEqual([]);
  expect(owner.proxies().list()).toEqual([]);
  expect(safetyOf(owner)).toEqual({ on: 0, of: 0 });
  expect(await owner.proxies().remove("00".repeat(32))).toMatchObject({ ok: false, error: { type: "ProxyNotFound" } });
});
