import type { NoteFacts } from "../ports/engine.ts";
import type { Store } from "../ports/store.ts";
import { decodeUtf8, encodeUtf8 } from "../../protocol/codec/utf8.ts";

const keyOf = (document: number): string => `moved/${document}`;

/** Where a note went on, as last indexed; null for one that did not move. */
export const storedMoved = (store: Pick<Store, "meta">, document: number): NoteFacts["moved"] => {
  const stored = store.meta.get(keyOf(document));
  return stored === undefined ? null : (JSON.parse(decodeUtf8(stored) ?? "null") as NoteFacts["moved"]);
};

/** Inside a transaction. */
export const storeMoved = (store: Pick<Store, "meta">, document: number, moved: NoteFacts["moved"]): void => {
  if (moved !== null) store.meta.set(keyOf(document), encodeUtf8(JSON.stringify(moved)));
  else if (store.meta.get(keyOf(document)) !== undefined) store.meta.remove(keyOf(document));
};

const madeKey = (document: number): string => `moved-here/${document}`;

/** What this device itself made of a note that it moved, whoever may write in the note; undefined when it moved none. */
export const madeByMove = (store: Pick<Store, "meta">, document: number): string | undefined => {
  const stored = store.meta.get(madeKey(document));
  return stored === undefined ? undefined : decodeUtf8(stored);
};

/** Inside a transaction. */
export const storeMadeByMove = (store: Pick<Store, "meta">, document: number, to: string): void =>
  store.meta.set(madeKey(document), encodeUtf8(to));
