import type { NoteDiffPart, RichBlock, RichMarks, RichSpan } from "../../../../app/contract/types.ts";
import { markToLink } from "../../../../app/repositories/note-schema.ts";

/** Where a run of text leads to. */
export const hrefOf = ({ link }: RichMarks): string | undefined =>
  typeof link === "string" ? markToLink(link).href : undefined;

export type DiffKind = "same" | "added" | "removed" | "restyled";

/** A stretch of text, or an embed, inside a block. `was`: marks it had before, where only those changed. */
export type DiffRun =
  | {
      readonly kind: DiffKind;
      readonly type: "text";
      readonly text: string;
      readonly marks: RichMarks;
      readonly was?: RichMarks;
    }
  | { readonly kind: DiffKind; readonly type: "embed"; readonly block: RichBlock };

/** One block as it is drawn; `kind` is what became of its marker, `was` the block it was made from. */
export interface DiffBlock {
  readonly kind: DiffKind;
  readonly block: RichBlock;
  readonly was?: RichBlock;
  readonly runs: DiffRun[];
}

/** Two blocks side by side; null where the other text has one more. */
export interface DiffRow {
  left: DiffBlock | null;
  right: DiffBlock | null;
}

/** What is drawn: a block or a row, or how many unchanged ones were left out. */
export type Folded<T> =
  { readonly type: "item"; readonly item: T } | { readonly type: "gap"; readonly items: readonly T[] };

const PARAGRAPH: RichBlock = { type: "paragraph", parents: [], attrs: {}, isEmbed: false };

const isMarker = (span: RichSpan): span is Extract<RichSpan, { type: "block" }> =>
  span.type === "block" && !span.value.isEmbed;

const runOf = (kind: DiffKind, span: RichSpan, was?: RichSpan): DiffRun =>
  span.type === "block"
    ? { kind, type: "embed", block: span.value }
    : {
        kind,
        type: "text",
        text: span.value,
        marks: span.marks ?? {},
        ...(was?.type === "text" ? { was: was.marks ?? {} } : {}),
      };

const newBlock = (kind: DiffKind, block: RichBlock, was?: RichBlock): DiffBlock => ({
  kind,
  block,
  ...(was === undefined ? {} : { was }),
  runs: [],
});

/** One column with both texts in it. */
export const inlineBlocks = (parts: readonly NoteDiffPart[]): readonly DiffBlock[] => {
  const blocks: DiffBlock[] = [];
  const current = (): DiffBlock => {
    if (blocks.length === 0) blocks.push(newBlock("same", PARAGRAPH));
    return blocks.at(-1) as DiffBlock;
  };
  for (const part of parts) {
    if (part.type === "restyled") {
      if (isMarker(part.after) && isMarker(part.before))
        blocks.push(newBlock("restyled", part.after.value, part.before.value));
      else current().runs.push(runOf("restyled", part.after, part.before));
    } else if (isMarker(part.span)) blocks.push(newBlock(part.type, part.span.value));
    else current().runs.push(runOf(part.type, part.span));
  }
  return blocks;
};

/** Two columns: the earlier text on the left, the later on the right, blocks that belong together in one row. */
export const sideRows = (parts: readonly NoteDiffPart[]): readonly DiffRow[] => {
  const rows: DiffRow[] = [];
  let left: DiffBlock | undefined;
  let right: DiffBlock | undefined;
  const put = (newLeft: DiffBlock | null, newRight: DiffBlock | null): void => {
    const last = rows.at(-1);
    // What was removed and what took its place stand beside each other.
    if (newLeft === null && last?.left?.kind === "removed" && last.right === null) last.right = newRight;
    else rows.push({ left: newLeft, right: newRight });
    left = newLeft ?? left;
    right = newRight ?? right;
  };
  const ensure = (): void => {
    if (left === undefined || right === undefined) put(newBlock("same", PARAGRAPH), newBlock("same", PARAGRAPH));
  };
  for (const part of parts) {
    if (part.type === "restyled") {
      if (isMarker(part.before) && isMarker(part.after)) {
        put(newBlock("restyled", part.before.value), newBlock("restyled", part.after.value));
        continue;
      }
      ensure();
      left?.runs.push(runOf("restyled", part.before));
      right?.runs.push(runOf("restyled", part.after, part.before));
      continue;
    }
    const { type: kind, span } = part;
    if (isMarker(span)) {
      put(kind === "added" ? null : newBlock(kind, span.value), kind === "removed" ? null : newBlock(kind, span.value));
      continue;
    }
    ensure();
    if (kind !== "added") left?.runs.push(runOf(kind, span));
    if (kind !== "removed") right?.runs.push(runOf(kind, span));
  }
  return rows;
};

const isChanged = (block: DiffBlock | null): boolean =>
  block === null || block.kind !== "same" || block.runs.some(({ kind }) => kind !== "same");

export const blockChanged = (block: DiffBlock): boolean => isChanged(block);
export const rowChanged = ({ left, right }: DiffRow): boolean => isChanged(left) || isChanged(right);

/** Unchanged blocks shown around a change, and how many more are worth leaving out. */
const CONTEXT = 2;
const MIN_GAP = 3;

export const fold = <T>(items: readonly T[], changed: (item: T) => boolean): readonly Folded<T>[] => {
  const near = new Set<number>();
  for (const [index, item] of items.entries())
    if (changed(item)) for (let at = index - CONTEXT; at <= index + CONTEXT; at++) near.add(at);
  const out: Folded<T>[] = [];
  for (let index = 0; index < items.length;) {
    let end = index;
    while (end < items.length && !near.has(end)) end++;
    if (end - index >= MIN_GAP) {
      out.push({ type: "gap", items: items.slice(index, end) });
      index = end;
    } else {
      out.push({ type: "item", item: items[index] as T });
      index++;
    }
  }
  return out;
};
