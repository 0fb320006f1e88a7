import type { VerifiedDescriptor } from "../identity/verified.ts";
import type { RandomSource } from "../kernel/random.ts";
import type { Candidates } from "../view/candidates.ts";
import type { Neighbor } from "../view/neighbor.ts";

/**
 * The protocol-specific part of VICINITY: the `count` best neighbors for `reference` among `candidates`, which are
 * distinct and do not contain the reference. Best first; equals by lower age, then at random: with a fixed order
 * of equals every node would choose the same few.
 */
export type Selection = (
  count: number,
  reference: VerifiedDescriptor,
  candidates: Candidates,
  random: RandomSource,
) => Neighbor[];

/**
 * Closeness of candidates to one reference, higher is closer; a negative value is no candidate at all. What depends on the
 * reference alone is computed once, not for each of the dozens of candidates.
 */
export type Proximity = (reference: VerifiedDescriptor) => (candidate: VerifiedDescriptor) => number;

/** Place of a node on a ring of circumference 2^53. */
export type RingPosition = (descriptor: VerifiedDescriptor) => number;

export const RING_CIRCUMFERENCE = 2 ** 53;

/** Clockwise distance from `a` to `b` in [0, 2^53). */
export const clockwise = (a: number, b: number): number => (b >= a ? b - a : b + (RING_CIRCUMFERENCE - a));

/** The closest by a proximity function. */
export const selectClosest =
  (proximity: Proximity): Selection =>
  (count, reference, candidates, random) => {
    const closenessOf = proximity(reference);
    closest.reset(count);
    for (let i = 0; i < candidates.count(); i++) {
      const closeness = closenessOf(candidates.descriptor(i));
      if (closeness >= 0) closest.offer(i, -closeness, candidates.age(i), random.uint32());
    }
    return closest.chosen(candidates);
  };

/** Half of the places for the nearest successors, half for the nearest predecessors on a ring. */
export const selectRing =
  (position: RingPosition): Selection =>
  (count, reference, candidates) => {
    const here = position(reference);
    successors.reset(Math.ceil(count / 2));
    predecessors.reset(count);
    for (let i = 0; i < candidates.count(); i++) {
      const descriptor = candidates.descriptor(i);
      const there = position(descriptor);
      successors.offer(i, clockwise(here, there), candidates.age(i), descriptor.shortId);
      predecessors.offer(i, clockwise(there, here), candidates.age(i), -descriptor.shortId);
    }
    const chosen = successors.chosen(candidates);
    for (let rank = 0; rank < predecessors.count() && chosen.length < count; rank++) {
      const index = predecessors.at(rank);
      if (!successors.includes(index)) chosen.push(candidates.neighbor(index));
    }
    return chosen;
  };

/** The best few of a stream of offers, by key, then age, then tie; smaller is better. */
interface Ranking {
  readonly reset: (capacity: number) => void;
  readonly offer: (index: number, key: number, age: number, tie: number) => void;
  readonly count: () => number;
  readonly at: (rank: number) => number;
  readonly includes: (index: number) => boolean;
  readonly chosen: (candidates: Candidates) => Neighbor[];
}

const createRanking = (): Ranking => {
  const keys: number[] = [];
  const ages: number[] = [];
  const ties: number[] = [];
  const indices: number[] = [];
  let capacity = 0;
  let count = 0;

  const isBetter = (key: number, age: number, tie: number, rank: number): boolean => {
    const other = keys[rank] as number;
    if (key !== other) return key < other;
    return (age - (ages[rank] as number) || tie - (ties[rank] as number)) < 0;
  };

  return {
    reset: (wanted) => {
      capacity = wanted;
      count = 0;
    },
    offer: (index, key, age, tie) => {
      if (count === capacity) {
        if (capacity === 0 || !isBetter(key, age, tie, count - 1)) return;
      } else count++;
      let rank = count - 1;
      while (rank > 0 && isBetter(key, age, tie, rank - 1)) {
        keys[rank] = keys[rank - 1] as number;
        ages[rank] = ages[rank - 1] as number;
        ties[rank] = ties[rank - 1] as number;
        indices[rank] = indices[rank - 1] as number;
        rank--;
      }
      keys[rank] = key;
      ages[rank] = age;
      ties[rank] = tie;
      indices[rank] = index;
    },
    count: () => count,
    at: (rank) => indices[rank] as number,
    includes: (index) => {
      for (let rank = 0; rank < count; rank++) if (indices[rank] === index) return true;
      return false;
    },
    chosen: (candidates) => {
      const chosen: Neighbor[] = [];
      for (let rank = 0; rank < count; rank++) chosen.push(candidates.neighbor(indices[rank] as number));
      return chosen;
    },
  };
};

// Shared by all machines of a process: filled and read within one selection (see `vicinity.ts`).
const closest = createRanking();
const successors = createRanking();
const predecessors = createRanking();
