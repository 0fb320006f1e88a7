import type { Result } from "../../protocol/kernel/result.ts";
import type { FileReader, FileWriter } from "./file.ts";

/** A file below the folder that is read. */
export interface FolderFile {
  /** Relative, separated by `/`, without `.` or `..`. */
  readonly path: string;
  readonly bytes: number;
  /** Unix milliseconds. */
  readonly modifiedAt: number;
  readonly createdAt: number;
}

export type FolderError =
  | { readonly type: "FolderNotFound" }
  /** The file is gone or may not be read. */
  | { readonly type: "Unreadable"; readonly reason: string }
  | { readonly type: "TooLarge"; readonly bytes: number }
  | { readonly type: "TooManyFiles"; readonly limit: number }
  | { readonly type: "FolderNotEmpty" }
  | { readonly type: "CannotWrite"; readonly reason: string }
  | { readonly type: "DiskFull" };

/**
 * A folder of the user that is read.
 * P-FOLDER-1: neither listing nor reading nor opening leaves the folder, also not by symbolic link.
 * P-FOLDER-2: hidden entries and `node_modules` are not listed.
 * P-FOLDER-3: `read` gives at most `maxBytes` bytes, else `TooLarge`.
 * P-FOLDER-4: files come in ascending order of their paths (UTF-16 units), the same on every system.
 */
export interface FolderReader {
  readonly list: () => Promise<Result<readonly FolderFile[], FolderError>>;
  readonly read: (path: string, maxBytes: number) => Promise<Result<Uint8Array, FolderError>>;
  /** Opens a file to be read in pieces. */
  readonly open: (path: string) => Promise<Result<FileReader, FolderError>>;
}

/**
 * A folder of the user that is written.
 * P-FOLDER-5: `open` makes the folder and refuses one that already holds anything.
 * P-FOLDER-6: `write` and `create` make missing folders, never leave the folder, and a file is either whole or absent.
 */
export interface FolderWriter {
  readonly open: () => Promise<Result<void, FolderError>>;
  readonly write: (path: string, bytes: Uint8Array) => Promise<Result<void, FolderError>>;
  /** As `write`, in pieces. */
  readonly create: (path: string) => Promise<Result<FileWriter, FolderError>>;
}
