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
/** A node meets its views and ring neighbors again and again: one slot per peer, found by the first bits of its id. */
const REMEMBERED_PEERS = 256;
const INTERNED_LISTS = 64;
const NO_TOPICS: readonly TopicTag[] = [];

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
      const peers: (VerifiedDescriptor | undefined)[] = Array.from({ length: REMEMBERED_PEERS }, () => undefined);
      const lists: (readonly TopicTag[])[] = Array.from({ length: REMEMBERED_PEERS }, () => NO_TOPICS);
      // Most pairs share the same few popular topics: one list serves them all.
      const interned = new Map<string, readonly TopicTag[]>();
      const intern = (common: readonly number[]): readonly TopicTag[] => {
        if (common.length === 0) return NO_TOPICS;
        const key = common.join();
        let list = interned.get(key);
        if (list === undefined) {
          if (interned.size >= INTERNED_LISTS) interned.clear();
          interned.set(key, (list = common.map(tagOf)));
        }
        return list;
      };
      return {
        shared: (peer) => {
          const slot = peer.shortId & (REMEMBERED_PEERS - 1);
          if (peers[slot] === peer) return lists[slot]!;
          peers[slot] = peer;
          return (lists[slot] = intern(commonTopics(topicsOf[index]!, topicsOf[population.placeOf(peer)]!)));
        },
        // A profile does not change within a run.
        revision: () => 0,
        affinity: (reference) => {
          const place = population.placeOf(reference);
          const theirs = topicsOf[place]!;
          const priorities: number[] = [];
          for (const topic of theirs) priorities.push(place === index ? 0 : priorityOf.lookup(place, tagOf(topic)));
          return (candidate) => {
            const others = topicsOf[population.placeOf(candidate)]!;
            let priority = 0;
            let common = 0;
            for (let i = 0, j = 0; i < theirs.length && j < others.length;) {
              const difference = theirs[i]! - others[j]!;
              if (difference === 0) {
                common++;
                priority += priorities[i]!;
              }
              if (difference <= 0) i++;
              if (difference >= 0) j++;
            }
            return common === 0 ? -1 : priority * PRIORITY_WEIGHT + common;
          };
        },
        position: (tag) => {
          const topic = topicByTag.get(tag) ?? 0;
          return (node) => position(topic, node);
        },
      };
    },
  };
};
