/** UTF-8 bytes of `text`; an unpaired surrogate becomes U+FFFD, as in the WHATWG encoder. */
export const encodeUtf8 = (text: string): Uint8Array => {
  const out = new Uint8Array(utf8Length(text));
  writeUtf8(text, out, 0);
  return out;
};

/** Number of bytes `encodeUtf8` produces for `text`. */
export const utf8Length = (text: string): number => {
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) length += 1;
    else if (unit < 0x800) length += 2;
    else if (isHighSurrogate(unit) && isLowSurrogate(text.charCodeAt(i + 1))) {
      length += 4;
      i++;
    } else length += 3;
  }
  return length;
};

/** As much of the start of `text` as takes at most `bytes` in UTF-8, cut between code points. */
export const cutUtf8 = (text: string, bytes: number): string => {
  if (text.length * 3 <= bytes) return text;
  let length = 0;
  let kept = 0;
  for (const point of text) {
    length += utf8Length(point);
    if (length > bytes) return text.slice(0, kept);
    kept += point.length;
  }
  return text;
};

/** Writes the UTF-8 form of `text` into `out` at `start`; returns the offset behind it. */
export const writeUtf8 = (text: string, out: Uint8Array, start: number): number => {
  let at = start;
  for (let i = 0; i < text.length; i++) {
    let point = text.charCodeAt(i);
    if (isHighSurrogate(point) && isLowSurrogate(text.charCodeAt(i + 1))) {
      point = 0x10000 + ((point - 0xd800) << 10) + (text.charCodeAt(++i) - 0xdc00);
    } else if (point >= 0xd800 && point <= 0xdfff) point = 0xfffd;
    if (point < 0x80) out[at++] = point;
    else if (point < 0x800) {
      out[at++] = 0xc0 | (point >> 6);
      out[at++] = 0x80 | (point & 63);
    } else if (point < 0x10000) {
      out[at++] = 0xe0 | (point >> 12);
      out[at++] = 0x80 | ((point >> 6) & 63);
      out[at++] = 0x80 | (point & 63);
    } else {
      out[at++] = 0xf0 | (point >> 18);
      out[at++] = 0x80 | ((point >> 12) & 63);
      out[at++] = 0x80 | ((point >> 6) & 63);
      out[at++] = 0x80 | (point & 63);
    }
  }
  return at;
};

/** Bytes up to which ASCII is put together unit by unit: keystrokes and names, without a buffer. */
const SHORT = 24;

const asciiDecode = (bytes: Uint8Array, from: number, to: number): string | undefined => {
  let text = "";
  for (let i = from; i < to; i++) {
    const byte = bytes[i] as number;
    if (byte >= 0x80) return undefined;
    text += String.fromCharCode(byte);
  }
  return text;
};

/** Code units gathered before they become a string: below the argument limit of every engine. */
const BATCH = 4096;

/** String of bytes[from, to); `undefined` for anything but well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms). */
export const decodeUtf8 = (bytes: Uint8Array, from = 0, to = bytes.length): string | undefined => {
  if (to - from <= SHORT) {
    const text = asciiDecode(bytes, from, to);
    if (text !== undefined) return text;
  }
  const units = new Uint16Array(Math.min(BATCH + 1, to - from + 1));
  let text = "";
  let filled = 0;
  let at = from;
  while (at < to) {
    if (filled >= BATCH) {
      text += String.fromCharCode.apply(undefined, units.subarray(0, filled) as unknown as number[]);
      filled = 0;
    }
    const lead = bytes[at] as number;
    if (lead < 0x80) {
      units[filled++] = lead;
      at += 1;
      continue;
    }
    const width =
      lead >= 0xc2 && lead < 0xe0 ? 2 : lead >= 0xe0 && lead < 0xf0 ? 3 : lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
    if (width === 0 || at + width > to) return undefined;
    let code = lead & (0xff >> (width + 1));
    for (let i = 1; i < width; i++) {
      const byte = bytes[at + i] as number;
      if ((byte & 0xc0) !== 0x80) return undefined;
      code = (code << 6) | (byte & 63);
    }
    at += width;
    if (width === 3 && (code < 0x800 || (code >= 0xd800 && code < 0xe000))) return undefined;
    if (width === 4) {
      if (code < 0x10000 || code > 0x10ffff) return undefined;
      units[filled++] = 0xd800 + ((code - 0x10000) >> 10);
      units[filled++] = 0xdc00 + ((code - 0x10000) & 0x3ff);
    } else units[filled++] = code;
  }
  return text + String.fromCharCode.apply(undefined, units.subarray(0, filled) as unknown as number[]);
};

const isHighSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff;
const isLowSurrogate = (unit: number): boolean => unit >= 0xdc00 && unit <= 0xdfff;
