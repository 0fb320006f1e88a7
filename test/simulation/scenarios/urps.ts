import { createAcceptance, type UrpsStrategy } from "../../../protocol/urps/acceptance.ts";
import { createSampler } from "../../../protocol/urps/sampler.ts";
import { createNobleProvider } from "../../../protocol/crypto/noble-provider.ts";
import { randomUnit, type RandomSource } from "../../../protocol/kernel/random.ts";
import { createSeededRandom } from "../../support/seeded-random.ts";

/** Law of the input stream over n ids; the first tenth of the ids is the adversary's. */
export type StreamLaw = "uniform" | "loud" | "colluders50" | "colluders80" | "zipf";

export interface UrpsScenario {
  readonly seed: string | number;
  readonly ids: number;
  readonly arrivals: number;
  readonly law: StreamLaw;
  readonly slots: number;
  readonly strategy: UrpsStrategy | "omniscient";
  /** Arrivals before the output is counted. */
  readonly warmUp: number;
  /** Count one output every so many arrivals. */
  readonly thinning?: number;
  /** Samplers in series: the output of one is the input of the next. */
  readonly series?: number;
}

export interface UrpsFigures {
  /** Kullback-Leibler divergence from uniform in nats: of the stream, and of the output. */
  readonly inputDivergence: number;
  readonly klDivergence: number;
  /** 1 - klDivergence / inputDivergence. */
  readonly gain: number;
  /** Share of the output that belongs to the first tenth of the ids. */
  readonly adversaryShare: number;
  /** Largest share of one id, relative to uniform. */
  readonly overRepresentation: number;
  readonly neverSampled: number;
  readonly chiSquare: number;
}

const weightsOf = (law: StreamLaw, ids: number): number[] => {
  const adversaries = Math.floor(ids / 10);
  return Array.from({ length: ids }, (_, i) => {
    switch (law) {
      case "uniform":
        return 1;
      case "loud":
        return i === 0 ? 0.5 : 0.5 / (ids - 1);
      case "colluders50":
        return i < adversaries ? 0.5 / adversaries : 0.5 / (ids - adversaries);
      case "colluders80":
        return i < adversaries ? 0.8 / adversaries : 0.2 / (ids - adversaries);
      case "zipf":
        return 1 / (i + 1);
    }
  });
};

/** Draws indexes with the given weights by binary search in the cumulative law. */
const createDraw = (random: RandomSource, weights: readonly number[]): (() => number) => {
  const cumulative: number[] = [];
  let total = 0;
  for (const weight of weights) cumulative.push((total += weight));
  return () => {
    const target = randomUnit(random) * total;
    let low = 0;
    let high = weights.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((cumulative[middle] as number) <= target) low = middle + 1;
      else high = middle;
    }
    return low;
  };
};

const divergence = (counts: Float64Array): number => {
  const total = counts.reduce((sum, count) => sum + count, 0);
  let nats = 0;
  for (const count of counts) if (count > 0) nats += (count / total) * Math.log((count / total) * counts.length);
  return nats;
};

const indexToId = (index: number): string => String(index);
const idToBytes = (id: string): Uint8Array => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setUint32(0, Number(id));
  return bytes;
};

/** Runs a sampler on one stream, without admission, and measures how uniform its output is. */
export const runUrps = (scenario: UrpsScenario): UrpsFigures => {
  const { ids, arrivals, warmUp, slots, thinning = 1, series = 1 } = scenario;
  const random = createSeededRandom(scenario.seed);
  const crypto = createNobleProvider();
  const weights = weightsOf(scenario.law, ids);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const strategy: UrpsStrategy =
    scenario.strategy === "omniscient"
      ? {
          type: "omniscient",
          shareOf: (id) => (weights[Number(id)] as number) / total,
          leastShare: Math.min(...weights) / total,
        }
      : scenario.strategy;
  const samplers = Array.from({ length: series }, () =>
    createSampler<undefined>(random.fork("sampler"), createAcceptance(crypto, random.bytes(32), idToBytes, strategy), {
      slots,
      slotsPerNetwork: slots,
    }),
  );
  const draw = createDraw(random.fork("stream"), weights);
  const input = new Float64Array(ids);
  const output = new Float64Array(ids);
  for (let t = 0; t < arrivals; t++) {
    const arrived = draw();
    input[arrived] = (input[arrived] as number) + 1;
    let id = indexToId(arrived);
    for (const sampler of samplers) {
      sampler.add({ id, entry: undefined });
      id = sampler.sampleOne()?.id ?? id;
    }
    if (t >= warmUp && t % thinning === 0) output[Number(id)] = (output[Number(id)] as number) + 1;
  }
  const outputs = output.reduce((sum, count) => sum + count, 0);
  const expected = outputs / ids;
  const adversaries = Math.floor(ids / 10);
  const inputDivergence = divergence(input);
  const klDivergence = divergence(output);
  return {
    inputDivergence,
    klDivergence,
    gain: 1 - klDivergence / inputDivergence,
    adversaryShare: output.subarray(0, adversaries).reduce((sum, count) => sum + count, 0) / outputs,
    overRepresentation: Math.max(...output) / expected,
    neverSampled: output.filter((count) => count === 0).length / ids,
    chiSquare: output.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0),
  };
};
