import type { NodeId } from "../identity/node-id.ts";
import type { VerifiedDescriptor } from "../identity/verified.ts";
import { clockwise, type RingPosition } from "../vicinity/selection.ts";
import type { Candidates } from "../view/candidates.ts";
import { MAXIMUM_AGE, type Neighbor } from "../view/neighbor.ts";

/** The places next to this node on the ring of one topic, nearest first on each side. */
export interface TopicRing {
  readonly position: RingPosition;
  readonly successors: () => readonly VerifiedDescriptor[];
  readonly predecessors: () => readonly VerifiedDescriptor[];
  /** Takes a member in if it is near enough, or refreshes it. True when a nearest neighbor changed. */
  readonly offer: (descriptor: VerifiedDescriptor, age: number) => boolean;
  /** True when it was there. */
  readonly remove: (id: NodeId) => boolean;
  readonly has: (id: NodeId) => boolean;
  readonly growOlder: () => void;
  readonly touch: (id: NodeId) => void;
  readonly neighbors: () => readonly Neighbor[];
  readonly addTo: (candidates: Candidates) => void;
  /** Neighbor of the highest age, the first among equals. */
  readonly oldest: () => Neighbor | undefined;
  /** Empty slots: the priority of the topic. */
  readonly missing: () => number;
}

/** One side as parallel arrays: a node of many topics goes through all of its rings in every period. */
interface Side {
  readonly descriptors: VerifiedDescriptor[];
  readonly distances: number[];
  readonly ages: number[];
}

export const createTopicRing = (position: RingPosition, self: VerifiedDescriptor, slotsPerSide: number): TopicRing => {
  const here = position(self);
  const after: Side = { descriptors: [], distances: [], ages: [] };
  const before: Side = { descriptors: [], distances: [], ages: [] };

  const indexIn = ({ descriptors }: Side, id: NodeId): number => {
    for (let i = 0; i < descriptors.length; i++) if ((descriptors[i] as VerifiedDescriptor).id === id) return i;
    return -1;
  };
  const removeAt = (side: Side, at: number): void => {
    side.descriptors.splice(at, 1);
    side.distances.splice(at, 1);
    side.ages.splice(at, 1);
  };

  const offerTo = (side: Side, descriptor: VerifiedDescriptor, distance: number, age: number): boolean => {
    const { descriptors, distances, ages } = side;
    // Nearly everything heard is farther than what is held: one comparison settles it.
    const isFull = descriptors.length === slotsPerSide;
    if (isFull && distance > (distances[slotsPerSide - 1] as number)) return false;
    for (let i = 0; i < descriptors.length; i++) {
      const known = descriptors[i] as VerifiedDescriptor;
      if (known.shortId !== descriptor.shortId || known.id !== descriptor.id) continue;
      if (descriptor.sequence > known.sequence) {
        descriptors[i] = descriptor;
        ages[i] = age;
      } else if (descriptor.sequence === known.sequence && age < (ages[i] as number)) ages[i] = age;
      return false;
    }
    if (isFull) {
      if (distance >= (distances[slotsPerSide - 1] as number)) return false;
      removeAt(side, slotsPerSide - 1);
    }
    let at = descriptors.length;
    while (at > 0 && distance < (distances[at - 1] as number)) at--;
    descriptors.splice(at, 0, descriptor);
    distances.splice(at, 0, distance);
    ages.splice(at, 0, age);
    return at === 0;
  };
  const removeFrom = (side: Side, id: NodeId): boolean => {
    const at = indexIn(side, id);
    if (at >= 0) removeAt(side, at);
    return at >= 0;
  };
  const growOlder = ({ ages }: Side): void => {
    for (let i = 0; i < ages.length; i++) ages[i] = Math.min((ages[i] as number) + 1, MAXIMUM_AGE);
  };
  const touch = (side: Side, id: NodeId): void => {
    const at = indexIn(side, id);
    if (at >= 0) side.ages[at] = 0;
  };
  /** On a small ring one node may be on both sides: it counts once, as a successor. */
  const isAlsoAfter = (at: number): boolean => indexIn(after, (before.descriptors[at] as VerifiedDescriptor).id) >= 0;
  const neighborAt = (side: Side, at: number): Neighbor => ({
    descriptor: side.descriptors[at] as VerifiedDescriptor,
    age: side.ages[at] as number,
  });

  return {
    position,
    successors: () => after.descriptors,
    predecessors: () => before.descriptors,
    offer: (descriptor, age) => {
      const there = position(descriptor);
      const isNewSuccessor = offerTo(after, descriptor, clockwise(here, there), age);
      return offerTo(before, descriptor, clockwise(there, here), age) || isNewSuccessor;
    },
    remove: (id) => {
      const wasAfter = removeFrom(after, id);
      return removeFrom(before, id) || wasAfter;
    },
    has: (id) => indexIn(after, id) >= 0 || indexIn(before, id) >= 0,
    growOlder: () => {
      growOlder(after);
      growOlder(before);
    },
    touch: (id) => {
      touch(after, id);
      touch(before, id);
    },
    neighbors: () => {
      const neighbors: Neighbor[] = after.descriptors.map((_, at) => neighborAt(after, at));
      for (let at = 0; at < before.descriptors.length; at++)
        if (!isAlsoAfter(at)) neighbors.push(neighborAt(before, at));
      return neighbors;
    },
    addTo: (candidates) => {
      for (let at = 0; at < after.descriptors.length; at++)
        candidates.add(after.descriptors[at] as VerifiedDescriptor, after.ages[at] as number);
      for (let at = 0; at < before.descriptors.length; at++)
        if (!isAlsoAfter(at)) candidates.add(before.descriptors[at] as VerifiedDescriptor, before.ages[at] as number);
    },
    oldest: () => {
      let oldest = -1;
      for (let at = 0; at < after.ages.length; at++)
        if (oldest < 0 || (after.ages[at] as number) > (after.ages[oldest] as number)) oldest = at;
      if (oldest < 0) return undefined;
      let older = -1;
      let highest = after.ages[oldest] as number;
      for (let at = 0; at < before.ages.length; at++) {
        if ((before.ages[at] as number) <= highest || isAlsoAfter(at)) continue;
        older = at;
        highest = before.ages[at] as number;
      }
      return older < 0 ? neighborAt(after, oldest) : neighborAt(before, older);
    },
    missing: () => 2 * slotsPerSide - after.descriptors.length - before.descriptors.length,
  };
};
