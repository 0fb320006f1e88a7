import { type BloomParameters, popcount } from "../bloom/bloom-filter.ts";
import type { BlippedProfile } from "../identity/blipped-profile.ts";
import { invariant } from "../kernel/assert.ts";
import type { Brand } from "../kernel/brand.ts";
import { createReader } from "../kernel/reader.ts";
import { type DecodeError, decodeError, type Result } from "../kernel/result.ts";
import { createWriter } from "../kernel/writer.ts";
import {
  flipProbability,
  MAXIMUM_EPSILON_MILLI,
  MAXIMUM_PROFILE_TOPICS,
  MINIMUM_EPSILON_MILLI,
  type ProfileParametersId,
  profileParameters,
} from "./parameters.ts";

/** A filter with noise: made by `publishProfile` or read from a peer's descriptor. The only thing the encoder takes. */
export type BlippedFilter = Brand<
  {
    readonly parametersId: ProfileParametersId;
    readonly epsilonMilli: number;
    /** Publication slot, counted from the Unix epoch. */
    readonly slot: number;
    /** Grows with every changed profile of the node. */
    readonly version: number;
    readonly bytes: Uint8Array;
  },
  "BlippedFilter"
>;

/** What a network accepts from strangers. */
export interface ProfilePolicy {
  readonly parametersId: ProfileParametersId;
  /** The slot of the receiver's clock; profiles of a later slot than the next one are refused. */
  readonly currentSlot: number;
}

const PROFILE_TYPE = 1;
const HEADER_BYTES = 14;
/** A clock may be ahead by one slot boundary. */
const SLOT_SKEW = 1;

export const filterParameters = (filter: BlippedFilter): BloomParameters => profileParameters[filter.parametersId];

/** Bytes of a profile for a descriptor (SPEC.md, table 1). */
export const encodeBlippedFilter = (filter: BlippedFilter): BlippedProfile => {
  invariant(filter.bytes.length === filterParameters(filter).bits / 8, "a filter has the length of its parameters");
  const writer = createWriter(HEADER_BYTES + filter.bytes.length, HEADER_BYTES + filter.bytes.length);
  writer.u8(PROFILE_TYPE);
  writer.u8(filter.parametersId);
  writer.u16(filter.epsilonMilli);
  writer.u32(filter.slot);
  writer.u32(filter.version);
  writer.u16(filter.bytes.length);
  writer.raw(filter.bytes);
  return writer.finish() as BlippedProfile;
};

/** Number of one bits an honest profile may show, inclusive: noise of none to 128 topics, five standard deviations wide. */
export const popcountWindow = (
  parameters: BloomParameters,
  epsilon: number,
): { readonly least: number; readonly most: number } => {
  const p = flipProbability(epsilon, parameters.hashes);
  const slack = 5 * Math.sqrt(parameters.bits * p * (1 - p));
  const ofTopics = (1 - 2 * p) * parameters.hashes * MAXIMUM_PROFILE_TOPICS;
  return { least: parameters.bits * p - slack, most: parameters.bits * p + ofTopics + slack };
};

/** Reads and judges a peer's profile; total over all byte strings. */
export const decodeBlippedFilter = (bytes: Uint8Array, policy: ProfilePolicy): Result<BlippedFilter, DecodeError> => {
  const reader = createReader(bytes);
  if (reader.u8() !== PROFILE_TYPE) reader.fail("BLP-7 type");
  if (reader.u8() !== policy.parametersId) reader.fail("BLP-7 parameters");
  const epsilonMilli = reader.u16();
  if (epsilonMilli < MINIMUM_EPSILON_MILLI || epsilonMilli > MAXIMUM_EPSILON_MILLI) reader.fail("BLP-7 epsilon");
  const slot = reader.u32();
  if (slot > policy.currentSlot + SLOT_SKEW) reader.fail("BLP-7 slot");
  const version = reader.u32();
  const parameters = profileParameters[policy.parametersId];
  if (reader.u16() !== parameters.bits / 8) reader.fail("BLP-7 length");
  const filterBytes = reader.take(parameters.bits / 8).slice();
  const read = reader.finish({
    parametersId: policy.parametersId,
    epsilonMilli,
    slot,
    version,
    bytes: filterBytes,
  } as BlippedFilter);
  if (!read.ok) return read;
  const ones = popcount(filterBytes);
  const { least, most } = popcountWindow(parameters, epsilonMilli / 1000);
  return ones < least || ones > most ? decodeError("BLP-8 popcount", HEADER_BYTES) : read;
};
