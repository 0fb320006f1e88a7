import { type DecodeError, decodeError, ok, type Result } from "../kernel/result.ts";
import { ACTION, CHANGE_COLUMN, type FormatDependencies } from "./change.ts";
import { CHUNK_TYPE, readChunkFrame } from "./chunk.ts";
import { type ColumnRange, eachRun, placeColumns, readColumnMetadata } from "./columns.ts";
import { readChangeHeader } from "./header.ts";
import { FORMAT_LIMITS } from "./limits.ts";
import { createReader, readRange, readUleb, type Reader } from "./reader.ts";

/** A change as a timeline shows it, read without decoding its operations. */
export interface ChangeSummary {
  readonly actor: string;
  /** Seconds since 1970-01-01 UTC by the author's clock. */
  readonly time: number;
  readonly startOp: number;
  readonly dependencies: readonly string[];
  /** Characters, block markers and list items that came. */
  readonly inserted: number;
  /** Those that went. */
  readonly removed: number;
}

/** Rows of a column in order, one run at a time. */
interface Runs {
  readonly lengths: readonly number[];
  readonly values: readonly number[];
}

const NONE: Runs = { lengths: [], values: [] };

/**
 * Summary of one change chunk that was accepted before: the checksum is not verified again, nothing is expanded, and what
 * is malformed is refused by name.
 */
export const changeSummary = (
  bytes: Uint8Array,
  { inflateRaw }: Pick<FormatDependencies, "inflateRaw">,
): Result<ChangeSummary, DecodeError> => {
  const outer = createReader(bytes);
  const frame = readChunkFrame(outer);
  if (outer.failure !== undefined) return decodeError(outer.failure);
  let body: Uint8Array | undefined = bytes.subarray(frame.bodyFrom, frame.bodyTo);
  if (frame.type === CHUNK_TYPE.deflatedChange) body = inflateRaw(body, FORMAT_LIMITS.inflatedBytes);
  else if (frame.type !== CHUNK_TYPE.change) return decodeError("not a change chunk");
  if (body === undefined) return decodeError("deflate");
  const reader = createReader(body);
  const { actors, time, startOp, dependencies } = readChangeHeader(reader, FORMAT_LIMITS);
  const columns = placeColumns(reader, readColumnMetadata(reader));
  if (reader.failure !== undefined) return decodeError(reader.failure);
  const runs = (specification: number, read: (inside: Reader, onRun: OnRun) => void): Runs => {
    const range: ColumnRange | undefined = columns.find((column) => column.specification === specification);
    if (range === undefined) return NONE;
    const lengths: number[] = [];
    const values: number[] = [];
    const inside = createReader(body, range.from, range.to);
    read(inside, (count, value) => {
      lengths.push(count);
      values.push(value);
    });
    if (inside.failure !== undefined) reader.failure ??= inside.failure;
    return { lengths, values };
  };
  const actions = runs(CHANGE_COLUMN.action, readIntegerRuns);
  const inserts = runs(CHANGE_COLUMN.insert, readBooleanRuns);
  const keys = runs(CHANGE_COLUMN.keyString, readPresenceRuns);
  if (reader.failure !== undefined) return decodeError(reader.failure);
  return ok({ actor: actors[0] as string, time, startOp, dependencies, ...count(actions, inserts, keys) });
};

type OnRun = (count: number, value: number) => void;

const readIntegerRuns = (reader: Reader, onRun: OnRun): void =>
  eachRun(reader, readUleb, (count, value) => onRun(count, value ?? -1), false);

const readBooleanRuns = (reader: Reader, onRun: OnRun): void => {
  for (let value = 0; reader.at < reader.end; value = 1 - value) onRun(readUleb(reader), value);
};

/** 1 where a string stands, 0 where none does. */
const readPresenceRuns = (reader: Reader, onRun: OnRun): void =>
  eachRun(
    reader,
    (inside) => {
      readRange(inside, readUleb(inside));
      return 1;
    },
    (count, value) => onRun(count, value ?? 0),
    false,
  );

/** Walks three columns in step; a column that is absent or shorter counts as zeros. */
const count = (actions: Runs, inserts: Runs, keys: Runs): { readonly inserted: number; readonly removed: number } => {
  let inserted = 0;
  let removed = 0;
  let insertRun = 0;
  let insertUsed = 0;
  let keyRun = 0;
  let keyUsed = 0;
  for (const [run, length] of actions.lengths.entries()) {
    const action = actions.values[run];
    for (let left = length; left > 0;) {
      while (insertRun < inserts.lengths.length && insertUsed >= (inserts.lengths[insertRun] ?? 0)) {
        insertRun++;
        insertUsed = 0;
      }
      while (keyRun < keys.lengths.length && keyUsed >= (keys.lengths[keyRun] ?? 0)) {
        keyRun++;
        keyUsed = 0;
      }
      const step = Math.min(
        left,
        insertRun < inserts.lengths.length ? (inserts.lengths[insertRun] ?? 0) - insertUsed : left,
        keyRun < keys.lengths.length ? (keys.lengths[keyRun] ?? 0) - keyUsed : left,
      );
      const isInsert = inserts.values[insertRun] === 1;
      const isKeyed = keys.values[keyRun] === 1;
      if (isInsert && (action === ACTION.set || action === ACTION.makeMap)) inserted += step;
      else if (action === ACTION.delete && !isKeyed) removed += step;
      left -= step;
      insertUsed += step;
      keyUsed += step;
    }
  }
  return { inserted, removed };
};
