import { type BfpsiEffect, createBfpsi } from "../bfpsi/bfpsi.ts";
import type { RunQuota } from "../bfpsi/run-quota.ts";
import type { SecretElement } from "../bfpsi/secret-element.ts";
import { decodeBfpsiMessage, encodeBfpsiMessage } from "../bfpsi/wire.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { exhaustive } from "../kernel/assert.ts";
import type { DeadlineReached, Machine } from "../kernel/machine.ts";
import type { RandomSource } from "../kernel/random.ts";
import { earliest, type MonotonicMs } from "../kernel/time.ts";
import type { VpsiGuards } from "../vpsi/guards.ts";
import type { VpsiJob, VpsiJobOutcome } from "../vpsi/job.ts";
import type { NamedElement } from "../vpsi/named-element.ts";
import { createVpsi, type VpsiEffect } from "../vpsi/vpsi.ts";
import { decodeVpsiMessage, encodeVpsiMessage } from "../vpsi/wire.ts";

/** Runs counted for this node, over all its sessions. */
export interface IntersectionQuotas {
  readonly secretStarted: RunQuota;
  readonly secretAnswered: RunQuota;
  readonly namedStarted: RunQuota;
  readonly namedAnswered: RunQuota;
  readonly guards: VpsiGuards;
}

export interface IntersectionsOptions {
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  /** The established NoiseSocket session: its handshake hash and both static keys (32 bytes each). */
  readonly channel: { readonly handshakeHash: Uint8Array; readonly local: Uint8Array; readonly remote: Uint8Array };
  readonly peer: string;
  /** Topics with a secret, at most 1024. */
  readonly secretTopics: () => ReadonlyMap<string, SecretElement>;
  /** Names the user agreed to compare with this peer, at most 256; none is the rule. */
  readonly names: () => ReadonlyMap<string, NamedElement>;
  /** 32 secret bytes: the same for one peer and day, others for every other peer and day. */
  readonly keySeed: () => Uint8Array;
  readonly quotas: IntersectionQuotas;
}

export type IntersectionsEvent =
  | { readonly type: "intersect" }
  /** A message of the session whose first byte is 2 or 3. */
  | { readonly type: "bytesReceived"; readonly bytes: Uint8Array }
  | { readonly type: "jobDone"; readonly job: number; readonly outcome: VpsiJobOutcome }
  | DeadlineReached;

export type IntersectionsEffect =
  | { readonly type: "send"; readonly bytes: Uint8Array }
  /** To be computed off the event loop with `runVpsiJob`. */
  | { readonly type: "compute"; readonly job: number; readonly work: VpsiJob }
  | {
      readonly type: "intersectionFound";
      readonly of: "secretTopics" | "names";
      readonly startedBy: "us" | "peer";
      readonly common: readonly string[];
    }
  | {
      readonly type: "runFailed";
      readonly of: "secretTopics" | "names";
      readonly startedBy: "us" | "peer";
      readonly fault: string;
    }
  /** Bytes that do not decode: a fault of the peer, with the rule it broke. */
  | { readonly type: "peerViolated"; readonly rule: string };

/** First byte of a VPSI message; everything else is read as BFPSI, whose decoder refuses what it does not know. */
const VPSI_PROTOCOL = 3;

/**
 * What one session tells about common interests: secret topics first (`protocol/bfpsi`) and, when that run is over and the
 * user agreed to compare names, names (`protocol/vpsi`).
 */
export const createIntersections = (
  options: IntersectionsOptions,
): Machine<IntersectionsEvent, IntersectionsEffect> => {
  const { crypto, random, channel, peer, quotas } = options;
  const secret = createBfpsi({
    crypto,
    random: random.fork("bfpsi"),
    channel,
    peer,
    items: options.secretTopics,
    started: quotas.secretStarted,
    answered: quotas.secretAnswered,
  });
  const named = createVpsi({
    crypto,
    random: random.fork("vpsi"),
    channel,
    peer,
    items: options.names,
    keySeed: options.keySeed,
    started: quotas.namedStarted,
    answered: quotas.namedAnswered,
    guards: quotas.guards,
  });

  const fromNamed = (produced: readonly VpsiEffect[]): IntersectionsEffect[] =>
    produced.map((effect) => {
      switch (effect.type) {
        case "send":
          return { type: "send", bytes: encodeVpsiMessage(effect.message) };
        case "compute":
          return effect;
        case "intersectionFound":
        case "runFailed":
          return { ...effect, of: "names" };
        default:
          return exhaustive(effect);
      }
    });

  const fromSecret = (produced: readonly BfpsiEffect[], now: MonotonicMs): IntersectionsEffect[] =>
    produced.flatMap((effect): IntersectionsEffect[] => {
      switch (effect.type) {
        case "send":
          return [{ type: "send", bytes: encodeBfpsiMessage(effect.message) }];
        case "intersectionFound":
        case "runFailed": {
          const told: IntersectionsEffect = { ...effect, of: "secretTopics" };
          const comparesNames = effect.startedBy === "us" && options.names().size > 0;
          return comparesNames ? [told, ...fromNamed(named.handle({ type: "intersect" }, now))] : [told];
        }
        default:
          return exhaustive(effect);
      }
    });

  const receive = (bytes: Uint8Array, now: MonotonicMs): IntersectionsEffect[] => {
    if (bytes[0] === VPSI_PROTOCOL) {
      const decoded = decodeVpsiMessage(bytes);
      if (!decoded.ok) return [{ type: "peerViolated", rule: decoded.error.rule }];
      return fromNamed(named.handle({ type: "messageReceived", message: decoded.value }, now));
    }
    const decoded = decodeBfpsiMessage(bytes);
    if (!decoded.ok) return [{ type: "peerViolated", rule: decoded.error.rule }];
    return fromSecret(secret.handle({ type: "messageReceived", message: decoded.value }, now), now);
  };

  return {
    handle: (event, now) => {
      switch (event.type) {
        case "intersect":
          return fromSecret(secret.handle(event, now), now);
        case "bytesReceived":
          return receive(event.bytes, now);
        case "jobDone":
          return fromNamed(named.handle(event, now));
        case "deadlineReached":
          return [...fromSecret(secret.handle(event, now), now), ...fromNamed(named.handle(event, now))];
        default:
          return exhaustive(event);
      }
    },
    nextDeadline: () => earliest([secret.nextDeadline(), named.nextDeadline()]),
  };
};
