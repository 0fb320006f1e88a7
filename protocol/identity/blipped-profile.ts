import type { Brand } from "../kernel/brand.ts";

/**
 * The randomised profile of a node as bytes for a descriptor. It is made only by `protocol/blip` (or read from a peer's
 * descriptor), so that an exact subscription list, which is no byte array, cannot be put where a descriptor is encoded.
 */
export type BlippedProfile = Brand<Uint8Array, "BlippedProfile">;

/** Largest profile a descriptor may carry: 142 bytes of topic filter and 216 of an opinion profile fit. */
export const MAXIMUM_PROFILE_BYTES = 384;
