import { durationMs, type MonotonicMs } from "../kernel/time.ts";
import { bytesToHex } from "../kernel/bytes.ts";
import type { RunQuotaConfig } from "../bfpsi/run-quota.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** One run per peer and hour: each lets the peer test up to 256 guesses. */
export const vpsiQuota: RunQuotaConfig = {
  perPeerMs: durationMs(HOUR),
  windowMs: durationMs(HOUR),
  perWindow: 30,
};

/** Guesses one peer may test against our set in a day. */
const ELEMENTS_PER_DAY = 1000;
/** A responder changes its key once a day, so that a day sees at most two. */
const KEYS_PER_DAY = 2;

/** What must be remembered about peers across sessions. */
export interface VpsiGuards {
  /** Whether we may evaluate `count` more elements for the peer today; counted if so. */
  readonly spendElements: (peer: string, count: number, now: MonotonicMs) => boolean;
  /** Whether the peer's key is one of at most two of the last day. */
  readonly acceptKey: (peer: string, publicKey: Uint8Array, now: MonotonicMs) => boolean;
}

interface Dated<Value> {
  readonly at: MonotonicMs;
  readonly value: Value;
}

export const createVpsiGuards = (): VpsiGuards => {
  const spent = new Map<string, readonly Dated<number>[]>();
  const keys = new Map<string, readonly Dated<string>[]>();

  /** Drops what is older than a day, of all peers, so that the maps stay as small as the day was busy. */
  const forget = <Value>(map: Map<string, readonly Dated<Value>[]>, now: MonotonicMs): void => {
    for (const [peer, entries] of map) {
      const recent = entries.filter(({ at }) => now - at < DAY);
      if (recent.length === 0) map.delete(peer);
      else map.set(peer, recent);
    }
  };

  return {
    spendElements: (peer, count, now) => {
      forget(spent, now);
      const entries = spent.get(peer) ?? [];
      if (entries.reduce((sum, { value }) => sum + value, count) > ELEMENTS_PER_DAY) return false;
      spent.set(peer, [...entries, { at: now, value: count }]);
      return true;
    },
    acceptKey: (peer, publicKey, now) => {
      forget(keys, now);
      const entries = keys.get(peer) ?? [];
      const key = bytesToHex(publicKey);
      if (entries.some(({ value }) => value === key)) return true;
      if (entries.length >= KEYS_PER_DAY) return false;
      keys.set(peer, [...entries, { at: now, value: key }]);
      return true;
    },
  };
};
