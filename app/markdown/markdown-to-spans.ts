import type { FootnoteDefinition, List, ListItem, Nodes, PhrasingContent, RootContent } from "mdast";
import { attrsOfAddress } from "../attachments/attachment-ref.ts";
import type { MarkName, NoteBlock, NoteMarks, NoteSpan } from "../repositories/note-schema.ts";
import { embedBlock, linkToMark, MAX_DEPTH, textBlock } from "../repositories/note-schema.ts";
import type { MarkdownTree } from "./mdast.ts";
import { mdastToMarkdown, parseMarkdown } from "./mdast.ts";
import { tidyRuns } from "./runs.ts";

/** What could not be carried over one to one: the kind, the number of places and the first of them. */
export interface Dropped {
  readonly what: string;
  readonly count: number;
  readonly example: string;
}

export interface SpansFromMarkdown {
  readonly spans: readonly NoteSpan[];
  readonly dropped: readonly Dropped[];
}

/** Length of an example in a report: one line of text. */
const EXAMPLE_LENGTH = 80;

export interface DroppedCounter {
  readonly add: (what: string, example: string, count?: number) => void;
  readonly list: () => Dropped[];
}

export const createDroppedCounter = (): DroppedCounter => {
  const byKind = new Map<string, { count: number; example: string }>();
  return {
    add: (what, example, count = 1) => {
      const known = byKind.get(what);
      if (known === undefined) byKind.set(what, { count, example: example.trim().slice(0, EXAMPLE_LENGTH) });
      else known.count += count;
    },
    list: () => [...byKind].map(([what, { count, example }]) => ({ what, count, example })),
  };
};

/** Converts a text to spans; every line of it is kept, what the editor cannot edit as source in `raw` blocks. */
export const markdownToSpans = (markdown: string): SpansFromMarkdown => {
  const dropped = createDroppedCounter();
  const tree = parseMarkdown(markdown, { frontMatter: false });
  return { spans: treeToSpans(tree, tree.root.children, dropped), dropped: dropped.list() };
};

/** Spans of some top-level nodes of a tree. */
export const treeToSpans = (tree: MarkdownTree, nodes: readonly RootContent[], dropped: DroppedCounter): NoteSpan[] => {
  const spans: NoteSpan[] = [];

  const pushBlock = (block: NoteBlock, inline: readonly NoteSpan[] = []): void => {
    spans.push({ type: "block", value: block }, ...inline);
  };

  const pushRaw = (format: "markdown" | "html", source: string, parents: readonly string[], what: string): void => {
    dropped.add(`${what} (kept as source)`, source);
    pushBlock(textBlock("raw", parents, { format }), source === "" ? [] : [{ type: "text", value: source }]);
  };

  /** The author's own spelling where it stands alone; below lists and quotes it carries their prefixes, so it is written anew. */
  const sourceOf = (node: Nodes, parents: readonly string[]): string => {
    const start = node.position?.start.offset;
    const end = node.position?.end.offset;
    return parents.length === 0 && start !== undefined && end !== undefined && !tree.rewritten.has(node)
      ? tree.source.slice(start, end)
      : mdastToMarkdown(node).trimEnd();
  };

  const visitFlow = (nodes: readonly RootContent[], parents: readonly string[]): void => {
    nodes.forEach((node, index) => {
      visitNode(node, nodes[index - 1], parents);
    });
  };

  const visitNode = (node: RootContent, previous: RootContent | undefined, parents: readonly string[]): void => {
    switch (node.type) {
      case "paragraph":
        if (
          node.children.every((child) => child.type === "html" || (child.type === "text" && child.value.trim() === ""))
        )
          pushRaw("html", sourceOf(node, parents), parents, "HTML");
        else pushBlock(textBlock("paragraph", parents), phrasingToSpans(node.children, dropped));
        return;
      case "heading":
        pushBlock(textBlock("heading", parents, { level: node.depth }), phrasingToSpans(node.children, dropped));
        return;
      case "code": {
        const attrs: Record<string, string> = {};
        if (node.lang !== null && node.lang !== undefined && node.lang !== "") attrs["language"] = node.lang;
        if (node.meta !== null && node.meta !== undefined && node.meta !== "") attrs["meta"] = node.meta;
        pushBlock(
          textBlock("code-block", parents, attrs),
          node.value === "" ? [] : [{ type: "text", value: node.value }],
        );
        return;
      }
      case "thematicBreak":
        pushBlock(textBlock("paragraph", parents), [{ type: "block", value: embedBlock("horizontal-rule") }]);
        return;
      case "blockquote":
      case "list":
        if (parents.length >= MAX_DEPTH) {
          pushRaw("markdown", sourceOf(node, parents), parents, "nesting deeper than 16");
          return;
        }
        if (node.type === "blockquote") visitFlow(node.children, [...parents, "blockquote"]);
        else visitList(node, previous, parents);
        return;
      case "html":
        pushRaw("html", node.value, parents, node.value.startsWith("<!--") ? "HTML comment" : "HTML");
        return;
      case "table":
        pushRaw("markdown", sourceOf(node, parents), parents, "table");
        return;
      case "footnoteDefinition":
        pushRaw("markdown", sourceOf(node, parents), parents, "footnote");
        return;
      case "definition":
        pushRaw("markdown", sourceOf(node, parents), parents, "unused link definition");
        return;
      case "yaml":
        pushRaw("markdown", sourceOf(node, parents), parents, "front matter that is not valid YAML");
        return;
      default:
        pushRaw("markdown", sourceOf(node, parents), parents, node.type);
    }
  };

  const visitList = (list: List, previous: RootContent | undefined, parents: readonly string[]): void => {
    list.children.forEach((item, index) => {
      const type = itemType(list, item);
      const restarts = index === 0 && list.ordered === true && (list.start !== 1 || isOrderedList(previous));
      const attrs: Record<string, number | boolean> = {};
      if (typeof item.checked === "boolean") attrs["checked"] = item.checked;
      else if (restarts) attrs["start"] = list.start ?? 1;
      const [first, ...rest] = item.children;
      const inline = first?.type === "paragraph" ? phrasingToSpans(first.children, dropped) : [];
      pushBlock(textBlock(type, parents, attrs), type === "task-list-item" && isBlank(inline) ? [] : inline);
      visitFlow(first?.type === "paragraph" ? rest : item.children, [...parents, type]);
    });
  };

  visitFlow(nodes, []);
  return spans;
};

const itemType = (list: List, item: ListItem) =>
  typeof item.checked === "boolean"
    ? "task-list-item"
    : list.ordered === true
      ? "ordered-list-item"
      : "unordered-list-item";

const isOrderedList = (node: RootContent | FootnoteDefinition | undefined): boolean =>
  node?.type === "list" && node.ordered === true;

/** An empty task is written `[ ] &#x20;`, because GFM sees no task without content. */
const isBlank = (inline: readonly NoteSpan[]): boolean =>
  inline.every((span) => span.type === "text" && span.value.trim() === "");

/** A line break in a paragraph's source is white space; the editor wraps lines itself. */
const SOFT_BREAK = /[ \t]*\r?\n[ \t]*/g;

/** Inline content; images and HTML become embeds, soft line breaks spaces and hard ones `\n`. */
const phrasingToSpans = (nodes: readonly PhrasingContent[], dropped: DroppedCounter): NoteSpan[] => {
  const runs: NoteSpan[] = [];

  const pushText = (value: string, marks: NoteMarks): void => {
    if (value !== "") runs.push({ type: "text", value, marks });
  };
  const pushRaw = (format: "markdown" | "html", source: string, what: string): void => {
    dropped.add(`${what} (kept as source)`, source);
    runs.push({ type: "block", value: embedBlock("raw", { format, source }) });
  };
  const withMark = (marks: NoteMarks, name: MarkName, value: string | true): NoteMarks => ({ ...marks, [name]: value });

  const visit = (node: PhrasingContent, marks: NoteMarks): void => {
    switch (node.type) {
      case "text":
        pushText(node.value.replace(SOFT_BREAK, " "), marks);
        return;
      case "break":
        pushText("\n", marks);
        return;
      case "inlineCode":
        pushText(node.value.replace(SOFT_BREAK, " "), withMark(marks, "code", true));
        return;
      case "strong":
      case "emphasis":
      case "delete": {
        const name = node.type === "strong" ? "strong" : node.type === "emphasis" ? "em" : "strike";
        for (const child of node.children) visit(child, withMark(marks, name, true));
        return;
      }
      case "link": {
        const attachment = attrsOfAddress(node.url);
        if (attachment !== undefined) {
          const label = textOf(node);
          const alt = label === "" || label === attachment.name ? {} : { alt: label };
          runs.push({ type: "block", value: embedBlock("file", { ...attachment, ...alt }) });
          return;
        }
        if (!hasText(node)) pushRaw("markdown", mdastToMarkdown(node).trimEnd(), "link without text");
        else {
          const mark = linkToMark({ href: node.url, title: node.title ?? "" });
          for (const child of node.children) visit(child, withMark(marks, "link", mark));
        }
        return;
      }
      case "image":
        runs.push({ type: "block", value: embedBlock("image", imageAttrs(node, marks.link)) });
        return;
      case "html":
        pushRaw("html", node.value.replace(SOFT_BREAK, " "), "HTML");
        return;
      case "footnoteReference":
        pushRaw("markdown", `[^${node.label ?? node.identifier}]`, "footnote");
        return;
      default:
        pushRaw("markdown", mdastToMarkdown(node).trimEnd(), node.type);
    }
  };
  for (const node of nodes) visit(node, {});
  return tidyRuns(runs);
};

/** Embeds carry no marks, so a link around nothing but HTML would be lost. */
const hasText = (node: PhrasingContent): boolean =>
  "children" in node
    ? node.children.some(hasText)
    : node.type === "text" || node.type === "inlineCode" || node.type === "image";

const textOf = (node: PhrasingContent): string =>
  "children" in node ? node.children.map(textOf).join("") : "value" in node ? node.value : "";

const imageAttrs = (
  node: { readonly url: string; readonly alt?: string | null | undefined; readonly title?: string | null | undefined },
  link: string | true | undefined,
): Record<string, string | number> => {
  const attrs: Record<string, string | number> = attrsOfAddress(node.url) ?? { src: node.url };
  if (node.alt !== null && node.alt !== undefined && node.alt !== "") attrs["alt"] = node.alt;
  if (node.title !== null && node.title !== undefined && node.title !== "") attrs["title"] = node.title;
  if (typeof link === "string") attrs["link"] = link;
  return attrs;
};
