import { fileAdoption } from "./adopt-files.ts";
import { dropCursor } from "prosemirror-dropcursor";
import type { Command, EditorState } from "prosemirror-state";
import { EditorState as State } from "prosemirror-state";
import { EditorView } from "prosemirror-view";
import type { Presence } from "../../../../app/contract/types.ts";
import { markToLink } from "../../../../app/repositories/note-schema.ts";
import type { ObjectId, Replica } from "../../../../protocol/replica/types.ts";
import { attachFiles, fileDrops, placeForFiles } from "./attach-files.ts";
import type { Attachments } from "./attachments.ts";
import { carets, selectionCursor, showPresence } from "./carets.ts";
import { clipboard } from "./clipboard.ts";
import { linkAt } from "./commands.ts";
import { markdownRules } from "./input-rules.ts";
import { noteKeymap } from "./keymap.ts";
import { listNumbers } from "./list-numbers.ts";
import { nearBlocks } from "./near-blocks.ts";
import { nodeViews } from "./node-views.ts";
import { placeholder, plainEmbeds } from "./plugins.ts";
import { createReplicaBinding } from "./replica-binding.ts";
import { noteSchema } from "./schema.ts";

/** The editor on the page, tied to a replica. */
export interface NoteView {
  readonly receive: (changes: readonly Uint8Array[]) => void;
  readonly showPresence: (present: readonly Presence[]) => void;
  readonly run: (command: Command) => void;
  /** Takes files into the note at the caret. */
  readonly attach: (files: readonly File[]) => void;
  readonly undo: () => void;
  readonly redo: () => void;
  readonly canUndo: () => boolean;
  readonly canRedo: () => boolean;
  readonly state: () => EditorState;
  /** Where a position is on the screen. */
  readonly boxAt: (pos: number) => DOMRect;
  readonly focus: () => void;
  readonly destroy: () => void;
}

export interface NoteViewOptions {
  readonly mount: HTMLElement;
  readonly replica: Replica;
  readonly text: ObjectId;
  readonly writable: boolean;
  readonly send: (change: Uint8Array) => void;
  /** Own caret as `documents.presence` carries it; null when the editor lost the focus. */
  readonly onPresence: (cursor: string | null) => void;
  /** After every change of the document or the selection. */
  readonly onUpdate: () => void;
  readonly openLink: (href: string) => void;
  readonly editLink: () => void;
  readonly attachments: Attachments;
}

/** Longer texts are not compared: it would cost a frame, and what the fuzz covers does not depend on length. */
const MAX_COMPARED_UNITS = 200_000;
/** Both sides are compared once nobody has edited for this long; a difference would be a bug and is mended on the spot. */
const COMPARE_AFTER_MS = 3_000;

export const createNoteView = (options: NoteViewOptions): NoteView => {
  const { mount, replica, text, writable, send, onPresence, onUpdate } = options;
  const binding = createReplicaBinding({ replica, text, now: () => Date.now() });
  /** Changes that came while an input method was composing: touching the text then would end the composition. */
  let held: Uint8Array[] = [];
  let present: readonly Presence[] = [];
  const numbers = listNumbers();
  const near = nearBlocks();
  let compareTimer: ReturnType<typeof setTimeout> | undefined;

  const travel =
    (direction: "undo" | "redo"): Command =>
    (state, dispatch) => {
      if (dispatch === undefined) return true;
      const tr = binding[direction](state);
      if (tr !== undefined) dispatch(tr);
      return true;
    };

  const view: EditorView = new EditorView(mount, {
    state: State.create({
      schema: noteSchema,
      doc: binding.doc(),
      plugins: [
        markdownRules(),
        ...noteKeymap({
          undo: travel("undo"),
          redo: travel("redo"),
          editLink: (_state, dispatch) => {
            if (dispatch !== undefined) options.editLink();
            return true;
          },
        }),
        fileDrops(options.attachments),
        fileAdoption(options.attachments),
        clipboard(),
        plainEmbeds(),
        numbers.plugin,
        near.plugin,
        carets(),
        placeholder(writable ? "Start writing. Markdown works: # heading, - list, [] task, > quote" : ""),
        dropCursor({ color: false, class: "drop-cursor", width: 2 }),
      ],
    }),
    nodeViews: { ...nodeViews(options.attachments), "ordered-list-item": numbers.orderedItem },
    editable: () => writable,
    attributes: {
      class: "note-text",
      "aria-label": "Text of the note",
      "aria-multiline": "true",
      role: "textbox",
      spellcheck: "true",
    },
    dispatchTransaction: (tr) => {
      near.prepare(tr);
      const { state, transactions } = view.state.applyTransaction(tr);
      view.updateState(state);
      for (const applied of transactions) {
        for (const change of binding.write(applied)) send(change.bytes);
      }
      if (tr.docChanged) compareLater();
      if ((tr.selectionSet || tr.docChanged) && view.hasFocus()) onPresence(selectionCursor(view.state, binding));
      onUpdate();
    },
    handleClickOn: (_view, pos, _node, _nodePos, event) => {
      if (!event.metaKey && !event.ctrlKey && writable) return false;
      const link = linkAt(view.state, pos);
      if (link === undefined) return false;
      options.openLink(markToLink(link.value).href);
      return true;
    },
    handleDOMEvents: {
      // The browser would follow the link or open a window; links open through the node.
      click: (_view, event) => {
        if ((event.target as Element | null)?.closest("a") !== null) event.preventDefault();
        return false;
      },
      focus: () => {
        onPresence(selectionCursor(view.state, binding));
        return false;
      },
      blur: () => {
        onPresence(null);
        return false;
      },
      compositionend: () => {
        setTimeout(release, 0);
        return false;
      },
    },
  });

  const compareLater = (): void => {
    clearTimeout(compareTimer);
    compareTimer = setTimeout(() => {
      if (view.isDestroyed || view.composing || view.state.doc.content.size > MAX_COMPARED_UNITS) return;
      const tr = binding.heal(view.state);
      if (tr !== undefined) view.dispatch(tr);
    }, COMPARE_AFTER_MS);
  };

  /**
   * Takes over what the browser has done since its last event: redrawing before that would put a caret that a key has
   * just moved back to where it was.
   */
  const catchUp = (): void => {
    (view as unknown as { readonly domObserver: { readonly flush: () => void } }).domObserver.flush();
  };

  const release = (): void => {
    if (view.isDestroyed || view.composing || held.length === 0) return;
    catchUp();
    const changes = held;
    held = [];
    const tr = binding.receive(view.state, changes);
    if (tr !== undefined) view.dispatch(tr);
    else onUpdate();
    view.dispatch(showPresence(view.state, binding, present));
  };

  return {
    receive: (changes) => {
      held.push(...changes);
      release();
    },
    showPresence: (others) => {
      present = others;
      if (held.length > 0 || view.composing) return;
      catchUp();
      view.dispatch(showPresence(view.state, binding, present));
    },
    run: (command) => {
      command(view.state, view.dispatch, view);
      view.focus();
    },
    attach: (files) => {
      const at = placeForFiles(view, view.state.selection.to);
      if (at !== undefined) void attachFiles(view, options.attachments, files, at);
      view.focus();
    },
    undo: () => travel("undo")(view.state, view.dispatch, view),
    redo: () => travel("redo")(view.state, view.dispatch, view),
    canUndo: binding.canUndo,
    canRedo: binding.canRedo,
    state: () => view.state,
    boxAt: (pos) => {
      const { left, top, bottom } = view.coordsAtPos(pos);
      return new DOMRect(left, top, 0, bottom - top);
    },
    focus: () => {
      view.focus();
    },
    destroy: () => {
      clearTimeout(compareTimer);
      view.destroy();
    },
  };
};
