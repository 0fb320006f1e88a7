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
