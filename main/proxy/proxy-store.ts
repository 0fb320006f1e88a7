import Database from "better-sqlite3";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import { exhaustive } from "../../protocol/kernel/assert.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import type {
  AccountRow,
  AppendResult,
  NewItem,
  ProxyStore,
  StoreAnswer,
  StoredPage,
  StoreRequest,
  SubscribeResult,
} from "../../protocol/proxy/store.ts";
import type { SetItem } from "../../protocol/reconcile/item-set.ts";
import {
  migrate,
  nativeBinding,
  type SqliteDatabase,
  type StorageError,
  storageErrorOf,
} from "../adapters/sqlite/database.ts";
import { PROXY_MIGRATIONS } from "./schema.ts";

/** A chunk counts once for a whole file; a topic of the largest repository (5 GiB) has 20 480. */
const MAX_CHUNKS_PER_TOPIC = 65_536;
/** Keeps one sweep below a second; the next one goes on. */
const MAX_SWEPT = 20_000;
/** Pages of 4 KiB given back to the file system in one sweep. */
const FREED_PAGES = 25_000;

export interface SqliteProxyStore extends ProxyStore {
  /** The incarnation; made by `create` when there is none. */
  readonly incarnation: (create: () => Uint8Array) => Uint8Array;
  readonly setIncarnation: (value: Uint8Array) => void;
  /** Adds a one-time code by its hash. */
  readonly addCode: (hash: Uint8Array, quota: number) => void;
  /** Adds the owner's code; one made before and not used is void. */
  readonly setOwnerCode: (hash: Uint8Array, quota: number) => void;
  readonly countAccounts: () => number;
  readonly close: () => void;
}

/** Opens `file`; NORMAL: a crash of the process loses nothing, a power cut may undo the last seconds (then the incarnation changes). */
export const openProxyStore = (file: string): Result<SqliteProxyStore, StorageError> => {
  try {
    const database = new Database(file, { ...nativeBinding(), timeout: 5_000 });
    try {
      database.pragma("auto_vacuum = INCREMENTAL");
      database.pragma("journal_mode = WAL");
      database.pragma("synchronous = NORMAL");
      database.pragma("foreign_keys = ON");
      database.pragma("cache_size = -8000");
      const migrated = migrate(database, PROXY_MIGRATIONS);
      if (migrated.ok) return ok(createProxyStore(database));
      database.close();
      return migrated;
    } catch (cause) {
      database.close();
      throw cause;
    }
  } catch (cause) {
    const fault = storageErrorOf(cause);
    if (fault === undefined) throw cause;
    return err(fault);
  }
};

interface TopicRow {
  readonly n: number;
  readonly newest: number;
  readonly items: number;
  readonly bytes: number;
}

const createProxyStore = (database: SqliteDatabase): SqliteProxyStore => {
  const one = <T>(sql: string) => {
    const statement = database.prepare<unknown[], T>(sql);
    return (...values: readonly unknown[]): T | undefined => statement.get(...values);
  };
  const all = <T>(sql: string) => {
    const statement = database.prepare<unknown[], T>(sql);
    return (...values: readonly unknown[]): readonly T[] => statement.all(...values);
  };
  const run = (sql: string) => {
    const statement = database.prepare(sql);
    return (...values: readonly unknown[]) => statement.run(...values);
  };

  const accountOf = one<AccountRow & { readonly n: number }>("SELECT n, quota, used FROM account WHERE pk = ?");
  const addAccount = run(
    `INSERT INTO account (pk, quota) VALUES (?, ?) ON CONFLICT (pk) DO UPDATE SET quota = min(quota + excluded.quota, ${Number.MAX_SAFE_INTEGER})`,
  );
  const openAccount = run("INSERT INTO account (pk, quota) VALUES (?, ?) ON CONFLICT DO NOTHING");
  const takeCode = one<{ readonly quota: number }>("DELETE FROM code WHERE hash = ? RETURNING quota");
  const topicOf = one<TopicRow>("SELECT n, newest, items, bytes FROM topic WHERE pk = ?");
  const addTopic = one<TopicRow>("INSERT INTO topic (pk) VALUES (?) RETURNING n, newest, items, bytes");
  const hasPin = one("SELECT 1 FROM pin WHERE account = ? AND topic = ?");
  const countPins = one<{ readonly count: number }>("SELECT count(*) AS count FROM pin WHERE account = ?");
  const addPin = run("INSERT INTO pin (account, topic) VALUES (?, ?)");
  const removePin = run("DELETE FROM pin WHERE account = ? AND topic = ?");
  const isPinned = one("SELECT 1 FROM pin WHERE topic = ? LIMIT 1");
  const charge = run("UPDATE account SET used = used + ? WHERE n = ?");
  const chargeTopic = run("UPDATE account SET used = used + ? WHERE n IN (SELECT account FROM pin WHERE topic = ?)");
  const roomOf = one<{ readonly room: number | null }>(
    "SELECT max(quota - used) AS room FROM pin JOIN account ON account.n = pin.account WHERE pin.topic = ?",
  );
  const growTopic = run("UPDATE topic SET newest = ?, items = items + 1, bytes = bytes + ? WHERE n = ?");
  const shrinkTopic = run("UPDATE topic SET items = items - ?, bytes = bytes - ? WHERE n = ?");
  const itemOf = one<{ readonly position: number; readonly retired: number | null }>(
    "SELECT position, retired FROM item WHERE oid = ?",
  );
  const isBuried = one("SELECT 1 FROM tombstone WHERE topic = ? AND oid = ?");
  const addItem = run("INSERT INTO item (topic, oid, kind, gen, wire) VALUES (?, ?, ?, ?, ?)");
  const revive = run("UPDATE item SET retired = NULL WHERE oid = ?");
  const retire = run("UPDATE item SET retired = ? WHERE oid = ? AND topic = ? AND retired IS NULL");
  const oldestOf = one<{ readonly oldest: number | null }>("SELECT min(position) AS oldest FROM item WHERE topic = ?");
  const checkpointOf = one<{ readonly oid: Uint8Array }>(
    "SELECT oid FROM item WHERE topic = ? AND kind = 2 ORDER BY position DESC LIMIT 1",
  );
  const page = database.prepare<unknown[], { readonly position: number; readonly wire: Buffer }>(
    "SELECT position, wire FROM item WHERE topic = ? AND position > ? AND retired IS NULL ORDER BY position LIMIT ?",
  );
  const wireOf = one<{ readonly position: number; readonly wire: Buffer }>(
    "SELECT position, wire FROM item WHERE oid = ? AND topic = ?",
  );
  const setOf = all<SetItem>("SELECT gen, oid AS id FROM item WHERE topic = ? AND retired IS NULL");
  const statOf = one<{ readonly topics: number; readonly items: number | null }>(
    "SELECT count(*) AS topics, sum(topic.items) AS items FROM pin JOIN topic ON topic.n = pin.topic WHERE pin.account = ?",
  );
  const chunksOf = one<{ readonly count: number }>(
    "SELECT count(*) AS count FROM pin JOIN chunk USING (topic) WHERE pin.account = ? AND bytes > 0",
  );
  const chunkOf = one<{ readonly bytes: number; readonly unpinned: number | null }>(
    "SELECT bytes, unpinned FROM chunk WHERE topic = ? AND id = ?",
  );
  const countChunks = one<{ readonly count: number }>("SELECT count(*) AS count FROM chunk WHERE topic = ?");
  const pinChunk = run(
    "INSERT INTO chunk (topic, id) VALUES (?, ?) ON CONFLICT (topic, id) DO UPDATE SET unpinned = NULL",
  );
  const unpinChunk = run("UPDATE chunk SET unpinned = ? WHERE topic = ? AND id = ? AND unpinned IS NULL");
  const fillChunk = run("UPDATE chunk SET bytes = ? WHERE topic = ? AND id = ?");
  const growTopicBytes = run("UPDATE topic SET bytes = bytes + ? WHERE n = ?");
  const removeChunk = run("DELETE FROM chunk WHERE topic = ? AND id = ?");
  const isStoredChunk = one("SELECT 1 FROM chunk WHERE id = ? AND bytes > 0 LIMIT 1");
  const putContent = run("INSERT INTO content (id, bytes) VALUES (?, ?) ON CONFLICT DO NOTHING");
  const contentOf = one<{ readonly bytes: Buffer }>("SELECT bytes FROM content WHERE id = ?");
  const removeContent = run("DELETE FROM content WHERE id = ?");
  const chunkIds = all<{ readonly id: Uint8Array }>("SELECT id FROM chunk WHERE topic = ? AND bytes > 0");
  const totalBytes = one<{ readonly total: number | null }>("SELECT sum(bytes) AS total FROM topic");
  const retiredBefore = all<{ position: number; topic: number; oid: Uint8Array; bytes: number; pk: Uint8Array }>(
    `SELECT position, topic, oid, length(wire) AS bytes, pk FROM item JOIN topic ON topic.n = item.topic
     WHERE retired < ? LIMIT ${MAX_SWEPT}`,
  );
  const removeItem = run("DELETE FROM item WHERE position = ?");
  const bury = run("INSERT INTO tombstone (topic, oid) VALUES (?, ?) ON CONFLICT DO NOTHING");
  const unpinnedBefore = all<{ readonly topic: number; readonly id: Uint8Array; readonly bytes: number }>(
    `SELECT topic, id, bytes FROM chunk WHERE unpinned < ? LIMIT ${MAX_SWEPT}`,
  );
  const clearTopic = [
    "DELETE FROM item WHERE topic = ?",
    "DELETE FROM tombstone WHERE topic = ?",
    "DELETE FROM chunk WHERE topic = ?",
    "DELETE FROM topic WHERE n = ?",
  ].map(run);
  const getMeta = one<{ readonly value: Uint8Array }>("SELECT value FROM meta WHERE key = ?");
  const setMeta = run(
    "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
  );
  const addCode = run("INSERT INTO code (hash, quota) VALUES (?, ?)");
  const countAccounts = one<{ readonly count: number }>("SELECT count(*) AS count FROM account");

  /** Bytes of all topics, and what the batch under way adds to them. */
  let total = totalBytes()?.total ?? 0;
  let added = 0;

  const rowOf = (account: Uint8Array): AccountRow | null => {
    const row = accountOf(account);
    return row === undefined ? null : { quota: row.quota, used: row.used };
  };

  const hasRoom = (topic: number, bytes: number, capacity: number): boolean =>
    (roomOf(topic)?.room ?? -1) >= bytes && total + added + bytes <= capacity;

  const subscribe = (
    account: Uint8Array,
    maxTopics: number,
    pk: Uint8Array,
    pin: boolean,
    checkpoint: boolean,
  ): SubscribeResult => {
    let topic = topicOf(pk);
    if (pin) {
      const row = accountOf(account);
      if (row === undefined) return NOTHING.quota;
      if (topic === undefined || hasPin(row.n, topic.n) === undefined) {
        if ((countPins(row.n)?.count ?? 0) >= maxTopics) return NOTHING.tooManyTopics;
        if (row.used + (topic?.bytes ?? 0) > row.quota) return NOTHING.quota;
        topic ??= addTopic(pk) as TopicRow;
        addPin(row.n, topic.n);
        charge(topic.bytes, row.n);
      }
    }
    if (topic === undefined) return NOTHING.notPinned;
    const { n, newest, items } = topic;
    return {
      position: newest,
      count: items,
      oldest: oldestOf(n)?.oldest ?? 0,
      checkpoint: checkpoint ? (checkpointOf(n)?.oid ?? null) : null,
      status: "known",
    };
  };

  const append = (item: NewItem, day: number, capacity: number): AppendResult => {
    const { oid, kind, gen, wire, retires } = item;
    const topic = topicOf(item.topic);
    if (topic === undefined) return refusal("notPinned");
    const stored = itemOf(oid);
    if (stored !== undefined) {
      if (stored.retired !== null && item.keepsMark !== true) revive(oid);
      return { status: "duplicate", position: stored.position, previous: 0 };
    }
    if (isBuried(topic.n, oid) !== undefined) return refusal("retired");
    if (!hasRoom(topic.n, wire.length, capacity)) return refusal("quota");
    const position = Number(addItem(topic.n, oid, kind, gen, wire).lastInsertRowid);
    growTopic(position, wire.length, topic.n);
    chargeTopic(wire.length, topic.n);
    added += wire.length;
    for (const each of retires) retire(day, each, topic.n);
    return { status: "stored", position, previous: topic.newest };
  };

  const pull = (pk: Uint8Array, after: number, maxItems: number, maxBytes: number): StoredPage | null => {
    const topic = topicOf(pk);
    if (topic === undefined) return null;
    const items: StoredPage["items"][number][] = [];
    let bytes = 0;
    for (const { position, wire } of page.iterate(topic.n, after, maxItems + 1)) {
      bytes += wire.length;
      const last = items.at(-1);
      if (last !== undefined && (items.length === maxItems || bytes > maxBytes))
        return { items, more: true, next: last.position };
      items.push({ position, wire });
    }
    return { items, more: false, next: Math.max(after, topic.newest) };
  };

  const get = (pk: Uint8Array, oids: readonly Uint8Array[], maxBytes: number): StoredPage | null => {
    const topic = topicOf(pk);
    if (topic === undefined) return null;
    const items: StoredPage["items"][number][] = [];
    let bytes = 0;
    for (const [dealt, oid] of oids.entries()) {
      const found = wireOf(oid, topic.n);
      if (found === undefined) continue;
      bytes += found.wire.length;
      if (items.length > 0 && bytes > maxBytes) return { items, more: true, next: dealt };
      items.push(found);
    }
    return { items, more: false, next: oids.length };
  };

  const unpin = (account: Uint8Array, topics: readonly Uint8Array[]): readonly Uint8Array[] => {
    const row = accountOf(account);
    if (row === undefined) return [];
    return topics.filter((pk) => {
      const topic = topicOf(pk);
      if (topic === undefined || removePin(row.n, topic.n).changes === 0) return false;
      charge(-topic.bytes, row.n);
      if (isPinned(topic.n) !== undefined) return false;
      const ids = chunkIds(topic.n);
      for (const clear of clearTopic) clear(topic.n);
      for (const { id } of ids) release(id);
      added -= topic.bytes;
      return true;
    });
  };

  const pinBlobs = (pk: Uint8Array, ids: readonly Uint8Array[]): "pinned" | "quota" | null => {
    const topic = topicOf(pk);
    if (topic === undefined) return null;
    if ((countChunks(topic.n)?.count ?? 0) + ids.length > MAX_CHUNKS_PER_TOPIC) return "quota";
    for (const id of ids) pinChunk(topic.n, id);
    return "pinned";
  };

  const putBlob = (
    pk: Uint8Array,
    id: Uint8Array,
    bytes: Uint8Array,
    capacity: number,
  ): "stored" | "duplicate" | "quota" | "notPinned" => {
    const topic = topicOf(pk);
    const chunk = topic === undefined ? undefined : chunkOf(topic.n, id);
    if (topic === undefined || chunk === undefined || chunk.unpinned !== null) return "notPinned";
    if (chunk.bytes > 0) return "duplicate";
    if (!hasRoom(topic.n, bytes.length, capacity)) return "quota";
    putContent(id, bytes);
    fillChunk(bytes.length, topic.n, id);
    growTopicBytes(bytes.length, topic.n);
    chargeTopic(bytes.length, topic.n);
    added += bytes.length;
    return "stored";
  };

  const getBlob = (pk: Uint8Array, id: Uint8Array): Uint8Array | null => {
    const topic = topicOf(pk);
    if (topic === undefined || (chunkOf(topic.n, id)?.bytes ?? 0) === 0) return null;
    return contentOf(id)?.bytes ?? null;
  };

  /** Deletes a chunk that no topic refers to any more. */
  const release = (id: Uint8Array): void => {
    if (isStoredChunk(id) === undefined) removeContent(id);
  };

  const sweep = (day: number, itemGraceDays: number, blobGraceDays: number): readonly Uint8Array[] => {
    const changed = new Map<string, Uint8Array>();
    for (const { position, topic, oid, bytes, pk } of retiredBefore(day - itemGraceDays)) {
      removeItem(position);
      bury(topic, oid);
      shrinkTopic(1, bytes, topic);
      chargeTopic(-bytes, topic);
      added -= bytes;
      changed.set(bytesToHex(pk), pk);
    }
    for (const { topic, id, bytes } of unpinnedBefore(day - blobGraceDays)) {
      removeChunk(topic, id);
      growTopicBytes(-bytes, topic);
      chargeTopic(-bytes, topic);
      added -= bytes;
      release(id);
    }
    database.pragma(`incremental_vacuum(${FREED_PAGES})`);
    return [...changed.values()];
  };

  const answer = (request: StoreRequest): StoreAnswer => {
    switch (request.type) {
      case "account":
        return rowOf(request.account);
      case "openAccount":
        openAccount(request.account, request.quota);
        return rowOf(request.account);
      case "redeem": {
        const code = takeCode(request.codeHash);
        if (code === undefined) return null;
        addAccount(request.account, code.quota);
        return rowOf(request.account);
      }
      case "stat": {
        const row = accountOf(request.account);
        if (row === undefined) return { topics: 0, items: 0, blobs: 0, quota: 0, used: 0 };
        const { topics = 0, items = 0 } = statOf(row.n) ?? {};
        return { topics, items: items ?? 0, blobs: chunksOf(row.n)?.count ?? 0, quota: row.quota, used: row.used };
      }
      case "subscribe":
        return request.topics.map(({ topic, pin, checkpoint }) =>
          subscribe(request.account, request.maxTopics, topic, pin, checkpoint),
        );
      case "unpin":
        return unpin(request.account, request.topics);
      case "append":
        return request.items.map((item) => append(item, request.day, request.capacity));
      case "pull":
        return pull(request.topic, request.after, request.maxItems, request.maxBytes);
      case "get":
        return get(request.topic, request.oids, request.maxBytes);
      case "itemSet": {
        const topic = topicOf(request.topic);
        return topic === undefined ? null : setOf(topic.n);
      }
      case "pinBlobs":
        return pinBlobs(request.topic, request.ids);
      case "unpinBlobs": {
        const topic = topicOf(request.topic);
        if (topic === undefined) return null;
        for (const id of request.ids) unpinChunk(request.day, topic.n, id);
        return "unpinned";
      }
      case "putBlob":
        return putBlob(request.topic, request.id, request.bytes, request.capacity);
      case "getBlob":
        return getBlob(request.topic, request.id);
      case "haveBlobs": {
        const topic = topicOf(request.topic);
        return request.ids.map((id) => topic !== undefined && (chunkOf(topic.n, id)?.bytes ?? 0) > 0);
      }
      case "sweep":
        return sweep(request.day, request.itemGraceDays, request.blobGraceDays);
      default:
        return exhaustive(request);
    }
  };

  const transact = database.transaction((requests: readonly StoreRequest[]) => requests.map(answer));

  return {
    perform: (requests) => {
      added = 0;
      try {
        const answers = transact.immediate(requests);
        total += added;
        return Promise.resolve(ok(answers));
      } catch (cause) {
        const fault = storageErrorOf(cause);
        if (fault === undefined) throw cause;
        const { type, message } = fault;
        return Promise.resolve(err({ type: type === "DiskFull" ? type : "StoreFailed", message }));
      }
    },
    incarnation: (create) => {
      const known = getMeta(INCARNATION)?.value;
      if (known !== undefined) return new Uint8Array(known);
      const value = create();
      setMeta(INCARNATION, value);
      return value;
    },
    setIncarnation: (value) => void setMeta(INCARNATION, value),
    setOwnerCode: database.transaction((hash: Uint8Array, quota: number) => {
      const before = getMeta(OWNER_CODE)?.value;
      if (before !== undefined) takeCode(before);
      addCode(hash, quota);
      setMeta(OWNER_CODE, hash);
    }),
    addCode: (hash, quota) => void addCode(hash, quota),
    countAccounts: () => countAccounts()?.count ?? 0,
    close: () => void database.close(),
  };
};

const refusal = (status: AppendResult["status"]): AppendResult => ({ status, position: 0, previous: 0 });
const INCARNATION = "incarnation";
const OWNER_CODE = "owner-code";
const EMPTY = { position: 0, count: 0, oldest: 0, checkpoint: null } as const;
const NOTHING = {
  quota: { ...EMPTY, status: "quota" },
  tooManyTopics: { ...EMPTY, status: "tooManyTopics" },
  notPinned: { ...EMPTY, status: "notPinned" },
} as const;
