import { Document, isMap, isScalar, parse, parseDocument } from "yaml";
import type { RootContent } from "mdast";
import type { NoteSpan } from "../repositories/note-schema.ts";
import { parseMarkdown } from "./mdast.ts";
import type { Dropped } from "./markdown-to-spans.ts";
import { createDroppedCounter, treeToSpans } from "./markdown-to-spans.ts";
import { spansToMarkdown } from "./spans-to-markdown.ts";
import { spansToText } from "./spans-to-text.ts";

/** A whole Markdown file as a note. */
export interface NoteFromMarkdown {
  /** From the front matter, else the heading of level 1 the text begins with, else "". */
  readonly title: string;
  readonly spans: readonly NoteSpan[];
  /** Front matter that has no place of its own: key to YAML source of its value; `title` too, to be put back there. */
  readonly frontMatter: Readonly<Record<string, string>>;
  readonly tags: readonly string[];
  /** Unix milliseconds from the front matter. */
  readonly createdAt?: number;
  readonly updatedAt?: number;
  readonly dropped: readonly Dropped[];
}

export interface NoteToMarkdown {
  readonly title: string;
  readonly spans: readonly NoteSpan[];
  readonly tags: readonly string[];
  readonly meta: Readonly<Record<string, string>>;
}

/** Longest title the contract takes. */
const MAX_TITLE = 200;
const MAX_TAGS = 100;
/** An alias may multiply a document (the "billion laughs"); front matter needs none. */
const YAML_LIMITS = { maxAliasCount: 0 } as const;

const CREATED_KEYS = ["created", "created_at", "createdAt", "date"];
const UPDATED_KEYS = ["updated", "updated_at", "updatedAt", "modified", "lastmod", "last_modified"];

export const markdownToNote = (markdown: string): NoteFromMarkdown => {
  const dropped = createDroppedCounter();
  const tree = parseMarkdown(markdown.replace(/^\uFEFF/, ""), { frontMatter: true });
  let nodes: readonly RootContent[] = tree.root.children;
  const head = nodes[0];
  const fields = head?.type === "yaml" ? parseFrontMatter(head.value) : undefined;
  if (fields !== undefined) nodes = nodes.slice(1);

  let title = scalarText(fields?.get("title"));
  const first = nodes[0];
  if (first?.type === "heading" && first.depth === 1) {
    const spans = treeToSpans(tree, [first], createDroppedCounter());
    const heading = spansToText(spans).replace(/\s+/g, " ").trim();
    const plain = spans.every((span, index) => (span.type === "text" ? span.marks === undefined : index === 0));
    if (heading !== "" && heading.length <= MAX_TITLE && (title === "" || title === heading)) {
      if (title === "" && !plain) dropped.add("formatting of the title", heading);
      title = heading;
      nodes = nodes.slice(1);
    }
  }

  const frontMatter: Record<string, string> = {};
  for (const [key, value] of fields ?? []) if (!isTagKey(key)) frontMatter[key] = yamlSource(value);
  const createdAt = firstDate(fields, CREATED_KEYS);
  const updatedAt = firstDate(fields, UPDATED_KEYS);
  return {
    title: title.slice(0, MAX_TITLE),
    spans: treeToSpans(tree, nodes, dropped),
    frontMatter,
    tags: readTags(fields),
    ...(createdAt === undefined ? {} : { createdAt }),
    ...(updatedAt === undefined ? {} : { updatedAt }),
    dropped: dropped.list(),
  };
};

/** Whole file: front matter where there is any, the title as a heading of level 1 unless the front matter has it, the text. */
export const noteToMarkdown = (note: NoteToMarkdown): string => {
  const fields = new Document(new Map<string, unknown>());
  for (const [key, source] of Object.entries(note.meta))
    fields.set(key, key === "title" ? note.title : yamlValue(source));
  if (note.tags.length > 0) fields.set("tags", [...note.tags]);
  const hasFields = Object.keys(note.meta).length > 0 || note.tags.length > 0;
  const parts: string[] = [];
  if (hasFields) parts.push(`---\n${fields.toString({ lineWidth: 0 })}---\n`);
  if (note.title !== "" && !Object.hasOwn(note.meta, "title")) parts.push(spansToMarkdown(titleSpans(note.title)));
  const body = spansToMarkdown(note.spans);
  if (body !== "") parts.push(body);
  return parts.join("\n");
};

const titleSpans = (title: string): NoteSpan[] => [
  { type: "block", value: { type: "heading", parents: [], attrs: { level: 1 }, isEmbed: false } },
  { type: "text", value: title.replace(/\s+/g, " ") },
];

const isTagKey = (key: string): boolean => key === "tags" || key === "tag" || key === "keywords";

/** Fields of a YAML mapping; `undefined` for anything else. */
const parseFrontMatter = (source: string): Map<string, unknown> | undefined => {
  const document = parseDocument(source, { uniqueKeys: false, logLevel: "silent" });
  if (document.errors.length > 0) return undefined;
  if (document.contents === null) return new Map();
  if (!isMap(document.contents)) return undefined;
  const fields = new Map<string, unknown>();
  try {
    for (const { key } of document.contents.items) {
      if (!isScalar(key)) return undefined;
      const name = String(key.value);
      fields.set(name, (document.toJS(YAML_LIMITS) as Record<string, unknown>)[name]);
    }
  } catch {
    return undefined;
  }
  return fields;
};

const scalarText = (value: unknown): string =>
  typeof value === "string" || typeof value === "number" ? String(value).replace(/\s+/g, " ").trim() : "";

const readTags = (fields: ReadonlyMap<string, unknown> | undefined): string[] => {
  const given = fields?.get("tags") ?? fields?.get("tag") ?? fields?.get("keywords");
  const list = Array.isArray(given) ? given : typeof given === "string" ? given.split(/[,\s]+/) : [];
  const tags = list.map((tag) => scalarText(tag).replace(/^#/, "").slice(0, MAX_TITLE)).filter((tag) => tag !== "");
  return [...new Set(tags)].slice(0, MAX_TAGS);
};

const DATE =
  /^(\d{4})-(\d{2})-(\d{2})(?:[Tt ]+(\d{2}):(\d{2})(?::(\d{2})(?:\.\d+)?)? ?(?:[Zz]|([+-])(\d{2}):?(\d{2}))?)?$/;

/** Unix milliseconds of an ISO 8601 date or time, UTC where it names no zone, so that every machine reads it alike. */
const parseDate = (text: string): number => {
  const match = DATE.exec(text.trim());
  if (match === null) return Number.NaN;
  const field = (index: number): number => Number(match[index] ?? 0);
  const zone = (field(8) * 60 + field(9)) * (match[7] === "-" ? -1 : 1);
  const minutes = (daysSince1970(field(1), field(2), field(3)) * 24 + field(4)) * 60 + field(5) - zone;
  return (minutes * 60 + field(6)) * 1000;
};

/** Days of the proleptic Gregorian calendar, counted in years that begin in March so that leap days come last. */
const daysSince1970 = (year: number, month: number, day: number): number => {
  const shifted = month > 2 ? year : year - 1;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  return (
    shifted * 365 +
    Math.floor(shifted / 4) -
    Math.floor(shifted / 100) +
    Math.floor(shifted / 400) +
    dayOfYear -
    719_468
  );
};

const firstDate = (fields: ReadonlyMap<string, unknown> | undefined, keys: readonly string[]): number | undefined => {
  for (const key of keys) {
    const value = fields?.get(key);
    const time = typeof value === "string" ? parseDate(value) : typeof value === "number" ? value : Number.NaN;
    if (Number.isSafeInteger(time) && time > 0) return time;
  }
  return undefined;
};

/** One line of YAML, so that a value keeps its type on the way back. */
const yamlSource = (value: unknown): string =>
  new Document(value, { version: "1.2" })
    .toString({ lineWidth: 0, collectionStyle: "flow", flowCollectionPadding: false })
    .trimEnd();

const yamlValue = (source: string): unknown => {
  try {
    return parse(source, YAML_LIMITS) as unknown;
  } catch {
    return source;
  }
};
