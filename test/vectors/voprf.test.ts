import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import { createNobleVoprf } from "../../protocol/crypto/ristretto.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { outputTag } from "../../protocol/vpsi/transcript.ts";
import { element, fromHex, privacyVectors } from "./privacy-vectors.ts";

interface RfcVectors {
  readonly seed: string;
  readonly keyInfo: string;
  readonly secretKey: string;
  readonly publicKey: string;
  readonly vectors: readonly {
    readonly proof: string;
    readonly proofRandomScalar: string;
    readonly items: readonly {
      readonly input: string;
      readonly blind: string;
      readonly blinded: string;
      readonly evaluated: string;
      readonly output: string;
    }[];
  }[];
}

const rfc = JSON.parse(
  readFileSync(new URL("data/privacy/rfc9497-ristretto255-voprf.json", import.meta.url), "utf8"),
) as RfcVectors;

const voprf = createNobleVoprf();
const keys = voprf.deriveKeyPair(fromHex(rfc.seed), fromHex(rfc.keyInfo));

/** 64 uniform bytes that the reduction into [1, order - 1] maps to the scalar: the scalar minus one, little-endian. */
const uniformFor = (scalarHex: string): Uint8Array => {
  const out = new Uint8Array(64);
  out.set(fromHex(scalarHex));
  let at = 0;
  while (out[at] === 0) out[at++] = 255;
  out[at] = (out[at] ?? 0) - 1;
  return out;
};

test("[VPS-2] key pair of seed and info", () => {
  expect(bytesToHex(keys.secretKey)).toBe(rfc.secretKey);
  expect(bytesToHex(keys.publicKey)).toBe(rfc.publicKey);
});

describe.each(rfc.vectors.map((vector, i) => ({ name: `test vector ${i + 1}`, ...vector })))(
  "RFC 9497 $name",
  (vector) => {
    const inputs = vector.items.map((item) => voprf.blind(fromHex(item.input), uniformFor(item.blind)));

    test("[VPS-2] blinded elements", () => {
      expect(inputs.map((input) => bytesToHex(input.blind))).toEqual(vector.items.map((item) => item.blind));
      expect(inputs.map((input) => bytesToHex(input.blinded))).toEqual(vector.items.map((item) => item.blinded));
    });

    test("[VPS-2] evaluation, proof and outputs", () => {
      const evaluation = voprf.blindEvaluate(
        keys,
        inputs.map((input) => input.blinded),
        uniformFor(vector.proofRandomScalar),
      );
      expect(evaluation?.evaluated.map(bytesToHex)).toEqual(vector.items.map((item) => item.evaluated));
      expect(bytesToHex(evaluation?.proof ?? new Uint8Array(0))).toBe(vector.proof);
      const outputs = evaluation === undefined ? undefined : voprf.finalize(inputs, evaluation, keys.publicKey);
      expect(outputs?.map(bytesToHex)).toEqual(vector.items.map((item) => item.output));
      for (const item of vector.items) {
        expect(bytesToHex(voprf.evaluate(keys.secretKey, fromHex(item.input)))).toBe(item.output);
      }
    });
  },
);

test.each(Object.entries(privacyVectors.voprf.outputs))("[VPS-2] output for element %s", (label, { F }) => {
  expect(bytesToHex(voprf.evaluate(fromHex(privacyVectors.voprf.sk), element(label)))).toBe(F);
});

test("[VPS-3] tags of the worked run", () => {
  const crypto = createNobleProvider();
  const salt = fromHex(privacyVectors.bfpsi.salt);
  for (const { F, tagR, tagI } of Object.values(privacyVectors.voprf.outputs)) {
    expect(bytesToHex(outputTag(crypto, "responder", salt, fromHex(F)))).toBe(tagR);
    expect(bytesToHex(outputTag(crypto, "initiator", salt, fromHex(F)))).toBe(tagI);
  }
});
