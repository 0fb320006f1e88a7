import { FACT_BYTES } from "../../../app/repositories/change-batch.ts";

interface FactsRow {
  readonly n: number;
  readonly facts: Uint8Array;
}

const HASH_BYTES = 32;
/** A change builds on the newest runs nearly always. */
const FIRST_PAGE = 4;
const LARGEST_PAGE = 4_096;

/** Finds changes of one document by hash, newest runs first; a run is read once for all questions. */
export const createMaxOpFinder = (
  /** Runs before row `before`, newest first. */
  page: (before: number, limit: number) => readonly FactsRow[],
): ((hash: Uint8Array) => number | undefined) => {
  const found = new Map<string, number>();
  let before = Number.MAX_SAFE_INTEGER;
  let limit = FIRST_PAGE;
  return (hash) => {
    const key = Buffer.from(hash.buffer, hash.byteOffset, hash.length).toString("latin1");
    for (;;) {
      const known = found.get(key);
      if (known !== undefined || before === 0) return known;
      const rows = page(before, limit);
      for (const { facts } of rows) {
        const bytes = Buffer.from(facts.buffer, facts.byteOffset, facts.length);
        for (let at = 0; at < bytes.length; at += FACT_BYTES)
          found.set(bytes.toString("latin1", at, at + HASH_BYTES), bytes.readUInt32LE(at + HASH_BYTES));
      }
      before = rows.length < limit ? 0 : (rows.at(-1) as FactsRow).n;
      limit = Math.min(limit * 4, LARGEST_PAGE);
    }
  };
};
