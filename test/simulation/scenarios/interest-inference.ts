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
  /** Invented topics beside the followed ones, and the share of them replaced at each slot. */
  readonly decoys: number;
  readonly decoyTurnover: number;
}

export interface InterestInferenceFigures {
  /** Share of the top `followed` guesses that the victim follows at the end. */
  readonly precision: number;
  /** Probability that a followed topic is ranked above one that is not. */
  readonly auc: number;
  /** Share of the bits before the noise, decoys included, that the attacker gets right. */
  readonly bitsRight: number;
  /** The same, of the bits that are one. */
  readonly onesRight: number;
  /** Loss of an unchanged topic by the ledger at the end, of the last key. */
  readonly spent: number;
}

const crypto = createNobleProvider();
const VICTIMS_PER_WORLD = 8;

/**
 * Belief about every bit after a sequence of published filters. The attacker knows epsilon, the redraw share, how often
 * interests and decoys change and how many there are: a forward pass over three states of each bit (off, on for a decoy
 * only, on for a followed topic). Given no change of the bit, the published value is the previous one unless its noise was
 * redrawn; a changed bit uses independent noise.
 */
const createObserver = (scenario: InterestInferenceScenario) => {
  const { epsilon, redraw, parametersId, changesPerSlot, followed, decoys, decoyTurnover } = scenario;
  const { bits, hashes } = profileParameters[parametersId];
  const p = flipProbability(epsilon, hashes);
  const ofTopic = (hashes * followed) / bits;
  const ofDecoy = decoys / bits;
  const topicEnds = changesPerSlot / followed;
  const topicBegins = (hashes * changesPerSlot) / bits;
  const decoyBegins = (decoyTurnover * decoys) / bits;
  const off = new Float64Array(bits).fill((1 - ofTopic) * (1 - ofDecoy));
  const decoy = new Float64Array(bits).fill((1 - ofTopic) * ofDecoy);
  const topic = new Float64Array(bits).fill(ofTopic);
  let previous: Uint8Array | undefined;

  return {
    observe: (published: Uint8Array): void => {
      for (let index = 0; index < bits; index++) {
        const seen = bitAt(published, index);
        const ifOn = seen === 1 ? 1 - p : p;
        const ifOff = seen === 1 ? p : 1 - p;
        const wasOff = off[index] as number;
        const wasDecoy = decoy[index] as number;
        const wasTopic = topic[index] as number;
        let nowOff = wasOff * ifOff;
        let nowDecoy = wasDecoy * ifOn;
        let nowTopic = wasTopic * ifOn;
        if (previous !== undefined) {
          const kept = bitAt(previous, index) === seen ? 1 - redraw : 0;
          const stayedOff = kept + redraw * ifOff;
          const stayedOn = kept + redraw * ifOn;
          nowOff =
            wasOff * (1 - topicBegins - decoyBegins) * stayedOff +
            (wasDecoy * decoyTurnover + wasTopic * topicEnds * (1 - ofDecoy)) * ifOff;
          nowDecoy =
            (wasDecoy * (1 - decoyTurnover - topicBegins) + wasTopic * topicEnds * ofDecoy) * stayedOn +
            wasOff * decoyBegins * ifOn;
          nowTopic = (wasTopic * (1 - topicEnds) + wasDecoy * topicBegins) * stayedOn + wasOff * topicBegins * ifOn;
        }
        const sum = nowOff + nowDecoy + nowTopic;
        off[index] = nowOff / sum;
        decoy[index] = nowDecoy / sum;
        topic[index] = nowTopic / sum;
      }
      previous = published;
    },
    newKey: (): void => {
      previous = undefined;
      for (let index = 0; index < bits; index++) {
        const noTopic = 1 - (topic[index] as number);
        off[index] = noTopic * (1 - ofDecoy);
        decoy[index] = noTopic * ofDecoy;
      }
    },
    /** Log-odds that a followed topic stands behind the bit. */
    logOdds: (index: number): number => {
      const one = Math.min(Math.max(topic[index] as number, 1e-15), 1 - 1e-15);
      return Math.log(one / (1 - one));
    },
    /** Whether the bit is on, whatever stands behind it. */
    isOn: (index: number): boolean => (off[index] as number) < 0.5,
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
  const { followed, parametersId, epsilon, redraw, slots, changesPerSlot, decoys, decoyTurnover } = scenario;
  const { keySlots = slots } = scenario;
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
      decoys,
      decoyTurnover,
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
  const padded = state.published?.padded;
  if (padded === undefined) throw new Error("at least one slot is published");
  const bits = Array.from({ length: parameters.bits }, (_, index) => bitAt(padded, index) === 1);
  const ones = bits.filter((isOne) => isOne).length;
  const onesFound = bits.filter((isOne, index) => isOne && observer.isOn(index)).length;
  const right = bits.filter((isOne, index) => isOne === observer.isOn(index)).length;
  return {
    precision: ranking.slice(0, followed).filter((topic) => interests.has(topic)).length / followed,
    auc: areaUnderCurve(
      scores.filter((_, topic) => interests.has(topic)),
      scores.filter((_, topic) => !interests.has(topic)),
    ),
    bitsRight: right / parameters.bits,
    onesRight: onesFound / ones,
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
