import type { CallName, InputOf, OutputOf } from "../../../app/contract/contract.ts";
import type { ContractTransport } from "../../../app/contract/create-api.ts";
import type { ContractError, ErrorType } from "../../../app/contract/errors.ts";
import { contractError } from "../../../app/contract/errors.ts";
import type { Handlers } from "../../../app/contract/handlers.ts";
import { createContractHost } from "../../../app/contract/handlers.ts";
import type { Contact, Invitation } from "../../../app/contract/people.ts";
import type {
  Activity,
  AppEvent,
  Background,
  BackupStatus,
  Device,
  DevicePairing,
  DocumentSummary,
  FollowedNotebook,
  Identity,
  HistorySession,
  InstalledIdentity,
  Invite,
  Member,
  MergeNotice,
  Notebook,
  NotebookCopies,
  NotebookPolicy,
  NoteDiff,
  Peer,
  PairingStatus,
  Proxy,
  PendingInvite,
  Protection,
  Serving,
  SyncStatus,
  SyncSummary,
} from "../../../app/contract/types.ts";
import type { Result } from "../../../protocol/kernel/result.ts";
import { fakeBackup } from "./fake-backup.ts";
import type { MovedNote, RecoveredCopy } from "../../../app/contract/note-places.ts";
import { fakeContacts } from "./fake-contacts.ts";
import { fakeMoves } from "./fake-moves.ts";
import { fakeIdentities } from "./fake-identities.ts";
import { NETWORK_CHECK, SERVING_REPORT } from "./sample-network.ts";
import { noteChanges } from "./note-changes.ts";
import { err, ok } from "../../../protocol/kernel/result.ts";

/** What the node in memory knows. Tests change it and then `emit` the event a node would send. */
export interface World {
  /** Of the install; all of them show the rest of this world. */
  identities: readonly InstalledIdentity[];
  vault: "absent" | "locked" | "unlocked";
  protection: Protection;
  passphrase: string;
  identity: Identity | null;
  phrase: readonly string[];
  notebooks: readonly Notebook[];
  members: Readonly<Record<string, readonly Member[]>>;
  documents: readonly DocumentSummary[];
  activity: Readonly<Record<string, readonly Activity[]>>;
  /** Newest first, of any note. */
  history: readonly HistorySession[];
  diff: NoteDiff;
  merged: MergeNotice | null;
  /** Where notes went on, by the id they had. */
  moved: Record<string, MovedNote>;
  recovered: readonly RecoveredCopy[];
  links: readonly Invite[];
  copies: Readonly<Record<string, NotebookCopies>>;
  invites: readonly PendingInvite[];
  peers: readonly Peer[];
  devices: readonly Device[];
  contacts: readonly Contact[];
  policy: NotebookPolicy;
  invitations: readonly Invitation[];
  pairings: readonly DevicePairing[];
  /** What an install without an identity shows. */
  pairing: PairingStatus;
  summary: SyncSummary;
  status: SyncStatus;
  following: readonly FollowedNotebook[];
  settings: Readonly<Record<string, string>>;
  background: Background;
  serving: Serving;
  /** What the system asked to open. */
  openedLink: string | null;
  backup: BackupStatus;
  pickedFolder: string | null;
  pickedFile: string | null;
  copied: readonly string[];
}

/** Operations a test answers itself. */
export type Overrides = {
  readonly [N in CallName]?: (input: InputOf<N>) => Promise<Result<OutputOf<N>, ContractError>>;
};

export interface FakeNode {
  readonly transport: ContractTransport;
  readonly world: World;
  readonly emit: (event: AppEvent) => void;
  /** Lets the next calls of an operation fail until `heal`. */
  readonly break: (name: CallName, type: ErrorType) => void;
  readonly heal: (name: CallName) => void;
  /** What was called, in order. */
  readonly calls: readonly { readonly name: string; readonly input: unknown }[];
}

const PHRASE =
  "abandon ability able about above absent absorb abstract absurd abuse access accident account accuse achieve acid acoustic acquire across act action actor actress actual";
export const hex = (seed: number, bytes: number): string =>
  Array.from({ length: bytes }, (_, at) => ((seed * 31 + at * 7 + 11) % 256).toString(16).padStart(2, "0")).join("");

const NO_COPIES: NotebookCopies = {
  members: [],
  former: [],
  pending: 0,
  undelivered: 0,
  safe: { on: 0, of: 0 },
  storage: { snapshots: 0, history: 0, items: 0, files: 0, allFiles: 0 },
};
const EMPTY_SUMMARY: SyncSummary = {
  connectedPeers: [],
  visiblePeers: 0,
  connectedProxies: 0,
  safe: { on: 0, of: 0 },
  undelivered: 0,
  pending: 0,
  paused: false,
};

const NOT_PAIRING: PairingStatus = { state: "idle", link: null, checkString: null, name: null };

export const IDENTITY: Identity = {
  id: hex(5, 32),
  name: "Ada Lovelace",
  device: hex(6, 16),
  protection: "keychain",
  phraseConfirmed: true,
};

/** An unlocked node with nothing in it, or whatever `given` says. */
export const createWorld = (given: Partial<World> = {}): World => ({
  identities: [
    { id: "0000000000000000", name: IDENTITY.name, colour: "teal", state: "unlocked", problem: "", requests: 0 },
  ],
  vault: "unlocked",
  protection: "keychain",
  passphrase: "",
  identity: IDENTITY,
  phrase: PHRASE.split(" "),
  notebooks: [],
  members: {},
  activity: {},
  history: [],
  diff: { title: { from: "", to: "" }, parts: [], added: 0, removed: 0 },
  merged: null,
  moved: {},
  recovered: [],
  links: [],
  copies: {},
  documents: [],
  invites: [],
  peers: [],
  devices: [],
  contacts: [],
  invitations: [],
  policy: { automaticInvites: true, attachmentBytes: 5_368_709_120 },
  pairings: [],
  pairing: NOT_PAIRING,
  summary: EMPTY_SUMMARY,
  status: { listening: ["192.168.1.12:4040"], peers: [], proxies: [], notebooks: [] },
  following: [],
  settings: {},
  background: { whenClosed: "automatic", startAtLogin: false, hasTray: true },
  serving: { active: false, capacity: 10 * 2 ** 30, report: null, addresses: [], problem: null },
  openedLink: null,
  backup: { folder: null, every: "never", running: null, last: null, next: null, problem: null },
  pickedFolder: "/home/ada/Notes",
  pickedFile: "/media/stick/p2pcollab-Ada-Lovelace-0a1b2c3d-2026-11-15-094210.p2pcbak",
  copied: [],
  ...given,
});

/** The contract over a node in memory: the real host and decoders, answers made up. */
export const createFakeNode = (world: World, overrides: Overrides = {}): FakeNode => {
  const listeners = new Set<(event: AppEvent) => void>();
  const calls: { name: string; input: unknown }[] = [];
  const brokenByName = new Map<string, ErrorType>();
  let made = 100;

  const emit = (event: AppEvent) => {
    for (const listener of listeners) listener(event);
  };
  const refuse = (type: ErrorType) => Promise.resolve(err(contractError(type)));
  const answer = <T>(value: T) => Promise.resolve(ok(value));
  const nextId = (bytes: number) => {
    made += 1;
    return hex(made, bytes);
  };
  const replaceNotebook = (id: string, change: Partial<Notebook>) => {
    world.notebooks = world.notebooks.map((notebook) => (notebook.id === id ? { ...notebook, ...change } : notebook));
    emit({ type: "notebooksChanged" });
  };
  const replaceDocument = (id: string, change: Partial<DocumentSummary>) => {
    const before = world.documents.find((document) => document.id === id);
    if (before === undefined) return refuse("DocumentNotFound");
    world.documents = world.documents.map((document) => (document.id === id ? { ...document, ...change } : document));
    emit({ type: "documentsChanged", notebook: before.notebook });
    return answer({ heads: [hex(7, 32)] });
  };
  const replaceInvite = (id: string, state: PendingInvite["state"]) => {
    const before = world.invites.find((invite) => invite.id === id);
    if (before === undefined) return refuse("InviteNotFound");
    const after = { ...before, state };
    world.invites = world.invites.map((invite) => (invite.id === id ? after : invite));
    emit({ type: "invitesChanged" });
    return answer(after);
  };
  const find = (query: string, scope: "everything" | "titles") => {
    const words = query.toLowerCase().split(/\s+/u).filter(Boolean);
    return world.documents
      .filter((document) => !document.deleted)
      .filter(({ title, excerpt }) =>
        words.every((word) => `${title} ${scope === "titles" ? "" : excerpt}`.toLowerCase().includes(word)),
      )
      .map((document) => ({
        id: document.id,
        document: document.id,
        notebook: document.notebook,
        title: document.title,
        snippet: document.excerpt,
        highlights: words.flatMap((word) => {
          const at = document.excerpt.toLowerCase().indexOf(word);
          return at === -1 ? [] : [[at, at + word.length] as const];
        }),
        score: 1,
      }));
  };

  const changed = (notebook: string, fields: Partial<Notebook>) => {
    replaceNotebook(notebook, fields);
    const after = world.notebooks.find(({ id }) => id === notebook);
    return after === undefined ? refuse("NotebookNotFound") : answer(after);
  };
  const replaceMembers = (notebook: string, change: (member: Member) => Member | undefined): readonly Member[] => {
    const after = (world.members[notebook] ?? []).flatMap((member) => change(member) ?? []);
    world.members = { ...world.members, [notebook]: after };
    emit({ type: "membersChanged", notebook });
    return after;
  };

  const paired = (status: PairingStatus) => {
    world.pairing = status;
    emit({ type: "devicesChanged" });
    return answer(status);
  };
  const replacePairing = (id: string, state: DevicePairing["state"]) => {
    const before = world.pairings.find((pairing) => pairing.id === id);
    if (before === undefined) return refuse("PairingNotFound");
    const after = { ...before, state };
    world.pairings = world.pairings.map((pairing) => (pairing.id === id ? after : pairing));
    emit({ type: "devicesChanged" });
    return answer(after);
  };
  const replaceDevice = (id: string, change: Partial<Device>) => {
    world.devices = world.devices.map((device) => (device.id === id ? { ...device, ...change } : device));
    emit({ type: "devicesChanged" });
    return answer(world.devices);
  };

  const info = { version: "0.1.0", dataDirectory: "/home/ada/.local/share/p2pcollab", host: "33.2.1" };
  const handlers: Handlers = {
    "app.info": () => answer(info),
    "workspace.show": () =>
      answer({
        info,
        vault: { state: world.vault, protection: world.protection },
        settings: world.settings,
        identity: world.vault === "unlocked" ? world.identity : null,
        notebooks: world.vault === "unlocked" ? world.notebooks : [],
      }),
    ...fakeIdentities(world, () => nextId(8)),
    "vault.status": () => answer({ state: world.vault, protection: world.protection }),
    "vault.lock": () => {
      world.vault = "locked";
      return answer({ state: world.vault, protection: world.protection });
    },
    "vault.unlock": ({ passphrase }) => {
      if (passphrase !== world.passphrase) return refuse("WrongPassphrase");
      world.vault = "unlocked";
      return answer({ state: world.vault, protection: world.protection });
    },
    "identity.create": ({ name, passphrase }) => {
      if (world.identity !== null) return refuse("IdentityExists");
      if (world.protection === "passphrase" && passphrase === undefined) return refuse("PassphraseRequired");
      world.vault = "unlocked";
      world.identity = { ...IDENTITY, name, protection: world.protection, phraseConfirmed: false };
      return answer({ ...world.identity, phrase: world.phrase });
    },
    "identity.show": () => (world.identity === null ? refuse("NoIdentity") : answer(world.identity)),
    "identity.confirmPhrase": ({ words }) => {
      if (world.identity === null) return refuse("NoIdentity");
      if (words.some(({ index, word }) => world.phrase[index] !== word)) return refuse("WrongPhrase");
      world.identity = { ...world.identity, phraseConfirmed: true };
      emit({ type: "identityChanged" });
      return answer(world.identity);
    },
    "identity.restore": ({ phrase }) => {
      if (phrase !== world.phrase.join(" ")) return refuse("BadPhrase");
      world.vault = "unlocked";
      world.identity = { ...IDENTITY, name: "", protection: world.protection };
      emit({ type: "identityChanged" });
      return answer(world.identity);
    },
    "identity.pair": () => paired({ state: "waiting", link: "p2pc:d/AbCdEf", checkString: null, name: null }),
    "identity.pairing": () => answer(world.pairing),
    "identity.confirmPairing": () => paired({ ...world.pairing, state: "confirmed" }),
    "identity.cancelPairing": () => paired(NOT_PAIRING),
    ...fakeContacts({ world, answer, refuse, emit, nextId }),
    "devices.list": () => answer(world.devices),
    "devices.renewKey": () => {
      world.devices = world.devices.map((device) => (device.self ? { ...device, keySince: Date.now() } : device));
      emit({ type: "devicesChanged" });
      return answer(world.devices);
    },
    "devices.pairings": () => answer(world.pairings),
    "devices.add": ({ link }) => {
      if (!link.startsWith("p2pc:d/")) return refuse("BadPairingLink");
      const pairing: DevicePairing = { id: nextId(16), name: "Phone", state: "compare", checkString: "314159" };
      world.pairings = [...world.pairings, pairing];
      emit({ type: "devicesChanged" });
      return answer(pairing);
    },
    "devices.approve": ({ id }) => replacePairing(id, "approved"),
    "devices.decline": ({ id }) => replacePairing(id, "declined"),
    "devices.rename": ({ device, name }) => replaceDevice(device, { name }),
    "devices.revoke": ({ device, phrase }) => {
      const found = world.devices.find(({ id }) => id === device);
      if (found?.manager === true && phrase === undefined) return refuse("PhraseRequired");
      if (phrase !== undefined && phrase !== world.phrase.join(" ")) return refuse("WrongPhrase");
      return replaceDevice(device, { state: "revoked", online: false });
    },
    "notebooks.create": ({ title }) => {
      const notebook: Notebook = {
        id: nextId(16),
        kind: "notebook",
        note: null,
        title,
        role: "owner",
        membership: "active",
        documentCount: 0,
        memberCount: 1,
        updatedAt: Date.now(),
      };
      world.notebooks = [...world.notebooks, notebook];
      emit({ type: "notebooksChanged" });
      return answer(notebook);
    },
    "notebooks.list": () => answer(world.notebooks),
    "notebooks.rename": ({ notebook, title }) => {
      replaceNotebook(notebook, { title });
      const renamed = world.notebooks.find(({ id }) => id === notebook);
      return renamed === undefined ? refuse("NotebookNotFound") : answer(renamed);
    },
    "notebooks.policy": () => answer(world.policy),
    "notebooks.setPolicy": ({ notebook, automaticInvites, attachmentBytes }) => {
      world.policy = {
        automaticInvites: automaticInvites ?? world.policy.automaticInvites,
        attachmentBytes: attachmentBytes ?? world.policy.attachmentBytes,
      };
      emit({ type: "membersChanged", notebook });
      return answer(world.policy);
    },
    "notebooks.members": ({ notebook }) => answer(world.members[notebook] ?? []),
    "notebooks.copies": ({ notebook }) => answer(world.copies[notebook] ?? NO_COPIES),
    "notebooks.copy": ({ notebook, title }) => {
      const before = world.notebooks.find(({ id }) => id === notebook);
      if (before === undefined) return refuse("NotebookNotFound");
      const copied: Notebook = { ...before, id: nextId(16), title, role: "owner", memberCount: 1 };
      world.notebooks = [...world.notebooks, copied];
      emit({ type: "notebooksChanged" });
      return answer({ notebook: copied.id, notes: before.documentCount, missing: 0 });
    },
    "notebooks.forget": ({ notebook }) => {
      world.notebooks = world.notebooks.filter(({ id }) => id !== notebook);
      emit({ type: "notebooksChanged" });
      return answer(null);
    },
    "notebooks.leave": ({ notebook }) => changed(notebook, { membership: "left" }),
    "notebooks.transfer": ({ notebook, member }) => {
      replaceMembers(notebook, (one) => ({
        ...one,
        role: one.id === member ? "owner" : one.role === "owner" ? "admin" : one.role,
      }));
      return changed(notebook, { role: "admin" });
    },
    "notebooks.changeKeys": ({ notebook }) => changed(notebook, {}),
    "members.setRole": ({ notebook, member, role }) =>
      answer(replaceMembers(notebook, (one) => (one.id === member ? { ...one, role } : one))),
    "members.remove": ({ notebook, members }) =>
      answer(replaceMembers(notebook, (one) => (members.includes(one.id) ? undefined : one))),
    "activity.list": ({ notebook, limit, member, type }) =>
      answer(
        (world.activity[notebook] ?? [])
          .filter((one) => type === undefined || one.type === type)
          .filter(
            ({ actor, members }) =>
              member === undefined || actor.id === member || members.some(({ id }) => id === member),
          )
          .slice(0, limit ?? 100),
      ),
    "history.list": ({ before, limit }) => {
      const older = world.history.filter(({ position }) => before === undefined || position <= before);
      const sessions = older.slice(0, limit ?? 50);
      const next = older[sessions.length]?.position ?? null;
      return answer({ sessions, changes: world.history[0]?.position ?? 0, next });
    },
    "history.read": ({ heads }) => answer({ heads, title: "", text: "", markdown: "", spans: [] }),
    "history.diff": () => answer(world.diff),
    "history.restore": ({ heads, base }) => answer({ before: base ?? [hex(8, 32)], heads }),
    "history.merged": () => answer(world.merged),
    "history.seen": ({ document }) => {
      world.merged = null;
      emit({ type: "documentMerged", document });
      return answer(null);
    },
    "versions.list": () => answer(world.history.flatMap(({ versions }) => versions)),
    "versions.name": ({ name, heads }) => {
      const version = { name, heads: heads ?? world.history[0]?.heads ?? [], at: Date.now(), by: "Ada Lovelace" };
      world.history = world.history.map((session) =>
        session.heads.join() === version.heads.join() ? { ...session, versions: [version] } : session,
      );
      return answer(version);
    },
    "versions.remove": ({ heads }) => {
      world.history = world.history.map((session) =>
        session.heads.join() === heads.join() ? { ...session, versions: [] } : session,
      );
      return answer(null);
    },
    "documents.create": ({ notebook, title, folder }) => {
      const document: DocumentSummary = {
        id: `${notebook}${nextId(16)}`,
        notebook,
        title: title ?? "",
        folder: folder ?? "",
        tags: [],
        excerpt: "",
        createdAt: Date.now(),
        updatedAt: Date.now(),
        deleted: false,
      };
      world.documents = [...world.documents, document];
      emit({ type: "documentsChanged", notebook });
      return answer({ ...document, heads: [] });
    },
    "documents.list": ({ notebook, deleted }) =>
      answer(
        world.documents.filter(
          (document) =>
            document.notebook === notebook && (deleted === "include" || document.deleted === (deleted === "only")),
        ),
      ),
    "documents.page": ({ notebook, folder = "", deleted, order, offset, limit, locate }) => {
      const isIn = (document: DocumentSummary): boolean =>
        document.notebook === notebook &&
        document.deleted === (deleted === "only") &&
        (folder === "" || document.folder === folder || document.folder.startsWith(`${folder}/`));
      const listed = world.documents
        .filter(isIn)
        .toSorted(
          (a, b) =>
            (order === "title"
              ? a.title.localeCompare(b.title, "en", { numeric: true })
              : order === "updated"
                ? b.updatedAt - a.updatedAt
                : b.createdAt - a.createdAt) || (a.id < b.id ? -1 : 1),
        );
      const document = world.documents.find(({ id }) => id === locate);
      const position = listed.findIndex(({ id }) => id === locate);
      return answer({
        total: listed.length,
        documents: listed.slice(offset, offset + limit),
        located: document === undefined ? null : { document, position: position === -1 ? null : position },
      });
    },
    "documents.folders": ({ notebook }) => {
      const notes = world.documents.filter((document) => document.notebook === notebook);
      const folders = Map.groupBy(
        notes.filter(({ deleted }) => !deleted),
        ({ folder }) => folder,
      );
      return answer({
        folders: [...folders].map(([folder, { length }]) => ({ folder, count: length })),
        deleted: notes.filter(({ deleted }) => deleted).length,
      });
    },
    "documents.read": ({ document }) => {
      const found = world.documents.find(({ id }) => id === document);
      if (found === undefined) return refuse("DocumentNotFound");
      const { id, notebook, title, excerpt } = found;
      return answer({ id, notebook, title, text: excerpt, markdown: excerpt, heads: [] });
    },
    "documents.edit": ({ document, title, folder, tags }) =>
      replaceDocument(document, {
        ...(title === undefined ? {} : { title }),
        ...(folder === undefined ? {} : { folder }),
        ...(tags === undefined ? {} : { tags }),
        updatedAt: Date.now(),
      }),
    "documents.delete": ({ document }) => replaceDocument(document, { deleted: true }),
    "documents.restore": ({ document }) => replaceDocument(document, { deleted: false }),
    ...fakeMoves({ world, answer, refuse, emit, nextId, replaceDocument }),
    "documents.open": ({ document }, send) => {
      const found = world.documents.find(({ id }) => id === document);
      if (found === undefined) send(err(contractError("DocumentNotFound")));
      else
        send(
          ok({
            type: "opened",
            lease: nextId(16),
            actor: nextId(16),
            title: found.title,
            writable: world.notebooks.some(
              ({ id, role, membership }) => id === found.notebook && role !== "reader" && membership === "active",
            ),
            snapshot: null,
            changes: noteChanges(found),
          }),
        );
      return () => undefined;
    },
    "documents.apply": () => answer({ heads: [] }),
    "documents.recall": () => answer({ changes: [] }),
    "documents.presence": () => answer(null),
    "invites.create": ({ notebook, mode, role, maxUses, expiresAt }) => {
      const invite: Invite = {
        id: nextId(32),
        notebook,
        mode,
        role: role ?? "writer",
        state: "open",
        link: `p2pc:j/${"gwEBUAECAwQFBgcICQoLDA0ODxCBgVggqrvM3e7_ABEiM0RVZneImaq7zN3u_wARIjNEVWZ3cjE5Mi4xNjguMS4xMjo0MDQwa0ZpZWxkIG5vdGVz".repeat(1)}`,
        createdBy: IDENTITY.name,
        createdAt: Date.now(),
        expiresAt: expiresAt ?? Date.now() + 7 * 86_400_000,
        uses: 0,
        maxUses: maxUses ?? 1,
      };
      world.links = [invite, ...world.links];
      emit({ type: "invitesChanged" });
      return answer({ id: invite.id, link: invite.link ?? "", mode, expiresAt: invite.expiresAt });
    },
    "invites.join": ({ link }) => {
      if (!link.startsWith("p2pc:j/")) return refuse("BadInvite");
      const invite: PendingInvite = {
        id: nextId(16),
        person: null,
        direction: "outgoing",
        notebook: null,
        label: "Field notes",
        name: null,
        state: "connecting",
        checkString: null,
        message: "",
      };
      world.invites = [...world.invites, invite];
      emit({ type: "invitesChanged" });
      return answer({ id: invite.id, label: invite.label });
    },
    "invites.list": ({ notebook }) => answer(world.links.filter((link) => link.notebook === notebook)),
    "invites.revoke": ({ id }) => {
      world.links = world.links.map((link) => (link.id === id ? { ...link, state: "revoked", link: null } : link));
      const revoked = world.links.find((link) => link.id === id);
      return revoked === undefined ? refuse("InviteNotFound") : answer(revoked);
    },
    "invites.pending": () => answer(world.invites),
    "invites.approve": ({ id }) => replaceInvite(id, "approved"),
    "invites.decline": ({ id }) => replaceInvite(id, "declined"),
    "peers.list": () => answer(world.peers),
    "peers.connect": ({ address }) => {
      if (!/:\d+$/u.test(address)) return refuse("BadAddress");
      const peer: Peer = {
        id: nextId(32),
        name: null,
        address,
        state: "connecting",
        found: "manual",
        notebooks: [],
        reason: "",
        stage: "discovered",
        remedy: "",
      };
      world.status = { ...world.status, peers: [...world.status.peers, peer] };
      emit({ type: "peersChanged" });
      return answer(peer);
    },
    "following.list": () => answer(world.following),
    "following.set": ({ notebook, paused, priority, proxies }) => {
      world.following = world.following.map((one) =>
        one.id === notebook
          ? {
              ...one,
              paused: paused ?? one.paused,
              priority: priority ?? one.priority,
              proxies: one.proxies.map((proxy) => ({ ...proxy, used: proxies?.includes(proxy.id) ?? proxy.used })),
            }
          : one,
      );
      const changed = world.following.find(({ id }) => id === notebook);
      return changed === undefined ? refuse("NotebookNotFound") : answer(changed);
    },
    "network.check": () => answer(NETWORK_CHECK),
    "proxies.list": () => answer(world.status.proxies),
    "proxies.add": ({ link, address }) => {
      if (link !== undefined && !link.startsWith("p2pc:x/")) return refuse("BadProxyLink");
      const proxy: Proxy = {
        id: nextId(32),
        address: address ?? "198.51.100.7:4040",
        kind: "own",
        state: "syncing",
        reason: "",
        lastContact: null,
        waiting: 2,
        used: 0,
        quota: 1_000_000_000,
      };
      world.status = { ...world.status, proxies: [...world.status.proxies, proxy] };
      return answer(proxy);
    },
    "proxies.remove": ({ proxy }) => {
      world.status = { ...world.status, proxies: world.status.proxies.filter(({ id }) => id !== proxy) };
      return answer(null);
    },
    "sync.status": () => answer(world.status),
    "sync.checkpoint": () => answer({ made: true, retired: 0 }),
    "sync.summary": () => answer(world.summary),
    "import.markdown": () =>
      answer({
        job: nextId(16),
        state: "done",
        files: 3,
        imported: 3,
        unchanged: 0,
        attached: 3,
        failed: [],
        dropped: [],
        milliseconds: 40,
      }),
    "import.cancel": () => answer(null),
    "export.markdown": ({ path }) => answer({ path, documents: world.documents.length, attachments: 0, bytes: 1_234 }),
    "export.profile": () => refuse("CannotWrite"),
    "export.verify": () => refuse("NotAnExport"),
    "export.cancel": () => answer(null),
    "import.profile": () => refuse("NotAnExport"),
    ...fakeBackup({ world, identity: IDENTITY, answer, refuse, emit }),
    "attachments.add": () => refuse("FileNotFound"),
    "attachments.adopt": () => refuse("AttachmentNotFound"),
    "attachments.list": () => answer([]),
    "attachments.fetch": () => refuse("AttachmentNotFound"),
    "attachments.read": () => refuse("AttachmentNotFound"),
    "attachments.save": () => refuse("AttachmentNotFound"),
    "attachments.policy": () => answer(null),
    "storage.usage": () => answer({ notebooks: [], held: 0, limit: 5_368_709_120 }),
    search: ({ query, scope }) => answer(find(query, scope ?? "everything")),
    "settings.get": () => answer(world.settings),
    "settings.set": ({ key, value }) => {
      world.settings = { ...world.settings, [key]: value };
      return answer(null);
    },
    "shell.pickSavePath": () => answer(null),
    "shell.pickFolder": () => answer(world.pickedFolder),
    "shell.pickFile": () => answer(world.pickedFile),
    "shell.openExternal": () => answer(null),
    "shell.copyText": ({ text }) => {
      world.copied = [...world.copied, text];
      return answer(null);
    },
    "shell.background": () => answer(world.background),
    "shell.setBackground": (change) => {
      world.background = { ...world.background, ...change };
      return answer(world.background);
    },
    "shell.serving": () => answer(world.serving),
    "shell.setServing": ({ active, capacity }) => {
      world.serving = {
        active,
        capacity: capacity ?? world.serving.capacity,
        report: active ? SERVING_REPORT : null,
        addresses: active ? ["192.168.1.12:4711"] : [],
        problem: null,
      };
      return answer(world.serving);
    },
    "shell.servingLink": () => answer("p2pc:x/abc"),
    "shell.takeLink": () => {
      const link = world.openedLink;
      world.openedLink = null;
      return answer(link);
    },
    "sync.pause": ({ paused }) => {
      world.summary = { ...world.summary, paused };
      emit({ type: "syncChanged", summary: world.summary });
      return answer(null);
    },
    "node.stop": () => answer(null),
    events: (_input, send) => {
      const listener = (event: AppEvent) => send(ok(event));
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    ...overrides,
  };
  const host = createContractHost(handlers, (name, cause) => {
    throw new Error(`the fake node's ${name} threw`, { cause });
  });
  return {
    transport: {
      invoke: (name, input) => {
        calls.push({ name, input });
        const broken = brokenByName.get(name);
        return broken === undefined ? host.invoke(name, input) : refuse(broken);
      },
      // Never within the call itself, as over a process boundary.
      subscribe: (name, input, listener) => {
        let open = true;
        const close = host.subscribe(name, input, (message) =>
          queueMicrotask(() => {
            if (open) listener(message);
          }),
        );
        return () => {
          open = false;
          close();
        };
      },
    },
    world,
    emit,
    break: (name, type) => brokenByName.set(name, type),
    heal: (name) => brokenByName.delete(name),
    calls,
  };
};
