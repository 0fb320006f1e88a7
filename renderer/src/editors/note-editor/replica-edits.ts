import type { MarkName, NoteBlock, NoteMarks } from "../../../../app/repositories/note-schema.ts";
import { MARK_EXPAND, MARK_NAMES, readMarks } from "../../../../app/repositories/note-schema.ts";
import type { LocalChange, MapValue, ObjectId, Replica, Transaction } from "../../../../protocol/replica/types.ts";
import type { Unit, UnitOp } from "./units.ts";
import { runEnd, sameBlock, sameMarks, textOf } from "./units.ts";

/** One indivisible edit of the replica; `cost` is its share of what one change may hold. */
export interface ReplicaEdit {
  readonly cost: number;
  readonly run: (transaction: Transaction) => void;
}

/** Units one edit inserts or removes at most: far below the 65 536 operations and the 256 KiB a change may have. */
const MAX_EDIT_UNITS = 8_192;
/** Markers or marks one change holds at most; a marker takes up to a dozen operations. */
const MAX_CHANGE_MARKERS = 512;

/** Runs edits in order, in as few changes as their cost allows; `time` is in seconds since 1970. */
export const writeEdits = (replica: Replica, edits: readonly ReplicaEdit[], time: number): readonly LocalChange[] => {
  const changes: LocalChange[] = [];
  for (let start = 0; start < edits.length;) {
    let end = start;
    let cost = 0;
    while (end < edits.length && (end === start || cost + (edits[end] as ReplicaEdit).cost <= 1)) {
      cost += (edits[end] as ReplicaEdit).cost;
      end++;
    }
    const change = replica.change({ time }, (transaction) => {
      for (const edit of edits.slice(start, end)) edit.run(transaction);
    });
    if (change !== undefined) changes.push(change);
    start = end;
  }
  return changes;
};

/** The smallest edits of the replica that say the same as an edit of the sequence. */
export const opToEdits = (replica: Replica, text: ObjectId, op: UnitOp): readonly ReplicaEdit[] => {
  switch (op.type) {
    case "delete":
      return deleteEdits(text, op.at, op.units);
    case "insert":
      return insertEdits(replica, text, op.at, op.units);
    case "block":
      return [marker((transaction) => writeBlock(replica, text, transaction, op.at, op.before, op.after))];
    case "mark":
      return [marker((transaction) => writeMark(text, transaction, op.at, op.at + op.count, op.name, op.after))];
  }
};

const marker = (run: ReplicaEdit["run"]): ReplicaEdit => ({ cost: 1 / MAX_CHANGE_MARKERS, run });

/** Ends of parts of at most `MAX_EDIT_UNITS` units that cut no code point. */
const partEnds = (units: readonly Unit[], start: number, end: number): number[] => {
  const ends: number[] = [];
  for (let at = start; at < end;) {
    at = Math.min(end, at + MAX_EDIT_UNITS);
    const next = units[at];
    if (at < end && next?.kind === "char" && /[\udc00-\udfff]/.test(next.text)) at++;
    ends.push(at);
  }
  return ends;
};

const deleteEdits = (text: ObjectId, at: number, units: readonly Unit[]): ReplicaEdit[] => {
  let start = 0;
  return partEnds(units, 0, units.length).map((end) => {
    const count = end - start;
    start = end;
    return { cost: count / MAX_EDIT_UNITS, run: (transaction) => transaction.splice(text, at, count, "") };
  });
};

const insertEdits = (replica: Replica, text: ObjectId, at: number, units: readonly Unit[]): ReplicaEdit[] => {
  const edits: ReplicaEdit[] = [];
  for (let start = 0; start < units.length;) {
    const unit = units[start] as Unit;
    if (unit.kind !== "char") {
      const index = at + start;
      edits.push(marker((transaction) => void transaction.splitBlock(text, index, markerValue(unit.block))));
      start++;
      continue;
    }
    const end = runEnd(units, start, (other) => other.kind === "char");
    let from = start;
    for (const to of partEnds(units, start, end)) {
      const index = at + from;
      const part = textOf(units.slice(from, to));
      edits.push({
        cost: part.length / MAX_EDIT_UNITS,
        run: (transaction) => transaction.splice(text, index, 0, part),
      });
      from = to;
    }
    edits.push(...markInserted(replica, text, at, units, start, end));
    start = end;
  }
  return edits;
};

/** Inserted text takes on the marks around it; sets it to those it has in the editor. */
const markInserted = (
  replica: Replica,
  text: ObjectId,
  at: number,
  units: readonly Unit[],
  start: number,
  end: number,
): ReplicaEdit[] => {
  const edits: ReplicaEdit[] = [];
  let inherited: NoteMarks | undefined;
  for (let from = start; from < end;) {
    const { marks } = units[from] as Extract<Unit, { kind: "char" }>;
    const to = Math.min(
      end,
      runEnd(units, from, (unit) => unit.kind === "char" && sameMarks(unit.marks, marks)),
    );
    const first = at + from;
    const last = at + to;
    edits.push(
      marker((transaction) => {
        inherited ??= readMarks(replica.marksAt(text, at + start));
        for (const name of MARK_NAMES)
          if (marks[name] !== inherited[name]) writeMark(text, transaction, first, last, name, marks[name]);
      }),
    );
    from = to;
  }
  return edits;
};

const writeMark = (
  text: ObjectId,
  transaction: Transaction,
  start: number,
  end: number,
  name: MarkName,
  value: string | true | undefined,
): void => {
  const range = { start, end, expand: MARK_EXPAND[name] };
  if (value === undefined) transaction.unmark(text, range, name);
  else transaction.mark(text, range, name, value);
};

const markerValue = ({ type, parents, attrs, isEmbed }: NoteBlock): MapValue => ({ type, parents, attrs, isEmbed });

/** Sets what changed on the marker that is there: replacing it would leave two where two people restyle one block. */
const writeBlock = (
  replica: Replica,
  text: ObjectId,
  transaction: Transaction,
  at: number,
  before: NoteBlock,
  after: NoteBlock,
): void => {
  const path = replica.pathOf(text);
  const object = path === undefined ? undefined : replica.objectAt([...path, at]);
  if (object === undefined) {
    transaction.updateBlock(text, at, markerValue(after));
    return;
  }
  if (before.type !== after.type) transaction.put(object, "type", after.type);
  if (!sameBlock({ ...before, type: "", attrs: {} }, { ...after, type: "", attrs: {} }))
    transaction.putObject(object, "parents", after.parents);
  if (!sameBlock({ ...before, type: "", parents: [] }, { ...after, type: "", parents: [] }))
    transaction.putObject(object, "attrs", after.attrs);
};
