import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Store } from "../../app/ports/store.ts";
import { ENTRY_STATE } from "../../app/ports/store.ts";
import type { SqliteDatabase } from "../../main/adapters/sqlite/database.ts";
import { openWriter } from "../../main/adapters/sqlite/database.ts";
import { MIGRATIONS } from "../../main/adapters/sqlite/schema.ts";
import { createStore } from "../../main/adapters/sqlite/store.ts";
import { unixMs } from "../../protocol/kernel/time.ts";
import { filled, must } from "../support/data-fixtures.ts";

const NOW = unixMs(1_700_000_000_000);
const TOPIC = filled(1, 32);
const OTHER = filled(2, 32);

let folder: string;
let database: SqliteDatabase;
let store: Store;
let repository: number;
const topics = new Map<Uint8Array, number>();
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "p2pcollab-proxies-"));
  const opened = openWriter(path.join(folder, "profile.db"), new Uint8Array(32), MIGRATIONS, false);
  if (!opened.ok) throw new Error(opened.error.message);
  database = opened.value;
  store = createStore(database, () => undefined);
  repository = run(() => store.repositories.add(filled(9, 16), "Notes", NOW));
  for (const pk of [TOPIC, OTHER])
    topics.set(
      pk,
      run(() =>
        store.topics.add({
          pk,
          repository,
          kind: "epoch",
          readKey: filled(3, 32),
          topicSeed: null,
          state: "current",
          since: NOW,
        }),
      ),
    );
});
afterEach(() => {
  database.close();
  rmSync(folder, { recursive: true, force: true });
});

const run = <T>(work: () => T): T => must(store.transaction(work));
const put = (pk: Uint8Array, id: number, own: boolean, bytes = 10): Uint8Array => {
  const oid = filled(id, 32);
  run(() =>
    store.entries.add({
      oid,
      topic: topics.get(pk) as number,
      kind: 0,
      gen: id,
      wire: filled(id, bytes),
      iid: null,
      state: ENTRY_STATE.valid,
      own,
      arrivedAt: NOW,
    }),
  );
  return oid;
};
const addProxy = (key: number, kind: "own" | "guest" = "own"): number =>
  run(() =>
    store.proxies.add(
      {
        staticKey: filled(key, 32),
        addresses: ["192.0.2.1:1"],
        accountKey: filled(key + 100, 32),
        kind,
        code: null,
      },
      NOW,
    ),
  );
const followed = (proxy: number) => store.proxies.topics(proxy).map(({ pk, cursor }) => ({ topic: pk[0], cursor }));
const owed = (proxy: number, learned = true, without: readonly number[] = []): number[] =>
  store.proxies.owed(proxy, { learned, limit: 64, bytes: 1_000_000, without }).map(({ oid }) => oid[0] as number);

test("P-PROXIES-1 what is stored in a followed topic is owed to the proxy, own items first", () => {
  const proxy = addProxy(50);
  run(() => store.proxies.follow(proxy, TOPIC));
  put(TOPIC, 1, false);
  put(OTHER, 2, true);
  put(TOPIC, 3, true);
  expect(owed(proxy)).toEqual([3, 1]);
  expect(owed(proxy, false)).toEqual([3]);
  expect(owed(proxy, true, [topics.get(TOPIC) as number])).toEqual([]);
});

test("P-PROXIES-1 a transaction that fails owes nothing", () => {
  const proxy = addProxy(50);
  run(() => store.proxies.follow(proxy, TOPIC));
  expect(() =>
    store.transaction(() => {
      put(TOPIC, 1, true);
      throw new Error("planted");
    }),
  ).toThrow("planted");
  expect(owed(proxy)).toEqual([]);
});

test("P-PROXIES-2 following a topic owes everything stored of it, once", () => {
  put(TOPIC, 1, true);
  put(OTHER, 2, true);
  const proxy = addProxy(50);
  run(() => store.proxies.follow(proxy, TOPIC));
  run(() => store.proxies.follow(proxy, TOPIC));
  expect(owed(proxy)).toEqual([1]);
  run(() => store.proxies.acknowledge(proxy, [filled(1, 32)]));
  run(() => store.proxies.follow(proxy, TOPIC));
  expect(owed(proxy), "following again owes nothing again").toEqual([]);
  run(() => store.proxies.unfollow(proxy, TOPIC));
  expect(followed(proxy)).toEqual([]);
});

test("P-PROXIES-2 what a counted checkpoint covers is not owed to a proxy that comes later", () => {
  const [device, session] = [filled(30, 32), filled(31, 16)];
  const topic = topics.get(TOPIC) as number;
  run(() => {
    for (const seq of [0, 1]) {
      const iid = filled(40 + seq, 32);
      const { state, wire } = { state: ENTRY_STATE.valid, wire: filled(1, 10) };
      store.entries.add({
        oid: filled(50 + seq, 32),
        topic,
        kind: 0,
        gen: seq,
        wire,
        iid,
        state,
        own: true,
        arrivedAt: NOW,
      });
      store.entries.addInner(repository, { iid, device, session, seq, gen: seq, header: filled(2, 9) });
    }
    store.checkpoints.setCovered(topic, [[session, 0]]);
  });
  const proxy = addProxy(50);
  run(() => store.proxies.follow(proxy, TOPIC));
  expect(owed(proxy)).toEqual([51]);
});

test("P-PROXIES-3 I29 another incarnation of a proxy is owed everything, refused items too, from the start", () => {
  const proxy = addProxy(50);
  run(() => store.proxies.reset(proxy, filled(7, 16)));
  run(() => store.proxies.follow(proxy, TOPIC));
  const oids = [1, 2, 3].map((id) => put(TOPIC, id, true));
  run(() => {
    store.proxies.acknowledge(proxy, oids.slice(0, 2));
    store.proxies.refuse(proxy, oids[2] as Uint8Array, 4);
    store.proxies.setCursor(proxy, TOPIC, 12);
    store.proxies.setCursor(proxy, TOPIC, 11);
  });
  expect(followed(proxy)).toEqual([{ topic: 1, cursor: 12 }]);
  expect(owed(proxy)).toEqual([]);
  run(() => store.proxies.reset(proxy, filled(8, 16)));
  expect(owed(proxy)).toEqual([1, 2, 3]);
  expect(followed(proxy)).toEqual([{ topic: 1, cursor: null }]);
  expect(store.proxies.all()[0]?.incarnation?.[0]).toBe(8);
});

test("P-PROXIES-4 an acknowledgement is of one proxy; a refused item stays owed", () => {
  const [first, second] = [addProxy(50), addProxy(51)];
  for (const proxy of [first, second]) run(() => store.proxies.follow(proxy, TOPIC));
  const [a, b] = [put(TOPIC, 1, true), put(TOPIC, 2, true)];
  expect(run(() => store.proxies.acknowledge(first, [a, a]))).toBe(1);
  expect([owed(first), owed(second)]).toEqual([[2], [1, 2]]);
  run(() => store.proxies.refuse(first, b, 4));
  expect(store.proxies.backlog(first)).toEqual({ queued: 0, refused: 1 });
  expect(
    run(() => store.proxies.owe(first, [a, b])),
    "one of the two was owed",
  ).toBe(1);
  expect(owed(first)).toEqual([1]);
});

test("a notebook is held by the proxies that acknowledged all of it, never by one that was not even asked", () => {
  const [first, second, guest] = [addProxy(50), addProxy(51), addProxy(52, "guest")];
  const oid = put(TOPIC, 1, true);
  for (const proxy of [first, second, guest]) run(() => store.proxies.reset(proxy, filled(7, 16)));
  expect(store.proxies.holding(repository), "nobody follows it").toEqual([]);
  for (const proxy of [first, second, guest]) run(() => store.proxies.follow(proxy, TOPIC));
  expect(store.proxies.holding(repository), "nothing is acknowledged").toEqual([]);
  for (const proxy of [first, guest]) run(() => store.proxies.acknowledge(proxy, [oid]));
  expect(store.proxies.holding(repository)).toEqual([first]);
  put(OTHER, 2, false);
  expect(store.proxies.holding(repository), "a new topic is followed nowhere yet").toEqual([]);
});

test("a page is cut by bytes and has one item at least", () => {
  const proxy = addProxy(50);
  run(() => store.proxies.follow(proxy, TOPIC));
  for (const id of [1, 2, 3]) put(TOPIC, id, true, 1_000);
  const page = (bytes: number) => store.proxies.owed(proxy, { learned: false, limit: 64, bytes, without: [] }).length;
  expect([page(1), page(1_999), page(2_000)]).toEqual([1, 1, 2]);
});

test("a removed topic or proxy leaves nothing behind", () => {
  const proxy = addProxy(50);
  run(() => store.proxies.follow(proxy, TOPIC));
  put(TOPIC, 1, true);
  run(() => store.topics.remove(topics.get(TOPIC) as number));
  expect(owed(proxy)).toEqual([]);
  expect(followed(proxy), "the proxy is still to be told").toEqual([{ topic: 1, cursor: null }]);
  run(() => store.proxies.remove(proxy));
  expect(store.proxies.all()).toEqual([]);
  expect(database.prepare("SELECT count(*) AS n FROM proxy_outbox").get()).toEqual({ n: 0 });
});

test("an own item is undelivered until somebody has it, and again when the only proxy that had it is gone or is another one", () => {
  const [first, second] = [addProxy(50), addProxy(51)];
  for (const proxy of [first, second]) run(() => store.proxies.follow(proxy, TOPIC));
  const oid = put(TOPIC, 1, true);
  const undelivered = () => store.repositories.backlog(repository).undelivered;
  expect(undelivered()).toBe(1);
  for (const proxy of [first, second]) run(() => store.proxies.acknowledge(proxy, [oid]));
  expect(undelivered()).toBe(0);
  run(() => store.proxies.remove(first));
  expect(undelivered(), "the second has it").toBe(0);
  run(() => store.proxies.reset(second, filled(7, 16)));
  expect(undelivered()).toBe(1);
  run(() => store.proxies.acknowledge(second, [oid]));
  run(() => store.proxies.owe(second, [oid]));
  expect(undelivered(), "it lost the item").toBe(1);
  run(() => store.entries.markDelivered([oid]));
  run(() => store.proxies.remove(second));
  expect(undelivered(), "another device has it").toBe(0);
});

test("what proxies need no more is looked for page by page, each behind the one before", () => {
  const topic = topics.get(TOPIC) as number;
  for (let id = 10; id < 20; id++) put(TOPIC, id, true);
  const pages: number[] = [];
  const found: Uint8Array[] = [];
  run(() => {
    for (const id of [11, 12, 18]) {
      const iid = filled(id, 32);
      database.prepare("UPDATE entry SET iid = ? WHERE oid = ?").run(iid, filled(id, 32));
      const row =
        "INSERT INTO inner_record(iid, repository, device, session, seq, gen, header) VALUES(?, ?, ?, ?, ?, 0, ?)";
      database.prepare(row).run(iid, repository, filled(5, 32), filled(6, 16), id, filled(0, 1));
    }
    store.checkpoints.setCovered(topic, [[filled(6, 16), 20]]);
  });
  for (let after = 0, round = 0; round < 9; round++) {
    const page = store.checkpoints.retirable(topic, [], NOW + 1, NOW, after, 4);
    if (page.last === undefined) break;
    pages.push(page.oids.length);
    found.push(...page.oids);
    after = page.last;
  }
  expect(pages).toEqual([2, 0, 1]);
  expect(found.map(([first]) => first)).toEqual([11, 12, 18]);
});
