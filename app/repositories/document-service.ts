import type { ContractError } from "../contract/errors.ts";
import { contractError } from "../contract/errors.ts";
import type { DocumentContent, DocumentSummary, Heads, OpenDocumentEvent, Recalled } from "../contract/types.ts";
import { storeFailure } from "../identities/identity-service.ts";
import type { Clock } from "../ports/clock.ts";
import type { Engine, EngineError, NewDocument, NoteContent, NoteEdit } from "../ports/engine.ts";
import type { Log } from "../ports/log.ts";
import type { DocumentRow, SessionRow, Store } from "../ports/store.ts";
import { bytesEqual, bytesToHex, hexToBytes } from "../../protocol/kernel/bytes.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import { inspectBatch } from "./change-batch.ts";
import type { ChangeInspector } from "./change-inspector.ts";
import type { DocumentIndexer } from "./document-indexer.ts";
import { storeChanges } from "./integrate.ts";
import type { Repository } from "./repository.ts";
import type { RepositoryService } from "./repository-service.ts";

type Answer<T> = Promise<Result<T, ContractError>>;
type Emit = (message: Result<OpenDocumentEvent, ContractError>) => void;

/** An open document: somebody who sees it and, with a session of its own, may write it. */
interface Lease {
  readonly id: string;
  readonly release: (() => void) | undefined;
  readonly repository: Repository;
  readonly document: DocumentRow;
  readonly session: SessionRow | undefined;
  readonly emit: Emit;
}

export interface DocumentService {
  readonly find: (id: string) => { readonly repository: Repository; readonly row: DocumentRow } | undefined;
  /**
   * `along` writes more in the transaction that makes the document durable. With durability `soon` the document may be lost in a
   * power cut until the store is flushed, and nothing of it is sent before it is sealed.
   */
  readonly create: (
    repository: Repository,
    document: NewDocument,
    did?: Uint8Array,
    along?: () => void,
    durability?: "now" | "soon",
  ) => Answer<DocumentSummary & Heads>;
  readonly list: (repository: Repository, deleted: "include" | "only" | "exclude") => readonly DocumentSummary[];
  readonly read: (id: string) => Answer<DocumentContent>;
  readonly edit: (id: string, edits: readonly NoteEdit[]) => Answer<Heads>;
  /** Commits changes that `make` computes in the name of the session it is given. */
  readonly write: (
    id: string,
    make: (session: SessionRow) => Promise<Result<readonly Uint8Array[], ContractError>>,
  ) => Answer<Heads>;
  readonly open: (id: string, emit: Emit) => () => void;
  readonly apply: (lease: string, changes: readonly Uint8Array[]) => Answer<Heads>;
  /** Changes that the replica of an open document has forgotten and now needs again, by their hashes. */
  readonly recall: (lease: string, hashes: readonly string[]) => Answer<Recalled>;
  readonly lease: (
    lease: string,
  ) =>
    | { readonly repository: Repository; readonly document: DocumentRow; readonly session: SessionRow | undefined }
    | undefined;
  /** Shows changes that came from elsewhere to whoever has the document open. */
  readonly show: (document: number, changes: readonly Uint8Array[], except?: string) => void;
  /** Takes documents that lost changes away from whoever has them open; they open them again. */
  readonly expire: (documents: ReadonlySet<number>) => void;
  /** The same for every open document: their sessions have ended. */
  readonly expireAll: () => void;
  /** The same for whoever may write now and could not, or could and may not. */
  readonly expireWritable: (repository: Repository) => void;
  /** Takes changes that a co-editor sent ahead of their entry: shows them at once, then keeps them. */
  readonly takeLive: (
    repository: Repository,
    from: { readonly device: Uint8Array; readonly session: Uint8Array },
    did: Uint8Array,
    changes: readonly Uint8Array[],
  ) => void;
  readonly leasesOf: (document: number) => readonly { readonly id: string; readonly emit: Emit }[];
}

export const documentId = (repository: Repository, did: Uint8Array): string => repository.id + bytesToHex(did);

export const headsOf = (row: DocumentRow | undefined): readonly string[] => (row?.heads ?? []).map(bytesToHex);

export const summaryOf = (repository: Repository, row: DocumentRow): DocumentSummary => ({
  id: documentId(repository, row.did),
  notebook: repository.id,
  title: row.title,
  folder: row.folder,
  tags: row.tags,
  excerpt: row.excerpt,
  createdAt: row.createdAt,
  updatedAt: row.updatedAt,
  deleted: row.deleted,
});

const engineFailure = (error: EngineError): ContractError =>
  error.type === "OutOfRange" ? contractError("OutOfRange") : contractError("EngineFailed");

/** Documents as the contract offers them: read, edited as a whole, or opened live by an editor. */
export const createDocumentService = (deps: {
  readonly store: Store;
  readonly engine: Engine;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly log: Log;
  readonly inspect: ChangeInspector;
  readonly repositories: RepositoryService;
  readonly indexer: DocumentIndexer;
  /** Sends changes ahead of their entry to everyone connected who follows the repository. */
  readonly sendLive: (
    repository: Repository,
    session: SessionRow,
    did: Uint8Array,
    changes: readonly Uint8Array[],
  ) => boolean;
  readonly documentsChanged: (repository: Repository) => void;
}): DocumentService => {
  const { store, engine, clock, random, log, inspect, repositories, indexer } = deps;
  const leases = new Map<string, Lease>();

  const find = (id: string) => {
    const repository = repositories.byId(id.slice(0, 32));
    const did = hexToBytes(id.slice(32));
    if (repository === undefined || did === undefined) return undefined;
    const row = store.documents.byId(repository.n, did);
    return row === undefined ? undefined : { repository, row };
  };

  /** Makes local changes durable as drafts; they are acknowledged from here on. */
  const commitLocal = (
    repository: Repository,
    document: number,
    session: SessionRow,
    changes: readonly Uint8Array[],
  ): Result<readonly Uint8Array[], ContractError> => {
    if (changes.length === 0) return ok(changes);
    const unfit = (rule: string): ContractError =>
      contractError("BadChange", `That change does not fit the document (${rule}).`);
    const batch = inspectBatch(inspect, changes);
    if (!batch.ok) return err(unfit(batch.error));
    let refusal: ContractError | undefined;
    const written = store.transaction(() => {
      if (store.repositories.session(repository.n, session.session)?.state !== session.state) {
        refusal = contractError("LeaseExpired");
        return;
      }
      const next = store.documents.lastSeq(document, session.session) + 1;
      if (!bytesEqual(batch.value.actor, session.session) || batch.value.firstSeq !== next) {
        refusal = contractError("BadChange");
        return;
      }
      const stored = storeChanges(store, document, batch.value, "draft", clock.unix());
      if (!stored.ok) refusal = unfit(stored.error);
    });
    if (!written.ok) return err(storeFailure(written.error));
    return refusal === undefined ? ok(changes) : err(refusal);
  };

  const afterCommit = (
    repository: Repository,
    document: DocumentRow,
    session: SessionRow,
    changes: readonly Uint8Array[],
    urgency: "now" | "batched",
    except?: string,
  ): void => {
    const watched = deps.sendLive(repository, session, document.did, changes);
    show(document.n, changes, except);
    indexer.dirty(document.n);
    const bytes = changes.reduce((sum, change) => sum + change.length, 0);
    // Nothing goes ahead of its entry before the keys are changed, and sealing changes them.
    const isDue = !watched && !repositories.hasFreshKeys(repository);
    repositories.scheduleSeal(repository, urgency === "now" || isDue ? "now" : watched ? "live" : "idle", bytes);
  };

  const show: DocumentService["show"] = (document, changes, except) => {
    for (const lease of leases.values())
      if (lease.document.n === document && lease.id !== except) lease.emit(ok({ type: "changes", changes }));
  };

  const withSession = async <T>(repository: Repository, work: (session: SessionRow) => Answer<T>): Answer<T> => {
    if (!repositories.canWrite(repository)) return err(contractError("NotAllowed"));
    const lease = repositories.leaseSession(repository);
    if (!lease.ok) return err(storeFailure(lease.error));
    try {
      return await work(lease.value.session);
    } finally {
      lease.value.release();
    }
  };

  const expire = (concerned: (lease: Lease) => boolean): void => {
    for (const lease of leases.values()) {
      if (!concerned(lease)) continue;
      leases.delete(lease.id);
      lease.release?.();
      lease.emit(err(contractError("LeaseExpired")));
    }
  };

  const unixSeconds = (): number => Math.floor(clock.unix() / 1000);

  const create: DocumentService["create"] = (repository, document, did = random.bytes(16), along, durability = "now") =>
    withSession(repository, async (session) => {
      const made = await engine.create(bytesToHex(session.session), unixSeconds(), document);
      if (!made.ok) return err(engineFailure(made.error));
      const { changes, content } = made.value;
      let created = 0;
      let committed: Result<readonly Uint8Array[], ContractError> = ok(changes);
      const written = store.transaction(() => {
        created = store.documents.add(repository.n, did, clock.unix());
        committed = commitLocal(repository, created, session, changes);
        if (!committed.ok) return;
        indexer.write(repository, created, content);
        along?.();
      }, durability);
      if (!written.ok) return err(storeFailure(written.error));
      if (!committed.ok) return committed;
      indexer.publish(repository, created, content);
      const row = store.documents.byNumber(created) as DocumentRow;
      if (durability === "now") deps.sendLive(repository, session, did, changes);
      const bytes = changes.reduce((sum, change) => sum + change.length, 0);
      repositories.scheduleSeal(repository, "idle", bytes);
      deps.documentsChanged(repository);
      return ok({ ...summaryOf(repository, row), heads: headsOf(row) });
    });

  const edit: DocumentService["edit"] = async (id, edits) => {
    const found = find(id);
    if (found === undefined) return err(contractError("DocumentNotFound"));
    const { repository, row } = found;
    return withSession(repository, (session) =>
      indexer.withLoaded(row.n, async () => {
        const edited = await engine.edit(row.n, bytesToHex(session.session), unixSeconds(), edits);
        if (!edited.ok) return err(engineFailure(edited.error));
        const { changes } = edited.value;
        if (changes.length > 0) {
          const committed = commitLocal(repository, row.n, session, changes);
          if (!committed.ok) {
            // The engine holds changes that the store refused: forget its copy.
            await engine.unload(row.n);
            indexer.forget(row.n);
            return committed;
          }
          afterCommit(repository, row, session, changes, "now");
        }
        return ok({ heads: store.documents.heads(row.n).map(bytesToHex) });
      }),
    );
  };

  const write: DocumentService["write"] = async (id, make) => {
    const found = find(id);
    if (found === undefined) return err(contractError("DocumentNotFound"));
    const { repository, row } = found;
    return withSession(repository, async (session) => {
      const made = await make(session);
      if (!made.ok) return made;
      if (made.value.length > 0) {
        const committed = commitLocal(repository, row.n, session, made.value);
        if (!committed.ok) return committed;
        afterCommit(repository, row, session, made.value, "now");
      }
      return ok({ heads: headsOf(store.documents.byNumber(row.n)) });
    });
  };

  return {
    find,
    create,
    edit,
    write,
    show,
    list: (repository, deleted) =>
      store.documents
        .list(repository.n)
        .filter((row) => row.type === "note" && (deleted === "include" || row.deleted === (deleted === "only")))
        .map((row) => summaryOf(repository, row)),
    read: async (id) => {
      const found = find(id);
      if (found === undefined) return err(contractError("DocumentNotFound"));
      const { repository, row } = found;
      // Heads before loading: what is read contains at least them, and a change that comes meanwhile is read again.
      const heads = headsOf(row);
      return indexer.withLoaded(row.n, async () => {
        const content = await engine.read(row.n);
        if (!content.ok) return err(engineFailure(content.error));
        const { title, text, markdown } = content.value satisfies NoteContent;
        return ok({ id, notebook: repository.id, title, text, markdown, heads });
      });
    },
    open: (id, emit) => {
      const found = find(id);
      if (found === undefined) {
        emit(err(contractError("DocumentNotFound")));
        return () => undefined;
      }
      const { repository, row } = found;
      const leased = repositories.canWrite(repository) ? repositories.leaseSession(repository) : undefined;
      if (leased !== undefined && !leased.ok) {
        emit(err(storeFailure(leased.error)));
        return () => undefined;
      }
      const session = leased?.value.session;
      const leaseId = bytesToHex(random.bytes(16));
      const snapshot = store.documents.snapshot(row.n);
      const { changes } = store.documents.changesAfter(row.n, snapshot?.upTo ?? 0);
      indexer.opened(row.n, changes);
      leases.set(leaseId, { id: leaseId, release: leased?.value.release, repository, document: row, session, emit });
      emit(
        ok({
          type: "opened",
          lease: leaseId,
          // A reader's replica never makes a change; its actor only has to be one nobody else uses.
          actor: bytesToHex(session?.session ?? random.bytes(16)),
          title: row.title,
          writable: session !== undefined,
          snapshot: snapshot?.bytes ?? null,
          changes,
        }),
      );
      return () => {
        if (leases.delete(leaseId)) leased?.value.release();
      };
    },
    apply: async (leaseId, changes) => {
      const lease = leases.get(leaseId);
      if (lease === undefined) return err(contractError("LeaseExpired"));
      const { repository, document, session } = lease;
      if (session === undefined || !repositories.canWrite(repository)) return err(contractError("NotAllowed"));
      const committed = commitLocal(repository, document.n, session, changes);
      if (!committed.ok) return committed;
      afterCommit(repository, document, session, changes, "batched", leaseId);
      return ok({ heads: store.documents.heads(document.n).map(bytesToHex) });
    },
    expire: (documents) => expire(({ document }) => documents.has(document.n)),
    expireAll: () => expire(() => true),
    expireWritable: (repository) => {
      const writable = repositories.canWrite(repository);
      expire((lease) => lease.repository === repository && (lease.session !== undefined) !== writable);
    },
    recall: async (leaseId, hashes) => {
      const lease = leases.get(leaseId);
      if (lease === undefined) return err(contractError("LeaseExpired"));
      const wanted = hashes.flatMap((hash) => hexToBytes(hash) ?? []);
      return ok({ changes: store.documents.changesByHash(lease.document.n, wanted) });
    },
    lease: (id) => leases.get(id),
    leasesOf: (document) => [...leases.values()].filter((lease) => lease.document.n === document),
    takeLive: (repository, from, did, changes) => {
      const row = store.documents.byId(repository.n, did);
      const session = store.repositories.session(repository.n, from.session);
      if (row === undefined || (session !== undefined && !bytesEqual(session.device, from.device))) return;
      const batch = inspectBatch(inspect, changes);
      if (!batch.ok || !bytesEqual(batch.value.actor, from.session)) return;
      // Before they are kept: eyes need not wait for the disk.
      const isNews = store.documents.runsFrom(row.n, batch.value.actor, batch.value.firstSeq).length === 0;
      if (isNews) show(row.n, changes);
      let hasNew = isNews;
      const kept = store.transaction(() => {
        const stored = storeChanges(store, row.n, batch.value, "draft", clock.unix());
        if (isNews) return;
        // Refused or early ones come again, in order, inside their entry.
        const fresh = stored.ok ? stored.value : changes;
        hasNew = fresh.length > 0;
        if (hasNew) show(row.n, fresh);
        // What is lost in a power cut comes again in its entry, and an own edit on top of it waits for the disk for both.
      }, "soon");
      if (!kept.ok) log.warn("live change not kept", { fault: kept.error.type });
      if (hasNew) indexer.dirty(row.n);
    },
  };
};
