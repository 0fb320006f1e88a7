import type { BrowserWindow } from "electron";
import { Menu, app, dialog } from "electron";
import path from "node:path";
import { declareSchemes, serveAppScheme } from "./shell/app-scheme.ts";
import { parseShellArguments } from "./shell/arguments.ts";
import { serveBlobScheme } from "./shell/blob-scheme.ts";
import { createDeferredContract } from "./shell/deferred-contract.ts";
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
declareSchemes();
announceNativeBinding();
// Electron builds a menu of its own before the app is ready unless there is one or none; ours comes after the window.
Menu.setApplicationMenu(null);

let window: BrowserWindow | undefined;

const showWindow = (): void => {
  window = openWindow(path.join(OUT, "preload", "preload.cjs"), path.join(app.getPath("userData"), "window.json"));
  window.on("closed", () => {
    window = undefined;
  });
};

/** The node is loaded while the window's process starts; loaded first, it would delay the window by its size. */
const loadNode = async () => {
  const { startDesktopNode } = await import("./shell/desktop-node.ts");
  return startDesktopNode(
    import.meta.dirname,
    createShellHandlers(() => window),
    () => app.quit(),
  );
};

const run = async (): Promise<void> => {
  await app.whenReady();
  serveAppScheme(path.join(OUT, "renderer"));
  showWindow();
  const node = loadNode();
  const contract = createDeferredContract(node.then((loaded) => loaded.contract));
  serveContract(contract, () => window?.webContents);
  serveBlobScheme(async (notebook, blob) => (await node).readAttachment(notebook, blob));
  keepProfileLocked(contract, () => window?.webContents.reload());
  installMenu();
  let stopped = false;
  app.on("before-quit", (event) => {
    if (stopped) return;
    event.preventDefault();
    void node
      .then(({ stop }) => stop())
      .finally(() => {
        stopped = true;
        app.quit();
      });
  });
  const started = await (await node).started;
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
