import { createDescriptor, type Descriptor } from "../../../protocol/identity/descriptor.ts";
import type { BlippedProfile } from "../../../protocol/identity/blipped-profile.ts";
import type { NodeId } from "../../../protocol/identity/node-id.ts";
import { trustOwnDescriptor, type VerifiedDescriptor } from "../../../protocol/identity/verified.ts";
import type { RandomSource } from "../../../protocol/kernel/random.ts";

/** Makes the nodes of a run. Signing is stubbed: the simulator asks what the overlay does, not what Ed25519 costs. */
export interface Population {
  readonly create: (index: number) => VerifiedDescriptor;
  readonly indexOf: (id: NodeId) => number;
  /** Stands in for signature verification of decoded bytes: true only for descriptors this population made. */
  readonly recognise: (descriptor: Descriptor) => VerifiedDescriptor | undefined;
  readonly descriptors: readonly VerifiedDescriptor[];
}

const NO_SIGNATURE = new Uint8Array(64);
/** Size of the default BLIP profile: every descriptor of a run weighs what a real one does. */
const PROFILE = new Uint8Array(142) as BlippedProfile;

export const createPopulation = (random: RandomSource): Population => {
  const descriptors: VerifiedDescriptor[] = [];
  const indexById = new Map<NodeId, number>();

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
      indexById.set(descriptor.id, index);
      return descriptor;
    },
    indexOf: (id) => indexById.get(id) ?? -1,
    recognise: (descriptor) => {
      const known = descriptors[indexById.get(descriptor.id) ?? -1];
      return known !== undefined && known.sequence === descriptor.sequence ? known : undefined;
    },
  };
};
