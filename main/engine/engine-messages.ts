import type {
  DocumentSource,
  EngineError,
  NewDocument,
  NoteContent,
  NoteEdit,
  NoteFacts,
} from "../../app/ports/engine.ts";
import type { Converted, ConvertInput } from "../../app/portability/markdown-import.ts";
import type { Result } from "../../protocol/kernel/result.ts";

/** What the host asks of the engine process, as a structured clone; the engine answers in order. */
export type EngineRequest =
  | { readonly type: "load"; readonly key: number; readonly source: DocumentSource }
  | { readonly type: "apply"; readonly key: number; readonly changes: readonly Uint8Array[] }
  | { readonly type: "read"; readonly key: number }
  | { readonly type: "facts"; readonly key: number }
  | {
      readonly type: "edit";
      readonly key: number;
      readonly actor: string;
      readonly time: number;
      readonly edits: readonly NoteEdit[];
    }
  | { readonly type: "create"; readonly actor: string; readonly time: number; readonly document: NewDocument }
  | { readonly type: "convert"; readonly input: ConvertInput }
  | { readonly type: "snapshot"; readonly key: number }
  | { readonly type: "automerge"; readonly changes: readonly Uint8Array[] }
  | { readonly type: "history"; readonly file: Uint8Array }
  | { readonly type: "unload"; readonly key: number };

/** Positions of the changes that were refused and left out; those that build on them wait for ever. */
export interface Applied {
  readonly refused: readonly number[];
}

export interface EngineAnswers {
  readonly load: Applied;
  readonly apply: Applied;
  readonly read: NoteContent;
  readonly facts: NoteFacts;
  readonly edit: { readonly changes: readonly Uint8Array[] };
  readonly create: { readonly changes: readonly Uint8Array[]; readonly content: NoteContent };
  readonly convert: Converted;
  readonly snapshot: Uint8Array;
  readonly automerge: Uint8Array;
  readonly history: readonly Uint8Array[];
  readonly unload: null;
}
export type EngineAnswer<Type extends EngineRequest["type"] = EngineRequest["type"]> = Result<
  EngineAnswers[Type],
  EngineError
>;

export interface ToEngine {
  readonly id: number;
  readonly request: EngineRequest;
}
/** `ready` comes once, before any answer. */
export type FromEngine =
  { readonly type: "ready" } | { readonly type: "answer"; readonly id: number; readonly answer: EngineAnswer };
