import type { FileReader } from "../ports/file.ts";
import type { FolderError, FolderWriter } from "../ports/folder.ts";
import type { InnerRow, Store } from "../ports/store.ts";
import { memberNames } from "../repositories/document-indexer.ts";
import { documentId } from "../repositories/document-service.ts";
import type { Repository } from "../repositories/repository.ts";
import { encodeUtf8 } from "../../protocol/codec/utf8.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import type { CheckedItem } from "../../protocol/entry/item.ts";
import { openItem, readItem } from "../../protocol/entry/item.ts";
import { readRecord, readRecordHeader } from "../../protocol/entry/record.ts";
import { bytesEqual, bytesToHex, concatBytes } from "../../protocol/kernel/bytes.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { ok } from "../../protocol/kernel/result.ts";

/*
 * The signed log of a notebook as files: `entries.cborseq`, the records as their authors signed them (a CBOR sequence, RFC 8742),
 * `history.ndjson`, what each says of itself, and `acl.ndjson`, the acts of the members. Records that came in a checkpoint's bundle have
 * one signature for a whole session and are in the history only.
 */

export const ENTRIES = "entries.cborseq";
const HISTORY = "history.ndjson";
const ACL = "acl.ndjson";
/** Records taken between two writes: some milliseconds of decryption. */
const BATCH = 64;

interface Log {
  readonly store: Store;
  readonly crypto: CryptoProvider;
}

const lines = (values: readonly unknown[]): Uint8Array =>
  encodeUtf8(values.map((value) => `${JSON.stringify(value)}\n`).join(""));

/** The record as it was signed, out of the item that carries it. */
const recordBytes = ({ store, crypto }: Log, { iid }: InnerRow): Uint8Array | undefined => {
  const carried = store.entries.wireOf(iid);
  const topic = carried && store.topics.all().find(({ n }) => n === carried.topic);
  const item = carried && readItem(crypto, carried.wire);
  if (topic === undefined || item === undefined || !item.ok) return undefined;
  // The topic signature was checked before the item was stored.
  const plain = openItem(crypto, item.value as CheckedItem, topic.readKey);
  return plain.ok ? plain.value : undefined;
};

const historyLine = (
  { store }: Log,
  repository: Repository,
  names: Readonly<Record<string, string>>,
  row: InnerRow,
  isSigned: boolean,
) => {
  const read = readRecordHeader(row.header);
  const header = read.ok ? read.value.header : undefined;
  const member = repository.access.identityOfDevice(row.device);
  const id = member === undefined ? null : bytesToHex(member);
  return {
    iid: bytesToHex(row.iid),
    member: id,
    name: id === null ? null : (names[id] ?? null),
    device: bytesToHex(row.device),
    session: bytesToHex(row.session),
    seq: row.seq,
    signed: isSigned,
    at: header === undefined ? null : header.ts * 1_000,
    state: store.entries.doubt(row.iid) ?? "valid",
    documents: (header?.parts ?? []).map(({ doc, aseqFrom, n, lastChangeHash }) => ({
      document: documentId(repository, doc),
      from: aseqFrom,
      changes: n,
      last: bytesToHex(lastChangeHash),
    })),
  };
};

const aclLines = (repository: Repository, names: Readonly<Record<string, string>>): readonly unknown[] => {
  const state = repository.access.state();
  return repository.access.ops().map((op) => ({
    id: bytesToHex(op.id),
    at: op.ts * 1_000,
    type: op.body.type,
    member: bytesToHex(op.idRoot),
    name: names[bytesToHex(op.idRoot)] ?? null,
    device: bytesToHex(op.devSig),
    effect: state.verdictOf(op.id) ?? "pending",
    header: bytesToHex(op.headerBytes),
    signature: bytesToHex(op.sig),
  }));
};

/** Writes the three files of a notebook; answers how many records there are. */
export const exportRecords = async (
  log: Log,
  repository: Repository,
  writer: FolderWriter,
): Promise<Result<number, FolderError>> => {
  const names = memberNames(log.store, repository);
  const written = await writer.write(ACL, lines(aclLines(repository, names)));
  if (!written.ok) return written;
  const entries = await writer.create(ENTRIES);
  if (!entries.ok) return entries;
  const history = await writer.create(HISTORY);
  if (!history.ok) {
    await entries.value.abandon();
    return history;
  }
  const fail = async <E>(error: E): Promise<E> => {
    await entries.value.abandon();
    await history.value.abandon();
    return error;
  };
  const rows = log.store.entries.inners(repository.n);
  let records = 0;
  for (let from = 0; from < rows.length; from += BATCH) {
    const batch = rows.slice(from, from + BATCH);
    const taken = batch.map((row) => recordBytes(log, row));
    const signed = taken.filter((bytes) => bytes !== undefined);
    records += signed.length;
    const wrote = await entries.value.write(concatBytes(...signed));
    if (!wrote.ok) return fail(asFolderFault(wrote));
    const told = batch.map((row, at) => historyLine(log, repository, names, row, taken[at] !== undefined));
    const noted = await history.value.write(lines(told));
    if (!noted.ok) return fail(asFolderFault(noted));
  }
  for (const file of [entries.value, history.value]) {
    const finished = await file.finish();
    if (!finished.ok) return asFolderFault(finished);
  }
  return ok(records);
};

const asFolderFault = ({
  error,
}: {
  readonly ok: false;
  readonly error: { readonly type: string; readonly reason?: string };
}): { readonly ok: false; readonly error: FolderError } => ({
  ok: false,
  error:
    error.type === "DiskFull" ? { type: "DiskFull" } : { type: "CannotWrite", reason: error.reason ?? "it is gone" },
});

/** Larger than any record. */
const WINDOW_BYTES = 8_388_608;

/** Length of the CBOR item of a record at `at`: an array of three byte strings. `undefined`: not one, or not all of it is here. */
const recordLength = (bytes: Uint8Array, at: number): number | undefined => {
  if (bytes[at] !== 0x83) return undefined;
  let end = at + 1;
  for (let part = 0; part < 3; part++) {
    const head = bytes[end];
    if (head === undefined || head >> 5 !== 2) return undefined;
    const info = head & 31;
    end++;
    if (info < 24) end += info;
    else if (info > 26) return undefined;
    else {
      let length = 0;
      for (let left = 1 << (info - 24); left > 0; left--) length = length * 256 + (bytes[end++] ?? 0);
      end += length;
    }
  }
  return end <= bytes.length ? end - at : undefined;
};

/**
 * Checks every record of `entries.cborseq`: the device's signature, the payload's hash, and that it follows what it says.
 * Answers their number, `undefined` when one does not hold.
 */
export const checkRecords = async (
  crypto: CryptoProvider,
  rid: Uint8Array,
  file: FileReader,
): Promise<number | undefined> => {
  const seqOf = new Map<string, number>();
  let records = 0;
  let rest: Uint8Array = new Uint8Array(0);
  for (let offset = 0; offset < file.bytes;) {
    const piece = await file.read(offset, Math.min(WINDOW_BYTES, file.bytes - offset));
    if (!piece.ok) return undefined;
    offset += piece.value.length;
    const bytes = concatBytes(rest, piece.value);
    let at = 0;
    for (let length = recordLength(bytes, 0); length !== undefined; length = recordLength(bytes, at)) {
      const encoded = bytes.slice(at, at + length);
      at += length;
      const gen = genOf(encoded);
      const record = gen === undefined ? undefined : readRecord(crypto, encoded, { rid, gen });
      if (record === undefined || !record.ok) return undefined;
      const { header, iid } = record.value;
      const session = bytesToHex(header.sess);
      // Two branches of a session are both kept; what a record follows may have been bundled, but never stands elsewhere.
      const before = seqOf.get(`${session} ${bytesToHex(header.prev)}`);
      if (header.seq > 0 && before !== undefined && before !== header.seq - 1) return undefined;
      if (header.seq === 0 && !bytesEqual(header.prev, ZERO)) return undefined;
      seqOf.set(`${session} ${bytesToHex(iid)}`, header.seq);
      records++;
    }
    rest = bytes.slice(at);
  }
  return rest.length === 0 ? records : undefined;
};

const ZERO = new Uint8Array(32);

/** The generation a record claims; its signature is over that claim. */
const genOf = (encoded: Uint8Array): number | undefined => {
  const start = 1;
  const info = (encoded[start] as number) & 31;
  const width = info < 24 ? 0 : 1 << (info - 24);
  let length = info < 24 ? info : 0;
  for (let i = 0; i < width; i++) length = length * 256 + (encoded[start + 1 + i] as number);
  const from = start + 1 + width;
  const read = readRecordHeader(encoded.slice(from, from + length));
  return read.ok ? read.value.header.gen : undefined;
};
