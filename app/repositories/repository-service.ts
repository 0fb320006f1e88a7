import { ITEM_KINDS, checkTopicSignature, readItem } from "../../protocol/entry/item.ts";
import type { CheckedItem } from "../../protocol/entry/item.ts";
import type { Part } from "../../protocol/entry/payload.ts";
import type { EpochSecret } from "../../protocol/epoch/epoch-keys.ts";
import { deriveTopicKeys, mergeEpochs } from "../../protocol/epoch/epoch-keys.ts";
import { encodeCbor } from "../../protocol/codec/cbor.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import { invariant } from "../../protocol/kernel/assert.ts";
import { bytesEqual, bytesToHex } from "../../protocol/kernel/bytes.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import { durationMs } from "../../protocol/kernel/time.ts";
import type { PushResult, PushStatus } from "../../protocol/peer/messages.ts";
import type { Profile } from "../identities/profile.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { EntryRow, SessionRow, SignedRow, Store, StoreError, TopicRow } from "../ports/store.ts";
import { ENTRY_STATE } from "../ports/store.ts";
import type { SliceQueue } from "../runtime/slices.ts";
import { createAccess } from "./access.ts";
import type { ChangeInspector } from "./change-inspector.ts";
import type { Opened } from "./integrate.ts";
import { integrateRecord, openEntry } from "./integrate.ts";
import type { Integration, Repository } from "./repository.ts";
import type { SealDependencies } from "./seal.ts";
import { appendRecord, sealDrafts } from "./seal.ts";

/** What the rest of the node does when something was committed. */
export interface RepositoryObserver {
  readonly integrated: (integration: Integration) => void;
  /** An item is stored; `source` is the link it came over, undefined for own ones. */
  readonly stored: (topic: TopicRow, item: CheckedItem, source: object | undefined) => void;
  readonly topicsChanged: () => void;
  readonly fault: (error: StoreError) => void;
}

export interface RepositoryService {
  readonly open: (profile: Profile) => void;
  readonly all: () => readonly Repository[];
  readonly byId: (id: string) => Repository | undefined;
  readonly byNumber: (n: number) => Repository | undefined;
  readonly topics: () => readonly TopicRow[];
  readonly topicByPk: (pk: Uint8Array) => TopicRow | undefined;
  /** Reads the topics again after one was added or removed. */
  readonly refreshTopics: () => void;
  /** Whether this device holds the write key and is, by the ACL known so far, a writer. */
  readonly canWrite: (repository: Repository) => boolean;
  /** Takes a repository into this node: a new one with its genesis op, or one joined by invite. */
  readonly adopt: (input: {
    readonly rid: Uint8Array;
    readonly title: string;
    readonly aclOps: readonly SignedRow[];
    readonly secrets: readonly EpochSecret[];
  }) => Result<Repository, StoreError>;
  /** Verifies, stores and integrates items of a topic in slices; `done` answers for each wire in order. */
  readonly ingest: (
    topic: TopicRow,
    wires: readonly Uint8Array[],
    source: object | undefined,
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
  /** Asks for drafts of the repository to be sealed into entries: at once, or after the batching delay. */
  readonly scheduleSeal: (repository: Repository, urgency: "now" | "live" | "idle", bytes: number) => void;
  readonly sealAll: () => void;
}

/** data.md section 4.4: flush after 2 s idle, 5 s at most, 32 KiB; 400 ms while someone is watching. */
const IDLE_FLUSH = durationMs(2_000);
const LATEST_FLUSH = 5_000;
const LIVE_FLUSH = durationMs(400);
const FLUSH_BYTES = 32_768;
/** Sessions live at most 30 days (data.md section 4.3). */
const SESSION_DAYS_MS = 30 * 24 * 3_600_000;
/** Opened records kept while they wait for their parents; others are opened again from disk. */
const MAX_WAITING_IN_MEMORY = 2_000;

interface Flush {
  cancel: () => void;
  readonly since: number;
  bytes: number;
}

interface Candidate {
  readonly item: CheckedItem;
  readonly opened: Opened | undefined;
}

/** Owns the encrypted repositories of one identity: opens, receives, integrates, writes and seals. */
export const createRepositoryService = (deps: {
  readonly store: Store;
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly clock: Clock;
  readonly log: Log;
  readonly inspect: ChangeInspector;
  readonly slices: SliceQueue;
  readonly observer: RepositoryObserver;
}): RepositoryService => {
  const { store, crypto, random, clock, log, inspect, slices, observer } = deps;
  let profile: Profile | undefined;
  const repositories = new Map<string, Repository>();
  const byNumber = new Map<number, Repository>();
  let topics: readonly TopicRow[] = [];
  let topicsByPk = new Map<string, TopicRow>();
  const leased = new Set<string>();
  const flushes = new Map<number, Flush>();
  const waiting = new Map<string, Opened & { type: "record" }>();

  const sealing = (): SealDependencies => {
    invariant(profile !== undefined, "the profile is open");
    return { store, crypto, random, device: profile.device, inspect };
  };

  const refreshTopics = (): void => {
    topics = store.topics.all();
    topicsByPk = new Map(topics.map((topic) => [bytesToHex(topic.pk), topic]));
    observer.topicsChanged();
  };

  const track = (n: number, rid: Uint8Array): Repository => {
    const access = createAccess(crypto, rid);
    for (const op of store.repositories.aclOps(n)) access.add(op);
    const secrets = store.repositories.epochs(n).map(({ eid, s, w }): EpochSecret => ({ eid, S: s, W: w }));
    const heads = access.state().epochHeads.map(({ body }) => bytesToHex(body.eid));
    const held = secrets.filter(({ eid }) => heads.includes(bytesToHex(eid)));
    const keys = deriveTopicKeys(crypto, mergeEpochs(crypto, held));
    const topicPk = keys.topicKey?.publicKey ?? access.state().epochHeads[0]?.body.topicPk;
    invariant(topicPk !== undefined, "an epoch has a topic");
    const topic = store.topics.all().find((row) => bytesEqual(row.pk, topicPk));
    invariant(topic !== undefined, "the topic of an epoch is stored with it");
    const repository: Repository = {
      n,
      rid,
      id: bytesToHex(rid),
      access,
      epoch: {
        eid: held[0]?.eid as Uint8Array,
        readKey: keys.readKey,
        topicPk,
        topicKey: keys.topicKey,
        topic: topic.n,
      },
    };
    repositories.set(repository.id, repository);
    byNumber.set(n, repository);
    return repository;
  };

  const ownSession = (repository: Repository): SessionRow => {
    invariant(profile !== undefined, "the profile is open");
    const now = clock.unix();
    const device = profile.device.publicKey;
    const free = store.repositories
      .ownSessions(repository.n)
      .find(
        (row) =>
          row.state === 0 &&
          bytesEqual(row.device, device) &&
          now - row.startedAt < SESSION_DAYS_MS &&
          !leased.has(bytesToHex(row.session)),
      );
    if (free !== undefined) return free;
    const session: SessionRow = {
      session: random.bytes(16),
      device,
      lastSeq: -1,
      lastIid: new Uint8Array(32),
      own: true,
      state: 0,
      startedAt: now,
      acl: encodeCbor([]),
    };
    store.repositories.putSession(repository.n, session);
    return session;
  };

  const announce = (repository: Repository, items: readonly CheckedItem[]): void => {
    const topic = topics.find((row) => row.n === repository.epoch.topic);
    if (topic !== undefined) for (const item of items) observer.stored(topic, item, undefined);
  };

  const seal = (repository: Repository): void => {
    const flush = flushes.get(repository.n);
    flush?.cancel();
    flushes.delete(repository.n);
    const sealed = store.transaction(() => sealDrafts(sealing(), repository, clock.unix()));
    if (!sealed.ok) {
      observer.fault(sealed.error);
      return;
    }
    if (sealed.value.length > 0) {
      announce(repository, sealed.value);
      observer.integrated({ repository, changes: new Map(), accessChanged: false });
    }
  };

  /** Tries records that waited for parents until none fits any more; answers the changes that became known. */
  const retryWaiting = (repository: Repository, topic: TopicRow, changes: Map<number, Uint8Array[]>): boolean => {
    let accessChanged = false;
    for (let progress = true; progress;) {
      progress = false;
      for (const row of store.entries.waiting(topic.n, ENTRY_STATE.pending)) {
        const opened = waiting.get(bytesToHex(row.oid)) ?? reopen(repository, row);
        if (opened?.type !== "record") continue;
        const {
          state,
          changes: fresh,
          accessChanged: access,
        } = integrateRecord(deps, repository, opened.record, opened.parts, clock.unix());
        accessChanged ||= access;
        if (state === ENTRY_STATE.pending) continue;
        store.entries.setState(row.n, state, opened.record.iid);
        waiting.delete(bytesToHex(row.oid));
        collect(changes, fresh);
        progress = true;
      }
    }
    return accessChanged;
  };

  const reopen = (repository: Repository, row: EntryRow): Opened | undefined => {
    const wire = store.entries.wire(row.oid);
    if (wire === undefined) return undefined;
    const item = readItem(crypto, wire);
    // The signature was checked before the item was stored.
    return item.ok ? openEntry(crypto, repository, item.value as CheckedItem) : undefined;
  };

  const collect = (
    into: Map<number, Uint8Array[]>,
    fresh: readonly (readonly [number, readonly Uint8Array[]])[],
  ): void => {
    for (const [document, list] of fresh) {
      const known = into.get(document);
      if (known === undefined) into.set(document, [...list]);
      else known.push(...list);
    }
  };

  const verify = (topic: TopicRow, repository: Repository | undefined, wire: Uint8Array): Candidate | PushResult => {
    const item = readItem(crypto, wire);
    if (!item.ok) return { oid: new Uint8Array(32), status: 2 };
    const { oid, topicPk, kind } = item.value;
    if (store.entries.has(oid)) return { oid, status: 1 };
    const expected = topic.kind === "rendezvous" ? ITEM_KINDS.rendezvous : ITEM_KINDS.entry;
    if (!bytesEqual(topicPk, topic.pk) || kind !== expected) return { oid, status: 2 };
    const checked = checkTopicSignature(crypto, item.value);
    if (!checked.ok) return { oid, status: 2 };
    return {
      item: checked.value,
      opened: repository === undefined ? undefined : openEntry(crypto, repository, checked.value),
    };
  };

  /** Stores and integrates verified items in one transaction. */
  const commit = (
    topic: TopicRow,
    repository: Repository | undefined,
    candidates: readonly Candidate[],
    source: object | undefined,
  ): PushStatus => {
    const changes = new Map<number, Uint8Array[]>();
    let accessChanged = false;
    const fresh: CheckedItem[] = [];
    let integrated = false;
    const written = store.transaction(() => {
      for (const { item, opened } of candidates) {
        const n = store.entries.add({
          oid: item.oid,
          topic: topic.n,
          kind: item.kind,
          gen: item.gen,
          wire: item.wire,
          iid: null,
          state: opened?.type === "refused" ? opened.state : ENTRY_STATE.opened,
          own: false,
          arrivedAt: clock.unix(),
        });
        if (n === undefined) continue;
        fresh.push(item);
        if (repository === undefined || opened?.type !== "record") continue;
        const outcome = integrateRecord(deps, repository, opened.record, opened.parts, clock.unix());
        store.entries.setState(n, outcome.state, opened.record.iid);
        accessChanged ||= outcome.accessChanged;
        collect(changes, outcome.changes);
        if (outcome.state === ENTRY_STATE.pending && waiting.size < MAX_WAITING_IN_MEMORY)
          waiting.set(bytesToHex(item.oid), opened);
        if (outcome.state === ENTRY_STATE.valid) integrated = true;
        else log.debug("entry not integrated", { state: outcome.state, oid: bytesToHex(item.oid.subarray(0, 4)) });
      }
      if (integrated && repository !== undefined)
        accessChanged = retryWaiting(repository, topic, changes) || accessChanged;
    });
    if (!written.ok) {
      observer.fault(written.error);
      return 4;
    }
    for (const item of fresh) observer.stored(topic, item, source);
    if (repository !== undefined && (integrated || accessChanged))
      observer.integrated({ repository, changes, accessChanged });
    // An entry of changes that were all seen live brings nothing new and yet frees the drafts that build on them.
    if (repository !== undefined && integrated && store.documents.drafts(repository.n, 1).length > 0)
      scheduleSeal(repository, "live", 0);
    return 0;
  };

  const ingest: RepositoryService["ingest"] = (topic, wires, source, done) => {
    const repository = topic.repository === null ? undefined : byNumber.get(topic.repository);
    const results: PushResult[] = [];
    let next = 0;
    let batch: Candidate[] = [];
    slices.add(() => {
      const start = clock.monotonic();
      // Verification costs most; commit what one slice verified, so that neither verifying nor storing holds up the loop.
      while (next < wires.length && clock.monotonic() - start < 5) {
        const checked = verify(topic, repository, wires[next++] as Uint8Array);
        if ("status" in checked) results.push(checked);
        else batch.push(checked);
      }
      if (batch.length > 0) {
        const ordered = batch.toSorted((a, b) => a.item.gen - b.item.gen);
        const status = commit(topic, repository, ordered, source);
        results.push(...ordered.map(({ item }) => ({ oid: item.oid, status })));
        batch = [];
      }
      if (next < wires.length) return false;
      done(results);
      return true;
    });
  };

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

  return {
    open: (opened) => {
      profile = opened;
      for (const row of store.repositories.all()) track(row.n, row.rid);
      refreshTopics();
      // Drafts that a crash left behind were acknowledged: seal them now.
      for (const repository of repositories.values()) seal(repository);
    },
    all: () => [...repositories.values()],
    byId: (id) => repositories.get(id),
    byNumber: (n) => byNumber.get(n),
    topics: () => topics,
    topicByPk: (pk) => topicsByPk.get(bytesToHex(pk)),
    refreshTopics,
    canWrite: (repository) =>
      repository.epoch.topicKey !== null &&
      profile !== undefined &&
      repository.access.isWriter(profile.device.publicKey),
    adopt: ({ rid, title, aclOps, secrets }) => {
      const written = store.transaction(() => {
        const n = store.repositories.add(rid, title, clock.unix());
        const access = createAccess(crypto, rid);
        for (const row of aclOps) {
          const added = access.add(row);
          if (added.type === "added") store.repositories.addAclOp(n, added.id, added.gen, row);
        }
        for (const secret of secrets) store.repositories.addEpoch(n, { eid: secret.eid, s: secret.S, w: secret.W });
        const combined = mergeEpochs(crypto, secrets);
        const keys = deriveTopicKeys(crypto, combined);
        const pk = keys.topicKey?.publicKey ?? access.state().epochHeads[0]?.body.topicPk;
        invariant(pk !== undefined, "an adopted repository has an epoch");
        store.topics.add({
          pk,
          repository: n,
          kind: "epoch",
          readKey: keys.readKey,
          topicSeed: keys.topicKey?.seed ?? null,
        });
        return n;
      });
      if (!written.ok) return written;
      const repository = repositories.get(bytesToHex(rid)) ?? track(written.value, rid);
      refreshTopics();
      return ok(repository);
    },
    ingest,
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
      const session = store.transaction(() => ownSession(repository));
      if (!session.ok) return session;
      const key = bytesToHex(session.value.session);
      leased.add(key);
      return ok({ session: session.value, release: () => leased.delete(key) });
    },
    append: (repository, parts) => {
      const written = store.transaction(() => {
        const deps = sealing();
        const items = [...sealDrafts(deps, repository, clock.unix())];
        // First, so that the record's own view of the ACL contains the op it carries (a genesis entry has no other).
        for (const part of parts)
          if (part.type === "aclOp") {
            const row = { header: part.header, signature: part.sig };
            const added = repository.access.add(row);
            if (added.type === "added") store.repositories.addAclOp(repository.n, added.id, added.gen, row);
          }
        items.push(appendRecord(deps, repository, ownSession(repository), parts, [], clock.unix()));
        return items;
      });
      if (!written.ok) return written;
      announce(repository, written.value);
      observer.integrated({
        repository,
        changes: new Map(),
        accessChanged: parts.some((part) => part.type === "aclOp"),
      });
      return ok(null);
    },
    scheduleSeal,
    sealAll: () => {
      for (const repository of repositories.values()) seal(repository);
    },
  };
};
