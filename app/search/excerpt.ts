import type { NoteSpan } from "../repositories/note-schema.ts";

/** UTF-16 units a list shows at most: three lines of the widest one. */
const EXCERPT_UNITS = 200;

/** Of one span, before its white space and tags are taken out. */
const MAX_SOURCE = 4_000;

/** The first words of a note for lists, in one line; of HTML kept as source, only what is between its tags. */
export const excerptOf = (spans: readonly NoteSpan[]): string => {
  let text = "";
  let isHtml = false;
  for (const span of spans) {
    if (text.length > 2 * EXCERPT_UNITS) break;
    if (span.type === "text") {
      const source = span.value.slice(0, MAX_SOURCE);
      text += isHtml ? source.replace(/<[^>]*>?/g, " ") : source;
    } else if (!span.value.isEmbed) {
      isHtml = span.value.type === "raw" && span.value.attrs["format"] === "html";
      text = `${text.trim()} `;
    }
  }
  return text.replace(/\s+/gu, " ").trim().slice(0, EXCERPT_UNITS).toWellFormed();
};
