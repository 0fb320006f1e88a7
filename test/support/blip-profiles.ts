import { type BloomParameters, bitAt } from "../../protocol/bloom/bloom-filter.ts";
import type { BlippedFilter } from "../../protocol/blip/blipped-filter.ts";
import {
  DEFAULT_PROFILE_PARAMETERS_ID,
  flipThreshold,
  type ProfileParametersId,
  profileParameters,
} from "../../protocol/blip/parameters.ts";
import type { SubscriptionProfile } from "../../protocol/blip/subscription-profile.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";

/** Exact profile of given one bits; for statistics that need thousands of profiles without their hashes. */
export const profileOfBits = (parameters: BloomParameters, ones: Iterable<number>): SubscriptionProfile => {
  const bytes = new Uint8Array(parameters.bits / 8);
  let topics = 0;
  for (const index of ones) {
    bytes[index >> 3] = (bytes[index >> 3] as number) | (1 << (index & 7));
    topics += 1;
  }
  return { exact: { parameters, context: new Uint8Array(32), bytes }, topics } as SubscriptionProfile;
};

/** Noise of the product's law and threshold, from a seeded stream instead of a noise key. */
export const blipWith = (
  random: RandomSource,
  profile: SubscriptionProfile,
  epsilon: number,
  parametersId: ProfileParametersId = DEFAULT_PROFILE_PARAMETERS_ID,
): BlippedFilter => {
  const threshold = flipThreshold(epsilon, profileParameters[parametersId].hashes);
  const exact = profile.exact.bytes;
  const bytes = new Uint8Array(exact.length);
  for (let index = 0; index < 8 * exact.length; index++) {
    const bit = random.uint32() < threshold ? 1 - bitAt(exact, index) : bitAt(exact, index);
    if (bit === 1) bytes[index >> 3] = (bytes[index >> 3] as number) | (1 << (index & 7));
  }
  return { parametersId, epsilonMilli: 1000 * epsilon, slot: 0, version: 1, bytes } as BlippedFilter;
};
