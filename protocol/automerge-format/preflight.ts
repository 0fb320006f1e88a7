import { bytesToHex } from "../kernel/bytes.ts";
import { type DecodeError, decodeError, ok, type Result } from "../kernel/result.ts";
import type { ChangeMeta, FormatDependencies } from "./change.ts";
import { CHUNK_TYPE, readChunkFrame } from "./chunk.ts";
import { COLUMN_TYPE, DEFLATED, eachRun, type ColumnMetadata, readColumnMetadata } from "./columns.ts";
import { readChangeHeader } from "./header.ts";
import { FORMAT_LIMITS, type FormatLimits } from "./limits.ts";
import { atEnd, createReader, fail, readBytes, readRange, readSleb, readUleb, type Reader } from "./reader.ts";

/** One chunk as counted, before anything of it was materialised. Its checksum is not verified. */
export type ChunkFacts =
  | ({ readonly type: "change" } & Omit<ChangeMeta, "hash">)
  | {
      readonly type: "document";
      readonly opCount: number;
      readonly changeCount: number;
      /** Lower-case hex. */
      readonly heads: readonly string[];
      /** More operations than honest documents of this size hold: to be loaded only when the user agrees. */
      readonly isDeferred: boolean;
    };

/** Work the chunks of one call may cause. */
interface Budget {
  readonly limits: FormatLimits;
  readonly inflateRaw: FormatDependencies["inflateRaw"];
  inflated: number;
  members: number;
  valueBytes: number;
}

/**
 * Bounds the work that Automerge chunks can cause, from headers and run lengths alone: nothing is expanded, nothing is
 * inflated past the limit. Counts are never below what a full decode gives.
 */
export const preflight = (
  bytes: Uint8Array,
  { inflateRaw }: Pick<FormatDependencies, "inflateRaw">,
  limits: FormatLimits = FORMAT_LIMITS,
): Result<readonly ChunkFacts[], DecodeError> => {
  const budget: Budget = { limits, inflateRaw, inflated: 0, members: 0, valueBytes: 0 };
  const chunks: ChunkFacts[] = [];
  const reader = createReader(bytes);
  let ops = 0;
  while (!atEnd(reader)) {
    const frame = readChunkFrame(reader);
    if (reader.failure !== undefined) return decodeError(reader.failure, reader.at);
    if (chunks.length >= limits.chunks) return decodeError("too many chunks", frame.bodyFrom);
    const stored = bytes.subarray(frame.bodyFrom, frame.bodyTo);
    let facts: Result<ChunkFacts, DecodeError>;
    if (frame.type === CHUNK_TYPE.change) facts = countChange(stored, budget);
    else if (frame.type === CHUNK_TYPE.deflatedChange) {
      const body = inflate(budget, stored);
      facts = body === undefined ? decodeError("deflate") : countChange(body, budget);
    } else if (frame.type === CHUNK_TYPE.document) facts = countDocument(stored, budget);
    else return decodeError("chunk type", frame.bodyFrom);
    if (!facts.ok) return facts;
    if (facts.value.type === "change") ops += facts.value.opCount;
    if (ops > limits.opsPerCall) return decodeError("too many operations", frame.bodyFrom);
    chunks.push(facts.value);
  }
  return ok(chunks);
};

const inflate = (budget: Budget, stored: Uint8Array): Uint8Array | undefined => {
  const inflated = budget.inflateRaw(stored, budget.limits.inflatedBytes - budget.inflated);
  budget.inflated += inflated?.length ?? 0;
  return inflated;
};

const countChange = (body: Uint8Array, budget: Budget): Result<ChunkFacts, DecodeError> => {
  const { limits } = budget;
  const reader = createReader(body);
  const header = readChangeHeader(reader, limits);
  const metadata = readColumnMetadata(reader);
  if (metadata.some(isDeflated)) fail(reader, "deflated column in a change");
  const opCount = countRows(reader, metadata, budget);
  if (reader.failure !== undefined) return decodeError(reader.failure, reader.at);
  if (opCount > limits.opsPerChange) return decodeError("too many operations");
  return ok({
    type: "change",
    actor: header.actors[0] as string,
    seq: header.seq,
    startOp: header.startOp,
    opCount,
    maxOp: header.startOp + opCount - 1,
    time: header.time,
    dependencies: header.dependencies,
  });
};

const HASH_BYTES = 32;

const countDocument = (body: Uint8Array, budget: Budget): Result<ChunkFacts, DecodeError> => {
  const { limits } = budget;
  const reader = createReader(body);
  const actors = readUleb(reader);
  if (actors > limits.actors) fail(reader, "too many actors");
  for (let i = 0; i < actors && reader.failure === undefined; i++) readRange(reader, readUleb(reader));
  const headCount = readUleb(reader);
  if (headCount > limits.dependencies) fail(reader, "too many heads");
  const heads: string[] = [];
  for (let i = 0; i < headCount && reader.failure === undefined; i++)
    heads.push(bytesToHex(readBytes(reader, HASH_BYTES)));
  const changeColumns = readColumnMetadata(reader);
  const opColumns = readColumnMetadata(reader);
  const changeCount = countRows(reader, changeColumns, budget);
  const opCount = countRows(reader, opColumns, budget);
  if (reader.failure !== undefined) return decodeError(reader.failure, reader.at);
  const honest = limits.documentOpsBase + limits.documentOpsPerByte * body.length;
  return ok({
    type: "document",
    opCount,
    changeCount,
    heads,
    isDeferred: opCount > Math.min(limits.documentOps, honest),
  });
};

const isDeflated = ({ specification }: ColumnMetadata): boolean => specification % 16 >= DEFLATED;

/** Rows of the longest column that is not inside a group; reads over the data of all columns. */
const countRows = (reader: Reader, metadata: readonly ColumnMetadata[], budget: Budget): number => {
  let rows = 0;
  let group = -1;
  for (const column of metadata) {
    const from = readRange(reader, column.length);
    if (reader.failure !== undefined) return 0;
    let data: Uint8Array | undefined = reader.bytes.subarray(from, from + column.length);
    if (isDeflated(column)) data = inflate(budget, data);
    if (data === undefined) {
      fail(reader, "deflate");
      return 0;
    }
    const type = column.specification % DEFLATED;
    const id = Math.floor(column.specification / 16);
    const inside = createReader(data);
    const count = countColumn(inside, type, budget);
    if (inside.failure !== undefined) fail(reader, inside.failure);
    if (type === COLUMN_TYPE.group) group = id;
    if (id !== group || type === COLUMN_TYPE.group) rows = Math.max(rows, count);
  }
  return rows;
};

const countColumn = (reader: Reader, type: number, budget: Budget): number => {
  const { limits } = budget;
  let rows = 0;
  const add = (count: number): void => {
    rows += count;
    if (rows > limits.cells) fail(reader, "too many cells");
  };
  const spend = (bytes: number): void => {
    budget.valueBytes += bytes;
    if (budget.valueBytes > limits.valueBytes) fail(reader, "too many value bytes");
  };
  switch (type) {
    case COLUMN_TYPE.group:
      eachRun(
        reader,
        readUleb,
        (count, value) => {
          add(count);
          budget.members += count * (value ?? 0);
          if (budget.members > limits.cells) fail(reader, "too many group members");
        },
        false,
      );
      break;
    case COLUMN_TYPE.boolean:
      while (!atEnd(reader)) add(readUleb(reader));
      break;
    case COLUMN_TYPE.delta:
      eachRun(reader, readSleb, add, false);
      break;
    case COLUMN_TYPE.string:
      eachRun(
        reader,
        (inside) => {
          const length = readUleb(inside);
          readRange(inside, length);
          return length;
        },
        (count, length) => {
          add(count);
          spend(count * (length ?? 0));
        },
        false,
      );
      break;
    case COLUMN_TYPE.valueMetadata:
      eachRun(
        reader,
        readUleb,
        (count, value) => {
          add(count);
          spend(count * Math.floor((value ?? 0) / 16));
        },
        false,
      );
      break;
    case COLUMN_TYPE.value:
      spend(reader.end - reader.at);
      break;
    default:
      eachRun(reader, readUleb, add, false);
  }
  return rows;
};
