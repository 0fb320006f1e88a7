import type { Node as ProseMirrorNode } from "prosemirror-model";
import { Slice } from "prosemirror-model";
import type { EditorState, Transaction as EditorTransaction } from "prosemirror-state";
import { Selection, TextSelection } from "prosemirror-state";
import type { Transform } from "prosemirror-transform";
import { ReplaceStep } from "prosemirror-transform";
import type { LocalChange, ObjectId, Patch, Replica } from "../../../../protocol/replica/types.ts";
import { readSpans, textBlock } from "../../../../app/repositories/note-schema.ts";
import type { ReplicaEdit } from "./replica-edits.ts";
import { opToEdits, writeEdits } from "./replica-edits.ts";
import { docFromSpans } from "./schema.ts";
import { createUndoHistory } from "./undo.ts";
import type { Lead, Unit, UnitOp } from "./units.ts";
import { applyOps, diffUnits, indexOf, positionOf, stepToOps, unitCount, unitsBetween, unitsOfSpans } from "./units.ts";

/** Marks the transactions this binding makes: their content is in the replica already. */
const ORIGIN = "replica-binding";
type Origin = "replica" | "undo";

/** Ties the text of one replica to an editor state, both ways, without ever rebuilding either from the other. */
export interface ReplicaBinding {
  /** Document to create the editor state with. */
  readonly doc: () => ProseMirrorNode;
  /** Writes what a transaction of the editor changed, a long paste as several changes; call it for every transaction, in order. */
  readonly write: (tr: EditorTransaction) => readonly LocalChange[];
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
  const leadingMarker = (): UnitOp => {
    const marker: UnitOp = { type: "insert", at: 0, units: [{ kind: "block", block: textBlock("paragraph") }] };
    history.follow([marker]);
    lead = 0;
    return marker;
  };

  const write = (tr: EditorTransaction): readonly LocalChange[] => {
    const origin = tr.getMeta(ORIGIN) as Origin | undefined;
    if (!tr.docChanged || origin === "replica") return [];
    const edits: ReplicaEdit[] = [];
    if (lead === 1) edits.push(...opToEdits(replica, text, leadingMarker()));
    const ops = tr.steps.flatMap((step, index) =>
      stepToOps(step, tr.docs[index] as ProseMirrorNode, tr.docs[index + 1] ?? tr.doc, lead),
    );
    edits.push(...ops.flatMap((op) => opToEdits(replica, text, op)));
    if (origin !== "undo") remember(ops, tr);
    return writeEdits(replica, edits, seconds());
  };

  const remember = (ops: readonly UnitOp[], tr: EditorTransaction): void => {
    const first = ops[0];
    const last = ops.at(-1);
    if (first === undefined || last === undefined) return;
    const isNear = Math.abs(first.at - lastEdit.at) <= 1 && tr.time - lastEdit.time < UNDO_PAUSE_MS;
    const isAppended = tr.getMeta("appendedTransaction") !== undefined;
    history.record(ops, isAppended || (isNear && tr.getMeta(CLOSE_UNDO) === undefined));
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
    if (!tr.docChanged) return undefined;
    keepCaret(tr, state.selection);
    return tr;
  };

  /**
   * What others insert exactly at the caret comes after it. Otherwise two people who type at one place would push each
   * other along letter by letter, and a line break of one would drag the other to the new line.
   */
  const keepCaret = (tr: EditorTransaction, before: Selection): void => {
    if (!(before instanceof TextSelection) || !before.empty) return;
    const kept = tr.doc.resolve(tr.mapping.map(before.head, -1));
    if (kept.parent.inlineContent) tr.setSelection(TextSelection.create(tr.doc, kept.pos));
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

/** With more places than this the whole stretch between them counts as one: a long catch-up must not cost quadratic time. */
const MAX_EDITS = 256;

const joined = (edits: readonly SequenceEdit[]): SequenceEdit[] => {
  const [first, last] = [edits[0], edits.at(-1)];
  if (edits.length <= MAX_EDITS || first === undefined || last === undefined) return [...edits];
  const grown = edits.reduce((sum, edit) => sum + edit.inserted - edit.removed, 0);
  const inserted = last.at + last.inserted - first.at;
  return [{ at: first.at, removed: inserted - grown, inserted }];
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
  return joined([
    ...left,
    { at, removed: end - at - grown, inserted: end - at + shift },
    ...right.map((edit) => ({ ...edit, at: edit.at + shift })),
  ]);
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
