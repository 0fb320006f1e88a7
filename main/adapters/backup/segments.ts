import { createCipheriv, createDecipheriv } from "node:crypto";

/*
 * Authenticated encryption of a file in segments: STREAM (Hoang, Reyhanitabar, Rogaway, Vizár: "Online Authenticated-Encryption
 * and its Nonce-Reuse Misuse-Resistance", CRYPTO 2015) over AES-256-GCM. The nonce is the segment's number and a byte that says
 * whether it is the last, as in the age format; the key belongs to one file only. Segments that are missing, doubled, moved or cut off
 * do not open.
 */

/** Plaintext of every segment but the last. */
export const SEGMENT_BYTES = 1_048_576;
const TAG_BYTES = 16;
const NONCE_BYTES = 12;
export const SEALED_BYTES = SEGMENT_BYTES + TAG_BYTES;

const nonceOf = (counter: number, isLast: boolean): Buffer => {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeBigUInt64BE(BigInt(counter), NONCE_BYTES - 9);
  nonce[NONCE_BYTES - 1] = isLast ? 1 : 0;
  return nonce;
};

/** `context` is authenticated with every segment. */
export const sealSegment = (
  key: Uint8Array,
  context: Uint8Array,
  counter: number,
  isLast: boolean,
  plain: Uint8Array,
): readonly Buffer[] => {
  const cipher = createCipheriv("aes-256-gcm", key, nonceOf(counter, isLast));
  cipher.setAAD(context);
  return [cipher.update(plain), cipher.final(), cipher.getAuthTag()];
};

/** `undefined` when anything about the segment is not as it was sealed. */
export const openSegment = (
  key: Uint8Array,
  context: Uint8Array,
  counter: number,
  isLast: boolean,
  sealed: Uint8Array,
): Buffer | undefined => {
  if (sealed.length < TAG_BYTES) return undefined;
  const decipher = createDecipheriv("aes-256-gcm", key, nonceOf(counter, isLast));
  decipher.setAAD(context);
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  const plain = decipher.update(sealed.subarray(0, sealed.length - TAG_BYTES));
  try {
    decipher.final();
    return plain;
  } catch {
    return undefined;
  }
};
