import type { Descriptor } from "../identity/descriptor.ts";
import type { NodeId } from "../identity/node-id.ts";
import type { VerifiedDescriptor } from "../identity/verified.ts";
import type { Neighbor } from "../view/neighbor.ts";

/** `D` is `Descriptor` as decoded and `VerifiedDescriptor` as a machine receives and sends it. */
export type CyclonMessage<D extends Descriptor = VerifiedDescriptor> =
  | { readonly type: "shuffleRequest"; readonly exchange: number; readonly neighbors: readonly Neighbor<D>[] }
  | { readonly type: "shuffleResponse"; readonly exchange: number; readonly neighbors: readonly Neighbor<D>[] }
  | { readonly type: "joinRequest"; readonly exchange: number; readonly joiner: D }
  /** A joiner's random walk; its last node replaces one of its neighbors by the joiner. */
  | { readonly type: "joinWalk"; readonly exchange: number; readonly joiner: D; readonly steps: number }
  /** The replaced neighbor, given to the joiner at the end of a walk. */
  | { readonly type: "joinGift"; readonly exchange: number; readonly gift: Neighbor<D> };

export type CyclonEvent =
  | { readonly type: "deadlineReached" }
  | { readonly type: "messageReceived"; readonly from: NodeId; readonly message: CyclonMessage }
  /** Connection refused, or lost with no sign of life: the host has given up on this node. */
  | { readonly type: "peerUnreachable"; readonly peer: NodeId }
  | { readonly type: "join"; readonly contacts: readonly VerifiedDescriptor[] };

export type CyclonEffect =
  | {
      readonly type: "send";
      readonly to: NodeId;
      /** Where to dial; absent in a reply, which goes back over the connection that brought the request. */
      readonly route: VerifiedDescriptor | undefined;
      readonly message: CyclonMessage;
    }
  /** Every descriptor received in gossip, for samplers above. */
  | { readonly type: "descriptorsHeard"; readonly from: NodeId; readonly neighbors: readonly Neighbor[] }
  | { readonly type: "peerViolated"; readonly peer: NodeId; readonly rule: CyclonRule }
  /** The view is empty and the address book cannot help. */
  | { readonly type: "contactsNeeded" };

/** Numbers of the rules in SPEC.md that a peer can break. */
export type CyclonRule = "CYC-10" | "CYC-11" | "CYC-12" | "CYC-13";
