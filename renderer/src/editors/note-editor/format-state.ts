import type { EditorState } from "prosemirror-state";
import type { MarkName } from "../../../../app/repositories/note-schema.ts";
import { isCode, selectedBlocks } from "./commands.ts";
import type { NoteView } from "./note-view.ts";
import { headingLevel, nodeToBlock, noteSchema } from "./schema.ts";

/** What the toolbar shows about the selection. */
export interface FormatState {
  /** Block type, with its level for headings; "" where the selection is mixed. */
  readonly block: string;
  readonly quoted: boolean;
  readonly inCode: boolean;
  readonly marks: Readonly<Record<MarkName, boolean>>;
  readonly canUndo: boolean;
  readonly canRedo: boolean;
}

const NO_MARKS: FormatState["marks"] = { link: false, strong: false, em: false, strike: false, code: false };

export const emptyFormat: FormatState = {
  block: "paragraph",
  quoted: false,
  inCode: false,
  marks: NO_MARKS,
  canUndo: false,
  canRedo: false,
};

const isMarked = ({ doc, selection, storedMarks }: EditorState, name: MarkName): boolean => {
  const mark = noteSchema.marks[name];
  const { from, to, empty, $from } = selection;
  return empty ? mark.isInSet(storedMarks ?? $from.marks()) !== undefined : doc.rangeHasMark(from, to, mark);
};

export const formatOf = (view: NoteView): FormatState => {
  const state = view.state();
  const nodes = selectedBlocks(state).map(({ node }) => node);
  const kinds = new Set(
    nodes.map((node) =>
      node.type.name === "heading" ? `heading-${headingLevel(nodeToBlock(node).attrs)}` : node.type.name,
    ),
  );
  return {
    block: kinds.size === 1 ? ([...kinds][0] ?? "") : "",
    quoted: nodes.length > 0 && nodes.every((node) => nodeToBlock(node).parents.includes("blockquote")),
    inCode: nodes.length > 0 && nodes.every(isCode),
    marks: {
      link: isMarked(state, "link"),
      strong: isMarked(state, "strong"),
      em: isMarked(state, "em"),
      strike: isMarked(state, "strike"),
      code: isMarked(state, "code"),
    },
    canUndo: view.canUndo(),
    canRedo: view.canRedo(),
  };
};
