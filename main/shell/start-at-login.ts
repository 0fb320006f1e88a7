import { app } from "electron";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

/** Flag under which the app starts without a window. */
export const HIDDEN = "--hidden";

const autostartFile = (): string =>
  path.join(process.env["XDG_CONFIG_HOME"] ?? path.join(os.homedir(), ".config"), "autostart", "p2pcollab.desktop");

/** An argument of an `Exec` key, quoted as the Desktop Entry Specification, "The Exec key", has it. */
const quoted = (argument: string): string =>
  `"${argument
    .replaceAll("\\", "\\\\\\\\")
    .replaceAll(/["`$]/g, String.raw`\\$&`)
    .replaceAll("%", "%%")}"`;

/** How this app was started: an AppImage by its file, an unpackaged app by its folder, with its own data folder if it has one. */
const command = (dataDirectory: string | undefined): readonly string[] => [
  process.env["APPIMAGE"] ?? process.execPath,
  ...(app.isPackaged ? [] : [app.getAppPath()]),
  HIDDEN,
  ...(dataDirectory === undefined ? [] : ["--data-dir", dataDirectory]),
];

export const startsAtLogin = (): boolean =>
  process.platform === "linux" ? existsSync(autostartFile()) : app.getLoginItemSettings().openAtLogin;

/** Starts the app, without a window, whenever this user logs in; or no longer. */
export const setStartAtLogin = (start: boolean, dataDirectory: string | undefined): void => {
  if (process.platform !== "linux") {
    app.setLoginItemSettings({ openAtLogin: start, args: command(dataDirectory).slice(1) });
    return;
  }
  const file = autostartFile();
  if (!start) {
    rmSync(file, { force: true });
    return;
  }
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(
    file,
    [
      "[Desktop Entry]",
      "Type=Application",
      "Name=p2pcollab",
      `Exec=${command(dataDirectory).map(quoted).join(" ")}`,
      "",
    ].join("\n"),
  );
};

/** True when nobody asked for a window: the system started the app at login. */
export const isStartedHidden = (argv: readonly string[]): boolean =>
  argv.includes(HIDDEN) || (process.platform === "darwin" && app.getLoginItemSettings().wasOpenedAtLogin);
