import { type NodeId, shortNodeId } from "../identity/node-id.ts";
import type { VerifiedDescriptor } from "../identity/verified.ts";
import { invariant } from "../kernel/assert.ts";
import { randomBelow, type RandomSource } from "../kernel/random.ts";
import { MAXIMUM_AGE, type Neighbor } from "./neighbor.ts";

/**
 * Bounded set of neighbors, at most one per node id and never the owner. A view holds a few dozen neighbors, so parallel
 * arrays searched from the front are faster than a map and keep a simulation of ten thousand nodes small.
 */
export interface View {
  readonly capacity: number;
  readonly size: () => number;
  readonly has: (id: NodeId) => boolean;
  readonly hasDescriptor: (descriptor: VerifiedDescriptor) => boolean;
  readonly get: (id: NodeId) => Neighbor | undefined;
  /** The neighbor at position `index` in insertion order, 0 <= index < size. */
  readonly at: (index: number) => Neighbor;
  readonly ageAt: (index: number) => number;
  /** Grows with every change of the descriptors held, not of their ages alone. */
  readonly revision: () => number;
  /**
   * Adds a descriptor, or refreshes the known one of that id: a higher sequence replaces it, an equal sequence keeps the
   * smaller age. False when it is the owner's own or the view is full.
   */
  readonly put: (descriptor: VerifiedDescriptor, age: number) => boolean;
  readonly remove: (id: NodeId) => boolean;
  /** Puts a newcomer into the place of `victim`; false when the victim is not in the view. */
  readonly replace: (victim: VerifiedDescriptor, descriptor: VerifiedDescriptor, age: number) => boolean;
  /** Replaces the contents; `neighbors` are distinct, not the owner, and at most `capacity`. */
  readonly assign: (neighbors: readonly Neighbor[]) => void;
  readonly clear: () => void;
  /** Adds one period to every age. */
  readonly growOlder: () => void;
  /** The neighbor of highest age, a uniform one among equals. */
  readonly oldest: (random: RandomSource) => Neighbor | undefined;
  /** Up to `count` neighbors in uniform random order, without those for which `excluded` holds. */
  readonly sample: (random: RandomSource, count: number, excluded?: (id: NodeId) => boolean) => Neighbor[];
  readonly neighbors: () => Neighbor[];
  readonly descriptors: () => readonly VerifiedDescriptor[];
}

export const createView = (owner: NodeId, capacity: number): View => {
  const descriptors: VerifiedDescriptor[] = [];
  const ages = new Uint8Array(capacity);
  const shortIds = new Int32Array(capacity);
  let revision = 0;

  const find = (shortId: number, id: NodeId): number => {
    for (let i = 0; i < descriptors.length; i++)
      if (shortIds[i] === shortId && (descriptors[i] as VerifiedDescriptor).id === id) return i;
    return -1;
  };
  const indexOf = (id: NodeId): number => find(shortNodeId(id), id);
  const at = (index: number): Neighbor => ({
    descriptor: descriptors[index] as VerifiedDescriptor,
    age: ages[index] as number,
  });
  const refresh = (index: number, descriptor: VerifiedDescriptor, age: number): void => {
    const known = descriptors[index] as VerifiedDescriptor;
    if (descriptor.sequence > known.sequence) {
      descriptors[index] = descriptor;
      ages[index] = age;
      revision++;
    } else if (descriptor.sequence === known.sequence && age < (ages[index] as number)) ages[index] = age;
  };

  return {
    capacity,
    size: () => descriptors.length,
    has: (id) => indexOf(id) >= 0,
    hasDescriptor: (descriptor) => find(descriptor.shortId, descriptor.id) >= 0,
    get: (id) => {
      const index = indexOf(id);
      return index < 0 ? undefined : at(index);
    },
    at,
    ageAt: (index) => ages[index] as number,
    revision: () => revision,
    put: (descriptor, age) => {
      if (descriptor.id === owner) return false;
      const index = find(descriptor.shortId, descriptor.id);
      if (index >= 0) {
        refresh(index, descriptor, age);
        return true;
      }
      const end = descriptors.length;
      if (end >= capacity) return false;
      shortIds[end] = descriptor.shortId;
      ages[end] = Math.min(age, MAXIMUM_AGE);
      descriptors.push(descriptor);
      revision++;
      return true;
    },
    remove: (id) => {
      const index = indexOf(id);
      if (index < 0) return false;
      const end = descriptors.length - 1;
      for (let i = index; i < end; i++) {
        descriptors[i] = descriptors[i + 1] as VerifiedDescriptor;
        ages[i] = ages[i + 1] as number;
        shortIds[i] = shortIds[i + 1] as number;
      }
      descriptors.pop();
      revision++;
      return true;
    },
    replace: (victim, descriptor, age) => {
      const index = find(victim.shortId, victim.id);
      if (index < 0) return false;
      invariant(
        descriptor.id !== owner && find(descriptor.shortId, descriptor.id) < 0,
        "a replacement is new to the view",
      );
      descriptors[index] = descriptor;
      shortIds[index] = descriptor.shortId;
      ages[index] = Math.min(age, MAXIMUM_AGE);
      revision++;
      return true;
    },
    assign: (neighbors) => {
      invariant(neighbors.length <= capacity, "a view keeps its capacity");
      revision++;
      while (descriptors.length > neighbors.length) descriptors.pop();
      for (let i = 0; i < neighbors.length; i++) {
        const { descriptor, age } = neighbors[i] as Neighbor;
        shortIds[i] = descriptor.shortId;
        ages[i] = Math.min(age, MAXIMUM_AGE);
        descriptors[i] = descriptor;
      }
    },
    clear: () => {
      revision++;
      descriptors.length = 0;
    },
    growOlder: () => {
      for (let i = 0; i < descriptors.length; i++) ages[i] = Math.min((ages[i] as number) + 1, MAXIMUM_AGE);
    },
    oldest: (random) => {
      let best = -1;
      let equals = 0;
      for (let i = 0; i < descriptors.length; i++) {
        const difference = best < 0 ? 1 : (ages[i] as number) - (ages[best] as number);
        if (difference > 0) {
          best = i;
          equals = 1;
        } else if (difference === 0 && randomBelow(random, ++equals) === 0) best = i;
      }
      return best < 0 ? undefined : at(best);
    },
    sample: (random, count, excluded) => {
      const indices: number[] = [];
      for (let i = 0; i < descriptors.length; i++)
        if (excluded === undefined || !excluded((descriptors[i] as VerifiedDescriptor).id)) indices.push(i);
      const taken = Math.min(count, indices.length);
      const chosen: Neighbor[] = [];
      for (let i = 0; i < taken; i++) {
        const j = i + randomBelow(random, indices.length - i);
        const index = indices[j] as number;
        indices[j] = indices[i] as number;
        chosen.push(at(index));
      }
      return chosen;
    },
    neighbors: () => descriptors.map((_, index) => at(index)),
    descriptors: () => descriptors,
  };
};
