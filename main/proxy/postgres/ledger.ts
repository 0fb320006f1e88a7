import { bytesToHex } from "../../../protocol/kernel/bytes.ts";
import type { AppendResult, NewItem } from "../../../protocol/proxy/store.ts";
import { type PostgresClient, rowsOf } from "./connection.ts";

/** Wires in one statement; PostgreSQL's limit for a parameter is 1 GiB. */
const MAX_PENDING_BYTES = 33_554_432;

interface LedgerTopic {
  readonly n: number;
  newest: number;
  items: number;
  bytes: number;
  readonly accounts: LedgerAccount[];
}

interface LedgerAccount {
  readonly quota: number;
  used: number;
  /** Charged since the last flush. */
  owed: number;
}

interface KnownItem {
  readonly position: number;
  retired: boolean;
}

/**
 * The topics and accounts that a batch writes to, locked in order of their numbers and kept in memory, so that a batch of any size is
 * some ten statements. Whoever changes who pins a topic locks the topic too, so that the accounts charged are the right ones.
 */
export interface Ledger {
  readonly append: (item: NewItem, day: number, capacity: number) => Promise<AppendResult>;
  /** Number of a topic and whether `bytes` more fit, or `undefined` for an unknown one. */
  readonly topic: (pk: Uint8Array) => number | undefined;
  readonly hasRoom: (pk: Uint8Array, bytes: number, capacity: number) => boolean;
  readonly charge: (pk: Uint8Array, bytes: number) => void;
  /** Writes what is only in memory so far. */
  readonly flush: () => Promise<void>;
}

/** What a whole batch added, over all its ledgers. */
export interface BatchTotals {
  /** Bytes of all topics when the batch began. */
  readonly stored: number;
  added: number;
  /** The smallest that a request named. */
  capacity: number;
  /** Newest position before the batch and after it, by topic key in hex. */
  readonly appended: Map<string, { readonly previous: number; newest: number }>;
}

export const openLedger = async (
  client: PostgresClient,
  totals: BatchTotals,
  pks: readonly Uint8Array[],
  items: readonly NewItem[],
): Promise<Ledger> => {
  const found = await rowsOf<{ n: number; pk: Buffer; newest: number; items: number; bytes: number }>(
    client,
    "SELECT n, pk, newest, items, bytes FROM topic WHERE pk = ANY($1) ORDER BY n FOR UPDATE",
    [pks],
  );
  const topics = new Map<string, LedgerTopic>();
  const byNumber = new Map<number, LedgerTopic>();
  for (const { pk, ...row } of found) {
    const topic = { ...row, accounts: [] };
    topics.set(bytesToHex(pk), topic);
    byNumber.set(row.n, topic);
  }
  const accounts = new Map<number, LedgerAccount>();
  const numbers = [...byNumber.keys()];
  const pins = await rowsOf<{ topic: number; n: number; quota: number; used: number }>(
    client,
    `SELECT pin.topic, account.n, quota, used FROM pin JOIN account ON account.n = pin.account
     WHERE pin.topic = ANY($1::bigint[]) ORDER BY account.n FOR UPDATE OF account`,
    [numbers],
  );
  for (const { topic, n, quota, used } of pins) {
    const account = accounts.get(n) ?? { quota, used, owed: 0 };
    accounts.set(n, account);
    byNumber.get(topic)?.accounts.push(account);
  }
  const known = new Map<string, KnownItem>();
  const buried = new Set<string>();
  const positions: number[] = [];
  if (items.length > 0) {
    const oids = items.map(({ oid }) => oid);
    const rows = await rowsOf<{ oid: Buffer; position: number; retired: boolean }>(
      client,
      `SELECT oid, position, retired IS NOT NULL AS retired FROM item WHERE oid = ANY($1)
       UNION ALL SELECT oid, 0, true FROM tombstone WHERE oid = ANY($1) AND topic = ANY($2::bigint[])`,
      [oids, numbers],
    );
    for (const { oid, position, retired } of rows)
      if (position === 0) buried.add(bytesToHex(oid));
      else known.set(bytesToHex(oid), { position, retired });
    const fresh = await rowsOf<{ position: number }>(
      client,
      "SELECT nextval('item_position') AS position FROM generate_series(1, $1::integer)",
      [items.length],
    );
    positions.push(...fresh.map(({ position }) => position));
  }

  let pendingBytes = 0;
  let pending: { readonly item: NewItem; readonly topic: number; readonly position: number }[] = [];
  const changed = new Set<LedgerTopic>();
  let retired: { readonly topic: number; readonly oid: Uint8Array; readonly day: number }[] = [];

  const hasRoomIn = (topic: LedgerTopic, bytes: number, capacity: number): boolean => {
    totals.capacity = Math.min(totals.capacity, capacity);
    return (
      topic.accounts.some(({ quota, used }) => quota - used >= bytes) &&
      totals.stored + totals.added + bytes <= capacity
    );
  };
  const chargeTo = (topic: LedgerTopic, bytes: number): void => {
    topic.bytes += bytes;
    for (const account of topic.accounts) {
      account.used += bytes;
      account.owed += bytes;
    }
    totals.added += bytes;
    changed.add(topic);
  };

  const insert = async (): Promise<void> => {
    if (pending.length === 0) return;
    const wires = pending.map(({ item }) => item.wire);
    const ends: number[] = [];
    let end = 0;
    for (const wire of wires) ends.push((end += wire.length));
    // One binary parameter: an array of bytea goes as text and is twice as long.
    await client.query(
      `INSERT INTO item (position, topic, oid, kind, gen, wire)
       SELECT position, topic, oid, kind, gen, substring($1::bytea FROM start + 1 FOR length)
       FROM unnest($2::bigint[], $3::bigint[], $4::bytea[], $5::smallint[], $6::bigint[], $7::integer[], $8::integer[])
         AS new (position, topic, oid, kind, gen, start, length)`,
      [
        Buffer.concat(wires),
        pending.map(({ position }) => position),
        pending.map(({ topic }) => topic),
        pending.map(({ item }) => item.oid),
        pending.map(({ item }) => item.kind),
        pending.map(({ item }) => item.gen),
        ends.map((at, i) => at - (wires[i]?.length ?? 0)),
        wires.map(({ length }) => length),
      ],
    );
    pending = [];
    pendingBytes = 0;
  };

  const retire = async (): Promise<void> => {
    if (retired.length === 0) return;
    await client.query(
      `UPDATE item SET retired = gone.day FROM unnest($1::bigint[], $2::bytea[], $3::integer[]) AS gone (topic, oid, day)
       WHERE item.oid = gone.oid AND item.topic = gone.topic AND item.retired IS NULL`,
      [retired.map(({ topic }) => topic), retired.map(({ oid }) => oid), retired.map(({ day }) => day)],
    );
    for (const { oid } of retired) {
      const item = known.get(bytesToHex(oid));
      if (item !== undefined) item.retired = true;
    }
    retired = [];
  };

  const flush = async (): Promise<void> => {
    await insert();
    await retire();
    if (changed.size > 0) {
      const rows = [...changed];
      await client.query(
        `UPDATE topic SET newest = now.newest, items = now.items, bytes = now.bytes
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) AS now (n, newest, items, bytes)
         WHERE topic.n = now.n`,
        [
          rows.map(({ n }) => n),
          rows.map((row) => row.newest),
          rows.map((row) => row.items),
          rows.map((row) => row.bytes),
        ],
      );
      changed.clear();
    }
    const charged = [...accounts].filter(([, { owed }]) => owed !== 0);
    if (charged.length === 0) return;
    await client.query(
      `UPDATE account SET used = used + charge.bytes FROM unnest($1::bigint[], $2::bigint[]) AS charge (n, bytes)
       WHERE account.n = charge.n`,
      [charged.map(([n]) => n), charged.map(([, { owed }]) => owed)],
    );
    for (const [, account] of charged) account.owed = 0;
  };

  const append = async (item: NewItem, day: number, capacity: number): Promise<AppendResult> => {
    const topic = topics.get(bytesToHex(item.topic));
    if (topic === undefined) return refusal("notPinned");
    const name = bytesToHex(item.oid);
    const stored = known.get(name);
    if (stored !== undefined) {
      await insert();
      await retire();
      if (stored.retired && item.keepsMark !== true) {
        await client.query("UPDATE item SET retired = NULL WHERE oid = $1", [item.oid]);
        stored.retired = false;
      }
      return { status: "duplicate", position: stored.position, previous: 0 };
    }
    if (buried.has(name)) return refusal("retired");
    if (!hasRoomIn(topic, item.wire.length, capacity)) return refusal("quota");
    const position = positions.shift() as number;
    const previous = topic.newest;
    pendingBytes += item.wire.length;
    pending.push({ item, topic: topic.n, position });
    known.set(name, { position, retired: false });
    topic.newest = position;
    topic.items++;
    chargeTo(topic, item.wire.length);
    const pk = bytesToHex(item.topic);
    const before = totals.appended.get(pk);
    if (before === undefined) totals.appended.set(pk, { previous, newest: position });
    else before.newest = position;
    if (pendingBytes > MAX_PENDING_BYTES) await insert();
    retired.push(...item.retires.map((oid) => ({ topic: topic.n, oid, day })));
    return { status: "stored", position, previous };
  };

  return {
    append,
    topic: (pk) => topics.get(bytesToHex(pk))?.n,
    hasRoom: (pk, bytes, capacity) => {
      const topic = topics.get(bytesToHex(pk));
      return topic !== undefined && hasRoomIn(topic, bytes, capacity);
    },
    charge: (pk, bytes) => {
      const topic = topics.get(bytesToHex(pk));
      if (topic !== undefined) chargeTo(topic, bytes);
    },
    flush,
  };
};

const refusal = (status: AppendResult["status"]): AppendResult => ({ status, position: 0, previous: 0 });
