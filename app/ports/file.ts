import type { Result } from "../../protocol/kernel/result.ts";

export type FileError =
  | { readonly type: "FileNotFound" }
  | { readonly type: "Unreadable"; readonly reason: string }
  /** It became shorter while it was read. */
  | { readonly type: "FileChanged" }
  | { readonly type: "CannotWrite"; readonly reason: string }
  | { readonly type: "DiskFull" };

/** A file of the user that is read in pieces. */
export interface FileReader {
  /** Without its folders. */
  readonly name: string;
  readonly bytes: number;
  /** Exactly `length` bytes from `offset`, which must lie within `bytes`. */
  readonly read: (offset: number, length: number) => Promise<Result<Uint8Array, FileError>>;
  readonly close: () => Promise<void>;
}

/** A file of the user that is written in pieces; it appears whole, under its name, or not at all. */
export interface FileWriter {
  readonly write: (bytes: Uint8Array) => Promise<Result<null, FileError>>;
  readonly finish: () => Promise<Result<null, FileError>>;
  readonly abandon: () => Promise<void>;
}

/** Single files the user named. */
export interface Files {
  readonly open: (path: string) => Promise<Result<FileReader, FileError>>;
  /** Replaces what is there when it is finished. */
  readonly create: (path: string) => Promise<Result<FileWriter, FileError>>;
}
