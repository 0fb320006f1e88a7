import { attachmentOfAttrs, attrsOfAttachment } from "../attachments/attachment-ref.ts";
import type { BlobReference } from "../ports/store.ts";
import type { NoteSpan } from "../repositories/note-schema.ts";
import { embedBlock, linkToMark, markToLink } from "../repositories/note-schema.ts";
import { isRelative, relativePath, resolvePath } from "./note-links.ts";

/** Folder beside the notes that an export puts files into. */
const EXPORT_FOLDER = "attachments";

/** Relative addresses of pictures and linked files, as paths seen from the root of the import. */
const addressOf = (folder: string, href: string): string | undefined => {
  if (!isRelative(href)) return undefined;
  return resolvePath(folder, href)?.replace(/^\//, "");
};

/**
 * Replaces pictures by the files they show, and links to files by those files. `attach` answers the reference of a path, or
 * undefined to leave the address as it is.
 */
export const attachFiles = async (
  spans: readonly NoteSpan[],
  folder: string,
  attach: (path: string, kind: "picture" | "file") => Promise<BlobReference | undefined>,
): Promise<NoteSpan[]> => {
  const out: NoteSpan[] = [];
  for (let i = 0; i < spans.length; i++) {
    const span = spans[i] as NoteSpan;
    if (span.type === "block") {
      const src = span.value.isEmbed && span.value.type === "image" ? span.value.attrs["src"] : undefined;
      const path = typeof src === "string" ? addressOf(folder, src) : undefined;
      const reference = path === undefined ? undefined : await attach(path, "picture");
      if (reference === undefined) out.push(span);
      else {
        const { src: _address, ...attrs } = span.value.attrs;
        out.push({ type: "block", value: embedBlock("image", { ...attrs, ...attrsOfAttachment(reference) }) });
      }
      continue;
    }
    const link = span.marks?.link;
    const path = typeof link === "string" ? addressOf(folder, markToLink(link).href) : undefined;
    const reference = path === undefined ? undefined : await attach(path, "file");
    if (reference === undefined) {
      out.push(span);
      continue;
    }
    let label = span.value;
    for (let next = spans[i + 1]; next?.type === "text" && next.marks?.link === link; next = spans[i + 1]) {
      label += next.value;
      i++;
    }
    const alt = label === reference.name ? {} : { alt: label };
    out.push({ type: "block", value: embedBlock("file", { ...attrsOfAttachment(reference), ...alt }) });
  }
  return out;
};

/** The attachments of a note, pictures and files without their previews. */
export const exportedAttachments = (spans: readonly NoteSpan[]): readonly BlobReference[] =>
  spans.flatMap((span) => {
    const reference = span.type === "block" && span.value.isEmbed ? attachmentOfAttrs(span.value.attrs) : undefined;
    return reference === undefined ? [] : [reference];
  });

/** Makes attachments plain Markdown again: `pathOf` answers where a file was written, undefined when it could not be. */
export const linkFiles = (
  spans: readonly NoteSpan[],
  folder: string,
  pathOf: (reference: BlobReference) => string | undefined,
): NoteSpan[] =>
  spans.map((span): NoteSpan => {
    if (span.type !== "block" || !span.value.isEmbed) return span;
    const { type, attrs } = span.value;
    const reference = attachmentOfAttrs(attrs);
    const path = reference === undefined ? undefined : pathOf(reference);
    if (reference === undefined || path === undefined) return span;
    const href = relativePath(folder, path);
    const caption = typeof attrs["alt"] === "string" ? attrs["alt"] : "";
    if (type !== "image")
      return { type: "text", value: caption || reference.name, marks: { link: linkToMark({ href, title: "" }) } };
    const kept = Object.fromEntries(
      Object.entries(attrs).filter(([name]) => name === "alt" || name === "title" || name === "link"),
    );
    return { type: "block", value: embedBlock("image", { ...kept, src: href }) };
  });

/** A path for each file of an export; the same file keeps its path, two of one name get different ones. */
export const createFilePlan = (safeName: (name: string) => string) => {
  const pathByRoot = new Map<string, string>();
  const taken = new Set<string>();
  return {
    pathOf: (reference: BlobReference): { readonly path: string; readonly isNew: boolean } => {
      const root = reference.root.join();
      const known = pathByRoot.get(root);
      if (known !== undefined) return { path: known, isNew: false };
      const ending = /\.[a-z0-9]{1,16}$/i.exec(reference.name)?.[0] ?? "";
      const stem = safeName(reference.name.slice(0, reference.name.length - ending.length));
      for (let attempt = 1; ; attempt++) {
        const path = `${EXPORT_FOLDER}/${attempt === 1 ? stem : `${stem} ${attempt}`}${ending}`;
        const key = path.normalize("NFC").toLowerCase();
        if (taken.has(key)) continue;
        taken.add(key);
        pathByRoot.set(root, path);
        return { path, isNew: true };
      }
    },
  };
};
