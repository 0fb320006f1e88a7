import { expect, test } from "vitest";
import { decodeBfpsiMessage, encodeBfpsiMessage } from "../../protocol/bfpsi/wire.ts";
import { decodeBlippedFilter, encodeBlippedFilter } from "../../protocol/blip/blipped-filter.ts";
import { decodeBloomFilter } from "../../protocol/bloom/bloom-filter.ts";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import { decodeDescriptor } from "../../protocol/identity/descriptor.ts";
import { bytesToBase64url } from "../../protocol/kernel/bytes.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import { decodeGossipMessage, encodeGossipMessage } from "../../protocol/node/wire.ts";
import type { GossipMessage } from "../../protocol/node/messages.ts";
import { createTopicKeys, createTopicSeal } from "../../protocol/poldercast/topic-keys.ts";
import type { MessageId } from "../../protocol/ringcast/messages.ts";
import { decodeVpsiMessage, encodeVpsiMessage } from "../../protocol/vpsi/wire.ts";
import { blipWith, profileOfBits } from "../support/blip-profiles.ts";
import { profileParameters } from "../../protocol/blip/parameters.ts";
import { createSeededRandom } from "../support/seeded-random.ts";
import { stubDescriptors } from "../support/stub-descriptors.ts";

/** Inputs for each decoder; a million were tried once for every release of a codec. */
const ROUNDS = Number(process.env["DECODER_ROUNDS"] ?? 3_000);
const seed = process.env["DECODER_SEED"] ?? "overlay decoders";

const crypto = createNobleProvider();
const random = createSeededRandom(seed);
const descriptors = stubDescriptors(6);
const keys = createTopicKeys(crypto, random.bytes(32));
const place = { handshakeHash: random.bytes(32), self: descriptors[0]!.id, peer: descriptors[0]!.id };
const seal = createTopicSeal(crypto, random, (tag) => (tag === keys.tag ? keys : undefined), place);
const neighbors = descriptors.slice(1).map((descriptor, age) => ({ descriptor, age }));
const [sender] = descriptors;
const topic = keys.tag;
const id = bytesToBase64url(random.bytes(32)) as MessageId;
const topics = [{ topic, neighbors }];
const tagsOf = (count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => Uint8Array.from({ length: 16 }, (__, at) => (at === 0 ? i : at)));

const gossip: readonly GossipMessage[] = [
  { type: "shuffleRequest", exchange: 1, neighbors: [{ descriptor: sender!, age: 0 }, ...neighbors] },
  { type: "shuffleResponse", exchange: 2, neighbors },
  { type: "joinRequest", exchange: 3, joiner: sender! },
  { type: "joinWalk", exchange: 3, joiner: sender!, steps: 4 },
  { type: "joinGift", exchange: 3, gift: neighbors[0]! },
  { type: "vicinityRequest", exchange: 4, neighbors },
  { type: "vicinityResponse", exchange: 4, neighbors },
  { type: "ringRequest", exchange: 5, sender: sender!, topics },
  { type: "ringResponse", exchange: 5, sender: sender!, topics },
  { type: "ringFind", exchange: 6, sender: sender!, topic },
  { type: "ringFound", exchange: 6, topics },
  { type: "ringLeave", exchange: 7, topics },
  { type: "publish", topic, id, hops: 3, link: "ring", payload: random.bytes(200) },
  { type: "acknowledge", topic, id },
  { type: "announce", topic, ids: [id] },
  { type: "want", topic, ids: [id] },
  { type: "prune", topic },
  { type: "catchUp", topic, known: [id.slice(0, 12)] },
  { type: "bye" },
];
const filter = blipWith(random, profileOfBits(profileParameters[3], [1, 2, 3, 500]), 2);
const policy = { parametersId: 3, currentSlot: 3000 } as const;
const bloom = { bits: 256, hashes: 3 };

interface Decoder {
  readonly name: string;
  readonly samples: readonly Uint8Array[];
  /** Decodes; what was accepted is encoded again where that must give the same bytes. */
  readonly attempt: (bytes: Uint8Array) => Uint8Array | undefined;
}

const gossipOf = (name: string, types: readonly string[]): Decoder => ({
  name,
  samples: gossip.filter(({ type }) => types.includes(type)).map((message) => encodeGossipMessage(message, seal)),
  attempt: (bytes) => {
    const decoded = decodeGossipMessage(bytes, seal);
    // Seals and proofs have fresh nonces, and seals of other topics are left out: those are not encoded again.
    const isSealed = decoded.ok && ("topics" in decoded.value || decoded.value.type === "ringFind");
    return decoded.ok && !isSealed ? encodeGossipMessage(decoded.value, seal) : undefined;
  },
});

const decoders: readonly Decoder[] = [
  gossipOf("[CYC-W2] CYCLON", ["shuffleRequest", "shuffleResponse", "joinRequest", "joinWalk", "joinGift"]),
  gossipOf("[VIC-W2] VICINITY", ["vicinityRequest", "vicinityResponse"]),
  gossipOf("[PLD-W2] RINGS", ["ringRequest", "ringResponse", "ringFind", "ringFound", "ringLeave"]),
  gossipOf("[RNG-W2] RingCast", ["publish", "acknowledge", "announce", "want", "prune", "catchUp"]),
  gossipOf("[NOD-3] control", ["bye"]),
  {
    name: "[BFP-7] BFPSI",
    samples: [
      encodeBfpsiMessage({
        type: "challenge",
        run: 7,
        random: random.bytes(32),
        key: random.bytes(32),
        tags: tagsOf(8),
      }),
      encodeBfpsiMessage({ type: "response", run: 7, random: random.bytes(32), tags: tagsOf(4) }),
      encodeBfpsiMessage({ type: "done", run: 7 }),
      encodeBfpsiMessage({ type: "error", run: 7, fault: "state" }),
    ],
    attempt: (bytes) => {
      const decoded = decodeBfpsiMessage(bytes);
      return decoded.ok ? encodeBfpsiMessage(decoded.value) : undefined;
    },
  },
  {
    name: "[VPS-7] VPSI",
    samples: [
      encodeVpsiMessage({ type: "confirm", run: 9, tags: tagsOf(4) }),
      encodeVpsiMessage({
        type: "query",
        run: 9,
        nonce: random.bytes(16),
        blinded: Array.from({ length: 16 }, () => random.bytes(32)),
      }),
      encodeVpsiMessage({ type: "error", run: 9, fault: "rate" }),
    ],
    attempt: (bytes) => {
      const decoded = decodeVpsiMessage(bytes);
      return decoded.ok ? encodeVpsiMessage(decoded.value) : undefined;
    },
  },
  {
    name: "[BLP-7] BLIP profiles",
    samples: [encodeBlippedFilter(filter)],
    attempt: (bytes) => {
      const decoded = decodeBlippedFilter(bytes, policy);
      return decoded.ok ? encodeBlippedFilter(decoded.value) : undefined;
    },
  },
  {
    name: "[DSC-4] descriptors",
    samples: descriptors.map(({ bytes }) => bytes),
    attempt: (bytes) => {
      const decoded = decodeDescriptor(bytes);
      return decoded.ok ? decoded.value.bytes : undefined;
    },
  },
  {
    name: "[BLM-4] Bloom filters",
    samples: [new Uint8Array(32)],
    attempt: (bytes) => {
      const decoded = decodeBloomFilter(bloom, new Uint8Array(32), bytes);
      return decoded.ok ? decoded.value.bytes : undefined;
    },
  },
];

/** Random bytes one time in four, else a valid message with a few bytes changed, cut short or prolonged. */
const mutant = (dice: RandomSource, samples: readonly Uint8Array[]): Uint8Array => {
  const kind = dice.uint32() % 4;
  if (kind === 0) return dice.bytes(dice.uint32() % 96);
  const sample = samples[dice.uint32() % samples.length]!;
  const length = kind === 1 ? dice.uint32() % (sample.length + 8) : sample.length;
  const input = new Uint8Array(length);
  input.set(sample.subarray(0, length));
  for (let edits = dice.uint32() % 4; edits > 0 && length > 0; edits--) input[dice.uint32() % length] = dice.uint32();
  return input;
};

test.each(decoders)(
  "$name: no input makes the decoder throw, and what it accepts is what it would write",
  ({ samples, attempt, name }) => {
    expect(samples.length).toBeGreaterThan(0);
    const dice = createSeededRandom(`${seed} ${name}`);
    let accepted = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const input = mutant(dice, samples);
      const again = attempt(input);
      if (again === undefined) continue;
      accepted++;
      if (!again.every((byte, at) => byte === input[at]) || again.length !== input.length)
        throw new Error(`round ${round} of seed ${seed}: not canonical: ${Buffer.from(input).toString("hex")}`);
    }
    for (const sample of samples) attempt(sample);
    expect(accepted).toBeLessThan(ROUNDS);
  },
  3_600_000,
);
