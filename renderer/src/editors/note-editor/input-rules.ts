import { InputRule, inputRules } from "prosemirror-inputrules";
import type { EditorState, Plugin, Transaction } from "prosemirror-state";
import type { MarkName, NoteBlock } from "../../../../app/repositories/note-schema.ts";
import { isListItem, linkToMark, MAX_DEPTH, textBlock } from "../../../../app/repositories/note-schema.ts";
import { insertRule, setBlockAt } from "./commands.ts";
import { CLOSE_UNDO } from "./replica-binding.ts";
import { isOpenable, nodeToBlock, noteSchema, toMark } from "./schema.ts";

/** Markdown as it is typed. Each rule is an undo step of its own, so that one undo gives the typed characters back. */
export const markdownRules = (): Plugin =>
  inputRules({
    rules: [
      blockRule(/^(#{1,6})\s$/, (block, match) =>
        textBlock("heading", block.parents, { level: match[1]?.length ?? 1 }),
      ),
      blockRule(/^[-+*]\s$/, (block) => textBlock("unordered-list-item", block.parents)),
      blockRule(/^(\d{1,9})[.)]\s$/, (block, match, previous) => {
        const start = Number(match[1]);
        const continues = previous?.type === "ordered-list-item" && previous.parents.length === block.parents.length;
        return textBlock("ordered-list-item", block.parents, start === 1 || continues ? {} : { start });
      }),
      blockRule(/^\[([ xX]?)\]\s$/, (block, match) =>
        textBlock("task-list-item", block.parents, { checked: match[1]?.toLowerCase() === "x" }),
      ),
      blockRule(/^>\s$/, (block) =>
        block.parents.length < MAX_DEPTH ? { ...block, parents: [...block.parents, "blockquote"] } : block,
      ),
      blockRule(/^```([\w+#.-]*)\s$/, (block, match) =>
        textBlock("code-block", block.parents, match[1] === "" ? {} : { language: match[1] ?? "" }),
      ),
      new InputRule(/^(?:---|\*\*\*|___)$/, (state, _match, start, end) => {
        let out: Transaction | null = null;
        const cleared = state.tr.delete(start, end);
        insertRule(state.apply(cleared), (tr) => {
          out = cleared;
          for (const step of tr.steps) cleared.step(step);
          cleared.setSelection(tr.selection.getBookmark().resolve(cleared.doc)).setMeta(CLOSE_UNDO, true);
        });
        return out;
      }),
      markRule(/(?:^|[^*])(\*\*)([^*\s](?:[^*]*[^*\s])?)\*\*$/, "strong"),
      markRule(/(?:^|[^_\w])(__)([^_\s](?:[^_]*[^_\s])?)__$/, "strong"),
      markRule(/(?:^|[^*])(\*)([^*\s](?:[^*]*[^*\s])?)\*$/, "em"),
      markRule(/(?:^|[^_\w])(_)([^_\s](?:[^_]*[^_\s])?)_$/, "em"),
      markRule(/(?:^|[^~])(~~)([^~\s](?:[^~]*[^~\s])?)~~$/, "strike"),
      markRule(/(?:^|[^`])(`)([^`]+)`$/, "code"),
      new InputRule(/(?:^|[^!])\[([^\][]+)\]\(([^\s()]+)\)$/, (state, match, start, end) => {
        const [all, label, href] = match as unknown as [string, string, string];
        const from = start + all.indexOf("[");
        const tr = state.tr.replaceWith(from, end, noteSchema.text(label, [linkMark(href)]));
        return tr.removeStoredMark(noteSchema.marks.link).setMeta(CLOSE_UNDO, true);
      }),
      new InputRule(WEB_ADDRESS, (state, match, start, end) => {
        const [all, href, closing, space] = match as unknown as [string, string, string, string];
        if (!isOpenable(href)) return null;
        const from = start + all.length - (href + closing + space).length;
        const tr = state.tr.insertText(space, end);
        if (tr.doc.rangeHasMark(from, from + href.length, noteSchema.marks.link)) return null;
        return tr.addMark(from, from + href.length, linkMark(href)).setMeta(CLOSE_UNDO, true);
      }),
    ],
  });

/** An address, the punctuation that ends its sentence, and the space that shows it is complete. */
const WEB_ADDRESS = /(?:^|[\s(])((?:https?:\/\/|mailto:)[^\s<>]*[^\s<>.,;:!?)\]'"])([.,;:!?)\]'"]*)(\s)$/;

const linkMark = (href: string) => toMark("link", linkToMark({ href, title: "" }));

const blockRule = (
  pattern: RegExp,
  restyle: (block: NoteBlock, match: RegExpMatchArray, previous: NoteBlock | undefined) => NoteBlock,
): InputRule =>
  new InputRule(pattern, (state: EditorState, match, start, end) => {
    const $start = state.doc.resolve(start);
    const block = nodeToBlock($start.parent);
    const isTask = pattern.source.startsWith("^\\[");
    if (block.type !== "paragraph" && !(isTask && isListItem(block.type))) return null;
    const index = $start.index(0);
    const previous = index > 0 ? nodeToBlock(state.doc.child(index - 1)) : undefined;
    const tr = state.tr.delete(start, end);
    setBlockAt(tr, $start.before(), restyle(block, match, previous));
    return tr.setMeta(CLOSE_UNDO, true);
  });

const markRule = (pattern: RegExp, name: MarkName): InputRule =>
  new InputRule(pattern, (state, match, start, end) => {
    const [all, delimiter, inner] = match as unknown as [string, string, string];
    const from = start + all.lastIndexOf(delimiter + inner);
    const tr = state.tr;
    // The closing delimiter's last character is not in the document yet.
    const innerStart = from + delimiter.length;
    const innerEnd = innerStart + inner.length;
    if (innerEnd < end) tr.delete(innerEnd, end);
    tr.delete(from, innerStart);
    tr.addMark(from, from + inner.length, toMark(name, true));
    return tr.removeStoredMark(noteSchema.marks[name]).setMeta(CLOSE_UNDO, true);
  });
