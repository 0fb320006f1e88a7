import { test as base } from "@playwright/test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { Display } from "../support/display.ts";
import { startDisplay } from "../support/display.ts";
import type { ElectronRuntime } from "../support/electron-runtime.ts";
import { ROOT, electronRuntime } from "../support/electron-runtime.ts";
import type { LaunchedApp } from "../support/launch-app.ts";
import { launchApp } from "../support/launch-app.ts";

export const SCREENSHOTS = path.join(ROOT, "test-results", "screenshots");

/** True when this process may not use Chromium's sandbox. */
export const isRoot = process.getuid?.() === 0;

interface TestFixtures {
  /** Fresh folder, removed after the test. */
  readonly dataDirectory: string;
  /** The app on `dataDirectory`; what it printed is attached when the test fails. */
  readonly app: LaunchedApp;
  /** Keeps a picture of the window as test-results/screenshots/NAME.png. */
  readonly keepScreenshot: (name: string) => Promise<void>;
}

interface WorkerFixtures {
  readonly display: Display;
  readonly runtime: ElectronRuntime;
}

export const test = base.extend<TestFixtures, WorkerFixtures>({
  runtime: [
    async ({}, use) => {
      await use(electronRuntime());
    },
    { scope: "worker", timeout: 600_000 },
  ],
  display: [
    async ({}, use) => {
      const display = await startDisplay();
      await use(display);
      display.close();
    },
    { scope: "worker" },
  ],
  dataDirectory: async ({}, use) => {
    const folder = mkdtempSync(path.join(os.tmpdir(), "p2pcollab-e2e-"));
    await use(folder);
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  },
  app: async ({ runtime, display, dataDirectory }, use, testInfo) => {
    const app = await launchApp({ runtime, dataDirectory, display: display.name, sandbox: !isRoot });
    await use(app);
    if (testInfo.status !== testInfo.expectedStatus)
      await testInfo.attach("app.log", { body: app.log(), contentType: "text/plain" });
    await app.application.close();
  },
  keepScreenshot: async ({ app }, use) => {
    mkdirSync(SCREENSHOTS, { recursive: true });
    await use(async (name) => {
      await app.page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`) });
    });
  },
});

export { expect } from "@playwright/test";
