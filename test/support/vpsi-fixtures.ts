import { createRunQuota } from "../../protocol/bfpsi/run-quota.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import { createNobleVoprf } from "../../protocol/crypto/ristretto.ts";
import type { Machine } from "../../protocol/kernel/machine.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import { monotonicMs } from "../../protocol/kernel/time.ts";
import { createVpsiGuards, vpsiQuota } from "../../protocol/vpsi/guards.ts";
import { runVpsiJob } from "../../protocol/vpsi/job.ts";
import type { VpsiMessage } from "../../protocol/vpsi/messages.ts";
import { type NamedElement, namedElement } from "../../protocol/vpsi/named-element.ts";
import { createVpsi, type VpsiEffect, type VpsiEvent } from "../../protocol/vpsi/vpsi.ts";
import { decodeVpsiMessage, encodeVpsiMessage } from "../../protocol/vpsi/wire.ts";
import { HANDSHAKE_HASH, LEFT_KEY, RIGHT_KEY } from "./psi-fixtures.ts";

const voprf = createNobleVoprf();

export const namedTopics = (names: readonly string[]): ReadonlyMap<string, NamedElement> =>
  new Map(names.map((name) => [name, namedElement("topic", name)]));

export const vpsiSide = (
  crypto: CryptoProvider,
  random: RandomSource,
  side: "left" | "right",
  names: readonly string[],
): Machine<VpsiEvent, VpsiEffect> =>
  createVpsi({
    crypto,
    random,
    channel: {
      handshakeHash: HANDSHAKE_HASH,
      local: side === "left" ? LEFT_KEY : RIGHT_KEY,
      remote: side === "left" ? RIGHT_KEY : LEFT_KEY,
    },
    peer: side === "left" ? "right" : "left",
    items: () => namedTopics(names),
    keySeed: () => new Uint8Array(32).fill(side === "left" ? 1 : 2),
    started: createRunQuota(vpsiQuota),
    answered: createRunQuota(vpsiQuota),
    guards: createVpsiGuards(),
  });

export interface VpsiTranscript {
  readonly left: readonly VpsiEffect[];
  readonly right: readonly VpsiEffect[];
  readonly wire: readonly Uint8Array[];
}

/** Runs one intersection started by the left side, over encoded messages, computing jobs at once; `tamper` may change a message. */
export const runVpsi = (
  left: Machine<VpsiEvent, VpsiEffect>,
  right: Machine<VpsiEvent, VpsiEffect>,
  tamper: (message: VpsiMessage) => VpsiMessage = (message) => message,
): VpsiTranscript => {
  const now = monotonicMs(0);
  const wire: Uint8Array[] = [];
  const effects = { left: [] as VpsiEffect[], right: [] as VpsiEffect[] };
  const sides = { left, right };
  const queue: { readonly to: "left" | "right"; readonly event: VpsiEvent }[] = [
    { to: "left", event: { type: "intersect" } },
  ];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { to, event } = next;
    const other = to === "left" ? "right" : "left";
    for (const effect of sides[to].handle(event, now)) {
      effects[to].push(effect);
      if (effect.type === "compute") {
        queue.push({ to, event: { type: "jobDone", job: effect.job, outcome: runVpsiJob(voprf, effect.work) } });
      }
      if (effect.type !== "send") continue;
      const bytes = encodeVpsiMessage(tamper(effect.message));
      wire.push(bytes);
      const decoded = decodeVpsiMessage(bytes);
      if (decoded.ok) queue.push({ to: other, event: { type: "messageReceived", message: decoded.value } });
    }
  }
  return { ...effects, wire };
};

/** The result of the run, sorted; `undefined` when there was none. */
export const commonNames = (effects: readonly VpsiEffect[]): readonly string[] | undefined => {
  const found = effects.find((effect) => effect.type === "intersectionFound");
  return found?.type === "intersectionFound" ? [...found.common].sort() : undefined;
};
