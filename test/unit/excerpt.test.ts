import { expect, test } from "vitest";
import { markdownToSpans } from "../../app/markdown/markdown-to-spans.ts";
import { excerptOf } from "../../app/search/excerpt.ts";

const excerpt = (markdown: string): string => excerptOf(markdownToSpans(markdown).spans);

test("of HTML kept as source, a list shows what is between the tags", () => {
  expect(excerpt('<div align="center">\n<h1>Quince</h1>\n</div>\n\nA jelly.')).toBe("Quince A jelly.");
  expect(excerpt("<!-- hidden -->\n\nSeen")).toBe("Seen");
});

test("what a person wrote about tags stays, blocks are words apart, and it ends in time", () => {
  expect(excerpt("Use `<b>` here\n\n- one\n- two")).toBe("Use <b> here one two");
  expect(excerpt("word ".repeat(500)).length).toBeLessThanOrEqual(200);
  expect(excerpt("")).toBe("");
});
