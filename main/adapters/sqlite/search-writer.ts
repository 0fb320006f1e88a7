import type { IndexedNote } from "../../../app/ports/search-index.ts";
import type { SqliteDatabase } from "./database.ts";

/** Replaces notes in the index, all in one transaction. */
export const createSearchWriter = (index: SqliteDatabase): ((notes: readonly IndexedNote[]) => void) => {
  const remove = ["note_words", "note_trigrams", "note"].map((table) =>
    index.prepare(`DELETE FROM ${table} WHERE ${table === "note" ? "document" : "rowid"} = ?`),
  );
  const add = ["note_words", "note_trigrams"].map((table) =>
    index.prepare(`INSERT INTO ${table}(rowid, title, body, tags) VALUES(?, ?, ?, ?)`),
  );
  const keep = index.prepare("INSERT INTO note(document, repository, body) VALUES(?, ?, ?)");
  return index.transaction((notes: readonly IndexedNote[]) => {
    for (const { document, repository, title, body, tags, listed } of notes) {
      for (const statement of remove) statement.run(document);
      if (!listed) continue;
      for (const statement of add) statement.run(document, title, body, tags.join(" "));
      keep.run(document, repository, body);
    }
  });
};
