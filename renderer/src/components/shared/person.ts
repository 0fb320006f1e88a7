/** As many as `--person-N` tokens. */
const HUES = 8;

/** One of the people's colours, the same for a name or an id on every device (FNV-1a, 32 bit). */
export const personColour = (key: string): string => {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index += 1) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  return `var(--person-${(hash >>> 0) % HUES})`;
};

const segmenter = new Intl.Segmenter();
const firstLetter = (word: string): string => segmenter.segment(word)[Symbol.iterator]().next().value?.segment ?? "";

/** Up to two initials of a name, "?" for none. */
export const initialsOf = (name: string): string => {
  const words = name.split(/\s+/u).filter((word) => word !== "");
  const first = firstLetter(words[0] ?? "");
  const last = words.length > 1 ? firstLetter(words.at(-1) ?? "") : "";
  return `${first}${last}`.toLocaleUpperCase() || "?";
};
