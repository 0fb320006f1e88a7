import { createDescriptor, type Descriptor } from "../../../protocol/identity/descriptor.ts";
import type { BlippedProfile } from "../../../protocol/identity/blipped-profile.ts";
import { type NodeId, shortNodeId } from "../../../protocol/identity/node-id.ts";
import { trustOwnDescriptor, type VerifiedDescriptor } from "../../../protocol/identity/verified.ts";
import type { RandomSource } from "../../../protocol/kernel/random.ts";

/** Makes the nodes of a run. Signing is stubbed: the simulator asks what the overlay does, not what Ed25519 costs. */
export interface Population {
  readonly create: (index: number) => VerifiedDescriptor;
  readonly indexOf: (id: NodeId) => number;
  /** The same for a descriptor, whose first bits are at hand. */
  readonly placeOf: (descriptor: VerifiedDescriptor) => number;
  /** Stands in for signature verification of decoded bytes: true only for descriptors this population made. */
  readonly recognise: (descriptor: Descriptor) => VerifiedDescriptor | undefined;
  readonly descriptors: readonly VerifiedDescriptor[];
}

const NO_SIGNATURE = new Uint8Array(64);
/** Size of the default BLIP profile: every descriptor of a run weighs what a real one does. */
const PROFILE = new Uint8Array(142) as BlippedProfile;

export const createPopulation = (random: RandomSource): Population => {
  const descriptors: VerifiedDescriptor[] = [];
  // Open addressing over the first 30 bits of the ids, half empty: one cache line instead of a hashed string for each message.
  let table = new Int32Array(1 << 10).fill(-1);
  let shift = 32 - 10;

  const slotOf = (shortId: number): number => Math.imul(shortId, 0x9e3779b1) >>> shift;
  const indexOf = (shortId: number, id: NodeId): number => {
    for (let slot = slotOf(shortId); ; slot = (slot + 1) & (table.length - 1)) {
      const index = table[slot]!;
      if (index < 0) return -1;
      const known = descriptors[index]!;
      if (known.shortId === shortId && known.id === id) return index;
    }
  };
  const insert = (index: number): void => {
    let slot = slotOf(descriptors[index]!.shortId);
    while (table[slot]! >= 0) slot = (slot + 1) & (table.length - 1);
    table[slot] = index;
  };

  return {
    descriptors,
    create: (index) => {
      const publicKey = random.bytes(32);
      const descriptor = trustOwnDescriptor(
        createDescriptor(
          { publicKey, seed: publicKey, sign: () => NO_SIGNATURE },
          {
            sequence: 1,
            issuedAt: 1,
            transportKey: publicKey,
            reachable: true,
            addresses: [{ kind: "ipv4", host: Uint8Array.of(10, index >> 16, index >> 8, index), port: 4222 }],
            profile: PROFILE,
          },
        ),
      );
      descriptors[index] = descriptor;
      if (2 * descriptors.length > table.length) {
        table = new Int32Array(2 * table.length).fill(-1);
        shift--;
        for (let known = 0; known < descriptors.length; known++) insert(known);
      } else insert(index);
      return descriptor;
    },
    indexOf: (id) => indexOf(shortNodeId(id), id),
    placeOf: ({ shortId, id }) => indexOf(shortId, id),
    recognise: (descriptor) => {
      const known = descriptors[indexOf(descriptor.shortId, descriptor.id)];
      return known !== undefined && known.sequence === descriptor.sequence ? known : undefined;
    },
  };
};
