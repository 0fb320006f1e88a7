import type { CryptoProvider, SigningKey } from "../../../protocol/crypto/provider.ts";
import { native } from "../../support/data-fixtures.ts";

/** Answers remembered at most; everything is forgotten at once. */
const MAX_ANSWERS = 20_000;

/**
 * The native provider, which remembers what it was asked: every computer of a simulated world verifies the same signatures and
 * derives the same keys, and here all of them share one processor.
 */
export const createRememberingCrypto = (): CryptoProvider => {
  const verified = new Map<string, boolean>();
  const derived = new Map<string, Uint8Array>();
  const text = (bytes: Uint8Array): string =>
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
  const signers = new Map<string, SigningKey>();
  return {
    ...native,
    signingKey: (seed) => {
      const key = text(seed);
      let signer = signers.get(key);
      if (signer === undefined) {
        if (signers.size >= MAX_ANSWERS) signers.clear();
        signer = native.signingKey(seed.slice());
        signers.set(key, signer);
      }
      return { ...signer, seed };
    },
    verify: (publicKey, message, signature) => {
      const key = text(publicKey) + text(signature) + text(message);
      let answer = verified.get(key);
      if (answer === undefined) {
        if (verified.size >= MAX_ANSWERS) verified.clear();
        answer = native.verify(publicKey, message, signature);
        verified.set(key, answer);
      }
      return answer;
    },
    hkdfSha256: (ikm, salt, info, length) => {
      const key = `${length}/${info.length}/${salt.length}/${text(info)}${text(salt)}${text(ikm)}`;
      let answer = derived.get(key);
      if (answer === undefined) {
        if (derived.size >= MAX_ANSWERS) derived.clear();
        answer = native.hkdfSha256(ikm, salt, info, length);
        derived.set(key, answer.slice());
      }
      return answer.slice();
    },
  };
};
