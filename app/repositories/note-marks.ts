import type { ObjectId, Transaction } from "../../protocol/replica/types.ts";
import {
  MARK_EXPAND,
  MARK_NAMES,
  type MarkName,
  type NoteBlock,
  type NoteMarks,
  type NoteSpan,
} from "./note-schema.ts";

type MarkValue = string | true | undefined;

/** Spans as one string with a placeholder per block, the blocks by index and the marks by unit range. */
export interface FlatText {
  readonly text: string;
  readonly blocks: ReadonlyMap<number, NoteBlock>;
  readonly runs: readonly MarkedRun[];
}

interface MarkedRun {
  readonly from: number;
  readonly to: number;
  readonly marks: NoteMarks | undefined;
}

export const BLOCK_UNIT = "\ufffc";

export const flattenSpans = (spans: readonly NoteSpan[]): FlatText => {
  let text = "";
  const blocks = new Map<number, NoteBlock>();
  const runs: MarkedRun[] = [];
  for (const span of spans) {
    if (span.type === "block") {
      blocks.set(text.length, span.value);
      text += BLOCK_UNIT;
    } else {
      const value = span.value.toWellFormed();
      runs.push({ from: text.length, to: text.length + value.length, marks: span.marks });
      text += value;
    }
  }
  return { text, blocks, runs };
};

/** One mark to set (or, without a value, to take off) so that the text carries the marks it should. */
export interface MarkEdit {
  readonly start: number;
  readonly end: number;
  readonly name: MarkName;
  readonly value: MarkValue;
}

/** Differences in marks between two texts of the same units. Block markers carry none and end every range. */
export const markEdits = (present: FlatText, wanted: FlatText): MarkEdit[] => {
  const edits: MarkEdit[] = [];
  const edges = new Set<number>();
  for (const { runs } of [present, wanted]) for (const { from, to } of runs) edges.add(from).add(to);
  const sorted = [...edges].sort((a, b) => a - b);
  const marksAt = cursorOver(present);
  const wantedAt = cursorOver(wanted);
  const open = new Map<MarkName, MarkEdit>();
  for (let i = 0; i + 1 < sorted.length; i++) {
    const start = sorted[i] as number;
    const end = sorted[i + 1] as number;
    const now = marksAt(start);
    const then = wantedAt(start);
    for (const name of MARK_NAMES) {
      const value = then?.[name];
      const last = open.get(name);
      const isSame = now === undefined || then === undefined || now[name] === value;
      if (isSame) open.delete(name);
      else if (last !== undefined && last.end === start && last.value === value) {
        const longer = { ...last, end };
        edits[edits.indexOf(last)] = longer;
        open.set(name, longer);
      } else {
        const edit = { start, end, name, value };
        edits.push(edit);
        open.set(name, edit);
      }
    }
  }
  return edits;
};

const NO_MARKS: NoteMarks = {};

/** Answers the marks at growing unit indices; `undefined` where a block marker stands. */
const cursorOver = ({ runs }: FlatText) => {
  let at = 0;
  return (index: number) => {
    while (at < runs.length && (runs[at]?.to ?? 0) <= index) at++;
    const run = runs[at];
    return run === undefined || run.from > index ? undefined : (run.marks ?? NO_MARKS);
  };
};

export const applyMarkEdit = (
  transaction: Transaction,
  text: ObjectId,
  { start, end, name, value }: MarkEdit,
): void => {
  const range = { start, end, expand: MARK_EXPAND[name] };
  if (value === undefined) transaction.unmark(text, range, name);
  else transaction.mark(text, range, name, value);
};
