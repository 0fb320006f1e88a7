import type { StorageSizes } from "../../../app/ports/storage-meter.ts";
import type { SqliteDatabase } from "./database.ts";

/** Sums what a repository takes; takes time in proportion to its rows. */
export const createStorageMeter = (database: SqliteDatabase): ((repository: number) => StorageSizes) => {
  const statement = database.prepare(
    `SELECT
       (SELECT coalesce(sum(length(bytes)), 0) FROM document_snapshot JOIN document ON document.n = document_snapshot.document
        WHERE document.repository = @repository) AS snapshots,
       (SELECT coalesce(sum(length(bytes) + length(facts)), 0) FROM change_run JOIN document ON document.n = change_run.document
        WHERE document.repository = @repository) AS history,
       (SELECT coalesce(sum(length(wire)), 0) FROM entry JOIN topic ON topic.n = entry.topic
        WHERE topic.repository = @repository) AS items`,
  );
  return (repository) => statement.get({ repository }) as StorageSizes;
};
