import type { EditorState } from "prosemirror-state";
import { Plugin } from "prosemirror-state";
import { RemoveNodeMarkStep } from "prosemirror-transform";
import { Decoration, DecorationSet } from "prosemirror-view";
import { isFromReplica } from "./replica-binding.ts";

/** Embeds carry no marks in a note (a linked image has its own attribute), so what a mark or paste put on one goes. */
export const plainEmbeds = (): Plugin =>
  new Plugin({
    appendTransaction: (transactions, _old, state) => {
      if (!transactions.some((tr) => tr.docChanged && !isFromReplica(tr))) return null;
      const tr = state.tr;
      state.doc.descendants((node, pos) => {
        if (node.isInline && !node.isText) for (const mark of node.marks) tr.step(new RemoveNodeMarkStep(pos, mark));
        return node.isBlock;
      });
      return tr.docChanged ? tr : null;
    },
  });

export const isEmptyNote = ({ doc }: EditorState): boolean =>
  doc.childCount === 1 && doc.firstChild?.type.name === "paragraph" && doc.firstChild.content.size === 0;

/** A line of advice in an empty note. */
export const placeholder = (text: string): Plugin =>
  new Plugin({
    props: {
      decorations: (state) => {
        const first = state.doc.firstChild;
        return isEmptyNote(state) && first !== null
          ? DecorationSet.create(state.doc, [
              Decoration.node(0, first.nodeSize, { class: "is-placeholder", "data-placeholder": text }),
            ])
          : null;
      },
    },
  });
