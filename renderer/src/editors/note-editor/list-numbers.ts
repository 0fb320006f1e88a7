import type { Node as ProseMirrorNode } from "prosemirror-model";
import { DOMSerializer } from "prosemirror-model";
import { Plugin } from "prosemirror-state";
import type { EditorView, NodeViewConstructor } from "prosemirror-view";
import { nodeToBlock } from "./schema.ts";

/** Numbers of the ordered items, in their order: a list goes on until a block of its own depth that is none of its items. */
export const itemNumbers = (doc: ProseMirrorNode): number[] => {
  const numbers: number[] = [];
  const counters: (number | undefined)[] = [];
  doc.forEach((node) => {
    const { type, parents, attrs } = nodeToBlock(node);
    const depth = parents.length;
    counters.length = Math.min(counters.length, depth + 1);
    if (type !== "ordered-list-item") {
      counters[depth] = undefined;
      return;
    }
    const number = typeof attrs["start"] === "number" ? attrs["start"] : (counters[depth] ?? 0) + 1;
    counters[depth] = number;
    numbers.push(number);
  });
  return numbers;
};

/**
 * Shows the number of each ordered item; counted anew only when blocks change, not while text is typed. The numbers are
 * attributes of the elements and no decorations: ProseMirror looks through all of those again for every block it passes.
 */
export const listNumbers = (): { readonly plugin: Plugin; readonly orderedItem: NodeViewConstructor } => {
  let hasNewItems = true;

  const orderedItem: NodeViewConstructor = (node) => {
    hasNewItems = true;
    const spec = node.type.spec.toDOM?.(node) ?? ["p", 0];
    return {
      ...(DOMSerializer.renderSpec(document, spec) as { dom: HTMLElement; contentDOM: HTMLElement }),
      ignoreMutation: (mutation) => mutation.type === "attributes",
    };
  };

  const number = ({ dom, state }: EditorView): void => {
    const items = dom.getElementsByClassName("block-ordered-list-item");
    const numbers = itemNumbers(state.doc);
    // While an input method composes, the page may lag behind the document; the next update finds both alike.
    hasNewItems = items.length !== numbers.length;
    if (hasNewItems) return;
    let index = 0;
    for (const item of items) {
      const label = `${numbers[index++]}.`;
      if (item.getAttribute("data-number") !== label) item.setAttribute("data-number", label);
    }
  };

  const plugin = new Plugin({
    view: (view) => {
      number(view);
      return {
        update: (updated, { doc }) => {
          if (hasNewItems || !sameBlocks(doc, updated.state.doc)) number(updated);
        },
      };
    },
  });
  return { plugin, orderedItem };
};

const sameBlocks = (a: ProseMirrorNode, b: ProseMirrorNode): boolean => {
  if (a === b) return true;
  if (a.childCount !== b.childCount) return false;
  for (let i = 0; i < a.childCount; i++) {
    const left = a.child(i);
    const right = b.child(i);
    if (left !== right && !left.hasMarkup(right.type, right.attrs)) return false;
  }
  return true;
};
