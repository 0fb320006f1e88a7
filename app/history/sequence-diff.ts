/** A stretch of two sequences: `a` items of the first against `b` items of the second; equal ones when `same`. */
export interface DiffRun {
  readonly same: boolean;
  readonly a: number;
  readonly b: number;
}

/**
 * Differences looked for before the rest counts as replaced: the trace of the search grows with their square, 2 000 take
 * 16 MB and 20 ms.
 */
const MAX_DIFFERENCES = 2_000;

/** Shortest edit script of two sequences of small numbers (Myers 1986, the greedy algorithm), runs in order. */
export const diffSequences = (a: readonly number[], b: readonly number[]): readonly DiffRun[] => {
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  const runs: DiffRun[] = [];
  const push = (same: boolean, countA: number, countB: number): void => {
    if (countA === 0 && countB === 0) return;
    const last = runs.at(-1);
    if (last?.same === same) runs[runs.length - 1] = { same, a: last.a + countA, b: last.b + countB };
    else runs.push({ same, a: countA, b: countB });
  };
  push(true, start, start);
  for (const { same, a: countA, b: countB } of search(a.slice(start, a.length - end), b.slice(start, b.length - end)))
    push(same, countA, countB);
  push(true, end, end);
  return runs;
};

const search = (a: readonly number[], b: readonly number[]): readonly DiffRun[] => {
  if (a.length === 0 || b.length === 0) return [{ same: false, a: a.length, b: b.length }];
  const limit = Math.min(a.length + b.length, MAX_DIFFERENCES);
  const furthest = new Int32Array(2 * limit + 3);
  const offset = limit + 1;
  const trace: Int32Array[] = [];
  for (let d = 0; d <= limit; d++) {
    trace.push(furthest.slice(offset - d - 1, offset + d + 2));
    for (let k = -d; k <= d; k += 2) {
      const isDown = k === -d || (k !== d && at(furthest, offset + k - 1) < at(furthest, offset + k + 1));
      let x = isDown ? at(furthest, offset + k + 1) : at(furthest, offset + k - 1) + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
      furthest[offset + k] = x;
      if (x >= a.length && x - k >= b.length) return backtrack(trace, a.length, b.length);
    }
  }
  return [{ same: false, a: a.length, b: b.length }];
};

const at = (values: Int32Array, index: number): number => values[index] as number;

/** Walks the trace from the end; `trace[d]` holds the diagonals -d-1 to d+1 as they were before step d. */
const backtrack = (trace: readonly Int32Array[], lengthA: number, lengthB: number): readonly DiffRun[] => {
  const runs: DiffRun[] = [];
  let x = lengthA;
  let y = lengthB;
  for (let d = trace.length - 1; d > 0; d--) {
    const row = trace[d] as Int32Array;
    const value = (k: number): number => at(row, k + d + 1);
    const k = x - y;
    const isDown = k === -d || (k !== d && value(k - 1) < value(k + 1));
    const previousK = isDown ? k + 1 : k - 1;
    const previousX = value(previousK);
    const same = x - (isDown ? previousX : previousX + 1);
    if (same > 0) runs.push({ same: true, a: same, b: same });
    runs.push({ same: false, a: isDown ? 0 : 1, b: isDown ? 1 : 0 });
    x = previousX;
    y = previousX - previousK;
  }
  if (x > 0) runs.push({ same: true, a: x, b: x });
  return runs.toReversed();
};
