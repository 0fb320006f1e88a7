import type { NoteSpan } from "../repositories/note-schema.ts";

/** Stands for an embed, so that offsets in the text and in the sequence of units agree. */
const OBJECT_REPLACEMENT = "\uFFFC";

/**
 * Plain text of a note, blocks separated by a newline. One UTF-16 unit stands for one unit of the rich text, but for the
 * leading block marker, which has none: unit index = text offset + 1.
 */
export const spansToText = (spans: readonly NoteSpan[]): string => {
  let out = "";
  spans.forEach((span, index) => {
    if (span.type === "text") out += span.value;
    else if (span.value.isEmbed) out += OBJECT_REPLACEMENT;
    else if (index > 0) out += "\n";
  });
  return out;
};
