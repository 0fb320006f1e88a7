import type { Change, ChangeOp, FormatDependencies, OpReference } from "../automerge-format/change.ts";
import { decodeChange } from "../automerge-format/decode.ts";
import { encodeChange } from "../automerge-format/encode.ts";
import { FORMAT_LIMITS } from "../automerge-format/limits.ts";
import { invariant } from "../kernel/assert.ts";
import { type DecodeError, err, ok, type Result } from "../kernel/result.ts";
import { applyChange, checkChange, type CounterTable } from "./apply.ts";
import { cursorAt, resolveCursor } from "./cursor.ts";
import { createDocument, type Document } from "./document.ts";
import { createHistory, type History } from "./history.ts";
import { byCodePoint } from "./marks.ts";
import type { Container, Entry, OpId, SequenceContainer } from "./objects.ts";
import { marksAt, marksOf, plainOf, spansOf, textOf, valueOfEntry } from "./read.ts";
import { elementAtUnit, itemAt, unitOffset, widthBefore } from "./sequence.ts";
import { readSnapshot, writeSnapshot } from "./snapshot.ts";
import { createTransaction, type LocalOp } from "./transaction.ts";
import type { ActorId, ApplyOutcome, ChangeError, LocalChange, ObjectId, Path, Replica, Transaction } from "./types.ts";

export interface ReplicaState {
  readonly document: Document;
  readonly history: History;
  /** Greatest counter applied per actor index. */
  readonly counters: CounterTable;
}

/** Replica of an empty document that writes as `actor`, 1 to 64 bytes in lower-case hex that no other writer ever uses. */
export const createReplica = (dependencies: FormatDependencies, actor: ActorId): Replica =>
  replicaOf(dependencies, actor, { document: createDocument(), history: createHistory(), counters: [] });

/** Replica from `Replica.snapshot()`; the writer may be another than before. */
export const loadReplica = (
  dependencies: FormatDependencies,
  snapshot: Uint8Array,
  actor: ActorId,
): Result<Replica, DecodeError> => {
  const state = readSnapshot(snapshot, dependencies.sha256);
  return state.ok ? ok(replicaOf(dependencies, actor, state.value)) : state;
};

type Rejected = ApplyOutcome["rejected"][number];

const replicaOf = (dependencies: FormatDependencies, actor: ActorId, state: ReplicaState): Replica => {
  const { document, history, counters } = state;
  let isBroken = false;

  const containerOf = (id: ObjectId): Container | undefined => {
    if (id === "_root") return document.root;
    const at = id.indexOf("@");
    const index = document.actors.indexOf(id.slice(at + 1));
    return at < 1 || index === undefined
      ? undefined
      : document.container({ counter: Number(id.slice(0, at)), actor: index });
  };
  const sequenceOf = (id: ObjectId): SequenceContainer => {
    const container = containerOf(id);
    invariant(container !== undefined && container.kind !== "map", `${id} is no sequence`);
    return container;
  };

  const noteApplied = (change: Change): void => {
    const maxOp = change.startOp + change.ops.length - 1;
    const [author] = change.actors as [string, ...string[]];
    const index = document.actors.add(author);
    counters[index] = Math.max(counters[index] ?? 0, maxOp);
    history.advance(change.hash, author, change.seq, maxOp, change.dependencies);
  };

  const ownMaxOp = (author: string): number => {
    const index = document.actors.indexOf(author);
    return index === undefined ? 0 : (counters[index] ?? 0);
  };
  const maxOpOf = (hash: string, author: string): number | undefined => history.maxOpOf(hash, author, ownMaxOp(author));

  /** Applies a change whose dependencies are all known, or says why not. */
  const integrate = (change: Change): Result<undefined, ChangeError> => {
    const [author] = change.actors as [string, ...string[]];
    const expectedSeq = history.seqOf(author) + 1;
    if (change.seq !== expectedSeq) {
      return change.seq < expectedSeq
        ? err({ type: "ActorReused", actor: author, seq: change.seq })
        : err({ type: "SeqGap", actor: author, seq: change.seq, expected: expectedSeq });
    }
    const previous = history.lastByActor.get(author);
    if (previous !== undefined && !change.dependencies.includes(previous.hash)) {
      return err({ type: "NotOnOwnChange", actor: author, seq: change.seq });
    }
    let expected = 1;
    for (const hash of change.dependencies) expected = Math.max(expected, (maxOpOf(hash, author) ?? 0) + 1);
    const ownMax = ownMaxOp(author);
    if (change.startOp !== expected || change.startOp <= ownMax) {
      return err({ type: "WrongStartOp", startOp: change.startOp, expected: Math.max(expected, ownMax + 1) });
    }
    const checked = checkChange(document, counters, change);
    if (!checked.ok) return checked;
    applyChange(document, change, checked.value);
    noteApplied(change);
    return ok(undefined);
  };

  const firstMissing = (change: Change): string | undefined =>
    change.dependencies.find((hash) => maxOpOf(hash, change.actors[0] as string) === undefined);

  const applyChanges = (changes: readonly Uint8Array[]): ApplyOutcome => {
    invariant(!isBroken, "a failed edit left this replica unusable");
    const applied: string[] = [];
    const rejected: Rejected[] = [];
    let duplicates = 0;

    /** Applies or queues a change, then every queued one that this makes ready. */
    const settle = (first: Change, index: number): void => {
      const ready: Change[] = [first];
      for (let change = ready.pop(); change !== undefined; change = ready.pop()) {
        const at = change === first ? index : -1;
        const missing = firstMissing(change);
        if (missing !== undefined) {
          const isHeld = history.enqueue(change, missing);
          if (!isHeld) rejected.push({ index: at, hash: change.hash, error: { type: "QueueFull" } });
          continue;
        }
        history.dequeue(change);
        const result = integrate(change);
        if (!result.ok) {
          rejected.push({ index: at, hash: change.hash, error: result.error });
          continue;
        }
        applied.push(change.hash);
        ready.push(...history.waitersFor(change.hash));
      }
    };

    /** A change whose actor is already further: known, forgotten, or a second one with its number. */
    const takeOld = (change: Change, author: string, index: number): void => {
      if (!history.isKnown(change.hash)) {
        for (const other of history.known().values()) {
          if (other.actor !== author || other.seq !== change.seq) continue;
          rejected.push({ index, hash: change.hash, error: { type: "ActorReused", actor: author, seq: change.seq } });
          return;
        }
        history.remember(change.hash, author, change.seq, change.startOp + change.ops.length - 1);
      }
      duplicates++;
      for (const waiter of history.waitersFor(change.hash)) settle(waiter, -1);
    };

    for (const [index, bytes] of changes.entries()) {
      const decoded = decodeChange(bytes, dependencies);
      if (!decoded.ok) {
        rejected.push({ index, hash: undefined, error: decoded.error });
        continue;
      }
      const [author] = decoded.value.actors as [string, ...string[]];
      if (history.isQueued(decoded.value.hash)) duplicates++;
      else if (decoded.value.seq <= history.seqOf(author)) takeOld(decoded.value, author, index);
      else settle(decoded.value, index);
    }
    const missing = history.missing();
    return { patches: document.patches.take(), applied, duplicates, queued: history.queued(), missing, rejected };
  };

  const change = (
    options: { readonly time: number; readonly message?: string; readonly actor?: ActorId },
    edit: (transaction: Transaction) => void,
  ): LocalChange | undefined => {
    const name = options.actor ?? actor;
    invariant(!isBroken, "a failed edit left this replica unusable");
    const startOp = history.maxOp() + 1;
    const author = document.actors.add(name);
    const { transaction, ops } = createTransaction(document, author, startOp, containerOf);
    isBroken = true;
    edit(transaction);
    invariant(ops.length <= FORMAT_LIMITS.opsPerChange, "a change of more operations than anybody takes");
    isBroken = false;
    if (ops.length === 0) return undefined;
    const seq = history.seqOf(name) + 1;
    const parents = history.dependenciesFor(name);
    const content = {
      ...withLocalActors(document, author, ops),
      seq,
      startOp,
      time: options.time,
      message: options.message ?? "",
      dependencies: parents,
    };
    const { bytes, hash } = encodeChange(content, dependencies.sha256);
    noteApplied({ ...content, hash });
    return { bytes, hash, seq, patches: document.patches.take() };
  };

  const entriesAt = (id: ObjectId, prop: string | number): readonly Entry[] => {
    const container = containerOf(id);
    if (container === undefined) return [];
    if (container.kind === "map") return container.values.get(String(prop)) ?? [];
    const position = typeof prop === "number" ? itemAt(container.sequence, prop) : undefined;
    if (position === undefined) return [];
    const { item, start } = position;
    if (item.detail !== undefined) return item.detail.entries;
    const element = elementAtUnit(item, (prop as number) - start);
    const value = item.text.slice(unitOffset(item, element), unitOffset(item, element + 1));
    return [{ counter: item.counter + element, actor: item.actor, value, child: undefined, increments: 0 }];
  };

  const pathOf = (id: ObjectId): Path | undefined => {
    const path: (string | number)[] = [];
    let at = containerOf(id);
    if (at === undefined) return undefined;
    for (; at.parent !== undefined; at = at.parent.container) {
      const { container: above, place }: { container: Container; place: string | OpId } = at.parent;
      if (above.kind === "map") {
        const key = place as string;
        if (above.values.get(key)?.at(-1)?.child !== at) return undefined;
        path.unshift(key);
      } else {
        const item = document.findElement(above, place as OpId);
        if (item?.detail?.entries.at(-1)?.child !== at) return undefined;
        path.unshift(widthBefore(item));
      }
    }
    return path;
  };

  const objectAt = (path: Path): ObjectId | undefined => {
    let id: ObjectId = "_root";
    for (const prop of path) {
      const child = entriesAt(id, prop).at(-1)?.child;
      if (child === undefined) return undefined;
      id = document.objectId(child);
    }
    return id;
  };

  return {
    actor,
    heads: history.heads,
    missing: history.missing,
    applyChanges,
    change,
    objectAt,
    pathOf,
    kindOf: (id) => containerOf(id)?.kind,
    keys: (id) => {
      const container = containerOf(id);
      return container?.kind === "map" ? [...container.values.keys()].sort(byCodePoint) : [];
    },
    get: (id, prop) => {
      const winner = entriesAt(id, prop).at(-1);
      return winner === undefined ? undefined : valueOfEntry(winner);
    },
    conflicts: (id, prop) =>
      entriesAt(id, prop).map((entry) => ({
        id: `${entry.counter}@${document.actors.name(entry.actor)}`,
        value: valueOfEntry(entry),
      })),
    length: (id) => {
      const container = containerOf(id);
      invariant(container !== undefined, `no object ${id}`);
      return container.kind === "map" ? container.values.size : container.sequence.root.width;
    },
    text: (id) => textOf(sequenceOf(id)),
    spans: (id, from = 0, to = Number.POSITIVE_INFINITY) => spansOf(document, sequenceOf(id), from, to),
    marks: (id) => marksOf(document, sequenceOf(id)),
    marksAt: (id, index) => marksAt(document, sequenceOf(id), index),
    toJS: (id = "_root") => {
      const container = containerOf(id);
      invariant(container !== undefined, `no object ${id}`);
      return plainOf(container);
    },
    cursor: (id, index) => cursorAt(document, sequenceOf(id), index),
    resolveCursor: (id, cursor) => resolveCursor(document, sequenceOf(id), cursor),
    snapshot: () => writeSnapshot(state, dependencies.sha256),
  };
};

/** Local operations with the actor numbering of a change: the author, then the others it names, ascending. */
const withLocalActors = (
  document: Document,
  author: number,
  ops: readonly LocalOp[],
): { readonly actors: readonly string[]; readonly ops: readonly ChangeOp[] } => {
  const used = new Set<number>();
  for (const op of ops) {
    if (op.object !== undefined) used.add(op.object.actor);
    if (op.element !== undefined) used.add(op.element.actor);
    for (const { actor } of op.predecessors) used.add(actor);
  }
  used.delete(author);
  const others = [...used].sort((a, b) => (document.actors.name(a) < document.actors.name(b) ? -1 : 1));
  const position = new Map<number, number>([
    [author, 0],
    ...others.map((other, i): [number, number] => [other, i + 1]),
  ]);
  const reference = (id: OpId): OpReference => ({ counter: id.counter, actor: position.get(id.actor) as number });
  const optional = (id: OpId | undefined): OpReference | undefined => (id === undefined ? undefined : reference(id));
  return {
    actors: [author, ...others].map(document.actors.name),
    ops: ops.map((op) => ({
      ...op,
      object: optional(op.object),
      element: optional(op.element),
      predecessors: op.predecessors.map(reference),
    })),
  };
};
