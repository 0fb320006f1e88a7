import type { Result } from "../../protocol/kernel/result.ts";
import type { StoredVersion } from "../history/named-versions.ts";
import type { Converted, ConvertInput } from "../portability/markdown-import.ts";
import type { BlobReference } from "./store.ts";
import type { NoteSpan } from "../repositories/note-schema.ts";

/** What a document is built from: a replica snapshot, or none, and the changes after it in dependency order. */
export interface DocumentSource {
  readonly snapshot: Uint8Array | null;
  readonly changes: readonly Uint8Array[];
}

/** What lists and full-text search know of a document. Times are Unix milliseconds and null where the document does not say. */
export interface NoteFacts {
  /** `note`, `notebook`, or "" for a document that says neither. */
  readonly type: string;
  readonly title: string;
  /** Plain text; code units as `insert` and `delete` count them, block markers as line breaks. */
  readonly text: string;
  /** The beginning for lists. */
  readonly excerpt: string;
  readonly folder: string;
  readonly tags: readonly string[];
  readonly createdAt: number | null;
  readonly updatedAt: number | null;
  readonly deleted: boolean;
  /** Id of the document it went on as in another repository, and the actor that said so. */
  readonly moved: { readonly to: string; readonly actor: string } | null;
  /** `notebook` only: names of states of its notes. */
  readonly versions: readonly StoredVersion[];
  /** `notebook` only: names members gave themselves, by identity id. */
  readonly names: Readonly<Record<string, string>>;
  /** Files the text refers to, each once. */
  readonly attachments: readonly BlobReference[];
}

/** A note read as a whole. */
export interface NoteContent extends NoteFacts {
  readonly markdown: string;
  readonly spans: readonly NoteSpan[];
  readonly meta: Readonly<Record<string, string>>;
}

/** One edit of a note; each becomes one or more changes of bounded size. */
export type NoteEdit =
  | { readonly type: "appendMarkdown"; readonly markdown: string }
  | { readonly type: "replaceMarkdown"; readonly markdown: string }
  | { readonly type: "insert"; readonly at: number; readonly text: string }
  | { readonly type: "delete"; readonly at: number; readonly count: number }
  /** Title and text become these by the smallest edits found, so that what others write meanwhile stays. */
  | { readonly type: "setContent"; readonly title: string; readonly spans: readonly NoteSpan[] }
  | { readonly type: "setTitle"; readonly title: string }
  | { readonly type: "setFolder"; readonly folder: string }
  | { readonly type: "setTags"; readonly tags: readonly string[] }
  /** null takes the note out of the trash. */
  | { readonly type: "setDeleted"; readonly at: number | null }
  /** Where the note goes on; null when it goes on here. */
  | { readonly type: "setMoved"; readonly to: string | null }
  /** A key and value of `app/history/named-versions.ts`; null takes the name away. */
  | { readonly type: "setVersion"; readonly key: string; readonly value: string | null }
  | { readonly type: "setName"; readonly identity: string; readonly name: string };

/** A document made from nothing. */
export type NewDocument =
  | {
      readonly type: "note";
      readonly title: string;
      readonly content:
        | { readonly type: "markdown"; readonly markdown: string }
        | { readonly type: "spans"; readonly spans: readonly NoteSpan[] };
      readonly folder: string;
      readonly tags: readonly string[];
      readonly meta: Readonly<Record<string, string>>;
      readonly createdAt: number;
      readonly updatedAt: number;
    }
  | { readonly type: "notebook"; readonly title: string };

export interface EngineError {
  /**
   * `EngineCrashed`, `EngineTimeout`: twice on the same input; the document was unloaded and the input is to be quarantined.
   * `index` names the poisonous change of a batch, when it is one.
   * `BadChange`: `index` of the first refused change of an export. `NotLoaded`: load it first (the engine was restarted or made room).
   */
  readonly type: "EngineCrashed" | "EngineTimeout" | "BadChange" | "BadSnapshot" | "OutOfRange" | "NotLoaded";
  readonly message: string;
  readonly index?: number;
}

/**
 * Materialises documents in a disposable process, bounded in memory and time.
 * P-ENGINE-1 The process may die or be replaced at any time; the host answers `NotLoaded` and goes on.
 * P-ENGINE-2 A request that crashes the process or runs out of time fails alone; the others are answered.
 * P-ENGINE-3 `edit` and `create` answer the new changes, already applied; nothing is stored.
 * P-ENGINE-4 Requests for one document take effect in the order they were made.
 * P-ENGINE-5 `load` and `apply` leave out, and log, changes that do not fit the document and those that build on them.
 */
export interface Engine {
  /** `key` names the document in this engine; loading again replaces it. */
  readonly load: (key: number, source: DocumentSource) => Promise<Result<null, EngineError>>;
  readonly apply: (key: number, changes: readonly Uint8Array[]) => Promise<Result<null, EngineError>>;
  readonly read: (key: number) => Promise<Result<NoteContent, EngineError>>;
  /** The same without what only an export needs; Markdown of a long note takes far longer than its text. */
  readonly facts: (key: number) => Promise<Result<NoteFacts, EngineError>>;
  /** `actor` as 32 hex digits; `time` Unix seconds. */
  readonly edit: (
    key: number,
    actor: string,
    time: number,
    edits: readonly NoteEdit[],
  ) => Promise<Result<{ readonly changes: readonly Uint8Array[] }, EngineError>>;
  /** Makes a document without keeping it loaded. */
  readonly create: (
    actor: string,
    time: number,
    document: NewDocument,
  ) => Promise<Result<{ readonly changes: readonly Uint8Array[]; readonly content: NoteContent }, EngineError>>;
  /** Runs `convertMarkdownFile` where it holds nobody up. */
  readonly convert: (input: ConvertInput) => Promise<Result<Converted, EngineError>>;
  /** Automerge's own file of a document, made by Automerge from all its changes. */
  readonly automerge: (changes: readonly Uint8Array[]) => Promise<Result<Uint8Array, EngineError>>;
  /** All changes of an Automerge file, dependencies first; `BadChange` when it is none, or larger than any document. */
  readonly history: (file: Uint8Array) => Promise<Result<readonly Uint8Array[], EngineError>>;
  /** Replica snapshot of the document's present state. */
  readonly snapshot: (key: number) => Promise<Result<Uint8Array, EngineError>>;
  readonly unload: (key: number) => Promise<void>;
  readonly stop: () => Promise<void>;
}
