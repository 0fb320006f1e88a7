import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { gcm } from "@noble/ciphers/aes.js";
import { ed25519, x25519 } from "@noble/curves/ed25519.js";
import { blake2b, blake2s } from "@noble/hashes/blake2.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256, sha512 } from "@noble/hashes/sha2.js";
import { invariant } from "../kernel/assert.ts";
import { bytesEqual, concatBytes } from "../kernel/bytes.ts";
import type { Aead, CryptoProvider, DhKeyPair, HashName, SigningKey } from "./provider.ts";
import { keyBytes, signatureBytes, tagBytes } from "./sizes.ts";

const hashes = { SHA256: sha256, SHA512: sha512, BLAKE2s: blake2s, BLAKE2b: blake2b } as const;
const ciphers = { ChaChaPoly: chacha20poly1305, AESGCM: gcm } as const;

const joined = (parts: readonly Uint8Array[]): Uint8Array =>
  parts.length === 1 ? (parts[0] as Uint8Array) : concatBytes(...parts);

const bigIntFromLittleEndian = (bytes: Uint8Array): bigint => {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] as number);
  return value;
};

const aead = (name: keyof typeof ciphers, key: Uint8Array): Aead => {
  invariant(key.length === keyBytes, "an AEAD key has 32 bytes");
  const cipher = ciphers[name];
  const seal: Aead["seal"] = (nonce, additionalData, plaintext) =>
    cipher(key, nonce, additionalData).encrypt(plaintext);
  return {
    seal,
    sealParts: (nonce, additionalData, parts) => [seal(nonce, additionalData, joined(parts))],
    open: (nonce, additionalData, ciphertext) => {
      if (ciphertext.length < tagBytes) return undefined;
      try {
        return cipher(key, nonce, additionalData).decrypt(ciphertext);
      } catch {
        return undefined;
      }
    },
  };
};

const dhKeyPair = (privateKey: Uint8Array): DhKeyPair => {
  invariant(privateKey.length === keyBytes, "an X25519 private key has 32 bytes");
  return { publicKey: x25519.getPublicKey(privateKey), privateKey, handle: {} as DhKeyPair["handle"] };
};

const dh = (pair: DhKeyPair, publicKey: Uint8Array): Uint8Array | undefined => {
  if (publicKey.length !== keyBytes) return undefined;
  try {
    return x25519.getSharedSecret(pair.privateKey, publicKey);
  } catch {
    return undefined;
  }
};

const signingKey = (seed: Uint8Array): SigningKey => {
  invariant(seed.length === keyBytes, "an Ed25519 seed has 32 bytes");
  return { publicKey: ed25519.getPublicKey(seed), seed, sign: (message) => ed25519.sign(message, seed) };
};

/** RFC 8032 section 5.1.7 with the equation [S]B = R + [k]A itself: noble's own check multiplies by the cofactor, OpenSSL's does not. */
const cofactorless = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean => {
  const r = signature.subarray(0, 32);
  const { Point } = ed25519;
  const k = bigIntFromLittleEndian(sha512(concatBytes(r, publicKey, message))) % Point.Fn.ORDER;
  const s = bigIntFromLittleEndian(signature.subarray(32));
  const expected = Point.BASE.multiplyUnsafe(s).subtract(Point.fromBytes(publicKey).multiplyUnsafe(k));
  return bytesEqual(expected.toBytes(), r);
};

const verify = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean => {
  if (publicKey.length !== keyBytes || signature.length !== signatureBytes) return false;
  try {
    return (
      ed25519.verify(signature, message, publicKey, { zip215: false }) && cofactorless(publicKey, message, signature)
    );
  } catch {
    return false;
  }
};

const hash = (name: HashName, ...parts: readonly Uint8Array[]): Uint8Array => hashes[name](joined(parts));

/** Every primitive in pure JavaScript; runs anywhere and is the reference the native provider is compared with. */
export const createNobleProvider = (): CryptoProvider => ({
  hash,
  hasher: (name) => {
    const state = hashes[name].create({});
    return {
      update: (part) => {
        state.update(part);
      },
      digest: () => state.digest(),
    };
  },
  hmac: (name, key, ...parts) => hmac(hashes[name], key, joined(parts)),
  hkdfSha256: (ikm, salt, info, length) => hkdf(sha256, ikm, salt, info, length),
  aead,
  dhKeyPair,
  dh,
  signingKey,
  verify,
});
