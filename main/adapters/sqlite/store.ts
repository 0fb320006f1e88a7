import type { Statement } from "better-sqlite3";
import type {
  CarriedRecord,
  ChangeRunRow,
  DocumentRow,
  Doubt,
  DocumentView,
  DraftRow,
  EntryRow,
  EpochRow,
  HeadRow,
  InnerRow,
  InviteRow,
  RepositoryRow,
  SessionRow,
  SignedRow,
  Store,
  TopicRow,
  AddressRow,
} from "../../../app/ports/store.ts";
import { ENTRY_STATE } from "../../../app/ports/store.ts";
import { changesOf, FACT_BYTES, hashAt, sliceRun } from "../../../app/repositories/change-batch.ts";
import { invariant } from "../../../protocol/kernel/assert.ts";
import { bytesToHex, concatBytes } from "../../../protocol/kernel/bytes.ts";
import { err, ok } from "../../../protocol/kernel/result.ts";
import type { OwnCommit } from "../high-water.ts";
import type { SqliteDatabase } from "./database.ts";
import { createEraser } from "./erase-rows.ts";
import { createBlobRows } from "./blob-rows.ts";
import { createCheckpointRows, HAS_COVERED, OFFERED } from "./checkpoint-rows.ts";
import { storageErrorOf } from "./database.ts";
import { createMaxOpFinder } from "./max-op-finder.ts";
import { createProxyRows } from "./proxy-rows.ts";
import { titleKey } from "./title-key.ts";

const HASH_BYTES = 32;

const splitHashes = (bytes: Uint8Array): Uint8Array[] => {
  const out: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += HASH_BYTES) out.push(bytes.subarray(at, at + HASH_BYTES));
  return out;
};

/** In the order of their numbers in the table. */
const TOPIC_KINDS: readonly TopicRow["kind"][] = ["epoch", "rendezvous", "reply"];
const TOPIC_STATES: readonly TopicRow["state"][] = ["current", "lingering", "history"];
const DOUBTS: readonly (Doubt | undefined)[] = [undefined, "adopted", "void"];

interface RawDocument {
  n: number;
  repository: number;
  did: Uint8Array;
  heads: Uint8Array;
  type: string;
  title: string;
  folder: string;
  tags: string;
  excerpt: string;
  created_at: number;
  updated_at: number;
  deleted: number;
}

const documentOf = (row: RawDocument): DocumentRow => ({
  n: row.n,
  repository: row.repository,
  did: row.did,
  heads: splitHashes(row.heads),
  type: row.type,
  title: row.title,
  folder: row.folder,
  tags: JSON.parse(row.tags) as string[],
  excerpt: row.excerpt,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
  deleted: row.deleted === 1,
});

const DOCUMENT_COLUMNS =
  "n, repository, did, heads, type, title, folder, tags, excerpt, created_at, updated_at, deleted";

const RUN_COLUMNS =
  "change_run.n, change_run.document, change_run.actor, change_run.first_seq AS firstSeq, change_run.last_seq - change_run.first_seq + 1 AS count, change_run.facts, change_run.drafts";
const ORDERS: Readonly<Record<DocumentView["order"], string>> = {
  updated: "updated_at DESC, did",
  created: "created_at DESC, did",
  title: "title_key, did",
};
const BEFORE: Readonly<Record<DocumentView["order"], string>> = {
  updated: "(updated_at > @at OR (updated_at = @at AND did < @did))",
  created: "(created_at > @at OR (created_at = @at AND did < @did))",
  title: "(title_key < @at OR (title_key = @at AND did < @did))",
};
const inView = ({ folder }: DocumentView): string =>
  `repository = @repository AND type = 'note' AND deleted = @deleted${
    folder === "" ? "" : " AND (folder = @folder OR substr(folder, 1, length(@folder) + 1) = @folder || '/')"
  }`;
const viewParameters = (repository: number, { folder, deleted }: DocumentView) => ({
  repository,
  deleted: deleted ? 1 : 0,
  ...(folder === "" ? {} : { folder }),
});

type RawSession = Omit<SessionRow, "own"> & { own: number };
const SESSION_COLUMNS =
  "session, device, last_seq AS lastSeq, last_iid AS lastIid, own, state, started_at AS startedAt, acl";

/** Bytes of log between two calls of `written`; a row dirties some pages besides its blobs. */
const BYTES_PER_CALL = 2 << 20;
const BYTES_PER_ROW = 4_096;
const RUNS_PER_PAGE = 1_024;
const FLUSH_KEY = "flushed";

/**
 * Implements the store port on the writer connection of `profile.db`; `written` is called now and then after commits,
 * `committed` with the newest thing of our own as soon as it is durable.
 */
export const createStore = (
  database: SqliteDatabase,
  written: () => void,
  committed: (own: OwnCommit) => void = () => undefined,
): Store => {
  let inTransaction = false;
  /** The newest of our own that was committed or is about to be, until it is durable. */
  let own: OwnCommit | undefined;
  let bytesWritten = 0;
  let isRelaxed = false;
  /** The transaction under way changed something; a commit of nothing does not reach the disk. */
  let hasChanged = false;
  /** Something was committed that a power cut may still take away. */
  let isOwed = false;
  const prepared = new Map<string, Statement>();
  const statement = (sql: string): Statement => {
    let found = prepared.get(sql);
    if (found === undefined) {
      found = database.prepare(sql);
      prepared.set(sql, found);
    }
    return found;
  };
  const write = (sql: string, ...values: unknown[]) => {
    invariant(inTransaction, "write outside a transaction");
    bytesWritten += BYTES_PER_ROW;
    for (const value of values) if (value instanceof Uint8Array) bytesWritten += value.length;
    const result = statement(sql).run(...values);
    hasChanged ||= result.changes > 0;
    return result;
  };
  const one = <T>(sql: string, ...values: unknown[]): T | undefined => statement(sql).get(...values) as T | undefined;
  const many = <T>(sql: string, ...values: unknown[]): T[] => statement(sql).all(...values) as T[];
  const begin = database.prepare("BEGIN IMMEDIATE");
  const commit = database.prepare("COMMIT");
  const rollback = database.prepare("ROLLBACK");
  const savepoint = database.prepare("SAVEPOINT refusable");
  const rollbackTo = database.prepare("ROLLBACK TO refusable");
  const release = database.prepare("RELEASE refusable");

  /** NORMAL writes the log without waiting for the disk; the next commit in FULL, or a checkpoint, waits for all before it. */
  const relax = (wanted: boolean): void => {
    if (wanted !== isRelaxed) database.pragma(`synchronous = ${wanted ? "NORMAL" : "FULL"}`);
    isRelaxed = wanted;
  };

  const transaction: Store["transaction"] = (work, durability) => {
    if (inTransaction) return ok(work());
    const ownBefore = own;
    try {
      relax(durability === "soon");
      begin.run();
      inTransaction = true;
      hasChanged = false;
      const value = work();
      commit.run();
      if (hasChanged) isOwed = isRelaxed;
      if (own !== undefined && !isRelaxed) {
        committed(own);
        own = undefined;
      }
      if (bytesWritten >= BYTES_PER_CALL) {
        bytesWritten = 0;
        written();
      }
      return ok(value);
    } catch (cause) {
      if (database.inTransaction) rollback.run();
      own = ownBefore;
      const fault = storageErrorOf(cause);
      if (fault === undefined) throw cause;
      return err(fault);
    } finally {
      inTransaction = false;
    }
  };

  return {
    transaction,
    flush: () =>
      isOwed
        ? transaction(() => write("INSERT OR REPLACE INTO meta(key, value) VALUES(?, x'')", FLUSH_KEY))
        : ok(undefined),

    savepoint: (refusable) => {
      invariant(inTransaction, "savepoint outside a transaction");
      savepoint.run();
      const refusal = refusable();
      if (refusal !== undefined) rollbackTo.run();
      release.run();
      return refusal;
    },

    meta: {
      get: (key) => one<{ value: Uint8Array }>("SELECT value FROM meta WHERE key = ?", key)?.value,
      set: (key, value) => {
        write("INSERT INTO meta(key, value) VALUES(?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", key, value);
      },
      remove: (key) => {
        write("DELETE FROM meta WHERE key = ?", key);
      },
      list: (prefix) => many("SELECT key, value FROM meta WHERE substr(key, 1, ?) = ?", prefix.length, prefix),
      settings: () =>
        Object.fromEntries(
          many<{ key: string; value: string }>("SELECT key, value FROM setting").map((s) => [s.key, s.value]),
        ),
      setSetting: (key, value) => {
        write(
          "INSERT INTO setting(key, value) VALUES(?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
          key,
          value,
        );
      },
    },

    repositories: {
      add: (rid, title, now) => {
        write(
          "INSERT INTO repository(rid, title, added_at, updated_at) VALUES(?, ?, ?, ?) ON CONFLICT DO NOTHING",
          rid,
          title,
          now,
          now,
        );
        return (one<{ n: number }>("SELECT n FROM repository WHERE rid = ?", rid) as { n: number }).n;
      },
      all: () =>
        many<RepositoryRow>(
          "SELECT n, rid, title, added_at AS addedAt, updated_at AS updatedAt FROM repository WHERE 'forgetting/' || n NOT IN (SELECT key FROM meta) ORDER BY added_at, n",
        ),
      setTitle: (n, title) => {
        write("UPDATE repository SET title = ? WHERE n = ?", title, n);
      },
      touch: (n, now) => {
        write("UPDATE repository SET updated_at = max(updated_at, ?) WHERE n = ?", now, n);
      },
      erase: createEraser({ write }),
      addAclOp: (n, id, gen, row) =>
        write(
          "INSERT INTO acl_op(id, repository, gen, header, signature) VALUES(?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
          id,
          n,
          gen,
          row.header,
          row.signature,
        ).changes === 1,
      aclOps: (n) => many<SignedRow>("SELECT header, signature FROM acl_op WHERE repository = ? ORDER BY gen, id", n),
      addEpoch: (n, row) => {
        write(
          "INSERT INTO epoch(repository, eid, s, w) VALUES(?, ?, ?, ?) ON CONFLICT DO UPDATE SET w = coalesce(epoch.w, excluded.w)",
          n,
          row.eid,
          row.s,
          row.w,
        );
      },
      epochs: (n) => many<EpochRow>("SELECT eid, s, w FROM epoch WHERE repository = ?", n),
      session: (n, session) => {
        const row = one<RawSession>(
          `SELECT ${SESSION_COLUMNS} FROM session WHERE repository = ? AND session = ?`,
          n,
          session,
        );
        return row === undefined ? undefined : { ...row, own: row.own === 1 };
      },
      ownSessions: (n) =>
        many<RawSession>(
          `SELECT ${SESSION_COLUMNS} FROM session WHERE repository = ? AND own = 1 ORDER BY started_at`,
          n,
        ).map((row) => ({ ...row, own: true })),
      aclsOf: (n, device) =>
        many<{ readonly acl: Uint8Array }>(
          "SELECT acl FROM session WHERE repository = ? AND device = ?",
          n,
          device,
        ).map(({ acl }) => acl),
      putSession: (n, row) => {
        write(
          `INSERT INTO session(repository, session, device, last_seq, last_iid, own, state, started_at, acl) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT DO UPDATE SET last_seq = excluded.last_seq, last_iid = excluded.last_iid, state = excluded.state, acl = excluded.acl`,
          n,
          row.session,
          row.device,
          row.lastSeq,
          row.lastIid,
          row.own ? 1 : 0,
          row.state,
          row.startedAt,
          row.acl,
        );
      },
      addEquivocation: (n, session, seq, a, b, now) =>
        write(
          "INSERT INTO equivocation(repository, session, seq, a, b, found_at) VALUES(?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
          n,
          session,
          seq,
          a,
          b,
          now,
        ).changes === 1,
      hasEquivocation: (n) => one("SELECT 1 FROM equivocation WHERE repository = ? LIMIT 1", n) !== undefined,
      heads: (n) =>
        many<HeadRow>("SELECT iid, gen FROM repository_head WHERE repository = ? ORDER BY gen DESC, iid", n),
      setHeads: (n, heads) => {
        write("DELETE FROM repository_head WHERE repository = ?", n);
        for (const { iid, gen } of heads)
          write("INSERT INTO repository_head(repository, iid, gen) VALUES(?, ?, ?)", n, iid, gen);
      },
      advanceHeads: (n, added, parents) => {
        write(
          "INSERT INTO repository_head(repository, iid, gen) VALUES(?, ?, ?) ON CONFLICT DO NOTHING",
          n,
          added.iid,
          added.gen,
        );
        for (const parent of parents) write("DELETE FROM repository_head WHERE repository = ? AND iid = ?", n, parent);
      },
      counts: (n) =>
        one(
          `SELECT (SELECT count(*) FROM entry JOIN topic ON topic.n = entry.topic WHERE topic.repository = @n) AS entries,
             (SELECT count(*) FROM document WHERE repository = @n AND type = 'note' AND deleted = 0) AS documents`,
          { n },
        ) as never,
      backlog: (n) =>
        one(
          `SELECT (SELECT count(*) FROM entry JOIN topic ON topic.n = entry.topic WHERE topic.repository = @n AND entry.kind <> 3 AND entry.state IN (0, 1, 2, 3, 7, 8)) AS pending,
             (SELECT count(*) FROM entry JOIN topic ON topic.n = entry.topic WHERE topic.repository = @n AND entry.own = 1 AND entry.delivered = 0)
               + (SELECT count(DISTINCT change_run.document) FROM change_run CROSS JOIN document ON document.n = change_run.document
                  WHERE change_run.drafts > 0 AND document.repository = @n) AS undelivered`,
          { n },
        ) as never,
    },

    topics: {
      add: (row) => {
        write(
          `INSERT INTO topic(pk, repository, kind, read_key, topic_seed, state, since) VALUES(?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT DO UPDATE SET topic_seed = coalesce(topic.topic_seed, excluded.topic_seed)`,
          row.pk,
          row.repository,
          TOPIC_KINDS.indexOf(row.kind),
          row.readKey,
          row.topicSeed,
          TOPIC_STATES.indexOf(row.state),
          row.since,
        );
        return (one<{ n: number }>("SELECT n FROM topic WHERE pk = ?", row.pk) as { n: number }).n;
      },
      setState: (n, state, since) => {
        write("UPDATE topic SET state = ?, since = ? WHERE n = ?", TOPIC_STATES.indexOf(state), since, n);
      },
      all: () =>
        many<Omit<TopicRow, "kind" | "state"> & { kind: number; state: number }>(
          "SELECT n, pk, repository, kind, read_key AS readKey, topic_seed AS topicSeed, state, since FROM topic WHERE repository IS NULL OR 'forgetting/' || repository NOT IN (SELECT key FROM meta) ORDER BY n",
        ).map((row) => ({
          ...row,
          kind: TOPIC_KINDS[row.kind] as TopicRow["kind"],
          state: TOPIC_STATES[row.state] as TopicRow["state"],
        })),
      remove: (n) => {
        write("DELETE FROM bundle_session WHERE entry IN (SELECT n FROM entry WHERE topic = ?)", n);
        write("DELETE FROM covered_session WHERE topic = ?", n);
        write("DELETE FROM entry WHERE topic = ?", n);
        write("DELETE FROM topic WHERE n = ?", n);
      },
    },

    entries: {
      add: (entry) => {
        const done = write(
          "INSERT INTO entry(oid, topic, kind, gen, wire, iid, state, own, arrived_at) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
          entry.oid,
          entry.topic,
          entry.kind,
          entry.gen,
          entry.wire,
          entry.iid,
          entry.state,
          entry.own ? 1 : 0,
          entry.arrivedAt,
        );
        if (entry.own && entry.iid !== null) own = { type: "entry", iid: entry.iid };
        return done.changes === 1 ? Number(done.lastInsertRowid) : undefined;
      },
      has: (oid) => one("SELECT 1 FROM entry WHERE oid = ?", oid) !== undefined,
      wire: (oid) => one<{ wire: Uint8Array }>("SELECT wire FROM entry WHERE oid = ? AND length(wire) > 0", oid)?.wire,
      arrivedAt: (oid) =>
        one<{ arrivedAt: number }>("SELECT arrived_at AS arrivedAt FROM entry WHERE oid = ?", oid)?.arrivedAt,
      setState: (n, state, iid) => {
        write("UPDATE entry SET state = ?, iid = ? WHERE n = ?", state, iid, n);
      },
      waiting: (topic, state) =>
        many<EntryRow>(
          "SELECT n, oid FROM entry INDEXED BY entry_waiting WHERE topic = ? AND state = ? AND state IN (0, 1, 2, 3, 7, 8) ORDER BY gen, oid",
          topic,
          state,
        ),
      items: (topic) =>
        one(HAS_COVERED, topic) === undefined
          ? many(
              `SELECT gen, oid FROM entry WHERE topic = ? AND state <> ${ENTRY_STATE.retired} ORDER BY gen, oid`,
              topic,
            )
          : many(OFFERED, topic),
      undelivered: (topic, limit) =>
        many<{ oid: Uint8Array }>(
          "SELECT oid FROM entry WHERE topic = ? AND own = 1 AND delivered = 0 ORDER BY n LIMIT ?",
          topic,
          limit,
        ).map((row) => row.oid),
      markDelivered: (oids) => {
        let marked = 0;
        for (const oid of oids)
          marked += write("UPDATE entry SET delivered = 1 WHERE oid = ? AND own = 1 AND delivered <> 1", oid).changes;
        return marked;
      },
      newest: () => one<{ n: number | null }>("SELECT max(n) AS n FROM entry")?.n ?? 0,
      since: (repository, item, device, limit) =>
        one<{ count: number }>(
          `SELECT count(*) AS count FROM (SELECT 1 FROM entry JOIN topic ON topic.n = entry.topic
             LEFT JOIN inner_record ON inner_record.iid = entry.iid
             WHERE entry.n > ? AND entry.kind = 0 AND topic.repository = ? AND inner_record.device IS NOT ? LIMIT ?)`,
          item,
          repository,
          device,
          limit,
        )?.count ?? 0,
      addInner: (repository, row) =>
        write(
          "INSERT INTO inner_record(iid, repository, device, session, seq, gen, header) VALUES(?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
          row.iid,
          repository,
          row.device,
          row.session,
          row.seq,
          row.gen,
          row.header,
        ).changes === 1,
      inner: (iid) =>
        one<InnerRow>("SELECT iid, device, session, seq, gen, header FROM inner_record WHERE iid = ?", iid),
      innerAt: (repository, session, seq) =>
        one<InnerRow>(
          "SELECT iid, device, session, seq, gen, header FROM inner_record WHERE repository = ? AND session = ? AND seq = ?",
          repository,
          session,
          seq,
        ),
      chains: (repository) =>
        many(
          `SELECT session, max(seq) AS last, count(*) AS count FROM inner_record INDEXED BY inner_chain
           WHERE repository = ? GROUP BY session`,
          repository,
        ),
      inners: (repository) =>
        many<InnerRow>(
          "SELECT iid, device, session, seq, gen, header FROM inner_record WHERE repository = ? ORDER BY gen, iid",
          repository,
        ),
      carried: (repository, before, limit) =>
        many<CarriedRecord>(
          `SELECT (SELECT min(arrived_at) FROM entry WHERE entry.iid = inner_record.iid) AS arrivedAt, iid, device, session, seq, gen, header
           FROM inner_record INDEXED BY inner_order WHERE repository = ? AND (gen, iid) < (?, ?) ORDER BY gen DESC, iid DESC LIMIT ?`,
          repository,
          before?.gen ?? Number.MAX_SAFE_INTEGER,
          before?.iid ?? new Uint8Array(),
          limit,
        ),
      wireOf: (iid) =>
        one<{ wire: Uint8Array; topic: number }>(
          "SELECT wire, topic FROM entry WHERE iid = ? AND length(wire) > 0 ORDER BY n LIMIT 1",
          iid,
        ),
      doubt: (iid) =>
        DOUBTS[one<{ verdict: number }>("SELECT verdict FROM doubted_record WHERE iid = ?", iid)?.verdict ?? 0],
      doubts: (repository) =>
        many<{ iid: Uint8Array; verdict: number }>(
          "SELECT iid, verdict FROM doubted_record WHERE repository = ?",
          repository,
        ).map(({ iid, verdict }) => ({ iid, doubt: DOUBTS[verdict] as Doubt })),
      hasDoubts: (repository, session) =>
        one("SELECT 1 FROM doubted_record WHERE repository = ? AND session = ? LIMIT 1", repository, session) !==
        undefined,
      setDoubt: (repository, session, iid, doubt) => {
        if (doubt === undefined) write("DELETE FROM doubted_record WHERE iid = ?", iid);
        else
          write(
            `INSERT INTO doubted_record(iid, repository, session, verdict) VALUES(?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET verdict = excluded.verdict`,
            iid,
            repository,
            session,
            DOUBTS.indexOf(doubt),
          );
        write("UPDATE entry SET state = ? WHERE iid = ?", doubt === "void" ? ENTRY_STATE.void : ENTRY_STATE.valid, iid);
      },
    },

    documents: {
      add: (repository, did, now) => {
        write(
          "INSERT INTO document(repository, did, heads, created_at, updated_at) VALUES(?, ?, x'', ?, ?) ON CONFLICT DO NOTHING",
          repository,
          did,
          now,
          now,
        );
        return (
          one<{ n: number }>("SELECT n FROM document WHERE repository = ? AND did = ?", repository, did) as {
            n: number;
          }
        ).n;
      },
      byId: (repository, did) => {
        const row = one<RawDocument>(
          `SELECT ${DOCUMENT_COLUMNS} FROM document WHERE repository = ? AND did = ?`,
          repository,
          did,
        );
        return row === undefined ? undefined : documentOf(row);
      },
      byNumber: (n) => {
        const row = one<RawDocument>(`SELECT ${DOCUMENT_COLUMNS} FROM document WHERE n = ?`, n);
        return row === undefined ? undefined : documentOf(row);
      },
      list: (repository) =>
        many<RawDocument>(
          `SELECT ${DOCUMENT_COLUMNS} FROM document WHERE repository = ? ORDER BY updated_at DESC, n`,
          repository,
        ).map(documentOf),
      heads: (n) => {
        const row = one<{ heads: Uint8Array }>("SELECT heads FROM document WHERE n = ?", n);
        return row === undefined ? [] : splitHashes(row.heads);
      },
      count: (repository, view) =>
        one<{ count: number }>(`SELECT count(*) AS count FROM document WHERE ${inView(view)}`, {
          ...viewParameters(repository, view),
        })?.count ?? 0,
      page: (repository, view, offset, limit) =>
        many<RawDocument>(
          `SELECT ${DOCUMENT_COLUMNS} FROM document WHERE ${inView(view)} ORDER BY ${ORDERS[view.order]} LIMIT @limit OFFSET @offset`,
          { ...viewParameters(repository, view), limit, offset },
        ).map(documentOf),
      position: (repository, view, row) =>
        one<{ count: number }>(
          `SELECT count(*) AS count FROM document WHERE ${inView(view)} AND ${BEFORE[view.order]}`,
          {
            ...viewParameters(repository, view),
            did: row.did,
            ...(view.order === "title"
              ? { at: titleKey(row.title) }
              : { at: view.order === "updated" ? row.updatedAt : row.createdAt }),
          },
        )?.count ?? 0,
      folders: (repository) =>
        many(
          "SELECT folder, count(*) AS count FROM document WHERE repository = ? AND type = 'note' AND deleted = 0 GROUP BY folder",
          repository,
        ),
      setHeads: (n, heads, now) => {
        write("UPDATE document SET heads = ?, updated_at = ? WHERE n = ?", concatBytes(...heads), now, n);
        // Apart, so that most keystrokes leave the index of what is not indexed alone.
        write("UPDATE document SET indexed = 0 WHERE n = ? AND indexed = 1", n);
      },
      addChanges: (document, run) => {
        const done = write(
          "INSERT INTO change_run(document, actor, first_seq, last_seq, drafts, facts, bytes) VALUES(?, ?, ?, ?, ?, ?, ?)",
          document,
          run.actor,
          run.firstSeq,
          run.firstSeq + run.count - 1,
          run.drafts,
          run.facts,
          run.bytes,
        );
        if (run.drafts > 0)
          own = { type: "changes", n: Number(done.lastInsertRowid), hash: hashAt(run.facts, run.count - 1) };
      },
      maxOps: (document) =>
        createMaxOpFinder((before, limit) =>
          many(
            "SELECT n, facts FROM change_run WHERE document = ? AND n < ? ORDER BY n DESC LIMIT ?",
            document,
            before,
            limit,
          ),
        ),
      runsFrom: (document, actor, from) =>
        many(
          `SELECT ${RUN_COLUMNS} FROM change_run WHERE document = ? AND actor = ? AND last_seq >= ? ORDER BY last_seq`,
          document,
          actor,
          from,
        ),
      lastSeq: (document, actor) =>
        one<{ seq: number | null }>(
          "SELECT max(last_seq) AS seq FROM change_run WHERE document = ? AND actor = ?",
          document,
          actor,
        )?.seq ?? 0,
      lastSealedSeq: (document, actor) =>
        one<{ seq: number }>(
          `SELECT last_seq - drafts AS seq FROM change_run WHERE document = ? AND actor = ? AND drafts <= last_seq - first_seq
           ORDER BY last_seq DESC LIMIT 1`,
          document,
          actor,
        )?.seq ?? 0,
      snapshot: (n) => one("SELECT bytes, change_n AS upTo FROM document_snapshot WHERE document = ?", n),
      setSnapshot: (n, bytes, upTo) => {
        write(
          `INSERT INTO document_snapshot(document, bytes, change_n) VALUES(?, ?, ?)
           ON CONFLICT DO UPDATE SET bytes = excluded.bytes, change_n = excluded.change_n WHERE change_n < excluded.change_n`,
          n,
          bytes,
          upTo,
        );
      },
      changesAfter: (n, from) => {
        const rows = many<{ n: number; count: number; facts: Uint8Array; bytes: Uint8Array }>(
          "SELECT n, last_seq - first_seq + 1 AS count, facts, bytes FROM change_run WHERE document = ? AND n > ? ORDER BY n",
          n,
          from,
        );
        return { changes: rows.flatMap(changesOf), upTo: rows.at(-1)?.n ?? from };
      },
      changesByHash: (document, hashes) => {
        const wanted = new Set(hashes.map(bytesToHex));
        const found: Uint8Array[] = [];
        for (let before = Number.MAX_SAFE_INTEGER; wanted.size > 0 && before > 0;) {
          const runs = many<{ n: number; facts: Uint8Array }>(
            "SELECT n, facts FROM change_run WHERE document = ? AND n < ? ORDER BY n DESC LIMIT ?",
            document,
            before,
            RUNS_PER_PAGE,
          );
          for (const { n, facts } of runs) {
            const count = facts.length / FACT_BYTES;
            const places = Array.from({ length: count }, (_, at) => at).filter((at) =>
              wanted.delete(bytesToHex(hashAt(facts, at))),
            );
            if (places.length === 0) continue;
            const run = one<{ bytes: Uint8Array }>("SELECT bytes FROM change_run WHERE n = ?", n);
            const changes = run === undefined ? [] : changesOf({ facts, count, bytes: run.bytes });
            found.unshift(...places.flatMap((at) => changes[at] ?? []));
          }
          before = runs.length < RUNS_PER_PAGE ? 0 : (runs.at(-1)?.n ?? 0);
        }
        return found;
      },
      truncate: (document, actor, from) => {
        write("DELETE FROM change_run WHERE document = ? AND actor = ? AND first_seq >= ?", document, actor, from);
        for (const { n, drafts, bytes, ...run } of many<ChangeRunRow & { bytes: Uint8Array }>(
          `SELECT ${RUN_COLUMNS}, change_run.bytes FROM change_run WHERE document = ? AND actor = ? AND last_seq >= ?`,
          document,
          actor,
          from,
        )) {
          const kept = sliceRun({ ...run, bytes }, 0, from - run.firstSeq);
          write(
            "UPDATE change_run SET last_seq = ?, drafts = ?, facts = ?, bytes = ? WHERE n = ?",
            from - 1,
            Math.max(0, drafts - (run.count - kept.count)),
            kept.facts,
            kept.bytes,
            n,
          );
        }
      },
      rebuilt: (document, heads) => {
        write("UPDATE document SET heads = ?, indexed = 0 WHERE n = ?", concatBytes(...heads), document);
        write("DELETE FROM document_snapshot WHERE document = ?", document);
      },
      // CROSS JOIN keeps the order of the tables: few runs are drafts, and the planner would walk all sessions first.
      drafts: (repository, limit) =>
        many<DraftRow>(
          // The plus keeps SQLite from reading all runs in their order to find the few with drafts.
          `SELECT ${RUN_COLUMNS}, document.did, change_run.bytes
           FROM change_run CROSS JOIN document ON document.n = change_run.document
           CROSS JOIN session ON session.repository = document.repository AND session.session = change_run.actor AND session.own = 1
           WHERE change_run.drafts > 0 AND document.repository = ? ORDER BY +change_run.n LIMIT ?`,
          repository,
          limit,
        ),
      foreignDrafts: (repository) =>
        many(
          `SELECT ${RUN_COLUMNS} FROM change_run CROSS JOIN document ON document.n = change_run.document
           WHERE change_run.drafts > 0 AND document.repository = ? AND NOT EXISTS (SELECT 1 FROM session
             WHERE session.repository = document.repository AND session.session = change_run.actor AND session.own = 1)`,
          repository,
        ),
      setDrafts: (n, drafts) => {
        write("UPDATE change_run SET drafts = ? WHERE n = ?", drafts, n);
      },
      setFacts: (n, facts) => {
        write(
          `UPDATE document SET type = ?, title = ?, title_key = ?, folder = ?, tags = ?, excerpt = ?, created_at = coalesce(?, created_at),
             updated_at = coalesce(?, updated_at), deleted = ? WHERE n = ?`,
          facts.type,
          facts.title,
          titleKey(facts.title),
          facts.folder,
          JSON.stringify(facts.tags),
          facts.excerpt,
          facts.createdAt,
          facts.updatedAt,
          facts.deleted ? 1 : 0,
          n,
        );
      },
      markIndexed: (ns) => {
        for (const n of ns) write("UPDATE document SET indexed = 1 WHERE n = ?", n);
      },
      forgetIndex: () => {
        write("UPDATE document SET indexed = 0");
      },
      unindexed: () => many<{ n: number }>("SELECT n FROM document WHERE indexed = 0 ORDER BY n").map((row) => row.n),
    },

    invites: {
      put: (row) => {
        write(
          `INSERT INTO invite(id, role, repository, state, expires_at) VALUES(?, ?, ?, ?, ?)
           ON CONFLICT DO UPDATE SET repository = excluded.repository, state = excluded.state, expires_at = excluded.expires_at`,
          row.id,
          row.role,
          row.repository,
          row.state,
          row.expiresAt,
        );
      },
      all: () =>
        many<InviteRow>(
          "SELECT id, role, repository, state, expires_at AS expiresAt FROM invite ORDER BY expires_at, id",
        ),
      remove: (id) => {
        write("DELETE FROM invite WHERE id = ?", id);
      },
    },

    addresses: {
      put: (row) => {
        write(
          `INSERT INTO address(address, found, last_ok) VALUES(?, ?, ?)
           ON CONFLICT DO UPDATE SET last_ok = max(address.last_ok, excluded.last_ok)`,
          row.address,
          row.found,
          row.lastOk,
        );
      },
      all: () => many<AddressRow>("SELECT address, found, last_ok AS lastOk FROM address ORDER BY last_ok DESC"),
      remove: (address) => {
        write("DELETE FROM address WHERE address = ?", address);
      },
    },

    importedFiles: {
      find: (repository, source, path) =>
        one(
          "SELECT hash, did FROM imported_file WHERE repository = ? AND source = ? AND path = ?",
          repository,
          source,
          path,
        ),
      put: (repository, source, path, hash, did) => {
        write(
          `INSERT INTO imported_file(repository, source, path, hash, did) VALUES(?, ?, ?, ?, ?)
           ON CONFLICT DO UPDATE SET hash = excluded.hash, did = excluded.did`,
          repository,
          source,
          path,
          hash,
          did,
        );
      },
    },

    blobs: createBlobRows({ write, one, many }),
    checkpoints: createCheckpointRows({ write, one, many }),
    proxies: createProxyRows({ write, one, many }),
  };
};
