import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { BackupContents, BackupError } from "../../../app/ports/backups.ts";
import { bytesToHex } from "../../../protocol/kernel/bytes.ts";
import type { Result } from "../../../protocol/kernel/result.ts";
import { err, ok } from "../../../protocol/kernel/result.ts";
import type { About, Part } from "./backup-content.ts";
import { readPart } from "./backup-content.ts";
import type { SegmentKey } from "./backup-header.ts";
import { headerLength, PREFIX_BYTES } from "./backup-header.ts";
import { createSealedReader } from "./sealed-file.ts";

/** What is done with the parts of a backup as they come. */
export interface PartSink {
  readonly database: (piece: Buffer) => void;
  /** Of the chunk begun last. */
  readonly chunk: (piece: Buffer) => void;
  readonly begin: (part: Extract<Part, { readonly type: "chunk" }>) => void;
  /** The part begun last is complete; false refuses it. */
  readonly complete: () => boolean;
  readonly progress: (done: number, total: number) => void;
}

export interface ReadBackup {
  readonly contents: BackupContents;
  readonly keys: Extract<Part, { readonly type: "keys" }>;
}

const damaged = err({ type: "BackupDamaged" } as const);

/** Reads the header of an opened backup and asks for the key of its segments. */
const readHeader = (descriptor: number): Result<Buffer, BackupError> => {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  const length = headerLength(prefix.subarray(0, readSync(descriptor, prefix, 0, PREFIX_BYTES, 0)));
  if (!length.ok) return length;
  const header = Buffer.alloc(length.value);
  return readSync(descriptor, header, 0, header.length, 0) === header.length ? ok(header) : damaged;
};

/** Reads a whole backup; nothing of a part is to be relied on before the answer is ok. */
export const readBackup = async (
  file: string,
  open: (header: Uint8Array) => Promise<Result<SegmentKey, BackupError>>,
  sink: PartSink,
): Promise<Result<ReadBackup, BackupError>> => {
  const descriptor = openSync(file, "r");
  try {
    const header = readHeader(descriptor);
    if (!header.ok) return header;
    const key = await open(header.value);
    if (!key.ok) return key;
    const total = fstatSync(descriptor).size;
    const reader = createSealedReader(descriptor, header.value.length, total, key.value);
    let done = header.value.length;
    const counted = (piece: (bytes: Buffer) => void) => (bytes: Buffer) => {
      done += bytes.length;
      sink.progress(done, total);
      piece(bytes);
    };
    let about: About | undefined;
    let keys: ReadBackup["keys"] | undefined;
    let hasDatabase = false;
    let chunks = 0;
    for (;;) {
      const part = readPart(reader);
      if (part === undefined) return damaged;
      if (part.type === "about") about = part;
      else if (part.type === "keys") keys = part;
      else if (part.type === "database") {
        hasDatabase = true;
        if (!reader.take(part.size, counted(sink.database))) return damaged;
      } else if (part.type === "chunk") {
        chunks++;
        sink.begin(part);
        if (!reader.take(part.size, counted(sink.chunk)) || !sink.complete()) return damaged;
      } else if (part.chunks !== chunks || !reader.isAtEnd()) return damaged;
      else break;
    }
    if (about === undefined || keys === undefined || !hasDatabase) return damaged;
    const { createdAt, name, idRoot, notebooks, documents } = about;
    const contents = { createdAt, name, identity: bytesToHex(idRoot), notebooks, documents, chunks, bytes: total };
    return ok({ contents, keys });
  } finally {
    closeSync(descriptor);
  }
};
