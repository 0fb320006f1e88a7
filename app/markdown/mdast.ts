import type { Definition, Image, ImageReference, Link, LinkReference, Nodes, Parents, Root } from "mdast";
import { fromMarkdown } from "mdast-util-from-markdown";
import { frontmatterFromMarkdown } from "mdast-util-frontmatter";
import { gfmFromMarkdown, gfmToMarkdown } from "mdast-util-gfm";
import type { Options } from "mdast-util-to-markdown";
import { toMarkdown } from "mdast-util-to-markdown";
import { frontmatter } from "micromark-extension-frontmatter";
import { gfm } from "micromark-extension-gfm";
import { parseInSections } from "./sections.ts";

/** Syntax tree of one Markdown text together with what is needed to quote parts of it. */
export interface MarkdownTree {
  readonly root: Root;
  readonly source: string;
  /** Nodes below which a reference was resolved: their source alone no longer says what they mean. */
  readonly rewritten: ReadonlySet<Nodes>;
}

/** One dialect in and out: GitHub's, `-` for bullets and rules, fenced code, ATX headings. */
const OUTPUT: Options = {
  bullet: "-",
  bulletOther: "*",
  rule: "-",
  listItemIndent: "one",
  emphasis: "*",
  fences: true,
  resourceLink: false,
  extensions: [gfmToMarkdown()],
};

export const mdastToMarkdown = (node: Nodes): string => toMarkdown(node, OUTPUT);

const isParent = (node: Nodes): node is Parents => "children" in node;

/** CommonMark 4.7: labels match without regard to case and inner white space. */
const labelKey = (node: { readonly identifier: string }): string =>
  node.identifier.replace(/\s+/g, " ").trim().toLowerCase();

const collectDefinitions = (root: Root): Map<string, Definition> => {
  const definitions = new Map<string, Definition>();
  const pending: Nodes[] = [root];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (node.type === "definition") {
      const known = definitions.get(labelKey(node));
      const first = (candidate: Definition) => candidate.position?.start.offset ?? 0;
      if (known === undefined || first(node) < first(known)) definitions.set(labelKey(node), node);
    } else if (isParent(node)) for (const child of node.children) pending.push(child);
  }
  return definitions;
};

const resolveReference = (node: LinkReference | ImageReference, definition: Definition): Link | Image =>
  node.type === "linkReference"
    ? { type: "link", url: definition.url, title: definition.title ?? null, children: node.children }
    : { type: "image", url: definition.url, title: definition.title ?? null, alt: node.alt ?? null };

/** Replaces references by what they refer to and drops the definitions that became needless. */
const resolveReferences = (root: Root): Set<Nodes> => {
  const rewritten = new Set<Nodes>();
  const definitions = collectDefinitions(root);
  if (definitions.size === 0) return rewritten;
  const used = new Set<Definition>();
  const resolveIn = (parent: Parents): boolean => {
    let changed = false;
    const children = parent.children as Nodes[];
    for (const [index, child] of children.entries()) {
      let node = child;
      if (node.type === "linkReference" || node.type === "imageReference") {
        const definition = definitions.get(labelKey(node));
        if (definition !== undefined) {
          used.add(definition);
          node = resolveReference(node, definition);
          children[index] = node;
          changed = true;
        }
      }
      if (isParent(node) && resolveIn(node)) changed = true;
    }
    if (changed) rewritten.add(parent);
    return changed;
  };
  resolveIn(root);
  const dropUsed = (parent: Parents): void => {
    const children = parent.children as Nodes[];
    const kept = children.filter((child) => !(child.type === "definition" && used.has(child)));
    if (kept.length !== children.length) children.splice(0, children.length, ...kept);
    for (const child of children) if (isParent(child)) dropUsed(child);
  };
  dropUsed(root);
  return rewritten;
};

export const parseMarkdown = (source: string, options: { readonly frontMatter: boolean }): MarkdownTree => {
  const root = parseInSections(source, (text, first) => {
    const withFrontMatter = options.frontMatter && first;
    return fromMarkdown(text, {
      extensions: withFrontMatter ? [gfm(), frontmatter(["yaml"])] : [gfm()],
      mdastExtensions: withFrontMatter ? [gfmFromMarkdown(), frontmatterFromMarkdown(["yaml"])] : [gfmFromMarkdown()],
    });
  });
  return { root, source, rewritten: resolveReferences(root) };
};
