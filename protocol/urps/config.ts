import { durationMs, type DurationMs } from "../kernel/time.ts";
import type { PaperStrategy, Urps2Strategy, UrpsStrategy } from "./acceptance.ts";
import type { AdmissionConfig } from "./admission-gate.ts";

export interface UrpsConfig {
  readonly strategy: UrpsStrategy;
  /** Slots of the sampling memory. */
  readonly slots: number;
  readonly slotsPerNetwork: number;
  readonly admission: AdmissionConfig;
  /** Life of one sketch key. */
  readonly rekeyMs: DurationMs;
}

/**
 * 4096 x 4 counters (64 KiB) keep the error below one in a thousand of the stream for thousands of peers, where the
 * paper's 10 x 5 gives a modest colluding tenth almost half of the samples (SPEC.md, figures).
 */
export const urps2Strategy: Urps2Strategy = {
  type: "urps2",
  columns: 4096,
  rows: 4,
  quantile: 0.1,
  refreshEvery: 256,
  decayEvery: 50_000,
};

/** The larger of the two sketches of the paper's evaluation. */
export const paperStrategy: PaperStrategy = { type: "paper", columns: 50, rows: 10, minimum: "all" };

const SLOTS = 64;

export const defaultUrpsConfig: UrpsConfig = {
  strategy: urps2Strategy,
  slots: SLOTS,
  slotsPerNetwork: SLOTS / 8,
  admission: {
    roundMs: durationMs(10_000),
    arrivalsPerRound: 32,
    newcomersPerRound: 8,
    vouchersNeeded: 2,
    probationPerPartner: 128,
    partners: 256,
    admittedIds: 16_384,
  },
  rekeyMs: durationMs(24 * 3_600_000),
};
