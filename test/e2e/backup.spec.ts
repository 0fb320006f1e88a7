import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { IdentityCreated, Notebook } from "../../app/contract/types.ts";
import type { LaunchedApp } from "../support/launch-app.ts";
import { answerFolderDialog, launchApp } from "../support/launch-app.ts";
import { SCREENSHOTS, expect, isRoot, test } from "./fixtures.ts";

const PASSPHRASE = "seven quiet herons over the marsh";

const ask = async <T>(app: LaunchedApp, name: string, input?: unknown): Promise<T> => {
  const answer = await app.page.evaluate(
    ([operation, given]) =>
      (
        globalThis as unknown as { p2pcollab: { invoke: (n: string, i: unknown) => Promise<unknown> } }
      ).p2pcollab.invoke(operation, given),
    [name, input] as const,
  );
  const result = answer as { readonly ok: boolean; readonly value: T; readonly error?: unknown };
  if (!result.ok) throw new Error(`${name}: ${JSON.stringify(result.error)}`);
  return result.value;
};

test("a backup made in the window brings everything back on another computer", async ({ app, runtime, display }) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), "p2pcollab-e2e-backups-"));
  const otherData = mkdtempSync(path.join(os.tmpdir(), "p2pcollab-e2e-restored-"));
  let other: LaunchedApp | undefined;
  mkdirSync(SCREENSHOTS, { recursive: true });
  const keep = (shown: LaunchedApp, name: string) =>
    shown.page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`) });
  try {
    const { page } = app;
    await page.getByRole("button", { name: "Get started" }).waitFor();
    const { phrase } = await ask<IdentityCreated>(app, "identity.create", {
      name: "Ada Lovelace",
      passphrase: PASSPHRASE,
    });
    const { id } = await ask<Notebook>(app, "notebooks.create", { title: "Field notes" });
    for (const title of ["Herons at dusk", "Equipment list"])
      await ask(app, "documents.create", { notebook: id, title, markdown: `About ${title}.` });
    await page.reload();
    await page.getByRole("option", { name: /Herons at dusk/u }).waitFor();

    await answerFolderDialog(app.application, folder);
    await page.keyboard.press("Control+,");
    await page.getByRole("tab", { name: "Backup" }).click();
    await page.getByText("None yet").waitFor();
    await page.getByRole("button", { name: "Back up now" }).click();
    await page.getByText(/Read back and complete$/u).waitFor();
    await page.getByText("Every week", { exact: true }).click();
    await page.getByText(/the newest four are kept/u).waitFor();
    await keep(app, "backup-settings");
    await page.emulateMedia({ colorScheme: "dark" });
    await keep(app, "backup-settings-dark");
    const [file] = readdirSync(folder).filter((name) => name.endsWith(".p2pcbak"));
    expect(file).toBeDefined();

    other = await launchApp({ runtime, dataDirectory: otherData, display: display.name, sandbox: !isRoot });
    const fresh = other.page;
    await answerFolderDialog(other.application, path.join(folder, file ?? ""));
    await fresh.getByRole("button", { name: "Restore from a backup file" }).click();
    await fresh.getByRole("button", { name: "Choose the file" }).click();
    await fresh.getByLabel("The 24 words of your recovery phrase").fill(phrase.join(" "));
    const again = fresh.getByLabel("New passphrase again");
    if (await again.isVisible()) {
      await fresh.getByLabel("New passphrase for this computer").fill(PASSPHRASE);
      await again.fill(PASSPHRASE);
    }
    await keep(other, "backup-restore");
    await fresh.emulateMedia({ colorScheme: "dark" });
    await keep(other, "backup-restore-dark");
    await fresh.getByRole("button", { name: "Restore", exact: true }).click();
    await fresh.getByRole("option", { name: /Herons at dusk/u }).waitFor({ timeout: 60_000 });
    expect((await ask<readonly Notebook[]>(other, "notebooks.list"))[0]).toMatchObject({ id, documentCount: 2 });
    await keep(other, "backup-restored");
  } finally {
    await other?.application.close();
    for (const one of [folder, otherData]) rmSync(one, { recursive: true, force: true, maxRetries: 5 });
  }
});
