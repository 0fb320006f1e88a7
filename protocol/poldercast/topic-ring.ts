import type { NodeId } from "../identity/node-id.ts";
import type { VerifiedDescriptor } from "../identity/verified.ts";
import { clockwise } from "../vicinity/selection.ts";
import { MAXIMUM_AGE, type Neighbor } from "../view/neighbor.ts";

/** The places next to this node on the ring of one topic, nearest first on each side. */
export interface TopicRing {
  readonly successors: () => readonly VerifiedDescriptor[];
  readonly predecessors: () => readonly VerifiedDescriptor[];
  /** Takes a member in if it is near enough, or refreshes it. True when a nearest neighbor changed. */
  readonly offer: (descriptor: VerifiedDescriptor, position: number, age: number) => boolean;
  /** True when it was there. */
  readonly remove: (id: NodeId) => boolean;
  readonly growOlder: () => void;
  readonly touch: (id: NodeId) => void;
  readonly neighbors: () => readonly Neighbor[];
  /** Empty slots: the priority of the topic. */
  readonly missing: () => number;
}

interface Slot {
  descriptor: VerifiedDescriptor;
  readonly distance: number;
  age: number;
}

export const createTopicRing = (ownPosition: number, slotsPerSide: number): TopicRing => {
  const after: Slot[] = [];
  const before: Slot[] = [];

  const offerTo = (side: Slot[], descriptor: VerifiedDescriptor, distance: number, age: number): boolean => {
    // Nearly everything heard is farther than what is held: one comparison settles it.
    if (side.length === slotsPerSide && distance > (side[slotsPerSide - 1] as Slot).distance) return false;
    for (let i = 0; i < side.length; i++) {
      const slot = side[i] as Slot;
      if (slot.descriptor.shortId !== descriptor.shortId || slot.descriptor.id !== descriptor.id) continue;
      if (descriptor.sequence > slot.descriptor.sequence) {
        slot.descriptor = descriptor;
        slot.age = age;
      } else if (descriptor.sequence === slot.descriptor.sequence && age < slot.age) slot.age = age;
      return false;
    }
    if (side.length === slotsPerSide) {
      if (distance >= (side[side.length - 1] as Slot).distance) return false;
      side.pop();
    }
    let at = side.length;
    while (at > 0 && distance < (side[at - 1] as Slot).distance) at--;
    side.splice(at, 0, { descriptor, distance, age });
    return at === 0;
  };
  const removeFrom = (side: Slot[], id: NodeId): boolean => {
    const at = side.findIndex((slot) => slot.descriptor.id === id);
    if (at >= 0) side.splice(at, 1);
    return at >= 0;
  };

  return {
    successors: () => after.map((slot) => slot.descriptor),
    predecessors: () => before.map((slot) => slot.descriptor),
    offer: (descriptor, position, age) => {
      const isNewSuccessor = offerTo(after, descriptor, clockwise(ownPosition, position), age);
      return offerTo(before, descriptor, clockwise(position, ownPosition), age) || isNewSuccessor;
    },
    remove: (id) => {
      const wasAfter = removeFrom(after, id);
      return removeFrom(before, id) || wasAfter;
    },
    growOlder: () => {
      for (const slot of after) slot.age = Math.min(slot.age + 1, MAXIMUM_AGE);
      for (const slot of before) slot.age = Math.min(slot.age + 1, MAXIMUM_AGE);
    },
    touch: (id) => {
      for (const slot of after) if (slot.descriptor.id === id) slot.age = 0;
      for (const slot of before) if (slot.descriptor.id === id) slot.age = 0;
    },
    neighbors: () => {
      const neighbors: Neighbor[] = after.map(({ descriptor, age }) => ({ descriptor, age }));
      for (const { descriptor, age } of before)
        if (!after.some((slot) => slot.descriptor.id === descriptor.id)) neighbors.push({ descriptor, age });
      return neighbors;
    },
    missing: () => 2 * slotsPerSide - after.length - before.length,
  };
};
