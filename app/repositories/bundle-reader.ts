import type { FormatDependencies } from "../../protocol/automerge-format/change.ts";
import type { Bundle } from "../../protocol/checkpoint/bundle.ts";
import { decodeBundle } from "../../protocol/checkpoint/bundle.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import type { CheckedItem } from "../../protocol/entry/item.ts";
import { openItem, readItem } from "../../protocol/entry/item.ts";
import { readRecord } from "../../protocol/entry/record.ts";
import type { SignedRecord } from "../../protocol/entry/record.ts";
import { bytesEqual, bytesToHex } from "../../protocol/kernel/bytes.ts";
import { ok } from "../../protocol/kernel/result.ts";
import type { InnerRow, Store } from "../ports/store.ts";
import type { ChangeBatch } from "./change-batch.ts";
import { inspectBatch } from "./change-batch.ts";
import type { Opened } from "./integrate.ts";
import type { Repository } from "./repository.ts";

/** Opens a record that is kept in no entry but in a bundle. */
export type BundleReader = (repository: Repository, row: InnerRow) => Extract<Opened, { type: "record" }> | undefined;

/** Reads single records from bundles on the thread that asks: for the few that count again after rights changed. */
export const createBundleReader = (deps: {
  readonly store: Store;
  readonly crypto: CryptoProvider;
  readonly inflateRaw: FormatDependencies["inflateRaw"];
}): BundleReader => {
  const { store, crypto, inflateRaw } = deps;
  let last: { readonly n: number; readonly bundle: Bundle; readonly places: ReadonlyMap<string, number> } | undefined;

  return (repository, { iid, session, seq }) => {
    const held = store.checkpoints.bundleOf(repository.n, session, seq);
    if (held === undefined) return undefined;
    if (last?.n !== held.n) {
      const topic = store.topics.all().find(({ n }) => n === held.topic);
      const item = readItem(crypto, held.wire);
      if (topic === undefined || !item.ok) return undefined;
      // The topic signature was checked before the item was stored.
      const opened = openItem(crypto, item.value as CheckedItem, topic.readKey);
      const record = opened.ok
        ? readRecord(crypto, opened.value, { rid: repository.rid, gen: item.value.gen })
        : opened;
      if (!record.ok) return undefined;
      const format = { crypto, inflateRaw, sha256: (bytes: Uint8Array) => crypto.hash("SHA256", bytes) };
      const bundle = decodeBundle(format, repository.rid, record.value.payload);
      if (!bundle.ok) return undefined;
      const places = new Map(bundle.value.records.map((record, place) => [bytesToHex(record.iid), place]));
      last = { n: held.n, bundle: bundle.value, places };
    }
    const found = last.bundle.records[last.places.get(bytesToHex(iid)) ?? -1];
    if (found === undefined) return undefined;
    const batches: ChangeBatch[] = [];
    for (const changes of found.changes) {
      let next = 0;
      // Unpacking inspected each of them.
      const batch = inspectBatch(
        () => ok(changes[next++] as (typeof changes)[number]),
        changes.map(({ bytes }) => bytes),
      );
      if (!batch.ok) return undefined;
      batches.push(batch.value);
    }
    const { header, headerBytes, payload, parts } = found;
    // Only the last record of its session in the bundle has a signature of its own.
    const isig = last.bundle.sessions.find((one) => bytesEqual(one.iid, iid))?.isig ?? NOTHING;
    const record = { header, headerBytes, iid, payload, isig, bytes: NOTHING };
    return { type: "record", record: record as Partial<SignedRecord> as SignedRecord, parts, batches };
  };
};

const NOTHING = new Uint8Array();
