import { ITEM_KINDS, proxyCheck, readItem } from "../../protocol/entry/item.ts";
import type { CheckedItem } from "../../protocol/entry/item.ts";
import type { Part } from "../../protocol/entry/payload.ts";
import type { AclBody } from "../../protocol/acl/acl-op.ts";
import type { RecordHeader, SignedRecord } from "../../protocol/entry/record.ts";
import type { EpochSecret } from "../../protocol/epoch/epoch-keys.ts";
import { deriveTopicKeys, mergeEpochs } from "../../protocol/epoch/epoch-keys.ts";
import type { FormatDependencies } from "../../protocol/automerge-format/change.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import { invariant } from "../../protocol/kernel/assert.ts";
import { bytesEqual, bytesToHex } from "../../protocol/kernel/bytes.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import { randomBelow } from "../../protocol/kernel/random.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import { durationMs } from "../../protocol/kernel/time.ts";
import type { PushResult, PushStatus } from "../../protocol/peer/messages.ts";
import type { Profile } from "../identities/profile.ts";
import type { Membership } from "../contract/types.ts";
import type { Clock } from "../ports/clock.ts";
import type { BundlePage, UnpackRequest } from "../ports/compactor.ts";
import type { ItemOpener } from "../ports/item-opener.ts";
import type { Log } from "../ports/log.ts";
import type { EntryRow, EntryState, SessionRow, SignedRow, Store, StoreError, TopicRow } from "../ports/store.ts";
import { ENTRY_STATE } from "../ports/store.ts";
import type { SliceQueue } from "../runtime/slices.ts";
import { createAccess } from "./access.ts";
import { createBundleReader } from "./bundle-reader.ts";
import type { ChangeInspector } from "./change-inspector.ts";
import type { Sealed, WritableSecret } from "./epoch-keeper.ts";
import { createEpochKeeper } from "./epoch-keeper.ts";
import type { Opened } from "./integrate.ts";
import { forgottenRepositories, markForgotten } from "./forgetting.ts";
import type { Candidate, IngestOrigin, OpenedItem } from "./ingest-queue.ts";
import { createIngestQueue } from "./ingest-queue.ts";
import { integrateRecord, openEntry, openWire } from "./integrate.ts";
import type { Integration, Repository } from "./repository.ts";
import { endSessions } from "./rollback.ts";
import { sealCompacted, sealRetirement } from "./seal.ts";
import type { Outcome } from "./outcome.ts";
import { addChanges, emptyOutcome } from "./outcome.ts";
import type { PageTaken } from "./take-page.ts";
import { openedRecord, takePage } from "./take-page.ts";
import { adoptPast } from "./validity.ts";

/** What the rest of the node does when something was committed. */
export interface RepositoryObserver {
  readonly integrated: (integration: Integration) => void;
  /** An item is stored; `source` is the link it came over, undefined for own ones. */
  readonly stored: (topic: TopicRow, item: CheckedItem, source: object | undefined) => void;
  readonly topicsChanged: () => void;
  /** Own sessions ended while documents may be open in them. */
  readonly sessionsEnded: () => void;
  readonly fault: (error: StoreError) => void;
}

export interface RepositoryService {
  /** `isRolledBack`: the store is an older copy, so no session of before goes on. */
  readonly open: (profile: Profile, isRolledBack: boolean) => void;
  /** The notebooks: every repository but the home repository. */
  readonly all: () => readonly Repository[];
  /** The repository whose members are the own devices, once this device has it. */
  readonly home: () => Repository | undefined;
  /** Says which repository is the home repository, before it is adopted. */
  readonly setHome: (rid: Uint8Array) => Result<null, StoreError>;
  readonly byId: (id: string) => Repository | undefined;
  readonly byNumber: (n: number) => Repository | undefined;
  readonly topics: () => readonly TopicRow[];
  readonly topicByPk: (pk: Uint8Array) => TopicRow | undefined;
  /** Reads the topics again after one was added or removed. */
  readonly refreshTopics: () => void;
  /** Where this identity stands in the repository. */
  readonly membership: (repository: Repository) => Membership;
  /** Whether this device holds a write key and is, by the ACL known so far, a writer. */
  readonly canWrite: (repository: Repository) => boolean;
  /** Whether what it writes may be sent under the present keys as they are: nobody without rights knows them, as far as is known here. */
  readonly hasFreshKeys: (repository: Repository) => boolean;
  /** Changes keys that somebody without rights knows, before content of another kind than notes is sealed under them. */
  readonly renewKeys: (repository: Repository) => Result<null, StoreError>;
  /** Whether this device can publish ops of its own, as a writer or over the readers' topic. */
  readonly canSpeak: (repository: Repository) => boolean;
  /** Takes a repository into this node: a new one with its genesis op, or one joined by invite. */
  readonly adopt: (input: {
    readonly rid: Uint8Array;
    readonly title: string;
    readonly aclOps: readonly SignedRow[];
    readonly secrets: readonly EpochSecret[];
    /** The topic those secrets stand for, which a reader cannot derive. */
    readonly topicPk: Uint8Array;
  }) => Result<Repository, StoreError>;
  /** Closes a repository for good; what is stored of it is left to whoever deletes it. */
  readonly forget: (repository: Repository) => Result<null, StoreError>;
  /** Verifies, stores and integrates items of a topic in slices; `done` answers for each wire in order. */
  readonly ingest: (
    topic: TopicRow,
    wires: readonly Uint8Array[],
    origin: IngestOrigin,
    done: (results: readonly PushResult[]) => void,
  ) => void;
  /** Stores an item this node made for a topic that is not a repository's (rendezvous). */
  readonly publish: (topic: TopicRow, item: CheckedItem) => Result<null, StoreError>;
  /** A session of this device that no one else writes with; `release` gives it back. */
  readonly leaseSession: (
    repository: Repository,
  ) => Result<{ readonly session: SessionRow; readonly release: () => void }, StoreError>;
  /** Writes one record with these parts in an own session at once. */
  readonly append: (repository: Repository, parts: readonly Part[]) => Result<null, StoreError>;
  /** Signs an ACL op on everything known and publishes it; `secret` is that of an epoch it founds. Answers the op's id. */
  readonly author: (repository: Repository, body: AclBody, secret?: EpochSecret) => Result<Uint8Array, StoreError>;
  /** Seals what is written and says what an epoch on top of the present ones needs; undefined while secrets are missing. */
  readonly headSecrets: (repository: Repository) => readonly WritableSecret[] | undefined;
  /** Publishes every ACL op in the current topic, for someone who cannot follow the earlier ones yet. */
  readonly publishOps: (repository: Repository) => Result<null, StoreError>;
  /** Asks for drafts of the repository to be sealed into entries: at once, or after the batching delay. */
  readonly scheduleSeal: (repository: Repository, urgency: "now" | "live" | "idle", bytes: number) => void;
  readonly sealAll: () => void;
  /** Takes records of a bundle of `topic`; `irregular`: nothing was taken of a page of joined batches, single ones are wanted. */
  readonly takeBundlePage: (
    repository: Repository,
    topic: TopicRow,
    page: BundlePage,
    form: UnpackRequest["form"],
  ) => Result<"taken" | "irregular", StoreError>;
  /** Takes ACL ops that came in a checkpoint; they are signed by themselves. */
  readonly takeOps: (repository: Repository, ops: readonly SignedRow[]) => Result<null, StoreError>;
  /** Whether this device may publish checkpoints. */
  readonly mayCompact: (repository: Repository) => boolean;
  /** Publishes a checkpoint or bundle in the current topic. */
  readonly publishCompacted: (
    repository: Repository,
    kind: "bundle" | "checkpoint",
    payload: Uint8Array,
  ) => Result<CheckedItem, StoreError>;
  /** Tells proxies of the current topic which of its items they need no more. */
  readonly publishRetirement: (repository: Repository, oids: readonly Uint8Array[]) => Result<CheckedItem, StoreError>;
  /** Says which records are integrated here. */
  readonly publishReceipt: (
    repository: Repository,
    integrated: readonly (readonly [session: Uint8Array, seq: number])[],
  ) => Result<null, StoreError>;
}

/** data.md section 4.4: flush after 2 s idle, 5 s at most, 32 KiB; 400 ms while someone is watching. */
const IDLE_FLUSH = durationMs(2_000);
const LATEST_FLUSH = 5_000;
const LIVE_FLUSH = durationMs(400);
const FLUSH_BYTES = 32_768;
/** Opened records kept while they wait for their parents; others are opened again from disk. */
const MAX_WAITING_IN_MEMORY = 2_000;

/** Late entries are taken from the topics of earlier epochs for this long (data.md section 7). */
export const LINGERING_MS = 30 * 24 * 3_600_000;
/** Members repair missing seals and announce topics in turn, so that one of them suffices. */
const UPKEEP_SPREAD_MS = 2_000;
const HOME_KEY = "home";
/** What may come over a reply topic: a few ops of one's own. */
const MAX_REPLY_BYTES = 8_192;
/** Sessions in one receipt: fits what a reader may say at once. */
const RECEIPT_SESSIONS = 256;

interface Flush {
  cancel: () => void;
  readonly since: number;
  bytes: number;
}

/** Owns the encrypted repositories of one identity: opens, receives, integrates, writes and seals. */
export const createRepositoryService = (deps: {
  readonly store: Store;
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly clock: Clock;
  readonly log: Log;
  readonly inspect: ChangeInspector;
  readonly inflateRaw: FormatDependencies["inflateRaw"];
  readonly opener: ItemOpener;
  readonly slices: SliceQueue;
  readonly observer: RepositoryObserver;
}): RepositoryService => {
  const { store, crypto, random, clock, log, inspect, slices, observer } = deps;
  let profile: Profile | undefined;
  let homeId: string | undefined;
  const repositories = new Map<string, Repository>();
  const byNumber = new Map<number, Repository>();
  let topics: readonly TopicRow[] = [];
  let topicsByPk = new Map<string, TopicRow>();
  const leased = new Set<string>();
  const flushes = new Map<number, Flush>();
  const waiting = new Map<string, Opened & { type: "record" }>();
  const upkeep = new Map<number, () => void>();

  const readBundle = createBundleReader(deps);
  const keeper = createEpochKeeper({
    ...deps,
    readBundle,
    leased,
    holder: () => {
      invariant(profile !== undefined, "the profile is open");
      return profile;
    },
  });

  const refreshTopics = (): void => {
    topics = store.topics.all();
    topicsByPk = new Map(topics.map((topic) => [bytesToHex(topic.pk), topic]));
    observer.topicsChanged();
  };

  /** Takes from the store what follows from the ACL. */
  const refresh = (repository: Repository): void => {
    const refreshed = store.transaction(() => keeper.refreshKeys(repository));
    if (!refreshed.ok) observer.fault(refreshed.error);
    keeper.noteLeft(repository);
  };

  const track = (n: number, rid: Uint8Array): Repository => {
    const repository: Repository = {
      n,
      rid,
      id: bytesToHex(rid),
      access: keeper.loadAccess(n, rid),
      epoch: keeper.storedEpoch(n),
    };
    refresh(repository);
    repositories.set(repository.id, repository);
    byNumber.set(n, repository);
    return repository;
  };

  /** Takes access and keys from the store again, after a transaction that had changed them in memory failed. */
  const reload = (repository: Repository): void => {
    keeper.takeItems();
    repository.access = keeper.loadAccess(repository.n, repository.rid);
    repository.epoch = keeper.storedEpoch(repository.n);
    refresh(repository);
  };

  /** Hands committed items on; topics that came with them are followed first. */
  const announce = (items: readonly Sealed[] = keeper.takeItems()): void => {
    if (items.some(({ topic }) => !topics.some(({ n }) => n === topic))) refreshTopics();
    for (const { topic: n, item } of items) {
      const topic = topics.find((row) => row.n === n);
      if (topic !== undefined) observer.stored(topic, item, undefined);
    }
  };

  const seal = (repository: Repository): void => {
    const flush = flushes.get(repository.n);
    flush?.cancel();
    flushes.delete(repository.n);
    const before = repository.access.ops().length;
    const sealed = store.transaction(() => keeper.sealAllDrafts(repository));
    if (!sealed.ok) {
      reload(repository);
      observer.fault(sealed.error);
      return;
    }
    const items = keeper.takeItems();
    if (items.length === 0) return;
    announce(items);
    const accessChanged = repository.access.ops().length > before;
    observer.integrated({ repository, changes: new Map(), rebuilt: new Set(), accessChanged });
  };

  /** Whether this device wrote the record in a session that is open here and does not know of it: the store is an older copy. */
  const isFromLostTime = ({ n }: Repository, { header, iid }: SignedRecord): boolean => {
    if (profile === undefined || !bytesEqual(header.devSig, profile.device.publicKey)) return false;
    const session = store.repositories.session(n, header.sess);
    return (
      session?.own === true &&
      session.state === 0 &&
      header.seq > session.lastSeq &&
      store.entries.inner(iid) === undefined
    );
  };

  const noteReceipts = ({ n }: Repository, { devSig }: RecordHeader, parts: readonly Part[]): void => {
    for (const part of parts) if (part.type === "receipt") store.checkpoints.addReceipt(n, devSig, part.integrated);
  };

  /** Integrates one opened record and notes what follows from it; one of a bundle has no topic. Inside a transaction. */
  const integrate = (
    repository: Repository,
    topic: TopicRow | undefined,
    opened: Extract<Opened, { type: "record" }>,
    outcome: Outcome,
  ): EntryState => {
    const now = clock.unix();
    const adopt = (header: RecordHeader) => adoptPast({ store, crypto, inspect, readBundle }, repository, header, now);
    const { record, parts } = opened;
    if (isFromLostTime(repository, record)) outcome.ended = endSessions({ store, inspect }, clock.unix());
    const done = integrateRecord({ store, adoptPast: adopt }, repository, opened, now);
    addChanges(outcome, done.changes);
    outcome.accessChanged ||= done.accessChanged;
    outcome.linked ||= done.linked;
    outcome.undecided ||= done.undecided;
    if (done.contradicts !== undefined) outcome.contradictions.push([done.contradicts, record.iid]);
    if (done.linked) {
      for (const part of parts) keeper.noteRequest(repository, record.header.devSig, part);
      noteReceipts(repository, record.header, parts);
      // Ops alone go on where others are who do not know of them yet.
      if (topic !== undefined && record.header.parts.length === 0)
        keeper.rewrap(repository, topic, record, parts, done.state);
      else if (topic !== undefined) outcome.arrived.push({ topic, record, parts, state: done.state });
    }
    // Before its parents are here: they may be in the very topic it names.
    for (const part of parts) outcome.announced = keeper.noteAnnouncement(repository, part) || outcome.announced;
    return done.state;
  };

  /** Tries records that waited for parents until none fits any more. */
  const retryWaiting = (repository: Repository, outcome: Outcome): void => {
    for (let progress = true; progress;) {
      progress = false;
      for (const topic of store.topics.all()) {
        if (topic.repository !== repository.n) continue;
        for (const row of store.entries.waiting(topic.n, ENTRY_STATE.pending)) {
          const opened = waiting.get(bytesToHex(row.oid)) ?? reopen(repository, topic, row);
          if (opened?.type !== "record") continue;
          const state = integrate(repository, topic, opened, outcome);
          if (state === ENTRY_STATE.pending) continue;
          store.entries.setState(row.n, state, opened.record.iid);
          waiting.delete(bytesToHex(row.oid));
          progress = true;
        }
      }
    }
  };

  const reopen = (repository: Repository, topic: TopicRow, row: EntryRow): Opened | undefined => {
    const wire = store.entries.wire(row.oid);
    if (wire === undefined) return undefined;
    const item = readItem(crypto, wire);
    // The signature was checked before the item was stored.
    return item.ok ? openEntry(deps, repository.rid, topic.readKey, item.value as CheckedItem) : undefined;
  };

  /** Readers' messages are small and carry nothing but ops and requests for seals. */
  const fitsReply = (wire: Uint8Array, opened: Opened): boolean =>
    wire.length <= MAX_REPLY_BYTES &&
    (opened.type === "refused" ||
      (opened.type === "record" &&
        opened.batches.length === 0 &&
        opened.parts.every(({ type }) => type === "aclOp" || type === "missingEpoch" || type === "receipt")));

  /** Rendezvous items belong to no repository: whoever watches the topic opens them. */
  const verifyRendezvous = (topic: TopicRow, wire: Uint8Array): OpenedItem => {
    const item = proxyCheck(crypto, wire);
    if (!item.ok) return { oid: new Uint8Array(32), candidate: undefined };
    const { oid, topicPk, kind } = item.value;
    const fits = bytesEqual(topicPk, topic.pk) && kind === ITEM_KINDS.rendezvous;
    return { oid, candidate: fits ? { item: item.value, opened: undefined } : undefined };
  };

  const verify = (topic: TopicRow, repository: Repository | undefined, wire: Uint8Array): OpenedItem =>
    repository === undefined
      ? verifyRendezvous(topic, wire)
      : openWire(deps, { pk: topic.pk, readKey: topic.readKey, rid: repository.rid }, wire);

  /** What is to be stored of a verified wire, or why nothing is. */
  const admit = (topic: TopicRow, { oid, candidate }: OpenedItem): Candidate | PushResult => {
    if (store.entries.has(oid)) return { oid, status: 1 };
    if (candidate === undefined) return { oid, status: 2 };
    if (topic.state !== "current" && topic.since + LINGERING_MS < clock.unix()) return { oid, status: 2 };
    const { item, opened } = candidate;
    if (topic.kind === "reply" && opened !== undefined && !fitsReply(item.wire, opened)) return { oid, status: 2 };
    return candidate;
  };

  /** Whether a batch may take rights away: what is written so far is sealed first, so that others can vouch for what it builds on. */
  const carriesOps = (candidates: readonly Candidate[]): boolean =>
    candidates.some(({ opened }) => opened?.type === "record" && opened.parts.some(({ type }) => type === "aclOp"));

  /** Stores and integrates verified items in one transaction. */
  const commit = (
    topic: TopicRow,
    repository: Repository | undefined,
    candidates: readonly Candidate[],
    { source, isAcknowledged }: IngestOrigin,
    covered: (() => void) | undefined,
  ): PushStatus => {
    const outcome = emptyOutcome();
    const fresh: CheckedItem[] = [];
    let rebuilt: ReadonlySet<number> = new Set();
    const written = store.transaction(() => {
      if (repository !== undefined && carriesOps(candidates)) keeper.sealAllDrafts(repository);
      for (const { item, opened } of candidates) {
        if (store.entries.has(item.oid)) continue;
        fresh.push(item);
        const record = opened?.type === "record" ? opened : undefined;
        let state: EntryState = opened?.type === "refused" ? opened.state : ENTRY_STATE.opened;
        // A checkpoint is judged once its bundles are here; a bundle says nothing by itself.
        if (opened?.type === "compacted" && item.kind === ITEM_KINDS.bundle) state = ENTRY_STATE.valid;
        if (repository !== undefined && record !== undefined) state = integrate(repository, topic, record, outcome);
        store.entries.add({
          oid: item.oid,
          topic: topic.n,
          kind: item.kind,
          gen: item.gen,
          wire: item.wire,
          iid: record?.record.iid ?? null,
          state,
          own: false,
          arrivedAt: clock.unix(),
        });
        if (repository === undefined || state === ENTRY_STATE.valid) continue;
        log.debug("entry not integrated", { state, oid: bytesToHex(item.oid.subarray(0, 4)) });
        if (state === ENTRY_STATE.pending && record !== undefined && waiting.size < MAX_WAITING_IN_MEMORY)
          waiting.set(bytesToHex(item.oid), record);
      }
      covered?.();
      if (repository !== undefined) rebuilt = settle(repository, outcome);
    }, "soon");
    if (!written.ok) {
      if (repository !== undefined) reload(repository);
      observer.fault(written.error);
      return 4;
    }
    // Own items and what somebody is told to be stored here must outlive a power cut; what was pulled can be pulled again.
    const items = keeper.takeItems();
    if ((items.length > 0 || isAcknowledged) && !flush()) return 4;
    if (outcome.accessChanged || outcome.announced) refreshTopics();
    for (const item of fresh) observer.stored(topic, item, source);
    announce(items);
    if (repository !== undefined) conclude(repository, topic, outcome, rebuilt);
    return 0;
  };

  const isVoid = ({ iid }: SignedRecord): boolean => store.entries.doubt(iid) === "void";

  /** Draws the consequences of integrated records; answers the documents that changed by it. Inside a transaction. */
  const settle = (repository: Repository, outcome: Outcome): ReadonlySet<number> => {
    let rebuilt: ReadonlySet<number> = new Set();
    if (outcome.linked || outcome.accessChanged) retryWaiting(repository, outcome);
    const known = repository.access.ops().length;
    keeper.freezeSessions(repository, outcome.contradictions);
    outcome.accessChanged ||= repository.access.ops().length > known;
    if (outcome.accessChanged || outcome.announced) rebuilt = keeper.settleAccess(repository);
    if (outcome.undecided && keeper.membership(repository) === "active")
      rebuilt = new Set([...rebuilt, ...keeper.judgeAgain(repository)]);
    // Not before the keys follow what the records say of the ACL: who was put out by it has the ones before.
    for (const { topic, record, parts, state } of outcome.arrived)
      keeper.rewrap(repository, topic, record, parts, isVoid(record) ? ENTRY_STATE.void : state);
    return rebuilt;
  };

  /** Tells everybody what was integrated and committed. */
  const conclude = (repository: Repository, topic: TopicRow, outcome: Outcome, settled: ReadonlySet<number>): void => {
    const { changes, accessChanged, linked, ended } = outcome;
    const rebuilt = ended === undefined ? settled : new Set([...settled, ...ended]);
    if (ended !== undefined) {
      log.warn("own records from elsewhere: the sessions end", {});
      observer.sessionsEnded();
    }
    if (linked || accessChanged || ended !== undefined) {
      observer.integrated({ repository, changes, rebuilt, accessChanged });
      if (accessChanged || topic.kind === "reply" || keeper.hasLeft(repository)) scheduleUpkeep(repository);
    }
    // An entry of changes that were all seen live brings nothing new and yet frees the drafts that build on them.
    if (linked && store.documents.drafts(repository.n, 1).length > 0) scheduleSeal(repository, "live", 0);
  };

  const takeBundlePage: RepositoryService["takeBundlePage"] = (repository, topic, page, form) => {
    const outcome = emptyOutcome();
    let rebuilt: ReadonlySet<number> = new Set();
    const written = store.transaction(() => {
      if (form === "joined") {
        const tried: PageTaken[] = [];
        store.savepoint(() => {
          const outcomeOfPage = takePage(store, repository, page, clock.unix());
          tried.push(outcomeOfPage);
          return outcomeOfPage.type === "irregular" ? outcomeOfPage : undefined;
        });
        const [taken] = tried;
        if (taken?.type !== "taken") return "irregular";
        addChanges(outcome, taken.changes);
        outcome.accessChanged = taken.accessChanged;
        outcome.linked = page.records.length > 0;
        for (const { header, parts } of page.records) noteReceipts(repository, header, parts);
        for (const { parts } of page.records)
          for (const part of parts) outcome.announced = keeper.noteAnnouncement(repository, part) || outcome.announced;
      } else
        for (const place of page.records.keys()) integrate(repository, undefined, openedRecord(page, place), outcome);
      if (page.isLast) rebuilt = settle(repository, outcome);
      else if (outcome.accessChanged) rebuilt = keeper.settleAccess(repository);
      return "taken";
    }, "soon");
    if (!written.ok) observer.fault(written.error);
    // Access and keys in memory go back as well to what is stored.
    if (!written.ok || written.value === "irregular") {
      reload(repository);
      return written;
    }
    if (outcome.accessChanged || outcome.announced) refreshTopics();
    announce();
    conclude(repository, topic, outcome, rebuilt);
    return written;
  };

  const takeOps: RepositoryService["takeOps"] = (repository, ops) => {
    const before = repository.access.ops().length;
    let rebuilt: ReadonlySet<number> = new Set();
    const written = store.transaction(() => {
      for (const op of ops) keeper.takeOp(repository, op);
      if (repository.access.ops().length > before) rebuilt = keeper.settleAccess(repository);
      return null;
    }, "soon");
    if (!written.ok) {
      reload(repository);
      observer.fault(written.error);
      return written;
    }
    if (repository.access.ops().length === before) return written;
    refreshTopics();
    announce();
    observer.integrated({ repository, changes: new Map(), rebuilt, accessChanged: true });
    scheduleUpkeep(repository);
    return written;
  };

  const flush = (): boolean => {
    const flushed = store.flush();
    if (!flushed.ok) observer.fault(flushed.error);
    return flushed.ok;
  };

  const queue = createIngestQueue({
    slices,
    clock,
    opener: deps.opener,
    open: verify,
    admit,
    commit,
    drained: () => void flush(),
  });

  const scheduleSeal: RepositoryService["scheduleSeal"] = (repository, urgency, bytes) => {
    const known = flushes.get(repository.n);
    const total = (known?.bytes ?? 0) + bytes;
    if (urgency === "now" || total >= FLUSH_BYTES) {
      seal(repository);
      return;
    }
    const now = clock.monotonic();
    const since = known?.since ?? now;
    // While someone watches, the first edit sets the deadline; alone, each further edit pushes it back, up to the limit.
    if (urgency === "live" && known !== undefined && known.since + LIVE_FLUSH > now) {
      known.bytes = total;
      return;
    }
    known?.cancel();
    const delay =
      urgency === "live" ? LIVE_FLUSH : durationMs(Math.max(0, Math.min(IDLE_FLUSH, since + LATEST_FLUSH - now)));
    flushes.set(repository.n, { cancel: clock.after(delay, () => seal(repository)), since, bytes: total });
  };

  /** Things every writer would do, done by whoever's turn comes first. */
  const scheduleUpkeep = (repository: Repository): void => {
    if (upkeep.has(repository.n)) return;
    const delay = durationMs(100 + randomBelow(random, UPKEEP_SPREAD_MS));
    upkeep.set(
      repository.n,
      clock.after(delay, () => {
        upkeep.delete(repository.n);
        keepUp(repository);
      }),
    );
  };

  const keepUp = (repository: Repository): void => {
    const before = repository.access.ops().length;
    const written = store.transaction(() => {
      keeper.keepUp(repository);
      if (repository.access.ops().length > before) keeper.settleAccess(repository);
    });
    if (!written.ok) {
      reload(repository);
      observer.fault(written.error);
      return;
    }
    announce();
    if (repository.access.ops().length > before)
      observer.integrated({ repository, changes: new Map(), rebuilt: new Set(), accessChanged: true });
  };

  const append: RepositoryService["append"] = (repository, parts) => {
    const written = store.transaction(() => {
      keeper.sealAllDrafts(repository);
      // First, so that the record's own view of the ACL contains the op it carries (a genesis entry has no other).
      for (const part of parts)
        if (part.type === "aclOp") keeper.takeOp(repository, { header: part.header, signature: part.sig });
      const into = keeper.speakingTopic(repository);
      invariant(into !== undefined, "who appends can speak");
      keeper.say(repository, parts, into);
      if (parts.some(({ type }) => type === "aclOp")) keeper.settleAccess(repository);
    });
    if (!written.ok) {
      reload(repository);
      return written;
    }
    announce();
    observer.integrated({
      repository,
      changes: new Map(),
      rebuilt: new Set(),
      accessChanged: parts.some((part) => part.type === "aclOp"),
    });
    return ok(null);
  };

  return {
    open: (opened, isRolledBack) => {
      profile = opened;
      if (isRolledBack) {
        const ended = store.transaction(() => endSessions({ store, inspect }, clock.unix()));
        if (!ended.ok) observer.fault(ended.error);
      }
      const home = store.meta.get(HOME_KEY);
      homeId = home === undefined ? undefined : bytesToHex(home);
      for (const row of store.repositories.all()) track(row.n, row.rid);
      refreshTopics();
      // Drafts that a crash left behind were acknowledged: seal them now.
      for (const repository of repositories.values()) {
        seal(repository);
        if (keeper.hasLeft(repository)) scheduleUpkeep(repository);
      }
    },
    all: () => [...repositories.values()].filter(({ id }) => id !== homeId),
    home: () => (homeId === undefined ? undefined : repositories.get(homeId)),
    setHome: (rid) => {
      const written = store.transaction(() => store.meta.set(HOME_KEY, rid));
      if (!written.ok) return written;
      homeId = bytesToHex(rid);
      return ok(null);
    },
    byId: (id) => repositories.get(id),
    byNumber: (n) => byNumber.get(n),
    topics: () => topics,
    topicByPk: (pk) => topicsByPk.get(bytesToHex(pk)),
    refreshTopics,
    membership: keeper.membership,
    canWrite: (repository) =>
      repository.epoch.topicKey !== null &&
      profile !== undefined &&
      repository.access.isWriter(profile.device.publicKey),
    hasFreshKeys: keeper.hasFreshKeys,
    renewKeys: (repository) => {
      if (keeper.hasFreshKeys(repository)) return ok(null);
      const before = repository.access.ops().length;
      const written = store.transaction(() => keeper.rotateIfDue(repository));
      if (!written.ok) {
        reload(repository);
        return written;
      }
      announce();
      if (repository.access.ops().length > before)
        observer.integrated({ repository, changes: new Map(), rebuilt: new Set(), accessChanged: true });
      return ok(null);
    },
    canSpeak: (repository) => keeper.speakingTopic(repository) !== undefined,
    forget: ({ n, id, rid }) => {
      const written = store.transaction(() => markForgotten(store, n, rid));
      if (!written.ok) return written;
      flushes.get(n)?.cancel();
      upkeep.get(n)?.();
      flushes.delete(n);
      upkeep.delete(n);
      repositories.delete(id);
      byNumber.delete(n);
      refreshTopics();
      return ok(null);
    },
    adopt: ({ rid, title, aclOps, secrets, topicPk }) => {
      if (forgottenRepositories(store).some((one) => bytesEqual(one.rid, rid)))
        return err({ type: "CannotWrite", message: "an older copy of it is still being deleted" });
      const known = repositories.get(bytesToHex(rid));
      let rebuilt: ReadonlySet<number> = new Set();
      const written = store.transaction(() => {
        const n = store.repositories.add(rid, title, clock.unix());
        const access = known?.access ?? createAccess(crypto, rid);
        for (const row of aclOps) {
          const added = access.add(row);
          if (added.type === "added") store.repositories.addAclOp(n, added.id, added.gen, row);
        }
        for (const secret of secrets) store.repositories.addEpoch(n, { eid: secret.eid, s: secret.S, w: secret.W });
        const keys = deriveTopicKeys(crypto, mergeEpochs(crypto, secrets));
        keeper.moveTo(n, keys.topicKey?.publicKey ?? topicPk, keys);
        if (known === undefined) return n;
        known.epoch = keeper.storedEpoch(n);
        rebuilt = keeper.settleAccess(known);
        return n;
      });
      if (!written.ok) {
        if (known !== undefined) reload(known);
        return written;
      }
      const repository = known ?? track(written.value, rid);
      refreshTopics();
      announce();
      if (known !== undefined) observer.integrated({ repository, changes: new Map(), rebuilt, accessChanged: true });
      return ok(repository);
    },
    ingest: (topic, wires, origin, done) => {
      queue.add(topic, topic.repository === null ? undefined : byNumber.get(topic.repository), wires, origin, done);
    },
    publish: (topic, item) => {
      const written = store.transaction(() => {
        store.entries.add({
          oid: item.oid,
          topic: topic.n,
          kind: item.kind,
          gen: item.gen,
          wire: item.wire,
          iid: null,
          state: ENTRY_STATE.opened,
          own: true,
          arrivedAt: clock.unix(),
        });
      });
      if (!written.ok) return err(written.error);
      observer.stored(topic, item, undefined);
      return ok(null);
    },
    leaseSession: (repository) => {
      const session = store.transaction(() => keeper.ownSession(repository));
      if (!session.ok) return session;
      const key = bytesToHex(session.value.session);
      leased.add(key);
      return ok({ session: session.value, release: () => leased.delete(key) });
    },
    append,
    author: (repository, body, secret) => {
      let rebuilt: ReadonlySet<number> = new Set();
      const written = store.transaction(() => {
        keeper.sealAllDrafts(repository);
        const id = keeper.authorOp(repository, body, secret);
        rebuilt = keeper.settleAccess(repository);
        return id;
      });
      if (!written.ok) {
        reload(repository);
        return written;
      }
      refreshTopics();
      announce();
      observer.integrated({ repository, changes: new Map(), rebuilt, accessChanged: true });
      scheduleUpkeep(repository);
      return ok(written.value);
    },
    headSecrets: keeper.headSecrets,
    takeBundlePage,
    takeOps,
    mayCompact: (repository) => keeper.membership(repository) === "active" && keeper.hasFreshKeys(repository),
    publishCompacted: (repository, kind, payload) => {
      const written = store.transaction(() =>
        sealCompacted(keeper.sealing(), repository, keeper.ownSession(repository), kind, payload, clock.unix()),
      );
      if (!written.ok) return written;
      const topic = topics.find(({ n }) => n === repository.epoch.topic);
      if (topic !== undefined) observer.stored(topic, written.value, undefined);
      return written;
    },
    publishRetirement: (repository, oids) => {
      const written = store.transaction(() => sealRetirement(keeper.sealing(), repository, oids, clock.unix()));
      if (!written.ok) return written;
      const topic = topics.find(({ n }) => n === repository.epoch.topic);
      if (topic !== undefined) observer.stored(topic, written.value, undefined);
      return written;
    },
    publishReceipt: (repository, integrated) => {
      for (let from = 0; from < integrated.length; from += RECEIPT_SESSIONS) {
        const page = integrated.slice(from, from + RECEIPT_SESSIONS);
        const said = append(repository, [{ type: "receipt", integrated: page }]);
        if (!said.ok) return said;
        const device = keeper.sealing().device.publicKey;
        const noted = store.transaction(() => store.checkpoints.addReceipt(repository.n, device, page), "soon");
        if (!noted.ok) return noted;
      }
      return ok(null);
    },
    publishOps: (repository) => {
      const written = store.transaction(() => keeper.publishOps(repository));
      if (!written.ok) {
        reload(repository);
        return written;
      }
      announce();
      return ok(null);
    },
    scheduleSeal,
    sealAll: () => {
      for (const repository of repositories.values()) seal(repository);
    },
  };
};
