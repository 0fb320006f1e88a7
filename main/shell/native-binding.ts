import { app } from "electron";
import { existsSync } from "node:fs";
import path from "node:path";

/** Lets the SQLite adapter find the binding that a package for an older Electron carries beside the app. */
export const announceNativeBinding = (): void => {
  const file = path.join(process.resourcesPath, "better-sqlite3-napi9.node");
  if (app.isPackaged && existsSync(file)) process.env["P2PCOLLAB_SQLITE_BINDING"] = file;
};
