import type { Session } from "electron";
import { BrowserWindow, nativeTheme, session } from "electron";
import path from "node:path";
import { isOwnUrl, startUrl } from "./app-scheme.ts";
import { isBlobUrl } from "./blob-scheme.ts";
import { isViewerUrl, openViewer } from "./pdf-viewer.ts";
import { keepWindowState, readWindowState } from "./window-state.ts";

const DEFAULT_SIZE = { width: 1_200, height: 800 } as const;
const SMALLEST = { minWidth: 640, minHeight: 420 } as const;
/** Page background of renderer/src/styles/tokens.css, so that no white flash precedes the first paint. */
const BACKGROUND = { light: "#ffffff", dark: "#191918" } as const;

const INSPECTOR = /^(devtools|data|blob|ws:\/\/localhost:)/;

/** The page may load itself, pictures it made, and the inspector; no permission, no download, no dictionary from the web. */
const hardenSession = (target: Session): void => {
  target.setPermissionRequestHandler((_contents, _permission, answer) => {
    answer(false);
  });
  target.setPermissionCheckHandler(() => false);
  target.setDevicePermissionHandler(() => false);
  target.setSpellCheckerEnabled(false);
  target.on("will-download", (event, item) => {
    // The viewer's own button: the system asks for the place.
    if (!isBlobUrl(item.getURL())) event.preventDefault();
  });
  target.webRequest.onBeforeRequest(({ url }, answer) => {
    const isAllowed = isOwnUrl(url) || isBlobUrl(url) || isViewerUrl(url) || INSPECTOR.test(url);
    answer({ cancel: !isAllowed });
  });
};

const hardenContents = (window: BrowserWindow): void => {
  const { webContents } = window;
  // A PDF of a note is looked at in a window of its own: the page with the notes can load no plug-in.
  webContents.setWindowOpenHandler(({ url, frameName }) => {
    if (isBlobUrl(url)) openViewer(window, url, frameName);
    return { action: "deny" };
  });
  webContents.on("will-navigate", (event) => {
    event.preventDefault();
  });
  webContents.on("will-attach-webview", (event) => {
    event.preventDefault();
  });
};

/** Opens the app's one window on our own page, where it was last time; state is kept in `stateFile`. */
export const openWindow = (preload: string, stateFile: string): BrowserWindow => {
  hardenSession(session.defaultSession);
  const state = readWindowState(stateFile);
  const window = new BrowserWindow({
    ...DEFAULT_SIZE,
    ...state.bounds,
    ...SMALLEST,
    show: false,
    autoHideMenuBar: true,
    backgroundColor: nativeTheme.shouldUseDarkColors ? BACKGROUND.dark : BACKGROUND.light,
    webPreferences: {
      preload: path.resolve(preload),
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      webviewTag: false,
      spellcheck: false,
      navigateOnDragDrop: false,
    },
  });
  hardenContents(window);
  keepWindowState(window, stateFile);
  window.once("ready-to-show", () => {
    if (state.maximized) window.maximize();
    window.show();
  });
  void window.loadURL(startUrl());
  return window;
};
