import { bloomContains, decodeBloomFilter, popcount } from "../bloom/bloom-filter.ts";
import { invariant } from "../kernel/assert.ts";
import { bytesToHex } from "../kernel/bytes.ts";
import type { BfpsiRun, RunInputs, RunStep } from "./initiator.ts";
import type { BfpsiMessage, PsiFault } from "./messages.ts";
import { MAXIMUM_ITEMS, offerParameters, offerPopcountWindow, paddedCount } from "./parameters.ts";
import type { SecretElement } from "./secret-element.ts";
import { paddedTags, tagSet } from "./tag-list.ts";
import { elementTag, responseKey, runSalt } from "./transcript.ts";

interface Challenged {
  readonly salt: Uint8Array;
  readonly random: Uint8Array;
  readonly candidates: readonly (readonly [string, SecretElement])[];
  readonly tagCount: number;
}

const RANDOM_BYTES = 32;

/** The side that answers an offer with a challenge. Its first message must be the offer of run `run`. */
export const createResponder = ({ crypto, random, binding, items }: RunInputs, run: number): BfpsiRun => {
  invariant(items.size <= MAXIMUM_ITEMS, "a run takes at most 1024 elements");
  let state: "waiting" | Challenged | "ended" = "waiting";

  const end = (step: RunStep): RunStep => {
    state = "ended";
    return step;
  };
  const refuse = (fault: PsiFault): RunStep => end({ send: { type: "error", run, fault }, fault });

  const challenge = (offer: BfpsiMessage & { readonly type: "offer" }): RunStep => {
    const parameters = offerParameters(offer.log2);
    const salt = runSalt(crypto, binding, offer.nonce);
    const filter = decodeBloomFilter(parameters, salt, offer.bits);
    const { least, most } = offerPopcountWindow(parameters);
    const ones = popcount(offer.bits);
    if (!filter.ok || ones < least || ones > most) return refuse("badFilter");
    const candidates = [...items].filter(([, element]) => bloomContains(crypto, filter.value, element));
    const key = random.bytes(RANDOM_BYTES);
    const ownRandom = random.bytes(RANDOM_BYTES);
    const proofs = candidates.map(([, element]) => elementTag(crypto, key, "responder", salt, element));
    const tags = paddedTags(random, proofs, paddedCount(proofs.length));
    state = { salt, random: ownRandom, candidates, tagCount: tags.length };
    return { send: { type: "challenge", run, random: ownRandom, key, tags } };
  };

  return {
    receive: (message) => {
      if (state === "ended") return {};
      if (message.type === "error") return end({ fault: message.fault });
      if (message.type === "offer" && state === "waiting") return challenge(message);
      if (message.type === "response" && state !== "waiting") {
        if (message.tags.length > state.tagCount) return refuse("tooBig");
        const { salt, candidates } = state;
        const key = responseKey(crypto, salt, message.random, state.random);
        const proven = tagSet(message.tags);
        const common = candidates
          .filter(([, element]) => proven.has(bytesToHex(elementTag(crypto, key, "initiator", salt, element))))
          .map(([topic]) => topic);
        return end({ send: { type: "done", run }, common });
      }
      return refuse("state");
    },
  };
};
