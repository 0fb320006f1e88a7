import { invariant } from "./assert.ts";

/** A set of nodes closed under "parent of". Bit i stands for the node with index i. */
export type Past = Uint32Array;

/** Append-only DAG with constant-time ancestor queries: one bitset of ancestors per node, n^2 / 16 bytes in all. */
export interface CausalGraph {
  readonly size: () => number;
  /** Index of the node, `undefined` when unknown. */
  readonly indexOf: (key: string) => number | undefined;
  /** Adds a node whose parents are all known and returns its index; the known index when it is there already. */
  readonly add: (key: string, parents: readonly string[]) => number;
  /** Whether `a` is a strict ancestor of `b`. */
  readonly precedes: (a: number, b: number) => boolean;
  readonly concurrent: (a: number, b: number) => boolean;
  /** The given nodes and all their ancestors; `undefined` when one is unknown. */
  readonly pastOf: (keys: readonly string[]) => Past | undefined;
  /** Strict ancestors of a node. */
  readonly ancestors: (index: number) => Past;
  /** Nodes without children, in order of arrival. */
  readonly heads: () => readonly string[];
}

export const createCausalGraph = (): CausalGraph => {
  const indexes = new Map<string, number>();
  const pasts: Past[] = [];
  const childless = new Set<string>();

  const pastOf: CausalGraph["pastOf"] = (keys) => {
    let width = 0;
    const found: number[] = [];
    for (const key of keys) {
      const index = indexes.get(key);
      if (index === undefined) return undefined;
      found.push(index);
      width = Math.max(width, (index >> 5) + 1);
    }
    const past = new Uint32Array(width);
    for (const index of found) {
      unite(past, pasts[index] as Past);
      past[index >> 5] = (past[index >> 5] as number) | (1 << (index & 31));
    }
    return past;
  };

  const precedes: CausalGraph["precedes"] = (a, b) => includes(pasts[b] as Past, a);

  return {
    size: () => pasts.length,
    indexOf: (key) => indexes.get(key),
    add: (key, parents) => {
      const known = indexes.get(key);
      if (known !== undefined) return known;
      const past = pastOf(parents);
      invariant(past !== undefined, "the parents of a node come before it");
      const index = pasts.push(past) - 1;
      indexes.set(key, index);
      for (const parent of parents) childless.delete(parent);
      childless.add(key);
      return index;
    },
    precedes,
    concurrent: (a, b) => a !== b && !precedes(a, b) && !precedes(b, a),
    pastOf,
    ancestors: (index) => pasts[index] as Past,
    heads: () => [...childless],
  };
};

/** Whether node `index` is in the set. */
export const includes = (past: Past, index: number): boolean => ((past[index >> 5] ?? 0) & (1 << (index & 31))) !== 0;

const unite = (into: Past, from: Past): void => {
  for (let i = 0; i < from.length; i++) into[i] = (into[i] as number) | (from[i] as number);
};
