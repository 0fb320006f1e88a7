import { rmSync } from "node:fs";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { openPostgresStore } from "../../main/proxy/postgres/postgres-store.ts";
import { openProxyStore } from "../../main/proxy/proxy-store.ts";
import { createS3Chunks } from "../../main/proxy/s3-chunks.ts";
import { randomBelow } from "../../protocol/kernel/random.ts";
import type { NewItem, ProxyStore, StoreAnswer, StoreOperation, StoreRequest } from "../../protocol/proxy/store.ts";
import { filled, must, native } from "../support/data-fixtures.ts";
import { temporaryFolder } from "../support/headless-node.ts";
import { type PostgresCluster, startPostgres } from "../support/postgres.ts";
import { type S3Server, startS3 } from "../support/s3-server.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

interface Opened {
  readonly store: ProxyStore;
  readonly addCode: (hash: Uint8Array, quota: number) => unknown;
  readonly setOwnerCode: (hash: Uint8Array, quota: number) => unknown;
  readonly close: () => unknown;
}

let cluster: PostgresCluster;
let objects: S3Server;
const databases = new Map<string, string>();
beforeAll(async () => {
  [cluster, objects] = await Promise.all([startPostgres(), startS3()]);
});
afterAll(async () => {
  await Promise.all([cluster.stop(), objects.stop()]);
});

/** Opens the store of a folder; the second time on one folder it is the same store after a restart. */
const stores: readonly (readonly [string, (folder: string) => Promise<Opened>])[] = [
  [
    "SQLite",
    async (folder) => {
      const store = must(openProxyStore(path.join(folder, "proxy.db")));
      const { addCode, setOwnerCode, close } = store;
      return await Promise.resolve({ store, addCode, setOwnerCode, close });
    },
  ],
  [
    "PostgreSQL and S3",
    async (folder) => {
      const url = databases.get(folder) ?? (await cluster.createDatabase());
      databases.set(folder, url);
      const store = must(
        await openPostgresStore({
          url,
          chunks: createS3Chunks(objects.settings),
          sha256: (bytes) => native.hash("SHA256", bytes),
          report: (line) => {
            throw new Error(line);
          },
          changed: () => undefined,
        }),
      );
      const { addCode, setOwnerCode, close } = store;
      return { store, addCode, setOwnerCode, close };
    },
  ],
];

const ACCOUNTS = [filled(1, 32), filled(2, 32), filled(3, 32)] as const;
const TOPICS = [filled(11, 32), filled(12, 32), filled(13, 32)] as const;
const random = createSeededRandom("proxy-store");
const capacity = 2 ** 40;
let serial = 0;
const item = (topic: Uint8Array, bytes = 100, fields: Partial<NewItem> = {}): NewItem => {
  const wire = new Uint8Array(bytes);
  new DataView(wire.buffer).setUint32(0, ++serial);
  return { topic, oid: native.hash("SHA256", wire), kind: 0, gen: serial, wire, retires: [], ...fields };
};

describe.each(stores)("%s", (_, open) => {
  const opened: Opened[] = [];
  const folders: string[] = [];
  afterEach(async () => {
    for (const { close } of opened.splice(0)) await close();
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  });
  const start = async (folder = temporaryFolder("proxy-store")) => {
    const one = await open(folder);
    opened.push(one);
    if (!folders.includes(folder)) folders.push(folder);
    const ask = async <K extends StoreOperation>(request: StoreRequest<K>): Promise<StoreAnswer<K>> => {
      const answers = must(await one.store.perform([request as StoreRequest]));
      return answers[0] as StoreAnswer<K>;
    };
    const account = async (pk: Uint8Array, quota: number) => await ask({ type: "openAccount", account: pk, quota });
    const pin = async (pk: Uint8Array, topic: Uint8Array) => {
      const [result] = await ask({
        type: "subscribe",
        account: pk,
        maxTopics: 10,
        topics: [{ topic, pin: true, checkpoint: false }],
      });
      return result?.status;
    };
    const append = async (...items: readonly NewItem[]) => await ask({ type: "append", items, day: 100, capacity });
    const pull = async (topic: Uint8Array, after = 0) =>
      await ask({ type: "pull", topic, after, maxItems: 1_000, maxBytes: 2 ** 30 });
    return { ...one, folder, ask, account, pin, append, pull };
  };

  test("P-PROXYSTORE-1 what was answered is there after the process is gone", async () => {
    const first = await start();
    await first.account(ACCOUNTS[0], 10_000);
    await first.pin(ACCOUNTS[0], TOPICS[0]);
    const [a, b] = [item(TOPICS[0]), item(TOPICS[0])];
    await first.append(a, b);
    const again = await start(first.folder);
    expect((await again.pull(TOPICS[0]))?.items.map(({ wire }) => wire)).toEqual(
      [a.wire, b.wire].map((wire) => Buffer.from(wire)),
    );
    expect(await again.ask({ type: "account", account: ACCOUNTS[0] })).toEqual({ quota: 10_000, used: 200 });
  });

  test("P-PROXYSTORE-2 positions rise over all topics and are not given again after everything was deleted", async () => {
    const store = await start();
    await store.account(ACCOUNTS[0], 10_000);
    await store.pin(ACCOUNTS[0], TOPICS[0]);
    await store.pin(ACCOUNTS[0], TOPICS[1]);
    const results = await store.append(item(TOPICS[0]), item(TOPICS[1]), item(TOPICS[0]));
    expect(results.map(({ position, previous }) => [position, previous])).toEqual([
      [1, 0],
      [2, 0],
      [3, 1],
    ]);
    const gone = await store.ask({ type: "unpin", account: ACCOUNTS[0], topics: [TOPICS[0], TOPICS[1]] });
    expect(gone).toEqual([TOPICS[0], TOPICS[1]]);
    expect(await store.pull(TOPICS[0])).toBeNull();
    const again = await start(store.folder);
    await again.pin(ACCOUNTS[0], TOPICS[0]);
    expect((await again.append(item(TOPICS[0])))[0]).toMatchObject({ position: 4, previous: 0 });
  });

  test("P-PROXYSTORE-3 what an account uses is the sum of what it pins, under any order of requests", async () => {
    const store = await start();
    for (const account of ACCOUNTS) await store.account(account, 3_000);
    const bytesOf = new Map<Uint8Array, number>(TOPICS.map((topic) => [topic, 0]));
    const pins = new Map<Uint8Array, Set<Uint8Array>>(ACCOUNTS.map((account) => [account, new Set()]));
    const usedBy = (account: Uint8Array) =>
      [...(pins.get(account) ?? [])].reduce((sum, topic) => sum + (bytesOf.get(topic) ?? 0), 0);
    for (let step = 0; step < 400; step++) {
      const topic = TOPICS[randomBelow(random, TOPICS.length)] ?? TOPICS[0];
      const account = ACCOUNTS[randomBelow(random, ACCOUNTS.length)] ?? ACCOUNTS[0];
      const pinners = ACCOUNTS.filter((each) => pins.get(each)?.has(topic));
      const chance = randomBelow(random, 8);
      if (chance < 2) {
        const fits = pins.get(account)?.has(topic) === true || usedBy(account) + (bytesOf.get(topic) ?? 0) <= 3_000;
        expect(await store.pin(account, topic)).toBe(fits ? "known" : "quota");
        if (fits) pins.get(account)?.add(topic);
      } else if (chance < 3) {
        await store.ask({ type: "unpin", account, topics: [topic] });
        pins.get(account)?.delete(topic);
        if (pinners.every((each) => each === account)) bytesOf.set(topic, 0);
      } else {
        const added = item(topic, 4 + randomBelow(random, 900));
        const hasRoom = pinners.some((each) => usedBy(each) + added.wire.length <= 3_000);
        const [result] = await store.append(added);
        expect(result?.status).toBe(pinners.length === 0 ? "notPinned" : hasRoom ? "stored" : "quota");
        if (hasRoom) bytesOf.set(topic, (bytesOf.get(topic) ?? 0) + added.wire.length);
      }
      for (const each of ACCOUNTS)
        expect((await store.ask({ type: "account", account: each }))?.used, `step ${step}`).toBe(usedBy(each));
    }
  });

  test("P-PROXYSTORE-4 batches given at once are answered in order, each seeing those before", async () => {
    const store = await start();
    await store.account(ACCOUNTS[0], 10_000);
    await store.pin(ACCOUNTS[0], TOPICS[0]);
    const order: number[] = [];
    const batches = [0, 1, 2].map(async (n) => {
      const answers = must(
        await store.store.perform([
          { type: "append", items: [item(TOPICS[0])], day: 1, capacity },
          { type: "pull", topic: TOPICS[0], after: 0, maxItems: 9, maxBytes: 9_999 },
        ]),
      );
      order.push(n);
      return (answers[1] as StoreAnswer<"pull">)?.items.length;
    });
    expect(await Promise.all(batches)).toEqual([1, 2, 3]);
    expect(order).toEqual([0, 1, 2]);
  });

  test("an item is stored once; retired and deleted it is not taken again", async () => {
    const store = await start();
    await store.account(ACCOUNTS[0], 10_000);
    await store.pin(ACCOUNTS[0], TOPICS[0]);
    const [a, b] = [item(TOPICS[0]), item(TOPICS[0])];
    const retire = item(TOPICS[0], 100, { kind: 3, retires: [a.oid, filled(9, 32)] });
    expect((await store.append(a, a, b, retire)).map(({ status }) => status)).toEqual([
      "stored",
      "duplicate",
      "stored",
      "stored",
    ]);
    const served = (await store.pull(TOPICS[0]))?.items.map(({ wire }) => wire);
    expect(served, "PRX-6").toEqual([b.wire, retire.wire].map((wire) => Buffer.from(wire)));
    const named = await store.ask({ type: "get", topic: TOPICS[0], oids: [a.oid], maxBytes: 1_000 });
    expect(named?.items).toHaveLength(1);
    const grace = { itemGraceDays: 30, blobGraceDays: 14 };
    expect(await store.ask({ type: "sweep", day: 130, ...grace })).toEqual([]);
    expect(await store.ask({ type: "sweep", day: 131, ...grace })).toEqual([Buffer.from(TOPICS[0])]);
    expect((await store.append(a))[0]?.status).toBe("retired");
    expect((await store.ask({ type: "itemSet", topic: TOPICS[0] }))?.map(({ gen }) => gen)).toEqual([
      b.gen,
      retire.gen,
    ]);
  });

  test("a code is good for one account", async () => {
    const store = await start();
    await store.addCode(filled(5, 32), 700);
    const redeem = { type: "redeem", codeHash: filled(5, 32) } as const;
    expect(await store.ask({ ...redeem, account: ACCOUNTS[0] })).toEqual({ quota: 700, used: 0 });
    expect(await store.ask({ ...redeem, account: ACCOUNTS[1] })).toBeNull();
    expect(await store.ask({ type: "account", account: ACCOUNTS[1] })).toBeNull();
  });

  test("of the owner's codes only the last is good", async () => {
    const store = await start();
    for (const n of [5, 6]) await store.setOwnerCode(filled(n, 32), 700);
    await store.addCode(filled(7, 32), 10);
    await store.setOwnerCode(filled(8, 32), 900);
    const quotas = [];
    for (const [at, n] of [5, 6, 7, 8].entries()) {
      const account = filled(50 + at, 32);
      quotas.push((await store.ask({ type: "redeem", account, codeHash: filled(n, 32) }))?.quota);
    }
    expect(quotas).toEqual([undefined, undefined, 10, 900]);
  });

  test("a chunk is kept as long as one topic has it", async () => {
    const store = await start();
    await store.account(ACCOUNTS[0], 10_000);
    const bytes = filled(6, 500);
    const id = native.hash("SHA256", bytes);
    for (const topic of TOPICS.slice(0, 2)) {
      await store.pin(ACCOUNTS[0], topic);
      expect(await store.ask({ type: "pinBlobs", topic, ids: [id] })).toBe("pinned");
      expect(await store.ask({ type: "putBlob", topic, id, bytes, capacity })).toBe("stored");
    }
    expect(await store.ask({ type: "account", account: ACCOUNTS[0] })).toMatchObject({ used: 1_000 });
    await store.ask({ type: "unpin", account: ACCOUNTS[0], topics: [TOPICS[0]] });
    expect(await store.ask({ type: "getBlob", topic: TOPICS[0], id })).toBeNull();
    const kept = await store.ask({ type: "getBlob", topic: TOPICS[1], id });
    expect(kept === null ? null : Buffer.from(kept)).toEqual(Buffer.from(bytes));
  });
});
