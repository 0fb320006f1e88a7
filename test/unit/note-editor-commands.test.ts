import { TextSelection } from "prosemirror-state";
import { describe, expect, test } from "vitest";
import { markdownToSpans } from "../../app/markdown/markdown-to-spans.ts";
import { spansToMarkdown } from "../../app/markdown/spans-to-markdown.ts";
import { readSpans } from "../../app/repositories/note-schema.ts";
import * as commands from "../../renderer/src/editors/note-editor/commands.ts";
import { itemNumbers } from "../../renderer/src/editors/note-editor/list-numbers.ts";
import { completeAddress } from "../../renderer/src/editors/note-editor/link-edit.ts";
import { diffUnits, unitsOfSpans } from "../../renderer/src/editors/note-editor/units.ts";
import type { EditorPeer } from "../support/editor-peers.ts";
import { createEditorPeer, noteChange, shownByReplica } from "../support/editor-peers.ts";

const open = (markdown: string): EditorPeer => {
  const { spans } = markdownToSpans(markdown);
  return createEditorPeer("01".repeat(16), [
    noteChange(spans.length > 0 ? spans : markdownToSpans("x").spans.slice(0, 1)),
  ]);
};
const markdownOf = (peer: EditorPeer): string => {
  expect(shownByReplica(peer).eq(peer.state().doc)).toBe(true);
  return spansToMarkdown(readSpans(peer.replica.spans(peer.text)));
};
/** Puts the caret before, or the selection around, the first place where `text` stands. */
const select = (peer: EditorPeer, text: string, length = 0, offset = 0): void => {
  const { doc, tr } = peer.state();
  let found = -1;
  doc.descendants((node, pos) => {
    const at = node.isTextblock ? node.textBetween(0, node.content.size, "", "\ufffc").indexOf(text) : -1;
    if (found < 0 && at >= 0) found = pos + 1 + at + offset;
    return !node.isTextblock;
  });
  if (found < 0) throw new Error(`"${text}" is not in the note`);
  peer.dispatch(tr.setSelection(TextSelection.create(doc, found, found + length)));
};
const caretAfter = (peer: EditorPeer, text: string): void => {
  select(peer, text, 0, text.length);
};

describe("Markdown as it is typed", () => {
  test.each([
    ["## Title", "## Title\n"],
    ["- item", "- item\n"],
    ["1. item", "1. item\n"],
    ["7. item", "7. item\n"],
    ["[ ] task", "- [ ] task\n"],
    ["- [x] task", "- [x] task\n"],
    ["> quote", "> quote\n"],
    ["```ts const a = 1;", "```ts\nconst a = 1;\n```\n"],
    ["a **b c** d", "a **b c** d\n"],
    ["a *b* d", "a *b* d\n"],
    ["a __b__ _c_ d", "a **b** *c* d\n"],
    ["snake_case_name", "snake_case_name\n"],
    ["2 * 3 * 4", "2 \\* 3 \\* 4\n"],
    ["a `b` c", "a `b` c\n"],
    ["a ~~b~~ c", "a ~~b~~ c\n"],
    ["a [b](https://c.d) e", "a [b](https://c.d) e\n"],
    ["a (https://c.d/e). f", "a (<https://c.d/e>). f\n"],
    ["a https://c.d/e f", "a <https://c.d/e> f\n"],
    ["---after", "---\n\nafter\n"],
  ])("%s", (typed, markdown) => {
    const peer = open("");
    peer.type(typed);
    expect(markdownOf(peer)).toBe(markdown);
  });

  test("one undo gives the typed characters back", () => {
    const peer = open("");
    peer.type("**b**");
    expect(markdownOf(peer)).toBe("**b**\n");
    peer.undo();
    expect(peer.state().doc.textContent).toBe("**b*");
    peer.redo();
    expect(markdownOf(peer)).toBe("**b**\n");
  });
});

describe("Enter", () => {
  test("goes on with the list, and ends it on an empty item", () => {
    const peer = open("- [x] one");
    caretAfter(peer, "one");
    peer.run(commands.enter);
    peer.type("two");
    expect(markdownOf(peer)).toBe("- [x] one\n- [ ] two\n");
    peer.run(commands.enter);
    peer.run(commands.enter);
    peer.type("after");
    expect(markdownOf(peer)).toBe("- [x] one\n- [ ] two\n\nafter\n");
  });

  test("leaves a nested item level by level", () => {
    const peer = open("- a\n  - b");
    caretAfter(peer, "b");
    peer.run(commands.enter);
    peer.run(commands.enter);
    peer.type("c");
    expect(markdownOf(peer)).toBe("- a\n  - b\n- c\n");
  });

  test("after a heading starts a paragraph, before it keeps the heading", () => {
    const peer = open("# head");
    caretAfter(peer, "head");
    peer.run(commands.enter);
    peer.type("p");
    select(peer, "head");
    peer.run(commands.enter);
    expect(peer.state().doc.firstChild?.type.name).toBe("paragraph");
    expect(markdownOf(peer)).toBe("# head\n\np\n");
  });

  test("in code adds lines, and leaves it after two empty ones", () => {
    const peer = open("```\na\n```");
    caretAfter(peer, "a");
    for (let i = 0; i < 3; i++) peer.run(commands.enter);
    peer.type("out");
    expect(markdownOf(peer)).toBe("```\na\n```\n\nout\n");
  });

  test("on a fence makes a code block", () => {
    const peer = open("");
    peer.type("```js");
    peer.run(commands.enter);
    peer.type("x");
    expect(markdownOf(peer)).toBe("```js\nx\n```\n");
  });
});

describe("Backspace and Delete", () => {
  test("at the start of an item make it plain, then leave the parents, then join", () => {
    const peer = open("a\n\n> - b");
    select(peer, "b");
    peer.run(commands.backspace);
    expect(markdownOf(peer)).toBe("a\n\n> b\n");
    peer.run(commands.backspace);
    expect(markdownOf(peer)).toBe("a\n\nb\n");
    peer.run(commands.backspace);
    expect(markdownOf(peer)).toBe("ab\n");
  });

  test("remove an embed beside the caret", () => {
    const peer = open("a ![i](j) b");
    select(peer, " b");
    peer.run(commands.backspace);
    expect(markdownOf(peer)).toBe("a  b\n");
  });

  test("join with the block behind", () => {
    const peer = open("a\n\n- b");
    caretAfter(peer, "a");
    peer.run(commands.deleteForward);
    expect(markdownOf(peer)).toBe("ab\n");
  });
});

describe("lists", () => {
  test("indent takes what is nested along, outdent brings it back", () => {
    const peer = open("- a\n- b\n  - c\n- d");
    select(peer, "b");
    peer.run(commands.indent);
    expect(markdownOf(peer)).toBe("- a\n  - b\n    - c\n- d\n");
    peer.run(commands.outdent);
    expect(markdownOf(peer)).toBe("- a\n- b\n  - c\n- d\n");
  });

  test("the first item cannot be nested", () => {
    const peer = open("- a\n- b");
    select(peer, "a");
    expect(peer.run(commands.indent)).toEqual([]);
    expect(markdownOf(peer)).toBe("- a\n- b\n");
  });

  test("numbers follow the structure", () => {
    const peer = open("3. a\n4. b\n   1. c\n\n   p\n5. d\n\np\n\n1. e");
    expect(itemNumbers(peer.state().doc)).toEqual([3, 4, 1, 5, 1]);
  });

  test("toggling makes items of blocks and blocks of items, and ticks tasks", () => {
    const peer = open("a\n\nb");
    select(peer, "a", 4);
    peer.run(commands.toggleBlock("ordered-list-item"));
    expect(markdownOf(peer)).toBe("1. a\n2. b\n");
    peer.run(commands.toggleBlock("ordered-list-item"));
    expect(markdownOf(peer)).toBe("a\n\nb\n");
    peer.run(commands.toggleTask);
    peer.run(commands.toggleTask);
    expect(markdownOf(peer)).toBe("- [x] a\n- [x] b\n");
    peer.run(commands.toggleQuote);
    expect(markdownOf(peer)).toBe("> - [x] a\n> - [x] b\n");
  });
});

test("code blocks take no marks", () => {
  const peer = open("a **b**");
  select(peer, "a");
  peer.run(commands.toggleBlock("code-block"));
  peer.run(commands.toggleInlineMark("em"));
  expect(markdownOf(peer)).toBe("```\na b\n```\n");
});

test("a link is found from anywhere inside it", () => {
  const peer = open("x [one **two** three](https://a.b) y");
  select(peer, "two");
  const link = commands.linkAt(peer.state(), peer.state().selection.from);
  expect(link === undefined ? "" : peer.state().doc.textBetween(link.from, link.to)).toBe("one two three");
  select(peer, " y", 0, 1);
  expect(commands.linkAt(peer.state(), peer.state().selection.from)).toBeUndefined();
});

test("addresses are completed, and only safe ones", () => {
  expect(
    ["example.org", "a@b.org", " https://x ", "javascript:alert(1)", "localhost:80/x", "data:text/html,x", ""].map(
      completeAddress,
    ),
  ).toEqual(["https://example.org", "mailto:a@b.org", "https://x", "", "https://localhost:80/x", "", ""]);
});

test("a difference never cuts a character in half", () => {
  const units = (text: string) => unitsOfSpans([{ type: "text", value: text }]);
  const ops = diffUnits(units("a\u{1f600}b"), units("a\u{1f601}b"), 0);
  expect(ops.map((op) => [op.type, op.at])).toEqual([
    ["delete", 1],
    ["insert", 1],
  ]);
  expect(ops.every((op) => !("units" in op) || op.units.length === 2)).toBe(true);
});
