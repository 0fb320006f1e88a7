import fc from "fast-check";
import { expect, test } from "vitest";
import { popcount } from "../../protocol/bloom/bloom-filter.ts";
import { type BlippedFilter, decodeBlippedFilter, encodeBlippedFilter } from "../../protocol/blip/blipped-filter.ts";
import { DEFAULT_PROFILE_PARAMETERS_ID, flipThreshold } from "../../protocol/blip/parameters.ts";
import { blipBits } from "../../protocol/blip/publisher.ts";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const crypto = createNobleProvider();
const parametersId = DEFAULT_PROFILE_PARAMETERS_ID;
const policy = { parametersId, currentSlot: 4_000 };
const RUNS = Number(process.env["FUZZ_RUNS"] ?? 10_000);
/** Long enough for a million inputs on a busy machine. */
const FUZZ_MS = 120_000 + RUNS;

test(
  "[BLP-7] decoding is total on random and on mutated profiles",
  () => {
    const random = createSeededRandom("blip-fuzz");
    const honest = encodeBlippedFilter({
      parametersId,
      epsilonMilli: 2000,
      slot: 3000,
      version: 7,
      bytes: blipBits(crypto, new Uint8Array(32), flipThreshold(2, 1), new Uint8Array(64), new Uint32Array(512)),
    } as BlippedFilter);
    let accepted = 0;
    for (let run = 0; run < RUNS; run++) {
      const input = run % 2 === 0 ? random.bytes(random.uint32() % 200) : Uint8Array.from(honest);
      if (run % 2 === 1) {
        for (let edits = 1 + (random.uint32() % 3); edits > 0; edits--)
          input[random.uint32() % input.length] = random.uint32();
      }
      const cut = run % 4 === 3 ? input.subarray(0, random.uint32() % (input.length + 1)) : input;
      const decoded = decodeBlippedFilter(cut, policy);
      if (!decoded.ok) continue;
      accepted += 1;
      expect(encodeBlippedFilter(decoded.value)).toEqual(cut);
    }
    expect(accepted).toBeGreaterThan(0);
  },
  FUZZ_MS,
);

test("[BLP-7] encoding and decoding are inverse", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 500, max: 5000 }),
      fc.nat(4001),
      fc.nat(2 ** 32 - 1),
      fc.uint8Array({ minLength: 64, maxLength: 64 }),
      (epsilonMilli, slot, version, bytes) => {
        const filter = { parametersId, epsilonMilli, slot, version, bytes } as BlippedFilter;
        const decoded = decodeBlippedFilter(encodeBlippedFilter(filter), policy);
        if (decoded.ok) expect(decoded.value).toEqual(filter);
        else expect(decoded.error.rule).toBe("BLP-8 popcount");
      },
    ),
  );
});

test.each([
  [1, 2203.2, 40.1],
  [2, 976.5, 29.3],
  [3, 388.5, 19.2],
])("[BLP-1] at epsilon %f about %f of 8192 bits flip", (epsilon, mean, deviation) => {
  const exact = new Uint8Array(1024);
  const noisy = blipBits(crypto, new Uint8Array(32).fill(7), flipThreshold(epsilon, 1), exact, new Uint32Array(8192));
  expect(Math.abs(popcount(noisy) - mean)).toBeLessThan(4 * deviation);
});

test("[BLP-1] one topic changes the law of its own bit by e^epsilon and of no other", () => {
  const keys = Number(process.env["BLIP_KEYS"] ?? 10_000);
  const epsilon = 3;
  const random = createSeededRandom("blip-ratio");
  const without = Uint8Array.of(0);
  const within = Uint8Array.of(1);
  const ones = { without: new Uint32Array(8), within: new Uint32Array(8) };
  for (let i = 0; i < keys; i++) {
    const key = random.bytes(32);
    for (const name of ["without", "within"] as const) {
      const exact = name === "without" ? without : within;
      const bits = blipBits(crypto, key, flipThreshold(epsilon, 1), exact, new Uint32Array(8))[0] as number;
      for (let bit = 0; bit < 8; bit++) ones[name][bit] = (ones[name][bit] as number) + ((bits >> bit) & 1);
    }
  }
  const share = (name: "without" | "within", bit: number): number => (ones[name][bit] as number) / keys;
  const p = 0.047426;
  const slack = 4 * Math.sqrt((p * (1 - p)) / keys);
  expect(Math.abs(share("within", 0) - (1 - p))).toBeLessThan(slack);
  expect(Math.abs(share("without", 0) - p)).toBeLessThan(slack);
  expect(share("within", 0) / share("without", 0)).toBeLessThan(Math.exp(epsilon) * (1 + slack / p));
  for (let bit = 1; bit < 8; bit++) expect(share("within", bit)).toBe(share("without", bit));
});
