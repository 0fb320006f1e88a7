import type { Nodes, Root, RootContent } from "mdast";

/**
 * micromark's time grows faster than its input (a table edits the whole event list), so a long text is parsed section by
 * section. Each section ends before a heading that follows a blank line at the left margin; only an open fence or an
 * open HTML block could swallow such a heading, and both are seen in the parsed section before it.
 */
export const parseInSections = (source: string, parse: (text: string, first: boolean) => Root): Root => {
  if (source.length <= 2 * SECTION_LENGTH) return parse(source, true);
  const definitions = definitionLines(source);
  const children: RootContent[] = [];
  let from = 0;
  let to = sectionEnd(source, SECTION_LENGTH);
  while (from < source.length) {
    const text = source.slice(from, to);
    const tree = parse(`${text}\n\n${definitionsFor(text, definitions)}`, from === 0);
    const own = tree.children.filter((node) => (node.position?.start.offset ?? 0) < text.length);
    if (to < source.length && staysOpen(own.at(-1), text)) {
      to = sectionEnd(source, to + (to - from));
      continue;
    }
    for (const node of own) moveBy(node, from);
    children.push(...own);
    from = to;
    to = sectionEnd(source, from + SECTION_LENGTH);
  }
  return { type: "root", children };
};

/** UTF-16 units; around 32 Ki the time per unit is lowest (measured on READMEs of npm packages). */
const SECTION_LENGTH = 32_768;

const sectionEnd = (source: string, from: number): number => {
  const boundary = /\n[ \t]*\r?\n(?=#{1,6} )/g;
  boundary.lastIndex = from;
  const match = boundary.exec(source);
  return match === null ? source.length : match.index + match[0].length;
};

interface DefinitionLine {
  readonly label: string;
  readonly line: string;
}

const definitionLines = (source: string): DefinitionLine[] =>
  [...source.matchAll(/^ {0,3}(\[[^\]\n]+\]):[^\n]*(?:\n[ \t]+["'(][^\n]*)?/gm)].map((match) => ({
    label: (match[1] as string).toLowerCase(),
    line: match[0].trimStart(),
  }));

/** References resolve across sections, so a section is parsed with the definitions of the whole text that it may use. */
const definitionsFor = (text: string, definitions: readonly DefinitionLine[]): string => {
  const lowerCase = text.toLowerCase();
  return definitions
    .filter(({ label }) => lowerCase.includes(label))
    .map(({ line }) => line)
    .join("\n\n");
};

const staysOpen = (last: RootContent | undefined, text: string): boolean => {
  if (last === undefined) return false;
  if (last.type === "html") return true;
  if (last.type !== "code") return false;
  const source = text.slice(last.position?.start.offset ?? 0, last.position?.end.offset ?? 0);
  return !/\n[ ]{0,3}(?:`{3,}|~{3,})[ \t]*$/.test(source);
};

const moveBy = (node: Nodes, by: number): void => {
  const { position } = node;
  if (position !== undefined) {
    if (position.start.offset !== undefined) position.start.offset += by;
    if (position.end.offset !== undefined) position.end.offset += by;
  }
  if ("children" in node) for (const child of node.children) moveBy(child, by);
};
