import type { Store } from "../ports/store.ts";
import { decodeUtf8, encodeUtf8 } from "../../protocol/codec/utf8.ts";
import type { PlainValue, Replica } from "../../protocol/replica/types.ts";

/**
 * A name for a state of a note. It lives in the notebook's own document, at the root key
 * `version:<document, 32 hex>:<heads, 64 hex each, joined by ".">`, so that naming is no change of the note, and two
 * people who name at once write one key (or two) and never replace each other's map.
 */
export interface StoredVersion {
  /** Id of the note inside the notebook, 32 hex digits. */
  readonly document: string;
  readonly heads: readonly string[];
  readonly name: string;
  /** Unix milliseconds, as the writer says. */
  readonly at: number;
  /** Actor that wrote the name. */
  readonly actor: string;
}

const KEY = /^version:([0-9a-f]{32}):([0-9a-f]{64}(?:\.[0-9a-f]{64}){0,63})$/;
/** As the contract's names: what is longer did not come from there. */
const MAX_NAME = 200;

export const versionKey = (document: string, heads: readonly string[]): string =>
  `version:${document}:${heads.toSorted().join(".")}`;

export const versionValue = (name: string, at: number): string => JSON.stringify({ name, at });

const nameOf = (value: PlainValue | undefined): { readonly name: string; readonly at: number } | undefined => {
  if (typeof value !== "string") return undefined;
  try {
    const { name, at } = JSON.parse(value) as { readonly name?: unknown; readonly at?: unknown };
    if (typeof name !== "string" || name === "" || name.length > MAX_NAME) return undefined;
    return { name: name.toWellFormed(), at: Number.isSafeInteger(at) ? (at as number) : 0 };
  } catch {
    return undefined;
  }
};

/** Reads the names in a notebook's document whoever wrote them; what does not fit is left out. */
export const readVersions = (replica: Replica): readonly StoredVersion[] =>
  replica.keys("_root").flatMap((key) => {
    const [, document, heads] = KEY.exec(key) ?? [];
    const value = document === undefined ? undefined : nameOf(replica.get("_root", key));
    if (document === undefined || heads === undefined || value === undefined) return [];
    const winner = replica.conflicts("_root", key).at(-1)?.id ?? "@";
    return [{ document, heads: heads.split("."), ...value, actor: winner.slice(winner.indexOf("@") + 1) }];
  });

const storeKey = (notebook: string): string => `versions/${notebook}`;

/** The names of a notebook as last indexed. */
export const storedVersions = (store: Store, notebook: string): readonly StoredVersion[] => {
  const stored = store.meta.get(storeKey(notebook));
  return stored === undefined ? [] : (JSON.parse(decodeUtf8(stored) ?? "[]") as readonly StoredVersion[]);
};

/** Inside a transaction. */
export const storeVersions = (store: Store, notebook: string, versions: readonly StoredVersion[]): void =>
  store.meta.set(storeKey(notebook), encodeUtf8(JSON.stringify(versions)));
