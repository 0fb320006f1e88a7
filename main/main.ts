import type { BrowserWindow } from "electron";
import { app, dialog } from "electron";
import path from "node:path";
import { declareAppScheme, serveAppScheme } from "./shell/app-scheme.ts";
import { parseShellArguments } from "./shell/arguments.ts";
import { startDesktopNode } from "./shell/desktop-node.ts";
import { serveContract } from "./shell/ipc-host.ts";
import { installMenu } from "./shell/menu.ts";
import { announceNativeBinding } from "./shell/native-binding.ts";
import { keepProfileLocked } from "./shell/profile-lock.ts";
import { createShellHandlers } from "./shell/shell-handlers.ts";
import { openWindow } from "./shell/window.ts";

const OUT = path.dirname(import.meta.dirname);

const { dataDirectory } = parseShellArguments(process.argv);
if (dataDirectory !== undefined) app.setPath("userData", dataDirectory);
// Chromium fetches component and safe-browsing lists in the background unless told not to.
app.commandLine.appendSwitch("disable-background-networking");
app.commandLine.appendSwitch("disable-component-update");
declareAppScheme();
announceNativeBinding();

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
  const node = startDesktopNode(
    createShellHandlers(() => window),
    () => app.quit(),
  );
  serveContract(node.contract, () => window?.webContents);
  keepProfileLocked(node.contract, () => window?.webContents.reload());
  showWindow();
  let stopped = false;
  app.on("before-quit", (event) => {
    if (stopped) return;
    event.preventDefault();
    void node.stop().finally(() => {
      stopped = true;
      app.quit();
    });
  });
  const started = await node.started;
  if (!started.ok) {
    dialog.showErrorBox("p2pcollab cannot open this data folder", started.error.message);
    app.exit(1);
  }
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
