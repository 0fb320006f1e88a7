import type { FormatDependencies, NumberValue, ScalarValue } from "../automerge-format/change.ts";
import {
  atEnd,
  createReader,
  fail,
  readByte,
  readBytes,
  readSleb,
  readUleb,
  type Reader,
} from "../automerge-format/reader.ts";
import { decodeUtf8, encodeUtf8 } from "../codec/utf8.ts";
import {
  createWriter,
  writeByte,
  writeBytes,
  writeLengthPrefixed,
  writeSleb,
  writeUleb,
  type Writer,
  writtenBytes,
} from "../automerge-format/writer.ts";
import { invariant } from "../kernel/assert.ts";
import { bytesEqual, bytesToHex, hexToBytes } from "../kernel/bytes.ts";
import { type DecodeError, decodeError, ok, type Result } from "../kernel/result.ts";
import { createDocument, type Document } from "./document.ts";
import { createHistory, type History, DIGEST_BYTES, type KnownChange, REMEMBERED_CHANGES } from "./history.ts";
import type { Container, ElementDetail, Entry, MarkAnchor, OpId, SequenceContainer } from "./objects.ts";
import { MAX_ACTORS, packId } from "./objects.ts";
import { textOf } from "./read.ts";
import type { ReplicaState } from "./replica.ts";
import { eachItem, fillSequence, type Item } from "./sequence.ts";

/** "p2pr" and the version of the format. */
const MAGIC = [0x70, 0x32, 0x70, 0x72, 1];
const HASH_BYTES = 32;
const MAX_COUNTER = 0xffff_ffff;
const MAX_ACTOR_BYTES = 64;

const KINDS = ["map", "list", "text"] as const;
const ITEM = { deleted: 0, text: 1, wideText: 2, values: 3, mark: 4 } as const;
const ITEM_KINDS = 8;
const VALUE_TAGS = [
  "null",
  "false",
  "true",
  "string",
  "bytes",
  "int",
  "uint",
  "float",
  "counter",
  "timestamp",
  "child",
] as const;
type ValueTag = (typeof VALUE_TAGS)[number];

const writeText = (writer: Writer, text: string): void => writeLengthPrefixed(writer, encodeUtf8(text));
const writeHex = (writer: Writer, hex: string): void => {
  const bytes = hexToBytes(hex);
  invariant(bytes !== undefined, "hex of an own id");
  writeBytes(writer, bytes);
};
const writeTag = (writer: Writer, tag: ValueTag): void => writeByte(writer, VALUE_TAGS.indexOf(tag));
const scratch = new DataView(new ArrayBuffer(8));

const writeValue = (writer: Writer, value: ScalarValue): void => {
  if (value === null) writeTag(writer, "null");
  else if (typeof value === "boolean") writeTag(writer, value ? "true" : "false");
  else if (typeof value === "string") {
    writeTag(writer, "string");
    writeText(writer, value);
  } else if (value instanceof Uint8Array) {
    writeTag(writer, "bytes");
    writeLengthPrefixed(writer, value);
  } else {
    writeTag(writer, value.type);
    if (value.type === "float") {
      scratch.setFloat64(0, value.value);
      for (let i = 0; i < 8; i++) writeByte(writer, scratch.getUint8(i));
    } else writeSleb(writer, value.value);
  }
};

const writeId = (writer: Writer, id: OpId): void => {
  writeUleb(writer, id.counter);
  writeUleb(writer, id.actor);
};

const writeEntries = (writer: Writer, entries: readonly Entry[]): void => {
  writeUleb(writer, entries.length);
  for (const entry of entries) {
    writeId(writer, entry);
    if (entry.child !== undefined) writeTag(writer, "child");
    else writeValue(writer, entry.value);
    writeSleb(writer, entry.increments);
  }
};

const writeItems = (writer: Writer, target: SequenceContainer): void => {
  const items: Item[] = [];
  eachItem(target.sequence, (item) => items.push(item));
  writeUleb(writer, items.length);
  let expected = 0;
  for (const item of items) {
    const { detail } = item;
    const isWide = item.text.length !== item.length;
    const kind =
      detail === undefined
        ? item.width === 0
          ? ITEM.deleted
          : isWide
            ? ITEM.wideText
            : ITEM.text
        : detail.mark === undefined
          ? ITEM.values
          : ITEM.mark;
    writeUleb(writer, item.actor * ITEM_KINDS + kind);
    writeSleb(writer, item.counter - expected);
    expected = item.counter + item.length;
    if (detail === undefined) {
      writeUleb(writer, item.length);
      if (kind === ITEM.wideText) writeUleb(writer, item.width);
    } else if (detail.mark === undefined) {
      if (target.kind === "text") writeUleb(writer, item.width);
      writeEntries(writer, detail.entries);
    } else {
      writeByte(writer, (detail.mark.begins ? 1 : 0) + (detail.mark.expand ? 2 : 0));
      writeText(writer, detail.mark.name);
      writeValue(writer, detail.mark.value);
    }
  }
};

/**
 * Snapshot layout: magic and version; texts by root key (for `snapshotText`); actors; containers; their contents;
 * heads and remembered changes; SHA-256 of all that.
 */
export const writeSnapshot = (
  { document, history, counters }: ReplicaState,
  sha256: FormatDependencies["sha256"],
): Uint8Array => {
  const writer = createWriter(4096);
  for (const byte of MAGIC) writeByte(writer, byte);
  const containers = [...document.containers.values()];
  const ordinals = new Map(containers.map((container, i) => [container, i]));

  const shown = [...document.root.values].flatMap(([key, entries]) => {
    const child = entries.at(-1)?.child;
    return child?.kind === "text" ? [{ key, child }] : [];
  });
  writeUleb(writer, shown.length);
  for (const { key, child } of shown) {
    writeText(writer, key);
    writeText(writer, textOf(child));
  }

  writeUleb(writer, document.actors.count());
  for (let i = 0; i < document.actors.count(); i++) {
    const name = document.actors.name(i);
    writeUleb(writer, name.length / 2);
    writeHex(writer, name);
    writeUleb(writer, counters[i] ?? 0);
    const last = history.lastByActor.get(name);
    writeUleb(writer, last?.seq ?? 0);
    if (last !== undefined) writeHex(writer, last.hash);
  }

  writeUleb(writer, containers.length - 1);
  for (const container of containers) {
    if (container.parent === undefined) continue;
    const { place } = container.parent;
    writeByte(writer, KINDS.indexOf(container.kind));
    writeId(writer, container.id);
    writeUleb(writer, ordinals.get(container.parent.container) as number);
    if (typeof place === "string") writeText(writer, place);
    else writeId(writer, place);
  }
  for (const container of containers) {
    if (container.kind === "map") {
      writeUleb(writer, container.values.size);
      for (const [key, entries] of container.values) {
        writeText(writer, key);
        writeEntries(writer, entries);
      }
      continue;
    }
    if (container.kind === "text") {
      const at = shown.findIndex(({ child }) => child === container);
      writeUleb(writer, at + 1);
      if (at < 0) writeText(writer, textOf(container));
    }
    writeItems(writer, container);
  }

  const heads = history.heads();
  writeUleb(writer, heads.length);
  for (const hash of heads) {
    writeHex(writer, hash);
    writeUleb(writer, history.headCounter(hash));
  }
  const known = createWriter(4096);
  for (const change of [...history.known().values()].slice(-REMEMBERED_CHANGES)) {
    writeHex(known, change.digest);
    writeUleb(known, document.actors.indexOf(change.actor) as number);
    writeUleb(known, change.seq);
    writeUleb(known, change.maxOp);
  }
  writeLengthPrefixed(writer, writtenBytes(known));
  const body = writtenBytes(writer);
  const out = new Uint8Array(body.length + HASH_BYTES);
  out.set(body);
  out.set(sha256(body), body.length);
  return out;
};

const readText = (reader: Reader): string => {
  const bytes = readBytes(reader, readUleb(reader));
  const text = decodeUtf8(bytes);
  if (text === undefined) fail(reader, "malformed UTF-8");
  return text ?? "";
};

const checkMagic = (reader: Reader): void => {
  for (const byte of MAGIC) if (readByte(reader) !== byte) fail(reader, "magic");
};

/**
 * Text at a root key straight from a snapshot, for painting before the replica is loaded; block markers show as U+FFFC.
 * `undefined` when there is none or the bytes are no snapshot. Reads a prefix only and checks no digest.
 */
export const snapshotText = (snapshot: Uint8Array, key: string): string | undefined => {
  const reader = createReader(snapshot);
  checkMagic(reader);
  for (let left = readUleb(reader); left > 0 && reader.failure === undefined; left--) {
    const name = readText(reader);
    const bytes = readBytes(reader, readUleb(reader));
    if (name === key && reader.failure === undefined) return decodeUtf8(bytes);
  }
  return undefined;
};

/** Reads one element count; every element takes a byte or more, so a larger count is refused before any loop. */
const readCount = (reader: Reader): number => {
  const count = readUleb(reader);
  if (count > reader.end - reader.at) fail(reader, "count beyond the input");
  return reader.failure === undefined ? count : 0;
};

interface Loading {
  readonly reader: Reader;
  readonly document: Document;
  readonly containers: Container[];
  readonly actorCount: number;
}

const readCounter = (reader: Reader): number => {
  const counter = readUleb(reader);
  if (counter < 1 || counter > MAX_COUNTER) fail(reader, "counter");
  return counter;
};

const readActorIndex = (loading: Loading): number => {
  const actor = readUleb(loading.reader);
  if (actor >= loading.actorCount) fail(loading.reader, "actor");
  return actor;
};

const readId = (loading: Loading): OpId => ({ counter: readCounter(loading.reader), actor: readActorIndex(loading) });

const readNumber = (reader: Reader, type: NumberValue["type"]): NumberValue => {
  if (type !== "float") return { type, value: readSleb(reader) };
  const bytes = readBytes(reader, 8);
  for (let i = 0; i < 8; i++) scratch.setUint8(i, bytes[i] ?? 0);
  return { type, value: scratch.getFloat64(0) };
};

const readValue = (reader: Reader, tag: ValueTag): ScalarValue => {
  switch (tag) {
    case "null":
      return null;
    case "false":
      return false;
    case "true":
      return true;
    case "string":
      return readText(reader);
    case "bytes":
      return readBytes(reader, readUleb(reader)).slice();
    case "child":
      fail(reader, "value");
      return null;
    case "int":
    case "uint":
    case "float":
    case "counter":
    case "timestamp":
      return readNumber(reader, tag);
  }
};

const readTag = (reader: Reader): ValueTag => {
  const tag = VALUE_TAGS[readByte(reader)];
  if (tag === undefined) fail(reader, "value type");
  return tag ?? "null";
};

const readEntries = (loading: Loading, container: Container): readonly Entry[] => {
  const { reader, document } = loading;
  const entries: Entry[] = [];
  for (let left = readCount(reader); left > 0 && reader.failure === undefined; left--) {
    const id = readId(loading);
    const tag = readTag(reader);
    const child = tag === "child" && reader.failure === undefined ? document.container(id) : undefined;
    if (tag === "child" && child?.parent?.container !== container) fail(reader, "missing object");
    const value = child === undefined ? readValue(reader, tag) : null;
    entries.push({ ...id, value, child, increments: readSleb(reader) });
  }
  if (entries.length === 0) fail(reader, "no value");
  return entries;
};

const readMark = (reader: Reader): MarkAnchor => {
  const flags = readByte(reader);
  if (flags > 3) fail(reader, "mark");
  const name = readText(reader);
  return { begins: flags % 2 === 1, expand: flags >= 2, name, value: readValue(reader, readTag(reader)) };
};

const readItems = (loading: Loading, target: SequenceContainer, text: string): void => {
  const { reader, document } = loading;
  const count = readCount(reader);
  const items: Item[] = [];
  const leaf = undefined as unknown as Item["leaf"];
  let expected = 0;
  let at = 0;
  for (let i = 0; i < count && reader.failure === undefined; i++) {
    const head = readUleb(reader);
    const kind = head % ITEM_KINDS;
    const actor = (head - kind) / ITEM_KINDS;
    const counter = expected + readSleb(reader);
    if (actor >= loading.actorCount || counter < 1) fail(reader, "item");
    let length = 1;
    let width = 0;
    let shown = "";
    let detail: ElementDetail | undefined;
    if (kind === ITEM.deleted) length = readUleb(reader);
    else if (kind === ITEM.text || kind === ITEM.wideText) {
      length = readUleb(reader);
      width = kind === ITEM.text ? length : readUleb(reader);
      if (target.kind !== "text" || width < length || width > text.length - at) fail(reader, "text run");
      shown = text.slice(at, at + width);
    } else if (kind === ITEM.values) {
      width = target.kind === "list" ? 1 : readUleb(reader);
      if (width > text.length - at && target.kind === "text") fail(reader, "text run");
      detail = { entries: readEntries(loading, target), mark: undefined };
    } else if (kind === ITEM.mark && target.kind === "text") detail = { entries: [], mark: readMark(reader) };
    else fail(reader, "item kind");
    if (length < 1 || counter + length - 1 > MAX_COUNTER) fail(reader, "item length");
    expected = counter + length;
    at += width;
    items.push({ actor, counter, length, width, text: shown, detail, leaf });
  }
  if (target.kind === "text" && at !== text.length) fail(reader, "text length");
  if (reader.failure !== undefined) return;
  fillSequence(target.sequence, items);
  document.elements.addLater(items);
};

const readContainers = (loading: Loading): void => {
  const { reader, document, containers } = loading;
  for (let left = readCount(reader); left > 0 && reader.failure === undefined; left--) {
    const kind = KINDS[readByte(reader)];
    const id = readId(loading);
    const parent = containers[readUleb(reader)];
    if (kind === undefined || parent === undefined || document.containers.has(packId(id.counter, id.actor))) {
      fail(reader, "object");
      return;
    }
    const place = parent.kind === "map" ? readText(reader) : readId(loading);
    containers.push(document.addContainer(kind, id, { container: parent, place }));
  }
};

const readContents = (loading: Loading, texts: readonly string[]): void => {
  const { reader, containers } = loading;
  for (const container of containers) {
    if (reader.failure !== undefined) return;
    if (container.kind === "map") {
      for (let left = readCount(reader); left > 0 && reader.failure === undefined; left--) {
        const key = readText(reader);
        if (container.values.has(key)) fail(reader, "key twice");
        container.values.set(key, readEntries(loading, container));
      }
    } else if (container.kind === "list") readItems(loading, container, "");
    else {
      const at = readUleb(reader);
      const text = at === 0 ? readText(reader) : texts[at - 1];
      if (text === undefined) fail(reader, "text");
      readItems(loading, container, text ?? "");
    }
  }
};

const readActors = (reader: Reader, document: Document, history: History, counters: number[]): number => {
  const count = readCount(reader);
  if (count > MAX_ACTORS) fail(reader, "too many actors");
  for (let i = 0; i < count && reader.failure === undefined; i++) {
    const length = readUleb(reader);
    if (length < 1 || length > MAX_ACTOR_BYTES) fail(reader, "actor length");
    const name = bytesToHex(readBytes(reader, length));
    if (document.actors.indexOf(name) !== undefined) fail(reader, "actor twice");
    document.actors.add(name);
    counters[i] = readUleb(reader);
    if ((counters[i] as number) > MAX_COUNTER) fail(reader, "counter");
    history.raiseMaxOp(counters[i] as number);
    const seq = readUleb(reader);
    if (seq > 0) history.lastByActor.set(name, { seq, hash: bytesToHex(readBytes(reader, HASH_BYTES)) });
  }
  return count;
};

/**
 * Remembered changes, decoded when they are first needed: no reader or writer of a note waits for thousands of hashes.
 * The digest covers them; what does not decode all the same is not remembered.
 */
const readKnown = (bytes: Uint8Array, document: Document): readonly KnownChange[] => {
  const reader = createReader(bytes);
  const known: KnownChange[] = [];
  while (!atEnd(reader)) {
    const digest = bytesToHex(readBytes(reader, DIGEST_BYTES));
    const actor = readUleb(reader);
    const seq = readUleb(reader);
    const maxOp = readUleb(reader);
    if (reader.failure !== undefined || actor >= document.actors.count()) break;
    known.push({ digest, actor: document.actors.name(actor), seq, maxOp });
  }
  return known;
};

/** State of a snapshot; total on any bytes. */
export const readSnapshot = (
  bytes: Uint8Array,
  sha256: FormatDependencies["sha256"],
): Result<ReplicaState, DecodeError> => {
  if (bytes.length < MAGIC.length + HASH_BYTES) return decodeError("truncated");
  const end = bytes.length - HASH_BYTES;
  if (!bytesEqual(sha256(bytes.subarray(0, end)), bytes.subarray(end))) return decodeError("digest", end);
  const reader = createReader(bytes, 0, end);
  checkMagic(reader);
  const document = createDocument();
  const history = createHistory();
  const counters: number[] = [];
  const texts: string[] = [];
  for (let left = readCount(reader); left > 0 && reader.failure === undefined; left--) {
    readBytes(reader, readUleb(reader));
    texts.push(readText(reader));
  }
  const actorCount = readActors(reader, document, history, counters);
  const loading: Loading = { reader, document, containers: [document.root], actorCount };
  readContainers(loading);
  readContents(loading, texts);
  for (let left = readCount(reader); left > 0 && reader.failure === undefined; left--) {
    const hash = bytesToHex(readBytes(reader, HASH_BYTES));
    history.addHead(hash, readUleb(reader));
  }
  const known = readBytes(reader, readUleb(reader));
  if (reader.failure === undefined && !atEnd(reader)) fail(reader, "bytes after the end");
  if (reader.failure !== undefined) return decodeError(reader.failure, reader.at);
  history.recallLater(() => readKnown(known, document));
  return ok({ document, history, counters });
};
