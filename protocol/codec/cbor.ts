import { type DecodeError, decodeError, ok, type Result } from "../kernel/result.ts";
import { invariant } from "../kernel/assert.ts";
import { decodeUtf8, utf8Length, writeUtf8 } from "./utf8.ts";

/** The subset of CBOR (RFC 8949) every record of the protocol is made of. Numbers are integers in [0, 2^53). */
export type CborValue = null | boolean | number | string | Uint8Array | readonly CborValue[];

/** Deterministic encoding (RFC 8949 section 4.2.1); equal values give equal bytes. */
export const encodeCbor = (value: CborValue): Uint8Array => {
  const out = new Uint8Array(sizeOf(value, 0));
  write(value, out, 0);
  return out;
};

/** Strict decoding of exactly one value; byte strings are views into `bytes`, not copies. */
export const decodeCbor = (bytes: Uint8Array): Result<CborValue, DecodeError> => decodeShape(anyValue, bytes);

/** Cursor of one decoding run. `rule` and `at` describe the first violation. */
export interface CborReader {
  readonly bytes: Uint8Array;
  at: number;
  depth: number;
  rule: string;
}

/** Returned by a `Shape` after it noted the broken rule in its reader. */
export const FAILED: unique symbol = Symbol("failed");

/** Reads one value of a known form from the reader's position. Total: any bytes give a value or `FAILED`. */
export type Shape<T> = (reader: CborReader) => T | typeof FAILED;

/** Runs `shape` over all of `bytes`; trailing bytes are an error. */
export const decodeShape = <T>(shape: Shape<T>, bytes: Uint8Array): Result<T, DecodeError> => {
  const reader: CborReader = { bytes, at: 0, depth: 0, rule: "" };
  const value = shape(reader);
  if (value === FAILED) return decodeError(reader.rule, reader.at);
  if (reader.at !== bytes.length) return decodeError("trailing bytes", reader.at);
  return ok(value);
};

/** Notes the broken rule; the result of a shape that refuses its input. */
export const fail = (reader: CborReader, rule: string, at: number = reader.at): typeof FAILED => {
  reader.rule = rule;
  reader.at = at;
  return FAILED;
};

/** Argument of the next head of major type `major`, in shortest form; -1 after noting a failure. */
export const readHead = (reader: CborReader, major: number): number => {
  const { bytes, at } = reader;
  const initial = bytes[at];
  if (initial === undefined) return refuse(reader, "truncated");
  if (initial >> 5 !== major) return refuse(reader, `expected ${MAJOR_NAMES[major] ?? "another type"}`);
  const info = initial & 31;
  if (info < 24) {
    reader.at = at + 1;
    return info;
  }
  if (info > 27) return refuse(reader, "indefinite or reserved length");
  const width = 1 << (info - 24);
  if (at + 1 + width > bytes.length) return refuse(reader, "truncated");
  let value = 0;
  for (let i = 1; i <= width; i++) value = value * 256 + (bytes[at + i] as number);
  if (value > Number.MAX_SAFE_INTEGER) return refuse(reader, "integer above 2^53");
  if (value < (width === 1 ? 24 : width === 2 ? 0x100 : width === 4 ? 0x10000 : 0x100000000)) {
    return refuse(reader, "integer not in shortest form");
  }
  reader.at = at + 1 + width;
  return value;
};

/** View of the next byte string; `FAILED` when absent or cut off. */
export const readBytes = (reader: CborReader): Uint8Array | typeof FAILED => {
  const length = readHead(reader, BYTES);
  if (length < 0) return FAILED;
  if (length > reader.bytes.length - reader.at) return fail(reader, "truncated");
  const view = reader.bytes.subarray(reader.at, reader.at + length);
  reader.at += length;
  return view;
};

/** Next text string as strict UTF-8. */
export const readText = (reader: CborReader): string | typeof FAILED => {
  const start = reader.at;
  const length = readHead(reader, TEXT);
  if (length < 0) return FAILED;
  if (length > reader.bytes.length - reader.at) return fail(reader, "truncated");
  const value = decodeUtf8(reader.bytes.subarray(reader.at, reader.at + length));
  if (value === undefined) return fail(reader, "text is not UTF-8", start);
  reader.at += length;
  return value;
};

/** Enters the next array and returns its count, or -1. Every entered array is left by `leaveArray`. */
export const enterArray = (reader: CborReader): number => {
  const start = reader.at;
  const count = readHead(reader, ARRAY);
  if (count < 0) return -1;
  if (++reader.depth > MAX_DEPTH) return refuse(reader, "nested too deep", start);
  if (count > reader.bytes.length - reader.at) return refuse(reader, "count exceeds the remaining bytes", start);
  return count;
};

export const leaveArray = (reader: CborReader): void => {
  reader.depth--;
};

/** True when the next value is `null`, which is then consumed. */
export const skipNull = (reader: CborReader): boolean => {
  if (reader.bytes[reader.at] !== NULL) return false;
  reader.at++;
  return true;
};

/** Any value of the subset. Recursion is bounded by `MAX_DEPTH`, work by the input's length. */
export const anyValue: Shape<CborValue> = (reader) => {
  const initial = reader.bytes[reader.at];
  if (initial === undefined) return fail(reader, "truncated");
  switch (initial >> 5) {
    case UINT: {
      const value = readHead(reader, UINT);
      return value < 0 ? FAILED : value;
    }
    case BYTES:
      return readBytes(reader);
    case TEXT:
      return readText(reader);
    case ARRAY: {
      const count = enterArray(reader);
      if (count < 0) return FAILED;
      const items: CborValue[] = [];
      for (let i = 0; i < count; i++) {
        const item = anyValue(reader);
        if (item === FAILED) return FAILED;
        items.push(item);
      }
      leaveArray(reader);
      return items;
    }
    default:
      if (initial !== NULL && initial !== TRUE && initial !== FALSE) return fail(reader, "type outside the subset");
      reader.at++;
      return initial === NULL ? null : initial === TRUE;
  }
};

const refuse = (reader: CborReader, rule: string, at: number = reader.at): -1 => {
  fail(reader, rule, at);
  return -1;
};

const headSize = (argument: number): number =>
  argument < 24 ? 1 : argument < 0x100 ? 2 : argument < 0x10000 ? 3 : argument < 0x100000000 ? 5 : 9;

const sizeOf = (value: CborValue, depth: number): number => {
  if (value === null || typeof value === "boolean") return 1;
  if (typeof value === "number") {
    invariant(Number.isSafeInteger(value) && value >= 0, "CBOR integers are in [0, 2^53)");
    return headSize(value);
  }
  if (typeof value === "string") {
    const length = utf8Length(value);
    return headSize(length) + length;
  }
  if (value instanceof Uint8Array) return headSize(value.length) + value.length;
  invariant(depth < MAX_DEPTH, "CBOR arrays nest at most 16 deep");
  let size = headSize(value.length);
  for (const item of value) size += sizeOf(item, depth + 1);
  return size;
};

const writeHead = (major: number, argument: number, out: Uint8Array, at: number): number => {
  const type = major << 5;
  const size = headSize(argument);
  if (size === 1) {
    out[at] = type | argument;
    return at + 1;
  }
  out[at] = type | (size === 2 ? 24 : size === 3 ? 25 : size === 5 ? 26 : 27);
  let rest = argument;
  for (let i = size - 1; i > 0; i--) {
    out[at + i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return at + size;
};

const write = (value: CborValue, out: Uint8Array, at: number): number => {
  if (value === null || typeof value === "boolean") {
    out[at] = value === null ? NULL : value ? TRUE : FALSE;
    return at + 1;
  }
  if (typeof value === "number") return writeHead(UINT, value, out, at);
  if (typeof value === "string") return writeUtf8(value, out, writeHead(TEXT, utf8Length(value), out, at));
  if (value instanceof Uint8Array) {
    const start = writeHead(BYTES, value.length, out, at);
    out.set(value, start);
    return start + value.length;
  }
  let next = writeHead(ARRAY, value.length, out, at);
  for (const item of value) next = write(item, out, next);
  return next;
};

const UINT = 0;
const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const FALSE = 0xf4;
const TRUE = 0xf5;
const NULL = 0xf6;
const MAJOR_NAMES: readonly string[] = ["an unsigned integer", "", "a byte string", "a text string", "an array"];

/** No record of the protocol nests deeper than nine; the bound keeps recursion off a hostile input. */
const MAX_DEPTH = 16;
