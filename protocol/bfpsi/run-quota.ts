import type { DurationMs, MonotonicMs } from "../kernel/time.ts";

export interface RunQuotaConfig {
  /** Least time between two runs with one peer. */
  readonly perPeerMs: DurationMs;
  readonly windowMs: DurationMs;
  /** Most runs with all peers together in one window. */
  readonly perWindow: number;
}

/** Counts runs, so that a peer can neither poll for changes of our set nor make us compute without end. */
export interface RunQuota {
  /** Whether a run with the peer may start now; if so it is counted. */
  readonly take: (peer: string, now: MonotonicMs) => boolean;
}

export const createRunQuota = ({ perPeerMs, windowMs, perWindow }: RunQuotaConfig): RunQuota => {
  const lastByPeer = new Map<string, MonotonicMs>();
  let started: readonly MonotonicMs[] = [];

  return {
    take: (peer, now) => {
      started = started.filter((at) => now - at < windowMs);
      for (const [known, at] of lastByPeer) if (now - at >= perPeerMs) lastByPeer.delete(known);
      if (lastByPeer.has(peer) || started.length >= perWindow) return false;
      lastByPeer.set(peer, now);
      started = [...started, now];
      return true;
    },
  };
};
