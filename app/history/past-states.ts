import type { FormatDependencies } from "../../protocol/automerge-format/change.ts";
import { invariant } from "../../protocol/kernel/assert.ts";
import { createReplica, loadReplica } from "../../protocol/replica/replica.ts";
import type { Replica } from "../../protocol/replica/types.ts";
import type { ChangeGraph, Closure } from "./change-graph.ts";

/** The document as it was. */
export interface PastStates {
  /** A replica of exactly what `changes` contain, for the caller alone. */
  readonly at: (changes: readonly number[]) => Replica;
  /** The order of the graph has changed before `place`: what was kept beyond is no longer right. */
  readonly forgetFrom: (place: number) => void;
}

/** Changes handed to a replica at once. */
const BATCH = 1_024;
/** A copy is kept each so many changes, which take about 0.2 s to apply. */
const COPY_CHANGES = 16_384;
/** Bytes of copies kept of one document. */
const MAX_COPY_BYTES = 32 << 20;
/** A replica here only reads; `editNote` says in whose name it writes. */
const NOBODY = "00";

/** `bytesOf` reads a change by its row again: states are built from what is stored, not from memory. */
export const createPastStates = (
  graph: ChangeGraph,
  bytesOf: (row: number) => Uint8Array,
  format: FormatDependencies,
): PastStates => {
  /** Snapshots of the first `places` changes of the order, ascending. */
  let copies: { readonly places: number; readonly bytes: Uint8Array }[] = [];

  const keep = (places: number, replica: Replica): void => {
    if (copies.some((copy) => copy.places === places)) return;
    const bytes = replica.snapshot();
    copies = [...copies, { places, bytes }].toSorted((a, b) => a.places - b.places);
    let size = copies.reduce((sum, copy) => sum + copy.bytes.length, 0);
    // Every other one goes: the rest still halves the way to any state.
    while (size > MAX_COPY_BYTES && copies.length > 2) {
      copies = copies.filter((_, index) => index % 2 === 1 || index === copies.length - 1);
      size = copies.reduce((sum, copy) => sum + copy.bytes.length, 0);
    }
  };

  const take = (replica: Replica, changes: readonly number[]): void => {
    const outcome = replica.applyChanges(changes.map((change) => bytesOf(graph.at(change).row)));
    // A replica from a copy remembers the newest changes only; older ones that somebody built on are handed in again.
    let { missing } = outcome;
    while (missing.length > 0) {
      const known = missing.flatMap((hash) => {
        const change = graph.number(hash);
        return change === undefined ? [] : [bytesOf(graph.at(change).row)];
      });
      const again = replica.applyChanges(known);
      if (known.length === 0 || again.missing.join() === missing.join()) return;
      ({ missing } = again);
    }
  };

  const build = ({ includes, size, prefix }: Closure): Replica => {
    const order = graph.order();
    const copy = copies.findLast(({ places }) => places <= prefix);
    const loaded = copy === undefined ? undefined : loadReplica(format, copy.bytes, NOBODY);
    invariant(loaded?.ok !== false, "an own snapshot loads");
    const replica = loaded?.value ?? createReplica(format, NOBODY);
    let batch: number[] = [];
    let taken = copy?.places ?? 0;
    let copied = taken;
    const flush = (): void => {
      if (batch.length > 0) take(replica, batch);
      batch = [];
    };
    for (let place = taken; place < includes.length && taken < size; place++) {
      if (includes[place] !== 1) continue;
      batch.push(order[place] as number);
      taken++;
      if (batch.length < BATCH) continue;
      flush();
      if (place < prefix && taken - copied >= COPY_CHANGES) {
        keep(taken, replica);
        copied = taken;
      }
    }
    flush();
    if (size === prefix && size - (copy?.places ?? 0) >= BATCH) keep(size, replica);
    return replica;
  };

  return {
    at: (changes) => build(graph.closure(changes)),
    forgetFrom: (place) => {
      copies = copies.filter(({ places }) => places <= place);
    },
  };
};
