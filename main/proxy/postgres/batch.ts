import { exhaustive } from "../../../protocol/kernel/assert.ts";
import { bytesEqual, bytesToHex } from "../../../protocol/kernel/bytes.ts";
import { err, ok, type Result } from "../../../protocol/kernel/result.ts";
import type {
  AccountRow,
  NewItem,
  StoreAnswer,
  StoredPage,
  StoreOperation,
  StoreRequest,
  SubscribeResult,
} from "../../../protocol/proxy/store.ts";
import type { SetItem } from "../../../protocol/reconcile/item-set.ts";
import { type PostgresClient, rowsOf } from "./connection.ts";
import { type BatchTotals, type Ledger, openLedger } from "./ledger.ts";

/** A chunk counts once for a whole file; a topic of the largest repository (5 GiB) has 20 480. */
const MAX_CHUNKS_PER_TOPIC = 65_536;
/** Keeps one sweep below a second; the next one goes on. */
const MAX_SWEPT = 20_000;

/** Why a batch has to be rolled back and carried out again. */
export type Setback =
  /** Something changes who pins what, or the capacity is near: it has to run alone. */
  | { readonly type: "needsExclusive" }
  /** The chunk is wanted, but not in the object store yet. */
  | { readonly type: "needsContent"; readonly id: Uint8Array; readonly bytes: Uint8Array };

export interface Batch {
  /** Carries out one request after the other; an answer to `getBlob` is whether there is such a chunk. */
  readonly perform: (requests: readonly StoreRequest[]) => Promise<Result<readonly StoreAnswer[], Setback>>;
  readonly totals: BatchTotals;
  /** Topics that lost items or are gone. */
  readonly shrunk: readonly Uint8Array[];
}

export interface BatchOptions {
  readonly isExclusive: boolean;
  /** Chunks, by hex name, that this batch tried to put into the object store, and whether that went well. */
  readonly contents: ReadonlyMap<string, boolean>;
}

const WRITES = new Set<StoreOperation>(["append", "putBlob", "pinBlobs", "unpinBlobs"]);
const EMPTY = { position: 0, count: 0, oldest: 0, checkpoint: null } as const;

interface FoundTopic {
  readonly n: number;
  readonly pk: Buffer;
  readonly position: number;
  readonly count: number;
  readonly bytes: number;
  readonly oldest: number;
  readonly checkpoint: Buffer | null;
  readonly pinned: boolean;
}

/** One transaction's worth of requests on a connection that is inside it. */
export const createBatch = (client: PostgresClient, stored: number, options: BatchOptions): Batch => {
  const totals: BatchTotals = { stored, added: 0, capacity: Number.MAX_SAFE_INTEGER, appended: new Map() };
  const shrunk: Uint8Array[] = [];
  const needsExclusive = err<Setback>({ type: "needsExclusive" });
  let requests: readonly StoreRequest[] = [];
  let ledger: Ledger | undefined;

  const many = <T extends object>(sql: string, ...values: readonly unknown[]): Promise<readonly T[]> =>
    rowsOf<T>(client, sql, values);
  const one = async <T extends object>(sql: string, ...values: readonly unknown[]): Promise<T | undefined> =>
    (await rowsOf<T>(client, sql, values))[0];

  /** Locks everything the whole batch writes to at once, so that two batches never wait for each other. */
  const opened = async (): Promise<Ledger> => {
    if (ledger !== undefined) return ledger;
    const pks = new Map<string, Uint8Array>();
    const items: NewItem[] = [];
    for (const request of requests) {
      if (request.type === "append") items.push(...request.items);
      if (WRITES.has(request.type) && "topic" in request) pks.set(bytesToHex(request.topic), request.topic);
    }
    for (const { topic } of items) pks.set(bytesToHex(topic), topic);
    ledger = await openLedger(client, totals, [...pks.values()], items);
    return ledger;
  };
  /** Before statements that change what the ledger remembers. */
  const closeLedger = async (): Promise<void> => {
    await ledger?.flush();
    ledger = undefined;
  };

  const accountOf = async (pk: Uint8Array) =>
    await one<AccountRow & { readonly n: number }>("SELECT n, quota, used FROM account WHERE pk = $1", pk);
  const rowOf = async (pk: Uint8Array): Promise<AccountRow | null> => {
    const row = await accountOf(pk);
    return row === undefined ? null : { quota: row.quota, used: row.used };
  };
  const numberOf = async (pk: Uint8Array): Promise<number | undefined> =>
    (await one<{ readonly n: number }>("SELECT n FROM topic WHERE pk = $1", pk))?.n;

  const subscribe = async ({
    account,
    maxTopics,
    topics,
  }: StoreRequest<"subscribe">): Promise<Result<readonly SubscribeResult[], Setback>> => {
    const row = topics.some(({ pin }) => pin) ? await accountOf(account) : undefined;
    const found = await many<FoundTopic>(
      `SELECT n, pk, newest AS position, items AS count, bytes,
         coalesce((SELECT min(item.position) FROM item WHERE item.topic = n), 0) AS oldest,
         (SELECT oid FROM item WHERE item.topic = n AND kind = 2 ORDER BY item.position DESC LIMIT 1) AS checkpoint,
         EXISTS (SELECT FROM pin WHERE pin.topic = n AND pin.account = $2::bigint) AS pinned
       FROM topic WHERE pk = ANY($1)`,
      topics.map(({ topic }) => topic),
      row?.n ?? null,
    );
    const known = new Map(found.map((topic) => [bytesToHex(topic.pk), topic]));
    const pinned = new Set(found.filter((topic) => topic.pinned).map(({ pk }) => bytesToHex(pk)));
    let pins: number | undefined;
    let used = row?.used ?? 0;
    const results: SubscribeResult[] = [];
    for (const { topic: pk, pin, checkpoint } of topics) {
      const name = bytesToHex(pk);
      const topic = known.get(name);
      if (pin && !pinned.has(name)) {
        const refused = (status: "quota" | "tooManyTopics"): void => void results.push({ ...EMPTY, status });
        if (row === undefined) {
          refused("quota");
          continue;
        }
        if (!options.isExclusive) return needsExclusive;
        pins ??=
          (await one<{ readonly count: number }>("SELECT count(*) FROM pin WHERE account = $1", row.n))?.count ?? 0;
        if (pins >= maxTopics || used + (topic?.bytes ?? 0) > row.quota) {
          refused(pins >= maxTopics ? "tooManyTopics" : "quota");
          continue;
        }
        await client.query("INSERT INTO topic (pk) VALUES ($1) ON CONFLICT DO NOTHING", [pk]);
        await client.query("INSERT INTO pin SELECT $1::bigint, n FROM topic WHERE pk = $2", [row.n, pk]);
        await client.query("UPDATE account SET used = used + $1 WHERE n = $2", [topic?.bytes ?? 0, row.n]);
        pinned.add(name);
        pins++;
        used += topic?.bytes ?? 0;
      }
      if (topic === undefined && !pinned.has(name)) results.push({ ...EMPTY, status: "notPinned" });
      else {
        const { position, count, oldest, checkpoint: newest } = topic ?? EMPTY;
        results.push({ position, count, oldest, checkpoint: checkpoint ? newest : null, status: "known" });
      }
    }
    return ok(results);
  };

  const unpin = async (account: Uint8Array, pks: readonly Uint8Array[]): Promise<readonly Uint8Array[]> => {
    const row = await accountOf(account);
    if (row === undefined) return [];
    const removed = await many<{ readonly n: number; readonly pk: Buffer; readonly bytes: number }>(
      `DELETE FROM pin USING topic WHERE pin.account = $1 AND pin.topic = topic.n AND topic.pk = ANY($2)
       RETURNING topic.n, topic.pk, topic.bytes`,
      row.n,
      pks,
    );
    await client.query("UPDATE account SET used = used - $1 WHERE n = $2", [
      removed.reduce((sum, { bytes }) => sum + bytes, 0),
      row.n,
    ]);
    const gone = await many<{ readonly n: number; readonly pk: Buffer; readonly bytes: number }>(
      `SELECT n, pk, bytes FROM topic WHERE n = ANY($1::bigint[]) AND NOT EXISTS (SELECT FROM pin WHERE pin.topic = n)`,
      removed.map(({ n }) => n),
    );
    const numbers = gone.map(({ n }) => n);
    for (const table of ["item", "tombstone", "chunk"])
      await client.query(`DELETE FROM ${table} WHERE topic = ANY($1::bigint[])`, [numbers]);
    await client.query("DELETE FROM topic WHERE n = ANY($1::bigint[])", [numbers]);
    totals.added -= gone.reduce((sum, { bytes }) => sum + bytes, 0);
    const names = gone.map(({ pk }) => pk);
    for (const name of names) shrunk.push(name);
    return pks.filter((pk) => names.some((name) => bytesEqual(name, pk)));
  };

  const pull = async ({ topic, after, maxItems, maxBytes }: StoreRequest<"pull">): Promise<StoredPage | null> => {
    const row = await one<{ readonly n: number; readonly newest: number }>(
      "SELECT n, newest FROM topic WHERE pk = $1",
      topic,
    );
    if (row === undefined) return null;
    // Sizes first: a page of the largest items would otherwise be a gigabyte on its way here.
    const sizes = await many<{ readonly position: number; readonly bytes: number }>(
      `SELECT position, length(wire) AS bytes FROM item WHERE topic = $1 AND position > $2 AND position <= $3 AND retired IS NULL
       ORDER BY position LIMIT $4`,
      row.n,
      after,
      row.newest,
      maxItems + 1,
    );
    let bytes = 0;
    let count = 0;
    for (const size of sizes) {
      bytes += size.bytes;
      if (count > 0 && (count === maxItems || bytes > maxBytes)) break;
      count++;
    }
    const last = sizes[count - 1];
    if (last === undefined) return { items: [], more: false, next: Math.max(after, row.newest) };
    const items = await many<{ readonly position: number; readonly wire: Buffer }>(
      `SELECT position, wire FROM item WHERE topic = $1 AND position > $2 AND position <= $3 AND retired IS NULL
       ORDER BY position`,
      row.n,
      after,
      last.position,
    );
    const more = count < sizes.length;
    return { items, more, next: more ? last.position : Math.max(after, row.newest) };
  };

  const get = async ({ topic, oids, maxBytes }: StoreRequest<"get">): Promise<StoredPage | null> => {
    const n = await numberOf(topic);
    if (n === undefined) return null;
    const sizes = await many<{ readonly oid: Buffer; readonly bytes: number }>(
      "SELECT oid, length(wire) AS bytes FROM item WHERE topic = $1 AND oid = ANY($2)",
      n,
      oids,
    );
    const sizeOf = new Map(sizes.map(({ oid, bytes }) => [bytesToHex(oid), bytes]));
    let bytes = 0;
    let dealt = 0;
    const wanted: Uint8Array[] = [];
    for (const oid of oids) {
      const size = sizeOf.get(bytesToHex(oid));
      bytes += size ?? 0;
      if (size !== undefined && wanted.length > 0 && bytes > maxBytes) break;
      if (size !== undefined) wanted.push(oid);
      dealt++;
    }
    const rows = await many<{ readonly oid: Buffer; readonly position: number; readonly wire: Buffer }>(
      "SELECT oid, position, wire FROM item WHERE topic = $1 AND oid = ANY($2)",
      n,
      wanted,
    );
    const byOid = new Map(rows.map(({ oid, position, wire }) => [bytesToHex(oid), { position, wire }]));
    const items = wanted.flatMap((oid) => byOid.get(bytesToHex(oid)) ?? []);
    return { items, more: dealt < oids.length, next: dealt };
  };

  const pinBlobs = async (topic: Uint8Array, ids: readonly Uint8Array[]): Promise<"pinned" | "quota" | null> => {
    const n = (await opened()).topic(topic);
    if (n === undefined) return null;
    const counted = await one<{ readonly count: number }>("SELECT count(*) FROM chunk WHERE topic = $1", n);
    if ((counted?.count ?? 0) + ids.length > MAX_CHUNKS_PER_TOPIC) return "quota";
    await client.query(
      `INSERT INTO chunk (topic, id) SELECT DISTINCT $1::bigint, id FROM unnest($2::bytea[]) AS new (id)
       ON CONFLICT (topic, id) DO UPDATE SET unpinned = NULL`,
      [n, ids],
    );
    return "pinned";
  };

  const putBlob = async ({
    topic,
    id,
    bytes,
    capacity,
  }: StoreRequest<"putBlob">): Promise<Result<StoreAnswer<"putBlob">, Setback>> => {
    const book = await opened();
    const n = book.topic(topic);
    const chunk =
      n === undefined
        ? undefined
        : await one<{ readonly bytes: number; readonly unpinned: number | null }>(
            "SELECT bytes, unpinned FROM chunk WHERE topic = $1 AND id = $2",
            n,
            id,
          );
    if (chunk === undefined || chunk.unpinned !== null) return ok("notPinned");
    if (chunk.bytes > 0) return ok("duplicate");
    if (!book.hasRoom(topic, bytes.length, capacity)) return ok("quota");
    const isPut = options.contents.get(bytesToHex(id));
    if (isPut === undefined) return err({ type: "needsContent", id, bytes });
    // The lock keeps a sweep from deleting the object before the chunk refers to it.
    const content = await one("SELECT 1 FROM content WHERE id = $1 FOR SHARE", id);
    if (!isPut || content === undefined) return ok("busy");
    await client.query("UPDATE chunk SET bytes = $1 WHERE topic = $2 AND id = $3", [bytes.length, n, id]);
    book.charge(topic, bytes.length);
    return ok("stored");
  };

  const sweep = async ({
    day,
    itemGraceDays,
    blobGraceDays,
  }: StoreRequest<"sweep">): Promise<readonly Uint8Array[]> => {
    const items = await many<{ readonly topic: number; readonly bytes: number; readonly pk: Buffer }>(
      `WITH gone AS (
         DELETE FROM item WHERE position IN (SELECT position FROM item WHERE retired < $1 LIMIT ${MAX_SWEPT})
         RETURNING topic, oid, length(wire) AS bytes
       ), buried AS (
         INSERT INTO tombstone (topic, oid) SELECT topic, oid FROM gone ON CONFLICT DO NOTHING
       ), shrunk AS (
         SELECT topic, count(*) AS items, sum(bytes)::bigint AS bytes FROM gone GROUP BY topic
       )
       UPDATE topic SET items = topic.items - shrunk.items, bytes = topic.bytes - shrunk.bytes
       FROM shrunk WHERE topic.n = shrunk.topic RETURNING topic.n AS topic, shrunk.bytes, topic.pk`,
      day - itemGraceDays,
    );
    const chunks = await many<{ readonly topic: number; readonly bytes: number }>(
      `WITH gone AS (
         DELETE FROM chunk WHERE (topic, id) IN (SELECT topic, id FROM chunk WHERE unpinned < $1 LIMIT ${MAX_SWEPT})
         RETURNING topic, bytes
       ), shrunk AS (SELECT topic, sum(bytes)::bigint AS bytes FROM gone GROUP BY topic)
       UPDATE topic SET bytes = topic.bytes - shrunk.bytes FROM shrunk WHERE topic.n = shrunk.topic
       RETURNING topic.n AS topic, shrunk.bytes`,
      day - blobGraceDays,
    );
    const all = [...items, ...chunks];
    await client.query(
      `UPDATE account SET used = used - freed.bytes FROM (
         SELECT pin.account, sum(gone.bytes)::bigint AS bytes
         FROM unnest($1::bigint[], $2::bigint[]) AS gone (topic, bytes) JOIN pin ON pin.topic = gone.topic GROUP BY pin.account
       ) AS freed WHERE account.n = freed.account`,
      [all.map(({ topic }) => topic), all.map(({ bytes }) => bytes)],
    );
    totals.added -= all.reduce((sum, { bytes }) => sum + bytes, 0);
    const changed = items.map(({ pk }) => pk);
    for (const name of changed) shrunk.push(name);
    return changed;
  };

  const stat = async (account: Uint8Array): Promise<StoreAnswer<"stat">> =>
    (await one<StoreAnswer<"stat">>(
      `SELECT quota, used,
         (SELECT count(*) FROM pin WHERE pin.account = n) AS topics,
         (SELECT coalesce(sum(items), 0)::bigint FROM pin JOIN topic ON topic.n = pin.topic WHERE pin.account = account.n) AS items,
         (SELECT count(*) FROM pin JOIN chunk USING (topic) WHERE pin.account = n AND chunk.bytes > 0) AS blobs
       FROM account WHERE pk = $1`,
      account,
    )) ?? { topics: 0, items: 0, blobs: 0, quota: 0, used: 0 };

  const answer = async (request: StoreRequest): Promise<Result<StoreAnswer, Setback>> => {
    if (request.type !== "append" && request.type !== "putBlob") await ledger?.flush();
    switch (request.type) {
      case "account":
        return ok(await rowOf(request.account));
      case "openAccount":
        await client.query("INSERT INTO account (pk, quota) VALUES ($1, $2) ON CONFLICT DO NOTHING", [
          request.account,
          request.quota,
        ]);
        return ok(await rowOf(request.account));
      case "redeem": {
        if (!options.isExclusive) return needsExclusive;
        await closeLedger();
        const code = await one<{ readonly quota: number }>(
          "DELETE FROM code WHERE hash = $1 RETURNING quota",
          request.codeHash,
        );
        if (code === undefined) return ok(null);
        await client.query(
          `INSERT INTO account (pk, quota) VALUES ($1, $2)
           ON CONFLICT (pk) DO UPDATE SET quota = least(account.quota + excluded.quota, ${Number.MAX_SAFE_INTEGER})`,
          [request.account, code.quota],
        );
        return ok(await rowOf(request.account));
      }
      case "stat":
        return ok(await stat(request.account));
      case "subscribe": {
        if (options.isExclusive) await closeLedger();
        return await subscribe(request);
      }
      case "unpin":
        if (!options.isExclusive) return needsExclusive;
        await closeLedger();
        return ok(await unpin(request.account, request.topics));
      case "append": {
        const book = await opened();
        const results = [];
        for (const item of request.items) results.push(await book.append(item, request.day, request.capacity));
        return ok(results);
      }
      case "pull":
        return ok(await pull(request));
      case "get":
        return ok(await get(request));
      case "itemSet": {
        const n = await numberOf(request.topic);
        return ok(
          n === undefined
            ? null
            : await many<SetItem>("SELECT gen, oid AS id FROM item WHERE topic = $1 AND retired IS NULL", n),
        );
      }
      case "pinBlobs":
        return ok(await pinBlobs(request.topic, request.ids));
      case "unpinBlobs": {
        const n = (await opened()).topic(request.topic);
        if (n === undefined) return ok(null);
        await client.query("UPDATE chunk SET unpinned = $1 WHERE topic = $2 AND id = ANY($3) AND unpinned IS NULL", [
          request.day,
          n,
          request.ids,
        ]);
        return ok("unpinned");
      }
      case "putBlob":
        return await putBlob(request);
      case "haveBlobs": {
        const rows = await many<{ readonly id: Buffer }>(
          "SELECT id FROM chunk JOIN topic ON topic.n = chunk.topic WHERE pk = $1 AND id = ANY($2) AND chunk.bytes > 0",
          request.topic,
          request.ids,
        );
        const present = new Set(rows.map(({ id }) => bytesToHex(id)));
        return ok(request.ids.map((id) => present.has(bytesToHex(id))));
      }
      case "getBlob": {
        const found = await one(
          "SELECT 1 FROM chunk JOIN topic ON topic.n = chunk.topic WHERE pk = $1 AND id = $2 AND chunk.bytes > 0",
          request.topic,
          request.id,
        );
        return ok(found === undefined ? null : request.id);
      }
      case "sweep":
        if (!options.isExclusive) return needsExclusive;
        await closeLedger();
        return ok(await sweep(request));
      default:
        return exhaustive(request);
    }
  };

  return {
    totals,
    shrunk,
    perform: async (given) => {
      requests = given;
      const answers: StoreAnswer[] = [];
      for (const request of given) {
        const result = await answer(request);
        if (!result.ok) return result;
        answers.push(result.value);
      }
      await ledger?.flush();
      return ok(answers);
    },
  };
};
