import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { expect, isRoot, test } from "./fixtures.ts";
import { launchApp } from "../support/launch-app.ts";

test("a second computer is signed in by link and digits, in the window on both", async ({
  app,
  runtime,
  display,
  keepScreenshot,
}) => {
  test.setTimeout(180_000);
  const folder = mkdtempSync(path.join(os.tmpdir(), "p2pcollab-second-"));
  const second = await launchApp({ runtime, dataDirectory: folder, display: display.name, sandbox: !isRoot });
  try {
    const { page } = app;
    await page.getByRole("button", { name: "Get started" }).click();
    await page.getByLabel("Your name").fill("Ada Lovelace");
    const passphrase = page.getByLabel("Passphrase", { exact: true });
    if ((await passphrase.count()) > 0) {
      await passphrase.fill("seven quiet herons");
      await page.getByLabel("Passphrase again").fill("seven quiet herons");
    }
    await page.getByRole("button", { name: "Create my identity" }).click();
    await page.getByRole("button", { name: "I have written them down" }).click();
    await page.getByRole("button", { name: "Do this later" }).click();
    await page.getByRole("button", { name: "New notebook" }).first().click();
    await page.getByLabel("Name").fill("Field notes");
    await page.getByRole("dialog").getByRole("button", { name: "Create" }).click();
    await expect(page.getByRole("treeitem", { name: "Field notes" })).toBeVisible();

    const other = second.page;
    await other.getByRole("button", { name: "I have an identity on another device" }).click();
    await other.getByLabel("Name of this computer").fill("Office laptop");
    const secondPassphrase = other.getByLabel("Passphrase", { exact: true });
    if ((await secondPassphrase.count()) > 0) {
      await secondPassphrase.fill("seven quiet herons");
      await other.getByLabel("Passphrase again").fill("seven quiet herons");
    }
    await other.getByRole("button", { name: "Show the link" }).click();
    const link = (await other.getByText(/^p2pc:d\//).textContent()) ?? "";
    await other.screenshot({ path: path.join("test-results", "screenshots", "pairing-link.png") });

    await page.keyboard.press("Control+,");
    await page.getByRole("tab", { name: "Devices" }).click();
    await page.getByRole("button", { name: "Add a device" }).click();
    await page.getByLabel("Link of the new device").fill(link);
    await page.getByRole("button", { name: "Connect", exact: true }).click();
    const digits = page.locator(".check .visually-hidden");
    await expect(digits).toHaveText(/^Check string (\d ){5}\d$/);
    await expect(other.locator(".check .visually-hidden")).toHaveText((await digits.textContent()) ?? "");
    await keepScreenshot("devices-digits");
    await other.screenshot({ path: path.join("test-results", "screenshots", "pairing-digits.png") });
    await page.getByRole("button", { name: "Yes, add it" }).click();
    await other.getByRole("button", { name: "Yes, they match" }).click();
    await expect(page.getByRole("heading", { name: "Office laptop is one of your devices" })).toBeVisible();
    await page.getByRole("button", { name: "Done" }).click();
    await expect(page.getByRole("list", { name: "Your devices" }).getByText("Connected now")).toBeVisible({
      timeout: 30_000,
    });
    await keepScreenshot("devices");
    await page.emulateMedia({ colorScheme: "dark" });
    await keepScreenshot("devices-dark");
    await expect(other.getByRole("treeitem", { name: "Field notes" })).toBeVisible({ timeout: 60_000 });
    await other.screenshot({ path: path.join("test-results", "screenshots", "pairing-done.png") });
  } finally {
    await second.application.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
});
