import { describe, expect, test } from "vitest";
import { secretElement } from "../../protocol/bfpsi/secret-element.ts";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import { createNobleVoprf } from "../../protocol/crypto/ristretto.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { monotonicMs } from "../../protocol/kernel/time.ts";
import { createVpsiGuards } from "../../protocol/vpsi/guards.ts";
import { runVpsiJob } from "../../protocol/vpsi/job.ts";
import type { VpsiMessage } from "../../protocol/vpsi/messages.ts";
import { namedElement } from "../../protocol/vpsi/named-element.ts";
import type { VpsiEffect } from "../../protocol/vpsi/vpsi.ts";
import { decodeVpsiMessage, encodeVpsiMessage } from "../../protocol/vpsi/wire.ts";
import { secretTopics } from "../support/psi-fixtures.ts";
import { commonNames, namedTopics, runVpsi, vpsiSide } from "../support/vpsi-fixtures.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const crypto = createNobleProvider();
const voprf = createNobleVoprf();
const at = monotonicMs;
const names = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => `Name ${from + i}`);

const pair = (left: readonly string[], right: readonly string[], seed = "vpsi") => ({
  left: vpsiSide(crypto, createSeededRandom(`${seed}/left`), "left", left),
  right: vpsiSide(crypto, createSeededRandom(`${seed}/right`), "right", right),
});
const run = (
  left: readonly string[],
  right: readonly string[],
  tamper?: (message: VpsiMessage) => VpsiMessage,
  seed?: string,
) => {
  const sides = pair(left, right, seed);
  return runVpsi(sides.left, sides.right, tamper);
};
const faults = (effects: readonly VpsiEffect[]): string[] =>
  effects.flatMap((effect) => (effect.type === "runFailed" ? [effect.fault] : []));

describe("names", () => {
  test("[VPS-1] spelling, case and kind decide", () => {
    const hex = (name: string) => bytesToHex(namedElement("topic", name));
    expect(hex("Café")).toBe(hex("CAFE\u0301"));
    expect(hex("a")).not.toBe(bytesToHex(namedElement("email", "a")));
    expect(hex("a")).not.toBe(hex("a "));
    const prefix = Buffer.from("p2pcollab/named/v1\0topic\0a");
    expect(hex("A")).toBe(prefix.toString("hex"));
  });

  test("[VPS-1] [BFP-1] secret and named elements cannot be confused", () => {
    const named = namedTopics(["a"]);
    const secret = secretTopics(crypto, 0, 1);
    // @ts-expect-error a named element would be open to an offline dictionary in BFPSI
    const wrong: typeof secret = named;
    // @ts-expect-error a secret element has no business with VPSI
    const alsoWrong: typeof named = secret;
    expect([wrong.size, alsoWrong.size]).toEqual([1, 1]);
    expect(secretElement(crypto, new Uint8Array(32))).toHaveLength(32);
  });
});

describe("a run", () => {
  test.each([
    ["overlapping", names(0, 10), names(6, 20), 4],
    ["empty initiator", [], names(0, 3), 0],
    ["empty responder", names(0, 3), [], 0],
    ["identical", names(0, 16), names(0, 16), 16],
  ] as [string, string[], string[], number][])(
    "[VPS-4] %s sets: both sides get exactly the intersection",
    (_what, left, right, size) => {
      const result = run(left, right);
      const expected = left.filter((name) => right.includes(name)).sort();
      expect(expected).toHaveLength(size);
      expect(commonNames(result.left)).toEqual(expected);
      expect(commonNames(result.right)).toEqual(expected);
      expect(result.wire).toHaveLength(3);
    },
  );

  test("[VPS-5] sizes show buckets only and blinds differ from run to run", () => {
    const one = run(names(0, 3), names(0, 4), undefined, "one");
    const two = run(names(10, 26), names(12, 28), undefined, "two");
    expect(one.wire[0]).toHaveLength(6 + 16 + 2 + 16 * 32);
    expect(one.wire.slice(0, 2).map((bytes) => bytes.length)).toEqual(
      two.wire.slice(0, 2).map((bytes) => bytes.length),
    );
    const again = run(names(0, 3), names(0, 4), undefined, "three");
    const points = (wire: readonly Uint8Array[]): string[] => {
      const decoded = decodeVpsiMessage(wire[0] ?? new Uint8Array(0));
      return decoded.ok && decoded.value.type === "query" ? decoded.value.blinded.map(bytesToHex) : [];
    };
    expect(new Set([...points(one.wire), ...points(again.wire)]).size).toBe(32);
  });

  test("[VPS-9] curve operations leave the machine as jobs", () => {
    const { left } = pair(names(0, 3), names(0, 3));
    expect(left.handle({ type: "intersect" }, at(0))).toMatchObject([
      { type: "compute", job: 1, work: { type: "blind" } },
    ]);
    expect(left.nextDeadline()).toBe(60_000);
    expect(left.handle({ type: "jobDone", job: 7, outcome: { type: "invalid" } }, at(1))).toEqual([]);
    expect(left.handle({ type: "deadlineReached" }, at(60_000))).toEqual([
      { type: "runFailed", startedBy: "us", fault: "timeout" },
    ]);
    expect(left.handle({ type: "jobDone", job: 1, outcome: { type: "blinded", inputs: [] } }, at(60_001))).toEqual([]);
  });
});

describe("bad input", () => {
  const identity = new Uint8Array(32);
  const notCanonical = new Uint8Array(32).fill(0xff);
  const query =
    (change: (blinded: readonly Uint8Array[]) => readonly Uint8Array[]) =>
    (message: VpsiMessage): VpsiMessage =>
      message.type === "query" ? { ...message, blinded: change(message.blinded) } : message;
  const answer =
    (change: (message: VpsiMessage & { type: "answer" }) => Partial<VpsiMessage & { type: "answer" }>) =>
    (message: VpsiMessage): VpsiMessage =>
      message.type === "answer" ? { ...message, ...change(message) } : message;

  test.each([
    ["the identity", identity],
    ["a point that is not canonical", notCanonical],
  ])("[VPS-6] %s in a query ends the run", (_what, point) => {
    const result = run(
      names(0, 2),
      names(0, 2),
      query((blinded) => [point, ...blinded.slice(1)]),
    );
    expect(faults(result.right)).toEqual(["badElement"]);
    expect(faults(result.left)).toEqual(["badElement"]);
  });

  test.each([
    ["the identity", answer((message) => ({ evaluated: [identity, ...message.evaluated.slice(1)] }))],
    ["swapped evaluations", answer((message) => ({ evaluated: [...message.evaluated].reverse() }))],
    ["a wrong proof", answer((message) => ({ proof: message.proof.map((byte, i) => (i === 5 ? byte ^ 1 : byte)) }))],
    ["another key", answer(() => ({ publicKey: voprf.deriveKeyPair(identity, identity).publicKey }))],
    ["the identity as key", answer(() => ({ publicKey: identity }))],
  ])("[VPS-6] %s in an answer ends the run", (_what, tamper) => {
    const result = run(names(0, 2), names(0, 2), tamper);
    expect(faults(result.left)).toEqual(["badElement"]);
    expect(commonNames(result.left)).toBeUndefined();
    expect(commonNames(result.right)).toBeUndefined();
  });

  test("[VPS-6] an answer of another size and a confirmation of too many tags end the run", () => {
    const short = run(
      names(0, 20),
      names(0, 2),
      answer((message) => ({ evaluated: message.evaluated.slice(0, 16) })),
    );
    expect(faults(short.left)).toEqual(["tooBig"]);
    const tags = Array.from({ length: 5 }, (_, i) => new Uint8Array(16).fill(i));
    const long = run(names(0, 2), names(0, 2), (message) =>
      message.type === "confirm" ? { ...message, tags } : message,
    );
    expect(faults(long.right)).toEqual(["tooBig"]);
  });

  test("[VPS-7] duplicates, sizes between buckets and unsorted tags are refused by the codec", () => {
    const points = Array.from({ length: 16 }, (_, i) => new Uint8Array(32).fill(i + 1));
    const bytes = (blinded: readonly Uint8Array[]) =>
      encodeVpsiMessage({ type: "query", run: 1, nonce: new Uint8Array(16), blinded });
    expect(decodeVpsiMessage(bytes(points)).ok).toBe(true);
    expect(decodeVpsiMessage(bytes([...points.slice(1), points[1] as Uint8Array]))).toMatchObject({
      error: { rule: "VPS-7 duplicate" },
    });
    expect(decodeVpsiMessage(bytes(points.slice(1)))).toMatchObject({ error: { rule: "VPS-7 bucket" } });
    const tags = [new Uint8Array(16).fill(2), new Uint8Array(16).fill(1)];
    expect(decodeVpsiMessage(encodeVpsiMessage({ type: "confirm", run: 1, tags }))).toMatchObject({
      error: { rule: "VPS-7 order" },
    });
  });

  test("[VPS-8] messages out of order are refused, errors are never answered", () => {
    const { left } = pair(names(0, 2), names(0, 2));
    const confirm: VpsiMessage = { type: "confirm", run: 3, tags: [] };
    expect(left.handle({ type: "messageReceived", message: confirm }, at(0))).toEqual([
      { type: "send", message: { type: "error", run: 3, fault: "state" } },
    ]);
    const error: VpsiMessage = { type: "error", run: 3, fault: "state" };
    expect(left.handle({ type: "messageReceived", message: error }, at(0))).toEqual([]);
    left.handle({ type: "intersect" }, at(0));
    expect(left.handle({ type: "intersect" }, at(1))).toEqual([{ type: "runFailed", startedBy: "us", fault: "busy" }]);
  });
});

describe("limits", () => {
  test("[VPS-10] a peer may test a thousand elements a day", () => {
    const guards = createVpsiGuards();
    for (let i = 0; i < 3; i++) expect(guards.spendElements("p", 256, at(i))).toBe(true);
    expect(guards.spendElements("p", 256, at(3))).toBe(false);
    expect(guards.spendElements("p", 128, at(4))).toBe(true);
    expect(guards.spendElements("q", 256, at(4))).toBe(true);
    expect(guards.spendElements("p", 256, at(86_400_001))).toBe(true);
  });

  test("[VPS-10] a responder shows at most two keys a day", () => {
    const guards = createVpsiGuards();
    const key = (fill: number) => new Uint8Array(32).fill(fill);
    expect([1, 2, 1, 3].map((fill) => guards.acceptKey("p", key(fill), at(fill)))).toEqual([true, true, true, false]);
    expect(guards.acceptKey("p", key(3), at(86_400_002))).toBe(true);
  });

  test("[VPS-10] a second query within the quota's time is refused", () => {
    const { left, right } = pair(names(0, 2), names(0, 2));
    expect(commonNames(runVpsi(left, right).right)).toHaveLength(2);
    const blinded = Array.from({ length: 16 }, (_, i) => new Uint8Array(32).fill(i + 1));
    const message: VpsiMessage = { type: "query", run: 9, nonce: new Uint8Array(16), blinded };
    expect(right.handle({ type: "messageReceived", message }, at(5))).toEqual([
      { type: "send", message: { type: "error", run: 9, fault: "rate" } },
    ]);
  });
});

test("[VPS-6] a job on hostile input is invalid, not an exception", () => {
  const job = { type: "answer", keySeed: new Uint8Array(32), own: [], uniform: new Uint8Array(64).fill(1) } as const;
  expect(runVpsiJob(voprf, { ...job, blinded: [new Uint8Array(31)] })).toEqual({ type: "invalid" });
  const finalize = {
    type: "finalize",
    inputs: [],
    evaluated: [new Uint8Array(32)],
    proof: new Uint8Array(64),
    publicKey: new Uint8Array(32),
  } as const;
  expect(runVpsiJob(voprf, finalize)).toEqual({ type: "invalid" });
});
