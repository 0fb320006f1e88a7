import Database from "better-sqlite3";
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import type { Result } from "../../../protocol/kernel/result.ts";
import { err, ok } from "../../../protocol/kernel/result.ts";

export type SqliteDatabase = Database.Database;

/** Faults of the environment below SQLite, named; nothing above this folder sees an SqliteError. */
export interface StorageError {
  readonly type: "DiskFull" | "CorruptDatabase" | "DataDirectoryInUse" | "NewerSchema" | "CannotWrite";
  readonly message: string;
}

/** The fault behind an error thrown by better-sqlite3, or `undefined` when it is a bug of ours (constraint, misuse). */
export const storageErrorOf = (cause: unknown): StorageError | undefined => {
  if (!(cause instanceof Database.SqliteError)) return undefined;
  const { code, message } = cause;
  if (code.startsWith("SQLITE_FULL")) return { type: "DiskFull", message };
  if (code.startsWith("SQLITE_CORRUPT") || code.startsWith("SQLITE_NOTADB"))
    return { type: "CorruptDatabase", message };
  if (code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_LOCKED"))
    return { type: "DataDirectoryInUse", message };
  if (code.startsWith("SQLITE_IOERR")) return { type: "DiskFull", message };
  if (code.startsWith("SQLITE_READONLY") || code.startsWith("SQLITE_CANTOPEN") || code.startsWith("SQLITE_PERM"))
    return { type: "CannotWrite", message };
  return undefined;
};

/** better-sqlite3 ships binaries for Node-API 10; older hosts (Node 20, Electron 33) name their own build here. */
export const nativeBinding = (): { nativeBinding?: string } => {
  const given = process.env["P2PCOLLAB_SQLITE_BINDING"];
  return Number(process.versions["napi"] ?? "0") < 10 && given !== undefined && given !== ""
    ? { nativeBinding: given }
    : {};
};

const attempt = <T>(work: () => T): Result<T, StorageError> => {
  try {
    return ok(work());
  } catch (cause) {
    const fault = storageErrorOf(cause);
    if (fault === undefined) throw cause;
    return err(fault);
  }
};

/** Brings the schema up to date; each step is one transaction. */
export const migrate = (database: SqliteDatabase, migrations: readonly string[]): Result<null, StorageError> => {
  const version = database.pragma("user_version", { simple: true }) as number;
  if (version > migrations.length)
    return err({ type: "NewerSchema", message: `schema ${version} is newer than ${migrations.length}` });
  for (let next = version; next < migrations.length; next++)
    database
      .transaction(() => {
        database.exec(migrations[next] as string);
        database.pragma(`user_version = ${next + 1}`);
      })
      .immediate();
  return ok(null);
};

/** Walks every page of the database. */
export const isSound = (database: SqliteDatabase): boolean => {
  try {
    return database.pragma("quick_check(1)", { simple: true }) === "ok";
  } catch (cause) {
    if (storageErrorOf(cause)?.type === "CorruptDatabase") return false;
    throw cause;
  }
};

/**
 * Every page is sealed with ChaCha20-Poly1305 under a key of the profile (SQLite3 Multiple Ciphers), and so are the WAL and
 * what SQLite spills: titles, words of the search index and keys are not on the disk in clear. `key`: 32 bytes.
 */
const unlock = (database: SqliteDatabase, key: Uint8Array): void => {
  database.pragma("cipher = 'chacha20'");
  database.pragma(`key = 'raw:${Buffer.from(key).toString("hex")}'`);
};

const PLAIN_HEADER = Buffer.from("SQLite format 3\0", "latin1");

const isPlain = (file: string): boolean => {
  if (!existsSync(file)) return false;
  const header = Buffer.alloc(PLAIN_HEADER.length);
  const descriptor = openSync(file, "r");
  try {
    return readSync(descriptor, header) === header.length && header.equals(PLAIN_HEADER);
  } finally {
    closeSync(descriptor);
  }
};

/**
 * Encrypts a database of before encryption: a copy is written, sealed, checked and put in its place, so that a crash leaves
 * the old file or the new one. Free blocks of the disk may still hold the old bytes.
 */
const encrypt = (file: string, key: Uint8Array): void => {
  const copy = `${file}.encrypting`;
  rmSync(copy, { force: true });
  const plain = new Database(file, { ...nativeBinding(), timeout: 2_000 });
  try {
    plain.pragma("wal_checkpoint(TRUNCATE)");
    plain.pragma("journal_mode = DELETE");
    plain.prepare("VACUUM INTO ?").run(copy);
  } finally {
    plain.close();
  }
  const sealed = new Database(copy, nativeBinding());
  try {
    sealed.pragma("cipher = 'chacha20'");
    sealed.pragma(`rekey = 'raw:${Buffer.from(key).toString("hex")}'`);
    const check = String(sealed.pragma("quick_check(1)", { simple: true }));
    if (check !== "ok") throw new Database.SqliteError(check, "SQLITE_CORRUPT");
  } finally {
    sealed.close();
  }
  const descriptor = openSync(copy, "r+");
  fsyncSync(descriptor);
  closeSync(descriptor);
  renameSync(copy, file);
};

/**
 * Pages in the log (64 MB) at which the writer itself moves them into the file; usually another thread has done so long
 * before, as the writer's thread must not wait for a thousand pages to reach the disk.
 */
const WAL_LIMIT_PAGES = 16_384;

/**
 * Opens the writer connection of a file with this schema. `verify` walks every page first: wanted after an unclean end, too
 * slow for each start.
 */
export const openWriter = (
  file: string,
  key: Uint8Array,
  migrations: readonly string[],
  verify: boolean,
): Result<SqliteDatabase, StorageError> => {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  return attempt(() => {
    if (isPlain(file)) encrypt(file, key);
    const database = new Database(file, { ...nativeBinding(), timeout: 2_000 });
    try {
      unlock(database, key);
      // FULL: an entry may be sent only after it survives a power cut, else its (session, seq) could be used twice.
      database.pragma("journal_mode = WAL");
      database.pragma("synchronous = FULL");
      database.pragma("foreign_keys = ON");
      database.pragma("secure_delete = ON");
      database.pragma("cache_size = -16000");
      database.pragma(`wal_autocheckpoint = ${WAL_LIMIT_PAGES}`);
      if (verify && !isSound(database)) throw new Database.SqliteError("a page is damaged", "SQLITE_CORRUPT");
      const migrated = migrate(database, migrations);
      if (!migrated.ok) throw new Database.SqliteError(migrated.error.message, "SQLITE_CANTOPEN_SCHEMA");
      return database;
    } catch (cause) {
      database.close();
      throw cause;
    }
  });
};

/** Opens a second connection beside the writer: for queries and checkpoints, which `query_only` allows. */
export const openReader = (file: string, key: Uint8Array): SqliteDatabase => {
  const database = new Database(file, { ...nativeBinding(), timeout: 5_000 });
  unlock(database, key);
  database.pragma("query_only = ON");
  database.pragma("cache_size = -16000");
  return database;
};

/** Copies a database that may be in use into a new file under the same key, in its state of now; the writer is not held up. */
export const snapshotInto = (file: string, key: Uint8Array, target: string): void => {
  const database = new Database(file, { ...nativeBinding(), readonly: true, timeout: 5_000 });
  try {
    unlock(database, key);
    database.prepare("VACUUM INTO ?").run(target);
  } finally {
    database.close();
  }
};

/** Seals a database that nobody has open under another key. */
export const changeKey = (file: string, from: Uint8Array, to: Uint8Array): void => {
  const database = new Database(file, nativeBinding());
  try {
    unlock(database, from);
    database.pragma(`rekey = 'raw:${Buffer.from(to).toString("hex")}'`);
  } finally {
    database.close();
  }
};

/**
 * Moves a damaged database (with its WAL) out of the way, so that nothing of it is lost; `stamp` makes the name unique.
 * Returns the new path.
 */
export const setAside = (file: string, stamp: string): string => {
  const kept = `${file}.damaged-${stamp}`;
  for (const suffix of ["", "-wal", "-shm"]) if (existsSync(file + suffix)) renameSync(file + suffix, kept + suffix);
  return kept;
};
