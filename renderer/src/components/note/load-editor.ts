type NoteEditor = (typeof import("../../editors/note-editor/NoteEditor.svelte"))["default"];

let loading: Promise<NoteEditor> | undefined;

/** Loads the editor, once, after the window has painted. */
export const loadEditor = (): Promise<NoteEditor> => {
  loading ??= import("../../editors/note-editor/NoteEditor.svelte").then((module) => module.default);
  return loading;
};
