import { describe, expect, test } from "vitest";
import { bitAt, popcount } from "../../protocol/bloom/bloom-filter.ts";
import {
  type BlippedFilter,
  decodeBlippedFilter,
  encodeBlippedFilter,
  popcountWindow,
} from "../../protocol/blip/blipped-filter.ts";
import { cosineSimilarity, estimateOverlap, rankPeer } from "../../protocol/blip/estimator.ts";
import { DEFAULT_PROFILE_PARAMETERS_ID, profileParameters } from "../../protocol/blip/parameters.ts";
import { createProfileBook } from "../../protocol/blip/profile-book.ts";
import {
  createBlipNoise,
  createPublisherState,
  eventEpsilon,
  type PublisherState,
  publishProfile,
  slotOf,
  spentEpsilon,
} from "../../protocol/blip/publisher.ts";
import {
  createSubscriptionProfile,
  profileContext,
  type SubscriptionProfile,
} from "../../protocol/blip/subscription-profile.ts";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import { unixMs } from "../../protocol/kernel/time.ts";
import type { BlippedProfile } from "../../protocol/identity/blipped-profile.ts";
import { blipWith, profileOfBits } from "../support/blip-profiles.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const crypto = createNobleProvider();
const context = profileContext(crypto, "testnet");
const parametersId = DEFAULT_PROFILE_PARAMETERS_ID;
const parameters = profileParameters[parametersId];
const policy = { parametersId, currentSlot: 3000 };
const topic = (i: number): Uint8Array => crypto.hash("SHA256", Uint8Array.of(i, i >> 8));

const profileOf = (count: number, from = 0): SubscriptionProfile => {
  const elements = Array.from({ length: count }, (_, i) => topic(from + i));
  const profile = createSubscriptionProfile(crypto, parameters, context, elements);
  if (!profile.ok) throw new Error("too many topics");
  return profile.value;
};

const publish = (state: PublisherState, profile: SubscriptionProfile, slot: number) => {
  const result = publishProfile(crypto, state, profile, slot);
  if (!result.ok) throw new Error(result.error.type);
  return result.value;
};

const noise = createBlipNoise(new Uint8Array(32).fill(5), 2900);
const distance = (a: BlippedFilter, b: BlippedFilter): number =>
  popcount(a.bytes.map((byte, i) => byte ^ (b.bytes[i] as number)));

describe("publishing", () => {
  test("[BLP-3] slots are weeks since the Unix epoch", () => {
    expect(slotOf(unixMs(7 * 86_400_000 - 1))).toBe(0);
    expect(slotOf(unixMs(1_795_305_600_000))).toBe(2968);
  });

  test("[BLP-3] the same slot gives the same bytes for free, whatever changed since", () => {
    const first = publish(createPublisherState(noise), profileOf(20), 2900);
    const again = publish(first.state, profileOf(30), 2900);
    expect(again.filter).toEqual(first.filter);
    expect(again.state).toEqual(first.state);
    const elsewhere = publish(createPublisherState(noise), profileOf(20), 2900);
    expect(elsewhere.filter).toEqual(first.filter);
  });

  test("[BLP-3] the next slots differ from the first by the redrawn share only", () => {
    const redraw = 0.1;
    let state = createPublisherState({ ...noise, redraw, lifetimeEpsilon: 100, decoys: 0 });
    let total = 0;
    const slots = 12;
    let before: BlippedFilter | undefined;
    for (let slot = 2900; slot <= 2900 + slots; slot++) {
      const publication = publish(state, profileOf(20), slot);
      if (before !== undefined) total += distance(before, publication.filter);
      before = publication.filter;
      state = publication.state;
    }
    const p = 0.119203;
    const expected = parameters.bits * redraw * 2 * p * (1 - p);
    expect(expected).toBeCloseTo(10.75, 1);
    expect(Math.abs(total / slots - expected)).toBeLessThan((4 * 3.3) / Math.sqrt(slots));
  });

  test("[BLP-3] skipped slots lead to the same bits as publishing each", () => {
    let state = createPublisherState(noise);
    for (let slot = 2900; slot < 2905; slot++) state = publish(state, profileOf(20 + slot - 2900), slot).state;
    state = publish(state, profileOf(20), 2905).state;
    const direct = publish(createPublisherState(noise), profileOf(20), 2905);
    expect(direct.filter.bytes).toEqual(state.published?.filter.bytes);
  });

  test("[BLP-12] decoys stand beside the topics, one in twelve is another each slot, and the ledger does not count them", () => {
    let state = createPublisherState({ ...noise, lifetimeEpsilon: 100 });
    let appeared = 0;
    let before: Uint8Array | undefined;
    const slots = 200;
    for (let slot = 2900; slot <= 2900 + slots; slot++) {
      state = publish(state, profileOf(20), slot).state;
      const { padded, exact } = state.published!;
      for (const [i, byte] of exact.entries()) expect(byte & (padded[i] as number)).toBe(byte);
      const decoys = padded.map((byte, i) => byte & ~(exact[i] as number));
      expect(popcount(decoys)).toBeGreaterThan(4);
      expect(popcount(decoys)).toBeLessThanOrEqual(12);
      if (before !== undefined)
        appeared += popcount(decoys.map((byte, i) => byte & ~((before as Uint8Array)[i] as number)));
      before = decoys;
    }
    expect(Math.abs(appeared / slots - 0.95)).toBeLessThan(0.3);
    expect(state.ledger.every(({ changedBits }) => changedBits === 0)).toBe(true);
    expect(() => createPublisherState({ ...noise, decoys: 65 })).toThrow("decoys");
  });

  test("[BLP-4] the ledger charges epsilon once, the redrawn share later, and stops at the limit", () => {
    let state = createPublisherState(noise);
    state = publish(state, profileOf(20), 2900).state;
    expect(spentEpsilon(state)).toBe(2);
    state = publish(state, profileOf(20), 2901).state;
    expect(spentEpsilon(state)).toBeCloseTo(2 + 2 / 64, 12);
    state = publish(state, profileOf(21), 2905).state;
    expect(spentEpsilon(state)).toBeCloseTo(2 + 10 / 64, 12);
    expect(state.ledger.at(-1)?.changedBits).toBe(1);
    const year = publish(state, profileOf(21), 2951);
    expect(spentEpsilon(year.state)).toBeCloseTo(3.59, 2);
    const refused = publishProfile(crypto, year.state, profileOf(21), 2970);
    expect(refused).toMatchObject({ ok: false, error: { type: "PrivacyBudgetSpent", limit: 4 } });
    expect(eventEpsilon(noise)).toBeCloseTo(2 + Math.log(64), 12);
  });

  test("[BLP-4] a slot before the first or before the last published is refused", () => {
    expect(publishProfile(crypto, createPublisherState(noise), profileOf(1), 2899)).toEqual({
      ok: false,
      error: { type: "SlotInPast" },
    });
    const { state } = publish(createPublisherState(noise), profileOf(1), 2905);
    expect(publishProfile(crypto, state, profileOf(1), 2904)).toEqual({ ok: false, error: { type: "SlotInPast" } });
  });

  test("[BLP-5] a profile takes at most 128 topics and an epsilon of at most 5", () => {
    const elements = Array.from({ length: 129 }, (_, i) => topic(i));
    expect(createSubscriptionProfile(crypto, parameters, context, elements)).toEqual({
      ok: false,
      error: { type: "TooManyTopics", limit: 128 },
    });
    expect(() => createPublisherState({ ...noise, epsilonMilli: 5001 })).toThrow("epsilon");
    expect(() => createPublisherState({ ...noise, epsilonMilli: 499 })).toThrow("epsilon");
  });
});

describe("wire", () => {
  const { filter } = publish(createPublisherState(noise), profileOf(20), 2900);
  const bytes = encodeBlippedFilter(filter);

  test("[BLP-6] only a blipped filter can be encoded", () => {
    const exact = profileOf(3);
    // @ts-expect-error the exact profile has no way to the wire
    expect(() => encodeBlippedFilter(exact)).toThrow(TypeError);
    // @ts-expect-error nor can its filter be passed off as profile bytes
    const leaked: BlippedProfile = exact.exact.bytes;
    expect(leaked).toBe(exact.exact.bytes);
  });

  test("[BLP-7] a profile is 78 bytes and survives the round trip", () => {
    expect(bytes).toHaveLength(78);
    expect(decodeBlippedFilter(bytes, policy)).toEqual({ ok: true, value: filter });
  });

  const changed = (at: number, ...values: number[]): Uint8Array => {
    const copy = Uint8Array.from(bytes);
    copy.set(values, at);
    return copy;
  };

  test.each([
    ["another type", changed(0, 2), "BLP-7 type"],
    ["parameters of another network", changed(1, 2), "BLP-7 parameters"],
    ["epsilon 5.001", changed(2, 0x13, 0x89), "BLP-7 epsilon"],
    ["epsilon 0.499", changed(2, 0x01, 0xf3), "BLP-7 epsilon"],
    ["a slot two ahead", changed(4, 0, 0, 0x0b, 0xba), "BLP-7 slot"],
    ["another length", changed(12, 0, 65), "BLP-7 length"],
    ["one byte less", bytes.subarray(0, 77), "truncated"],
    ["one byte more", Uint8Array.from([...bytes, 0]), "trailing-bytes"],
    ["all ones", changed(14, ...new Uint8Array(64).fill(255)), "BLP-8 popcount"],
    ["all zeros", changed(14, ...new Uint8Array(64)), "BLP-8 popcount"],
  ])("[BLP-7] [BLP-8] %s is refused", (_what, input, rule) => {
    expect(decodeBlippedFilter(input, policy)).toMatchObject({ ok: false, error: { type: "DecodeError", rule } });
  });

  test("[BLP-8] the window is that of the honest noise", () => {
    const window = (epsilon: number) => popcountWindow({ bits: 1024, hashes: 1 }, epsilon);
    expect(Math.ceil(window(2).least)).toBe(71);
    expect(Math.floor(window(2).most)).toBe(271);
    expect(Math.ceil(window(3).least)).toBe(15);
    expect(Math.floor(window(3).most)).toBe(198);
  });
});

describe("similarity", () => {
  const random = createSeededRandom("similarity");

  test("[BLP-9] ranking puts the most similar first and stays within the number of own topics", () => {
    const own = profileOf(20);
    const peers = [0, 5, 10, 15, 20].map((shift) => blipWith(random, profileOf(20, shift), 5));
    const ranks = peers.map((peer) => rankPeer(own, peer));
    expect([...ranks].sort((a, b) => b - a)).toEqual(ranks);
    for (const rank of ranks) expect(rank).toBeGreaterThanOrEqual(0);
    expect(ranks[0]).toBeLessThanOrEqual(20);
    expect(ranks[0]).toBeGreaterThan(15);
  });

  test("[BLP-9] a full profile ranks below an honest one of the same topics", () => {
    const own = profileOf(20);
    const everything = blipWith(random, profileOf(128), 3);
    const honest = blipWith(random, profileOf(20), 3);
    expect(estimateOverlap(own, everything).items).toBeGreaterThan(10);
    expect(rankPeer(own, everything)).toBeLessThan(rankPeer(own, honest) / 2);
  });

  test("[BLP-9] empty filters have similarity 0, not NaN", () => {
    const empty = { ...blipWith(random, profileOf(0), 5), bytes: new Uint8Array(64) } as BlippedFilter;
    expect(cosineSimilarity(empty, empty)).toBe(0);
    expect(rankPeer(profileOf(0), empty)).toBe(0);
  });

  test("[BLP-10] one filter per peer and slot; a second one is equivocation, an older one is ignored", () => {
    const book = createProfileBook(2);
    const filter = blipWith(random, profileOf(20), 2);
    const later = { ...blipWith(random, profileOf(20), 2), slot: 1 } as BlippedFilter;
    expect(book.accept("p", filter)).toBe("accepted");
    expect(book.accept("p", filter)).toBe("known");
    expect(book.accept("p", blipWith(random, profileOf(20), 2))).toBe("equivocation");
    expect(book.accept("p", later)).toBe("accepted");
    expect(book.accept("p", filter)).toBe("outdated");
    book.accept("q", filter);
    book.accept("r", filter);
    expect(book.rank(profileOf(20), "p")).toBe(0);
    expect(book.rank(profileOf(20), "r")).toBeGreaterThan(0);
  });

  test("[BLP-10] two empty intersections after a high claim cost the rank, a real one restores it", () => {
    const book = createProfileBook();
    const own = profileOf(20);
    book.accept("liar", blipWith(random, own, 5));
    book.intersectionFound(own, "liar", 0);
    expect(book.rank(own, "liar")).toBeGreaterThan(10);
    book.intersectionFound(own, "liar", 0);
    expect(book.rank(own, "liar")).toBe(0);
    book.intersectionFound(own, "liar", 3);
    expect(book.rank(own, "liar")).toBeGreaterThan(10);
  });

  test("profiles of given bits are what their name says", () => {
    const profile = profileOfBits(parameters, [3, 500]);
    expect(bitAt(profile.exact.bytes, 3) + bitAt(profile.exact.bytes, 500)).toBe(2);
    expect(popcount(profile.exact.bytes)).toBe(2);
  });
});
