import { expect, test } from "vitest";
import { bloomContains, buildBloomFilter, falsePositiveRate, popcount } from "../../protocol/bloom/bloom-filter.ts";
import { bucketLog2, offerParameters, offerPopcountWindow } from "../../protocol/bfpsi/parameters.ts";
import { type SecretElement, secretElement } from "../../protocol/bfpsi/secret-element.ts";
import { elementTag, responseKey, runSalt } from "../../protocol/bfpsi/transcript.ts";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { element, fromHex, privacyVectors } from "./privacy-vectors.ts";

const crypto = createNobleProvider();
const { bfpsi, params } = privacyVectors;
const secret = (label: string): SecretElement => element(label) as SecretElement;

test.each(params)("[BFP-2] bucket of $N: $m bits", ({ N, k, m, bytes, fpr, maxPop }) => {
  const parameters = offerParameters(bucketLog2(N));
  expect(parameters).toEqual({ bits: m, hashes: k });
  expect(parameters.bits / 8).toBe(bytes);
  expect(falsePositiveRate(parameters, N)).toBeCloseTo(fpr, 7);
  expect(offerPopcountWindow(parameters).most).toBe(maxPop);
});

test("[BFP-3] the worked run: salt, filter, candidates, tags, keys and result", () => {
  const binding = {
    handshakeHash: fromHex(bfpsi.handshakeHash),
    initiator: fromHex(bfpsi.initiatorStatic),
    responder: fromHex(bfpsi.responderStatic),
  };
  const salt = runSalt(crypto, binding, new Uint8Array(0));
  expect(bytesToHex(salt)).toBe(bfpsi.salt);

  const filter = buildBloomFilter(crypto, offerParameters(bucketLog2(bfpsi.N)), salt, [
    ...bfpsi.setI.map(element),
    ...bfpsi.pads.map(fromHex),
  ]);
  expect(bytesToHex(filter.bytes)).toBe(bfpsi.bloom);
  expect(popcount(filter.bytes)).toBe(127);

  const candidates = bfpsi.setR.filter((label) => bloomContains(crypto, filter, element(label)));
  expect(candidates).toEqual(bfpsi.candidates);
  const challenge = candidates.map((label) =>
    bytesToHex(elementTag(crypto, fromHex(bfpsi.ckey), "responder", salt, secret(label))),
  );
  expect([...challenge].sort()).toEqual(bfpsi.cset);

  const key = responseKey(crypto, salt, fromHex(bfpsi.irand), fromHex(bfpsi.rrand));
  expect(bytesToHex(key)).toBe(bfpsi.rkey);
  const response = bfpsi.intersection.map((label) =>
    bytesToHex(elementTag(crypto, key, "initiator", salt, secret(label))),
  );
  expect([...response].sort()).toEqual(bfpsi.rset);
});

test("[BFP-1] an element is HKDF-SHA-256 of the topic secret", () => {
  const derived = secretElement(crypto, new Uint8Array(32).fill(1));
  expect(derived).toEqual(
    crypto.hkdfSha256(
      new Uint8Array(32).fill(1),
      new Uint8Array(0),
      Uint8Array.from("p2pcollab/psi-elem/v1", (char) => char.charCodeAt(0)),
      32,
    ),
  );
  expect(derived).not.toEqual(secretElement(crypto, new Uint8Array(32).fill(2)));
});
