import { FACT_BYTES } from "../../../app/repositories/change-batch.ts";

interface FactsRow {
  readonly n: number;
  readonly facts: Uint8Array;
}

const HASH_BYTES = 32;
/** A change builds on the newest run nearly always. */
const FIRST_PAGE = 1;
const LARGEST_PAGE = 4_096;
/** Questions answered by searching the bytes; more are worth a map of everything read. */
const SEARCHES = 8;

const searchRun = (facts: Buffer, hash: Buffer): number | undefined => {
  for (let at = facts.indexOf(hash); at >= 0; at = facts.indexOf(hash, at + 1))
    if (at % FACT_BYTES === 0) return facts.readUInt32LE(at + HASH_BYTES);
  return undefined;
};

/** Finds changes of one document by hash, newest runs first; a run is read once for all questions. */
export const createMaxOpFinder = (
  /** Runs before row `before`, newest first. */
  page: (before: number, limit: number) => readonly FactsRow[],
): ((hash: Uint8Array) => number | undefined) => {
  const runs: Buffer[] = [];
  const byHash = new Map<string, number>();
  let mapped = 0;
  let questions = 0;
  let before = Number.MAX_SAFE_INTEGER;
  let limit = FIRST_PAGE;

  /** Looks in what was read from run `from` on. */
  const lookUp = (hash: Buffer, from: number): number | undefined => {
    if (questions <= SEARCHES) {
      for (const facts of runs.slice(from)) {
        const maxOp = searchRun(facts, hash);
        if (maxOp !== undefined) return maxOp;
      }
      return undefined;
    }
    for (; mapped < runs.length; mapped++) {
      const facts = runs[mapped] as Buffer;
      for (let at = 0; at < facts.length; at += FACT_BYTES)
        byHash.set(facts.toString("latin1", at, at + HASH_BYTES), facts.readUInt32LE(at + HASH_BYTES));
    }
    return byHash.get(hash.toString("latin1"));
  };

  return (bytes) => {
    const hash = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    questions++;
    let from = 0;
    for (;;) {
      const maxOp = lookUp(hash, from);
      if (maxOp !== undefined || before === 0) return maxOp;
      from = runs.length;
      const rows = page(before, limit);
      for (const { facts } of rows) runs.push(Buffer.from(facts.buffer, facts.byteOffset, facts.length));
      before = rows.length < limit ? 0 : (rows.at(-1) as FactsRow).n;
      limit = Math.min(limit * 4, LARGEST_PAGE);
    }
  };
};
