import type { NoteMarks, NoteSpan } from "../repositories/note-schema.ts";
import { linkToMark, markToLink } from "../repositories/note-schema.ts";

/** Maps the address of every link and linked image; `undefined` leaves it as it is. */
export const mapLinks = (spans: readonly NoteSpan[], map: (href: string) => string | undefined): NoteSpan[] => {
  const mapMark = (mark: string): string => {
    const link = markToLink(mark);
    const href = map(link.href);
    return href === undefined ? mark : linkToMark({ ...link, href });
  };
  return spans.map((span): NoteSpan => {
    if (span.type === "text") {
      const link = span.marks?.link;
      if (typeof link !== "string") return span;
      const marks: NoteMarks = { ...span.marks, link: mapMark(link) };
      return { ...span, marks };
    }
    const { attrs } = span.value;
    if (span.value.type !== "image" || typeof attrs["link"] !== "string") return span;
    return { type: "block", value: { ...span.value, attrs: { ...attrs, link: mapMark(attrs["link"]) } } };
  });
};

/** Whether an address points into the folder the note came from. */
export const isRelative = (href: string): boolean =>
  href !== "" && !href.startsWith("#") && !href.startsWith("//") && !/^[a-z][a-z0-9+.-]*:/i.test(href);

/** Path a relative address means, seen from `folder`, without query and fragment; `undefined` when it leaves the root. */
export const resolvePath = (folder: string, href: string): string | undefined => {
  const bare = (/^[^?#]*/.exec(href) ?? [""])[0];
  let decoded = bare;
  try {
    decoded = decodeURIComponent(bare);
  } catch {
    decoded = bare;
  }
  const segments = decoded.startsWith("/") || folder === "" ? [] : folder.split("/");
  for (const segment of decoded.split("/")) {
    if (segment === "" || segment === ".") continue;
    if (segment !== "..") segments.push(segment);
    else if (segments.pop() === undefined) return undefined;
  }
  return segments.join("/");
};

/** Relative address of the file `to` in a file of `fromFolder`. */
export const relativePath = (fromFolder: string, to: string): string => {
  const from = fromFolder === "" ? [] : fromFolder.split("/");
  const target = to.split("/");
  let shared = 0;
  while (shared < from.length && shared < target.length - 1 && from[shared] === target[shared]) shared++;
  const segments = [...from.slice(shared).map(() => ".."), ...target.slice(shared)];
  return segments.map((segment) => (segment === ".." ? segment : encodeURIComponent(segment))).join("/");
};

export const folderOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf("/")));
