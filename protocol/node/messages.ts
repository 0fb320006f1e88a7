import type { Descriptor } from "../identity/descriptor.ts";
import type { NodeId } from "../identity/node-id.ts";
import type { VerifiedDescriptor } from "../identity/verified.ts";
import type { CyclonMessage } from "../cyclon/messages.ts";
import type { RingsMessage } from "../poldercast/messages.ts";
import type { MessageId, RingCastMessage, TopicTag } from "../ringcast/messages.ts";
import type { VicinityMessage } from "../vicinity/messages.ts";

/** Everything gossip nodes say to each other; `D` is `Descriptor` as decoded and `VerifiedDescriptor` afterwards. */
export type GossipMessage<D extends Descriptor = VerifiedDescriptor> =
  | CyclonMessage<D>
  | VicinityMessage<D>
  | RingsMessage<D>
  | RingCastMessage
  /** The sender goes away for a while: forget it now instead of finding out. */
  | { readonly type: "bye" };

export type GossipNodeEvent =
  | { readonly type: "deadlineReached" }
  /** `message` was decoded and its descriptors verified (`decodeGossipMessage`, `verifyGossipMessage`). */
  | { readonly type: "messageReceived"; readonly from: NodeId; readonly message: GossipMessage }
  /** Bytes of this peer did not decode, or a descriptor in them was forged or expired. */
  | { readonly type: "messageRefused"; readonly from: NodeId }
  /** The peer proved its key in a session. */
  | { readonly type: "peerConnected"; readonly peer: VerifiedDescriptor }
  | { readonly type: "peerUnreachable"; readonly peer: NodeId }
  | { readonly type: "join"; readonly contacts: readonly VerifiedDescriptor[] }
  | { readonly type: "subscribe"; readonly topic: TopicTag; readonly contacts: readonly VerifiedDescriptor[] }
  | { readonly type: "unsubscribe"; readonly topic: TopicTag }
  | { readonly type: "publish"; readonly topic: TopicTag; readonly id: MessageId; readonly payload: Uint8Array }
  /** Private set intersection with the peer ended: these own topics are shared. */
  | { readonly type: "topicsConfirmed"; readonly peer: VerifiedDescriptor; readonly topics: readonly TopicTag[] }
  /** The peer proved in a session that it holds this own topic. */
  | { readonly type: "memberProven"; readonly peer: VerifiedDescriptor; readonly topic: TopicTag }
  | { readonly type: "descriptorIssued"; readonly descriptor: VerifiedDescriptor }
  | { readonly type: "suspend" }
  | { readonly type: "wake" };

export type GossipNodeEffect =
  | {
      readonly type: "send";
      readonly to: NodeId;
      /** Where to dial if there is no session yet; absent when the answer goes back over the one that asked. */
      readonly route: VerifiedDescriptor | undefined;
      readonly message: GossipMessage;
    }
  | {
      readonly type: "deliver";
      readonly topic: TopicTag;
      readonly id: MessageId;
      readonly payload: Uint8Array;
      readonly hops: number;
    }
  /** Run private set intersection with this peer, and report `topicsConfirmed`. */
  | { readonly type: "intersect"; readonly peer: VerifiedDescriptor }
  /** Time to sign a fresh descriptor and report `descriptorIssued`. */
  | { readonly type: "descriptorDue"; readonly sequence: number }
  | { readonly type: "contactsNeeded" }
  | { readonly type: "peerSuspected"; readonly peer: NodeId }
  | { readonly type: "peerViolated"; readonly peer: NodeId; readonly rule: string; readonly count: number }
  /** Too many violations: close its sessions and refuse new ones until then. */
  | { readonly type: "peerBlocked"; readonly peer: NodeId };
