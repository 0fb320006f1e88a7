import { type CborValue, decodeShape, encodeCbor } from "../codec/cbor.ts";
import { array, bytes, bytesUpTo, literal, mapped, tagged, tuple, uint } from "../codec/shape.ts";
import { exhaustive } from "../kernel/assert.ts";
import { bytesEqual } from "../kernel/bytes.ts";
import { type DecodeError, decodeError, ok, type Result } from "../kernel/result.ts";
import { MAX_CHANGES, MAX_SPANS, type RecordHeader } from "./record.ts";

/** A chunked file a document refers to: root chunk id, its key and the plaintext size in bytes. */
export interface AttachmentRef {
  readonly root: Uint8Array;
  readonly key: Uint8Array;
  readonly size: number;
}

/** One part of an entry's payload. */
export type Part =
  | { readonly type: "changes"; readonly doc: Uint8Array; readonly changes: readonly Uint8Array[] }
  | { readonly type: "aclOp"; readonly header: Uint8Array; readonly sig: Uint8Array }
  | { readonly type: "receipt"; readonly integrated: readonly (readonly [sess: Uint8Array, seq: number])[] }
  | {
      readonly type: "attachments";
      readonly doc: Uint8Array;
      readonly added: readonly AttachmentRef[];
      readonly removed: readonly Uint8Array[];
    }
  | { readonly type: "mergedTopic"; readonly eids: readonly Uint8Array[]; readonly topicPk: Uint8Array }
  | { readonly type: "missingEpoch"; readonly eid: Uint8Array };

export const encodeParts = (parts: readonly Part[]): Uint8Array => encodeCbor(parts.map(partValue));

/** Parts 0 to 5; the reserved bundle part 6 and unknown ones refuse the whole payload. */
export const readParts = (payload: Uint8Array): Result<readonly Part[], DecodeError> =>
  decodeShape(partsShape, payload);

/** The header's spans and the payload's change parts must name the same documents in the same order with the same counts. */
export const checkSpans = (
  header: Pick<RecordHeader, "parts">,
  parts: readonly Part[],
): Result<undefined, DecodeError> => {
  const changes = parts.filter((part) => part.type === "changes");
  if (changes.length !== header.parts.length) return decodeError("spans and change parts differ in number");
  const seen = new Set<string>();
  for (const [i, span] of header.parts.entries()) {
    const part = changes[i];
    if (part === undefined || !bytesEqual(part.doc, span.doc) || part.changes.length !== span.n) {
      return decodeError("a span does not describe its change part");
    }
    if (span.n === 0) return decodeError("a span without changes");
    if (span.aseqFrom === 0) return decodeError("change sequence numbers start at 1");
    const key = span.doc.join();
    if (seen.has(key)) return decodeError("a document has two spans");
    seen.add(key);
  }
  return ok(undefined);
};

const partValue = (part: Part): CborValue => {
  switch (part.type) {
    case "changes":
      return [0, part.doc, part.changes];
    case "aclOp":
      return [1, part.header, part.sig];
    case "receipt":
      return [2, part.integrated];
    case "attachments":
      return [3, part.doc, part.added.map(({ root, key, size }) => [root, key, size]), part.removed];
    case "mergedTopic":
      return [4, part.eids, part.topicPk];
    case "missingEpoch":
      return [5, part.eid];
    default:
      return exhaustive(part);
  }
};

/** An AOp with 256 seals and the identity logs of 64 members stays below this. */
const LARGEST_ACL_HEADER = 128 * 1024;
const LARGEST_CHANGE = 256 * 1024;
/** Sessions one receipt may list; more go into the next receipt. */
const MAX_RECEIPT = 4096;
const MAX_ATTACHMENTS = 1024;
const MAX_EPOCH_HEADS = 8;
const MAX_PARTS = MAX_SPANS + 64;

const attachmentShape = mapped(tuple(bytes(32), bytes(32), uint()), ([root, key, size]): AttachmentRef => ({
  root,
  key,
  size,
}));

const partsShape = array(
  tagged<Part>({
    0: mapped(tuple(literal(0), bytes(16), array(bytesUpTo(LARGEST_CHANGE), MAX_CHANGES, 1)), ([, doc, changes]) => ({
      type: "changes",
      doc,
      changes,
    })),
    1: mapped(tuple(literal(1), bytesUpTo(LARGEST_ACL_HEADER), bytes(64)), ([, header, sig]) => ({
      type: "aclOp",
      header,
      sig,
    })),
    2: mapped(tuple(literal(2), array(tuple(bytes(16), uint()), MAX_RECEIPT)), ([, integrated]) => ({
      type: "receipt",
      integrated,
    })),
    3: mapped(
      tuple(literal(3), bytes(16), array(attachmentShape, MAX_ATTACHMENTS), array(bytes(32), MAX_ATTACHMENTS)),
      ([, doc, added, removed]) => ({ type: "attachments", doc, added, removed }),
    ),
    4: mapped(tuple(literal(4), array(bytes(16), MAX_EPOCH_HEADS, 1), bytes(32)), ([, eids, topicPk]) => ({
      type: "mergedTopic",
      eids,
      topicPk,
    })),
    5: mapped(tuple(literal(5), bytes(16)), ([, eid]) => ({ type: "missingEpoch", eid })),
  }),
  MAX_PARTS,
);
