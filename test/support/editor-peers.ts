import type { Node as ProseMirrorNode } from "prosemirror-model";
import { Slice } from "prosemirror-model";
import type { Command, Transaction as EditorTransaction } from "prosemirror-state";
import { AllSelection, EditorState, TextSelection } from "prosemirror-state";
import type { EditorView } from "prosemirror-view";
import type { BlockAttrs, BlockType, NoteMarks, NoteSpan } from "../../app/repositories/note-schema.ts";
import { embedBlock, linkToMark, MARK_NAMES, readSpans, textBlock } from "../../app/repositories/note-schema.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import { pick, randomBelow } from "../../protocol/kernel/random.ts";
import { createReplica } from "../../protocol/replica/replica.ts";
import type { Replica } from "../../protocol/replica/types.ts";
import {
  CLOSE_UNDO,
  createReplicaBinding,
  type ReplicaBinding,
} from "../../renderer/src/editors/note-editor/replica-binding.ts";
import {
  blockToNode,
  docFromSpans,
  embedToNode,
  noteSchema,
  spansToBlocks,
  toMark,
  toMarks,
} from "../../renderer/src/editors/note-editor/schema.ts";
import * as commands from "../../renderer/src/editors/note-editor/commands.ts";
import { markdownRules } from "../../renderer/src/editors/note-editor/input-rules.ts";
import { plainEmbeds } from "../../renderer/src/editors/note-editor/plugins.ts";
import { automergeDependencies } from "./automerge-dependencies.ts";

/** One person at one note: the real replica, the real binding and ProseMirror's state without a view. */
export interface EditorPeer {
  readonly replica: Replica;
  readonly text: string;
  readonly binding: ReplicaBinding;
  readonly state: () => EditorState;
  /** Applies a transaction as the view would; answers the changes to send. */
  readonly dispatch: (tr: EditorTransaction) => readonly Uint8Array[];
  readonly receive: (changes: readonly Uint8Array[]) => void;
  readonly undo: () => readonly Uint8Array[];
  readonly redo: () => readonly Uint8Array[];
  readonly run: (command: Command) => readonly Uint8Array[];
  /** Types as a person does, input rules included. */
  readonly type: (text: string) => readonly Uint8Array[];
}

/** First change of a note, the same for every peer. */
export const noteChange = (spans: readonly NoteSpan[]): Uint8Array => {
  const replica = createReplica(automergeDependencies, "00".repeat(16));
  const change = replica.change({ time: 0 }, (transaction) => {
    const text = transaction.putText("_root", "text", "");
    let at = 0;
    for (const span of spans) {
      if (span.type === "block") {
        transaction.splitBlock(text, at, span.value);
        at++;
      } else {
        transaction.splice(text, at, 0, span.value);
        for (const name of MARK_NAMES) {
          const value = span.marks?.[name];
          if (value !== undefined)
            transaction.mark(text, { start: at, end: at + span.value.length, expand: "none" }, name, value);
        }
        at += span.value.length;
      }
    }
  });
  if (change === undefined) throw new Error("an empty note is a change as well");
  return change.bytes;
};

export const createEditorPeer = (actor: string, changes: readonly Uint8Array[]): EditorPeer => {
  const replica = createReplica(automergeDependencies, actor);
  replica.applyChanges(changes);
  const text = replica.objectAt(["text"]);
  if (text === undefined) throw new Error("the note has a text");
  let clock = 0;
  const binding = createReplicaBinding({ replica, text, now: () => (clock += 10) });
  const rules = markdownRules();
  let state = EditorState.create({ schema: noteSchema, doc: binding.doc(), plugins: [rules, plainEmbeds()] });
  const dispatch = (tr: EditorTransaction): readonly Uint8Array[] => {
    const applied = state.applyTransaction(tr);
    state = applied.state;
    return applied.transactions.flatMap((each) => binding.write(each).map(({ bytes }) => bytes));
  };
  const dispatchMaybe = (tr: EditorTransaction | undefined): readonly Uint8Array[] =>
    tr === undefined ? [] : dispatch(tr);
  return {
    replica,
    text,
    binding,
    state: () => state,
    dispatch,
    receive: (received) => {
      dispatchMaybe(binding.receive(state, received));
    },
    undo: () => dispatchMaybe(binding.undo(state)),
    redo: () => dispatchMaybe(binding.redo(state)),
    run: (command) => {
      const changes: Uint8Array[] = [];
      command(state, (tr) => {
        changes.push(...dispatch(tr));
      });
      return changes;
    },
    type: (typed) => {
      const changes: Uint8Array[] = [];
      for (const character of typed) {
        const view = {
          get state() {
            return state;
          },
          composing: false,
          dispatch: (tr: EditorTransaction) => {
            changes.push(...dispatch(tr));
          },
        };
        const { from, to } = state.selection;
        const isHandled = rules.props.handleTextInput?.call(
          rules,
          view as unknown as EditorView,
          from,
          to,
          character,
          () => state.tr,
        );
        if (isHandled !== true) changes.push(...dispatch(state.tr.insertText(character)));
      }
      return changes;
    },
  };
};

/** What the editor must show for what its replica holds. */
export const shownByReplica = (peer: EditorPeer): ProseMirrorNode =>
  docFromSpans(readSpans(peer.replica.spans(peer.text)));

const WORDS = ["a", "bc", "d e", "\u00e9", "\u{1f600}", "\u{1f469}\u200d\u{1f4bb}", "\n", "\u6f22", "  ", "xyz xyz"];
const TYPES: readonly BlockType[] = [
  "paragraph",
  "heading",
  "unordered-list-item",
  "ordered-list-item",
  "task-list-item",
  "code-block",
  "raw",
];
const PARENTS: readonly (readonly string[])[] = [
  [],
  ["blockquote"],
  ["unordered-list-item"],
  ["blockquote", "ordered-list-item"],
];

const COMMANDS: readonly Command[] = [
  commands.enter,
  commands.enter,
  commands.backspace,
  commands.backspace,
  commands.deleteForward,
  commands.indent,
  commands.indent,
  commands.outdent,
  commands.toggleQuote,
  commands.toggleTask,
  commands.insertRule,
  commands.insertLineBreak,
  commands.exitCode,
  commands.toggleBlock("heading", { level: 2 }),
  commands.toggleBlock("ordered-list-item"),
  commands.toggleBlock("code-block"),
  commands.toggleInlineMark("strong"),
  commands.toggleInlineMark("code"),
];
const TYPED = [
  "## h",
  "- a",
  "3. b",
  "[ ] t",
  "> q",
  "```js ",
  "---",
  "a **b** c",
  "*i*",
  "x `y` z",
  "~~s~~",
  "[a](b) ",
  "see https://x.org/y ok",
];

const randomMarks = (random: RandomSource): NoteMarks => {
  const marks: Record<string, string | true> = {};
  for (const name of MARK_NAMES)
    if (randomBelow(random, 4) === 0)
      marks[name] = name === "link" ? linkToMark({ href: `https://x/${randomBelow(random, 2)}`, title: "" }) : true;
  return marks;
};

const randomBlock = (random: RandomSource) => {
  const type = pick(random, TYPES) as BlockType;
  const attrs: BlockAttrs =
    type === "heading"
      ? { level: 1 + randomBelow(random, 3) }
      : type === "task-list-item"
        ? { checked: randomBelow(random, 2) === 0 }
        : {};
  return textBlock(type, pick(random, PARENTS) ?? [], attrs);
};

const randomSpans = (random: RandomSource, blocks: number): NoteSpan[] => {
  const spans: NoteSpan[] = [];
  for (let i = 0; i < blocks; i++) {
    spans.push({ type: "block", value: randomBlock(random) });
    for (let runs = randomBelow(random, 3); runs > 0; runs--)
      spans.push({ type: "text", value: pick(random, WORDS) ?? "a", marks: randomMarks(random) });
    if (randomBelow(random, 5) === 0) spans.push({ type: "block", value: embedBlock("image", { src: "i.png" }) });
  }
  return spans;
};

/** Positions a caret can have. */
const caretIn = (random: RandomSource, doc: ProseMirrorNode): number => {
  const block = randomBelow(random, doc.childCount);
  let pos = 1;
  for (let i = 0; i < block; i++) pos += doc.child(i).nodeSize;
  const text = doc.child(block).textBetween(0, doc.child(block).content.size, "", "\ufffc");
  let offset = randomBelow(random, text.length + 1);
  if (offset > 0 && /[\udc00-\udfff]/.test(text.charAt(offset))) offset--;
  return pos + offset;
};

const rangeIn = (random: RandomSource, doc: ProseMirrorNode): readonly [number, number] => {
  const a = caretIn(random, doc);
  const b = caretIn(random, doc);
  return a < b ? [a, b] : [b, a];
};

const blockStart = (doc: ProseMirrorNode, pos: number): number => doc.resolve(pos).before(1);

/** A random edit as people make them, among them everything a flat document of blocks allows. */
export const randomEdit = (random: RandomSource, peer: EditorPeer): readonly Uint8Array[] => {
  const state = peer.state();
  const { doc } = state;
  const tr = state.tr;
  if (randomBelow(random, 3) === 0) tr.setMeta(CLOSE_UNDO, true);
  switch (randomBelow(random, 24)) {
    case 0:
    case 1:
    case 2: {
      const at = caretIn(random, doc);
      tr.insert(
        at,
        noteSchema.text(pick(random, WORDS) ?? "a", toMarks(randomBelow(random, 2) === 0 ? randomMarks(random) : {})),
      );
      return peer.dispatch(tr);
    }
    case 3: {
      // As typing does: with the marks of the place.
      tr.insertText(pick(random, WORDS) ?? "a", caretIn(random, doc));
      return peer.dispatch(tr);
    }
    case 4:
    case 5: {
      const [from, to] = rangeIn(random, doc);
      return from === to ? [] : peer.dispatch(tr.delete(from, to));
    }
    case 6:
    case 7: {
      const block = randomBlock(random);
      const at = caretIn(random, doc);
      tr.split(at, 1, [{ type: blockToNode(block).type, attrs: { parents: block.parents, attrs: block.attrs } }]);
      return peer.dispatch(tr);
    }
    case 8: {
      const at = caretIn(random, doc);
      const start = blockStart(doc, at);
      return start === 0 ? [] : peer.dispatch(tr.join(start));
    }
    case 9:
    case 10: {
      const [from, to] = rangeIn(random, doc);
      const name = pick(random, MARK_NAMES) ?? "em";
      const value = name === "link" ? linkToMark({ href: "https://x/", title: "" }) : true;
      doc.nodesBetween(from, to, (node, pos) => {
        if (!node.isText) return;
        const start = Math.max(from, pos);
        const end = Math.min(to, pos + node.nodeSize);
        if (randomBelow(random, 3) === 0) tr.removeMark(start, end, noteSchema.marks[name]);
        else tr.addMark(start, end, toMark(name, value));
      });
      return peer.dispatch(tr);
    }
    case 11: {
      const [from, to] = rangeIn(random, doc);
      const block = randomBlock(random);
      doc.nodesBetween(from, Math.max(to, from + 1), (node, pos) => {
        if (!node.isTextblock) return true;
        tr.setNodeMarkup(pos, blockToNode(block).type, { parents: block.parents, attrs: block.attrs });
        return false;
      });
      return peer.dispatch(tr);
    }
    case 12: {
      const at = caretIn(random, doc);
      tr.insert(at, embedToNode(embedBlock(randomBelow(random, 2) === 0 ? "horizontal-rule" : "image", {})));
      return peer.dispatch(tr);
    }
    case 13: {
      const [from, to] = rangeIn(random, doc);
      const blocks = spansToBlocks(randomSpans(random, 1 + randomBelow(random, 3)));
      const slice = new Slice(
        noteSchema.node("doc", null, blocks).content,
        randomBelow(random, 2),
        randomBelow(random, 2),
      );
      tr.setSelection(TextSelection.create(doc, from, to)).replaceSelection(slice);
      return peer.dispatch(tr);
    }
    case 14: {
      if (randomBelow(random, 6) > 0) return [];
      tr.setSelection(new AllSelection(doc));
      return peer.dispatch(
        randomBelow(random, 2) === 0 ? tr.deleteSelection() : tr.replaceSelectionWith(noteSchema.text("all")),
      );
    }
    case 15:
      return peer.undo();
    case 16:
    case 17:
    case 18:
    case 19:
    case 20: {
      const [from, to] = randomBelow(random, 2) === 0 ? rangeIn(random, doc) : [caretIn(random, doc)];
      const selected = peer.dispatch(tr.setSelection(TextSelection.create(doc, from, to)));
      return [...selected, ...peer.run(pick(random, COMMANDS) ?? commands.enter)];
    }
    case 21:
    case 22: {
      const at = randomBelow(random, 2) === 0 ? blockStart(doc, caretIn(random, doc)) + 1 : caretIn(random, doc);
      peer.dispatch(tr.setSelection(TextSelection.create(doc, at)));
      return peer.type(pick(random, TYPED) ?? "x");
    }
    default:
      return randomBelow(random, 3) === 0 ? peer.redo() : peer.undo();
  }
};

export const randomNote = (random: RandomSource): NoteSpan[] =>
  randomBelow(random, 8) === 0 ? [] : randomSpans(random, 1 + randomBelow(random, 4));
