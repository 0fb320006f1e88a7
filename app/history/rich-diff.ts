import type { NoteDiffPart } from "../contract/types.ts";
import { BLOCK_UNIT, type FlatText, flattenSpans } from "../repositories/note-marks.ts";
import { MARK_NAMES, type NoteBlock, type NoteMarks, type NoteSpan } from "../repositories/note-schema.ts";
import { diffSequences } from "./sequence-diff.ts";

/** A piece of a text that is kept, removed or added as a whole: a word, a space, a sign or a block marker. */
interface Token {
  readonly from: number;
  readonly to: number;
  readonly key: string;
}

/** Words of scripts that set spaces; of the others each character; pictures with what is joined to them. */
const TOKEN =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]\p{M}*|[\p{L}\p{N}\p{M}_]+|\p{Extended_Pictographic}(?:[\p{M}\p{Emoji_Modifier}\u200d]|(?<=\u200d)\p{Extended_Pictographic})*|\s|[^]/gu;

const blockKey = ({ type, parents, attrs, isEmbed }: NoteBlock): string => {
  const named = Object.entries(attrs).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return BLOCK_UNIT + JSON.stringify([type, parents, named, isEmbed]);
};

const tokensOf = (flat: FlatText, from: number, to: number): Token[] => {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  for (const [key] of flat.text.slice(from, to).matchAll(TOKEN)) {
    const at = tokens.at(-1)?.to ?? from;
    const block = key === BLOCK_UNIT ? flat.blocks.get(at) : undefined;
    tokens.push({ from: at, to: at + key.length, key: block === undefined ? key : blockKey(block) });
  }
  return tokens;
};

/** Blocks with their text: from a marker that is no embed to the next. */
const linesOf = (flat: FlatText): Token[] => {
  const starts = [...flat.blocks].filter(([at, block]) => at > 0 && !block.isEmbed).map(([at]) => at);
  const lines: Token[] = [];
  let from = 0;
  for (const to of [...starts, flat.text.length]) {
    if (to === from) continue;
    const markers: string[] = [];
    for (let at = flat.text.indexOf(BLOCK_UNIT, from); at >= 0 && at < to; at = flat.text.indexOf(BLOCK_UNIT, at + 1)) {
      const block = flat.blocks.get(at);
      if (block !== undefined) markers.push(`${at - from}${blockKey(block)}`);
    }
    lines.push({ from, to, key: `${to - from} ${flat.text.slice(from, to)}${markers.join("")}` });
    from = to;
  }
  return lines;
};

/** A stretch of both texts in code units: equal (but for marks), or one replaced by the other. */
interface Stretch {
  readonly same: boolean;
  readonly a: number;
  readonly b: number;
}

const diffTokens = (a: readonly Token[], b: readonly Token[]): readonly Stretch[] => {
  const numbers = new Map<string, number>();
  const numbered = (tokens: readonly Token[]): number[] =>
    tokens.map(({ key }) => {
      const known = numbers.get(key) ?? numbers.size;
      numbers.set(key, known);
      return known;
    });
  let atA = 0;
  let atB = 0;
  const width = (tokens: readonly Token[], from: number, count: number): number =>
    count === 0 ? 0 : (tokens[from + count - 1] as Token).to - (tokens[from] as Token).from;
  return diffSequences(numbered(a), numbered(b)).map(({ same, a: countA, b: countB }) => {
    const stretch = { same, a: width(a, atA, countA), b: width(b, atB, countB) };
    atA += countA;
    atB += countB;
    return stretch;
  });
};

/** Equal text of at most this many units between two differences, when it is no word, reads better as replaced. */
const SHORT_UNITS = 2;

const readable = (stretches: readonly Stretch[], flat: FlatText): Stretch[] => {
  const out: Stretch[] = [];
  let at = 0;
  for (const [index, stretch] of stretches.entries()) {
    const isBetween = index > 0 && index < stretches.length - 1;
    const text = flat.text.slice(at, at + stretch.a);
    const isShort = stretch.same && isBetween && text.length <= SHORT_UNITS && /^[^\p{L}\p{N}\ufffc]*$/u.test(text);
    const last = out.at(-1);
    if (last !== undefined && !last.same && (isShort || !stretch.same))
      out[out.length - 1] = { same: false, a: last.a + stretch.a, b: last.b + stretch.b };
    else out.push(stretch);
    at += stretch.a;
  }
  return out;
};

/**
 * What leads from one rich text to another: by blocks first, then by words inside what differs. Taking the parts that are
 * `same`, `removed` and the earlier side of `restyled` gives the first text, `same`, `added` and the later side the second.
 */
export const diffSpans = (from: readonly NoteSpan[], to: readonly NoteSpan[]): readonly NoteDiffPart[] => {
  const a = flattenSpans(from);
  const b = flattenSpans(to);
  const parts: NoteDiffPart[] = [];
  let atA = 0;
  let atB = 0;
  for (const line of diffTokens(linesOf(a), linesOf(b))) {
    const inner = line.same
      ? [line]
      : readable(diffTokens(tokensOf(a, atA, atA + line.a), tokensOf(b, atB, atB + line.b)), {
          ...a,
          text: a.text.slice(atA, atA + line.a),
        });
    for (const stretch of inner) {
      if (stretch.same) pushSame(parts, a, atA, b, atB, stretch.a);
      else pushReplaced(parts, a, atA, stretch.a, b, atB, stretch.b);
      atA += stretch.a;
      atB += stretch.b;
    }
  }
  return parts;
};

const sameMarks = (a: NoteMarks | undefined, b: NoteMarks | undefined): boolean =>
  MARK_NAMES.every((name) => a?.[name] === b?.[name]);

/** Marks at growing unit indices. */
const marksCursor = ({ runs }: FlatText) => {
  let low = 0;
  return (index: number) => {
    // The first question may be anywhere: halve the way there, then walk.
    if ((runs[low]?.to ?? Infinity) <= index) {
      let high = runs.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((runs[middle]?.to ?? 0) <= index) low = middle + 1;
        else high = middle;
      }
    }
    const run = runs[low];
    return run === undefined || run.from > index
      ? { marks: undefined, to: index + 1 }
      : { marks: run.marks, to: run.to };
  };
};

const textSpan = (value: string, marks: NoteMarks | undefined): NoteSpan =>
  marks === undefined || Object.keys(marks).length === 0 ? { type: "text", value } : { type: "text", value, marks };

/** Appends a part, joined to the last one where both are text of one kind and style. */
const push = (parts: NoteDiffPart[], part: NoteDiffPart): void => {
  const last = parts.at(-1);
  if (last !== undefined && last.type !== "restyled" && part.type === last.type) {
    const { span } = last;
    if (span.type === "text" && part.span.type === "text" && sameMarks(span.marks, part.span.marks)) {
      parts[parts.length - 1] = { type: part.type, span: { ...span, value: span.value + part.span.value } };
      return;
    }
  }
  parts.push(part);
};

const spansIn = (flat: FlatText, from: number, to: number): NoteSpan[] => {
  const spans: NoteSpan[] = [];
  const marksAt = marksCursor(flat);
  for (let at = from; at < to;) {
    const block = flat.blocks.get(at);
    if (block !== undefined) {
      spans.push({ type: "block", value: block });
      at++;
      continue;
    }
    const { marks, to: end } = marksAt(at);
    const next = Math.min(to, end);
    spans.push(textSpan(flat.text.slice(at, next), marks));
    at = next;
  }
  return spans;
};

const pushSame = (parts: NoteDiffPart[], a: FlatText, atA: number, b: FlatText, atB: number, count: number): void => {
  const before = marksCursor(a);
  const after = marksCursor(b);
  for (let done = 0; done < count;) {
    const block = b.blocks.get(atB + done);
    if (block !== undefined) {
      push(parts, { type: "same", span: { type: "block", value: block } });
      done++;
      continue;
    }
    const old = before(atA + done);
    const now = after(atB + done);
    const next = Math.min(count, old.to - atA, now.to - atB);
    const text = b.text.slice(atB + done, atB + next);
    if (sameMarks(old.marks, now.marks)) push(parts, { type: "same", span: textSpan(text, now.marks) });
    else parts.push({ type: "restyled", before: textSpan(text, old.marks), after: textSpan(text, now.marks) });
    done = next;
  }
};

const pushReplaced = (
  parts: NoteDiffPart[],
  a: FlatText,
  atA: number,
  countA: number,
  b: FlatText,
  atB: number,
  countB: number,
): void => {
  const old = a.blocks.get(atA);
  const now = b.blocks.get(atB);
  // A paragraph that became a heading is one block restyled, not one gone and one new.
  const isRestyled = countA > 0 && countB > 0 && old !== undefined && now !== undefined && !old.isEmbed && !now.isEmbed;
  const skip = isRestyled ? 1 : 0;
  if (isRestyled && blockKey(old) === blockKey(now)) push(parts, { type: "same", span: { type: "block", value: now } });
  else if (isRestyled)
    parts.push({ type: "restyled", before: { type: "block", value: old }, after: { type: "block", value: now } });
  for (const span of spansIn(a, atA + skip, atA + countA)) push(parts, { type: "removed", span });
  for (const span of spansIn(b, atB + skip, atB + countB)) push(parts, { type: "added", span });
};
