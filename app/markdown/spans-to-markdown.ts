import type { Blockquote, List, ListItem, PhrasingContent, RootContent } from "mdast";
import { addressOfAttrs } from "../attachments/attachment-ref.ts";
import type { MarkName, NoteBlock, NoteMarks, NoteSpan } from "../repositories/note-schema.ts";
import { isListItem, MARK_NAMES, markToLink } from "../repositories/note-schema.ts";
import { mdastToMarkdown } from "./mdast.ts";
import { tidyRuns } from "./runs.ts";

/** Markdown of a text, ending with a newline unless it is empty. Source kept in `raw` blocks comes out as it went in. */
export const spansToMarkdown = (spans: readonly NoteSpan[]): string => {
  const children = blocksToFlow(spansToBlocks(spans));
  return children.length === 0 ? "" : mdastToMarkdown({ type: "root", children });
};

interface TextBlock {
  readonly block: NoteBlock;
  readonly inline: readonly NoteSpan[];
}

const LEADING: NoteBlock = { type: "paragraph", parents: [], attrs: {}, isEmbed: false };

const spansToBlocks = (spans: readonly NoteSpan[]): TextBlock[] => {
  const blocks: { block: NoteBlock; inline: NoteSpan[] }[] = [];
  for (const span of spans) {
    if (span.type === "block" && !span.value.isEmbed) blocks.push({ block: span.value, inline: [] });
    else {
      if (blocks.length === 0) blocks.push({ block: LEADING, inline: [] });
      blocks.at(-1)?.inline.push(span);
    }
  }
  return blocks;
};

interface Container {
  readonly kind: "root" | "quote" | "item";
  readonly children: RootContent[];
}

/** Rebuilds the tree from `parents`: a block continues the innermost open containers that its parents name. */
const blocksToFlow = (blocks: readonly TextBlock[]): RootContent[] => {
  const root: Container = { kind: "root", children: [] };
  const open: Container[] = [root];
  const innermost = (): Container => open.at(-1) ?? root;

  const openQuote = (): void => {
    const quote: Blockquote = { type: "blockquote", children: [] };
    innermost().children.push(quote);
    open.push({ kind: "quote", children: quote.children });
  };

  const openItem = (type: string, attrs: NoteBlock["attrs"], fresh: boolean): void => {
    const ordered = type === "ordered-list-item";
    const last = innermost().children.at(-1);
    const start = typeof attrs["start"] === "number" ? Math.max(0, Math.trunc(attrs["start"])) : undefined;
    const continues = last?.type === "list" && (last.ordered === true) === ordered && start === undefined && fresh;
    let list: List;
    if (continues) list = last;
    else {
      list = { type: "list", ordered, start: ordered ? (start ?? 1) : null, spread: false, children: [] };
      innermost().children.push(list);
    }
    const item: ListItem = { type: "listItem", spread: false, children: [] };
    if (type === "task-list-item") item.checked = attrs["checked"] === true;
    list.children.push(item);
    open.push({ kind: "item", children: item.children });
  };

  for (const { block, inline } of blocks) {
    const parents = block.type === "blockquote" ? [...block.parents, "blockquote"] : block.parents;
    let depth = 0;
    while (depth < parents.length && depth + 1 < open.length && kindOf(parents[depth]) === open[depth + 1]?.kind)
      depth++;
    open.length = depth + 1;
    for (const parent of parents.slice(depth))
      if (kindOf(parent) === "quote") openQuote();
      else openItem(parent, {}, true);
    const content = blockToFlow(block, inline);
    if (isListItem(block.type)) openItem(block.type, block.attrs, true);
    innermost().children.push(...content);
  }
  settle(root.children);
  return root.children;
};

const kindOf = (parent: string | undefined): "quote" | "item" =>
  parent !== undefined && isListItem(parent) ? "item" : "quote";

/** A list is loose as soon as one of its items holds two blocks that would otherwise run into each other. */
const settle = (children: readonly RootContent[]): void => {
  for (const child of children) {
    if (child.type === "blockquote") settle(child.children);
    if (child.type !== "list") continue;
    for (const item of child.children) {
      const [first, second] = item.children;
      if (
        first?.type === "paragraph" &&
        first.children.length === 0 &&
        second !== undefined &&
        typeof item.checked !== "boolean"
      )
        item.children.shift();
      item.spread = item.children.some((entry, index) => index > 0 && entry.type !== "list");
      settle(item.children);
    }
  }
};

const blockToFlow = (block: NoteBlock, inline: readonly NoteSpan[]): RootContent[] => {
  switch (block.type) {
    case "heading": {
      const level = typeof block.attrs["level"] === "number" ? Math.trunc(block.attrs["level"]) : 1;
      return splitAtRules(inline, (children) => ({
        type: "heading",
        depth: Math.min(6, Math.max(1, level)) as 1 | 2 | 3 | 4 | 5 | 6,
        children,
      }));
    }
    case "code-block": {
      const { language, meta } = block.attrs;
      return [
        {
          type: "code",
          lang: typeof language === "string" && language !== "" ? language : null,
          meta: typeof meta === "string" && meta !== "" ? meta : null,
          value: plainText(inline),
        },
      ];
    }
    case "raw": {
      const source = plainText(inline);
      return source.trim() === "" ? [] : [{ type: "html", value: source }];
    }
    default: {
      const flow = splitAtRules(inline, (children) => ({ type: "paragraph", children }));
      return flow.length > 0 ? flow : isListItem(block.type) ? [{ type: "paragraph", children: [] }] : [];
    }
  }
};

const plainText = (inline: readonly NoteSpan[]): string =>
  inline.map((span) => (span.type === "text" ? span.value : "")).join("");

/** A horizontal rule is an embed in the editor and a block in Markdown. */
const splitAtRules = (
  inline: readonly NoteSpan[],
  wrap: (children: PhrasingContent[]) => RootContent,
): RootContent[] => {
  const out: RootContent[] = [];
  let piece: NoteSpan[] = [];
  const flush = (): void => {
    const children = spansToPhrasing(piece);
    if (children.length > 0) out.push(wrap(children));
    piece = [];
  };
  for (const span of inline) {
    if (span.type === "block" && span.value.type === "horizontal-rule") {
      flush();
      out.push({ type: "thematicBreak" });
    } else piece.push(span);
  }
  flush();
  return out;
};

const spansToPhrasing = (inline: readonly NoteSpan[]): PhrasingContent[] => nestMarks(tidyRuns(trimBreaks(inline)), 0);

/** A break before the first or after the last character of a block is no break in Markdown. */
const trimBreaks = (inline: readonly NoteSpan[]): NoteSpan[] => {
  const out = [...inline];
  for (let last = out.at(-1); last?.type === "text" && /\n\s*$/.test(last.value); last = out.at(-1)) {
    const value = last.value.replace(/\s*\n\s*$/, "");
    out.pop();
    if (value !== "") out.push({ ...last, value });
  }
  for (let first = out[0]; first?.type === "text" && /^\s*\n/.test(first.value); first = out[0]) {
    const value = first.value.replace(/^\s*\n\s*/, "");
    out.shift();
    if (value !== "") out.unshift({ ...first, value });
  }
  return out;
};

const nestMarks = (spans: readonly NoteSpan[], level: number): PhrasingContent[] => {
  const name = MARK_NAMES[level];
  if (name === undefined) return spans.flatMap(leafToPhrasing);
  if (name === "code") return spans.flatMap((span) => (isCode(span) ? [codeOf(span)] : leafToPhrasing(span)));
  const out: PhrasingContent[] = [];
  for (let start = 0; start < spans.length;) {
    const value = markOf(spans[start], name);
    let end = start + 1;
    while (end < spans.length && markOf(spans[end], name) === value) end++;
    const inner = nestMarks(spans.slice(start, end), level + 1);
    if (value === undefined) out.push(...inner);
    else out.push(wrapMark(name, value, inner));
    start = end;
  }
  return out;
};

const markOf = (span: NoteSpan | undefined, name: MarkName): NoteMarks[MarkName] =>
  span?.type === "text" ? span.marks?.[name] : undefined;

const wrapMark = (name: MarkName, value: string | true, children: PhrasingContent[]): PhrasingContent => {
  if (name === "link") {
    const { href, title } = markToLink(String(value));
    return { type: "link", url: href, title: title === "" ? null : title, children };
  }
  return { type: name === "strong" ? "strong" : name === "em" ? "emphasis" : "delete", children };
};

type TextSpan = Extract<NoteSpan, { type: "text" }>;
const isCode = (span: NoteSpan): span is TextSpan => span.type === "text" && span.marks?.code === true;
const codeOf = (span: TextSpan): PhrasingContent => ({ type: "inlineCode", value: span.value.replace(/\n/g, " ") });

const leafToPhrasing = (span: NoteSpan): PhrasingContent[] => {
  if (span.type === "text")
    return span.value
      .split("\n")
      .flatMap((line, index): PhrasingContent[] => [
        ...(index > 0 ? [{ type: "break" } as const] : []),
        ...(line === "" ? [] : [{ type: "text", value: line } as const]),
      ]);
  const { type, attrs } = span.value;
  const text = (key: string): string => (typeof attrs[key] === "string" ? attrs[key] : "");
  if (type === "raw") return text("source") === "" ? [] : [{ type: "html", value: text("source") }];
  const address = addressOfAttrs(attrs);
  if (type === "file" && address !== undefined)
    return [{ type: "link", url: address, children: [{ type: "text", value: text("alt") || text("name") }] }];
  if (type !== "image") return [];
  const image: PhrasingContent = {
    type: "image",
    url: address ?? text("src"),
    alt: text("alt") === "" ? null : text("alt"),
    title: text("title") === "" ? null : text("title"),
  };
  if (text("link") === "") return [image];
  const { href, title } = markToLink(text("link"));
  return [{ type: "link", url: href, title: title === "" ? null : title, children: [image] }];
};
