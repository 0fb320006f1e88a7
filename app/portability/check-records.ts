import type { FileReader } from "../ports/file.ts";
import type { ChangeInspector } from "../repositories/change-inspector.ts";
import { decodeShape } from "../../protocol/codec/cbor.ts";
import { bytesUpTo, tuple } from "../../protocol/codec/shape.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import { readParts } from "../../protocol/entry/payload.ts";
import { readRecordHeader, recordId, verifyRecordHeader } from "../../protocol/entry/record.ts";
import { bytesEqual, bytesToHex, concatBytes } from "../../protocol/kernel/bytes.ts";

/** What the signed log of a notebook holds. */
export interface CheckedRecords {
  readonly records: number;
  /** Hashes of the changes in records that count, by document id in hex. */
  readonly changes: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Larger than any record. */
const WINDOW_BYTES = 8_388_608;
const ZERO = new Uint8Array(32);
const recordShape = tuple(bytesUpTo(131_072), bytesUpTo(64), bytesUpTo(4_194_304));

/** Length of the CBOR item of a record at `at`: an array of three byte strings. `undefined`: not one, or not all of it is here. */
const recordLength = (bytes: Uint8Array, at: number): number | undefined => {
  if (bytes[at] !== 0x83) return undefined;
  let end = at + 1;
  for (let part = 0; part < 3; part++) {
    const head = bytes[end];
    if (head === undefined || head >> 5 !== 2) return undefined;
    const info = head & 31;
    end++;
    if (info < 24) end += info;
    else if (info > 26) return undefined;
    else {
      let length = 0;
      for (let left = 1 << (info - 24); left > 0; left--) length = length * 256 + (bytes[end++] ?? 0);
      end += length;
    }
  }
  return end <= bytes.length ? end - at : undefined;
};

/**
 * Checks every record of a log: its device's signature, or that a signed one follows it by hash; the payload's hash; its place in the
 * chain. `isVoid` says of which records the changes do not count. `undefined` when one does not hold.
 */
export const checkRecords = async (
  { crypto, inspect }: { readonly crypto: CryptoProvider; readonly inspect: ChangeInspector },
  rid: Uint8Array,
  file: FileReader,
  isVoid: (iid: string) => boolean,
): Promise<CheckedRecords | undefined> => {
  const seqOf = new Map<string, number>();
  /** Records without a signature that nothing has vouched for yet. */
  const open = new Set<string>();
  const changes = new Map<string, Set<string>>();
  let records = 0;

  const check = (encoded: Uint8Array): boolean => {
    const outer = decodeShape(recordShape, encoded);
    if (!outer.ok) return false;
    const [headerBytes, isig, payload] = outer.value;
    const read = readRecordHeader(headerBytes);
    if (!read.ok || !bytesEqual(read.value.header.rid, rid)) return false;
    const { header, payloadHash } = read.value;
    if (!bytesEqual(crypto.hash("SHA256", payload), payloadHash)) return false;
    if (isig.length > 0 && !verifyRecordHeader(crypto, header, headerBytes, isig)) return false;
    const session = bytesToHex(header.sess);
    const prev = bytesToHex(header.prev);
    const before = seqOf.get(`${session} ${prev}`);
    // Two branches of a session are both kept.
    if (header.seq > 0 && before !== header.seq - 1) return false;
    if (header.seq === 0 && !bytesEqual(header.prev, ZERO)) return false;
    const iid = bytesToHex(recordId(crypto, headerBytes));
    seqOf.set(`${session} ${iid}`, header.seq);
    open.delete(prev);
    if (isig.length === 0) open.add(iid);
    records++;
    return isVoid(iid) || note(payload);
  };

  const note = (payload: Uint8Array): boolean => {
    const parts = readParts(payload);
    if (!parts.ok) return false;
    for (const part of parts.value) {
      if (part.type !== "changes") continue;
      const key = bytesToHex(part.doc);
      const hashes = changes.get(key) ?? new Set();
      changes.set(key, hashes);
      for (const bytes of part.changes) {
        const change = inspect(bytes);
        if (!change.ok) return false;
        hashes.add(bytesToHex(change.value.hash));
      }
    }
    return true;
  };

  let rest: Uint8Array = new Uint8Array(0);
  for (let offset = 0; offset < file.bytes;) {
    const piece = await file.read(offset, Math.min(WINDOW_BYTES, file.bytes - offset));
    if (!piece.ok) return undefined;
    offset += piece.value.length;
    const bytes = concatBytes(rest, piece.value);
    let at = 0;
    for (let length = recordLength(bytes, 0); length !== undefined; length = recordLength(bytes, at)) {
      if (!check(bytes.slice(at, at + length))) return undefined;
      at += length;
    }
    rest = bytes.slice(at);
  }
  return rest.length === 0 && open.size === 0 ? { records, changes } : undefined;
};
