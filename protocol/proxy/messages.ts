import type { VersionRange } from "../kernel/versions.ts";

/**
 * What an edge node and its proxy say to each other over one NoiseSocket session (SPEC.md). `request` numbers the question
 * an answer belongs to; positions count every item a proxy ever stored, 0 is before the first.
 */
export type ProxyMessage =
  | EdgeMessage
  | ProxyAnswer
  /** From the proxy: an item somebody else stored. From an edge: an item of kind 4, which is never stored. */
  | LiveMessage;

/** From the edge; each but `hello` is answered by exactly one message with the same `request`. */
export type EdgeMessage =
  | { readonly type: "hello"; readonly version: number; readonly features: number }
  | { readonly type: "subscribe"; readonly request: number; readonly topics: readonly Subscription[] }
  | {
      readonly type: "pull";
      readonly request: number;
      readonly topic: Uint8Array;
      readonly after: number;
      readonly maxItems: number;
      readonly maxBytes: number;
    }
  | { readonly type: "push"; readonly request: number; readonly wires: readonly Uint8Array[] }
  | { readonly type: "reconcile"; readonly request: number; readonly topic: Uint8Array; readonly payload: Uint8Array }
  | { readonly type: "get"; readonly request: number; readonly topic: Uint8Array; readonly oids: readonly Uint8Array[] }
  /** `forget`: this account no longer pins the topics, and what nobody else pins is deleted. */
  | {
      readonly type: "unsubscribe";
      readonly request: number;
      readonly topics: readonly Uint8Array[];
      readonly forget: boolean;
    }
  /** The topic key allows this proxy to publish the topic in the core overlay until `until` (Unix seconds). */
  | {
      readonly type: "relay";
      readonly request: number;
      readonly topic: Uint8Array;
      readonly until: number;
      readonly signature: Uint8Array;
      /** Other proxies known to keep the topic; at most 4. */
      readonly contacts: readonly RelayContact[];
    }
  | {
      readonly type: "putBlob";
      readonly request: number;
      readonly topic: Uint8Array;
      readonly id: Uint8Array;
      readonly bytes: Uint8Array;
    }
  | {
      readonly type: "haveBlobs";
      readonly request: number;
      readonly topic: Uint8Array;
      readonly ids: readonly Uint8Array[];
    }
  | { readonly type: "getBlob"; readonly request: number; readonly topic: Uint8Array; readonly id: Uint8Array }
  | {
      readonly type: "pinBlobs" | "unpinBlobs";
      readonly request: number;
      readonly topic: Uint8Array;
      readonly ids: readonly Uint8Array[];
      readonly signature: Uint8Array;
    }
  | {
      readonly type: "registerInbox";
      readonly request: number;
      readonly inbox: Uint8Array;
      readonly signature: Uint8Array;
    }
  | { readonly type: "redeem"; readonly request: number; readonly code: Uint8Array }
  | { readonly type: "stat"; readonly request: number }
  | { readonly type: "ping"; readonly request: number };

export interface RelayContact {
  readonly staticPk: Uint8Array;
  /** `host:port`. */
  readonly address: string;
}

/** From the proxy. */
export type ProxyAnswer =
  | Welcome
  | { readonly type: "subscribed"; readonly request: number; readonly topics: readonly Subscribed[] }
  | ItemsMessage
  | { readonly type: "pushed"; readonly request: number; readonly results: readonly ProxyPushResult[] }
  /** `null`: the topic is not stored here, or the payload was refused. */
  | { readonly type: "reconciled"; readonly request: number; readonly payload: Uint8Array | null }
  /** Answers what has no answer of its own. */
  | { readonly type: "done"; readonly request: number; readonly status: PushStatus }
  /** One truth for each id asked, in that order. */
  | { readonly type: "blobsPresent"; readonly request: number; readonly present: readonly boolean[] }
  | { readonly type: "blob"; readonly request: number; readonly bytes: Uint8Array | null }
  | { readonly type: "account"; readonly request: number; readonly quota: number; readonly used: number }
  | ({ readonly type: "stats"; readonly request: number } & AccountStats)
  | { readonly type: "pong"; readonly request: number }
  /** `request` 0: about the session as a whole, which then ends. */
  | { readonly type: "error"; readonly request: number; readonly code: ErrorCode; readonly text: string };

export interface LiveMessage {
  readonly type: "live";
  readonly topic: Uint8Array;
  /** Position of the topic's item before this one: an edge whose cursor is lower has missed something. */
  readonly previous: number;
  /** 0 for an item that is not stored. */
  readonly position: number;
  /** `null`: the item was too much for this connection; pull it. */
  readonly wire: Uint8Array | null;
}

export interface Subscription {
  readonly topic: Uint8Array;
  /** Cursor of the edge; `null` when it has none. */
  readonly after: number | null;
  readonly live: boolean;
  /** Store the topic for this account. */
  readonly pin: boolean;
  /** Name the newest checkpoint in the answer. */
  readonly checkpointFirst: boolean;
  readonly relay: boolean;
}

export interface Subscribed {
  /** Position of the topic's newest item ever, 0 when it had none. */
  readonly position: number;
  readonly count: number;
  /** Position of the oldest item still stored, 0 when there is none. */
  readonly oldest: number;
  readonly checkpoint: Uint8Array | null;
  readonly status: SubscribeStatus;
}

export interface Welcome {
  readonly type: "welcome";
  readonly version: number;
  /** 16 random bytes; cursors are of no use under another one. */
  readonly incarnation: Uint8Array;
  /** Unix seconds. */
  readonly now: number;
  readonly limits: ProxyLimits;
  /** False: nothing but `redeem`, `ping` and `stat` is answered. */
  readonly hasAccount: boolean;
}

export interface ProxyLimits {
  /** Largest item in bytes. */
  readonly maxItem: number;
  readonly maxTopics: number;
  /** Bytes this account may hold, and holds. */
  readonly quota: number;
  readonly used: number;
  /** Days a retired item is still served. */
  readonly graceDays: number;
  /** Items per second and topic. */
  readonly rate: number;
}

export interface PositionedItem {
  readonly position: number;
  readonly wire: Uint8Array;
}

export interface ItemsMessage {
  readonly type: "items";
  readonly request: number;
  readonly items: readonly PositionedItem[];
  readonly more: boolean;
  /** Everything up to here is in this answer or was before. */
  readonly next: number;
}

export interface ProxyPushResult {
  readonly oid: Uint8Array;
  readonly status: PushStatus;
  /** Where it is stored (status 0 and 1), else 0. */
  readonly position: number;
  /** Position of the topic's item before it; only with status 0. */
  readonly previous: number;
}

export interface AccountStats {
  readonly topics: number;
  readonly items: number;
  readonly blobs: number;
  readonly quota: number;
  readonly used: number;
}

/** What became of a pushed item or of a request without an answer of its own. */
export const PUSH_STATUS = {
  stored: 0,
  duplicate: 1,
  bad: 2,
  tooBig: 3,
  quota: 4,
  notPinned: 5,
  rate: 6,
  retired: 7,
} as const;
export type PushStatus = (typeof PUSH_STATUS)[keyof typeof PUSH_STATUS];

export const SUBSCRIBE_STATUS = {
  subscribed: 0,
  /** The edge's cursor is beyond everything stored here: it belongs to another past of this proxy. */
  cursorUnknown: 1,
  quota: 4,
  /** Nobody pins the topic, so there is nothing to follow. */
  notPinned: 5,
  tooManyTopics: 8,
} as const;
export type SubscribeStatus = (typeof SUBSCRIBE_STATUS)[keyof typeof SUBSCRIBE_STATUS];

export const ERROR_CODE = {
  unsupported: 1,
  noAccount: 2,
  tooManyRequests: 3,
  version: 4,
  /** The proxy cannot store at the moment, for instance because its disk is full. */
  storage: 5,
  /** The code to redeem is unknown or used. */
  badCode: 6,
  /** The topic is not stored here. */
  unknownTopic: 7,
  busy: 8,
} as const;
export type ErrorCode = (typeof ERROR_CODE)[keyof typeof ERROR_CODE];

export const PROXY_VERSIONS: VersionRange = { oldest: 1, newest: 1 };
/** Application prologue of the NoiseSocket session. */
export const PROXY_APPLICATION = "p2pc-proxy/1";
