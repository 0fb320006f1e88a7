import type { Node as ProseMirrorNode } from "prosemirror-model";
import { Plugin, PluginKey } from "prosemirror-state";
import { Decoration, DecorationSet } from "prosemirror-view";
import { nodeToBlock } from "./schema.ts";

interface Numbering {
  readonly doc: ProseMirrorNode;
  readonly decorations: DecorationSet;
}

const key = new PluginKey<Numbering>("list-numbers");

/** Numbers of ordered items: a list goes on until a block of its own depth that is none of its items. */
export const itemNumbers = (doc: ProseMirrorNode): Map<number, number> => {
  const numberByPosition = new Map<number, number>();
  const counters: (number | undefined)[] = [];
  doc.forEach((node, pos) => {
    const { type, parents, attrs } = nodeToBlock(node);
    const depth = parents.length;
    counters.length = Math.min(counters.length, depth + 1);
    if (type !== "ordered-list-item") {
      counters[depth] = undefined;
      return;
    }
    const number = typeof attrs["start"] === "number" ? attrs["start"] : (counters[depth] ?? 0) + 1;
    counters[depth] = number;
    numberByPosition.set(pos, number);
  });
  return numberByPosition;
};

/** Shows the number of each ordered item; computed anew only when blocks change, not while text is typed. */
export const listNumbers = (): Plugin =>
  new Plugin<Numbering>({
    key,
    state: {
      init: (_config, { doc }) => ({ doc, decorations: numberDecorations(doc) }),
      apply: (tr, old) => {
        if (!tr.docChanged) return old;
        const decorations = sameBlocks(old.doc, tr.doc)
          ? old.decorations.map(tr.mapping, tr.doc)
          : numberDecorations(tr.doc);
        return { doc: tr.doc, decorations };
      },
    },
    props: { decorations: (state) => key.getState(state)?.decorations },
  });

const numberDecorations = (doc: ProseMirrorNode): DecorationSet =>
  DecorationSet.create(
    doc,
    [...itemNumbers(doc)].map(([pos, number]) =>
      Decoration.node(pos, pos + (doc.nodeAt(pos)?.nodeSize ?? 1), { "data-number": `${number}.` }),
    ),
  );

const sameBlocks = (a: ProseMirrorNode, b: ProseMirrorNode): boolean => {
  if (a.childCount !== b.childCount) return false;
  for (let i = 0; i < a.childCount; i++) {
    const left = a.child(i);
    const right = b.child(i);
    if (left !== right && !left.hasMarkup(right.type, right.attrs)) return false;
  }
  return true;
};
