import { ed25519 } from "@noble/curves/ed25519.js";

/*
 * A root key signs rarely and is rebuilt from the phrase; what is sealed to its X25519 form needs nothing else to be opened.
 * Ed25519 and an X25519 KEM with HKDF under one key pair are secure together: Thormarker, "On using the same key pair for
 * Ed25519 and an X25519 based KEM", IACR ePrint 2021/509.
 */

/** X25519 form of an Ed25519 public key (RFC 7748 section 4.1); `undefined` when it is no point of the curve. */
export const rootEncryptionKey = (publicKey: Uint8Array): Uint8Array | undefined => {
  try {
    return ed25519.utils.toMontgomery(publicKey);
  } catch {
    return undefined;
  }
};

/** X25519 private key that belongs to the X25519 form of the public key of this Ed25519 seed. */
export const rootDecryptionKey = (seed: Uint8Array): Uint8Array => ed25519.utils.toMontgomerySecret(seed);
