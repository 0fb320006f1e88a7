import { buildBloomFilter } from "../bloom/bloom-filter.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { invariant } from "../kernel/assert.ts";
import { bytesToHex } from "../kernel/bytes.ts";
import type { RandomSource } from "../kernel/random.ts";
import type { BfpsiMessage, PsiFault } from "./messages.ts";
import { bucketLog2, MAXIMUM_ITEMS, maximumChallengeTags, offerParameters, paddedCount } from "./parameters.ts";
import type { SecretElement } from "./secret-element.ts";
import { paddedTags, tagSet } from "./tag-list.ts";
import { elementTag, responseKey, type RunBinding, runSalt } from "./transcript.ts";

/** What a run asks of its owner after each message. */
export interface RunStep {
  readonly send?: BfpsiMessage;
  /** Topics both sides hold; ends the run. */
  readonly common?: readonly string[];
  /** The run ended without a result. */
  readonly fault?: PsiFault;
}

export interface BfpsiRun {
  readonly receive: (message: BfpsiMessage) => RunStep;
}

export interface RunInputs {
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly binding: RunBinding;
  /** Own topics with their elements, at most 1024. */
  readonly items: ReadonlyMap<string, SecretElement>;
}

const NONCE_BYTES = 16;
const RANDOM_BYTES = 32;

/** The side that sends the filter. The first message is `offer`. */
export const createInitiator = (
  { crypto, random, binding, items }: RunInputs,
  run: number,
): BfpsiRun & { readonly offer: BfpsiMessage } => {
  invariant(items.size <= MAXIMUM_ITEMS, "a run takes at most 1024 elements");
  const log2 = bucketLog2(items.size);
  const nonce = random.bytes(NONCE_BYTES);
  const salt = runSalt(crypto, binding, nonce);
  const dummies = Array.from({ length: 2 ** log2 - items.size }, () => random.bytes(32));
  const filter = buildBloomFilter(crypto, offerParameters(log2), salt, [...items.values(), ...dummies]);
  let state: "offered" | { readonly common: readonly string[] } | "ended" = "offered";

  const end = (step: RunStep): RunStep => {
    state = "ended";
    return step;
  };
  const refuse = (fault: PsiFault): RunStep => end({ send: { type: "error", run, fault }, fault });

  return {
    offer: { type: "offer", run, log2, nonce, bits: filter.bytes },
    receive: (message) => {
      if (state === "ended") return {};
      if (message.type === "error") return end({ fault: message.fault });
      if (message.type === "challenge" && state === "offered") {
        if (message.tags.length > maximumChallengeTags(items.size)) return refuse("tooBig");
        const claimed = tagSet(message.tags);
        const common = [...items].filter(([, element]) =>
          claimed.has(bytesToHex(elementTag(crypto, message.key, "responder", salt, element))),
        );
        const ownRandom = random.bytes(RANDOM_BYTES);
        const key = responseKey(crypto, salt, ownRandom, message.random);
        const proofs = common.map(([, element]) => elementTag(crypto, key, "initiator", salt, element));
        const tags = paddedTags(random, proofs, paddedCount(proofs.length));
        state = { common: common.map(([topic]) => topic) };
        return { send: { type: "response", run, random: ownRandom, tags } };
      }
      if (message.type === "done" && state !== "offered") return end({ common: state.common });
      return refuse("state");
    },
  };
};
