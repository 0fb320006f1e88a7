import type { BrowserWindow } from "electron";
import { app } from "electron";
import path from "node:path";
import { declareAppScheme, serveAppScheme } from "./shell/app-scheme.ts";
import { parseShellArguments } from "./shell/arguments.ts";
import { installMenu } from "./shell/menu.ts";
import { openWindow } from "./shell/window.ts";

const OUT = path.dirname(import.meta.dirname);

const { dataDirectory } = parseShellArguments(process.argv);
if (dataDirectory !== undefined) app.setPath("userData", dataDirectory);
// Chromium fetches component and safe-browsing lists in the background unless told not to.
app.commandLine.appendSwitch("disable-background-networking");
app.commandLine.appendSwitch("disable-component-update");
declareAppScheme();

let window: BrowserWindow | undefined;

const showWindow = (): void => {
  window = openWindow(path.join(OUT, "preload", "preload.cjs"), path.join(app.getPath("userData"), "window.json"));
  window.on("closed", () => {
    window = undefined;
  });
};

const run = async (): Promise<void> => {
  await app.whenReady();
  serveAppScheme(path.join(OUT, "renderer"));
  installMenu();
  showWindow();
};

if (app.requestSingleInstanceLock()) {
  app.on("second-instance", () => {
    if (window?.isMinimized()) window.restore();
    window?.focus();
  });
  app.on("window-all-closed", () => {
    if (process.platform !== "darwin") app.quit();
  });
  app.on("activate", () => {
    if (window === undefined) showWindow();
  });
  void run();
} else {
  process.stderr.write("p2pcollab already runs on this data folder; its window is shown instead.\n");
  app.quit();
}
