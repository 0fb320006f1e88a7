import type { OpId, SequenceContainer } from "./objects.ts";
import { elementAtUnit, type Item, itemAt, nextLiveItem, unitOffset } from "./sequence.ts";

export interface InsertionPoint {
  /** Element to insert behind; `undefined` is the head. */
  readonly reference: OpId | undefined;
  /** Visible offset there: `index`, or behind the character that `index` points into. */
  readonly index: number;
}

const idOf = (item: Item, element: number): OpId => ({ counter: item.counter + element, actor: item.actor });

/**
 * Where a local insertion at a visible index goes: behind the last visible element, then across mark edges that
 * are not to take the new text in, but never between the two edges of an empty mark. Same choice as Automerge's insert query.
 * `undefined` beyond the end.
 */
export const insertionPoint = ({ sequence, kind }: SequenceContainer, index: number): InsertionPoint | undefined => {
  let item: Item | undefined;
  let reference: OpId | undefined;
  let reached = 0;
  if (index > 0) {
    const position = itemAt(sequence, index - 1);
    if (position === undefined) return undefined;
    item = position.item;
    const element = elementAtUnit(item, index - 1 - position.start);
    reference = idOf(item, element);
    reached = position.start + (item.detail === undefined ? unitOffset(item, element + 1) : item.width);
    if (element + 1 < item.length || kind === "list") return { reference, index: reached };
  }
  if (sequence.root.anchors === 0) return { reference, index: reached };
  const candidates: (OpId | undefined)[] = [reference];
  for (let next = nextLiveItem(sequence, item); next !== undefined; next = nextLiveItem(sequence, next)) {
    const mark = next.detail?.mark;
    if (mark === undefined) break;
    if (!mark.begins) {
      const begin = candidates.findIndex(
        (candidate, i) => i > 0 && candidate?.actor === next.actor && candidate.counter === next.counter - 1,
      );
      if (begin >= 0) {
        candidates.length = begin;
        continue;
      }
    }
    if (mark.begins === mark.expand) candidates.push(idOf(next, 0));
  }
  return { reference: candidates.at(-1), index: reached };
};
