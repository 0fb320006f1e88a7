import { invariant } from "../../../protocol/kernel/assert.ts";
import { bytesEqual, bytesToHex, hexToBytes } from "../../../protocol/kernel/bytes.ts";
import { err, ok, type Result } from "../../../protocol/kernel/result.ts";
import type {
  ForeignChange,
  ProxyStore,
  StoreAnswer,
  StoreFault,
  StoreOperation,
  StoreRequest,
} from "../../../protocol/proxy/store.ts";
import type { ChunkStore } from "../chunk-store.ts";
import { type Batch, createBatch, type Setback } from "./batch.ts";
import { createClient, type PostgresClient, rowsOf, sqlStateOf, storeFaultOf } from "./connection.ts";
import { POSTGRES_MIGRATIONS } from "./schema.ts";

export interface PostgresDeps {
  readonly url: string;
  readonly chunks: ChunkStore;
  readonly sha256: (bytes: Uint8Array) => Uint8Array;
  /** One line for the operator. */
  readonly report: (line: string) => void;
  readonly changed: (change: ForeignChange) => void;
}

export interface PostgresStore extends ProxyStore {
  /** A value kept beside the items; `create` makes it when there is none, and one of all processes wins. */
  readonly value: (key: string, create: () => Uint8Array) => Promise<Uint8Array>;
  readonly readValue: (key: string) => Promise<Uint8Array | undefined>;
  readonly setValue: (key: string, value: Uint8Array) => Promise<void>;
  /** Made by `create` when there is none, and when the database has another past than the one it was made in. */
  readonly incarnation: (create: () => Uint8Array) => Promise<Uint8Array>;
  readonly addCode: (hash: Uint8Array, quota: number) => Promise<void>;
  readonly setOwnerCode: (hash: Uint8Array, quota: number) => Promise<void>;
  readonly countAccounts: () => Promise<number>;
  readonly close: () => Promise<void>;
}

export interface PostgresError {
  readonly type: "NewerSchema" | "CannotConnect";
  readonly message: string;
}

const READS = new Set<StoreOperation>(["account", "stat", "pull", "get", "itemSet", "haveBlobs", "getBlob"]);
/** Numbers of advisory locks, which are this database's own. */
const WRITER_LOCK = 1;
const MIGRATION_LOCK = 2;
const BEGIN = {
  read: "BEGIN READ ONLY",
  shared: `BEGIN; SELECT pg_advisory_xact_lock_shared(${WRITER_LOCK})`,
  exclusive: `BEGIN; SELECT pg_advisory_xact_lock(${WRITER_LOCK})`,
} as const;
const DEADLOCK = "40P01";
const SERIALIZATION_FAILURE = "40001";
/** Of a batch that other batches get in the way of; the last tries run alone, where nothing can. */
const MAX_ATTEMPTS = 8;
const MAX_UPLOADS_AT_ONCE = 8;
const CHANNEL = "p2pcollab";
/** PostgreSQL's limit for a notification is 8 000 bytes. */
const MAX_PAYLOAD = 7_900;
/** Objects that were put but never referred to are deleted after a full day; no upload takes that long. */
const ORPHAN_DAYS = 1;
const MAX_ORPHANS = 1_000;
const RECONNECT_MS = 1_000;
/** Before the name of the past it was made in. */
const INCARNATION_BYTES = 16;
const TODAY = "(extract(epoch FROM now())::bigint / 86400)";

/** Brings the schema up to date; of several processes that start at once one does it. */
const migrate = async (client: PostgresClient): Promise<Result<null, PostgresError>> => {
  await client.query(`SELECT pg_advisory_lock(${MIGRATION_LOCK})`);
  try {
    await client.query("CREATE TABLE IF NOT EXISTS schema_version (version integer NOT NULL)");
    const version = (await rowsOf<{ readonly version: number }>(client, "SELECT version FROM schema_version"))[0];
    const from = version?.version ?? 0;
    if (from > POSTGRES_MIGRATIONS.length) {
      const message = `the database has schema ${from} and this proxy knows ${POSTGRES_MIGRATIONS.length}: update the proxy`;
      return err({ type: "NewerSchema", message });
    }
    for (let next = from; next < POSTGRES_MIGRATIONS.length; next++) {
      const record =
        next === 0 ? "INSERT INTO schema_version VALUES (1)" : `UPDATE schema_version SET version = ${next + 1}`;
      await client.query(`BEGIN; ${POSTGRES_MIGRATIONS[next]}; ${record}; COMMIT`);
    }
    return ok(null);
  } finally {
    await client.query(`SELECT pg_advisory_unlock(${MIGRATION_LOCK})`);
  }
};

/** Names the past of the database: a restored backup or a failover begins another timeline, a dump is another system. */
const pastOf = async (client: PostgresClient): Promise<string> => {
  const rows = await rowsOf<{ readonly past: string }>(
    client,
    `SELECT system_identifier || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8) AS past FROM pg_control_system()`,
  );
  return rows[0]?.past ?? "";
};

/** Payloads of what a batch changed, each within PostgreSQL's limit. */
const noticesOf = ({ totals, shrunk }: Batch): readonly string[] => {
  const words = [
    ...[...totals.appended].map(([topic, { previous, newest }]) => `${topic}:${previous}:${newest}`),
    ...shrunk.map((topic) => bytesToHex(topic)),
  ];
  const payloads: string[] = [];
  for (const word of words) {
    const last = payloads.at(-1);
    if (last === undefined || last.length + word.length + 1 > MAX_PAYLOAD) payloads.push(word);
    else payloads[payloads.length - 1] = `${last} ${word}`;
  }
  return payloads;
};

const readNotice = (payload: string): readonly ForeignChange[] =>
  payload.split(" ").flatMap((word): readonly ForeignChange[] => {
    const [name = "", previous, newest] = word.split(":");
    const topic = hexToBytes(name);
    if (topic === undefined) return [];
    return newest === undefined
      ? [{ type: "shrunk", topic }]
      : [{ type: "appended", topic, previous: Number(previous), newest: Number(newest) }];
  });

/**
 * Connects, migrates and listens. Batches that only add to topics run beside those of other processes and lock the rows they touch;
 * those that change who pins what run alone, and so does one that comes near the capacity.
 */
export const openPostgresStore = async (deps: PostgresDeps): Promise<Result<PostgresStore, PostgresError>> => {
  const { chunks, report } = deps;
  let writer: PostgresClient | undefined;
  let past: string | undefined;
  let isClosed = false;

  const endOf = async (client: PostgresClient | undefined): Promise<void> =>
    await client?.end().catch((cause: Error) => report(`a connection to the database did not end: ${cause.message}`));

  const connect = async (): Promise<PostgresClient> => {
    if (writer !== undefined) return writer;
    const client = createClient(deps.url);
    client.on("error", (cause) => {
      report(`the database is gone: ${cause.message}`);
      if (writer === client) writer = undefined;
    });
    await client.connect();
    const now = await pastOf(client);
    past ??= now;
    if (now !== past) {
      await client.end();
      throw new Error("connection refused: the database went on from another past; restart this proxy");
    }
    writer = client;
    return client;
  };
  const drop = async (client: PostgresClient): Promise<void> => {
    if (writer === client) writer = undefined;
    await endOf(client);
  };

  /** Uploads all chunks of a batch that the store lacks. Their rows come first: a sweep leaves young ones alone. */
  const upload = async (
    client: PostgresClient,
    requests: readonly StoreRequest[],
    contents: Map<string, boolean>,
  ): Promise<void> => {
    const puts = requests.filter((request) => request.type === "putBlob");
    const noted = await rowsOf<{ readonly id: Buffer; readonly isThere: boolean }>(
      client,
      `INSERT INTO content (id, day) SELECT DISTINCT id, ${TODAY} FROM unnest($1::bytea[]) AS new (id) ORDER BY id
       ON CONFLICT (id) DO UPDATE SET day = excluded.day
       RETURNING id, EXISTS (SELECT FROM chunk WHERE chunk.id = content.id AND chunk.bytes > 0) AS "isThere"`,
      [puts.map(({ id }) => id)],
    );
    const queue = noted.filter(({ id, isThere }) => !contents.set(bytesToHex(id), isThere).get(bytesToHex(id)));
    const lane = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const { id } = next;
        const bytes = puts.find((put) => bytesEqual(put.id, id))?.bytes ?? new Uint8Array();
        const put = await chunks.put(id, bytes);
        if (!put.ok) report(`a chunk was not stored: ${put.error.message}`);
        contents.set(bytesToHex(id), put.ok);
      }
    };
    await Promise.all(Array.from({ length: MAX_UPLOADS_AT_ONCE }, lane));
  };

  const attempt = async (
    client: PostgresClient,
    requests: readonly StoreRequest[],
    mode: keyof typeof BEGIN,
    contents: ReadonlyMap<string, boolean>,
  ): Promise<Result<readonly StoreAnswer[], Setback>> => {
    await client.query(BEGIN[mode]);
    const rows = mode === "read" ? [] : await rowsOf<{ readonly bytes: number }>(client, "SELECT bytes FROM usage");
    const isExclusive = mode === "exclusive";
    const batch = createBatch(client, rows[0]?.bytes ?? 0, { isExclusive, contents });
    const result = await batch.perform(requests);
    const { added, capacity } = batch.totals;
    let isOver = false;
    if (result.ok && added !== 0) {
      const [usage] = await rowsOf<{ readonly bytes: number }>(
        client,
        "UPDATE usage SET bytes = bytes + $1 RETURNING bytes",
        [added],
      );
      isOver = !isExclusive && added > 0 && (usage?.bytes ?? 0) > capacity;
    }
    if (!result.ok || isOver) {
      await client.query("ROLLBACK");
      return result.ok ? err({ type: "needsExclusive" }) : result;
    }
    const notices = noticesOf(batch);
    if (notices.length > 0)
      await client.query(`SELECT pg_notify('${CHANNEL}', payload) FROM unnest($1::text[]) AS all_ (payload)`, [
        notices,
      ]);
    await client.query("COMMIT");
    return result;
  };

  const transact = async (requests: readonly StoreRequest[]): Promise<Result<readonly StoreAnswer[], StoreFault>> => {
    const contents = new Map<string, boolean>();
    let mode: keyof typeof BEGIN = requests.every(({ type }) => READS.has(type)) ? "read" : "shared";
    for (let tries = 1; ; tries++) {
      let client: PostgresClient | undefined;
      try {
        client = await connect();
        const result = await attempt(client, requests, mode, contents);
        if (result.ok) return result;
        invariant(tries < MAX_ATTEMPTS, "a batch of its own needs two more tries");
        if (result.error.type === "needsExclusive") mode = "exclusive";
        else await upload(client, requests, contents);
      } catch (cause) {
        const state = sqlStateOf(cause);
        if (client !== undefined) await client.query("ROLLBACK").catch(() => drop(client as PostgresClient));
        if ((state === DEADLOCK || state === SERIALIZATION_FAILURE) && tries < MAX_ATTEMPTS) {
          mode = "exclusive";
          continue;
        }
        const fault = storeFaultOf(cause);
        if (fault === undefined) throw cause;
        return err(fault);
      }
    }
  };

  const fetchChunk = async (id: Uint8Array): Promise<Uint8Array | null> => {
    const got = await chunks.get(id);
    if (!got.ok) {
      report(`a chunk was not read: ${got.error.message}`);
      return null;
    }
    if (got.value !== null && bytesEqual(deps.sha256(got.value), id)) return got.value;
    report(`the object store ${got.value === null ? "lost" : "damaged"} the chunk ${bytesToHex(id)}`);
    return null;
  };

  /** Deletes objects that no topic refers to; their rows go in the same transaction, so that an upload waits and puts them again. */
  const sweepContents = async (): Promise<void> => {
    const client = await connect();
    await client.query(BEGIN.exclusive);
    try {
      const orphans = await rowsOf<{ readonly id: Buffer }>(
        client,
        `DELETE FROM content WHERE id IN (
           SELECT id FROM content WHERE day < ${TODAY} - ${ORPHAN_DAYS}
             AND NOT EXISTS (SELECT FROM chunk WHERE chunk.id = content.id AND chunk.bytes > 0) LIMIT ${MAX_ORPHANS}
         ) RETURNING id`,
      );
      const removed = await Promise.all(orphans.map(({ id }) => chunks.remove(id)));
      const refused = removed.find((result) => !result.ok);
      if (refused?.ok === false) report(`unused chunks stay for now: ${refused.error.message}`);
      await client.query(refused === undefined ? "COMMIT" : "ROLLBACK");
    } catch (cause) {
      await client.query("ROLLBACK").catch(() => drop(client));
      throw cause;
    }
  };

  const perform = async (requests: readonly StoreRequest[]): Promise<Result<readonly StoreAnswer[], StoreFault>> => {
    const answers = await transact(requests);
    if (!answers.ok) return answers;
    if (requests.some(({ type }) => type === "sweep"))
      await sweepContents().catch((cause: Error) => report(`unused chunks stay for now: ${cause.message}`));
    const complete = requests.map(async (request, i): Promise<StoreAnswer> => {
      const answer = answers.value[i] ?? null;
      return request.type === "getBlob" && answer !== null ? await fetchChunk(request.id) : answer;
    });
    return ok(await Promise.all(complete));
  };

  let listener: PostgresClient | undefined;
  let retry: NodeJS.Timeout | undefined;
  const listen = async (): Promise<void> => {
    const client = createClient(deps.url);
    listener = client;
    const lost = (): void => {
      if (isClosed || listener !== client) return;
      listener = undefined;
      retry = setTimeout(() => {
        void listen().then(
          () => deps.changed({ type: "missed" }),
          () => undefined,
        );
      }, RECONNECT_MS);
    };
    client.on("error", lost);
    client.on("end", lost);
    client.on("notification", ({ processId, payload }) => {
      if (processId === (writer as { readonly processID?: number } | undefined)?.processID) return;
      for (const change of readNotice(payload ?? "")) deps.changed(change);
    });
    try {
      await client.connect();
      await client.query(`LISTEN ${CHANNEL}`);
    } catch (cause) {
      lost();
      throw cause;
    }
  };

  try {
    const migrated = await migrate(await connect());
    if (!migrated.ok) {
      await writer?.end();
      return migrated;
    }
    await listen();
  } catch (cause) {
    isClosed = true;
    clearTimeout(retry);
    await Promise.all([endOf(writer), endOf(listener)]);
    const fault = storeFaultOf(cause);
    if (fault === undefined) throw cause;
    return err({ type: "CannotConnect", message: `the database cannot be used: ${fault.message}` });
  }

  const readValue = async (key: string): Promise<Uint8Array | undefined> => {
    const rows = await rowsOf<{ readonly value: Buffer }>(await connect(), "SELECT value FROM meta WHERE key = $1", [
      key,
    ]);
    return rows[0] === undefined ? undefined : new Uint8Array(rows[0].value);
  };
  const execute = async (sql: string, ...values: readonly unknown[]): Promise<void> =>
    void (await (await connect()).query(sql, [...values]));
  let queue: Promise<unknown> = Promise.resolve();
  /** One after the other: the connection is one, and answers come in the order of questions. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = queue.then(work);
    queue = turn.then(nothing, nothing);
    return turn;
  };

  return ok({
    perform: (requests) => inTurn(() => perform(requests)),
    readValue: (key) => inTurn(() => readValue(key)),
    setValue: (key, value) => inTurn(() => execute(SET_VALUE, key, value)),
    value: (key, create) =>
      inTurn(async () => {
        await execute("INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT DO NOTHING", key, create());
        return (await readValue(key)) ?? new Uint8Array();
      }),
    incarnation: (create) =>
      inTurn(async () => {
        const here = Buffer.from(past ?? "");
        await execute(
          `INSERT INTO meta (key, value) VALUES ('incarnation', $1) ON CONFLICT (key) DO UPDATE SET value = excluded.value
           WHERE substring(meta.value FROM ${INCARNATION_BYTES + 1}) <> $2`,
          Buffer.concat([create(), here]),
          here,
        );
        return ((await readValue("incarnation")) ?? new Uint8Array()).slice(0, INCARNATION_BYTES);
      }),
    addCode: (hash, quota) => inTurn(() => execute("INSERT INTO code (hash, quota) VALUES ($1, $2)", hash, quota)),
    setOwnerCode: (hash, quota) =>
      inTurn(async () => {
        await execute("DELETE FROM code WHERE hash = (SELECT value FROM meta WHERE key = 'owner-code')");
        await execute("INSERT INTO code (hash, quota) VALUES ($1, $2)", hash, quota);
        await execute(SET_VALUE, "owner-code", hash);
      }),
    countAccounts: () =>
      inTurn(async () => {
        const rows = await rowsOf<{ readonly count: number }>(await connect(), "SELECT count(*) FROM account");
        return rows[0]?.count ?? 0;
      }),
    close: async () => {
      await queue;
      isClosed = true;
      clearTimeout(retry);
      await Promise.all([endOf(writer), endOf(listener)]);
    },
  });
};

const nothing = (): void => undefined;
const SET_VALUE =
  "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
