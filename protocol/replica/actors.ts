import type { OpId } from "./objects.ts";

/** Actors of one document; indices never change, the order of ids follows the actors' bytes. */
export interface ActorTable {
  readonly indexOf: (actor: string) => number | undefined;
  readonly add: (actor: string) => number;
  readonly name: (index: number) => string;
  readonly count: () => number;
  /** Lamport order: counter, then actor bytes. Negative, zero or positive. */
  readonly compare: (counterA: number, actorA: number, counterB: number, actorB: number) => number;
  readonly compareIds: (a: OpId, b: OpId) => number;
}

export const createActorTable = (): ActorTable => {
  const names: string[] = [];
  const indices = new Map<string, number>();
  let ranks: number[] = [];
  const add = (actor: string): number => {
    const known = indices.get(actor);
    if (known !== undefined) return known;
    const index = names.length;
    names.push(actor);
    indices.set(actor, index);
    const sorted = names.map((_, i) => i).sort((a, b) => ((names[a] as string) < (names[b] as string) ? -1 : 1));
    ranks = [];
    for (const [rank, i] of sorted.entries()) ranks[i] = rank;
    return index;
  };
  const compare = (counterA: number, actorA: number, counterB: number, actorB: number): number =>
    counterA !== counterB ? counterA - counterB : (ranks[actorA] as number) - (ranks[actorB] as number);
  return {
    indexOf: (actor) => indices.get(actor),
    add,
    name: (index) => names[index] as string,
    count: () => names.length,
    compare,
    compareIds: (a, b) => compare(a.counter, a.actor, b.counter, b.actor),
  };
};
