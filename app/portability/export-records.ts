import type { FolderError, FolderWriter } from "../ports/folder.ts";
import type { InnerRow, Store } from "../ports/store.ts";
import { memberNames } from "../repositories/document-indexer.ts";
import type { BundleReader } from "../repositories/bundle-reader.ts";
import { createBundleReader } from "../repositories/bundle-reader.ts";
import { documentId } from "../repositories/document-service.ts";
import type { Repository } from "../repositories/repository.ts";
import type { FormatDependencies } from "../../protocol/automerge-format/change.ts";
import { encodeCbor } from "../../protocol/codec/cbor.ts";
import { encodeUtf8 } from "../../protocol/codec/utf8.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import type { CheckedItem } from "../../protocol/entry/item.ts";
import { openItem, readItem } from "../../protocol/entry/item.ts";
import { readRecordHeader } from "../../protocol/entry/record.ts";
import { bytesToHex, concatBytes } from "../../protocol/kernel/bytes.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { ok } from "../../protocol/kernel/result.ts";

/*
 * The signed log of a notebook as files: `entries.cborseq`, the records as their authors signed them (a CBOR sequence, RFC 8742),
 * `history.ndjson`, what each says of itself, and `acl.ndjson`, the acts of the members. Of records that came in a checkpoint's bundle
 * only the last of each session has a signature; the others stand here with an empty one, and the hash in each one's successor vouches for them.
 */

export const ENTRIES = "entries.cborseq";
export const HISTORY = "history.ndjson";
const ACL = "acl.ndjson";
/** Records taken between two writes: some milliseconds of decryption. */
const BATCH = 64;

interface Log {
  readonly store: Store;
  readonly crypto: CryptoProvider;
  readonly inflateRaw: FormatDependencies["inflateRaw"];
}

const lines = (values: readonly unknown[]): Uint8Array =>
  encodeUtf8(values.map((value) => `${JSON.stringify(value)}\n`).join(""));

/** The record as it was signed, out of the item or the bundle that carries it. */
const recordBytes = (
  { store, crypto }: Log,
  readBundle: BundleReader,
  repository: Repository,
  row: InnerRow,
): Uint8Array | undefined => {
  const carried = store.entries.wireOf(row.iid);
  if (carried === undefined) {
    const record = readBundle(repository, row)?.record;
    return record && encodeCbor([record.headerBytes, record.isig, record.payload]);
  }
  const topic = store.topics.all().find(({ n }) => n === carried.topic);
  const item = readItem(crypto, carried.wire);
  if (topic === undefined || !item.ok) return undefined;
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
  const readBundle = createBundleReader(log);
  const rows = log.store.entries.inners(repository.n);
  let records = 0;
  for (let from = 0; from < rows.length; from += BATCH) {
    const batch = rows.slice(from, from + BATCH);
    const taken = batch.map((row) => recordBytes(log, readBundle, repository, row));
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
