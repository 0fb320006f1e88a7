import type { DurationMs, MonotonicMs } from "../kernel/time.ts";

export interface AdmissionConfig {
  /** Length of one round of the token buckets: the gossip period. */
  readonly roundMs: DurationMs;
  /** Arrivals one partner may put into the stream per round. */
  readonly arrivalsPerRound: number;
  /** Of these, how many may be ids never admitted before. */
  readonly newcomersPerRound: number;
  /** Distinct partners that must name an id before it counts. */
  readonly vouchersNeeded: number;
  /** Ids on probation kept per partner; the oldest is forgotten first. */
  readonly probationPerPartner: number;
  /** Partners remembered; the one heard longest ago is forgotten first. */
  readonly partners: number;
  /** Admitted ids remembered; the one admitted first is forgotten first. */
  readonly admittedIds: number;
}

/** `throttled` says that the partner spent its tokens, `probation` that nobody else named the id yet. */
export type Admission = "admitted" | "probation" | "throttled";

/** What stands between gossip partners and the sampler, so that one partner cannot fill the stream with invented ids. */
export interface AdmissionGate {
  readonly arrive: (partner: string, id: string, now: MonotonicMs) => Admission;
  /** Admits an id for good: the host completed a handshake with it or the user named it. */
  readonly vouch: (id: string) => void;
  /** Back to probation, for an id found dead. */
  readonly forget: (id: string) => void;
}

interface PartnerState {
  readonly round: number;
  readonly arrivals: number;
  readonly newcomers: number;
  readonly probation: Set<string>;
}

/** Re-inserts at the end of the insertion order, which is the order of forgetting, and drops the first above `limit`. */
const remember = <Value>(map: Map<string, Value>, key: string, value: Value, limit: number): void => {
  map.delete(key);
  map.set(key, value);
  if (map.size > limit) dropOldest(map);
};

const dropOldest = (collection: Map<string, unknown> | Set<string>): void => {
  for (const oldest of collection.keys()) {
    collection.delete(oldest);
    return;
  }
};

export const createAdmissionGate = (config: AdmissionConfig): AdmissionGate => {
  const partners = new Map<string, PartnerState>();
  const admitted = new Map<string, true>();

  const admit = (id: string): void => {
    remember(admitted, id, true, config.admittedIds);
    for (const state of partners.values()) state.probation.delete(id);
  };

  const vouchers = (id: string): number => {
    let count = 0;
    for (const state of partners.values()) if (state.probation.has(id)) count += 1;
    return count;
  };

  return {
    arrive: (partner, id, now) => {
      const round = Math.floor(now / config.roundMs);
      const held = partners.get(partner);
      const state: PartnerState =
        held?.round === round
          ? held
          : { round, arrivals: 0, newcomers: 0, probation: held?.probation ?? new Set<string>() };
      const newcomer = !admitted.has(id) && !state.probation.has(id);
      const exhausted =
        state.arrivals >= config.arrivalsPerRound || (newcomer && state.newcomers >= config.newcomersPerRound);
      if (exhausted) {
        remember(partners, partner, state, config.partners);
        return "throttled";
      }
      remember(
        partners,
        partner,
        { ...state, arrivals: state.arrivals + 1, newcomers: state.newcomers + (newcomer ? 1 : 0) },
        config.partners,
      );
      if (admitted.has(id)) return "admitted";
      state.probation.add(id);
      if (state.probation.size > config.probationPerPartner) dropOldest(state.probation);
      if (vouchers(id) < config.vouchersNeeded) return "probation";
      admit(id);
      return "admitted";
    },
    vouch: admit,
    forget: (id) => {
      admitted.delete(id);
      for (const state of partners.values()) state.probation.delete(id);
    },
  };
};
