import type { Change } from "../automerge-format/change.ts";

/** What is kept of an applied change. */
export interface KnownChange {
  readonly hash: string;
  readonly actor: string;
  readonly seq: number;
  readonly maxOp: number;
}

/** Latest applied change of one actor. */
export interface LastChange {
  readonly seq: number;
  readonly hash: string;
}

/**
 * Applied changes remembered by hash, this many at least and fewer than twice as many. Older ones are forgotten: a change that depends on a forgotten one is queued and its
 * dependency reported missing; handing in the old change again recalls it. That keeps 260 000 hashes (8 MB)
 * out of every snapshot of a long-lived note.
 */
export const REMEMBERED_CHANGES = 8192;

/** Changes waiting for dependencies at most: the bound the data design sets on pending items of a repository. */
export const MAX_QUEUED = 10_000;

/** Order of changes: heads, sequence numbers, remembered hashes and the queue. */
export const createHistory = () => {
  const knownByHash = new Map<string, KnownChange>();
  let recall: (() => readonly KnownChange[]) | undefined;
  const known = (): Map<string, KnownChange> => {
    if (recall !== undefined) {
      for (const change of recall()) knownByHash.set(change.hash, change);
      recall = undefined;
    }
    return knownByHash;
  };
  const heads = new Set<string>();
  const lastByActor = new Map<string, LastChange>();
  const queue = new Map<string, Change>();
  let maxOp = 0;

  const remember = (change: KnownChange): void => {
    const changes = known();
    changes.set(change.hash, change);
    if (changes.size < 2 * REMEMBERED_CHANGES) return;
    for (const [hash, oldest] of changes) {
      if (changes.size <= REMEMBERED_CHANGES) return;
      changes.delete(hash);
      if (heads.has(hash)) changes.set(hash, oldest);
    }
  };

  return {
    known,
    /** Remembered changes of a snapshot, decoded at the first use. */
    recallLater: (changes: () => readonly KnownChange[]): void => {
      recall = changes;
    },
    queue,
    lastByActor,
    seqOf: (actor: string): number => lastByActor.get(actor)?.seq ?? 0,
    heads: (): readonly string[] => [...heads].sort(),
    /** Greatest counter of an applied change by hash, or of the author's own last change; `undefined` for all others. */
    maxOpOf: (hash: string, author: string, authorMaxOp: number): number | undefined =>
      lastByActor.get(author)?.hash === hash ? authorMaxOp : known().get(hash)?.maxOp,
    /** What a new change of an actor depends on: the heads and, as Automerge has it, always the actor's own last change. */
    dependenciesFor: (actor: string): readonly string[] => {
      const own = lastByActor.get(actor)?.hash;
      return [...(own === undefined ? heads : new Set([...heads, own]))].sort();
    },
    addHead: (hash: string): void => {
      heads.add(hash);
    },
    maxOp: () => maxOp,
    remember,
    /** Notes a change as applied. */
    advance: (change: KnownChange, dependencies: readonly string[]): void => {
      for (const hash of dependencies) heads.delete(hash);
      heads.add(change.hash);
      lastByActor.set(change.actor, { seq: change.seq, hash: change.hash });
      maxOp = Math.max(maxOp, change.maxOp);
      remember(change);
    },
    raiseMaxOp: (counter: number): void => {
      maxOp = Math.max(maxOp, counter);
    },
    /** Dependencies of queued changes that are neither applied nor queued themselves. */
    missing: (): readonly string[] => {
      const wanted = new Set<string>();
      for (const change of queue.values()) {
        for (const hash of change.dependencies) if (!known().has(hash) && !queue.has(hash)) wanted.add(hash);
      }
      return [...wanted].sort();
    },
  };
};
export type History = ReturnType<typeof createHistory>;
