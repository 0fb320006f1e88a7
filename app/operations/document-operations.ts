import { contractError } from "../contract/errors.ts";
import type { MergedNote } from "../contract/note-places.ts";
import type { Handlers } from "../contract/handlers.ts";
import type { AppEvent } from "../contract/types.ts";
import type { AttachmentService } from "../attachments/attachment-service.ts";
import type { HistoryService } from "../history/history-service.ts";
import type { MergeNotices } from "../history/merge-notices.ts";
import type { RecoveredCopies } from "../history/recovered-copies.ts";
import type { PeerService } from "../peers/peer-service.ts";
import type { Clock } from "../ports/clock.ts";
import type { NoteEdit } from "../ports/engine.ts";
import type { SearchIndex } from "../ports/search-index.ts";
import type { Store } from "../ports/store.ts";
import { documentPage, folderCounts } from "../repositories/document-lists.ts";
import type { DocumentService } from "../repositories/document-service.ts";
import { documentId } from "../repositories/document-service.ts";
import type { RepositoryService } from "../repositories/repository-service.ts";
import type { MoveService } from "../sharing/move-service.ts";
import type { PresenceBook } from "../sharing/presence.ts";
import { bytesToHex, hexToBytes } from "../../protocol/kernel/bytes.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import type { WithNotebook } from "./with-notebook.ts";

/** What a person does with notes: writing, reading, history, files, search. */
export const createDocumentOperations = (deps: {
  readonly store: Store;
  readonly clock: Clock;
  readonly search: SearchIndex;
  readonly repositories: Pick<RepositoryService, "byNumber">;
  readonly documents: DocumentService;
  readonly attachments: AttachmentService;
  readonly history: HistoryService;
  readonly merges: MergeNotices;
  readonly moves: MoveService;
  readonly recovered: RecoveredCopies;
  readonly presence: PresenceBook;
  readonly peers: PeerService;
  readonly withNotebook: WithNotebook;
  readonly emit: (event: AppEvent) => void;
}) => {
  const {
    store,
    repositories,
    clock,
    search,
    documents,
    attachments,
    history,
    merges,
    moves,
    recovered,
    presence,
    peers,
    withNotebook,
    emit,
  } = deps;
  return {
    "documents.create": ({ notebook, title, markdown, folder }) =>
      withNotebook(notebook, (repository) => {
        const now = clock.unix();
        return documents.create(repository, {
          type: "note",
          title: title ?? "",
          content: { type: "markdown", markdown: markdown ?? "" },
          folder: folder ?? "",
          tags: [],
          meta: {},
          createdAt: now,
          updatedAt: now,
        });
      }),
    "documents.list": ({ notebook, deleted }) =>
      withNotebook(notebook, (repository) => ok(documents.list(repository, deleted ?? "exclude"))),
    "documents.page": (input) =>
      withNotebook(input.notebook, (repository) => ok(documentPage(store, repository, input))),
    "documents.folders": ({ notebook }) => withNotebook(notebook, (repository) => ok(folderCounts(store, repository))),
    "documents.read": ({ document }) => documents.read(document),
    "documents.edit": ({ document, ...given }) => {
      const edits: NoteEdit[] = [];
      if (given.title !== undefined) edits.push({ type: "setTitle", title: given.title });
      if (given.folder !== undefined) edits.push({ type: "setFolder", folder: given.folder });
      if (given.tags !== undefined) edits.push({ type: "setTags", tags: given.tags });
      if (given.replaceMarkdown !== undefined) edits.push({ type: "replaceMarkdown", markdown: given.replaceMarkdown });
      if (given.delete !== undefined) edits.push({ type: "delete", ...given.delete });
      if (given.insert !== undefined) edits.push({ type: "insert", ...given.insert });
      if (given.appendMarkdown !== undefined) edits.push({ type: "appendMarkdown", markdown: given.appendMarkdown });
      return documents.edit(document, edits);
    },
    "documents.delete": ({ document }) => documents.edit(document, [{ type: "setDeleted", at: clock.unix() }]),
    "documents.restore": ({ document }) =>
      documents.edit(document, [
        { type: "setMoved", to: null },
        { type: "setDeleted", at: null },
      ]),
    "documents.share": ({ document }) => moves.share(document),
    "documents.moveTo": ({ document, notebook, folder }) =>
      withNotebook(notebook, (repository) => moves.moveTo(document, repository, folder ?? "")),
    "documents.moveBack": ({ document }) => moves.moveBack(document),
    "documents.moved": async ({ document }) => ok(moves.whereIs(document)),
    "documents.open": ({ document }, send) => {
      const close = documents.open(document, send);
      const found = documents.find(document);
      if (found !== undefined) {
        const present = presence.of(found.repository, found.row.did);
        if (present.length > 0) send(ok({ type: "presence", present }));
      }
      return close;
    },
    "documents.apply": ({ lease, changes }) => documents.apply(lease, changes),
    "documents.recall": ({ lease, changes }) => documents.recall(lease, changes),
    "documents.presence": async ({ lease, cursor }) => {
      const open = documents.lease(lease);
      if (open === undefined) return err(contractError("LeaseExpired"));
      if (open.session !== undefined)
        peers.sendLive(open.repository, open.session.session, {
          type: "presence",
          state: presence.encode(open.document.did, cursor ?? null),
        });
      return ok(null);
    },

    "history.list": ({ document, before, limit }) => history.list(document, before ?? null, limit ?? 50),
    "history.read": ({ document, heads }) => history.read(document, heads),
    "history.diff": ({ document, from, to }) => history.diff(document, from, to),
    "history.restore": ({ document, heads, base }) => history.restore(document, heads, base),
    "history.merged": async ({ document }) => {
      const found = documents.find(document);
      return found === undefined ? err(contractError("DocumentNotFound")) : ok(merges.of(found.repository, found.row));
    },
    "history.seen": async ({ document }) => {
      const found = documents.find(document);
      if (found === undefined) return err(contractError("DocumentNotFound"));
      merges.seen(found.row);
      emit({ type: "documentMerged", document });
      return ok(null);
    },
    "notices.list": async () =>
      ok({
        recovered: recovered.list(),
        merged: merges.documents().flatMap((n): MergedNote[] => {
          const row = store.documents.byNumber(n);
          const repository = row === undefined ? undefined : repositories.byNumber(row.repository);
          const notice = row === undefined || repository === undefined ? null : merges.of(repository, row);
          if (row === undefined || repository === undefined || notice === null || row.deleted) return [];
          return [
            {
              document: documentId(repository, row.did),
              notebook: repository.id,
              notebookTitle: store.repositories.all().find((one) => one.n === row.repository)?.title ?? "",
              title: row.title,
              changes: notice.changes,
              people: notice.people.filter(({ self }) => !self).map(({ name }) => name),
            },
          ];
        }),
      }),
    "recovered.list": async () => ok(recovered.list()),
    "recovered.read": ({ document }) => recovered.read(document),
    "recovered.keep": ({ document, notebook }) =>
      withNotebook(notebook, (repository) => recovered.keep(document, repository)),
    "recovered.dismiss": async ({ document }) => recovered.dismiss(document),
    "versions.list": ({ document }) => history.versions(document),
    "versions.name": ({ document, name, heads }) => history.name(document, name, heads),
    "versions.remove": ({ document, heads }) => history.unname(document, heads),

    search: async ({ query, limit, notebook, scope }) => {
      const matches = await search.search({
        query,
        limit: limit ?? 20,
        repository: notebook === undefined ? undefined : hexToBytes(notebook),
        scope: scope ?? "everything",
      });
      return ok(
        matches.map(({ rid, did, title, snippet, highlights, score }) => {
          const id = bytesToHex(rid) + bytesToHex(did);
          return { id, document: id, notebook: bytesToHex(rid), title, snippet, highlights, score };
        }),
      );
    },
    "attachments.add": (input) => attachments.add(input),
    "attachments.adopt": ({ document, blob }) => attachments.adopt(document, blob),
    "attachments.list": ({ document }) => attachments.list(document),
    "attachments.fetch": ({ document, blob }) => attachments.fetch(document, blob),
    "attachments.read": ({ document, blob, start, length }) =>
      attachments.readPiece(document, blob, start, start + length),
    "attachments.save": ({ document, blob, path }) => attachments.save(document, blob, path),
    "attachments.policy": ({ notebook, policy }) =>
      withNotebook(notebook, (repository) => attachments.setPolicy(repository, policy)),
  } satisfies Partial<Handlers>;
};
