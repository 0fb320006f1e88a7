import type { Address } from "../identity/descriptor.ts";
import type { NodeId } from "../identity/node-id.ts";
import type { DeadlineReached } from "../kernel/machine.ts";
import type { SetItem } from "../reconcile/item-set.ts";
import type { TopicTag } from "../ringcast/messages.ts";
import type { DialTarget } from "./messages.ts";
import type { ProfileSnapshot } from "./published-profile.ts";

/** What survives a restart. */
export interface CoreSnapshot {
  readonly sequence: number;
  /** Encoded descriptors of peers that once answered, the latest last. */
  readonly peers: readonly Uint8Array[];
  readonly profile: ProfileSnapshot | undefined;
}

export type CoreEvent =
  | { readonly type: "started" }
  /** Complete: what is to be held in the overlay; `publishes` with a delegation of the topic key. */
  | { readonly type: "topicsChanged"; readonly topics: readonly HeldTopic[] }
  | {
      readonly type: "linkOpened";
      readonly connection: number;
      /** Number of the `dial` it answers. */
      readonly attempt: number | undefined;
      readonly handshakeHash: Uint8Array;
      readonly remoteStatic: Uint8Array;
      /** IP address of the other side, `null` when unknown, and as text for the operator. */
      readonly remoteHost: Uint8Array | null;
      readonly remoteAddress: string;
    }
  | { readonly type: "dialFailed"; readonly attempt: number }
  | { readonly type: "linkClosed"; readonly connection: number }
  | { readonly type: "bytesReceived"; readonly connection: number; readonly bytes: Uint8Array }
  /** Somebody is there: on the LAN, typed, or, by word of who holds the key of `topic`, holding that topic. */
  | { readonly type: "contactFound"; readonly target: DialTarget; readonly topic?: Uint8Array }
  /** Items of a topic were stored here; `from` brought them, absent when an edge did. */
  | { readonly type: "itemsStored"; readonly topic: Uint8Array; readonly items: readonly StoredItem[] }
  | { readonly type: "itemsDeleted"; readonly topic: Uint8Array }
  | { readonly type: "loaded"; readonly topic: TopicTag; readonly items: readonly SetItem[] | null }
  | { readonly type: "read"; readonly token: number; readonly wires: readonly Uint8Array[]; readonly dealt: number }
  | { readonly type: "suspend" }
  | { readonly type: "wake" }
  | DeadlineReached;

export interface HeldTopic {
  readonly pk: Uint8Array;
  readonly publishes: boolean;
}
export interface StoredItem extends SetItem {
  readonly wire: Uint8Array;
}

export type CoreEffect =
  | {
      readonly type: "dial";
      readonly attempt: number;
      readonly address: Address;
      readonly transportKey: Uint8Array | undefined;
    }
  | { readonly type: "close"; readonly connection: number }
  | { readonly type: "send"; readonly connection: number; readonly bytes: Uint8Array; readonly urgent: boolean }
  /** To be checked and stored like what an edge pushes; `itemsStored` follows for what is new. */
  | { readonly type: "store"; readonly topic: Uint8Array; readonly wires: readonly Uint8Array[] }
  | { readonly type: "load"; readonly topic: TopicTag; readonly pk: Uint8Array }
  | {
      readonly type: "read";
      readonly token: number;
      readonly pk: Uint8Array;
      readonly oids: readonly Uint8Array[];
      readonly maxBytes: number;
    }
  /** For the operator: what a peer did wrong. */
  | { readonly type: "peerViolated"; readonly peer: NodeId; readonly rule: string };
