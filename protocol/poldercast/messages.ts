import type { CyclonMessage } from "../cyclon/messages.ts";
import type { Descriptor } from "../identity/descriptor.ts";
import type { NodeId } from "../identity/node-id.ts";
import type { VerifiedDescriptor } from "../identity/verified.ts";
import type { MessageId, RingCastMessage, TopicTag } from "../ringcast/messages.ts";
import type { VicinityMessage } from "../vicinity/messages.ts";
import type { Neighbor } from "../view/neighbor.ts";

/** Members of one topic, chosen for the receiver's place on its ring. */
export interface TopicNeighbors<D extends Descriptor = VerifiedDescriptor> {
  readonly topic: TopicTag;
  readonly neighbors: readonly Neighbor<D>[];
}

export type RingsMessage<D extends Descriptor = VerifiedDescriptor> =
  | {
      readonly type: "ringRequest" | "ringResponse";
      readonly exchange: number;
      readonly sender: D;
      readonly topics: readonly TopicNeighbors<D>[];
    }
  /** Who is nearer to me on this ring? The asked node takes the seeker in, too. */
  | { readonly type: "ringFind"; readonly exchange: number; readonly sender: D; readonly topic: TopicTag }
  | { readonly type: "ringFound"; readonly exchange: number; readonly topics: readonly TopicNeighbors<D>[] }
  /** The sender leaves the ring; these are its neighbors there. */
  | { readonly type: "ringLeave"; readonly exchange: number; readonly topics: readonly TopicNeighbors<D>[] };

export type PolderCastMessage = CyclonMessage | VicinityMessage | RingsMessage | RingCastMessage;

export type RingsEvent =
  | { readonly type: "deadlineReached" }
  | { readonly type: "messageReceived"; readonly from: NodeId; readonly message: RingsMessage }
  | { readonly type: "peerUnreachable"; readonly peer: NodeId }
  | { readonly type: "subscribe"; readonly topic: TopicTag; readonly contacts: readonly VerifiedDescriptor[] }
  | { readonly type: "unsubscribe"; readonly topic: TopicTag };

export interface SendRings {
  readonly type: "send";
  readonly to: NodeId;
  readonly route: VerifiedDescriptor | undefined;
  readonly message: RingsMessage;
}
export interface DescriptorsHeard {
  readonly type: "descriptorsHeard";
  readonly from: NodeId;
  readonly neighbors: readonly Neighbor[];
}
export type RingsEffect =
  | SendRings
  | DescriptorsHeard
  /** A member of the topic named this node a member: `Interests.shared` should say so from now on. */
  | {
      readonly type: "membershipLearned";
      readonly topic: TopicTag;
      readonly member: VerifiedDescriptor;
      readonly from: NodeId;
    }
  /** The nearest neighbors on a ring are others than before. */
  | { readonly type: "ringChanged"; readonly topic: TopicTag }
  | { readonly type: "peerViolated"; readonly peer: NodeId; readonly rule: RingsRule };

/** Numbers of the rules in SPEC.md that a peer can break. */
export type RingsRule = "PLD-10" | "PLD-11" | "PLD-12";

export type PolderCastEvent =
  | { readonly type: "deadlineReached" }
  | { readonly type: "messageReceived"; readonly from: NodeId; readonly message: PolderCastMessage }
  | { readonly type: "peerUnreachable"; readonly peer: NodeId }
  | { readonly type: "join"; readonly contacts: readonly VerifiedDescriptor[] }
  | { readonly type: "subscribe"; readonly topic: TopicTag; readonly contacts: readonly VerifiedDescriptor[] }
  | { readonly type: "unsubscribe"; readonly topic: TopicTag }
  | { readonly type: "publish"; readonly topic: TopicTag; readonly id: MessageId; readonly payload: Uint8Array }
  /** More is known of what this peer shares: show it to the rings and rank it anew. */
  | { readonly type: "membersConfirmed"; readonly peer: VerifiedDescriptor }
  /** The node was away: walk to every place again and fetch what was missed. */
  | { readonly type: "wake" };

export type PolderCastEffect =
  | {
      readonly type: "send";
      readonly to: NodeId;
      readonly route: VerifiedDescriptor | undefined;
      readonly message: PolderCastMessage;
    }
  | DescriptorsHeard
  | {
      readonly type: "deliver";
      readonly topic: TopicTag;
      readonly id: MessageId;
      readonly payload: Uint8Array;
      readonly hops: number;
    }
  | {
      readonly type: "membershipLearned";
      readonly topic: TopicTag;
      readonly member: VerifiedDescriptor;
      readonly from: NodeId;
    }
  | { readonly type: "peerSuspected"; readonly peer: NodeId }
  | { readonly type: "peerViolated"; readonly peer: NodeId; readonly rule: string }
  | { readonly type: "contactsNeeded" };
