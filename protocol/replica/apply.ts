import { ACTION, type Change, type ChangeOp, type NumberValue, type OpReference } from "../automerge-format/change.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import { type Document, isCharacter } from "./document.ts";
import { type Container, type Entry, MAX_ACTORS, type OpId, type SequenceContainer } from "./objects.ts";
import type { ChangeError } from "./types.ts";

const KIND_OF_ACTION: Readonly<Record<number, Container["kind"]>> = {
  [ACTION.makeMap]: "map",
  [ACTION.makeTable]: "map",
  [ACTION.makeList]: "list",
  [ACTION.makeText]: "text",
};

/** Greatest operation counter applied per actor of the document. */
export type CounterTable = number[];

/** Checks that every operation of a change names things that exist; applying it afterwards cannot fail. */
export const checkChange = (
  document: Document,
  counters: CounterTable,
  change: Change,
): Result<readonly number[], ChangeError> => {
  const known = change.actors.map((actor) => document.actors.indexOf(actor));
  const { startOp, ops } = change;
  const isOwn = (id: OpReference): boolean => id.actor === 0 && id.counter >= startOp;
  const resolve = (id: OpReference): OpId | undefined => {
    const actor = known[id.actor];
    return actor === undefined || id.counter > (counters[actor] ?? 0) ? undefined : { counter: id.counter, actor };
  };
  for (let i = 0; i < ops.length; i++) {
    const op = ops[i] as ChangeOp;
    let kind: Container["kind"] | undefined;
    let target: Container | undefined;
    if (op.object !== undefined && isOwn(op.object)) {
      const maker = ops[op.object.counter - startOp];
      kind = maker === undefined ? undefined : KIND_OF_ACTION[maker.action];
    } else {
      const id = op.object === undefined ? undefined : resolve(op.object);
      if (op.object === undefined || id !== undefined) target = document.container(id);
      kind = target?.kind;
    }
    if (kind === undefined) return err({ type: "MissingObject", op: i });
    if ((kind === "map") !== (op.key !== undefined)) return err({ type: "WrongObjectType", op: i });
    if (op.action === ACTION.mark && kind !== "text") return err({ type: "WrongObjectType", op: i });
    if (op.element !== undefined && !hasElement(op, op.element, target)) return err({ type: "MissingElement", op: i });
    for (const predecessor of op.predecessors) {
      if (!isOwn(predecessor) && resolve(predecessor) === undefined) return err({ type: "MissingPredecessor", op: i });
    }
  }
  const names = change.actors.length - known.filter((index) => index !== undefined).length;
  if (document.actors.count() + names > MAX_ACTORS) return err({ type: "TooManyActors" });
  return ok(change.actors.map((actor) => document.actors.add(actor)));

  function hasElement(op: ChangeOp, element: OpReference, target: Container | undefined): boolean {
    if (isOwn(element)) {
      const maker = ops[element.counter - startOp];
      if (maker === undefined || !maker.insert || !sameReference(maker.object, op.object)) return false;
      return op.insert || maker.action !== ACTION.mark;
    }
    const id = resolve(element);
    if (id === undefined || target === undefined || target.kind === "map") return false;
    const item = document.findElement(target, id);
    return item !== undefined && (op.insert || item.detail?.mark === undefined);
  }
};

const sameReference = (a: OpReference | undefined, b: OpReference | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && a.counter === b.counter && a.actor === b.actor);

/** Applies a change that `checkChange` accepted; `actors` maps its actors to the document's. */
export const applyChange = (document: Document, change: Change, actors: readonly number[]): void => {
  const { startOp, ops } = change;
  const author = actors[0] as number;
  const idOf = (reference: OpReference): OpId => ({
    counter: reference.counter,
    actor: actors[reference.actor] as number,
  });
  let i = 0;
  while (i < ops.length) {
    const op = ops[i] as ChangeOp;
    const target = document.container(op.object === undefined ? undefined : idOf(op.object)) as Container;
    const id: OpId = { counter: startOp + i, actor: author };
    const reference = op.element === undefined ? undefined : idOf(op.element);
    if (target.kind === "text" && isPlainInsert(op)) {
      const count = plainRun(ops, i, startOp);
      let text = "";
      for (let k = i; k < i + count; k++) text += (ops[k] as ChangeOp).value as string;
      document.insertText(target, reference, id, text, count);
      i += count;
      continue;
    }
    applyOp(document, op, target, id, reference, op.predecessors.map(idOf));
    i++;
  }
};

const isPlainInsert = (op: ChangeOp): boolean => op.insert && op.action === ACTION.set && isCharacter(op.value);

/** Number of operations from `from` on that insert plain characters one behind the other. */
const plainRun = (ops: readonly ChangeOp[], from: number, startOp: number): number => {
  const { object } = ops[from] as ChangeOp;
  let to = from + 1;
  for (; to < ops.length; to++) {
    const op = ops[to] as ChangeOp;
    const { element } = op;
    if (!isPlainInsert(op) || element === undefined || element.actor !== 0) break;
    if (element.counter !== startOp + to - 1 || !sameReference(object, op.object)) break;
  }
  return to - from;
};

const applyOp = (
  document: Document,
  op: ChangeOp,
  target: Container,
  id: OpId,
  reference: OpId | undefined,
  predecessors: readonly OpId[],
): void => {
  if (op.action === ACTION.mark) {
    const mark = { begins: op.markName !== undefined, expand: op.expand, name: op.markName ?? "", value: op.value };
    document.insertMark(target as SequenceContainer, reference, id, mark);
    return;
  }
  const kind = KIND_OF_ACTION[op.action];
  const place = op.key ?? (op.insert ? id : (reference as OpId));
  const child = kind === undefined ? undefined : document.addContainer(kind, id, { container: target, place });
  const entry: Entry = { ...id, value: op.value, child, increments: 0 };
  if (op.insert) {
    document.insertElement(target as SequenceContainer, reference, entry);
    return;
  }
  const update = (entries: readonly Entry[]): readonly Entry[] =>
    updateEntries(document, entries, op, entry, predecessors);
  if (target.kind === "map") document.updateKey(target, op.key as string, update);
  else document.updateElement(target, reference as OpId, update);
};

const updateEntries = (
  document: Document,
  entries: readonly Entry[],
  op: ChangeOp,
  entry: Entry,
  predecessors: readonly OpId[],
): readonly Entry[] => {
  const isHit = (other: Entry): boolean =>
    predecessors.some(({ counter, actor }) => counter === other.counter && actor === other.actor);
  if (op.action === ACTION.increment) {
    const by = (op.value as NumberValue).value;
    return entries.map((other) =>
      isHit(other) && isCounter(other) ? { ...other, increments: other.increments + by } : other,
    );
  }
  const left = entries.filter((other) => !isHit(other));
  if (op.action === ACTION.delete) return left;
  const at = left.findIndex((other) => document.actors.compareIds(other, entry) > 0);
  left.splice(at < 0 ? left.length : at, 0, entry);
  return left;
};

export const isCounter = ({ value }: Entry): boolean =>
  value !== null && typeof value === "object" && !(value instanceof Uint8Array) && value.type === "counter";
