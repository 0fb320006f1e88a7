import Database from "better-sqlite3";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { invariant } from "../../protocol/kernel/assert.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import { err, ok, type Result } from "../../protocol/kernel/result.ts";
import { nativeBinding, storageErrorOf } from "../adapters/sqlite/database.ts";
import type { ProxyError, ProxyHomes, Service } from "./proxy-home.ts";
import { openProxyStore, type SqliteProxyStore } from "./proxy-store.ts";

const DATABASE = "proxy.db";
/** Holds the static key, and the lock on the folder as long as the proxy runs. */
const KEY_DATABASE = "key.db";
const SERVICE = "service.json";
/** Present while the proxy runs: found at start, what was acknowledged last may have gone with the power. */
const RUNNING_MARK = "running";
const KEY_BYTES = 32;
const INCARNATION_BYTES = 16;

const prepareFolder = (folder: string): Result<null, ProxyError> => {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return ok(null);
  } catch {
    return err({ type: "CannotWrite", message: `the folder ${folder} cannot be made` });
  }
};

/**
 * The static key, made at first start, and the lock that is held until the process ends, however it ends. SQLite, because
 * Node's permission model takes fsync away from everything else.
 */
const lockFolder = (
  folder: string,
  random: RandomSource,
): Result<{ readonly privateKey: Uint8Array; readonly release: () => void }, ProxyError> => {
  try {
    const database = new Database(path.join(folder, KEY_DATABASE), { ...nativeBinding(), timeout: 0 });
    try {
      database.pragma("synchronous = FULL");
      database.exec(
        "CREATE TABLE IF NOT EXISTS static_key (n INTEGER PRIMARY KEY CHECK (n = 1), key BLOB NOT NULL) STRICT",
      );
      database.prepare("INSERT INTO static_key VALUES (1, ?) ON CONFLICT DO NOTHING").run(random.bytes(KEY_BYTES));
      database.exec("BEGIN EXCLUSIVE");
      const row = database.prepare<[], { readonly key: Uint8Array }>("SELECT key FROM static_key").get();
      invariant(row !== undefined, "the key was just made");
      return ok({ privateKey: new Uint8Array(row.key), release: () => void database.close() });
    } catch (cause) {
      database.close();
      throw cause;
    }
  } catch (cause) {
    const fault = storageErrorOf(cause);
    if (fault === undefined) throw cause;
    return fault.type === "DataDirectoryInUse"
      ? err({ type: "DataDirectoryInUse", message: `another proxy runs on ${folder}` })
      : err({ type: "CannotWrite", message: `nothing can be written to ${folder}` });
  }
};

const openStore = (folder: string): Result<SqliteProxyStore, ProxyError> => {
  const store = openProxyStore(path.join(folder, DATABASE));
  if (store.ok) return store;
  const { type, message } = store.error;
  return err({ type: type === "NewerSchema" ? "CorruptDatabase" : type, message });
};

const readService = (folder: string): Service | undefined => {
  const file = path.join(folder, SERVICE);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Service) : undefined;
};

/** Everything of one proxy process in one folder: items and chunks, and its static key. No profile is ever looked for. */
export const folderHomes = (folder: string): ProxyHomes => ({
  open: async (random) => {
    const prepared = prepareFolder(folder);
    if (!prepared.ok) return prepared;
    const lock = lockFolder(folder, random);
    if (!lock.ok) return lock;
    const opened = openStore(folder);
    if (!opened.ok) {
      lock.value.release();
      return opened;
    }
    const store = opened.value;
    const mark = path.join(folder, RUNNING_MARK);
    const fresh = (): Uint8Array => random.bytes(INCARNATION_BYTES);
    if (existsSync(mark)) store.setIncarnation(fresh());
    writeFileSync(mark, "", { mode: 0o600 });
    return await Promise.resolve(
      ok({
        folder,
        privateKey: lock.value.privateKey,
        incarnation: store.incarnation(fresh),
        store,
        hasAccounts: () => Promise.resolve(store.countAccounts() > 0),
        setOwnerCode: (hash, quota) => Promise.resolve(store.setOwnerCode(hash, quota)),
        service: readService(folder),
        publish: (service) =>
          Promise.resolve(writeFileSync(path.join(folder, SERVICE), JSON.stringify(service), { mode: 0o600 })),
        close: () => {
          store.close();
          rmSync(mark, { force: true });
          lock.value.release();
          return Promise.resolve();
        },
      }),
    );
  },
  openDesk: async () => {
    const service = readService(folder);
    if (service === undefined) return err({ type: "CannotWrite", message: `no proxy has run on ${folder} yet` });
    const store = openStore(folder);
    if (!store.ok) return store;
    const { addCode, close } = store.value;
    return await Promise.resolve(
      ok({
        service,
        addCode: (hash, quota) => Promise.resolve(addCode(hash, quota)),
        close: () => Promise.resolve(close()),
      }),
    );
  },
});
