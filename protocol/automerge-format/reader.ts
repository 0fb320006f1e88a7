/**
 * Cursor over foreign bytes. The first broken rule is kept in `failure` and every later read gives zero or empty,
 * so decoders stay total without exceptions; they test `failure` before they loop or allocate.
 */
export interface Reader {
  readonly bytes: Uint8Array;
  readonly end: number;
  at: number;
  failure: string | undefined;
}

export const createReader = (bytes: Uint8Array, at = 0, end = bytes.length): Reader => ({
  bytes,
  end,
  at,
  failure: undefined,
});

export const fail = (reader: Reader, rule: string): void => {
  reader.failure ??= rule;
  reader.at = reader.end;
};

/** True when nothing is left to read, also after a failure. */
export const atEnd = (reader: Reader): boolean => reader.at >= reader.end;

export const readByte = (reader: Reader): number => {
  if (reader.at < reader.end) return reader.bytes[reader.at++] as number;
  fail(reader, "truncated");
  return 0;
};

/** Unsigned LEB128 up to 2^53 - 1, in its shortest form. */
export const readUleb = (reader: Reader): number => {
  let value = 0;
  let scale = 1;
  for (let i = 0; i < 8; i++) {
    const byte = readByte(reader);
    value += (byte & 127) * scale;
    if (byte < 128) {
      if (byte === 0 && i > 0) fail(reader, "overlong number");
      if (value > Number.MAX_SAFE_INTEGER) fail(reader, "number beyond 2^53");
      return reader.failure === undefined ? value : 0;
    }
    scale *= 128;
  }
  fail(reader, "number beyond 2^53");
  return 0;
};

/** Signed LEB128 within ±(2^53 - 1), in its shortest form. */
export const readSleb = (reader: Reader): number => {
  let value = 0;
  let scale = 1;
  let previous = 0;
  for (let i = 0; i < 8; i++) {
    const byte = readByte(reader);
    value += (byte & 127) * scale;
    scale *= 128;
    if (byte < 128) {
      const negative = (byte & 64) !== 0;
      if (i > 0 && ((byte === 0 && (previous & 64) === 0) || (byte === 127 && (previous & 64) !== 0))) {
        fail(reader, "overlong number");
      }
      if (negative) value -= scale;
      if (!Number.isSafeInteger(value)) fail(reader, "number beyond 2^53");
      return reader.failure === undefined ? value : 0;
    }
    previous = byte;
  }
  fail(reader, "number beyond 2^53");
  return 0;
};

/** Start offset of the next `length` bytes, which are skipped; 0 after a failure. */
export const readRange = (reader: Reader, length: number): number => {
  if (length > reader.end - reader.at) {
    fail(reader, "truncated");
    return 0;
  }
  const start = reader.at;
  reader.at += length;
  return start;
};

/** View of the next `length` bytes; empty after a failure. */
export const readBytes = (reader: Reader, length: number): Uint8Array => {
  const start = readRange(reader, length);
  return reader.failure === undefined ? reader.bytes.subarray(start, start + length) : reader.bytes.subarray(0, 0);
};
