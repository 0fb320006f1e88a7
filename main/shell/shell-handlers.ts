import type { BrowserWindow } from "electron";
import { app, clipboard, dialog, shell } from "electron";
import path from "node:path";
import { contractError } from "../../app/contract/errors.ts";
import type { ShellHandlers } from "../../app/node.ts";
import type { Background } from "../../app/contract/types.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import type { ServingControl } from "./serving.ts";
import type { ShellSettings } from "./shell-settings.ts";
import { setStartAtLogin, startsAtLogin } from "./start-at-login.ts";

const background = (settings: ShellSettings, hasTray: boolean): Background => ({
  whenClosed: settings.whenClosed(),
  startAtLogin: startsAtLogin(),
  hasTray,
});

/** Schemes the system may be asked to open: the web and mail, never files or programs. */
const OPENABLE = new Set(["https:", "http:", "mailto:"]);

interface Shell {
  readonly window: () => BrowserWindow | undefined;
  readonly settings: ShellSettings;
  readonly hasTray: () => boolean;
  readonly takeLink: () => string | null;
  readonly serving: ServingControl;
  /** Set when the app was started on a data folder of its own. */
  readonly dataDirectory: string | undefined;
}

/** The operations that only a host with a window can do. */
export const createShellHandlers = ({
  window: current,
  settings,
  hasTray,
  takeLink,
  serving,
  dataDirectory,
}: Shell): ShellHandlers => ({
  "shell.pickFolder": async () => {
    const window = current();
    const options = { properties: ["openDirectory", "createDirectory"] } satisfies Electron.OpenDialogOptions;
    const picked =
      window === undefined ? await dialog.showOpenDialog(options) : await dialog.showOpenDialog(window, options);
    return ok(picked.canceled ? null : (picked.filePaths[0] ?? null));
  },
  "shell.pickFile": async ({ endings }) => {
    const window = current();
    const options = {
      properties: ["openFile"],
      filters: [{ name: endings.map((ending) => `.${ending}`).join(", "), extensions: [...endings] }],
    } satisfies Electron.OpenDialogOptions;
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
  "shell.background": async () => ok(background(settings, hasTray())),
  "shell.setBackground": async ({ whenClosed, startAtLogin }) => {
    try {
      if (whenClosed !== undefined) settings.setWhenClosed(whenClosed);
      if (startAtLogin !== undefined) setStartAtLogin(startAtLogin, dataDirectory);
    } catch (cause) {
      return err(contractError("CannotWrite", `That could not be stored: ${(cause as Error).message}`));
    }
    return ok(background(settings, hasTray()));
  },
  "shell.serving": async () => ok(await serving.show()),
  "shell.setServing": async ({ active, capacity }) => {
    try {
      return ok(await serving.set(active, capacity));
    } catch (cause) {
      return err(contractError("CannotWrite", `That could not be stored: ${(cause as Error).message}`));
    }
  },
  "shell.servingLink": async () => {
    const link = await serving.mint();
    return link === null
      ? err(contractError("Unsupported", (await serving.show()).problem ?? "The always-on node does not run yet."))
      : ok(link);
  },
  "shell.takeLink": async () => ok(takeLink()),
  "shell.copyText": async ({ text }) => {
    await clipboard.writeText(text);
    return ok(null);
  },
});
