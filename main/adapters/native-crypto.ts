import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  hkdfSync,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import type {
  Aead,
  AeadName,
  CryptoProvider,
  DhKeyPair,
  HashName,
  SigningKey,
} from "../../protocol/crypto/provider.ts";
import { failingPrimitives, type Primitive } from "../../protocol/crypto/self-test.ts";
import { keyBytes, nonceBytes, signatureBytes, tagBytes } from "../../protocol/crypto/sizes.ts";
import { invariant } from "../../protocol/kernel/assert.ts";
import { concatBytes } from "../../protocol/kernel/bytes.ts";
import { oneShotHash } from "./one-shot-hash.ts";

const hashNames: Readonly<Record<HashName, string>> = {
  SHA256: "sha256",
  SHA512: "sha512",
  BLAKE2s: "blake2s256",
  BLAKE2b: "blake2b512",
};
const cipherNames: Readonly<Record<AeadName, "chacha20-poly1305" | "aes-256-gcm">> = {
  ChaChaPoly: "chacha20-poly1305",
  AESGCM: "aes-256-gcm",
};

/** hkdfSync refuses a longer info (Node.js documentation, crypto.hkdfSync). */
const nodeHkdfInfoLimit = 1024;

/** Same bytes as a plain Uint8Array: Buffer has other `slice` semantics and must not leak out of the adapter. */
const plain = (bytes: Buffer): Uint8Array => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);

const totalLength = (parts: readonly Uint8Array[]): number => parts.reduce((sum, part) => sum + part.length, 0);

/** Up to this size one call on a joined copy is cheaper than a call for each part. */
const joinUpToBytes = 4096;

/*
 * Symmetric keys go in as KeyObjects: given bytes, Node 24 spends some 13 µs more on each cipher and HMAC it creates
 * (18 against 5 µs for a short record), which made the pure implementation look faster below 1 KiB.
 */

const hash = (name: HashName, ...parts: readonly Uint8Array[]): Uint8Array => {
  const [only] = parts;
  if (only !== undefined && (parts.length === 1 || totalLength(parts) <= joinUpToBytes))
    return oneShotHash(hashNames[name], parts.length === 1 ? only : concatBytes(...parts));
  const state = createHash(hashNames[name]);
  for (const part of parts) state.update(part);
  return plain(state.digest());
};

const hasher: CryptoProvider["hasher"] = (name) => {
  const state = createHash(hashNames[name]);
  return {
    update: (part) => {
      state.update(part);
    },
    digest: () => plain(state.digest()),
  };
};

const hmac = (name: HashName, key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array => {
  const state = createHmac(hashNames[name], createSecretKey(key));
  for (const part of parts) state.update(part);
  return plain(state.digest());
};

const aead = (name: AeadName, key: Uint8Array): Aead => {
  invariant(key.length === keyBytes, "an AEAD key has 32 bytes");
  const cipherName = cipherNames[name] as "chacha20-poly1305";
  const secret = createSecretKey(key);
  const options = { authTagLength: tagBytes };
  const sealParts: Aead["sealParts"] = (nonce, additionalData, parts) => {
    invariant(nonce.length === nonceBytes, "a nonce has 12 bytes");
    const length = totalLength(parts);
    const cipher = createCipheriv(cipherName, secret, nonce, options);
    if (additionalData.length > 0) cipher.setAAD(additionalData, { plaintextLength: length });
    const pieces: Uint8Array[] = [];
    const inputs = parts.length > 1 && length <= joinUpToBytes ? [concatBytes(...parts)] : parts;
    for (const part of inputs) if (part.length > 0) pieces.push(plain(cipher.update(part)));
    cipher.final();
    pieces.push(plain(cipher.getAuthTag()));
    return pieces;
  };
  return {
    sealParts,
    seal: (nonce, additionalData, plaintext) => concatBytes(...sealParts(nonce, additionalData, [plaintext])),
    open: (nonce, additionalData, ciphertext) => {
      invariant(nonce.length === nonceBytes, "a nonce has 12 bytes");
      const length = ciphertext.length - tagBytes;
      if (length < 0) return undefined;
      const decipher = createDecipheriv(cipherName, secret, nonce, options);
      if (additionalData.length > 0) decipher.setAAD(additionalData, { plaintextLength: length });
      decipher.setAuthTag(ciphertext.subarray(length));
      const plaintext = plain(decipher.update(ciphertext.subarray(0, length)));
      try {
        decipher.final();
      } catch {
        plaintext.fill(0);
        return undefined;
      }
      return plaintext;
    },
  };
};

/** PKCS #8 of RFC 8410 section 7 up to the key itself. */
const pkcs8 = (curve: "X25519" | "Ed25519", privateKey: Uint8Array): KeyObject => {
  invariant(privateKey.length === keyBytes, "a private key has 32 bytes");
  const prefix = Buffer.from(`302e020100300506032b65${curve === "X25519" ? "6e" : "70"}04220420`, "hex");
  return createPrivateKey({ key: Buffer.concat([prefix, privateKey]), format: "der", type: "pkcs8" });
};

/** JWK import is 10 times faster than DER with OpenSSL 3; JWK export is never used, it can freeze the thread for good. */
const importPublic = (curve: "X25519" | "Ed25519", publicKey: Uint8Array): KeyObject =>
  createPublicKey({ key: { kty: "OKP", crv: curve, x: Buffer.from(publicKey).toString("base64url") }, format: "jwk" });

const rawPublic = (key: KeyObject): Uint8Array =>
  Uint8Array.from(createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-keyBytes));

const keyObjectByHandle = new WeakMap<object, KeyObject>();

const dhKeyPair = (privateKey: Uint8Array): DhKeyPair => {
  const key = pkcs8("X25519", privateKey);
  const handle = {} as DhKeyPair["handle"];
  keyObjectByHandle.set(handle, key);
  return { publicKey: rawPublic(key), privateKey, handle };
};

const dh = (pair: DhKeyPair, publicKey: Uint8Array): Uint8Array | undefined => {
  if (publicKey.length !== keyBytes) return undefined;
  const privateKey = keyObjectByHandle.get(pair.handle) ?? pkcs8("X25519", pair.privateKey);
  try {
    const shared = diffieHellman({ privateKey, publicKey: importPublic("X25519", publicKey) });
    return shared.every((byte) => byte === 0) ? undefined : plain(shared);
  } catch {
    return undefined;
  }
};

const signingKey = (seed: Uint8Array): SigningKey => {
  const key = pkcs8("Ed25519", seed);
  return { publicKey: rawPublic(key), seed, sign: (message) => plain(sign(null, message, key)) };
};

/** y coordinates of the points of order 1, 2, 4 and 8, little-endian. */
const smallOrderYs = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]);

/** OpenSSL and BoringSSL accept y >= p and points of small order, which RFC 8032 section 5.1.3 and our strictness do not. */
const isStrictPublicKey = (publicKey: Uint8Array): boolean => {
  const y = Buffer.from(publicKey);
  y[31] = (y[31] as number) & 0x7f;
  const atLeastP = y[31] === 0x7f && (y[0] as number) >= 0xed && y.subarray(1, 31).every((byte) => byte === 0xff);
  return !atLeastP && !smallOrderYs.has(y.toString("hex"));
};

/** Entries of a repository are signed by few keys; importing one costs as much as a verification. */
const IMPORTED_KEYS = 64;
const importedKeys = new Map<string, KeyObject>();

/** Imports a key that is strict; the least recently used of the remembered ones is forgotten. */
const verificationKey = (publicKey: Uint8Array): KeyObject | undefined => {
  const name = Buffer.from(publicKey).toString("latin1");
  const known = importedKeys.get(name);
  const key = known ?? (isStrictPublicKey(publicKey) ? importPublic("Ed25519", publicKey) : undefined);
  if (key === undefined) return undefined;
  importedKeys.delete(name);
  importedKeys.set(name, key);
  for (const [oldest] of importedKeys) {
    if (importedKeys.size <= IMPORTED_KEYS) break;
    importedKeys.delete(oldest);
  }
  return key;
};

const verifyStrictly = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean => {
  if (publicKey.length !== keyBytes || signature.length !== signatureBytes) return false;
  try {
    const key = verificationKey(publicKey);
    return key !== undefined && verify(null, message, key, signature);
  } catch {
    return false;
  }
};

const nodeProvider: CryptoProvider = {
  hash,
  hasher,
  hmac,
  hkdfSha256: (ikm, salt, info, length) => new Uint8Array(hkdfSync("sha256", createSecretKey(ikm), salt, info, length)),
  aead,
  dhKeyPair,
  dh,
  signingKey,
  verify: verifyStrictly,
};

/**
 * node:crypto for each primitive that this runtime has and computes rightly (found by trying, since Electron's BoringSSL
 * lacks ChaCha20-Poly1305 and BLAKE2), `fallback` for the others.
 */
export const createNativeProvider = (fallback: CryptoProvider): CryptoProvider => {
  const failing = new Set<Primitive>(failingPrimitives(nodeProvider));
  const chosen = (primitive: Primitive): CryptoProvider => (failing.has(primitive) ? fallback : nodeProvider);
  const hashBy = {
    SHA256: chosen("hash:SHA256"),
    SHA512: chosen("hash:SHA512"),
    BLAKE2s: chosen("hash:BLAKE2s"),
    BLAKE2b: chosen("hash:BLAKE2b"),
  };
  const hmacBy = {
    SHA256: chosen("hmac:SHA256"),
    SHA512: chosen("hmac:SHA512"),
    BLAKE2s: chosen("hmac:BLAKE2s"),
    BLAKE2b: chosen("hmac:BLAKE2b"),
  };
  const aeadBy = { ChaChaPoly: chosen("aead:ChaChaPoly"), AESGCM: chosen("aead:AESGCM") };
  const hkdf = chosen("hkdfSha256");
  const curve = chosen("x25519");
  const signer = chosen("ed25519");
  return {
    hash: (name, ...parts) => hashBy[name].hash(name, ...parts),
    hasher: (name) => hashBy[name].hasher(name),
    hmac: (name, key, ...parts) => hmacBy[name].hmac(name, key, ...parts),
    hkdfSha256: (ikm, salt, info, length) =>
      (info.length > nodeHkdfInfoLimit ? fallback : hkdf).hkdfSha256(ikm, salt, info, length),
    aead: (name, key) => aeadBy[name].aead(name, key),
    dhKeyPair: curve.dhKeyPair,
    dh: curve.dh,
    signingKey: signer.signingKey,
    verify: signer.verify,
  };
};
