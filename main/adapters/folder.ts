import { randomUUID } from "node:crypto";
import type { Stats } from "node:fs";
import { lstat, mkdir, open, readdir, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";
import type { FileError } from "../../app/ports/file.ts";
import type { FolderError, FolderFile, FolderReader, FolderWriter } from "../../app/ports/folder.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import { createFile, openFile } from "./files.ts";

/** More files than any notebook folder; a listing of this size stays below 100 MB. */
const MAX_FILES = 200_000;
/** Deeper folders are loops or accidents. */
const MAX_DEPTH = 64;

const errorCode = (cause: unknown): string =>
  typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string"
    ? cause.code
    : "unknown";

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "it is gone",
  EACCES: "it may not be read",
  EPERM: "it may not be read",
  EISDIR: "it is a folder",
  ELOOP: "its links run in a circle",
};

const unreadable = (cause: unknown): FolderError => {
  const code = errorCode(cause);
  return { type: "Unreadable", reason: REASONS[code] ?? `the system says ${code}` };
};

const isInside = (root: string, path: string): boolean =>
  path === root || path.startsWith(root.endsWith(sep) ? root : root + sep);

const isSkipped = (name: string): boolean => name.startsWith(".") || name === "node_modules";

/** Birth time is 0 or later than the last change on file systems that do not keep it. */
const creationTime = (stats: Stats): number =>
  Math.trunc(stats.birthtimeMs > 0 ? Math.min(stats.birthtimeMs, stats.mtimeMs) : stats.mtimeMs);

export const createFolderReader = (path: string): FolderReader => {
  const openRoot = async (): Promise<string | undefined> => {
    try {
      return await realpath(path);
    } catch {
      return undefined;
    }
  };

  return {
    list: async () => {
      const root = await openRoot();
      if (root === undefined) return err({ type: "FolderNotFound" });
      const files: FolderFile[] = [];
      const pending: { readonly path: string; readonly depth: number }[] = [{ path: "", depth: 0 }];
      for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
        const { path: parent, depth } = folder;
        let entries;
        try {
          entries = await readdir(join(root, parent), { withFileTypes: true });
        } catch (cause) {
          if (parent === "")
            return errorCode(cause) === "ENOTDIR" ? err({ type: "FolderNotFound" }) : err(unreadable(cause));
          continue;
        }
        for (const entry of entries) {
          if (isSkipped(entry.name)) continue;
          const child = parent === "" ? entry.name : `${parent}/${entry.name}`;
          const stats = entry.isSymbolicLink() ? await statInside(root, child) : await statPlain(join(root, child));
          if (stats === undefined) continue;
          if (stats.isDirectory()) {
            // A linked folder inside the root is listed under its own name already.
            if (!entry.isSymbolicLink() && depth < MAX_DEPTH) pending.push({ path: child, depth: depth + 1 });
          } else if (stats.isFile()) {
            files.push({
              path: child,
              bytes: stats.size,
              modifiedAt: Math.trunc(stats.mtimeMs),
              createdAt: creationTime(stats),
            });
            if (files.length > MAX_FILES) return err({ type: "TooManyFiles", limit: MAX_FILES });
          }
        }
      }
      return ok(files.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0)));
    },

    read: async (relative, maxBytes) => {
      const root = await openRoot();
      if (root === undefined) return err({ type: "FolderNotFound" });
      try {
        const target = await realpath(join(root, relative));
        if (!isInside(root, target)) return err({ type: "Unreadable", reason: "it lies outside the folder" });
        return await readBounded(target, maxBytes);
      } catch (cause) {
        return err(unreadable(cause));
      }
    },

    open: async (relative) => {
      const root = await openRoot();
      if (root === undefined) return err({ type: "FolderNotFound" });
      try {
        const target = await realpath(join(root, relative));
        if (!isInside(root, target)) return err({ type: "Unreadable", reason: "it lies outside the folder" });
        const opened = await openFile(target);
        return opened.ok ? opened : err({ type: "Unreadable", reason: reasonOf(opened.error) });
      } catch (cause) {
        return err(unreadable(cause));
      }
    },
  };
};

const statPlain = async (path: string): Promise<Stats | undefined> => {
  try {
    return await lstat(path);
  } catch {
    return undefined;
  }
};

const statInside = async (root: string, child: string): Promise<Stats | undefined> => {
  try {
    const target = await realpath(join(root, child));
    return isInside(root, target) ? await stat(target) : undefined;
  } catch {
    return undefined;
  }
};

const readBounded = async (path: string, maxBytes: number): Promise<Result<Uint8Array, FolderError>> => {
  const file = await open(path, "r");
  try {
    const stats = await file.stat();
    if (!stats.isFile()) return err({ type: "Unreadable", reason: "it is not a file" });
    if (stats.size > maxBytes) return err({ type: "TooLarge", bytes: stats.size });
    const bytes = new Uint8Array(stats.size);
    let length = 0;
    while (length < bytes.length) {
      const { bytesRead } = await file.read(bytes, length, bytes.length - length, length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return ok(bytes.subarray(0, length));
  } finally {
    await file.close();
  }
};

const writeError = (cause: unknown): FolderError => {
  const code = errorCode(cause);
  if (code === "ENOSPC" || code === "EDQUOT") return { type: "DiskFull" };
  return {
    type: "CannotWrite",
    reason: code === "EACCES" || code === "EPERM" || code === "EROFS" ? "it is protected" : code,
  };
};

const reasonOf = (error: FileError): string => ("reason" in error ? error.reason : "it is gone");

const fileWriteError = (error: FileError): FolderError =>
  error.type === "DiskFull" ? { type: "DiskFull" } : { type: "CannotWrite", reason: reasonOf(error) };

export const createFolderWriter = (path: string): FolderWriter => {
  const root = resolve(path);
  return {
    open: async () => {
      try {
        await mkdir(root, { recursive: true });
        return (await readdir(root)).length > 0 ? err({ type: "FolderNotEmpty" }) : ok(undefined);
      } catch (cause) {
        return err(writeError(cause));
      }
    },
    write: async (relative, bytes) => {
      const target = resolve(root, relative);
      if (!isInside(root, target) || target === root)
        return err({ type: "CannotWrite", reason: "it lies outside the folder" });
      const partial = join(dirname(target), `.${randomUUID()}.partial`);
      try {
        await mkdir(dirname(target), { recursive: true });
        await writeFile(partial, bytes, { flag: "wx" });
        await rename(partial, target);
        return ok(undefined);
      } catch (cause) {
        await rm(partial, { force: true });
        return err(writeError(cause));
      }
    },
    create: async (relative) => {
      const target = resolve(root, relative);
      if (!isInside(root, target) || target === root)
        return err({ type: "CannotWrite", reason: "it lies outside the folder" });
      try {
        await mkdir(dirname(target), { recursive: true });
      } catch (cause) {
        return err(writeError(cause));
      }
      const created = await createFile(target);
      return created.ok ? created : err(fileWriteError(created.error));
    },
  };
};
