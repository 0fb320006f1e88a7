import type { VerifiedDescriptor } from "../identity/verified.ts";
import type { TopicTag } from "../ringcast/messages.ts";
import type { Proximity, RingPosition } from "../vicinity/selection.ts";

/**
 * What this node knows about who is interested in what. PolderCast never sees a subscription list: the product answers
 * from BLIP filters (affinity) and private set intersection (shared topics), the tests from clear profiles.
 */
export interface Interests {
  /** Own topics the peer is known to share: proven in a session, or named a member by a proven member. */
  readonly shared: (peer: VerifiedDescriptor) => readonly TopicTag[];
  /** Grows whenever the answer of `shared` changes for some peer. */
  readonly revision: () => number;
  /** Estimated closeness of two profiles, larger is closer; negative when nothing suggests a common topic. */
  readonly affinity: Proximity;
  /** Places on the ring of a topic, integers in [0, 2^53); good as long as the node subscribes to it. */
  readonly position: (topic: TopicTag) => RingPosition;
}
