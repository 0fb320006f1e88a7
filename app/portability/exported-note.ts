import { array, hexOf, integer, object, oneOf, text } from "../contract/decode.ts";
import type { Decoder } from "../contract/decode.ts";
import type { NoteSpan } from "../repositories/note-schema.ts";
import { readBlock, readMarks } from "../repositories/note-schema.ts";
import type { MapValue, MarkSet } from "../../protocol/replica/types.ts";
import { ok } from "../../protocol/kernel/result.ts";

/** A note as an export holds it in JSON: everything of its present state, in the spans of Automerge's rich text. */
export interface NoteFile {
  readonly format: "p2pcollab-note";
  readonly id: string;
  readonly title: string;
  readonly folder: string;
  readonly tags: readonly string[];
  /** Front matter without a place of its own. */
  readonly meta: Readonly<Record<string, string>>;
  /** Unix milliseconds. */
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly state: "note" | "trash";
  /** Heads of the Automerge file beside it. */
  readonly heads: readonly string[];
  readonly spans: readonly NoteSpan[];
}

/** A notebook's own file: its notes, and where each of their attachments lies below its folder. */
export interface NotebookFile {
  readonly format: "p2pcollab-notebook";
  readonly id: string;
  readonly title: string;
  readonly role: string;
  readonly notes: readonly string[];
  readonly attachments: readonly {
    readonly blob: string;
    readonly path: string;
    readonly mime: string;
    readonly name: string;
  }[];
}

const MAX_TEXT = 1_000_000;
const MAX_SPANS = 2_000_000;
const MAX_ATTACHMENTS = 1_000_000;
const MAX_KEYS = 10_000;

const anyRecord: Decoder<Readonly<Record<string, string>>> = (value) => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return ok({});
  const entries = Object.entries(value).slice(0, MAX_KEYS);
  return ok(Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === "string")));
};

/** Total: what does not fit the schema is left out, as with what a peer writes. */
const span: Decoder<NoteSpan> = (value) => {
  const {
    type,
    value: content,
    marks,
  } = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  const isMap = (one: unknown): one is MapValue => typeof one === "object" && one !== null && !Array.isArray(one);
  if (type === "block") return ok({ type, value: readBlock(isMap(content) ? content : {}) });
  const kept = readMarks(isMap(marks) ? (marks as MarkSet) : undefined);
  const string = typeof content === "string" && content.isWellFormed() ? content : "";
  return ok(
    Object.keys(kept).length === 0 ? { type: "text", value: string } : { type: "text", value: string, marks: kept },
  );
};

const time = integer(0, Number.MAX_SAFE_INTEGER);
export const noteFile: Decoder<NoteFile> = object({
  format: oneOf("p2pcollab-note"),
  id: hexOf(32),
  title: text(0, MAX_TEXT),
  folder: text(0, MAX_TEXT),
  tags: array(text(0, MAX_TEXT), MAX_KEYS),
  meta: anyRecord,
  createdAt: time,
  updatedAt: time,
  state: oneOf("note", "trash"),
  heads: array(hexOf(32), MAX_KEYS),
  spans: array(span, MAX_SPANS),
});

export const notebookFile: Decoder<NotebookFile> = object({
  format: oneOf("p2pcollab-notebook"),
  id: hexOf(16),
  title: text(0, MAX_TEXT),
  role: text(0, MAX_KEYS),
  notes: array(hexOf(32), MAX_ATTACHMENTS),
  attachments: array(
    object({ blob: hexOf(32), path: text(1, MAX_TEXT), mime: text(1, MAX_KEYS), name: text(1, MAX_KEYS) }),
    MAX_ATTACHMENTS,
  ),
});
