import { describe, expect, test } from "vitest";
import { popcount } from "../../protocol/bloom/bloom-filter.ts";
import { bfpsiQuota } from "../../protocol/bfpsi/bfpsi.ts";
import { createInitiator } from "../../protocol/bfpsi/initiator.ts";
import type { BfpsiMessage } from "../../protocol/bfpsi/messages.ts";
import { offerParameters, offerPopcountWindow, paddedCount } from "../../protocol/bfpsi/parameters.ts";
import { createResponder } from "../../protocol/bfpsi/responder.ts";
import { createRunQuota } from "../../protocol/bfpsi/run-quota.ts";
import { decodeBfpsiMessage, encodeBfpsiMessage } from "../../protocol/bfpsi/wire.ts";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { durationMs, monotonicMs } from "../../protocol/kernel/time.ts";
import {
  bfpsiSide,
  commonTopics,
  HANDSHAKE_HASH,
  LEFT_KEY,
  RIGHT_KEY,
  runBfpsi,
  secretTopics,
} from "../support/psi-fixtures.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const crypto = createNobleProvider();
const at = monotonicMs;
const binding = { handshakeHash: HANDSHAKE_HASH, initiator: LEFT_KEY, responder: RIGHT_KEY };

const inputs = (seed: string, from: number, to: number) => ({
  crypto,
  random: createSeededRandom(seed),
  binding,
  items: secretTopics(crypto, from, to),
});
const pair = (left: [number, number], right: [number, number], seed = "bfpsi") => ({
  left: bfpsiSide(crypto, createSeededRandom(`${seed}/left`), "left", secretTopics(crypto, ...left)),
  right: bfpsiSide(crypto, createSeededRandom(`${seed}/right`), "right", secretTopics(crypto, ...right)),
});
const run = (left: [number, number], right: [number, number], seed?: string) => {
  const sides = pair(left, right, seed);
  return runBfpsi(sides.left, sides.right);
};

describe("a run", () => {
  test.each([
    ["empty sets", [0, 0], [0, 0], 0],
    ["an empty initiator", [0, 0], [0, 20], 0],
    ["an empty responder", [0, 20], [0, 0], 0],
    ["identical sets", [0, 20], [0, 20], 20],
    ["disjoint sets", [0, 20], [20, 40], 0],
    ["overlapping sets", [0, 40], [30, 90], 10],
  ] as const)("[BFP-4] %s: both sides get the intersection", (_what, left, right, size) => {
    const result = run([...left], [...right]);
    const expected = [...secretTopics(crypto, right[0], Math.max(right[0], left[1])).keys()];
    expect(commonTopics(result.left)).toEqual(expected.slice(0, size).sort());
    expect(commonTopics(result.right)).toEqual(commonTopics(result.left));
    expect(result.wire).toHaveLength(4);
  });

  test("[BFP-5] what is sent depends on the buckets only", () => {
    const small = run([0, 17], [1000, 1004]);
    const large = run([0, 32], [2000, 2004]);
    expect(small.wire.map((bytes) => bytes.length)).toEqual(large.wire.map((bytes) => bytes.length));
    expect([0, 1, 4, 5, 9, 33, 97, 129, 193, 257].map(paddedCount)).toEqual([0, 4, 4, 8, 16, 64, 128, 192, 256, 384]);
  });

  test("[BFP-3] in another session, direction or run nothing repeats", () => {
    const items = secretTopics(crypto, 0, 32);
    const transcripts = [1, 2].map((fill) => {
      const hash = new Uint8Array(32).fill(fill);
      return runBfpsi(
        bfpsiSide(crypto, createSeededRandom("same"), "left", items, hash),
        bfpsiSide(crypto, createSeededRandom("same"), "right", items, hash),
      );
    });
    const [one, two] = transcripts;
    expect(commonTopics(one?.left ?? [])).toHaveLength(32);
    const bits = (wire: readonly Uint8Array[] | undefined): string =>
      bytesToHex(wire?.[0]?.subarray(24) ?? new Uint8Array(0));
    expect(bits(one?.wire)).not.toBe(bits(two?.wire));
    const tags = new Set(transcripts.flatMap(({ wire }) => [...tagsOf(wire[1]), ...tagsOf(wire[2])]));
    expect(tags.size).toBe(tagsOf(one?.wire[1]).length * 4);
  });

  test("[BFP-3] replaying the messages of another run finds nothing", () => {
    const recorded = run([0, 20], [0, 20], "recorded");
    const offer = must(recorded.wire[0]);
    const responder = createResponder(
      { ...inputs("fresh", 0, 20), binding: { ...binding, handshakeHash: LEFT_KEY } },
      offer.run,
    );
    const step = responder.receive(offer);
    expect(step.send?.type).toBe("challenge");
    if (step.send?.type === "challenge") expect(step.send.tags.length).toBeLessThanOrEqual(4);
    const after = responder.receive({ ...must(recorded.wire[2]), run: offer.run });
    expect(after.common ?? []).toEqual([]);
  });

  test("[BFP-3] a reflected challenge proves nothing", () => {
    const initiator = createInitiator(inputs("left", 0, 20), 7);
    const responder = createResponder(inputs("right", 0, 20), 7);
    const challenge = responder.receive(initiator.offer).send;
    if (challenge?.type !== "challenge") throw new Error("no challenge");
    const step = responder.receive({ type: "response", run: 7, random: challenge.random, tags: challenge.tags });
    expect(step.common).toEqual([]);
  });

  test("[BFP-4] false candidates of the filter die in the challenge", () => {
    let candidates = 0;
    const rounds = 4;
    for (let round = 0; round < rounds; round++) {
      const initiator = createInitiator(inputs(`fp${round}`, 0, 1024), round);
      const responder = createResponder(inputs(`fq${round}`, 5000, 6024), round);
      const challenge = responder.receive(initiator.offer).send;
      if (challenge?.type !== "challenge") throw new Error("no challenge");
      candidates += challenge.tags.length;
      const response = initiator.receive(challenge).send;
      expect(response).toMatchObject({ type: "response", tags: [] });
    }
    expect(candidates).toBeLessThanOrEqual(8 * rounds);
  });
});

const must = (bytes: Uint8Array | undefined): BfpsiMessage => {
  const decoded = decodeBfpsiMessage(bytes ?? new Uint8Array(0));
  if (!decoded.ok) throw new Error(decoded.error.rule);
  return decoded.value;
};

const tagsOf = (bytes: Uint8Array | undefined): string[] => {
  const message = must(bytes);
  return message.type === "challenge" || message.type === "response" ? message.tags.map(bytesToHex) : [];
};

describe("bad input", () => {
  const offer = createInitiator(inputs("bad", 0, 20), 9).offer as BfpsiMessage & { readonly type: "offer" };
  const answerTo = (message: BfpsiMessage) => createResponder(inputs("answer", 0, 20), 9).receive(message);

  test("[BFP-6] a filter that claims everything, too much or nothing is refused without a hint", () => {
    const parameters = offerParameters(offer.log2);
    const { least, most } = offerPopcountWindow(parameters);
    const filterOf = (ones: number): Uint8Array => {
      const bits = new Uint8Array(parameters.bits / 8);
      for (let i = 0; i < ones; i++) bits[i >> 3] = (bits[i >> 3] ?? 0) | (1 << (i & 7));
      return bits;
    };
    for (const ones of [parameters.bits, most + 1, least - 1, 0]) {
      const step = answerTo({ ...offer, bits: filterOf(ones) });
      expect(step).toEqual({ send: { type: "error", run: 9, fault: "badFilter" }, fault: "badFilter" });
    }
    expect(popcount(filterOf(most))).toBe(most);
    expect(answerTo({ ...offer, bits: filterOf(most) }).send?.type).toBe("challenge");
  });

  test("[BFP-6] more tags than the sets allow end the run", () => {
    const initiator = createInitiator(inputs("bad", 0, 20), 9);
    const tags = Array.from({ length: 65 }, (_, i) => new Uint8Array(16).fill(i));
    expect(initiator.receive({ type: "challenge", run: 9, random: LEFT_KEY, key: LEFT_KEY, tags })).toMatchObject({
      fault: "tooBig",
    });
    const responder = createResponder(inputs("answer", 0, 20), 9);
    responder.receive(offer);
    expect(responder.receive({ type: "response", run: 9, random: LEFT_KEY, tags })).toMatchObject({ fault: "tooBig" });
  });

  test("[BFP-8] a message out of order ends the run", () => {
    const response: BfpsiMessage = { type: "response", run: 9, random: LEFT_KEY, tags: [] };
    expect(answerTo(response)).toMatchObject({ send: { type: "error", fault: "state" }, fault: "state" });
    const initiator = createInitiator(inputs("bad", 0, 20), 9);
    expect(initiator.receive({ type: "done", run: 9 })).toMatchObject({ fault: "state" });
    expect(initiator.receive({ type: "done", run: 9 })).toEqual({});
    const { left } = pair([0, 4], [0, 4]);
    expect(left.handle({ type: "messageReceived", message: response }, at(0))).toEqual([
      { type: "send", message: { type: "error", run: 9, fault: "state" } },
    ]);
  });

  test("[BFP-8] an error ends the run it names and is never answered", () => {
    const { left } = pair([0, 4], [0, 4]);
    const [sent] = left.handle({ type: "intersect" }, at(0));
    const id = sent?.type === "send" ? sent.message.run : 0;
    const error = (number: number) =>
      ({ type: "messageReceived", message: { type: "error", run: number, fault: "rate" } }) as const;
    expect(left.handle(error(id + 1), at(1))).toEqual([]);
    expect(left.handle(error(id), at(1))).toEqual([{ type: "runFailed", startedBy: "us", fault: "rate" }]);
    expect(left.nextDeadline()).toBeUndefined();
  });

  test("[BFP-7] malformed messages are refused by the codec", () => {
    const challenge = encodeBfpsiMessage({
      type: "challenge",
      run: 1,
      random: LEFT_KEY,
      key: RIGHT_KEY,
      tags: [new Uint8Array(16).fill(1), new Uint8Array(16).fill(2)],
    });
    const swapped = Uint8Array.from(challenge);
    swapped.set(challenge.subarray(72, 88), 88);
    swapped.set(challenge.subarray(88, 104), 72);
    const twice = Uint8Array.from(challenge);
    twice.set(challenge.subarray(72, 88), 88);
    const bytes = encodeBfpsiMessage(offer);
    for (const bad of [
      swapped,
      twice,
      bytes.subarray(1),
      bytes.subarray(0, 40),
      Uint8Array.from([...bytes, 0]),
      new Uint8Array(0),
    ]) {
      expect(decodeBfpsiMessage(bad).ok).toBe(false);
    }
    for (const [index, value] of [
      [0, 3],
      [1, 6],
      [1, 0],
      [6, 1],
      [7, 3],
      [7, 11],
    ] as const) {
      const changed = Uint8Array.from(bytes);
      changed[index] = value;
      expect(decodeBfpsiMessage(changed).ok).toBe(false);
    }
  });
});

describe("limits", () => {
  test("[BFP-9] one run per peer and ten minutes, thirty an hour in all", () => {
    const quota = createRunQuota(bfpsiQuota);
    expect(quota.take("p", at(0))).toBe(true);
    expect(quota.take("p", at(599_999))).toBe(false);
    expect(quota.take("p", at(600_000))).toBe(true);
    for (let i = 0; i < 28; i++) expect(quota.take(`q${i}`, at(600_001))).toBe(true);
    expect(quota.take("r", at(600_002))).toBe(false);
    expect(quota.take("r", at(3_600_001))).toBe(true);
    expect(createRunQuota({ perPeerMs: durationMs(1), windowMs: durationMs(1), perWindow: 1 }).take("p", at(0))).toBe(
      true,
    );
  });

  test("[BFP-9] a second run, ours or the peer's, is refused while the quota is spent", () => {
    const { left, right } = pair([0, 4], [0, 4]);
    expect(commonTopics(runBfpsi(left, right).left)).toHaveLength(4);
    expect(left.handle({ type: "intersect" }, at(1))).toEqual([{ type: "runFailed", startedBy: "us", fault: "rate" }]);
    const offer = createInitiator(inputs("again", 0, 4), 3).offer;
    expect(right.handle({ type: "messageReceived", message: offer }, at(1))).toEqual([
      { type: "send", message: { type: "error", run: 3, fault: "rate" } },
    ]);
  });

  test("[BFP-9] one run at a time in each direction, ended by a deadline", () => {
    const { left, right } = pair([0, 4], [0, 4]);
    left.handle({ type: "intersect" }, at(0));
    expect(left.handle({ type: "intersect" }, at(1))).toEqual([{ type: "runFailed", startedBy: "us", fault: "busy" }]);
    const offer = createInitiator(inputs("open", 0, 4), 3).offer;
    right.handle({ type: "messageReceived", message: offer }, at(5));
    expect(right.handle({ type: "messageReceived", message: offer }, at(6))).toEqual([
      { type: "send", message: { type: "error", run: 3, fault: "busy" } },
    ]);
    expect(right.nextDeadline()).toBe(15_005);
    expect(right.handle({ type: "deadlineReached" }, at(15_004))).toEqual([]);
    expect(right.handle({ type: "deadlineReached" }, at(15_005))).toEqual([
      { type: "runFailed", startedBy: "peer", fault: "timeout" },
    ]);
    expect(right.nextDeadline()).toBeUndefined();
  });
});
