import type { EntryNode } from "../../protocol/acl/valid-entries.ts";
import { judgeEntries } from "../../protocol/acl/valid-entries.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import type { CheckedItem } from "../../protocol/entry/item.ts";
import { readItem } from "../../protocol/entry/item.ts";
import type { RecordHeader } from "../../protocol/entry/record.ts";
import { readRecordHeader } from "../../protocol/entry/record.ts";
import { invariant } from "../../protocol/kernel/assert.ts";
import { bytesEqual, bytesToHex, compareBytes } from "../../protocol/kernel/bytes.ts";
import type { InnerRow, Store } from "../ports/store.ts";
import type { BundleReader } from "./bundle-reader.ts";
import type { ChangeInspector } from "./change-inspector.ts";
import type { DocumentChanges, Opened } from "./integrate.ts";
import { openEntry, storeChanges } from "./integrate.ts";
import type { LossReason } from "./lost-changes.ts";
import { missingChanges, storedLoss, storeLoss } from "./lost-changes.ts";
import type { Repository } from "./repository.ts";

interface ValidityDependencies {
  readonly store: Store;
  readonly crypto: CryptoProvider;
  readonly inspect: ChangeInspector;
  readonly readBundle: BundleReader;
}

const headerOf = (row: InnerRow): RecordHeader => {
  const read = readRecordHeader(row.header);
  invariant(read.ok, "stored headers were checked");
  return read.value.header;
};

/** Records a record names directly: its session's previous one and its parents. */
const pastOf = (header: RecordHeader): readonly Uint8Array[] =>
  header.seq === 0 ? header.parents : [header.prev, ...header.parents];

/** Opens a stored record again; one from a bundle has no signature of its own. */
export const openStored = (
  deps: ValidityDependencies,
  repository: Repository,
  iid: Uint8Array,
): Extract<Opened, { type: "record" }> | undefined => {
  const carried = deps.store.entries.wireOf(iid);
  if (carried === undefined) {
    const row = deps.store.entries.inner(iid);
    return row && deps.readBundle(repository, row);
  }
  const topic = deps.store.topics.all().find(({ n }) => n === carried.topic);
  const item = readItem(deps.crypto, carried.wire);
  if (topic === undefined || !item.ok) return undefined;
  // The topic signature was checked before the item was stored.
  const opened = openEntry(deps, repository.rid, topic.readKey, item.value as CheckedItem);
  return opened.type === "record" ? opened : undefined;
};

/** Puts the changes of a record that counts again into their documents; those that do not fit stay out. */
const apply = (deps: ValidityDependencies, repository: Repository, iid: Uint8Array, now: number): DocumentChanges => {
  const opened = openStored(deps, repository, iid);
  const applied: (readonly [number, readonly Uint8Array[]])[] = [];
  for (const [index, batch] of (opened?.batches ?? []).entries()) {
    const span = opened?.record.header.parts[index];
    invariant(span !== undefined, "a change part has a span");
    const document = deps.store.documents.add(repository.n, span.doc, now);
    const fresh = storeChanges(deps.store, document, batch, "entry", now);
    if (fresh.ok && fresh.value.length > 0) applied.push([document, fresh.value]);
  }
  return applied;
};

/**
 * Makes the void records in the past of a record that counts count as well: its author vouches for them (ACL-12).
 * Answers their changes, oldest first. Inside a transaction.
 */
export const adoptPast = (
  deps: ValidityDependencies,
  repository: Repository,
  header: RecordHeader,
  now: number,
): DocumentChanges => {
  const { store } = deps;
  const adopted = new Map<string, InnerRow>();
  const open = [...pastOf(header)];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const key = bytesToHex(next);
    if (adopted.has(key) || store.entries.doubt(next) !== "void") continue;
    const row = store.entries.inner(next);
    invariant(row !== undefined, "the past of an accepted record is here");
    adopted.set(key, row);
    open.push(...pastOf(headerOf(row)));
  }
  return [...adopted.values()]
    .toSorted((a, b) => a.gen - b.gen)
    .flatMap(({ iid, session }) => {
      store.entries.setDoubt(repository.n, session, iid, "adopted");
      return apply(deps, repository, iid, now);
    });
};

export interface Rejudged {
  /** Documents that lost or regained changes. */
  readonly rebuilt: ReadonlySet<number>;
  /** Own sessions in which something no longer counts: nothing more may be written in them. */
  readonly lostSessions: readonly Uint8Array[];
}

/** Drops changes whose dependencies are gone, recomputes the heads and forgets the snapshot. */
export const rebuildDocument = (
  { store, inspect }: Pick<ValidityDependencies, "store" | "inspect">,
  document: number,
): void => {
  const kept = new Set<string>();
  const heads = new Map<string, Uint8Array>();
  for (const bytes of store.documents.changesAfter(document, 0).changes) {
    const change = inspect(bytes);
    invariant(change.ok, "stored changes were inspected");
    if (change.value.dependencies.some((hash) => !kept.has(bytesToHex(hash)))) {
      // Everything this actor made after it builds on it.
      store.documents.truncate(document, change.value.actor, change.value.seq);
      continue;
    }
    for (const hash of change.value.dependencies) heads.delete(bytesToHex(hash));
    heads.set(bytesToHex(change.value.hash), change.value.hash);
    kept.add(bytesToHex(change.value.hash));
  }
  store.documents.rebuilt(document, [...heads.values()].toSorted(compareBytes));
};

const sameView = (one: RecordHeader, other: RecordHeader): boolean =>
  one.acl.length === other.acl.length && one.acl.every((id, at) => bytesEqual(id, other.acl[at] as Uint8Array));

/** Records of a session, by their numbers. */
interface Stretch {
  readonly from: number;
  readonly to: number;
}

/**
 * The stretches of a session that are not allowed by themselves. Its view of the ACL never shrinks, so two records of one view have
 * all between them in it, and within a view a cut leaves what comes before it: few records of a long session are read.
 */
const refusedIn = (
  { store }: Pick<ValidityDependencies, "store">,
  repository: Repository,
  session: Uint8Array,
  last: number,
): readonly Stretch[] => {
  const headers = new Map<number, RecordHeader>();
  const headerAt = (seq: number): RecordHeader => {
    const known = headers.get(seq);
    if (known !== undefined) return known;
    const row = store.entries.innerAt(repository.n, session, seq);
    invariant(row !== undefined, "a session has no gaps");
    const header = headerOf(row);
    headers.set(seq, header);
    return header;
  };
  const refused: Stretch[] = [];
  const judgeView = (from: number, to: number): void => {
    const { devSig, acl } = headerAt(from);
    const isAllowed = (seq: number): boolean =>
      repository.access.right({ devSig, sess: session, seq, acl }).type === "allowed";
    if (isAllowed(to)) return;
    let first = from;
    for (let beyond = to; first < beyond;) {
      const middle = (first + beyond) >> 1;
      if (isAllowed(middle)) first = middle + 1;
      else beyond = middle;
    }
    refused.push({ from: first, to });
  };
  const split = (from: number, to: number): void => {
    if (sameView(headerAt(from), headerAt(to))) {
      judgeView(from, to);
      return;
    }
    const middle = (from + to) >> 1;
    split(from, middle);
    split(middle + 1, to);
  };
  split(0, last);
  return refused;
};

/**
 * Whether every record is by itself as allowed as it was when it was judged last; then all of them count as before, since what
 * they build on does not change. Forks are left to the whole judgement.
 */
const countsAsBefore = (deps: Pick<ValidityDependencies, "store">, repository: Repository): boolean => {
  const { store } = deps;
  if (store.repositories.hasEquivocation(repository.n)) return false;
  const doubted = new Map<string, number[]>();
  for (const { iid } of store.entries.doubts(repository.n)) {
    const row = store.entries.inner(iid);
    if (row === undefined) return false;
    const key = bytesToHex(row.session);
    const seqs = doubted.get(key);
    if (seqs === undefined) doubted.set(key, [row.seq]);
    else seqs.push(row.seq);
  }
  return store.entries.chains(repository.n).every(({ session, last, count }) => {
    if (count !== last + 1) return false;
    const stretches = refusedIn(deps, repository, session, last);
    const refused = stretches.reduce((sum, { from, to }) => sum + to - from + 1, 0);
    const seqs = doubted.get(bytesToHex(session)) ?? [];
    return seqs.length === refused && seqs.every((seq) => stretches.some(({ from, to }) => seq >= from && seq <= to));
  });
};

/**
 * Judges every record of the repository again after rights changed, takes what is void now out of the documents and puts
 * back what counts again, so that each document is the replay of its valid records (I17). What is taken out of records for which
 * `reasonOf` gives a reason is kept for their author. Inside a transaction.
 */
export const rejudge = (
  deps: ValidityDependencies,
  repository: Repository,
  now: number,
  reasonOf: (row: InnerRow) => LossReason | undefined,
): Rejudged => {
  const { store } = deps;
  if (countsAsBefore(deps, repository)) return { rebuilt: new Set(), lostSessions: [] };
  const rows = store.entries.inners(repository.n);
  const headers = new Map<string, RecordHeader>();
  const nodes = rows.map((row): EntryNode => {
    const header = headerOf(row);
    headers.set(bytesToHex(row.iid), header);
    return { iid: row.iid, devSig: row.device, sess: row.session, seq: row.seq, acl: header.acl, past: pastOf(header) };
  });
  const verdicts = judgeEntries(repository.access.state(), nodes);
  const before = new Map(store.entries.doubts(repository.n).map(({ iid, doubt }) => [bytesToHex(iid), doubt]));
  const rebuilt = new Set<number>();
  const returning: InnerRow[] = [];
  const lost = new Map<string, Uint8Array>();
  // As they are now: what somebody else loses by the way may be what the own changes build on.
  const ownBefore = new Map<number, { readonly changes: readonly Uint8Array[]; readonly reason: LossReason }>();
  for (const row of rows) {
    const key = bytesToHex(row.iid);
    if (verdicts.get(key) !== "void" || before.get(key) === "void") continue;
    for (const span of headers.get(key)?.parts ?? []) {
      const document = store.documents.byId(repository.n, span.doc);
      if (document === undefined || ownBefore.has(document.n)) continue;
      // What was lost before may build on what goes now.
      const reason = reasonOf(row) ?? storedLoss(store, document.n)?.reason;
      if (reason !== undefined)
        ownBefore.set(document.n, { changes: store.documents.changesAfter(document.n, 0).changes, reason });
    }
  }
  for (const row of rows) {
    const key = bytesToHex(row.iid);
    const verdict = verdicts.get(key);
    const doubt = verdict === "valid" ? undefined : verdict;
    if (doubt === before.get(key)) continue;
    store.entries.setDoubt(repository.n, row.session, row.iid, doubt);
    if (doubt === "void") {
      lost.set(bytesToHex(row.session), row.session);
      for (const span of headers.get(key)?.parts ?? []) {
        const document = store.documents.byId(repository.n, span.doc);
        if (document === undefined) continue;
        store.documents.truncate(document.n, row.session, span.aseqFrom);
        rebuilt.add(document.n);
      }
    } else if (before.get(key) === "void") returning.push(row);
  }
  for (const document of rebuilt) rebuildDocument(deps, document);
  // Two branches of a session number their changes alike: taking one out took the other along.
  const again = store.repositories.hasEquivocation(repository.n)
    ? rows.filter(({ iid }) => {
        const key = bytesToHex(iid);
        const documents = (headers.get(key)?.parts ?? []).map(({ doc }) => store.documents.byId(repository.n, doc)?.n);
        return verdicts.get(key) !== "void" && documents.some((n) => n !== undefined && rebuilt.has(n));
      })
    : [];
  for (const { iid } of [...new Set([...returning, ...again])].toSorted((a, b) => a.gen - b.gen))
    for (const [document] of apply(deps, repository, iid, now)) rebuilt.add(document);
  for (const [document, { changes, reason }] of ownBefore) {
    const missing = missingChanges(deps, document, changes);
    if (missing.length > 0) storeLoss(deps, { document, at: now, reason, changes: missing });
  }
  if (lost.size > 0 || returning.length > 0) {
    const counting = rows.filter(({ iid }) => verdicts.get(bytesToHex(iid)) !== "void");
    const named = new Set(
      counting.flatMap(({ iid }) => pastOf(headers.get(bytesToHex(iid)) as RecordHeader).map(bytesToHex)),
    );
    store.repositories.setHeads(
      repository.n,
      counting.filter(({ iid }) => !named.has(bytesToHex(iid))).map(({ iid, gen }) => ({ iid, gen })),
    );
  }
  return { rebuilt, lostSessions: [...lost.values()] };
};
