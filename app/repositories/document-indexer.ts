import type { Result } from "../../protocol/kernel/result.ts";
import type { ContractError } from "../contract/errors.ts";
import { contractError } from "../contract/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Engine, EngineError, NoteContent } from "../ports/engine.ts";
import type { Log } from "../ports/log.ts";
import type { Store } from "../ports/store.ts";
import { decodeUtf8, encodeUtf8 } from "../../protocol/codec/utf8.ts";
import { err } from "../../protocol/kernel/result.ts";
import { durationMs } from "../../protocol/kernel/time.ts";
import type { Repository } from "./repository.ts";
import type { RepositoryService } from "./repository-service.ts";

/** Keeps the engine's copies, the lists and the full-text index in step with the stored changes. */
export interface DocumentIndexer {
  /** The document has new changes: index it soon. */
  readonly dirty: (document: number) => void;
  /** Runs `work` while the engine holds the document with everything stored so far; one at a time per document. */
  readonly withLoaded: <T>(
    document: number,
    work: () => Promise<Result<T, ContractError>>,
  ) => Promise<Result<T, ContractError>>;
  readonly forget: (document: number) => void;
  /** Writes lists and index for content already at hand. Inside a transaction. */
  readonly write: (repository: Repository, document: number, content: NoteContent) => void;
  /** Takes up what an earlier run left unindexed. */
  readonly resume: () => void;
  /** Ends after the document under way; the rest is taken up at the next start. */
  readonly stop: () => Promise<void>;
}

/** Edits become findable well within a second, without reading a note on each keystroke. */
const INDEX_DELAY = durationMs(250);
/** A snapshot is worth making when opening would otherwise replay this many changes or bytes. */
const SNAPSHOT_CHANGES = 64;
const SNAPSHOT_BYTES = 65_536;
/** Documents indexed from one page of the queue. */
const PAGE = 64;
const EXCERPT = 200;

const memberNamesKey = (repository: Repository): string => `names/${repository.id}`;

/** Names that members gave themselves, by identity id, as last indexed. */
export const memberNames = (store: Store, repository: Repository): Readonly<Record<string, string>> => {
  const stored = store.meta.get(memberNamesKey(repository));
  return stored === undefined ? {} : (JSON.parse(decodeUtf8(stored) ?? "{}") as Record<string, string>);
};

export const createDocumentIndexer = (deps: {
  readonly store: Store;
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Log;
  readonly repositories: Pick<RepositoryService, "byNumber">;
  readonly indexed: (repository: Repository, document: number) => void;
}): DocumentIndexer => {
  const { store, engine, clock, log, repositories } = deps;
  /** Newest change row each loaded document contains. */
  const loaded = new Map<number, number>();
  const locks = new Map<number, Promise<unknown>>();
  const dirty = new Set<number>();
  let timer: (() => void) | undefined;
  let stopped = false;
  let working: Promise<void> | undefined;

  const load = async (document: number): Promise<Result<null, EngineError>> => {
    const upTo = loaded.get(document);
    if (upTo !== undefined) {
      const newer = store.documents.changesAfter(document, upTo);
      if (newer.changes.length === 0) return { ok: true, value: null };
      const applied = await engine.apply(document, newer.changes);
      if (applied.ok) {
        loaded.set(document, newer.upTo);
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
    if (result.ok) loaded.set(document, tail.upTo);
    return result;
  };

  const withLoaded: DocumentIndexer["withLoaded"] = (document, work) => {
    const run = async () => {
      for (let attempt = 0; ; attempt++) {
        const ready = await load(document);
        if (ready.ok) return work();
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

  const write: DocumentIndexer["write"] = (repository, document, content) => {
    const { type, title, folder, tags, createdAt, updatedAt, deleted } = content;
    const body = content.text;
    store.documents.index(document, {
      type,
      title,
      folder,
      tags,
      body,
      excerpt: body
        .slice(0, 2 * EXCERPT)
        .replace(/\s+/gu, " ")
        .trim()
        .slice(0, EXCERPT),
      createdAt,
      updatedAt,
      deleted,
    });
    if (type === "notebook") {
      if (title !== "") store.repositories.setTitle(repository.n, title);
      store.meta.set(memberNamesKey(repository), encodeUtf8(JSON.stringify(content.names)));
    }
  };

  const makeSnapshot = async (document: number): Promise<void> => {
    const held = store.documents.snapshot(document);
    const tail = store.documents.changesAfter(document, held?.upTo ?? 0);
    const bytes = tail.changes.reduce((sum, change) => sum + change.length, 0);
    if (tail.changes.length < SNAPSHOT_CHANGES && bytes < SNAPSHOT_BYTES) return;
    const upTo = loaded.get(document);
    if (upTo === undefined) return;
    const snapshot = await engine.snapshot(document);
    if (!snapshot.ok) return;
    const written = store.transaction(() => store.documents.setSnapshot(document, snapshot.value, upTo));
    if (!written.ok) log.warn("snapshot not stored", { fault: written.error.type });
  };

  const indexOne = async (document: number): Promise<void> => {
    const row = store.documents.byNumber(document);
    const repository = row === undefined ? undefined : repositories.byNumber(row.repository);
    if (repository === undefined) return;
    // A document that cannot be materialised is logged there and shown as it was indexed last.
    void (await withLoaded(document, async () => {
      const content = await engine.read(document);
      if (!content.ok) {
        log.warn("document not read", { fault: content.error.type, document });
        return { ok: true, value: null };
      }
      const written = store.transaction(() => write(repository, document, content.value));
      if (!written.ok) log.warn("index not written", { fault: written.error.type });
      await makeSnapshot(document);
      return { ok: true, value: null };
    }));
    deps.indexed(repository, document);
  };

  const work = async (): Promise<void> => {
    while (dirty.size > 0) {
      const page = [...dirty].slice(0, PAGE);
      for (const document of page) {
        dirty.delete(document);
        await indexOne(document);
      }
    }
  };

  const startWork = (): Promise<void> => {
    working ??= work().finally(() => {
      working = undefined;
    });
    return working;
  };

  const schedule = (): void => {
    if (stopped) return;
    timer ??= clock.after(INDEX_DELAY, () => {
      timer = undefined;
      void startWork();
    });
  };

  return {
    dirty: (document) => {
      dirty.add(document);
      schedule();
    },
    withLoaded,
    forget: (document) => {
      loaded.delete(document);
    },
    write,
    resume: () => {
      // All rows at once are only numbers; a fresh 20 000-note sync is 160 KB.
      for (const document of store.documents.unindexed(1_000_000)) dirty.add(document);
      if (dirty.size > 0) schedule();
    },
    stop: async () => {
      stopped = true;
      timer?.();
      dirty.clear();
      await working;
    },
  };
};
