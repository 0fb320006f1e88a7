import { expect, test } from "vitest";
import { noteKeymap } from "../../renderer/src/editors/note-editor/keymap.ts";
import { TEXT_SHORTCUTS } from "../../renderer/src/editors/note-editor/text-shortcuts.ts";
import { markdownToSpans } from "../../app/markdown/markdown-to-spans.ts";
import { docFromSpans, noteSchema } from "../../renderer/src/editors/note-editor/schema.ts";
import type { EditorView } from "prosemirror-view";
import { EditorState, TextSelection } from "prosemirror-state";

test.each(TEXT_SHORTCUTS.map(({ keys }) => keys))("%s, as the help lists it, does something in a list item", (keys) => {
  const parts = keys.split("+");
  const name = parts.at(-1) ?? "";
  const doc = docFromSpans(markdownToSpans("- one\n- [ ] two\n  - three").spans);
  const at = keys === "Shift+Tab" ? 13 : 8;
  const state = EditorState.create({ schema: noteSchema, doc, selection: TextSelection.create(doc, at, at + 2) });
  let handled = 0;
  const count = (): boolean => {
    handled++;
    return true;
  };
  const view = { state, dispatch: count, composing: false } as unknown as EditorView;
  const event = {
    key: name.length === 1 && !parts.includes("Shift") ? name.toLowerCase() : name,
    keyCode: name.length === 1 ? name.charCodeAt(0) : 0,
    ctrlKey: parts.includes("Mod"),
    shiftKey: parts.includes("Shift"),
    altKey: parts.includes("Alt"),
    metaKey: false,
  } as KeyboardEvent;
  const plugins = noteKeymap({ undo: count, redo: count, editLink: count });
  expect(plugins.some((plugin) => plugin.props.handleKeyDown?.call(plugin, view, event) === true)).toBe(true);
  expect(handled).toBeGreaterThan(0);
});
