import { createBlipNoise, createPublisherState, publishProfile } from "../../protocol/blip/publisher.ts";
import { encodeBlippedFilter } from "../../protocol/blip/blipped-filter.ts";
import { DEFAULT_PROFILE_PARAMETERS_ID, profileParameters } from "../../protocol/blip/parameters.ts";
import { createSubscriptionProfile, profileContext } from "../../protocol/blip/subscription-profile.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import { createDescriptor } from "../../protocol/identity/descriptor.ts";
import { trustOwnDescriptor } from "../../protocol/identity/verified.ts";
import type { NodeId } from "../../protocol/identity/node-id.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import { monotonicMs } from "../../protocol/kernel/time.ts";
import {
  defaultGossipNodeConfig,
  createGossipNode,
  type GossipNodeConfig,
  type GossipNodeSnapshot,
} from "../../protocol/node/gossip-node.ts";
import { createPrivateInterests, type PrivateInterests } from "../../protocol/node/private-interests.ts";
import type { TopicKeys } from "../../protocol/poldercast/topic-keys.ts";
import type { TopicTag } from "../../protocol/ringcast/messages.ts";

const SLOT = 100;

export interface FixtureOptions {
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly topics: readonly { readonly element: Uint8Array; readonly keys: TopicKeys }[];
  readonly keysOf: (topic: TopicTag) => TopicKeys | undefined;
  readonly issuedAt: number;
  readonly config?: Partial<GossipNodeConfig>;
  readonly restored?: GossipNodeSnapshot;
  readonly reachable?: boolean;
  /** Puts other knowledge of interests in the place of the private one, for comparisons. */
  readonly interestsOf?: (interests: PrivateInterests, self: NodeId) => PrivateInterests;
}

/** A whole gossip node with a real key, a real BLIP profile of its topics and private interests. */
export const createFixtureNode = (options: FixtureOptions) => {
  const { crypto, random, topics, keysOf, issuedAt, config, restored, reachable = true, interestsOf } = options;
  const parameters = profileParameters[DEFAULT_PROFILE_PARAMETERS_ID];
  const context = profileContext(crypto, "fixture");
  const own = createSubscriptionProfile(
    crypto,
    parameters,
    context,
    topics.map(({ element }) => element),
  );
  if (!own.ok) throw new Error(own.error.type);
  const published = publishProfile(
    crypto,
    createPublisherState(createBlipNoise(random.bytes(32), SLOT)),
    own.value,
    SLOT,
  );
  if (!published.ok) throw new Error(published.error.type);
  const profile = encodeBlippedFilter(published.value.filter);
  const key = crypto.signingKey(random.bytes(32));
  const issue = (sequence: number) =>
    trustOwnDescriptor(
      createDescriptor(key, {
        sequence,
        issuedAt,
        transportKey: random.bytes(32),
        reachable,
        addresses: [{ kind: "ipv4", host: random.bytes(4), port: 4222 }],
        profile,
      }),
    );
  const descriptor = issue(1);
  const known = createPrivateInterests({
    self: descriptor.id,
    own: () => own.value,
    policy: () => ({ parametersId: DEFAULT_PROFILE_PARAMETERS_ID, currentSlot: SLOT }),
    keysOf,
  });
  const interests = interestsOf?.(known, descriptor.id) ?? known;
  const node = createGossipNode({
    config: { ...defaultGossipNodeConfig, ...config },
    crypto,
    descriptor,
    interests,
    isAuthentic: (topic, id, payload) => keysOf(topic)?.messageId(payload) === id,
    random,
    startAt: monotonicMs(0),
    ...(restored === undefined ? {} : { restored }),
  });
  return { node, descriptor, issue, interests, topics };
};
