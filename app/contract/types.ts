/** Output types of the contract: plain data that survives JSON (byte strings travel as `Uint8Array`, see the transports). */
import type { Safety, SyncSummary } from "./network-types.ts";

export type * from "./network-types.ts";

/** How the secret keys are protected at rest. `file`: only by file permissions, a headless node that was given no passphrase. */
export type Protection = "keychain" | "passphrase" | "file";

export interface AppInfo {
  readonly version: string;
  readonly dataDirectory: string;
  /** `headless`, or the Electron version of the window. */
  readonly host: string;
}

/** Colours by which the identities of one install are told apart; the window has a light and a dark tone of each. */
export const IDENTITY_COLOURS = ["teal", "blue", "orange", "violet", "pink", "cyan", "olive", "magenta"] as const;
export type IdentityColour = (typeof IDENTITY_COLOURS)[number];

/** One of the identities that live side by side in this install, open or not. */
export interface InstalledIdentity {
  /** Names it on this computer only and never leaves it, 16 hex digits. */
  readonly id: string;
  /** What it is called on this computer; "" while nobody gave it a name. */
  readonly name: string;
  readonly colour: IdentityColour;
  /** `absent`: a place for an identity that was not made or brought here yet; `failed`: its files cannot be opened. */
  readonly state: "absent" | "locked" | "unlocked" | "failed";
  /** Why it failed, as a sentence; "" otherwise. */
  readonly problem: string;
  /** People who wait for its answer to join; 0 while it is locked. */
  readonly requests: number;
}

export interface VaultStatus {
  readonly state: "absent" | "locked" | "unlocked";
  /** What protects, or on first run would protect, the keys. `passphrase` means a passphrase must be given. */
  readonly protection: Protection;
}

export interface Identity {
  /** Fingerprint of the root key, 64 hex digits. */
  readonly id: string;
  readonly name: string;
  readonly device: string;
  readonly protection: Protection;
  /** False until the person proved that the recovery phrase was written down. */
  readonly phraseConfirmed: boolean;
}

export interface IdentityCreated extends Identity {
  /** The 24 words, in order; returned by this call only and never stored. */
  readonly phrase: readonly string[];
}

/** A device of the own identity. */
export interface Device {
  /** Its signing key, 64 hex digits. */
  readonly id: string;
  readonly name: string;
  /** This very device. */
  readonly self: boolean;
  /** May add devices, and remove those that are no managers, without the phrase. */
  readonly manager: boolean;
  readonly state: "active" | "revoked";
  readonly online: boolean;
  /** Unix milliseconds; null when this device never met it. */
  readonly lastSeen: number | null;
  /** By the clock of the device that added it. */
  readonly addedAt: number;
  /** When it last changed the key that things are sealed to, by its own clock. */
  readonly keySince: number;
}

/** A new device on its way in, as the device that signs it in sees it. */
export interface DevicePairing {
  readonly id: string;
  readonly name: string;
  /** `approved`: waits until the digits are confirmed on the new device as well. */
  readonly state: "connecting" | "compare" | "approved" | "done" | "declined" | "failed";
  /** Six digits that both devices show. */
  readonly checkString: string | null;
}

/** An install without an identity on its way to become a device of one. */
export interface PairingStatus {
  readonly state: "idle" | "waiting" | "compare" | "confirmed" | "done" | "declined" | "failed";
  /** What the other device is given, as text or QR code. */
  readonly link: string | null;
  readonly checkString: string | null;
  /** Whose identity the other device says it has. */
  readonly name: string | null;
}

/** What a window needs for its first screen, in one answer. */
export interface Workspace {
  readonly info: AppInfo;
  readonly vault: VaultStatus;
  readonly settings: Readonly<Record<string, string>>;
  /** Null until the vault is unlocked. */
  readonly identity: Identity | null;
  readonly notebooks: readonly Notebook[];
}

export type Role = "reader" | "writer" | "admin" | "owner";

/** `joining` until the first sync shows the own membership; `removed` and `left` keep a copy that no longer changes. */
export type Membership = "active" | "joining" | "removed" | "left";

export interface Notebook {
  readonly id: string;
  /** `note`: one note that is shared by itself. */
  readonly kind: "notebook" | "note";
  /** The note of a shared note; null while it has not arrived, when it moved elsewhere or is in the trash, and for a notebook. */
  readonly note: string | null;
  /** Of a shared note: that note's. */
  readonly title: string;
  /** The own role; the last one held where `membership` is not active. */
  readonly role: Role;
  readonly membership: Membership;
  readonly documentCount: number;
  readonly memberCount: number;
  readonly updatedAt: number;
}

/**
 * What this identity knows of a person. `verified`: the 30 digits were compared. `namesake`: goes by the name of somebody who is
 * known under another key. `blocked`: their requests are declined unseen.
 */
export type Standing = "verified" | "known" | "new" | "namesake" | "blocked";

export interface Member {
  readonly id: string;
  readonly name: string;
  /** Null for oneself. */
  readonly standing: Standing | null;
  readonly role: Role;
  readonly self: boolean;
  readonly online: boolean;
  /** When one of their devices was last connected to this one, Unix milliseconds; null while none ever was. */
  readonly seenAt: number | null;
}

/** What the members of a notebook agreed upon; admins and the owner change it, and everybody's app keeps to it. */
export interface NotebookPolicy {
  /** Whether a link may let people in without anybody being asked. */
  readonly automaticInvites: boolean;
  /** Most bytes of files in the notebook. */
  readonly attachmentBytes: number;
}

/** What this device knows of another's copy of a notebook. */
export interface NotebookCopy {
  /** Device key, 64 hex digits. */
  readonly device: string;
  /** This device. */
  readonly self: boolean;
  readonly online: boolean;
  /** When it was last connected to this device, Unix milliseconds; null while it never was. */
  readonly seenAt: number | null;
  /** When it last held everything that was here; null while that is not known. */
  readonly completeAt: number | null;
  /** Entries that came here since and may be missing there, counted up to 1 000; null while that is not known. */
  readonly behind: number | null;
}

/** Where a notebook is, and who can read it. Sizes in bytes on this device, null where they could not be measured. */
export interface NotebookCopies {
  readonly members: readonly {
    readonly id: string;
    readonly name: string;
    readonly role: Role;
    readonly self: boolean;
    readonly devices: readonly NotebookCopy[];
  }[];
  /** Who belonged to it once and keeps what they had; `at` by the clock of whoever ended it, Unix milliseconds. */
  readonly former: readonly {
    readonly id: string;
    readonly name: string;
    readonly how: "removed" | "left";
    readonly at: number;
  }[];
  /** Received but not yet applicable. */
  readonly pending: number;
  /** Own entries, and notes with unsealed edits, that no other device and no always-on node has acknowledged. */
  readonly undelivered: number;
  readonly safe: Safety;
  readonly storage: {
    /** Present states of the notes. */
    readonly snapshots: number | null;
    /** Every change ever made. */
    readonly history: number | null;
    /** Encrypted records as they travel. */
    readonly items: number | null;
    /** Pictures and files that are here, and all of the notebook. */
    readonly files: number;
    readonly allFiles: number;
  };
}

export type ActivityType =
  | "created"
  | "roleSet"
  | "removed"
  | "left"
  | "joined"
  | "invited"
  | "inviteRevoked"
  | "transferred"
  | "keysChanged"
  | "keysShared"
  | "devicesChanged"
  | "settingsChanged"
  | "sessionFrozen"
  | "edited";

/** Something a member did. */
export interface Activity {
  readonly id: string;
  /** By the clock of whoever did it, Unix milliseconds. */
  readonly at: number;
  readonly type: ActivityType;
  readonly actor: { readonly id: string; readonly name: string };
  readonly device: string;
  /** Whom it concerns. */
  readonly members: readonly { readonly id: string; readonly name: string }[];
  /** The role given, where one was. */
  readonly role: Role | null;
  readonly document: { readonly id: string; readonly title: string } | null;
  /** Changes of an edit, 1 otherwise. */
  readonly count: number;
  /** `unauthorised`, `overruled`, `void`: it has no effect; `adopted`: it has, because others built on it. */
  readonly effect: "valid" | "overruled" | "unauthorised" | "pending" | "adopted" | "void";
}

export interface DocumentSummary {
  readonly id: string;
  readonly notebook: string;
  readonly title: string;
  /** Slash-separated folder inside the notebook, "" at its top. */
  readonly folder: string;
  readonly tags: readonly string[];
  readonly excerpt: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly deleted: boolean;
}

/** Part of a list of notes. */
export interface DocumentPage {
  /** Notes in the whole list. */
  readonly total: number;
  readonly documents: readonly DocumentSummary[];
  /** The note asked for with `locate`, null when it is not in this notebook; `position` is null when it is not in this list. */
  readonly located: { readonly document: DocumentSummary; readonly position: number | null } | null;
}

export interface FolderCounts {
  /** Folders with notes directly in them, the trash left out. */
  readonly folders: readonly { readonly folder: string; readonly count: number }[];
  /** Notes in the trash. */
  readonly deleted: number;
}

export interface DocumentContent {
  readonly id: string;
  readonly notebook: string;
  readonly title: string;
  readonly text: string;
  readonly markdown: string;
  /** Automerge heads: hex change hashes, sorted. */
  readonly heads: readonly string[];
}

export interface Heads {
  readonly heads: readonly string[];
}

/** Changes asked for by hash, those that the node has. */
export interface Recalled {
  readonly changes: readonly Uint8Array[];
}

/** One run of rich text with equal marks, or one block marker (an embed stands inside the text of a block). */
export type RichSpan =
  | { readonly type: "text"; readonly value: string; readonly marks?: RichMarks }
  | { readonly type: "block"; readonly value: RichBlock };
export interface RichMarks {
  /** JSON of `{href, title?}`. */
  readonly link?: string | true;
  readonly strong?: string | true;
  readonly em?: string | true;
  readonly strike?: string | true;
  readonly code?: string | true;
}
export interface RichBlock {
  readonly type: string;
  readonly parents: readonly string[];
  readonly attrs: Readonly<Record<string, string | number | boolean>>;
  readonly isEmbed: boolean;
}

/**
 * One step from an earlier rich text to a later one. `same`, `removed` and the `before` of `restyled` give the earlier,
 * `same`, `added` and the `after` of `restyled` the later. `restyled`: the same text with other marks, or the same block of another kind.
 */
export type NoteDiffPart =
  | { readonly type: "same" | "added" | "removed"; readonly span: RichSpan }
  | { readonly type: "restyled"; readonly before: RichSpan; readonly after: RichSpan };

/** What one person did in a session of editing, on one device. */
export interface Contribution {
  /** Identity id; null while the entry that says who signed has not come. */
  readonly member: string | null;
  readonly name: string;
  readonly self: boolean;
  /** Device key, 64 hex digits. */
  readonly device: string | null;
  readonly changes: number;
  /** Characters and block markers. */
  readonly added: number;
  readonly removed: number;
}

/** A state of a note that somebody gave a name; every member sees it. */
export interface NamedVersion {
  readonly heads: readonly string[];
  readonly name: string;
  /** When it was named, by the clock of who did. Unix milliseconds. */
  readonly at: number;
  /** Who named it. */
  readonly by: string;
}

/** Changes made close together in time: one row of a note's timeline. Times are those of the authors' clocks. */
export interface HistorySession {
  /** Number of changes up to and with this session's last, in the order of the timeline. */
  readonly position: number;
  /** Unix milliseconds. */
  readonly from: number;
  readonly to: number;
  /** State of the note before the session ([] before the first) and after it. */
  readonly before: readonly string[];
  readonly heads: readonly string[];
  readonly people: readonly Contribution[];
  /** Named versions that stand at its end. */
  readonly versions: readonly NamedVersion[];
}

export interface HistoryPage {
  /** Newest first. */
  readonly sessions: readonly HistorySession[];
  /** Changes of the whole note. */
  readonly changes: number;
  /** `before` of the next page; null at the end. */
  readonly next: number | null;
}

/** A note as it was. */
export interface PastNote {
  readonly heads: readonly string[];
  readonly title: string;
  readonly text: string;
  readonly markdown: string;
  readonly spans: readonly RichSpan[];
}

export interface NoteDiff {
  readonly title: { readonly from: string; readonly to: string };
  readonly parts: readonly NoteDiffPart[];
  /** Characters and block markers. */
  readonly added: number;
  readonly removed: number;
}

export interface Restored {
  /** State before, on which `base` of a second restore takes this one back. */
  readonly before: readonly string[];
  readonly heads: readonly string[];
}

/** Changes others made while this device was away and edited the same note itself. */
export interface MergeNotice {
  /** State of the note here before they came, and with the last of them. */
  readonly before: readonly string[];
  readonly heads: readonly string[];
  readonly changes: number;
  readonly people: readonly { readonly member: string | null; readonly name: string; readonly self: boolean }[];
}

export interface InviteCreated {
  readonly id: string;
  readonly link: string;
  readonly mode: "auto" | "ask";
  /** Unix milliseconds. */
  readonly expiresAt: number;
}

/** An invite link of this identity's making, or of another member's. */
export interface Invite {
  readonly id: string;
  readonly notebook: string;
  readonly mode: "auto" | "ask";
  readonly role: "reader" | "writer";
  readonly state: "open" | "usedUp" | "expired" | "revoked";
  /** The link again, where this device made it and it still works. */
  readonly link: string | null;
  readonly createdBy: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly uses: number;
  readonly maxUses: number;
}

/** One invite in progress, seen from either side. */
export interface PendingInvite {
  readonly id: string;
  readonly direction: "incoming" | "outgoing";
  readonly notebook: string | null;
  /** What the link calls the notebook, or its title. */
  readonly label: string;
  /** The other person's name as they gave it; null before they answered. */
  readonly name: string | null;
  /** Who that is by their key, and what is known of them; null before they answered. */
  readonly person: { readonly id: string; readonly standing: Standing } | null;
  readonly state: "connecting" | "requested" | "approved" | "joined" | "declined" | "expired" | "failed";
  /** Six digits that both people compare; null until both sides have exchanged their nonces. */
  readonly checkString: string | null;
  readonly message: string;
}

export interface JoinStarted {
  readonly id: string;
  readonly label: string;
}

/** What the app does while it has no window; for hosts with windows. */
export interface Background {
  /** `automatic`: it keeps running where a tray shows that it does, and asks elsewhere. */
  readonly whenClosed: "automatic" | "keep" | "quit";
  readonly startAtLogin: boolean;
  /** Whether this desktop shows tray icons. */
  readonly hasTray: boolean;
}

/** The app as an always-on node for others; for hosts with windows. */
/** What an always-on node does for others, as its operator may see it: nothing of what it keeps can be read. */
export interface ServingReport {
  /** Bytes on this disk. */
  readonly kept: number;
  /** People's devices connected now. */
  readonly connections: number;
  /** null while it takes no part in the overlay. */
  readonly overlay: {
    /** Other nodes can connect to it. */
    readonly isReachable: boolean;
    readonly links: readonly { readonly node: string; readonly dialledHere: boolean }[];
    /** Nodes known at random, and nodes known for their interests. */
    readonly random: number;
    readonly interest: number;
    /** Neighbours on the ring of each topic; a topic is named by a tag that only its members can compute. */
    readonly topics: readonly {
      readonly tag: string;
      readonly successors: readonly string[];
      readonly predecessors: readonly string[];
    }[];
    /** Items since the start: handed on by others, of these further copies, published here, found by comparing. */
    readonly delivered: number;
    readonly duplicates: number;
    readonly published: number;
    readonly repaired: number;
  } | null;
}

export interface Serving {
  readonly active: boolean;
  /** Most bytes it keeps for everybody together. */
  readonly capacity: number;
  /** null while it does not run. */
  readonly report: ServingReport | null;
  /** `host:port` under which others reach it; none until it runs. */
  readonly addresses: readonly string[];
  /** Why it does not run though it should. */
  readonly problem: string | null;
}

export interface ImportReport {
  readonly job: string;
  readonly state: "done" | "cancelled";
  readonly files: number;
  readonly imported: number;
  /** Already imported by an earlier run and unchanged since. */
  readonly unchanged: number;
  /** Pictures and files of the folder that notes refer to and now hold. */
  readonly attached: number;
  readonly failed: readonly { readonly path: string; readonly reason: string }[];
  /** What could not be carried over one to one, by kind, with the number of places and an example. */
  readonly dropped: readonly { readonly what: string; readonly count: number; readonly example: string }[];
  readonly milliseconds: number;
}

export interface ExportReport {
  readonly path: string;
  readonly documents: number;
  readonly attachments: number;
  readonly bytes: number;
}

/** What a folder with an export of notebooks holds, after every file in it was read and compared. */
export interface ProfileExport {
  readonly path: string;
  /** Unix milliseconds. */
  readonly createdAt: number;
  /** Whose notebooks they are. */
  readonly name: string;
  readonly notebooks: number;
  readonly documents: number;
  readonly attachments: number;
  /** Attachments that were not on this device and are not in the export; 0 when an export is only checked. */
  readonly missing: number;
  /** Signed records. */
  readonly records: number;
  /** Changes in the Automerge files that stand in no record: edits whose record had not come when it was made. */
  readonly unsigned: number;
  readonly files: number;
  readonly bytes: number;
}

export interface ProfileImport {
  readonly notebooks: readonly { readonly id: string; readonly title: string }[];
  readonly documents: number;
  /** Notes that came with their history. */
  readonly histories: number;
  readonly attachments: number;
  readonly failed: readonly { readonly path: string; readonly reason: string }[];
}

/** A file in a note. */
export interface Attachment {
  readonly document: string;
  /** Names the file in its notebook, 64 hex digits. */
  readonly blob: string;
  /** What a document stores beside `blob`, 64 hex digits. */
  readonly key: string;
  readonly name: string;
  readonly mime: string;
  readonly size: number;
  /** `missing`: nothing of it is here and nothing is on its way; `damaged`: what its author stored cannot be read. */
  readonly state: "present" | "fetching" | "missing" | "damaged";
  /** Bytes of it that are here. */
  readonly held: number;
}

export interface AttachmentPiece {
  /** Of the whole file. */
  readonly size: number;
  readonly mime: string;
  readonly bytes: Uint8Array;
}

export interface SavedAttachment {
  readonly path: string;
  readonly bytes: number;
}

/** When files of a notebook are fetched without being asked for: all, those of at most 10 MiB, or none. */
export type FetchPolicy = "always" | "small" | "demand";

export interface StorageUsage {
  readonly notebooks: readonly {
    readonly id: string;
    readonly title: string;
    readonly files: number;
    /** Sizes of all its files. */
    readonly bytes: number;
    /** What its files take on this disk. */
    readonly held: number;
    readonly policy: FetchPolicy;
  }[];
  readonly held: number;
  /** Most bytes of files one notebook may hold. */
  readonly limit: number;
}

export interface SearchHit {
  readonly id: string;
  readonly document: string;
  readonly notebook: string;
  readonly title: string;
  readonly snippet: string;
  /** [start, end) in UTF-16 units of `snippet`. */
  readonly highlights: readonly (readonly [number, number])[];
  /** Higher is better. */
  readonly score: number;
}

/** A person's caret in an open document. `cursor` is opaque to the node: the editor's own stable positions. */
export interface Presence {
  readonly peer: string;
  readonly name: string;
  readonly cursor: string | null;
}

/** What `documents.open` streams: one `opened`, then the rest in any order. */
export type OpenDocumentEvent =
  | {
      readonly type: "opened";
      readonly lease: string;
      /** Automerge actor for local changes, 32 hex digits; exclusive to this lease. */
      readonly actor: string;
      readonly title: string;
      readonly writable: boolean;
      /** Replica snapshot (protocol/replica) to load first, null for none; then `changes` on top, in any order. */
      readonly snapshot: Uint8Array | null;
      readonly changes: readonly Uint8Array[];
    }
  | { readonly type: "changes"; readonly changes: readonly Uint8Array[] }
  | { readonly type: "presence"; readonly present: readonly Presence[] };

/** What `events` streams: which query's answer may have changed. */
/** What a backup file holds. `chunks`: encrypted pieces of attachments. */
export interface BackupReport {
  readonly path: string;
  /** Unix milliseconds. */
  readonly createdAt: number;
  readonly name: string;
  /** Fingerprint of the root key of whose backup it is. */
  readonly identity: string;
  readonly notebooks: number;
  readonly documents: number;
  readonly chunks: number;
  readonly bytes: number;
}

/** Bytes of the phase under way; `total` is 0 while it is not known. */
export interface BackupProgress {
  readonly phase: "database" | "write" | "verify" | "read";
  readonly done: number;
  readonly total: number;
}

export interface BackupStatus {
  /** Where backups go. */
  readonly folder: string | null;
  readonly every: "week" | "never";
  readonly running: BackupProgress | null;
  /** The newest backup this device made; it was read back before it got its name. */
  readonly last: BackupReport | null;
  /** When the schedule makes the next one. */
  readonly next: number | null;
  /** Why the last one of the schedule was not made. */
  readonly problem: { readonly type: string; readonly message: string; readonly at: number } | null;
}

export interface RestoredProfile {
  readonly identity: Identity;
  readonly contents: Omit<BackupReport, "path">;
}

export type AppEvent =
  | { readonly type: "identityChanged" }
  | { readonly type: "devicesChanged" }
  | { readonly type: "contactsChanged" }
  | { readonly type: "notebooksChanged" }
  | { readonly type: "documentsChanged"; readonly notebook: string }
  | { readonly type: "searchChanged" }
  | { readonly type: "documentMerged"; readonly document: string }
  | { readonly type: "recoveredChanged" }
  | { readonly type: "membersChanged"; readonly notebook: string }
  | { readonly type: "peersChanged" }
  | { readonly type: "syncChanged"; readonly summary: SyncSummary }
  | { readonly type: "invitesChanged" }
  /** The system was asked to open a link of ours: `shell.takeLink` has it. */
  | { readonly type: "linkOpened" }
  | {
      readonly type: "importProgress";
      readonly job: string;
      readonly notebook: string;
      readonly done: number;
      readonly total: number;
      readonly current: string;
    }
  /** How much of an attachment is here; `document` is not named, as several may hold it. */
  | {
      readonly type: "attachmentChanged";
      readonly notebook: string;
      readonly blob: string;
      readonly state: Attachment["state"];
      readonly held: number;
      readonly size: number;
    }
  /** A file on its way into a note, under the token `attachments.add` was given. */
  | { readonly type: "attachmentProgress"; readonly token: string; readonly done: number; readonly total: number }
  /** Of an export or import of whole notebooks, and of the check of one. */
  | { readonly type: "profileProgress"; readonly done: number; readonly total: number; readonly current: string }
  | ({ readonly type: "backupProgress" } & BackupProgress)
  /** A backup began, ended or was scheduled. */
  | { readonly type: "backupChanged" }
  | { readonly type: "problem"; readonly error: { readonly type: string; readonly message: string } };
