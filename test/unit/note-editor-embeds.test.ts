import { expect, test } from "vitest";
import { markdownToSpans } from "../../app/markdown/markdown-to-spans.ts";
import { noteSchema } from "../../renderer/src/editors/note-editor/schema.ts";
import { createEditorPeer, noteChange, shownByReplica } from "../support/editor-peers.ts";

test("a mark over an image marks the text around it and leaves the image alone", () => {
  const peer = createEditorPeer("01".repeat(16), [noteChange(markdownToSpans("a ![i](j.png) b").spans)]);
  const { doc, tr } = peer.state();
  peer.dispatch(tr.addMark(1, doc.content.size - 1, noteSchema.marks.strong.create()));
  const after = peer.state().doc;
  expect(after.toString()).toBe('doc(paragraph(strong("a "), embed-image, strong(" b")))');
  expect(shownByReplica(peer).eq(after)).toBe(true);
});

test("an image typed into bold text is plain", () => {
  const peer = createEditorPeer("01".repeat(16), [noteChange(markdownToSpans("**ab**").spans)]);
  const image = noteSchema.node("embed-image", { attrs: { src: "x" } }, undefined, [noteSchema.marks.strong.create()]);
  peer.dispatch(peer.state().tr.insert(2, image));
  expect(peer.state().doc.toString()).toBe('doc(paragraph(strong("a"), embed-image, strong("b")))');
  expect(shownByReplica(peer).eq(peer.state().doc)).toBe(true);
});
