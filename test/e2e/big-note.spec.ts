import type { Page } from "@playwright/test";
import { bigNote } from "../support/big-note.ts";
import { expect, test } from "./fixtures.ts";

const EDITOR = ".ProseMirror";
const BLOCKS = 3_000;

const ask = async <T>(page: Page, name: string, input?: unknown): Promise<T> => {
  const answer = await page.evaluate(
    ([operation, given]) =>
      (
        globalThis as unknown as { p2pcollab: { invoke: (n: string, i: unknown) => Promise<unknown> } }
      ).p2pcollab.invoke(operation, given),
    [name, input] as const,
  );
  const result = answer as { readonly ok: boolean; readonly value: T };
  expect(result.ok, `${name}: ${JSON.stringify(answer)}`).toBe(true);
  return result.value;
};

interface Seen {
  /** Blocks that are laid out. */
  readonly displayed: number;
  /** Blocks wholly in the viewport, with a place to click into their text. */
  readonly visible: readonly { readonly text: string; readonly x: number; readonly y: number }[];
}

const seen = (page: Page): Promise<Seen> =>
  page.evaluate((selector) => {
    const blocks = [...(document.querySelector(selector)?.children ?? [])].filter((block) => block.checkVisibility());
    const visible = blocks.flatMap((block) => {
      const { top, bottom, left } = block.getBoundingClientRect();
      return top > 150 && bottom < innerHeight
        ? [{ text: block.textContent, x: left + 60, y: (top + bottom) / 2 }]
        : [];
    });
    return { displayed: blocks.length, visible };
  }, EDITOR);

test("a note of thousands of blocks is displayed near the viewport only, and is edited at its start, middle and end", async ({
  app,
  keepScreenshot,
}) => {
  const { page } = app;
  await page.getByRole("button", { name: "Get started" }).waitFor();
  await ask(page, "identity.create", { name: "Ann", passphrase: "seven quiet herons" });
  const { id: notebook } = await ask<{ readonly id: string }>(page, "notebooks.create", { title: "Library" });
  const markdown = `First block.\n\n${bigNote(150_000, BLOCKS)}\n\nLast block.`;
  const { id } = await ask<{ readonly id: string }>(page, "documents.create", { notebook, title: "Long", markdown });
  await page.reload();
  await page.getByRole("option", { name: /Long/ }).click();
  await page.locator(`${EDITOR} > :first-child`).waitFor();
  const count = await page.locator(`${EDITOR} > *`).count();
  expect(count).toBe(BLOCKS + 2);
  expect((await seen(page)).displayed).toBeLessThan(400);

  const textNow = async (): Promise<string> =>
    (await ask<{ readonly text: string }>(page, "documents.read", { document: id })).text;
  await page.locator(`${EDITOR} > :first-child`).click();
  await page.keyboard.press("End");
  await page.keyboard.type(" At the start.");
  await page.keyboard.press("Enter");
  await page.keyboard.type("A new second block.");
  await expect(page.locator(`${EDITOR} > :nth-child(2)`)).toHaveText("A new second block.");

  // Wheel and scroll bar: whatever is in view is displayed, without gaps.
  await page.mouse.move(800, 500);
  await page.mouse.wheel(0, 30_000);
  await expect.poll(async () => (await seen(page)).visible.length).toBeGreaterThan(5);
  await page.evaluate((selector) => {
    let at = document.querySelector(selector)?.parentElement;
    while (at && !/auto|scroll/.test(getComputedStyle(at).overflowY)) at = at.parentElement;
    if (at) at.scrollTop = at.scrollHeight / 2;
  }, EDITOR);
  await expect
    .poll(async () => {
      const { displayed, visible } = await seen(page);
      return visible.length > 5 && displayed < 600;
    })
    .toBe(true);
  await keepScreenshot("big-note-middle");
  const place = (await seen(page)).visible.find(({ text }) => text.length > 20);
  await page.mouse.click(place?.x ?? 0, place?.y ?? 0);
  await page.keyboard.press("End");
  await page.keyboard.type(" Mid.");
  await expect.poll(async () => (await seen(page)).visible.filter(({ text }) => text.includes(" Mid.")).length).toBe(1);

  await page.keyboard.press("Control+End");
  await page.keyboard.type(" At the end.");
  await expect(page.locator(`${EDITOR} > :last-child`)).toHaveText("Last block. At the end.");
  await expect(page.locator(`${EDITOR} > :last-child`)).toBeInViewport();
  await keepScreenshot("big-note-end");
  await page.keyboard.press("Control+Home");
  await expect(page.locator(`${EDITOR} > :first-child`)).toBeInViewport();
  await page.keyboard.press("Control+Shift+End");
  await page.keyboard.press("Control+Home");
  await page.keyboard.type("Typed: ");
  await expect
    .poll(async () => {
      const text = await textNow();
      return ["Typed: First block. At the start.", "A new second block.", " Mid.", "Last block. At the end."].filter(
        (part) => !text.includes(part),
      );
    })
    .toEqual([]);
  expect((await seen(page)).displayed).toBeLessThan(600);
  await keepScreenshot("big-note-start");
});
