import { expect, test } from "vitest";
import { buildBloomFilter } from "../../protocol/bloom/bloom-filter.ts";
import { flipProbability, flipThreshold } from "../../protocol/blip/parameters.ts";
import { advanceDraws, blipBits } from "../../protocol/blip/publisher.ts";
import { profileContext } from "../../protocol/blip/subscription-profile.ts";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { element, fromHex, privacyVectors } from "./privacy-vectors.ts";

const crypto = createNobleProvider();
const { blip, pT } = privacyVectors;

test.each(pT)("[BLP-1] flip probability and threshold at epsilon $eps, k $k", ({ eps, k, p, T32 }) => {
  expect(flipProbability(eps, k)).toBeCloseTo(p, 11);
  expect(flipThreshold(eps, k)).toBe(T32);
});

test.each(blip.cases)("[BLP-2] published bits at epsilon $eps, slot $slot", ({ eps, slot, published }) => {
  const key = fromHex(blip.noiseKey);
  const filter = buildBloomFilter(
    crypto,
    { bits: blip.m, hashes: blip.k },
    profileContext(crypto, "testnet"),
    [...blip.labels].map(element),
  );
  expect(bytesToHex(filter.bytes)).toBe(blip.plain);
  const none = new Uint32Array(blip.m);
  const atOnce = advanceDraws(crypto, { key, redraw: blip.rho }, none, 0, slot);
  let stepwise: Uint32Array = none;
  for (let step = 1; step <= slot; step++) {
    stepwise = advanceDraws(crypto, { key, redraw: blip.rho }, stepwise, step - 1, step);
  }
  expect(stepwise).toEqual(atOnce);
  expect(bytesToHex(blipBits(crypto, key, flipThreshold(eps, blip.k), filter.bytes, atOnce))).toBe(published);
});
