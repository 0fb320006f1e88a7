import type { BrowserWindow } from "electron";
import { app, clipboard, dialog, shell } from "electron";
import path from "node:path";
import { contractError } from "../../app/contract/errors.ts";
import type { Handlers } from "../../app/contract/handlers.ts";
import { err, ok } from "../../protocol/kernel/result.ts";

/** Schemes the system may be asked to open: the web and mail, never files or programs. */
const OPENABLE = new Set(["https:", "http:", "mailto:"]);

/** The operations that only a host with a window can do. */
export const createShellHandlers = (
  current: () => BrowserWindow | undefined,
): Pick<Handlers, "shell.pickFolder" | "shell.pickSavePath" | "shell.openExternal" | "shell.copyText"> => ({
  "shell.pickFolder": async () => {
    const window = current();
    const options = { properties: ["openDirectory", "createDirectory"] } satisfies Electron.OpenDialogOptions;
    const picked =
      window === undefined ? await dialog.showOpenDialog(options) : await dialog.showOpenDialog(window, options);
    return ok(picked.canceled ? null : (picked.filePaths[0] ?? null));
  },
  "shell.pickSavePath": async ({ name }) => {
    const window = current();
    const options = {
      defaultPath: path.join(app.getPath("downloads"), path.basename(name)),
    } satisfies Electron.SaveDialogOptions;
    const picked =
      window === undefined ? await dialog.showSaveDialog(options) : await dialog.showSaveDialog(window, options);
    return ok(picked.canceled || picked.filePath === "" ? null : picked.filePath);
  },
  "shell.openExternal": async ({ url }) => {
    if (!URL.canParse(url) || !OPENABLE.has(new URL(url).protocol))
      return err(contractError("InvalidInput", "Only web and mail addresses can be opened."));
    await shell.openExternal(url);
    return ok(null);
  },
  "shell.copyText": async ({ text }) => {
    await clipboard.writeText(text);
    return ok(null);
  },
});
