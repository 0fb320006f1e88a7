import type { Store } from "../ports/store.ts";
import type { ChangeInspector } from "./change-inspector.ts";
import { missingChanges, storeLoss } from "./lost-changes.ts";
import { rebuildDocument } from "./validity.ts";

/** Own sessions that still take records. */
const OPEN = 0;
const CLOSED = 1;
/** Runs read at once. */
const DRAFT_PAGE = 1_024;

/**
 * Ends every own session of every repository, because something may have been written in them that this store does not
 * hold: going on would number it a second time, which others rightly take for a fork (data design, sections 4.3 and 12.3).
 * Drafts are taken out of their documents. Those that were sealed come back as entries; those that never left are the few seconds of
 * typing before the store was copied, and are kept for their author. Inside a transaction. Answers the documents that lost drafts.
 */
export const endSessions = (
  deps: { readonly store: Store; readonly inspect: ChangeInspector },
  now: number,
): ReadonlySet<number> => {
  const { store } = deps;
  const before = new Map<number, readonly Uint8Array[]>();
  const rebuilt = new Set<number>();
  for (const { n } of store.repositories.all()) {
    for (
      let drafts = store.documents.drafts(n, DRAFT_PAGE);
      drafts.length > 0;
      drafts = store.documents.drafts(n, DRAFT_PAGE)
    )
      for (const { document, actor, firstSeq, count, drafts: unsealed } of drafts) {
        if (!before.has(document)) before.set(document, store.documents.changesAfter(document, 0).changes);
        store.documents.truncate(document, actor, firstSeq + count - unsealed);
        rebuilt.add(document);
      }
    for (const session of store.repositories.ownSessions(n))
      if (session.state === OPEN) store.repositories.putSession(n, { ...session, state: CLOSED });
  }
  for (const document of rebuilt) rebuildDocument(deps, document);
  for (const [document, changes] of before)
    storeLoss(deps, { document, at: now, reason: "rolledBack", changes: missingChanges(deps, document, changes) });
  return rebuilt;
};
