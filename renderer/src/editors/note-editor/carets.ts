import type { Node as ProseMirrorNode } from "prosemirror-model";
import type { EditorState, Transaction } from "prosemirror-state";
import { Plugin, PluginKey } from "prosemirror-state";
import { Decoration, DecorationSet } from "prosemirror-view";
import type { Presence } from "../../../../app/contract/types.ts";
import { personColour } from "../../components/shared/person.ts";
import type { ReplicaBinding } from "./replica-binding.ts";

/** Where another person's selection is, as positions of the present document. */
interface RemoteSelection {
  readonly peer: string;
  readonly name: string;
  readonly anchor: number;
  readonly head: number;
}

const key = new PluginKey<DecorationSet>("carets");

/** Other people's carets and selections with their names. Positions travel as cursors of the replica, which hold everywhere. */
export const carets = (): Plugin =>
  new Plugin<DecorationSet>({
    key,
    state: {
      init: () => DecorationSet.empty,
      apply: (tr, old) => {
        const selections = tr.getMeta(key) as readonly RemoteSelection[] | undefined;
        return selections === undefined ? old.map(tr.mapping, tr.doc) : selectionDecorations(tr.doc, selections);
      },
    },
    props: { decorations: (state) => key.getState(state) },
  });

/** Transaction that shows these people's carets and no others. */
export const showPresence = (
  state: EditorState,
  binding: ReplicaBinding,
  present: readonly Presence[],
): Transaction => {
  const selections = present.flatMap(({ peer, name, cursor }): RemoteSelection[] => {
    const cursors = cursor === null ? undefined : parseCursors(cursor);
    if (cursors === undefined) return [];
    const anchor = binding.positionOfCursor(state.doc, cursors[0]);
    const head = binding.positionOfCursor(state.doc, cursors[1]);
    return anchor === undefined || head === undefined ? [] : [{ peer, name, anchor, head }];
  });
  return state.tr.setMeta(key, selections).setMeta("addToHistory", false);
};

/** The own selection in the form `documents.presence` carries. */
export const selectionCursor = ({ doc, selection }: EditorState, binding: ReplicaBinding): string =>
  JSON.stringify([binding.cursorAt(doc, selection.anchor), binding.cursorAt(doc, selection.head)]);

/** Total: the text comes from another person's device. */
const parseCursors = (cursor: string): readonly [string, string] | undefined => {
  try {
    const value: unknown = JSON.parse(cursor);
    if (!Array.isArray(value)) return undefined;
    const [anchor, head] = value as unknown[];
    return typeof anchor === "string" && typeof head === "string" ? [anchor, head] : undefined;
  } catch {
    return undefined;
  }
};

const selectionDecorations = (doc: ProseMirrorNode, selections: readonly RemoteSelection[]): DecorationSet =>
  DecorationSet.create(
    doc,
    selections.flatMap(({ peer, name, anchor, head }) => {
      const colour = personColour(name);
      const caret = Decoration.widget(head, () => caretElement(name, colour), {
        key: `${peer}/${name}`,
        side: 10,
        ignoreSelection: true,
      });
      if (anchor === head) return [caret];
      const from = Math.min(anchor, head);
      const range = Decoration.inline(from, Math.max(anchor, head), {
        class: `remote-selection remote-${colourIndex(colour)}`,
      });
      return [range, caret];
    }),
  );

const colourIndex = (colour: string): string => /\d+/.exec(colour)?.[0] ?? "0";

/** The name is generated content: a text node here would catch the caret of whoever clicks beside it. */
const caretElement = (name: string, colour: string): HTMLElement => {
  const element = document.createElement("span");
  element.className = "remote-caret";
  element.setAttribute("aria-hidden", "true");
  element.dataset["name"] = name;
  element.style.setProperty("--person", colour);
  return element;
};
