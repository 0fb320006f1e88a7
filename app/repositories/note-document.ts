import { err, ok, type Result } from "../../protocol/kernel/result.ts";
import {
  isTyped,
  type ObjectId,
  type PlainValue,
  type Replica,
  type Scalar,
  timestamp,
  type Transaction,
} from "../../protocol/replica/types.ts";
import { readVersions } from "../history/named-versions.ts";
import { diffSpans } from "../history/rich-diff.ts";
import { markdownToSpans } from "../markdown/markdown-to-spans.ts";
import { spansToMarkdown } from "../markdown/spans-to-markdown.ts";
import { spansToText } from "../markdown/spans-to-text.ts";
import { excerptOf } from "../search/excerpt.ts";
import { attachmentsOfSpans } from "../attachments/attachment-ref.ts";
import type { EngineError, NewDocument, NoteContent, NoteEdit, NoteFacts } from "../ports/engine.ts";
import { applyMarkEdit, BLOCK_UNIT, type FlatText, flattenSpans, markEdits } from "./note-marks.ts";
import {
  NOTE_KEYS,
  NOTE_TYPE,
  NOTEBOOK_TYPE,
  type NoteBlock,
  type NoteSpan,
  readSpans,
  textBlock,
} from "./note-schema.ts";

const ROOT: ObjectId = "_root";

/**
 * Characters one change inserts or removes at most: with 4 bytes a character and the format's own cost it stays far below
 * an entry's 256 KiB, and below the 65 536 operations a change may have.
 */
const MAX_CHANGE_UNITS = 8192;
/** Block markers or marks one change writes at most; each takes up to a dozen operations. */
const MAX_CHANGE_BLOCKS = 512;

/** Id of a text object at a root key; `undefined` when something else stands there. */
const textAt = (replica: Replica, key: string): ObjectId | undefined => {
  const object = replica.objectAt([key]);
  return object !== undefined && replica.kindOf(object) === "text" ? object : undefined;
};

const textOf = (replica: Replica, key: string): string => {
  const object = textAt(replica, key);
  if (object !== undefined) return replica.text(object);
  const value = replica.get(ROOT, key);
  return typeof value === "string" ? value : "";
};

const timeOf = (value: PlainValue | undefined): number | null => {
  const time = isTyped(value) ? value.value : value;
  return typeof time === "number" && Number.isSafeInteger(time) ? time : null;
};

const stringsOf = (value: PlainValue | undefined): Record<string, string> => {
  const out: Record<string, string> = {};
  if (typeof value !== "object" || value === null || Array.isArray(value) || isTyped(value)) return out;
  for (const [key, item] of Object.entries(value)) if (typeof item === "string") out[key] = item;
  return out;
};

const listOf = (value: PlainValue | undefined): string[] =>
  Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];

const spansOf = (replica: Replica): readonly NoteSpan[] => {
  const text = textAt(replica, NOTE_KEYS.text);
  return text === undefined ? [] : readSpans(replica.spans(text));
};

const titleOf = (replica: Replica): string =>
  textOf(replica, NOTE_KEYS.title).replaceAll(BLOCK_UNIT, "").replace(/\s+/gu, " ").trim();

/** Title and rich text alone, of a document whoever wrote it. */
export const readRichText = (replica: Replica): { readonly title: string; readonly spans: readonly NoteSpan[] } => ({
  title: titleOf(replica),
  spans: spansOf(replica),
});

const DOCUMENT_ID = /^[0-9a-f]{64}$/;

const movedOf = (replica: Replica): NoteFacts["moved"] => {
  const to = replica.get(ROOT, NOTE_KEYS.movedTo);
  if (typeof to !== "string" || !DOCUMENT_ID.test(to)) return null;
  const winner = replica.conflicts(ROOT, NOTE_KEYS.movedTo).at(-1)?.id ?? "@";
  return { to, actor: winner.slice(winner.indexOf("@") + 1) };
};

const factsOf = (replica: Replica, spans: readonly NoteSpan[]): NoteFacts => {
  const type = replica.get(ROOT, NOTE_KEYS.type);
  const folder = replica.get(ROOT, NOTE_KEYS.folder);
  return {
    type: type === NOTE_TYPE || type === NOTEBOOK_TYPE ? type : "",
    title: titleOf(replica),
    text: spansToText(spans),
    excerpt: excerptOf(spans),
    folder: typeof folder === "string" ? folder : "",
    tags: listOf(replica.get(ROOT, NOTE_KEYS.tags)),
    createdAt: timeOf(replica.get(ROOT, NOTE_KEYS.createdAt)),
    updatedAt: timeOf(replica.get(ROOT, NOTE_KEYS.updatedAt)),
    deleted: replica.get(ROOT, NOTE_KEYS.deletedAt) !== undefined,
    moved: movedOf(replica),
    versions: type === NOTEBOOK_TYPE ? readVersions(replica) : [],
    names: stringsOf(replica.get(ROOT, NOTE_KEYS.names)),
    attachments: attachmentsOfSpans(spans),
  };
};

/** What lists and search need of a document whoever wrote it; what does not fit the schema reads as empty. */
export const readFacts = (replica: Replica): NoteFacts => factsOf(replica, spansOf(replica));

/** Reads a document whoever wrote it; what does not fit the schema reads as empty. */
export const readNote = (replica: Replica): NoteContent => {
  const spans = spansOf(replica);
  return {
    ...factsOf(replica, spans),
    markdown: spansToMarkdown(spans),
    spans,
    meta: stringsOf(replica.get(ROOT, NOTE_KEYS.meta)),
  };
};

/** Collects edits into changes of bounded size. */
const createWriter = (replica: Replica, actor: string, time: number) => {
  const changes: Uint8Array[] = [];
  let steps: ((transaction: Transaction) => void)[] = [];
  let cost = 0;
  const flush = (): void => {
    if (steps.length === 0) return;
    const batch = steps;
    steps = [];
    cost = 0;
    const change = replica.change({ time, actor }, (transaction) => {
      for (const step of batch) step(transaction);
    });
    if (change !== undefined) changes.push(change.bytes);
  };
  /** `share` is the part of a change that the step takes, 0 to 1. */
  const step = (share: number, run: (transaction: Transaction) => void): void => {
    if (cost + share > 1) flush();
    steps.push(run);
    cost += share;
  };
  return { step, flush, changes };
};
type Writer = ReturnType<typeof createWriter>;

const removeUnits = (writer: Writer, text: ObjectId, at: number, count: number): void => {
  for (let left = count; left > 0; left -= MAX_CHANGE_UNITS) {
    const part = Math.min(left, MAX_CHANGE_UNITS);
    writer.step(part / MAX_CHANGE_UNITS, (transaction) => {
      transaction.splice(text, at, part, "");
    });
  }
};

const isLead = (text: string, at: number): boolean => {
  const unit = text.charCodeAt(at);
  return unit >= 0xd800 && unit < 0xdc00;
};

/** Inserts units [from, to) of a text at `at`, without their marks. */
const insertUnits = (
  writer: Writer,
  object: ObjectId,
  at: number,
  source: FlatText,
  from: number,
  to: number,
): void => {
  let next = from;
  while (next < to) {
    const start = next;
    const target = at + start - from;
    const block = source.blocks.get(start);
    if (block !== undefined) {
      next = start + 1;
      writer.step(1 / MAX_CHANGE_BLOCKS, (transaction) => {
        transaction.splitBlock(object, target, block);
      });
      continue;
    }
    while (next < to && !source.blocks.has(next) && next - start < MAX_CHANGE_UNITS) next++;
    if (next < to && isLead(source.text, next - 1)) next--;
    const part = source.text.slice(start, next);
    writer.step(part.length / MAX_CHANGE_UNITS, (transaction) => {
      transaction.splice(object, target, 0, part);
    });
  }
};

/** Makes the whole text carry the marks of `wanted`, whose units it already has. */
const alignMarks = (writer: Writer, replica: Replica, object: ObjectId, wanted: FlatText): void => {
  writer.flush();
  const present = flattenSpans(readSpans(replica.spans(object)));
  for (const edit of markEdits(present, wanted)) {
    writer.step(1 / MAX_CHANGE_BLOCKS, (transaction) => {
      applyMarkEdit(transaction, object, edit);
    });
  }
  writer.flush();
};

const sameUnit = (a: FlatText, i: number, b: FlatText, j: number): boolean => {
  if (a.text.charCodeAt(i) !== b.text.charCodeAt(j)) return false;
  const block = a.blocks.get(i);
  const other = b.blocks.get(j);
  return (
    block === other || (block !== undefined && other !== undefined && JSON.stringify(block) === JSON.stringify(other))
  );
};

/** Changes a text to `wanted`: the part between the common beginning and end is replaced, marks follow. */
const replaceText = (writer: Writer, replica: Replica, object: ObjectId, wanted: FlatText): void => {
  const present = flattenSpans(readSpans(replica.spans(object)));
  const limit = Math.min(present.text.length, wanted.text.length);
  let start = 0;
  while (start < limit && sameUnit(present, start, wanted, start)) start++;
  if (start > 0 && isLead(present.text, start - 1)) start--;
  let end = 0;
  const { length } = present.text;
  while (end < limit - start && sameUnit(present, length - 1 - end, wanted, wanted.text.length - 1 - end)) end++;
  if (end > 0 && start < length - end && isLead(present.text, length - end - 1)) end--;
  removeUnits(writer, object, start, length - end - start);
  insertUnits(writer, object, start, wanted, start, wanted.text.length - end);
  alignMarks(writer, replica, object, wanted);
};

/** Sets what differs on the marker that is there: replacing it would leave two where two people restyle one block. */
const restyleBlock = (
  replica: Replica,
  transaction: Transaction,
  key: string,
  at: number,
  before: NoteBlock,
  after: NoteBlock,
): void => {
  const object = replica.objectAt([key, at]);
  if (object === undefined) return;
  if (before.type !== after.type) transaction.put(object, "type", after.type);
  if (before.parents.join() !== after.parents.join()) transaction.putObject(object, "parents", after.parents);
  if (JSON.stringify(before.attrs) !== JSON.stringify(after.attrs)) transaction.putObject(object, "attrs", after.attrs);
};

const widthOf = (span: NoteSpan): number => (span.type === "text" ? span.value.length : 1);

/** Changes a text to `wanted` by what differs, word by word, so that edits of others in between stay where they are. */
const mergeText = (writer: Writer, replica: Replica, key: string, wanted: readonly NoteSpan[]): void => {
  const object = ensureText(writer, replica, key);
  const flat = flattenSpans(wanted);
  let place = 0;
  for (const part of diffSpans(readSpans(replica.spans(object)), wanted)) {
    const at = place;
    if (part.type === "removed") {
      removeUnits(writer, object, at, widthOf(part.span));
      continue;
    }
    const width = widthOf(part.type === "restyled" ? part.after : part.span);
    if (part.type === "added") insertUnits(writer, object, at, flat, at, at + width);
    else if (part.type === "restyled" && part.before.type === "block" && part.after.type === "block") {
      const { value: before } = part.before;
      const { value: after } = part.after;
      writer.step(1 / MAX_CHANGE_BLOCKS, (transaction) => {
        restyleBlock(replica, transaction, key, at, before, after);
      });
    }
    place += width;
  }
  alignMarks(writer, replica, object, flat);
};

const ensureText = (writer: Writer, replica: Replica, key: string): ObjectId => {
  const existing = textAt(replica, key);
  if (existing !== undefined) return existing;
  writer.step(0, (transaction) => {
    transaction.putText(ROOT, key, "");
  });
  writer.flush();
  return replica.objectAt([key]) ?? ROOT;
};

const setTitle = (writer: Writer, replica: Replica, title: string): void => {
  const object = ensureText(writer, replica, NOTE_KEYS.title);
  replaceText(writer, replica, object, flattenSpans([{ type: "text", value: title }]));
};

const setTags = (writer: Writer, replica: Replica, tags: readonly string[]): void => {
  const list = replica.objectAt([NOTE_KEYS.tags]);
  if (list === undefined || replica.kindOf(list) !== "list") {
    writer.step(0, (transaction) => {
      transaction.putObject(ROOT, NOTE_KEYS.tags, [...tags]);
    });
    return;
  }
  const present = replica.get(ROOT, NOTE_KEYS.tags);
  const held = Array.isArray(present) ? present : [];
  writer.step(0, (transaction) => {
    for (let i = held.length - 1; i >= 0; i--) if (!tags.includes(held[i] as string)) transaction.remove(list, i);
    const kept = held.filter((tag) => tags.includes(tag as string));
    const missing = tags.filter((tag) => !kept.includes(tag));
    for (const [i, tag] of missing.entries()) transaction.insert(list, kept.length + i, tag);
  });
};

const setKey = (writer: Writer, key: string, value: Scalar): void => {
  writer.step(0, (transaction) => {
    transaction.put(ROOT, key, value);
  });
};

const setVersion = (writer: Writer, replica: Replica, key: string, value: string | null): void => {
  if (value !== null) setKey(writer, key, value);
  else if (replica.get(ROOT, key) !== undefined) {
    writer.step(0, (transaction) => {
      transaction.remove(ROOT, key);
    });
  }
};

const setName = (writer: Writer, replica: Replica, identity: string, name: string): void => {
  const names = replica.objectAt([NOTE_KEYS.names]);
  writer.step(0, (transaction) => {
    if (names === undefined || replica.kindOf(names) !== "map") {
      transaction.putObject(ROOT, NOTE_KEYS.names, { [identity]: name });
    } else transaction.put(names, identity, name);
  });
};

const outOfRange = (message: string): Result<never, EngineError> => err({ type: "OutOfRange", message });

/** Units before the text that `NoteContent.text` shows: the first block's marker has no place in it. */
const leadOf = (spans: readonly NoteSpan[]): number => (spans[0]?.type === "block" && !spans[0].value.isEmbed ? 1 : 0);

/** Text with every line break as a new paragraph. */
const linesToSpans = (text: string): NoteSpan[] =>
  text.split("\n").flatMap((line, i): NoteSpan[] => {
    const spans: NoteSpan[] = i === 0 ? [] : [{ type: "block", value: textBlock("paragraph") }];
    if (line !== "") spans.push({ type: "text", value: line });
    return spans;
  });

const applyEdit = (writer: Writer, replica: Replica, edit: NoteEdit): Result<null, EngineError> => {
  writer.flush();
  switch (edit.type) {
    case "appendMarkdown": {
      const object = ensureText(writer, replica, NOTE_KEYS.text);
      const present = readSpans(replica.spans(object));
      replaceText(writer, replica, object, flattenSpans([...present, ...markdownToSpans(edit.markdown).spans]));
      break;
    }
    case "replaceMarkdown":
      replaceText(
        writer,
        replica,
        ensureText(writer, replica, NOTE_KEYS.text),
        flattenSpans(markdownToSpans(edit.markdown).spans),
      );
      break;
    case "insert": {
      const object = ensureText(writer, replica, NOTE_KEYS.text);
      const at = edit.at + leadOf(spansOf(replica));
      if (at > replica.length(object)) return outOfRange("insertion beyond the end of the text");
      const flat = flattenSpans(linesToSpans(edit.text));
      insertUnits(writer, object, at, flat, 0, flat.text.length);
      break;
    }
    case "delete": {
      const object = textAt(replica, NOTE_KEYS.text);
      const at = edit.at + leadOf(spansOf(replica));
      if (object === undefined || at + edit.count > replica.length(object))
        return outOfRange("removal beyond the end of the text");
      removeUnits(writer, object, at, edit.count);
      break;
    }
    case "setContent":
      mergeText(writer, replica, NOTE_KEYS.title, [{ type: "text", value: edit.title }]);
      mergeText(writer, replica, NOTE_KEYS.text, edit.spans);
      break;
    case "setTitle":
      setTitle(writer, replica, edit.title);
      break;
    case "setFolder":
      setKey(writer, NOTE_KEYS.folder, edit.folder);
      break;
    case "setTags":
      setTags(writer, replica, edit.tags);
      break;
    case "setDeleted":
      if (edit.at !== null) setKey(writer, NOTE_KEYS.deletedAt, timestamp(edit.at));
      else {
        writer.step(0, (transaction) => {
          transaction.remove(ROOT, NOTE_KEYS.deletedAt);
        });
      }
      break;
    case "setMoved":
      if (edit.to !== null) setKey(writer, NOTE_KEYS.movedTo, edit.to);
      else if (replica.get(ROOT, NOTE_KEYS.movedTo) !== undefined) {
        writer.step(0, (transaction) => {
          transaction.remove(ROOT, NOTE_KEYS.movedTo);
        });
      }
      break;
    case "setVersion":
      setVersion(writer, replica, edit.key, edit.value);
      break;
    case "setName":
      setName(writer, replica, edit.identity, edit.name);
      break;
  }
  writer.flush();
  return ok(null);
};

/** Applies edits in order and answers the changes made; after an error the replica holds changes nobody has: drop it. */
export const editNote = (
  replica: Replica,
  actor: string,
  time: number,
  edits: readonly NoteEdit[],
): Result<readonly Uint8Array[], EngineError> => {
  const writer = createWriter(replica, actor, time);
  for (const edit of edits) {
    const applied = applyEdit(writer, replica, edit);
    if (!applied.ok) return applied;
  }
  return ok(writer.changes);
};

/** Fills an empty replica with a new document and answers the changes. */
export const createNote = (
  replica: Replica,
  actor: string,
  time: number,
  document: NewDocument,
): readonly Uint8Array[] => {
  const writer = createWriter(replica, actor, time);
  writer.step(0, (transaction) => {
    transaction.put(ROOT, NOTE_KEYS.type, document.type);
    transaction.putText(ROOT, NOTE_KEYS.title, "");
    if (document.type === "notebook") {
      transaction.putObject(ROOT, NOTE_KEYS.names, {});
      return;
    }
    transaction.putText(ROOT, NOTE_KEYS.text, "");
    transaction.put(ROOT, NOTE_KEYS.folder, document.folder);
    transaction.putObject(ROOT, NOTE_KEYS.tags, [...document.tags]);
    transaction.putObject(ROOT, NOTE_KEYS.meta, document.meta);
    transaction.put(ROOT, NOTE_KEYS.createdAt, timestamp(document.createdAt));
    transaction.put(ROOT, NOTE_KEYS.updatedAt, timestamp(document.updatedAt));
  });
  writer.flush();
  setTitle(writer, replica, document.title);
  if (document.type === "note") {
    const { content } = document;
    const spans = content.type === "spans" ? content.spans : markdownToSpans(content.markdown).spans;
    const object = ensureText(writer, replica, NOTE_KEYS.text);
    replaceText(writer, replica, object, flattenSpans(spans));
  }
  writer.flush();
  return writer.changes;
};
