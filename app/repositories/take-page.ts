import { encodeCbor } from "../../protocol/codec/cbor.ts";
import { expectedGen } from "../../protocol/entry/chain.ts";
import type { SignedRecord } from "../../protocol/entry/record.ts";
import { bytesEqual, bytesToHex, compareBytes } from "../../protocol/kernel/bytes.ts";
import type { BundlePage, PageRecord } from "../ports/compactor.ts";
import type { HeadRow, SessionRow, Store } from "../ports/store.ts";
import type { DocumentChanges, Opened } from "./integrate.ts";
import { decodeAclHeads, FROZEN, storeChanges, takeOps } from "./integrate.ts";
import type { Repository } from "./repository.ts";

/** What taking a page of a bundle at once came to. */
export type PageTaken =
  | { readonly type: "taken"; readonly changes: DocumentChanges; readonly accessChanged: boolean }
  /** Nothing was written: the records are to be integrated one by one, which decides about whatever is unusual. */
  | { readonly type: "irregular" };

const IRREGULAR: PageTaken = { type: "irregular" };

interface Chain {
  readonly row: SessionRow | undefined;
  lastSeq: number;
  lastIid: Uint8Array;
  acl: readonly Uint8Array[];
  readonly device: Uint8Array;
}

/** A record of a page as if it had come in an entry; its device's signature is that of its session's last one. */
export const openedRecord = (page: BundlePage, place: number): Extract<Opened, { type: "record" }> => {
  const { header, headerBytes, iid, parts } = page.records[place] as PageRecord;
  const nothing = new Uint8Array();
  const record = { header, headerBytes, iid, isig: nothing, payload: nothing, bytes: nothing };
  return {
    type: "record",
    record: record as Partial<SignedRecord> as SignedRecord,
    parts,
    batches: page.batches.filter((one) => one.record === place).map(({ batch }) => batch),
  };
};

/**
 * Takes a page of a bundle whose records are all as they should be: new, allowed, each following the last of its session. The
 * outcome is that of integrating one after the other; the work is that of a few. Inside a transaction.
 */
export const takePage = (store: Store, repository: Repository, page: BundlePage, now: number): PageTaken => {
  const { n, access } = repository;
  if (store.repositories.hasEquivocation(n)) return IRREGULAR;
  let accessChanged = false;
  for (const { parts } of page.records) {
    if (!parts.some(({ type }) => type === "aclOp")) continue;
    const taken = takeOps(store, repository, parts);
    if (taken === "invalid") return IRREGULAR;
    accessChanged ||= taken === "added";
  }
  const chains = new Map<string, Chain>();
  const gens = new Map<string, number>();
  const refused = new Set<string>();
  const heads = new Map<string, HeadRow>(store.repositories.heads(n).map((head) => [bytesToHex(head.iid), head]));
  const rights = new Map<readonly Uint8Array[], Map<string, PageRecord>>();

  for (const record of page.records) {
    const { header, iid } = record;
    const key = bytesToHex(header.sess);
    let chain = chains.get(key);
    if (chain === undefined) {
      const row = store.repositories.session(n, header.sess);
      if (row !== undefined && (row.own || row.state === FROZEN || store.entries.hasDoubts(n, header.sess)))
        return IRREGULAR;
      chain = {
        row,
        device: header.devSig,
        lastSeq: row?.lastSeq ?? -1,
        lastIid: row === undefined || row.lastSeq < 0 ? new Uint8Array(32) : row.lastIid,
        acl: row === undefined ? [] : decodeAclHeads(row.acl),
      };
      if (row !== undefined && !bytesEqual(row.device, header.devSig)) return IRREGULAR;
      chains.set(key, chain);
    }
    if (header.seq !== chain.lastSeq + 1 || !bytesEqual(header.prev, chain.lastIid)) return IRREGULAR;
    if (chain.acl !== header.acl) {
      if (!access.knows(header.acl) || !access.covers(header.acl, chain.acl)) return IRREGULAR;
      chain.acl = header.acl;
    }
    if (record.buildsOutside) {
      const genOf = (parent: Uint8Array): number | undefined =>
        gens.get(bytesToHex(parent)) ?? store.entries.inner(parent)?.gen;
      if (expectedGen(header, genOf) !== header.gen) return IRREGULAR;
    }
    chain.lastSeq = header.seq;
    chain.lastIid = iid;
    gens.set(bytesToHex(iid), header.gen);
    // A cut leaves what comes before it: what holds for the last record of a session and view of the ACL holds for all of them.
    const ofView = rights.get(header.acl) ?? new Map<string, PageRecord>();
    ofView.set(key, record);
    rights.set(header.acl, ofView);
  }
  for (const ofView of rights.values())
    for (const [key, { header }] of ofView) if (access.right(header).type !== "allowed") refused.add(key);

  const voids = new Set(
    store.entries.doubts(n).flatMap(({ iid, doubt }) => (doubt === "void" ? [bytesToHex(iid)] : [])),
  );
  const changes: (readonly [number, readonly Uint8Array[]])[] = [];
  for (const record of page.records) {
    const { header, iid, headerBytes } = record;
    const { devSig, sess, seq, gen } = header;
    const past = seq === 0 ? header.parents : [header.prev, ...header.parents];
    if (refused.has(bytesToHex(sess))) {
      // Ops of readers: nobody builds on them, and there is nothing to take out of documents.
      if (header.parts.length > 0 || access.right(header).type === "allowed") return IRREGULAR;
      store.entries.setDoubt(n, sess, iid, "void");
      voids.add(bytesToHex(iid));
    } else {
      // Who builds on a void record vouches for it.
      if (voids.size > 0 && past.some((parent) => voids.has(bytesToHex(parent)))) return IRREGULAR;
      heads.set(bytesToHex(iid), { iid, gen });
      for (const parent of past) heads.delete(bytesToHex(parent));
    }
    store.entries.addInner(n, { iid, device: devSig, session: sess, seq, gen, header: headerBytes });
  }
  for (const { doc, batch } of page.batches) {
    const document = store.documents.add(n, doc, now);
    if (batch.firstSeq !== store.documents.lastSealedSeq(document, batch.actor) + 1) return IRREGULAR;
    const fresh = storeChanges(store, document, batch, "entry", now);
    if (!fresh.ok) return IRREGULAR;
    if (fresh.value.length > 0) changes.push([document, fresh.value]);
  }
  for (const [key, { row, device, lastSeq, lastIid, acl }] of chains)
    store.repositories.putSession(n, {
      session:
        row?.session ?? (page.records.find(({ header }) => bytesToHex(header.sess) === key) as PageRecord).header.sess,
      device,
      lastSeq,
      lastIid,
      own: row?.own ?? false,
      state: row?.state ?? 0,
      startedAt: row?.startedAt ?? now,
      acl: encodeCbor(acl),
    });
  store.repositories.setHeads(
    n,
    [...heads.values()].toSorted((a, b) => a.gen - b.gen || compareBytes(a.iid, b.iid)),
  );
  return { type: "taken", changes, accessChanged };
};
