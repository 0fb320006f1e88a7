import type { Page } from "@playwright/test";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { launchApp } from "../support/launch-app.ts";
import { SCREENSHOTS, expect, isRoot, test } from "./fixtures.ts";

const PASSPHRASE = "seven quiet herons over the marsh";

/** Makes an identity on its first screen, as a person does. */
const create = async (page: Page, name: string, first: string): Promise<void> => {
  await page.getByRole("button", { name: first }).click();
  await page.getByRole("textbox", { name: "Your name" }).fill(name);
  const fields = page.locator("input[type=password]:visible");
  await fields.nth(0).fill(PASSPHRASE);
  await fields.nth(1).fill(PASSPHRASE);
  await page.getByRole("button", { name: "Create my identity" }).click();
  await page.getByRole("button", { name: "I have written them down" }).click();
  await page.getByRole("button", { name: "Do this later" }).click();
};

const createNotebook = async (page: Page, title: string): Promise<void> => {
  await page.getByRole("button", { name: "New notebook" }).click();
  await page.getByRole("textbox", { name: "Name" }).fill(title);
  await page.getByRole("button", { name: /^Create/ }).click();
  await page.getByRole("treeitem", { name: title }).waitFor();
};

const openMenu = (page: Page, name: string) =>
  page
    .getByRole("button", { name: new RegExp(`^${name}`) })
    .and(page.locator("[aria-haspopup=menu]"))
    .click();

const unlock = async (page: Page): Promise<void> => {
  await page.locator("input[type=password]:visible").fill(PASSPHRASE);
  await page.getByRole("button", { name: "Unlock" }).click();
};

/** Milliseconds from the key to the first painted frame that shows `name`'s workspace. */
const switchTime = (page: Page, digit: number, name: string): Promise<number> =>
  page.evaluate(
    ([position, title]) =>
      new Promise<number>((resolve) => {
        const started = performance.now();
        dispatchEvent(new KeyboardEvent("keydown", { key: `${position}`, code: `Digit${position}`, ctrlKey: true }));
        const look = () => {
          if (document.title.startsWith(title)) requestAnimationFrame(() => resolve(performance.now() - started));
          else requestAnimationFrame(look);
        };
        requestAnimationFrame(look);
      }),
    [digit, name] as const,
  );

test("two identities in one window: each sees its own notebooks, the switch is instant, both outlive a restart, one is locked alone", async ({
  runtime,
  display,
  dataDirectory,
}) => {
  mkdirSync(SCREENSHOTS, { recursive: true });
  const options = { runtime, display: display.name, sandbox: !isRoot, dataDirectory };
  const keep = async (page: Page, name: string): Promise<void> => {
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: path.join(SCREENSHOTS, `identities-${name}-${colorScheme}.png`) });
    }
    await page.emulateMedia({ colorScheme: "light" });
  };

  const first = await launchApp(options);
  try {
    const { page } = first;
    await create(page, "Ada Lovelace", "Get started");
    await createNotebook(page, "Family");
    await openMenu(page, "Ada Lovelace");
    await page.getByRole("menuitem", { name: "Add an identity…" }).click();
    await page.getByRole("heading", { name: "Add an identity" }).waitFor();
    await keep(page, "add");
    await create(page, "Countess of the Engine", "Get started");
    await createNotebook(page, "Programmes");
    await expect(page).toHaveTitle("Countess of the Engine – p2pcollab");
    await expect(page.getByRole("treeitem", { name: "Family" })).toHaveCount(0);

    await page.getByRole("button", { name: "New note" }).first().click();
    await page.locator(".ProseMirror:visible").click();
    await page.keyboard.type("Weaves algebraic patterns");
    await page.keyboard.press("Control+Digit1");
    await expect(page).toHaveTitle("Ada Lovelace – p2pcollab");
    await expect(page.getByRole("treeitem", { name: "Family" })).toBeVisible();
    await expect(page.getByRole("treeitem", { name: "Programmes" })).toHaveCount(0);
    await page.keyboard.press("Control+Digit2");
    await expect(page.locator(".ProseMirror:visible")).toContainText("Weaves algebraic patterns");
    // The caret is where it was.
    await page.keyboard.type(", as looms do");
    await expect(page.locator(".ProseMirror:visible")).toContainText("patterns, as looms do");

    const times: number[] = [];
    for (let round = 0; round < 10; round++) {
      times.push(await switchTime(page, 1, "Ada Lovelace"));
      times.push(await switchTime(page, 2, "Countess"));
    }
    const median = times.toSorted((a, b) => a - b)[times.length / 2] as number;
    console.log(`switching identities: median ${median.toFixed(1)} ms, longest ${Math.max(...times).toFixed(1)} ms`);
    expect(median).toBeLessThan(100);

    await openMenu(page, "Countess of the Engine");
    await keep(page, "menu");
    await page.getByRole("menuitem", { name: "Name and colour…" }).click();
    await page.getByRole("radio", { name: "orange" }).check();
    await keep(page, "edit");
    await page.getByRole("button", { name: "Save" }).click();
    await openMenu(page, "Countess of the Engine");
    await page.getByRole("menuitem", { name: "Remove from this computer…" }).click();
    await keep(page, "remove");
    await page.getByRole("button", { name: "Cancel" }).click();
    await keep(page, "workspace");
  } finally {
    await first.application.close();
  }

  const second = await launchApp(options);
  try {
    const { page } = second;
    await expect(page).toHaveTitle("Countess of the Engine – p2pcollab");
    await keep(page, "locked");
    await unlock(page);
    await expect(page.getByRole("treeitem", { name: "Programmes" })).toBeVisible();
    await page.keyboard.press("Control+Digit1");
    await unlock(page);
    await expect(page.getByRole("treeitem", { name: "Family" })).toBeVisible();
    await openMenu(page, "Ada Lovelace");
    await page.getByRole("menuitem", { name: "Lock" }).click();
    await page.getByRole("heading", { name: "Welcome back" }).waitFor();
    await page.keyboard.press("Control+Digit2");
    await expect(page.getByRole("treeitem", { name: "Programmes" })).toBeVisible();
    await openMenu(page, "Countess of the Engine");
    await expect(page.getByRole("menuitemradio", { name: /Ada Lovelace.*Locked/ })).toBeVisible();
    await page.getByRole("menuitem", { name: "Remove from this computer…" }).click();
    await page.getByRole("textbox", { name: "To be sure" }).fill("Countess of the Engine");
    await page.getByRole("button", { name: "Remove", exact: true }).click();
    await expect(page).toHaveTitle("p2pcollab");
    await unlock(page);
    await expect(page.getByRole("treeitem", { name: "Family" })).toBeVisible();
  } finally {
    await second.application.close();
  }
});
