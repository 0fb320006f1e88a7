import type { ChainVerdict, SessionState } from "../../protocol/entry/chain.ts";
import { checkLink, checkSpanChanges, expectedGen } from "../../protocol/entry/chain.ts";
import type { CheckedItem } from "../../protocol/entry/item.ts";
import { openItem } from "../../protocol/entry/item.ts";
import type { Part } from "../../protocol/entry/payload.ts";
import { checkSpans, readParts } from "../../protocol/entry/payload.ts";
import type { SignedRecord } from "../../protocol/entry/record.ts";
import { readRecord } from "../../protocol/entry/record.ts";
import { decodeCbor, encodeCbor } from "../../protocol/codec/cbor.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import { bytesEqual, bytesToHex, compareBytes } from "../../protocol/kernel/bytes.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import type { EntryState, Store } from "../ports/store.ts";
import { ENTRY_STATE } from "../ports/store.ts";
import type { ChangeBatch, ChangeRun } from "./change-batch.ts";
import { changesOf, cutRun, hashAt, hashesOf, inspectBatch, sliceRun } from "./change-batch.ts";
import type { ChangeInspector } from "./change-inspector.ts";
import type { Repository } from "./repository.ts";

/** What opening an item gave: a record to integrate, or the state it is stored in. */
export type Opened =
  | { readonly type: "record"; readonly record: SignedRecord; readonly parts: readonly Part[] }
  | { readonly type: "refused"; readonly state: EntryState };

/** Decrypts and verifies an item of the repository's epoch, in the order of data.md section 4.2. */
export const openEntry = (crypto: CryptoProvider, repository: Repository, item: CheckedItem): Opened => {
  const plaintext = openItem(crypto, item, repository.epoch.readKey);
  if (!plaintext.ok)
    return { type: "refused", state: plaintext.error.type === "WrongKey" ? ENTRY_STATE.noKey : ENTRY_STATE.malformed };
  const record = readRecord(crypto, plaintext.value, { rid: repository.rid, gen: item.gen });
  if (!record.ok) return { type: "refused", state: ENTRY_STATE.malformed };
  const parts = readParts(record.value.payload);
  if (!parts.ok || !checkSpans(record.value.header, parts.value).ok)
    return { type: "refused", state: ENTRY_STATE.malformed };
  return { type: "record", record: record.value, parts: parts.value };
};

export interface Integrated {
  readonly state: EntryState;
  /** New changes by document row; empty unless `state` is valid. */
  readonly changes: readonly (readonly [document: number, changes: readonly Uint8Array[]])[];
  readonly accessChanged: boolean;
}

const refused = (state: EntryState): Integrated => ({ state, changes: [], accessChanged: false });

const decodeAclHeads = (encoded: Uint8Array): readonly Uint8Array[] => {
  const value = decodeCbor(encoded);
  return value.ok && Array.isArray(value.value) ? (value.value as Uint8Array[]) : [];
};

/** Last accepted link of a session, with the change numbers of the documents `record` touches. */
const sessionState = (store: Store, repository: Repository, record: SignedRecord): SessionState | undefined => {
  const row = store.repositories.session(repository.n, record.header.sess);
  if (row === undefined || row.lastSeq < 0) return undefined;
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
    fresh.push(...changesOf(run));
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
    const heads = documents.byNumber(document)?.heads ?? [];
    documents.setHeads(
      document,
      advanceDocumentHeads(heads, batch, (hash) => !known.has(bytesToHex(hash))),
      now,
    );
  }
  return ok(fresh);
};

/**
 * Puts an opened record into the repository: session chain, access control, parents, changes. Must run inside a
 * transaction; the caller stores the returned state with the entry.
 */
export const integrateRecord = (
  deps: { readonly store: Store; readonly crypto: CryptoProvider; readonly inspect: ChangeInspector },
  repository: Repository,
  record: SignedRecord,
  parts: readonly Part[],
  now: number,
): Integrated => {
  const { store, inspect } = deps;
  const { header, iid } = record;
  if (store.entries.inner(iid) !== undefined) return refused(ENTRY_STATE.valid);

  const gen = expectedGen(header, (parent) => store.entries.inner(parent)?.gen);
  if (gen === undefined) return refused(ENTRY_STATE.pending);
  if (gen !== header.gen) return refused(ENTRY_STATE.malformed);

  let accessChanged = false;
  for (const part of parts) {
    if (part.type !== "aclOp") continue;
    const added = repository.access.add({ header: part.header, signature: part.sig });
    if (added.type === "invalid") return refused(ENTRY_STATE.malformed);
    if (added.type === "added") {
      store.repositories.addAclOp(repository.n, added.id, added.gen, { header: part.header, signature: part.sig });
      accessChanged = true;
    }
  }
  const answer = (state: EntryState): Integrated => ({ state, changes: [], accessChanged });

  if (!repository.access.knows(header.acl)) return answer(ENTRY_STATE.pending);
  const verdict: ChainVerdict = checkLink(sessionState(store, repository, record), record, (later, earlier) =>
    repository.access.covers(later, earlier),
  );
  if (verdict.type === "gap") return answer(ENTRY_STATE.pending);
  if (verdict.type === "broken") return answer(ENTRY_STATE.malformed);
  if (verdict.type === "fork") {
    const other = store.entries.innerAt(repository.n, header.sess, verdict.seq);
    if (other !== undefined)
      store.repositories.addEquivocation(repository.n, header.sess, verdict.seq, other.iid, iid, now);
    return answer(ENTRY_STATE.quarantined);
  }
  if (repository.access.right(header).type !== "allowed") return answer(ENTRY_STATE.void);

  const stored: (readonly [number, readonly Uint8Array[]])[] = [];
  const refusal = store.savepoint((): EntryState | undefined => {
    let span = 0;
    for (const part of parts) {
      if (part.type !== "changes") continue;
      const described = header.parts[span++];
      const batch = inspectBatch(inspect, part.changes);
      if (
        !batch.ok ||
        described === undefined ||
        !checkSpanChanges(header.sess, described, {
          ...batch.value,
          lastHash: hashAt(batch.value.facts, batch.value.count - 1),
        }).ok
      )
        return ENTRY_STATE.malformed;
      const document = store.documents.add(repository.n, part.doc, now);
      const fresh = storeChanges(store, document, batch.value, "entry", now);
      if (!fresh.ok) return fresh.error === "missingDependency" ? ENTRY_STATE.pending : ENTRY_STATE.malformed;
      if (fresh.value.length > 0) stored.push([document, fresh.value]);
    }
    return undefined;
  });
  if (refusal !== undefined) return answer(refusal);

  store.entries.addInner(repository.n, {
    iid,
    device: header.devSig,
    session: header.sess,
    seq: header.seq,
    gen: header.gen,
    header: record.headerBytes,
  });
  const parents = header.seq === 0 ? header.parents : [header.prev, ...header.parents];
  store.repositories.advanceHeads(repository.n, { iid, gen: header.gen }, parents);
  const known = store.repositories.session(repository.n, header.sess);
  store.repositories.putSession(repository.n, {
    session: header.sess,
    device: header.devSig,
    lastSeq: header.seq,
    lastIid: iid,
    own: known?.own ?? false,
    state: known?.state ?? 0,
    startedAt: known?.startedAt ?? now,
    acl: encodeCbor(header.acl),
  });
  return { state: ENTRY_STATE.valid, changes: stored, accessChanged };
};
