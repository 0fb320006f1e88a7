import { execFileSync } from "node:child_process";
import path from "node:path";

export const ROOT = path.dirname(path.dirname(import.meta.dirname));

export interface ElectronRuntime {
  readonly executable: string;
  readonly dist: string;
  readonly version: string;
  /** SQLite binding this runtime needs instead of the packaged one. */
  readonly binding: string | null;
}

let found: ElectronRuntime | undefined;

/** The Electron that `npm start` would use, with the app built; fetched and built on first use. */
export const electronRuntime = (): ElectronRuntime => {
  found ??= JSON.parse(
    execFileSync(process.execPath, [path.join(ROOT, "tools", "electron-path.mjs")], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    }),
  ) as ElectronRuntime;
  return found;
};
