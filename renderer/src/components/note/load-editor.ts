import type { Component } from "svelte";
import type { Api } from "../../../../app/contract/create-api.ts";
import type { ContractError } from "../../../../app/contract/errors.ts";

type NoteEditor = Component<{
  readonly api: Api;
  /** Document id. */
  readonly document: string;
  readonly onTitle?: (title: string) => void;
  readonly onError: (error: ContractError) => void;
}>;

const found = import.meta.glob<{ readonly default: NoteEditor }>("../../editors/note-editor/NoteEditor.svelte");
let loading: Promise<NoteEditor | null> | undefined;

/** Loads the editor and Automerge with it, once, after the window has painted; null when the build has none. */
export const loadEditor = (): Promise<NoteEditor | null> => {
  loading ??= Promise.all(Object.values(found).map((load) => load())).then(([module]) => module?.default ?? null);
  return loading;
};
