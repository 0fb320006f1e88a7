import type { CryptoProvider } from "../crypto/provider.ts";
import { exhaustive } from "../kernel/assert.ts";
import { createCountMinSketch } from "./count-min-sketch.ts";

/** The paper's reference strategy, which knows the true law of the stream. */
export interface OmniscientStrategy {
  readonly type: "omniscient";
  /** Share of one id in the stream. */
  readonly shareOf: (id: string) => number;
  /** Smallest share of any id. */
  readonly leastShare: number;
}

/** The paper's knowledge-free strategy: accept with (smallest counter) / (estimate). */
export interface PaperStrategy {
  readonly type: "paper";
  readonly columns: number;
  readonly rows: number;
  /** `all` is the paper; `nonZero` keeps the sampler alive while some counter is still zero. */
  readonly minimum: "all" | "nonZero";
}

/** Large conservative sketch, a low quantile in place of the minimum, and decay. */
export interface Urps2Strategy {
  readonly type: "urps2";
  readonly columns: number;
  readonly rows: number;
  readonly quantile: number;
  /** Additions between two computations of the quantile. */
  readonly refreshEvery: number;
  /** Additions between two halvings of all counters. */
  readonly decayEvery: number;
}

export type UrpsStrategy = OmniscientStrategy | PaperStrategy | Urps2Strategy;

/** Counts the stream and says with which probability an id outside the memory may enter it. */
export interface Acceptance {
  readonly observe: (id: string) => void;
  readonly probability: (id: string) => number;
  readonly estimate: (id: string) => number;
  /** How often a usual id was heard: the lesser of mean and median; 0 when unknown. */
  readonly typical: () => number;
  /** Copy of the counters, to persist; empty for the omniscient strategy. */
  readonly counters: () => Uint32Array;
}

export const createAcceptance = (
  crypto: CryptoProvider,
  hashKey: Uint8Array,
  idToBytes: (id: string) => Uint8Array,
  strategy: UrpsStrategy,
  counters?: Uint32Array,
): Acceptance => {
  switch (strategy.type) {
    case "omniscient":
      return {
        observe: () => undefined,
        probability: (id) => strategy.leastShare / strategy.shareOf(id),
        estimate: strategy.shareOf,
        typical: () => 0,
        counters: () => new Uint32Array(0),
      };
    case "paper": {
      const shape = { columns: strategy.columns, rows: strategy.rows, update: "plain" } as const;
      const sketch = createCountMinSketch(crypto, hashKey, idToBytes, shape, counters);
      return {
        observe: sketch.add,
        probability: (id) => sketch.minimum(strategy.minimum) / Math.max(1, sketch.estimate(id)),
        estimate: sketch.estimate,
        typical: () => 0,
        counters: () => Uint32Array.from(sketch.counters),
      };
    }
    case "urps2": {
      const { columns, rows, quantile, refreshEvery, decayEvery } = strategy;
      const sketch = createCountMinSketch(
        crypto,
        hashKey,
        idToBytes,
        { columns, rows, update: "conservative" },
        counters,
      );
      let added = 0;
      let threshold = sketch.quantile(quantile);
      let median = sketch.quantile(0.5);
      return {
        observe: (id) => {
          sketch.add(id);
          added += 1;
          const decays = added % decayEvery === 0;
          if (decays) sketch.halve();
          if (!decays && added !== 1 && added % refreshEvery !== 0) return;
          threshold = sketch.quantile(quantile);
          median = sketch.quantile(0.5);
        },
        probability: (id) => Math.min(1, threshold / Math.max(1, sketch.estimate(id))),
        estimate: sketch.estimate,
        typical: () => Math.min(sketch.mean(), Math.max(1, median)),
        counters: () => Uint32Array.from(sketch.counters),
      };
    }
    default:
      return exhaustive(strategy);
  }
};
