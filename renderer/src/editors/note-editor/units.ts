import type { Node as ProseMirrorNode } from "prosemirror-model";
import { Fragment, Slice } from "prosemirror-model";
import type { Step, Transform } from "prosemirror-transform";
import {
  AddMarkStep,
  AddNodeMarkStep,
  AttrStep,
  RemoveMarkStep,
  RemoveNodeMarkStep,
  ReplaceStep,
} from "prosemirror-transform";
import type { BlockAttrs, MarkName, NoteBlock, NoteMarks, NoteSpan } from "../../../../app/repositories/note-schema.ts";
import { MARK_NAMES } from "../../../../app/repositories/note-schema.ts";
import { blockToNode, fromMarks, inlineNodes, nodeToBlock, nodeToEmbed, noteSchema, toMark } from "./schema.ts";

/**
 * The note's text as a sequence of units, the coordinates both sides share: a UTF-16 unit, an embed or a block marker is
 * one unit each. In the editor's document a marker is the opening of a block; closings have no unit.
 */
export type Unit =
  | { readonly kind: "char"; readonly text: string; readonly marks: NoteMarks }
  | { readonly kind: "embed"; readonly block: NoteBlock }
  | { readonly kind: "block"; readonly block: NoteBlock };

/** Edits of the sequence; each `at` counts after the edits before it. */
export type UnitOp =
  | { readonly type: "insert"; readonly at: number; readonly units: readonly Unit[] }
  | { readonly type: "delete"; readonly at: number; readonly units: readonly Unit[] }
  | { readonly type: "block"; readonly at: number; readonly before: NoteBlock; readonly after: NoteBlock }
  | {
      readonly type: "mark";
      readonly at: number;
      readonly count: number;
      readonly name: MarkName;
      readonly before: string | true | undefined;
      readonly after: string | true | undefined;
    };

/** 1 while the text begins without a marker, so that the first block of the document has no unit; else 0. */
export type Lead = 0 | 1;

/** Unit at or behind a document position. */
export const indexOf = (doc: ProseMirrorNode, pos: number, lead: Lead): number =>
  Math.max(0, pos - doc.resolve(pos).index(0) - lead);

/** Document position before the unit `index`: inside the textblock the unit is in, 0 for the first marker. */
export const positionOf = (doc: ProseMirrorNode, index: number, lead: Lead): number => {
  let units = 0;
  let pos = 0;
  for (let i = 0; i < doc.childCount; i++) {
    const block = doc.child(i);
    const start = units + (i === 0 && lead === 1 ? 0 : 1);
    const end = start + block.content.size;
    if (index < start) return pos;
    if (index <= end) return pos + 1 + index - start;
    units = end;
    pos += block.nodeSize;
  }
  return doc.content.size;
};

/** Document position of the block whose marker is the unit `index`. */
const blockPositionOf = (doc: ProseMirrorNode, index: number, lead: Lead): number =>
  index === 0 ? 0 : positionOf(doc, index, lead) + 1;

/** Number of units a document has. */
export const unitCount = (doc: ProseMirrorNode, lead: Lead): number => doc.content.size - doc.childCount - lead;

const marksCache = new WeakMap<readonly unknown[], NoteMarks>();
const cachedMarks = (marks: ProseMirrorNode["marks"]): NoteMarks => {
  const known = marksCache.get(marks);
  if (known !== undefined) return known;
  const made = fromMarks(marks);
  marksCache.set(marks, made);
  return made;
};

const pushText = (units: Unit[], text: string, marks: NoteMarks): void => {
  for (let i = 0; i < text.length; i++) units.push({ kind: "char", text: text.charAt(i), marks });
};

/** Units whose documents positions lie in [from, to). */
export const unitsBetween = (doc: ProseMirrorNode, from: number, to: number, lead: Lead): Unit[] => {
  const units: Unit[] = [];
  doc.nodesBetween(from, to, (node, pos, parent, index) => {
    if (node.isText) {
      pushText(units, (node.text ?? "").slice(Math.max(0, from - pos), to - pos), cachedMarks(node.marks));
    } else if (pos < from || pos >= to) return node.isBlock;
    else if (node.isInline) units.push({ kind: "embed", block: nodeToEmbed(node) });
    else if (parent !== doc || index > 0 || lead === 0) units.push({ kind: "block", block: nodeToBlock(node) });
    return node.isBlock;
  });
  return units;
};

export const unitsOfSpans = (spans: readonly NoteSpan[]): Unit[] => {
  const units: Unit[] = [];
  for (const span of spans) {
    if (span.type === "text") pushText(units, span.value, span.marks ?? {});
    else units.push({ kind: span.value.isEmbed ? "embed" : "block", block: span.value });
  }
  return units;
};

const unitsToSpans = (units: readonly Unit[]): NoteSpan[] => {
  const spans: NoteSpan[] = [];
  let start = 0;
  while (start < units.length) {
    const unit = units[start] as Unit;
    if (unit.kind !== "char") {
      spans.push({ type: "block", value: unit.block });
      start++;
      continue;
    }
    const end = runEnd(units, start, (other) => other.kind === "char" && sameMarks(other.marks, unit.marks));
    spans.push({ type: "text", value: textOf(units.slice(start, end)), marks: unit.marks });
    start = end;
  }
  return spans;
};

/** End of the run of units from `start` on for which `belongs` holds. */
export const runEnd = (units: readonly Unit[], start: number, belongs: (unit: Unit) => boolean): number => {
  let end = start;
  while (end < units.length && belongs(units[end] as Unit)) end++;
  return end;
};

export const textOf = (units: readonly Unit[]): string =>
  units.map((unit) => (unit.kind === "char" ? unit.text : "")).join("");

export const sameMarks = (a: NoteMarks, b: NoteMarks): boolean =>
  a === b || MARK_NAMES.every((name) => a[name] === b[name]);

const sameAttrs = (a: BlockAttrs, b: BlockAttrs): boolean => {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && a[key] === b[key]);
};

export const sameBlock = (a: NoteBlock, b: NoteBlock): boolean =>
  a.type === b.type &&
  a.parents.length === b.parents.length &&
  a.parents.every((parent, index) => parent === b.parents[index]) &&
  sameAttrs(a.attrs, b.attrs);

/** Whether one unit can become the other without being replaced. */
const isAlike = (a: Unit | undefined, b: Unit | undefined): boolean => {
  if (a === undefined || b === undefined || a.kind !== b.kind) return false;
  if (a.kind === "char") return a.text === (b as typeof a).text;
  return a.kind === "block" || sameBlock(a.block, (b as typeof a).block);
};

const isHighSurrogate = (unit: Unit | undefined): boolean => unit?.kind === "char" && /[\ud800-\udbff]/.test(unit.text);
const isLowSurrogate = (unit: Unit | undefined): boolean => unit?.kind === "char" && /[\udc00-\udfff]/.test(unit.text);

/** Edits that turn `before` into `after`, both starting at unit `at`. */
export const diffUnits = (before: readonly Unit[], after: readonly Unit[], at: number): UnitOp[] => {
  const shorter = Math.min(before.length, after.length);
  let prefix = 0;
  while (prefix < shorter && isAlike(before[prefix], after[prefix])) prefix++;
  // The replica's elements are code points: never cut one in half.
  if (isHighSurrogate(before[prefix - 1]) && (isLowSurrogate(before[prefix]) || isLowSurrogate(after[prefix])))
    prefix--;
  let suffix = 0;
  while (suffix < shorter - prefix && isAlike(before[before.length - 1 - suffix], after[after.length - 1 - suffix]))
    suffix++;
  if (suffix > 0 && isLowSurrogate(before[before.length - suffix])) suffix--;

  const ops: UnitOp[] = [];
  const removed = before.slice(prefix, before.length - suffix);
  const inserted = after.slice(prefix, after.length - suffix);
  if (removed.length > 0) ops.push({ type: "delete", at: at + prefix, units: removed });
  if (inserted.length > 0) ops.push({ type: "insert", at: at + prefix, units: inserted });
  const kept = (from: number, to: number, shift: number): void => {
    for (let i = from; i < to; i++) {
      const old = before[i] as Unit;
      const now = after[i + shift] as Unit;
      if (old.kind === "block" && now.kind === "block" && !sameBlock(old.block, now.block))
        ops.push({ type: "block", at: at + i + shift, before: old.block, after: now.block });
    }
    for (const name of MARK_NAMES) ops.push(...markOps(before, after, from, to, shift, at, name));
  };
  kept(0, prefix, 0);
  kept(before.length - suffix, before.length, after.length - before.length);
  return ops;
};

const markOps = (
  before: readonly Unit[],
  after: readonly Unit[],
  from: number,
  to: number,
  shift: number,
  at: number,
  name: MarkName,
): UnitOp[] => {
  const ops: UnitOp[] = [];
  const valueOf = (unit: Unit | undefined): string | true | undefined =>
    unit?.kind === "char" ? unit.marks[name] : undefined;
  for (let start = from; start < to;) {
    const old = valueOf(before[start]);
    const now = valueOf(after[start + shift]);
    let end = start + 1;
    if (old !== now) {
      while (
        end < to &&
        before[end]?.kind === "char" &&
        valueOf(before[end]) === old &&
        valueOf(after[end + shift]) === now
      )
        end++;
      ops.push({ type: "mark", at: at + start + shift, count: end - start, name, before: old, after: now });
    }
    start = end;
  }
  return ops;
};

/** Position ranges a step changed: [from, to) in the document before it, [newFrom, newTo) after it. */
export const changedRanges = (step: Step): [number, number, number, number][] => {
  if (step instanceof AddMarkStep || step instanceof RemoveMarkStep) return [[step.from, step.to, step.from, step.to]];
  if (step instanceof AttrStep || step instanceof AddNodeMarkStep || step instanceof RemoveNodeMarkStep)
    return [[step.pos, step.pos + 1, step.pos, step.pos + 1]];
  const ranges: [number, number, number, number][] = [];
  step.getMap().forEach((from, to, newFrom, newTo) => ranges.push([from, to, newFrom, newTo]));
  return ranges;
};

const charBefore = (doc: ProseMirrorNode, pos: number): string =>
  doc.textBetween(Math.max(0, pos - 1), pos, "\n", "\n");

/** Edits of the sequence a step of the editor stands for. */
export const stepToOps = (step: Step, before: ProseMirrorNode, after: ProseMirrorNode, lead: Lead): UnitOp[] =>
  changedRanges(step).flatMap(([from, to, newFrom, newTo]) => {
    const cutsStart = /[\ud800-\udbff]/.test(charBefore(before, from)) ? 1 : 0;
    const cutsEnd =
      to < before.content.size && /[\udc00-\udfff]/.test(before.textBetween(to, to + 1, "\n", "\n")) ? 1 : 0;
    const start = newFrom - cutsStart;
    return diffUnits(
      unitsBetween(before, from - cutsStart, to + cutsEnd, lead),
      unitsBetween(after, start, newTo + cutsEnd, lead),
      indexOf(after, start, lead),
    );
  });

/** Applies edits of the sequence to the editor's document. */
export const applyOps = (tr: Transform, ops: readonly UnitOp[], lead: Lead): void => {
  for (const op of ops) {
    switch (op.type) {
      case "insert":
        insertUnits(tr, op.at, op.units, lead);
        break;
      case "delete":
        deleteUnits(tr, op.at, op.units.length, lead);
        break;
      case "block": {
        const node = blockToNode(op.after);
        tr.setNodeMarkup(blockPositionOf(tr.doc, op.at, lead), node.type, node.attrs);
        break;
      }
      case "mark": {
        const from = positionOf(tr.doc, op.at, lead);
        const to = from + op.count;
        if (op.after === undefined) tr.removeMark(from, to, noteSchema.marks[op.name]);
        else tr.addMark(from, to, toMark(op.name, op.after));
        break;
      }
    }
  }
};

const insertUnits = (tr: Transform, at: number, units: readonly Unit[], lead: Lead): void => {
  const pos = positionOf(tr.doc, at, lead);
  const head = runEnd(units, 0, (unit) => unit.kind !== "block");
  const leading = Fragment.fromArray(inlineNodes(unitsToSpans(units.slice(0, head))));
  const blocks: ProseMirrorNode[] = [];
  for (let start = head; start < units.length;) {
    const marker = units[start] as Extract<Unit, { kind: "block" }>;
    const end = runEnd(units, start + 1, (unit) => unit.kind !== "block");
    blocks.push(blockToNode(marker.block, Fragment.fromArray(inlineNodes(unitsToSpans(units.slice(start + 1, end))))));
    start = end;
  }
  if (at === 0 && lead === 0) {
    tr.step(new ReplaceStep(0, 0, new Slice(Fragment.fromArray(blocks), 0, 0)));
    return;
  }
  if (blocks.length === 0) {
    tr.step(new ReplaceStep(pos, pos, new Slice(leading, 0, 0)));
    return;
  }
  const opened = tr.doc.resolve(pos).parent.copy(leading);
  tr.step(new ReplaceStep(pos, pos, new Slice(Fragment.fromArray([opened, ...blocks]), 1, 1)));
};

const deleteUnits = (tr: Transform, at: number, count: number, lead: Lead): void => {
  const from = positionOf(tr.doc, at, lead);
  const to = positionOf(tr.doc, at + count, lead);
  // The first marker goes together with the closing of the last block that goes.
  tr.step(at === 0 && lead === 0 ? new ReplaceStep(0, to + 1, Slice.empty) : new ReplaceStep(from, to, Slice.empty));
};
