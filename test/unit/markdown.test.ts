import { describe, expect, test } from "vitest";
import { markdownToSpans } from "../../app/markdown/markdown-to-spans.ts";
import { markdownToNote, noteToMarkdown } from "../../app/markdown/note.ts";
import { spansToMarkdown } from "../../app/markdown/spans-to-markdown.ts";
import { spansToText } from "../../app/markdown/spans-to-text.ts";
import type { NoteSpan } from "../../app/repositories/note-schema.ts";
import { embedBlock, linkToMark, textBlock } from "../../app/repositories/note-schema.ts";
import { extractNote } from "../../app/search/extract.ts";

const block = (...given: Parameters<typeof textBlock>): NoteSpan => ({ type: "block", value: textBlock(...given) });
const text = (value: string, marks?: Extract<NoteSpan, { type: "text" }>["marks"]): NoteSpan =>
  marks === undefined ? { type: "text", value } : { type: "text", value, marks };

describe("markdownToSpans", () => {
  test("reads headings, emphasis, code and links as marks", () => {
    expect(markdownToSpans('## A *b*\n\nc **d ~~e~~** `f` [g](h "i")').spans).toEqual([
      block("heading", [], { level: 2 }),
      text("A "),
      text("b", { em: true }),
      block("paragraph"),
      text("c "),
      text("d ", { strong: true }),
      text("e", { strong: true, strike: true }),
      text(" "),
      text("f", { code: true }),
      text(" "),
      text("g", { link: linkToMark({ href: "h", title: "i" }) }),
    ]);
  });

  test("reads nested lists and quotes as flat blocks with parents", () => {
    expect(markdownToSpans("- a\n  1. b\n\n     c\n- [x] d\n\n> e\n> - f").spans).toEqual([
      block("unordered-list-item"),
      text("a"),
      block("ordered-list-item", ["unordered-list-item"]),
      text("b"),
      block("paragraph", ["unordered-list-item", "ordered-list-item"]),
      text("c"),
      block("task-list-item", [], { checked: true }),
      text("d"),
      block("paragraph", ["blockquote"]),
      text("e"),
      block("unordered-list-item", ["blockquote"]),
      text("f"),
    ]);
  });

  test("keeps tables, HTML and footnotes verbatim and reports them", () => {
    const table = "| a | b |\n| - | :-: |\n| 1 | 2 |";
    const markdown = `${table}\n\n<details>\n<summary>x</summary>\n</details>\n\nsee[^n]\n\n[^n]: why\n`;
    const { spans, dropped } = markdownToSpans(markdown);
    expect(spans).toContainEqual(text(table));
    expect(spansToMarkdown(spans)).toBe(markdown);
    expect(dropped.map(({ what, count }) => [what, count])).toEqual([
      ["table (kept as source)", 1],
      ["HTML (kept as source)", 1],
      ["footnote (kept as source)", 2],
    ]);
  });

  test("resolves reference links, also those inside a table, and keeps unused definitions", () => {
    const { spans } = markdownToSpans("[a][1] ![i][1]\n\n| [b][1] |\n|---|\n\n[1]: http://x/\n[2]: http://y/\n");
    expect(spansToMarkdown(spans)).toBe(
      "[a](http://x/) ![i](http://x/)\n\n| [b](http://x/) |\n| -------------- |\n\n[2]: http://y/\n",
    );
  });

  test("keeps an image inside a link together", () => {
    const markdown = "[![badge](b.svg)](https://x.org)\n";
    const { spans } = markdownToSpans(markdown);
    expect(spans[1]).toEqual({
      type: "block",
      value: embedBlock("image", {
        src: "b.svg",
        alt: "badge",
        link: linkToMark({ href: "https://x.org", title: "" }),
      }),
    });
    expect(spansToMarkdown(spans)).toBe(markdown);
  });

  test("turns soft line breaks into spaces and keeps hard ones", () => {
    const { spans } = markdownToSpans("a\nb\\\nc  \nd");
    expect(spans[1]).toEqual(text("a b\nc\nd"));
    expect(spansToMarkdown(spans)).toBe("a b\\\nc\\\nd\n");
  });

  test("flattens nesting deeper than the schema allows without losing text", () => {
    const deep = `${"> ".repeat(40)}bottom`;
    const { spans, dropped } = markdownToSpans(deep);
    expect(spansToText(spans)).toContain("bottom");
    expect(dropped).toHaveLength(1);
  });
});

describe("spansToMarkdown", () => {
  test("writes emphasis that ends in white space so that it still is emphasis", () => {
    const markdown = spansToMarkdown([block("paragraph"), text("a "), text(" b ", { strong: true }), text("c")]);
    expect(markdown).toBe("a  **b** c\n");
  });

  test("starts a new list where a number is given", () => {
    const spans = [
      block("ordered-list-item", [], { start: 3 }),
      text("c"),
      block("ordered-list-item"),
      text("d"),
      block("ordered-list-item", [], { start: 1 }),
      text("a"),
    ];
    expect(markdownToSpans(spansToMarkdown(spans)).spans).toEqual(spans);
  });

  test("writes a rule in the middle of text on a line of its own", () => {
    expect(
      spansToMarkdown([
        block("paragraph"),
        text("a"),
        { type: "block", value: embedBlock("horizontal-rule") },
        text("b"),
      ]),
    ).toBe("a\n\n---\n\nb\n");
  });

  test("is total on text before any block, unknown blocks and hostile attributes", () => {
    expect(
      spansToMarkdown([
        text("lead"),
        { type: "block", value: { type: "future", parents: ["x", "y"], attrs: {}, isEmbed: false } },
        text("b"),
        { type: "block", value: { type: "heading", parents: [], attrs: { level: 99 }, isEmbed: false } },
        text("c"),
        { type: "block", value: { type: "ordered-list-item", parents: [], attrs: { start: -4 }, isEmbed: false } },
        text("d"),
      ]),
    ).toBe("lead\n\n> > b\n\n###### c\n\n0. d\n");
  });

  test("an empty task stays a task", () => {
    const spans = [
      block("task-list-item", [], { checked: false }),
      block("task-list-item", [], { checked: true }),
      text("x"),
    ];
    expect(markdownToSpans(spansToMarkdown(spans)).spans).toEqual(spans);
  });
});

describe("notes", () => {
  test("take their title from the first heading and give it back", () => {
    const note = markdownToNote("# Hello\n\nText\n");
    expect(note.title).toBe("Hello");
    expect(spansToText(note.spans)).toBe("Text");
    expect(noteToMarkdown({ ...note, meta: note.frontMatter })).toBe("# Hello\n\nText\n");
  });

  test("read front matter: title, tags, dates, and keep the rest with its types", () => {
    const note = markdownToNote(
      '---\ntitle: "T: 1"\ntags: [a, "#b"]\ncreated: 2024-02-03\nweight: 3\nid: "3"\n---\n\nx\n',
    );
    expect(note).toMatchObject({ title: "T: 1", tags: ["a", "b"], createdAt: Date.UTC(2024, 1, 3) });
    const written = noteToMarkdown({ ...note, title: "New", meta: note.frontMatter });
    expect(written).toBe('---\ntitle: New\ncreated: 2024-02-03\nweight: 3\nid: "3"\ntags:\n  - a\n  - b\n---\n\nx\n');
    expect(markdownToNote(written).frontMatter).toEqual({ ...note.frontMatter, title: "New" });
  });

  test("read dates of any year and zone as the calendar has them", () => {
    const read = (date: string) => markdownToNote(`---\ndate: ${date}\n---\n`).createdAt;
    for (const date of [
      "1970-01-02",
      "2000-02-29",
      "2024-12-31",
      "2100-03-01",
      "1999-11-30T23:59:58Z",
      "2024-05-06T07:08:09+02:00",
    ])
      expect(read(date)).toBe(Date.parse(date));
    expect(read("2024-05-06 07:08")).toBe(Date.UTC(2024, 4, 6, 7, 8));
    expect(read("yesterday")).toBeUndefined();
  });

  test("keep front matter that is not valid YAML or asks for aliases", () => {
    for (const bad of ["---\na: [\n---", "---\na: &x [1]\nb: *x\n---"]) {
      const note = markdownToNote(`${bad}\n\ntext\n`);
      expect(spansToText(note.spans)).toBe(`${bad}\ntext`);
      expect(note.dropped[0]?.what).toMatch(/front matter/);
    }
  });
});

test("plain text has one unit for each unit of the rich text but the leading block", () => {
  const { spans } = markdownToSpans("# a\n\nb ![c](d) e\n\n- f");
  expect(spansToText(spans)).toBe("a\nb \uFFFC e\nf");
});

test("what is indexed holds words, alternative texts and source, bounded", () => {
  const { spans } = markdownToSpans("# a\n\nb ![cat photo](d)\n\n<div>e</div>\n");
  expect(extractNote({ title: "t", tags: ["x"], spans })).toEqual({
    title: "t",
    tags: ["x"],
    body: "a\nb  cat photo \n<div>e</div>",
  });
  const huge = extractNote({ title: "t".repeat(5_000), tags: [], spans: [text("x".repeat(5_000_000))] });
  expect([huge.title.length, huge.body.length]).toEqual([1_000, 4_000_000]);
});
