import type { Statements } from "./blob-rows.ts";

const DOCUMENTS = "SELECT n FROM document WHERE repository = @repository";
const TOPICS = "SELECT n FROM topic WHERE repository = @repository";
const ENTRIES = `SELECT n FROM entry WHERE topic IN (${TOPICS})`;

/** What belongs to a repository, what others refer to last; each with the key its rows are told apart by. */
const TABLES: readonly (readonly [table: string, key: string, where: string])[] = [
  ["bundle_session", "(entry, session)", `entry IN (${ENTRIES})`],
  ["covered_session", "(topic, session)", `topic IN (${TOPICS})`],
  ["entry", "n", `topic IN (${TOPICS})`],
  ["doubted_record", "iid", "repository = @repository"],
  ["inner_record", "iid", "repository = @repository"],
  ["repository_head", "iid", "repository = @repository"],
  ["receipt", "(repository, device)", "repository = @repository"],
  ["session", "(repository, session)", "repository = @repository"],
  ["equivocation", "(repository, session)", "repository = @repository"],
  ["blob_reference", "(document, blob)", `document IN (${DOCUMENTS})`],
  ["blob_chunk", "(blob, position)", "repository = @repository"],
  ["blob", "n", "repository = @repository"],
  ["document_snapshot", "document", `document IN (${DOCUMENTS})`],
  ["change_run", "n", `document IN (${DOCUMENTS})`],
  ["document", "n", "repository = @repository"],
  ["imported_file", "(repository, source, path)", "repository = @repository"],
  ["invite", "id", "repository = @repository"],
  ["proxy_chunk", "(proxy, repository, id)", "repository = @repository"],
  ["topic", "n", "repository = @repository"],
  ["acl_op", "id", "repository = @repository"],
  ["epoch", "(repository, eid)", "repository = @repository"],
  ["repository", "n", "n = @repository"],
];

/** Deletes up to `limit` rows of a repository; true when nothing of it is left. */
export const createEraser =
  ({ write }: Pick<Statements, "write">) =>
  (repository: number, limit: number): boolean => {
    let left = limit;
    for (const [table, key, where] of TABLES) {
      const columns = key.replace(/[()]/g, "");
      const { changes } = write(
        `DELETE FROM ${table} WHERE ${key} IN (SELECT ${columns} FROM ${table} WHERE ${where} LIMIT @left)`,
        { repository, left },
      );
      left -= changes;
      if (left <= 0) return false;
    }
    return true;
  };
