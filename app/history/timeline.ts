import type { ChangeGraph } from "./change-graph.ts";

/** What one actor did in a session of editing. */
export interface ActorWork {
  readonly actor: string;
  readonly changes: number;
  readonly inserted: number;
  readonly removed: number;
}

/** Changes made close together in time, and the states of the document before and after them. */
export interface TimelineSession {
  /** Changes up to and with this session's last, in the order of the graph. */
  readonly end: number;
  /** Unix milliseconds. */
  readonly from: number;
  readonly to: number;
  /** Change hashes, sorted; `before` is empty for the beginning. */
  readonly before: readonly string[];
  readonly heads: readonly string[];
  readonly work: readonly ActorWork[];
}

/** A pause that ends a session: shorter ones are thinking. */
const PAUSE_MS = 5 * 60_000;
/** Longest session, so that one long afternoon can be taken back in parts. */
const LONGEST_MS = 30 * 60_000;

/**
 * All sessions, oldest first; every change is in exactly one. A session also ends behind each place in `ends`
 * (where a named version stands), so that such a version is a row of its own.
 */
export const timelineOf = (graph: ChangeGraph, ends: ReadonlySet<number>): readonly TimelineSession[] => {
  const order = graph.order();
  const sessions: TimelineSession[] = [];
  const heads = new Set<number>();
  const headHashes = (): readonly string[] => [...heads].map((change) => graph.at(change).hash).toSorted();
  let work = new Map<string, { changes: number; inserted: number; removed: number }>();
  let before: readonly string[] = [];
  let from = 0;
  let last = 0;

  const close = (end: number): void => {
    const after = headHashes();
    sessions.push({
      end,
      from,
      to: last,
      before,
      heads: after,
      work: [...work].map(([actor, done]) => ({ actor, ...done })),
    });
    before = after;
    work = new Map();
  };

  for (const [place, change] of order.entries()) {
    const { actor, time, inserted, removed } = graph.at(change);
    if (work.size > 0 && (time - last > PAUSE_MS || time - from > LONGEST_MS || ends.has(place - 1))) close(place);
    if (work.size === 0) from = time;
    last = time;
    const done = work.get(actor) ?? { changes: 0, inserted: 0, removed: 0 };
    done.changes++;
    done.inserted += inserted;
    done.removed += removed;
    work.set(actor, done);
    for (const dependency of graph.dependencies(change)) heads.delete(dependency);
    heads.add(change);
  }
  if (work.size > 0) close(order.length);
  return sessions;
};
