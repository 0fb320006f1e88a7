import type { AttachmentService } from "./attachments/attachment-service.ts";
import { createAttachmentService } from "./attachments/attachment-service.ts";
import type { OpenFile } from "./attachments/read-file.ts";
import type { CallName } from "./contract/contract.ts";
import type { ContractError } from "./contract/errors.ts";
import { contractError } from "./contract/errors.ts";
import type { Handlers } from "./contract/handlers.ts";
import type { AppEvent, Member, Notebook, Presence, SyncSummary } from "./contract/types.ts";
import type { DeviceService } from "./devices/device-service.ts";
import { createDeviceService } from "./devices/device-service.ts";
import { createAuthors } from "./history/authors.ts";
import { createHistoryService } from "./history/history-service.ts";
import { createMergeNotices } from "./history/merge-notices.ts";
import type { Profile } from "./identities/profile.ts";
import type { OwnRecord } from "./identities/identity-service.ts";
import { storeFailure } from "./identities/identity-service.ts";
import type { Listening } from "./peers/peer-service.ts";
import { createPeerService } from "./peers/peer-service.ts";
import type { BlobStore } from "./ports/blob-store.ts";
import type { Clock } from "./ports/clock.ts";
import type { Compactor } from "./ports/compactor.ts";
import type { Discovery } from "./ports/discovery.ts";
import type { Engine, NoteEdit } from "./ports/engine.ts";
import type { Files } from "./ports/file.ts";
import type { FolderReader, FolderWriter } from "./ports/folder.ts";
import type { HistoryReader } from "./ports/history-reader.ts";
import type { Link, Links } from "./ports/links.ts";
import type { ItemOpener } from "./ports/item-opener.ts";
import type { Log } from "./ports/log.ts";
import type { SearchIndex } from "./ports/search-index.ts";
import type { StorageMeter } from "./ports/storage-meter.ts";
import type { Store, StoreError, TopicRow } from "./ports/store.ts";
import { createProxyService } from "./proxies/proxy-service.ts";
import { createSyncReport } from "./proxies/sync-report.ts";
import { createProfilePortability } from "./portability/profile-portability.ts";
import { createPortability } from "./portability/portability-service.ts";
import { createDocumentIndexer, memberNames } from "./repositories/document-indexer.ts";
import { documentPage, folderCounts } from "./repositories/document-lists.ts";
import { createDocumentService, documentId } from "./repositories/document-service.ts";
import type { ChangeInspector } from "./repositories/change-inspector.ts";
import { createCheckpointService } from "./repositories/checkpoint-service.ts";
import { createTopicItems } from "./repositories/item-source.ts";
import { foundRepository } from "./repositories/genesis.ts";
import type { Repository } from "./repositories/repository.ts";
import { NOTEBOOK_DOCUMENT } from "./repositories/repository.ts";
import type { RepositoryService } from "./repositories/repository-service.ts";
import { createRepositoryService } from "./repositories/repository-service.ts";
import { createSliceQueue } from "./runtime/slices.ts";
import { listActivity } from "./sharing/activity.ts";
import { createCopies } from "./sharing/copies.ts";
import { createInviteService } from "./sharing/invite-service.ts";
import { createMemberService } from "./sharing/member-service.ts";
import { createPresence, PRESENCE_TIME } from "./sharing/presence.ts";
import type { CryptoProvider } from "../protocol/crypto/provider.ts";
import { bytesEqual, bytesToHex, hexToBytes } from "../protocol/kernel/bytes.ts";
import type { RandomSource } from "../protocol/kernel/random.ts";
import type { Result } from "../protocol/kernel/result.ts";
import { err, ok } from "../protocol/kernel/result.ts";
import { durationMs } from "../protocol/kernel/time.ts";

/** Everything an open profile needs from the node around it. */
export interface CorePorts {
  readonly profile: Profile;
  readonly record: OwnRecord;
  /** What this device calls itself until a person renames it. */
  readonly deviceName: string;
  readonly store: Store;
  /** The store is an older copy of what this device wrote. */
  readonly isRolledBack: boolean;
  readonly engine: Engine;
  readonly search: SearchIndex;
  readonly meter: StorageMeter;
  readonly history: HistoryReader;
  readonly compactor: Compactor;
  readonly links: Links;
  /** Absent: the node announces nothing and finds nobody by itself. */
  readonly discovery: Discovery | undefined;
  /** Where the node accepts connections. */
  readonly listening: Listening;
  readonly folders: {
    readonly reader: (path: string) => FolderReader;
    readonly writer: (path: string) => FolderWriter;
  };
  readonly files: Files;
  /** Ciphertext of attachments. */
  readonly blobs: BlobStore;
  readonly inspect: ChangeInspector;
  /** Raw DEFLATE; answers `undefined` beyond `maxOutput` bytes. */
  readonly inflateRaw: (bytes: Uint8Array, maxOutput: number) => Uint8Array | undefined;
  readonly opener: ItemOpener;
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly clock: Clock;
  readonly log: Log;
  /** True while the node holds its links. */
  readonly isPaused: () => boolean;
  readonly emit: (event: AppEvent) => void;
}

/** Operations that the host implements, not the core. */
export type ShellOperation = Extract<CallName, `shell.${string}`>;
/** Operations that answer without an open profile. */
export type NodeOperation =
  | "app.info"
  | "workspace.show"
  | "vault.status"
  | "vault.unlock"
  | "vault.lock"
  | "identity.create"
  | "identity.show"
  | "identity.confirmPhrase"
  | "identity.pair"
  | "identity.pairing"
  | "identity.confirmPairing"
  | "identity.cancelPairing"
  | "identity.restore"
  | "settings.get"
  | "sync.pause"
  | Extract<CallName, `backup.${string}`>
  | "node.stop"
  | "events";

export interface Core {
  readonly handlers: Omit<Handlers, ShellOperation | NodeOperation>;
  readonly settings: () => Readonly<Record<string, string>>;
  readonly summary: () => SyncSummary;
  /** Takes a connection that someone else opened. */
  readonly accept: (link: Link) => void;
  /** Gives this new device the name it was signed in by, and says where other own devices listen. */
  readonly settle: (deviceName: string, addresses: readonly string[]) => void;
  /** An attachment of a notebook as the window shows it; what is missing is fetched while it is read. */
  readonly readAttachment: (notebook: string, blob: string) => Promise<Result<OpenFile, ContractError>>;
  /** Seals what is written into entries. */
  readonly seal: () => void;
  /** Takes up the documents that lists and search do not know yet. */
  readonly index: () => void;
  /** Tells the node that the computer woke up or the network changed. */
  readonly wake: () => void;
  /** Seals drafts, closes connections and stops workers; the store stays open for the host to close. */
  readonly stop: () => Promise<void>;
}

/** Status events are coalesced: a sync of thousands of items is one line on the screen. */
const EVENT_DELAY = durationMs(100);
/** Longest wait for one part of the node to stop. */
const STOP_STEP = durationMs(1_500);

/** Composes the services of one open profile and implements the contract with them. */
export const createCore = (ports: CorePorts): Core => {
  const { profile, store, crypto, random, clock, log, inspect, engine, emit } = ports;
  const slices = createSliceQueue(clock);
  let isStopped = false;
  let pendingStatus: (() => void) | undefined;
  const changedDocuments = new Set<Repository>();
  let documentsTimer: (() => void) | undefined;
  /** Takes carets away when nothing was heard of them for too long. */
  const presenceTimers = new Map<number, () => void>();

  const fault = (error: StoreError): void => {
    log.error("store fault", { type: error.type });
    emit({ type: "problem", error: storeFailure(error) });
  };
  const statusChanged = (): void => {
    if (isStopped) return;
    pendingStatus ??= clock.after(EVENT_DELAY, () => {
      pendingStatus = undefined;
      emit({ type: "peersChanged" });
      emit({ type: "syncChanged", summary: report.summary() });
    });
  };
  const documentsChanged = (repository: Repository): void => {
    changedDocuments.add(repository);
    if (isStopped) return;
    documentsTimer ??= clock.after(EVENT_DELAY, () => {
      documentsTimer = undefined;
      for (const { id } of changedDocuments) emit({ type: "documentsChanged", notebook: id });
      changedDocuments.clear();
      emit({ type: "notebooksChanged" });
    });
  };

  const repositories: RepositoryService = createRepositoryService({
    store,
    crypto,
    random: random.fork("repositories"),
    clock,
    log,
    inspect,
    inflateRaw: ports.inflateRaw,
    opener: ports.opener,
    slices,
    observer: {
      integrated: (integration) => {
        const { repository, changes, rebuilt, accessChanged } = integration;
        for (const document of rebuilt) {
          indexer.forget(document);
          ports.history.forget(document);
          indexer.dirty(document);
        }
        if (rebuilt.size > 0) documents.expire(rebuilt);
        for (const [document, list] of changes) {
          documents.show(document, list);
          indexer.dirtyByEntry(document);
        }
        if (accessChanged) devices.accessChanged(repository);
        if (devices.isHome(repository)) return;
        merges.integrated(integration);
        if (accessChanged) {
          documents.expireWritable(repository);
          invites.accessChanged(repository);
          emit({ type: "membersChanged", notebook: repository.id });
          emit({ type: "notebooksChanged" });
          invites.introduce(repository);
          checkpoints.accessChanged(repository);
        }
        statusChanged();
      },
      stored: (topic, item, source) => {
        items.added(topic, item);
        peers.stored(topic, item, source);
        proxies.stored(source);
        if (topic.kind === "rendezvous" && source !== undefined) {
          invites.received(topic, item);
          devices.received(topic, item);
        }
        checkpoints.stored(topic, item, source === undefined);
      },
      topicsChanged: () => {
        peers.topicsChanged();
        proxies.topicsChanged();
      },
      sessionsEnded: () => documents.expireAll(),
      fault,
    },
  });

  const items = createTopicItems(store, (pk) => repositories.topicByPk(pk));

  const checkpoints = createCheckpointService({
    store,
    crypto,
    random: random.fork("checkpoints"),
    clock,
    log,
    slices,
    compactor: ports.compactor,
    repositories,
    covered: (topic) => {
      items.changed(topic);
      peers.topicsChanged();
    },
  });

  const indexer = createDocumentIndexer({
    store,
    engine,
    search: ports.search,
    clock,
    log,
    repositories,
    refer: (repository, document, references) => attachments.refer(repository, document, references),
    indexed: (repository, document) => {
      if (!devices.isHome(repository)) documentsChanged(repository);
      const row = store.documents.byNumber(document);
      if (row === undefined || !bytesEqual(row.did, NOTEBOOK_DOCUMENT)) return;
      devices.indexed(repository);
      if (devices.isHome(repository)) return;
      emit({ type: "membersChanged", notebook: repository.id });
      statusChanged();
      invites.introduce(repository);
    },
    searchChanged: () => emit({ type: "searchChanged" }),
  });

  const presence = createPresence({
    clock,
    nameOf: (repository, device) => {
      const member = repository.access.memberOfDevice(device);
      return member === undefined ? undefined : memberNames(store, repository)[bytesToHex(member.idRoot)];
    },
  });

  const copies = createCopies({ store, clock, log, meter: ports.meter, device: profile.device.publicKey });

  const isFollowed = (repository: Repository, topic: TopicRow): boolean =>
    topic.state !== "history" || !checkpoints.isCovered(repository);

  const peers = createPeerService({
    links: ports.links,
    listening: ports.listening,
    discovery: ports.discovery,
    profile,
    store,
    crypto,
    random: random.fork("peers"),
    clock,
    log,
    repositories,
    items,
    liveReceived: (repository, from, data) => {
      if (data.type === "changes") documents.takeLive(repository, from, data.doc, data.changes);
      else if (data.type === "presence") {
        const did = presence.received(repository, from.device, data.state);
        const row = did === undefined ? undefined : store.documents.byId(repository.n, did);
        if (row !== undefined) showPresence(repository, row.n, row.did);
      }
    },
    isFollowed,
    chunks: {
      serve: (repository, id) => attachments.serve(repository, id),
      received: (source, repository, id, bytes) => attachments.received(source, repository, id, bytes),
      sourcesChanged: () => attachments.sourcesChanged(),
    },
    copies,
    changed: statusChanged,
    delivered: statusChanged,
    deviceSeen: (device) => devices.seen(device),
  });

  const proxies = createProxyService({
    store,
    links: ports.links,
    crypto,
    random: random.fork("proxies"),
    clock,
    log,
    repositories,
    itemSet: (topic) => items.itemSet(topic),
    isFollowed,
    chunks: {
      serve: (repository, id) => attachments.serve(repository, id),
      received: (source, repository, id, bytes) => attachments.received(source, repository, id, bytes),
      sourcesChanged: () => attachments.sourcesChanged(),
    },
    changed: statusChanged,
    fault,
  });

  const documents = createDocumentService({
    store,
    engine,
    clock,
    random: random.fork("documents"),
    log,
    inspect,
    repositories,
    indexer,
    sendLive: (repository, session, did, changes) =>
      peers.sendLive(repository, session.session, { type: "changes", doc: did, changes }),
    documentsChanged,
  });

  const attachments: AttachmentService = createAttachmentService({
    store,
    blobs: ports.blobs,
    files: ports.files,
    engine,
    crypto,
    clock,
    log,
    repositories,
    documents,
    indexer,
    sources: {
      of: (repository) => [...peers.chunkSources(repository), ...proxies.chunkSources(repository)],
      ask: (source, repository, id, urgent) => {
        if (!proxies.fetchChunk(source, repository, id)) peers.fetchChunk(source, repository, id, urgent);
      },
    },
    changed: ({ id }, blob, state, held, size) =>
      emit({ type: "attachmentChanged", notebook: id, blob, state, held, size }),
    progress: (token, done, total) => emit({ type: "attachmentProgress", token, done, total }),
    chunksCame: () => proxies.chunksChanged(),
    fault,
  });

  const invites = createInviteService({
    store,
    crypto,
    random: random.fork("invites"),
    clock,
    log,
    repositories,
    peers,
    proxies,
    documents,
    profile,
    changed: () => emit({ type: "invitesChanged" }),
    notebooksChanged: () => emit({ type: "notebooksChanged" }),
  });

  const authorOf = createAuthors(store, profile);
  const history = createHistoryService({ store, clock, reader: ports.history, documents, authorOf });
  const merges = createMergeNotices({
    store,
    clock,
    log,
    inspect,
    authorOf,
    merged: (repository, row) => emit({ type: "documentMerged", document: documentId(repository, row.did) }),
  });

  const members = createMemberService({
    store,
    crypto,
    random: random.fork("members"),
    repositories,
    profile,
  });

  const devices: DeviceService = createDeviceService({
    store,
    crypto,
    random: random.fork("devices"),
    clock,
    log,
    links: ports.links,
    repositories,
    documents,
    members,
    peers,
    profile,
    record: ports.record,
    deviceName: ports.deviceName,
    identityChanged: () => emit({ type: "identityChanged" }),
    notebooksChanged: () => {
      emit({ type: "notebooksChanged" });
      statusChanged();
    },
    changed: () => emit({ type: "devicesChanged" }),
  });

  const portability = createPortability({
    store,
    engine,
    clock,
    crypto,
    random: random.fork("portability"),
    folders: ports.folders,
    documents,
    indexer,
    attachments,
    progress: (notebook, progress) => emit({ type: "importProgress", notebook, ...progress }),
  });

  const profilePortability = createProfilePortability({
    store,
    engine,
    crypto,
    clock,
    random: random.fork("profile-portability"),
    folders: ports.folders,
    indexer,
    attachments,
    documents,
    profile,
    repositories,
    found: (title) => found(title),
    flush: () => {
      const flushed = store.flush();
      return flushed.ok ? flushed : err(storeFailure(flushed.error));
    },
    describe: (repository) => notebookOf(repository),
    emit,
  });

  const found = (title: string): ReturnType<typeof foundRepository> =>
    foundRepository({ crypto, random, clock, repositories, documents }, profile, title);

  const notebookOf = (repository: Repository): Notebook => {
    const row = store.repositories.all().find(({ n }) => n === repository.n);
    const members = repository.access.members();
    const own = members.find(({ idRoot }) => bytesEqual(idRoot, profile.idRoot));
    return {
      id: repository.id,
      title: row?.title ?? "",
      role: own?.role ?? (repository.epoch.topicKey === null ? "reader" : "writer"),
      membership: repositories.membership(repository),
      documentCount: store.repositories.counts(repository.n).documents,
      memberCount: members.length,
      updatedAt: row?.updatedAt ?? 0,
    };
  };

  const membersOf = (repository: Repository): readonly Member[] => {
    const names = memberNames(store, repository);
    const online = peers.present(repository);
    return repository.access.members().map(({ idRoot, role, devices }) => {
      const id = bytesToHex(idRoot);
      const own = bytesEqual(profile.idRoot, idRoot);
      return {
        id,
        name: own ? profile.name : (names[id] ?? `Member ${id.slice(0, 8)}`),
        role,
        self: own,
        online: own || online.some((member) => bytesEqual(member.idRoot, idRoot)),
        seenAt: devices.reduce<number | null>((latest, device) => {
          const at = copies.seenAt(repository, device);
          return at === null || (latest !== null && latest > at) ? latest : at;
        }, null),
      };
    });
  };

  const report = createSyncReport({ store, repositories, peers, proxies, isPaused: ports.isPaused });

  const showPresence = (repository: Repository, document: number, did: Uint8Array): void => {
    const present: readonly Presence[] = presence.of(repository, did);
    for (const lease of documents.leasesOf(document)) lease.emit(ok({ type: "presence", present }));
    presenceTimers.get(document)?.();
    presenceTimers.delete(document);
    if (present.length > 0)
      presenceTimers.set(
        document,
        clock.after(PRESENCE_TIME, () => showPresence(repository, document, did)),
      );
  };

  const withNotebook = async <T>(
    id: string,
    work: (repository: Repository) => Promise<Result<T, ContractError>> | Result<T, ContractError>,
  ): Promise<Result<T, ContractError>> => {
    const repository = repositories.byId(id);
    return repository === undefined || devices.isHome(repository)
      ? err(contractError("NotebookNotFound"))
      : work(repository);
  };

  const after = <T>(done: Result<null, ContractError>, show: () => T): Result<T, ContractError> =>
    done.ok ? ok(show()) : done;

  /** Waits for `work`, but not longer than a person waits for a window to close; everything that matters is durable already. */
  const atMost = (part: string, work: Promise<void>): Promise<void> =>
    new Promise((resolve) => {
      const cancel = clock.after(STOP_STEP, () => {
        log.warn("still stopping", { part });
        resolve();
      });
      void work
        .catch((cause: unknown) => log.error("not stopped cleanly", { part, cause: String(cause) }))
        .finally(() => {
          cancel();
          resolve();
        });
    });

  const handlers: Core["handlers"] = {
    ...devices.handlers,
    "notebooks.create": async ({ title }) => {
      const founded = await found(title);
      if (!founded.ok) return founded;
      emit({ type: "notebooksChanged" });
      devices.notebooksChanged();
      return ok(notebookOf(founded.value));
    },
    "notebooks.list": async () => ok(repositories.all().map(notebookOf)),
    "notebooks.rename": ({ notebook, title }) =>
      withNotebook(notebook, async (repository) => {
        const edited = await documents.edit(documentId(repository, NOTEBOOK_DOCUMENT), [{ type: "setTitle", title }]);
        if (!edited.ok) return edited;
        const written = store.transaction(() => store.repositories.setTitle(repository.n, title));
        if (!written.ok) return err(storeFailure(written.error));
        emit({ type: "notebooksChanged" });
        return ok(notebookOf(repository));
      }),
    "notebooks.members": ({ notebook }) => withNotebook(notebook, (repository) => ok(membersOf(repository))),

    "notebooks.copies": ({ notebook }) =>
      withNotebook(notebook, async (repository) =>
        ok(
          await copies.describe(
            repository,
            membersOf(repository),
            peers.present(repository),
            proxies.safety(repository),
          ),
        ),
      ),
    "notebooks.leave": ({ notebook }) =>
      withNotebook(notebook, (repository) => after(members.leave(repository), () => notebookOf(repository))),
    "notebooks.transfer": ({ notebook, member }) =>
      withNotebook(notebook, (repository) => after(members.transfer(repository, member), () => notebookOf(repository))),
    "notebooks.changeKeys": ({ notebook }) =>
      withNotebook(notebook, (repository) => after(members.rotate(repository), () => notebookOf(repository))),
    "members.setRole": ({ notebook, member, role }) =>
      withNotebook(notebook, (repository) =>
        after(members.setRole(repository, member, role), () => membersOf(repository)),
      ),
    "members.remove": ({ notebook, members: who, discardAfter }) =>
      withNotebook(notebook, (repository) =>
        after(members.remove(repository, who, discardAfter), () => membersOf(repository)),
      ),
    "activity.list": ({ notebook, limit, before, member, type }) =>
      withNotebook(notebook, (repository) =>
        ok(listActivity(store, repository, { limit: limit ?? 100, before, member, type })),
      ),

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
    "documents.restore": ({ document }) => documents.edit(document, [{ type: "setDeleted", at: null }]),
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
    "versions.list": ({ document }) => history.versions(document),
    "versions.name": ({ document, name, heads }) => history.name(document, name, heads),
    "versions.remove": ({ document, heads }) => history.unname(document, heads),

    "invites.create": ({ notebook, mode, role, maxUses, expiresAt }) =>
      withNotebook(notebook, (repository) =>
        invites.create(repository, { mode, role: role ?? "writer", maxUses, expiresAt }),
      ),
    "invites.list": ({ notebook }) => withNotebook(notebook, (repository) => ok(invites.list(repository))),
    "invites.revoke": ({ notebook, id }) => withNotebook(notebook, (repository) => invites.revoke(repository, id)),
    "invites.join": ({ link }) => {
      ports.compactor.prepare();
      return invites.join(link);
    },
    "invites.pending": async () => ok(invites.pending()),
    "invites.approve": ({ id }) => invites.approve(id),
    "invites.decline": ({ id }) => invites.decline(id),

    "peers.list": async () => ok(peers.list()),
    "peers.connect": ({ address }) => peers.connect(address),
    "proxies.add": (input) => proxies.add(input),
    "proxies.list": async () => ok(proxies.list()),
    "proxies.remove": ({ proxy }) => proxies.remove(proxy),
    "sync.status": async () => ok(report.status()),
    "sync.summary": async () => ok(report.summary()),
    "sync.checkpoint": ({ notebook }) =>
      withNotebook(notebook, async (repository) => ok({ made: await checkpoints.make(repository) })),

    "import.markdown": ({ path, notebook }) =>
      withNotebook(notebook, (repository) => portability.importMarkdown(repository, path)),
    ...profilePortability.handlers,
    "import.cancel": async ({ notebook }) => portability.cancelImport(notebook),
    "export.markdown": ({ notebook, path }) =>
      withNotebook(notebook, (repository) => portability.exportMarkdown(repository, path)),
    search: async ({ query, limit, notebook, scope }) => {
      const matches = await ports.search.search({
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
    "attachments.list": ({ document }) => attachments.list(document),
    "attachments.fetch": ({ document, blob }) => attachments.fetch(document, blob),
    "attachments.read": ({ document, blob, start, length }) =>
      attachments.readPiece(document, blob, start, start + length),
    "attachments.save": ({ document, blob, path }) => attachments.save(document, blob, path),
    "attachments.policy": ({ notebook, policy }) =>
      withNotebook(notebook, (repository) => attachments.setPolicy(repository, policy)),
    "storage.usage": async () => ok(attachments.usage()),
    "settings.set": async ({ key, value }) => {
      const written = store.transaction(() => store.meta.setSetting(key, value));
      return written.ok ? ok(null) : err(storeFailure(written.error));
    },
  };

  repositories.open(profile, ports.isRolledBack);
  checkpoints.open();
  invites.open();
  devices.open();
  peers.open();
  proxies.open();
  attachments.open();

  return {
    handlers,
    settings: () => store.meta.settings(),
    summary: report.summary,
    accept: (link) => peers.accept(link),
    settle: (deviceName, addresses) => {
      devices.callMyself(deviceName);
      for (const address of addresses) peers.offer(address);
    },
    readAttachment: (notebook, blob) => attachments.read(notebook, blob),
    seal: () => repositories.sealAll(),
    index: () => indexer.resume(),
    wake: () => {
      peers.wake();
      proxies.wake();
    },
    stop: async () => {
      isStopped = true;
      pendingStatus?.();
      documentsTimer?.();
      for (const cancel of presenceTimers.values()) cancel();
      repositories.sealAll();
      profilePortability.stop();
      slices.stop();
      invites.stop();
      checkpoints.stop();
      attachments.stop();
      const devicesEnd = devices.stop();
      const indexing = indexer.stop();
      // First: whoever closes the laptop counts on the always-on nodes having everything.
      await atMost("proxies", proxies.stop());
      await atMost("peers", peers.stop());
      copies.stop();
      // Before waiting for the indexer: it may be waiting for an engine that typing has only just started.
      await atMost("engine", engine.stop());
      await atMost("indexer", indexing);
      await atMost("devices", devicesEnd);
      await atMost("search", ports.search.stop());
      await atMost("history", ports.history.stop());
      await atMost("opener", ports.opener.stop());
      await atMost("compactor", ports.compactor.stop());
    },
  };
};
