import { hexToBytes } from "../kernel/bytes.ts";
import { invariant } from "../kernel/assert.ts";
import { CHANGE_COLUMN, type ChangeContent, type FormatDependencies, type ScalarValue, VALUE_TYPE } from "./change.ts";
import { sealChangeChunk } from "./chunk.ts";
import { writeBooleans, writeDeltas, writeIntegers, writeStrings } from "./columns.ts";
import { encodeUtf8 } from "../codec/utf8.ts";
import {
  createWriter,
  writeByte,
  writeBytes,
  writeLengthPrefixed,
  writeSleb,
  writeUleb,
  type Writer,
  writtenBytes,
} from "./writer.ts";

const knownHex = (hex: string): Uint8Array => {
  const bytes = hexToBytes(hex);
  invariant(bytes !== undefined, "hex of an own id");
  return bytes;
};

const scratchFloat = new DataView(new ArrayBuffer(8));

/** Writes the raw bytes of a value and answers its metadata. */
const writeValue = (value: ScalarValue): number => {
  if (value === null) return VALUE_TYPE.null;
  if (value === false) return VALUE_TYPE.false;
  if (value === true) return VALUE_TYPE.true;
  const from = raw.length;
  let type: number;
  if (typeof value === "string") {
    type = VALUE_TYPE.string;
    writeBytes(raw, encodeUtf8(value));
  } else if (value instanceof Uint8Array) {
    type = VALUE_TYPE.bytes;
    writeBytes(raw, value);
  } else {
    type = VALUE_TYPE[value.type];
    if (value.type === "uint") writeUleb(raw, value.value);
    else if (value.type === "float") {
      scratchFloat.setFloat64(0, value.value, true);
      for (let i = 0; i < 8; i++) writeByte(raw, scratchFloat.getUint8(i));
    } else writeSleb(raw, value.value);
  }
  return (raw.length - from) * 16 + type;
};

/** Buffers of the encoder, used again for every change: a keystroke allocates nothing for them. */
const metadata = createWriter(64);
const data = createWriter(1024);
const raw = createWriter(256);
const body = createWriter(1024);

const writeColumns = (out: Writer, { ops }: ChangeContent): void => {
  metadata.length = 0;
  data.length = 0;
  raw.length = 0;
  let columns = 0;
  const column = (specification: number, write: (writer: Writer) => void): void => {
    const from = data.length;
    write(data);
    if (data.length === from) return;
    columns++;
    writeUleb(metadata, specification);
    writeUleb(metadata, data.length - from);
  };
  const rows = <T>(pick: (op: (typeof ops)[number]) => T): T[] => ops.map(pick);
  const unlessNull = <T>(values: readonly (T | null)[], write: (values: readonly (T | null)[]) => void): void => {
    for (const value of values) {
      if (value === null) continue;
      write(values);
      return;
    }
  };
  const integers = (specification: number, values: readonly (number | null)[]): void => {
    column(specification, (writer) => unlessNull(values, () => writeIntegers(writer, values)));
  };
  const deltas = (specification: number, values: readonly (number | null)[]): void => {
    column(specification, (writer) => unlessNull(values, () => writeDeltas(writer, values)));
  };
  const strings = (specification: number, values: readonly (string | null)[]): void => {
    column(specification, (writer) => unlessNull(values, () => writeStrings(writer, values)));
  };
  integers(
    CHANGE_COLUMN.objectActor,
    rows((op) => op.object?.actor ?? null),
  );
  integers(
    CHANGE_COLUMN.objectCounter,
    rows((op) => op.object?.counter ?? null),
  );
  integers(
    CHANGE_COLUMN.keyActor,
    rows((op) => op.element?.actor ?? null),
  );
  deltas(
    CHANGE_COLUMN.keyCounter,
    rows((op) => (op.key === undefined ? (op.element?.counter ?? 0) : null)),
  );
  strings(
    CHANGE_COLUMN.keyString,
    rows((op) => op.key ?? null),
  );
  column(CHANGE_COLUMN.insert, (writer) =>
    writeBooleans(
      writer,
      rows((op) => op.insert),
    ),
  );
  integers(
    CHANGE_COLUMN.action,
    rows((op) => op.action),
  );
  integers(
    CHANGE_COLUMN.valueMetadata,
    rows((op) => writeValue(op.value)),
  );
  column(CHANGE_COLUMN.value, (writer) => writeBytes(writer, raw.buffer.subarray(0, raw.length)));
  integers(
    CHANGE_COLUMN.predecessorGroup,
    rows((op) => op.predecessors.length),
  );
  const predecessors = ops.flatMap((op) => op.predecessors);
  integers(
    CHANGE_COLUMN.predecessorActor,
    predecessors.map((id) => id.actor),
  );
  deltas(
    CHANGE_COLUMN.predecessorCounter,
    predecessors.map((id) => id.counter),
  );
  if (ops.some((op) => op.expand)) {
    column(CHANGE_COLUMN.expand, (writer) =>
      writeBooleans(
        writer,
        rows((op) => op.expand),
      ),
    );
  }
  strings(
    CHANGE_COLUMN.markName,
    rows((op) => op.markName ?? null),
  );
  writeUleb(out, columns);
  writeBytes(out, metadata.buffer.subarray(0, metadata.length));
  writeBytes(out, data.buffer.subarray(0, data.length));
};

/** Body of a change chunk, in the one form Automerge itself writes. */
export const encodeChangeBody = (change: ChangeContent): Uint8Array => {
  const out = body;
  out.length = 0;
  writeUleb(out, change.dependencies.length);
  for (const hash of change.dependencies) writeBytes(out, knownHex(hash));
  const [author, ...others] = change.actors;
  invariant(author !== undefined, "a change has an author");
  writeLengthPrefixed(out, knownHex(author));
  writeUleb(out, change.seq);
  writeUleb(out, change.startOp);
  writeSleb(out, change.time);
  writeLengthPrefixed(out, encodeUtf8(change.message));
  writeUleb(out, others.length);
  for (const actor of others) writeLengthPrefixed(out, knownHex(actor));
  writeColumns(out, change);
  return writtenBytes(out);
};

/** Uncompressed change chunk, byte for byte what Automerge writes for the same content, and its hash. */
export const encodeChange = (
  change: ChangeContent,
  sha256: FormatDependencies["sha256"],
): { readonly bytes: Uint8Array; readonly hash: string } => sealChangeChunk(encodeChangeBody(change), sha256);
