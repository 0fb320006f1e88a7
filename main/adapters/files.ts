import { randomUUID } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import path from "node:path";
import type { FileError, FileReader, Files, FileWriter } from "../../app/ports/file.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";

const codeOf = (cause: unknown): string =>
  typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string"
    ? cause.code
    : "unknown";

const readFault = (cause: unknown): Result<never, FileError> => {
  const code = codeOf(cause);
  if (code === "ENOENT" || code === "ENOTDIR") return err({ type: "FileNotFound" });
  const reason = code === "EACCES" || code === "EPERM" ? "it may not be read" : `the system says ${code}`;
  return err({ type: "Unreadable", reason });
};

const writeFault = (cause: unknown): Result<never, FileError> => {
  const code = codeOf(cause);
  if (code === "ENOSPC" || code === "EDQUOT") return err({ type: "DiskFull" });
  const reason =
    code === "EACCES" || code === "EPERM" || code === "EROFS"
      ? "the place is protected"
      : code === "ENOENT"
        ? "the folder is gone"
        : `the system says ${code}`;
  return err({ type: "CannotWrite", reason });
};

/** Opens a regular file for reading in pieces. */
export const openFile = async (file: string): Promise<Result<FileReader, FileError>> => {
  try {
    const handle = await open(file, "r");
    const stats = await handle.stat();
    if (!stats.isFile()) {
      await handle.close();
      return err({ type: "Unreadable", reason: "it is not a file" });
    }
    return ok({
      name: path.basename(file),
      bytes: stats.size,
      read: async (offset, length) => {
        const bytes = new Uint8Array(length);
        let filled = 0;
        try {
          while (filled < length) {
            const { bytesRead } = await handle.read(bytes, filled, length - filled, offset + filled);
            if (bytesRead === 0) return err({ type: "FileChanged" });
            filled += bytesRead;
          }
          return ok(bytes);
        } catch (cause) {
          return readFault(cause);
        }
      },
      close: () => handle.close(),
    });
  } catch (cause) {
    return readFault(cause);
  }
};

/** Writes beside the name and renames at the end. */
export const createFile = async (file: string): Promise<Result<FileWriter, FileError>> => {
  const partial = path.join(path.dirname(file), `.${randomUUID()}.partial`);
  try {
    const handle = await open(partial, "wx");
    const abandon = async (): Promise<void> => {
      try {
        await handle.close();
      } finally {
        await rm(partial, { force: true });
      }
    };
    return ok({
      write: async (bytes) => {
        try {
          await handle.writeFile(bytes);
          return ok(null);
        } catch (cause) {
          return writeFault(cause);
        }
      },
      finish: async () => {
        try {
          await handle.datasync();
          await handle.close();
          await rename(partial, file);
          return ok(null);
        } catch (cause) {
          await rm(partial, { force: true });
          return writeFault(cause);
        }
      },
      abandon,
    });
  } catch (cause) {
    return writeFault(cause);
  }
};

export const files: Files = { open: openFile, create: createFile };
