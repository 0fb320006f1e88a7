import type { SearchMatch, SearchRequest } from "../../../app/ports/search-index.ts";
import { needsSubstrings, parseQuery, snippetOf } from "../../../app/search/query.ts";
import type { SqliteDatabase } from "./database.ts";

interface Row {
  readonly n: number;
  readonly rid: Uint8Array;
  readonly did: Uint8Array;
  readonly title: string;
  readonly body: string;
  readonly rank: number;
}

/** bm25 weights: a title hit counts as eight in the text, a tag as four (chosen by hand, see the search tests). */
const WEIGHTS = "8.0, 1.0, 4.0";

const sqlFor = (table: "note_words" | "note_trigrams", inRepository: boolean): string =>
  `SELECT document.n, repository.rid, document.did, document.title, note_text.body, found.rank
   FROM (SELECT rowid, bm25(${table}, ${WEIGHTS}) AS rank FROM ${table} WHERE ${table} MATCH @match
     ${inRepository ? "AND rowid IN (SELECT n FROM document WHERE repository = (SELECT n FROM repository WHERE rid = @rid))" : ""}
     ORDER BY rank LIMIT @limit) AS found
   JOIN document ON document.n = found.rowid
   JOIN repository ON repository.n = document.repository
   JOIN note_text ON note_text.document = document.n
   ORDER BY found.rank`;

const RECENT = `SELECT document.n, repository.rid, document.did, document.title, document.excerpt AS body, 0 AS rank
  FROM document JOIN repository ON repository.n = document.repository
  WHERE document.type = 'note' AND document.deleted = 0 AND (@rid IS NULL OR repository.rid = @rid)
  ORDER BY document.updated_at DESC LIMIT @limit`;

/** Runs search requests on a read-only connection. */
export const createSearchReader = (database: SqliteDatabase): ((request: SearchRequest) => readonly SearchMatch[]) => {
  const statements = {
    note_words: [database.prepare(sqlFor("note_words", false)), database.prepare(sqlFor("note_words", true))],
    note_trigrams: [database.prepare(sqlFor("note_trigrams", false)), database.prepare(sqlFor("note_trigrams", true))],
  } as const;
  const recent = database.prepare(RECENT);

  const rowsOf = (table: "note_words" | "note_trigrams", match: string, request: SearchRequest): readonly Row[] =>
    statements[table][request.repository === undefined ? 0 : 1].all({
      match: request.scope === "titles" ? `title : (${match})` : match,
      limit: request.limit,
      ...(request.repository === undefined ? {} : { rid: request.repository }),
    }) as Row[];

  return (request) => {
    const parsed = parseQuery(request.query);
    if (parsed.terms.length === 0) {
      if (request.scope !== "titles") return [];
      const rows = recent.all({ rid: request.repository ?? null, limit: request.limit }) as Row[];
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
      .map(({ rid, did, title, body, rank }) => ({ rid, did, title, ...snippetOf(body, parsed.terms), score: -rank }));
  };
};
