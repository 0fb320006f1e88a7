import type { CryptoProvider } from "../crypto/provider.ts";
import { invariant } from "../kernel/assert.ts";

export interface SketchShape {
  readonly columns: number;
  readonly rows: number;
  /** `plain` adds one to each of an id's counters (Cormode, Muthukrishnan 2005); `conservative` lifts only those at the minimum (Estan, Varghese 2002). */
  readonly update: "plain" | "conservative";
}

/** Frequency estimates of ids in bounded memory; never below the true count as long as nothing was halved. */
export interface CountMinSketch {
  /** Counts one occurrence. */
  readonly add: (id: string) => void;
  readonly estimate: (id: string) => number;
  /** Smallest counter of the whole sketch. */
  readonly minimum: (which: "all" | "nonZero") => number;
  /** The floor(quantile * z)-th smallest of the z non-zero counters of the first row; 0 when all are zero. */
  readonly quantile: (quantile: number) => number;
  /** Mean of the non-zero counters of the first row, that is of how often an id was heard; 0 when all are zero. */
  readonly mean: () => number;
  /** Halves every counter, so that the past weighs less. */
  readonly halve: () => void;
  /** Live counters, row after row. */
  readonly counters: Uint32Array;
}

const ROWS_PER_DIGEST = 8;
/** Columns of this many ids are remembered, so that a known id costs no HMAC; at 4 rows about 2 MiB. */
const CACHED_IDS = 16_384;

export const createCountMinSketch = (
  crypto: CryptoProvider,
  hashKey: Uint8Array,
  idToBytes: (id: string) => Uint8Array,
  { columns, rows, update }: SketchShape,
  initial?: Uint32Array,
): CountMinSketch => {
  invariant(hashKey.length === 32, "the sketch key has 32 bytes");
  invariant(columns >= 1 && rows >= 1 && rows <= 64, "sketch shape out of range");
  invariant(initial === undefined || initial.length === rows * columns, "counters fit the shape");
  const counters = initial === undefined ? new Uint32Array(rows * columns) : Uint32Array.from(initial);
  const cellsById = new Map<string, Uint32Array>();
  let sum = 0;
  let filled = 0;
  const measureFirstRow = (): void => {
    sum = 0;
    filled = 0;
    for (let cell = 0; cell < columns; cell++) {
      const count = counters[cell] as number;
      sum += count;
      if (count > 0) filled++;
    }
  };
  measureFirstRow();

  const cellsOf = (id: string): Uint32Array => {
    const known = cellsById.get(id);
    if (known !== undefined) return known;
    const cells = new Uint32Array(rows);
    const bytes = idToBytes(id);
    let words: DataView | undefined;
    for (let row = 0; row < rows; row++) {
      const word = row % ROWS_PER_DIGEST;
      if (words === undefined || word === 0) {
        const block = row / ROWS_PER_DIGEST;
        const digest = crypto.hmac("SHA256", hashKey, bytes, block === 0 ? new Uint8Array(0) : Uint8Array.of(block));
        words = new DataView(digest.buffer, digest.byteOffset, digest.byteLength);
      }
      cells[row] = row * columns + Math.floor((words.getUint32(4 * word, true) * columns) / 2 ** 32);
    }
    if (cellsById.size >= CACHED_IDS) {
      const oldest = cellsById.keys().next();
      if (oldest.done !== true) cellsById.delete(oldest.value);
    }
    cellsById.set(id, cells);
    return cells;
  };

  const lowest = (cells: Uint32Array): number => {
    let least = 0xffffffff;
    for (const cell of cells) {
      const count = counters[cell] as number;
      if (count < least) least = count;
    }
    return least;
  };

  return {
    add: (id) => {
      const cells = cellsOf(id);
      const ceiling = update === "plain" ? 0xffffffff : lowest(cells) + 1;
      for (const cell of cells) {
        const count = counters[cell] as number;
        if (count >= ceiling) continue;
        counters[cell] = count + 1;
        if (cell >= columns) continue;
        sum++;
        if (count === 0) filled++;
      }
    },
    estimate: (id) => lowest(cellsOf(id)),
    minimum: (which) => {
      let least = Number.POSITIVE_INFINITY;
      for (const count of counters) if (count < least && (which === "all" || count > 0)) least = count;
      return least === Number.POSITIVE_INFINITY ? 0 : least;
    },
    quantile: (quantile) => {
      const counts = counters.subarray(0, columns).filter((count) => count > 0);
      counts.sort();
      return counts[Math.floor(quantile * counts.length)] ?? 0;
    },
    mean: () => (filled === 0 ? 0 : sum / filled),
    halve: () => {
      for (let cell = 0; cell < counters.length; cell++) counters[cell] = (counters[cell] as number) >>> 1;
      measureFirstRow();
    },
    counters,
  };
};
