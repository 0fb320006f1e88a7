import type { ContractError } from "../contract/errors.ts";
import type { BlobReference } from "../ports/store.ts";
import type { BlockAttrs, NoteSpan } from "../repositories/note-schema.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { ok } from "../../protocol/kernel/result.ts";
import { attachmentOfAttrs, attrsOfAttachment, thumbnailOfAttrs } from "./attachment-ref.ts";

/** Rich text whose files, previews too, are replaced by what `carry` answers for each; ends with its first error. */
export const carrySpans = async (
  spans: readonly NoteSpan[],
  carry: (reference: BlobReference) => Promise<Result<BlobReference, ContractError>>,
): Promise<Result<readonly NoteSpan[], ContractError>> => {
  const known = new Map<string, BlobReference>();
  const take = async (reference: BlobReference): Promise<Result<BlobReference, ContractError>> => {
    const root = bytesToHex(reference.root);
    const before = known.get(root);
    if (before !== undefined) return ok(before);
    const carried = await carry(reference);
    if (carried.ok) known.set(root, carried.value);
    return carried;
  };
  const out: NoteSpan[] = [];
  for (const span of spans) {
    const file = span.type === "block" && span.value.isEmbed ? attachmentOfAttrs(span.value.attrs) : undefined;
    if (span.type !== "block" || file === undefined) {
      out.push(span);
      continue;
    }
    const carried = await take(file);
    if (!carried.ok) return carried;
    let attrs: BlockAttrs = {
      ...span.value.attrs,
      ...attrsOfAttachment({ ...carried.value, mime: file.mime, name: file.name }),
    };
    const preview = thumbnailOfAttrs(attrs);
    if (preview !== undefined) {
      const again = await take(preview);
      if (!again.ok) return again;
      const { root, key, size } = again.value;
      attrs = { ...attrs, thumb: bytesToHex(root), thumbKey: bytesToHex(key), thumbSize: size };
    }
    out.push({ type: "block", value: { ...span.value, attrs } });
  }
  return ok(out);
};
