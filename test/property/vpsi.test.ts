import fc from "fast-check";
import { expect, test } from "vitest";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import { compareBytes } from "../../protocol/kernel/bytes.ts";
import { monotonicMs } from "../../protocol/kernel/time.ts";
import type { VpsiFault, VpsiMessage } from "../../protocol/vpsi/messages.ts";
import { decodeVpsiMessage, encodeVpsiMessage } from "../../protocol/vpsi/wire.ts";
import { commonNames, runVpsi, vpsiSide } from "../support/vpsi-fixtures.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const crypto = createNobleProvider();
const RUNS = Number(process.env["PSI_RUNS"] ?? 6);
const FUZZ = Number(process.env["FUZZ_RUNS"] ?? 10_000);
/** Long enough for a million inputs on a busy machine. */
const FUZZ_MS = 120_000 + FUZZ;
const fixed = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
const distinct = (length: number, count: { readonly min: number; readonly max: number }) =>
  fc.uniqueArray(fixed(length), { minLength: count.min, maxLength: count.max, selector: (entry) => entry.join() });
const run = fc.nat(2 ** 32 - 1);
const sorted = (count: { readonly min: number; readonly max: number }) =>
  distinct(16, count).map((list) => [...list].sort(compareBytes));
const message: fc.Arbitrary<VpsiMessage> = fc.oneof(
  fc.record({
    type: fc.constant("query" as const),
    run,
    nonce: fixed(16),
    blinded: distinct(32, { min: 16, max: 16 }),
  }),
  fc.record({
    type: fc.constant("answer" as const),
    run,
    publicKey: fixed(32),
    proof: fixed(64),
    evaluated: distinct(32, { min: 16, max: 16 }),
    tags: sorted({ min: 32, max: 32 }),
  }),
  fc.record({ type: fc.constant("confirm" as const), run, tags: sorted({ min: 0, max: 40 }) }),
  fc.record({
    type: fc.constant("error" as const),
    run,
    fault: fc.constantFrom<VpsiFault>("busy", "rate", "badElement", "tooBig", "state", "keyChanged"),
  }),
);

test("[VPS-4] random sets of any overlap: both sides get exactly the intersection", () => {
  fc.assert(
    fc.property(fc.nat(20), fc.nat(20), fc.nat(20), fc.nat(2 ** 31), (left, right, shift, seed) => {
      const random = createSeededRandom(seed);
      const ours = Array.from({ length: left }, (_, i) => `name ${i}`);
      const theirs = Array.from({ length: right }, (_, i) => `name ${shift + i}`);
      const result = runVpsi(
        vpsiSide(crypto, random.fork("left"), "left", ours),
        vpsiSide(crypto, random.fork("right"), "right", theirs),
      );
      const expected = ours.filter((name) => theirs.includes(name)).sort();
      expect(commonNames(result.left)).toEqual(expected);
      expect(commonNames(result.right)).toEqual(expected);
    }),
    { numRuns: RUNS },
  );
});

test("[VPS-7] encoding and decoding are inverse", () => {
  fc.assert(
    fc.property(message, (original) => {
      expect(decodeVpsiMessage(encodeVpsiMessage(original))).toEqual({ ok: true, value: original });
    }),
  );
});

test(
  "[VPS-7] [VPS-8] random and mutated messages neither throw nor find anything",
  () => {
    const random = createSeededRandom("vpsi-fuzz");
    const samples = fc.sample(message, { numRuns: 40, seed: 7 }).map(encodeVpsiMessage);
    let decodable = 0;
    let side = vpsiSide(crypto, random.fork("0"), "right", ["a", "b"]);
    for (let round = 0; round < FUZZ; round++) {
      if (round % 50 === 0) {
        side = vpsiSide(crypto, random.fork(`${round}`), "right", ["a", "b"]);
        side.handle({ type: "intersect" }, monotonicMs(0));
      }
      const input =
        round % 3 === 0 ? random.bytes(random.uint32() % 120) : Uint8Array.from(samples[round % samples.length] ?? []);
      if (round % 3 !== 0) {
        for (let edits = random.uint32() % 3; edits > 0; edits--)
          input[random.uint32() % input.length] = random.uint32();
      }
      const decoded = decodeVpsiMessage(input);
      if (!decoded.ok) continue;
      decodable += 1;
      const effects = side.handle({ type: "messageReceived", message: decoded.value }, monotonicMs(round));
      expect(effects.some((effect) => effect.type === "intersectionFound")).toBe(false);
      expect(effects.length).toBeLessThanOrEqual(2);
    }
    expect(decodable).toBeGreaterThan(FUZZ / 20);
  },
  FUZZ_MS,
);
