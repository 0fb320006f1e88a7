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

/** A note as the index takes it; `document` and `repository` are rows of the store. */
export interface IndexedNote {
  readonly document: number;
  readonly repository: number;
  readonly title: string;
  readonly body: string;
  readonly tags: readonly string[];
  /** False: the document is no note, or in the trash, and must not be found. */
  readonly listed: boolean;
}

/**
 * Full-text search beside the writer.
 * P-SEARCH-1 Answers never hold up the process that asks. P-SEARCH-2 Any text is a valid query. P-SEARCH-3 What was indexed
 * before the question is found. P-SEARCH-4 What `index` acknowledged is found after a crash, as long as `identity` is the same.
 */
export interface SearchIndex {
  readonly search: (request: SearchRequest) => Promise<readonly SearchMatch[]>;
  /** Replaces what is known of these notes; false when nothing was written. */
  readonly index: (notes: readonly IndexedNote[]) => Promise<boolean>;
  /** Name of this index; another one when it was lost and an empty one took its place. Undefined when it cannot be opened. */
  readonly identity: () => Promise<string | undefined>;
  readonly stop: () => Promise<void>;
}
