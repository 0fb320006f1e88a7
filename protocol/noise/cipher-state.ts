import { tagBytes } from "../crypto/sizes.ts";
import type { Aead, AeadName, CryptoProvider } from "../crypto/provider.ts";
import { wipe } from "../crypto/wipe.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { NoiseError } from "./errors.ts";

/** Section 5.1: a key and a counter. Without a key both operations return their input. */
export interface CipherState {
  readonly hasKey: () => boolean;
  /** Section 5.1 InitializeKey: the key is copied and n becomes 0. */
  readonly initializeKey: (key: Uint8Array) => void;
  readonly encrypt: (additionalData: Uint8Array, plaintext: Uint8Array) => Result<Uint8Array, NoiseError>;
  /** Encrypts the concatenation of `parts`, giving the ciphertext in pieces; needs a key. */
  readonly encryptParts: (
    additionalData: Uint8Array,
    parts: readonly Uint8Array[],
  ) => Result<readonly Uint8Array[], NoiseError>;
  /** A failed decryption leaves the counter where it was. */
  readonly decrypt: (additionalData: Uint8Array, ciphertext: Uint8Array) => Result<Uint8Array, NoiseError>;
  /** Section 11.3: replaces the key and keeps the counter. */
  readonly rekey: () => void;
  /** For datagram transports, whose receiver then must keep a replay window. */
  readonly setNonce: (n: bigint) => void;
  readonly wipe: () => void;
}

/** A nonce is reserved for rekey, so the last usable one is 2^64 - 2 (section 5.1). */
const reservedNonceHalf = 0xffffffff;

const writeNonce = (cipher: AeadName, nonce: DataView, high: number, low: number): void => {
  if (cipher === "ChaChaPoly") {
    nonce.setUint32(4, low, true);
    nonce.setUint32(8, high, true);
  } else {
    nonce.setUint32(4, high);
    nonce.setUint32(8, low);
  }
};

export const createCipherState = (crypto: CryptoProvider, cipher: AeadName): CipherState => {
  const key = new Uint8Array(32);
  let aead: Aead | undefined;
  let high = 0;
  let low = 0;
  const nonce = new Uint8Array(12);
  const nonceView = new DataView(nonce.buffer);

  const isExhausted = (): boolean => high === reservedNonceHalf && low === reservedNonceHalf;
  const advance = (): void => {
    low = (low + 1) >>> 0;
    if (low === 0) high += 1;
  };
  const initializeKey = (bytes: Uint8Array): void => {
    key.set(bytes);
    aead = crypto.aead(cipher, key);
    high = 0;
    low = 0;
  };
  return {
    hasKey: () => aead !== undefined,
    initializeKey,
    encrypt: (additionalData, plaintext) => {
      if (aead === undefined) return ok(plaintext);
      if (isExhausted()) return err({ type: "NonceExhausted" });
      writeNonce(cipher, nonceView, high, low);
      const ciphertext = aead.seal(nonce, additionalData, plaintext);
      advance();
      return ok(ciphertext);
    },
    encryptParts: (additionalData, parts) => {
      if (aead === undefined) return err({ type: "Dead" });
      if (isExhausted()) return err({ type: "NonceExhausted" });
      writeNonce(cipher, nonceView, high, low);
      const pieces = aead.sealParts(nonce, additionalData, parts);
      advance();
      return ok(pieces);
    },
    decrypt: (additionalData, ciphertext) => {
      if (aead === undefined) return ok(ciphertext);
      if (isExhausted()) return err({ type: "NonceExhausted" });
      if (ciphertext.length < tagBytes) return err({ type: "MessageTooShort" });
      writeNonce(cipher, nonceView, high, low);
      const plaintext = aead.open(nonce, additionalData, ciphertext);
      if (plaintext === undefined) return err({ type: "OpenFailed" });
      advance();
      return ok(plaintext);
    },
    rekey: () => {
      if (aead === undefined) return;
      writeNonce(cipher, nonceView, reservedNonceHalf, reservedNonceHalf);
      const next = aead.seal(nonce, new Uint8Array(0), new Uint8Array(32)).subarray(0, 32);
      key.set(next);
      wipe(next);
      aead = crypto.aead(cipher, key);
    },
    setNonce: (n) => {
      high = Number(BigInt.asUintN(32, n >> 32n));
      low = Number(BigInt.asUintN(32, n));
    },
    wipe: () => {
      wipe(key);
      aead = undefined;
    },
  };
};
