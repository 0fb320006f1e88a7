import type { NodeId } from "../identity/node-id.ts";
import type { VerifiedDescriptor } from "../identity/verified.ts";
import type { Brand } from "../kernel/brand.ts";

/** Keyed handle of a topic, 16 bytes as base64url. It says nothing to those who do not hold the topic's element. */
export type TopicTag = Brand<string, "TopicTag">;
/** Content id of a message, 32 bytes as base64url. */
export type MessageId = Brand<string, "MessageId">;

export type RingCastMessage =
  | {
      readonly type: "publish";
      readonly topic: TopicTag;
      readonly id: MessageId;
      /** Links the message has crossed; stops at 255. */
      readonly hops: number;
      readonly link: "ring" | "random" | "tree" | "pull";
      readonly payload: Uint8Array;
    }
  | { readonly type: "acknowledge"; readonly topic: TopicTag; readonly id: MessageId }
  /** Ids the sender holds. */
  | { readonly type: "announce"; readonly topic: TopicTag; readonly ids: readonly MessageId[] }
  | { readonly type: "want"; readonly topic: TopicTag; readonly ids: readonly MessageId[] }
  /** Lazy mode: send me ids instead of payloads. */
  | { readonly type: "prune"; readonly topic: TopicTag }
  /** After an absence: announce what you have beyond these (first eight bytes of each id). */
  | { readonly type: "catchUp"; readonly topic: TopicTag; readonly known: readonly string[] };

export type RingCastEvent =
  | { readonly type: "deadlineReached" }
  | { readonly type: "messageReceived"; readonly from: NodeId; readonly message: RingCastMessage }
  | { readonly type: "peerUnreachable"; readonly peer: NodeId }
  | { readonly type: "publish"; readonly topic: TopicTag; readonly id: MessageId; readonly payload: Uint8Array }
  /** Ring neighbors of the topic are new, or the node was away: fetch what was missed. */
  | { readonly type: "ringChanged"; readonly topic: TopicTag }
  | { readonly type: "topicLeft"; readonly topic: TopicTag };

export type RingCastEffect =
  | {
      readonly type: "send";
      readonly to: NodeId;
      readonly route: VerifiedDescriptor | undefined;
      readonly message: RingCastMessage;
    }
  /** Exactly once per message id, the publisher's own node excepted. */
  | {
      readonly type: "deliver";
      readonly topic: TopicTag;
      readonly id: MessageId;
      readonly payload: Uint8Array;
      readonly hops: number;
    }
  | { readonly type: "peerSuspected"; readonly peer: NodeId }
  | { readonly type: "peerViolated"; readonly peer: NodeId; readonly rule: RingCastRule };

/** Numbers of the rules in SPEC.md that a peer can break. */
export type RingCastRule = "RNG-10" | "RNG-11" | "RNG-12";
