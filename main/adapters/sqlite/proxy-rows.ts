import type { OwedItem, ProxyRow, ProxyStore } from "../../../app/ports/proxy-store.ts";
import type { Statements } from "./blob-rows.ts";
import { IS_COVERED } from "./checkpoint-rows.ts";

/** In the order of their numbers in the table. */
const KINDS: readonly ProxyRow["kind"][] = ["own", "guest"];
const COLUMNS = `n, static_key AS staticKey, addresses, account_key AS accountKey, kind, code, incarnation,
  added_at AS addedAt, last_contact AS lastContact, used, quota, bad_items AS badItems`;
type RawProxy = Omit<ProxyRow, "kind" | "addresses"> & { readonly kind: number; readonly addresses: string };
const proxyOf = (row: RawProxy): ProxyRow => ({
  ...row,
  kind: KINDS[row.kind] as ProxyRow["kind"],
  addresses: JSON.parse(row.addresses) as string[],
});

const OWE =
  "INSERT INTO proxy_outbox(proxy, status, learned, entry, topic) SELECT @proxy, 0, 1 - own, n, topic FROM entry WHERE length(wire) > 0";
const OWE_TOPIC = `${OWE} AND topic = (SELECT n FROM topic WHERE pk = @pk) AND NOT (kind = 0 AND ${IS_COVERED}) ON CONFLICT DO NOTHING`;
const QUEUED = 0;
/** State of a topic from before this device came: checkpoints may carry what is in it, and then it is not followed. */
const HISTORY = 2;
/** Own items that only this proxy had acknowledged are on this computer alone again. */
const TAKE_BACK = `UPDATE entry SET delivered = 0 WHERE own = 1 AND delivered = 2 AND NOT EXISTS
  (SELECT 1 FROM proxy_topic WHERE proxy_topic.proxy <> @proxy AND proxy_topic.pk = (SELECT pk FROM topic WHERE n = entry.topic)
     AND NOT EXISTS (SELECT 1 FROM proxy_outbox WHERE proxy_outbox.entry = entry.n AND proxy_outbox.proxy = proxy_topic.proxy))`;

export const createProxyRows = ({ write, one, many }: Statements): ProxyStore => ({
  add: (row, now) =>
    Number(
      write(
        "INSERT INTO proxy(static_key, addresses, account_key, kind, code, added_at) VALUES(?, ?, ?, ?, ?, ?)",
        row.staticKey,
        JSON.stringify(row.addresses),
        row.accountKey,
        KINDS.indexOf(row.kind),
        row.code,
        now,
      ).lastInsertRowid,
    ),
  all: () => many<RawProxy>(`SELECT ${COLUMNS} FROM proxy ORDER BY n`).map(proxyOf),
  find: (staticKey) => {
    const row = one<RawProxy>(`SELECT ${COLUMNS} FROM proxy WHERE static_key = ?`, staticKey);
    return row === undefined ? undefined : proxyOf(row);
  },
  update: (n, { kind, code }) => {
    write("UPDATE proxy SET kind = ?, code = coalesce(?, code) WHERE n = ?", KINDS.indexOf(kind), code, n);
  },
  setAddresses: (n, addresses) => {
    write("UPDATE proxy SET addresses = ? WHERE n = ?", JSON.stringify(addresses), n);
  },
  remove: (n) => {
    write(TAKE_BACK, { proxy: n });
    write("DELETE FROM proxy_outbox WHERE proxy = ?", n);
    write("DELETE FROM proxy_chunk WHERE proxy = ?", n);
    write("DELETE FROM proxy_topic WHERE proxy = ?", n);
    write("DELETE FROM proxy WHERE n = ?", n);
  },
  redeemed: (n) => {
    write("UPDATE proxy SET code = NULL WHERE n = ?", n);
  },
  setContact: (n, at, usage) => {
    write(
      "UPDATE proxy SET last_contact = ?, used = coalesce(?, used), quota = coalesce(?, quota) WHERE n = ?",
      at,
      usage?.used ?? null,
      usage?.quota ?? null,
      n,
    );
  },
  addBadItems: (n, count) => {
    write("UPDATE proxy SET bad_items = bad_items + ? WHERE n = ?", count, n);
  },
  reset: (n, incarnation) => {
    write(TAKE_BACK, { proxy: n });
    write("UPDATE proxy SET incarnation = ? WHERE n = ?", incarnation, n);
    write("UPDATE proxy_topic SET cursor = NULL WHERE proxy = ?", n);
    write("DELETE FROM proxy_outbox WHERE proxy = ?", n);
    write("DELETE FROM proxy_chunk WHERE proxy = ?", n);
    for (const { pk } of many<{ pk: Uint8Array }>("SELECT pk FROM proxy_topic WHERE proxy = ?", n))
      write(OWE_TOPIC, { proxy: n, pk });
  },
  topics: (n) => many("SELECT pk, cursor FROM proxy_topic WHERE proxy = ?", n),
  follow: (n, pk) => {
    const added = write("INSERT INTO proxy_topic(proxy, pk) VALUES(?, ?) ON CONFLICT DO NOTHING", n, pk);
    if (added.changes === 1) write(OWE_TOPIC, { proxy: n, pk });
  },
  unfollow: (n, pk) => {
    write("DELETE FROM proxy_outbox WHERE proxy = ? AND topic = (SELECT n FROM topic WHERE pk = ?)", n, pk);
    write("DELETE FROM proxy_topic WHERE proxy = ? AND pk = ?", n, pk);
  },
  setCursor: (n, pk, cursor) => {
    write(
      "UPDATE proxy_topic SET cursor = ? WHERE proxy = ? AND pk = ? AND coalesce(cursor, -1) < ?",
      cursor,
      n,
      pk,
      cursor,
    );
  },
  owed: (n, { learned, limit, bytes, without }) => {
    const rows = many<OwedItem>(
      `SELECT entry.oid, topic.pk AS topicPk, entry.wire FROM proxy_outbox
         CROSS JOIN entry ON entry.n = proxy_outbox.entry CROSS JOIN topic ON topic.n = entry.topic
       WHERE proxy_outbox.proxy = ? AND proxy_outbox.status = ${QUEUED} AND proxy_outbox.learned <= ?
         AND proxy_outbox.topic NOT IN (SELECT value FROM json_each(?))
       ORDER BY proxy_outbox.learned, proxy_outbox.entry LIMIT ?`,
      n,
      learned ? 1 : 0,
      JSON.stringify(without),
      limit,
    );
    const owed: OwedItem[] = [];
    let size = 0;
    for (const row of rows) {
      size += row.wire.length;
      if (owed.length > 0 && size > bytes) break;
      owed.push(row);
    }
    return owed;
  },
  acknowledge: (n, oids) => {
    let count = 0;
    for (const oid of oids) {
      count += write(
        "DELETE FROM proxy_outbox WHERE proxy = ? AND entry = (SELECT n FROM entry WHERE oid = ?)",
        n,
        oid,
      ).changes;
      write("UPDATE entry SET delivered = 2 WHERE oid = ? AND own = 1 AND delivered = 0", oid);
    }
    return count;
  },
  refuse: (n, oid, status) => {
    write(
      "UPDATE proxy_outbox SET status = ? WHERE proxy = ? AND entry = (SELECT n FROM entry WHERE oid = ?)",
      status,
      n,
      oid,
    );
  },
  owe: (n, oids) => {
    let count = 0;
    for (const oid of oids) {
      count += write(`${OWE} AND oid = @oid ON CONFLICT DO NOTHING`, { proxy: n, oid }).changes;
      write("UPDATE entry SET delivered = 0 WHERE oid = ? AND delivered = 2", oid);
    }
    return count;
  },
  owedChunks: (n, repository, after, limit) =>
    many<{ id: Uint8Array }>(
      `SELECT DISTINCT id FROM blob_chunk AS mine WHERE repository = ? AND id > ? AND present = 1 AND NOT EXISTS
         (SELECT 1 FROM proxy_chunk WHERE proxy = ? AND repository = mine.repository AND id = mine.id) ORDER BY id LIMIT ?`,
      repository,
      after ?? new Uint8Array(0),
      n,
      limit,
    ).map(({ id }) => id),
  holdChunks: (n, repository, ids) => {
    for (const id of ids)
      write("INSERT INTO proxy_chunk(proxy, repository, id) VALUES(?, ?, ?) ON CONFLICT DO NOTHING", n, repository, id);
  },
  backlog: (n) =>
    one(
      `SELECT coalesce(sum(status = ${QUEUED}), 0) AS queued, coalesce(sum(status <> ${QUEUED}), 0) AS refused
       FROM proxy_outbox WHERE proxy = ?`,
      n,
    ) as never,
  holding: (repository) =>
    many<{ n: number }>(
      `SELECT proxy.n FROM proxy WHERE proxy.kind = 0 AND proxy.incarnation IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM topic WHERE topic.repository = @repository
           AND EXISTS (SELECT 1 FROM entry WHERE entry.topic = topic.n)
           AND (EXISTS (SELECT 1 FROM proxy_outbox WHERE proxy_outbox.proxy = proxy.n AND proxy_outbox.topic = topic.n)
             OR (topic.state <> ${HISTORY}
               AND NOT EXISTS (SELECT 1 FROM proxy_topic WHERE proxy_topic.proxy = proxy.n AND proxy_topic.pk = topic.pk))))
       ORDER BY proxy.n`,
      { repository },
    ).map(({ n }) => n),
});
