import type { Slice } from "prosemirror-model";
import { Plugin } from "prosemirror-state";
import type { EditorView } from "prosemirror-view";
import { attachmentOfAttrs, attrsOfAttachment } from "../../../../app/attachments/attachment-ref.ts";
import type { BlockAttrs } from "../../../../app/repositories/note-schema.ts";
import type { Attachments } from "./attachments.ts";
import { embedToNode, nodeToEmbed } from "./schema.ts";

const blobOf = (attrs: BlockAttrs): string | undefined => {
  const reference = attachmentOfAttrs(attrs);
  return reference === undefined ? undefined : attrsOfAttachment(reference).blob;
};

/** Puts what the note's own notebook calls a file in place of what another one calls it. */
const rename = (view: EditorView, blob: string, attrs: BlockAttrs): void => {
  const tr = view.state.tr;
  view.state.doc.descendants((node, pos) => {
    if (!node.isInline || node.isText) return;
    const embed = nodeToEmbed(node);
    if (blobOf(embed.attrs) === blob)
      tr.replaceWith(pos, pos + node.nodeSize, embedToNode({ ...embed, attrs: { ...embed.attrs, ...attrs } }));
  });
  if (tr.docChanged) view.dispatch(tr);
};

/** Files that are pasted out of a note of another notebook are taken into this one's. */
export const fileAdoption = (attachments: Attachments): Plugin =>
  new Plugin({
    props: {
      transformPasted: (slice: Slice, view: EditorView) => {
        const pasted = new Map<string, BlockAttrs>();
        slice.content.descendants((node) => {
          if (!node.isInline || node.isText) return;
          const { attrs } = nodeToEmbed(node);
          const blob = blobOf(attrs);
          if (blob !== undefined) pasted.set(blob, attrs);
        });
        for (const [blob, attrs] of pasted)
          void attachments.adopt(attrs).then((adopted) => {
            if (adopted !== undefined && !view.isDestroyed) rename(view, blob, adopted);
          });
        return slice;
      },
    },
  });
