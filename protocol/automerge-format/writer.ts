import { invariant } from "../kernel/assert.ts";

/** Growing output buffer. */
export interface Writer {
  buffer: Uint8Array;
  length: number;
}

export const createWriter = (capacity = 64): Writer => ({ buffer: new Uint8Array(capacity), length: 0 });

const reserve = (writer: Writer, extra: number): void => {
  const needed = writer.length + extra;
  if (needed <= writer.buffer.length) return;
  const larger = new Uint8Array(Math.max(needed, 2 * writer.buffer.length));
  larger.set(writer.buffer.subarray(0, writer.length));
  writer.buffer = larger;
};

export const writeByte = (writer: Writer, byte: number): void => {
  reserve(writer, 1);
  writer.buffer[writer.length++] = byte;
};

/** Unsigned LEB128 of a safe integer. */
export const writeUleb = (writer: Writer, value: number): void => {
  invariant(Number.isSafeInteger(value) && value >= 0, "an unsigned safe integer");
  reserve(writer, 8);
  let rest = value;
  while (rest >= 128) {
    writer.buffer[writer.length++] = (rest % 128) | 128;
    rest = Math.floor(rest / 128);
  }
  writer.buffer[writer.length++] = rest;
};

/** Signed LEB128 of a safe integer. */
export const writeSleb = (writer: Writer, value: number): void => {
  invariant(Number.isSafeInteger(value), "a safe integer");
  reserve(writer, 8);
  let rest = value;
  for (;;) {
    const low = ((rest % 128) + 128) % 128;
    rest = Math.floor(rest / 128);
    if ((rest === 0 && (low & 64) === 0) || (rest === -1 && (low & 64) !== 0)) {
      writer.buffer[writer.length++] = low;
      return;
    }
    writer.buffer[writer.length++] = low | 128;
  }
};

export const writeBytes = (writer: Writer, bytes: Uint8Array): void => {
  reserve(writer, bytes.length);
  writer.buffer.set(bytes, writer.length);
  writer.length += bytes.length;
};

export const writeLengthPrefixed = (writer: Writer, bytes: Uint8Array): void => {
  writeUleb(writer, bytes.length);
  writeBytes(writer, bytes);
};

/** Copy of what was written. */
export const writtenBytes = (writer: Writer): Uint8Array => writer.buffer.slice(0, writer.length);
