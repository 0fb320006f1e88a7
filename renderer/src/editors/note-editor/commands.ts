import { toggleMark } from "prosemirror-commands";
import type { Node as ProseMirrorNode, ResolvedPos } from "prosemirror-model";
import { Slice } from "prosemirror-model";
import type { Command, EditorState, Transaction } from "prosemirror-state";
import { TextSelection } from "prosemirror-state";
import { ReplaceStep } from "prosemirror-transform";
import type { BlockAttrs, BlockType, MarkName, NoteBlock } from "../../../../app/repositories/note-schema.ts";
import { embedBlock, isListItem, MAX_DEPTH, textBlock } from "../../../../app/repositories/note-schema.ts";
import { CLOSE_UNDO } from "./replica-binding.ts";
import { blockToNode, embedToNode, nodeToBlock, noteSchema } from "./schema.ts";
import { sameBlock } from "./units.ts";

interface PlacedBlock {
  readonly node: ProseMirrorNode;
  readonly pos: number;
  readonly index: number;
}

export const isCode = (node: ProseMirrorNode): boolean => node.type.spec.code === true;

/** Blocks the selection touches. */
export const selectedBlocks = (state: EditorState): PlacedBlock[] => {
  const { from, to } = state.selection;
  const blocks: PlacedBlock[] = [];
  state.doc.forEach((node, pos, index) => {
    if (pos + node.nodeSize > from && pos < Math.max(to, from + 1)) blocks.push({ node, pos, index });
  });
  // A selection that ends before the first character of a block does not mean that block.
  if (blocks.length > 1 && blocks.at(-1)?.pos === to - 1) blocks.pop();
  return blocks;
};

/** Restyles the block at `pos`; its text and the selection stay. */
export const setBlockAt = (tr: Transaction, pos: number, block: NoteBlock): void => {
  const node = tr.doc.nodeAt(pos);
  if (node === null || sameBlock(nodeToBlock(node), block)) return;
  const empty = blockToNode(block);
  tr.setNodeMarkup(pos, empty.type, empty.attrs);
  if (isCode(empty)) tr.removeMark(pos + 1, pos + 1 + node.content.size);
};

const change = (
  state: EditorState,
  dispatch: ((tr: Transaction) => void) | undefined,
  edit: (tr: Transaction) => void,
): boolean => {
  const tr = state.tr;
  edit(tr);
  if (!tr.docChanged) return false;
  dispatch?.(tr.setMeta(CLOSE_UNDO, true).scrollIntoView());
  return true;
};

/** Makes the selected blocks of one type; when they all are already, paragraphs again. */
export const toggleBlock =
  (type: BlockType, attrs: BlockAttrs = {}): Command =>
  (state, dispatch) => {
    const blocks = selectedBlocks(state);
    const isOn = blocks.every(({ node }) => {
      const block = nodeToBlock(node);
      return block.type === type && (type !== "heading" || block.attrs["level"] === attrs["level"]);
    });
    return change(state, dispatch, (tr) => {
      for (const { node, pos } of blocks) {
        const { parents } = nodeToBlock(node);
        setBlockAt(tr, pos, isOn ? textBlock("paragraph", parents) : textBlock(type, parents, attrs));
      }
    });
  };

/** Puts the selected blocks into a quote, or takes them out of it. */
export const toggleQuote: Command = (state, dispatch) => {
  const blocks = selectedBlocks(state);
  const isOn = blocks.every(({ node }) => nodeToBlock(node).parents.includes("blockquote"));
  return change(state, dispatch, (tr) => {
    for (const { node, pos } of blocks) {
      const block = nodeToBlock(node);
      const quote = block.parents.indexOf("blockquote");
      const parents = isOn ? block.parents.filter((_, index) => index !== quote) : ["blockquote", ...block.parents];
      if (parents.length <= MAX_DEPTH) setBlockAt(tr, pos, { ...block, parents });
    }
  });
};

/** The block and everything nested below it. */
const withDescendants = (doc: ProseMirrorNode, { index, node }: PlacedBlock): number => {
  const depth = nodeToBlock(node).parents.length;
  let end = index + 1;
  while (end < doc.childCount && nodeToBlock(doc.child(end)).parents.length > depth) end++;
  return end;
};

/** Blocks to move when the selected ones change their depth: each once, with what is nested below. */
const movedBlocks = (state: EditorState): PlacedBlock[] => {
  const selected = selectedBlocks(state);
  const moved = new Set<number>();
  for (const block of selected) for (let i = block.index; i < withDescendants(state.doc, block); i++) moved.add(i);
  const out: PlacedBlock[] = [];
  state.doc.forEach((node, pos, index) => {
    if (moved.has(index)) out.push({ node, pos, index });
  });
  return out;
};

/** Nests the selected list items below the item before them. */
export const indent: Command = (state, dispatch) => {
  const [first] = selectedBlocks(state);
  if (first === undefined || !isListItem(first.node.type.name)) return false;
  const depth = nodeToBlock(first.node).parents.length;
  const host = itemBefore(state.doc, first.index, depth);
  if (host === undefined) return true;
  return (
    change(state, dispatch, (tr) => {
      for (const { node, pos } of movedBlocks(state)) {
        const block = nodeToBlock(node);
        if (block.parents.length >= MAX_DEPTH) continue;
        setBlockAt(tr, pos, {
          ...block,
          parents: [...block.parents.slice(0, depth), host, ...block.parents.slice(depth)],
        });
      }
    }) || true
  );
};

/** Type of the list item at `depth` that precedes a block, if the block can go below it. */
const itemBefore = (doc: ProseMirrorNode, index: number, depth: number): string | undefined => {
  for (let i = index - 1; i >= 0; i--) {
    const { type, parents } = nodeToBlock(doc.child(i));
    if (parents.length < depth) return undefined;
    if (parents.length === depth) return isListItem(type) ? type : undefined;
  }
  return undefined;
};

/** Takes the selected blocks one level out. */
export const outdent: Command = (state, dispatch) => {
  const [first] = selectedBlocks(state);
  if (first === undefined) return false;
  const { parents } = nodeToBlock(first.node);
  const level = parents.length - 1;
  if (level < 0 || !isListItem(parents[level] ?? "")) return isListItem(first.node.type.name);
  return change(state, dispatch, (tr) => {
    for (const { node, pos } of movedBlocks(state)) {
      const block = nodeToBlock(node);
      setBlockAt(tr, pos, { ...block, parents: block.parents.filter((_, index) => index !== level) });
    }
  });
};

/** The block a split leaves behind the caret. */
const blockAfterSplit = (block: NoteBlock, atEnd: boolean): NoteBlock => {
  if (block.type === "task-list-item") return textBlock("task-list-item", block.parents, { checked: false });
  if (block.type === "ordered-list-item") return textBlock("ordered-list-item", block.parents);
  return block.type === "heading" && atEnd ? textBlock("paragraph", block.parents) : block;
};

/** Splits the block at `pos`, both halves keeping their text. */
const splitAt = (tr: Transaction, pos: number, after: NoteBlock): void => {
  const { type, attrs } = blockToNode(after);
  tr.split(pos, 1, [{ type, attrs }]);
};

/** Enter: a new block; out of an empty list item or quote; a new line in code. */
export const enter: Command = (state, dispatch) => {
  const { $from, $to, empty } = state.selection;
  if (!$from.parent.isTextblock || !$to.parent.isTextblock) return false;
  const block = nodeToBlock($from.parent);
  const pos = $from.before();
  if (empty && isCode($from.parent)) return codeEnter(state, dispatch);
  const fence = /^```([\w+#.-]*)$/.exec($from.parent.textContent);
  if (empty && block.type === "paragraph" && fence !== null) {
    return change(state, dispatch, (tr) => {
      tr.delete($from.start(), $from.end());
      setBlockAt(tr, pos, textBlock("code-block", block.parents, fence[1] === "" ? {} : { language: fence[1] ?? "" }));
    });
  }
  if (empty && $from.parent.content.size === 0 && (isListItem(block.type) || block.parents.length > 0)) {
    if (isListItem(block.type) && isListItem(block.parents.at(-1) ?? "")) return outdent(state, dispatch);
    return change(state, dispatch, (tr) => {
      setBlockAt(tr, pos, textBlock("paragraph", isListItem(block.type) ? block.parents : block.parents.slice(0, -1)));
    });
  }
  return change(state, dispatch, (tr) => {
    tr.deleteSelection();
    const $pos = tr.selection.$from;
    const left = nodeToBlock($pos.parent);
    splitAt(tr, $pos.pos, blockAfterSplit(left, $pos.parentOffset === $pos.parent.content.size));
    if (left.type === "heading" && $pos.parentOffset === 0 && $pos.parent.content.size > 0)
      setBlockAt(tr, $pos.before(), textBlock("paragraph", left.parents));
  });
};

/** Two empty lines at the end of code leave it. */
const codeEnter: Command = (state, dispatch) => {
  const { $from } = state.selection;
  const text = $from.parent.textContent;
  return change(state, dispatch, (tr) => {
    if ($from.parentOffset === $from.parent.content.size && text.endsWith("\n\n")) {
      tr.delete($from.pos - 2, $from.pos);
      splitAt(tr, $from.pos - 2, textBlock("paragraph", nodeToBlock($from.parent).parents));
    } else tr.insertText("\n");
  });
};

/** Leaves a code block for a paragraph behind it. */
export const exitCode: Command = (state, dispatch) => {
  const { $head } = state.selection;
  if (!isCode($head.parent)) return false;
  return change(state, dispatch, (tr) => {
    splitAt(tr, $head.end(), textBlock("paragraph", nodeToBlock($head.parent).parents));
    tr.setSelection(TextSelection.create(tr.doc, $head.end() + 2));
  });
};

export const insertLineBreak: Command = (state, dispatch) => {
  dispatch?.(state.tr.insertText("\n").scrollIntoView());
  return true;
};

const joinAt = (tr: Transaction, boundary: number): void => {
  tr.step(new ReplaceStep(boundary - 1, boundary + 1, Slice.empty));
};

const caret = (state: EditorState): ResolvedPos | undefined =>
  state.selection instanceof TextSelection && state.selection.empty ? state.selection.$from : undefined;

/** Backspace at the start of a block: plain paragraph first, then out of its parents, then one with the block before. */
export const backspace: Command = (state, dispatch) => {
  const $from = caret(state);
  if ($from === undefined) return false;
  const before = $from.nodeBefore;
  if (before !== null && !before.isText)
    return change(state, dispatch, (tr) => tr.delete($from.pos - before.nodeSize, $from.pos));
  if ($from.parentOffset > 0) return false;
  const block = nodeToBlock($from.parent);
  const pos = $from.before();
  return change(state, dispatch, (tr) => {
    if (block.type !== "paragraph") setBlockAt(tr, pos, textBlock("paragraph", block.parents));
    else if (block.parents.length > 0) setBlockAt(tr, pos, textBlock("paragraph", block.parents.slice(0, -1)));
    else if (pos > 0) joinAt(tr, pos);
  });
};

/** Delete at the end of a block takes in the one behind it. */
export const deleteForward: Command = (state, dispatch) => {
  const $from = caret(state);
  if ($from === undefined) return false;
  const after = $from.nodeAfter;
  if (after !== null && !after.isText)
    return change(state, dispatch, (tr) => tr.delete($from.pos, $from.pos + after.nodeSize));
  if ($from.parentOffset < $from.parent.content.size) return false;
  const boundary = $from.after();
  return boundary < state.doc.content.size && change(state, dispatch, (tr) => joinAt(tr, boundary));
};

/** Ticks or unticks the selected tasks; makes tasks of other blocks. */
export const toggleTask: Command = (state, dispatch) => {
  const blocks = selectedBlocks(state);
  const tasks = blocks.filter(({ node }) => node.type.name === "task-list-item");
  if (tasks.length === 0) return toggleBlock("task-list-item", { checked: false })(state, dispatch);
  const checked = !tasks.every(({ node }) => nodeToBlock(node).attrs["checked"] === true);
  return change(state, dispatch, (tr) => {
    for (const { node, pos } of tasks) {
      const block = nodeToBlock(node);
      setBlockAt(tr, pos, { ...block, attrs: { ...block.attrs, checked } });
    }
  });
};

/** A rule on a line of its own, the caret in a new paragraph behind it. */
export const insertRule: Command = (state, dispatch) =>
  change(state, dispatch, (tr) => {
    tr.deleteSelection();
    const { $from } = tr.selection;
    const { parents } = nodeToBlock($from.parent);
    let pos = $from.pos;
    if ($from.parent.content.size > 0) {
      splitAt(tr, pos, textBlock("paragraph", parents));
      pos += 2;
    } else setBlockAt(tr, $from.before(), textBlock("paragraph", parents));
    tr.insert(pos, embedToNode(embedBlock("horizontal-rule")));
    splitAt(tr, pos + 1, textBlock("paragraph", parents));
    tr.setSelection(TextSelection.create(tr.doc, pos + 3));
  });

export const toggleInlineMark =
  (name: Exclude<MarkName, "link">): Command =>
  (state, dispatch) =>
    !selectedBlocks(state).every(({ node }) => isCode(node)) && toggleMark(noteSchema.marks[name])(state, dispatch);

/** Range of the link at a position, and its mark. */
export const linkAt = (
  state: EditorState,
  pos: number,
): { readonly from: number; readonly to: number; readonly value: string } | undefined => {
  const $pos = state.doc.resolve(pos);
  if (!$pos.parent.isTextblock) return undefined;
  const { link } = noteSchema.marks;
  const mark = link.isInSet($pos.marks()) ?? link.isInSet($pos.nodeAfter?.marks ?? []);
  if (mark === undefined) return undefined;
  let from = $pos.start();
  let found: { from: number; to: number } | undefined;
  $pos.parent.forEach((node) => {
    const to = from + node.nodeSize;
    if (mark.isInSet(node.marks)) {
      if (found !== undefined && found.to === from) found = { from: found.from, to };
      else if (found === undefined || found.to < pos) found = { from, to };
    }
    from = to;
  });
  return found === undefined || pos < found.from || pos > found.to
    ? undefined
    : { ...found, value: String(mark.attrs["value"]) };
};
