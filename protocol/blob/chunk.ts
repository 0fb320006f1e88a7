import { padmeLength } from "../codec/padme.ts";
import { hk } from "../crypto/kdf.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { nonceBytes, tagBytes } from "../crypto/sizes.ts";
import { invariant } from "../kernel/assert.ts";
import { ascii, bytesEqual } from "../kernel/bytes.ts";
import { err, ok, type Result } from "../kernel/result.ts";

/** Plaintext of every chunk but a file's last (data formats, section 13). */
export const CHUNK_BYTES = 262_144;

/** What it takes to fetch and open one chunk: the hash of its ciphertext and its key. */
export interface ChunkRef {
  readonly id: Uint8Array;
  readonly key: Uint8Array;
}

export interface SealedChunk extends ChunkRef {
  readonly ciphertext: Uint8Array;
}

export type ChunkError =
  /** The ciphertext is not the one the id names. */
  | { readonly type: "WrongChunk" }
  /** The ciphertext is the one named, but the key does not open it or the padding is not the rule's. */
  | { readonly type: "UnreadableChunk" };

/** Ciphertext length of a chunk that holds `length` bytes of a file. */
export const chunkCiphertextBytes = (length: number): number => padmeLength(length) + tagBytes;

/** Seals 1 to `CHUNK_BYTES` bytes of a file under a key derived from themselves and the epoch's blob secret (BLOB-1). */
export const sealChunk = (crypto: CryptoProvider, blobSecret: Uint8Array, data: Uint8Array): SealedChunk => {
  invariant(data.length > 0 && data.length <= CHUNK_BYTES, "a chunk holds 1 to 262 144 bytes");
  return sealPadded(crypto, blobSecret, padded(data));
};

/** The `length` bytes of a chunk; total. The id is compared before the AEAD runs (BLOB-3). */
export const openChunk = (
  crypto: CryptoProvider,
  { id, key }: ChunkRef,
  ciphertext: Uint8Array,
  length: number,
): Result<Uint8Array, ChunkError> => {
  const plaintext = openPadded(crypto, { id, key }, ciphertext);
  if (!plaintext.ok) return plaintext;
  if (plaintext.value.length !== padmeLength(length) || !isZero(plaintext.value, length))
    return err({ type: "UnreadableChunk" });
  return ok(plaintext.value.subarray(0, length));
};

/** Whether `ciphertext` is what `id` names; anyone can tell. */
export const isChunk = (crypto: Pick<CryptoProvider, "hash">, id: Uint8Array, ciphertext: Uint8Array): boolean =>
  bytesEqual(crypto.hash("SHA256", ciphertext), id);

export const sealPadded = (crypto: CryptoProvider, blobSecret: Uint8Array, plaintext: Uint8Array): SealedChunk => {
  const key = hk(crypto, blobSecret, crypto.hash("SHA256", plaintext), "chunk", 32);
  // The key serves this plaintext only, so the nonce never meets another one.
  const ciphertext = crypto.aead("AESGCM", key).seal(ZERO_NONCE, CHUNK_AAD, plaintext);
  return { id: crypto.hash("SHA256", ciphertext), key, ciphertext };
};

export const openPadded = (
  crypto: CryptoProvider,
  { id, key }: ChunkRef,
  ciphertext: Uint8Array,
): Result<Uint8Array, ChunkError> => {
  if (!isChunk(crypto, id, ciphertext)) return err({ type: "WrongChunk" });
  const plaintext = crypto.aead("AESGCM", key).open(ZERO_NONCE, CHUNK_AAD, ciphertext);
  return plaintext === undefined ? err({ type: "UnreadableChunk" }) : ok(plaintext);
};

/** `data` and zeros up to its Padmé length. */
export const padded = (data: Uint8Array): Uint8Array => {
  const length = padmeLength(data.length);
  if (length === data.length) return data;
  const out = new Uint8Array(length);
  out.set(data);
  return out;
};

export const isZero = (bytes: Uint8Array, from: number): boolean => {
  for (let i = from; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
};

const ZERO_NONCE = new Uint8Array(nonceBytes);
const CHUNK_AAD = ascii("p2pc/chunk/1");
