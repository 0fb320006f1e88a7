import type { Result } from "../../protocol/kernel/result.ts";

/** The object store cannot be reached or refuses; `message` is for the operator. */
export interface ChunkStoreFault {
  readonly type: "ChunkStoreFailed";
  readonly message: string;
}

/** Sealed chunks under their SHA-256, outside the database. Putting the same chunk again changes nothing. */
export interface ChunkStore {
  readonly put: (id: Uint8Array, bytes: Uint8Array) => Promise<Result<null, ChunkStoreFault>>;
  /** `null`: there is no such chunk. */
  readonly get: (id: Uint8Array) => Promise<Result<Uint8Array | null, ChunkStoreFault>>;
  /** Also when there is none. */
  readonly remove: (id: Uint8Array) => Promise<Result<null, ChunkStoreFault>>;
}
