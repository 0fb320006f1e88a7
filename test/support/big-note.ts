import { createSeededRandom } from "./seeded-random.ts";

const WORDS =
  "heron reed tide marsh ferry wind lantern pier salt rope dawn ledger harbour mast gull drift stone oar".split(" ");

/** Markdown of about `bytes` bytes in `blocks` blocks: paragraphs with marks and links, headings, items, tasks, quotes and code. */
export const bigNote = (bytes: number, blocks: number): string => {
  const random = createSeededRandom("big-note");
  const pick = (below: number): number => random.uint32() % below;
  const words = (length: number): string => {
    let out = "";
    while (out.length < length) out += `${WORDS[pick(WORDS.length)] as string} `;
    return out.trimEnd();
  };
  const parts: string[] = [];
  const each = bytes / blocks;
  for (let block = 0; block < blocks; block++) {
    const text = words(each / 2 + pick(each));
    const style = pick(20);
    if (style === 0) parts.push(`## ${text.slice(0, 40)}`);
    else if (style < 5) parts.push(`- ${text}`);
    else if (style < 7) parts.push(`${1 + block}. ${text}`);
    else if (style === 7) parts.push(`- [ ] ${text}`);
    else if (style === 8) parts.push(`> ${text}`);
    else if (style === 9) parts.push("```\n" + text + "\n```");
    else if (style < 13) parts.push(`${text} **${words(10)}** and [${words(8)}](https://example.org/${block})`);
    else parts.push(text);
  }
  return parts.join("\n\n");
};
