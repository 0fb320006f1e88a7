import { BrowserWindow } from "electron";

/** Chromium's PDF viewer is an extension inside the browser, with this id in every version. */
const VIEWER = "chrome-extension://mhjfbmdgcfjbbpaeojofohoefgiehjai/";
const SIZE = { width: 900, height: 1_000 } as const;

/** True for what the viewer itself is made of; all of it comes with Electron. */
export const isViewerUrl = (url: string): boolean => url.startsWith(VIEWER) || url.startsWith("chrome://resources/");

/** Closes what `openViewer` opened for this window: the pages of a PDF stay in a viewer's memory as long as it is there. */
export const closeViewers = (parent: BrowserWindow): void => {
  for (const viewer of parent.getChildWindows()) viewer.destroy();
};

/**
 * Shows a PDF of a note in a window that closes with its parent. It has no preload script, so nothing in it can reach the
 * node, and it goes nowhere: links of the file open nothing.
 */
export const openViewer = (parent: BrowserWindow, url: string, title: string): void => {
  const window = new BrowserWindow({
    ...SIZE,
    parent,
    title,
    autoHideMenuBar: true,
    webPreferences: { sandbox: true, contextIsolation: true, nodeIntegration: false, plugins: true, spellcheck: false },
  });
  window.removeMenu();
  window.on("page-title-updated", (event) => {
    event.preventDefault();
  });
  const { webContents } = window;
  webContents.setWindowOpenHandler(() => ({ action: "deny" }));
  webContents.on("will-navigate", (event) => {
    event.preventDefault();
  });
  void window.loadURL(`${url}#navpanes=0`);
};
