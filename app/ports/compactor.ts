import type { Part } from "../../protocol/entry/payload.ts";
import type { RecordHeader } from "../../protocol/entry/record.ts";
import type { ChangeBatch } from "../repositories/change-batch.ts";

/** What of a topic stands in entries that no counted checkpoint covers. */
export interface Tail {
  readonly entries: number;
  readonly bytes: number;
  /** Unix milliseconds of the first to arrive, null when there is none. */
  readonly since: number | null;
}

/** Records a bundle is to hold next, and the bundles it may take up. */
export interface PackRequest {
  /** Row and id of the repository. */
  readonly repository: number;
  readonly rid: Uint8Array;
  /** Records 0 to seq of these sessions are in `bundles`. */
  readonly covered: readonly (readonly [session: Uint8Array, seq: number])[];
  /** Rows of bundles, oldest records first; small ones at the end are joined with what is new. */
  readonly bundles: readonly number[];
  /** Packs all of them again, for another topic. */
  readonly isWhole: boolean;
}

export interface PackedSession {
  readonly sess: Uint8Array;
  readonly devSig: Uint8Array;
  readonly from: number;
  readonly to: number;
  readonly iid: Uint8Array;
}

export interface PackedBundle {
  readonly payload: Uint8Array;
  readonly sessions: readonly PackedSession[];
}

export interface Packed {
  /** How many of the given bundles stay as they are; `bundles` come behind them. */
  readonly kept: number;
  readonly bundles: readonly PackedBundle[];
}

export interface UnpackRequest {
  /** Row of the bundle. */
  readonly bundle: number;
  readonly rid: Uint8Array;
  /** Records up to these numbers are left out. */
  readonly known: readonly (readonly [session: Uint8Array, seq: number])[];
  /** `joined`: changes of one actor that follow each other in a document are one batch; `single`: batches end with their record. */
  readonly form: "joined" | "single";
  /** Pages count from 0 and are asked for in turn. */
  readonly page: number;
}

export interface PageRecord {
  readonly header: RecordHeader;
  readonly headerBytes: Uint8Array;
  readonly iid: Uint8Array;
  /** Names a record that is not in the bundle. */
  readonly buildsOutside: boolean;
  readonly parts: readonly Exclude<Part, { readonly type: "changes" }>[];
}

export interface PageBatch {
  /** Place in the page of the record it ends with. */
  readonly record: number;
  readonly doc: Uint8Array;
  readonly batch: ChangeBatch;
}

export interface BundlePage {
  /** Parents first. */
  readonly records: readonly PageRecord[];
  /** In an order in which dependencies come first. */
  readonly batches: readonly PageBatch[];
  readonly isLast: boolean;
  /** Of the whole bundle. */
  readonly sessions: readonly PackedSession[];
}

/**
 * Packs and unpacks bundles beside the thread that asks, from and to the stored rows.
 * P-COMPACTOR-1 What was committed before the question is seen. P-COMPACTOR-2 `undefined`: it was stopped, died, or what is stored
 * does not suffice; nothing was written. P-COMPACTOR-3 `refused`: the bundle does not hold what it must.
 */
export interface Compactor {
  /** Starts what packs and unpacks, since it will be needed soon. */
  readonly prepare: () => void;
  readonly pack: (request: PackRequest) => Promise<Packed | undefined>;
  readonly unpack: (request: UnpackRequest) => Promise<BundlePage | "refused" | undefined>;
  /** Reads every row of the topic in the worst case. */
  readonly tail: (topic: number) => Promise<Tail | undefined>;
  readonly stop: () => Promise<void>;
}
