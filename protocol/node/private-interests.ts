import { type BlippedFilter, decodeBlippedFilter, type ProfilePolicy } from "../blip/blipped-filter.ts";
import { estimateOverlapNoisy } from "../blip/estimator.ts";
import { createProfileBook } from "../blip/profile-book.ts";
import type { SubscriptionProfile } from "../blip/subscription-profile.ts";
import type { NodeId } from "../identity/node-id.ts";
import type { VerifiedDescriptor } from "../identity/verified.ts";
import type { Interests } from "../poldercast/interests.ts";
import type { TopicKeys } from "../poldercast/topic-keys.ts";
import type { TopicTag } from "../ringcast/messages.ts";

/**
 * Interests without subscription lists: affinity is estimated from BLIP filters, shared topics are those that a private
 * set intersection or a member proved. Nothing here can be encoded into a message.
 */
export interface PrivateInterests extends Interests {
  /** Result of an intersection with the peer; replaces what was known. */
  readonly confirm: (peer: NodeId, topics: readonly TopicTag[]) => void;
  /** A member of the topic named this node a member. */
  readonly learn: (peer: NodeId, topic: TopicTag) => void;
  readonly isConfirmed: (peer: NodeId) => boolean;
  readonly forget: (peer: NodeId) => void;
  readonly forgetTopic: (topic: TopicTag) => void;
}

export interface PrivateInterestsOptions {
  readonly self: NodeId;
  /** The exact own profile; it never leaves this closure. */
  readonly own: () => SubscriptionProfile;
  readonly policy: () => ProfilePolicy;
  readonly keysOf: (topic: TopicTag) => TopicKeys | undefined;
}

interface Decoded {
  readonly sequence: number;
  readonly filter: BlippedFilter | undefined;
}
interface Membership {
  readonly topics: Set<TopicTag>;
  isConfirmed: boolean;
}

/** Peers whose filters and memberships are remembered. */
const MAXIMUM_PEERS = 4_096;
/** Ring places remembered per topic; each costs an HMAC, and the four nearest meet the same few candidates again and again. */
const MAXIMUM_PLACES = 512;
const NO_TOPICS: readonly TopicTag[] = [];

export const createPrivateInterests = ({ self, own, policy, keysOf }: PrivateInterestsOptions): PrivateInterests => {
  const profiles = createProfileBook(MAXIMUM_PEERS);
  const decoded = new Map<NodeId, Decoded>();
  const memberships = new Map<NodeId, Membership>();
  const sharedTopics = new Map<NodeId, readonly TopicTag[]>();
  let revision = 0;
  const positions = new Map<TopicTag, Map<NodeId, number>>();

  const filterOf = (descriptor: VerifiedDescriptor): BlippedFilter | undefined => {
    const known = decoded.get(descriptor.id);
    if (known?.sequence === descriptor.sequence) return known.filter;
    const read = descriptor.profile === undefined ? undefined : decodeBlippedFilter(descriptor.profile, policy());
    let filter = read?.ok === true ? read.value : undefined;
    if (filter !== undefined && profiles.accept(descriptor.id, filter) === "equivocation") filter = undefined;
    keep(decoded, descriptor.id, { sequence: descriptor.sequence, filter });
    return filter;
  };

  const membershipOf = (peer: NodeId): Membership => {
    revision++;
    const held = memberships.get(peer) ?? { topics: new Set<TopicTag>(), isConfirmed: false };
    keep(memberships, peer, held);
    sharedTopics.delete(peer);
    return held;
  };

  return {
    shared: (peer) => {
      const known = sharedTopics.get(peer.id);
      if (known !== undefined) return known;
      const held = memberships.get(peer.id);
      const topics = held === undefined ? NO_TOPICS : [...held.topics];
      keep(sharedTopics, peer.id, topics);
      return topics;
    },
    revision: () => revision,
    affinity: (reference) => {
      if (reference.id === self)
        return (candidate) => (filterOf(candidate) === undefined ? -1 : profiles.rank(own(), candidate.id));
      const known = filterOf(reference);
      if (known === undefined) return () => -1;
      return (candidate) => {
        const theirs = filterOf(candidate);
        return theirs === undefined ? -1 : Math.max(0, estimateOverlapNoisy(known, theirs).items);
      };
    },
    position: (topic) => {
      const places = positions.get(topic) ?? new Map<NodeId, number>();
      positions.set(topic, places);
      return ({ id }) => {
        const known = places.get(id);
        if (known !== undefined) return known;
        const place = keysOf(topic)?.position(id) ?? 0;
        keep(places, id, place, MAXIMUM_PLACES);
        return place;
      };
    },
    confirm: (peer, topics) => {
      profiles.intersectionFound(own(), peer, topics.length);
      const held = membershipOf(peer);
      held.topics.clear();
      for (const topic of topics) held.topics.add(topic);
      held.isConfirmed = true;
    },
    learn: (peer, topic) => {
      if (memberships.get(peer)?.topics.has(topic) !== true) membershipOf(peer).topics.add(topic);
    },
    isConfirmed: (peer) => memberships.get(peer)?.isConfirmed === true,
    forget: (peer) => {
      revision++;
      memberships.delete(peer);
      sharedTopics.delete(peer);
      decoded.delete(peer);
      profiles.forget(peer);
    },
    forgetTopic: (topic) => {
      revision++;
      for (const held of memberships.values()) held.topics.delete(topic);
      sharedTopics.clear();
      positions.delete(topic);
    },
  };
};

const keep = <K, V>(map: Map<K, V>, key: K, value: V, limit = MAXIMUM_PEERS): void => {
  map.delete(key);
  map.set(key, value);
  if (map.size > limit)
    for (const oldest of map.keys()) {
      map.delete(oldest);
      return;
    }
};
