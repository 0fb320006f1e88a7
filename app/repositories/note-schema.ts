import type { MapValue, MarkSet, Span } from "../../protocol/replica/types.ts";

/**
 * Shape of a note: one Automerge document whose rich text follows Automerge's conventions (marks by name, block markers
 * `{ type, parents, attrs, isEmbed }` of width 1). A block runs from its marker to the next one that is not an embed.
 */
export const NOTE_TYPE = "note";
/** The one document of a notebook that describes it: `type`, `title` and `names`. */
export const NOTEBOOK_TYPE = "notebook";

/** Keys of the root map. */
export const NOTE_KEYS = {
  type: "type",
  /** Text object, one line. */
  title: "title",
  /** Text object with marks and blocks. */
  text: "text",
  /** Slash-separated folder inside the notebook, "" at its top. */
  folder: "folder",
  tags: "tags",
  /** Front matter that has no place of its own: key to YAML source of its value. */
  meta: "meta",
  /** Timestamps; only a note that came from elsewhere has them. */
  createdAt: "createdAt",
  updatedAt: "updatedAt",
  /** Timestamp; absent while the note lives. */
  deletedAt: "deletedAt",
  /** Id of the document this note went on as in another repository; the note here is in the trash for it. */
  movedTo: "movedTo",
  /** Map in a notebook's document: name a member gave itself, by identity id. */
  names: "names",
} as const;

/** Block types whose text belongs to the block itself. `blockquote` and the list items also occur in `parents`. */
export const BLOCK_TYPES = [
  "paragraph",
  "heading",
  "unordered-list-item",
  "ordered-list-item",
  "task-list-item",
  "code-block",
  "raw",
] as const;
export type BlockType = (typeof BLOCK_TYPES)[number];

/**
 * Blocks of width 1 inside the text of another block. An embed carries no marks; a linked image has `link`. A `file`, and an
 * `image` without `src`, is an attachment: `blob`, `key`, `size`, `mime`, `name`, and a picture's preview `thumb`, `thumbKey`, `thumbSize`.
 */
export const EMBED_TYPES = ["image", "file", "horizontal-rule", "raw"] as const;
export type EmbedType = (typeof EMBED_TYPES)[number];

export const LIST_ITEM_TYPES = ["unordered-list-item", "ordered-list-item", "task-list-item"] as const;
export type ListItemType = (typeof LIST_ITEM_TYPES)[number];

/** Marks in the order they nest in Markdown, outermost first. */
export const MARK_NAMES = ["link", "strong", "em", "strike", "code"] as const;
export type MarkName = (typeof MARK_NAMES)[number];

/** Whether text typed at the edge of a mark joins it: emphasis and code grow at their end, links do not. */
export const MARK_EXPAND: Readonly<Record<MarkName, "after" | "none">> = {
  link: "none",
  strong: "after",
  em: "after",
  strike: "after",
  code: "after",
};

/** Deeper nesting of lists and quotes is flattened: nobody reads it and hostile input likes it. */
export const MAX_DEPTH = 16;

export type BlockAttrs = Readonly<Record<string, string | number | boolean>>;
/** One block marker. A type alias, so that it is assignable to the replica's `MapValue`. */
// eslint-disable-next-line @typescript-eslint/consistent-type-definitions
export type NoteBlock = {
  readonly type: string;
  readonly parents: readonly string[];
  readonly attrs: BlockAttrs;
  readonly isEmbed: boolean;
};
export type NoteMarks = Readonly<Partial<Record<MarkName, string | true>>>;
export type NoteSpan =
  | { readonly type: "text"; readonly value: string; readonly marks?: NoteMarks }
  | { readonly type: "block"; readonly value: NoteBlock };

/** Value of the `link` mark. */
export interface LinkTarget {
  readonly href: string;
  readonly title: string;
}

export const linkToMark = (link: LinkTarget): string =>
  JSON.stringify(link.title === "" ? { href: link.href } : { href: link.href, title: link.title });

/** Total: a mark of another writer that is not the JSON it should be is taken as the address itself. */
export const markToLink = (mark: string): LinkTarget => {
  try {
    const value: unknown = JSON.parse(mark);
    if (typeof value === "object" && value !== null && "href" in value && typeof value.href === "string")
      return { href: value.href, title: "title" in value && typeof value.title === "string" ? value.title : "" };
  } catch {
    return { href: mark, title: "" };
  }
  return { href: mark, title: "" };
};

/** Scheme of a link from one note to another: `p2pc:doc/<document id>`. */
export const DOCUMENT_LINK = "p2pc:doc/";

export const textBlock = (type: BlockType, parents: readonly string[] = [], attrs: BlockAttrs = {}): NoteBlock => ({
  type,
  parents,
  attrs,
  isEmbed: false,
});
export const embedBlock = (type: EmbedType, attrs: BlockAttrs = {}): NoteBlock => ({
  type,
  parents: [],
  attrs,
  isEmbed: true,
});

export const isListItem = (type: string): type is ListItemType => (LIST_ITEM_TYPES as readonly string[]).includes(type);

const isScalar = (value: unknown): value is string | number | boolean =>
  typeof value === "string" || typeof value === "number" || typeof value === "boolean";

/** Reads a block marker of any writer; what does not fit the schema is left out, so nothing a peer writes can break a reader. */
export const readBlock = (value: MapValue): NoteBlock => {
  const attrs: Record<string, string | number | boolean> = {};
  const source = value["attrs"];
  if (typeof source === "object" && source !== null && !Array.isArray(source))
    for (const [key, attr] of Object.entries(source)) if (isScalar(attr)) attrs[key] = attr;
  const parents = value["parents"];
  return {
    type: typeof value["type"] === "string" ? value["type"] : "paragraph",
    parents: Array.isArray(parents)
      ? parents.filter((parent): parent is string => typeof parent === "string").slice(0, MAX_DEPTH)
      : [],
    attrs,
    isEmbed: value["isEmbed"] === true,
  };
};

/** Keeps the marks of the schema, in its order. */
export const readMarks = (marks: MarkSet | undefined): NoteMarks => {
  if (marks === undefined) return {};
  const out: Partial<Record<MarkName, string | true>> = {};
  for (const name of MARK_NAMES) {
    const value = marks[name];
    if (name === "link" ? typeof value === "string" && value !== "" : value === true)
      out[name] = value as string | true;
  }
  return out;
};

export const readSpans = (spans: readonly Span[]): NoteSpan[] =>
  spans.map((span) => {
    if (span.type === "block") return { type: "block", value: readBlock(span.value) };
    const marks = readMarks(span.marks);
    return Object.keys(marks).length === 0
      ? { type: "text", value: span.value }
      : { type: "text", value: span.value, marks };
  });
