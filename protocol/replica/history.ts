import type { Change } from "../automerge-format/change.ts";

/** What is kept of an applied change. */
export interface KnownChange {
  /** First 16 bytes of its hash as hex: nobody can make another change with the same. */
  readonly digest: string;
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
 * Applied changes remembered, this many at least and fewer than twice as many. Older ones are forgotten: a change that
 * depends on a forgotten one is queued and its dependency reported missing; handing in the old change again recalls it.
 * 20 bytes each in a snapshot, so at most 640 KiB; all hashes of a note with 260 000 changes would be 8 MB.
 */
export const REMEMBERED_CHANGES = 32_768;

/** Bytes of a digest. */
export const DIGEST_BYTES = 16;
const digestOf = (hash: string): string => hash.slice(0, 2 * DIGEST_BYTES);

/** Changes waiting for dependencies at most: the bound the data design sets on pending items of a repository. */
const MAX_QUEUED = 10_000;

/** Operations of all waiting changes at most: what a session may defer in a day by the data design. */
const MAX_QUEUED_OPS = 2_000_000;

/** Order of changes: heads, sequence numbers, remembered hashes and the queue. */
export const createHistory = () => {
  let knownByDigest = new Map<string, KnownChange>();
  let recall: (() => readonly KnownChange[]) | undefined;
  /** Greatest counter of each head. */
  const heads = new Map<string, number>();
  const lastByActor = new Map<string, LastChange>();
  const queue = new Map<string, Change>();
  const waitersByDependency = new Map<string, Change[]>();
  /** Kept until the queue changes, because a long queue is asked about with every change that comes. */
  let missing: readonly string[] | undefined = [];
  let queuedOps = 0;
  let maxOp = 0;

  const known = (): ReadonlyMap<string, KnownChange> => {
    if (recall !== undefined) {
      const newer = knownByDigest;
      knownByDigest = new Map(recall().map((change) => [change.digest, change]));
      for (const [digest, change] of newer) knownByDigest.set(digest, change);
      recall = undefined;
    }
    return knownByDigest;
  };

  const remember = (hash: string, actor: string, seq: number, counter: number): void => {
    const digest = digestOf(hash);
    knownByDigest.set(digest, { digest, actor, seq, maxOp: counter });
    if (knownByDigest.size < 2 * REMEMBERED_CHANGES) return;
    const spare = knownByDigest.size - REMEMBERED_CHANGES;
    for (const oldest of [...knownByDigest.keys()].slice(0, spare)) knownByDigest.delete(oldest);
  };

  return {
    known,
    isKnown: (hash: string): boolean => known().has(digestOf(hash)),
    /** Remembered changes of a snapshot, decoded at the first use. */
    recallLater: (changes: () => readonly KnownChange[]): void => {
      recall = changes;
    },
    lastByActor,
    seqOf: (actor: string): number => lastByActor.get(actor)?.seq ?? 0,
    heads: (): readonly string[] => [...heads.keys()].sort(),
    headCounter: (hash: string): number => heads.get(hash) ?? 0,
    /** Greatest counter of an applied change by hash, or of the author's own last change; `undefined` for all others. */
    maxOpOf: (hash: string, author: string, authorMaxOp: number): number | undefined =>
      heads.get(hash) ?? (lastByActor.get(author)?.hash === hash ? authorMaxOp : known().get(digestOf(hash))?.maxOp),
    /** What a new change of an actor depends on: the heads and, as Automerge has it, always the actor's own last change. */
    dependenciesFor: (actor: string): readonly string[] => {
      const own = lastByActor.get(actor)?.hash;
      return [...new Set(own === undefined ? heads.keys() : [...heads.keys(), own])].sort();
    },
    addHead: (hash: string, counter: number): void => {
      heads.set(hash, counter);
    },
    maxOp: () => maxOp,
    remember,
    /** Notes a change as applied. */
    advance: (hash: string, actor: string, seq: number, counter: number, dependencies: readonly string[]): void => {
      for (const dependency of dependencies) heads.delete(dependency);
      heads.set(hash, counter);
      lastByActor.set(actor, { seq, hash });
      maxOp = Math.max(maxOp, counter);
      remember(hash, actor, seq, counter);
    },
    raiseMaxOp: (counter: number): void => {
      maxOp = Math.max(maxOp, counter);
    },
    isQueued: (hash: string): boolean => queue.has(hash),
    queued: (): number => queue.size,
    /** Holds a change back until `dependency` is applied; false when the queue is full. */
    enqueue: (change: Change, dependency: string): boolean => {
      missing = undefined;
      if (!queue.has(change.hash)) {
        if (queue.size >= MAX_QUEUED || queuedOps + change.ops.length > MAX_QUEUED_OPS) return false;
        queue.set(change.hash, change);
        queuedOps += change.ops.length;
      }
      const waiters = waitersByDependency.get(dependency);
      if (waiters === undefined) waitersByDependency.set(dependency, [change]);
      else waiters.push(change);
      return true;
    },
    dequeue: (change: Change): void => {
      if (!queue.delete(change.hash)) return;
      queuedOps -= change.ops.length;
      missing = undefined;
    },
    /** Changes that waited for this one; each may wait for another yet. */
    waitersFor: (hash: string): readonly Change[] => {
      const waiters = waitersByDependency.get(hash);
      if (waiters === undefined) return [];
      waitersByDependency.delete(hash);
      missing = undefined;
      return waiters;
    },
    /** Dependencies that queued changes wait for and that are not queued themselves. */
    missing: (): readonly string[] =>
      (missing ??= [...waitersByDependency.keys()].filter((hash) => !queue.has(hash)).sort()),
  };
};
export type History = ReturnType<typeof createHistory>;
