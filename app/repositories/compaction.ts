import type { FormatDependencies } from "../../protocol/automerge-format/change.ts";
import type { Bundle, BundledRecord, UnpackedRecord } from "../../protocol/checkpoint/bundle.ts";
import { decodeBundle, encodeBundle } from "../../protocol/checkpoint/bundle.ts";
import type { UnpackedChange } from "../../protocol/checkpoint/packed-change.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import type { CheckedItem } from "../../protocol/entry/item.ts";
import { openItem, readItem } from "../../protocol/entry/item.ts";
import { readRecord, recordId } from "../../protocol/entry/record.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { ok } from "../../protocol/kernel/result.ts";
import type {
  BundlePage,
  Packed,
  PackedBundle,
  PackedSession,
  PackRequest,
  PageBatch,
  PageRecord,
  Tail,
  UnpackRequest,
} from "../ports/compactor.ts";
import { inspectBatch } from "./change-batch.ts";

/** What the compactor reads of the profile's database. */
export interface CompactionSource {
  readonly tail: (topic: number) => Tail;
  /** Linked records of a repository, parents first; `entry` is the row of an item that still has its bytes. */
  readonly records: (repository: number) => Iterable<{
    readonly session: Uint8Array;
    readonly seq: number;
    readonly entry: number | null;
  }>;
  /** Bytes of an item and the read key of its topic. */
  readonly item: (row: number) => { readonly wire: Uint8Array; readonly readKey: Uint8Array } | undefined;
  /** Row of a bundle that holds the record. */
  readonly bundleOf: (repository: number, session: Uint8Array, seq: number) => number | undefined;
}

export interface CompactionDependencies extends FormatDependencies {
  readonly crypto: CryptoProvider;
  readonly deflateRaw: (bytes: Uint8Array) => Uint8Array;
  readonly source: CompactionSource;
}

/** Headers and payloads of one bundle before packing: fits a bundle's body if it does not compress, and the output a reader allows if it does. */
const MAX_RAW = 2 << 20;
/** Bundles of this size are not packed again: a later one joins only what is small. */
const MAX_JOINED = 512 << 10;
/** What one page hands over at once: taken over and stored within a slice or two. */
const PAGE_RECORDS = 128;
const PAGE_BYTES = 192 << 10;
/** Changes joined into one stored run. */
const RUN_BYTES = 64 << 10;
const BUNDLES_HELD = 2;

export const createCompaction = (deps: CompactionDependencies) => {
  const { crypto, source } = deps;
  /** The bundles read last: their pages are asked for in turn. */
  const held = new Map<number, Bundle>();

  const payloadOf = (
    row: number,
    rid: Uint8Array,
  ): { readonly payload: Uint8Array; readonly record: BundledRecord } | undefined => {
    const stored = source.item(row);
    const item = stored && readItem(crypto, stored.wire);
    if (stored === undefined || item === undefined || !item.ok) return undefined;
    // The topic signature was checked before the item was stored.
    const opened = openItem(crypto, item.value as CheckedItem, stored.readKey);
    const record = opened.ok ? readRecord(crypto, opened.value, { rid, gen: item.value.gen }) : opened;
    return record.ok ? { payload: record.value.payload, record: record.value } : undefined;
  };

  const bundleAt = (row: number, rid: Uint8Array): Bundle | undefined => {
    const known = held.get(row);
    if (known !== undefined) return known;
    const stored = payloadOf(row, rid);
    const bundle = stored && decodeBundle(deps, rid, stored.payload);
    if (bundle === undefined || !bundle.ok) return undefined;
    held.set(row, bundle.value);
    for (const [oldest] of held) if (held.size > BUNDLES_HELD) held.delete(oldest);
    return bundle.value;
  };

  /** Records of a bundle with the signatures it has: those of its sessions' last ones. */
  const recordsOf = ({ records, sessions }: Bundle): readonly BundledRecord[] => {
    const signatures = new Map(sessions.map(({ iid, isig }) => [bytesToHex(iid), isig]));
    return records.map((record) => ({ ...record, isig: signatures.get(bytesToHex(record.iid)) }));
  };

  const packChunk = (records: readonly BundledRecord[], iidOf: (record: BundledRecord) => Uint8Array): PackedBundle => {
    const sessions = new Map<string, PackedSession>();
    for (const record of records) {
      const { sess, devSig, seq } = record.header;
      const key = bytesToHex(sess);
      const from = sessions.get(key)?.from ?? seq;
      sessions.set(key, { sess, devSig, from, to: seq, iid: iidOf(record) });
    }
    return { payload: encodeBundle(deps, records), sessions: [...sessions.values()] };
  };

  /** Cuts records into bundles; each ends sessions with a record whose signature is known. */
  const packAll = (records: readonly BundledRecord[]): readonly PackedBundle[] | undefined => {
    const iidOf = ({ headerBytes }: BundledRecord): Uint8Array => recordId(crypto, headerBytes);
    const bundles: PackedBundle[] = [];
    let chunk: BundledRecord[] = [];
    let size = 0;
    /** Sessions whose last record in the chunk has no known signature. */
    const unsigned = new Set<string>();
    for (const record of records) {
      chunk.push(record);
      size += record.headerBytes.length + record.payload.length;
      const key = bytesToHex(record.header.sess);
      if (record.isig === undefined) unsigned.add(key);
      else unsigned.delete(key);
      if (size < MAX_RAW || unsigned.size > 0) continue;
      bundles.push(packChunk(chunk, iidOf));
      chunk = [];
      size = 0;
    }
    if (unsigned.size > 0) return undefined;
    if (chunk.length > 0) bundles.push(packChunk(chunk, iidOf));
    return bundles;
  };

  const pack = ({ repository, rid, covered, bundles, isWhole }: PackRequest): Packed | undefined => {
    const coveredTo = new Map(covered.map(([session, seq]) => [bytesToHex(session), seq]));
    const fresh: BundledRecord[] = [];
    for (const { session, seq, entry } of source.records(repository)) {
      if (seq <= (coveredTo.get(bytesToHex(session)) ?? -1)) continue;
      const record = entry === null ? fromBundle(repository, rid, session, seq) : payloadOf(entry, rid)?.record;
      if (record === undefined) return undefined;
      fresh.push(record);
    }
    const packed = packAll(fresh);
    if (packed === undefined) return undefined;
    let size = packed.reduce((sum, { payload }) => sum + payload.length, 0);
    let kept = isWhole ? 0 : bundles.length;
    // Each bundle stays at least twice as large as the next, so that a record is packed again a logarithmic number of times.
    while (!isWhole && kept > 0) {
      const stored = payloadOf(bundles[kept - 1] as number, rid);
      if (stored === undefined) return undefined;
      if (stored.payload.length > 2 * size || stored.payload.length + size > MAX_JOINED) break;
      size += stored.payload.length;
      kept--;
    }
    if (kept === bundles.length) return { kept, bundles: packed };
    const joined: BundledRecord[] = [];
    for (const row of bundles.slice(kept)) {
      const bundle = bundleAt(row, rid);
      if (bundle === undefined) return undefined;
      joined.push(...recordsOf(bundle));
    }
    const again = packAll([...joined, ...fresh]);
    return again === undefined ? undefined : { kept, bundles: again };
  };

  const fromBundle = (
    repository: number,
    rid: Uint8Array,
    session: Uint8Array,
    seq: number,
  ): BundledRecord | undefined => {
    const row = source.bundleOf(repository, session, seq);
    const bundle = row === undefined ? undefined : bundleAt(row, rid);
    const key = bytesToHex(session);
    const record = bundle?.records.find(({ header }) => header.seq === seq && bytesToHex(header.sess) === key);
    if (bundle === undefined || record === undefined) return undefined;
    const own = bundle.sessions.find(({ sess, to }) => to === seq && bytesToHex(sess) === key);
    return { ...record, isig: own?.isig };
  };

  const unpack = ({ bundle: row, rid, known, form, page }: UnpackRequest): BundlePage | "refused" => {
    const bundle = bundleAt(row, rid);
    if (bundle === undefined) return "refused";
    const knownTo = new Map(known.map(([session, seq]) => [bytesToHex(session), seq]));
    const wanted = bundle.records.filter(({ header }) => header.seq > (knownTo.get(bytesToHex(header.sess)) ?? -1));
    const pages = pagesOf(wanted);
    const records = pages[page] ?? [];
    const batches = batchesOf(records, form);
    if (batches === undefined) return "refused";
    return {
      records: records.map(({ header, headerBytes, iid, parts, buildsOutside }): PageRecord => ({
        header,
        headerBytes,
        iid,
        parts,
        buildsOutside,
      })),
      batches,
      isLast: page >= pages.length - 1,
      sessions: bundle.sessions,
    };
  };

  return { pack, unpack, tail: source.tail };
};

const pagesOf = (records: readonly UnpackedRecord[]): readonly (readonly UnpackedRecord[])[] => {
  const pages: UnpackedRecord[][] = [];
  let size = 0;
  for (const record of records) {
    const last = pages.at(-1);
    if (last === undefined || last.length >= PAGE_RECORDS || size >= PAGE_BYTES) {
      pages.push([record]);
      size = 0;
    } else last.push(record);
    size += record.payload.length;
  }
  return pages;
};

interface OpenRun {
  readonly actor: string;
  readonly doc: Uint8Array;
  readonly changes: UnpackedChange[];
  size: number;
  record: number;
}

/** The changes of records as runs to be stored, within a document in the order in which they came; `undefined` when some make none. */
const batchesOf = (
  records: readonly UnpackedRecord[],
  form: UnpackRequest["form"],
): readonly PageBatch[] | undefined => {
  const batches: PageBatch[] = [];
  const open = new Map<string, OpenRun>();
  let isSound = true;
  const close = (key: string, { doc, changes, record }: OpenRun): void => {
    let next = 0;
    // Unpacking inspected each of them.
    const batch = inspectBatch(
      () => ok(changes[next++] as UnpackedChange),
      changes.map(({ bytes }) => bytes),
    );
    if (batch.ok) batches.push({ record, doc, batch: batch.value });
    else isSound = false;
    open.delete(key);
  };
  for (const [place, { header, changes }] of records.entries()) {
    const actor = bytesToHex(header.sess);
    for (const [index, list] of changes.entries()) {
      const doc = header.parts[index]?.doc as Uint8Array;
      const key = bytesToHex(doc);
      let run = open.get(key);
      if (run !== undefined && (run.actor !== actor || run.size >= RUN_BYTES)) {
        close(key, run);
        run = undefined;
      }
      run ??= { actor, doc, changes: [], size: 0, record: place };
      open.set(key, run);
      run.changes.push(...list);
      run.size += list.reduce((sum, { bytes }) => sum + bytes.length, 0);
      run.record = place;
      if (form === "single") close(key, run);
    }
  }
  for (const [key, run] of open) close(key, run);
  return isSound ? batches : undefined;
};
