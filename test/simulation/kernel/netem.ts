import { randomUnit, type RandomSource } from "../../../protocol/kernel/random.ts";

/** What the emulated network does with one message. */
export type Fate =
  | { readonly type: "delivered"; readonly latencyMs: number }
  /** Vanishes; the sender learns nothing. */
  | { readonly type: "lost" }
  /** The connection is refused; the sender learns it. */
  | { readonly type: "refused" };

export interface NetemConfig {
  readonly latency:
    | { readonly type: "none" }
    | { readonly type: "uniform"; readonly fromMs: number; readonly toMs: number }
    | { readonly type: "lognormal"; readonly medianMs: number; readonly sigma: number };
  /** Probability that a message vanishes. */
  readonly loss: number;
  /** Share of nodes that can dial but not be dialled. */
  readonly natShare: number;
}

export const perfectNetwork: NetemConfig = { latency: { type: "none" }, loss: 0, natShare: 0 };
/** Links of the models the design compares with: uniform 10 to 50 ms. */
export const continentalNetwork: NetemConfig = {
  latency: { type: "uniform", fromMs: 10, toMs: 50 },
  loss: 0,
  natShare: 0,
};

export interface Netem {
  readonly fate: (from: number, to: number, isReply: boolean) => Fate;
  /** Cuts the network into two halves by node index modulo 2, or heals it. */
  readonly partition: (cut: boolean) => void;
  readonly isBehindNat: (index: number) => boolean;
}

const LOST: Fate = { type: "lost" };
const REFUSED: Fate = { type: "refused" };
const AT_ONCE: Fate = { type: "delivered", latencyMs: 0 };

export const createNetem = (config: NetemConfig, random: RandomSource): Netem => {
  const { latency, loss, natShare } = config;
  let isCut = false;
  const natThreshold = Math.round(natShare * 1000);
  // A multiplicative hash of the index: NAT is a property of the node, whenever it joins.
  const isBehindNat = (index: number): boolean => natThreshold > 0 && (index * 7919) % 1000 < natThreshold;

  const delay = (): number => {
    switch (latency.type) {
      case "none":
        return 0;
      case "uniform":
        return latency.fromMs + randomUnit(random) * (latency.toMs - latency.fromMs);
      case "lognormal": {
        const gaussian = Math.sqrt(-2 * Math.log(1 - randomUnit(random))) * Math.cos(2 * Math.PI * randomUnit(random));
        return latency.medianMs * Math.exp(latency.sigma * gaussian);
      }
    }
  };

  return {
    isBehindNat,
    partition: (cut) => {
      isCut = cut;
    },
    fate: (from, to, isReply) => {
      if (isCut && from % 2 !== to % 2) return REFUSED;
      if (!isReply && isBehindNat(to)) return REFUSED;
      if (loss > 0 && randomUnit(random) < loss) return LOST;
      return latency.type === "none" ? AT_ONCE : { type: "delivered", latencyMs: delay() };
    },
  };
};
