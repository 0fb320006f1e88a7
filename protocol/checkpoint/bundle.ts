import type { FormatDependencies } from "../automerge-format/change.ts";
import { inspectChange } from "../automerge-format/inspect.ts";
import { createReader, readBytes, readSleb, readUleb, type Reader } from "../automerge-format/reader.ts";
import { createWriter, writeBytes, writeSleb, writeUleb, writtenBytes } from "../automerge-format/writer.ts";
import { decodeShape, encodeCbor } from "../codec/cbor.ts";
import { array, bytes, bytesUpTo, literal, mapped, tuple, uint } from "../codec/shape.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { checkSpans, encodeParts, type Part, readParts } from "../entry/payload.ts";
import {
  type DocSpan,
  encodeRecordHeader,
  MAX_CHANGES,
  MAX_SPANS,
  readRecordHeader,
  type RecordHeader,
  recordId,
  verifyRecordHeader,
} from "../entry/record.ts";
import { invariant } from "../kernel/assert.ts";
import { bytesEqual, bytesToHex, concatBytes } from "../kernel/bytes.ts";
import { type DecodeError, decodeError, err, ok, type Result } from "../kernel/result.ts";
import {
  type ChangeSink,
  createByteTable,
  createKnownChanges,
  type KnownChanges,
  type OutputBudget,
  packChange,
  unpackChange,
  type UnpackedChange,
} from "./packed-change.ts";

/** A linked record as it goes into a bundle. */
export interface BundledRecord {
  readonly header: RecordHeader;
  readonly headerBytes: Uint8Array;
  readonly payload: Uint8Array;
  /** Needed for the last record of each session; `undefined` where it is not known. */
  readonly isig: Uint8Array | undefined;
}

/** A record of a bundle that is as good as one that came in an entry: its session's signature covers it. */
export interface UnpackedRecord {
  readonly header: RecordHeader;
  readonly headerBytes: Uint8Array;
  readonly iid: Uint8Array;
  readonly payload: Uint8Array;
  /** Names a record that is not in the bundle. */
  readonly buildsOutside: boolean;
  /** The parts that are not changes. */
  readonly parts: readonly Exclude<Part, { readonly type: "changes" }>[];
  /** The changes of each span of the header. */
  readonly changes: readonly (readonly UnpackedChange[])[];
}

/** Records of a session in a bundle: numbers `from` to `to`, behind the record `prev`. */
export interface BundledSession {
  readonly sess: Uint8Array;
  readonly devSig: Uint8Array;
  readonly from: number;
  readonly to: number;
  readonly prev: Uint8Array;
  /** iid and signature of the last one. */
  readonly iid: Uint8Array;
  readonly isig: Uint8Array;
}

export interface Bundle {
  readonly sessions: readonly BundledSession[];
  /** In an order in which parents come first. */
  readonly records: readonly UnpackedRecord[];
}

export type BundleError = DecodeError | { readonly type: "SessionForged"; readonly sess: Uint8Array };

export interface BundleDependencies extends FormatDependencies {
  readonly crypto: CryptoProvider;
}
export interface DeflateDependencies extends FormatDependencies {
  readonly deflateRaw: (bytes: Uint8Array) => Uint8Array;
}

/** Records of a bundle; a notebook's history is cut into bundles far below. */
export const MAX_RECORDS = 65_536;
/** Bytes of a bundle after inflating. */
const MAX_INFLATED = 16 << 20;
/** Bytes that unpacking may produce: what a writer packs at once always fits the base, however well it compresses. */
const OUTPUT_BASE = 8 << 20;
const OUTPUT_PER_BYTE = 256;
const MAX_OUTPUT = 64 << 20;
const MAX_SESSIONS = 16_384;
const MAX_HEADS = 16;
const MAX_ACTOR = 64;
const LARGEST_PART = 256 * 1024;
const MAX_PARTS = MAX_SPANS + 64;
const HASH_BYTES = 32;

/** Forms of a record in the stream. */
const VERBATIM = 0;
const COMPACT = 1;
/** Compact with its generation written out, since something it builds on is outside the bundle. */
const COMPACT_WITH_GEN = 2;
const FORMS = 3;

interface PackedSession {
  readonly record: BundledRecord;
  last: BundledRecord;
  lastIndex: number;
  /** Last change number of the session per document place. */
  readonly numbers: Map<number, number>;
}

/**
 * Packs records, parents first, so that unpacking gives the same bytes: what follows from their order is left out. Records of
 * one session must follow each other without a gap, and the last of each must have its signature (SPEC CKP-2).
 */
export const encodeBundle = (
  { crypto, ...format }: DeflateDependencies & { readonly crypto: CryptoProvider },
  records: readonly BundledRecord[],
): Uint8Array => {
  const numbers = createWriter(1024);
  const verbatim = createWriter(1024);
  const changeNumbers = createWriter(1024);
  const columns = createWriter(1024);
  const documents = createByteTable();
  const acls: (readonly Uint8Array[])[] = [];
  const aclPlaces = new Map<string, number>();
  const actors = createByteTable();
  const outsideChanges = createByteTable();
  const outsideRecords = createByteTable();
  const sink: ChangeSink = { numbers: changeNumbers, columns, verbatim, actors, outside: outsideChanges };
  const known: KnownChanges[] = [];
  const indexes = new Map<string, number>();
  const gens: number[] = [];
  const sessions: PackedSession[] = [];
  const sessionPlaces = new Map<string, number>();
  let ts = 0;

  const aclPlace = (heads: readonly Uint8Array[]): number => {
    const key = heads.map(bytesToHex).join();
    const place = aclPlaces.get(key) ?? acls.push(heads) - 1;
    aclPlaces.set(key, place);
    return place;
  };

  for (const [index, record] of records.entries()) {
    const { header, headerBytes, payload } = record;
    const key = bytesToHex(header.sess);
    let place = sessionPlaces.get(key);
    if (place === undefined) {
      place = sessions.push({ record, last: record, lastIndex: -1, numbers: new Map() }) - 1;
      sessionPlaces.set(key, place);
    }
    const session = sessions[place] as PackedSession;
    const parts = readParts(payload);
    invariant(parts.ok, "linked records were read before");
    const before = session.lastIndex < 0 ? undefined : gens[session.lastIndex];
    const parents = header.parents.map((iid) => indexes.get(bytesToHex(iid)));
    const isInside = parents.every((one) => one !== undefined) && (before !== undefined || header.seq === 0);
    const implied =
      1 + Math.max(before ?? -1, ...parents.map((one) => (one === undefined ? -1 : (gens[one] as number))));
    const payloadHash = crypto.hash("SHA256", payload);
    const isCompact =
      bytesEqual(encodeParts(parts.value), payload) && bytesEqual(encodeRecordHeader(header, payloadHash), headerBytes);
    const form = isCompact ? (isInside && implied === header.gen ? COMPACT : COMPACT_WITH_GEN) : VERBATIM;
    writeUleb(numbers, place * FORMS + form);
    if (form === VERBATIM) {
      writeUleb(numbers, headerBytes.length);
      writeUleb(numbers, payload.length);
      writeBytes(verbatim, headerBytes);
      writeBytes(verbatim, payload);
    } else {
      if (form === COMPACT_WITH_GEN) writeUleb(numbers, header.gen);
      writeSleb(numbers, header.ts - ts);
      writeUleb(numbers, aclPlace(header.acl));
      writeUleb(numbers, header.parents.length);
      for (const [i, iid] of header.parents.entries()) {
        const at = parents[i];
        writeUleb(numbers, at === undefined ? 0 : index - at);
        if (at === undefined) writeUleb(numbers, outsideRecords.place(iid));
      }
      writeUleb(numbers, parts.value.length);
    }
    let span = 0;
    for (const part of parts.value) {
      if (part.type !== "changes") {
        if (form === VERBATIM) continue;
        const encoded = encodeParts([part]);
        writeUleb(numbers, encoded.length);
        writeBytes(verbatim, encoded);
        continue;
      }
      const document = documents.place(part.doc);
      const { aseqFrom } = header.parts[span++] as DocSpan;
      known[document] ??= createKnownChanges();
      if (form !== VERBATIM) {
        writeUleb(numbers, 0);
        writeUleb(numbers, document);
        writeUleb(numbers, part.changes.length);
        const last = session.numbers.get(document);
        writeUleb(numbers, last === undefined || last + 1 !== aseqFrom ? aseqFrom : 0);
      }
      for (const [i, change] of part.changes.entries()) {
        const at = { actor: header.sess, seq: aseqFrom + i, ts: header.ts };
        const isRead =
          form === VERBATIM
            ? noteVerbatim(known[document], change, format)
            : packChange(sink, known[document], at, change, format);
        invariant(isRead, "linked changes were inspected before");
      }
      session.numbers.set(document, aseqFrom + part.changes.length - 1);
    }
    ts = header.ts;
    indexes.set(bytesToHex(recordId(crypto, headerBytes)), index);
    gens.push(header.gen);
    session.last = record;
    session.lastIndex = index;
  }

  const body = encodeCbor([
    sessions.map(({ record: { header }, last }) => {
      invariant(last.isig !== undefined, "the last record of a session is signed");
      return [header.sess, header.devSig, header.seq, header.prev, last.isig];
    }),
    documents.values,
    acls,
    actors.values,
    concatBytes(...outsideRecords.values),
    concatBytes(...outsideChanges.values),
    records.length,
    ...[numbers, changeNumbers, columns, verbatim].map(writtenBytes),
  ]);
  return encodeCbor([1, body.length, format.deflateRaw(body)]);
};

const noteVerbatim = (known: KnownChanges, change: Uint8Array, format: FormatDependencies): boolean => {
  const facts = inspectChange(change, format);
  if (!facts.ok) return false;
  known.byHash.set(bytesToHex(facts.value.hash), known.hashes.length);
  known.hashes.push(facts.value.hash);
  known.maxOps.push(facts.value.maxOp);
  return true;
};

const stream = bytesUpTo(MAX_INFLATED);
const bundleShape = tuple(literal(1), uint(MAX_INFLATED), stream);
const bodyShape = mapped(
  tuple(
    array(tuple(bytes(16), bytes(32), uint(), bytes(32), bytes(64)), MAX_SESSIONS),
    array(bytes(16), MAX_RECORDS),
    array(array(bytes(32), MAX_HEADS), MAX_RECORDS),
    array(bytesUpTo(MAX_ACTOR, 1), MAX_RECORDS),
    stream,
    stream,
    uint(MAX_RECORDS),
    stream,
    stream,
    stream,
    stream,
  ),
  ([sessions, documents, acls, actors, outsideRecords, outsideChanges, count, ...streams]) => ({
    sessions,
    documents,
    acls,
    actors,
    outsideRecords: splitHashes(outsideRecords),
    outsideChanges: splitHashes(outsideChanges),
    count,
    streams: streams.map((one) => createReader(one)) as [Reader, Reader, Reader, Reader],
  }),
);

const splitHashes = (joined: Uint8Array): readonly Uint8Array[] =>
  Array.from({ length: Math.floor(joined.length / HASH_BYTES) }, (_, at) =>
    joined.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES),
  );

interface OpenSession {
  readonly sess: Uint8Array;
  readonly devSig: Uint8Array;
  readonly from: number;
  readonly prev: Uint8Array;
  readonly isig: Uint8Array;
  last: UnpackedRecord | undefined;
  readonly numbers: Map<number, number>;
}

/**
 * Rebuilds the records of a bundle byte for byte and proves them: each names the hash of its session's previous one, so the
 * device's signature of the last covers all (SPEC CKP-3). That a session's first record here follows what is known of it, that
 * parents and dependencies outside the bundle are known, and that the records were allowed, is left to the host.
 */
export const decodeBundle = (
  { crypto, ...format }: BundleDependencies,
  rid: Uint8Array,
  payload: Uint8Array,
): Result<Bundle, BundleError> => {
  const outer = decodeShape(bundleShape, payload);
  if (!outer.ok) return outer;
  const [, size, deflated] = outer.value;
  const inflated = format.inflateRaw(deflated, size);
  if (inflated === undefined || inflated.length !== size) return decodeError("deflate");
  const body = decodeShape(bodyShape, inflated);
  if (!body.ok) return body;
  const { documents, acls, actors, outsideRecords, outsideChanges, count } = body.value;
  const [numbers, changeNumbers, columns, verbatim] = body.value.streams;
  const changes = { numbers: changeNumbers, columns, verbatim, actors, outside: outsideChanges };
  const budget: OutputBudget = { left: Math.min(MAX_OUTPUT, OUTPUT_BASE + OUTPUT_PER_BYTE * payload.length) };
  const known = documents.map(createKnownChanges);
  const documentPlaces = new Map(documents.map((doc, place) => [bytesToHex(doc), place]));
  const sessions = body.value.sessions.map(([sess, devSig, from, prev, isig]): OpenSession => ({
    sess,
    devSig,
    from,
    prev,
    isig,
    last: undefined,
    numbers: new Map(),
  }));
  if (new Set(sessions.map(({ sess }) => bytesToHex(sess))).size < sessions.length) return decodeError("session twice");
  if (documentPlaces.size < documents.length) return decodeError("document twice");
  const records: UnpackedRecord[] = [];
  let ts = 0;
  let failure = "";
  const refuse = (rule: string): undefined => {
    failure = rule;
    return undefined;
  };

  const readSpanChanges = (
    document: number,
    actor: Uint8Array,
    aseqFrom: number,
    n: number,
    recordTs: number,
  ): readonly UnpackedChange[] | undefined => {
    const list: UnpackedChange[] = [];
    for (let i = 0; i < n; i++) {
      const at = { actor, seq: aseqFrom + i, ts: recordTs };
      const change = unpackChange(changes, known[document] as KnownChanges, at, budget, format);
      if (change === undefined) return refuse("change");
      list.push(change);
    }
    return list;
  };

  const readCompact = (
    session: OpenSession,
    form: number,
    seq: number,
    prev: Uint8Array,
  ): UnpackedRecord | undefined => {
    const gen = form === COMPACT_WITH_GEN ? readUleb(numbers) : undefined;
    const recordTs = ts + readSleb(numbers);
    const acl = acls[readUleb(numbers)];
    const parentCount = readUleb(numbers);
    if (acl === undefined || recordTs < 0 || parentCount > MAX_HEADS) return refuse("record");
    if (gen === undefined && session.last === undefined && seq > 0) return refuse("gen");
    const parents: Uint8Array[] = [];
    let implied = session.last === undefined ? -1 : session.last.header.gen;
    for (let i = 0; i < parentCount; i++) {
      const back = readUleb(numbers);
      const inside = back === 0 ? undefined : records[records.length - back];
      const parent = back === 0 ? outsideRecords[readUleb(numbers)] : inside?.iid;
      if (parent === undefined) return refuse("parent");
      if (inside !== undefined) implied = Math.max(implied, inside.header.gen);
      else if (gen === undefined) return refuse("gen");
      parents.push(parent);
    }
    const partCount = readUleb(numbers);
    if (numbers.failure !== undefined || partCount > MAX_PARTS) return refuse("parts");
    const parts: Part[] = [];
    const spans: DocSpan[] = [];
    const spanChanges: (readonly UnpackedChange[])[] = [];
    for (let i = 0; i < partCount; i++) {
      const length = readUleb(numbers);
      if (length > 0) {
        const part = readParts(readBytes(verbatim, Math.min(length, LARGEST_PART)));
        if (!part.ok || part.value.length !== 1) return refuse("part");
        parts.push(part.value[0] as Part);
        continue;
      }
      const document = readUleb(numbers);
      const n = readUleb(numbers);
      const given = readUleb(numbers);
      const doc = documents[document];
      if (numbers.failure !== undefined || doc === undefined || n === 0 || n > MAX_CHANGES) return refuse("span");
      const last = session.numbers.get(document);
      const aseqFrom = given > 0 ? given : last === undefined ? 0 : last + 1;
      if (aseqFrom === 0 || aseqFrom > Number.MAX_SAFE_INTEGER - MAX_CHANGES) return refuse("span");
      const list = readSpanChanges(document, session.sess, aseqFrom, n, recordTs);
      if (list === undefined) return undefined;
      session.numbers.set(document, aseqFrom + n - 1);
      spanChanges.push(list);
      spans.push({ doc, aseqFrom, n, lastChangeHash: (list.at(-1) as UnpackedChange).hash });
      parts.push({ type: "changes", doc, changes: list.map((change) => change.bytes) });
    }
    budget.left -= 512 + 32 * (acl.length + parents.length) + 64 * spans.length;
    if (budget.left < 0) return refuse("output");
    const header: RecordHeader = {
      rid,
      devSig: session.devSig,
      sess: session.sess,
      seq,
      prev,
      parents,
      acl,
      gen: gen ?? implied + 1,
      parts: spans,
      ts: recordTs,
    };
    const recordPayload = encodeParts(parts);
    budget.left -= recordPayload.length;
    const headerBytes = encodeRecordHeader(header, crypto.hash("SHA256", recordPayload));
    return finish(header, headerBytes, recordPayload, parts, spanChanges, form === COMPACT_WITH_GEN);
  };

  const readVerbatim = (session: OpenSession, seq: number, prev: Uint8Array): UnpackedRecord | undefined => {
    const headerBytes = readBytes(verbatim, readUleb(numbers));
    const recordPayload = readBytes(verbatim, readUleb(numbers));
    const read = readRecordHeader(headerBytes);
    const parts = readParts(recordPayload);
    if (!read.ok || !parts.ok || !checkSpans(read.value.header, parts.value).ok) return refuse("verbatim record");
    const { header, payloadHash } = read.value;
    const fits =
      bytesEqual(header.rid, rid) &&
      bytesEqual(header.sess, session.sess) &&
      bytesEqual(header.devSig, session.devSig) &&
      header.seq === seq &&
      bytesEqual(header.prev, prev) &&
      bytesEqual(crypto.hash("SHA256", recordPayload), payloadHash);
    if (!fits) return refuse("verbatim record");
    const spanChanges: (readonly UnpackedChange[])[] = [];
    for (const part of parts.value) {
      if (part.type !== "changes") continue;
      const span = header.parts[spanChanges.length] as DocSpan;
      const document = documentPlaces.get(bytesToHex(part.doc));
      if (document === undefined) return refuse("span");
      const list: UnpackedChange[] = [];
      for (const [i, change] of part.changes.entries()) {
        const facts = inspectChange(change, format);
        if (!facts.ok || facts.value.seq !== span.aseqFrom + i || !bytesEqual(facts.value.actor, session.sess))
          return refuse("change");
        const { hashes, maxOps } = known[document] as KnownChanges;
        hashes.push(facts.value.hash);
        maxOps.push(facts.value.maxOp);
        list.push({ ...facts.value, bytes: change });
      }
      if (!bytesEqual((list.at(-1) as UnpackedChange).hash, span.lastChangeHash)) return refuse("change");
      session.numbers.set(document, span.aseqFrom + span.n - 1);
      spanChanges.push(list);
    }
    return finish(header, headerBytes, recordPayload, parts.value, spanChanges, true);
  };

  const finish = (
    header: RecordHeader,
    headerBytes: Uint8Array,
    recordPayload: Uint8Array,
    parts: readonly Part[],
    spanChanges: readonly (readonly UnpackedChange[])[],
    buildsOutside: boolean,
  ): UnpackedRecord => ({
    header,
    headerBytes,
    iid: recordId(crypto, headerBytes),
    payload: recordPayload,
    buildsOutside,
    parts: parts.filter((part) => part.type !== "changes"),
    changes: spanChanges,
  });

  for (let index = 0; index < count; index++) {
    const code = readUleb(numbers);
    const form = code % FORMS;
    const session = sessions[Math.floor(code / FORMS)];
    if (numbers.failure !== undefined || session === undefined) return decodeError("record");
    const seq = session.last === undefined ? session.from : session.last.header.seq + 1;
    const prev = session.last === undefined ? session.prev : session.last.iid;
    const record = form === VERBATIM ? readVerbatim(session, seq, prev) : readCompact(session, form, seq, prev);
    if (record === undefined) return decodeError(failure);
    ({ ts } = record.header);
    records.push(record);
    session.last = record;
  }
  for (const one of body.value.streams)
    if (one.failure !== undefined || one.at !== one.end) return decodeError("trailing bytes");
  const closed: BundledSession[] = [];
  for (const { sess, devSig, from, prev, isig, last } of sessions) {
    if (last === undefined) return decodeError("session without records");
    if (!verifyRecordHeader(crypto, last.header, last.headerBytes, isig)) return err({ type: "SessionForged", sess });
    closed.push({ sess, devSig, from, to: last.header.seq, prev, iid: last.iid, isig });
  }
  return ok({ sessions: closed, records });
};
