import type { NodeId } from "../identity/node-id.ts";
import type { VerifiedDescriptor } from "../identity/verified.ts";
import { randomBelow, type RandomSource } from "../kernel/random.ts";
import { after, type DurationMs, type MonotonicMs } from "../kernel/time.ts";

/**
 * What a node learned at first hand about the life of others; one book shared by all layers. Only own failed contact
 * buries a node, never hearsay, so that nobody can bury a third party.
 */
export interface LivenessBook {
  /** False for a descriptor of a buried node, unless it is newer than the buried one. */
  readonly accepts: (descriptor: VerifiedDescriptor, now: MonotonicMs) => boolean;
  /** Records that an exchange with this node just succeeded; lifts its tombstone. */
  readonly sawAlive: (descriptor: VerifiedDescriptor) => void;
  /** Keeps the address of a node that did not answer but was not found dead, or that the user named. */
  readonly remember: (descriptor: VerifiedDescriptor) => void;
  /** Records that the node could not be reached; its address stays in the book. */
  readonly bury: (descriptor: VerifiedDescriptor, now: MonotonicMs) => void;
  /** Lifts the tombstone of a node that spoke to us. */
  readonly exhume: (id: NodeId) => void;
  /** A uniform known node for which `excluded` does not hold: food for a starving view, bridge between partitions. */
  readonly pick: (random: RandomSource, excluded: (id: NodeId) => boolean) => VerifiedDescriptor | undefined;
  readonly known: () => readonly VerifiedDescriptor[];
  readonly buriedCount: () => number;
}

export interface LivenessOptions {
  /** Addresses kept; the least recently proven one is forgotten first. */
  readonly addressCapacity: number;
  /** How long a buried node is not taken back on others' word; 0 switches tombstones off (the papers' behaviour). */
  readonly tombstoneMs: DurationMs;
}

/** Tombstones are as many as own failed contacts within their lifetime; the bound only stops a clock that stands still. */
const MAXIMUM_TOMBSTONES = 4096;

export const createLivenessBook = (options: LivenessOptions): LivenessBook => {
  const addresses = new Map<NodeId, VerifiedDescriptor>();
  const tombstones = new Map<NodeId, { readonly sequence: number; readonly until: MonotonicMs }>();

  const remember = (descriptor: VerifiedDescriptor): void => {
    const known = addresses.get(descriptor.id);
    addresses.delete(descriptor.id);
    addresses.set(descriptor.id, known !== undefined && known.sequence > descriptor.sequence ? known : descriptor);
    if (addresses.size > options.addressCapacity) dropFirst(addresses);
  };

  return {
    accepts: (descriptor, now) => {
      if (tombstones.size === 0) return true;
      const tombstone = tombstones.get(descriptor.id);
      if (tombstone === undefined) return true;
      if (tombstone.until <= now || descriptor.sequence > tombstone.sequence) {
        tombstones.delete(descriptor.id);
        return true;
      }
      return false;
    },
    sawAlive: (descriptor) => {
      tombstones.delete(descriptor.id);
      remember(descriptor);
    },
    remember: (descriptor) => {
      if (!addresses.has(descriptor.id)) remember(descriptor);
    },
    bury: (descriptor, now) => {
      if (!addresses.has(descriptor.id)) remember(descriptor);
      if (options.tombstoneMs <= 0) return;
      tombstones.delete(descriptor.id);
      tombstones.set(descriptor.id, { sequence: descriptor.sequence, until: after(now, options.tombstoneMs) });
      for (const [id, tombstone] of tombstones) {
        if (tombstone.until > now && tombstones.size <= MAXIMUM_TOMBSTONES) break;
        tombstones.delete(id);
      }
    },
    exhume: (id) => {
      tombstones.delete(id);
    },
    pick: (random, excluded) => {
      let chosen: VerifiedDescriptor | undefined;
      let seen = 0;
      for (const descriptor of addresses.values())
        if (!excluded(descriptor.id) && randomBelow(random, ++seen) === 0) chosen = descriptor;
      return chosen;
    },
    known: () => [...addresses.values()],
    buriedCount: () => tombstones.size,
  };
};

const dropFirst = (map: Map<NodeId, unknown>): void => {
  for (const id of map.keys()) {
    map.delete(id);
    return;
  }
};
