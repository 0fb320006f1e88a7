import type { CheckpointStore, CompactedItem } from "../../../app/ports/checkpoint-store.ts";
import { ENTRY_STATE } from "../../../app/ports/store.ts";
import { bytesToHex } from "../../../protocol/kernel/bytes.ts";
import type { Statements } from "./blob-rows.ts";

/** Whether a row of `entry` carries a record that a counted checkpoint of its topic covers. */
export const IS_COVERED = `EXISTS (SELECT 1 FROM inner_record JOIN covered_session
  ON covered_session.topic = entry.topic AND covered_session.session = inner_record.session AND inner_record.seq <= covered_session.seq
  WHERE inner_record.iid = entry.iid)`;

/** Items of a topic as others are told of them: neither replaced nor covered. */
export const OFFERED = `SELECT gen, oid FROM entry WHERE topic = ? AND state <> ${ENTRY_STATE.retired} AND NOT ${IS_COVERED} ORDER BY gen, oid`;
/** What stands in entries of a topic that no counted checkpoint covers. */
export const TAIL = `SELECT count(*) AS entries, coalesce(sum(length(wire)), 0) AS bytes, min(arrived_at) AS since
  FROM entry WHERE topic = ? AND kind = 0 AND iid IS NOT NULL AND state IN (4, 5) AND NOT ${IS_COVERED}`;
export const HAS_COVERED = "SELECT 1 FROM covered_session WHERE topic = ? LIMIT 1";

export const createCheckpointRows = ({ write, one, many }: Statements): CheckpointStore => ({
  items: (repository) =>
    many<Omit<CompactedItem, "own" | "isNoted"> & { readonly own: number; readonly isNoted: number }>(
      `SELECT entry.n, oid, topic, entry.kind, gen, entry.state, own, arrived_at AS arrivedAt,
         EXISTS (SELECT 1 FROM bundle_session WHERE bundle_session.entry = entry.n) AS isNoted
       FROM topic CROSS JOIN entry INDEXED BY entry_compacted ON entry.topic = topic.n
       WHERE topic.repository = ? AND entry.kind IN (1, 2) AND entry.state <> ${ENTRY_STATE.retired} ORDER BY entry.n`,
      repository,
    ).map((row) => ({ ...row, own: row.own === 1, isNoted: row.isNoted === 1 })),
  setRanges: (bundle, ranges) => {
    for (const { session, from, to } of ranges)
      write(
        "INSERT INTO bundle_session(entry, session, first, last) VALUES(?, ?, ?, ?) ON CONFLICT DO NOTHING",
        bundle,
        session,
        from,
        to,
      );
  },
  bundleOf: (repository, session, seq) =>
    one(
      `SELECT entry.n, entry.wire, entry.topic FROM bundle_session JOIN entry ON entry.n = bundle_session.entry
       JOIN topic ON topic.n = entry.topic AND topic.repository = ?
       WHERE bundle_session.session = ? AND first <= ? AND last >= ? ORDER BY entry.n DESC LIMIT 1`,
      repository,
      session,
      seq,
      seq,
    ),
  setCovered: (topic, sessions) => {
    write("DELETE FROM covered_session WHERE topic = ?", topic);
    for (const [session, seq] of sessions)
      write("INSERT INTO covered_session(topic, session, seq) VALUES(?, ?, ?)", topic, session, seq);
  },
  containsAll: (by, topic) =>
    one(
      `SELECT 1 FROM entry JOIN inner_record ON inner_record.iid = entry.iid
       WHERE entry.topic = ? AND entry.kind = 0 AND entry.state IN (${ENTRY_STATE.valid}, ${ENTRY_STATE.void})
         AND NOT EXISTS (SELECT 1 FROM covered_session WHERE covered_session.topic = ?
           AND covered_session.session = inner_record.session AND inner_record.seq <= covered_session.seq) LIMIT 1`,
      topic,
      by,
    ) === undefined,
  markDelivered: (oids) => {
    let marked = 0;
    for (const oid of oids)
      marked += write(
        `UPDATE entry SET delivered = 1 WHERE topic = (SELECT topic FROM entry WHERE oid = ? AND kind = 2)
           AND own = 1 AND delivered = 0 AND kind = 0 AND ${IS_COVERED}`,
        oid,
      ).changes;
    return marked;
  },
  retire: (topic, before, limit) =>
    write(
      `UPDATE entry SET wire = x'' WHERE n IN (SELECT n FROM entry WHERE topic = ? AND kind = 0 AND state = ${ENTRY_STATE.valid}
         AND arrived_at < ? AND length(wire) > 0 AND (own = 0 OR delivered = 1) AND ${IS_COVERED}
         AND NOT EXISTS (SELECT 1 FROM proxy_outbox WHERE proxy_outbox.entry = entry.n)
         AND NOT EXISTS (SELECT 1 FROM doubted_record WHERE doubted_record.iid = entry.iid) LIMIT ?)`,
      topic,
      before,
      limit,
    ).changes,
  addReceipt: (repository, device, integrated) => {
    for (const [session, seq] of integrated)
      write(
        `INSERT INTO receipt(repository, device, session, seq) VALUES(?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq)`,
        repository,
        device,
        session,
        seq,
      );
  },
  receiptOf: (repository, device) =>
    new Map(
      many<{ readonly session: string; readonly seq: number }>(
        "SELECT lower(hex(session)) AS session, seq FROM receipt WHERE repository = ? AND device = ?",
        repository,
        device,
      ).map(({ session, seq }) => [session, seq]),
    ),
  isOwed: (topic, orQueued) =>
    one(
      `SELECT 1 FROM entry INDEXED BY entry_compacted JOIN proxy_outbox ON proxy_outbox.entry = entry.n
         JOIN proxy ON proxy.n = proxy_outbox.proxy AND proxy.kind = 0
       WHERE entry.topic = ? AND entry.kind IN (1, 2) AND (? OR proxy_outbox.learned = 1 OR proxy_outbox.status <> 0) LIMIT 1`,
      topic,
      orQueued ? 1 : 0,
    ) !== undefined,
  retirable: (topic, acknowledged, before, told, after, limit) => {
    const last = many<{ readonly n: number }>(
      "SELECT n FROM entry WHERE topic = ? AND n > ? ORDER BY n LIMIT ?",
      topic,
      after,
      limit,
    ).at(-1)?.n;
    if (last === undefined) return { oids: [], last };
    const rows = many<{ readonly oid: Uint8Array }>(
      `WITH mark(session, seq) AS MATERIALIZED (SELECT key, value FROM json_each(@acknowledged))
       SELECT entry.oid FROM entry LEFT JOIN retired_item ON retired_item.entry = entry.n
         LEFT JOIN inner_record ON retired_item.entry IS NULL AND entry.kind = 0 AND (@hasMarks OR entry.arrived_at < @before)
           AND inner_record.iid = entry.iid
         LEFT JOIN covered_session ON covered_session.topic = entry.topic AND covered_session.session = inner_record.session
           AND inner_record.seq <= covered_session.seq
         LEFT JOIN mark ON mark.session = lower(hex(inner_record.session)) AND inner_record.seq <= mark.seq
       WHERE entry.topic = @topic AND entry.n > @after AND entry.n <= @last AND retired_item.entry IS NULL
         AND (covered_session.seq IS NOT NULL AND (entry.arrived_at < @before OR mark.seq IS NOT NULL)
           OR entry.kind IN (1, 2) AND entry.state = ${ENTRY_STATE.retired} OR entry.kind = 3 AND entry.arrived_at < @told)
       ORDER BY entry.n`,
      {
        topic,
        hasMarks: acknowledged.length > 0 ? 1 : 0,
        before,
        told,
        after,
        last,
        acknowledged: JSON.stringify(
          Object.fromEntries(acknowledged.map(([session, seq]) => [bytesToHex(session), seq])),
        ),
      },
    );
    return { oids: rows.map(({ oid }) => oid), last };
  },
  setRetired: (topic, oids) =>
    oids.filter((oid) => {
      const row = one<{ readonly n: number; readonly isSpare: number; readonly isHere: number }>(
        `SELECT n, (kind = 0 AND ${IS_COVERED} OR state = ${ENTRY_STATE.retired} OR kind = 3) AS isSpare, length(wire) > 0 AS isHere
         FROM entry WHERE oid = ? AND topic = ?`,
        oid,
        topic,
      );
      if (row?.isSpare === 1) write("INSERT INTO retired_item(entry) VALUES(?) ON CONFLICT DO NOTHING", row.n);
      return row?.isSpare === 0 && row.isHere === 1;
    }),
  takeUncovered: (topic) => {
    const rows = many<{ readonly n: number; readonly oid: Uint8Array }>(
      `SELECT entry.n, oid FROM retired_item CROSS JOIN entry ON entry.n = retired_item.entry
       WHERE entry.topic = ? AND kind = 0 AND NOT ${IS_COVERED}`,
      topic,
    );
    for (const { n } of rows) write("DELETE FROM retired_item WHERE entry = ?", n);
    return rows.map(({ oid }) => oid);
  },
  drop: (n) => {
    write("DELETE FROM bundle_session WHERE entry = ?", n);
    write("DELETE FROM proxy_outbox WHERE entry = ?", n);
    write(`UPDATE entry SET state = ${ENTRY_STATE.retired}, wire = x'', own = 0 WHERE n = ?`, n);
  },
});
