import type { AttachmentService } from "../attachments/attachment-service.ts";
import { carrySpans } from "../attachments/carry-spans.ts";
import type { ContractError } from "../contract/errors.ts";
import { contractError } from "../contract/errors.ts";
import type { RecoveredCopy, RecoveredText } from "../contract/note-places.ts";
import type { DocumentSummary } from "../contract/types.ts";
import { storeFailure } from "../identities/identity-service.ts";
import type { Profile } from "../identities/profile.ts";
import type { Clock } from "../ports/clock.ts";
import type { Engine, NoteContent } from "../ports/engine.ts";
import type { Log } from "../ports/log.ts";
import type { DocumentRow, Store } from "../ports/store.ts";
import type { ChangeInspector } from "../repositories/change-inspector.ts";
import type { DocumentService } from "../repositories/document-service.ts";
import { documentId } from "../repositories/document-service.ts";
import type { LossReason, LostChanges } from "../repositories/lost-changes.ts";
import { documentsWithLoss, dropLoss, missingChanges, storedLoss, storeLoss } from "../repositories/lost-changes.ts";
import type { Repository } from "../repositories/repository.ts";
import { NOTEBOOK_DOCUMENT } from "../repositories/repository.ts";
import type { RepositoryService } from "../repositories/repository-service.ts";
import { readRecordHeader } from "../../protocol/entry/record.ts";
import { bytesEqual } from "../../protocol/kernel/bytes.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";

type Answer<T> = Promise<Result<T, ContractError>>;

/** What this identity wrote and no longer counts, note by note, until it is kept as a note or dismissed. */
export interface RecoveredCopies {
  /** Takes up memberships that ended while nobody looked. */
  readonly open: () => void;
  readonly list: () => readonly RecoveredCopy[];
  /** The note as its author saw it, with everything that was taken out. */
  readonly read: (document: string) => Answer<RecoveredText>;
  /** Makes a note of it in a notebook and dismisses it. */
  readonly keep: (document: string, into: Repository) => Answer<DocumentSummary>;
  readonly dismiss: (document: string) => Result<null, ContractError>;
  /** Rights or documents of the repository changed. */
  readonly changed: (repository: Repository) => void;
}

const CHECKED = "ended/";
const MAX_TITLE = 200;
/** Runs read at once. */
const DRAFT_PAGE = 1_024;

export const createRecoveredCopies = (deps: {
  readonly store: Store;
  readonly engine: Engine;
  readonly clock: Clock;
  readonly inspect: ChangeInspector;
  readonly repositories: RepositoryService;
  readonly documents: Pick<DocumentService, "find" | "create">;
  readonly attachments: Pick<AttachmentService, "carry">;
  readonly profile: Profile;
  readonly log: Log;
  readonly notify: () => void;
}): RecoveredCopies => {
  const { store, engine, clock, log, inspect, repositories, documents, attachments, profile } = deps;
  let shown = documentsWithLoss(store).length;

  const loss = (document: string): { repository: Repository; row: DocumentRow; lost: LostChanges } | undefined => {
    const found = documents.find(document);
    const lost = found === undefined ? undefined : storedLoss(store, found.row.n);
    return found === undefined || lost === undefined ? undefined : { ...found, lost };
  };

  /** Builds the note once more under a name of its own, so that whoever has it open is not disturbed. */
  const content = async ({ row, lost }: { row: DocumentRow; lost: LostChanges }): Answer<NoteContent> => {
    const present = store.documents.changesAfter(row.n, 0).changes;
    const key = -row.n;
    const loaded = await engine.load(key, { snapshot: null, changes: [...present, ...lost.changes] });
    const read = loaded.ok ? await engine.read(key) : loaded;
    await engine.unload(key);
    return read.ok ? ok(read.value) : err(contractError("EngineFailed"));
  };

  const describe = (repository: Repository, row: DocumentRow, lost: LostChanges): RecoveredCopy => ({
    document: documentId(repository, row.did),
    notebook: repository.id,
    notebookTitle: store.repositories.all().find(({ n }) => n === repository.n)?.title ?? "",
    title: row.title,
    at: lost.at,
    reason: lost.reason,
    changes: lost.changes.length,
  });

  /** Documents with entries or drafts of this device that nobody else may take any more. */
  const unheard = (repository: Repository): ReadonlySet<number> => {
    const found = new Set<number>();
    for (const row of store.entries.inners(repository.n)) {
      if (!bytesEqual(row.device, profile.device.publicKey)) continue;
      const read = readRecordHeader(row.header);
      if (!read.ok || repository.access.right(read.value.header).type === "allowed") continue;
      for (const { doc } of read.value.header.parts) {
        const document = store.documents.byId(repository.n, doc);
        if (document !== undefined && !bytesEqual(doc, NOTEBOOK_DOCUMENT)) found.add(document.n);
      }
    }
    for (const { document, did } of store.documents.drafts(repository.n, DRAFT_PAGE))
      if (!bytesEqual(did, NOTEBOOK_DOCUMENT)) found.add(document);
    return found;
  };

  /** Notes what a membership that ended kept from the others; the copy here still has it. */
  const checkEnded = (repository: Repository): void => {
    const membership = repositories.membership(repository);
    const key = CHECKED + repository.id;
    const isChecked = store.meta.get(key) !== undefined;
    if (membership !== "active" && membership !== "removed") return;
    if (isChecked !== (membership === "active")) return;
    const notes = isChecked ? [] : unheard(repository);
    const written = store.transaction(() => {
      if (isChecked) {
        store.meta.remove(key);
        return;
      }
      const reason: LossReason = "removed";
      for (const document of notes) storeLoss({ store, inspect }, { document, at: clock.unix(), reason, changes: [] });
      store.meta.set(key, new Uint8Array());
    });
    if (!written.ok) log.warn("recovered copies not noted", { fault: written.error.type });
  };

  const tell = (): void => {
    const now = documentsWithLoss(store).length;
    if (now === shown) return;
    shown = now;
    deps.notify();
  };

  const dismiss: RecoveredCopies["dismiss"] = (document) => {
    const found = loss(document);
    if (found === undefined) return err(contractError("DocumentNotFound"));
    const dropped = store.transaction(() => dropLoss(store, found.row.n));
    if (!dropped.ok) return err(storeFailure(dropped.error));
    tell();
    return ok(null);
  };

  return {
    open: () => {
      for (const repository of repositories.all()) checkEnded(repository);
      tell();
    },
    list: () =>
      documentsWithLoss(store)
        .flatMap((n) => {
          const row = store.documents.byNumber(n);
          const lost = storedLoss(store, n);
          const repository = row === undefined ? undefined : repositories.byNumber(row.repository);
          if (row === undefined || lost === undefined || repository === undefined) return [];
          // Rights may come back, and with them what was written.
          const isBack = lost.changes.length > 0 && missingChanges({ store, inspect }, n, lost.changes).length === 0;
          if (isBack || bytesEqual(row.did, NOTEBOOK_DOCUMENT)) return [];
          return [describe(repository, row, lost)];
        })
        .toSorted((a, b) => b.at - a.at),
    read: async (document) => {
      const found = loss(document);
      if (found === undefined) return err(contractError("DocumentNotFound"));
      const read = await content(found);
      if (!read.ok) return read;
      const { title, text, markdown } = read.value;
      return ok({ ...describe(found.repository, found.row, found.lost), title, text, markdown });
    },
    keep: async (document, into) => {
      const found = loss(document);
      if (found === undefined) return err(contractError("DocumentNotFound"));
      const read = await content(found);
      if (!read.ok) return read;
      const spans = await carrySpans(read.value.spans, async (reference) => {
        const carried = await attachments.carry(found.repository, reference, into);
        // The words are what must not be lost; a file that nobody has keeps its name in the note.
        return carried.ok || carried.error.type !== "AttachmentMissing" ? carried : ok(reference);
      });
      if (!spans.ok) return spans;
      const now = clock.unix();
      const made = await documents.create(
        into,
        {
          type: "note",
          title: `${read.value.title} (recovered)`.slice(0, MAX_TITLE).toWellFormed(),
          content: { type: "spans", spans: spans.value },
          folder: "",
          tags: read.value.tags,
          meta: read.value.meta,
          createdAt: now,
          updatedAt: now,
        },
        undefined,
        () => dropLoss(store, found.row.n),
      );
      if (made.ok) tell();
      return made;
    },
    dismiss,
    changed: (repository) => {
      checkEnded(repository);
      tell();
    },
  };
};
