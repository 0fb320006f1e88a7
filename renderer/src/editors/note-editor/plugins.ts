import type { EditorState } from "prosemirror-state";
import { Plugin } from "prosemirror-state";
import { RemoveNodeMarkStep } from "prosemirror-transform";
import { Decoration, DecorationSet } from "prosemirror-view";
import { isFromReplica } from "./replica-binding.ts";
import { changedRanges } from "./units.ts";

/** Embeds carry no marks in a note (a linked image has its own attribute), so what a mark or paste put on one goes. */
export const plainEmbeds = (): Plugin =>
  new Plugin({
    appendTransaction: (transactions, _old, state) => {
      const tr = state.tr;
      const end = state.doc.content.size;
      transactions.forEach((edit, index) => {
        if (!edit.docChanged || isFromReplica(edit)) return;
        const later = transactions.slice(index + 1).map(({ mapping }) => mapping);
        edit.steps.forEach((step, position) => {
          for (const [, , newFrom, newTo] of changedRanges(step)) {
            const toPresent = [edit.mapping.slice(position + 1), ...later];
            const from = toPresent.reduce((pos, mapping) => mapping.map(pos, -1), newFrom);
            const to = toPresent.reduce((pos, mapping) => mapping.map(pos, 1), newTo);
            state.doc.nodesBetween(from, Math.min(end, Math.max(to, from + 1)), (node, pos) => {
              if (node.isInline && !node.isText)
                for (const mark of node.marks) tr.step(new RemoveNodeMarkStep(pos, mark));
              return node.isBlock;
            });
          }
        });
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
