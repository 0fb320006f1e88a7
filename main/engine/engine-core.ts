import type { EngineError } from "../../app/ports/engine.ts";
import { convertMarkdownFile } from "../../app/portability/markdown-import.ts";
import { createNote, editNote, readFacts, readNote } from "../../app/repositories/note-document.ts";
import type { FormatDependencies } from "../../protocol/automerge-format/change.ts";
import { changeMeta } from "../../protocol/automerge-format/decode.ts";
import { FORMAT_LIMITS } from "../../protocol/automerge-format/limits.ts";
import { preflight } from "../../protocol/automerge-format/preflight.ts";
import { err, ok, type Result } from "../../protocol/kernel/result.ts";
import { createReplica, loadReplica } from "../../protocol/replica/replica.ts";
import type { ApplyOutcome, Replica } from "../../protocol/replica/types.ts";
import type { EngineAnswer, EngineRequest } from "./engine-messages.ts";

export interface EngineCoreDependencies extends FormatDependencies {
  /** Automerge's own file of the changes; throws on changes it does not accept. */
  readonly automergeFile: (changes: readonly Uint8Array[]) => Uint8Array;
  /** The changes of an Automerge file, dependencies first; throws on what is none. */
  readonly automergeChanges: (file: Uint8Array) => readonly Uint8Array[];
  /** Bytes this process holds. */
  readonly memory: () => number;
}

/** Documents held at most; the least recently used goes first. */
const MAX_DOCUMENTS = 64;
/** Resident bytes above which documents are dropped until one is left: the engine's share of the desktop's memory goal. */
const MAX_MEMORY = 400 << 20;

/** A file a person chose holds a whole note: some millions of keystrokes. */
const FILE_LIMITS = { ...FORMAT_LIMITS, inflatedBytes: 256 << 20, cells: 50_000_000, valueBytes: 256 << 20 };

/** A replica of the engine makes changes only in the name of an `edit`, which says the actor. */
const NOBODY = "00";

interface Held {
  readonly replica: Replica;
  /** Dependencies that will not come: changes that were refused, or that nobody has. */
  readonly lost: ReadonlySet<string>;
}

/**
 * The engine without its process: takes one request, answers it. A change that is refused is left out, with what builds on
 * it, so that one bad writer cannot take a document from everybody.
 */
export const createEngineCore = (dependencies: EngineCoreDependencies) => {
  const documents = new Map<number, Held>();

  const fault = (type: EngineError["type"], message: string, index?: number): Result<never, EngineError> =>
    err({ type, message, ...(index === undefined ? {} : { index }) });

  const held = (key: number): Result<Held, EngineError> => {
    const document = documents.get(key);
    if (document === undefined) return fault("NotLoaded", "document not loaded");
    documents.delete(key);
    documents.set(key, document);
    return ok(document);
  };

  const keep = (key: number, document: Held): void => {
    documents.delete(key);
    documents.set(key, document);
    for (const [oldest] of documents) {
      if (documents.size <= MAX_DOCUMENTS && (documents.size === 1 || dependencies.memory() < MAX_MEMORY)) return;
      documents.delete(oldest);
    }
  };

  const refusedIn = ({ rejected }: ApplyOutcome): readonly number[] =>
    rejected.map(({ index }) => index).filter((index) => index >= 0);

  const load = (request: Extract<EngineRequest, { type: "load" }>): EngineAnswer<"load"> => {
    const { snapshot, changes } = request.source;
    documents.delete(request.key);
    const loaded =
      snapshot === null ? ok(createReplica(dependencies, NOBODY)) : loadReplica(dependencies, snapshot, NOBODY);
    if (!loaded.ok) return fault("BadSnapshot", loaded.error.rule);
    const outcome = loaded.value.applyChanges(changes);
    if (outcome.missing.length > 0) {
      if (snapshot !== null) return fault("BadSnapshot", "dependencies older than the snapshot remembers");
      recall(loaded.value, changes);
    }
    keep(request.key, { replica: loaded.value, lost: new Set(loaded.value.missing()) });
    return ok({ refused: refusedIn(outcome) });
  };

  /** Hands in once more what the replica has forgotten while it took `changes` and others of them build on. */
  const recall = (replica: Replica, changes: readonly Uint8Array[]): void => {
    const byHash = new Map<string, Uint8Array>();
    for (const bytes of changes) {
      const meta = changeMeta(bytes, dependencies);
      if (meta.ok) byHash.set(meta.value.hash, bytes);
    }
    for (let missing = replica.missing(); missing.length > 0;) {
      const known = missing.flatMap((hash) => byHash.get(hash) ?? []);
      replica.applyChanges(known);
      const still = replica.missing();
      if (known.length === 0 || still.join() === missing.join()) return;
      missing = still;
    }
  };

  const apply = (key: number, changes: readonly Uint8Array[]): EngineAnswer<"apply"> => {
    const document = held(key);
    if (!document.ok) return document;
    const { replica, lost } = document.value;
    const outcome = replica.applyChanges(changes);
    const refused = new Set(outcome.rejected.map(({ hash }) => hash));
    const missing = outcome.missing.filter((hash) => !lost.has(hash) && !refused.has(hash));
    if (missing.length > 0) {
      documents.delete(key);
      return fault("NotLoaded", "dependencies older than the replica remembers");
    }
    documents.set(key, { replica, lost: new Set(outcome.missing) });
    return ok({ refused: refusedIn(outcome) });
  };

  const edit = (request: Extract<EngineRequest, { type: "edit" }>): EngineAnswer<"edit"> => {
    const document = held(request.key);
    if (!document.ok) return document;
    const changes = editNote(document.value.replica, request.actor, request.time, request.edits);
    if (!changes.ok) {
      documents.delete(request.key);
      return changes;
    }
    return ok({ changes: changes.value });
  };

  const create = (request: Extract<EngineRequest, { type: "create" }>): EngineAnswer<"create"> => {
    const replica = createReplica(dependencies, request.actor);
    const changes = createNote(replica, request.actor, request.time, request.document);
    return ok({ changes, content: readNote(replica) });
  };

  const automerge = (changes: readonly Uint8Array[]): EngineAnswer<"automerge"> => {
    const replica = createReplica(dependencies, NOBODY);
    const outcome = replica.applyChanges(changes);
    const [refused] = outcome.rejected;
    if (refused !== undefined) return fault("BadChange", refused.error.type, Math.max(0, refused.index));
    if (outcome.queued > 0) return fault("BadChange", "dependencies missing", changes.length - 1);
    return ok(dependencies.automergeFile(changes));
  };

  const history = (file: Uint8Array): EngineAnswer<"history"> => {
    const counted = preflight(file, dependencies, FILE_LIMITS);
    if (!counted.ok) return fault("BadChange", "not an Automerge file of a note");
    try {
      return ok(dependencies.automergeChanges(file));
    } catch {
      return fault("BadChange", "not an Automerge file");
    }
  };

  return {
    handle: (request: EngineRequest): EngineAnswer => {
      switch (request.type) {
        case "load":
          return load(request);
        case "apply":
          return apply(request.key, request.changes);
        case "read": {
          const document = held(request.key);
          return document.ok ? ok(readNote(document.value.replica)) : document;
        }
        case "facts": {
          const document = held(request.key);
          return document.ok ? ok(readFacts(document.value.replica)) : document;
        }
        case "edit":
          return edit(request);
        case "create":
          return create(request);
        case "convert":
          return ok(convertMarkdownFile(request.input));
        case "snapshot": {
          const document = held(request.key);
          return document.ok ? ok(document.value.replica.snapshot()) : document;
        }
        case "automerge":
          return automerge(request.changes);
        case "history":
          return history(request.file);
        case "unload":
          documents.delete(request.key);
          return ok(null);
      }
    },
  };
};
