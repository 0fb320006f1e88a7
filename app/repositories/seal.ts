import { encodeCbor } from "../../protocol/codec/cbor.ts";
import type { CryptoProvider, SigningKey } from "../../protocol/crypto/provider.ts";
import { ITEM_KINDS, publishItem, sealItem } from "../../protocol/entry/item.ts";
import type { CheckedItem } from "../../protocol/entry/item.ts";
import type { Part } from "../../protocol/entry/payload.ts";
import { encodeParts } from "../../protocol/entry/payload.ts";
import type { DocSpan } from "../../protocol/entry/record.ts";
import { signRecord } from "../../protocol/entry/record.ts";
import { encodeRetirement } from "../../protocol/entry/retirement.ts";
import { invariant } from "../../protocol/kernel/assert.ts";
import { bytesEqual, bytesToHex } from "../../protocol/kernel/bytes.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import type { DraftRow, SessionRow, Store } from "../ports/store.ts";
import { ENTRY_STATE } from "../ports/store.ts";
import { changesOf, hashAt, hashesOf, sliceRun } from "./change-batch.ts";
import type { ChangeInspector } from "./change-inspector.ts";
import type { Repository, WritableTopic } from "./repository.ts";

export interface SealDependencies {
  readonly store: Store;
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly device: SigningKey;
  readonly inspect: ChangeInspector;
}

/** Payload of one entry; leaves room for headers and Padmé within the 256 KiB body of kind 0. */
const MAX_ENTRY_BYTES = 200_000;
/** Documents in one entry; an import writes many small ones at once. */
const MAX_ENTRY_DOCUMENTS = 256;
/** Runs read at once: what two entries of single small changes hold. */
const DRAFT_PAGE = 4_096;
/** CBOR head of a change, with room to spare. */
const CHANGE_OVERHEAD = 8;
/** Parents named by a record; further heads are covered by the next one. */
const MAX_PARENTS = 16;
const ZERO_IID = new Uint8Array(32);

const currentTopic = ({ epoch: { topicKey, readKey, topic } }: Repository): WritableTopic => {
  invariant(topicKey !== null, "a reader does not write");
  return { topicKey, readKey, topic };
};

/** Signs, encrypts and stores one record of an own session; `spans` describe its change parts. Inside a transaction. */
export const appendRecord = (
  deps: SealDependencies,
  repository: Repository,
  session: SessionRow,
  parts: readonly Part[],
  spans: readonly DocSpan[],
  unixMs: number,
  into: WritableTopic = currentTopic(repository),
): CheckedItem => {
  const { store, crypto, random, device } = deps;
  const { topicKey, readKey } = into;
  // Here and not with each draft: a keystroke then writes one page less.
  if (spans.length > 0) store.repositories.touch(repository.n, unixMs);
  const heads = store.repositories.heads(repository.n);
  const first = session.lastSeq < 0;
  const prev = first ? ZERO_IID : session.lastIid;
  const parents = heads.filter(({ iid }) => !bytesEqual(iid, prev)).slice(0, MAX_PARENTS);
  const previousGen = first ? -1 : (store.entries.inner(prev)?.gen ?? -1);
  const gen = 1 + parents.reduce((largest, parent) => Math.max(largest, parent.gen), previousGen);
  const acl = repository.access.heads();
  const record = signRecord(
    crypto,
    device,
    {
      rid: repository.rid,
      sess: session.session,
      seq: session.lastSeq + 1,
      prev,
      parents: parents.map(({ iid }) => iid),
      acl,
      gen,
      parts: spans,
      ts: Math.floor(unixMs / 1000),
    },
    encodeParts(parts),
  );
  const item = sealItem(
    crypto,
    { kind: ITEM_KINDS.entry, topicKey, gen, salt: random.bytes(16) },
    readKey,
    record.bytes,
  );
  invariant(item.ok, "an own entry fits its kind");
  const { iid } = record;
  const counts = repository.access.right({
    devSig: device.publicKey,
    sess: session.session,
    seq: session.lastSeq + 1,
    acl,
  });
  store.entries.add({
    oid: item.value.oid,
    topic: into.topic,
    kind: ITEM_KINDS.entry,
    gen,
    wire: item.value.wire,
    iid,
    state: ENTRY_STATE.valid,
    own: true,
    arrivedAt: unixMs,
  });
  store.entries.addInner(repository.n, {
    iid,
    device: device.publicKey,
    session: session.session,
    seq: record.header.seq,
    gen,
    header: record.headerBytes,
  });
  // A reader's message, or the farewell of who leaves: linked like everybody's, but nobody builds on it.
  if (counts.type !== "allowed") store.entries.setDoubt(repository.n, session.session, iid, "void");
  else
    store.repositories.advanceHeads(
      repository.n,
      { iid, gen },
      first ? record.header.parents : [prev, ...record.header.parents],
    );
  store.repositories.putSession(repository.n, {
    ...session,
    lastSeq: record.header.seq,
    lastIid: iid,
    acl: encodeCbor(acl),
  });
  return item.value;
};

/**
 * Signs, encrypts and stores a checkpoint or bundle. It names the session's place without being a link of it, so that a later
 * cut tells whether its author still was a writer. Inside a transaction.
 */
export const sealCompacted = (
  { store, crypto, random, device }: SealDependencies,
  repository: Repository,
  session: SessionRow,
  kind: "bundle" | "checkpoint",
  payload: Uint8Array,
  unixMs: number,
): CheckedItem => {
  const { topicKey, readKey, topic } = currentTopic(repository);
  const gen = 1 + store.repositories.heads(repository.n).reduce((largest, head) => Math.max(largest, head.gen), -1);
  const record = signRecord(
    crypto,
    device,
    {
      rid: repository.rid,
      sess: session.session,
      seq: Math.max(0, session.lastSeq),
      prev: session.lastIid,
      parents: [],
      acl: repository.access.heads(),
      gen,
      parts: [],
      ts: Math.floor(unixMs / 1000),
    },
    payload,
  );
  const origin = { kind: ITEM_KINDS[kind], topicKey, gen, salt: random.bytes(16) };
  const item = sealItem(crypto, origin, readKey, record.bytes);
  invariant(item.ok, "an own bundle fits its kind");
  const { oid, wire } = item.value;
  const state = kind === "bundle" ? ENTRY_STATE.valid : ENTRY_STATE.opened;
  store.entries.add({ oid, topic, kind: origin.kind, gen, wire, iid: null, state, own: true, arrivedAt: unixMs });
  return item.value;
};

/** Signs and stores an item that tells proxies which items of the current topic they need no more. Inside a transaction. */
export const sealRetirement = (
  { store, crypto, random }: SealDependencies,
  repository: Repository,
  oids: readonly Uint8Array[],
  unixMs: number,
): CheckedItem => {
  const { topicKey, topic } = currentTopic(repository);
  const gen = 1 + store.repositories.heads(repository.n).reduce((largest, head) => Math.max(largest, head.gen), -1);
  const origin = { kind: ITEM_KINDS.retire, topicKey, gen, salt: random.bytes(16) };
  const item = publishItem(crypto, origin, encodeRetirement(oids));
  invariant(item.ok, "what is named fits one item");
  const { oid, wire } = item.value;
  const state = ENTRY_STATE.valid;
  store.entries.add({ oid, topic, kind: origin.kind, gen, wire, iid: null, state, own: true, arrivedAt: unixMs });
  store.checkpoints.setRetired(topic, oids);
  return item.value;
};

/** Hashes of live changes of other devices whose entries have not come. */
const foreignDrafts = (store: Store, repository: Repository): ReadonlySet<string> =>
  new Set(
    store.documents
      .foreignDrafts(repository.n)
      .flatMap((run) => hashesOf(run).slice(run.count - run.drafts))
      .map(bytesToHex),
  );

/** Whether a change of `draft` builds on one of `foreign`. */
const buildsOn = (inspect: ChangeInspector, draft: DraftRow, foreign: ReadonlySet<string>): boolean =>
  foreign.size > 0 &&
  changesOf(draft).some((bytes) => {
    const change = inspect(bytes);
    invariant(change.ok, "own changes are well-formed");
    return change.value.dependencies.some((hash) => foreign.has(bytesToHex(hash)));
  });

/**
 * Seals drafts into entries, oldest first. One that builds on a live change whose entry has not come yet waits for it, with what
 * builds on itself; the others go on. Inside a transaction. Answers the new items in order.
 */
export const sealDrafts = (deps: SealDependencies, repository: Repository, unixMs: number): readonly CheckedItem[] => {
  const { store } = deps;
  const items: CheckedItem[] = [];
  /** Changes that stand in no entry and are not about to. */
  const unsealed = new Set(foreignDrafts(store, repository));
  /** An actor in a document, whose changes follow each other. */
  const stuck = new Set<string>();
  const skipped = new Set<number>();
  let isLastPage = false;
  const nextPage = (): readonly DraftRow[] => {
    const size = DRAFT_PAGE + skipped.size;
    const rows = store.documents.drafts(repository.n, size);
    isLastPage = rows.length < size;
    return rows.filter(({ n }) => !skipped.has(n));
  };
  let waiting = nextPage();
  while (waiting.length > 0) {
    const batch: DraftRow[] = [];
    const documents = new Map<string, DraftRow[]>();
    let size = 0;
    let seen = 0;
    for (const row of waiting) {
      const draft = { ...row, ...sliceRun(row, row.count - row.drafts, row.count) };
      const first = batch[0];
      if (first !== undefined && !bytesEqual(first.actor, draft.actor)) break;
      if (batch.length > 0 && size + draft.bytes.length > MAX_ENTRY_BYTES) break;
      const key = bytesToHex(draft.did);
      if (!documents.has(key) && documents.size === MAX_ENTRY_DOCUMENTS) break;
      seen++;
      const place = bytesToHex(draft.actor) + key;
      if (stuck.has(place) || buildsOn(deps.inspect, draft, unsealed)) {
        stuck.add(place);
        skipped.add(row.n);
        for (const hash of hashesOf(draft)) unsealed.add(bytesToHex(hash));
        continue;
      }
      const changes = documents.get(key) ?? [];
      changes.push(draft);
      documents.set(key, changes);
      batch.push(draft);
      size += draft.bytes.length + CHANGE_OVERHEAD * draft.count;
    }
    const [first] = batch;
    if (first !== undefined) {
      items.push(sealBatch(deps, repository, first.actor, [...documents.values()], unixMs));
      for (const { n } of batch) store.documents.setDrafts(n, 0);
    }
    waiting = waiting.slice(seen);
    if (waiting.length === 0 && !isLastPage) waiting = nextPage();
  }
  return items;
};

/** One entry of drafts of an own session, by document. */
const sealBatch = (
  deps: SealDependencies,
  repository: Repository,
  actor: Uint8Array,
  documents: readonly (readonly DraftRow[])[],
  unixMs: number,
): CheckedItem => {
  const session = deps.store.repositories.session(repository.n, actor);
  invariant(session?.own === true, "drafts belong to own sessions");
  const parts = documents.map((drafts): Part => ({
    type: "changes",
    doc: (drafts[0] as DraftRow).did,
    changes: drafts.flatMap(changesOf),
  }));
  const spans = documents.map((drafts): DocSpan => {
    const [from, to] = [drafts[0] as DraftRow, drafts.at(-1) as DraftRow];
    return {
      doc: from.did,
      aseqFrom: from.firstSeq,
      n: to.firstSeq + to.count - from.firstSeq,
      lastChangeHash: hashAt(to.facts, to.count - 1),
    };
  });
  return appendRecord(deps, repository, session, parts, spans, unixMs);
};
