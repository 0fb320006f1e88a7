import type { EngineError } from "../../app/ports/engine.ts";
import { convertMarkdownFile } from "../../app/portability/markdown-import.ts";
import { createNote, editNote, readNote } from "../../app/repositories/note-document.ts";
import type { FormatDependencies } from "../../protocol/automerge-format/change.ts";
import { err, ok, type Result } from "../../protocol/kernel/result.ts";
import { createReplica, loadReplica } from "../../protocol/replica/replica.ts";
import type { ApplyOutcome, Replica } from "../../protocol/replica/types.ts";
import type { EngineAnswer, EngineRequest } from "./engine-messages.ts";

export interface EngineCoreDependencies extends FormatDependencies {
  /** Automerge's own file of the changes; throws on changes it does not accept. */
  readonly automergeFile: (changes: readonly Uint8Array[]) => Uint8Array;
  /** Bytes this process holds. */
  readonly memory: () => number;
}

/** Documents held at most; the least recently used goes first. */
const MAX_DOCUMENTS = 64;
/** Resident bytes above which documents are dropped until one is left: the engine's share of the desktop's memory goal. */
const MAX_MEMORY = 400 << 20;

/** A replica of the engine makes changes only in the name of an `edit`, which says the actor. */
const NOBODY = "00";

/** The engine without its process: takes one request, answers it. */
export const createEngineCore = (dependencies: EngineCoreDependencies) => {
  const documents = new Map<number, Replica>();

  const fault = (type: EngineError["type"], message: string, index?: number): Result<never, EngineError> =>
    err({ type, message, ...(index === undefined ? {} : { index }) });

  const held = (key: number): Result<Replica, EngineError> => {
    const replica = documents.get(key);
    if (replica === undefined) return fault("NotLoaded", "document not loaded");
    documents.delete(key);
    documents.set(key, replica);
    return ok(replica);
  };

  const keep = (key: number, replica: Replica): void => {
    documents.delete(key);
    documents.set(key, replica);
    for (const [oldest] of documents) {
      if (documents.size <= MAX_DOCUMENTS && (documents.size === 1 || dependencies.memory() < MAX_MEMORY)) return;
      documents.delete(oldest);
    }
  };

  /** The first refused change, if any; a change the replica already has is none. */
  const refusal = (outcome: ApplyOutcome): Result<null, EngineError> => {
    const [first] = [...outcome.rejected].sort((a, b) => a.index - b.index);
    return first === undefined ? ok(null) : fault("BadChange", first.error.type, Math.max(0, first.index));
  };

  const load = (request: Extract<EngineRequest, { type: "load" }>): EngineAnswer<"load"> => {
    const { snapshot, changes } = request.source;
    documents.delete(request.key);
    const loaded =
      snapshot === null ? ok(createReplica(dependencies, NOBODY)) : loadReplica(dependencies, snapshot, NOBODY);
    if (!loaded.ok) return fault("BadSnapshot", loaded.error.rule);
    const outcome = loaded.value.applyChanges(changes);
    const refused = refusal(outcome);
    if (!refused.ok) return refused;
    if (outcome.queued > 0) {
      return snapshot === null
        ? fault("BadChange", "dependencies missing", changes.length - 1)
        : fault("BadSnapshot", "dependencies older than the snapshot remembers");
    }
    keep(request.key, loaded.value);
    return ok(null);
  };

  const apply = (key: number, changes: readonly Uint8Array[]): EngineAnswer<"apply"> => {
    const replica = held(key);
    if (!replica.ok) return replica;
    const outcome = replica.value.applyChanges(changes);
    const refused = refusal(outcome);
    if (!refused.ok) {
      documents.delete(key);
      return refused;
    }
    if (outcome.queued > 0) {
      documents.delete(key);
      return fault("NotLoaded", "dependencies older than the replica remembers");
    }
    return ok(null);
  };

  const edit = (request: Extract<EngineRequest, { type: "edit" }>): EngineAnswer<"edit"> => {
    const replica = held(request.key);
    if (!replica.ok) return replica;
    const changes = editNote(replica.value, request.actor, request.time, request.edits);
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
    const refused = refusal(outcome);
    if (!refused.ok) return refused;
    if (outcome.queued > 0) return fault("BadChange", "dependencies missing", changes.length - 1);
    return ok(dependencies.automergeFile(changes));
  };

  return {
    handle: (request: EngineRequest): EngineAnswer => {
      switch (request.type) {
        case "load":
          return load(request);
        case "apply":
          return apply(request.key, request.changes);
        case "read": {
          const replica = held(request.key);
          return replica.ok ? ok(readNote(replica.value)) : replica;
        }
        case "edit":
          return edit(request);
        case "create":
          return create(request);
        case "convert":
          return ok(convertMarkdownFile(request.input));
        case "snapshot": {
          const replica = held(request.key);
          return replica.ok ? ok(replica.value.snapshot()) : replica;
        }
        case "automerge":
          return automerge(request.changes);
        case "unload":
          documents.delete(request.key);
          return ok(null);
      }
    },
  };
};
