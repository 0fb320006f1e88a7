import pg from "pg";
import type { StoreFault } from "../../../protocol/proxy/store.ts";

export type PostgresClient = pg.Client;

/** A statement that a lock or a dead server holds back longer than this fails; clients ask again. */
const STATEMENT_TIMEOUT_MS = 60_000;
/** A server that says nothing any more does not end its statements itself. */
const QUERY_TIMEOUT_MS = 70_000;
const KEEP_ALIVE_AFTER_MS = 10_000;
const CONNECT_TIMEOUT_MS = 10_000;
const INT8 = 20;

/** Positions, quotas and sizes stay below 2^53. */
const types: pg.CustomTypesConfig = {
  getTypeParser: ((id: number, format: "text" | "binary") =>
    id === INT8 ? Number : (pg.types.getTypeParser as (id: number, format: string) => unknown)(id, format)) as never,
};

/** A connection that is not open yet. `url`: `postgres://…`; what it leaves out comes from PGHOST, PGPASSWORD and so on. */
export const createClient = (url: string): PostgresClient =>
  new pg.Client({
    connectionString: url,
    types,
    application_name: "p2pcollab-proxy",
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
  });

/** Rows of a statement. */
export const rowsOf = async <T extends pg.QueryResultRow>(
  client: PostgresClient,
  sql: string,
  values: readonly unknown[] = [],
): Promise<readonly T[]> => (await client.query<T>(sql, [...values])).rows;

export const sqlStateOf = (cause: unknown): string | undefined => (cause as { readonly code?: string }).code;

/** The fault behind an error, or `undefined` when it is a bug of ours: wrong data, a broken constraint, wrong SQL (classes 22, 23, 42). */
export const storeFaultOf = (cause: unknown): StoreFault | undefined => {
  if (!(cause instanceof Error)) return undefined;
  const state = sqlStateOf(cause);
  if (state !== undefined && /^(22|23|42)...$/.test(state) && state !== INSUFFICIENT_PRIVILEGE) return undefined;
  if (state === undefined && !CLIENT_ERRORS.test(cause.message)) return undefined;
  return { type: state === DISK_FULL ? "DiskFull" : "StoreFailed", message: cause.message };
};

const INSUFFICIENT_PRIVILEGE = "42501";
const DISK_FULL = "53100";
/** What the client says of a connection that is gone; these errors carry no code. */
const CLIENT_ERRORS = /connection|timeout|terminated|not queryable|socket/i;
