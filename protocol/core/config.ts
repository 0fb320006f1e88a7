import { bfpsiQuota } from "../bfpsi/bfpsi.ts";
import type { RunQuotaConfig } from "../bfpsi/run-quota.ts";
import { type DurationMs, durationMs } from "../kernel/time.ts";
import { defaultGossipNodeConfig, type GossipNodeConfig } from "../node/gossip-node.ts";
import { type ConnectionsConfig, defaultConnectionsConfig } from "./connections.ts";

export interface CoreConfig {
  readonly periodMs: DurationMs;
  readonly gossip: GossipNodeConfig;
  readonly connections: ConnectionsConfig;
  readonly intersections: RunQuotaConfig;
  /** A nearest ring neighbor is compared with again after this; a new one at once. */
  readonly auditMs: DurationMs;
  /** The same for a node nobody can push to. */
  readonly ownAuditMs: DurationMs;
  /** Comparisons started in one period. */
  readonly comparisonsPerPeriod: number;
  readonly greetingMs: DurationMs;
  /** Bytes of what is published; longer items are announced and fetched (`ringcast`, 48 KiB). */
  readonly maxPublishedBytes: number;
}

/** Periods of gossip in the core (design: 10 s); a LAN takes three. */
export const CORE_PERIOD_MS = 10_000;

/**
 * Every rhythm of a core node for one gossip period: what the layers measure in periods keeps its proportions, what a
 * round trip dictates stays.
 */
export const createCoreConfig = (periodMs: number = CORE_PERIOD_MS): CoreConfig => {
  const pace = periodMs / CORE_PERIOD_MS;
  const paced = (value: number): DurationMs => durationMs(Math.max(1, Math.round(value * pace)));
  const { polderCast, urps, ...rhythm } = defaultGossipNodeConfig;
  const layer = <C extends { readonly gossipPeriodMs: DurationMs; readonly replyTimeoutMs: DurationMs }>(
    config: C,
  ): C => ({
    ...config,
    gossipPeriodMs: paced(config.gossipPeriodMs),
    replyTimeoutMs: paced(config.replyTimeoutMs),
  });
  return {
    periodMs: durationMs(periodMs),
    gossip: {
      ...rhythm,
      pace,
      intersectPeriodMs: paced(rhythm.intersectPeriodMs),
      intersectAgainMs: paced(rhythm.intersectAgainMs),
      bridgePeriodMs: paced(rhythm.bridgePeriodMs),
      urps: { ...urps, admission: { ...urps.admission, roundMs: paced(urps.admission.roundMs) } },
      polderCast: {
        ...polderCast,
        cyclon: {
          ...layer(polderCast.cyclon),
          joinBurstIntervalMs: paced(polderCast.cyclon.joinBurstIntervalMs),
        },
        vicinity: layer(polderCast.vicinity),
        rings: layer(polderCast.rings),
        tombstoneMs: paced(polderCast.tombstoneMs),
      },
    },
    connections: {
      ...defaultConnectionsConfig,
      idleMs: paced(defaultConnectionsConfig.idleMs),
      keptIdleMs: paced(defaultConnectionsConfig.keptIdleMs),
      firstPauseMs: paced(defaultConnectionsConfig.firstPauseMs),
      longestPauseMs: paced(defaultConnectionsConfig.longestPauseMs),
    },
    intersections: {
      ...bfpsiQuota,
      perPeerMs: paced(bfpsiQuota.perPeerMs),
      windowMs: paced(bfpsiQuota.windowMs),
    },
    auditMs: paced(300_000),
    ownAuditMs: paced(30_000),
    comparisonsPerPeriod: 32,
    greetingMs: durationMs(8_000),
    maxPublishedBytes: 49_152,
  };
};
