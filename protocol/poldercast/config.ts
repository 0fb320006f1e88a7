import { type CyclonConfig, defaultCyclonConfig } from "../cyclon/config.ts";
import { type DurationMs, durationMs } from "../kernel/time.ts";
import { defaultRingCastConfig, paperRingCastConfig, type RingCastConfig } from "../ringcast/config.ts";
import { defaultVicinityConfig, type VicinityConfig } from "../vicinity/config.ts";

export interface RingsConfig {
  /** Neighbors kept per topic on each side; the second is a spare against churn. */
  readonly slotsPerSide: number;
  /** Neighbors sent in one exchange, all topics together. */
  readonly exchangeLength: number;
  readonly gossipPeriodMs: DurationMs;
  readonly jitter: number;
  readonly replyTimeoutMs: DurationMs;
  readonly attempts: number;
  /** Whether a new subscriber walks to its place on the ring instead of waiting for gossip; off in the paper. */
  readonly walks: boolean;
  /** Ring neighbors asked for nearer ones per period; 0 in the paper. */
  readonly probesPerPeriod: number;
}

export interface PolderCastConfig {
  readonly cyclon: CyclonConfig;
  readonly vicinity: VicinityConfig;
  readonly rings: RingsConfig;
  readonly cast: RingCastConfig;
  /** How long a buried node is refused on hearsay; 0 in the paper. */
  readonly tombstoneMs: DurationMs;
  readonly addressCapacity: number;
}

const rings: RingsConfig = {
  slotsPerSide: 2,
  exchangeLength: 10,
  gossipPeriodMs: durationMs(10_000),
  jitter: 0.2,
  replyTimeoutMs: durationMs(5_000),
  attempts: 3,
  walks: true,
  probesPerPeriod: 2,
};

/** Views 20, 20 and 2 + 2 per topic, exchanges of 10, as in PolderCast's experiments; tombstones last 30 periods. */
export const defaultPolderCastConfig: PolderCastConfig = {
  cyclon: { ...defaultCyclonConfig, exchangeLength: 10 },
  vicinity: defaultVicinityConfig,
  rings,
  cast: defaultRingCastConfig,
  tombstoneMs: durationMs(300_000),
  addressCapacity: 512,
};

/** The three layers as published: no walks, probes, tombstones, fail-over or repair; fan-out 2. */
export const paperPolderCastConfig: PolderCastConfig = {
  ...defaultPolderCastConfig,
  rings: { ...rings, attempts: 1, walks: false, probesPerPeriod: 0 },
  cast: { ...paperRingCastConfig, fanout: 2 },
  tombstoneMs: durationMs(0),
};
