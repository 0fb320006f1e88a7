/** A query as typed, split into what the two full-text tables understand. */
export interface ParsedQuery {
  /** Terms in order: single words, or several words typed in double quotes. */
  readonly terms: readonly string[];
  /** FTS5 expression over words, the last one as a prefix; undefined when there is none. */
  readonly words: string | undefined;
  /** FTS5 expression over trigrams (substrings, scripts without spaces); undefined below three characters. */
  readonly trigrams: string | undefined;
}

/** More terms than anyone types; bounds the work of a pasted page. */
const MAX_TERMS = 16;
const MAX_TERM = 100;
/** What the unicode61 tokenizer treats as part of a word. */
const WORD = /[\p{L}\p{N}\p{Co}\p{M}]+/gu;
/** Scripts written without spaces: unicode61 takes a whole run as one word, so only trigrams find inside it. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
const TRIGRAM = 3;

const quote = (term: string): string => `"${term.replaceAll('"', '""')}"`;

/** Splits a query; every text is a valid one. */
export const parseQuery = (query: string): ParsedQuery => {
  const terms: string[] = [];
  for (const match of query.matchAll(/"([^"]*)"?|(\S+)/gu)) {
    const term = (match[1] ?? match[2] ?? "").trim().slice(0, MAX_TERM);
    if (term !== "" && terms.length < MAX_TERMS) terms.push(term);
  }
  const endsOpen = query !== "" && !/[\s"]$/u.test(query);
  const words = terms.flatMap((term, index) => {
    const inside = term.match(WORD);
    if (inside === null) return [];
    const phrase = quote(inside.join(" "));
    return [endsOpen && index === terms.length - 1 ? `${phrase} *` : phrase];
  });
  const long = terms.filter((term) => [...term].length >= TRIGRAM);
  return {
    terms,
    words: words.length === 0 ? undefined : words.join(" AND "),
    trigrams: long.length === 0 || long.length < terms.length ? undefined : long.map(quote).join(" AND "),
  };
};

/** True when the query can only be answered from parts of words. */
export const needsSubstrings = (parsed: ParsedQuery): boolean => parsed.terms.some((term) => UNSPACED.test(term));

const fold = (text: string): string =>
  text
    .normalize("NFD")
    .replace(/\p{M}+/gu, "")
    .toLowerCase();

/** Case- and accent-insensitive form with, for each of its code units, the index it came from. */
const folded = (text: string): { readonly text: string; readonly origin: readonly number[] } => {
  let out = "";
  const origin: number[] = [];
  let at = 0;
  for (const char of text) {
    const plain = fold(char);
    for (let i = 0; i < plain.length; i++) origin.push(at);
    out += plain;
    at += char.length;
  }
  origin.push(at);
  return { text: out, origin };
};

const SNIPPET = 160;
const LEAD = 40;
/** A match deeper in a long note than this is shown with the note's beginning instead. */
const SCANNED = 200_000;

export interface Snippet {
  readonly snippet: string;
  readonly highlights: readonly (readonly [number, number])[];
}

/** The part of `body` around the first match, with every match in it marked. */
export const snippetOf = (body: string, terms: readonly string[]): Snippet => {
  const scanned = body.slice(0, SCANNED);
  const { text, origin } = folded(scanned);
  const needles = terms.map(fold).filter((needle) => needle !== "");
  let first = -1;
  for (const needle of needles) {
    const at = text.indexOf(needle);
    if (at >= 0 && (first < 0 || at < first)) first = at;
  }
  let start = first < 0 ? 0 : Math.max(0, (origin[first] as number) - LEAD);
  while (start > 0 && start < scanned.length && !/\s/u.test(scanned.charAt(start - 1))) start++;
  if (first >= 0 && start > (origin[first] as number)) start = origin[first] as number;
  const end = Math.min(scanned.length, start + SNIPPET);
  const prefix = start > 0 ? "… " : "";
  const snippet = prefix + scanned.slice(start, end).replace(/\s/gu, " ") + (end < body.length ? " …" : "");
  const highlights: [number, number][] = [];
  for (const needle of needles) {
    for (let at = text.indexOf(needle, first < 0 ? 0 : first); at >= 0; at = text.indexOf(needle, at + needle.length)) {
      const from = origin[at] as number;
      const to = origin[at + needle.length] as number;
      if (from >= end) break;
      if (from >= start && to <= end) highlights.push([prefix.length + from - start, prefix.length + to - start]);
    }
  }
  return { snippet, highlights: mergeRanges(highlights) };
};

const mergeRanges = (ranges: readonly [number, number][]): readonly (readonly [number, number])[] => {
  const out: [number, number][] = [];
  for (const [from, to] of ranges.toSorted((a, b) => a[0] - b[0])) {
    const last = out.at(-1);
    if (last !== undefined && from <= last[1]) last[1] = Math.max(last[1], to);
    else out.push([from, to]);
  }
  return out;
};
