import { type DecodeError, decodeError, ok, type Result } from "../kernel/result.ts";
import { hexToBytes } from "../kernel/bytes.ts";
import { CHANGE_COLUMN, type FormatDependencies, MAX_COUNTER } from "./change.ts";
import { CHUNK_TYPE } from "./chunk.ts";
import { COLUMN_TYPE } from "./columns.ts";
import { changeMeta } from "./decode.ts";
import { FORMAT_LIMITS } from "./limits.ts";
import { preflight } from "./preflight.ts";

/** What a node must know of a change to store and forward it, as bytes. */
export interface InspectedFacts {
  readonly hash: Uint8Array;
  readonly actor: Uint8Array;
  readonly seq: number;
  readonly startOp: number;
  /** Counter of the change's last operation; startOp - 1 when it has none. */
  readonly maxOp: number;
  /** Seconds since 1970 by the author's clock. */
  readonly time: number;
  readonly dependencies: readonly Uint8Array[];
}

/**
 * Facts of one change chunk that passes `preflight` and `changeMeta`. The form nearly every change has is read in one pass
 * without an intermediate value; whatever is unusual about the bytes is left to those two, which also name what is wrong.
 */
export const inspectChange = (
  bytes: Uint8Array,
  dependencies: FormatDependencies,
): Result<InspectedFacts, DecodeError> => {
  const plain = inspectPlain(bytes, dependencies.sha256);
  if (plain !== undefined) return ok(plain);
  const bounded = preflight(bytes, dependencies);
  if (!bounded.ok) return bounded;
  if (bounded.value.length !== 1) return decodeError("not one chunk");
  const meta = changeMeta(bytes, dependencies);
  if (!meta.ok) return meta;
  const { hash, actor, seq, startOp, maxOp, time } = meta.value;
  return ok({
    hash: bytesOf(hash),
    actor: bytesOf(actor),
    seq,
    startOp,
    maxOp,
    time,
    dependencies: meta.value.dependencies.map(bytesOf),
  });
};

const bytesOf = (hex: string): Uint8Array => hexToBytes(hex) as Uint8Array;

const HASH_BYTES = 32;
const FRAME_BYTES = 9;
const MAX_COLUMNS = 16;
/** Counts in a change of natural size; more is left to the careful way. */
const PLAIN_ROWS = 4_096;
const PLAIN_VALUE_BYTES = 1 << 20;

/** Where the reading stands; `at` is -1 once the bytes turned out not to be plain. */
interface Cursor {
  at: number;
}

/** Unsigned LEB128 of at most four bytes in shortest form, or -1. */
const uleb = (bytes: Uint8Array, cursor: Cursor, end: number): number => {
  let { at } = cursor;
  if (at < 0 || at >= end) return stop(cursor);
  let byte = bytes[at++] as number;
  if (byte < 128) {
    cursor.at = at;
    return byte;
  }
  let value = byte & 127;
  for (let shift = 7; shift < 28; shift += 7) {
    if (at >= end) return stop(cursor);
    byte = bytes[at++] as number;
    value |= (byte & 127) << shift;
    if (byte < 128) {
      if (byte === 0) return stop(cursor);
      cursor.at = at;
      return value;
    }
  }
  return stop(cursor);
};

const stop = (cursor: Cursor): -1 => {
  cursor.at = -1;
  return -1;
};

/** Signed LEB128 of at most four bytes in shortest form; 0 and `at` -1 when it is not. */
const sleb = (bytes: Uint8Array, cursor: Cursor, end: number): number => {
  let { at } = cursor;
  if (at < 0) return 0;
  let value = 0;
  let previous = 0;
  for (let shift = 0; shift < 28; shift += 7) {
    if (at >= end) break;
    const byte = bytes[at++] as number;
    value |= (byte & 127) << shift;
    if (byte < 128) {
      if (shift > 0 && ((byte === 0 && (previous & 64) === 0) || (byte === 127 && (previous & 64) !== 0))) break;
      cursor.at = at;
      return (byte & 64) !== 0 ? value - 2 ** (shift + 7) : value;
    }
    previous = byte;
  }
  cursor.at = -1;
  return 0;
};

const compareRanges = (bytes: Uint8Array, a: number, aLength: number, b: number, bLength: number): number => {
  const shared = Math.min(aLength, bLength);
  for (let i = 0; i < shared; i++) {
    const difference = (bytes[a + i] as number) - (bytes[b + i] as number);
    if (difference !== 0) return difference;
  }
  return aLength - bLength;
};

/** Rows of one column of run lengths, or -1 when it is not plain. `weights` gathers group members or value bytes. */
const countRuns = (
  bytes: Uint8Array,
  from: number,
  to: number,
  type: number,
  isStrict: boolean,
  weights: { value: number },
): number => {
  const cursor: Cursor = { at: from };
  let rows = 0;
  let previous = -2;
  let wasLiteral = false;
  while (cursor.at < to) {
    const header = sleb(bytes, cursor, to);
    if (cursor.at < 0) return -1;
    if (isStrict && (header === 1 || (header < 0 && wasLiteral))) return -1;
    wasLiteral = header < 0;
    if (header === 0) {
      const nulls = uleb(bytes, cursor, to);
      if (nulls < 0 || (isStrict && (nulls === 0 || previous === -1))) return -1;
      previous = -1;
      rows += nulls;
    } else {
      const repeats = header > 0 ? header : 1;
      for (let values = header > 0 ? 1 : -header; values > 0; values--) {
        let value = 0;
        if (type === COLUMN_TYPE.delta) sleb(bytes, cursor, to);
        else value = uleb(bytes, cursor, to);
        if (cursor.at < 0) return -1;
        if (isStrict && value === previous) return -1;
        previous = value;
        rows += repeats;
        if (rows > PLAIN_ROWS) return -1;
        if (type === COLUMN_TYPE.group) weights.value += repeats * value;
        else if (type === COLUMN_TYPE.valueMetadata) weights.value += repeats * (value >> 4);
        else if (type === COLUMN_TYPE.string) {
          if (value > to - cursor.at) return -1;
          cursor.at += value;
          weights.value += repeats * value;
        }
      }
    }
    if (rows > PLAIN_ROWS || weights.value > PLAIN_VALUE_BYTES) return -1;
  }
  return rows;
};

const isKnownColumn = new Uint8Array(256);
for (const specification of Object.values(CHANGE_COLUMN)) isKnownColumn[specification] = 1;

/** Scratch space of one reading; reading is synchronous. */
const columnSpecifications = new Int32Array(MAX_COLUMNS);
const columnLengths = new Int32Array(MAX_COLUMNS);

/** Facts of a raw change chunk of natural size, or `undefined` when anything about it asks for a closer look. */
const inspectPlain = (bytes: Uint8Array, sha256: FormatDependencies["sha256"]): InspectedFacts | undefined => {
  const end = bytes.length;
  if (
    end < FRAME_BYTES ||
    bytes[0] !== 0x85 ||
    bytes[1] !== 0x6f ||
    bytes[2] !== 0x4a ||
    bytes[3] !== 0x83 ||
    bytes[8] !== CHUNK_TYPE.change
  )
    return undefined;
  const cursor: Cursor = { at: FRAME_BYTES };
  const length = uleb(bytes, cursor, end);
  if (length !== end - cursor.at) return undefined;

  const dependencyCount = uleb(bytes, cursor, end);
  if (dependencyCount < 0 || dependencyCount > FORMAT_LIMITS.dependencies) return undefined;
  const dependenciesFrom = cursor.at;
  if (dependencyCount * HASH_BYTES > end - dependenciesFrom) return undefined;
  for (let i = 1; i < dependencyCount; i++) {
    const at = dependenciesFrom + i * HASH_BYTES;
    if (compareRanges(bytes, at - HASH_BYTES, HASH_BYTES, at, HASH_BYTES) >= 0) return undefined;
  }
  cursor.at = dependenciesFrom + dependencyCount * HASH_BYTES;

  const actorLength = uleb(bytes, cursor, end);
  if (actorLength < 1 || actorLength > FORMAT_LIMITS.actorBytes || actorLength > end - cursor.at) return undefined;
  const actorFrom = cursor.at;
  cursor.at += actorLength;
  const seq = uleb(bytes, cursor, end);
  const startOp = uleb(bytes, cursor, end);
  if (seq < 1 || startOp < 1) return undefined;
  // Seconds since 1970 have five bytes, and the careful way reads eight.
  const time = longSleb(bytes, cursor, end);
  const messageLength = uleb(bytes, cursor, end);
  if (messageLength !== 0) return undefined;
  const others = uleb(bytes, cursor, end);
  if (others < 0 || others >= FORMAT_LIMITS.actors) return undefined;
  let previousFrom = -1;
  let previousLength = 0;
  for (let i = 0; i < others; i++) {
    const otherLength = uleb(bytes, cursor, end);
    if (otherLength < 1 || otherLength > FORMAT_LIMITS.actorBytes || otherLength > end - cursor.at) return undefined;
    const from = cursor.at;
    cursor.at += otherLength;
    if (compareRanges(bytes, actorFrom, actorLength, from, otherLength) === 0) return undefined;
    if (previousFrom >= 0 && compareRanges(bytes, previousFrom, previousLength, from, otherLength) >= 0)
      return undefined;
    previousFrom = from;
    previousLength = otherLength;
  }

  const columns = uleb(bytes, cursor, end);
  if (columns < 0 || columns > MAX_COLUMNS) return undefined;
  let total = 0;
  for (let i = 0; i < columns; i++) {
    const specification = uleb(bytes, cursor, end);
    const columnLength = uleb(bytes, cursor, end);
    if (columnLength < 1 || specification > 255 || isKnownColumn[specification] !== 1) return undefined;
    if (i > 0 && specification <= (columnSpecifications[i - 1] as number)) return undefined;
    columnSpecifications[i] = specification;
    columnLengths[i] = columnLength;
    total += columnLength;
  }
  if (cursor.at < 0 || total !== end - cursor.at) return undefined;
  const opCount = countOps(bytes, cursor.at, columns);
  if (opCount < 0 || startOp + opCount - 1 > MAX_COUNTER) return undefined;

  const hash = sha256(bytes.subarray(8));
  for (let i = 0; i < 4; i++) if (hash[i] !== bytes[4 + i]) return undefined;
  const dependencies: Uint8Array[] = [];
  for (let i = 0; i < dependencyCount; i++) {
    const at = dependenciesFrom + i * HASH_BYTES;
    dependencies.push(bytes.subarray(at, at + HASH_BYTES));
  }
  return {
    hash,
    actor: bytes.subarray(actorFrom, actorFrom + actorLength),
    seq,
    startOp,
    maxOp: startOp + opCount - 1,
    time,
    dependencies,
  };
};

/** Operations of the columns noted last, which begin at `from`; -1 when one is not plain. */
const countOps = (bytes: Uint8Array, from: number, columns: number): number => {
  const weights = { value: 0 };
  let ops = 0;
  let at = from;
  for (let i = 0; i < columns; i++) {
    const specification = columnSpecifications[i] as number;
    const to = at + (columnLengths[i] as number);
    const type = specification & 7;
    if (type === COLUMN_TYPE.value) weights.value += to - at;
    else if (type === COLUMN_TYPE.boolean) {
      const cursor: Cursor = { at };
      let rows = 0;
      while (cursor.at < to) {
        const count = uleb(bytes, cursor, to);
        rows += count;
        if (count < 0 || rows > PLAIN_ROWS) return -1;
      }
    } else {
      const isAction = specification === CHANGE_COLUMN.action;
      const rows = countRuns(bytes, at, to, type, isAction, weights);
      if (rows < 0 || weights.value > PLAIN_VALUE_BYTES) return -1;
      if (isAction) ops = rows;
    }
    at = to;
  }
  return ops;
};

/** Signed LEB128 of at most six bytes in shortest form; 0 and `at` -1 when it is not. */
const longSleb = (bytes: Uint8Array, cursor: Cursor, end: number): number => {
  let { at } = cursor;
  if (at < 0) return 0;
  let value = 0;
  let scale = 1;
  let previous = 0;
  for (let i = 0; i < 6 && at < end; i++) {
    const byte = bytes[at++] as number;
    value += (byte & 127) * scale;
    scale *= 128;
    if (byte < 128) {
      if (i > 0 && ((byte === 0 && (previous & 64) === 0) || (byte === 127 && (previous & 64) !== 0))) break;
      cursor.at = at;
      return (byte & 64) !== 0 ? value - scale : value;
    }
    previous = byte;
  }
  cursor.at = -1;
  return 0;
};
