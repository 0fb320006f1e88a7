import { ACTION, type Action, type ScalarValue } from "../automerge-format/change.ts";
import { invariant } from "../kernel/assert.ts";
import { isCounter } from "./apply.ts";
import type { Document } from "./document.ts";
import { insertionPoint } from "./insertion-point.ts";
import { byCodePoint } from "./marks.ts";
import type { Container, Entry, MapContainer, OpId, SequenceContainer } from "./objects.ts";
import { sameValue, valueOf } from "./scalars.ts";
import { elementAtUnit, isBefore, isolate, type Item, itemAt, MAX_RUN, unitOffset } from "./sequence.ts";
import {
  type Expand,
  isTyped,
  type ListValue,
  type MapValue,
  type MarkRange,
  type ObjectId,
  type Scalar,
  type Transaction,
  type Value,
} from "./types.ts";

/** An operation of the change being made, ids in the document's actor indices. */
export interface LocalOp {
  readonly action: Action;
  readonly object: OpId | undefined;
  readonly key: string | undefined;
  readonly element: OpId | undefined;
  readonly insert: boolean;
  readonly value: ScalarValue;
  readonly predecessors: readonly OpId[];
  readonly expand: boolean;
  readonly markName: string | undefined;
}

const PLAIN = {
  key: undefined,
  insert: false,
  value: null,
  predecessors: [],
  expand: false,
  markName: undefined,
} as const;

const MAKE: Readonly<Record<Container["kind"], Action>> = {
  map: ACTION.makeMap,
  list: ACTION.makeList,
  text: ACTION.makeText,
};

/** Edits that take effect at once and are noted in `ops`; ids count from `startOp`. */
export const createTransaction = (
  document: Document,
  actor: number,
  startOp: number,
  findObject: (id: ObjectId) => Container | undefined,
): { readonly transaction: Transaction; readonly ops: LocalOp[] } => {
  const ops: LocalOp[] = [];
  const nextId = (): OpId => ({ counter: startOp + ops.length, actor });
  const objectOf = (container: Container): OpId | undefined =>
    container.parent === undefined ? undefined : container.id;

  const existing = (id: ObjectId): Container => {
    const container = findObject(id);
    invariant(container !== undefined, `no object ${id}`);
    return container;
  };
  const sequenceAt = (id: ObjectId, kind?: "text" | "list"): SequenceContainer => {
    const container = existing(id);
    invariant(
      container.kind !== "map" && (kind === undefined || container.kind === kind),
      `${id} is no ${kind ?? "sequence"}`,
    );
    return container;
  };
  const pointAt = (target: SequenceContainer, index: number) => {
    const point = insertionPoint(target, index);
    invariant(point !== undefined, `index ${index} beyond the end`);
    return point;
  };

  /** Item that is exactly the element at a visible index. */
  const elementItem = (target: SequenceContainer, index: number): Item => {
    const position = itemAt(target.sequence, index);
    invariant(position !== undefined, `no element ${index}`);
    const element = elementAtUnit(position.item, index - position.start);
    return isolate(position.item, element, element + 1);
  };

  const childOf = (action: Action, target: Container, id: OpId, place: string | OpId): Container | undefined => {
    if (action === ACTION.makeMap) return document.addContainer("map", id, { container: target, place });
    if (action === ACTION.makeList) return document.addContainer("list", id, { container: target, place });
    if (action === ACTION.makeText) return document.addContainer("text", id, { container: target, place });
    return undefined;
  };

  /** Sets, replaces, deletes or increments the value at a key or element; answers the object made, if any. */
  const assign = (
    target: Container,
    place: string | Item,
    wanted: Action,
    value: ScalarValue,
  ): Container | undefined => {
    const entries =
      typeof place === "string" ? ((target as MapContainer).values.get(place) ?? []) : document.entriesOf(place);
    const winner = entries.at(-1);
    let action = wanted;
    let hit = entries;
    if (wanted === ACTION.set && winner !== undefined && winner.child === undefined && shows(winner, value)) {
      if (entries.length === 1) return undefined;
      action = ACTION.delete;
      hit = entries.slice(0, -1);
    }
    if (action === ACTION.delete && hit.length === 0) return undefined;
    if (action === ACTION.increment) invariant(entries.some(isCounter), "increment of something that is no counter");
    const id = nextId();
    const key = typeof place === "string" ? place : undefined;
    const element = typeof place === "string" ? undefined : { counter: place.counter, actor: place.actor };
    const child = childOf(action, target, id, element ?? key ?? "");
    const update = (current: readonly Entry[]): readonly Entry[] => {
      if (action === ACTION.increment) {
        const by = typeof value === "object" && value !== null && "value" in value ? value.value : 0;
        return current.map((entry) => (isCounter(entry) ? { ...entry, increments: entry.increments + by } : entry));
      }
      const left = current.filter((entry) => !hit.includes(entry) && !hit.some((other) => isSameId(other, entry)));
      return action === ACTION.delete ? left : [...left, { ...id, value, child, increments: 0 }];
    };
    ops.push({
      ...PLAIN,
      action,
      object: objectOf(target),
      key,
      element,
      value: action === ACTION.delete ? null : value,
      predecessors: hit.map(({ counter, actor: by }) => ({ counter, actor: by })),
    });
    if (target.kind === "map") document.updateKey(target, key as string, update);
    else document.updateElement(target, element as OpId, update);
    return child;
  };

  const insertAt = (
    target: SequenceContainer,
    reference: OpId | undefined,
    action: Action,
    value: ScalarValue,
  ): Container | undefined => {
    const id = nextId();
    const child = childOf(action, target, id, id);
    ops.push({ ...PLAIN, action, object: objectOf(target), element: reference, insert: true, value });
    document.insertElement(target, reference, { ...id, value, child, increments: 0 });
    return child;
  };

  const insertCharacters = (target: SequenceContainer, reference: OpId | undefined, text: string): void => {
    const object = objectOf(target);
    const id = nextId();
    let element = reference;
    let count = 0;
    for (const character of text) {
      ops.push({ ...PLAIN, action: ACTION.set, object, element, insert: true, value: character });
      element = { counter: id.counter + count, actor };
      count++;
    }
    document.insertText(target, reference, id, text, count);
  };

  /** Deletes characters from a visible index on; one cut in half by `index` stays. */
  const removeUnits = (target: SequenceContainer, index: number, width: number): void => {
    const object = objectOf(target);
    let removed = 0;
    let at = index;
    while (removed < width) {
      const position = itemAt(target.sequence, at);
      if (position === undefined) return;
      const { item, start } = position;
      const from = elementAtUnit(item, at - start);
      const fromUnits = item.detail === undefined ? unitOffset(item, from) : 0;
      if (start + fromUnits < at) {
        at = start + (item.detail === undefined ? unitOffset(item, from + 1) : item.width);
        continue;
      }
      let to = from;
      let units = fromUnits;
      while (to < item.length && to - from < MAX_RUN && removed < width) {
        const next = item.detail === undefined ? unitOffset(item, to + 1) : item.width;
        removed += next - units;
        units = next;
        to++;
      }
      const run = isolate(item, from, to);
      const entries = document.entriesOf(run);
      for (let i = 0; i < run.length; i++) {
        const element = { counter: run.counter + i, actor: run.actor };
        const predecessors =
          run.detail === undefined ? [element] : entries.map(({ counter, actor: by }) => ({ counter, actor: by }));
        ops.push({ ...PLAIN, action: ACTION.delete, object, element, predecessors });
      }
      document.deleteRun(target, run);
    }
  };

  const insertEdge = (
    target: SequenceContainer,
    reference: OpId | undefined,
    name: string | undefined,
    value: ScalarValue,
    expand: boolean,
  ): OpId => {
    const id = nextId();
    ops.push({
      ...PLAIN,
      action: ACTION.mark,
      object: objectOf(target),
      element: reference,
      insert: true,
      value,
      expand,
      markName: name,
    });
    document.insertMark(target, reference, id, { begins: name !== undefined, expand, name: name ?? "", value });
    return id;
  };

  const markRange = (object: ObjectId, { start, end, expand }: MarkRange, name: string, value: ScalarValue): void => {
    const target = sequenceAt(object, "text");
    if (start === end && expand === "none") return;
    const { before, after } = EXPANSION[expand];
    const begin = insertEdge(target, pointAt(target, start).reference, name, value, before);
    let reference: OpId | undefined = begin;
    if (start !== end) {
      const wanted = pointAt(target, end).reference;
      const item = document.findElement(target, begin);
      const other = wanted === undefined ? undefined : document.findElement(target, wanted);
      invariant(item !== undefined, "mark begin exists");
      if (wanted !== undefined && other !== undefined && isBefore(item, other)) reference = wanted;
    }
    insertEdge(target, reference, undefined, null, after);
  };

  /** Fills new objects level by level, keys in byte order: the order Automerge's batch insertion gives ids in. */
  const fill = (pending: [Container, Value][]): void => {
    for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
      const [container, value] = next;
      if (container.kind === "map") {
        const map = value as MapValue;
        for (const key of Object.keys(map).sort(byCodePoint)) {
          const item = map[key] as Value;
          const child = assign(container, key, actionFor(item), storedValue(item));
          if (child !== undefined) pending.push([child, item]);
        }
      } else if (container.kind === "list") {
        let reference: OpId | undefined;
        for (const item of value as ListValue) {
          const id = nextId();
          const child = insertAt(container, reference, actionFor(item), storedValue(item));
          reference = id;
          if (child !== undefined) pending.push([child, item]);
        }
      }
    }
  };

  /** Fills a map key by key, each value to its depth: the order of `update_object` on an empty map. */
  const fillDepthFirst = (container: Container, value: Value): void => {
    if (container.kind === "map") {
      const map = value as MapValue;
      for (const key of Object.keys(map).sort(byCodePoint)) {
        const item = map[key] as Value;
        const child = assign(container, key, actionFor(item), storedValue(item));
        if (child !== undefined) fillDepthFirst(child, item);
      }
    } else if (container.kind === "list") {
      let reference: OpId | undefined;
      for (const item of value as ListValue) {
        const id = nextId();
        const child = insertAt(container, reference, actionFor(item), storedValue(item));
        reference = id;
        if (child !== undefined) fillDepthFirst(child, item);
      }
    }
  };

  const made = (container: Container | undefined): Container => {
    invariant(container !== undefined, "an object was made");
    return container;
  };

  const placeAt = (target: Container, prop: string | number): string | Item => {
    invariant((typeof prop === "string") === (target.kind === "map"), "a map has keys, a sequence indices");
    return typeof prop === "string" ? prop : elementItem(target as SequenceContainer, prop);
  };

  const splitBlock = (object: ObjectId, index: number, block: MapValue): ObjectId => {
    const target = sequenceAt(object, "text");
    const child = made(insertAt(target, pointAt(target, index).reference, ACTION.makeMap, null));
    fillDepthFirst(child, block);
    return document.objectId(child);
  };

  const joinBlock = (object: ObjectId, index: number): void => {
    const target = sequenceAt(object, "text");
    const item = elementItem(target, index);
    const element = { counter: item.counter, actor: item.actor };
    const winner = document.entriesOf(item).at(-1);
    invariant(winner !== undefined, "a visible element has a value");
    const predecessors = [{ counter: winner.counter, actor: winner.actor }];
    ops.push({ ...PLAIN, action: ACTION.delete, object: objectOf(target), element, predecessors });
    document.updateElement(target, element, (entries) => entries.slice(0, -1));
  };

  const transaction: Transaction = {
    put: (object, prop, value) => {
      const target = existing(object);
      assign(target, placeAt(target, prop), ACTION.set, valueOf(value));
    },
    putObject: (object, prop, value) => {
      const target = existing(object);
      const child = made(assign(target, placeAt(target, prop), actionFor(value), null));
      fill([[child, value]]);
      return document.objectId(child);
    },
    putText: (object, prop, text) => {
      const target = existing(object);
      const child = made(assign(target, placeAt(target, prop), MAKE.text, null)) as SequenceContainer;
      if (text !== "") insertCharacters(child, undefined, text.toWellFormed());
      return document.objectId(child);
    },
    insert: (object, index, value) => {
      const target = sequenceAt(object);
      insertAt(target, pointAt(target, index).reference, ACTION.set, valueOf(value));
    },
    insertObject: (object, index, value) => {
      const target = sequenceAt(object, "list");
      const child = made(insertAt(target, pointAt(target, index).reference, actionFor(value), null));
      fill([[child, value]]);
      return document.objectId(child);
    },
    remove: (object, prop) => {
      const target = existing(object);
      if (target.kind === "text") {
        invariant(typeof prop === "number", "a sequence has indices");
        removeUnits(target, prop, 1);
      } else assign(target, placeAt(target, prop), ACTION.delete, null);
    },
    increment: (object, prop, by) => {
      invariant(Number.isSafeInteger(by), "increment by a safe integer");
      const target = existing(object);
      assign(target, placeAt(target, prop), ACTION.increment, { type: "int", value: by });
    },
    splice: (object, index, removed, inserted) => {
      const target = sequenceAt(object, "text");
      const text = inserted.toWellFormed();
      let at = index;
      if (text !== "") {
        const point = pointAt(target, index);
        insertCharacters(target, point.reference, text);
        at = point.index + text.length;
      }
      if (removed > 0) removeUnits(target, at, removed);
    },
    mark: (object, range, name, value) => {
      markRange(object, range, name.toWellFormed(), valueOf(value));
    },
    unmark: (object, range, name) => {
      markRange(object, range, name.toWellFormed(), null);
    },
    splitBlock,
    updateBlock: (object, index, block) => {
      joinBlock(object, index);
      return splitBlock(object, index, block);
    },
    joinBlock,
  };
  return { transaction, ops };
};

/** Whether an entry already shows the value; a counter counts with its increments. */
const shows = ({ value, increments }: Entry, wanted: ScalarValue): boolean => {
  if (increments === 0 || value === null || typeof value !== "object" || value instanceof Uint8Array) {
    return sameValue(value, wanted);
  }
  return sameValue({ type: value.type, value: value.value + increments }, wanted);
};

const isSameId = (a: OpId, b: OpId): boolean => a.counter === b.counter && a.actor === b.actor;

const EXPANSION: Readonly<Record<Expand, { readonly before: boolean; readonly after: boolean }>> = {
  before: { before: true, after: false },
  after: { before: false, after: true },
  both: { before: true, after: true },
  none: { before: false, after: false },
};

const isScalar = (value: Value): value is Scalar =>
  value === null || typeof value !== "object" || value instanceof Uint8Array || isTyped(value);

const actionFor = (value: Value): Action => {
  if (isScalar(value)) return ACTION.set;
  return Array.isArray(value) ? ACTION.makeList : ACTION.makeMap;
};

const storedValue = (value: Value): ScalarValue => (isScalar(value) ? valueOf(value) : null);
