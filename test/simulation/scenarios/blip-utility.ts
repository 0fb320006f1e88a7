import { bitAt, bloomIndices } from "../../../protocol/bloom/bloom-filter.ts";
import type { BlippedFilter } from "../../../protocol/blip/blipped-filter.ts";
import { cosineSimilarity, estimateOverlap, estimateOverlapNoisy, rankPeer } from "../../../protocol/blip/estimator.ts";
import { type ProfileParametersId, profileParameters } from "../../../protocol/blip/parameters.ts";
import type { SubscriptionProfile } from "../../../protocol/blip/subscription-profile.ts";
import { createNobleProvider } from "../../../protocol/crypto/noble-provider.ts";
import { randomBelow, randomUnit, type RandomSource } from "../../../protocol/kernel/random.ts";
import { blipWith, profileOfBits } from "../../support/blip-profiles.ts";
import { createSeededRandom } from "../../support/seeded-random.ts";

export interface BlipUtilityScenario {
  readonly seed: string | number;
  readonly nodes: number;
  readonly parametersId: ProfileParametersId;
  readonly epsilon: number;
  readonly measure: "ownExact" | "bothNoisy" | "cosine";
  /** Decoys in every published profile. */
  readonly decoys?: number;
}

const COMMUNITIES = 20;
const TOPICS_PER_COMMUNITY = 100;
const FROM_COMMUNITY = 14;
const FOLLOWED = 20;
const NEIGHBORS = 10;

/** Zipf law with exponent 0.8 over the topics of one community. */
const zipf = (random: RandomSource): (() => number) => {
  const cumulative: number[] = [];
  let total = 0;
  for (let rank = 1; rank <= TOPICS_PER_COMMUNITY; rank++) cumulative.push((total += rank ** -0.8));
  return () => {
    const target = randomUnit(random) * total;
    return cumulative.findIndex((bound) => bound >= target);
  };
};

const interestsOf = (random: RandomSource, nodes: number): Set<number>[] => {
  const rank = zipf(random);
  return Array.from({ length: nodes }, (_, node) => {
    const interests = new Set<number>();
    const base = (node % COMMUNITIES) * TOPICS_PER_COMMUNITY;
    while (interests.size < FROM_COMMUNITY) interests.add(base + rank());
    while (interests.size < FOLLOWED) interests.add(randomBelow(random, COMMUNITIES * TOPICS_PER_COMMUNITY));
    return interests;
  });
};

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** How peers are chosen for an intersection: by their exact profiles, by their published ones, or at random. */
export type DialOrder = "exact" | "blip" | "random";

/** A link is useful between peers with this many common topics; strangers of another community seldom share one. */
const USEFUL_COMMON = 3;
const LINKS_WANTED = 5;

/** Mean number of intersections a node runs for each of its first five useful links, dialling peers in the given order. */
export const runDialEconomy = (
  { seed, nodes, parametersId, epsilon, decoys = 0 }: Omit<BlipUtilityScenario, "measure">,
  order: DialOrder,
): number => {
  const random = createSeededRandom(seed);
  const { interests, exact } = createPopulation(random, nodes, parametersId);
  const noise = random.fork("noise");
  const noisy = exact.map((profile) => blipWith(noise, withDecoys(noise, profile, decoys), epsilon, parametersId));
  const dice = random.fork("dice");
  let runs = 0;
  let links = 0;
  for (let node = 0; node < nodes; node++) {
    const own = exact[node] as SubscriptionProfile;
    const peers = interests.flatMap((theirs, peer) => {
      if (peer === node) return [];
      const common = commonCount(interests[node] as ReadonlySet<number>, theirs);
      const luck = randomUnit(dice);
      const published = noisy[peer] as BlippedFilter;
      const score = order === "random" ? 0 : order === "exact" ? common : rankPeer(own, published);
      return [{ common, score, luck }];
    });
    peers.sort((a, b) => b.score - a.score || a.luck - b.luck);
    let found = 0;
    for (const peer of peers) {
      if (found === LINKS_WANTED) break;
      runs += 1;
      if (peer.common >= USEFUL_COMMON) found += 1;
    }
    links += found;
  }
  return runs / links;
};

const commonCount = (a: ReadonlySet<number>, b: ReadonlySet<number>): number =>
  [...b].filter((topic) => a.has(topic)).length;

const createPopulation = (random: RandomSource, nodes: number, parametersId: ProfileParametersId) => {
  const parameters = profileParameters[parametersId];
  const crypto = createNobleProvider();
  const context = random.bytes(32);
  const interests = interestsOf(random.fork("interests"), nodes);
  const indices = Array.from({ length: COMMUNITIES * TOPICS_PER_COMMUNITY }, () =>
    bloomIndices(crypto, parameters, context, random.bytes(32)),
  );
  const exact = interests.map((own) =>
    profileOfBits(
      parameters,
      [...own].flatMap((topic) => indices[topic] ?? []),
    ),
  );
  return { interests, exact };
};

const withDecoys = (random: RandomSource, profile: SubscriptionProfile, decoys: number): SubscriptionProfile => {
  const { parameters, bytes } = profile.exact;
  const ones = Array.from({ length: parameters.bits }, (_, index) => index).filter(
    (index) => bitAt(bytes, index) === 1,
  );
  const invented = Array.from({ length: decoys }, () => randomBelow(random, parameters.bits));
  return profileOfBits(parameters, new Set([...ones, ...invented]));
};

/** Overlap with the ten peers a node chooses by profile, relative to the ten best; random choice gives about 0.06. */
export const runBlipUtility = (scenario: BlipUtilityScenario): number => {
  const { seed, nodes, parametersId, epsilon, measure, decoys = 0 } = scenario;
  const random = createSeededRandom(seed);
  const { interests, exact } = createPopulation(random, nodes, parametersId);
  const noise = random.fork("noise");
  const noisy = exact.map((profile) => blipWith(noise, withDecoys(noise, profile, decoys), epsilon, parametersId));
  const similarity = (node: number, peer: number): number => {
    const theirs = noisy[peer] as BlippedFilter;
    if (measure === "ownExact") return estimateOverlap(exact[node] as SubscriptionProfile, theirs).bits;
    const own = noisy[node] as BlippedFilter;
    return measure === "cosine" ? cosineSimilarity(own, theirs) : estimateOverlapNoisy(own, theirs).bits;
  };
  let quality = 0;
  for (let node = 0; node < nodes; node++) {
    const own = interests[node] as Set<number>;
    const peers = interests.flatMap((theirs, peer) =>
      peer === node ? [] : [{ common: commonCount(own, theirs), score: similarity(node, peer) }],
    );
    const chosen = [...peers].sort((a, b) => b.score - a.score).slice(0, NEIGHBORS);
    const best = [...peers].sort((a, b) => b.common - a.common).slice(0, NEIGHBORS);
    quality += sum(chosen.map((peer) => peer.common)) / sum(best.map((peer) => peer.common));
  }
  return quality / nodes;
};
