import type { AttachmentService } from "./attachments/attachment-service.ts";
import { createAttachmentService } from "./attachments/attachment-service.ts";
import type { ContactService } from "./contacts/contact-service.ts";
import { createInboxService } from "./contacts/inbox-service.ts";
import { createContactService } from "./contacts/contact-service.ts";
import type { ContractError } from "./contract/errors.ts";
import { contractError } from "./contract/errors.ts";
import type { DeviceService } from "./devices/device-service.ts";
import { createDeviceService } from "./devices/device-service.ts";
import { createAuthors } from "./history/authors.ts";
import { createHistoryService } from "./history/history-service.ts";
import { createRecoveredCopies } from "./history/recovered-copies.ts";
import { createMergeNotices } from "./history/merge-notices.ts";
import { storeFailure } from "./identities/identity-service.ts";
import { checkNetwork } from "./peers/network-check.ts";
import { createPeerService } from "./peers/peer-service.ts";
import type { StoreError, TopicRow } from "./ports/store.ts";
import { createProxyService } from "./proxies/proxy-service.ts";
import { createSyncReport } from "./proxies/sync-report.ts";
import { createProfilePortability } from "./portability/profile-portability.ts";
import { createPortability } from "./portability/portability-service.ts";
import { createForgetting } from "./repositories/forgetting.ts";
import { createDocumentIndexer, memberNames } from "./repositories/document-indexer.ts";
import { createDocumentService, documentId } from "./repositories/document-service.ts";
import { createCheckpointService } from "./repositories/checkpoint-service.ts";
import { createTopicItems } from "./repositories/item-source.ts";
import { foundRepository } from "./repositories/genesis.ts";
import type { Repository } from "./repositories/repository.ts";
import { NOTEBOOK_DOCUMENT } from "./repositories/repository.ts";
import type { RepositoryService } from "./repositories/repository-service.ts";
import { createRepositoryService } from "./repositories/repository-service.ts";
import { createSliceQueue } from "./runtime/slices.ts";
import { createCopyService } from "./sharing/copy-service.ts";
import { createCopies } from "./sharing/copies.ts";
import { createInviteService } from "./sharing/invite-service.ts";
import { createMemberService } from "./sharing/member-service.ts";
import { createMoveService } from "./sharing/move-service.ts";
import { createPresence } from "./sharing/presence.ts";
import { bytesEqual, bytesToHex } from "../protocol/kernel/bytes.ts";
import type { Result } from "../protocol/kernel/result.ts";
import { err, ok } from "../protocol/kernel/result.ts";
import type { Core, CorePorts } from "./core-ports.ts";
import { createDocumentOperations } from "./operations/document-operations.ts";
import { createFollowingOperations } from "./operations/following-operations.ts";
import { createNotebookOperations } from "./operations/notebook-operations.ts";
import { createWithNotebook } from "./operations/with-notebook.ts";
import { atMost } from "./runtime/at-most.ts";
import { createChangeNotices } from "./runtime/change-notices.ts";
import { createFollowing } from "./sharing/following.ts";
import { createNotebookView } from "./sharing/notebook-view.ts";

/** Composes the services of one open profile and implements the contract with them. */
export const createCore = (ports: CorePorts): Core => {
  const { profile, store, crypto, random, clock, log, inspect, engine, emit } = ports;
  const slices = createSliceQueue(clock);

  const fault = (error: StoreError): void => {
    log.error("store fault", { type: error.type });
    emit({ type: "problem", error: storeFailure(error) });
  };
  const notices = createChangeNotices({ clock, emit, summary: () => report.summary() });
  const { statusChanged, documentsChanged } = notices;

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
        if (accessChanged || rebuilt.size > 0) recovered.changed(repository);
        if (accessChanged) {
          documents.expireWritable(repository);
          invites.accessChanged(repository);
          emit({ type: "membersChanged", notebook: repository.id });
          emit({ type: "notebooksChanged" });
          invites.introduce(repository);
          contacts.met(repository);
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
          inbox.received(topic, item);
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
    owed: () => proxies.stored(undefined),
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
      contacts.met(repository);
    },
    searchChanged: () => emit({ type: "searchChanged" }),
  });

  const presence = createPresence({
    clock,
    changed: (repository, did, present) => {
      const row = store.documents.byId(repository.n, did);
      if (row === undefined) return;
      for (const lease of documents.leasesOf(row.n)) lease.emit(ok({ type: "presence", present }));
    },
    nameOf: (repository, device) => {
      const member = repository.access.memberOfDevice(device);
      return member === undefined ? undefined : memberNames(store, repository)[bytesToHex(member.idRoot)];
    },
  });

  const following = createFollowing(store);
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
      else if (data.type === "presence") presence.received(repository, from.device, data.state);
    },
    isFollowed,
    following,
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
    following,
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
    history: ports.history,
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

  const contacts: ContactService = createContactService({
    store,
    crypto,
    random: random.fork("contacts"),
    clock,
    log,
    repositories,
    peers,
    proxies,
    profile,
    seenAt: copies.seenAt,
    refreshHome: () => devices.notebooksChanged(),
    changed: () => emit({ type: "contactsChanged" }),
    inboxChanged: () => {
      inbox.open();
      for (const repository of repositories.all()) invites.introduce(repository);
    },
  });
  const inbox = createInboxService({
    store,
    crypto,
    random: random.fork("inbox"),
    clock,
    log,
    repositories,
    peers,
    proxies,
    profile,
    contacts,
    seenAt: copies.seenAt,
    changed: () => emit({ type: "invitesChanged" }),
    notebooksChanged: () => {
      emit({ type: "notebooksChanged" });
      devices.notebooksChanged();
    },
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
    contacts,
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
    news: contacts.news,
    take: contacts.take,
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
    inspect,
    inflateRaw: ports.inflateRaw,
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
    describe: (repository) => view.notebook(repository),
    emit,
  });

  const found = (title: string): ReturnType<typeof foundRepository> =>
    foundRepository({ store, crypto, random, clock, repositories, documents }, profile, title);

  const notebooksChanged = (): void => {
    emit({ type: "notebooksChanged" });
    devices.notebooksChanged();
  };
  const recovered = createRecoveredCopies({
    store,
    engine,
    clock,
    inspect,
    repositories,
    documents,
    attachments,
    profile,
    log,
    notify: () => emit({ type: "recoveredChanged" }),
  });
  const moves = createMoveService({
    store,
    engine,
    crypto,
    random: random.fork("moves"),
    clock,
    log,
    repositories,
    documents,
    indexer,
    attachments,
    profile,
    authorOf,
    notebooksChanged,
    documentsChanged,
  });

  const copying = createCopyService({
    store,
    engine,
    crypto,
    random: random.fork("copies"),
    clock,
    log,
    repositories,
    documents,
    indexer,
    attachments,
    profile,
    notebooksChanged,
  });
  const forgetting = createForgetting({ store, blobs: ports.blobs, search: ports.search, slices, following, log });
  const forget = (repository: Repository): Result<null, ContractError> => {
    const membership = repositories.membership(repository);
    if (membership !== "removed" && membership !== "left")
      return err(contractError("NotAllowed", "Leave the notebook first."));
    const rows = store.documents.list(repository.n);
    const marked = devices.forget(repository);
    if (!marked.ok) return marked;
    const forgotten = repositories.forget(repository);
    if (!forgotten.ok) return err(storeFailure(forgotten.error));
    documents.expire(new Set(rows.map(({ n }) => n)));
    for (const { n } of rows) {
      indexer.forget(n);
      ports.history.forget(n);
      void engine.unload(n);
    }
    forgetting.start(repository.n, repository.rid);
    emit({ type: "notebooksChanged" });
    emit({ type: "recoveredChanged" });
    return ok(null);
  };
  const view = createNotebookView({ store, profile, repositories, peers, copies, contacts });

  const report = createSyncReport({ store, repositories, peers, proxies, isPaused: ports.isPaused });

  const withNotebook = createWithNotebook(repositories, (repository) => devices.isHome(repository));

  const notebookOperations = createNotebookOperations({
    store,
    repositories,
    documents,
    copies,
    members,
    invites,
    peers,
    proxies,
    view,
    withNotebook,
    found,
    created: notebooksChanged,
    copy: copying.copy,
    forget,
    emit,
    prepareBundles: () => ports.compactor.prepare(),
  });
  const followingOperations = createFollowingOperations({
    store,
    repositories,
    following,
    copies,
    peers,
    proxies,
    withNotebook,
    statusChanged,
  });
  const documentOperations = createDocumentOperations({
    store,
    clock,
    search: ports.search,
    repositories,
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
  });

  const handlers: Core["handlers"] = {
    ...devices.handlers,
    ...contacts.handlers,
    ...inbox.handlers,
    "contacts.invite": ({ contact, notebook, role }) =>
      withNotebook(notebook, async (repository) => {
        const invited = await inbox.invite(repository, contact, role ?? "writer");
        return invited.ok ? ok(view.members(repository)) : invited;
      }),
    ...notebookOperations,
    ...documentOperations,
    ...followingOperations,
    "peers.list": async () => ok(peers.list()),
    "peers.connect": ({ address }) => peers.connect(address),
    "network.check": async () =>
      ok(
        await checkNetwork({
          clock,
          discovery: ports.discovery,
          facts: () => ({
            isPaused: ports.isPaused(),
            listening: peers.listening(),
            peers: peers.list(),
            proxies: proxies.list(),
          }),
        }),
      ),
    "proxies.add": (input) => proxies.add(input),
    "proxies.list": async () => ok(proxies.list()),
    "proxies.remove": ({ proxy }) => proxies.remove(proxy),
    "sync.status": async () => ok(report.status()),
    "sync.summary": async () => ok(report.summary()),
    "sync.checkpoint": ({ notebook }) =>
      withNotebook(notebook, async (repository) => {
        const made = await checkpoints.make(repository);
        return ok({ made, retired: made ? await checkpoints.retire(repository) : 0 });
      }),

    "import.markdown": ({ path, notebook }) =>
      withNotebook(notebook, (repository) => portability.importMarkdown(repository, path)),
    ...profilePortability.handlers,
    "import.cancel": async ({ notebook }) => portability.cancelImport(notebook),
    "export.markdown": ({ notebook, path }) =>
      withNotebook(notebook, (repository) => portability.exportMarkdown(repository, path)),
    "storage.usage": async () => ok(attachments.usage()),
    "settings.set": async ({ key, value }) => {
      const written = store.transaction(() => store.meta.setSetting(key, value));
      return written.ok ? ok(null) : err(storeFailure(written.error));
    },
  };

  repositories.open(profile, ports.isRolledBack);
  contacts.open();
  checkpoints.open();
  invites.open();
  inbox.open();
  devices.open();
  peers.open();
  proxies.open();
  attachments.open();
  moves.open();
  recovered.open();
  copying.open();
  forgetting.open();

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
      notices.stop();
      presence.stop();
      repositories.sealAll();
      profilePortability.stop();
      forgetting.stop();
      slices.stop();
      invites.stop();
      checkpoints.stop();
      attachments.stop();
      const devicesEnd = devices.stop();
      const movesEnd = moves.stop();
      const copyingEnd = copying.stop();
      const indexing = indexer.stop();
      // First: whoever closes the laptop counts on the always-on nodes having everything.
      await atMost({ clock, log }, "proxies", proxies.stop());
      await atMost({ clock, log }, "peers", peers.stop());
      copies.stop();
      // Before waiting for the indexer: it may be waiting for an engine that typing has only just started.
      await atMost({ clock, log }, "engine", engine.stop());
      await atMost({ clock, log }, "indexer", indexing);
      await atMost({ clock, log }, "devices", devicesEnd);
      await atMost({ clock, log }, "moves", movesEnd);
      await atMost({ clock, log }, "copy of a notebook", copyingEnd);
      await atMost({ clock, log }, "search", ports.search.stop());
      await atMost({ clock, log }, "history", ports.history.stop());
      await atMost({ clock, log }, "opener", ports.opener.stop());
      await atMost({ clock, log }, "compactor", ports.compactor.stop());
    },
  };
};
