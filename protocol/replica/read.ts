import type { Document } from "./document.ts";
import { byCodePoint, createMarkState, sameMarks } from "./marks.ts";
import { type Container, type Entry, type MapContainer, type SequenceContainer, shownText } from "./objects.ts";
import { NO_MARKS } from "./patches.ts";
import { scalarOf } from "./scalars.ts";
import { eachAnchorBefore, eachItem, type Item, itemAt, nextLiveItem } from "./sequence.ts";
import type { MapValue, Mark, MarkSet, PlainValue, Span, Value } from "./types.ts";

/** Nesting at which reading stops: beyond what any note has, and far below the call stack. */
const MAX_DEPTH = 128;

/** Visible text of an item, block markers as placeholder. */
const shown = (item: Item): string => (item.detail === undefined ? item.text : shownText(item.detail.entries));

export const textOf = ({ sequence }: SequenceContainer): string => {
  const parts: string[] = [];
  eachItem(sequence, (item) => {
    if (item.width > 0) parts.push(shown(item));
  });
  return parts.join("");
};

export const valueOfEntry = (entry: Entry, depth = 0): PlainValue =>
  entry.child === undefined ? scalarOf(entry.value, entry.increments) : plainOf(entry.child, depth + 1);

/** Plain content of an object. */
export const plainOf = (container: Container, depth = 0): PlainValue => {
  if (container.kind === "text") return textOf(container);
  if (depth > MAX_DEPTH) return null;
  if (container.kind === "map") return mapOf(container, depth);
  const out: Value[] = [];
  eachItem(container.sequence, (item) => {
    const winner = item.width > 0 ? item.detail?.entries.at(-1) : undefined;
    if (winner !== undefined) out.push(valueOfEntry(winner, depth));
  });
  return out;
};

/** Keys in byte order, as Automerge lists them; no prototype, because keys are foreign. */
export const mapOf = (container: MapContainer, depth = 0): MapValue => {
  const out = Object.create(null) as Record<string, Value>;
  for (const key of [...container.values.keys()].sort(byCodePoint)) {
    const winner = container.values.get(key)?.at(-1);
    if (winner !== undefined) out[key] = valueOfEntry(winner, depth);
  }
  return out;
};

const sliceShown = (item: Item, start: number, from: number, to: number): string => {
  const text = shown(item);
  return start >= from && start + text.length <= to
    ? text
    : text.slice(Math.max(0, from - start), Math.max(0, to - start));
};

/** Spans of the visible range [from, to). */
export const spansOf = (document: Document, target: SequenceContainer, from: number, to: number): readonly Span[] => {
  const { sequence } = target;
  const spans: Span[] = [];
  const state = createMarkState(document.actors);
  let parts: string[] = [];
  let marks: MarkSet = NO_MARKS;
  const flush = (): void => {
    if (parts.length === 0) return;
    const value = parts.join("");
    spans.push(marks === NO_MARKS ? { type: "text", value } : { type: "text", value, marks });
    parts = [];
  };
  const first = from > 0 ? itemAt(sequence, from) : undefined;
  if (from > 0 && first === undefined) return spans;
  if (first !== undefined && sequence.root.anchors > 0) eachAnchorBefore(sequence, first.item, state.pass);
  let at = first?.start ?? 0;
  for (
    let item = first?.item ?? nextLiveItem(sequence, undefined);
    item !== undefined;
    item = nextLiveItem(sequence, item)
  ) {
    if (at >= to) break;
    const winner = item.detail?.entries.at(-1);
    if (item.detail?.mark !== undefined) state.pass(item);
    else if (winner?.child?.kind === "map") {
      flush();
      spans.push({ type: "block", value: mapOf(winner.child) });
    } else if (item.width > 0) {
      const now = state.current();
      if (parts.length > 0 && !sameMarks(now, marks)) flush();
      if (parts.length === 0) marks = now;
      parts.push(sliceShown(item, at, from, to));
    }
    at += item.width;
  }
  flush();
  return spans;
};

/** Ranges of every active mark, by name, then position. */
export const marksOf = (document: Document, target: SequenceContainer): readonly Mark[] => {
  const state = createMarkState(document.actors);
  const byName = new Map<string, { start: number; end: number; value: MarkSet[string] }[]>();
  let at = 0;
  for (
    let item = nextLiveItem(target.sequence, undefined);
    item !== undefined;
    item = nextLiveItem(target.sequence, item)
  ) {
    if (item.detail?.mark !== undefined) state.pass(item);
    else if (item.width > 0) {
      for (const [name, value] of Object.entries(state.current())) {
        const ranges = byName.get(name) ?? [];
        if (ranges.length === 0) byName.set(name, ranges);
        const last = ranges.at(-1);
        if (last !== undefined && last.end === at && sameMarks({ value }, { value: last.value }))
          last.end = at + item.width;
        else ranges.push({ start: at, end: at + item.width, value });
      }
    }
    at += item.width;
  }
  return [...byName.keys()]
    .sort(byCodePoint)
    .flatMap((name) =>
      (byName.get(name) ?? []).map((range) => ({ name, value: range.value, start: range.start, end: range.end })),
    );
};

/** Marks of the character at a visible index. */
export const marksAt = (document: Document, { sequence }: SequenceContainer, index: number): MarkSet => {
  if (sequence.root.anchors === 0) return NO_MARKS;
  const position = itemAt(sequence, index);
  if (position === undefined) return NO_MARKS;
  const state = createMarkState(document.actors);
  eachAnchorBefore(sequence, position.item, state.pass);
  return state.current();
};
