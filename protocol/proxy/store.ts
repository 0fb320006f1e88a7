import type { Result } from "../kernel/result.ts";
import type { SetItem } from "../reconcile/item-set.ts";
import type { AccountStats, PositionedItem, Subscribed } from "./messages.ts";

/** An item that passed its checks. Days count from 1970-01-01 UTC: nothing finer is kept (PRX-14). */
export interface NewItem {
  readonly topic: Uint8Array;
  readonly oid: Uint8Array;
  readonly kind: number;
  readonly gen: number;
  readonly wire: Uint8Array;
  /** The oids this item retires; empty for any other kind. */
  readonly retires: readonly Uint8Array[];
  /** It came through the overlay, which knows nothing of marks: a known item stays as it is. */
  readonly keepsMark?: true;
}

export interface AppendResult {
  readonly status: "stored" | "duplicate" | "quota" | "notPinned" | "retired";
  /** Of the stored item or the one it duplicates, else 0. */
  readonly position: number;
  /** Newest position of the topic before; only when `stored`. */
  readonly previous: number;
}

export interface AccountRow {
  readonly quota: number;
  readonly used: number;
}

export type SubscribeResult = Omit<Subscribed, "status"> & {
  readonly status: "known" | "notPinned" | "quota" | "tooManyTopics";
};

export interface StoredPage {
  readonly items: readonly PositionedItem[];
  readonly more: boolean;
  readonly next: number;
}

/** Every operation of the store with what it is given and what it answers. */
export interface StoreOperations {
  readonly account: { readonly ask: { readonly account: Uint8Array }; readonly answer: AccountRow | null };
  /** Makes an account of `quota` bytes unless there is one. */
  readonly openAccount: {
    readonly ask: { readonly account: Uint8Array; readonly quota: number };
    readonly answer: AccountRow;
  };
  /** Uses up the code and adds its quota to the account; `null` when there is no such code. */
  readonly redeem: {
    readonly ask: { readonly account: Uint8Array; readonly codeHash: Uint8Array };
    readonly answer: AccountRow | null;
  };
  readonly stat: { readonly ask: { readonly account: Uint8Array }; readonly answer: AccountStats };
  /** Pins what is to be pinned; a topic nobody pins is not known. */
  readonly subscribe: {
    readonly ask: {
      readonly account: Uint8Array;
      readonly maxTopics: number;
      readonly topics: readonly { readonly topic: Uint8Array; readonly pin: boolean; readonly checkpoint: boolean }[];
    };
    readonly answer: readonly SubscribeResult[];
  };
  /** Gives up pins and deletes what nobody else pins; answers the topics that are gone. */
  readonly unpin: {
    readonly ask: { readonly account: Uint8Array; readonly topics: readonly Uint8Array[] };
    readonly answer: readonly Uint8Array[];
  };
  /** Stores in order. An item needs a pinning account with room for all of its bytes (PRX-10). */
  readonly append: {
    readonly ask: { readonly items: readonly NewItem[]; readonly day: number; readonly capacity: number };
    readonly answer: readonly AppendResult[];
  };
  /**
   * Items above `after` in order of position, without those that were retired: at most `maxItems`, at most `maxBytes` in all but
   * always one. `next`: everything of the topic up to here is in the page or before. `null` for an unknown topic.
   */
  readonly pull: {
    readonly ask: {
      readonly topic: Uint8Array;
      readonly after: number;
      readonly maxItems: number;
      readonly maxBytes: number;
    };
    readonly answer: StoredPage | null;
  };
  /** Of the items named, retired ones included, as many of the first as fit; `next` counts the ids dealt with, stored or not. */
  readonly get: {
    readonly ask: { readonly topic: Uint8Array; readonly oids: readonly Uint8Array[]; readonly maxBytes: number };
    readonly answer: StoredPage | null;
  };
  /** Without what was retired. */
  readonly itemSet: { readonly ask: { readonly topic: Uint8Array }; readonly answer: readonly SetItem[] | null };
  /** Allows these chunks to be put; `null` for an unknown topic. */
  readonly pinBlobs: {
    readonly ask: { readonly topic: Uint8Array; readonly ids: readonly Uint8Array[] };
    readonly answer: "pinned" | "quota" | null;
  };
  readonly unpinBlobs: {
    readonly ask: { readonly topic: Uint8Array; readonly ids: readonly Uint8Array[]; readonly day: number };
    readonly answer: "unpinned" | null;
  };
  /** `busy`: where chunks are kept cannot be reached; later it may. */
  readonly putBlob: {
    readonly ask: {
      readonly topic: Uint8Array;
      readonly id: Uint8Array;
      readonly bytes: Uint8Array;
      readonly capacity: number;
    };
    readonly answer: "stored" | "duplicate" | "quota" | "notPinned" | "busy";
  };
  readonly haveBlobs: {
    readonly ask: { readonly topic: Uint8Array; readonly ids: readonly Uint8Array[] };
    readonly answer: readonly boolean[];
  };
  readonly getBlob: {
    readonly ask: { readonly topic: Uint8Array; readonly id: Uint8Array };
    readonly answer: Uint8Array | null;
  };
  /** Deletes what was retired or unpinned long enough ago; answers the topics that lost items. */
  readonly sweep: {
    readonly ask: { readonly day: number; readonly itemGraceDays: number; readonly blobGraceDays: number };
    readonly answer: readonly Uint8Array[];
  };
}

export type StoreOperation = keyof StoreOperations;
export type StoreRequest<K extends StoreOperation = StoreOperation> = {
  readonly [P in K]: { readonly type: P } & StoreOperations[P]["ask"];
}[K];
export type StoreAnswer<K extends StoreOperation = StoreOperation> = StoreOperations[K]["answer"];

/** The store cannot work at the moment; nothing of the batch happened. `message` is for the operator. */
export interface StoreFault {
  readonly type: "DiskFull" | "StoreFailed";
  readonly message: string;
}

/** What another process that shares the store did to a topic. */
export type ForeignChange =
  | { readonly type: "appended"; readonly topic: Uint8Array; readonly previous: number; readonly newest: number }
  /** It lost items or is gone. */
  | { readonly type: "shrunk"; readonly topic: Uint8Array }
  /** Nothing was heard of the others for a while: anything may have happened. */
  | { readonly type: "missed" };

/**
 * What a proxy keeps, behind any database.
 * P-PROXYSTORE-1 A batch is carried out in order and whole; when it is answered, a crash of the process loses none of it.
 * P-PROXYSTORE-2 Positions rise with every item stored and are never given twice, not even after items were deleted.
 * P-PROXYSTORE-3 The quota holds to the byte: what an account uses is the sum of the items and chunks of the topics it pins.
 * P-PROXYSTORE-4 Batches are answered in the order in which they were given.
 */
export interface ProxyStore {
  readonly perform: (requests: readonly StoreRequest[]) => Promise<Result<readonly StoreAnswer[], StoreFault>>;
}
