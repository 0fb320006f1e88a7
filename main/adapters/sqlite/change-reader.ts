import type { ChangeSource } from "../../../app/history/history-core.ts";
import { changesOf, hashesOf } from "../../../app/repositories/change-batch.ts";
import { bytesToHex } from "../../../protocol/kernel/bytes.ts";
import type { SqliteDatabase } from "./database.ts";

interface Run {
  readonly n: number;
  readonly count: number;
  readonly facts: Uint8Array;
  readonly bytes: Uint8Array;
}

/** A change's row is that of its run times this, plus its place there: more than an entry has changes. */
const PLACES = 1 << 20;
const COLUMNS = "n, last_seq - first_seq + 1 AS count, facts, bytes";

/** Reads the changes of documents on a read-only connection, one stored run at a time. */
export const createChangeReader = (database: SqliteDatabase): ChangeSource => {
  const after = database.prepare(`SELECT ${COLUMNS} FROM change_run WHERE document = ? AND n > ? ORDER BY n`);
  const one = database.prepare(`SELECT ${COLUMNS} FROM change_run WHERE n = ?`);
  /** The run read last: neighbours are asked for one after the other, within one request. */
  let last: { readonly n: number; readonly changes: readonly Uint8Array[] } | undefined;

  return {
    after: function* (document, row) {
      last = undefined;
      for (const run of after.iterate(document, Math.floor(row / PLACES)) as Iterable<Run>) {
        const changes = changesOf(run);
        for (const [place, hash] of hashesOf(run).entries())
          yield { row: run.n * PLACES + place, hash: bytesToHex(hash), bytes: changes[place] as Uint8Array };
      }
    },
    bytes: (row) => {
      const n = Math.floor(row / PLACES);
      if (last?.n !== n) last = { n, changes: changesOf(one.get(n) as Run) };
      return last.changes[row % PLACES] as Uint8Array;
    },
  };
};
