import { type BfpsiEffect, type BfpsiEvent, bfpsiQuota, createBfpsi } from "../../protocol/bfpsi/bfpsi.ts";
import type { BfpsiMessage } from "../../protocol/bfpsi/messages.ts";
import { createRunQuota } from "../../protocol/bfpsi/run-quota.ts";
import type { SecretElement } from "../../protocol/bfpsi/secret-element.ts";
import { decodeBfpsiMessage, encodeBfpsiMessage } from "../../protocol/bfpsi/wire.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import type { Machine } from "../../protocol/kernel/machine.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import { monotonicMs } from "../../protocol/kernel/time.ts";

export const LEFT_KEY = new Uint8Array(32).fill(0x22);
export const RIGHT_KEY = new Uint8Array(32).fill(0x33);
export const HANDSHAKE_HASH = new Uint8Array(32).fill(0x11);

/** Secret topics `from`..`to - 1` of a fixed universe, as 32 bytes each that only the seed determines. */
export const secretTopics = (crypto: CryptoProvider, from: number, to: number): ReadonlyMap<string, SecretElement> => {
  const topics = new Map<string, SecretElement>();
  for (let i = from; i < to; i++) {
    topics.set(`topic ${i}`, crypto.hash("SHA256", Uint8Array.of(i, i >> 8, i >> 16)) as SecretElement);
  }
  return topics;
};

export const bfpsiSide = (
  crypto: CryptoProvider,
  random: RandomSource,
  side: "left" | "right",
  items: ReadonlyMap<string, SecretElement>,
  handshakeHash = HANDSHAKE_HASH,
): Machine<BfpsiEvent, BfpsiEffect> =>
  createBfpsi({
    crypto,
    random,
    channel: {
      handshakeHash,
      local: side === "left" ? LEFT_KEY : RIGHT_KEY,
      remote: side === "left" ? RIGHT_KEY : LEFT_KEY,
    },
    peer: side === "left" ? "right" : "left",
    items: () => items,
    started: createRunQuota(bfpsiQuota),
    answered: createRunQuota(bfpsiQuota),
  });

export interface RunTranscript {
  readonly left: readonly BfpsiEffect[];
  readonly right: readonly BfpsiEffect[];
  /** Encoded messages in the order of sending; the first is the left side's. */
  readonly wire: readonly Uint8Array[];
}

/** Runs one intersection started by the left side over the encoded messages. */
export const runBfpsi = (
  left: Machine<BfpsiEvent, BfpsiEffect>,
  right: Machine<BfpsiEvent, BfpsiEffect>,
  now = monotonicMs(0),
): RunTranscript => {
  const wire: Uint8Array[] = [];
  const effects = { left: [] as BfpsiEffect[], right: [] as BfpsiEffect[] };
  const sides = { left, right };
  const queue: { readonly to: "left" | "right"; readonly message: BfpsiMessage }[] = [];
  const apply = (side: "left" | "right", event: BfpsiEvent): void => {
    for (const effect of sides[side].handle(event, now)) {
      effects[side].push(effect);
      if (effect.type === "send") queue.push({ to: side === "left" ? "right" : "left", message: effect.message });
    }
  };
  apply("left", { type: "intersect" });
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const bytes = encodeBfpsiMessage(next.message);
    wire.push(bytes);
    const decoded = decodeBfpsiMessage(bytes);
    if (!decoded.ok) throw new Error(`own message refused: ${decoded.error.rule}`);
    apply(next.to, { type: "messageReceived", message: decoded.value });
  }
  return { ...effects, wire };
};

/** The result of the run, sorted; `undefined` when there was none. */
export const commonTopics = (effects: readonly BfpsiEffect[]): readonly string[] | undefined => {
  const found = effects.find((effect) => effect.type === "intersectionFound");
  return found?.type === "intersectionFound" ? [...found.common].sort() : undefined;
};
