import { expect, test } from "vitest";
import { CHUNK_BYTES, chunkCiphertextBytes, openChunk, sealChunk, sealPadded } from "../../protocol/blob/chunk.ts";
import type { Manifest } from "../../protocol/blob/manifest.ts";
import {
  decodeManifest,
  encodeManifest,
  MAX_CHUNK_WIRE,
  openManifest,
  sealManifest,
} from "../../protocol/blob/manifest.ts";
import { isFileName, isMediaType, MAX_FILE_BYTES } from "../../protocol/blob/file-facts.ts";
import { encodeCbor } from "../../protocol/codec/cbor.ts";
import { ascii, bytesToHex } from "../../protocol/kernel/bytes.ts";
import { filled, must, native, noble, withFlippedBit } from "../support/data-fixtures.ts";

const SECRET = filled(1, 32);
const ref = (n: number) => ({ id: filled(n, 32), key: filled(n + 1, 32) });
const manifest: Manifest = {
  size: CHUNK_BYTES + 1,
  mime: "image/png",
  name: "Grüße.png",
  sha256: filled(9, 32),
  chunks: [ref(1), ref(3)],
};

test("BLOB-1 I50 the same bytes under one secret give the same chunk, under another nothing in common", () => {
  const data = filled(7, 1_000);
  const [a, b, other] = [SECRET, SECRET, filled(2, 32)].map((secret) => sealChunk(native, secret, data));
  expect(a).toEqual(b);
  expect(sealChunk(noble, SECRET, data)).toEqual(a);
  expect(bytesToHex(other?.id as Uint8Array)).not.toBe(bytesToHex(a?.id as Uint8Array));
  expect(bytesToHex(other?.key as Uint8Array)).not.toBe(bytesToHex(a?.key as Uint8Array));
  expect(
    openChunk(
      native,
      { id: (a as { id: Uint8Array }).id, key: other?.key as Uint8Array },
      a?.ciphertext as Uint8Array,
      1_000,
    ),
  ).toEqual({
    ok: false,
    error: { type: "UnreadableChunk" },
  });
});

test("BLOB-2 a ciphertext's length is a function of the content's length only", () => {
  for (const length of [1, 255, 256, 257, 5_000, 200_000, CHUNK_BYTES - 1, CHUNK_BYTES])
    for (const byte of [0, 255])
      expect(sealChunk(native, SECRET, filled(byte, length)).ciphertext.length).toBe(chunkCiphertextBytes(length));
  expect(chunkCiphertextBytes(CHUNK_BYTES)).toBe(CHUNK_BYTES + 16);
  expect(chunkCiphertextBytes(CHUNK_BYTES - 1)).toBe(CHUNK_BYTES + 16);
});

test("BLOB-3 I1 any flipped bit, a wrong length and a non-zero pad are refused, the id before anything else", () => {
  const chunk = sealChunk(native, SECRET, filled(5, 300));
  expect(must(openChunk(native, chunk, chunk.ciphertext, 300))).toEqual(filled(5, 300));
  for (let bit = 0; bit < chunk.ciphertext.length * 8; bit++) {
    const changed = withFlippedBit(chunk.ciphertext, bit);
    expect(openChunk(native, chunk, changed, 300)).toEqual({ ok: false, error: { type: "WrongChunk" } });
  }
  for (const length of [256, 299, 319, 321, 1_000])
    expect(openChunk(native, chunk, chunk.ciphertext, length)).toEqual({
      ok: false,
      error: { type: "UnreadableChunk" },
    });
  expect(openChunk(native, { ...chunk, key: filled(0, 32) }, chunk.ciphertext, 300).ok).toBe(false);
});

test("BLOB-4 a manifest comes back as it was; every deviation is refused", () => {
  const sealed = sealManifest(native, SECRET, manifest);
  expect(must(openManifest(native, sealed, sealed.ciphertext))).toEqual(manifest);
  expect(must(decodeManifest(encodeManifest(manifest)))).toEqual(manifest);
  const refs = manifest.chunks.map(({ id, key }) => [id, key]);
  const { size, mime, name, sha256 } = manifest;
  for (const [what, fields] of [
    ["version", [2, size, mime, name, sha256, CHUNK_BYTES, refs]],
    ["chunk size", [1, size, mime, name, sha256, 1024, refs]],
    ["too few chunks", [1, size, mime, name, sha256, CHUNK_BYTES, refs.slice(1)]],
    ["too many chunks", [1, CHUNK_BYTES, mime, name, sha256, CHUNK_BYTES, refs]],
    ["size", [1, MAX_FILE_BYTES + 1, mime, name, sha256, CHUNK_BYTES, refs]],
    ["path", [1, size, mime, "../x", sha256, CHUNK_BYTES, refs]],
    ["control character", [1, size, mime, "a\nb", sha256, CHUNK_BYTES, refs]],
    ["no name", [1, size, mime, "", sha256, CHUNK_BYTES, refs]],
    ["long name", [1, size, mime, "ü".repeat(128), sha256, CHUNK_BYTES, refs]],
    ["type", [1, size, "text/html; charset=x", name, sha256, CHUNK_BYTES, refs]],
    ["hash", [1, size, mime, name, filled(1, 31), CHUNK_BYTES, refs]],
    ["extra", [1, size, mime, name, sha256, CHUNK_BYTES, refs, 0]],
  ] as const)
    expect(decodeManifest(encodeCbor(fields)).ok, what).toBe(false);
  expect(isFileName("..")).toBe(false);
  expect(isMediaType("IMAGE/PNG")).toBe(false);
});

test("BLOB-4 a sealed manifest with a lying length or a dirty pad is refused", () => {
  const encoded = encodeManifest(manifest);
  const seal = (length: number, dirty: number) => {
    const plaintext = new Uint8Array(chunkCiphertextBytes(4 + encoded.length) - 16);
    new DataView(plaintext.buffer).setUint32(0, length);
    plaintext.set(encoded, 4);
    plaintext[plaintext.length - 1] = dirty;
    return sealPadded(native, SECRET, plaintext);
  };
  const honest = seal(encoded.length, 0);
  expect(openManifest(native, honest, honest.ciphertext).ok).toBe(true);
  for (const bad of [seal(encoded.length, 1), seal(2 ** 32 - 1, 0), seal(encoded.length - 1, 0), seal(0, 0)])
    expect(openManifest(native, bad, bad.ciphertext).ok).toBe(false);
  const short = sealPadded(native, SECRET, ascii("abc"));
  expect(openManifest(native, short, short.ciphertext).ok).toBe(false);
});

test("BLOB-5 a gigabyte's manifest fits, anything longer is refused unread", () => {
  const largest = {
    ...manifest,
    size: MAX_FILE_BYTES,
    name: "n".repeat(255),
    chunks: Array.from({ length: 4_096 }, () => ref(1)),
  };
  const sealed = sealManifest(native, SECRET, largest);
  expect(sealed.ciphertext.length).toBeLessThanOrEqual(MAX_CHUNK_WIRE);
  expect(must(openManifest(native, sealed, sealed.ciphertext)).chunks).toHaveLength(4_096);
  const longer = new Uint8Array(MAX_CHUNK_WIRE + 1);
  expect(openManifest(native, sealed, longer)).toMatchObject({ ok: false, error: { type: "DecodeError" } });
});

test("BLOB-7 a manifest's file hash is what its author says; opening chunks does not look at it", () => {
  const chunk = sealChunk(native, SECRET, filled(1, 10));
  const lying = sealManifest(native, SECRET, { ...manifest, size: 10, sha256: filled(0, 32), chunks: [chunk] });
  const read = must(openManifest(native, lying, lying.ciphertext));
  expect(must(openChunk(native, chunk, chunk.ciphertext, read.size))).toEqual(filled(1, 10));
  expect(bytesToHex(native.hash("SHA256", filled(1, 10)))).not.toBe(bytesToHex(read.sha256));
});
