import { baseKeymap, chainCommands, deleteSelection, selectAll } from "prosemirror-commands";
import { undoInputRule } from "prosemirror-inputrules";
import { keymap } from "prosemirror-keymap";
import type { Command, Plugin } from "prosemirror-state";
import {
  backspace,
  deleteForward,
  enter,
  exitCode,
  indent,
  insertLineBreak,
  isCode,
  outdent,
  toggleBlock,
  toggleInlineMark,
  toggleQuote,
  toggleTask,
} from "./commands.ts";

const tabInCode: Command = (state, dispatch) => {
  if (!isCode(state.selection.$head.parent)) return false;
  dispatch?.(state.tr.insertText("\t").scrollIntoView());
  return true;
};

/** Keys of the editor; `Mod` is Cmd on a Mac and Ctrl elsewhere. */
export const noteKeymap = (actions: {
  readonly undo: Command;
  readonly redo: Command;
  readonly editLink: Command;
}): Plugin[] => [
  keymap({
    "Mod-z": actions.undo,
    "Mod-y": actions.redo,
    "Mod-Shift-z": actions.redo,
    "Mod-b": toggleInlineMark("strong"),
    "Mod-i": toggleInlineMark("em"),
    "Mod-e": toggleInlineMark("code"),
    "Mod-Shift-x": toggleInlineMark("strike"),
    "Mod-k": actions.editLink,
    "Mod-Alt-0": toggleBlock("paragraph"),
    "Mod-Alt-1": toggleBlock("heading", { level: 1 }),
    "Mod-Alt-2": toggleBlock("heading", { level: 2 }),
    "Mod-Alt-3": toggleBlock("heading", { level: 3 }),
    "Mod-Alt-c": toggleBlock("code-block"),
    "Mod-Shift-7": toggleBlock("ordered-list-item"),
    "Mod-Shift-8": toggleBlock("unordered-list-item"),
    "Mod-Shift-9": toggleBlock("task-list-item", { checked: false }),
    "Mod-Shift-b": toggleQuote,
    "Mod-Enter": chainCommands(exitCode, toggleTask),
    "Shift-Enter": insertLineBreak,
    Enter: enter,
    Tab: chainCommands(tabInCode, indent),
    "Shift-Tab": outdent,
    Backspace: chainCommands(undoInputRule, deleteSelection, backspace),
    "Mod-Backspace": chainCommands(deleteSelection, backspace),
    Delete: chainCommands(deleteSelection, deleteForward),
    "Mod-a": selectAll,
  }),
  keymap(baseKeymap),
];
