import type { CompactionSource } from "../../../app/repositories/compaction.ts";
import { TAIL } from "./checkpoint-rows.ts";
import type { SqliteDatabase } from "./database.ts";

/** Reads what bundles are made of on a read-only connection. */
export const createCompactionSource = (database: SqliteDatabase): CompactionSource => {
  const records = database.prepare(
    `SELECT session, seq, (SELECT entry.n FROM entry WHERE entry.iid = inner_record.iid AND length(entry.wire) > 0 LIMIT 1) AS entry
     FROM inner_record INDEXED BY inner_order WHERE repository = ? ORDER BY gen, iid`,
  );
  const item = database.prepare(
    "SELECT entry.wire, topic.read_key AS readKey FROM entry JOIN topic ON topic.n = entry.topic WHERE entry.n = ?",
  );
  const bundle = database.prepare(
    `SELECT entry.n FROM bundle_session JOIN entry ON entry.n = bundle_session.entry
     JOIN topic ON topic.n = entry.topic AND topic.repository = ?
     WHERE bundle_session.session = ? AND first <= ? AND last >= ? ORDER BY entry.n DESC LIMIT 1`,
  );
  const tail = database.prepare(TAIL);
  return {
    tail: (topic) => tail.get(topic) as ReturnType<CompactionSource["tail"]>,
    records: (repository) => records.iterate(repository) as ReturnType<CompactionSource["records"]>,
    item: (row) => item.get(row) as ReturnType<CompactionSource["item"]>,
    bundleOf: (repository, session, seq) =>
      (bundle.get(repository, session, seq, seq) as { readonly n: number } | undefined)?.n,
  };
};
