import type { Document } from "./document.ts";
import type { SequenceContainer } from "./objects.ts";
import { elementAtUnit, itemAt, unitOffset, widthBefore } from "./sequence.ts";
import type { Cursor } from "./types.ts";

/** The end of a sequence, wherever it moves. */
const END: Cursor = "e";

/** Cursor before the element at a visible index: its id, the text form Automerge's own cursors have. */
export const cursorAt = (document: Document, { sequence }: SequenceContainer, index: number): Cursor => {
  const position = itemAt(sequence, index);
  if (position === undefined) return END;
  const { item, start } = position;
  return `${item.counter + elementAtUnit(item, index - start)}@${document.actors.name(item.actor)}`;
};

/** Visible index of a cursor, of the next visible element where its own is deleted; `undefined` when it names none of this sequence. */
export const resolveCursor = (document: Document, target: SequenceContainer, cursor: Cursor): number | undefined => {
  if (cursor === END) return target.sequence.root.width;
  const match = /^([1-9][0-9]{0,9})@([0-9a-f]{2,128})$/.exec(cursor);
  const actor = match?.[2] === undefined ? undefined : document.actors.indexOf(match[2]);
  if (match === null || actor === undefined) return undefined;
  const id = { counter: Number(match[1]), actor };
  const item = document.findElement(target, id);
  if (item === undefined) return undefined;
  const start = widthBefore(item);
  return item.width === 0 || item.detail !== undefined ? start : start + unitOffset(item, id.counter - item.counter);
};
