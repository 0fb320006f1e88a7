// Anceaume, Busnel, Sericola, "Uniform Node Sampling Service Robust against Collusions of Malicious Nodes" (2013).
// Deviations are listed in SPEC.md; the paper's own strategies stay selectable.
import type { CryptoProvider } from "../crypto/provider.ts";
import { exhaustive } from "../kernel/assert.ts";
import type { DeadlineReached, Machine } from "../kernel/machine.ts";
import { randomUnit, type RandomSource } from "../kernel/random.ts";
import { after, type MonotonicMs } from "../kernel/time.ts";
import { type Acceptance, createAcceptance } from "./acceptance.ts";
import { createAdmissionGate } from "./admission-gate.ts";
import { type AnchorSlot, createAnchors } from "./anchors.ts";
import type { UrpsConfig } from "./config.ts";
import { createSampler, type SamplerState } from "./sampler.ts";

export type UrpsEvent<Entry> =
  | DeadlineReached
  /** A gossip partner named a node; signature and freshness were checked before. */
  | {
      readonly type: "entryHeard";
      readonly partner: string;
      readonly id: string;
      readonly entry: Entry;
      /** Network of its address (a /24, a /64, one link), for the cap on slots. */
      readonly network?: string | undefined;
    }
  /** A handshake with the node succeeded, or the user named it: no probation. */
  | {
      readonly type: "entryVouched";
      readonly id: string;
      readonly entry: Entry;
      readonly network?: string | undefined;
    }
  | { readonly type: "peerUnreachable"; readonly id: string };

/** The partner spent its tokens of the round; reported for every arrival refused. */
export interface UrpsEffect {
  readonly type: "partnerThrottled";
  readonly partner: string;
}

/** Everything that must survive a restart so that a reboot is no way to reset the counts. */
export interface UrpsSnapshot<Entry> {
  readonly sketchKey: Uint8Array;
  readonly counters: Uint32Array;
  readonly anchorKey: Uint8Array;
  readonly anchors: readonly (AnchorSlot<Entry> | undefined)[];
  readonly memory: SamplerState<Entry>;
}

export interface UrpsDependencies<Entry> {
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly idToBytes: (id: string) => Uint8Array;
  /** The one to keep of two entries of the same id. */
  readonly newer: (held: Entry, heard: Entry) => Entry;
  readonly startAt: MonotonicMs;
}

export interface Urps<Entry> extends Machine<UrpsEvent<Entry>, UrpsEffect> {
  /** `count` entries of distinct ids, uniform over the admitted ids as far as the strategy achieves it. */
  readonly sample: (count: number) => readonly Entry[];
  /** Up to 16 entries that no flood displaces, for rejoining. */
  readonly anchors: () => readonly Entry[];
  readonly size: () => number;
  /**
   * False, at random, for an id heard more often than others: with probability 1 - 2 typical / count. What asks this before
   * it takes an id in cannot be filled by those who name each other without end.
   */
  readonly tolerates: (id: string) => boolean;
  readonly snapshot: () => UrpsSnapshot<Entry>;
}

/** Times the typical count from which an id is loud: honest counts seldom reach it (Poisson). */
const LOUDNESS = 2;
const KEY_BYTES = 32;
const NO_EFFECTS: readonly UrpsEffect[] = [];
/** A fresh sketch takes over after this many arrivals per slot. */
const HANDOVER_ARRIVALS_PER_SLOT = 10;

export const createUrps = <Entry>(
  { crypto, random, idToBytes, newer, startAt }: UrpsDependencies<Entry>,
  config: UrpsConfig,
  restored?: UrpsSnapshot<Entry>,
): Urps<Entry> => {
  const newAcceptance = (key: Uint8Array, counters?: Uint32Array): Acceptance =>
    createAcceptance(crypto, key, idToBytes, config.strategy, counters);

  let sketchKey = restored?.sketchKey ?? random.bytes(KEY_BYTES);
  let sketch = newAcceptance(sketchKey, restored?.counters);
  let successor: { readonly key: Uint8Array; readonly acceptance: Acceptance; readonly arrivals: number } | undefined;
  let rekeyAt = after(startAt, config.rekeyMs);

  const acceptance: Acceptance = {
    observe: (id) => {
      sketch.observe(id);
      if (successor === undefined) return;
      successor.acceptance.observe(id);
      successor = { ...successor, arrivals: successor.arrivals + 1 };
      if (successor.arrivals < HANDOVER_ARRIVALS_PER_SLOT * config.slots) return;
      sketchKey = successor.key;
      sketch = successor.acceptance;
      successor = undefined;
    },
    probability: (id) => sketch.probability(id),
    estimate: (id) => sketch.estimate(id),
    typical: () => sketch.typical(),
    counters: () => sketch.counters(),
  };

  const gate = createAdmissionGate(config.admission);
  const sampler = createSampler<Entry>(random, acceptance, config, restored?.memory);
  const anchorKey = restored?.anchorKey ?? random.bytes(KEY_BYTES);
  const anchors = createAnchors<Entry>(crypto, anchorKey, idToBytes, newer, restored?.anchors);
  for (const member of restored?.memory.members ?? []) gate.vouch(member.id);

  const admit = (id: string, entry: Entry, network: string | undefined): void => {
    const held = sampler.get(id);
    if (held !== undefined) sampler.update(id, newer(held, entry));
    sampler.add({ id, entry, network });
    anchors.offer(id, entry);
  };

  const rekey = (now: MonotonicMs): void => {
    if (now < rekeyAt) return;
    rekeyAt = after(now, config.rekeyMs);
    const key = random.bytes(KEY_BYTES);
    successor = { key, acceptance: newAcceptance(key), arrivals: 0 };
  };

  return {
    handle: (event, now) => {
      rekey(now);
      switch (event.type) {
        case "deadlineReached":
          return NO_EFFECTS;
        case "entryHeard": {
          const admission = gate.arrive(event.partner, event.id, now);
          if (admission === "throttled") return [{ type: "partnerThrottled", partner: event.partner }];
          if (admission === "admitted") admit(event.id, event.entry, event.network);
          return NO_EFFECTS;
        }
        case "entryVouched":
          gate.vouch(event.id);
          admit(event.id, event.entry, event.network);
          return NO_EFFECTS;
        case "peerUnreachable":
          gate.forget(event.id);
          sampler.remove(event.id);
          anchors.remove(event.id);
          return NO_EFFECTS;
        default:
          return exhaustive(event);
      }
    },
    nextDeadline: () => rekeyAt,
    sample: (count) => sampler.sample(count).map((member) => member.entry),
    anchors: anchors.entries,
    size: sampler.size,
    tolerates: (id) => {
      const limit = LOUDNESS * acceptance.typical();
      const count = acceptance.estimate(id);
      return limit === 0 || count <= limit || randomUnit(random) * count < limit;
    },
    snapshot: () => ({
      sketchKey,
      counters: acceptance.counters(),
      anchorKey,
      anchors: anchors.held(),
      memory: sampler.state(),
    }),
  };
};
