import type { BlobChunkRow, BlobRow, BlobRows } from "../../../app/ports/store.ts";
import { BLOB_STATE } from "../../../app/ports/store.ts";

/** Statements of the writer connection. */
export interface Statements {
  readonly write: (
    sql: string,
    ...values: unknown[]
  ) => { readonly changes: number; readonly lastInsertRowid: number | bigint };
  readonly one: <T>(sql: string, ...values: unknown[]) => T | undefined;
  readonly many: <T>(sql: string, ...values: unknown[]) => T[];
}

const BLOB_COLUMNS = `n, repository, root, key, size, mime, name, sha256, state,
  coalesce((SELECT sum(bytes) FROM blob_chunk WHERE blob = blob.n AND present = 1 AND position >= 0), 0) AS held`;
const CHUNK_COLUMNS = "position, id, key, bytes, present";

type RawChunk = Omit<BlobChunkRow, "present"> & { readonly present: number };
const chunkOf = (row: RawChunk): BlobChunkRow => ({ ...row, present: row.present === 1 });

export const createBlobRows = ({ write, one, many }: Statements): BlobRows => {
  const find: BlobRows["find"] = (repository, root) =>
    one<BlobRow>(`SELECT ${BLOB_COLUMNS} FROM blob WHERE repository = ? AND root = ?`, repository, root);

  const remove: BlobRows["remove"] = (n) => {
    const alone = many<{ id: Uint8Array }>(
      `SELECT DISTINCT id FROM blob_chunk AS mine WHERE blob = @n AND NOT EXISTS
         (SELECT 1 FROM blob_chunk WHERE repository = mine.repository AND id = mine.id AND blob <> @n)`,
      { n },
    );
    write("DELETE FROM blob_reference WHERE blob = ?", n);
    write("DELETE FROM blob_chunk WHERE blob = ?", n);
    write("DELETE FROM blob WHERE n = ?", n);
    return alone.map(({ id }) => id);
  };

  return {
    begin: (repository, { size, mime, name }, now) =>
      Number(
        write(
          "INSERT INTO blob(repository, size, mime, name, state, live_at) VALUES(?, ?, ?, ?, ?, ?)",
          repository,
          size,
          mime,
          name,
          BLOB_STATE.importing,
          now,
        ).lastInsertRowid,
      ),
    addChunks: (n, chunks) => {
      for (const { position, id, key, bytes, present } of chunks)
        write(
          `INSERT INTO blob_chunk(blob, position, repository, id, key, bytes, present)
           VALUES(@n, @position, (SELECT repository FROM blob WHERE n = @n), @id, @key, @bytes, @present)
           ON CONFLICT DO UPDATE SET bytes = excluded.bytes, present = max(present, excluded.present)`,
          { n, position, id, key, bytes, present: present ? 1 : 0 },
        );
    },
    finish: (n, root, key, sha256) => {
      const repository = one<{ repository: number }>("SELECT repository FROM blob WHERE n = ?", n)?.repository;
      const known = repository === undefined ? undefined : find(repository, root);
      const kept = known?.n ?? n;
      if (known !== undefined) {
        write("DELETE FROM blob_chunk WHERE blob = ?", known.n);
        write("UPDATE blob_chunk SET blob = ? WHERE blob = ?", known.n, n);
        write("DELETE FROM blob WHERE n = ?", n);
      }
      write(
        "UPDATE blob SET root = ?, key = ?, sha256 = ?, state = ? WHERE n = ?",
        root,
        key,
        sha256,
        BLOB_STATE.present,
        kept,
      );
      return kept;
    },
    learn: (repository, { root, key, size, mime, name }, now) => {
      const known = find(repository, root);
      if (known === undefined)
        return Number(
          write(
            "INSERT INTO blob(repository, root, key, size, mime, name, state, live_at) VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
            repository,
            root,
            key,
            size,
            mime,
            name,
            BLOB_STATE.wanted,
            now,
          ).lastInsertRowid,
        );
      if (known.state === BLOB_STATE.unreadable && Buffer.compare(known.key, key) !== 0) {
        write("DELETE FROM blob_chunk WHERE blob = ?", known.n);
        write("UPDATE blob SET key = ?, state = ? WHERE n = ?", key, BLOB_STATE.wanted, known.n);
      }
      return known.n;
    },
    find,
    byNumber: (n) => one<BlobRow>(`SELECT ${BLOB_COLUMNS} FROM blob WHERE n = ? AND root IS NOT NULL`, n),
    describe: (n, { size, mime, name, sha256 }) => {
      write(
        "UPDATE blob SET size = ?, mime = ?, name = ?, sha256 = ?, state = ? WHERE n = ?",
        size,
        mime,
        name,
        sha256,
        BLOB_STATE.fetching,
        n,
      );
    },
    setState: (n, state) => {
      write("UPDATE blob SET state = ? WHERE n = ?", state, n);
    },
    chunk: (n, position) => {
      const row = one<RawChunk>(`SELECT ${CHUNK_COLUMNS} FROM blob_chunk WHERE blob = ? AND position = ?`, n, position);
      return row === undefined ? undefined : chunkOf(row);
    },
    missing: (n, position, limit) =>
      many<RawChunk>(
        `SELECT ${CHUNK_COLUMNS} FROM blob_chunk WHERE blob = ? AND position >= ? AND present = 0 ORDER BY position LIMIT ?`,
        n,
        position,
        limit,
      ).map(chunkOf),
    chunksOf: (repository) =>
      many<{ id: Uint8Array }>(
        "SELECT DISTINCT id FROM blob_chunk WHERE repository = ? AND present = 1",
        repository,
      ).map(({ id }) => id),
    holds: (repository, id) =>
      one("SELECT 1 FROM blob_chunk WHERE repository = ? AND id = ? AND present = 1", repository, id) !== undefined,
    mark: (repository, id, bytes, present) => {
      const blobs = many<{ blob: number }>(
        "SELECT DISTINCT blob FROM blob_chunk WHERE repository = ? AND id = ?",
        repository,
        id,
      );
      write(
        "UPDATE blob_chunk SET present = ?, bytes = ? WHERE repository = ? AND id = ?",
        present ? 1 : 0,
        bytes,
        repository,
        id,
      );
      return blobs.map(({ blob }) => blob);
    },
    setReferences: (document, blobs, now) => {
      const before = many<{ blob: number }>("SELECT blob FROM blob_reference WHERE document = ?", document);
      const after = new Set(blobs);
      for (const { blob } of before) {
        if (after.delete(blob)) continue;
        write("DELETE FROM blob_reference WHERE document = ? AND blob = ?", document, blob);
        write("UPDATE blob SET live_at = max(live_at, ?) WHERE n = ?", now, blob);
      }
      for (const blob of after) write("INSERT INTO blob_reference(document, blob) VALUES(?, ?)", document, blob);
    },
    wanted: () =>
      many<BlobRow>(
        `SELECT ${BLOB_COLUMNS} FROM blob WHERE state IN (1, 2) AND EXISTS (SELECT 1 FROM blob_reference WHERE blob = blob.n)`,
      ),
    unfinished: () => many<{ n: number }>("SELECT n FROM blob WHERE state = 0").map(({ n }) => n),
    dead: (before) =>
      many<BlobRow>(
        `SELECT ${BLOB_COLUMNS} FROM blob WHERE root IS NOT NULL AND live_at < ?
           AND NOT EXISTS (SELECT 1 FROM blob_reference WHERE blob = blob.n)`,
        before,
      ),
    remove,
    usage: () =>
      many(
        `SELECT repository, count(*) AS files, sum(size) AS bytes, coalesce((SELECT sum(bytes) FROM
           (SELECT max(bytes) AS bytes FROM blob_chunk WHERE repository = blob.repository AND present = 1 GROUP BY id)), 0) AS held
         FROM blob WHERE root IS NOT NULL GROUP BY repository`,
      ),
  };
};
