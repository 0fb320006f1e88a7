import { openChunk } from "../../protocol/blob/chunk.ts";
import { chunkLength, chunksOfRange } from "../../protocol/blob/manifest.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import type { ContractError } from "../contract/errors.ts";
import { contractError } from "../contract/errors.ts";
import { storeFailure } from "../identities/identity-service.ts";
import type { BlobStore } from "../ports/blob-store.ts";
import type { BlobRow, Store } from "../ports/store.ts";
import { BLOB_STATE } from "../ports/store.ts";
import type { ChunkFetcher } from "./chunk-fetcher.ts";

/** An attachment whose manifest is known: what it is, and its bytes on demand. */
export interface OpenFile {
  readonly size: number;
  readonly mime: string;
  readonly name: string;
  /** Bytes [start, end) in pieces of at most one chunk; ends after the first error. */
  readonly read: (start: number, end: number) => AsyncGenerator<Result<Uint8Array, ContractError>, void>;
}

export interface ReadDependencies {
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly crypto: CryptoProvider;
  readonly fetcher: Pick<ChunkFetcher, "fetchChunk">;
}

/** Opens an attachment for reading; what is missing is fetched while it is read, only the chunks the range needs. */
export const openAttachment = async (
  deps: ReadDependencies,
  blob: BlobRow,
): Promise<Result<OpenFile, ContractError>> => {
  const { store, fetcher } = deps;
  let row: BlobRow | undefined = blob;
  if (row.state === BLOB_STATE.wanted) {
    if (!(await fetcher.fetchChunk(row.n, row.repository, row.root))) return err(contractError("AttachmentMissing"));
    row = store.blobs.byNumber(blob.n);
  }
  if (row === undefined || row.state === BLOB_STATE.wanted) return err(contractError("AttachmentMissing"));
  if (row.state === BLOB_STATE.unreadable) return err(contractError("AttachmentDamaged"));
  const { n, size, mime, name } = row;
  return ok({
    size,
    mime,
    name,
    read: async function* (start, end) {
      for (const { position, from, to } of chunksOfRange(size, start, end)) {
        const chunk = await readChunk(deps, n, position, size);
        yield chunk.ok ? ok(chunk.value.subarray(from, to)) : chunk;
        if (!chunk.ok) return;
      }
    },
  });
};

const readChunk = async (
  { store, blobs, crypto, fetcher }: ReadDependencies,
  blob: number,
  position: number,
  size: number,
): Promise<Result<Uint8Array, ContractError>> => {
  const row = store.blobs.byNumber(blob);
  const chunk = store.blobs.chunk(blob, position);
  if (row === undefined || chunk === undefined) return err(contractError("AttachmentNotFound"));
  for (let attempt = 0; attempt < 2; attempt++) {
    const stored = await blobs.get(row.repository, chunk.id);
    if (!stored.ok)
      return err(contractError("FileUnreadable", `A part of the attachment cannot be read: ${stored.error.message}.`));
    if (stored.value !== undefined) {
      const opened = openChunk(crypto, chunk, stored.value, chunkLength(size, position));
      if (opened.ok) return opened;
      if (opened.error.type === "UnreadableChunk") return err(contractError("AttachmentDamaged"));
      // Not what its name says: the disk lost it. Fetch it again.
      await blobs.remove(row.repository, chunk.id);
    }
    if (chunk.present) {
      const marked = store.transaction(() => {
        for (const n of store.blobs.mark(row.repository, chunk.id, chunk.bytes, false))
          if (store.blobs.byNumber(n)?.state === BLOB_STATE.present) store.blobs.setState(n, BLOB_STATE.fetching);
      });
      if (!marked.ok) return err(storeFailure(marked.error));
    }
    if (attempt === 0 && !(await fetcher.fetchChunk(blob, row.repository, chunk.id)))
      return err(contractError("AttachmentMissing"));
  }
  return err(contractError("AttachmentMissing"));
};
