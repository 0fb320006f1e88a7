import type { VerifiedDescriptor } from "../../../protocol/identity/verified.ts";
import { bytesToBase64url } from "../../../protocol/kernel/bytes.ts";
import type { Interests } from "../../../protocol/poldercast/interests.ts";
import type { TopicTag } from "../../../protocol/ringcast/messages.ts";
import type { Population } from "./population.ts";
import { commonTopics } from "./workloads.ts";

/**
 * PolderCast as published: every profile is visible, with the priorities of its topics. It exists only here; the
 * product has no type that could carry it.
 */
export interface ClearProfiles {
  readonly tagOf: (topic: number) => TopicTag;
  readonly topicsOf: Int32Array[];
  readonly interestsOf: (index: number) => Interests;
  readonly position: (topic: number, node: VerifiedDescriptor) => number;
  /** How the world learns a node's priorities, which the published profile contains. */
  readonly priorityOf: { lookup: (index: number, topic: TopicTag) => number };
}

const PRIORITY_WEIGHT = 1000;

export const createClearProfiles = (population: Population): ClearProfiles => {
  const tags: TopicTag[] = [];
  const topicByTag = new Map<TopicTag, number>();
  const topicsOf: Int32Array[] = [];
  const priorityOf = { lookup: (_index: number, _topic: TopicTag): number => 0 };

  const tagOf = (topic: number): TopicTag => {
    let tag = tags[topic];
    if (tag === undefined) {
      const bytes = new Uint8Array(16);
      new DataView(bytes.buffer).setUint32(0, topic);
      tag = bytesToBase64url(bytes) as TopicTag;
      tags[topic] = tag;
      topicByTag.set(tag, topic);
    }
    return tag;
  };
  // Two rounds of a multiplicative mix stand in for the keyed hash of the product: independent per topic, cheap.
  const position = (topic: number, { shortId }: VerifiedDescriptor): number => {
    let high = Math.imul(shortId ^ Math.imul(topic + 1, 0x9e3779b1), 0x85ebca6b);
    high = Math.imul(high ^ (high >>> 15), 0xc2b2ae35);
    high ^= high >>> 13;
    const low = Math.imul(high ^ shortId, 0x27d4eb2f);
    return (high >>> 0) * 2 ** 21 + (low >>> 11);
  };

  return {
    tagOf,
    topicsOf,
    position,
    priorityOf,
    interestsOf: (index) => {
      // A profile does not change within a run, and pairs meet often.
      const remembered = new Map<VerifiedDescriptor, TopicTag[]>();
      return {
        shared: (peer) => {
          const known = remembered.get(peer);
          if (known !== undefined) return known;
          const shared = commonTopics(topicsOf[index]!, topicsOf[population.indexOf(peer.id)]!).map(tagOf);
          if (remembered.size > 512) remembered.clear();
          remembered.set(peer, shared);
          return shared;
        },
        affinity: (reference, candidate) => {
          const from = population.indexOf(reference.id);
          const common = commonTopics(topicsOf[from]!, topicsOf[population.indexOf(candidate.id)]!);
          if (common.length === 0) return -1;
          if (from === index) return common.length;
          let priority = 0;
          for (const topic of common) priority += priorityOf.lookup(from, tagOf(topic));
          return priority * PRIORITY_WEIGHT + common.length;
        },
        position: (topic, node) => position(topicByTag.get(topic) ?? 0, node),
      };
    },
  };
};
