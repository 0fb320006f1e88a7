import { CHUNK_TYPE, readChunkFrame } from "../automerge-format/chunk.ts";
import type { FormatDependencies } from "../automerge-format/change.ts";
import { type InspectedFacts, inspectChange } from "../automerge-format/inspect.ts";
import { readChangeHeader } from "../automerge-format/header.ts";
import { FORMAT_LIMITS } from "../automerge-format/limits.ts";
import { createReader, readBytes, readSleb, readUleb, type Reader } from "../automerge-format/reader.ts";
import {
  createWriter,
  writeByte,
  writeBytes,
  writeLengthPrefixed,
  writeSleb,
  writeUleb,
  type Writer,
} from "../automerge-format/writer.ts";
import { bytesEqual, bytesToHex, compareBytes, hexToBytes } from "../kernel/bytes.ts";

/** A change of a bundle: its bytes as they were signed, and what inspecting them gave. */
export interface UnpackedChange extends InspectedFacts {
  readonly bytes: Uint8Array;
}

/** Byte strings written once and then named by their place. */
export interface ByteTable {
  readonly values: Uint8Array[];
  readonly place: (value: Uint8Array) => number;
}

export const createByteTable = (): ByteTable => {
  const values: Uint8Array[] = [];
  const places = new Map<string, number>();
  return {
    values,
    place: (value) => {
      const key = bytesToHex(value);
      let place = places.get(key);
      if (place === undefined) {
        place = values.push(value) - 1;
        places.set(key, place);
      }
      return place;
    },
  };
};

/** Where the changes of a bundle are written: numbers, column data and what is kept as it is. */
export interface ChangeSink {
  readonly numbers: Writer;
  readonly columns: Writer;
  readonly verbatim: Writer;
  readonly actors: ByteTable;
  /** Hashes of changes outside the bundle that others build on. */
  readonly outside: ByteTable;
}

export interface ChangeStreams {
  readonly numbers: Reader;
  readonly columns: Reader;
  readonly verbatim: Reader;
  readonly actors: readonly Uint8Array[];
  readonly outside: readonly Uint8Array[];
}

/** The changes of one document that came before in the bundle. */
export interface KnownChanges {
  readonly hashes: Uint8Array[];
  readonly maxOps: number[];
  readonly byHash: Map<string, number>;
}

export const createKnownChanges = (): KnownChanges => ({ hashes: [], maxOps: [], byHash: new Map() });

/** What is known of a change before it is read. */
export interface ChangePlace {
  readonly actor: Uint8Array;
  readonly seq: number;
  /** Seconds since 1970 of the record around it. */
  readonly ts: number;
}

const VERBATIM = 0;
const COMPACT = 1;
/** Compact, and the first operation's counter is written out, since something it builds on is outside the bundle. */
const COMPACT_WITH_START = 2;

const note = (known: KnownChanges, hash: Uint8Array, maxOp: number, indexed: boolean): void => {
  if (indexed) known.byHash.set(bytesToHex(hash), known.hashes.length);
  known.hashes.push(hash);
  known.maxOps.push(maxOp);
};

/** Parts of a change that are not said by its place. */
interface Fields {
  readonly startOp: number;
  readonly time: number;
  /** Ascending. */
  readonly dependencies: readonly Uint8Array[];
  readonly others: readonly Uint8Array[];
  readonly columns: Uint8Array;
}

const MAGIC = [0x85, 0x6f, 0x4a, 0x83];
const FRAME_BYTES = 9;

/** An uncompressed change chunk and its hash. */
const assemble = (
  { actor, seq }: ChangePlace,
  { startOp, time, dependencies, others, columns }: Fields,
  sha256: FormatDependencies["sha256"],
): { readonly bytes: Uint8Array; readonly hash: Uint8Array } => {
  const body = createWriter(64 + columns.length + 32 * dependencies.length);
  writeUleb(body, dependencies.length);
  for (const hash of dependencies) writeBytes(body, hash);
  writeLengthPrefixed(body, actor);
  writeUleb(body, seq);
  writeUleb(body, startOp);
  writeSleb(body, time);
  writeUleb(body, 0);
  writeUleb(body, others.length);
  for (const other of others) writeLengthPrefixed(body, other);
  writeBytes(body, columns);
  const chunk = createWriter(FRAME_BYTES + 8 + body.length);
  for (const byte of MAGIC) writeByte(chunk, byte);
  for (let i = 0; i < 4; i++) writeByte(chunk, 0);
  writeByte(chunk, CHUNK_TYPE.change);
  writeUleb(chunk, body.length);
  writeBytes(chunk, body.buffer.subarray(0, body.length));
  const bytes = chunk.buffer.subarray(0, chunk.length);
  const hash = sha256(bytes.subarray(8));
  bytes.set(hash.subarray(0, 4), 4);
  return { bytes, hash };
};

const startOpAfter = (known: KnownChanges, places: readonly number[]): number => {
  let largest = 0;
  for (const place of places) largest = Math.max(largest, known.maxOps[place] as number);
  return largest + 1;
};

/** The fields of a change that `assemble` gives back byte for byte; `undefined` for one of another form. */
const fieldsOf = (
  bytes: Uint8Array,
  place: ChangePlace,
  facts: InspectedFacts,
  sha256: FormatDependencies["sha256"],
): Fields | undefined => {
  const outer = createReader(bytes);
  const frame = readChunkFrame(outer);
  if (outer.failure !== undefined || frame.type !== CHUNK_TYPE.change) return undefined;
  const reader = createReader(bytes, frame.bodyFrom, frame.bodyTo);
  const { actors, message } = readChangeHeader(reader, FORMAT_LIMITS);
  if (reader.failure !== undefined || message !== "") return undefined;
  const fields: Fields = {
    startOp: facts.startOp,
    time: facts.time,
    dependencies: facts.dependencies,
    others: actors.slice(1).map((actor) => hexToBytes(actor) as Uint8Array),
    columns: bytes.subarray(reader.at, frame.bodyTo),
  };
  return bytesEqual(assemble(place, fields, sha256).bytes, bytes) ? fields : undefined;
};

/** Writes one change; false when it cannot be read. */
export const packChange = (
  sink: ChangeSink,
  known: KnownChanges,
  place: ChangePlace,
  bytes: Uint8Array,
  dependencies: FormatDependencies,
): boolean => {
  const facts = inspectChange(bytes, dependencies);
  if (!facts.ok) return false;
  const fields = fieldsOf(bytes, place, facts.value, dependencies.sha256);
  if (fields === undefined) {
    writeByte(sink.numbers, VERBATIM);
    writeUleb(sink.numbers, bytes.length);
    writeBytes(sink.verbatim, bytes);
  } else {
    const places = fields.dependencies.map((hash) => known.byHash.get(bytesToHex(hash)));
    const inside = places.filter((one) => one !== undefined);
    const isImplied = inside.length === places.length && startOpAfter(known, inside) === fields.startOp;
    writeByte(sink.numbers, isImplied ? COMPACT : COMPACT_WITH_START);
    if (!isImplied) writeUleb(sink.numbers, fields.startOp);
    writeSleb(sink.numbers, fields.time - place.ts);
    writeUleb(sink.numbers, fields.dependencies.length);
    for (const [index, hash] of fields.dependencies.entries()) {
      const at = places[index];
      writeUleb(sink.numbers, at === undefined ? 0 : known.hashes.length - at);
      if (at === undefined) writeUleb(sink.numbers, sink.outside.place(hash));
    }
    writeUleb(sink.numbers, fields.others.length);
    for (const other of fields.others) writeUleb(sink.numbers, sink.actors.place(other));
    writeUleb(sink.numbers, fields.columns.length);
    writeBytes(sink.columns, fields.columns);
  }
  note(known, facts.value.hash, facts.value.maxOp, true);
  return true;
};

/** Bytes that unpacking may still produce; each output is charged before it is made. */
export interface OutputBudget {
  left: number;
}

const readFields = (
  streams: ChangeStreams,
  known: KnownChanges,
  { ts }: ChangePlace,
  form: number,
): Fields | undefined => {
  const { numbers, actors, outside } = streams;
  const given = form === COMPACT_WITH_START ? readUleb(numbers) : undefined;
  const time = ts + readSleb(numbers);
  const dependencyCount = readUleb(numbers);
  if (numbers.failure !== undefined || dependencyCount > FORMAT_LIMITS.dependencies) return undefined;
  const dependencies: Uint8Array[] = [];
  const inside: number[] = [];
  for (let i = 0; i < dependencyCount; i++) {
    const back = readUleb(numbers);
    const at = known.hashes.length - back;
    const hash = back === 0 ? outside[readUleb(numbers)] : known.hashes[at];
    if (hash === undefined) return undefined;
    if (back > 0) inside.push(at);
    dependencies.push(hash);
  }
  const otherCount = readUleb(numbers);
  if (numbers.failure !== undefined || otherCount >= FORMAT_LIMITS.actors) return undefined;
  const others: Uint8Array[] = [];
  for (let i = 0; i < otherCount; i++) {
    const other = actors[readUleb(numbers)];
    if (other === undefined) return undefined;
    others.push(other);
  }
  const columns = readBytes(streams.columns, readUleb(numbers));
  const startOp = given ?? startOpAfter(known, inside);
  if (numbers.failure !== undefined || streams.columns.failure !== undefined || !Number.isSafeInteger(time))
    return undefined;
  return { startOp, time, dependencies: dependencies.toSorted(compareBytes), others, columns };
};

/** Reads one change; `undefined` when the streams do not hold a well-formed one of this actor and number. */
export const unpackChange = (
  streams: ChangeStreams,
  known: KnownChanges,
  place: ChangePlace,
  budget: OutputBudget,
  dependencies: FormatDependencies,
): UnpackedChange | undefined => {
  const { numbers, verbatim } = streams;
  const form = readUleb(numbers);
  let bytes: Uint8Array;
  let inspect = dependencies;
  if (form === VERBATIM) {
    bytes = readBytes(verbatim, readUleb(numbers));
    if (numbers.failure !== undefined || verbatim.failure !== undefined) return undefined;
  } else if (form === COMPACT || form === COMPACT_WITH_START) {
    const fields = readFields(streams, known, place, form);
    if (fields === undefined) return undefined;
    const others = fields.others.reduce((sum, { length }) => sum + length + 1, 0);
    budget.left -= 128 + fields.columns.length + 32 * fields.dependencies.length + others;
    if (budget.left < 0) return undefined;
    const made = assemble(place, fields, dependencies.sha256);
    ({ bytes } = made);
    // Its hash was just computed; a change of an unusual form is hashed once more.
    inspect = {
      ...dependencies,
      sha256: (given) => (given.length === bytes.length - 8 ? made.hash : dependencies.sha256(given)),
    };
  } else return undefined;
  const facts = inspectChange(bytes, inspect);
  if (!facts.ok || facts.value.seq !== place.seq || !bytesEqual(facts.value.actor, place.actor)) return undefined;
  note(known, facts.value.hash, facts.value.maxOp, false);
  return { ...facts.value, bytes };
};
