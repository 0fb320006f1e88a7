import { type BloomFilter, type BloomParameters, buildBloomFilter } from "../bloom/bloom-filter.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import type { Brand } from "../kernel/brand.ts";
import { ascii } from "../kernel/bytes.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import { MAXIMUM_PROFILE_TOPICS } from "./parameters.ts";

/**
 * The exact filter of what this node follows. It stays inside the process: no encoder takes it, only `publishProfile`,
 * which adds noise, and the estimators, which compare it with what peers publish.
 */
export type SubscriptionProfile = Brand<
  { readonly exact: BloomFilter; readonly topics: number },
  "SubscriptionProfile"
>;

export interface TooManyTopics {
  readonly type: "TooManyTopics";
  readonly limit: number;
}

/** Context that separates the filters of two networks. */
export const profileContext = (crypto: CryptoProvider, networkName: string): Uint8Array =>
  crypto.hash("SHA256", ascii(`p2pcollab/bf-ctx/v1|${networkName}`));

/** Exact profile of the listed topics (32-byte elements, without repetition); unlisted topics are not passed in. */
export const createSubscriptionProfile = (
  crypto: CryptoProvider,
  parameters: BloomParameters,
  context: Uint8Array,
  elements: readonly Uint8Array[],
): Result<SubscriptionProfile, TooManyTopics> => {
  if (elements.length > MAXIMUM_PROFILE_TOPICS) return err({ type: "TooManyTopics", limit: MAXIMUM_PROFILE_TOPICS });
  const exact = buildBloomFilter(crypto, parameters, context, elements);
  return ok({ exact, topics: elements.length } as SubscriptionProfile);
};
