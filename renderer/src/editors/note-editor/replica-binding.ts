import type { Node as ProseMirrorNode } from "prosemirror-model";
import { Slice } from "prosemirror-model";
import type { EditorState, Transaction as EditorTransaction } from "prosemirror-state";
import { Selection } from "prosemirror-state";
import type { Transform } from "prosemirror-transform";
import { ReplaceStep } from "prosemirror-transform";
import type {
  LocalChange,
  MapValue,
  ObjectId,
  Patch,
  Replica,
  Transaction,
} from "../../../../protocol/replica/types.ts";
import type { MarkName, NoteBlock } from "../../../../app/repositories/note-schema.ts";
import { MARK_EXPAND, MARK_NAMES, readMarks, readSpans, textBlock } from "../../../../app/repositories/note-schema.ts";
import { docFromSpans } from "./schema.ts";
import { createUndoHistory } from "./undo.ts";
import type { Lead, Unit, UnitOp } from "./units.ts";
import {
  applyOps,
  diffUnits,
  indexOf,
  positionOf,
  runEnd,
  sameBlock,
  sameMarks,
  stepToOps,
  textOf,
  unitCount,
  unitsBetween,
  unitsOfSpans,
} from "./units.ts";

/** Marks the transactions this binding makes: their content is in the replica already. */
const ORIGIN = "replica-binding";
type Origin = "replica" | "undo";

/** Ties the text of one replica to an editor state, both ways, without ever rebuilding either from the other. */
export interface ReplicaBinding {
  /** Document to create the editor state with. */
  readonly doc: () => ProseMirrorNode;
  /** Writes what a transaction of the editor changed; call it for every transaction applied, in order. */
  readonly write: (tr: EditorTransaction) => LocalChange | undefined;
  /** Applies changes from elsewhere; the transaction brings the editor up to date and keeps its selection. */
  readonly receive: (state: EditorState, changes: readonly Uint8Array[]) => EditorTransaction | undefined;
  readonly undo: (state: EditorState) => EditorTransaction | undefined;
  readonly redo: (state: EditorState) => EditorTransaction | undefined;
  readonly canUndo: () => boolean;
  readonly canRedo: () => boolean;
  /** Compares both sides; the transaction, if any, makes the editor show the replica again. Needed only after a bug. */
  readonly heal: (state: EditorState) => EditorTransaction | undefined;
  readonly healCount: () => number;
  /** Stable text form of a position, for other replicas of the note. */
  readonly cursorAt: (doc: ProseMirrorNode, pos: number) => string;
  readonly positionOfCursor: (doc: ProseMirrorNode, cursor: string) => number | undefined;
}

/** Pause after which typing starts a new undo step. */
const UNDO_PAUSE_MS = 500;

export const isFromReplica = (tr: EditorTransaction): boolean =>
  (tr.getMeta(ORIGIN) as Origin | undefined) === "replica";

/** `text` is the object of the note's text; `now` gives Unix milliseconds. */
export const createReplicaBinding = (dependencies: {
  readonly replica: Replica;
  readonly text: ObjectId;
  readonly now: () => number;
}): ReplicaBinding => {
  const { replica, text, now } = dependencies;
  const history = createUndoHistory();
  let heals = 0;
  let lastEdit = { at: -1, time: 0 };

  const leadOf = (): Lead => {
    const first = replica.spans(text, 0, 1)[0];
    return first?.type === "block" && first.value["isEmbed"] !== true ? 0 : 1;
  };
  let lead = leadOf();

  const docOfReplica = (): ProseMirrorNode => docFromSpans(readSpans(replica.spans(text)));

  const readUnits = (doc: ProseMirrorNode, at: number, count: number): Unit[] =>
    unitsBetween(doc, positionOf(doc, at, lead), positionOf(doc, at + count, lead), lead);

  const seconds = (): number => Math.floor(now() / 1000);

  /** Gives text without a marker the one its paragraph shows. */
  const addLeadingMarker = (transaction: Transaction): void => {
    const marker: Unit = { kind: "block", block: textBlock("paragraph") };
    writeOps(replica, text, transaction, [{ type: "insert", at: 0, units: [marker] }]);
    history.follow([{ type: "insert", at: 0, units: [marker] }]);
    lead = 0;
  };

  const write = (tr: EditorTransaction): LocalChange | undefined => {
    const origin = tr.getMeta(ORIGIN) as Origin | undefined;
    if (!tr.docChanged || origin === "replica") return undefined;
    const change = replica.change({ time: seconds() }, (transaction) => {
      if (lead === 1) addLeadingMarker(transaction);
      tr.steps.forEach((step, index) => {
        const before = tr.docs[index] as ProseMirrorNode;
        const after = tr.docs[index + 1] ?? tr.doc;
        const ops = stepToOps(step, before, after, lead);
        writeOps(replica, text, transaction, ops);
        if (origin !== "undo") remember(ops, tr, index);
      });
    });
    return change;
  };

  const remember = (ops: readonly UnitOp[], tr: EditorTransaction, step: number): void => {
    const first = ops[0];
    if (first === undefined) return;
    const continuesTransaction = step > 0 || tr.getMeta("appendedTransaction") !== undefined;
    const isNear = Math.abs(first.at - lastEdit.at) <= 1 && tr.time - lastEdit.time < UNDO_PAUSE_MS;
    history.record(ops, (continuesTransaction || isNear) && tr.getMeta(CLOSE_UNDO) === undefined);
    const last = ops.at(-1) ?? first;
    lastEdit = { at: last.type === "insert" ? last.at + last.units.length : last.at, time: tr.time };
  };

  const receive = (state: EditorState, changes: readonly Uint8Array[]): EditorTransaction | undefined => {
    const edits = composeEdits(replica.applyChanges(changes).patches, text);
    if (edits.length === 0) return undefined;
    const tr = state.tr.setMeta(ORIGIN, "replica" satisfies Origin).setMeta("addToHistory", false);
    const newLead = leadOf();
    if (lead === 1 || newLead === 1) {
      showReplica(tr, newLead);
      return tr.docChanged ? tr : undefined;
    }
    for (const { at, removed, inserted } of edits) {
      const before = readUnits(tr.doc, at, removed);
      const after = unitsOfSpans(readSpans(replica.spans(text, at, at + inserted)));
      const ops = diffUnits(before, after, at);
      applyOps(tr, ops, lead);
      history.follow(ops);
    }
    return tr.docChanged ? tr : undefined;
  };

  /** Replaces the blocks that differ from the replica's; for the rare cases that edits of units cannot express. */
  const showReplica = (tr: Transform, newLead: Lead): void => {
    const wanted = docOfReplica();
    const before = unitsBetween(tr.doc, 0, tr.doc.content.size, lead);
    replaceBlocks(tr, wanted);
    lead = newLead;
    history.follow(diffUnits(before, unitsBetween(wanted, 0, wanted.content.size, lead), 0));
  };

  const travel = (state: EditorState, direction: "undo" | "redo"): EditorTransaction | undefined => {
    if (lead === 1) return undefined;
    const tr = state.tr.setMeta(ORIGIN, "undo" satisfies Origin);
    let last: UnitOp | undefined;
    const moved = history[direction]({
      read: (at, count) => readUnits(tr.doc, at, Math.min(count, unitCount(tr.doc, lead) - at)),
      apply: (op) => {
        applyOps(tr, [op], lead);
        last = op;
      },
    });
    if (!moved || last === undefined) return undefined;
    lastEdit = { at: -1, time: 0 };
    const end =
      last.type === "insert" ? last.at + last.units.length : last.type === "mark" ? last.at + last.count : last.at;
    const pos = Math.min(positionOf(tr.doc, Math.max(1, end), lead), tr.doc.content.size);
    return tr.setSelection(Selection.near(tr.doc.resolve(pos), -1)).scrollIntoView();
  };

  return {
    doc: docOfReplica,
    write,
    receive,
    undo: (state) => travel(state, "undo"),
    redo: (state) => travel(state, "redo"),
    canUndo: history.canUndo,
    canRedo: history.canRedo,
    heal: (state) => {
      if (docOfReplica().eq(state.doc)) return undefined;
      heals++;
      const tr = state.tr.setMeta(ORIGIN, "replica" satisfies Origin).setMeta("addToHistory", false);
      showReplica(tr, leadOf());
      return tr;
    },
    healCount: () => heals,
    cursorAt: (doc, pos) => replica.cursor(text, indexOf(doc, pos, lead)),
    positionOfCursor: (doc, cursor) => {
      const index = replica.resolveCursor(text, cursor);
      return index === undefined ? undefined : positionOf(doc, Math.max(1 - lead, index), lead);
    },
  };
};

/** Meta key of a transaction that must begin an undo step of its own. */
export const CLOSE_UNDO = "close-undo-step";

/** A part of the sequence that changed: `at` and `inserted` in the new sequence, `removed` units of the old one went. */
interface SequenceEdit {
  readonly at: number;
  readonly removed: number;
  readonly inserted: number;
}

/** Joins patches, each in the coordinates after those before it, to disjoint edits in ascending order. */
export const composeEdits = (patches: readonly Patch[], text: ObjectId): SequenceEdit[] => {
  let edits: SequenceEdit[] = [];
  for (const patch of patches) {
    if (!("object" in patch) || patch.object !== text) continue;
    switch (patch.type) {
      case "text":
        edits = addEdit(edits, { at: patch.index, removed: patch.removed, inserted: patch.inserted.length });
        break;
      case "block":
        edits = addEdit(edits, { at: patch.index, removed: patch.inserted ? 0 : 1, inserted: 1 });
        break;
      case "marks":
        edits = addEdit(edits, {
          at: patch.start,
          removed: patch.end - patch.start,
          inserted: patch.end - patch.start,
        });
        break;
      default:
    }
  }
  return edits;
};

const addEdit = (edits: readonly SequenceEdit[], next: SequenceEdit): SequenceEdit[] => {
  const nextEnd = next.at + next.removed;
  const shift = next.inserted - next.removed;
  const left = edits.filter((edit) => edit.at + edit.inserted < next.at);
  const right = edits.filter((edit) => edit.at > nextEnd);
  const touched = edits.slice(left.length, edits.length - right.length);
  const at = Math.min(next.at, touched[0]?.at ?? next.at);
  const last = touched.at(-1);
  const end = Math.max(nextEnd, last === undefined ? nextEnd : last.at + last.inserted);
  const grown = touched.reduce((sum, edit) => sum + edit.inserted - edit.removed, 0);
  return [
    ...left,
    { at, removed: end - at - grown, inserted: end - at + shift },
    ...right.map((edit) => ({ ...edit, at: edit.at + shift })),
  ];
};

const replaceBlocks = (tr: Transform, wanted: ProseMirrorNode): void => {
  const { doc } = tr;
  const shorter = Math.min(doc.childCount, wanted.childCount);
  let first = 0;
  while (first < shorter && doc.child(first).eq(wanted.child(first))) first++;
  let same = 0;
  while (same < shorter - first && doc.child(doc.childCount - 1 - same).eq(wanted.child(wanted.childCount - 1 - same)))
    same++;
  let from = 0;
  for (let i = 0; i < first; i++) from += doc.child(i).nodeSize;
  let to = doc.content.size;
  let end = wanted.content.size;
  for (let i = 0; i < same; i++) {
    to -= doc.child(doc.childCount - 1 - i).nodeSize;
    end -= wanted.child(wanted.childCount - 1 - i).nodeSize;
  }
  if (from < to || from < end) tr.step(new ReplaceStep(from, to, new Slice(wanted.content.cut(from, end), 0, 0)));
};

/** Writes edits of the sequence to the replica as the smallest operations that say the same. */
const writeOps = (replica: Replica, text: ObjectId, transaction: Transaction, ops: readonly UnitOp[]): void => {
  for (const op of ops) {
    switch (op.type) {
      case "delete":
        transaction.splice(text, op.at, op.units.length, "");
        break;
      case "insert":
        writeInsert(replica, text, transaction, op.at, op.units);
        break;
      case "block":
        writeBlock(replica, text, transaction, op.at, op.before, op.after);
        break;
      case "mark":
        writeMark(text, transaction, op.at, op.at + op.count, op.name, op.after);
        break;
    }
  }
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
  const marker = path === undefined ? undefined : replica.objectAt([...path, at]);
  if (marker === undefined) {
    transaction.updateBlock(text, at, markerValue(after));
    return;
  }
  if (before.type !== after.type) transaction.put(marker, "type", after.type);
  if (!sameBlock({ ...before, type: "", attrs: {} }, { ...after, type: "", attrs: {} }))
    transaction.putObject(marker, "parents", after.parents);
  if (!sameBlock({ ...before, type: "", parents: [] }, { ...after, type: "", parents: [] }))
    transaction.putObject(marker, "attrs", after.attrs);
};

const writeInsert = (
  replica: Replica,
  text: ObjectId,
  transaction: Transaction,
  at: number,
  units: readonly Unit[],
): void => {
  for (let start = 0; start < units.length;) {
    const unit = units[start] as Unit;
    if (unit.kind !== "char") {
      transaction.splitBlock(text, at + start, markerValue(unit.block));
      start++;
      continue;
    }
    const end = runEnd(units, start, (other) => other.kind === "char");
    transaction.splice(text, at + start, 0, textOf(units.slice(start, end)));
    fixMarks(replica, text, transaction, at, units, start, end);
    start = end;
  }
};

/** Inserted text takes on the marks around it; sets it to those it has in the editor. */
const fixMarks = (
  replica: Replica,
  text: ObjectId,
  transaction: Transaction,
  at: number,
  units: readonly Unit[],
  start: number,
  end: number,
): void => {
  const inherited = readMarks(replica.marksAt(text, at + start));
  for (let from = start; from < end;) {
    const { marks } = units[from] as Extract<Unit, { kind: "char" }>;
    const to = runEnd(units.slice(0, end), from, (unit) => unit.kind === "char" && sameMarks(unit.marks, marks));
    for (const name of MARK_NAMES)
      if (marks[name] !== inherited[name]) writeMark(text, transaction, at + from, at + to, name, marks[name]);
    from = to;
  }
};
