import type { Mark, MarkSpec, Node as ProseMirrorNode, NodeSpec } from "prosemirror-model";
import { Fragment, Schema } from "prosemirror-model";
import type { BlockAttrs, MarkName, NoteBlock, NoteMarks, NoteSpan } from "../../../../app/repositories/note-schema.ts";
import { BLOCK_TYPES, EMBED_TYPES, MARK_NAMES, markToLink } from "../../../../app/repositories/note-schema.ts";

/**
 * The editor's document mirrors the note's flat text one to one: every block marker is one textblock of the document,
 * every embed one inline leaf, every UTF-16 unit one position. Nesting lives in `parents`, so no edit ever has to
 * rebuild a tree. All textblocks take the same content, so that whatever concurrent edits leave behind is a valid document.
 */

const blockClass = (type: string): string => `block block-${type}`;

const depthAttrs = (node: ProseMirrorNode): Record<string, string> => {
  const parents = node.attrs["parents"] as readonly string[];
  const quotes = parents.filter((parent) => parent === "blockquote").length;
  return { "data-depth": String(parents.length - quotes), "data-quotes": String(quotes) };
};

const attrsOf = (node: ProseMirrorNode): BlockAttrs => node.attrs["attrs"] as BlockAttrs;

/** Level 1 to 6 of a heading, whatever a writer put there. */
export const headingLevel = (attrs: BlockAttrs): number =>
  typeof attrs["level"] === "number" ? Math.min(6, Math.max(1, Math.trunc(attrs["level"]))) : 1;

const textAttr = (attrs: BlockAttrs, key: string): string => (typeof attrs[key] === "string" ? attrs[key] : "");

const BLOCK: NodeSpec = {
  group: "block",
  content: "inline*",
  // Hard line breaks are newlines in the text, in code and elsewhere.
  whitespace: "pre",
  attrs: { parents: { default: [] }, attrs: { default: {} } },
  toDOM: (node) => ["p", { class: blockClass(node.type.name), ...depthAttrs(node) }, 0],
};

/** Keeps its type when it is pasted into an empty paragraph. */
const DEFINING_BLOCK: NodeSpec = { ...BLOCK, definingForContent: true };

const EMBED: NodeSpec = {
  group: "inline",
  inline: true,
  atom: true,
  attrs: { attrs: { default: {} } },
};

const blockSpecs: Readonly<Record<string, NodeSpec>> = {
  paragraph: { ...BLOCK, parseDOM: [{ tag: "p" }, { tag: "div" }] },
  heading: {
    ...BLOCK,
    defining: true,
    parseDOM: [1, 2, 3, 4, 5, 6].map((level) => ({ tag: `h${level}`, attrs: { attrs: { level } } })),
    toDOM: (node) => [`h${headingLevel(attrsOf(node))}`, { class: blockClass("heading"), ...depthAttrs(node) }, 0],
  },
  "unordered-list-item": DEFINING_BLOCK,
  "ordered-list-item": DEFINING_BLOCK,
  "task-list-item": DEFINING_BLOCK,
  "code-block": {
    ...BLOCK,
    code: true,
    defining: true,
    toDOM: (node) => [
      "pre",
      {
        class: blockClass("code-block"),
        "data-language": textAttr(attrsOf(node), "language"),
        spellcheck: "false",
        ...depthAttrs(node),
      },
      ["code", 0],
    ],
  },
  raw: {
    ...BLOCK,
    code: true,
    defining: true,
    toDOM: (node) => [
      "pre",
      {
        class: blockClass("raw"),
        "data-format": textAttr(attrsOf(node), "format"),
        spellcheck: "false",
        ...depthAttrs(node),
      },
      ["code", 0],
    ],
  },
};

const embedSpecs: Readonly<Record<string, NodeSpec>> = {
  "embed-image": {
    ...EMBED,
    draggable: true,
    toDOM: (node) => [
      "span",
      { class: "embed-image", title: textAttr(attrsOf(node), "title") },
      textAttr(attrsOf(node), "alt") || textAttr(attrsOf(node), "name") || textAttr(attrsOf(node), "src"),
    ],
  },
  "embed-file": {
    ...EMBED,
    draggable: true,
    toDOM: (node) => [
      "span",
      { class: "embed-image" },
      textAttr(attrsOf(node), "alt") || textAttr(attrsOf(node), "name"),
    ],
  },
  "embed-horizontal-rule": { ...EMBED, toDOM: () => ["span", { class: "embed-rule", role: "separator" }] },
  "embed-raw": { ...EMBED, toDOM: (node) => ["code", { class: "embed-raw" }, textAttr(attrsOf(node), "source")] },
};

export const noteSchema = new Schema({
  nodes: {
    doc: { content: "block+" },
    ...blockSpecs,
    "unknown-block": {
      ...BLOCK,
      attrs: { ...BLOCK.attrs, type: { default: "paragraph" } },
      toDOM: (node) => ["p", { class: blockClass("paragraph"), ...depthAttrs(node) }, 0],
    },
    text: { group: "inline" },
    ...embedSpecs,
    "embed-unknown": {
      ...EMBED,
      attrs: { ...EMBED.attrs, type: { default: "unknown" } },
      toDOM: (node) => ["code", { class: "embed-raw" }, String(node.attrs["type"])],
    },
  },
  marks: {
    link: {
      attrs: { value: {} },
      inclusive: false,
      toDOM: (mark: Mark) => {
        const { href, title } = markToLink(String(mark.attrs["value"]));
        return [
          "a",
          { href: isOpenable(href) ? href : "#", "data-href": href, title: title || href, rel: "noreferrer" },
          0,
        ];
      },
    },
    strong: { parseDOM: [{ tag: "strong" }, { tag: "b" }], toDOM: () => ["strong", 0] },
    em: { parseDOM: [{ tag: "em" }, { tag: "i" }], toDOM: () => ["em", 0] },
    strike: { parseDOM: [{ tag: "s" }, { tag: "del" }], toDOM: () => ["s", 0] },
    code: { parseDOM: [{ tag: "code" }], toDOM: () => ["code", { spellcheck: "false" }, 0] },
  } satisfies Record<MarkName, MarkSpec>,
});

/** Addresses that may leave the editor: the web, mail, and other notes. */
export const isOpenable = (href: string): boolean => /^(?:https?:|mailto:|p2pc:)/i.test(href);

const KNOWN_BLOCKS: ReadonlySet<string> = new Set(BLOCK_TYPES);
const KNOWN_EMBEDS: ReadonlySet<string> = new Set(EMBED_TYPES);

export const blockToNode = (block: NoteBlock, content?: Fragment): ProseMirrorNode => {
  const { type, parents, attrs } = block;
  return KNOWN_BLOCKS.has(type)
    ? noteSchema.node(type, { parents, attrs }, content)
    : noteSchema.node("unknown-block", { type, parents, attrs }, content);
};

export const nodeToBlock = (node: ProseMirrorNode): NoteBlock => ({
  type: node.type.name === "unknown-block" ? String(node.attrs["type"]) : node.type.name,
  parents: node.attrs["parents"] as readonly string[],
  attrs: attrsOf(node),
  isEmbed: false,
});

export const embedToNode = ({ type, attrs }: NoteBlock): ProseMirrorNode =>
  KNOWN_EMBEDS.has(type)
    ? noteSchema.node(`embed-${type}`, { attrs })
    : noteSchema.node("embed-unknown", { type, attrs });

export const nodeToEmbed = (node: ProseMirrorNode): NoteBlock => ({
  type: node.type.name === "embed-unknown" ? String(node.attrs["type"]) : node.type.name.slice("embed-".length),
  parents: [],
  attrs: attrsOf(node),
  isEmbed: true,
});

export const markValue = (mark: Mark): string | true =>
  mark.type.name === "link" ? String(mark.attrs["value"]) : true;

export const toMark = (name: MarkName, value: string | true): Mark =>
  name === "link" ? noteSchema.mark("link", { value }) : noteSchema.mark(name);

/** ProseMirror's marks of a run, in the schema's order. */
export const toMarks = (marks: NoteMarks): Mark[] => {
  const out: Mark[] = [];
  for (const name of MARK_NAMES) {
    const value = marks[name];
    if (value !== undefined) out.push(toMark(name, value));
  }
  return out;
};

export const fromMarks = (marks: readonly Mark[]): NoteMarks => {
  const out: Partial<Record<MarkName, string | true>> = {};
  for (const mark of marks) out[mark.type.name as MarkName] = markValue(mark);
  return out;
};

/** Inline nodes of spans without block markers. */
export const inlineNodes = (spans: readonly NoteSpan[]): ProseMirrorNode[] =>
  spans.flatMap((span) => {
    if (span.type === "block") return [embedToNode(span.value)];
    return span.value === "" ? [] : [noteSchema.text(span.value, toMarks(span.marks ?? {}))];
  });

/** Whole document of a note's text. Text before the first marker shows as a paragraph of its own. */
export const docFromSpans = (spans: readonly NoteSpan[]): ProseMirrorNode => {
  const blocks = spansToBlocks(spans);
  return noteSchema.node("doc", null, blocks.length === 0 ? [noteSchema.node("paragraph")] : blocks);
};

export const spansToBlocks = (spans: readonly NoteSpan[]): ProseMirrorNode[] => {
  const blocks: ProseMirrorNode[] = [];
  let block: NoteBlock | undefined;
  let inline: NoteSpan[] = [];
  const flush = (): void => {
    const content = Fragment.fromArray(inlineNodes(inline));
    if (block !== undefined) blocks.push(blockToNode(block, content));
    else if (content.size > 0) blocks.push(noteSchema.node("paragraph", null, content));
    inline = [];
  };
  for (const span of spans) {
    if (span.type === "block" && !span.value.isEmbed) {
      flush();
      block = span.value;
    } else inline.push(span);
  }
  flush();
  return blocks;
};

/** Spans of a fragment of blocks or of inline nodes. */
export const fragmentToSpans = (fragment: Fragment): NoteSpan[] => {
  const spans: NoteSpan[] = [];
  fragment.descendants((node) => {
    if (node.isText) {
      const marks = fromMarks(node.marks);
      const value = node.text ?? "";
      spans.push(node.marks.length === 0 ? { type: "text", value } : { type: "text", value, marks });
    } else if (node.isInline) spans.push({ type: "block", value: nodeToEmbed(node) });
    else spans.push({ type: "block", value: nodeToBlock(node) });
    return true;
  });
  return spans;
};
