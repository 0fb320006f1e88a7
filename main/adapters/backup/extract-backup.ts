import { createHash } from "node:crypto";
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import path from "node:path";
import type { BackupContents, BackupError, BackupKey, ExtractedBackup } from "../../../app/ports/backups.ts";
import type { CryptoProvider } from "../../../protocol/crypto/provider.ts";
import { bytesEqual, bytesToHex } from "../../../protocol/kernel/bytes.ts";
import type { Result } from "../../../protocol/kernel/result.ts";
import { err, ok } from "../../../protocol/kernel/result.ts";
import { isSound, openReader } from "../sqlite/database.ts";
import { openHeader } from "./backup-header.ts";
import { readBackup } from "./read-backup.ts";

type Tell = (done: number, total: number) => void;

const DATABASE = "profile.db";
const BLOBS = "blobs";

/** Reads a backup into a folder of its own, or only its database when the chunks are just looked at; checks everything in it. */
const unpack = async (
  crypto: CryptoProvider,
  file: string,
  key: BackupKey,
  folder: string,
  keepsChunks: boolean,
  tell: Tell,
): Promise<Result<ExtractedBackup, BackupError>> => {
  if (!existsSync(file)) return err({ type: "FileNotFound" });
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const write = (descriptor: number, bytes: Buffer): void => {
    for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at);
  };
  const database = openSync(path.join(folder, DATABASE), "wx", 0o600);
  let pieces: Buffer[] = [];
  let current: { readonly repository: number; readonly id: Uint8Array } | undefined;
  const read = await readBackup(file, (header) => openHeader(crypto, header, key), {
    database: (piece) => write(database, piece),
    begin: (part) => {
      current = part;
      pieces = [];
    },
    chunk: (piece) => pieces.push(Buffer.from(piece)),
    complete: () => {
      if (current === undefined) return false;
      const bytes = Buffer.concat(pieces);
      if (!bytesEqual(createHash("sha256").update(bytes).digest(), current.id)) return false;
      if (!keepsChunks) return true;
      const name = bytesToHex(current.id);
      const parent = path.join(folder, BLOBS, String(current.repository), name.slice(0, 2));
      mkdirSync(parent, { recursive: true, mode: 0o700 });
      const chunk = openSync(path.join(parent, name), "w", 0o600);
      write(chunk, bytes);
      closeSync(chunk);
      return true;
    },
    progress: tell,
  });
  fsyncSync(database);
  closeSync(database);
  if (!read.ok) return read;
  const { contents, keys } = read.value;
  const copy = openReader(path.join(folder, DATABASE), keys.databaseKey);
  try {
    if (!isSound(copy)) return err({ type: "BackupDamaged" });
  } finally {
    copy.close();
  }
  return ok({ contents, secret: keys.secret, databaseKey: keys.databaseKey });
};

/** Reads a backup into `folder`, which is made anew; the folder is gone again when the answer is an error. */
export const extractBackup = async (
  crypto: CryptoProvider,
  file: string,
  key: BackupKey,
  folder: string,
  tell: Tell,
): Promise<Result<ExtractedBackup, BackupError>> => {
  let extracted: Result<ExtractedBackup, BackupError> | undefined;
  try {
    extracted = await unpack(crypto, file, key, folder, true, tell);
    return extracted;
  } finally {
    if (extracted?.ok !== true) rmSync(folder, { recursive: true, force: true });
  }
};

/** The restore drill: everything is opened and looked at as for a restore, and nothing stays. */
export const verifyBackup = async (
  crypto: CryptoProvider,
  file: string,
  key: BackupKey,
  scratch: string,
  tell: Tell,
): Promise<Result<BackupContents, BackupError>> => {
  try {
    const unpacked = await unpack(crypto, file, key, scratch, false, tell);
    return unpacked.ok ? ok(unpacked.value.contents) : unpacked;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
};
