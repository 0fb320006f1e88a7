import type { ChainVerdict, SessionState } from "../../protocol/entry/chain.ts";
import { checkLink, checkSpanChanges, expectedGen } from "../../protocol/entry/chain.ts";
import type { CheckedItem } from "../../protocol/entry/item.ts";
import { checkTopicSignature, ITEM_KINDS, openItem, readItem } from "../../protocol/entry/item.ts";
import type { Part } from "../../protocol/entry/payload.ts";
import { checkSpans, readParts } from "../../protocol/entry/payload.ts";
import type { DocSpan, RecordHeader, SignedRecord } from "../../protocol/entry/record.ts";
import { readRecord, readRecordHeader } from "../../protocol/entry/record.ts";
import { readRetirement } from "../../protocol/entry/retirement.ts";
import { decodeCbor, encodeCbor } from "../../protocol/codec/cbor.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import { bytesEqual, bytesToHex, compareBytes } from "../../protocol/kernel/bytes.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import type { EntryState, InnerRow, SessionRow, Store } from "../ports/store.ts";
import { ENTRY_STATE } from "../ports/store.ts";
import type { ChangeBatch, ChangeRun } from "./change-batch.ts";
import { changesOf, cutRun, hashAt, hashesOf, inspectBatch, sliceRun } from "./change-batch.ts";
import type { ChangeInspector } from "./change-inspector.ts";
import type { Repository } from "./repository.ts";

/** What opening an item gave: a record to integrate, or the state it is stored in. */
export type Opened =
  | {
      readonly type: "record";
      readonly record: SignedRecord;
      /** The parts that are not changes. */
      readonly parts: readonly Exclude<Part, { readonly type: "changes" }>[];
      /** The change parts, inspected, in the order of the header's spans. */
      readonly batches: readonly ChangeBatch[];
    }
  /** A checkpoint or a bundle, verified like a record; what is in it comes later. */
  | { readonly type: "compacted" }
  /** Names items that proxies may delete. */
  | { readonly type: "retirement" }
  | { readonly type: "refused"; readonly state: EntryState };

/** Decrypts and verifies an item of a topic with `readKey`, in the order of data.md section 4.2, and inspects its changes. */
export const openEntry = (
  { crypto, inspect }: { readonly crypto: CryptoProvider; readonly inspect: ChangeInspector },
  rid: Uint8Array,
  readKey: Uint8Array,
  item: CheckedItem,
): Opened => {
  const malformed: Opened = { type: "refused", state: ENTRY_STATE.malformed };
  if (item.kind === ITEM_KINDS.retire) return readRetirement(item.body).ok ? { type: "retirement" } : malformed;
  const plaintext = openItem(crypto, item, readKey);
  if (!plaintext.ok)
    return plaintext.error.type === "WrongKey" ? { type: "refused", state: ENTRY_STATE.noKey } : malformed;
  const record = readRecord(crypto, plaintext.value, { rid, gen: item.gen });
  if (!record.ok) return malformed;
  if (item.kind !== ITEM_KINDS.entry) return { type: "compacted" };
  const parts = readParts(record.value.payload);
  const { header } = record.value;
  if (!parts.ok || !checkSpans(header, parts.value).ok) return malformed;
  const batches: ChangeBatch[] = [];
  const others: Exclude<Part, { readonly type: "changes" }>[] = [];
  for (const part of parts.value) {
    if (part.type !== "changes") {
      others.push(part);
      continue;
    }
    const described = header.parts[batches.length];
    const batch = inspectBatch(inspect, part.changes);
    if (!batch.ok || described === undefined) return malformed;
    const facts = { ...batch.value, lastHash: hashAt(batch.value.facts, batch.value.count - 1) };
    if (!checkSpanChanges(header.sess, described, facts).ok) return malformed;
    batches.push(batch.value);
  }
  return { type: "record", record: record.value, parts: others, batches };
};

const STORED_KINDS: ReadonlySet<number> = new Set([
  ITEM_KINDS.entry,
  ITEM_KINDS.bundle,
  ITEM_KINDS.checkpoint,
  ITEM_KINDS.retire,
]);

/** One wire of a topic: what is to be stored and integrated, or nothing when it does not belong there. */
export interface OpenedWire {
  /** Zero when the wire is no item. */
  readonly oid: Uint8Array;
  readonly candidate: { readonly item: CheckedItem; readonly opened: Opened } | undefined;
}

/** Everything about a wire that needs no store: shape, topic, signatures, decryption, its changes. */
export const openWire = (
  deps: { readonly crypto: CryptoProvider; readonly inspect: ChangeInspector },
  topic: { readonly pk: Uint8Array; readonly readKey: Uint8Array; readonly rid: Uint8Array },
  wire: Uint8Array,
): OpenedWire => {
  const item = readItem(deps.crypto, wire);
  if (!item.ok) return { oid: new Uint8Array(32), candidate: undefined };
  const { oid, topicPk, kind } = item.value;
  if (!bytesEqual(topicPk, topic.pk) || !STORED_KINDS.has(kind)) return { oid, candidate: undefined };
  const checked = checkTopicSignature(deps.crypto, item.value);
  if (!checked.ok) return { oid, candidate: undefined };
  return { oid, candidate: { item: checked.value, opened: openEntry(deps, topic.rid, topic.readKey, checked.value) } };
};

/** New changes by document row, in an order in which dependencies come first. */
export type DocumentChanges = readonly (readonly [document: number, changes: readonly Uint8Array[]])[];

export interface Integrated {
  readonly state: EntryState;
  /** What became part of documents: the record's changes, and those of records it vouches for. */
  readonly changes: DocumentChanges;
  readonly accessChanged: boolean;
  /** The record was linked into its session now; whether it counts is in `state`. */
  readonly linked: boolean;
  /** The record contradicts another of its session, which has this iid. */
  readonly contradicts: Uint8Array | undefined;
  /** Everything has to be judged again before it is known whether this record counts. */
  readonly undecided: boolean;
}

/** ACL heads as a session's row keeps them. */
export const decodeAclHeads = (encoded: Uint8Array): readonly Uint8Array[] => {
  const value = decodeCbor(encoded);
  return value.ok && Array.isArray(value.value) ? (value.value as Uint8Array[]) : [];
};

/** Last change number of the session in each document of `record`, from the headers back from `prev`. */
const lastNumbers = (store: Store, record: SignedRecord, prev: InnerRow): Map<string, number> => {
  const open = new Set(record.header.parts.map(({ doc }) => bytesToHex(doc)));
  const last = new Map<string, number>();
  for (let row: InnerRow | undefined = prev; row !== undefined && open.size > 0;) {
    const read = readRecordHeader(row.header);
    if (!read.ok) break;
    for (const { doc, aseqFrom, n } of read.value.header.parts) {
      const key = bytesToHex(doc);
      if (open.delete(key)) last.set(key, aseqFrom + n - 1);
    }
    row = read.value.header.seq === 0 ? undefined : store.entries.inner(read.value.header.prev);
  }
  return last;
};

/** The link a record claims to follow, in a session with two branches or with records whose changes were taken out. */
const stateBehind = (
  store: Store,
  repository: Repository,
  record: SignedRecord,
): SessionState | "unknown" | undefined => {
  const { header } = record;
  if (header.seq === 0) return undefined;
  const prev = store.entries.inner(header.prev);
  if (prev === undefined || prev.seq !== header.seq - 1 || !bytesEqual(prev.session, header.sess)) return "unknown";
  const read = readRecordHeader(prev.header);
  if (!read.ok) return "unknown";
  const { acl } = read.value.header;
  return { devSig: prev.device, seq: prev.seq, iid: prev.iid, acl, lastAseq: lastNumbers(store, record, prev) };
};

/** Last accepted link of a session, with the change numbers of the documents `record` touches. */
const sessionState = (
  store: Store,
  repository: Repository,
  row: SessionRow | undefined,
  record: SignedRecord,
): SessionState | "unknown" | undefined => {
  if (row === undefined || row.lastSeq < 0) return undefined;
  if (
    row.state === FROZEN ||
    (bytesEqual(record.header.prev, row.lastIid) && store.entries.hasDoubts(repository.n, row.session))
  )
    return stateBehind(store, repository, record);
  const lastAseq = new Map<string, number>();
  for (const span of record.header.parts) {
    const document = store.documents.byId(repository.n, span.doc);
    if (document !== undefined)
      lastAseq.set(bytesToHex(span.doc), store.documents.lastSealedSeq(document.n, record.header.sess));
  }
  return { devSig: row.device, seq: row.lastSeq, iid: row.lastIid, acl: decodeAclHeads(row.acl), lastAseq };
};

/** Document heads after adding the fresh changes of a batch whose dependencies are known. */
const advanceDocumentHeads = (
  heads: readonly Uint8Array[],
  batch: ChangeBatch,
  isFresh: (hash: Uint8Array) => boolean,
): readonly Uint8Array[] => {
  const next = new Map(heads.map((hash) => [bytesToHex(hash), hash]));
  const tips = new Set(batch.tips.map(bytesToHex));
  for (const { hashes } of batch.outside) for (const hash of hashes) next.delete(bytesToHex(hash));
  if (next.size > 0)
    for (const hash of hashesOf(batch)) {
      const key = bytesToHex(hash);
      if (!tips.has(key)) next.delete(key);
    }
  for (const tip of batch.tips) if (isFresh(tip)) next.set(bytesToHex(tip), tip);
  return [...next.values()].toSorted(compareBytes);
};

/** Why changes may not enter a document. */
export type ChangeRefusal = "missingDependency" | "wrongStartOp";

/** A run of drafts stays well below what one entry holds. */
const MAX_DRAFT_RUN = 65_536;

/**
 * Checks a batch against what the document holds (known dependencies, exact startOp) and stores what is new of it, as
 * drafts or as part of an entry. Answers the new changes; nothing is stored when it is refused.
 */
export const storeChanges = (
  store: Store,
  document: number,
  batch: ChangeBatch,
  origin: "draft" | "entry",
  now: number,
): Result<readonly Uint8Array[], ChangeRefusal> => {
  const { documents } = store;
  const maxOpOf = documents.maxOps(document);
  for (const { startOp, atLeast, hashes } of batch.outside) {
    let expected = atLeast;
    for (const hash of hashes) {
      const maxOp = maxOpOf(hash);
      if (maxOp === undefined) return err("missingDependency");
      if (maxOp >= expected) expected = maxOp + 1;
    }
    if (startOp !== expected) return err("wrongStartOp");
  }
  const known = new Set<string>();
  const lastSeq = batch.firstSeq + batch.count - 1;
  for (const run of documents.runsFrom(document, batch.actor, batch.firstSeq)) {
    const from = Math.max(run.firstSeq, batch.firstSeq);
    const to = Math.min(run.firstSeq + run.count - 1, lastSeq);
    let sealed = run.count - run.drafts;
    for (let seq = from; seq <= to; seq++) {
      const hash = hashAt(run.facts, seq - run.firstSeq);
      if (!bytesEqual(hash, hashAt(batch.facts, seq - batch.firstSeq))) continue;
      known.add(bytesToHex(hash));
      sealed = Math.max(sealed, seq - run.firstSeq + 1);
    }
    if (origin === "entry" && sealed > run.count - run.drafts) documents.setDrafts(run.n, run.count - sealed);
  }
  const fresh: Uint8Array[] = [];
  const add = (run: ChangeRun): void => {
    for (const hash of changesOf(run)) fresh.push(hash);
    if (origin === "entry") documents.addChanges(document, { ...run, drafts: 0 });
    else for (const part of cutRun(run, MAX_DRAFT_RUN)) documents.addChanges(document, { ...part, drafts: part.count });
  };
  if (known.size === 0) add(batch);
  else {
    const isKnown = hashesOf(batch).map((hash) => known.has(bytesToHex(hash)));
    for (let from = 0; from < batch.count;) {
      let to = from + 1;
      while (to < batch.count && isKnown[to] === isKnown[from]) to++;
      if (isKnown[from] === false) add(sliceRun(batch, from, to));
      from = to;
    }
  }
  if (fresh.length > 0) {
    const heads = documents.heads(document);
    documents.setHeads(
      document,
      advanceDocumentHeads(heads, batch, (hash) => !known.has(bytesToHex(hash))),
      now,
    );
  }
  return ok(fresh);
};

/** Takes the ACL ops of a record. They are signed by themselves and need neither the record's parents nor its right to write. */
export const takeOps = (
  store: Store,
  repository: Repository,
  parts: readonly Part[],
): "invalid" | "added" | "known" => {
  let outcome: "added" | "known" = "known";
  for (const part of parts) {
    if (part.type !== "aclOp") continue;
    const added = repository.access.add({ header: part.header, signature: part.sig });
    if (added.type === "invalid") return "invalid";
    if (added.type === "known") continue;
    store.repositories.addAclOp(repository.n, added.id, added.gen, { header: part.header, signature: part.sig });
    outcome = "added";
  }
  return outcome;
};

/**
 * Puts an opened record into the repository: ACL ops, parents, session chain, access control, changes. What is not allowed
 * is linked all the same, as void: others may still vouch for it. Must run inside a transaction; the caller stores the
 * returned state with the entry.
 */
export const integrateRecord = (
  deps: {
    readonly store: Store;
    /** Makes the void past of a record that counts count as well. */
    readonly adoptPast: (header: RecordHeader) => DocumentChanges;
  },
  repository: Repository,
  { record, parts, batches }: Extract<Opened, { type: "record" }>,
  now: number,
): Integrated => {
  const { store } = deps;
  const { access } = repository;
  const { header, iid } = record;
  const ops = takeOps(store, repository, parts);
  const answer = (state: EntryState, more: Partial<Integrated> = {}): Integrated => ({
    state,
    changes: [],
    accessChanged: ops === "added",
    linked: false,
    contradicts: undefined,
    undecided: false,
    ...more,
  });
  if (ops === "invalid") return answer(ENTRY_STATE.malformed);
  if (store.entries.inner(iid) !== undefined)
    return answer(store.entries.doubt(iid) === "void" ? ENTRY_STATE.void : ENTRY_STATE.valid);

  const gen = expectedGen(header, (parent) => store.entries.inner(parent)?.gen);
  if (gen === undefined) return answer(ENTRY_STATE.pending);
  if (gen !== header.gen) return answer(ENTRY_STATE.malformed);
  if (!access.knows(header.acl)) return answer(ENTRY_STATE.pending);

  const session = store.repositories.session(repository.n, header.sess);
  let previous = sessionState(store, repository, session, record);
  const check = (state: SessionState | undefined): ChainVerdict =>
    checkLink(state, record, (later, earlier) => access.covers(later, earlier));
  if (previous === "unknown") return answer(ENTRY_STATE.pending);
  let verdict = check(previous);
  let contradicts: Uint8Array | undefined;
  if (verdict.type === "fork") {
    contradicts = store.entries.innerAt(repository.n, header.sess, verdict.seq)?.iid;
    if (contradicts !== undefined)
      store.repositories.addEquivocation(repository.n, header.sess, verdict.seq, contradicts, iid, now);
    previous = stateBehind(store, repository, record);
    if (previous === "unknown") return answer(ENTRY_STATE.pending);
    verdict = check(previous);
  }
  if (verdict.type === "gap") return answer(ENTRY_STATE.pending);
  if (verdict.type !== "extends") return answer(ENTRY_STATE.malformed);

  const past = header.seq === 0 ? header.parents : [header.prev, ...header.parents];
  const allowed = contradicts === undefined && access.right(header).type === "allowed";
  const undecided =
    contradicts !== undefined ||
    (allowed &&
      store.repositories.hasEquivocation(repository.n) &&
      past.some((parent) => store.entries.doubt(parent) === "void"));
  const counts = allowed && !undecided;
  const stored: (readonly [number, readonly Uint8Array[]])[] = [];
  if (counts) {
    const refusal = store.savepoint((): EntryState | undefined => {
      stored.push(...deps.adoptPast(header));
      for (const [index, batch] of batches.entries()) {
        const document = store.documents.add(repository.n, (header.parts[index] as DocSpan).doc, now);
        const fresh = storeChanges(store, document, batch, "entry", now);
        if (!fresh.ok) return fresh.error === "missingDependency" ? ENTRY_STATE.pending : ENTRY_STATE.malformed;
        if (fresh.value.length > 0) stored.push([document, fresh.value]);
      }
      return undefined;
    });
    if (refusal !== undefined) return answer(refusal);
  } else store.entries.setDoubt(repository.n, header.sess, iid, "void");

  store.entries.addInner(repository.n, {
    iid,
    device: header.devSig,
    session: header.sess,
    seq: header.seq,
    gen: header.gen,
    header: record.headerBytes,
  });
  if (counts) store.repositories.advanceHeads(repository.n, { iid, gen: header.gen }, past);
  const continues = session === undefined || header.seq > session.lastSeq;
  store.repositories.putSession(repository.n, {
    session: header.sess,
    device: header.devSig,
    lastSeq: continues ? header.seq : session.lastSeq,
    lastIid: continues ? iid : session.lastIid,
    own: session?.own ?? false,
    state: contradicts === undefined ? (session?.state ?? 0) : FROZEN,
    startedAt: session?.startedAt ?? now,
    acl: continues ? encodeCbor(header.acl) : session.acl,
  });
  return answer(counts ? ENTRY_STATE.valid : ENTRY_STATE.void, {
    changes: counts ? stored : [],
    linked: true,
    contradicts,
    undecided,
  });
};

/** State of a session of which two branches are known. */
export const FROZEN = 2;
