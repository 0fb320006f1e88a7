/** What to look for. `repository` limits to one; `scope` `titles` is the quick switcher. */
export interface SearchRequest {
  readonly query: string;
  readonly limit: number;
  readonly repository: Uint8Array | undefined;
  readonly scope: "everything" | "titles";
}

export interface SearchMatch {
  readonly rid: Uint8Array;
  readonly did: Uint8Array;
  readonly title: string;
  readonly snippet: string;
  /** [start, end) in UTF-16 units of `snippet`. */
  readonly highlights: readonly (readonly [number, number])[];
  /** Higher is better. */
  readonly score: number;
}

/**
 * Full-text search beside the writer.
 * P-SEARCH-1 Answers never hold up the process that asks. P-SEARCH-2 Any text is a valid query. P-SEARCH-3 What was indexed
 * before the question is found.
 */
export interface SearchIndex {
  readonly search: (request: SearchRequest) => Promise<readonly SearchMatch[]>;
  readonly stop: () => Promise<void>;
}
