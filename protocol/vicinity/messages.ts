import type { Descriptor } from "../identity/descriptor.ts";
import type { NodeId } from "../identity/node-id.ts";
import type { VerifiedDescriptor } from "../identity/verified.ts";
import type { Neighbor } from "../view/neighbor.ts";

/** `D` is `Descriptor` as decoded and `VerifiedDescriptor` as a machine receives and sends it. */
export interface VicinityMessage<D extends Descriptor = VerifiedDescriptor> {
  readonly type: "vicinityRequest" | "vicinityResponse";
  readonly exchange: number;
  readonly neighbors: readonly Neighbor<D>[];
}

export type VicinityEvent =
  | { readonly type: "deadlineReached" }
  | { readonly type: "messageReceived"; readonly from: NodeId; readonly message: VicinityMessage }
  | { readonly type: "peerUnreachable"; readonly peer: NodeId };

export type VicinityEffect =
  | {
      readonly type: "send";
      readonly to: NodeId;
      /** Where to dial; absent in a reply, which goes back over the connection that brought the request. */
      readonly route: VerifiedDescriptor | undefined;
      readonly message: VicinityMessage;
    }
  | { readonly type: "descriptorsHeard"; readonly from: NodeId; readonly neighbors: readonly Neighbor[] }
  | { readonly type: "peerViolated"; readonly peer: NodeId; readonly rule: VicinityRule };

/** Numbers of the rules in SPEC.md that a peer can break. */
export type VicinityRule = "VIC-7" | "VIC-8" | "VIC-9";
