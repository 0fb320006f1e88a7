import type NoteEditor from "../../editors/note-editor/NoteEditor.svelte";

let loading: Promise<typeof NoteEditor> | undefined;

/** Loads the editor, once. */
export const loadEditor = (): Promise<typeof NoteEditor> => {
  loading ??= import("../../editors/note-editor/NoteEditor.svelte").then((module) => module.default);
  return loading;
};
