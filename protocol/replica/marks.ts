import type { ScalarValue } from "../automerge-format/change.ts";
import type { ActorTable } from "./actors.ts";
import type { OpId } from "./objects.ts";
import { NO_MARKS } from "./patches.ts";
import { scalarOf } from "./scalars.ts";
import { eachAnchorBefore, type Item, type Sequence } from "./sequence.ts";
import { isTyped, type MarkSet, type Scalar, SCALAR_TYPE } from "./types.ts";

interface OpenMark extends OpId {
  readonly name: string;
  readonly value: ScalarValue;
}

/** Marks open at a position while walking a text from its start; of several with one name the greatest id wins. */
export interface MarkState {
  /** Takes one edge of a mark into account; edges that are no marks are ignored. */
  readonly pass: (item: Item) => void;
  /** Winners that are not null, by name in order; the same object until an edge is passed. */
  readonly current: () => MarkSet;
}

export const createMarkState = (actors: ActorTable): MarkState => {
  const open: OpenMark[] = [];
  let current: MarkSet | undefined = NO_MARKS;
  const pass = (item: Item): void => {
    const mark = item.detail?.mark;
    if (mark === undefined) return;
    if (mark.begins) open.push({ counter: item.counter, actor: item.actor, name: mark.name, value: mark.value });
    else {
      const at = open.findIndex((begin) => begin.counter === item.counter - 1 && begin.actor === item.actor);
      if (at < 0) return;
      open.splice(at, 1);
    }
    current = undefined;
  };
  const compute = (): MarkSet => {
    const winners = new Map<string, OpenMark>();
    for (const mark of open) {
      const other = winners.get(mark.name);
      if (other === undefined || actors.compareIds(other, mark) < 0) winners.set(mark.name, mark);
    }
    const names = [...winners.keys()].filter((name) => winners.get(name)?.value !== null).sort(byCodePoint);
    if (names.length === 0) return NO_MARKS;
    const set: Record<string, Scalar> = Object.create(null) as Record<string, Scalar>;
    for (const name of names) set[name] = scalarOf((winners.get(name) as OpenMark).value, 0);
    return set;
  };
  return { pass, current: () => (current ??= compute()) };
};

/** Marks open directly before an item, or at the end. */
export const marksBefore = (actors: ActorTable, sequence: Sequence, end: Item | undefined): MarkSet => {
  if (sequence.root.anchors === 0) return NO_MARKS;
  const state = createMarkState(actors);
  eachAnchorBefore(sequence, end, state.pass);
  return state.current();
};

/** Order of UTF-8 bytes, which Automerge sorts names by. */
export const byCodePoint = (a: string, b: string): number => {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return rankUnit(x) - rankUnit(y);
  }
  return a.length - b.length;
};

/** Surrogates stand for code points above all others. */
const rankUnit = (unit: number): number => (unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit);

const sameScalar = (a: Scalar | undefined, b: Scalar | undefined): boolean => {
  if (a === b) return true;
  if (a instanceof Uint8Array && b instanceof Uint8Array)
    return a.length === b.length && a.every((byte, i) => byte === b[i]);
  if (typeof a === "number" && typeof b === "number") return Object.is(a, b);
  if (isTyped(a) && isTyped(b)) return a.value === b.value && a[SCALAR_TYPE] === b[SCALAR_TYPE];
  return false;
};

export const sameMarks = (a: MarkSet, b: MarkSet): boolean => {
  if (a === b) return true;
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => name in b && sameScalar(a[name], b[name]));
};
