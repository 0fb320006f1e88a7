import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import type { BackupContents, BackupError, BackupProgress, BackupRequest } from "../../../app/ports/backups.ts";
import type { CryptoProvider } from "../../../protocol/crypto/provider.ts";
import { hexToBytes } from "../../../protocol/kernel/bytes.ts";
import type { Result } from "../../../protocol/kernel/result.ts";
import { err, ok } from "../../../protocol/kernel/result.ts";
import { isSound, openReader, snapshotInto } from "../sqlite/database.ts";
import { writeHead, writeKeys } from "./backup-content.ts";
import { createHeader } from "./backup-header.ts";
import { readBackup } from "./read-backup.ts";
import type { SealedWriter } from "./sealed-file.ts";
import { createSealedWriter } from "./sealed-file.ts";

export interface DataFolder {
  readonly database: string;
  readonly blobs: string;
  /** Where the copy of the database lies while it is written into the backup. */
  readonly snapshot: string;
}

const PIECE_BYTES = 1_048_576;
const CHUNK_NAME = /^[0-9a-f]{64}$/;
const FAN_OUT_NAME = /^[0-9a-f]{2}$/;
const REPOSITORY_NAME = /^[1-9]\d{0,14}$/;

interface ChunkFile {
  readonly repository: number;
  readonly id: Uint8Array;
  readonly file: string;
  readonly size: number;
}

const matching = (folder: string, name: RegExp): readonly string[] =>
  existsSync(folder)
    ? readdirSync(folder)
        .filter((entry) => name.test(entry))
        .toSorted()
    : [];

/** One folder of chunks at a time: there may be many. */
const chunkFiles = function* (folder: string): Iterable<ChunkFile> {
  for (const repository of matching(folder, REPOSITORY_NAME))
    for (const fanOut of matching(path.join(folder, repository), FAN_OUT_NAME))
      for (const name of matching(path.join(folder, repository, fanOut), CHUNK_NAME)) {
        const file = path.join(folder, repository, fanOut, name);
        const size = statSync(file, { throwIfNoEntry: false })?.size;
        const id = hexToBytes(name);
        if (size !== undefined && id !== undefined) yield { repository: Number(repository), id, file, size };
      }
};

/** Copies `size` bytes of a file; false when it became shorter. */
const copyFile = (file: string, size: number, write: (bytes: Buffer) => void): boolean => {
  const descriptor = openSync(file, "r");
  try {
    const piece = Buffer.alloc(Math.min(PIECE_BYTES, size));
    for (let left = size; left > 0;) {
      const read = readSync(descriptor, piece, 0, Math.min(piece.length, left), null);
      if (read === 0) return false;
      write(piece.subarray(0, read));
      left -= read;
    }
    return true;
  } finally {
    closeSync(descriptor);
  }
};

const countRows = (snapshot: string, key: Uint8Array) => {
  const database = openReader(snapshot, key);
  try {
    if (!isSound(database)) return undefined;
    const count = (sql: string): number => database.prepare(sql).pluck().get() as number;
    return {
      notebooks: count("SELECT count(*) FROM repository WHERE rid IS NOT (SELECT value FROM meta WHERE key = 'home')"),
      documents: count("SELECT count(*) FROM document WHERE type = 'note' AND deleted = 0"),
    };
  } finally {
    database.close();
  }
};

const counting = (writer: SealedWriter, tell: (bytes: number) => void): SealedWriter => ({
  write: (bytes) => {
    writer.write(bytes);
    tell(bytes.length);
  },
  finish: writer.finish,
});

/** A chunk fits memory. `undefined`: it was collected meanwhile, or became damaged; after a restore it is fetched again. */
const readChunk = ({ file, id }: ChunkFile): Buffer | undefined => {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch {
    return undefined;
  }
  return createHash("sha256").update(bytes).digest().equals(id) ? bytes : undefined;
};

const syncFolder = (folder: string): void => {
  // Windows cannot open folders and does not need to.
  if (process.platform === "win32") return;
  const descriptor = openSync(folder, "r");
  fsyncSync(descriptor);
  closeSync(descriptor);
};

/** Name of the file while it is written. */
export const partialName = (file: string): string => path.join(path.dirname(file), `.${path.basename(file)}.partial`);

/** Copies the database, writes everything into a new file, reads it back, compares, and gives the file its name. */
export const writeBackup = async (
  crypto: CryptoProvider,
  folder: DataFolder,
  request: BackupRequest,
  tell: (progress: BackupProgress) => void,
): Promise<Result<BackupContents, BackupError>> => {
  const { file, databaseKey, secret, name, idRoot, createdAt } = request;
  const parent = statSync(path.dirname(file), { throwIfNoEntry: false });
  if (parent?.isDirectory() !== true) return err({ type: "FolderNotFound" });
  const partial = partialName(file);
  rmSync(folder.snapshot, { force: true });
  try {
    tell({ phase: "database", done: 0, total: statSync(folder.database).size });
    snapshotInto(folder.database, databaseKey, folder.snapshot);
    const counts = countRows(folder.snapshot, databaseKey);
    if (counts === undefined) return err({ type: "CorruptDatabase" });
    const size = statSync(folder.snapshot).size;
    let total = size;
    for (const chunk of chunkFiles(folder.blobs)) total += chunk.size;

    const header = await createHeader(crypto, request.recipient, request.passphrase);
    const descriptor = openSync(partial, "wx", 0o600);
    let chunks = 0;
    try {
      let done = 0;
      for (let at = 0; at < header.bytes.length;) at += writeSync(descriptor, header.bytes, at);
      const writer = counting(createSealedWriter(descriptor, header), (bytes) => {
        done += bytes;
        tell({ phase: "write", done: Math.min(done, total), total });
      });
      writeHead(writer, { type: "about", createdAt, name, idRoot, ...counts });
      writeKeys(writer, databaseKey, secret);
      writeHead(writer, { type: "database", size });
      if (!copyFile(folder.snapshot, size, writer.write)) return err({ type: "CorruptDatabase" });
      rmSync(folder.snapshot, { force: true });
      for (const chunk of chunkFiles(folder.blobs)) {
        const bytes = readChunk(chunk);
        if (bytes === undefined) continue;
        chunks++;
        writeHead(writer, { type: "chunk", repository: chunk.repository, id: chunk.id, size: bytes.length });
        writer.write(bytes);
      }
      writeHead(writer, { type: "end", chunks });
      writer.finish();
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    // Every segment is authenticated: what opens is what was sealed.
    const readBack = await readBackup(partial, async () => ok(header), {
      database: () => undefined,
      chunk: () => undefined,
      begin: () => undefined,
      complete: () => true,
      progress: (done, all) => tell({ phase: "verify", done, total: all }),
    });
    if (!readBack.ok) return readBack;
    renameSync(partial, file);
    syncFolder(path.dirname(file));
    return ok(readBack.value.contents);
  } finally {
    rmSync(folder.snapshot, { force: true });
    rmSync(partial, { force: true });
  }
};
