import type { MarkName, NoteBlock } from "../../../../app/repositories/note-schema.ts";
import type { Unit, UnitOp } from "./units.ts";
import { runEnd, sameBlock } from "./units.ts";

/** Where undoing happens: the present sequence, read and edited at once. */
export interface UndoTarget {
  readonly read: (at: number, count: number) => readonly Unit[];
  readonly apply: (op: UnitOp) => void;
}

/**
 * Undo of one person's own edits. What an edit inserted, removed or changed is tracked in the coordinates of the
 * present sequence while everybody goes on editing, so undoing takes back exactly that and nothing of anyone else:
 * text another person typed into mine stays when mine goes. Undoing is a new edit, never a step back in history.
 */
export interface UndoHistory {
  /** Takes own edits, in the order they were made; `continues` joins them to the step before. */
  readonly record: (ops: readonly UnitOp[], continues: boolean) => void;
  /** Takes edits of others, or own ones that are not to be undone. */
  readonly follow: (ops: readonly UnitOp[]) => void;
  /** Takes back the last step; false when there is none. The history counts what it applies as its own. */
  readonly undo: (target: UndoTarget) => boolean;
  readonly redo: (target: UndoTarget) => boolean;
  readonly canUndo: () => boolean;
  readonly canRedo: () => boolean;
}

interface Range {
  readonly from: number;
  readonly to: number;
}
/** Units this person put there. */
interface Inserted {
  readonly type: "inserted";
  ranges: readonly Range[];
}
/** Units this person removed; they come back at `at`. */
interface Deleted {
  readonly type: "deleted";
  at: number;
  units: readonly Unit[];
  claims: readonly Claim[];
}
interface Marked {
  readonly type: "marked";
  ranges: readonly Range[];
  readonly name: MarkName;
  readonly before: string | true | undefined;
  readonly after: string | true | undefined;
}
interface Reshaped {
  readonly type: "reshaped";
  ranges: readonly Range[];
  readonly before: NoteBlock;
  readonly after: NoteBlock;
}
type Item = Inserted | Deleted | Marked | Reshaped;

/** What an older item gets back when removed units return: some of them, or its place among them. */
type Claim =
  | { readonly type: "range"; readonly item: Exclude<Item, Deleted>; readonly from: number; readonly to: number }
  | { readonly type: "place"; readonly item: Deleted; readonly offset: number };

interface Group {
  readonly items: Item[];
}

/** More steps than anyone takes back one by one; the cost of following an edit grows with it. */
const MAX_GROUPS = 200;

export const createUndoHistory = (): UndoHistory => {
  const done: Group[] = [];
  const undone: Group[] = [];

  const eachItem = (visit: (item: Item) => void): void => {
    for (const stack of [done, undone]) for (const group of stack) for (const item of group.items) visit(item);
  };

  const followInsert = (at: number, count: number): void => {
    eachItem((item) => {
      if (item.type !== "deleted") item.ranges = item.ranges.flatMap((range) => insertInto(range, at, count));
      else if (item.at > at) item.at += count;
    });
  };

  const followDelete = (at: number, count: number): Claim[] => {
    const claims: Claim[] = [];
    const end = at + count;
    eachItem((item) => {
      if (item.type === "deleted") {
        if (item.at > at && item.at <= end) claims.push({ type: "place", item, offset: item.at - at });
        item.at = shrink(item.at, at, count);
        return;
      }
      item.ranges = item.ranges.flatMap((range) => {
        const from = Math.max(range.from, at);
        const to = Math.min(range.to, end);
        if (from < to) claims.push({ type: "range", item, from: from - at, to: to - at });
        const left = { from: shrink(range.from, at, count), to: shrink(range.to, at, count) };
        return left.from < left.to ? [left] : [];
      });
    });
    return claims;
  };

  /** Follows an own edit and answers what takes it back. */
  const advance = (op: UnitOp): Item => {
    switch (op.type) {
      case "insert":
        followInsert(op.at, op.units.length);
        return { type: "inserted", ranges: [{ from: op.at, to: op.at + op.units.length }] };
      case "delete":
        return { type: "deleted", at: op.at, units: op.units, claims: followDelete(op.at, op.units.length) };
      case "mark": {
        const { name, before, after } = op;
        return { type: "marked", ranges: [{ from: op.at, to: op.at + op.count }], name, before, after };
      }
      case "block":
        return { type: "reshaped", ranges: [{ from: op.at, to: op.at + 1 }], before: op.before, after: op.after };
    }
  };

  const restore = (item: Deleted): void => {
    for (const claim of item.claims) {
      if (claim.type === "place") claim.item.at = item.at + claim.offset;
      else claim.item.ranges = [...claim.item.ranges, { from: item.at + claim.from, to: item.at + claim.to }];
    }
  };

  const revertItem = (item: Item, target: UndoTarget, apply: (op: UnitOp) => void): void => {
    switch (item.type) {
      case "inserted":
        for (const { from, to } of item.ranges.toSorted((a, b) => b.from - a.from)) {
          // Text of someone else right behind the first marker would be left without a block.
          const start = from === 0 && target.read(to, 1)[0]?.kind !== "block" ? 1 : from;
          const units = target.read(start, to - start);
          if (units.length > 0) apply({ type: "delete", at: start, units });
        }
        return;
      case "deleted": {
        const { at } = item;
        apply({ type: "insert", at, units: item.units });
        item.at = at;
        restore(item);
        return;
      }
      case "marked":
        for (const { from, to } of item.ranges) {
          const units = target.read(from, to - from);
          const isOurs = (unit: Unit): boolean => unit.kind === "char" && unit.marks[item.name] === item.after;
          for (let start = 0; start < units.length;) {
            const end = runEnd(units, start, isOurs);
            if (end > start)
              apply({
                type: "mark",
                at: from + start,
                count: end - start,
                name: item.name,
                before: item.after,
                after: item.before,
              });
            start = Math.max(end, start + 1);
          }
        }
        return;
      case "reshaped":
        for (const { from } of item.ranges) {
          const unit = target.read(from, 1)[0];
          if (unit?.kind === "block" && sameBlock(unit.block, item.after))
            apply({ type: "block", at: from, before: item.after, after: item.before });
        }
    }
  };

  /** Takes back the newest group of `from` that still has an effect; its inverse is a new group of `to`. */
  const revert = (from: Group[], to: Group[], target: UndoTarget): boolean => {
    for (let group = from.at(-1); group !== undefined; group = from.at(-1)) {
      const inverse: Group = { items: [] };
      to.push(inverse);
      // Both groups stay in their stacks meanwhile, so that they follow the edits made here.
      for (const item of group.items.toReversed())
        revertItem(item, target, (op) => {
          target.apply(op);
          inverse.items.push(advance(op));
        });
      from.pop();
      if (inverse.items.length > 0) return true;
      to.splice(to.indexOf(inverse), 1);
    }
    return false;
  };

  return {
    record: (ops, continues) => {
      if (ops.length === 0) return;
      undone.length = 0;
      let group = done.at(-1);
      if (group === undefined || !continues) {
        group = { items: [] };
        done.push(group);
        if (done.length > MAX_GROUPS) done.shift();
      }
      for (const op of ops) push(group.items, advance(op));
    },
    follow: (ops) => {
      for (const op of ops) {
        if (op.type === "insert") followInsert(op.at, op.units.length);
        else if (op.type === "delete") followDelete(op.at, op.units.length);
      }
    },
    undo: (target) => revert(done, undone, target),
    redo: (target) => revert(undone, done, target),
    canUndo: () => done.length > 0,
    canRedo: () => undone.length > 0,
  };
};

/** Joins typing to typing and deleting to deleting, so that a long step stays one item. */
const push = (items: Item[], item: Item): void => {
  const last = items.at(-1);
  if (item.type === "inserted" && last?.type === "inserted") {
    const open = last.ranges.at(-1);
    const [added] = item.ranges;
    if (open !== undefined && added !== undefined && open.to === added.from) {
      last.ranges = [...last.ranges.slice(0, -1), { from: open.from, to: added.to }];
      return;
    }
  }
  if (item.type === "deleted" && last?.type === "deleted") {
    const own = item.claims.find((claim) => claim.item === last);
    const others = item.claims.filter((claim) => claim.item !== last);
    if (own?.type === "place" && own.offset === item.units.length) {
      last.claims = [...others, ...moveClaims(last.claims, item.units.length)];
      last.units = [...item.units, ...last.units];
      last.at = item.at;
      return;
    }
    if (own === undefined && last.at === item.at) {
      last.claims = [...last.claims, ...moveClaims(others, last.units.length)];
      last.units = [...last.units, ...item.units];
      return;
    }
  }
  items.push(item);
};

const moveClaims = (claims: readonly Claim[], by: number): Claim[] =>
  claims.map((claim) =>
    claim.type === "place"
      ? { ...claim, offset: claim.offset + by }
      : { ...claim, from: claim.from + by, to: claim.to + by },
  );

const insertInto = (range: Range, at: number, count: number): Range[] => {
  if (at <= range.from) return [{ from: range.from + count, to: range.to + count }];
  if (at >= range.to) return [range];
  return [
    { from: range.from, to: at },
    { from: at + count, to: range.to + count },
  ];
};

const shrink = (index: number, at: number, count: number): number =>
  index <= at ? index : Math.max(at, index - count);
