import type { Page } from "@playwright/test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { Attachment, DocumentSummary, InviteCreated, Notebook, SyncStatus } from "../../app/contract/types.ts";
import { createBeep, createPicture } from "../support/sample-files.ts";
import type { LaunchedApp } from "../support/launch-app.ts";
import { launchApp } from "../support/launch-app.ts";
import { SCREENSHOTS, expect, isRoot, test } from "./fixtures.ts";

const PASSPHRASE = "seven quiet herons over the marsh";
const EDITOR = ".ProseMirror";

type Answer<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: { type: string } };

/** A value of the contract, asked through the page's own door. */
const ask = async <T>(page: Page, name: string, input?: unknown): Promise<T> => {
  const answer = await page.evaluate(
    ([operation, given]) =>
      (
        globalThis as unknown as { p2pcollab: { invoke: (n: string, i: unknown) => Promise<unknown> } }
      ).p2pcollab.invoke(operation, given),
    [name, input] as const,
  );
  const result = answer as Answer<T>;
  if (!result.ok) throw new Error(`${name}: ${JSON.stringify(result.error)}`);
  return result.value;
};

/** Drops or pastes a file that is only in memory, as one does with a picture from another program. */
const give = (
  page: Page,
  how: "drop" | "paste",
  file: { name: string; type: string; bytes: Uint8Array },
): Promise<void> =>
  page.evaluate(
    ([selector, kind, name, type, base64]) => {
      const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
      const data = new DataTransfer();
      data.items.add(new File([bytes], name, { type }));
      const target = document.querySelector(selector);
      if (target === null) throw new Error("no editor");
      const { left, bottom } = (target.lastElementChild ?? target).getBoundingClientRect();
      const event =
        kind === "drop"
          ? new DragEvent("drop", {
              dataTransfer: data,
              bubbles: true,
              cancelable: true,
              clientX: left + 20,
              clientY: bottom - 4,
            })
          : new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
      target.dispatchEvent(event);
    },
    [EDITOR, how, file.name, file.type, Buffer.from(file.bytes).toString("base64")] as const,
  );

const shownWidth = (page: Page): Promise<number> =>
  page.evaluate(
    () =>
      document.querySelector<HTMLImageElement>('.attachment-image[data-state="present"] .attachment-picture')
        ?.naturalWidth ?? 0,
  );

test("a dropped picture, a pasted one and a chosen file are seen at the other side; undo takes one away", async ({
  app,
  runtime,
  display,
}) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), "p2pcollab-e2e-files-"));
  const otherData = mkdtempSync(path.join(os.tmpdir(), "p2pcollab-e2e-other-"));
  let other: LaunchedApp | undefined;
  mkdirSync(SCREENSHOTS, { recursive: true });
  try {
    const { page } = app;
    await page.getByRole("button", { name: "Get started" }).waitFor();
    await ask(page, "identity.create", { name: "Ada", passphrase: PASSPHRASE });
    const notebook = await ask<Notebook>(page, "notebooks.create", { title: "Trip" });
    const note = await ask<DocumentSummary>(page, "documents.create", {
      notebook: notebook.id,
      title: "Walk to the lake",
      markdown: "We started early.\n\nThe map is below.\n\nEnd.",
    });
    await page.reload();
    await page.getByRole("option", { name: /Walk to the lake/ }).click();
    await page.locator(EDITOR).waitFor();

    const picture = createPicture(1_200, 700);
    await give(page, "drop", { name: "lake.png", type: "image/png", bytes: picture });
    await expect.poll(() => shownWidth(page), { timeout: 60_000 }).toBe(1_200);
    const [dropped] = await ask<readonly Attachment[]>(page, "attachments.list", { document: note.id });
    expect(dropped).toMatchObject({ name: "lake.png", mime: "image/png", size: picture.length, state: "present" });

    await page.locator(`${EDITOR} p`).first().click();
    await give(page, "paste", { name: "image.png", type: "image/png", bytes: createPicture(300, 200) });
    await expect(page.locator(".attachment-image")).toHaveCount(2);
    await page.keyboard.press("ControlOrMeta+z");
    await expect(page.locator(".attachment-image")).toHaveCount(1);
    await page.keyboard.press("ControlOrMeta+Shift+z");
    await expect(page.locator(".attachment-image")).toHaveCount(2);

    const beep = path.join(folder, "tide bell.wav");
    writeFileSync(beep, createBeep(2));
    await page.locator(`${EDITOR} p`).last().click();
    await page.locator('input[type="file"]').setInputFiles(beep);
    await expect(page.locator(".attachment-card")).toContainText("tide bell.wav");

    const caption = page.locator(".attachment-image .attachment-caption").last();
    await caption.fill("The lake at six");
    await caption.press("Enter");

    other = await launchApp({ runtime, dataDirectory: otherData, display: display.name, sandbox: !isRoot });
    const there = other.page;
    await there.getByRole("button", { name: "Get started" }).waitFor();
    await ask(there, "identity.create", { name: "Ben", passphrase: PASSPHRASE });
    const { link } = await ask<InviteCreated>(page, "invites.create", { notebook: notebook.id, mode: "auto" });
    const { listening } = await ask<SyncStatus>(page, "sync.status");
    const port = /:(\d+)$/.exec(listening[0] ?? "")?.[1];
    await ask(there, "peers.connect", { address: `127.0.0.1:${port}` });
    await ask(there, "invites.join", { link });
    await expect
      .poll(async () => (await ask<readonly Notebook[]>(there, "notebooks.list")).length, { timeout: 60_000 })
      .toBe(1);
    await expect
      .poll(
        async () => (await ask<readonly DocumentSummary[]>(there, "documents.list", { notebook: notebook.id })).length,
        { timeout: 60_000 },
      )
      .toBe(1);
    await there.reload();
    await there.getByRole("option", { name: /Walk to the lake/ }).click();
    await expect.poll(() => shownWidth(there), { timeout: 60_000 }).toBeGreaterThan(0);
    await expect(there.locator('.attachment-image[data-state="present"]')).toHaveCount(2, { timeout: 60_000 });
    await expect(there.locator(".attachment-image .attachment-caption").last()).toHaveValue("The lake at six");
    await expect(there.locator('.attachment-file[data-state="present"]')).toHaveCount(1, { timeout: 60_000 });

    await there.getByRole("button", { name: "Play" }).click();
    await expect
      .poll(() => there.evaluate(() => document.querySelector<HTMLAudioElement>(".attachment-player")?.duration ?? 0), {
        timeout: 30_000,
      })
      .toBeCloseTo(2, 0);
    // The player can jump: the scheme answers ranges.
    expect(
      await there.evaluate(async () => {
        const player = document.querySelector<HTMLAudioElement>(".attachment-player");
        if (player === null) return -1;
        player.pause();
        player.currentTime = 1.5;
        await new Promise((resolve) => player.addEventListener("seeked", resolve, { once: true }));
        return player.currentTime;
      }),
    ).toBeCloseTo(1.5, 1);

    const saved = path.join(folder, "saved.png");
    await ask(there, "attachments.save", { document: note.id, blob: dropped?.blob, path: saved });
    expect(Buffer.compare(readFileSync(saved), picture)).toBe(0);

    // What is attached is shown, never run: not as a page's request, not as a script of ours.
    const reached = await there.evaluate(async (url) => {
      try {
        await fetch(url);
        return "fetched";
      } catch {
        return "refused";
      }
    }, `p2pcollab-file://${notebook.id}/${dropped?.blob}`);
    expect(reached).toBe("refused");

    for (const theme of ["light", "dark"] as const) {
      await there.emulateMedia({ colorScheme: theme });
      await there.waitForTimeout(400);
      await there.screenshot({ path: path.join(SCREENSHOTS, `attachments-${theme}.png`) });
    }
  } finally {
    await other?.application.close();
    rmSync(folder, { recursive: true, force: true });
    rmSync(otherData, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
});
