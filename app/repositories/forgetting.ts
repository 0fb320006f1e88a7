import type { BlobStore } from "../ports/blob-store.ts";
import type { Log } from "../ports/log.ts";
import type { SearchIndex } from "../ports/search-index.ts";
import type { Store } from "../ports/store.ts";
import type { SliceQueue } from "../runtime/slices.ts";
import type { Following } from "../sharing/following.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { dropLoss } from "./lost-changes.ts";

/** Deletes what this device holds of repositories it is to forget: rows, keys, search index and files. */
export interface Forgetting {
  /** Goes on where an earlier run stopped. */
  readonly open: () => void;
  /** Begins with a repository that nothing else uses any more; it is marked in the store. */
  readonly start: (repository: number, rid: Uint8Array) => void;
  readonly stop: () => void;
}

/** As `all` of repositories and topics leave out what is marked. */
const MARK = "forgetting/";
/** Rows deleted in one transaction, some ten milliseconds. */
const ROWS_PER_SLICE = 2_000;
/** Rows of the search index cleared at once. */
const NOTES_PER_SLICE = 500;

/** Marks a repository as one to be forgotten; from here on nothing opens it any more. Inside a transaction. */
export const markForgotten = (store: Pick<Store, "meta">, repository: number, rid: Uint8Array): void =>
  store.meta.set(MARK + repository, rid);

export const forgottenRepositories = (
  store: Pick<Store, "meta">,
): readonly { readonly n: number; readonly rid: Uint8Array }[] =>
  store.meta.list(MARK).map(({ key, value }) => ({ n: Number(key.slice(MARK.length)), rid: value }));

export const createForgetting = (deps: {
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly search: Pick<SearchIndex, "index">;
  readonly slices: SliceQueue;
  readonly following: Pick<Following, "forget">;
  readonly log: Log;
}): Forgetting => {
  const { store, blobs, search, slices, following, log } = deps;
  let isStopped = false;

  /** Values under keys that name the repository or one of its documents. */
  const dropMeta = (repository: number, id: string): void => {
    for (const { n } of store.documents.list(repository)) {
      dropLoss(store, n);
      for (const prefix of ["merged/", "moved/", "moved-here/"]) store.meta.remove(prefix + n);
    }
    for (const { key } of store.meta.list(`merged/${id}/`)) store.meta.remove(key);
    for (const prefix of ["names/", "versions/", "unjudged/", "ended/"]) store.meta.remove(prefix + id);
    following.forget(id);
  };

  const erase = async (repository: number, rid: Uint8Array): Promise<void> => {
    const rows = store.documents.list(repository);
    for (let from = 0; from < rows.length && !isStopped; from += NOTES_PER_SLICE) {
      const notes = rows.slice(from, from + NOTES_PER_SLICE).map(({ n }) => ({
        document: n,
        repository,
        title: "",
        body: "",
        tags: [],
        listed: false,
      }));
      if (!(await search.index(notes))) log.warn("search index not cleared", {});
    }
    let kept = 0;
    for (const id of store.blobs.chunksOf(repository)) {
      if (isStopped) return;
      // What stays is deleted as a chunk that no attachment names.
      await blobs.remove(repository, id).catch(() => kept++);
    }
    if (kept > 0) log.warn("files not deleted", { count: kept });
    const cleared = isStopped ? undefined : store.transaction(() => dropMeta(repository, bytesToHex(rid)));
    if (cleared?.ok !== true) return;
    slices.add(() => {
      const written = store.transaction(() => {
        const isGone = store.repositories.erase(repository, ROWS_PER_SLICE);
        if (isGone) store.meta.remove(MARK + repository);
        return isGone;
      });
      if (!written.ok) log.warn("notebook not deleted", { fault: written.error.type });
      return !written.ok || written.value;
    });
  };

  const begin = (repository: number, rid: Uint8Array): void => {
    erase(repository, rid).catch((cause: unknown) => log.error("notebook not deleted", { fault: String(cause) }));
  };

  return {
    open: () => {
      for (const { n, rid } of forgottenRepositories(store)) begin(n, rid);
    },
    start: begin,
    stop: () => {
      isStopped = true;
    },
  };
};
