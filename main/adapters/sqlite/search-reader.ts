import type { SearchMatch, SearchRequest } from "../../../app/ports/search-index.ts";
import { needsSubstrings, parseQuery, snippetOf } from "../../../app/search/query.ts";
import type { SqliteDatabase } from "./database.ts";

interface Row {
  readonly n: number;
  readonly body: string;
  readonly rank: number;
}

interface Facts {
  readonly rid: Uint8Array;
  readonly did: Uint8Array;
  readonly title: string;
}

/** bm25 weights: a title hit counts as eight in the text, a tag as four (chosen by hand, see the search tests). */
const WEIGHTS = "8.0, 1.0, 4.0";

const sqlFor = (table: "note_words" | "note_trigrams", inRepository: boolean): string =>
  `SELECT note.document AS n, note.body, found.rank
   FROM (SELECT rowid, bm25(${table}, ${WEIGHTS}) AS rank FROM ${table} WHERE ${table} MATCH @match
     ${inRepository ? "AND rowid IN (SELECT document FROM note WHERE repository = @repository)" : ""}
     ORDER BY rank LIMIT @limit) AS found
   JOIN note ON note.document = found.rowid
   ORDER BY found.rank`;

const FACTS = `SELECT repository.rid, document.did, document.title FROM document JOIN repository ON repository.n = document.repository
  WHERE document.n = ? AND document.deleted = 0`;

const RECENT = `SELECT document.n, repository.rid, document.did, document.title, document.excerpt AS body, 0 AS rank
  FROM document JOIN repository ON repository.n = document.repository
  WHERE document.type = 'note' AND document.deleted = 0 AND (@rid IS NULL OR repository.rid = @rid)
  ORDER BY document.updated_at DESC LIMIT @limit`;

/** Answers searches from the index; what the notes are called now comes from a read-only connection to the profile. */
export const createSearchReader = (
  index: SqliteDatabase,
  profile: SqliteDatabase,
): ((request: SearchRequest) => readonly SearchMatch[]) => {
  const statements = {
    note_words: [index.prepare(sqlFor("note_words", false)), index.prepare(sqlFor("note_words", true))],
    note_trigrams: [index.prepare(sqlFor("note_trigrams", false)), index.prepare(sqlFor("note_trigrams", true))],
  } as const;
  const recent = profile.prepare(RECENT);
  const facts = profile.prepare(FACTS);
  const repositoryOf = profile.prepare("SELECT n FROM repository WHERE rid = ?").pluck();

  const rowsOf = (table: "note_words" | "note_trigrams", match: string, request: SearchRequest): readonly Row[] =>
    statements[table][request.repository === undefined ? 0 : 1].all({
      match: request.scope === "titles" ? `title : (${match})` : match,
      limit: request.limit,
      ...(request.repository === undefined ? {} : { repository: repositoryOf.get(request.repository) ?? null }),
    }) as Row[];

  return (request) => {
    const parsed = parseQuery(request.query);
    if (parsed.terms.length === 0) {
      if (request.scope !== "titles") return [];
      const rows = recent.all({ rid: request.repository ?? null, limit: request.limit }) as (Facts & Row)[];
      return rows.map(({ rid, did, title, body }) => ({ rid, did, title, snippet: body, highlights: [], score: 0 }));
    }
    const found = new Map<number, Row>();
    const take = (rows: readonly Row[], offset: number): void => {
      for (const row of rows) if (!found.has(row.n)) found.set(row.n, { ...row, rank: row.rank + offset });
    };
    if (parsed.words !== undefined && !needsSubstrings(parsed)) take(rowsOf("note_words", parsed.words, request), 0);
    // Parts of words rank below whole ones: their scores are not comparable.
    const worst = Math.max(0, ...[...found.values()].map((row) => row.rank));
    if (parsed.trigrams !== undefined && found.size < request.limit)
      take(rowsOf("note_trigrams", parsed.trigrams, request), found.size === 0 ? 0 : worst + 1_000);
    return [...found.values()]
      .toSorted((a, b) => a.rank - b.rank)
      .slice(0, request.limit)
      .flatMap(({ n, body, rank }) => {
        // Gone or in the trash since it was indexed.
        const now = facts.get(n) as Facts | undefined;
        return now === undefined ? [] : [{ ...now, ...snippetOf(body, parsed.terms), score: -rank }];
      });
  };
};
