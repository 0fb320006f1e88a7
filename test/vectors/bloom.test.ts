import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { bloomIndices, buildBloomFilter, popcount } from "../../protocol/bloom/bloom-filter.ts";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { element, fromHex, privacyVectors as vectors } from "./privacy-vectors.ts";

const crypto = createNobleProvider();

test("the elements and the context of the vectors are the SHA-256 values they claim", () => {
  for (const [label, hex] of Object.entries(vectors.elements)) {
    expect(createHash("sha256").update(`p2pcollab/test/topic/${label}`).digest("hex")).toBe(hex);
  }
  expect(createHash("sha256").update("p2pcollab/bf-ctx/v1|testnet").digest("hex")).toBe(vectors.bloom.ctx);
});

test.each(vectors.bloom.cases)("[BLM-2] indices of $label at m = $m, k = $k", ({ label, m, k, indices }) => {
  expect(bloomIndices(crypto, { bits: m, hashes: k }, fromHex(vectors.bloom.ctx), element(label))).toEqual(indices);
});

test("[BLM-2] filter of seven elements", () => {
  const filter = buildBloomFilter(
    crypto,
    { bits: 256, hashes: 1 },
    fromHex(vectors.bloom.ctx),
    [..."ABCMXYZ"].map(element),
  );
  expect(bytesToHex(filter.bytes)).toBe("8000000800000000000800000000000000004000000000004000000200000001");
  expect(popcount(filter.bytes)).toBe(7);
});
