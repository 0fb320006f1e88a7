import type { Fragment, Node as ProseMirrorNode, ResolvedPos, Slice as SliceType } from "prosemirror-model";
import { DOMParser as ProseMirrorParser, DOMSerializer, Slice } from "prosemirror-model";
import { Plugin } from "prosemirror-state";
import { markdownToSpans } from "../../../../app/markdown/markdown-to-spans.ts";
import { spansToMarkdown } from "../../../../app/markdown/spans-to-markdown.ts";
import type { NoteSpan } from "../../../../app/repositories/note-schema.ts";
import { isListItem, linkToMark, markToLink, textBlock } from "../../../../app/repositories/note-schema.ts";
import { attachmentOfAttrs } from "../../../../app/attachments/attachment-ref.ts";
import { htmlToSpans } from "./html-to-spans.ts";
import {
  fragmentToSpans,
  headingLevel,
  isOpenable,
  nodeToBlock,
  nodeToEmbed,
  noteSchema,
  spansToBlocks,
  toMark,
} from "./schema.ts";

/** Copying as Markdown and as nested HTML that other programs understand; pasting either, through the schema. */
export const clipboard = (): Plugin =>
  new Plugin({
    props: {
      clipboardParser: parser(),
      clipboardTextParser: (text, $context, plain) => textToSlice(text, $context, plain),
      clipboardTextSerializer: (slice) => sliceToText(slice),
      clipboardSerializer: serializer(),
      handlePaste: (view, event) => {
        const text = event.clipboardData?.getData("text/plain").trim() ?? "";
        const { from, to, empty, $from } = view.state.selection;
        if (empty || !/^https?:\/\/\S+$/.test(text) || $from.parent.type.spec.code === true) return false;
        view.dispatch(view.state.tr.addMark(from, to, toMark("link", linkToMark({ href: text, title: "" }))));
        return true;
      },
    },
  });

/** Text as other programs show it: plain where one paragraph was copied, Markdown otherwise. */
const sliceToText = (slice: SliceType): string => {
  const first = slice.content.firstChild;
  if (slice.content.childCount === 1 && first !== null && (slice.openStart > 0 || first.type.spec.code === true))
    return first.textBetween(0, first.content.size, "\n", (leaf) => String(nodeToEmbed(leaf).attrs["alt"] ?? ""));
  return spansToMarkdown(fragmentToSpans(slice.content)).replace(/\n$/, "");
};

const MARKDOWN_BLOCK = /^ {0,3}(?:#{1,6} |[-*+] |\d{1,9}[.)] |> |```|~~~|\|.*\||(?:-{3,}|\*{3,})$)/m;
const MARKDOWN_INLINE = /\*\*\S|\]\(\S+\)|`[^`\n]+`/;

/** Pasted text: one line as it is, more of them as Markdown where they look like it, else as paragraphs. */
export const textToSlice = (text: string, $context: ResolvedPos, plain: boolean): SliceType => {
  const normalised = text.replace(/\r\n?/g, "\n");
  const { parents } = nodeToBlock($context.parent);
  if (!normalised.includes("\n"))
    return blocksToSlice([
      { type: "block", value: textBlock("paragraph") },
      { type: "text", value: normalised },
    ]);
  if (!plain && (MARKDOWN_BLOCK.test(normalised) || MARKDOWN_INLINE.test(normalised)))
    return blocksToSlice(markdownToSpans(normalised).spans);
  const spans: NoteSpan[] = [];
  for (const paragraph of normalised.replace(/\n+$/, "").split(/\n{2,}/)) {
    spans.push({ type: "block", value: textBlock("paragraph", isListItem($context.parent.type.name) ? [] : parents) });
    if (paragraph !== "") spans.push({ type: "text", value: paragraph });
  }
  return blocksToSlice(spans);
};

const blocksToSlice = (spans: readonly NoteSpan[]): SliceType => {
  const blocks = spansToBlocks(spans);
  const doc = noteSchema.node("doc", null, blocks.length === 0 ? [noteSchema.node("paragraph")] : blocks);
  return Slice.maxOpen(doc.content);
};

/** ProseMirror asks its parser for a slice of a pasted page; ours goes through spans. */
const parser = (): ProseMirrorParser => {
  const base = ProseMirrorParser.fromSchema(noteSchema);
  return Object.create(base, {
    parseSlice: { value: (dom: ParentNode): SliceType => blocksToSlice(htmlToSpans(dom)) },
  }) as ProseMirrorParser;
};

const serializer = (): DOMSerializer => {
  const base = DOMSerializer.fromSchema(noteSchema);
  return Object.create(base, {
    serializeFragment: {
      value: (fragment: Fragment, options?: { readonly document?: Document }): DocumentFragment =>
        fragmentToDom(fragment, options?.document ?? document),
    },
  }) as DOMSerializer;
};

/** Nested lists and quotes, as every other program writes them. */
export const fragmentToDom = (fragment: Fragment, owner: Document): DocumentFragment => {
  const root = owner.createDocumentFragment();
  const open: { readonly kind: string; readonly content: ParentNode & Node }[] = [];
  const innermost = (): ParentNode & Node => open.at(-1)?.content ?? root;
  const openItem = (type: string, start: number | undefined): HTMLElement => {
    const tag = type === "ordered-list-item" ? "ol" : "ul";
    const last = innermost().lastChild as HTMLElement | null;
    let list = last !== null && last.nodeName.toLowerCase() === tag && start === undefined ? last : undefined;
    if (list === undefined) {
      list = owner.createElement(tag);
      if (start !== undefined) list.setAttribute("start", String(start));
      innermost().append(list);
    }
    const item = owner.createElement("li");
    list.append(item);
    open.push({ kind: "item", content: item });
    return item;
  };
  fragment.forEach((node) => {
    if (node.isInline) {
      innermost().append(inlineToDom(node, owner));
      return;
    }
    const { type, parents, attrs } = nodeToBlock(node);
    let depth = 0;
    while (depth < parents.length && open[depth]?.kind === (isListItem(parents[depth] ?? "") ? "item" : "quote"))
      depth++;
    open.length = depth;
    for (const parent of parents.slice(depth)) {
      if (isListItem(parent)) openItem(parent, undefined);
      else {
        const quote = owner.createElement("blockquote");
        innermost().append(quote);
        open.push({ kind: "quote", content: quote });
      }
    }
    const element = isListItem(type)
      ? openItem(type, typeof attrs["start"] === "number" ? attrs["start"] : undefined)
      : owner.createElement(
          type === "heading" ? `h${headingLevel(attrs)}` : node.type.spec.code === true ? "pre" : "p",
        );
    if (type === "task-list-item") {
      const box = owner.createElement("input");
      box.setAttribute("type", "checkbox");
      if (attrs["checked"] === true) box.setAttribute("checked", "");
      element.append(box);
    }
    if (type === "raw") element.setAttribute("data-raw", String(attrs["format"] ?? "markdown"));
    if (type === "code-block" && typeof attrs["language"] === "string")
      element.setAttribute("data-language", attrs["language"]);
    if (node.type.spec.code === true) element.textContent = node.textContent;
    else
      node.forEach((child) => {
        element.append(inlineToDom(child, owner));
      });
    if (!isListItem(type)) innermost().append(element);
  });
  return root;
};

const MARK_TAGS: Readonly<Record<string, string>> = {
  strong: "strong",
  em: "em",
  strike: "s",
  code: "code",
  link: "a",
};

const inlineToDom = (node: ProseMirrorNode, owner: Document): Node => {
  if (!node.isText) return embedToDom(node, owner);
  let out: Node = owner.createDocumentFragment();
  (node.text ?? "").split("\n").forEach((line, index) => {
    if (index > 0) out.appendChild(owner.createElement("br"));
    out.appendChild(owner.createTextNode(line));
  });
  for (const mark of node.marks.toReversed()) {
    const element = owner.createElement(MARK_TAGS[mark.type.name] ?? "span");
    if (mark.type.name === "link") {
      const { href, title } = markToLink(String(mark.attrs["value"]));
      element.setAttribute("href", isOpenable(href) ? href : "");
      if (title !== "") element.setAttribute("title", title);
    }
    element.append(out);
    out = element;
  }
  return out;
};

const embedToDom = (node: ProseMirrorNode, owner: Document): Node => {
  const { type, attrs } = nodeToEmbed(node);
  if (type === "horizontal-rule") return owner.createElement("hr");
  if (attachmentOfAttrs(attrs) !== undefined) {
    const image = owner.createElement("img");
    image.setAttribute("alt", String(attrs["alt"] ?? attrs["name"]));
    image.setAttribute("data-attachment", JSON.stringify({ type, attrs }));
    return image;
  }
  if (type === "image") {
    const image = owner.createElement("img");
    for (const name of ["src", "alt", "title"])
      if (typeof attrs[name] === "string") image.setAttribute(name, attrs[name]);
    return image;
  }
  const code = owner.createElement("code");
  code.setAttribute("data-raw", String(attrs["format"] ?? "markdown"));
  code.textContent = String(attrs["source"] ?? "");
  return code;
};
