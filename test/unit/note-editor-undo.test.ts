import { TextSelection } from "prosemirror-state";
import { expect, test } from "vitest";
import { markdownToSpans } from "../../app/markdown/markdown-to-spans.ts";
import { CLOSE_UNDO } from "../../renderer/src/editors/note-editor/replica-binding.ts";
import { noteSchema } from "../../renderer/src/editors/note-editor/schema.ts";
import type { EditorPeer } from "../support/editor-peers.ts";
import { createEditorPeer, noteChange, shownByReplica } from "../support/editor-peers.ts";

const pair = (markdown: string): readonly [EditorPeer, EditorPeer] => {
  const first = noteChange(markdownToSpans(markdown).spans);
  return [createEditorPeer("01".repeat(16), [first]), createEditorPeer("02".repeat(16), [first])];
};
const textOf = (peer: EditorPeer): string => {
  expect(shownByReplica(peer).eq(peer.state().doc)).toBe(true);
  return peer.state().doc.textBetween(0, peer.state().doc.content.size, "|");
};
const insert = (peer: EditorPeer, at: number, text: string) =>
  peer.dispatch(peer.state().tr.insertText(text, at).setMeta(CLOSE_UNDO, true));
const remove = (peer: EditorPeer, from: number, to: number) =>
  peer.dispatch(peer.state().tr.delete(from, to).setMeta(CLOSE_UNDO, true));

test("undoing what I typed leaves what someone else typed into it", () => {
  const [me, other] = pair("ab");
  other.receive(insert(me, 2, "MINE"));
  me.receive(insert(other, 4, "theirs"));
  expect(textOf(me)).toBe("aMItheirsNEb");
  other.receive(me.undo());
  expect(textOf(me)).toBe("atheirsb");
  expect(textOf(other)).toBe("atheirsb");
  other.receive(me.redo());
  expect(textOf(me)).toBe("aMItheirsNEb");
  expect(textOf(other)).toBe("aMItheirsNEb");
});

test("other people's edits are never undone", () => {
  const [me, other] = pair("ab");
  me.receive(insert(other, 2, "theirs"));
  expect(me.undo()).toEqual([]);
  expect(textOf(me)).toBe("atheirsb");
});

test("what I removed comes back where it was, whatever happened around it", () => {
  const [me, other] = pair("hello big world");
  other.receive(remove(me, 6, 10));
  me.receive(insert(other, 1, ">> "));
  me.receive(remove(other, 10, 14));
  other.receive(me.undo());
  expect(textOf(me)).toBe(">> hello big d");
  expect(textOf(other)).toBe(textOf(me));
});

test("steps taken back in turn restore each other's text", () => {
  const [me] = pair("x");
  insert(me, 2, "hello");
  remove(me, 5, 7);
  remove(me, 3, 5);
  insert(me, 3, "Y");
  expect(textOf(me)).toBe("xhY");
  const seen: string[] = [];
  while (me.undo().length > 0) seen.push(textOf(me));
  expect(seen).toEqual(["xh", "xhel", "xhello", "x"]);
  while (me.redo().length > 0) seen.push(textOf(me));
  expect(seen.slice(4)).toEqual(["xhello", "xhel", "xh", "xhY"]);
});

test("a mark and a block type are taken back unless someone changed them since", () => {
  const [me, other] = pair("abc\n\ndef");
  const strong = noteSchema.marks.strong.create();
  other.receive(me.dispatch(me.state().tr.addMark(1, 4, strong).setMeta(CLOSE_UNDO, true)));
  me.receive(other.dispatch(other.state().tr.removeMark(2, 3, noteSchema.marks.strong)));
  other.receive(me.undo());
  expect(me.state().doc.rangeHasMark(1, 4, noteSchema.marks.strong)).toBe(false);
  other.receive(me.redo());
  expect(textOf(me)).toBe("abc|def");
  expect(me.state().doc.firstChild?.childCount).toBe(3);

  const heading = (level: number) => ({ parents: [], attrs: { level } });
  other.receive(
    me.dispatch(me.state().tr.setNodeMarkup(5, noteSchema.nodes["heading"], heading(1)).setMeta(CLOSE_UNDO, true)),
  );
  me.receive(other.dispatch(other.state().tr.setNodeMarkup(5, null, heading(2))));
  me.undo();
  expect(me.state().doc.lastChild?.type.name).toBe("heading");
});

test("typing without a pause is one step, a new place starts another", () => {
  const [me] = pair("one two");
  me.dispatch(me.state().tr.setSelection(TextSelection.create(me.state().doc, 8)));
  me.type(" three");
  me.dispatch(me.state().tr.setSelection(TextSelection.create(me.state().doc, 1)));
  me.type("zero ");
  expect(textOf(me)).toBe("zero one two three");
  me.undo();
  expect(textOf(me)).toBe("one two three");
  me.undo();
  expect(textOf(me)).toBe("one two");
});

test("two people restyling one block leave one block", () => {
  const [me, other] = pair("abc");
  const restyle = (peer: EditorPeer, type: "heading" | "unordered-list-item") =>
    peer.dispatch(peer.state().tr.setNodeMarkup(0, noteSchema.nodes[type], { parents: [], attrs: {} }));
  const mine = restyle(me, "heading");
  const theirs = restyle(other, "unordered-list-item");
  me.receive(theirs);
  other.receive(mine);
  expect(me.state().doc.childCount).toBe(1);
  expect(me.state().doc.eq(other.state().doc)).toBe(true);
});

test("a long paste becomes several changes, each within the node's bounds", () => {
  const [me, other] = pair("x");
  const changes = me.dispatch(me.state().tr.insertText("lorem \u{1f600} ".repeat(4_000), 2));
  expect(changes.length).toBeGreaterThan(3);
  for (const change of changes) expect(change.length).toBeLessThan(262_144);
  other.receive(changes.toReversed());
  expect(other.state().doc.eq(me.state().doc)).toBe(true);
  other.receive(me.undo());
  expect(textOf(other)).toBe("x");
});
