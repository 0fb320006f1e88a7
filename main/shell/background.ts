import type { BrowserWindow } from "electron";
import { app, dialog } from "electron";
import type { Background } from "../../app/contract/types.ts";
import type { ShellSettings } from "./shell-settings.ts";

/** Decides whether the node goes on when its window is closed. */
export interface BackgroundPolicy {
  /** Follows a new window. */
  readonly watch: (window: BrowserWindow) => void;
  /** Whether the app outlives its last window. */
  readonly keepsRunning: () => boolean;
}

const KEEP = 0;
const CANCEL = 2;

/** What closing the window means; `ask` where running on would be invisible. */
export const closingMeans = (whenClosed: Background["whenClosed"], hasTray: boolean): "keep" | "quit" | "ask" => {
  if (whenClosed !== "automatic") return whenClosed;
  return hasTray ? "keep" : "ask";
};

/** `hasTray`: whether this desktop shows that the app still runs. */
export const createBackgroundPolicy = (settings: ShellSettings, hasTray: () => boolean): BackgroundPolicy => {
  let isQuitting = false;
  let keeps = false;
  app.on("before-quit", () => {
    isQuitting = true;
  });

  const ask = async (window: BrowserWindow): Promise<void> => {
    const { response, checkboxChecked } = await dialog.showMessageBox(window, {
      type: "question",
      message: "Keep p2pcollab running?",
      detail:
        "While it runs, others receive what you wrote and you receive what they write. This desktop shows no tray icons: start p2pcollab again to see its window.",
      buttons: ["Keep running", "Quit", "Cancel"],
      defaultId: KEEP,
      cancelId: CANCEL,
      checkboxLabel: "Always do this",
    });
    if (response === CANCEL) return;
    if (checkboxChecked) settings.setWhenClosed(response === KEEP ? "keep" : "quit");
    keeps = response === KEEP;
    if (keeps) window.destroy();
    else app.quit();
  };

  return {
    keepsRunning: () => keeps,
    watch: (window) => {
      window.on("close", (event) => {
        if (isQuitting) return;
        const meaning = process.platform === "darwin" ? "keep" : closingMeans(settings.whenClosed(), hasTray());
        keeps = meaning === "keep";
        if (meaning !== "ask") return;
        event.preventDefault();
        void ask(window);
      });
    },
  };
};
