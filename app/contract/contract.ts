import type { Decoder } from "./decode.ts";
import { array, boolean, bytes, hexOf, integer, nothing, object, oneOf, optional, text } from "./decode.ts";
import type * as P from "./note-places.ts";
import type * as W from "./people.ts";
import type * as T from "./types.ts";
import { IDENTITY_COLOURS } from "./types.ts";

/**
 * The one typed API of the node. Electron IPC, the control socket and the UI tests are three transports of it; whatever
 * the window can do, `p2pcollab ctl` can do. Everything else (client, handlers, channel names) is derived from this object.
 */

interface Operation<Kind extends "query" | "command" | "stream", Input, Output> {
  readonly kind: Kind;
  readonly input: Decoder<Input>;
  /** Carries the output type only; no value. */
  readonly output?: Output;
}

const query = <Input, Output>(input: Decoder<Input>): Operation<"query", Input, Output> => ({ kind: "query", input });
const command = <Input, Output>(input: Decoder<Input>): Operation<"command", Input, Output> => ({
  kind: "command",
  input,
});
const stream = <Input, Output>(input: Decoder<Input>): Operation<"stream", Input, Output> => ({
  kind: "stream",
  input,
});

/** Longest title or name: fits a line of any list. */
const MAX_NAME = 200;
/** Longest text one command may carry; the size of a large book. */
const MAX_TEXT = 8_000_000;
const MAX_PATH = 4_096;
/** Invite links are 166 characters plus label and address hints. */
const MAX_LINK = 2_000;
/** Changes one renderer frame may hand over, each bounded like an entry's payload. */
const MAX_CHANGES = 1_024;
const MAX_RECALLED = 256;
const MAX_CHANGE_BYTES = 4_194_304;

/** Members of a notebook, as the ACL bounds them. */
const MAX_MEMBERS = 64;

const notebookId = hexOf(16);
/** Repository id followed by the document id inside it. */
const documentId = hexOf(32);
const leaseId = hexOf(16);
const name = text(1, MAX_NAME);
const title = text(0, MAX_NAME);
const passphrase = text(1, 1_000);

const notebookInput = object({ notebook: notebookId });
const moveInput = object({ document: documentId, notebook: notebookId, folder: optional(text(0, MAX_PATH)) });
const recoveredKeep = object({ document: documentId, notebook: notebookId });
const documentInput = object({ document: documentId });
/** data.md section 13: 5 GiB. */
const MAX_NOTEBOOK_BYTES = 5 * 1_073_741_824;
const notebookSetPolicy = object({
  notebook: notebookId,
  automaticInvites: optional(boolean),
  attachmentBytes: optional(integer(0, MAX_NOTEBOOK_BYTES)),
});
const inviteInput = object({ id: hexOf(16) });

/** Position in the list of identities; far beyond how many one install holds. */
const MAX_POSITION = 64;
const installedIdentity = object({ id: hexOf(8) });
const identitiesUpdate = object({
  id: hexOf(8),
  name: optional(name),
  colour: optional(oneOf(...IDENTITY_COLOURS)),
  position: optional(integer(0, MAX_POSITION)),
});

type Input<D> = D extends Decoder<infer I> ? I : never;

const identityCreate = object({ name, passphrase: optional(passphrase) });
/** 24 English words; longer than any of them allows. */
const phrase = text(1, 1_000);
const identityPair = object({ deviceName: optional(name), passphrase: optional(passphrase) });
const identityRestore = object({ phrase, passphrase: optional(passphrase) });
const devicesAdd = object({ link: text(1, MAX_LINK), phrase: optional(phrase) });
const deviceRename = object({ device: hexOf(32), name });
const deviceRevoke = object({ device: hexOf(32), phrase: optional(phrase) });
const contactInput = object({ contact: hexOf(32) });
/** A card lists the steps of its identity's device log: 256 of some 300 bytes, in base64url. */
const MAX_CONTACT_LINK = 131_072;
const contactsAdd = object({ link: text(1, MAX_CONTACT_LINK), name: optional(text(0, MAX_NAME)) });
const contactRename = object({ contact: hexOf(32), name: text(0, MAX_NAME) });
/** Six groups of five digits, with or without the spaces between them. */
const contactVerify = object({ contact: hexOf(32), digits: text(30, 60) });
const contactInvite = object({ contact: hexOf(32), notebook: notebookId, role: optional(oneOf("reader", "writer")) });
const contactBlock = object({ contact: hexOf(32), blocked: boolean });
const vaultUnlock = object({ passphrase: optional(passphrase) });
const confirmPhrase = object({
  words: array(object({ index: integer(0, 23), word: text(1, 20) }), 24),
});
const notebookCreate = object({ title: name });
const notebookCopy = object({ notebook: notebookId, title: name });
const notebookRename = object({ notebook: notebookId, title: name });
const documentsList = object({ notebook: notebookId, deleted: optional(oneOf("include", "only")) });
/** Notes one answer may list: several screens of them. */
const MAX_PAGE = 500;
/** Far beyond what one database holds. */
const MAX_NOTES = 1_000_000_000;
const documentsPage = object({
  notebook: notebookId,
  /** Only notes of this folder and below. */
  folder: optional(text(0, MAX_PATH)),
  deleted: optional(oneOf("only")),
  order: oneOf("updated", "created", "title"),
  offset: integer(0, MAX_NOTES),
  limit: integer(1, MAX_PAGE),
  /** Also says where this note is. */
  locate: optional(documentId),
});
const documentsCreate = object({
  notebook: notebookId,
  title: optional(title),
  markdown: optional(text(0, MAX_TEXT)),
  folder: optional(text(0, MAX_PATH)),
});
const documentsEdit = object({
  document: documentId,
  appendMarkdown: optional(text(0, MAX_TEXT)),
  replaceMarkdown: optional(text(0, MAX_TEXT)),
  insert: optional(object({ at: integer(0, MAX_TEXT), text: text(0, MAX_TEXT) })),
  delete: optional(object({ at: integer(0, MAX_TEXT), count: integer(0, MAX_TEXT) })),
  title: optional(title),
  folder: optional(text(0, MAX_PATH)),
  tags: optional(array(text(1, MAX_NAME), 100)),
});
const documentsApply = object({ lease: leaseId, changes: array(bytes(MAX_CHANGE_BYTES), MAX_CHANGES) });
const documentsRecall = object({ lease: leaseId, changes: array(hexOf(32), MAX_RECALLED) });
/** Two stable positions of the editor, well below the 4 KiB of an ephemeral item. */
const documentsPresence = object({ lease: leaseId, cursor: optional(text(0, 1_000)) });
const invitesCreate = object({
  notebook: notebookId,
  mode: oneOf("auto", "ask"),
  role: optional(oneOf("reader", "writer")),
  /** How many people may use the link. */
  maxUses: optional(integer(1, MAX_MEMBERS)),
  /** Unix milliseconds. */
  expiresAt: optional(integer(0, Number.MAX_SAFE_INTEGER)),
});
const inviteRef = object({ notebook: notebookId, id: hexOf(32) });
const memberRef = object({ notebook: notebookId, member: hexOf(32) });
const memberRole = object({ notebook: notebookId, member: hexOf(32), role: oneOf("reader", "writer", "admin") });
const membersRemove = object({
  notebook: notebookId,
  members: array(hexOf(32), MAX_MEMBERS),
  discardAfter: optional(integer(0, Number.MAX_SAFE_INTEGER)),
});
const activityList = object({
  notebook: notebookId,
  limit: optional(integer(1, 1_000)),
  before: optional(integer(0, Number.MAX_SAFE_INTEGER)),
  member: optional(hexOf(32)),
  type: optional(
    oneOf(
      "created",
      "roleSet",
      "removed",
      "left",
      "joined",
      "invited",
      "inviteRevoked",
      "transferred",
      "keysChanged",
      "keysShared",
      "devicesChanged",
      "settingsChanged",
      "sessionFrozen",
      "edited",
    ),
  ),
});
const invitesJoin = object({ link: text(1, MAX_LINK) });
const peersConnect = object({ address: text(1, 300) });
/** A pasted link, or an address with the code that came with it. */
const proxiesAdd = object({
  link: optional(text(1, MAX_LINK)),
  address: optional(text(1, 300)),
  code: optional(text(1, 100)),
});
const proxyRef = object({ proxy: hexOf(32) });
const importMarkdown = object({ path: text(1, MAX_PATH), notebook: notebookId });
const importCancel = object({ notebook: notebookId });
const exportMarkdown = object({ notebook: notebookId, path: text(1, MAX_PATH) });
const search = object({
  query: text(0, 1_000),
  limit: optional(integer(1, 200)),
  notebook: optional(notebookId),
  /** `titles` answers the quick switcher: prefix and substring of titles only. */
  scope: optional(oneOf("everything", "titles")),
});
/** Pasted pictures come as bytes, files as a path; larger bytes do not fit a line of the control socket. */
const MAX_PASTED_BYTES = 33_554_432;
const attachmentsAdd = object({
  document: documentId,
  path: optional(text(1, MAX_PATH)),
  bytes: optional(bytes(MAX_PASTED_BYTES)),
  name: optional(text(1, 255)),
  mime: optional(text(3, 255)),
  /** `none`: the caller puts the reference into the document itself. */
  place: optional(oneOf("end", "none")),
  token: optional(text(1, 64)),
});
const attachmentInput = object({ document: documentId, blob: hexOf(32) });
const attachmentsSave = object({ document: documentId, blob: hexOf(32), path: text(1, MAX_PATH) });
/** One piece of a file; the whole of a large one is read piece by piece or saved. */
const MAX_PIECE_BYTES = 1_048_576;
const attachmentsRead = object({
  document: documentId,
  blob: hexOf(32),
  start: integer(0, Number.MAX_SAFE_INTEGER),
  length: integer(0, MAX_PIECE_BYTES),
});
const attachmentsPolicy = object({ notebook: notebookId, policy: oneOf("always", "small", "demand") });
/** `proxies`: those of one's own that keep it, by id; at most as many as an identity may have. */
const followingSet = object({
  notebook: notebookId,
  paused: optional(boolean),
  priority: optional(oneOf("first", "normal", "last")),
  proxies: optional(array(hexOf(32), 8)),
});
const settingsSet = object({ key: text(1, 100), value: text(0, 10_000) });
/** Heads of a state: more than a handful of concurrent writers at one moment would be new. */
const heads = array(hexOf(32), 64);
const historyList = object({
  document: documentId,
  before: optional(integer(0, Number.MAX_SAFE_INTEGER)),
  limit: optional(integer(1, 500)),
});
const historyRead = object({ document: documentId, heads });
const historyDiff = object({ document: documentId, from: heads, to: heads });
const historyRestore = object({ document: documentId, heads, base: optional(heads) });
const versionsName = object({ document: documentId, name, heads: optional(heads) });
const versionsRemove = object({ document: documentId, heads });
const syncPause = object({ paused: boolean });
const setBackground = object({
  whenClosed: optional(oneOf("automatic", "keep", "quit")),
  startAtLogin: optional(boolean),
});
const exportProfile = object({
  path: text(1, MAX_PATH),
  /** Every notebook when absent. */
  notebooks: optional(array(notebookId, 10_000)),
});
const folderInput = object({ path: text(1, MAX_PATH) });
const importProfile = object({ path: text(1, MAX_PATH), history: optional(boolean) });
const backupCreate = object({
  /** That of the schedule when absent. */
  folder: optional(text(1, MAX_PATH)),
  /** A second way in besides the recovery phrase. */
  passphrase: optional(passphrase),
});
const backupSchedule = object({ folder: optional(text(1, MAX_PATH)), every: oneOf("week", "never") });
const backupVerify = object({
  path: text(1, MAX_PATH),
  phrase: optional(phrase),
  passphrase: optional(passphrase),
});
const backupRestore = object({
  path: text(1, MAX_PATH),
  phrase: optional(phrase),
  passphrase: optional(passphrase),
  /** Protects the keys on this computer where it has no keychain. */
  newPassphrase: optional(passphrase),
});
const pickFile = object({ endings: array(text(1, 20), 8) });
/** `capacity`: bytes kept for everybody together, from a gigabyte to the disks of today. */
const setServing = object({ active: boolean, capacity: optional(integer(2 ** 30, 2 ** 44)) });
const savePath = object({ name: text(1, 255) });
const openExternal = object({ url: text(1, 2_000) });

export const contract = {
  "app.info": query<undefined, T.AppInfo>(nothing),
  "workspace.show": query<undefined, T.Workspace>(nothing),
  "identities.list": query<undefined, readonly T.InstalledIdentity[]>(nothing),
  /** The list at once, and again whenever something in it changed. */
  "identities.watch": stream<undefined, readonly T.InstalledIdentity[]>(nothing),
  /** Makes room for another identity; the operations of `identity` or a backup then fill it. */
  "identities.add": command<undefined, T.InstalledIdentity>(nothing),
  "identities.update": command<Input<typeof identitiesUpdate>, readonly T.InstalledIdentity[]>(identitiesUpdate),
  /** Deletes everything this computer holds of it. */
  "identities.remove": command<Input<typeof installedIdentity>, readonly T.InstalledIdentity[]>(installedIdentity),
  "vault.status": query<undefined, T.VaultStatus>(nothing),
  "vault.unlock": command<Input<typeof vaultUnlock>, T.VaultStatus>(vaultUnlock),
  "vault.lock": command<undefined, T.VaultStatus>(nothing),
  "identity.create": command<Input<typeof identityCreate>, T.IdentityCreated>(identityCreate),
  "identity.show": query<undefined, T.Identity>(nothing),
  "identity.confirmPhrase": command<Input<typeof confirmPhrase>, T.Identity>(confirmPhrase),
  /** Waits for another device of an identity to take this install in. */
  "identity.pair": command<Input<typeof identityPair>, T.PairingStatus>(identityPair),
  "identity.pairing": query<undefined, T.PairingStatus>(nothing),
  "identity.confirmPairing": command<undefined, T.PairingStatus>(nothing),
  "identity.cancelPairing": command<undefined, T.PairingStatus>(nothing),
  "identity.restore": command<Input<typeof identityRestore>, T.Identity>(identityRestore),
  "devices.list": query<undefined, readonly T.Device[]>(nothing),
  "devices.add": command<Input<typeof devicesAdd>, T.DevicePairing>(devicesAdd),
  "devices.pairings": query<undefined, readonly T.DevicePairing[]>(nothing),
  "devices.approve": command<Input<typeof inviteInput>, T.DevicePairing>(inviteInput),
  "devices.decline": command<Input<typeof inviteInput>, T.DevicePairing>(inviteInput),
  "devices.rename": command<Input<typeof deviceRename>, readonly T.Device[]>(deviceRename),
  /** Gives this very device another key to seal to; the keys of every notebook change as well. */
  "devices.renewKey": command<undefined, readonly T.Device[]>(nothing),
  "devices.revoke": command<Input<typeof deviceRevoke>, readonly T.Device[]>(deviceRevoke),
  "contacts.list": query<undefined, readonly W.Contact[]>(nothing),
  "contacts.card": query<undefined, W.ContactCard>(nothing),
  "contacts.add": command<Input<typeof contactsAdd>, W.Contact>(contactsAdd),
  "contacts.rename": command<Input<typeof contactRename>, W.Contact>(contactRename),
  /** Marks a person as verified when the digits read to each other are the same. */
  "contacts.verify": command<Input<typeof contactVerify>, W.Contact>(contactVerify),
  "contacts.unverify": command<Input<typeof contactInput>, W.Contact>(contactInput),
  "contacts.block": command<Input<typeof contactBlock>, W.Contact>(contactBlock),
  /** Makes a contact a member of a notebook; they find the invitation in their inbox, over a connection or at their proxies. */
  "contacts.invite": command<Input<typeof contactInvite>, readonly T.Member[]>(contactInvite),
  "invitations.list": query<undefined, readonly W.Invitation[]>(nothing),
  "invitations.accept": command<Input<typeof inviteInput>, null>(inviteInput),
  "invitations.decline": command<Input<typeof inviteInput>, null>(inviteInput),
  "contacts.remove": command<Input<typeof contactInput>, null>(contactInput),
  "notebooks.create": command<Input<typeof notebookCreate>, T.Notebook>(notebookCreate),
  "notebooks.list": query<undefined, readonly T.Notebook[]>(nothing),
  "notebooks.rename": command<Input<typeof notebookRename>, T.Notebook>(notebookRename),
  "notebooks.members": query<Input<typeof notebookInput>, readonly T.Member[]>(notebookInput),
  "notebooks.copies": query<Input<typeof notebookInput>, T.NotebookCopies>(notebookInput),
  /** Deletes a notebook that one left or was removed from: its notes, keys, files and search index on this device. */
  "notebooks.copy": command<Input<typeof notebookCopy>, P.NotebookCopied>(notebookCopy),
  "notebooks.forget": command<Input<typeof notebookInput>, null>(notebookInput),
  "notebooks.leave": command<Input<typeof notebookInput>, T.Notebook>(notebookInput),
  "notebooks.transfer": command<Input<typeof memberRef>, T.Notebook>(memberRef),
  "notebooks.changeKeys": command<Input<typeof notebookInput>, T.Notebook>(notebookInput),
  "notebooks.policy": query<Input<typeof notebookInput>, T.NotebookPolicy>(notebookInput),
  "notebooks.setPolicy": command<Input<typeof notebookSetPolicy>, T.NotebookPolicy>(notebookSetPolicy),
  "members.setRole": command<Input<typeof memberRole>, readonly T.Member[]>(memberRole),
  "members.remove": command<Input<typeof membersRemove>, readonly T.Member[]>(membersRemove),
  "activity.list": query<Input<typeof activityList>, readonly T.Activity[]>(activityList),
  "documents.create": command<Input<typeof documentsCreate>, T.DocumentSummary & T.Heads>(documentsCreate),
  "documents.list": query<Input<typeof documentsList>, readonly T.DocumentSummary[]>(documentsList),
  "documents.page": query<Input<typeof documentsPage>, T.DocumentPage>(documentsPage),
  "documents.folders": query<Input<typeof notebookInput>, T.FolderCounts>(notebookInput),
  "documents.read": query<Input<typeof documentInput>, T.DocumentContent>(documentInput),
  "documents.edit": command<Input<typeof documentsEdit>, T.Heads>(documentsEdit),
  "documents.delete": command<Input<typeof documentInput>, T.Heads>(documentInput),
  "documents.restore": command<Input<typeof documentInput>, T.Heads>(documentInput),
  /** Gives a note a repository of its own, which others can be invited into. */
  "documents.share": command<Input<typeof documentInput>, P.MovedNote>(documentInput),
  "documents.moveTo": command<Input<typeof moveInput>, P.MovedNote>(moveInput),
  /** Takes a moved note back to where it was; `document` is the original. */
  "documents.moveBack": command<Input<typeof documentInput>, P.MovedNote>(documentInput),
  "documents.moved": query<Input<typeof documentInput>, P.MovedNote | null>(documentInput),
  "documents.open": stream<Input<typeof documentInput>, T.OpenDocumentEvent>(documentInput),
  "documents.apply": command<Input<typeof documentsApply>, T.Heads>(documentsApply),
  "documents.recall": query<Input<typeof documentsRecall>, T.Recalled>(documentsRecall),
  "documents.presence": command<Input<typeof documentsPresence>, null>(documentsPresence),
  "history.list": query<Input<typeof historyList>, T.HistoryPage>(historyList),
  "history.read": query<Input<typeof historyRead>, T.PastNote>(historyRead),
  "history.diff": query<Input<typeof historyDiff>, T.NoteDiff>(historyDiff),
  "history.restore": command<Input<typeof historyRestore>, T.Restored>(historyRestore),
  "history.merged": query<Input<typeof documentInput>, T.MergeNotice | null>(documentInput),
  "history.seen": command<Input<typeof documentInput>, null>(documentInput),
  "notices.list": query<undefined, P.Notices>(nothing),
  "recovered.list": query<undefined, readonly P.RecoveredCopy[]>(nothing),
  "recovered.read": query<Input<typeof documentInput>, P.RecoveredText>(documentInput),
  "recovered.keep": command<Input<typeof recoveredKeep>, T.DocumentSummary>(recoveredKeep),
  "recovered.dismiss": command<Input<typeof documentInput>, null>(documentInput),
  "versions.list": query<Input<typeof documentInput>, readonly T.NamedVersion[]>(documentInput),
  "versions.name": command<Input<typeof versionsName>, T.NamedVersion>(versionsName),
  "versions.remove": command<Input<typeof versionsRemove>, null>(versionsRemove),
  "invites.create": command<Input<typeof invitesCreate>, T.InviteCreated>(invitesCreate),
  "invites.join": command<Input<typeof invitesJoin>, T.JoinStarted>(invitesJoin),
  "invites.list": query<Input<typeof notebookInput>, readonly T.Invite[]>(notebookInput),
  "invites.revoke": command<Input<typeof inviteRef>, T.Invite>(inviteRef),
  "invites.pending": query<undefined, readonly T.PendingInvite[]>(nothing),
  "invites.approve": command<Input<typeof inviteInput>, T.PendingInvite>(inviteInput),
  "invites.decline": command<Input<typeof inviteInput>, T.PendingInvite>(inviteInput),
  "peers.list": query<undefined, readonly T.Peer[]>(nothing),
  "peers.connect": command<Input<typeof peersConnect>, T.Peer>(peersConnect),
  "following.list": query<undefined, readonly T.FollowedNotebook[]>(nothing),
  "following.set": command<Input<typeof followingSet>, T.FollowedNotebook>(followingSet),
  "network.check": query<undefined, T.NetworkCheck>(nothing),
  "proxies.add": command<Input<typeof proxiesAdd>, T.Proxy>(proxiesAdd),
  "proxies.list": query<undefined, readonly T.Proxy[]>(nothing),
  "proxies.remove": command<Input<typeof proxyRef>, null>(proxyRef),
  "sync.status": query<undefined, T.SyncStatus>(nothing),
  "sync.summary": query<undefined, T.SyncSummary>(nothing),
  "sync.pause": command<Input<typeof syncPause>, null>(syncPause),
  "sync.checkpoint": command<Input<typeof notebookInput>, { readonly made: boolean; readonly retired: number }>(
    notebookInput,
  ),
  "import.markdown": command<Input<typeof importMarkdown>, T.ImportReport>(importMarkdown),
  "import.cancel": command<Input<typeof importCancel>, null>(importCancel),
  "export.markdown": command<Input<typeof exportMarkdown>, T.ExportReport>(exportMarkdown),
  search: query<Input<typeof search>, readonly T.SearchHit[]>(search),
  "attachments.add": command<Input<typeof attachmentsAdd>, T.Attachment>(attachmentsAdd),
  /** Takes a file that another notebook of this device has into the notebook of the note. */
  "attachments.adopt": command<Input<typeof attachmentInput>, T.Attachment>(attachmentInput),
  "attachments.list": query<Input<typeof documentInput>, readonly T.Attachment[]>(documentInput),
  "attachments.fetch": command<Input<typeof attachmentInput>, T.Attachment>(attachmentInput),
  "attachments.read": query<Input<typeof attachmentsRead>, T.AttachmentPiece>(attachmentsRead),
  "attachments.save": command<Input<typeof attachmentsSave>, T.SavedAttachment>(attachmentsSave),
  "attachments.policy": command<Input<typeof attachmentsPolicy>, null>(attachmentsPolicy),
  "storage.usage": query<undefined, T.StorageUsage>(nothing),
  /** Writes, reads everything back and compares. */
  "export.profile": command<Input<typeof exportProfile>, T.ProfileExport>(exportProfile),
  "export.verify": command<Input<typeof folderInput>, T.ProfileExport>(folderInput),
  /** With the history of each note unless `history` is false. */
  "import.profile": command<Input<typeof importProfile>, T.ProfileImport>(importProfile),
  /** Ends an export, a check or an import of whole notebooks. */
  "export.cancel": command<undefined, null>(nothing),
  "backup.create": command<Input<typeof backupCreate>, T.BackupReport>(backupCreate),
  "backup.cancel": command<undefined, null>(nothing),
  "backup.status": query<undefined, T.BackupStatus>(nothing),
  "backup.schedule": command<Input<typeof backupSchedule>, T.BackupStatus>(backupSchedule),
  "backup.verify": command<Input<typeof backupVerify>, T.BackupReport>(backupVerify),
  "backup.restore": command<Input<typeof backupRestore>, T.RestoredProfile>(backupRestore),
  "settings.get": query<undefined, Readonly<Record<string, string>>>(nothing),
  "settings.set": command<Input<typeof settingsSet>, null>(settingsSet),
  "shell.pickFolder": command<undefined, string | null>(nothing),
  /** A file whose name ends in one of these, without the dot; null when the person thought better of it. */
  "shell.pickFile": command<Input<typeof pickFile>, string | null>(pickFile),
  /** Where to save a file of that name; null when the person thought better of it. */
  "shell.pickSavePath": command<Input<typeof savePath>, string | null>(savePath),
  "shell.openExternal": command<Input<typeof openExternal>, null>(openExternal),
  "shell.copyText": command<{ readonly text: string }, null>(object({ text: text(0, MAX_TEXT) })),
  "shell.background": query<undefined, T.Background>(nothing),
  "shell.setBackground": command<Input<typeof setBackground>, T.Background>(setBackground),
  "shell.serving": query<undefined, T.Serving>(nothing),
  "shell.setServing": command<Input<typeof setServing>, T.Serving>(setServing),
  /** A link with which one person uses this always-on node. */
  "shell.servingLink": command<undefined, string>(nothing),
  /** The link that the system asked to open last, once. */
  "shell.takeLink": command<undefined, string | null>(nothing),
  "node.stop": command<undefined, null>(nothing),
  events: stream<undefined, T.AppEvent>(nothing),
} as const;

export type Contract = typeof contract;
export type OperationName = keyof Contract;
export type InputOf<N extends OperationName> = Contract[N] extends Operation<infer _K, infer I, infer _O> ? I : never;
export type OutputOf<N extends OperationName> = Contract[N] extends Operation<infer _K, infer _I, infer O> ? O : never;
export type StreamName = { [N in OperationName]: Contract[N]["kind"] extends "stream" ? N : never }[OperationName];
export type CallName = Exclude<OperationName, StreamName>;
