import fc from "fast-check";
import { expect, test } from "vitest";
import type { BfpsiMessage, PsiFault } from "../../protocol/bfpsi/messages.ts";
import { offerParameters } from "../../protocol/bfpsi/parameters.ts";
import { decodeBfpsiMessage, encodeBfpsiMessage } from "../../protocol/bfpsi/wire.ts";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import { compareBytes } from "../../protocol/kernel/bytes.ts";
import { monotonicMs } from "../../protocol/kernel/time.ts";
import { bfpsiSide, commonTopics, runBfpsi, secretTopics } from "../support/psi-fixtures.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const crypto = createNobleProvider();
const RUNS = Number(process.env["PSI_RUNS"] ?? 60);
const FUZZ = Number(process.env["FUZZ_RUNS"] ?? 10_000);
/** Long enough for a million inputs on a busy machine. */
const FUZZ_MS = 120_000 + FUZZ;

const fixed = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
const run = fc.nat(2 ** 32 - 1);
const tags = fc
  .uniqueArray(fixed(16), { maxLength: 40, selector: (tag) => tag.join() })
  .map((list) => [...list].sort(compareBytes));
const message: fc.Arbitrary<BfpsiMessage> = fc.oneof(
  fc.integer({ min: 4, max: 10 }).chain((log2) =>
    fc.record({
      type: fc.constant("offer" as const),
      run,
      log2: fc.constant(log2),
      nonce: fixed(16),
      bits: fixed(offerParameters(log2).bits / 8),
    }),
  ),
  fc.record({ type: fc.constant("challenge" as const), run, random: fixed(32), key: fixed(32), tags }),
  fc.record({ type: fc.constant("response" as const), run, random: fixed(32), tags }),
  fc.record({ type: fc.constant("done" as const), run }),
  fc.record({
    type: fc.constant("error" as const),
    run,
    fault: fc.constantFrom<PsiFault>("busy", "rate", "badFilter", "tooBig", "state"),
  }),
);

test("[BFP-4] random sets of any overlap: both sides get exactly the intersection", () => {
  fc.assert(
    fc.property(fc.nat(120), fc.nat(120), fc.nat(120), fc.nat(2 ** 31), (left, right, shift, seed) => {
      const random = createSeededRandom(seed);
      const ours = secretTopics(crypto, 0, left);
      const theirs = secretTopics(crypto, shift, shift + right);
      const result = runBfpsi(
        bfpsiSide(crypto, random.fork("left"), "left", ours),
        bfpsiSide(crypto, random.fork("right"), "right", theirs),
      );
      const expected = [...ours.keys()].filter((topic) => theirs.has(topic)).sort();
      expect(commonTopics(result.left)).toEqual(expected);
      expect(commonTopics(result.right)).toEqual(expected);
    }),
    { numRuns: RUNS },
  );
});

test("[BFP-7] encoding and decoding are inverse", () => {
  fc.assert(
    fc.property(message, (original) => {
      expect(decodeBfpsiMessage(encodeBfpsiMessage(original))).toEqual({ ok: true, value: original });
    }),
  );
});

test(
  "[BFP-7] [BFP-8] random and mutated messages neither throw nor find anything foreign",
  () => {
    const random = createSeededRandom("bfpsi-fuzz");
    const items = secretTopics(crypto, 0, 12);
    const recorded = runBfpsi(
      bfpsiSide(crypto, random.fork("a"), "left", items),
      bfpsiSide(crypto, random.fork("b"), "right", items),
    ).wire;
    const known = new Set(items.keys());
    let decodable = 0;
    let side = bfpsiSide(crypto, random.fork("c"), "right", items);
    for (let round = 0; round < FUZZ; round++) {
      if (round % 50 === 0) side = bfpsiSide(crypto, random.fork(`c${round}`), "right", items);
      const base = recorded[random.uint32() % recorded.length] as Uint8Array;
      const input = round % 3 === 0 ? random.bytes(random.uint32() % 120) : Uint8Array.from(base);
      if (round % 3 !== 0 && input.length > 0) {
        for (let edits = random.uint32() % 3; edits > 0; edits--)
          input[random.uint32() % input.length] = random.uint32();
      }
      const decoded = decodeBfpsiMessage(input);
      if (!decoded.ok) continue;
      decodable += 1;
      for (const effect of side.handle({ type: "messageReceived", message: decoded.value }, monotonicMs(round))) {
        if (effect.type === "intersectionFound") expect(effect.common.every((topic) => known.has(topic))).toBe(true);
        if (effect.type === "send") expect(encodeBfpsiMessage(effect.message).length).toBeLessThan(1024);
      }
    }
    expect(decodable).toBeGreaterThan(FUZZ / 20);
  },
  FUZZ_MS,
);
