import type { MarkName, NoteMarks, NoteSpan } from "../repositories/note-schema.ts";
import { MARK_NAMES } from "../repositories/note-schema.ts";

/** Marks whose delimiters Markdown does not allow next to white space on their inner side. */
const DELIMITED: readonly MarkName[] = ["strong", "em", "strike"];

interface Run {
  readonly value: string;
  readonly marks: NoteMarks;
}

const sameMarks = (a: NoteMarks, b: NoteMarks): boolean => MARK_NAMES.every((name) => a[name] === b[name]);

const inOrder = (marks: NoteMarks): NoteMarks => {
  const out: Partial<Record<MarkName, string | true>> = {};
  for (const name of MARK_NAMES) if (marks[name] !== undefined) out[name] = marks[name];
  return out;
};

const withoutMark = (marks: NoteMarks, name: MarkName): NoteMarks => {
  const { [name]: _removed, ...rest } = marks;
  return rest;
};

/** Takes emphasis off white space at its edges (`**bold **` is not bold in Markdown) and joins runs with equal marks. */
export const tidyRuns = (spans: readonly NoteSpan[]): NoteSpan[] => {
  let pieces: (Run | Extract<NoteSpan, { type: "block" }>)[] = spans.map((span) =>
    span.type === "block" ? span : { value: span.value, marks: inOrder(span.marks ?? {}) },
  );
  for (const name of DELIMITED) pieces = trimMark(pieces, name);
  const out: NoteSpan[] = [];
  let open: Run | undefined;
  const flush = (): void => {
    if (open !== undefined)
      out.push(
        Object.keys(open.marks).length === 0
          ? { type: "text", value: open.value }
          : { type: "text", value: open.value, marks: open.marks },
      );
    open = undefined;
  };
  for (const piece of pieces) {
    if ("type" in piece) {
      flush();
      out.push(piece);
    } else if (piece.value === "") continue;
    else if (open !== undefined && sameMarks(open.marks, piece.marks))
      open = { value: open.value + piece.value, marks: open.marks };
    else {
      flush();
      open = piece;
    }
  }
  flush();
  return out;
};

const trimMark = <Block extends { readonly type: "block" }>(
  pieces: readonly (Run | Block)[],
  name: MarkName,
): (Run | Block)[] => {
  const out: (Run | Block)[] = [];
  const marked = (piece: Run | Block | undefined): piece is Run =>
    piece !== undefined && !("type" in piece) && piece.marks[name] !== undefined;
  for (let start = 0; start < pieces.length;) {
    const piece = pieces[start] as Run | Block;
    if (!marked(piece)) {
      out.push(piece);
      start++;
      continue;
    }
    let end = start;
    while (marked(pieces[end])) end++;
    out.push(...trimGroup(pieces.slice(start, end) as Run[], name));
    start = end;
  }
  return out;
};

const trimGroup = (group: readonly Run[], name: MarkName): Run[] => {
  const text = group.map((run) => run.value).join("");
  const from = text.length - text.trimStart().length;
  const to = text.trimEnd().length;
  const out: Run[] = [];
  let at = 0;
  for (const run of group) {
    const cut = (start: number, end: number): string => run.value.slice(Math.max(0, start - at), Math.max(0, end - at));
    const bare = withoutMark(run.marks, name);
    out.push({ value: cut(at, from), marks: bare }, { value: cut(Math.max(at, from), to), marks: run.marks });
    out.push({ value: run.value.slice(Math.max(0, Math.max(to, from) - at)), marks: bare });
    at += run.value.length;
  }
  return out.filter((run) => run.value !== "");
};
