import type { Result } from "../../protocol/kernel/result.ts";

export interface BlobStoreError {
  readonly type: "DiskFull" | "CannotWrite" | "Unreadable";
  readonly message: string;
}

/** One stored chunk, as found on the disk. Times are Unix milliseconds. */
export interface StoredChunk {
  readonly repository: number;
  readonly id: Uint8Array;
  readonly modifiedAt: number;
}

/**
 * Ciphertext chunks of attachments, by repository row and chunk id.
 * P-BLOB-1 A chunk is whole or absent, also after a crash. P-BLOB-2 `put` of a stored chunk changes nothing.
 * P-BLOB-3 After `flush` what was put before survives a power cut. P-BLOB-4 `remove` of an absent chunk is fine.
 */
export interface BlobStore {
  readonly put: (repository: number, id: Uint8Array, ciphertext: Uint8Array) => Promise<Result<null, BlobStoreError>>;
  readonly get: (repository: number, id: Uint8Array) => Promise<Result<Uint8Array | undefined, BlobStoreError>>;
  readonly flush: () => Promise<Result<null, BlobStoreError>>;
  readonly remove: (repository: number, id: Uint8Array) => Promise<void>;
  /** Every stored chunk, page by page. */
  readonly list: () => AsyncIterable<readonly StoredChunk[]>;
}
