import { atEnd, createReader, fail, readRange, readSleb, readUleb, type Reader } from "./reader.ts";
import { decodeUtf8, encodeUtf8 } from "../codec/utf8.ts";
import { writeLengthPrefixed, writeSleb, writeUleb, type Writer } from "./writer.ts";

/** Column types: the low three bits of a column specification; bit 3 says deflated. */
export const COLUMN_TYPE = {
  group: 0,
  actor: 1,
  integer: 2,
  delta: 3,
  boolean: 4,
  string: 5,
  valueMetadata: 6,
  value: 7,
} as const;
export const DEFLATED = 8;

export interface ColumnMetadata {
  /** `id << 4 | deflated << 3 | type` */
  readonly specification: number;
  readonly length: number;
}

export interface ColumnRange {
  /** `id << 4 | deflated << 3 | type` */
  readonly specification: number;
  readonly from: number;
  readonly to: number;
}

/** No format version has more; unknown columns are refused anyway. */
const MAX_COLUMNS = 64;

/** Column metadata: specifications strictly ascending, data lengths summing to at most what follows. */
export const readColumnMetadata = (reader: Reader): ColumnMetadata[] => {
  const count = readUleb(reader);
  if (count > MAX_COLUMNS) fail(reader, "too many columns");
  const columns: ColumnMetadata[] = [];
  let last = -1;
  for (let i = 0; i < count && reader.failure === undefined; i++) {
    const specification = readUleb(reader);
    const length = readUleb(reader);
    if (specification > 0xffff_ffff) fail(reader, "column specification");
    const normal = specification % 16 >= DEFLATED ? specification - DEFLATED : specification;
    if (normal <= last) fail(reader, "column order");
    last = normal;
    columns.push({ specification, length });
  }
  return columns;
};

/** Places the columns one after the other from where the reader stands. */
export const placeColumns = (reader: Reader, columns: readonly ColumnMetadata[]): ColumnRange[] => {
  const placed: ColumnRange[] = [];
  for (const { specification, length } of columns) {
    const from = readRange(reader, length);
    if (reader.failure !== undefined) return [];
    placed.push({ specification, from, to: from + length });
  }
  return placed;
};

/** One run of a run-length encoded column: `count` times the value; literals give runs of one. */
type OnRun<T> = (count: number, value: T | null) => void;

/**
 * Walks a run-length encoded column without expanding it. Only the one shortest encoding passes: runs of two or more,
 * neighbours that differ, no literal behind a literal, no empty run; unless `isStrict` is false.
 */
export const eachRun = <T>(
  reader: Reader,
  readValue: (reader: Reader) => T,
  onRun: OnRun<T>,
  isStrict = true,
): void => {
  let previous: T | null | undefined;
  let wasLiteral = false;
  while (!atEnd(reader)) {
    const header = readSleb(reader);
    if (isStrict && (header === 1 || (header < 0 && wasLiteral))) fail(reader, "run length encoding");
    wasLiteral = header < 0;
    if (header > 0) {
      const value = readValue(reader);
      if (isStrict && value === previous) fail(reader, "run length encoding");
      if (reader.failure === undefined) onRun(header, value);
      previous = value;
    } else if (header < 0) {
      for (let i = header; i < 0 && reader.failure === undefined; i++) {
        const value = readValue(reader);
        if (isStrict && value === previous) fail(reader, "run length encoding");
        if (reader.failure === undefined) onRun(1, value);
        previous = value;
      }
    } else {
      const nulls = readUleb(reader);
      if (isStrict && (nulls === 0 || previous === null)) fail(reader, "run length encoding");
      if (reader.failure === undefined) onRun(nulls, null);
      previous = null;
    }
  }
};

const expand = <T>(reader: Reader, rows: number, readValue: (reader: Reader) => T): (T | null)[] => {
  const out: (T | null)[] = [];
  eachRun(reader, readValue, (count, value) => {
    if (count > rows - out.length) fail(reader, "column longer than the change");
    else for (let i = 0; i < count; i++) out.push(value);
  });
  return out;
};

export const readIntegers = (bytes: Uint8Array, column: ColumnRange, rows: number, onFailure: (rule: string) => void) =>
  finish(createReader(bytes, column.from, column.to), onFailure, (reader) => expand(reader, rows, readUleb));

export const readStrings = (bytes: Uint8Array, column: ColumnRange, rows: number, onFailure: (rule: string) => void) =>
  finish(createReader(bytes, column.from, column.to), onFailure, (reader) => expand(reader, rows, readString));

export const readDeltas = (bytes: Uint8Array, column: ColumnRange, rows: number, onFailure: (rule: string) => void) =>
  finish(createReader(bytes, column.from, column.to), onFailure, (reader) => {
    const out = expand(reader, rows, readSleb);
    let absolute = 0;
    for (let i = 0; i < out.length; i++) {
      const delta = out[i];
      if (delta === null || delta === undefined) continue;
      absolute += delta;
      if (!Number.isSafeInteger(absolute) || absolute < 0) fail(reader, "counter out of range");
      out[i] = absolute;
    }
    return out;
  });

export const readBooleans = (bytes: Uint8Array, column: ColumnRange, rows: number, onFailure: (rule: string) => void) =>
  finish(createReader(bytes, column.from, column.to), onFailure, (reader) => {
    const out: boolean[] = [];
    let value = false;
    while (!atEnd(reader)) {
      const count = readUleb(reader);
      if (count === 0 && (value || atEnd(reader))) fail(reader, "run length encoding");
      if (count > rows - out.length) fail(reader, "column longer than the change");
      else for (let i = 0; i < count; i++) out.push(value);
      value = !value;
    }
    return out;
  });

const finish = <T>(reader: Reader, onFailure: (rule: string) => void, read: (reader: Reader) => T): T => {
  const value = read(reader);
  if (reader.failure !== undefined) onFailure(reader.failure);
  return value;
};

const readString = (reader: Reader): string => {
  const length = readUleb(reader);
  const start = readRange(reader, length);
  if (reader.failure !== undefined) return "";
  const text = decodeUtf8(reader.bytes, start, start + length);
  if (text === undefined) fail(reader, "malformed UTF-8");
  return text ?? "";
};

const writeRuns = <T>(
  writer: Writer,
  values: readonly (T | null)[],
  writeValue: (writer: Writer, value: T) => void,
) => {
  let literalFrom = 0;
  const flushLiteral = (to: number): void => {
    if (to === literalFrom) return;
    writeSleb(writer, literalFrom - to);
    for (let i = literalFrom; i < to; i++) writeValue(writer, values[i] as T);
  };
  let i = 0;
  while (i < values.length) {
    const value = values[i] as T | null;
    let next = i + 1;
    while (next < values.length && values[next] === value) next++;
    if (value === null) {
      flushLiteral(i);
      writeSleb(writer, 0);
      writeUleb(writer, next - i);
      literalFrom = next;
    } else if (next - i > 1) {
      flushLiteral(i);
      writeSleb(writer, next - i);
      writeValue(writer, value);
      literalFrom = next;
    }
    i = next;
  }
  flushLiteral(values.length);
};

export const writeIntegers = (writer: Writer, values: readonly (number | null)[]): void =>
  writeRuns(writer, values, writeUleb);

export const writeStrings = (writer: Writer, values: readonly (string | null)[]): void =>
  writeRuns(writer, values, (out, value) => {
    writeLengthPrefixed(out, encodeUtf8(value));
  });

export const writeDeltas = (writer: Writer, values: readonly (number | null)[]): void => {
  let absolute = 0;
  const deltas = values.map((value) => {
    if (value === null) return null;
    const delta = value - absolute;
    absolute = value;
    return delta;
  });
  writeRuns(writer, deltas, writeSleb);
};

export const writeBooleans = (writer: Writer, values: readonly boolean[]): void => {
  let current = false;
  let count = 0;
  for (const value of values) {
    if (value !== current) {
      writeUleb(writer, count);
      current = value;
      count = 0;
    }
    count++;
  }
  if (count > 0) writeUleb(writer, count);
};
