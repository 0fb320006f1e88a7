import type { Page } from "@playwright/test";
import type { ContractTransport } from "../../app/contract/create-api.ts";
import type { HeadlessNode } from "../support/headless-node.ts";
import { eventually, removeFolder, startHeadless } from "../support/headless-node.ts";
import { openReplica, startNode } from "../support/node-pair.ts";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { launchApp } from "../support/launch-app.ts";
import { SCREENSHOTS, expect, isRoot, test } from "./fixtures.ts";

const PASSPHRASE = "seven quiet herons over the marsh";

/** Calls the node through the page's own door. */
const call = async <T>(page: Page, name: string, input?: unknown): Promise<T> => {
  const answer = await page.evaluate(
    ([operation, given]) => {
      const { p2pcollab } = globalThis as unknown as { p2pcollab: ContractTransport };
      return p2pcollab.invoke(operation, given);
    },
    [name, input] as const,
  );
  if (!answer.ok) throw new Error(JSON.stringify(answer.error));
  return answer.value as T;
};

const keep = async (page: Page, name: string): Promise<void> => {
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: path.join(SCREENSHOTS, `history-${name}.png`) });
};

/** A line typed an hour ago, by the clock of the device that wrote them. */
const typeApart = async (node: HeadlessNode, document: string, text: string): Promise<void> => {
  const { replica, lease, close } = await openReplica(node, document);
  const object = replica.objectAt(["text"]) as string;
  const change = replica.change({ time: Math.floor(Date.now() / 1000) - 3_600 }, (transaction) => {
    transaction.splice(object, replica.length(object), 0, text);
  });
  if (change !== undefined) await node.call("documents.apply", { lease, changes: [change.bytes] });
  close();
};

test("an earlier version is named, compared, restored and taken back; edits made apart are announced", async ({
  runtime,
  display,
  dataDirectory,
}) => {
  const options = { runtime, dataDirectory, display: display.name, sandbox: !isRoot };
  const first = await launchApp(options);
  const { page } = first;
  await call(page, "identity.create", { name: "Ann", passphrase: PASSPHRASE });
  const { id: notebook } = await call<{ readonly id: string }>(page, "notebooks.create", { title: "Garden" });
  const { id: document } = await call<{ readonly id: string }>(page, "documents.create", {
    notebook,
    title: "Roses",
    markdown: "## Spring\n\nPrune the climbers.\n\n- Ghislaine\n- Mermaid",
  });
  await page.reload();
  await page.getByRole("treeitem", { name: "Garden" }).click();
  await page.getByRole("option", { name: /Roses/ }).click();
  const editor = page.locator(".ProseMirror");
  await expect(editor).toContainText("Mermaid");

  await page.keyboard.press("Control+Shift+H");
  const versions = page.getByRole("listbox", { name: "Versions" });
  await expect(versions.getByRole("option")).toHaveCount(1);
  await keep(page, "1-open");
  await page.getByRole("button", { name: "Name the present version" }).click();
  await page.getByRole("textbox", { name: "Name" }).fill("Before the frost");
  await page.getByRole("dialog").getByRole("button", { name: "Name", exact: true }).click();
  await expect(versions.getByText("Before the frost")).toBeVisible();

  await editor.locator("p").last().click();
  await page.keyboard.press("End");
  await page.keyboard.type("\nZephirine is **thornless**.", { delay: 5 });
  await editor.getByText("Prune the climbers.").dblclick();
  await page.keyboard.type("Feed");
  await expect(versions.getByRole("option")).toHaveCount(2);
  await versions.getByRole("option").first().click();
  const added = page.locator("ins.run").filter({ hasText: "Zephirine" });
  await expect(added).toBeVisible();
  // What is typed meanwhile joins the row that is shown.
  await expect(page.locator("ins.run").filter({ hasText: "Feed" })).toBeVisible();
  await keep(page, "2-inline");
  await page.getByText("Side by side").click();
  await expect(page.getByRole("table", { name: "Both versions side by side" })).toBeVisible();
  await keep(page, "3-sides");

  await versions.getByRole("option").nth(1).click();
  await page.getByRole("button", { name: "Restore" }).click();
  await expect(page.getByText("Version restored")).toBeVisible();
  await expect(editor).not.toContainText("Zephirine");
  await keep(page, "4-restored");
  await page.getByRole("button", { name: "Undo", exact: true }).last().click();
  await expect(editor).toContainText("Zephirine is thornless.");
  await expect(editor.locator("strong")).toHaveText("thornless");

  // Ben joins and goes; both write where the other cannot be reached.
  let ben = await startNode("e2e-ben", "Ben");
  try {
    const { link } = await call<{ readonly link: string }>(page, "invites.create", { notebook, mode: "auto" });
    await ben.call("invites.join", { link });
    await eventually(
      async () => {
        const known = (await ben.call("notebooks.list")).some(({ id }) => id === notebook)
          ? await ben.call("documents.list", { notebook })
          : [];
        return known.some(({ excerpt }) => excerpt.includes("Zephirine"));
      },
      "the note at Ben",
      60_000,
    );
    await ben.stop();
    await page.getByRole("button", { name: "Close the history" }).click();
    await editor.locator("p").last().click();
    await page.keyboard.press("Control+End");
    await page.keyboard.type(" Written by Ann.");
    await expect
      .poll(async () => (await call<{ readonly text: string }>(page, "documents.read", { document })).text)
      .toContain("Written by Ann.");
    await first.application.close();
    ben = await startHeadless(ben.dataDirectory);
    await typeApart(ben, document, " Written by Ben.");

    const second = await launchApp(options);
    try {
      const again = second.page;
      await again.getByLabel("Passphrase", { exact: true }).fill(PASSPHRASE);
      await again.getByRole("button", { name: "Unlock" }).click();
      await again.getByRole("option", { name: /Roses/ }).click();
      await call(again, "peers.connect", { address: ben.address });
      await expect(again.getByText("Merged with 1 change from Ben")).toBeVisible({ timeout: 60_000 });
      await expect(again.locator(".ProseMirror")).toContainText("Written by Ann.");
      await expect(again.locator(".ProseMirror")).toContainText("Written by Ben.");
      await keep(again, "5-merged");
      await again.getByRole("button", { name: "See what changed" }).click();
      await expect(again.locator("ins.run").filter({ hasText: "Ben" })).toBeVisible();
      await expect(again.locator("del.run")).toHaveCount(0);
      await keep(again, "6-what-changed");
    } finally {
      await second.application.close();
    }
  } finally {
    await ben.stop();
    removeFolder(ben.dataDirectory);
  }
});
