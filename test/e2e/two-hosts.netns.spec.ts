import { expect, test } from "@playwright/test";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { electronRuntime } from "../support/electron-runtime.ts";
import { withNetwork } from "../support/netns.ts";
import { SCREENSHOTS, isRoot } from "./fixtures.ts";
import { startRemoteApp } from "./remote-app.ts";

test("two apps run on two hosts of one network, each with its own screen and data", async () => {
  const runtime = electronRuntime();
  const folder = mkdtempSync(path.join(os.tmpdir(), "p2pcollab-hosts-"));
  try {
    await withNetwork(["ann", "bob"], async (network) => {
      const apps = ["ann", "bob"].map((name) => ({ name, app: startRemoteApp(network.host(name)) }));
      try {
        await Promise.all(
          apps.map(({ name, app }) =>
            app.launch({ runtime, dataDirectory: path.join(folder, name), sandbox: !isRoot }),
          ),
        );
        for (const { name, app } of apps) {
          expect(await app.evaluate<string>("document.title")).toBe("p2pcollab");
          await app.screenshot(path.join(SCREENSHOTS, `two-hosts-${name}.png`));
        }
      } finally {
        await Promise.all(apps.map(({ app }) => app.dispose()));
      }
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
