import { decodeShape, encodeCbor } from "../codec/cbor.ts";
import { DOMAINS } from "../codec/domains.ts";
import { array, bytes, bytesUpTo, literal, mapped, tuple, uint } from "../codec/shape.ts";
import type { CryptoProvider, SigningKey } from "../crypto/provider.ts";
import type { Brand } from "../kernel/brand.ts";
import { bytesEqual, concatBytes } from "../kernel/bytes.ts";
import { type DecodeError, err, ok, type Result } from "../kernel/result.ts";
import { MAX_GEN } from "./item.ts";

/** Changes of one document inside an entry: sequence numbers `aseqFrom` to `aseqFrom + n - 1` of the session's actor. */
export interface DocSpan {
  readonly doc: Uint8Array;
  readonly aseqFrom: number;
  readonly n: number;
  readonly lastChangeHash: Uint8Array;
}

/** The signed header of an inner record: who wrote it, where it stands in the session chain and in the entry DAG. */
export interface RecordHeader {
  readonly rid: Uint8Array;
  readonly devSig: Uint8Array;
  /** 16 random bytes; also the Automerge actor id of the session. */
  readonly sess: Uint8Array;
  readonly seq: number;
  /** iid of the session's previous entry, zero for the first. */
  readonly prev: Uint8Array;
  readonly parents: readonly Uint8Array[];
  readonly acl: readonly Uint8Array[];
  readonly gen: number;
  readonly parts: readonly DocSpan[];
  /** Seconds since 1970 by the author's clock; shown, never decided upon. */
  readonly ts: number;
}

/** An inner record as members see it; independent of the epoch it was encrypted under. */
export interface InnerRecord {
  readonly header: RecordHeader;
  readonly headerBytes: Uint8Array;
  readonly isig: Uint8Array;
  readonly payload: Uint8Array;
  /** SHA-256 over the header: the record's identity in the entry DAG. */
  readonly iid: Uint8Array;
  /** The encoded record, the plaintext of an item. */
  readonly bytes: Uint8Array;
}

/** A record whose device signature and payload hash hold. */
export type SignedRecord = Brand<InnerRecord, "SignedRecord">;

export type RecordError =
  | DecodeError
  | { readonly type: "ForeignRepository" }
  | { readonly type: "GenMismatch" }
  | { readonly type: "DeviceSignatureInvalid" }
  | { readonly type: "PayloadHashMismatch" };

/** Where a record claims to belong: the repository asked for and the `gen` of the item it came in. */
export interface RecordPlace {
  readonly rid: Uint8Array;
  readonly gen: number;
}

/** Repository id: 16 bytes derived from the header of its genesis ACL op. */
export const repositoryId = (crypto: CryptoProvider, genesisHeader: Uint8Array): Uint8Array =>
  crypto.hash("SHA256", DOMAINS.repo, genesisHeader).slice(0, 16);

/** The bytes a device signs. */
export const encodeRecordHeader = (header: RecordHeader, payloadHash: Uint8Array): Uint8Array =>
  encodeCbor([
    1,
    header.rid,
    header.devSig,
    header.sess,
    header.seq,
    header.prev,
    header.parents,
    header.acl,
    header.gen,
    header.parts.map((span) => [span.doc, span.aseqFrom, span.n, span.lastChangeHash]),
    header.ts,
    payloadHash,
  ]);

/** Signs a payload as the next record of a session. */
export const signRecord = (
  crypto: CryptoProvider,
  device: SigningKey,
  header: Omit<RecordHeader, "devSig">,
  payload: Uint8Array,
): SignedRecord => {
  const headerBytes = encodeRecordHeader({ ...header, devSig: device.publicKey }, crypto.hash("SHA256", payload));
  const isig = device.sign(concatBytes(DOMAINS.inner, headerBytes));
  const record: InnerRecord = {
    header: { ...header, devSig: device.publicKey },
    headerBytes,
    isig,
    payload,
    iid: recordId(crypto, headerBytes),
    bytes: encodeCbor([headerBytes, isig, payload]),
  };
  return record as SignedRecord;
};

/** Checks an opened record in the order of SPEC REC-3: shape, repository, gen, device signature, payload hash. */
export const readRecord = (
  crypto: CryptoProvider,
  bytesOfRecord: Uint8Array,
  place: RecordPlace,
): Result<SignedRecord, RecordError> => {
  const outer = decodeShape(recordShape, bytesOfRecord);
  if (!outer.ok) return outer;
  const [headerBytes, isig, payload] = outer.value;
  const read = readRecordHeader(headerBytes);
  if (!read.ok) return read;
  const { header, payloadHash } = read.value;
  if (!bytesEqual(header.rid, place.rid)) return err({ type: "ForeignRepository" });
  if (header.gen !== place.gen) return err({ type: "GenMismatch" });
  if (!verifyRecordHeader(crypto, header, headerBytes, isig)) return err({ type: "DeviceSignatureInvalid" });
  if (!bytesEqual(crypto.hash("SHA256", payload), payloadHash)) return err({ type: "PayloadHashMismatch" });
  const record: InnerRecord = {
    header,
    headerBytes,
    isig,
    payload,
    iid: recordId(crypto, headerBytes),
    bytes: bytesOfRecord,
  };
  return ok(record as SignedRecord);
};

/** Parses a record header on its own, as fork proofs and checkpoint attestations carry it. */
export const readRecordHeader = (
  headerBytes: Uint8Array,
): Result<{ readonly header: RecordHeader; readonly payloadHash: Uint8Array }, DecodeError> =>
  decodeShape(headerShape, headerBytes);

/** Whether `isig` is the signature of the header's own device. */
export const verifyRecordHeader = (
  crypto: CryptoProvider,
  header: RecordHeader,
  headerBytes: Uint8Array,
  isig: Uint8Array,
): boolean => crypto.verify(header.devSig, concatBytes(DOMAINS.inner, headerBytes), isig);

/** iid of a record header. */
export const recordId = (crypto: CryptoProvider, headerBytes: Uint8Array): Uint8Array =>
  crypto.hash("SHA256", DOMAINS.inner, headerBytes);

/** A header with 16 parents, 16 ACL heads and `MAX_SPANS` spans stays below this. */
const LARGEST_HEADER = 128 * 1024;
const LARGEST_PAYLOAD = 4 * 1024 * 1024;
const MAX_PARENTS = 16;
const MAX_ACL_HEADS = 16;
/** Documents one entry may touch: an import writes many small ones at once. */
export const MAX_SPANS = 1024;
/** Changes of one document in one entry; at the preflight's 131 072 operations an honest batch stays far below. */
export const MAX_CHANGES = 65_536;

const recordShape = tuple(bytesUpTo(LARGEST_HEADER), bytes(64), bytesUpTo(LARGEST_PAYLOAD));

const spanShape = mapped(
  tuple(bytes(16), uint(Number.MAX_SAFE_INTEGER - MAX_CHANGES), uint(MAX_CHANGES), bytes(32)),
  ([doc, aseqFrom, n, lastChangeHash]): DocSpan => ({ doc, aseqFrom, n, lastChangeHash }),
);

const headerShape = mapped(
  tuple(
    literal(1),
    bytes(16),
    bytes(32),
    bytes(16),
    uint(),
    bytes(32),
    array(bytes(32), MAX_PARENTS),
    array(bytes(32), MAX_ACL_HEADS),
    uint(MAX_GEN),
    array(spanShape, MAX_SPANS),
    uint(),
    bytes(32),
  ),
  ([, rid, devSig, sess, seq, prev, parents, acl, gen, parts, ts, payloadHash]) => ({
    header: { rid, devSig, sess, seq, prev, parents, acl, gen, parts, ts } satisfies RecordHeader,
    payloadHash,
  }),
);
