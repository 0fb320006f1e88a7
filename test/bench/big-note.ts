import type { Page } from "@playwright/test";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { bigNote } from "../support/big-note.ts";
import { startDisplay } from "../support/display.ts";
import { electronRuntime } from "../support/electron-runtime.ts";
import { eventually, removeFolder, startHeadless, temporaryFolder } from "../support/headless-node.ts";
import { launchApp } from "../support/launch-app.ts";

/**
 * One note of a megabyte in the real window: from the click in the list to the painted text, and for each keystroke the time
 * the page is busy with it (event, editor, replica, layout and paint) and the time until it is on the screen, which adds the
 * wait for the next frame. A note of one paragraph stands beside it.
 */
const BYTES = 1_000_000;
const BLOCKS = 20_000;
const OPENS = 7;
const KEYSTROKES = 100;
/** A fast typist: 60 ms between keys. */
const GAP_MS = 60;
const TIMEOUT_MS = 60_000;

const quantile = (values: readonly number[], share: number): number =>
  +(values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] as number).toFixed(
    1,
  );

/** Runs in the page: clicks the note in the list and waits until a frame with `text` at its top was painted. */
const openIn = async ([title, text, timeoutMs]: readonly [string, string, number]): Promise<number> => {
  const option = [...document.querySelectorAll<HTMLElement>('[role="option"]')].find((one) =>
    one.textContent.includes(title),
  );
  if (option === undefined) throw new Error(`no note ${title} in the list`);
  const start = performance.now();
  option.click();
  while (!document.querySelector(".ProseMirror > :first-child")?.textContent.startsWith(text)) {
    if (performance.now() - start > timeoutMs) throw new Error(`${title} did not open`);
    await new Promise((resolve) => requestAnimationFrame(resolve));
  }
  await new Promise((resolve) => {
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = resolve;
      port2.postMessage(null);
    });
  });
  return performance.now() - start;
};

/** Runs in the page: notes for every key how long the page was busy with it and when it was painted. */
const watchKeys = (): void => {
  const samples: { busy: number; shown: number }[] = [];
  (globalThis as unknown as { keySamples: typeof samples }).keySamples = samples;
  const after = (run: () => void): void => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = run;
    port2.postMessage(null);
  };
  document.addEventListener(
    "keydown",
    ({ timeStamp }) => {
      const start = performance.now();
      let handled = start;
      after(() => (handled = performance.now()));
      requestAnimationFrame(() => {
        const frame = performance.now();
        after(() => {
          const end = performance.now();
          samples.push({ busy: handled - start + (end - Math.max(frame, handled)), shown: end - timeStamp });
        });
      });
    },
    { capture: true },
  );
};

const typeAt = async (page: Page, place: "start" | "middle" | "end", count: number): Promise<object> => {
  await page.locator(".ProseMirror").focus();
  if (place === "middle") {
    const at = await page.evaluate(async () => {
      const editor = document.querySelector(".ProseMirror") as HTMLElement;
      let scroller = editor.parentElement as HTMLElement;
      while (!/auto|scroll/.test(getComputedStyle(scroller).overflowY))
        scroller = scroller.parentElement as HTMLElement;
      scroller.scrollTop = scroller.scrollHeight / 2;
      for (let frames = 0; frames < 4; frames++) await new Promise((resolve) => requestAnimationFrame(resolve));
      const outer = scroller.getBoundingClientRect();
      return { x: editor.getBoundingClientRect().left + 120, y: outer.top + outer.height / 2 };
    });
    await page.mouse.click(at.x, at.y);
    await page.keyboard.press("End");
  } else await page.keyboard.press(place === "start" ? "Control+Home" : "Control+End");
  await page.evaluate(() => {
    (globalThis as unknown as { keySamples: unknown[] }).keySamples.length = 0;
  });
  await page.waitForTimeout(500);
  for (let key = 0; key < count; key++) {
    await page.keyboard.press(key % 6 === 5 ? "Space" : "k");
    await page.waitForTimeout(GAP_MS);
  }
  const samples = await page.evaluate(
    () => (globalThis as unknown as { keySamples: { busy: number; shown: number }[] }).keySamples,
  );
  const [busy, shown] = [samples.map((one) => one.busy), samples.map((one) => one.shown)];
  return {
    keystrokes: samples.length,
    busyMs: { p50: quantile(busy, 0.5), p95: quantile(busy, 0.95), most: quantile(busy, 1) },
    shownMs: { p50: quantile(shown, 0.5), p95: quantile(shown, 0.95), most: quantile(shown, 1) },
  };
};

/** CPU profile of the page while `work` runs, written to `folder`, where one was asked for. */
const profiled = async <T>(
  page: Page,
  folder: string | undefined,
  name: string,
  work: () => Promise<T>,
): Promise<T> => {
  if (folder === undefined) return work();
  const session = await page.context().newCDPSession(page);
  await session.send("Profiler.enable");
  await session.send("Profiler.setSamplingInterval", { interval: 200 });
  await session.send("Profiler.start");
  const value = await work();
  const { profile } = await session.send("Profiler.stop");
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, `${name}.cpuprofile`), JSON.stringify(profile));
  await session.detach();
  return value;
};

/** `--blocks N` for another shape, `--profile FOLDER` for CPU profiles of the page. */
export const run = async ({ args }: { readonly json: boolean; readonly args: readonly string[] }): Promise<object> => {
  const after = (flag: string): string | undefined => (args.includes(flag) ? args[args.indexOf(flag) + 1] : undefined);
  const blocks = Number(after("--blocks") ?? BLOCKS);
  const profiles = after("--profile");
  const runtime = electronRuntime();
  const folder = temporaryFolder("big-note");
  const display = await startDisplay();
  const markdown = bigNote(BYTES, blocks);
  try {
    const node = await startHeadless(folder);
    await node.call("identity.create", { name: "Ann" });
    const notebook = (await node.call("notebooks.create", { title: "Bench" })).id;
    await node.call("documents.create", { notebook, title: "Big", markdown });
    const small = await node.call("documents.create", { notebook, title: "Small", markdown: "A small note." });
    await eventually(
      async () => ((await node.call("notebooks.copies", { notebook })).storage.snapshots ?? 0) > BYTES,
      "a snapshot of the note",
      TIMEOUT_MS,
    );
    await node.call("settings.set", { key: "window.lastNotebook", value: notebook });
    await node.call("settings.set", { key: "window.lastDocument", value: small.id });
    await node.stop();

    const { application, page } = await launchApp({
      runtime,
      dataDirectory: folder,
      display: display.name,
      sandbox: process.getuid?.() !== 0,
    });
    try {
      await page.locator('.ProseMirror[contenteditable="true"]').waitFor();
      await page.locator("role=option[name=/Big/]").waitFor();
      const first = markdown.replace(/^(?:#+|-|>|\d+\.)\s*(?:\[ \] )?/, "").slice(0, 12);
      const open = (title: string, text: string) => page.evaluate(openIn, [title, text, TIMEOUT_MS] as const);
      const opens = { big: [] as number[], small: [] as number[] };
      await profiled(page, profiles, "open", async () => {
        for (let i = 0; i < OPENS; i++) {
          opens.big.push(await open("Big", first));
          await page.waitForTimeout(300);
          opens.small.push(await open("Small", "A small note."));
          await page.waitForTimeout(300);
        }
      });
      await page.evaluate(watchKeys);
      const smallTyping = await typeAt(page, "end", KEYSTROKES);
      await open("Big", first);
      const typing = await profiled(page, profiles, "type", async () => ({
        start: await typeAt(page, "start", KEYSTROKES),
        middle: await typeAt(page, "middle", KEYSTROKES),
        end: await typeAt(page, "end", KEYSTROKES),
      }));
      return {
        bench: "big-note",
        bytes: markdown.length,
        blocks,
        openMs: {
          first: +(opens.big[0] as number).toFixed(0),
          p50: quantile(opens.big, 0.5),
          most: quantile(opens.big, 1),
        },
        openSmallMs: { p50: quantile(opens.small, 0.5), most: quantile(opens.small, 1) },
        typing,
        typingSmall: smallTyping,
        goal: { openMs: 500, busyP95Ms: 16 },
      };
    } finally {
      await application.close();
    }
  } finally {
    display.close();
    removeFolder(folder);
  }
};
