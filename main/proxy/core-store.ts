import Database from "better-sqlite3";
import type { CoreSnapshot } from "../../protocol/core/core-events.ts";
import type { CoreStatus } from "../../protocol/core/status.ts";
import { err, ok, type Result } from "../../protocol/kernel/result.ts";
import { migrate, nativeBinding, type StorageError, storageErrorOf } from "../adapters/sqlite/database.ts";

/** Of a topic followed in the overlay; times are Unix seconds. */
export interface RelayRow {
  readonly topic: Uint8Array;
  /** Until when the pin counts without being renewed. */
  readonly wantedUntil: number;
  /** Until when the topic key allows publishing; 0 for never. */
  readonly delegatedUntil: number;
}

/** What a node said of itself, at most a minute before it is read. */
export interface KeptStatus {
  /** Unix seconds. */
  readonly at: number;
  readonly core: CoreStatus;
}

/**
 * What the overlay node of a proxy keeps: its sequence, peers, profile noise, and what it follows for whom it serves. What
 * writes is false when the disk does not take it; the operator is told of the first time.
 */
export interface CoreStore {
  readonly snapshot: () => CoreSnapshot | undefined;
  /** Keeps the snapshot, and the status for who looks from outside the process. */
  readonly keep: (snapshot: CoreSnapshot, status: KeptStatus) => boolean;
  readonly status: () => KeptStatus | undefined;
  readonly relays: () => readonly RelayRow[];
  readonly setRelay: (row: RelayRow) => boolean;
  readonly dropRelay: (topic: Uint8Array) => boolean;
  readonly close: () => void;
}

const MIGRATIONS = [
  `
  CREATE TABLE node (n INTEGER PRIMARY KEY CHECK (n = 1), sequence INTEGER NOT NULL) STRICT;
  CREATE TABLE peer (n INTEGER PRIMARY KEY, descriptor BLOB NOT NULL) STRICT;
  CREATE TABLE profile (
    n INTEGER PRIMARY KEY CHECK (n = 1),
    noise_key BLOB NOT NULL,
    first_slot INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    encoded BLOB NOT NULL
  ) STRICT;
  CREATE TABLE relay (
    topic BLOB PRIMARY KEY,
    wanted_until INTEGER NOT NULL,
    delegated_until INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  "CREATE TABLE status (n INTEGER PRIMARY KEY CHECK (n = 1), at INTEGER NOT NULL, core TEXT NOT NULL) STRICT",
];

/** Opens `file`. Nothing in it cannot be had again, so a power cut may cost the last seconds. */
export const openCoreStore = (file: string, report: (line: string) => void): Result<CoreStore, StorageError> => {
  try {
    const database = new Database(file, { ...nativeBinding(), timeout: 5_000 });
    try {
      database.pragma("journal_mode = WAL");
      database.pragma("synchronous = NORMAL");
      database.pragma("cache_size = -500");
      const migrated = migrate(database, MIGRATIONS);
      if (migrated.ok) return ok(createCoreStore(database, report));
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

const createCoreStore = (database: Database.Database, report: (line: string) => void): CoreStore => {
  const getNode = database.prepare<[], { readonly sequence: number }>("SELECT sequence FROM node");
  const getPeers = database.prepare<[], { readonly descriptor: Buffer }>("SELECT descriptor FROM peer ORDER BY n");
  const getProfile = database.prepare<
    [],
    { readonly key: Buffer; readonly firstSlot: number; readonly slot: number; readonly encoded: Buffer }
  >("SELECT noise_key AS key, first_slot AS firstSlot, slot, encoded FROM profile");
  const setNode = database.prepare(
    "INSERT INTO node VALUES (1, ?) ON CONFLICT (n) DO UPDATE SET sequence = excluded.sequence",
  );
  const clearPeers = database.prepare("DELETE FROM peer");
  const addPeer = database.prepare("INSERT INTO peer (descriptor) VALUES (?)");
  const setProfile = database.prepare(
    "INSERT INTO profile VALUES (1, ?, ?, ?, ?) ON CONFLICT (n) DO UPDATE SET slot = excluded.slot, encoded = excluded.encoded",
  );
  const getStatus = database.prepare<[], { readonly at: number; readonly core: string }>("SELECT at, core FROM status");
  const setStatus = database.prepare(
    "INSERT INTO status VALUES (1, ?, ?) ON CONFLICT (n) DO UPDATE SET at = excluded.at, core = excluded.core",
  );
  const getRelays = database.prepare<[], { topic: Buffer; wantedUntil: number; delegatedUntil: number }>(
    "SELECT topic, wanted_until AS wantedUntil, delegated_until AS delegatedUntil FROM relay",
  );
  const putRelay = database.prepare(
    "INSERT INTO relay VALUES (?, ?, ?) ON CONFLICT (topic) DO UPDATE SET wanted_until = excluded.wanted_until, delegated_until = excluded.delegated_until",
  );
  const deleteRelay = database.prepare("DELETE FROM relay WHERE topic = ?");
  const keep = database.transaction(({ sequence, peers, profile }: CoreSnapshot, status: KeptStatus) => {
    setNode.run(sequence);
    setStatus.run(status.at, JSON.stringify(status.core));
    clearPeers.run();
    for (const peer of peers) addPeer.run(peer);
    if (profile !== undefined) setProfile.run(profile.noiseKey, profile.firstSlot, profile.slot, profile.encoded);
  });
  let isFaulty = false;
  const kept = (write: () => void): boolean => {
    try {
      write();
      isFaulty = false;
    } catch (cause) {
      const fault = storageErrorOf(cause);
      if (fault === undefined) throw cause;
      if (!isFaulty) report(`the overlay's state is not kept: ${fault.type}: ${fault.message}`);
      isFaulty = true;
    }
    return !isFaulty;
  };
  const plain = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes);

  return {
    snapshot: () => {
      const node = getNode.get();
      if (node === undefined) return undefined;
      const profile = getProfile.get();
      return {
        sequence: node.sequence,
        peers: getPeers.all().map(({ descriptor }) => plain(descriptor)),
        profile:
          profile === undefined
            ? undefined
            : {
                noiseKey: plain(profile.key),
                firstSlot: profile.firstSlot,
                slot: profile.slot,
                encoded: plain(profile.encoded),
              },
      };
    },
    status: () => {
      const row = getStatus.get();
      return row === undefined ? undefined : { at: row.at, core: JSON.parse(row.core) as CoreStatus };
    },
    keep: (snapshot, status) => kept(() => keep(snapshot, status)),
    relays: () => getRelays.all().map(({ topic, ...row }) => ({ topic: plain(topic), ...row })),
    setRelay: ({ topic, wantedUntil, delegatedUntil }) => kept(() => putRelay.run(topic, wantedUntil, delegatedUntil)),
    dropRelay: (topic) => kept(() => deleteRelay.run(topic)),
    close: () => void database.close(),
  };
};
