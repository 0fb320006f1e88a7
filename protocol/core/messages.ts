import type { Address } from "../identity/descriptor.ts";
import type { VersionRange } from "../kernel/versions.ts";
import type { TopicTag } from "../ringcast/messages.ts";

/** Application prologue of the NoiseSocket sessions between core nodes; the port is that of the edge's protocol. */
export const CORE_APPLICATION = "p2pc-core/1";
export const CORE_VERSIONS: VersionRange = { oldest: 1, newest: 1 };

/** First message of both sides. */
export interface Hello {
  readonly type: "hello";
  readonly version: number;
  /** 16 bytes; sessions between different overlays end. */
  readonly overlay: Uint8Array;
  readonly descriptor: Uint8Array;
  /** Where the sender sees the receiver: 4 or 16 bytes of an IP address, `null` when it cannot tell. */
  readonly observed: Uint8Array | null;
}

/**
 * What two core nodes that hold a topic say about its items. Each message that names a topic carries, on the wire, the
 * sender's proof of holding it, bound to the session.
 */
export type ExchangeMessage =
  | { readonly type: "compare"; readonly request: number; readonly topic: TopicTag; readonly payload: Uint8Array }
  | { readonly type: "compared"; readonly request: number; readonly topic: TopicTag; readonly payload: Uint8Array }
  /** The topic is not held here, or what was asked made no sense. */
  | { readonly type: "refused"; readonly request: number }
  | { readonly type: "fetch"; readonly request: number; readonly topic: TopicTag; readonly oids: readonly Uint8Array[] }
  /** `dealt` counts the ids dealt with, stored or not. */
  | {
      readonly type: "items";
      readonly request: number;
      readonly dealt: number;
      readonly wires: readonly Uint8Array[];
    }
  | { readonly type: "give"; readonly request: number; readonly topic: TopicTag; readonly wires: readonly Uint8Array[] }
  | { readonly type: "taken"; readonly request: number }
  /** The sender has items that it does not push. */
  | { readonly type: "changed"; readonly topic: TopicTag };

export type CoreMessage = Hello | ExchangeMessage;

/** Somebody to be dialled. */
export interface DialTarget {
  /** X25519 static key; without it the other side may be anybody (pattern XX). */
  readonly transportKey: Uint8Array | undefined;
  /** Best first. */
  readonly addresses: readonly Address[];
}
