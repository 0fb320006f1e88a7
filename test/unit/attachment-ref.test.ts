import { Window } from "happy-dom";
import { expect, test } from "vitest";
import {
  addressOfAttrs,
  attachmentOfAttrs,
  attachmentsOfSpans,
  attrsOfAddress,
} from "../../app/attachments/attachment-ref.ts";
import { mediaTypeOf, tidyFileName } from "../../app/attachments/media-type.ts";
import { markdownToSpans } from "../../app/markdown/markdown-to-spans.ts";
import { spansToMarkdown } from "../../app/markdown/spans-to-markdown.ts";
import { embedBlock, textBlock } from "../../app/repositories/note-schema.ts";
import { isFileName, MAX_NAME_BYTES } from "../../protocol/blob/file-facts.ts";
import { fragmentToDom } from "../../renderer/src/editors/note-editor/clipboard.ts";
import { htmlToSpans } from "../../renderer/src/editors/note-editor/html-to-spans.ts";
import { docFromSpans } from "../../renderer/src/editors/note-editor/schema.ts";

const attrs = { blob: "ab".repeat(32), key: "cd".repeat(32), size: 12, mime: "image/png", name: "a (1) ü%.png" };

test("an attachment's address in Markdown carries everything the document stores", () => {
  const address = addressOfAttrs(attrs) ?? "";
  expect(address).toMatch(/^p2pc:blob\/[^()\s]+$/);
  expect(attrsOfAddress(address)).toEqual(attrs);
  for (const wrong of [
    "p2pc:doc/x",
    `${address}/x`,
    address.replace("ab", "xy"),
    address.replace("/12/", "/-1/"),
    `${address}%`,
  ])
    expect(attrsOfAddress(wrong), wrong).toBeUndefined();
});

test("references of any writer are taken only when they fit the schema", () => {
  for (const wrong of [
    { ...attrs, blob: "ab" },
    { ...attrs, key: 3 },
    { ...attrs, size: 1.5 },
    { ...attrs, size: 2 ** 31 },
    { ...attrs, mime: "text" },
    { ...attrs, name: "../x" },
    { ...attrs, name: "\ud800" },
    {},
  ] as readonly Readonly<Record<string, string | number>>[])
    expect(attachmentOfAttrs(wrong)).toBeUndefined();
  const many = Array.from({ length: 3_000 }, (_, n) => ({
    type: "block" as const,
    value: embedBlock("file", { ...attrs, blob: n.toString(16).padStart(64, "0") }),
  }));
  expect(attachmentsOfSpans(many)).toHaveLength(1_024);
  const withPreview = embedBlock("image", {
    ...attrs,
    thumb: "11".repeat(32),
    thumbKey: "22".repeat(32),
    thumbSize: 5,
  });
  expect(attachmentsOfSpans([{ type: "block", value: withPreview }]).map(({ size }) => size)).toEqual([12, 5]);
});

test("pictures and files survive Markdown and back, captions too", () => {
  const spans = [
    { type: "block" as const, value: textBlock("paragraph") },
    { type: "block" as const, value: embedBlock("image", { ...attrs, alt: "Lake [1]" }) },
    { type: "text" as const, value: " and " },
    { type: "block" as const, value: embedBlock("file", { ...attrs, mime: "application/pdf", name: "r.pdf" }) },
    { type: "block" as const, value: embedBlock("file", { ...attrs, name: "s.pdf", alt: "the report" }) },
  ];
  expect(markdownToSpans(spansToMarkdown(spans)).spans).toEqual(spans);
});

test("what is copied in the editor is pasted as the same attachment, and a page's forgery as nothing", () => {
  const window = new Window();
  const image = embedBlock("image", { ...attrs, alt: "Lake", width: 320 });
  const doc = docFromSpans([
    { type: "block", value: textBlock("paragraph") },
    { type: "block", value: image },
  ]);
  const holder = window.document.createElement("div");
  holder.append(fragmentToDom(doc.content, window.document as unknown as Document) as never);
  const pasted = htmlToSpans(holder as unknown as ParentNode);
  expect(pasted.at(-1)).toEqual({ type: "block", value: image });
  for (const forged of ["{", '{"type":"image","attrs":{"blob":"x"}}', '{"type":"script","attrs":{}}', "null", "1"]) {
    const page = window.document.createElement("div");
    const picture = window.document.createElement("img");
    picture.setAttribute("data-attachment", forged);
    page.append(picture);
    expect(htmlToSpans(page as unknown as ParentNode), forged).toEqual([]);
  }
});

test("names from anywhere become names a manifest holds, and endings name the type", () => {
  for (const [given, tidy] of [
    ["a/b\\c\n.png", "a_b_c_.png"],
    ["..", "file"],
    ["  ", "file"],
    ["ok.pdf", "ok.pdf"],
  ] as const)
    expect(tidyFileName(given)).toBe(tidy);
  const long = tidyFileName(`${"🌊".repeat(200)}.jpeg`);
  expect(isFileName(long)).toBe(true);
  expect(new TextEncoder().encode(long).length).toBeLessThanOrEqual(MAX_NAME_BYTES);
  expect(long.endsWith(".jpeg")).toBe(true);
  expect([mediaTypeOf("A.JPG"), mediaTypeOf("x.constructor"), mediaTypeOf("x")]).toEqual([
    "image/jpeg",
    "application/octet-stream",
    "application/octet-stream",
  ]);
});
