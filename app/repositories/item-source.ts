import type { ItemSource } from "../../protocol/peer/peer-session.ts";
import type { ItemSet } from "../../protocol/reconcile/item-set.ts";
import { createItemSet } from "../../protocol/reconcile/item-set.ts";
import type { Store, TopicRow } from "../ports/store.ts";

/** The stored items as peer sessions reconcile and serve them, with one sorted set per topic in memory. */
export interface TopicItems extends ItemSource {
  /** What the topic offers is to be read again. */
  readonly changed: (topic: number) => void;
  readonly added: (topic: TopicRow, item: { readonly gen: number; readonly oid: Uint8Array }) => void;
}

export const createTopicItems = (store: Store, topicByPk: (pk: Uint8Array) => TopicRow | undefined): TopicItems => {
  const sets = new Map<number, ItemSet>();
  return {
    wire: (oid) => store.entries.wire(oid),
    has: (oid) => store.entries.has(oid),
    itemSet: (pk) => {
      const topic = topicByPk(pk);
      if (topic === undefined) return createItemSet();
      let set = sets.get(topic.n);
      if (set === undefined) {
        set = createItemSet(store.entries.items(topic.n).map(({ gen, oid }) => ({ gen, id: oid })));
        sets.set(topic.n, set);
      }
      return set;
    },
    changed: (topic) => {
      sets.delete(topic);
    },
    added: (topic, { gen, oid }) => {
      sets.get(topic.n)?.add({ gen, id: oid });
    },
  };
};
