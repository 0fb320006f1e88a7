import { mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import type { BlobStore, BlobStoreError, StoredChunk } from "../../app/ports/blob-store.ts";
import { bytesToHex, hexToBytes } from "../../protocol/kernel/bytes.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";

const ID_DIGITS = 64;
/** 256 folders keep each at some thousand files for tens of gigabytes. */
const FAN_OUT_DIGITS = 2;

const codeOf = (cause: unknown): string =>
  typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string"
    ? cause.code
    : "unknown";

const writeFault = (cause: unknown): Result<never, BlobStoreError> => {
  const code = codeOf(cause);
  return err({
    type: code === "ENOSPC" || code === "EDQUOT" ? "DiskFull" : "CannotWrite",
    message: `the system says ${code}`,
  });
};

/** Chunks as files `<repository>/<aa>/<id>` below `folder`, written beside their name, synced and renamed. */
export const createBlobFolder = (folder: string): BlobStore => {
  /** Folders with names that are not yet on the disk for sure. */
  const unsynced = new Set<string>();
  let temporary = 0;

  const placeOf = (repository: number, id: Uint8Array): { readonly parent: string; readonly file: string } => {
    const name = bytesToHex(id);
    const parent = path.join(folder, String(repository), name.slice(0, FAN_OUT_DIGITS));
    return { parent, file: path.join(parent, name) };
  };

  return {
    put: async (repository, id, ciphertext) => {
      const { parent, file } = placeOf(repository, id);
      if ((await modified(file)) !== undefined) return ok(null);
      const partial = `${file}.${process.pid}-${temporary++}.partial`;
      try {
        await mkdir(parent, { recursive: true, mode: 0o700 });
        const handle = await open(partial, "wx", 0o600);
        try {
          await handle.writeFile(ciphertext);
          await handle.datasync();
        } finally {
          await handle.close();
        }
        await rename(partial, file);
        unsynced.add(parent);
        return ok(null);
      } catch (cause) {
        await rm(partial, { force: true });
        return writeFault(cause);
      }
    },
    get: async (repository, id) => {
      try {
        const bytes = await readFile(placeOf(repository, id).file);
        return ok(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length));
      } catch (cause) {
        const code = codeOf(cause);
        return code === "ENOENT" ? ok(undefined) : err({ type: "Unreadable", message: `the system says ${code}` });
      }
    },
    flush: async () => {
      // Windows cannot open folders and does not need to.
      if (process.platform === "win32") return ok(null);
      for (const parent of unsynced) {
        try {
          const handle = await open(parent, "r");
          try {
            await handle.sync();
          } finally {
            await handle.close();
          }
          unsynced.delete(parent);
        } catch (cause) {
          return writeFault(cause);
        }
      }
      return ok(null);
    },
    remove: async (repository, id) => {
      await rm(placeOf(repository, id).file, { force: true });
    },
    list: async function* () {
      for (const repository of await names(folder)) {
        if (!/^\d+$/.test(repository)) continue;
        for (const parent of await names(path.join(folder, repository))) {
          const chunks: StoredChunk[] = [];
          for (const name of await names(path.join(folder, repository, parent))) {
            const id = hexToBytes(name.slice(0, ID_DIGITS));
            if (id === undefined || id.length !== ID_DIGITS / 2) continue;
            const file = path.join(folder, repository, parent, name);
            const modifiedAt = await modified(file);
            if (modifiedAt === undefined) continue;
            if (name.length === ID_DIGITS) chunks.push({ repository: Number(repository), id, modifiedAt });
            // Left by a crash, unless it is being written right now.
            else if (Date.now() - modifiedAt > PARTIAL_AGE_MS) await rm(file, { force: true });
          }
          yield chunks;
        }
      }
    },
  };
};

/** Writing 256 KiB never takes this long. */
const PARTIAL_AGE_MS = 3_600_000;

/** Unix milliseconds; undefined for a file that is not there. */
const modified = async (file: string): Promise<number | undefined> => {
  try {
    return (await stat(file)).mtimeMs;
  } catch {
    return undefined;
  }
};

const names = async (folder: string): Promise<readonly string[]> => {
  try {
    return await readdir(folder);
  } catch {
    return [];
  }
};
