import os from "node:os";
import path from "node:path";

/** Folder for what is fetched or built once per machine: the Electron runtime and the SQLite binding. */
export const cacheFolder = () => {
  if (process.env.XDG_CACHE_HOME) return path.join(process.env.XDG_CACHE_HOME, "p2pcollab");
  if (process.platform === "darwin") return path.join(os.homedir(), "Library", "Caches", "p2pcollab");
  if (process.platform === "win32" && process.env.LOCALAPPDATA)
    return path.join(process.env.LOCALAPPDATA, "p2pcollab", "Cache");
  return path.join(os.homedir(), ".cache", "p2pcollab");
};
