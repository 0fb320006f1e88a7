import type { Result } from "../../protocol/kernel/result.ts";
import type { ContractError } from "../contract/errors.ts";
import { contractError } from "../contract/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Engine, EngineError, NoteFacts } from "../ports/engine.ts";
import type { Log } from "../ports/log.ts";
import type { SearchIndex } from "../ports/search-index.ts";
import type { BlobReference, Store } from "../ports/store.ts";
import { decodeUtf8, encodeUtf8 } from "../../protocol/codec/utf8.ts";
import { err } from "../../protocol/kernel/result.ts";
import { durationMs } from "../../protocol/kernel/time.ts";
import { storeVersions } from "../history/named-versions.ts";
import { storeMoved } from "../sharing/moved-notes.ts";
import type { Repository } from "./repository.ts";
import type { RepositoryService } from "./repository-service.ts";
import { createSearchFeed } from "./search-feed.ts";

/** Keeps the engine's copies, the lists and the full-text index in step with the stored changes. */
export interface DocumentIndexer {
  /** The document has new changes: index it soon. */
  readonly dirty: (document: number) => void;
  /** The document has new changes out of entries: index it when no more come, since a thousand may be on their way. */
  readonly dirtyByEntry: (document: number) => void;
  /** Runs `work` while the engine holds the document with everything stored so far; one at a time per document. */
  readonly withLoaded: <T>(
    document: number,
    work: () => Promise<Result<T, ContractError>>,
  ) => Promise<Result<T, ContractError>>;
  /** The engine's copy is not the stored document any more: load it afresh. */
  readonly forget: (document: number) => void;
  /** Writes what lists show of content already at hand. Inside a transaction; once it is committed, `publish` the same. */
  readonly write: (repository: Repository, document: number, facts: NoteFacts) => void;
  /** Hands content to full-text search. */
  readonly publish: (repository: Repository, document: number, facts: NoteFacts) => void;
  /** Somebody replays these changes to open the document: when they are many, a snapshot is made for the next one. */
  readonly opened: (document: number, replayed: readonly Uint8Array[]) => void;
  /** Takes up what an earlier run left unindexed. */
  readonly resume: () => void;
  /** Ends after the document under way; the rest is taken up at the next start. */
  readonly stop: () => Promise<void>;
}

/** Edits become findable well within a second, without reading a note on each keystroke. */
const INDEX_DELAY_MS = 250;
/** A pull has the computer to itself, but lists do not stay without titles for longer than this. */
const LONGEST_PULL_MS = 3_000;
/** Indexing a document takes at most one part in this many of the time, so that a long note typed in is read every few seconds. */
const PAUSE_PER_COST = 20;
const LONGEST_DELAY_MS = 10_000;
/** A snapshot is worth making when opening would otherwise replay this many changes or bytes. */
const SNAPSHOT_CHANGES = 64;
const SNAPSHOT_BYTES = 65_536;
/** The snapshot of a text this long is as much work as hundreds of keystrokes: it waits for a pause in the typing ... */
const LONG_TEXT = 16_384;
const SNAPSHOT_PAUSE_MS = 3_000;
/** ... but not beyond this many changes, which take 40 ms to replay. */
const SNAPSHOT_CHANGES_WHILE_TYPING = 2_048;
/** Opening the search index waits until the window has been painted. */
const CHECK_DELAY = durationMs(2_000);

const isWorthSnapshot = (changes: number, bytes: number): boolean =>
  changes >= SNAPSHOT_CHANGES || bytes >= SNAPSHOT_BYTES;

const memberNamesKey = (repository: Repository): string => `names/${repository.id}`;

/** Names that members gave themselves, by identity id, as last indexed. */
export const memberNames = (store: Store, repository: Repository): Readonly<Record<string, string>> => {
  const stored = store.meta.get(memberNamesKey(repository));
  return stored === undefined ? {} : (JSON.parse(decodeUtf8(stored) ?? "{}") as Record<string, string>);
};

/** What the engine holds of a document: the newest change row, and what came after the stored snapshot. */
interface Loaded {
  readonly upTo: number;
  readonly changes: number;
  readonly bytes: number;
}

const sizeOf = (changes: readonly Uint8Array[]): number => changes.reduce((sum, change) => sum + change.length, 0);

export const createDocumentIndexer = (deps: {
  readonly store: Store;
  readonly engine: Engine;
  readonly search: SearchIndex;
  readonly clock: Clock;
  readonly log: Log;
  readonly repositories: Pick<RepositoryService, "byNumber">;
  readonly indexed: (repository: Repository, document: number) => void;
  /** Full-text search has more notes, or others. */
  readonly searchChanged: () => void;
  /** What files the document refers to; inside the transaction that writes the lists. */
  readonly refer: (repository: Repository, document: number, attachments: readonly BlobReference[]) => void;
}): DocumentIndexer => {
  const { store, engine, clock, log, repositories } = deps;
  const loaded = new Map<number, Loaded>();
  const locks = new Map<number, Promise<unknown>>();
  /** When each document with new changes is due, and the earliest time for each that cost much last time. */
  const dueAt = new Map<number, number>();
  /** Times each document had new changes since the start. */
  const revisions = new Map<number, number>();
  const revisionOf = (document: number): number => revisions.get(document) ?? 0;
  const notBefore = new Map<number, number>();
  const snapshotDueAt = new Map<number, number>();
  /** Documents with new changes out of entries, since when, and when the last of them came. */
  const pulled = new Set<number>();
  let pulledSince = 0;
  let pulledLast = 0;
  let cancelPulled: (() => void) | undefined;
  let timer: { readonly due: number; readonly cancel: () => void } | undefined;
  let cancelCheck: (() => void) | undefined;
  /** How often a document was forgotten: what was loaded before is not what it is now. */
  const forgotten = new Map<number, number>();
  let stopped = false;
  let working: Promise<void> | undefined;

  const load = async (document: number): Promise<Result<null, EngineError>> => {
    const age = forgotten.get(document);
    const held = loaded.get(document);
    if (held !== undefined) {
      // Asked also when there is nothing new: the engine may have made room for others since.
      const newer = store.documents.changesAfter(document, held.upTo);
      const applied = await engine.apply(document, newer.changes);
      if (applied.ok) {
        if (forgotten.get(document) !== age) return load(document);
        const changes = held.changes + newer.changes.length;
        loaded.set(document, { upTo: newer.upTo, changes, bytes: held.bytes + sizeOf(newer.changes) });
        return applied;
      }
      loaded.delete(document);
      if (applied.error.type !== "NotLoaded") return applied;
    }
    const snapshot = store.documents.snapshot(document);
    const tail = store.documents.changesAfter(document, snapshot?.upTo ?? 0);
    let result = await engine.load(document, { snapshot: snapshot?.bytes ?? null, changes: tail.changes });
    if (!result.ok && result.error.type === "BadSnapshot") {
      // A snapshot is derived: build the document from its changes instead.
      const all = store.documents.changesAfter(document, 0);
      result = await engine.load(document, { snapshot: null, changes: all.changes });
    }
    if (result.ok && forgotten.get(document) !== age) return load(document);
    if (result.ok) loaded.set(document, { upTo: tail.upTo, changes: tail.changes.length, bytes: sizeOf(tail.changes) });
    return result;
  };

  const withLoaded: DocumentIndexer["withLoaded"] = (document, work) => {
    const run = async () => {
      for (let attempt = 0; ; attempt++) {
        const ready = await load(document);
        if (ready.ok) return work();
        if (stopped) return err(contractError("Stopping"));
        if (ready.error.type !== "NotLoaded" || attempt === 2) {
          log.warn("document not materialised", { fault: ready.error.type, document });
          return err(contractError("EngineFailed"));
        }
      }
    };
    const before = locks.get(document) ?? Promise.resolve();
    const result = before.then(run, run);
    locks.set(document, result);
    void result.finally(() => {
      if (locks.get(document) === result) locks.delete(document);
    });
    return result;
  };

  const write: DocumentIndexer["write"] = (repository, document, facts) => {
    const { type, title, folder, tags, excerpt, createdAt, updatedAt, deleted } = facts;
    store.documents.setFacts(document, { type, title, folder, tags, excerpt, createdAt, updatedAt, deleted });
    deps.refer(repository, document, facts.attachments);
    storeMoved(store, document, facts.moved);
    if (type === "notebook") {
      if (title !== "") store.repositories.setTitle(repository.n, title);
      store.meta.set(memberNamesKey(repository), encodeUtf8(JSON.stringify(facts.names)));
      storeVersions(store, repository.id, facts.versions);
    }
  };

  const feed = createSearchFeed({
    search: deps.search,
    store,
    clock,
    log,
    dirty: (document) => dirty(document),
    fed: deps.searchChanged,
  });

  const handToSearch = (repository: Repository, document: number, facts: NoteFacts, revision: number): void => {
    const { type, title, text, tags, deleted } = facts;
    const listed = type === "note" && !deleted;
    feed.add(
      { document, repository: repository.n, title, body: text, tags, listed },
      () => revisionOf(document) === revision,
    );
  };

  const makeSnapshot = async (document: number): Promise<void> => {
    const held = loaded.get(document);
    snapshotDueAt.delete(document);
    if (held === undefined) return;
    const age = forgotten.get(document);
    const snapshot = await engine.snapshot(document);
    if (!snapshot.ok || forgotten.get(document) !== age) return;
    const written = store.transaction(() => store.documents.setSnapshot(document, snapshot.value, held.upTo), "soon");
    if (written.ok) loaded.set(document, { upTo: held.upTo, changes: 0, bytes: 0 });
    else log.warn("snapshot not stored", { fault: written.error.type });
  };

  const indexOne = async (document: number): Promise<void> => {
    const row = store.documents.byNumber(document);
    const repository = row === undefined ? undefined : repositories.byNumber(row.repository);
    if (repository === undefined) return;
    const start = clock.monotonic();
    const revision = revisionOf(document);
    let isLong = false;
    // A document that cannot be materialised is logged there and shown as it was indexed last.
    void (await withLoaded(document, async () => {
      const facts = await engine.facts(document);
      if (!facts.ok) {
        if (!stopped) log.warn("document not read", { fault: facts.error.type, document });
        return { ok: true, value: null };
      }
      const written = store.transaction(() => write(repository, document, facts.value), "soon");
      if (!written.ok) log.warn("lists not written", { fault: written.error.type });
      else handToSearch(repository, document, facts.value, revision);
      isLong = facts.value.text.length >= LONG_TEXT;
      const { changes = 0, bytes = 0 } = loaded.get(document) ?? {};
      if (isWorthSnapshot(changes, bytes)) {
        if (!isLong || changes >= SNAPSHOT_CHANGES_WHILE_TYPING) await makeSnapshot(document);
        else snapshotDueAt.set(document, clock.monotonic() + SNAPSHOT_PAUSE_MS);
      }
      return { ok: true, value: null };
    }));
    if (isLong) await feed.idle();
    const now = clock.monotonic();
    const pause = Math.min(LONGEST_DELAY_MS, PAUSE_PER_COST * (now - start));
    if (pause > INDEX_DELAY_MS) notBefore.set(document, now + pause);
    else notBefore.delete(document);
    deps.indexed(repository, document);
  };

  const dueBy = (queue: ReadonlyMap<number, number>): number | undefined => {
    const now = clock.monotonic();
    for (const [document, due] of queue) if (due <= now) return document;
    return undefined;
  };

  const work = async (): Promise<void> => {
    while (!stopped) {
      const document = dueBy(dueAt);
      if (document !== undefined) {
        dueAt.delete(document);
        await indexOne(document);
        await feed.ready();
        continue;
      }
      const paused = dueBy(snapshotDueAt);
      if (paused === undefined) return;
      void (await withLoaded(paused, async () => {
        await makeSnapshot(paused);
        return { ok: true, value: null };
      }));
    }
  };

  const startWork = (): Promise<void> => {
    working ??= work().finally(() => {
      working = undefined;
      let due = Infinity;
      for (const queue of [dueAt, snapshotDueAt]) for (const at of queue.values()) due = Math.min(due, at);
      if (due < Infinity) schedule(due);
    });
    return working;
  };

  const schedule = (due: number): void => {
    if (stopped || working !== undefined || (timer !== undefined && timer.due <= due)) return;
    timer?.cancel();
    const cancel = clock.after(durationMs(Math.max(0, due - clock.monotonic())), () => {
      timer = undefined;
      void startWork();
    });
    timer = { due, cancel };
  };

  const snapshotLater = (document: number): void => {
    const due = clock.monotonic() + SNAPSHOT_PAUSE_MS;
    snapshotDueAt.set(document, due);
    schedule(due);
  };

  const dirty: DocumentIndexer["dirty"] = (document) => {
    const now = clock.monotonic();
    revisions.set(document, revisionOf(document) + 1);
    if (snapshotDueAt.has(document)) snapshotDueAt.set(document, now + SNAPSHOT_PAUSE_MS);
    if (dueAt.has(document)) return;
    const due = Math.max(now + INDEX_DELAY_MS, notBefore.get(document) ?? 0);
    dueAt.set(document, due);
    schedule(due);
  };

  const takePulled = (): void => {
    const now = clock.monotonic();
    const due = Math.min(pulledLast + INDEX_DELAY_MS, pulledSince + LONGEST_PULL_MS);
    if (due > now) {
      cancelPulled = clock.after(durationMs(due - now), takePulled);
      return;
    }
    cancelPulled = undefined;
    for (const document of pulled)
      if (!dueAt.has(document)) dueAt.set(document, Math.max(now, notBefore.get(document) ?? 0));
    pulled.clear();
    schedule(now);
  };

  const dirtyByEntry: DocumentIndexer["dirtyByEntry"] = (document) => {
    if (stopped) return;
    revisions.set(document, revisionOf(document) + 1);
    pulledLast = clock.monotonic();
    pulled.add(document);
    if (cancelPulled !== undefined) return;
    pulledSince = pulledLast;
    cancelPulled = clock.after(durationMs(INDEX_DELAY_MS), takePulled);
  };

  return {
    dirty,
    dirtyByEntry,
    withLoaded,
    forget: (document) => {
      forgotten.set(document, (forgotten.get(document) ?? 0) + 1);
      loaded.delete(document);
    },
    write,
    publish: (repository, document, facts) => {
      handToSearch(repository, document, facts, revisionOf(document));
      if (facts.text.length >= LONG_TEXT) snapshotLater(document);
    },
    opened: (document, replayed) => {
      if (isWorthSnapshot(replayed.length, sizeOf(replayed)) && !snapshotDueAt.has(document)) snapshotLater(document);
    },
    resume: () => {
      for (const document of store.documents.unindexed()) dirty(document);
      cancelCheck = clock.after(CHECK_DELAY, feed.check);
    },
    stop: async () => {
      stopped = true;
      timer?.cancel();
      cancelPulled?.();
      cancelCheck?.();
      await working;
      await feed.stop();
    },
  };
};
