import { type CborValue, decodeShape, encodeCbor } from "../codec/cbor.ts";
import { array, bytes, literal, mapped, refined, text, tuple, uint } from "../codec/shape.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { invariant } from "../kernel/assert.ts";
import { concatBytes } from "../kernel/bytes.ts";
import { type DecodeError, decodeError, type Result } from "../kernel/result.ts";
import type { ChunkError, ChunkRef, SealedChunk } from "./chunk.ts";
import { isFileName, isMediaType, MAX_FILE_BYTES, MAX_MIME_BYTES, MAX_NAME_BYTES } from "./file-facts.ts";
import { CHUNK_BYTES, chunkCiphertextBytes, isZero, openPadded, padded, sealPadded } from "./chunk.ts";

const MAX_CHUNKS = MAX_FILE_BYTES / CHUNK_BYTES;

/** What a file is and which chunks it is made of, in order. */
export interface Manifest {
  readonly size: number;
  readonly mime: string;
  readonly name: string;
  /** SHA-256 of the whole file. */
  readonly sha256: Uint8Array;
  readonly chunks: readonly ChunkRef[];
}

export const chunkCount = (size: number): number => Math.ceil(size / CHUNK_BYTES);

/** Bytes of the file in its chunk number `position`. */
export const chunkLength = (size: number, position: number): number =>
  Math.min(CHUNK_BYTES, size - position * CHUNK_BYTES);

/** One chunk's share of a byte range: `from` and `to` count inside the chunk, `to` exclusive. */
export interface ChunkSlice {
  readonly position: number;
  readonly from: number;
  readonly to: number;
}

/** The chunks that overlap bytes [start, end) of a file, and no other (BLOB-6). */
export const chunksOfRange = (size: number, start: number, end: number): readonly ChunkSlice[] => {
  const slices: ChunkSlice[] = [];
  const last = Math.min(end, size);
  for (let at = Math.max(0, start); at < last;) {
    const position = Math.floor(at / CHUNK_BYTES);
    const base = position * CHUNK_BYTES;
    const to = Math.min(last - base, CHUNK_BYTES);
    slices.push({ position, from: at - base, to });
    at = base + to;
  }
  return slices;
};

/** Seals a manifest as a chunk of its own; its id and key are what a document stores. */
export const sealManifest = (crypto: CryptoProvider, blobSecret: Uint8Array, manifest: Manifest): SealedChunk => {
  const encoded = encodeManifest(manifest);
  return sealPadded(crypto, blobSecret, padded(concatBytes(lengthOf(encoded), encoded)));
};

/** Opens and decodes the chunk a document names; total. */
export const openManifest = (
  crypto: CryptoProvider,
  ref: ChunkRef,
  ciphertext: Uint8Array,
): Result<Manifest, ChunkError | DecodeError> => {
  if (ciphertext.length > MAX_CHUNK_WIRE) return decodeError("longer than any manifest");
  const plaintext = openPadded(crypto, ref, ciphertext);
  return plaintext.ok ? readPlaintext(plaintext.value) : plaintext;
};

const readPlaintext = (plaintext: Uint8Array): Result<Manifest, DecodeError> => {
  if (plaintext.length < 4) return decodeError("truncated");
  const length = new DataView(plaintext.buffer, plaintext.byteOffset).getUint32(0);
  const end = 4 + length;
  if (end > plaintext.length) return decodeError("length beyond the chunk");
  if (plaintext.length + 16 !== chunkCiphertextBytes(end) || !isZero(plaintext, end))
    return decodeError("padding is not the rule's");
  return decodeManifest(plaintext.subarray(4, end));
};

export const encodeManifest = ({ size, mime, name, sha256, chunks }: Manifest): Uint8Array => {
  invariant(size <= MAX_FILE_BYTES && chunks.length === chunkCount(size), "a manifest names every chunk of its file");
  invariant(isFileName(name) && isMediaType(mime), "a manifest has a name and a media type");
  const refs: CborValue = chunks.map(({ id, key }) => [id, key]);
  return encodeCbor([1, size, mime, name, sha256, CHUNK_BYTES, refs]);
};

/** Strict decoding: version 1, this chunk size, and exactly as many chunks as the size needs (BLOB-4). */
export const decodeManifest = (encoded: Uint8Array): Result<Manifest, DecodeError> =>
  decodeShape(manifestShape, encoded);

const lengthOf = (encoded: Uint8Array): Uint8Array => {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, encoded.length);
  return out;
};

/** A manifest of 4 096 chunks of 69 bytes with the longest names, padded, and its tag. */
export const MAX_CHUNK_WIRE = chunkCiphertextBytes(4 + MAX_CHUNKS * 69 + MAX_NAME_BYTES + MAX_MIME_BYTES + 64);

const manifestShape = refined(
  mapped(
    tuple(
      literal(1),
      uint(MAX_FILE_BYTES),
      refined(text(MAX_MIME_BYTES), "not a media type", isMediaType),
      refined(text(MAX_NAME_BYTES), "not a file name", isFileName),
      bytes(32),
      literal(CHUNK_BYTES),
      array(tuple(bytes(32), bytes(32)), MAX_CHUNKS),
    ),
    ([, size, mime, name, sha256, , refs]): Manifest => ({
      size,
      mime,
      name,
      sha256,
      chunks: refs.map(([id, key]) => ({ id, key })),
    }),
  ),
  "the chunks do not make up the size",
  ({ size, chunks }) => chunks.length === chunkCount(size),
);
