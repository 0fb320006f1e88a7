const HEX = "0123456789abcdef";
const HEX_PAIRS: readonly string[] = Array.from(
  { length: 256 },
  (_, byte) => HEX.charAt(byte >> 4) + HEX.charAt(byte & 15),
);

export const bytesToHex = (bytes: Uint8Array): string => {
  let out = "";
  for (const byte of bytes) out += HEX_PAIRS[byte] as string;
  return out;
};

const hexDigit = (code: number): number => {
  if (code >= 48 && code <= 57) return code - 48;
  const lower = code | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
};

/** Bytes of a lower- or upper-case hex string; `undefined` when it is not one. */
export const hexToBytes = (hex: string): Uint8Array | undefined => {
  if (hex.length % 2 !== 0) return undefined;
  const out = new Uint8Array(hex.length / 2);
  for (let i = 0; i < out.length; i++) {
    const high = hexDigit(hex.charCodeAt(2 * i));
    const low = hexDigit(hex.charCodeAt(2 * i + 1));
    if (high < 0 || low < 0) return undefined;
    out[i] = high * 16 + low;
  }
  return out;
};

export const concatBytes = (...parts: readonly Uint8Array[]): Uint8Array => {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
};

/** Equality of public values; secrets are compared with `constantTimeEqual`. */
export const bytesEqual = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
};

/** Equality without an early exit, for tags, commitments and other values an attacker may probe. */
export const constantTimeEqual = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] as number);
  return difference === 0;
};

/** Lexicographic order; a prefix sorts first. Negative, zero or positive. */
export const compareBytes = (a: Uint8Array, b: Uint8Array): number => {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
};

const BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/**
 * base64url without padding (RFC 4648 section 5). Built from character codes, because a string grown by `+=` stays a rope
 * in V8, and ids are compared by the million.
 */
export const bytesToBase64url = (bytes: Uint8Array): string => {
  const codes: number[] = [];
  for (let i = 0; i < bytes.length; i += 3) {
    const group = ((bytes[i] as number) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    codes.push(BASE64URL.charCodeAt(group >> 18), BASE64URL.charCodeAt((group >> 12) & 63));
    if (i + 1 < bytes.length) codes.push(BASE64URL.charCodeAt((group >> 6) & 63));
    if (i + 2 < bytes.length) codes.push(BASE64URL.charCodeAt(group & 63));
  }
  if (codes.length <= CODES_PER_CALL) return String.fromCharCode(...codes);
  let out = "";
  for (let at = 0; at < codes.length; at += CODES_PER_CALL)
    out += String.fromCharCode(...codes.slice(at, at + CODES_PER_CALL));
  return out;
};
/** Arguments of one call live on the stack. */
const CODES_PER_CALL = 4096;

/** Inverse of `bytesToBase64url`; `undefined` for foreign characters, padding or non-zero spare bits. */
export const base64urlToBytes = (text: string): Uint8Array | undefined => {
  if (text.length % 4 === 1) return undefined;
  const out = new Uint8Array(Math.floor((text.length * 3) / 4));
  let bits = 0;
  let held = 0;
  let at = 0;
  for (let i = 0; i < text.length; i++) {
    const value = BASE64URL.indexOf(text.charAt(i));
    if (value < 0) return undefined;
    held = ((held << 6) | value) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out[at++] = (held >> bits) & 255;
    }
  }
  if ((held & ((1 << bits) - 1)) !== 0) return undefined;
  return out;
};

/** UTF-8 bytes of an ASCII constant such as a domain string. Pure, because `TextEncoder` is not part of ES2024. */
export const ascii = (text: string): Uint8Array => {
  const out = new Uint8Array(text.length);
  for (let at = 0; at < out.length; at++) out[at] = text.charCodeAt(at);
  return out;
};
