import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { markdownToSpans } from "../../app/markdown/markdown-to-spans.ts";
import { markdownToNote, noteToMarkdown } from "../../app/markdown/note.ts";
import { spansToMarkdown } from "../../app/markdown/spans-to-markdown.ts";
import type { NoteMarks, NoteSpan } from "../../app/repositories/note-schema.ts";
import { embedBlock, linkToMark, readSpans, textBlock } from "../../app/repositories/note-schema.ts";
import { tidyRuns } from "../../app/markdown/runs.ts";

const RUNS = Number(process.env["MARKDOWN_RUNS"] ?? 300);
const CORPUS_BYTES = Number(process.env["MARKDOWN_CORPUS_BYTES"] ?? 250_000);
const LARGEST = 40_000;

/** README and CHANGELOG files of the packages this repository installs. */
const corpus = (): string[] => {
  const root = join(import.meta.dirname, "../../node_modules");
  const files: string[] = [];
  let bytes = 0;
  for (const name of readdirSync(root).sort()) {
    const path = join(root, name, "README.md");
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    if (size === 0 || size > LARGEST || bytes > CORPUS_BYTES) continue;
    bytes += size;
    files.push(path);
  }
  return files;
};

const stable = (markdown: string): void => {
  const first = markdownToSpans(markdown).spans;
  expect(markdownToSpans(spansToMarkdown(first)).spans).toEqual(first);
};

test("real files keep their content through spans and back", () => {
  const files = corpus();
  expect(files.length).toBeGreaterThan(30);
  for (const path of files) {
    const markdown = readFileSync(path, "utf8");
    const first = markdownToSpans(markdown).spans;
    const again = markdownToSpans(spansToMarkdown(first)).spans;
    expect({ path, spans: again }).toEqual({ path, spans: first });
  }
});

test("real files keep their content as whole notes", () => {
  for (const path of corpus().slice(0, 40)) {
    const note = markdownToNote(readFileSync(path, "utf8"));
    const again = markdownToNote(noteToMarkdown({ ...note, meta: note.frontMatter }));
    expect({ path, ...again, dropped: [] }).toEqual({ path, ...note, dropped: [] });
  }
});

const word = fc.constantFrom(
  "alpha",
  "be ta",
  "#tag",
  "1.",
  "-",
  "x_y_z",
  "*",
  "a*b",
  "<b>",
  "[x]",
  "&amp;",
  "日本語",
  "é",
  "\\",
  "`",
  "!",
  "|",
  "~~",
);
const text = fc.array(word, { minLength: 1, maxLength: 4 }).map((words) => words.join(" "));
const marks: fc.Arbitrary<NoteMarks> = fc
  .record(
    {
      strong: fc.constant(true as const),
      em: fc.constant(true as const),
      link: fc.constantFrom(
        linkToMark({ href: "https://example.org/a(b)", title: "" }),
        linkToMark({ href: "x y.md", title: 'a "t"' }),
      ),
    },
    { requiredKeys: [] },
  )
  .map((given) => given as NoteMarks);
const run: fc.Arbitrary<NoteSpan> = fc.oneof(
  fc.record({ type: fc.constant("text" as const), value: text, marks }),
  fc.record({ type: fc.constant("text" as const), value: text, marks }),
  fc.constant<NoteSpan>({ type: "text", value: "code", marks: { code: true } }),
  fc.constant<NoteSpan>({ type: "text", value: " struck ", marks: { strike: true } }),
  fc.constant<NoteSpan>({ type: "block", value: embedBlock("image", { src: "a.png", alt: "an [image]" }) }),
);
const parents = fc.array(fc.constantFrom("blockquote", "unordered-list-item", "ordered-list-item"), { maxLength: 2 });
const block: fc.Arbitrary<readonly NoteSpan[]> = fc
  .tuple(
    fc.oneof(
      fc.constant(textBlock("paragraph")),
      fc.integer({ min: 1, max: 6 }).map((level) => textBlock("heading", [], { level })),
      parents.map((given) => textBlock("unordered-list-item", given)),
      parents.map((given) => textBlock("ordered-list-item", given)),
      fc.boolean().map((checked) => textBlock("task-list-item", [], { checked })),
      fc.constant(textBlock("code-block", [], { language: "ts" })),
      parents.map((given) => textBlock("paragraph", given)),
    ),
    fc.array(run, { minLength: 1, maxLength: 4 }),
  )
  .map(([value, inline]) => {
    const plain: NoteSpan[] =
      value.type === "code-block"
        ? [{ type: "text", value: "const a = 1;\n\n  b();" }]
        : tidyRuns([{ type: "text", value: "x" }, ...inline]);
    return [{ type: "block", value }, ...plain];
  });

test("Markdown of any note reads back to a text that is written the same", () => {
  fc.assert(
    fc.property(fc.array(block, { minLength: 1, maxLength: 6 }), (blocks) => {
      const markdown = spansToMarkdown(blocks.flat());
      const read = markdownToSpans(markdown).spans;
      expect(spansToMarkdown(read)).toBe(markdown);
    }),
    { numRuns: RUNS },
  );
});

test("paragraphs, headings and code come back exactly as they were", () => {
  fc.assert(
    fc.property(
      fc.array(
        block.filter(
          ([first]) =>
            first?.type === "block" && first.value.parents.length === 0 && !first.value.type.endsWith("list-item"),
        ),
        { minLength: 1, maxLength: 6 },
      ),
      (blocks) => {
        const spans = blocks.flat();
        const read = markdownToSpans(spansToMarkdown(spans)).spans;
        expect(read).toEqual(spans);
      },
    ),
    { numRuns: RUNS },
  );
});

test("arbitrary text never throws and is stable after one pass", () => {
  const line = fc.oneof(
    fc.constantFrom(
      "# h",
      "> q",
      "- a",
      "  - b",
      "1. c",
      "   d",
      "```",
      "~~~",
      "---",
      "| a | b |",
      "|---|---|",
      "<div>",
      "</div>",
      "[a]: b",
      "[^1]: n",
      "x[^1] [a]",
      "- [ ] t",
      "",
      "",
      "    code",
      "\t",
      "<!-- c",
    ),
    fc.string({ maxLength: 20, unit: "grapheme" }),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
      const spans = markdownToSpans(lines.join("\n")).spans;
      expect(readSpans(spans)).toEqual(spans);
      spansToMarkdown(spans);
    }),
    { numRuns: RUNS },
  );
});

test("a long text is parsed in sections and gives the same spans as in one piece", () => {
  const section =
    "## Part\n\nSee [the guide] and [^1].\n\n- a\n  - b\n\n```md\n\n# not a heading\n\n```\n\n| a |\n|---|\n| 1 |\n\n";
  const tail = "[the guide]: https://example.org/guide\n\n[^1]: A note.\n";
  const once = markdownToSpans(section + tail).spans;
  const many = markdownToSpans(section.repeat(300) + tail).spans;
  const perSection = once.filter((span) => !(span.type === "text" && span.value.startsWith("[^1]:"))).length - 1;
  expect(many.slice(0, perSection)).toEqual(once.slice(0, perSection));
  expect(many.slice(299 * perSection, 300 * perSection)).toEqual(once.slice(0, perSection));
  expect(many.slice(300 * perSection)).toEqual(once.slice(perSection));
  stable(section.repeat(300) + tail);
});
