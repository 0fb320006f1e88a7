import type { Store } from "../ports/store.ts";
import { decodeUtf8, encodeUtf8 } from "../../protocol/codec/utf8.ts";
import { bytesToHex, concatBytes } from "../../protocol/kernel/bytes.ts";
import type { ChangeInspector } from "./change-inspector.ts";

/**
 * Why what somebody wrote no longer counts: they lost the right to write, or their membership; their device was revoked; their
 * session was written twice; the database was put back to an older copy.
 */
export type LossReason = "demoted" | "removed" | "revoked" | "forked" | "rolledBack";

/** Changes of this identity that were taken out of a document, in an order in which dependencies come first. */
export interface LostChanges {
  /** Row of the document. */
  readonly document: number;
  /** Unix milliseconds. */
  readonly at: number;
  readonly reason: LossReason;
  /** None where the copy here keeps what reached nobody else. */
  readonly changes: readonly Uint8Array[];
}

interface Header {
  readonly at: number;
  readonly reason: LossReason;
  readonly lengths: readonly number[];
}

const HEADER = "lost/";
const BYTES = "lost-bytes/";

const readHeader = (bytes: Uint8Array): Header => JSON.parse(decodeUtf8(bytes) ?? "null") as Header;

export const storedLoss = (store: Pick<Store, "meta">, document: number): LostChanges | undefined => {
  const stored = store.meta.get(HEADER + document);
  if (stored === undefined) return undefined;
  const { at, reason, lengths } = readHeader(stored);
  const bytes = store.meta.get(BYTES + document) ?? new Uint8Array();
  let from = 0;
  const changes = lengths.map((length) => bytes.subarray(from, (from += length)));
  return { document, at, reason, changes };
};

/** Rows of the documents that lost something. */
export const documentsWithLoss = (store: Pick<Store, "meta">): readonly number[] =>
  store.meta.list(HEADER).map(({ key }) => Number(key.slice(HEADER.length)));

/** Keeps lost changes beside those that were lost before. Inside a transaction. */
export const storeLoss = (
  { store, inspect }: { readonly store: Pick<Store, "meta">; readonly inspect: ChangeInspector },
  { document, at, reason, changes }: LostChanges,
): void => {
  const all = new Map<string, Uint8Array>();
  for (const bytes of [...(storedLoss(store, document)?.changes ?? []), ...changes]) {
    const change = inspect(bytes);
    if (change.ok) all.set(bytesToHex(change.value.hash), bytes);
  }
  const kept = [...all.values()];
  const header: Header = { at, reason, lengths: kept.map(({ length }) => length) };
  store.meta.set(HEADER + document, encodeUtf8(JSON.stringify(header)));
  store.meta.set(BYTES + document, concatBytes(...kept));
};

/** Inside a transaction. */
export const dropLoss = (store: Pick<Store, "meta">, document: number): void => {
  store.meta.remove(HEADER + document);
  store.meta.remove(BYTES + document);
};

/** The changes of `before` that the document does not hold any more. */
export const missingChanges = (
  { store, inspect }: { readonly store: Pick<Store, "documents">; readonly inspect: ChangeInspector },
  document: number,
  before: readonly Uint8Array[],
): readonly Uint8Array[] => {
  const hashOf = (bytes: Uint8Array): string => {
    const change = inspect(bytes);
    return change.ok ? bytesToHex(change.value.hash) : "";
  };
  const held = new Set(store.documents.changesAfter(document, 0).changes.map(hashOf));
  return before.filter((bytes) => !held.has(hashOf(bytes)));
};
