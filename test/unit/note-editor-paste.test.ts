import { Window } from "happy-dom";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { markdownToSpans } from "../../app/markdown/markdown-to-spans.ts";
import { spansToMarkdown } from "../../app/markdown/spans-to-markdown.ts";
import { readSpans } from "../../app/repositories/note-schema.ts";
import { fragmentToDom } from "../../renderer/src/editors/note-editor/clipboard.ts";
import { htmlToSpans } from "../../renderer/src/editors/note-editor/html-to-spans.ts";
import { docFromSpans } from "../../renderer/src/editors/note-editor/schema.ts";

const window = new Window();
const parse = (html: string): ParentNode =>
  new window.DOMParser().parseFromString(html, "text/html").body as unknown as ParentNode;
const pasted = (html: string): string => spansToMarkdown(htmlToSpans(parse(html)));

describe("pasted HTML", () => {
  test("keeps structure, emphasis and links", () => {
    expect(
      pasted(
        "<h2>T <em>i</em></h2><p>a <b>b</b><br>c</p><ul><li>x<ul><li>y</li></ul></li><li><p>z</p></li></ul><ol start=3><li>n</li></ol>" +
          '<blockquote><p>q</p></blockquote><pre><code class="language-js">a\n  b\n</code></pre><hr><p><a href="https://x.org">l</a></p>',
      ),
    ).toBe(
      "## T *i*\n\na **b**\\\nc\n\n- x\n  - y\n- z\n\n3. n\n\n> q\n\n```js\na\n  b\n```\n\n---\n\n[l](https://x.org)\n",
    );
  });

  test("lets no script, style, handler or odd address through", () => {
    const spans = htmlToSpans(
      parse(
        '<style>p{}</style><script>alert(1)</script><p onclick="x()">a<img src="" onerror="x()"><a href="javascript:x()">b</a><iframe srcdoc="x"></iframe><svg><text>s</text></svg></p>',
      ),
    );
    expect(JSON.stringify(spans)).not.toMatch(/script|onclick|onerror|alert|iframe/);
    expect(spansToMarkdown(spans)).toBe("ab\n");
  });

  test("reads what word processors write", () => {
    expect(
      pasted(
        '<meta charset="utf-8"><b style="font-weight:normal"><p><span style="font-weight:700">bold</span> <span style="font-style:italic">it</span> <span style="text-decoration:line-through">no</span></p></b>',
      ),
    ).toBe("**bold** *it* ~~no~~\n");
  });

  test("reads task lists and makes source of tables", () => {
    expect(pasted('<ul><li><input type="checkbox" checked> a</li><li><input type="checkbox"> b</li></ul>')).toBe(
      "- [x] a\n- [ ] b\n",
    );
    expect(pasted("<table><tr><th>a</th><th>b|c</th></tr><tr><td>1</td></tr></table>")).toBe(
      "| a | b\\|c |\n| --- | --- |\n| 1 |  |\n",
    );
  });

  test("collapses white space as a page does, but not in code", () => {
    expect(pasted("<div>\n  a\n   <b> b </b>\n c </div><div>d</div>")).toBe("a **b** c\n\nd\n");
  });

  test("gives valid notes for any markup", () => {
    const tag = fc.constantFrom(
      "p",
      "div",
      "b",
      "a",
      "ul",
      "ol",
      "li",
      "blockquote",
      "pre",
      "table",
      "tr",
      "td",
      "h1",
      "br",
      "hr",
      "code",
    );
    const piece = fc.oneof(
      tag.map((name) => `<${name}>`),
      tag.map((name) => `</${name}>`),
      fc.constantFrom(" x ", "y", "\n", '<img src="i.png">', "<input type=checkbox>"),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 25 }), (pieces) => {
        const spans = htmlToSpans(parse(pieces.join("")));
        expect(readSpans(spans)).toEqual(spans);
        docFromSpans(spans).check();
      }),
      { numRuns: 300 },
    );
  });
});

test("what is copied comes back the same when it is pasted", () => {
  const markdown =
    '## H **b**\n\ntext `c` [l](https://x.org "t") ~~s~~\\\nnext\n\n- a\n  - [x] b\n    1. c\n- d\n\n> q\n>\n> - r\n\n```ts\nx\n\n  y\n```\n\n| a |\n| --- |\n\n---\n\nend <kbd>k</kbd> ![i](i.png "t")\n';
  const { spans } = markdownToSpans(markdown);
  const copied = fragmentToDom(docFromSpans(spans).content, window.document as unknown as Document);
  expect(spansToMarkdown(htmlToSpans(copied))).toBe(markdown);
});
