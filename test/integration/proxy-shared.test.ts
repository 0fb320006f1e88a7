import { readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { openPostgresStore, type PostgresStore } from "../../main/proxy/postgres/postgres-store.ts";
import { createS3Chunks } from "../../main/proxy/s3-chunks.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { randomBelow } from "../../protocol/kernel/random.ts";
import { blobStatement } from "../../protocol/proxy/statements.ts";
import type { ForeignChange, NewItem, StoreAnswer, StoreOperation, StoreRequest } from "../../protocol/proxy/store.ts";
import { filled, must, native } from "../support/data-fixtures.ts";
import { eventually } from "../support/headless-node.ts";
import { type PostgresCluster, startPostgres } from "../support/postgres.ts";
import { connectToProxy } from "../support/proxy-connection.ts";
import { type ProxyProcess, readLink, startSharedProxy } from "../support/proxy-process.ts";
import { sealed, topicKey } from "../support/proxy-world.ts";
import { type S3Server, startS3 } from "../support/s3-server.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

let cluster: PostgresCluster;
let objects: S3Server;
const cleanUp: (() => unknown)[] = [];
beforeAll(async () => {
  [cluster, objects] = await Promise.all([startPostgres(), startS3()]);
});
afterEach(async () => {
  for (const clean of cleanUp.splice(0).toReversed()) await clean();
});
afterAll(async () => {
  await Promise.all([cluster.stop(), objects.stop()]);
});

const account = filled(61, 32);
const key = topicKey(1);
const subscription = { topic: key.publicKey, after: 0, live: true, pin: true, checkpointFirst: false, relay: false };

describe("processes that serve one address", () => {
  const start = async (database: string): Promise<ProxyProcess> => {
    const proxy = await startSharedProxy(database, objects.settings);
    cleanUp.push(proxy.kill);
    return proxy;
  };
  /** As long as there is no account each start makes the owner's link anew. */
  const startTwo = async (database: string) => {
    const one = await start(database);
    const other = await start(database);
    return { one, other, ...readLink(other.link) };
  };
  const greet = async (proxy: ProxyProcess, staticPk: Uint8Array, code?: Uint8Array | null) => {
    const session = await connectToProxy(proxy.address, staticPk, account);
    cleanUp.push(session.close);
    const welcome = await session.ask({ type: "hello", version: 1, features: 0 });
    if (code !== undefined) await session.ask({ type: "redeem", request: 1, code: code ?? filled(0, 16) });
    await session.ask({ type: "subscribe", request: 2, topics: [subscription] });
    return { ...session, incarnation: welcome?.type === "welcome" ? bytesToHex(welcome.incarnation) : "" };
  };
  const held = async (session: Awaited<ReturnType<typeof greet>>, oids: readonly Uint8Array[]): Promise<number> => {
    let count = 0;
    for (let at = 0; at < oids.length; at += 256) {
      const got = await session.ask({ type: "get", request: 9, topic: key.publicKey, oids: oids.slice(at, at + 256) });
      count += got?.type === "items" ? got.items.length : 0;
    }
    return count;
  };

  test("who is connected to one gets what is written to the other, live, items and chunks", async () => {
    const database = await cluster.createDatabase();
    const { one, other, staticPk, code } = await startTwo(database);
    const writer = await greet(one, staticPk, code);
    const reader = await greet(other, staticPk);
    expect(reader.incarnation).toBe(writer.incarnation);
    const items = Array.from({ length: 5 }, (_, n) => sealed(key, n));
    for (const { wire } of items)
      expect(await writer.ask({ type: "push", request: 3, wires: [wire] })).toMatchObject({ results: [{ status: 0 }] });
    await eventually(async () => await Promise.resolve(reader.live.length === items.length), "live items");
    expect(reader.live.map(({ wire }) => Buffer.from(wire ?? []))).toEqual(items.map(({ wire }) => Buffer.from(wire)));
    const positions = reader.live.map(({ position }) => position);
    expect(reader.live.map(({ previous }) => previous)).toEqual([0, ...positions.slice(0, -1)]);

    const chunk = filled(7, 5_000);
    const id = native.hash("SHA256", chunk);
    const topic = key.publicKey;
    const signature = key.sign(blobStatement(native, "pinBlobs", staticPk, topic, [id]));
    expect(await writer.ask({ type: "pinBlobs", request: 4, topic, ids: [id], signature })).toMatchObject({
      status: 0,
    });
    expect(await writer.ask({ type: "putBlob", request: 5, topic, id, bytes: chunk })).toMatchObject({ status: 0 });
    const got = await reader.ask({ type: "getBlob", request: 6, topic, id });
    expect(got?.type === "blob" ? Buffer.from(got.bytes ?? []) : null).toEqual(Buffer.from(chunk));
    expect(await reader.ask({ type: "stat", request: 7 })).toMatchObject({ items: 5, blobs: 1 });
    expect(await other.mint()).not.toBe(await one.mint());
  });

  test("kill -9 of one while it writes loses nothing acknowledged, and the others go on", async () => {
    const database = await cluster.createDatabase();
    const { one, other, staticPk, code } = await startTwo(database);
    const writer = await greet(one, staticPk, code);
    const reader = await greet(other, staticPk);
    const acknowledged: Uint8Array[] = [];
    let isKilled: Promise<void> | undefined;
    for (let n = 0; n < 100; n++) {
      const wires = [sealed(key, 2 * n).wire, sealed(key, 2 * n + 1).wire];
      if (n === 30) isKilled = one.kill();
      const answer = await writer.ask({ type: "push", request: 3 + n, wires });
      if (answer?.type !== "pushed") break;
      for (const { oid, status } of answer.results) if (status === 0) acknowledged.push(oid);
    }
    await isKilled;
    expect(acknowledged.length).toBeGreaterThanOrEqual(60);
    expect(await held(reader, acknowledged)).toBe(acknowledged.length);
    expect(await reader.ask({ type: "push", request: 4, wires: [sealed(key, 999).wire] })).toMatchObject({
      results: [{ status: 0 }],
    });
  });

  test("a connection to the database that is cut is opened again, and what was missed meanwhile is told", async () => {
    const database = await cluster.createDatabase();
    const { one, other, staticPk, code } = await startTwo(database);
    const writer = await greet(one, staticPk, code);
    const reader = await greet(other, staticPk);
    await cluster.cutConnections(database);
    let stored: Uint8Array | undefined;
    await eventually(async () => {
      const answer = await writer.ask({ type: "push", request: 3, wires: [sealed(key, 1).wire] });
      if (answer?.type === "pushed" && answer.results[0]?.status === 0) stored = answer.results[0].oid;
      return stored !== undefined;
    }, "an item stored again");
    await eventually(async () => await Promise.resolve(reader.live.length > 0), "news of it");
    expect(await held(reader, [stored ?? filled(0, 32)])).toBe(1);
  });
});

describe("stores on one database", () => {
  const TOPICS = [filled(11, 32), filled(12, 32), filled(13, 32)] as const;
  const ACCOUNTS = [filled(1, 32), filled(2, 32), filled(3, 32)] as const;
  const random = createSeededRandom("proxy-shared");
  let serial = 0;
  const item = (topic: Uint8Array, bytes: number): NewItem => {
    const wire = new Uint8Array(bytes);
    new DataView(wire.buffer).setUint32(0, ++serial);
    return { topic, oid: native.hash("SHA256", wire), kind: 0, gen: serial, wire, retires: [] };
  };
  const reports: string[] = [];
  const open = async (url: string, changed: (change: ForeignChange) => void = () => undefined) => {
    const store: PostgresStore = must(
      await openPostgresStore({
        url,
        chunks: createS3Chunks(objects.settings),
        sha256: (bytes) => native.hash("SHA256", bytes),
        report: (line) => reports.push(line),
        changed,
      }),
    );
    cleanUp.push(store.close);
    const ask = async <K extends StoreOperation>(request: StoreRequest<K>): Promise<StoreAnswer<K>> =>
      must(await store.perform([request as StoreRequest]))[0] as StoreAnswer<K>;
    return { ...store, ask };
  };
  const pinAll = async ({ ask }: Awaited<ReturnType<typeof open>>, quota: number) => {
    for (const [i, each] of ACCOUNTS.entries()) {
      await ask({ type: "openAccount", account: each, quota: quota * (i + 1) });
      const topics = TOPICS.slice(i).map((topic) => ({ topic, pin: true, checkpoint: false }));
      await ask({ type: "subscribe", account: each, maxTopics: 10, topics });
    }
  };

  test("P-PROXYSTORE-3 quotas and the capacity hold to the byte while four write at once", async () => {
    const url = await cluster.createDatabase();
    const stores = await Promise.all(Array.from({ length: 4 }, () => open(url)));
    const [first] = stores;
    if (first === undefined) throw new Error("no store");
    await pinAll(first, 20_000);
    const capacity = 50_000;
    const bytesOf = new Map(TOPICS.map((topic) => [bytesToHex(topic), 0]));
    const statuses = new Map<string, number>();
    const write = async (store: PostgresStore): Promise<void> => {
      for (let round = 0; round < 25; round++) {
        const items = Array.from({ length: 1 + randomBelow(random, 6) }, () =>
          item(TOPICS[randomBelow(random, TOPICS.length)] ?? TOPICS[0], 4 + randomBelow(random, 700)),
        );
        const [results] = must(await store.perform([{ type: "append", items, day: 1, capacity }]));
        for (const [i, { status }] of (results as StoreAnswer<"append">).entries()) {
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
          const { topic, wire } = items[i] as NewItem;
          const name = bytesToHex(topic);
          if (status === "stored") bytesOf.set(name, (bytesOf.get(name) ?? 0) + wire.length);
        }
      }
    };
    await Promise.all(stores.map(write));
    expect(statuses.get("stored"), "stored before it was full").toBeGreaterThan(50);
    expect(statuses.get("quota"), "refused when it was full").toBeGreaterThan(10);
    const total = [...bytesOf.values()].reduce((sum, bytes) => sum + bytes, 0);
    expect(total).toBeLessThanOrEqual(capacity);
    expect(total).toBeGreaterThan(capacity - 704);
    for (const [i, each] of ACCOUNTS.entries()) {
      const used = TOPICS.slice(i).reduce((sum, topic) => sum + (bytesOf.get(bytesToHex(topic)) ?? 0), 0);
      expect((await first.ask({ type: "account", account: each }))?.used).toBe(used);
    }
    const left = capacity - total;
    const last = left < 4 ? [] : [item(TOPICS[2], left)];
    const tooMany = item(TOPICS[2], 4);
    const ends = await first.ask({ type: "append", items: [...last, tooMany], day: 1, capacity });
    expect(ends.map(({ status }) => status)).toEqual([...last.map(() => "stored"), "quota"]);
  });

  test("positions of a topic rise in the order in which others can see them", async () => {
    const url = await cluster.createDatabase();
    const stores = await Promise.all(Array.from({ length: 3 }, () => open(url)));
    const reader = await open(url);
    await pinAll(reader, 10_000_000);
    let isDone = false;
    const seen: number[] = [];
    const follow = async (): Promise<void> => {
      let after = 0;
      for (let isLast = false; !isLast;) {
        isLast = isDone;
        const page = await reader.ask({ type: "pull", topic: TOPICS[2], after, maxItems: 1_000, maxBytes: 1e6 });
        seen.push(...(page?.items.map(({ position }) => position) ?? []));
        after = page?.next ?? after;
      }
    };
    const following = follow();
    const results = await Promise.all(
      stores.map(async (store) => {
        const positions: number[] = [];
        for (let n = 0; n < 40; n++) {
          const items = [item(TOPICS[2], 50), item(TOPICS[1], 50), item(TOPICS[2], 50)];
          const [a, , b] = await store.ask({ type: "append", items, day: 1, capacity: 1e9 });
          positions.push(a?.position ?? 0, b?.position ?? 0);
        }
        return positions;
      }),
    );
    isDone = true;
    await following;
    expect(seen).toEqual(results.flat().toSorted((a, b) => a - b));
  });

  test("others hear of what was stored and what is gone, and not of their own", async () => {
    const url = await cluster.createDatabase();
    const [heard, own]: readonly ForeignChange[][] = [[], []];
    const writer = await open(url, (change) => own?.push(change));
    await open(url, (change) => heard?.push(change));
    await pinAll(writer, 10_000);
    const results = await writer.ask({
      type: "append",
      items: [item(TOPICS[0], 9), item(TOPICS[0], 9)],
      day: 1,
      capacity: 1e9,
    });
    await writer.ask({ type: "unpin", account: ACCOUNTS[0], topics: [TOPICS[0]] });
    await eventually(async () => await Promise.resolve(heard?.length === 2), "two changes");
    expect(heard).toEqual([
      { type: "appended", topic: new Uint8Array(TOPICS[0]), previous: 0, newest: results[1]?.position },
      { type: "shrunk", topic: new Uint8Array(TOPICS[0]) },
    ]);
    expect(own).toEqual([]);
  });

  test("an object store that is down holds back chunks only; what it damaged is not served", async () => {
    const url = await cluster.createDatabase();
    const extra = await startS3();
    const down = must(
      await openPostgresStore({
        url,
        chunks: createS3Chunks({ ...extra.settings, url: "http://127.0.0.1:9/chunks" }),
        sha256: (bytes) => native.hash("SHA256", bytes),
        report: (line) => reports.push(line),
        changed: () => undefined,
      }),
    );
    const store = await open(url);
    cleanUp.push(down.close, extra.stop);
    await pinAll(store, 1_000_000);
    const bytes = filled(9, 3_000);
    const [topic, id] = [TOPICS[0], native.hash("SHA256", bytes)];
    await store.ask({ type: "pinBlobs", topic, ids: [id] });
    const capacity = 1e9;
    const put = { type: "putBlob", topic, id, bytes, capacity } as const;
    const answers = must(await down.perform([put, { type: "append", items: [item(topic, 10)], day: 1, capacity }]));
    expect(answers[0]).toBe("busy");
    expect(answers[1]).toMatchObject([{ status: "stored" }]);
    expect(await store.ask({ type: "haveBlobs", topic, ids: [id] })).toEqual([false]);
    expect(await store.ask(put)).toBe("stored");
    expect(await store.ask(put)).toBe("duplicate");
    expect(await store.ask({ type: "account", account: ACCOUNTS[0] })).toMatchObject({ used: 3_010 });
    const file = readdirSync(objects.folder).find((name) => name.startsWith(bytesToHex(id)) && name.endsWith("object"));
    writeFileSync(path.join(objects.folder, file ?? ""), filled(8, 3_000));
    expect(await store.ask({ type: "getBlob", topic, id })).toBeNull();
    expect(reports.at(-1)).toContain("damaged the chunk");
  });
});
