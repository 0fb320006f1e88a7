import type { InputOf } from "../contract/contract.ts";
import type { DocumentPage, FolderCounts } from "../contract/types.ts";
import type { DocumentView, Store } from "../ports/store.ts";
import { hexToBytes } from "../../protocol/kernel/bytes.ts";
import { summaryOf } from "./document-service.ts";
import type { Repository } from "./repository.ts";

const TRASH: DocumentView = { folder: "", deleted: true, order: "updated" };

/** A page of a notebook's notes, read by way of the order's index: what it costs does not depend on the notebook's size. */
export const documentPage = (store: Store, repository: Repository, input: InputOf<"documents.page">): DocumentPage => {
  const view: DocumentView = {
    folder: input.folder ?? "",
    deleted: input.deleted === "only",
    order: input.order,
  };
  const { n, id } = repository;
  const did = input.locate?.startsWith(id) === true ? hexToBytes(input.locate.slice(id.length)) : undefined;
  const row = did === undefined ? undefined : store.documents.byId(n, did);
  const isListed =
    row !== undefined &&
    row.deleted === view.deleted &&
    (view.folder === "" || row.folder === view.folder || row.folder.startsWith(`${view.folder}/`));
  return {
    total: store.documents.count(n, view),
    documents: store.documents.page(n, view, input.offset, input.limit).map((found) => summaryOf(repository, found)),
    located:
      row?.type === "note"
        ? {
            document: summaryOf(repository, row),
            position: isListed ? store.documents.position(n, view, row) : null,
          }
        : null,
  };
};

/** How many notes each folder and the trash hold. */
export const folderCounts = (store: Store, repository: Repository): FolderCounts => ({
  folders: store.documents.folders(repository.n),
  deleted: store.documents.count(repository.n, TRASH),
});
