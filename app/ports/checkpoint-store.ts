import type { EntryState } from "./store.ts";

/** A stored checkpoint (kind 2) or bundle (kind 1), without its bytes. */
export interface CompactedItem {
  readonly n: number;
  readonly oid: Uint8Array;
  readonly topic: number;
  readonly kind: number;
  readonly gen: number;
  readonly state: EntryState;
  readonly own: boolean;
  readonly arrivedAt: number;
  /** A bundle of which it is known which records it holds. */
  readonly isNoted: boolean;
}

/** Records of a session: numbers `from` to `to`. */
export interface SessionRange {
  readonly session: Uint8Array;
  readonly from: number;
  readonly to: number;
}

/** Checkpoints and bundles are rows of `EntryStore`; this is what is known about their content. */
export interface CheckpointStore {
  /** Those of a repository, oldest first. */
  readonly items: (repository: number) => readonly CompactedItem[];
  /** Notes which records a bundle holds, once they are all here. */
  readonly setRanges: (bundle: number, ranges: readonly SessionRange[]) => void;
  /** A bundle of the repository that holds a record, with its topic's row. */
  readonly bundleOf: (
    repository: number,
    session: Uint8Array,
    seq: number,
  ) => { readonly n: number; readonly wire: Uint8Array; readonly topic: number } | undefined;
  /** Replaces what counted checkpoints of a topic cover: entries of these records are not offered to others any more. */
  readonly setCovered: (topic: number, sessions: readonly (readonly [session: Uint8Array, seq: number])[]) => void;
  /** Whether what counted checkpoints of topic `by` cover contains every record that stands in entries of `topic`. */
  readonly containsAll: (by: number, topic: number) => boolean;
  /** Another device holds one of these checkpoints: what is covered in its topic counts as delivered. Answers how many items that are. */
  readonly markDelivered: (oids: readonly Uint8Array[]) => number;
  /**
   * Forgets the bytes of at most `limit` covered entries that arrived before `before` and are neither doubted nor waiting for somebody
   * to take them; what the records say stays known. Answers how many.
   */
  readonly retire: (topic: number, before: number, limit: number) => number;
  /** Notes up to where a device has integrated sessions; never goes back. */
  readonly addReceipt: (
    repository: number,
    device: Uint8Array,
    integrated: readonly (readonly [session: Uint8Array, seq: number])[],
  ) => void;
  /** Up to where a device says that it has integrated each session, by session in hex. */
  readonly receiptOf: (repository: number, device: Uint8Array) => ReadonlyMap<string, number>;
  /**
   * Whether an own proxy has not acknowledged a checkpoint or bundle of a topic. `orQueued` false: those made here that are queued do not
   * count, as they go before whatever is made after them.
   */
  readonly isOwed: (topic: number, orQueued: boolean) => boolean;
  /**
   * Items of a topic that proxies need no more and were not told of: covered entries up to the acknowledged number of their session or
   * that came before `before`, what others replace, and retirements older than `told`. Looks at the next `limit` rows behind row `after`;
   * `last` is the last of them, undefined when there is none.
   */
  readonly retirable: (
    topic: number,
    acknowledged: readonly (readonly [session: Uint8Array, seq: number])[],
    before: number,
    told: number,
    after: number,
    limit: number,
  ) => { readonly oids: readonly Uint8Array[]; readonly last: number | undefined };
  /** Notes that proxies were told of these; answers those that are here and needed still. */
  readonly setRetired: (topic: number, oids: readonly Uint8Array[]) => readonly Uint8Array[];
  /** Forgets that proxies were told of entries that nothing covers any more; answers them. */
  readonly takeUncovered: (topic: number) => readonly Uint8Array[];
  /** Takes a checkpoint or bundle that others replace out of what is offered, with its bytes. */
  readonly drop: (n: number) => void;
}
