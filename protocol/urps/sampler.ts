import { invariant } from "../kernel/assert.ts";
import { pick, randomBelow, randomUnit, type RandomSource, sample } from "../kernel/random.ts";
import type { Acceptance } from "./acceptance.ts";

/** One id of the stream with what the host wants back when it is sampled. */
export interface SampledEntry<Entry> {
  readonly id: string;
  readonly entry: Entry;
  /** Network the id is reached at (a /24, a /64, one link); `undefined` is exempt from the cap. */
  readonly network?: string | undefined;
}

export interface SamplerShape {
  /** Slots of the sampling memory (paper: c). */
  readonly slots: number;
  /** Most slots one network may hold. */
  readonly slotsPerNetwork: number;
}

export interface SamplerState<Entry> {
  readonly members: readonly SampledEntry<Entry>[];
  /** Insertions so far; the warm-up, in which newcomers enter freely, ends at `slots`. */
  readonly insertions: number;
}

/** The sampling memory: at most `slots` distinct ids, each offered id entering with the probability the strategy gives. */
export interface Sampler<Entry> {
  /** Counts one arrival and may change the memory. */
  readonly add: (arrival: SampledEntry<Entry>) => void;
  /** Replaces the entry of an id in the memory; no effect for others. */
  readonly update: (id: string, entry: Entry) => void;
  /** Empties the slot of an id. It is refilled through the acceptance test only. */
  readonly remove: (id: string) => void;
  /** The entry of a member, `undefined` for others. */
  readonly get: (id: string) => Entry | undefined;
  /** `count` distinct members in uniform random order, fewer when the memory holds fewer. */
  readonly sample: (count: number) => readonly SampledEntry<Entry>[];
  /** One uniform member, `undefined` when the memory is empty. */
  readonly sampleOne: () => SampledEntry<Entry> | undefined;
  readonly size: () => number;
  readonly state: () => SamplerState<Entry>;
}

export const createSampler = <Entry>(
  random: RandomSource,
  acceptance: Acceptance,
  shape: SamplerShape,
  initial: SamplerState<Entry> = { members: [], insertions: 0 },
): Sampler<Entry> => {
  invariant(shape.slots >= 1 && shape.slotsPerNetwork >= 1, "sampler shape out of range");
  invariant(initial.members.length <= shape.slots, "members fit the memory");
  const slots: (SampledEntry<Entry> | undefined)[] = Array.from({ length: shape.slots }, (_, i) => initial.members[i]);
  const slotById = new Map(initial.members.map((member, slot) => [member.id, slot]));
  let insertions = Math.max(initial.insertions, initial.members.length);

  const members = (): SampledEntry<Entry>[] => slots.filter((member) => member !== undefined);

  const slotsOfNetwork = (network: string | undefined): number[] => {
    const held: number[] = [];
    if (network !== undefined)
      for (const [slot, member] of slots.entries()) if (member?.network === network) held.push(slot);
    return held;
  };

  const place = (slot: number, arrival: SampledEntry<Entry>): void => {
    const evicted = slots[slot];
    if (evicted !== undefined) slotById.delete(evicted.id);
    slots[slot] = arrival;
    slotById.set(arrival.id, slot);
    insertions += 1;
  };

  return {
    add: (arrival) => {
      acceptance.observe(arrival.id);
      if (slotById.has(arrival.id)) return;
      const held = slotsOfNetwork(arrival.network);
      const full = held.length >= shape.slotsPerNetwork;
      const empty = insertions < shape.slots && !full ? slots.indexOf(undefined) : -1;
      if (empty >= 0) {
        place(empty, arrival);
        return;
      }
      if (randomUnit(random) >= acceptance.probability(arrival.id)) return;
      const slot = full ? pick(random, held) : randomBelow(random, shape.slots);
      if (slot !== undefined) place(slot, arrival);
    },
    update: (id, entry) => {
      const slot = slotById.get(id);
      const member = slot === undefined ? undefined : slots[slot];
      if (slot !== undefined && member !== undefined) slots[slot] = { ...member, entry };
    },
    remove: (id) => {
      const slot = slotById.get(id);
      if (slot === undefined) return;
      slots[slot] = undefined;
      slotById.delete(id);
    },
    get: (id) => {
      const slot = slotById.get(id);
      return slot === undefined ? undefined : slots[slot]?.entry;
    },
    sample: (count) => sample(random, members(), count),
    sampleOne: () => {
      if (slotById.size === 0) return undefined;
      for (;;) {
        const member = slots[randomBelow(random, shape.slots)];
        if (member !== undefined) return member;
      }
    },
    size: () => slotById.size,
    state: () => ({ members: members(), insertions }),
  };
};
