import type { BrowserWindow, Rectangle } from "electron";
import { screen } from "electron";
import { readFileSync, renameSync, writeFileSync } from "node:fs";

export interface WindowState {
  readonly bounds: Rectangle | undefined;
  readonly maximized: boolean;
}

const FRESH: WindowState = { bounds: undefined, maximized: false };
/** A window counts as reachable when at least this much of it lies on a screen. */
const VISIBLE_PIXELS = 80;

const isRectangle = (value: unknown): value is Rectangle =>
  typeof value === "object" &&
  value !== null &&
  ["x", "y", "width", "height"].every((field) => Number.isSafeInteger((value as Record<string, unknown>)[field]));

const isReachable = (bounds: Rectangle): boolean =>
  screen.getAllDisplays().some(({ workArea }) => {
    const width = Math.min(bounds.x + bounds.width, workArea.x + workArea.width) - Math.max(bounds.x, workArea.x);
    const height = Math.min(bounds.y + bounds.height, workArea.y + workArea.height) - Math.max(bounds.y, workArea.y);
    return width >= VISIBLE_PIXELS && height >= VISIBLE_PIXELS;
  });

/** Where the window was last; fresh when unknown, unreadable or off every screen. */
export const readWindowState = (file: string): WindowState => {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return FRESH;
  }
  if (typeof value !== "object" || value === null) return FRESH;
  const { bounds, maximized } = value as Record<keyof WindowState, unknown>;
  return { bounds: isRectangle(bounds) && isReachable(bounds) ? bounds : undefined, maximized: maximized === true };
};

/** Writes where the window is when it closes. */
export const keepWindowState = (window: BrowserWindow, file: string): void => {
  window.on("close", () => {
    const state: WindowState = { bounds: window.getNormalBounds(), maximized: window.isMaximized() };
    try {
      writeFileSync(`${file}.tmp`, JSON.stringify(state));
      renameSync(`${file}.tmp`, file);
    } catch (cause) {
      process.stderr.write(`the window's place could not be kept: ${String(cause)}\n`);
    }
  });
};
