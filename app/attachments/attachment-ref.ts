import { isFileName, isMediaType, MAX_FILE_BYTES } from "../../protocol/blob/file-facts.ts";
import { bytesToHex, hexToBytes } from "../../protocol/kernel/bytes.ts";
import type { BlobReference } from "../ports/store.ts";
import type { BlockAttrs, NoteSpan } from "../repositories/note-schema.ts";

/** Scheme of an attachment's address in Markdown: `p2pc:blob/<id>/<key>/<size>/<type>/<name>`, everything a document stores. */
export const BLOB_LINK = "p2pc:blob/";

const HASH = /^[0-9a-f]{64}$/;
/** References one document may hold; a note of more is data, and hostile ones end here. */
const MAX_REFERENCES = 1_024;

const referenceOf = (
  blob: unknown,
  key: unknown,
  size: unknown,
  mime: unknown,
  name: unknown,
): BlobReference | undefined => {
  if (typeof blob !== "string" || typeof key !== "string" || !HASH.test(blob) || !HASH.test(key)) return undefined;
  if (!Number.isSafeInteger(size) || (size as number) < 0 || (size as number) > MAX_FILE_BYTES) return undefined;
  if (typeof mime !== "string" || !isMediaType(mime) || typeof name !== "string" || !isFileName(name)) return undefined;
  return {
    root: hexToBytes(blob) as Uint8Array,
    key: hexToBytes(key) as Uint8Array,
    size: size as number,
    mime,
    name,
  };
};

/** The attachment an embed stands for, `undefined` for any other embed or one that does not fit the schema. */
export const attachmentOfAttrs = (attrs: BlockAttrs): BlobReference | undefined =>
  referenceOf(attrs["blob"], attrs["key"], attrs["size"], attrs["mime"], attrs["name"]);

/** The preview an image embed carries along. */
export const thumbnailOfAttrs = (attrs: BlockAttrs): BlobReference | undefined =>
  referenceOf(attrs["thumb"], attrs["thumbKey"], attrs["thumbSize"], "image/webp", "preview.webp");

export const attrsOfAttachment = ({ root, key, size, mime, name }: BlobReference) => ({
  blob: bytesToHex(root),
  key: bytesToHex(key),
  size,
  mime,
  name,
});

/** Everything a document refers to, previews too; each once, at most 1 024. */
export const attachmentsOfSpans = (spans: readonly NoteSpan[]): readonly BlobReference[] => {
  const found = new Map<string, BlobReference>();
  for (const span of spans) {
    if (span.type !== "block" || !span.value.isEmbed) continue;
    for (const reference of [attachmentOfAttrs(span.value.attrs), thumbnailOfAttrs(span.value.attrs)])
      if (reference !== undefined && found.size < MAX_REFERENCES) found.set(bytesToHex(reference.root), reference);
  }
  return [...found.values()];
};

export const addressOfAttrs = (attrs: BlockAttrs): string | undefined => {
  const reference = attachmentOfAttrs(attrs);
  if (reference === undefined) return undefined;
  const { root, key, size, mime, name } = reference;
  const parts = [bytesToHex(root), bytesToHex(key), String(size), mime, name].map(encodeURIComponent);
  return BLOB_LINK + parts.join("/").replace(/[()]/g, (char) => `%${char.charCodeAt(0).toString(16)}`);
};

/** Attributes that an address stands for; total. */
export const attrsOfAddress = (address: string): ReturnType<typeof attrsOfAttachment> | undefined => {
  if (!address.startsWith(BLOB_LINK)) return undefined;
  const parts = address.slice(BLOB_LINK.length).split("/").map(decode);
  const [blob, key, size, mime, name] = parts;
  const reference = parts.length === 5 ? referenceOf(blob, key, Number(size), mime, name) : undefined;
  return reference === undefined ? undefined : attrsOfAttachment(reference);
};

const decode = (part: string): string | undefined => {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
};
