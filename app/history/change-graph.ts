import type { ChangeSummary } from "../../protocol/automerge-format/change-summary.ts";

/**
 * The changes of one document and how they depend on each other, some hundred bytes each. Changes are numbered as they
 * were added, dependencies first; places are positions in the one order every member computes alike.
 */
export interface ChangeGraph {
  /** Adds a change whose dependencies were added before; false when it was there. `now` (Unix ms) bounds clocks that run ahead. */
  readonly add: (row: number, hash: string, summary: ChangeSummary, now: number) => boolean;
  readonly size: () => number;
  /** Numbers in order: dependencies first, then by time. */
  readonly order: () => readonly number[];
  readonly number: (hash: string) => number | undefined;
  readonly place: (change: number) => number;
  readonly at: (change: number) => GraphChange;
  readonly dependencies: (change: number) => readonly number[];
  /** Everything that `changes` contain: themselves and what they build on. */
  /** Hash of the newest change of an actor, or nothing: its next change must build on it. */
  readonly lastOf: (actor: string) => readonly string[];
  readonly closure: (changes: readonly number[]) => Closure;
}

export interface GraphChange {
  readonly row: number;
  /** Lower-case hex. */
  readonly hash: string;
  readonly actor: string;
  /** Unix milliseconds, never before that of a dependency. */
  readonly time: number;
  readonly inserted: number;
  readonly removed: number;
}

export interface Closure {
  /** One byte for each place, 1 where the change belongs to it. */
  readonly includes: Uint8Array;
  readonly size: number;
  /** Places from the beginning that all belong to it. */
  readonly prefix: number;
}

export const createChangeGraph = (): ChangeGraph => {
  const numbers = new Map<string, number>();
  const actors: string[] = [];
  const actorNumbers = new Map<string, number>();
  const rows: number[] = [];
  const hashes: string[] = [];
  const authors: number[] = [];
  const times: number[] = [];
  const startOps: number[] = [];
  const inserted: number[] = [];
  const removed: number[] = [];
  /** Dependencies of change k: `parents` from `parentStart[k]` to `parentStart[k + 1]`. */
  const parents: number[] = [];
  const parentStart: number[] = [0];
  let order: number[] = [];
  let places: number[] = [];
  let isOrdered = true;

  const isBefore = (a: number, b: number): boolean => compare(a, b) < 0;
  const compare = (a: number, b: number): number =>
    (times[a] as number) - (times[b] as number) ||
    (startOps[a] as number) - (startOps[b] as number) ||
    ((hashes[a] as string) < (hashes[b] as string) ? -1 : 1);

  const arrange = (): void => {
    if (!isOrdered) {
      order.sort(compare);
      isOrdered = true;
      places = [];
    }
    if (places.length === order.length) return;
    for (let place = places.length; place < order.length; place++) places[order[place] as number] = place;
  };

  const dependencies = (change: number): readonly number[] =>
    parents.slice(parentStart[change], parentStart[change + 1]);

  return {
    add: (row, hash, summary, now) => {
      if (numbers.has(hash)) return false;
      const change = rows.length;
      // A dependency's time bounds it from below, so that the order by time keeps causes before effects.
      let time = Math.min(summary.time * 1000, now);
      for (const dependency of summary.dependencies) {
        const parent = numbers.get(dependency);
        if (parent === undefined) continue;
        parents.push(parent);
        time = Math.max(time, times[parent] as number);
      }
      parentStart.push(parents.length);
      let author = actorNumbers.get(summary.actor);
      if (author === undefined) {
        author = actors.push(summary.actor) - 1;
        actorNumbers.set(summary.actor, author);
      }
      numbers.set(hash, change);
      rows.push(row);
      hashes.push(hash);
      authors.push(author);
      times.push(time);
      startOps.push(summary.startOp);
      inserted.push(summary.inserted);
      removed.push(summary.removed);
      if (change > 0 && isBefore(change, order.at(-1) as number)) isOrdered = false;
      order.push(change);
      return true;
    },
    size: () => rows.length,
    order: () => {
      arrange();
      return order;
    },
    number: (hash) => numbers.get(hash),
    place: (change) => {
      arrange();
      return places[change] as number;
    },
    at: (change) => ({
      row: rows[change] as number,
      hash: hashes[change] as string,
      actor: actors[authors[change] as number] as string,
      time: times[change] as number,
      inserted: inserted[change] as number,
      removed: removed[change] as number,
    }),
    dependencies,
    lastOf: (actor) => {
      const author = actorNumbers.get(actor);
      const change = author === undefined ? -1 : authors.lastIndexOf(author);
      return change < 0 ? [] : [hashes[change] as string];
    },
    closure: (changes) => {
      arrange();
      const includes = new Uint8Array(rows.length);
      const open = [...changes];
      let size = 0;
      for (let change = open.pop(); change !== undefined; change = open.pop()) {
        const place = places[change] as number;
        if (includes[place] === 1) continue;
        includes[place] = 1;
        size++;
        for (let k = parentStart[change] as number; k < (parentStart[change + 1] as number); k++)
          open.push(parents[k] as number);
      }
      const gap = includes.indexOf(0);
      return { includes, size, prefix: gap < 0 ? rows.length : gap };
    },
  };
};
