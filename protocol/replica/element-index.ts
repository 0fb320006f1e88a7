import type { Item } from "./sequence.ts";

/** Finds the run that holds an element id: per actor a sorted list of runs, kept in chunks so that insertion stays cheap. */
export interface ElementIndex {
  readonly add: (item: Item) => void;
  readonly remove: (item: Item) => void;
  readonly find: (counter: number, actor: number) => Item | undefined;
  /** Takes many runs at once; sorting them waits for the first use. */
  readonly addLater: (items: readonly Item[]) => void;
}

/** Runs per chunk before it is divided. */
const CHUNK = 512;

export const createElementIndex = (): ElementIndex => {
  const chunksByActor: Item[][][] = [];
  let later: (readonly Item[])[] = [];

  const settle = (): void => {
    if (later.length === 0) return;
    const batches = later;
    later = [];
    const byActor = new Map<number, Item[]>();
    for (const batch of batches) {
      for (const item of batch) {
        const list = byActor.get(item.actor);
        if (list === undefined) byActor.set(item.actor, [item]);
        else list.push(item);
      }
    }
    for (const [actor, items] of byActor) {
      for (const chunk of chunksByActor[actor] ?? []) for (const item of chunk) items.push(item);
      chunksByActor[actor] = chunksOf(items);
    }
  };

  const chunkAt = (chunks: readonly Item[][], counter: number): number => {
    let low = 0;
    let high = chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (((chunks[middle] as Item[])[0] as Item).counter <= counter) low = middle;
      else high = middle - 1;
    }
    return low;
  };

  /** Position of the last run that starts at or before `counter`, -1 when there is none. */
  const positionIn = (chunk: readonly Item[], counter: number): number => {
    let low = -1;
    let high = chunk.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((chunk[middle] as Item).counter <= counter) low = middle;
      else high = middle - 1;
    }
    return low;
  };

  const add = (item: Item): void => {
    settle();
    const chunks = (chunksByActor[item.actor] ??= []);
    if (chunks.length === 0) {
      chunks.push([item]);
      return;
    }
    const at = chunkAt(chunks, item.counter);
    const chunk = chunks[at] as Item[];
    chunk.splice(positionIn(chunk, item.counter) + 1, 0, item);
    if (chunk.length > CHUNK) chunks.splice(at + 1, 0, chunk.splice(chunk.length >> 1));
  };

  const remove = (item: Item): void => {
    settle();
    const chunks = chunksByActor[item.actor] ?? [];
    const at = chunkAt(chunks, item.counter);
    const chunk = chunks[at] as Item[];
    chunk.splice(positionIn(chunk, item.counter), 1);
    if (chunk.length === 0) chunks.splice(at, 1);
  };

  const find = (counter: number, actor: number): Item | undefined => {
    settle();
    const chunks = chunksByActor[actor];
    if (chunks === undefined || chunks.length === 0) return undefined;
    const chunk = chunks[chunkAt(chunks, counter)] as Item[];
    const item = chunk[positionIn(chunk, counter)];
    return item !== undefined && counter < item.counter + item.length ? item : undefined;
  };

  return {
    add,
    remove,
    find,
    addLater: (items) => {
      later.push(items);
    },
  };
};

/** Sorted by counter through a typed array: several times faster than sorting the objects. */
const chunksOf = (items: readonly Item[]): Item[][] => {
  const keys = new Float64Array(items.length);
  for (let i = 0; i < items.length; i++) keys[i] = (items[i] as Item).counter * INDEX_RANGE + i;
  keys.sort();
  const chunks: Item[][] = [];
  for (let from = 0; from < keys.length; from += CHUNK / 2) {
    const chunk: Item[] = [];
    for (let i = from; i < Math.min(from + CHUNK / 2, keys.length); i++) {
      chunk.push(items[(keys[i] as number) % INDEX_RANGE] as Item);
    }
    chunks.push(chunk);
  }
  return chunks;
};

/** Counters have 32 bits, which leaves 21 of 53 for the position. */
const INDEX_RANGE = 2 ** 21;
