import { TextSelection } from "prosemirror-state";
import { expect, test } from "vitest";
import { textBlock } from "../../app/repositories/note-schema.ts";
import { createEditorPeer, type EditorPeer, noteChange } from "../support/editor-peers.ts";

const peersOf = (text: string): readonly [EditorPeer, EditorPeer] => {
  const change = noteChange([
    { type: "block", value: textBlock("paragraph") },
    { type: "text", value: text },
  ]);
  return [createEditorPeer("0a".repeat(16), [change]), createEditorPeer("0b".repeat(16), [change])];
};
const toEnd = (peer: EditorPeer): void => {
  peer.dispatch(peer.state().tr.setSelection(TextSelection.atEnd(peer.state().doc)));
};

test("two people who type at one place do not mix their letters", () => {
  const [ann, bob] = peersOf("Together: ");
  toEnd(ann);
  toEnd(bob);
  for (let i = 0; i < 6; i++) {
    const fromAnn = ann.type("apples"[i] ?? "");
    const fromBob = bob.type("BEANS."[i] ?? "");
    ann.receive(fromBob);
    bob.receive(fromAnn);
  }
  const text = ann.state().doc.textContent;
  expect(bob.state().doc.textContent).toBe(text);
  expect(text).toContain("apples");
  expect(text).toContain("BEANS.");
});

test("a line break of another person at the caret leaves the caret on its line", () => {
  const [ann, bob] = peersOf("One line");
  toEnd(ann);
  toEnd(bob);
  const { state } = bob;
  ann.receive(bob.dispatch(state().tr.split(state().selection.head)));
  expect(ann.state().doc.childCount).toBe(2);
  expect(ann.state().selection.$head.parent.textContent).toBe("One line");
});
