import type { Result } from "../../protocol/kernel/result.ts";
import type { CheckpointStore } from "./checkpoint-store.ts";
import type { ProxyStore } from "./proxy-store.ts";

/**
 * The durable state of one identity.
 * P-STORE-1 `transaction` runs `work` atomically; when it returns ok the effects survive a crash or power cut.
 * P-STORE-6 With durability `soon` they survive a crash of the process at once; a power cut may undo them, the latest first, until
 * `flush` or the next other transaction returns ok.
 * P-STORE-2 A failed transaction leaves no trace and reports the fault by name.
 * P-STORE-3 Writes outside `transaction` are a bug and throw.
 * P-STORE-4 Inserting what is already there changes nothing and says so.
 * P-STORE-5 Reads see everything committed before.
 */
export interface Store {
  /** `soon` does not wait for the disk; inside another transaction its own durability counts. */
  readonly transaction: <T>(work: () => T, durability?: "now" | "soon") => Result<T, StoreError>;
  /** Makes what was committed `soon` survive a power cut. */
  readonly flush: () => Result<unknown, StoreError>;
  /** Inside a transaction: undoes what `refusable` wrote when it answers something other than `undefined`. */
  readonly savepoint: <T>(refusable: () => T | undefined) => T | undefined;
  readonly meta: MetaStore;
  readonly repositories: RepositoryStore;
  readonly topics: TopicStore;
  readonly entries: EntryStore;
  readonly checkpoints: CheckpointStore;
  readonly documents: DocumentStore;
  readonly invites: InviteStore;
  readonly addresses: AddressStore;
  readonly importedFiles: ImportedFileStore;
  readonly blobs: BlobRows;
  readonly proxies: ProxyStore;
}

export interface StoreError {
  readonly type: "DiskFull" | "CorruptDatabase" | "DataDirectoryInUse" | "NewerSchema" | "CannotWrite";
  readonly message: string;
}

export interface MetaStore {
  readonly get: (key: string) => Uint8Array | undefined;
  readonly set: (key: string, value: Uint8Array) => void;
  readonly remove: (key: string) => void;
  /** Everything whose key starts with `prefix`. */
  readonly list: (prefix: string) => readonly { readonly key: string; readonly value: Uint8Array }[];
  readonly settings: () => Readonly<Record<string, string>>;
  readonly setSetting: (key: string, value: string) => void;
}

export interface SignedRow {
  readonly header: Uint8Array;
  readonly signature: Uint8Array;
}

export interface RepositoryRow {
  readonly n: number;
  readonly rid: Uint8Array;
  readonly title: string;
  readonly addedAt: number;
  readonly updatedAt: number;
}

export interface EpochRow {
  readonly eid: Uint8Array;
  readonly s: Uint8Array;
  readonly w: Uint8Array | null;
}

export interface SessionRow {
  readonly session: Uint8Array;
  readonly device: Uint8Array;
  readonly lastSeq: number;
  readonly lastIid: Uint8Array;
  readonly own: boolean;
  /** 0 open, 1 closed, 2 frozen. */
  readonly state: number;
  readonly startedAt: number;
  /** CBOR list of the ACL heads of the session's newest entry: the closure may never shrink. */
  readonly acl: Uint8Array;
}

export interface HeadRow {
  readonly iid: Uint8Array;
  readonly gen: number;
}

export interface RepositoryStore {
  readonly add: (rid: Uint8Array, title: string, now: number) => number;
  /** All but those marked `forgetting/<n>` in `meta`. */
  readonly all: () => readonly RepositoryRow[];
  /** Deletes up to `limit` rows of what belongs to a repository; true when nothing of it is left. */
  readonly erase: (n: number, limit: number) => boolean;
  readonly setTitle: (n: number, title: string) => void;
  readonly touch: (n: number, now: number) => void;
  readonly addAclOp: (n: number, id: Uint8Array, gen: number, row: SignedRow) => boolean;
  readonly aclOps: (n: number) => readonly SignedRow[];
  readonly addEpoch: (n: number, row: EpochRow) => void;
  readonly epochs: (n: number) => readonly EpochRow[];
  readonly session: (n: number, session: Uint8Array) => SessionRow | undefined;
  readonly ownSessions: (n: number) => readonly SessionRow[];
  /** What `SessionRow` calls `acl`, of each session of a device. */
  readonly aclsOf: (n: number, device: Uint8Array) => readonly Uint8Array[];
  readonly putSession: (n: number, row: SessionRow) => void;
  readonly addEquivocation: (
    n: number,
    session: Uint8Array,
    seq: number,
    a: Uint8Array,
    b: Uint8Array,
    now: number,
  ) => boolean;
  /** Whether two records for one place in a session were ever seen. */
  readonly hasEquivocation: (n: number) => boolean;
  readonly heads: (n: number) => readonly HeadRow[];
  readonly setHeads: (n: number, heads: readonly HeadRow[]) => void;
  /** Makes `added` a head and its `parents` none. */
  readonly advanceHeads: (n: number, added: HeadRow, parents: readonly Uint8Array[]) => void;
  /** Takes time in proportion to what the repository holds. */
  readonly counts: (n: number) => RepositoryCounts;
  /** Takes time in proportion to what is counted. */
  readonly backlog: (n: number) => RepositoryBacklog;
}

export interface RepositoryBacklog {
  readonly pending: number;
  readonly undelivered: number;
}

export interface RepositoryCounts {
  readonly entries: number;
  readonly documents: number;
}

export interface TopicRow {
  readonly n: number;
  readonly pk: Uint8Array;
  readonly repository: number | null;
  /** `reply`: where members without the write secret of an epoch speak. */
  readonly kind: "epoch" | "rendezvous" | "reply";
  readonly readKey: Uint8Array;
  readonly topicSeed: Uint8Array | null;
  /** `lingering`: was current once, late entries still come; `history`: of before this device came. */
  readonly state: "current" | "lingering" | "history";
  /** When it became that, Unix milliseconds. */
  readonly since: number;
}

export interface TopicStore {
  /** Answers the row of the topic; one that is known keeps its state and gains the seed. */
  readonly add: (row: Omit<TopicRow, "n">) => number;
  readonly setState: (n: number, state: TopicRow["state"], since: number) => void;
  readonly all: () => readonly TopicRow[];
  readonly remove: (n: number) => void;
}

/** Numbers as stored: the entry state machine of the record formats. */
export const ENTRY_STATE = {
  stored: 0,
  noKey: 1,
  opened: 2,
  pending: 3,
  valid: 4,
  void: 5,
  malformed: 6,
  quarantined: 7,
  deferred: 8,
  /** A checkpoint or bundle that a later one replaces; its bytes are gone. */
  retired: 9,
} as const;
export type EntryState = (typeof ENTRY_STATE)[keyof typeof ENTRY_STATE];

export interface NewEntry {
  readonly oid: Uint8Array;
  readonly topic: number;
  readonly kind: number;
  readonly gen: number;
  readonly wire: Uint8Array;
  readonly iid: Uint8Array | null;
  readonly state: EntryState;
  readonly own: boolean;
  readonly arrivedAt: number;
}

export interface EntryRow {
  readonly n: number;
  readonly oid: Uint8Array;
}

export interface InnerRow {
  readonly iid: Uint8Array;
  readonly device: Uint8Array;
  readonly session: Uint8Array;
  readonly seq: number;
  readonly gen: number;
  readonly header: Uint8Array;
}

/** What the access rules made of a record that is not simply valid. */
export type Doubt = "adopted" | "void";

/** An accepted record and when the item that carried it came. */
export interface CarriedRecord extends InnerRow {
  /** Null for one that came in a bundle. */
  readonly arrivedAt: number | null;
}

export interface EntryStore {
  /** Row number, or `undefined` when the oid is known already. */
  readonly add: (entry: NewEntry) => number | undefined;
  readonly has: (oid: Uint8Array) => boolean;
  /** `undefined` also for an item whose bytes were retired. */
  readonly wire: (oid: Uint8Array) => Uint8Array | undefined;
  /** Unix milliseconds; `undefined` for an item that is not kept. */
  readonly arrivedAt: (oid: Uint8Array) => number | undefined;
  readonly setState: (n: number, state: EntryState, iid: Uint8Array | null) => void;
  readonly waiting: (topic: number, state: EntryState) => readonly EntryRow[];
  /** The items of a topic for reconciliation, ordered by (gen, oid): all but those a checkpoint replaces. */
  readonly items: (topic: number) => readonly { readonly gen: number; readonly oid: Uint8Array }[];
  /** Own items of a topic that no other device has acknowledged. */
  readonly undelivered: (topic: number, limit: number) => readonly Uint8Array[];
  /** Marks own items as held by another device; returns how many were not before. */
  readonly markDelivered: (oids: readonly Uint8Array[]) => number;
  /** Row of the item that came last, 0 for none. */
  readonly newest: () => number;
  /** How many entries of the repository came after row `item`, those of `device` left out; counts up to `limit`. */
  readonly since: (repository: number, item: number, device: Uint8Array, limit: number) => number;
  readonly addInner: (repository: number, row: InnerRow) => boolean;
  readonly inner: (iid: Uint8Array) => InnerRow | undefined;
  readonly innerAt: (repository: number, session: Uint8Array, seq: number) => InnerRow | undefined;
  /** For each session of a repository the highest number of a linked record, and how many there are. */
  readonly chains: (
    repository: number,
  ) => readonly { readonly session: Uint8Array; readonly last: number; readonly count: number }[];
  /** All records of a repository that are linked into their sessions, whatever became of them. */
  readonly inners: (repository: number) => readonly InnerRow[];
  /** Records before `before` in the order of (gen, iid), the last of all first when there is none. */
  readonly carried: (
    repository: number,
    before: Pick<InnerRow, "gen" | "iid"> | undefined,
    limit: number,
  ) => readonly CarriedRecord[];
  /** An item that carries the record, with its topic's row. */
  readonly wireOf: (iid: Uint8Array) => { readonly wire: Uint8Array; readonly topic: number } | undefined;
  readonly doubt: (iid: Uint8Array) => Doubt | undefined;
  readonly doubts: (repository: number) => readonly { readonly iid: Uint8Array; readonly doubt: Doubt }[];
  readonly hasDoubts: (repository: number, session: Uint8Array) => boolean;
  /** `undefined` takes the doubt away; the state of the items that carry the record follows. */
  readonly setDoubt: (repository: number, session: Uint8Array, iid: Uint8Array, doubt: Doubt | undefined) => void;
}

export interface DocumentRow {
  readonly n: number;
  readonly repository: number;
  readonly did: Uint8Array;
  /** Change hashes, sorted. */
  readonly heads: readonly Uint8Array[];
  readonly type: string;
  readonly title: string;
  readonly folder: string;
  readonly tags: readonly string[];
  readonly excerpt: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly deleted: boolean;
}

/** What lists know of a document; derived from its Automerge state. */
export interface DocumentFacts {
  readonly type: string;
  readonly title: string;
  readonly folder: string;
  readonly tags: readonly string[];
  readonly excerpt: string;
  readonly createdAt: number | null;
  readonly updatedAt: number | null;
  readonly deleted: boolean;
}

/** Changes of one actor with consecutive numbers in one document; `facts` and `bytes` as `ChangeRun` describes them. */
export interface ChangeRunRow {
  readonly n: number;
  readonly document: number;
  readonly actor: Uint8Array;
  readonly firstSeq: number;
  readonly count: number;
  readonly facts: Uint8Array;
  /** How many of its changes, counted from the last, are in no entry yet. */
  readonly drafts: number;
}

export interface DraftRow extends ChangeRunRow {
  readonly did: Uint8Array;
  readonly bytes: Uint8Array;
}

/** What a list shows: the notes of a folder and below ("" for every folder), or the trash, in an order. */
export interface DocumentView {
  readonly folder: string;
  readonly deleted: boolean;
  readonly order: "updated" | "created" | "title";
}

export interface FolderRow {
  readonly folder: string;
  /** Notes directly in it. */
  readonly count: number;
}

export interface DocumentStore {
  readonly add: (repository: number, did: Uint8Array, now: number) => number;
  readonly byId: (repository: number, did: Uint8Array) => DocumentRow | undefined;
  readonly byNumber: (n: number) => DocumentRow | undefined;
  /** Heads alone, without what the lists show; none for an unknown document. */
  readonly heads: (n: number) => readonly Uint8Array[];
  readonly list: (repository: number) => readonly DocumentRow[];
  /** Number of notes in a view. */
  readonly count: (repository: number, view: DocumentView) => number;
  readonly page: (repository: number, view: DocumentView, offset: number, limit: number) => readonly DocumentRow[];
  /** Number of notes in front of this one in a view that contains it. */
  readonly position: (repository: number, view: DocumentView, row: DocumentRow) => number;
  /** Folders that notes outside the trash are in. */
  readonly folders: (repository: number) => readonly FolderRow[];
  readonly setHeads: (n: number, heads: readonly Uint8Array[], now: number) => void;
  readonly addChanges: (
    document: number,
    run: Omit<ChangeRunRow, "n" | "document"> & { readonly bytes: Uint8Array },
  ) => void;
  /** Finds the largest operation of a change of the document by its hash; keeps what it read for the next question. */
  readonly maxOps: (document: number) => (hash: Uint8Array) => number | undefined;
  /** Stored runs of an actor with changes numbered `from` and above. */
  readonly runsFrom: (document: number, actor: Uint8Array, from: number) => readonly ChangeRunRow[];
  /** Highest seq of an actor in a document, 0 for none; drafts included. */
  readonly lastSeq: (document: number, actor: Uint8Array) => number;
  /** The same without drafts: how far the actor's session chain has come. */
  readonly lastSealedSeq: (document: number, actor: Uint8Array) => number;
  readonly snapshot: (n: number) => { readonly bytes: Uint8Array; readonly upTo: number } | undefined;
  readonly setSnapshot: (n: number, bytes: Uint8Array, upTo: number) => void;
  /** Changes of the runs after row `from` in arrival order (so dependencies come first), with the row number of the last one. */
  readonly changesAfter: (
    n: number,
    from: number,
  ) => { readonly changes: readonly Uint8Array[]; readonly upTo: number };
  /** Takes the changes of an actor numbered `from` and above out of the document. */
  readonly truncate: (document: number, actor: Uint8Array, from: number) => void;
  /** Sets the heads after changes were taken out and forgets the snapshot. */
  readonly rebuilt: (document: number, heads: readonly Uint8Array[]) => void;
  /** Those of these changes that the document has, in arrival order. Reads all hashes of the document in the worst case. */
  readonly changesByHash: (n: number, hashes: readonly Uint8Array[]) => readonly Uint8Array[];
  /** Runs of own sessions not yet sealed into an entry, in the order they were made. */
  readonly drafts: (repository: number, limit: number) => readonly DraftRow[];
  /** Runs of other devices that came live and whose entries have not come. */
  readonly foreignDrafts: (repository: number) => readonly ChangeRunRow[];
  readonly setDrafts: (n: number, drafts: number) => void;
  /** Replaces what lists know of a document. */
  readonly setFacts: (n: number, facts: DocumentFacts) => void;
  /** Notes that lists and full-text search know the present state; new changes undo that. */
  readonly markIndexed: (ns: readonly number[]) => void;
  /** Full-text search knows nothing any more. */
  readonly forgetIndex: () => void;
  readonly unindexed: () => readonly number[];
}

export interface InviteRow {
  readonly id: Uint8Array;
  readonly role: "inviter" | "joiner";
  readonly repository: number | null;
  /** Encoded snapshot of the invite machine. */
  readonly state: Uint8Array;
  readonly expiresAt: number;
}

export interface InviteStore {
  readonly put: (row: InviteRow) => void;
  readonly all: () => readonly InviteRow[];
  readonly remove: (id: Uint8Array) => void;
}

export interface AddressRow {
  readonly address: string;
  readonly found: "mdns" | "manual" | "hint";
  readonly lastOk: number;
}

export interface AddressStore {
  readonly put: (row: AddressRow) => void;
  readonly all: () => readonly AddressRow[];
  readonly remove: (address: string) => void;
}

export interface ImportedFileStore {
  readonly find: (
    repository: number,
    source: string,
    path: string,
  ) => { readonly hash: Uint8Array; readonly did: Uint8Array } | undefined;
  readonly put: (repository: number, source: string, path: string, hash: Uint8Array, did: Uint8Array) => void;
}

/** Numbers as stored. `importing`: no root yet; `wanted`: nothing but the reference; `unreadable`: its manifest does not open. */
export const BLOB_STATE = { importing: 0, wanted: 1, fetching: 2, present: 3, unreadable: 4 } as const;
export type BlobState = (typeof BLOB_STATE)[keyof typeof BLOB_STATE];

/** What a document says of an attachment. */
export interface BlobReference {
  readonly root: Uint8Array;
  readonly key: Uint8Array;
  readonly size: number;
  readonly mime: string;
  readonly name: string;
}

export interface BlobRow extends BlobReference {
  readonly n: number;
  readonly repository: number;
  readonly state: BlobState;
  /** SHA-256 of the file as its manifest states it; null until the manifest was read. */
  readonly sha256: Uint8Array | null;
  /** Bytes of chunks that are here. */
  readonly held: number;
}

/** `position` -1 is the manifest. `bytes` is the ciphertext's length, 0 where it is not known yet. */
export interface BlobChunkRow {
  readonly position: number;
  readonly id: Uint8Array;
  readonly key: Uint8Array;
  readonly bytes: number;
  readonly present: boolean;
}

export interface BlobUsage {
  readonly repository: number;
  readonly files: number;
  /** Sizes of all files the notebook knows of. */
  readonly bytes: number;
  /** Ciphertext on this disk; a chunk that serves two files counts once. */
  readonly held: number;
}

/** What is known of attachments: their chunks, which of them are here, and which documents refer to them. */
export interface BlobRows {
  readonly begin: (
    repository: number,
    facts: { readonly size: number; readonly mime: string; readonly name: string },
    now: number,
  ) => number;
  readonly addChunks: (n: number, chunks: readonly BlobChunkRow[]) => void;
  /** Gives an import its root; joins it with a row of the same root and answers the row that stays. */
  readonly finish: (n: number, root: Uint8Array, key: Uint8Array, sha256: Uint8Array) => number;
  /** Row of a reference found in a document; an unreadable one takes the new key. */
  readonly learn: (repository: number, reference: BlobReference, now: number) => number;
  readonly find: (repository: number, root: Uint8Array) => BlobRow | undefined;
  readonly byNumber: (n: number) => BlobRow | undefined;
  /** Takes over what the manifest says and goes on to `fetching`. */
  readonly describe: (n: number, facts: Omit<BlobReference, "root" | "key"> & { readonly sha256: Uint8Array }) => void;
  readonly setState: (n: number, state: BlobState) => void;
  readonly chunk: (n: number, position: number) => BlobChunkRow | undefined;
  /** Chunks that are not here, in order, from `position` on. */
  readonly missing: (n: number, position: number, limit: number) => readonly BlobChunkRow[];
  /** Every chunk of the repository's files that is here. */
  readonly chunksOf: (repository: number) => readonly Uint8Array[];
  /** Whether a chunk of any of the repository's files is here. */
  readonly holds: (repository: number, id: Uint8Array) => boolean;
  /** Notes for every file of the repository whether the chunk is here; answers the rows of those files. */
  readonly mark: (repository: number, id: Uint8Array, bytes: number, present: boolean) => readonly number[];
  /** Makes `blobs` the ones the document refers to. */
  readonly setReferences: (document: number, blobs: readonly number[], now: number) => void;
  /** Files that are not here as a whole and that a document refers to. */
  readonly wanted: () => readonly BlobRow[];
  readonly unfinished: () => readonly number[];
  /** No document has referred to them since `before`. */
  readonly dead: (before: number) => readonly BlobRow[];
  /** Forgets a file; answers the chunks that no other file of the repository needs. */
  readonly remove: (n: number) => readonly Uint8Array[];
  readonly usage: () => readonly BlobUsage[];
}
