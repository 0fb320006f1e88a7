import { createHash, randomBytes } from "node:crypto";
import { closeSync, constants, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import type { SqliteDatabase } from "./sqlite/database.ts";

/** The newest thing this device wrote itself: an entry, or changes that may have been sent ahead of theirs. */
export type OwnCommit =
  | { readonly type: "entry"; readonly iid: Uint8Array }
  /** `n`: row of the run; `hash`: of its last change. */
  | { readonly type: "changes"; readonly n: number; readonly hash: Uint8Array };

/** What the mark says of a database. `unmarked`: neither has been used with marks before. */
type Verdict = "unmarked" | "current" | "rolledBack";

export interface HighWaterMark {
  /** Compares the database with the mark and starts a new incarnation of both. */
  readonly open: (database: SqliteDatabase) => Verdict;
  /** Notes what is durable in the database, before anything of it leaves. */
  readonly committed: (own: OwnCommit) => void;
  readonly close: () => void;
}

interface Mark {
  readonly incarnation: Buffer;
  /** Another incarnation than that while a new one is begun: the database may have either. */
  readonly next: Buffer;
  readonly own: OwnCommit | undefined;
}

const MAGIC = Buffer.from("p2pcmrk1", "latin1");
const INCARNATION_BYTES = 16;
const ID_BYTES = 32;
const CHECK_BYTES = 8;
/** Magic, two incarnations, a kind, a row and an id, then the check. */
const BODY_BYTES = MAGIC.length + 2 * INCARNATION_BYTES + 1 + 8 + ID_BYTES;
const FILE_BYTES = BODY_BYTES + CHECK_BYTES;
const INCARNATION_KEY = "incarnation";

const checkOf = (body: Uint8Array): Buffer => createHash("sha256").update(body).digest().subarray(0, CHECK_BYTES);

const encodeMark = ({ incarnation, next, own }: Mark): Buffer => {
  const row = Buffer.alloc(8);
  row.writeBigUInt64BE(own?.type === "changes" ? BigInt(own.n) : 0n);
  const kind = own === undefined ? 0 : own.type === "entry" ? 1 : 2;
  const id = own === undefined ? Buffer.alloc(ID_BYTES) : own.type === "entry" ? own.iid : own.hash;
  const body = Buffer.concat([MAGIC, incarnation, next, Buffer.of(kind), row, id]);
  return Buffer.concat([body, checkOf(body)]);
};

const decodeMark = (bytes: Buffer): Mark | undefined => {
  const body = bytes.subarray(0, BODY_BYTES);
  if (bytes.length !== FILE_BYTES || !body.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  if (!checkOf(body).equals(bytes.subarray(BODY_BYTES))) return undefined;
  let at = MAGIC.length;
  const take = (length: number): Buffer => body.subarray(at, (at += length));
  const incarnation = take(INCARNATION_BYTES);
  const next = take(INCARNATION_BYTES);
  const kind = take(1)[0];
  const n = Number(take(8).readBigUInt64BE());
  const id = take(ID_BYTES);
  return {
    incarnation,
    next,
    own: kind === 1 ? { type: "entry", iid: id } : kind === 2 ? { type: "changes", n, hash: id } : undefined,
  };
};

const holds = (database: SqliteDatabase, own: OwnCommit): boolean => {
  if (own.type === "entry")
    return database.prepare("SELECT 1 FROM inner_record WHERE iid = ?").get(own.iid) !== undefined;
  const row = database.prepare("SELECT facts FROM change_run WHERE n = ?").get(own.n) as
    { readonly facts: Uint8Array } | undefined;
  return row !== undefined && Buffer.from(row.facts).includes(Buffer.from(own.hash));
};

/**
 * A small file beside the database that knows the newest own commit, so that a database put back from an older copy is
 * noticed before it numbers anything a second time (data design, section 12.3). It is written after each own commit without
 * waiting for the disk: a crash of the process keeps it, and after a power cut it is at worst older than the database.
 */
export const createHighWaterMark = (file: string): HighWaterMark => {
  const descriptor = openSync(file, constants.O_RDWR | constants.O_CREAT, 0o600);
  const stored = Buffer.alloc(FILE_BYTES);
  const length = readSync(descriptor, stored, 0, FILE_BYTES, 0);
  const found = decodeMark(stored.subarray(0, length));
  let mark: Mark | undefined = found;

  const write = (changed: Mark): void => {
    mark = changed;
    writeSync(descriptor, encodeMark(changed), 0, FILE_BYTES, 0);
  };

  return {
    open: (database) => {
      const held = database.prepare("SELECT value FROM meta WHERE key = ?").get(INCARNATION_KEY) as
        { readonly value: Uint8Array } | undefined;
      const isSame =
        held !== undefined &&
        found !== undefined &&
        (found.incarnation.equals(held.value) || found.next.equals(held.value));
      const isCurrent = isSame && (found.own === undefined || holds(database, found.own));
      const begun = randomBytes(INCARNATION_BYTES);
      const own = isCurrent ? found.own : undefined;
      write({ incarnation: held === undefined ? begun : Buffer.from(held.value), next: begun, own });
      fsyncSync(descriptor);
      database.prepare("INSERT OR REPLACE INTO meta(key, value) VALUES(?, ?)").run(INCARNATION_KEY, begun);
      write({ incarnation: begun, next: begun, own });
      if (held === undefined && found === undefined) return "unmarked";
      return isCurrent ? "current" : "rolledBack";
    },
    committed: (own) => {
      if (mark !== undefined) write({ ...mark, own });
    },
    close: () => closeSync(descriptor),
  };
};
