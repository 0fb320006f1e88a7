import { attachmentOfAttrs } from "../../../../app/attachments/attachment-ref.ts";
import type { BlockAttrs, MarkName, NoteBlock, NoteMarks, NoteSpan } from "../../../../app/repositories/note-schema.ts";
import { embedBlock, linkToMark, MAX_DEPTH, readBlock, textBlock } from "../../../../app/repositories/note-schema.ts";

/**
 * Reads foreign HTML into the note's schema. The tree comes from an inert document, so nothing in it runs or loads, and
 * only what the schema knows gets through: there is no way from here to an element, a style or a script.
 */
export const htmlToSpans = (root: ParentNode): NoteSpan[] => {
  const spans: NoteSpan[] = [];
  let block: NoteBlock | undefined;
  let isOpen = false;
  let units = 0;

  const open = (next: NoteBlock): void => {
    block = next;
    isOpen = false;
  };
  const begin = (fallback: NoteBlock): void => {
    if (isOpen) return;
    spans.push({ type: "block", value: block ?? fallback });
    isOpen = true;
  };
  const close = (): void => {
    trimEnd(spans);
    block = undefined;
    isOpen = false;
  };

  const pushText = (value: string, marks: NoteMarks, parents: readonly string[], verbatim: boolean): void => {
    if (units > MAX_UNITS) return;
    const last = spans.at(-1);
    let text = verbatim ? value.replace(/\r\n?/g, "\n") : value.replace(/[ \t\r\n\f]+/g, " ");
    const atStart =
      !isOpen ||
      (last?.type === "block" && !isInlineEmbed(last.value)) ||
      (last?.type === "text" && /[ \n]$/.test(last.value));
    if (!verbatim && atStart) text = text.replace(/^ /, "");
    if (text === "") return;
    begin(textBlock("paragraph", parents));
    units += text.length;
    spans.push(Object.keys(marks).length === 0 ? { type: "text", value: text } : { type: "text", value: text, marks });
  };
  const pushEmbed = (embed: NoteBlock, parents: readonly string[]): void => {
    begin(textBlock("paragraph", parents));
    spans.push({ type: "block", value: embed });
  };

  const visitChildren = (node: ParentNode, context: Context): void => {
    for (const child of node.childNodes) visit(child, context);
  };
  const visitBlock = (element: Element, context: Context, next: NoteBlock): void => {
    close();
    open(next);
    visitChildren(element, context);
    close();
  };

  const visit = (node: ChildNode, context: Context): void => {
    if (context.level > MAX_LEVEL) return;
    if (node.nodeType === TEXT_NODE) {
      pushText(node.nodeValue ?? "", context.marks, context.parents, context.verbatim);
      return;
    }
    if (node.nodeType !== ELEMENT_NODE) return;
    const element = node as Element;
    const tag = element.tagName.toLowerCase();
    const inner: Context = {
      ...context,
      level: context.level + 1,
      marks: withElementMarks(context.marks, element, tag),
    };
    if (SKIPPED.has(tag)) return;
    switch (tag) {
      case "br":
        if (isOpen) spans.push({ type: "text", value: "\n" });
        return;
      case "hr":
        close();
        pushEmbed(embedBlock("horizontal-rule"), context.parents);
        close();
        return;
      case "img":
        pushImage(element, inner, pushEmbed);
        return;
      case "h1":
      case "h2":
      case "h3":
      case "h4":
      case "h5":
      case "h6":
        visitBlock(element, inner, textBlock("heading", context.parents, { level: Number(tag.slice(1)) }));
        return;
      case "pre":
        visitPre(element, inner);
        return;
      case "blockquote":
        close();
        visitChildren(element, { ...inner, parents: deeper(context.parents, "blockquote") });
        close();
        return;
      case "ul":
      case "ol":
        close();
        visitList(element, inner, tag === "ol");
        close();
        return;
      case "li":
        visitItem(element, inner, "unordered-list-item", {});
        return;
      case "table":
        close();
        pushTable(element, context.parents);
        close();
        return;
      default:
    }
    if (tag === "code" && element.getAttribute("data-raw") !== null) {
      const format = element.getAttribute("data-raw") === "html" ? "html" : "markdown";
      pushEmbed(embedBlock("raw", { format, source: element.textContent }), context.parents);
    } else if (BLOCKS.has(tag)) {
      const keepsBlock = block !== undefined && !isOpen;
      if (keepsBlock) visitChildren(element, inner);
      else visitBlock(element, inner, textBlock("paragraph", context.parents));
      if (keepsBlock && isOpen) close();
    } else visitChildren(element, inner);
  };

  const visitPre = (element: Element, context: Context): void => {
    close();
    const raw = element.getAttribute("data-raw");
    const language =
      element.getAttribute("data-language") ?? /(?:language|lang)-([\w+#.-]+)/.exec(classOf(element))?.[1] ?? "";
    const text = element.textContent.replace(/\r\n?/g, "\n").replace(/\n$/, "").slice(0, MAX_UNITS);
    const marker =
      raw === null
        ? textBlock("code-block", context.parents, language === "" ? {} : { language })
        : textBlock("raw", context.parents, { format: raw === "html" ? "html" : "markdown" });
    spans.push({ type: "block", value: marker });
    if (text !== "") spans.push({ type: "text", value: text });
    units += text.length;
    block = undefined;
    isOpen = false;
  };

  const visitList = (list: Element, context: Context, ordered: boolean): void => {
    let isFirst = true;
    for (const child of list.children) {
      const tag = child.tagName.toLowerCase();
      if (tag !== "li") {
        visit(child, context);
        continue;
      }
      const start = Number(list.getAttribute("start") ?? "1");
      const attrs: BlockAttrs = ordered && isFirst && Number.isSafeInteger(start) && start !== 1 ? { start } : {};
      isFirst = false;
      visitItem(child, context, ordered ? "ordered-list-item" : "unordered-list-item", attrs);
    }
  };

  const visitItem = (
    item: Element,
    context: Context,
    type: "ordered-list-item" | "unordered-list-item",
    attrs: BlockAttrs,
  ): void => {
    const box = item.querySelector("input[type=checkbox]");
    const isTask = box !== null && box.closest("li") === item;
    const marker = isTask
      ? textBlock("task-list-item", context.parents, { checked: box.hasAttribute("checked") })
      : textBlock(type, context.parents, attrs);
    close();
    open(marker);
    const before = spans.length;
    visitChildren(item, { ...context, parents: deeper(context.parents, marker.type) });
    const first = spans[before];
    // An item that begins with a block of its own, or with nothing, still is an item.
    if (first === undefined || (first.type === "block" && first.value !== marker))
      spans.splice(before, 0, { type: "block", value: marker });
    close();
  };

  const pushTable = (table: Element, parents: readonly string[]): void => {
    const rows = [...table.querySelectorAll("tr")].map((row) => [...row.children].map((cell) => cellText(cell)));
    const width = Math.max(0, ...rows.map((row) => row.length));
    if (width === 0) return;
    const line = (cells: readonly string[]): string =>
      `| ${Array.from({ length: width }, (_, index) => cells[index] ?? "").join(" | ")} |`;
    const [head = [], ...body] = rows;
    const source = [line(head), line(Array.from({ length: width }, () => "---")), ...body.map(line)]
      .join("\n")
      .slice(0, MAX_UNITS);
    units += source.length;
    spans.push(
      { type: "block", value: textBlock("raw", parents, { format: "markdown" }) },
      { type: "text", value: source },
    );
  };

  visitChildren(root, { parents: [], marks: {}, verbatim: false, level: 0 });
  close();
  return spans;
};

const isInlineEmbed = ({ type, isEmbed }: NoteBlock): boolean => isEmbed && type !== "horizontal-rule";

interface Context {
  readonly parents: readonly string[];
  readonly marks: NoteMarks;
  readonly verbatim: boolean;
  readonly level: number;
}

const TEXT_NODE = 3;
const ELEMENT_NODE = 1;
/** Longest paste, as long as the longest imported file. */
const MAX_UNITS = 8_000_000;
/** Nesting of elements beyond any real page, below the call stack. */
const MAX_LEVEL = 400;

const SKIPPED: ReadonlySet<string> = new Set([
  "script",
  "style",
  "template",
  "head",
  "meta",
  "link",
  "title",
  "noscript",
  "iframe",
  "object",
  "embed",
  "svg",
  "math",
  "audio",
  "video",
  "canvas",
  "input",
  "button",
  "select",
  "textarea",
]);
const BLOCKS: ReadonlySet<string> = new Set([
  "p",
  "div",
  "section",
  "article",
  "header",
  "footer",
  "main",
  "aside",
  "nav",
  "figure",
  "figcaption",
  "address",
  "dl",
  "dt",
  "dd",
  "details",
  "summary",
  "form",
  "fieldset",
  "center",
]);

const deeper = (parents: readonly string[], parent: string): readonly string[] =>
  parents.length < MAX_DEPTH ? [...parents, parent] : parents;

const classOf = (element: Element): string =>
  `${element.getAttribute("class") ?? ""} ${element.querySelector("code")?.getAttribute("class") ?? ""}`;

const cellText = (cell: Element): string => cell.textContent.replace(/\s+/g, " ").trim().replace(/\|/g, "\\|");

const TAG_MARKS: Readonly<Record<string, MarkName>> = {
  strong: "strong",
  b: "strong",
  em: "em",
  i: "em",
  s: "strike",
  del: "strike",
  strike: "strike",
  code: "code",
  kbd: "code",
  samp: "code",
  tt: "code",
};

const styleValue = (style: string, property: string): string =>
  new RegExp(`(?:^|;)\\s*${property}\\s*:\\s*([^;]+)`, "i").exec(style)?.[1]?.trim().toLowerCase() ?? "";

/** Marks of an element's tag and, because word processors say it that way, of its style. */
const withElementMarks = (marks: NoteMarks, element: Element, tag: string): NoteMarks => {
  const out: Partial<Record<MarkName, string | true>> = { ...marks };
  const name = TAG_MARKS[tag];
  if (name !== undefined) out[name] = true;
  const href = tag === "a" ? (element.getAttribute("data-href") ?? element.getAttribute("href") ?? "").trim() : "";
  if (href !== "" && /^(?:https?:|mailto:|p2pc:)/i.test(href)) {
    const title = element.getAttribute("title") ?? "";
    out.link = linkToMark({ href, title: title === href ? "" : title });
  }
  const style = element.getAttribute("style") ?? "";
  if (style !== "") {
    const weight = styleValue(style, "font-weight");
    if (weight === "bold" || Number(weight) >= 600) out.strong = true;
    else if (weight === "normal" || weight === "400") delete out.strong;
    if (styleValue(style, "font-style") === "italic") out.em = true;
    if (/line-through/.test(styleValue(style, "text-decoration") + styleValue(style, "text-decoration-line")))
      out.strike = true;
  }
  return out;
};

const pushImage = (
  element: Element,
  context: Context,
  pushEmbed: (embed: NoteBlock, parents: readonly string[]) => void,
): void => {
  const attached = attachedEmbed(element);
  if (attached !== undefined) {
    pushEmbed(attached, context.parents);
    return;
  }
  const src = element.getAttribute("src") ?? "";
  if (src === "" || src.length > MAX_IMAGE_ADDRESS) return;
  const attrs: Record<string, string> = { src };
  const alt = element.getAttribute("alt") ?? "";
  const title = element.getAttribute("title") ?? "";
  if (alt !== "") attrs["alt"] = alt;
  if (title !== "") attrs["title"] = title;
  if (typeof context.marks.link === "string") attrs["link"] = context.marks.link;
  pushEmbed(embedBlock("image", attrs), context.parents);
};

/** An attachment that was copied in this app; anything that does not fit the schema is a picture like any other. */
const attachedEmbed = (element: Element): NoteBlock | undefined => {
  const source = element.getAttribute("data-attachment");
  if (source === null || source.length > MAX_ATTACHMENT_ATTRIBUTE) return undefined;
  try {
    const { type, attrs } = readBlock({ ...(JSON.parse(source) as Record<string, never>), isEmbed: true });
    if ((type !== "image" && type !== "file") || attachmentOfAttrs(attrs) === undefined) return undefined;
    return embedBlock(type, attrs);
  } catch {
    return undefined;
  }
};
/** A reference, its preview and a caption. */
const MAX_ATTACHMENT_ATTRIBUTE = 10_000;

/** Address of an image, or a small image itself as a data: address (256 KiB in base64). */
const MAX_IMAGE_ADDRESS = 350_000;

/** White space at the end of a block is the page's, not the text's. */
const trimEnd = (spans: NoteSpan[]): void => {
  for (let last = spans.at(-1); last?.type === "text"; last = spans.at(-1)) {
    const value = last.value.replace(/[ \n]+$/, "");
    if (value === last.value) return;
    spans.pop();
    if (value !== "") {
      spans.push({ ...last, value });
      return;
    }
  }
};
