/** Where the words of a query stand in a title, ignoring case: [start, end) pairs for `Highlighted`. */
export const titleHighlights = (title: string, query: string): readonly (readonly [number, number])[] => {
  const haystack = title.toLowerCase();
  if (haystack.length !== title.length) return [];
  return query
    .toLowerCase()
    .split(/\s+/u)
    .filter((word) => word !== "")
    .flatMap((word) => {
      const at = haystack.indexOf(word);
      return at === -1 ? [] : [[at, at + word.length] as const];
    });
};
