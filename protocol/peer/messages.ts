import type { VersionRange } from "../kernel/versions.ts";

/**
 * What two devices say to each other over one NoiseSocket session. Numbers follow the edge-to-proxy protocol where the
 * meaning is the same; 40 and above exist only between devices.
 */
export type PeerMessage =
  | { readonly type: "hello"; readonly version: number }
  /** One tag per topic the sender follows, padded with random ones (PEER-2). */
  | { readonly type: "tags"; readonly tags: readonly Uint8Array[] }
  /** The sender's device key, signed together with the session, for a topic both follow (PEER-5). */
  | { readonly type: "device"; readonly topic: Uint8Array; readonly device: Uint8Array; readonly signature: Uint8Array }
  | { readonly type: "reconcile"; readonly request: number; readonly topic: Uint8Array; readonly payload: Uint8Array }
  /** `null`: the topic is not common, or the payload was refused. */
  | { readonly type: "reconciled"; readonly request: number; readonly payload: Uint8Array | null }
  | { readonly type: "get"; readonly request: number; readonly topic: Uint8Array; readonly oids: readonly Uint8Array[] }
  | { readonly type: "items"; readonly request: number; readonly wires: readonly Uint8Array[]; readonly more: boolean }
  | {
      readonly type: "push";
      readonly request: number;
      readonly topic: Uint8Array;
      readonly wires: readonly Uint8Array[];
    }
  | { readonly type: "pushed"; readonly request: number; readonly results: readonly PushResult[] }
  /** The Noise initiator has compared the topic and stored what it lacked (PEER-9). */
  | { readonly type: "compared"; readonly topic: Uint8Array }
  | {
      readonly type: "have";
      readonly request: number;
      readonly topic: Uint8Array;
      readonly oids: readonly Uint8Array[];
    }
  /** Those of the asked ids that are stored. */
  | { readonly type: "has"; readonly request: number; readonly oids: readonly Uint8Array[] }
  /** One chunk of an attachment, by the hash of its ciphertext. */
  | { readonly type: "getChunk"; readonly request: number; readonly topic: Uint8Array; readonly id: Uint8Array }
  /** `null`: the chunk is not here. */
  | { readonly type: "chunk"; readonly request: number; readonly bytes: Uint8Array | null }
  /** An item that is never stored: carets and changes ahead of their entry. */
  | { readonly type: "live"; readonly topic: Uint8Array; readonly wire: Uint8Array };

export interface PushResult {
  readonly oid: Uint8Array;
  readonly status: PushStatus;
}

/** 0 stored, 1 had it already, 2 refused as bad, 4 no room left. */
export type PushStatus = 0 | 1 | 2 | 4;

export const PEER_VERSIONS: VersionRange = { oldest: 1, newest: 1 };
