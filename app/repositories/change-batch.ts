import { bytesEqual, bytesToHex, concatBytes } from "../../protocol/kernel/bytes.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import type { ChangeInspector } from "./change-inspector.ts";

/** Changes of one actor in one document with consecutive numbers, one after the other as they are stored. */
export interface ChangeRun {
  readonly actor: Uint8Array;
  readonly firstSeq: number;
  readonly count: number;
  /** `FACT_BYTES` a change: its hash (32), then maxOp and its length in `bytes` (32-bit little-endian each). */
  readonly facts: Uint8Array;
  readonly bytes: Uint8Array;
}

/** A change that builds on others than those of its own run. */
export interface OutsideLink {
  readonly startOp: number;
  /** Smallest startOp that its dependencies inside the run allow. */
  readonly atLeast: number;
  readonly hashes: readonly Uint8Array[];
}

/** A run whose changes are well-formed, bounded and linked among each other; what it needs from the document is left to check. */
export interface ChangeBatch extends ChangeRun {
  readonly outside: readonly OutsideLink[];
  /** Hashes of the changes that no other change of the run builds on. */
  readonly tips: readonly Uint8Array[];
}

export type BatchError = "malformed" | "wrongStartOp" | "notConsecutive";

const HASH_BYTES = 32;
export const FACT_BYTES = 40;
const MAX_OP_AT = 32;
const LENGTH_AT = 36;

export const hashAt = (facts: Uint8Array, index: number): Uint8Array =>
  facts.subarray(index * FACT_BYTES, index * FACT_BYTES + HASH_BYTES);

export const hashesOf = ({ facts, count }: Pick<ChangeRun, "facts" | "count">): readonly Uint8Array[] =>
  Array.from({ length: count }, (_, index) => hashAt(facts, index));

/** Views of the single changes of a run. */
export const changesOf = ({ facts, bytes, count }: Pick<ChangeRun, "facts" | "bytes" | "count">): Uint8Array[] => {
  const view = new DataView(facts.buffer, facts.byteOffset, facts.length);
  const changes: Uint8Array[] = [];
  let at = 0;
  for (let index = 0; index < count; index++) {
    const end = at + view.getUint32(index * FACT_BYTES + LENGTH_AT, true);
    changes.push(bytes.subarray(at, end));
    at = end;
  }
  return changes;
};

/** Changes `from` to `to` (not included) of a run, by position. */
export const sliceRun = (run: ChangeRun, from: number, to: number): ChangeRun => {
  if (from === 0 && to === run.count) return run;
  const changes = changesOf(run);
  const start = changes.slice(0, from).reduce((sum, { length }) => sum + length, 0);
  const length = changes.slice(from, to).reduce((sum, change) => sum + change.length, 0);
  return {
    actor: run.actor,
    firstSeq: run.firstSeq + from,
    count: to - from,
    facts: run.facts.subarray(from * FACT_BYTES, to * FACT_BYTES),
    bytes: run.bytes.subarray(start, start + length),
  };
};

/** Cuts a run into runs of at most `maxBytes`, or of one change that is larger. */
export const cutRun = (run: ChangeRun, maxBytes: number): readonly ChangeRun[] => {
  if (run.bytes.length <= maxBytes) return [run];
  const runs: ChangeRun[] = [];
  let from = 0;
  let size = 0;
  for (const [index, { length }] of changesOf(run).entries()) {
    if (index > from && size + length > maxBytes) {
      runs.push(sliceRun(run, from, index));
      from = index;
      size = 0;
    }
    size += length;
  }
  return [...runs, sliceRun(run, from, run.count)];
};

/**
 * Preflights changes that claim to be one run (at least one change) and checks all that can be checked without their
 * document. A change's startOp must be exactly one more than the largest operation it builds on: one that jumps ahead would
 * make every later local edit impossible (data.md section 11).
 */
export const inspectBatch = (
  inspect: ChangeInspector,
  changes: readonly Uint8Array[],
): Result<ChangeBatch, BatchError> => {
  const facts = new Uint8Array(changes.length * FACT_BYTES);
  const view = new DataView(facts.buffer);
  const covered = new Uint8Array(changes.length);
  const outside: OutsideLink[] = [];
  let actor: Uint8Array | undefined;
  let firstSeq = 0;
  let byHash: Map<string, number> | undefined;
  const positionOf = (hash: Uint8Array, before: number): number | undefined => {
    if (before > 0 && bytesEqual(hashAt(facts, before - 1), hash)) return before - 1;
    byHash ??= new Map();
    for (let index = byHash.size; index < before; index++) byHash.set(bytesToHex(hashAt(facts, index)), index);
    return byHash.get(bytesToHex(hash));
  };
  for (const [index, bytes] of changes.entries()) {
    const inspected = inspect(bytes);
    if (!inspected.ok) return err("malformed");
    const change = inspected.value;
    if (actor === undefined) {
      ({ actor } = change);
      firstSeq = change.seq;
    } else if (!bytesEqual(actor, change.actor) || change.seq !== firstSeq + index) return err("notConsecutive");
    let atLeast = 1;
    const hashes: Uint8Array[] = [];
    for (const dependency of change.dependencies) {
      const position = positionOf(dependency, index);
      if (position === undefined) hashes.push(dependency);
      else {
        covered[position] = 1;
        atLeast = Math.max(atLeast, view.getUint32(position * FACT_BYTES + MAX_OP_AT, true) + 1);
      }
    }
    if (hashes.length > 0) outside.push({ startOp: change.startOp, atLeast, hashes });
    else if (change.startOp !== atLeast) return err("wrongStartOp");
    facts.set(change.hash, index * FACT_BYTES);
    view.setUint32(index * FACT_BYTES + MAX_OP_AT, change.maxOp, true);
    view.setUint32(index * FACT_BYTES + LENGTH_AT, bytes.length, true);
  }
  if (actor === undefined) return err("malformed");
  const tips: Uint8Array[] = [];
  for (const [index, isCovered] of covered.entries()) if (isCovered === 0) tips.push(hashAt(facts, index));
  return ok({ actor, firstSeq, count: changes.length, facts, bytes: concatBytes(...changes), outside, tips });
};
