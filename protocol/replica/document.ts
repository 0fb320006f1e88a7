import { invariant } from "../kernel/assert.ts";
import type { ScalarValue } from "../automerge-format/change.ts";
import { createActorTable } from "./actors.ts";
import { createElementIndex } from "./element-index.ts";
import { marksBefore } from "./marks.ts";
import {
  type Container,
  type ElementDetail,
  type Entry,
  type MapContainer,
  type MarkAnchor,
  type OpId,
  packId,
  type Parent,
  ROOT_ID,
  type SequenceContainer,
  shownText,
} from "./objects.ts";
import { createPatchLog, NO_MARKS } from "./patches.ts";
import {
  createSequence,
  isolate,
  type Item,
  MAX_RUN,
  mergeTombstones,
  nextItem,
  placeAfter,
  type Sequence,
  setContent,
  splitItem,
  widthBefore,
} from "./sequence.ts";
import type { MarkSet, ObjectId } from "./types.ts";

/** Materialised state of one document and the few mutations all operations are made of. */
export type Document = ReturnType<typeof createDocument>;

const NO_ENTRIES: readonly Entry[] = [];

export const createDocument = () => {
  const actors = createActorTable();
  const elements = createElementIndex();
  const patches = createPatchLog();
  const root: MapContainer = { kind: "map", id: ROOT_ID, parent: undefined, values: new Map() };
  const containers = new Map<number, Container>([[packId(0, 0), root]]);

  /** Marks of the run that was typed into last: typing on does not look through all marks before it again. */
  let typed: { readonly item: Item; readonly version: number; readonly marks: MarkSet } | undefined;
  const marksOfRun = (sequence: Sequence, item: Item): MarkSet => {
    if (typed?.item === item && typed.version === sequence.anchorVersion) return typed.marks;
    const marks = marksBefore(actors, sequence, item);
    typed = { item, version: sequence.anchorVersion, marks };
    return marks;
  };

  const objectId = ({ id }: Container): ObjectId =>
    id.counter === 0 ? "_root" : `${id.counter}@${actors.name(id.actor)}`;

  const container = (id: OpId | undefined): Container | undefined =>
    id === undefined ? root : containers.get(packId(id.counter, id.actor));

  const addContainer = (kind: Container["kind"], id: OpId, parent: Parent): Container => {
    const made: Container =
      kind === "map"
        ? { kind, id, parent, values: new Map() }
        : { kind, id, parent, sequence: createSequence(elements.add, elements.remove) };
    containers.set(packId(id.counter, id.actor), made);
    return made;
  };

  const entriesOf = (item: Item): readonly Entry[] => {
    if (item.detail !== undefined) return item.detail.entries;
    if (item.width === 0) return NO_ENTRIES;
    return [{ counter: item.counter, actor: item.actor, value: item.text, child: undefined, increments: 0 }];
  };

  /** Item whose sequence is the given one and which holds the element. */
  const findElement = (sequence: SequenceContainer, id: OpId): Item | undefined => {
    const item = elements.find(id.counter, id.actor);
    return item !== undefined && item.leaf.sequence === sequence.sequence ? item : undefined;
  };

  /** Tells about a change inside the attributes of a block marker. */
  const touchBlock = (inside: Container): void => {
    for (let at: Container = inside; at.parent !== undefined; at = at.parent.container) {
      const { container: above, place } = at.parent;
      if (above.kind !== "text" || typeof place === "string") continue;
      const item = findElement(above, place);
      if (item === undefined || item.detail?.entries.at(-1)?.child !== at) return;
      patches.push({ type: "block", object: objectId(above), index: widthBefore(item), inserted: false });
    }
  };

  const patchElement = (
    target: SequenceContainer,
    item: Item,
    before: readonly Entry[],
    after: readonly Entry[],
  ): void => {
    const old = before.at(-1);
    const now = after.at(-1);
    const isSame = old !== undefined && now !== undefined && old.counter === now.counter && old.actor === now.actor;
    if (isSame && old.increments === now.increments) return;
    const object = objectId(target);
    const index = widthBefore(item);
    if (target.kind === "list") {
      patches.push({
        type: "list",
        object,
        index,
        removed: old === undefined ? 0 : 1,
        inserted: now === undefined ? 0 : 1,
      });
    } else if (!isSame) {
      const removed = shownText(before).length;
      if (removed > 0) patches.removeText(object, index, removed);
      if (now?.child?.kind === "map") patches.push({ type: "block", object, index, inserted: true });
      else if (now !== undefined) {
        const text = shownText(after);
        if (text !== "") patches.insertText(object, index, text, marksBefore(actors, target.sequence, item));
      }
    }
    touchBlock(target);
  };

  /** Shows the given values in an element; none deletes it. */
  const setEntries = (target: SequenceContainer, item: Item, entries: readonly Entry[]): void => {
    const only = entries.length === 1 ? entries[0] : undefined;
    if (entries.length === 0) setContent(item, "", 0, undefined);
    else if (
      target.kind === "text" &&
      only !== undefined &&
      only.counter === item.counter &&
      only.actor === item.actor &&
      isCharacter(only.value)
    ) {
      setContent(item, only.value, only.value.length, undefined);
    } else {
      const width = target.kind === "list" ? 1 : shownText(entries).length;
      setContent(item, "", width, { entries, mark: undefined });
    }
  };

  /** Replaces the values of one element, which must exist. */
  const updateElement = (
    target: SequenceContainer,
    element: OpId,
    update: (entries: readonly Entry[]) => readonly Entry[],
  ): void => {
    const run = findElement(target, element);
    invariant(run !== undefined, "element exists");
    const offset = element.counter - run.counter;
    const item = isolate(run, offset, offset + 1);
    const before = entriesOf(item);
    const after = update(before);
    setEntries(target, item, after);
    patchElement(target, item, before, after);
    if (after.length === 0) mergeTombstones(item);
  };

  /**
   * The item behind which an element with the given id belongs when it follows `reference`: behind all elements
   * there with greater ids (RGA).
   */
  const placeFor = (target: SequenceContainer, reference: OpId | undefined, id: OpId): Item | undefined => {
    let after: Item | undefined;
    if (reference !== undefined) {
      after = findElement(target, reference);
      invariant(after !== undefined, "reference exists");
      const inside = reference.counter - after.counter + 1;
      if (inside < after.length && actors.compare(reference.counter + 1, after.actor, id.counter, id.actor) < 0) {
        splitItem(after, inside);
        return after;
      }
    }
    for (;;) {
      const next = nextItem(target.sequence, after);
      if (next === undefined || actors.compare(next.counter, next.actor, id.counter, id.actor) < 0) return after;
      after = next;
    }
  };

  /** Inserts consecutive plain characters with ids from `id` on. */
  const insertText = (
    target: SequenceContainer,
    reference: OpId | undefined,
    id: OpId,
    text: string,
    count: number,
  ): void => {
    let after = placeFor(target, reference, id);
    const index = after === undefined ? 0 : widthBefore(after) + after.width;
    const canGrow =
      after !== undefined &&
      after.width > 0 &&
      after.detail === undefined &&
      after.actor === id.actor &&
      after.counter + after.length === id.counter &&
      after.length + count <= MAX_RUN;
    if (canGrow && after !== undefined) {
      after.length += count;
      setContent(after, after.text + text, after.width + text.length, undefined);
    } else {
      let done = 0;
      let units = 0;
      while (done < count) {
        const length = Math.min(MAX_RUN, count - done);
        const to = text.length === count ? units + length : unitsOf(text, units, length);
        const part = text.slice(units, to);
        after = placeAfter(target.sequence, after, {
          actor: id.actor,
          counter: id.counter + done,
          length,
          width: part.length,
          text: part,
          detail: undefined,
        });
        done += length;
        units = to;
      }
    }
    patches.insertText(
      objectId(target),
      index,
      text,
      after === undefined ? NO_MARKS : marksOfRun(target.sequence, after),
    );
    touchBlock(target);
  };

  const insertDetail = (
    target: SequenceContainer,
    reference: OpId | undefined,
    id: OpId,
    width: number,
    detail: ElementDetail,
  ): Item =>
    placeAfter(target.sequence, placeFor(target, reference, id), {
      actor: id.actor,
      counter: id.counter,
      length: 1,
      width,
      text: "",
      detail,
    });

  /** Inserts one element with any value. */
  const insertElement = (target: SequenceContainer, reference: OpId | undefined, entry: Entry): void => {
    if (target.kind === "text" && isCharacter(entry.value)) {
      insertText(target, reference, entry, entry.value, 1);
      return;
    }
    const entries = [entry];
    const width = target.kind === "list" ? 1 : shownText(entries).length;
    const item = insertDetail(target, reference, entry, width, { entries, mark: undefined });
    patchElement(target, item, NO_ENTRIES, entries);
  };

  /** Inserts an edge of a mark; the end of one tells about the range. */
  const insertMark = (target: SequenceContainer, reference: OpId | undefined, id: OpId, mark: MarkAnchor): void => {
    const item = insertDetail(target, reference, id, 0, { entries: NO_ENTRIES, mark });
    if (mark.begins) return;
    const begin = elements.find(id.counter - 1, id.actor);
    if (begin === undefined || begin.leaf.sequence !== target.sequence) return;
    const start = widthBefore(begin);
    const end = widthBefore(item);
    if (start < end) patches.push({ type: "marks", object: objectId(target), start, end });
  };

  /** Deletes a plain or detailed run whose every element loses its last value. */
  const deleteRun = (target: SequenceContainer, item: Item): void => {
    const { width } = item;
    const index = widthBefore(item);
    setContent(item, "", 0, undefined);
    if (target.kind === "list")
      patches.push({ type: "list", object: objectId(target), index, removed: width, inserted: 0 });
    else if (width > 0) patches.removeText(objectId(target), index, width);
    touchBlock(target);
    mergeTombstones(item);
  };

  /** Replaces the values of a map key. */
  const updateKey = (
    target: MapContainer,
    key: string,
    update: (entries: readonly Entry[]) => readonly Entry[],
  ): void => {
    const before = target.values.get(key) ?? NO_ENTRIES;
    const shown = before.at(-1);
    const after = update(before);
    if (after.length === 0) target.values.delete(key);
    else target.values.set(key, after);
    const winner = after.at(-1);
    if (winner === shown) return;
    patches.push({ type: winner === undefined ? "remove" : "put", object: objectId(target), key });
    touchBlock(target);
  };

  return {
    actors,
    elements,
    patches,
    root,
    containers,
    objectId,
    container,
    addContainer,
    entriesOf,
    findElement,
    updateElement,
    insertText,
    insertElement,
    insertMark,
    deleteRun,
    updateKey,
  };
};

/** One code point: what a plain character of a text is. */
export const isCharacter = (value: ScalarValue): value is string =>
  typeof value === "string" &&
  (value.length === 1 || (value.length === 2 && (value.codePointAt(0) as number) > 0xffff));

/** Offset behind `count` code points from `from` on. */
const unitsOf = (text: string, from: number, count: number): number => {
  let at = from;
  for (let i = 0; i < count; i++) at += (text.codePointAt(at) as number) > 0xffff ? 2 : 1;
  return at;
};
