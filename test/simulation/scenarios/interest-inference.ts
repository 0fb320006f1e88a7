import { bitAt, bloomIndices } from "../../../protocol/bloom/bloom-filter.ts";
import { flipProbability, type ProfileParametersId, profileParameters } from "../../../protocol/blip/parameters.ts";
import {
  type BlipNoise,
  createPublisherState,
  publishProfile,
  spentEpsilon,
} from "../../../protocol/blip/publisher.ts";
import { createSubscriptionProfile } from "../../../protocol/blip/subscription-profile.ts";
import { createNobleProvider } from "../../../protocol/crypto/noble-provider.ts";
import { pick, randomUnit, type RandomSource, sample } from "../../../protocol/kernel/random.ts";
import { createSeededRandom } from "../../support/seeded-random.ts";

export interface InterestInferenceScenario {
  readonly seed: string | number;
  readonly victims: number;
  /** Topics the attacker knows, and how many of them a victim follows. */
  readonly universe: number;
  readonly followed: number;
  readonly parametersId: ProfileParametersId;
  readonly epsilon: number;
  readonly redraw: number;
  /** Weekly publications the attacker collects. */
  readonly slots: number;
  /** Probability that one followed topic is replaced by another between two slots. */
  readonly changesPerSlot: number;
  /** Slots after which the victim starts over with a new key, which the attacker links to the old one. */
  readonly keySlots?: number;
}

export interface InterestInferenceFigures {
  /** Share of the top `followed` guesses that the victim follows at the end. */
  readonly precision: number;
  /** Probability that a followed topic is ranked above one that is not. */
  readonly auc: number;
  /** Share of the bits of the exact filter that the attacker's posterior gets right. */
  readonly bitsRight: number;
  /** Same, of the bits that are one. */
  readonly onesRight: number;
  /** Loss of an unchanged topic by the ledger at the end, of the last key. */
  readonly spent: number;
}

const crypto = createNobleProvider();
const VICTIMS_PER_WORLD = 8;

/**
 * Log-odds of every exact bit after a sequence of published filters. The attacker knows epsilon, the redraw share and how
 * often interests change: a forward pass over the two states of each bit. Given no change of the bit, the published value
 * is the previous one unless its noise was redrawn; a changed bit uses independent noise.
 */
const createObserver = ({ epsilon, redraw, parametersId, changesPerSlot, followed }: InterestInferenceScenario) => {
  const { bits, hashes } = profileParameters[parametersId];
  const p = flipProbability(epsilon, hashes);
  const prior = (hashes * followed) / bits;
  const onToOff = changesPerSlot / followed;
  const offToOn = (hashes * changesPerSlot) / bits;
  const posterior = new Float64Array(bits).fill(prior);
  let previous: Uint8Array | undefined;

  return {
    observe: (published: Uint8Array): void => {
      for (let index = 0; index < bits; index++) {
        const seen = bitAt(published, index);
        const ifOne = seen === 1 ? 1 - p : p;
        const ifZero = seen === 1 ? p : 1 - p;
        const one = posterior[index] as number;
        const zero = 1 - one;
        let likeOne: number;
        let likeZero: number;
        if (previous === undefined) {
          likeOne = one * ifOne;
          likeZero = zero * ifZero;
        } else {
          const kept = bitAt(previous, index) === seen ? 1 - redraw : 0;
          likeOne = one * (1 - onToOff) * (kept + redraw * ifOne) + zero * offToOn * ifOne;
          likeZero = zero * (1 - offToOn) * (kept + redraw * ifZero) + one * onToOff * ifZero;
        }
        posterior[index] = likeOne / (likeOne + likeZero);
      }
      previous = published;
    },
    newKey: (): void => {
      previous = undefined;
    },
    logOdds: (index: number): number => {
      const one = Math.min(Math.max(posterior[index] as number, 1e-15), 1 - 1e-15);
      return Math.log(one / (1 - one));
    },
  };
};

/** Mann-Whitney statistic; equal scores count half. */
const areaUnderCurve = (members: readonly number[], others: readonly number[]): number => {
  const sorted = Float64Array.from(others).sort();
  const below = (score: number, inclusive: boolean): number => {
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const value = sorted[middle] as number;
      if (value < score || (inclusive && value === score)) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  let wins = 0;
  for (const score of members) wins += (below(score, false) + below(score, true)) / 2;
  return wins / (members.length * sorted.length);
};

/** A set of known topics with their places in the filter; collisions differ from world to world. */
const createWorld = (random: RandomSource, { universe, parametersId }: InterestInferenceScenario) => {
  const context = random.bytes(32);
  const elements = Array.from({ length: universe }, () => random.bytes(32));
  const indices = elements.map((element) => bloomIndices(crypto, profileParameters[parametersId], context, element));
  return { context, elements, indices };
};

const attackOne = (
  random: RandomSource,
  scenario: InterestInferenceScenario,
  { context, elements, indices }: ReturnType<typeof createWorld>,
): InterestInferenceFigures => {
  const { followed, parametersId, epsilon, redraw, slots, changesPerSlot, keySlots = slots } = scenario;
  const parameters = profileParameters[parametersId];
  const topics = elements.map((_, topic) => topic);
  const interests = new Set(sample(random, topics, followed));
  const observer = createObserver(scenario);

  const newState = (firstSlot: number) => {
    const noise: BlipNoise = {
      key: random.bytes(32),
      parametersId,
      epsilonMilli: 1000 * epsilon,
      redraw,
      firstSlot,
      lifetimeEpsilon: Number.POSITIVE_INFINITY,
    };
    return createPublisherState(noise);
  };
  let state = newState(0);
  for (let slot = 0; slot < slots; slot++) {
    if (slot > 0 && slot % keySlots === 0) {
      state = newState(slot);
      observer.newKey();
    }
    if (slot > 0 && randomUnit(random) < changesPerSlot) {
      interests.delete(pick(random, [...interests]) as number);
      interests.add(
        pick(
          random,
          topics.filter((topic) => !interests.has(topic)),
        ) as number,
      );
    }
    const followedElements = [...interests].map((topic) => elements[topic] as Uint8Array);
    const profile = createSubscriptionProfile(crypto, parameters, context, followedElements);
    if (!profile.ok) throw new Error(profile.error.type);
    const published = publishProfile(crypto, state, profile.value, slot);
    if (!published.ok) throw new Error(published.error.type);
    state = published.value.state;
    observer.observe(published.value.filter.bytes);
  }

  const scores = indices.map((own) => own.reduce((sum, index) => sum + observer.logOdds(index), 0));
  // Topics of one bucket are indistinguishable: a random order within equal scores is the attacker's best.
  const tieBreak = topics.map(() => randomUnit(random));
  const ranking = [...topics].sort(
    (a, b) => (scores[b] as number) - (scores[a] as number) || (tieBreak[a] as number) - (tieBreak[b] as number),
  );
  const exact = new Uint8Array(parameters.bits);
  for (const topic of interests) for (const index of indices[topic] ?? []) exact[index] = 1;
  const guessed = exact.map((_, index) => (observer.logOdds(index) > 0 ? 1 : 0));
  const right = exact.filter((bit, index) => bit === guessed[index]).length;
  const onesRight = exact.filter((bit, index) => bit === 1 && guessed[index] === 1).length;
  return {
    precision: ranking.slice(0, followed).filter((topic) => interests.has(topic)).length / followed,
    auc: areaUnderCurve(
      scores.filter((_, topic) => interests.has(topic)),
      scores.filter((_, topic) => !interests.has(topic)),
    ),
    bitsRight: right / parameters.bits,
    onesRight: onesRight / exact.reduce((sum, bit) => sum + bit, 0),
    spent: spentEpsilon(state),
  };
};

/** Average over `victims` of what the best attacker on the published filters learns about their interests. */
export const runInterestInference = (scenario: InterestInferenceScenario): InterestInferenceFigures => {
  const random = createSeededRandom(scenario.seed);
  let world = createWorld(random, scenario);
  const results = Array.from({ length: scenario.victims }, (_, i) => {
    if (i % VICTIMS_PER_WORLD === 0) world = createWorld(random, scenario);
    return attackOne(random.fork(`victim ${i}`), scenario, world);
  });
  const mean = (of: (figures: InterestInferenceFigures) => number): number =>
    results.reduce((sum, figures) => sum + of(figures), 0) / results.length;
  return {
    precision: mean((figures) => figures.precision),
    auc: mean((figures) => figures.auc),
    bitsRight: mean((figures) => figures.bitsRight),
    onesRight: mean((figures) => figures.onesRight),
    spent: mean((figures) => figures.spent),
  };
};
