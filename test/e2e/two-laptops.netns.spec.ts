import { expect, test } from "@playwright/test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { ContractError } from "../../app/contract/errors.ts";
import type { Contract, InputOf, OutputOf } from "../../app/contract/contract.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { electronRuntime } from "../support/electron-runtime.ts";
import { withNetwork } from "../support/netns.ts";
import { SCREENSHOTS, isRoot } from "./fixtures.ts";
import type { RemoteApp } from "./remote-app.ts";
import { startRemoteApp } from "./remote-app.ts";

const PASSPHRASE = "seven quiet herons watch amber ponds";
const IMPORTED_FILES = 60;
const EDITOR = '[aria-label="Text of the note"]';
const button = (name: string): string => `role=button[name="${name}"]`;
const heading = (name: string): string => `role=heading[name="${name}"]`;

/** Value of a contract operation asked through the window; an expected failure fails the test. */
const ask = async <N extends keyof Contract>(app: RemoteApp, name: N, input?: InputOf<N>): Promise<OutputOf<N>> => {
  const answer = await app.invoke<Result<OutputOf<N>, ContractError>>(name, input);
  if (!answer.ok) throw new Error(`${name}: ${answer.error.type} ${answer.error.message}`);
  return answer.value;
};

const introduce = async (app: RemoteApp, name: string): Promise<void> => {
  await app.click(button("Get started"));
  await app.fill('label:has-text("Your name") >> xpath=.. >> input', name);
  const fields = await app.count('input[type="password"]');
  for (let field = 0; field < fields; field++) await app.fill(`input[type="password"] >> nth=${field}`, PASSPHRASE);
  await app.click(button("Create my identity"));
  await app.waitFor(heading("Write down these 24 words"));
  await app.click(button("I have written them down"));
  await app.click(button("Do this later"));
  await app.waitFor(heading("Start with a notebook"));
};

const writeFolder = (folder: string): void => {
  mkdirSync(path.join(folder, "deep"), { recursive: true });
  for (let index = 0; index < IMPORTED_FILES; index++) {
    const file = path.join(folder, index % 2 === 0 ? "." : "deep", `note-${index}.md`);
    writeFileSync(
      file,
      `# Chapter ${index}\n\nSome *text* with a [link](note-${index + 1}.md).\n\n- [ ] one\n- [x] two\n`,
    );
  }
};

const shoot = (app: RemoteApp, name: string): Promise<void> => app.screenshot(path.join(SCREENSHOTS, `${name}.png`));

const sameText = async (ann: RemoteApp, bob: RemoteApp, document: string, words: readonly string[]): Promise<void> => {
  await expect(async () => {
    const [left, right] = await Promise.all([
      ask(ann, "documents.read", { document }),
      ask(bob, "documents.read", { document }),
    ]);
    for (const word of words) expect(left.text).toContain(word);
    expect(right.text).toBe(left.text);
    expect(right.heads).toEqual(left.heads);
    for (const app of [ann, bob]) {
      const shown = await app.text(EDITOR);
      for (const word of words) expect(shown).toContain(word);
    }
  }).toPass({ timeout: 60_000 });
};

/** The whole promise of the product, from the first start to a mended cable, as two people see it. */
const story = async (ann: RemoteApp, bob: RemoteApp, folder: string, cutCable: () => void, mendCable: () => void) => {
  await introduce(ann, "Ann");
  await introduce(bob, "Bob");

  await ann.click(button("New notebook"));
  await ann.fill('label:has-text("Name") >> xpath=.. >> input', "Garden");
  await ann.press("Enter");
  await ann.waitFor(heading("Garden"));
  const [notebook] = await ask(ann, "notebooks.list");
  expect(notebook?.title).toBe("Garden");
  const id = notebook?.id ?? "";
  writeFolder(folder);
  const report = await ask(ann, "import.markdown", { path: folder, notebook: id });
  expect(report).toMatchObject({ state: "done", files: IMPORTED_FILES, imported: IMPORTED_FILES, failed: [] });

  await ann.press("Control+Shift+S");
  await ann.click(button("Create invite link"));
  await ann.waitFor('textarea[aria-label="Invite link"]');
  const link = await ann.evaluate<string>(`document.querySelector('textarea[aria-label="Invite link"]').value`);
  await shoot(ann, "laptops-1-invite");
  await ann.press("Escape");

  await bob.click(button("Join with a link"));
  await bob.fill('textarea[aria-label="Invite link"]', link);
  await bob.click('form >> role=button[name="Join"]');
  await ann.click(button("Review"));
  await ann.waitFor('role=article[name="Bob asks to join"]');
  const digits = (text: string): string => /(\d\s*){6}/.exec(text)?.[0].replaceAll(/\s/g, "") ?? "";
  await expect(async () => {
    const shownToAnn = digits(await ann.text('role=article[name="Bob asks to join"]'));
    expect(shownToAnn).toMatch(/^\d{6}$/);
    expect(digits(await bob.text("role=dialog"))).toBe(shownToAnn);
  }).toPass({ timeout: 30_000 });
  await shoot(ann, "laptops-2-check-string-owner");
  await shoot(bob, "laptops-3-check-string-guest");
  await ann.click(button("It matches, let them in"));
  await bob.click(button("Open the notebook"));
  await bob.waitFor(heading("Garden"));
  await expect(async () => {
    expect(await ask(bob, "documents.list", { notebook: id })).toHaveLength(IMPORTED_FILES);
  }).toPass({ timeout: 60_000 });
  await shoot(bob, "laptops-4-joined");

  await ann.press("Escape");
  await ann.click(`section[aria-label="Note"] >> ${button("New note")}`);
  await ann.fill('[aria-label="Title"]', "Plan");
  await ann.press("Enter");
  await ann.type(EDITOR, "Ann begins. ");
  await bob.waitFor("role=option[name=/Plan/]", "visible", 60_000);
  await bob.click("role=option[name=/Plan/]");
  await expect(async () => {
    expect(await bob.text(EDITOR)).toContain("Ann begins.");
  }).toPass({ timeout: 30_000 });
  const document = (await ask(ann, "documents.list", { notebook: id })).find(({ title }) => title === "Plan")?.id ?? "";

  await bob.click(EDITOR);
  await bob.press("Control+End");
  await bob.press("Enter");
  await Promise.all([ann.type(EDITOR, "Apples and pears. ", 30), bob.type(EDITOR, "Beans and chard. ", 30)]);
  await sameText(ann, bob, document, ["Apples and pears.", "Beans and chard."]);
  await shoot(ann, "laptops-5-together-ann");
  await shoot(bob, "laptops-6-together-bob");

  cutCable();
  await ann.type(EDITOR, "Written while cut off by Ann. ", 10);
  await bob.type(EDITOR, "Written while cut off by Bob. ", 10);
  await expect(async () => {
    expect(await bob.text("body")).not.toContain("Written while cut off by Ann.");
    const { undelivered } = await ask(ann, "sync.summary");
    expect(undelivered).toBeGreaterThan(0);
  }).toPass({ timeout: 30_000 });
  await shoot(ann, "laptops-7-cut-ann");
  await shoot(bob, "laptops-8-cut-bob");

  mendCable();
  await sameText(ann, bob, document, ["Written while cut off by Ann.", "Written while cut off by Bob."]);
  await expect(async () => {
    expect((await ask(ann, "sync.summary")).undelivered).toBe(0);
  }).toPass({ timeout: 60_000 });
  await shoot(ann, "laptops-9-mended-ann");
  await shoot(bob, "laptops-10-mended-bob");
};

test("two laptops on one LAN: invite, compare the digits, import, write together, cut the cable, mend it", async () => {
  const testInfo = test.info();
  test.setTimeout(600_000);
  const runtime = electronRuntime();
  const folder = mkdtempSync(path.join(os.tmpdir(), "p2pcollab-laptops-"));
  mkdirSync(SCREENSHOTS, { recursive: true });
  try {
    await withNetwork(["ann", "bob"], async (network) => {
      const [ann, bob] = [startRemoteApp(network.host("ann")), startRemoteApp(network.host("bob"))];
      const apps = { ann, bob };
      try {
        await Promise.all(
          Object.entries(apps).map(([name, app]) =>
            app.launch({ runtime, dataDirectory: path.join(folder, name), sandbox: !isRoot }),
          ),
        );
        const cable = network.host("bob");
        await story(ann, bob, path.join(folder, "markdown"), cable.unplug, cable.plug);
      } catch (cause) {
        for (const [name, app] of Object.entries(apps)) {
          await shoot(app, `laptops-failed-${name}`);
          await testInfo.attach(`${name}.log`, { body: await app.log(), contentType: "text/plain" });
        }
        throw cause;
      } finally {
        await Promise.all(Object.values(apps).map((app) => app.dispose()));
      }
    });
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
});
