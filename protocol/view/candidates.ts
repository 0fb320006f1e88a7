import type { VerifiedDescriptor } from "../identity/verified.ts";
import { MAXIMUM_AGE, type Neighbor } from "./neighbor.ts";
import type { View } from "./view.ts";

/**
 * Scratch set of distinct descriptors from several views, from which a selection picks. Of one id the higher sequence is
 * kept, of equal ones the younger. Parallel arrays, reused from exchange to exchange: this is where a gossip layer spends its time.
 */
export interface Candidates {
  readonly count: () => number;
  readonly descriptor: (index: number) => VerifiedDescriptor;
  readonly age: (index: number) => number;
  readonly neighbor: (index: number) => Neighbor;
  /** Empties the set; `excluded` is not taken in. */
  readonly reset: (excluded: VerifiedDescriptor) => void;
  readonly add: (descriptor: VerifiedDescriptor, age: number) => void;
  readonly addView: (view: View) => void;
  /** Takes a descriptor out again. */
  readonly discard: (descriptor: VerifiedDescriptor) => void;
}

export const createCandidates = (): Candidates => {
  const descriptors: VerifiedDescriptor[] = [];
  let ages = new Uint8Array(64);
  let shortIds = new Int32Array(64);
  let count = 0;
  let excluded: VerifiedDescriptor | undefined;

  const find = (descriptor: VerifiedDescriptor): number => {
    const { shortId } = descriptor;
    for (let i = 0; i < count; i++)
      if (shortIds[i] === shortId && (descriptors[i] as VerifiedDescriptor).id === descriptor.id) return i;
    return -1;
  };
  const grow = (): void => {
    const wider = new Uint8Array(2 * ages.length);
    wider.set(ages);
    ages = wider;
    const longer = new Int32Array(2 * shortIds.length);
    longer.set(shortIds);
    shortIds = longer;
  };
  const add = (descriptor: VerifiedDescriptor, age: number): void => {
    if (excluded !== undefined && descriptor.shortId === excluded.shortId && descriptor.id === excluded.id) return;
    const index = find(descriptor);
    if (index >= 0) {
      const known = descriptors[index] as VerifiedDescriptor;
      const isNewer = descriptor.sequence > known.sequence;
      if (!isNewer && (descriptor.sequence < known.sequence || age >= (ages[index] as number))) return;
      descriptors[index] = descriptor;
      ages[index] = Math.min(age, MAXIMUM_AGE);
      return;
    }
    if (count === ages.length) grow();
    descriptors[count] = descriptor;
    ages[count] = Math.min(age, MAXIMUM_AGE);
    shortIds[count] = descriptor.shortId;
    count++;
  };

  return {
    count: () => count,
    descriptor: (index) => descriptors[index] as VerifiedDescriptor,
    age: (index) => ages[index] as number,
    neighbor: (index) => ({ descriptor: descriptors[index] as VerifiedDescriptor, age: ages[index] as number }),
    reset: (without) => {
      count = 0;
      excluded = without;
    },
    add,
    discard: (descriptor) => {
      const index = find(descriptor);
      if (index < 0) return;
      count--;
      descriptors[index] = descriptors[count] as VerifiedDescriptor;
      ages[index] = ages[count] as number;
      shortIds[index] = shortIds[count] as number;
    },
    addView: (view) => {
      const held = view.descriptors();
      for (let i = 0; i < held.length; i++) add(held[i] as VerifiedDescriptor, view.ageAt(i));
    },
  };
};
