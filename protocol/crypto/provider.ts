import type { Brand } from "../kernel/brand.ts";

export type HashName = "SHA256" | "SHA512" | "BLAKE2s" | "BLAKE2b";
export type AeadName = "ChaChaPoly" | "AESGCM";

/** One AEAD key, ready for use. Nonces are 12 bytes, tags 16 bytes appended (RFC 8439, NIST SP 800-38D). */
export interface Aead {
  readonly seal: (nonce: Uint8Array, additionalData: Uint8Array, plaintext: Uint8Array) => Uint8Array;
  /** `seal` of the concatenation of `parts`, as pieces whose concatenation it is; spares a large record two copies. */
  readonly sealParts: (
    nonce: Uint8Array,
    additionalData: Uint8Array,
    parts: readonly Uint8Array[],
  ) => readonly Uint8Array[];
  /** `undefined` when the tag is wrong or the input is shorter than a tag; never a reason. */
  readonly open: (nonce: Uint8Array, additionalData: Uint8Array, ciphertext: Uint8Array) => Uint8Array | undefined;
}

/** X25519 key pair; `handle` is whatever the provider keeps to avoid importing the key for each operation. */
export interface DhKeyPair {
  readonly publicKey: Uint8Array;
  readonly privateKey: Uint8Array;
  readonly handle: Brand<object, "DhHandle">;
}

/** Ed25519 signing key made from its 32-byte seed (RFC 8032). */
export interface SigningKey {
  readonly publicKey: Uint8Array;
  readonly seed: Uint8Array;
  readonly sign: (message: Uint8Array) => Uint8Array;
}

/** A digest under way; of no use after `digest`. */
export interface Hasher {
  readonly update: (part: Uint8Array) => void;
  readonly digest: () => Uint8Array;
}

/**
 * Every cryptographic primitive of the product. Implementations: pure JavaScript on @noble (`noble-provider.ts`) and,
 * injected by the host, native ones where the runtime has them. Both give the same bytes for the same input.
 */
export interface CryptoProvider {
  /** Digest of the concatenation of `parts`. */
  readonly hash: (name: HashName, ...parts: readonly Uint8Array[]) => Uint8Array;
  /** The same digest, of parts that come one after another. */
  readonly hasher: (name: HashName) => Hasher;
  /** HMAC (RFC 2104), plain also for BLAKE2 as Noise demands. */
  readonly hmac: (name: HashName, key: Uint8Array, ...parts: readonly Uint8Array[]) => Uint8Array;
  /** HKDF-SHA-256 (RFC 5869), `length` at most 8160. */
  readonly hkdfSha256: (ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number) => Uint8Array;
  /** `key` is 32 bytes. */
  readonly aead: (name: AeadName, key: Uint8Array) => Aead;
  readonly dhKeyPair: (privateKey: Uint8Array) => DhKeyPair;
  /** Shared secret; `undefined` for a low-order or malformed public key (the all-zero result of RFC 7748 section 6.1). */
  readonly dh: (pair: DhKeyPair, publicKey: Uint8Array) => Uint8Array | undefined;
  readonly signingKey: (seed: Uint8Array) => SigningKey;
  /** Strict verification (RFC 8032 section 5.1.7); false for any malformed input. */
  readonly verify: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean;
}
