import { readFileSync } from "node:fs";
import { launchApp } from "../support/launch-app.ts";
import { createUnprivilegedSetup } from "../support/unprivileged.ts";
import { expect, isRoot, test } from "./fixtures.ts";

/** Seccomp filters on a process (proc_pid_status(5)); Chromium adds its own to every sandboxed renderer. */
const seccompFilters = (pid: number | undefined): number =>
  Number(/^Seccomp_filters:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);

test("as an ordinary user the page runs in Chromium's sandbox", async ({ runtime, display, dataDirectory }) => {
  const setup = isRoot ? createUnprivilegedSetup(runtime) : undefined;
  try {
    const app = await launchApp({ runtime, dataDirectory, ...setup, display: display.name, sandbox: true });
    try {
      await expect(app.page).toHaveTitle("p2pcollab");
      const renderer = await app.application.evaluate(({ BrowserWindow }) =>
        BrowserWindow.getAllWindows()[0]?.webContents.getOSProcessId(),
      );
      expect(seccompFilters(renderer)).toBeGreaterThan(seccompFilters(app.application.process().pid));
      expect(app.log()).not.toContain("--no-sandbox");
    } finally {
      await app.application.close();
    }
  } finally {
    setup?.dispose();
  }
});
