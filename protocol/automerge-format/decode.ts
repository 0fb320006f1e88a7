import { type DecodeError, decodeError, ok, type Result } from "../kernel/result.ts";
import {
  ACTION,
  type Action,
  type Change,
  CHANGE_COLUMN,
  type ChangeMeta,
  type ChangeOp,
  type FormatDependencies,
  MAX_COUNTER,
  type OpReference,
  type ScalarValue,
  VALUE_TYPE,
} from "./change.ts";
import { openChangeChunk } from "./chunk.ts";
import {
  type ColumnRange,
  eachRun,
  placeColumns,
  readBooleans,
  readColumnMetadata,
  readDeltas,
  readIntegers,
  readStrings,
} from "./columns.ts";
import { type ChangeHeader, readChangeHeader } from "./header.ts";
import { FORMAT_LIMITS, type FormatLimits } from "./limits.ts";
import { createReader, readSleb, readUleb } from "./reader.ts";
import { decodeUtf8 } from "../codec/utf8.ts";

interface OpenedChange {
  readonly header: ChangeHeader;
  readonly hash: string;
  readonly body: Uint8Array;
  readonly columns: readonly ColumnRange[];
  readonly opCount: number;
}

const KNOWN_COLUMNS: ReadonlySet<number> = new Set(Object.values(CHANGE_COLUMN));

const openChange = (
  bytes: Uint8Array,
  limits: FormatLimits,
  dependencies: FormatDependencies,
): Result<OpenedChange, DecodeError> => {
  const opened = openChangeChunk(bytes, limits, dependencies);
  if (!opened.ok) return opened;
  const { body, hash } = opened.value;
  const reader = createReader(body);
  const header = readChangeHeader(reader, limits);
  const metadata = readColumnMetadata(reader);
  const columns = placeColumns(reader, metadata);
  if (reader.failure !== undefined) return decodeError(reader.failure);
  if (reader.at !== body.length) return decodeError("bytes after the columns", reader.at);
  for (const { specification, from, to } of columns) {
    if (!KNOWN_COLUMNS.has(specification)) return decodeError("unknown column");
    if (from === to) return decodeError("empty column", from);
  }
  let opCount = 0;
  const action = columns.find((column) => column.specification === CHANGE_COLUMN.action);
  if (action !== undefined) {
    const counting = createReader(body, action.from, action.to);
    eachRun(counting, readUleb, (count) => {
      opCount += count;
    });
    if (counting.failure !== undefined) return decodeError(counting.failure, action.from);
  }
  if (opCount > limits.opsPerChange) return decodeError("too many operations");
  if (header.startOp + opCount - 1 > MAX_COUNTER) return decodeError("counter beyond 2^32");
  return ok({ header, hash, body, columns, opCount });
};

/** Header facts and verified hash of one change chunk, without decoding its operations. */
export const changeMeta = (
  bytes: Uint8Array,
  dependencies: FormatDependencies,
  limits: FormatLimits = FORMAT_LIMITS,
): Result<ChangeMeta, DecodeError> => {
  const opened = openChange(bytes, limits, dependencies);
  if (!opened.ok) return opened;
  const { header, hash, opCount } = opened.value;
  return ok({
    actor: header.actors[0] as string,
    seq: header.seq,
    startOp: header.startOp,
    opCount,
    maxOp: header.startOp + opCount - 1,
    time: header.time,
    dependencies: header.dependencies,
    hash,
  });
};

/**
 * Decodes one change chunk, raw or deflated. Accepts only the form Automerge itself writes: checksum, order of
 * everything ordered, no unknown column, shortest encodings; so re-encoding gives the same bytes.
 */
export const decodeChange = (
  bytes: Uint8Array,
  dependencies: FormatDependencies,
  limits: FormatLimits = FORMAT_LIMITS,
): Result<Change, DecodeError> => {
  const opened = openChange(bytes, limits, dependencies);
  if (!opened.ok) return opened;
  const { header, hash, body, columns, opCount } = opened.value;
  const ops = readOps(body, columns, opCount, header, limits);
  if (!ops.ok) return ops;
  return ok({ ...header, ops: ops.value, hash });
};

const readOps = (
  body: Uint8Array,
  columns: readonly ColumnRange[],
  rows: number,
  header: ChangeHeader,
  limits: FormatLimits,
): Result<readonly ChangeOp[], DecodeError> => {
  let failure: string | undefined;
  const onFailure = (rule: string): void => {
    failure ??= rule;
  };
  const find = (specification: number): ColumnRange | undefined =>
    columns.find((column) => column.specification === specification);
  const column = <T>(
    specification: number,
    length: number,
    read: (bytes: Uint8Array, range: ColumnRange, rows: number, onFailure: (rule: string) => void) => T[],
    isOptional = false,
  ): T[] | undefined => {
    const range = find(specification);
    if (range === undefined) return undefined;
    const values = read(body, range, length, onFailure);
    if (values.length !== length) onFailure("column shorter than the change");
    if (isOptional && !values.some(isMeaningful)) onFailure("column without a value");
    return values;
  };
  const objectActor = column(CHANGE_COLUMN.objectActor, rows, readIntegers, true);
  const objectCounter = column(CHANGE_COLUMN.objectCounter, rows, readIntegers, true);
  const keyActor = column(CHANGE_COLUMN.keyActor, rows, readIntegers, true);
  const keyCounter = column(CHANGE_COLUMN.keyCounter, rows, readDeltas, true);
  const keyString = column(CHANGE_COLUMN.keyString, rows, readStrings, true);
  const insert = column(CHANGE_COLUMN.insert, rows, readBooleans);
  const action = column(CHANGE_COLUMN.action, rows, readIntegers);
  const valueMetadata = column(CHANGE_COLUMN.valueMetadata, rows, readIntegers);
  const group = column(CHANGE_COLUMN.predecessorGroup, rows, readIntegers);
  const expand = column(CHANGE_COLUMN.expand, rows, readBooleans, true);
  const markName = column(CHANGE_COLUMN.markName, rows, readStrings, true);
  if (failure !== undefined) return decodeError(failure);
  if (rows > 0 && (insert === undefined || valueMetadata === undefined || group === undefined)) {
    return decodeError("missing column");
  }
  let predecessorCount = 0;
  for (const count of group ?? []) predecessorCount += count ?? 0;
  if (predecessorCount > limits.cells) return decodeError("too many predecessors");
  const predecessorActor = column(CHANGE_COLUMN.predecessorActor, predecessorCount, readIntegers);
  const predecessorCounter = column(CHANGE_COLUMN.predecessorCounter, predecessorCount, readDeltas);
  if (failure !== undefined) return decodeError(failure);

  const used = new Uint8Array(header.actors.length);
  used[0] = 1;
  const reference = (actor: number | null | undefined, counter: number, limit: number): OpReference | undefined => {
    if (actor === null || actor === undefined || actor >= used.length || counter < 1 || counter >= limit) {
      onFailure("operation id");
      return undefined;
    }
    used[actor] = 1;
    return { actor, counter };
  };
  const valueRange = find(CHANGE_COLUMN.value);
  const values = createValueReader(body, valueRange, limits, onFailure);
  const ops: ChangeOp[] = [];
  let predecessorAt = 0;
  for (let i = 0; i < rows; i++) {
    const id = header.startOp + i;
    const kind = action?.[i];
    if (kind === undefined || kind === null || kind > ACTION.mark) return decodeError("action");
    const counter = objectCounter?.[i] ?? null;
    if (counter === null && (objectActor?.[i] ?? null) !== null) return decodeError("object id");
    const object = counter === null ? undefined : reference(objectActor?.[i], counter, id);
    const key = keyString?.[i] ?? undefined;
    const elementCounter = keyCounter?.[i] ?? null;
    const elementActor = keyActor?.[i] ?? null;
    if ((key === undefined) === (elementCounter === null)) return decodeError("key");
    if (elementActor !== null && (elementCounter === null || elementCounter === 0)) return decodeError("key");
    const element =
      elementCounter === null || elementCounter === 0 ? undefined : reference(elementActor, elementCounter, id);
    const isInsert = insert?.[i] ?? false;
    if (isInsert ? key !== undefined : key === undefined && element === undefined) return decodeError("key");
    const predecessors: OpReference[] = [];
    for (let left = group?.[i] ?? 0; left > 0; left--) {
      const predecessor = reference(predecessorActor?.[predecessorAt], predecessorCounter?.[predecessorAt] ?? 0, id);
      predecessorAt++;
      if (predecessor === undefined) break;
      const previous = predecessors.at(-1);
      if (previous !== undefined && !isBefore(previous, predecessor, header.actors)) onFailure("predecessor order");
      predecessors.push(predecessor);
    }
    const op: ChangeOp = {
      action: kind as Action,
      object,
      key,
      element,
      insert: isInsert,
      value: values.read(valueMetadata?.[i] ?? 0),
      predecessors,
      expand: expand?.[i] ?? false,
      markName: markName?.[i] ?? undefined,
    };
    if (failure === undefined) checkShape(op, onFailure);
    if (failure !== undefined) return decodeError(failure);
    ops.push(op);
  }
  if (!values.done()) return decodeError("bytes after the values");
  if (used.includes(0)) return decodeError("unused actor");
  return ok(ops);
};

const isMeaningful = (value: unknown): boolean => value !== null && value !== false;

const isBefore = (a: OpReference, b: OpReference, actors: readonly string[]): boolean =>
  a.counter !== b.counter ? a.counter < b.counter : (actors[a.actor] as string) < (actors[b.actor] as string);

const checkShape = (op: ChangeOp, onFailure: (rule: string) => void): void => {
  const { action, value } = op;
  if (op.insert && (op.predecessors.length > 0 || action === ACTION.delete || action === ACTION.increment)) {
    onFailure("insert shape");
  }
  if (action === ACTION.mark ? !op.insert : op.expand || op.markName !== undefined) onFailure("mark shape");
  if (action === ACTION.mark && op.markName === undefined && value !== null) onFailure("mark shape");
  if (action === ACTION.increment) {
    const isInteger = value !== null && typeof value === "object" && "type" in value;
    if (!isInteger || (value.type !== "int" && value.type !== "uint")) onFailure("increment value");
  } else if (action !== ACTION.set && action !== ACTION.mark && value !== null) onFailure("value of an object");
  if ((action === ACTION.delete || action === ACTION.increment) && op.predecessors.length === 0)
    onFailure("no predecessor");
};

/** The only NaN JavaScript writes; any other bit pattern would not survive re-encoding. */
const CANONICAL_NAN = 0x7ff8000000000000n;

const createValueReader = (
  body: Uint8Array,
  range: ColumnRange | undefined,
  limits: FormatLimits,
  onFailure: (rule: string) => void,
) => {
  let at = range?.from ?? 0;
  const to = range?.to ?? 0;
  const float = (from: number): number => {
    const view = new DataView(body.buffer, body.byteOffset + from, 8);
    const value = view.getFloat64(0, true);
    if (Number.isNaN(value) && view.getBigUint64(0, true) !== CANONICAL_NAN) onFailure("not a number");
    return value;
  };
  const read = (metadata: number): ScalarValue => {
    const type = metadata % 16;
    const length = (metadata - type) / 16;
    const from = at;
    if (length > to - at || length > limits.valueBytes) {
      onFailure("value length");
      return null;
    }
    at += length;
    const number = (kind: "int" | "uint" | "counter" | "timestamp"): ScalarValue => {
      const reader = createReader(body, from, at);
      const value = kind === "uint" ? readUleb(reader) : readSleb(reader);
      if (reader.failure !== undefined || reader.at !== at) onFailure("number value");
      return { type: kind, value };
    };
    if (type < VALUE_TYPE.uint && length > 0) onFailure("value length");
    switch (type) {
      case VALUE_TYPE.null:
        return null;
      case VALUE_TYPE.false:
        return false;
      case VALUE_TYPE.true:
        return true;
      case VALUE_TYPE.uint:
        return number("uint");
      case VALUE_TYPE.int:
        return number("int");
      case VALUE_TYPE.counter:
        return number("counter");
      case VALUE_TYPE.timestamp:
        return number("timestamp");
      case VALUE_TYPE.float:
        if (length !== 8) {
          onFailure("value length");
          return null;
        }
        return { type: "float", value: float(from) };
      case VALUE_TYPE.string: {
        const text = decodeUtf8(body, from, at);
        if (text === undefined) onFailure("malformed UTF-8");
        return text ?? null;
      }
      case VALUE_TYPE.bytes:
        return body.slice(from, at);
      default:
        onFailure("value type");
        return null;
    }
  };
  return { read, done: () => at === to };
};
