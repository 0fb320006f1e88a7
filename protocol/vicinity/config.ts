import { type DurationMs, durationMs } from "../kernel/time.ts";

export interface VicinityConfig {
  /** Neighbors kept. */
  readonly viewLength: number;
  /** Neighbors sent in one exchange. */
  readonly exchangeLength: number;
  readonly gossipPeriodMs: DurationMs;
  /** Share of the period by which each one is randomly lengthened or shortened, 0 to 0.5. */
  readonly jitter: number;
  readonly replyTimeoutMs: DurationMs;
  /** Partners tried in one period when contact fails at once. */
  readonly attempts: number;
}

/** View 20 and exchange 10 as in PolderCast's experiments; period, time-out and attempts as in `cyclon/config.ts`. */
export const defaultVicinityConfig: VicinityConfig = {
  viewLength: 20,
  exchangeLength: 10,
  gossipPeriodMs: durationMs(10_000),
  jitter: 0.2,
  replyTimeoutMs: durationMs(5_000),
  attempts: 3,
};
