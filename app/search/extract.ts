import type { NoteSpan } from "../repositories/note-schema.ts";

export interface NoteText {
  readonly title: string;
  readonly body: string;
  readonly tags: readonly string[];
}

/** UTF-16 units of one note that are indexed; a note beyond it is a book of 1 500 pages, found by its beginning. */
export const MAX_INDEXED_BODY = 4_000_000;
const MAX_INDEXED_TITLE = 1_000;

/** What the index knows of a note: its words with those of alternative texts, blocks on lines of their own. */
export const extractNote = (note: {
  readonly title: string;
  readonly tags: readonly string[];
  readonly spans: readonly NoteSpan[];
}): NoteText => {
  const parts: string[] = [];
  let length = 0;
  const push = (text: string): void => {
    const room = MAX_INDEXED_BODY - length;
    if (room <= 0 || text === "") return;
    const taken = text.length > room ? text.slice(0, room) : text;
    parts.push(taken);
    length += taken.length;
  };
  note.spans.forEach((span, index) => {
    if (span.type === "text") push(span.value);
    else if (!span.value.isEmbed) push(index === 0 ? "" : "\n");
    else if (span.value.type === "image")
      push(` ${textAttr(span, "alt")} ${textAttr(span, "title")} `.replace(/ +/g, " "));
  });
  return {
    title: note.title.slice(0, MAX_INDEXED_TITLE),
    body: parts.join("").toWellFormed(),
    tags: note.tags,
  };
};

const textAttr = (span: Extract<NoteSpan, { type: "block" }>, key: string): string => {
  const value = span.value.attrs[key];
  return typeof value === "string" ? value : "";
};
