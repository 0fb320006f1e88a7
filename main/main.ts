import type { BrowserWindow } from "electron";
import { Menu, app, dialog } from "electron";
import path from "node:path";
import { declareSchemes, serveAppScheme } from "./shell/app-scheme.ts";
import { parseShellArguments } from "./shell/arguments.ts";
import { createBackgroundPolicy } from "./shell/background.ts";
import { serveBlobScheme } from "./shell/blob-scheme.ts";
import { createDeepLinks } from "./shell/deep-link.ts";
import { createDeferredContract } from "./shell/deferred-contract.ts";
import { serveContract } from "./shell/ipc-host.ts";
import { installMenu } from "./shell/menu.ts";
import { announceNativeBinding } from "./shell/native-binding.ts";
import { closeViewers } from "./shell/pdf-viewer.ts";
import { keepProfilesLocked } from "./shell/profile-lock.ts";
import { createServing } from "./shell/serving.ts";
import { withShellEvents } from "./shell/shell-events.ts";
import { createShellHandlers } from "./shell/shell-handlers.ts";
import { createShellSettings } from "./shell/shell-settings.ts";
import { isStartedHidden } from "./shell/start-at-login.ts";
import { findTrayHost } from "./shell/tray-host.ts";
import { showTray } from "./shell/tray.ts";
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

const inDataFolder = (name: string): string => path.join(app.getPath("userData"), name);
const settings = createShellSettings(inDataFolder("shell.json"));
let window: BrowserWindow | undefined;
let hasTray = false;
const serving = createServing(new URL("./proxy-process.js", import.meta.url), inDataFolder("proxy"), settings);
let announceLink = (): void => undefined;
// Before the app is ready: macOS hands over the link that started it while it starts.
const links = createDeepLinks(() => announceLink());
const background = createBackgroundPolicy(settings, () => hasTray);

const showWindow = (): void => {
  if (window !== undefined) {
    if (window.isMinimized()) window.restore();
    window.focus();
    return;
  }
  window = openWindow(path.join(OUT, "preload", "preload.cjs"), inDataFolder("window.json"));
  background.watch(window);
  window.on("closed", () => {
    window = undefined;
  });
};

/** The node is loaded while the window's process starts; loaded first, it would delay the window by its size. */
const loadNode = async (takeLink: () => string | null) => {
  const { startDesktopNode } = await import("./shell/desktop-node.ts");
  const shell = createShellHandlers({
    window: () => window,
    settings,
    hasTray: () => hasTray,
    takeLink,
    serving,
    dataDirectory,
  });
  return startDesktopNode(import.meta.dirname, shell, () => app.quit());
};

const run = async (): Promise<void> => {
  await app.whenReady();
  serveAppScheme(path.join(OUT, "renderer"));
  if (!isStartedHidden(process.argv)) showWindow();
  announceLink = () => events.emit({ type: "linkOpened" });
  const node = loadNode(links.take);
  const events = withShellEvents(createDeferredContract(node.then((loaded) => loaded.contract)));
  const { contract } = events;
  serveContract(contract, () => window?.webContents);
  serveBlobScheme(async (identity, notebook, blob) => (await node).readAttachment(identity, notebook, blob));
  keepProfilesLocked(contract, (why) => {
    if (window === undefined) return;
    closeViewers(window);
    if (why === "locked") window.webContents.reload();
  });
  installMenu();
  links.offer(process.argv);
  app.on("second-instance", (_event, argv) => {
    showWindow();
    links.offer(argv);
  });
  void findTrayHost().then((found) => {
    hasTray = found;
    if (found) showTray(contract, showWindow);
  });
  let stopped = false;
  app.on("before-quit", (event) => {
    if (stopped) return;
    event.preventDefault();
    void Promise.allSettled([node.then(({ stop }) => stop()), serving.stop()]).then(() => {
      stopped = true;
      app.quit();
    });
  });
  serving.resume();
  const started = await (await node).started;
  if (!started.ok) {
    dialog.showErrorBox("p2pcollab cannot open this data folder", started.error.message);
    app.exit(1);
  }
};

if (app.requestSingleInstanceLock()) {
  app.on("window-all-closed", () => {
    if (!background.keepsRunning()) app.quit();
  });
  app.on("activate", showWindow);
  void run();
} else {
  process.stderr.write("p2pcollab already runs on this data folder; its window is shown instead.\n");
  app.quit();
}
