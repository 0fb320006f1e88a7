import type { NodeId } from "../identity/node-id.ts";
import type { TopicTag } from "../ringcast/messages.ts";

/** What happened since the start. */
export interface CoreCounters {
  readonly sentMessages: number;
  readonly receivedMessages: number;
  /** Items others published, first copies and further ones. */
  readonly delivered: number;
  readonly duplicates: number;
  readonly published: number;
  readonly compared: number;
  /** Items that came by comparison. */
  readonly repaired: number;
  readonly dialled: number;
  readonly unreachable: number;
  readonly violations: number;
  readonly intersections: number;
}

/** What a core node tells its operator, and nobody else. Topics are named by their tags, which only holders can compute. */
export interface CoreStatus {
  readonly id: NodeId;
  readonly isReachable: boolean;
  readonly links: readonly { readonly peer: NodeId; readonly dialledHere: boolean; readonly address: string }[];
  readonly dialling: number;
  readonly views: { readonly random: readonly NodeId[]; readonly interest: readonly NodeId[] };
  readonly topics: readonly {
    readonly tag: TopicTag;
    readonly publishes: boolean;
    readonly successors: readonly NodeId[];
    readonly predecessors: readonly NodeId[];
  }[];
  readonly counters: CoreCounters;
}
