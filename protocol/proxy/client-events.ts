import type { CryptoProvider } from "../crypto/provider.ts";
import type { DeadlineReached } from "../kernel/machine.ts";
import type { RandomSource } from "../kernel/random.ts";
import type { ItemSet } from "../reconcile/item-set.ts";
import type { VersionRefused } from "../kernel/versions.ts";
import type { EdgeMessage, ProxyAnswer, ProxyLimits, ProxyMessage, PushStatus } from "./messages.ts";

/** A topic an identity keeps at a proxy. */
export interface ProxyTopic {
  readonly pk: Uint8Array;
  /** The host has stored every item up to this position; `null` when it has no cursor for the proxy's incarnation. */
  readonly cursor: number | null;
  /** Have new items sent; otherwise the topic is only compared every hour. */
  readonly live: boolean;
  /** Let the proxy store the topic for this account. */
  readonly pin: boolean;
}

/** An item that waits to be stored at this proxy. */
export interface OutboxItem {
  readonly oid: Uint8Array;
  readonly topic: Uint8Array;
  readonly wire: Uint8Array;
}

/** What the machine reads of the host's state; synchronous, because it is an in-memory index or SQLite. */
export interface ProxyClientSource {
  /**
   * Items for this proxy, oldest first: at most `maxItems`, at most `maxBytes` in all (but one item of any size), none of a
   * topic in `held` (lower-case hex).
   */
  readonly outbox: (maxItems: number, maxBytes: number, held: ReadonlySet<string>) => readonly OutboxItem[];
  /** Every stored item of a topic, kept current by the host. */
  readonly itemSet: (topic: Uint8Array) => ItemSet;
}

export interface ProxyClientDeps {
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly source: ProxyClientSource;
}

export interface ProxyClientConfig {
  /** The incarnation the cursors belong to; `null` before the first contact. */
  readonly incarnation: Uint8Array | null;
  readonly topics: readonly ProxyTopic[];
  /** Goes online without an account as well: a guest uses topics that others pin, such as the rendezvous of an invite. */
  readonly isGuest?: boolean;
}

type WithoutRequest<M> = M extends { readonly request: number } ? Omit<M, "request"> : never;
/** A question of the host's own: redeeming a code, attachments, figures, forgetting topics. */
export type ProxyQuestion = WithoutRequest<
  Extract<
    EdgeMessage,
    {
      readonly type:
        | "redeem"
        | "stat"
        | "ping"
        | "relay"
        | "registerInbox"
        | "unsubscribe"
        | "putBlob"
        | "haveBlobs"
        | "getBlob"
        | "pinBlobs"
        | "unpinBlobs";
    }
  >
>;

export type ProxyClientEvent =
  /** Go online: dial now, without waiting out a pause after failures. Also after the computer woke up. */
  | { readonly type: "started" }
  /** Go offline until `started`. */
  | { readonly type: "stopped" }
  /** The NoiseSocket session that `dial` asked for is open; the proxy's static key was checked by the handshake. */
  | { readonly type: "linkOpened" }
  /** `dial` failed, or the session ended. */
  | { readonly type: "linkClosed" }
  | { readonly type: "messageReceived"; readonly message: ProxyMessage }
  /** The complete list; of topics already known the cursor is ignored. */
  | { readonly type: "topicsChanged"; readonly topics: readonly ProxyTopic[] }
  | { readonly type: "outboxChanged" }
  /** The host has dealt with what `itemsReceived` brought, or could not store it. */
  | { readonly type: "itemsStored"; readonly token: number; readonly stored: boolean }
  | { readonly type: "sendLive"; readonly topic: Uint8Array; readonly wire: Uint8Array }
  | { readonly type: "ask"; readonly token: number; readonly question: ProxyQuestion }
  | DeadlineReached;

export type ProxyClientState =
  /** Not started, or waiting to dial again. */
  | "offline"
  | "connecting"
  /** Connected, but the proxy knows no account of this key: a code must be redeemed. */
  | "noAccount"
  | "online";

export type ProxyTopicState =
  | "subscribing"
  | "comparing"
  | "pulling"
  /** Everything the proxy had is here, and what it gets comes at once (if the topic is `live`). */
  | "current"
  /** The account's quota or number of topics does not allow it. */
  | "refused";

export type ProxyClientEffect =
  /** Open a NoiseSocket session to the proxy with the account's key and prologue `PROXY_APPLICATION`. */
  | { readonly type: "dial" }
  | { readonly type: "hangUp" }
  | { readonly type: "send"; readonly message: ProxyMessage; readonly urgent: boolean }
  | { readonly type: "stateChanged"; readonly state: ProxyClientState; readonly failures: number }
  | { readonly type: "limitsChanged"; readonly limits: ProxyLimits }
  /** Store the incarnation and drop every cursor of this proxy, in one transaction. */
  | { readonly type: "incarnationChanged"; readonly incarnation: Uint8Array }
  /**
   * Check and store the items, and set the topic's cursor in the same transaction unless it is `null`; then answer
   * `itemsStored`. Carried out in order. An item that fails its checks is dropped, the cursor moves all the same.
   */
  | {
      readonly type: "itemsReceived";
      readonly token: number;
      readonly topic: Uint8Array;
      readonly wires: readonly Uint8Array[];
      readonly cursor: number | null;
    }
  /** An item of kind 4, which is never stored. */
  | { readonly type: "liveReceived"; readonly topic: Uint8Array; readonly wire: Uint8Array }
  /**
   * What became of items of the outbox, with cursors to set in the same transaction. Delete those of status 0, 1 and 7 (safe or
   * superseded), set aside 2 and 3 (a bug of ours), keep 4, 5 and 6: the machine asks for them again later.
   */
  | {
      readonly type: "pushed";
      readonly results: readonly OutboxResult[];
      readonly cursors: readonly { readonly topic: Uint8Array; readonly cursor: number }[];
    }
  /** Put these into the outbox of this proxy and tell `outboxChanged`; those here already change nothing. */
  | { readonly type: "proxyLacks"; readonly topic: Uint8Array; readonly oids: readonly Uint8Array[] }
  | { readonly type: "topicStateChanged"; readonly topic: Uint8Array; readonly state: ProxyTopicState }
  /** `null`: the session ended before the answer came. */
  | { readonly type: "answered"; readonly token: number; readonly answer: ProxyAnswer | null }
  /** The proxy broke a rule; `hangUp` follows. */
  | { readonly type: "proxyViolated"; readonly rule: string }
  /** There is no version in common; `hangUp` follows. */
  | { readonly type: "versionRefused"; readonly toUpdate: VersionRefused["toUpdate"] };

export interface OutboxResult {
  readonly oid: Uint8Array;
  readonly topic: Uint8Array;
  readonly status: PushStatus;
}
