import { expect, test } from "@playwright/test";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { DocumentContent, DocumentSummary, Notebook, SyncStatus } from "../../app/contract/types.ts";
import { copyMarkdown } from "../support/markdown-folder.ts";
import type { Network } from "../support/netns.ts";
import type { Person } from "./people.ts";
import { EDITOR, ask, firstRun, openNote, withPeople } from "./people.ts";

const NOTEBOOK = "Manuals";
const CHECK_STRING = ".check >> text=/Check string/";
const STATUS = "footer .status";
/** A link whose cable was cut is noticed by its keep-alive. */
const LINK_LOST_MS = 60_000;
/** Carets nothing was heard of for half a minute go, with a reserve. */
const CARET_GONE_MS = 45_000;
/** Carrier, mDNS announcement, handshake and reconciliation after the cable is back. */
const CONVERGED_MS = 90_000;

const importFolder = async ({ app, keep }: Person, folder: string, files: number): Promise<void> => {
  await app.click('main >> role=button[name="New notebook"]');
  await app.fill('role=textbox[name="Name"]', NOTEBOOK);
  await app.click('role=button[name="Create"]');
  await app.chooseFolder(folder);
  await app.click('role=button[name="Import"]');
  await app.click('role=button[name="Choose a folder"]');
  await app.click('role=dialog >> role=button[name="Import"]');
  await app.waitFor('role=button[name="Show the notes"]', "visible", 120_000);
  await keep("04-report");
  await app.click('role=button[name="Show the notes"]');
  expect(await app.text(`role=treeitem[name=/${NOTEBOOK}/] >> .count`)).toBe(String(files));
};

const invite = async (owner: Person, joiner: Person): Promise<void> => {
  await owner.app.click('role=button[name="Share"]');
  await owner.app.click('role=button[name="Create invite link"]');
  const field = 'role=textbox[name="Invite link"]';
  await owner.app.waitFor(field);
  await owner.keep("05-link");
  const link = await owner.app.evaluate<string>("document.querySelector('[aria-label=\"Invite link\"]').value");
  await joiner.app.click('main >> role=button[name="Join with a link"]');
  await joiner.app.fill(field, link);
  await joiner.app.click('role=button[name="Join"]');

  await Promise.all([owner, joiner].map(({ app }) => app.waitFor(CHECK_STRING, "attached", 60_000)));
  await owner.keep("06-check-string");
  await joiner.keep("06-check-string");
  const [theirs, ours] = [await joiner.app.text(CHECK_STRING), await owner.app.text(CHECK_STRING)];
  expect(theirs).toMatch(/^Check string \d \d \d \d \d \d$/);
  expect(theirs).toBe(ours);
  expect(await owner.app.count(`role=article[name="${joiner.name} asks to join"]`)).toBe(1);

  await owner.app.click('role=button[name="It matches, let them in"]');
  await joiner.app.waitFor('role=button[name="Open the notebook"]', "visible", 60_000);
  await joiner.keep("07-joined");
  await owner.keep("07-members");
  await owner.app.press("Escape");
  await joiner.app.click('role=button[name="Open the notebook"]');
};

/** The text on the screen, a line for each block. */
const shown = ({ app }: Person): Promise<string> =>
  app.evaluate(`[...document.querySelectorAll("${EDITOR} > *")].map((block) => block.textContent).join("\\n")`);

const status = ({ app }: Person): Promise<string> => app.text(STATUS);

/** Both apps have the same heads and text of the document; its heads. */
const converge = async (people: readonly Person[], document: string, expected: readonly string[]): Promise<void> => {
  await expect
    .poll(
      async () => {
        const notes = await Promise.all(
          people.map((person) => ask<DocumentContent>(person, "documents.read", { document })),
        );
        const screens = await Promise.all(people.map(shown));
        return {
          heads: new Set(notes.map(({ heads }) => heads.join())).size,
          texts: new Set(notes.map(({ text }) => text)).size,
          screens: new Set(screens).size,
          missing: expected.filter((part) => !screens.every((text) => text.includes(part))),
        };
      },
      { timeout: CONVERGED_MS },
    )
    .toEqual({ heads: 1, texts: 1, screens: 1, missing: [] });
  const statuses = await Promise.all(people.map((person) => ask<SyncStatus>(person, "sync.status")));
  const heads = statuses.map(({ notebooks }) =>
    notebooks.flatMap(({ documents }) =>
      documents.filter(({ id }) => id === document).map((found) => found.heads.join()),
    ),
  );
  expect(heads[0]).toHaveLength(1);
  expect(heads[1]).toEqual(heads[0]);
};

const journey = async (network: Network, ann: Person, bob: Person, folder: string): Promise<void> => {
  const people = [ann, bob];
  await Promise.all(people.map(firstRun));
  const source = path.join(folder, "source");
  const files = copyMarkdown(source, ["undici"]);
  expect(files).toBeGreaterThan(20);
  await importFolder(ann, source, files);
  await invite(ann, bob);

  const [notebook] = await ask<readonly Notebook[]>(bob, "notebooks.list");
  expect(notebook?.title).toBe(NOTEBOOK);
  await expect
    .poll(
      async () => (await ask<readonly DocumentSummary[]>(bob, "documents.list", { notebook: notebook?.id })).length,
      {
        timeout: CONVERGED_MS,
      },
    )
    .toBe(files);
  await bob.keep("08-notes");

  await ann.app.click('role=region[name="Notes"] >> role=button[name="New note"]');
  await ann.app.type('role=textbox[name="Title"]', "Shopping");
  await ann.app.press("Enter");
  await ann.app.type(EDITOR, "We need bread.");
  await openNote(bob, "Shopping", "We need bread.");
  const document = (await ask<readonly DocumentSummary[]>(ann, "documents.list", { notebook: notebook?.id })).find(
    ({ title }) => title === "Shopping",
  )?.id;
  expect(document).toBeDefined();

  await Promise.all(people.map(({ app }) => app.click(`${EDITOR} p`)));
  await ann.app.press("Control+Home");
  await bob.app.press("Control+End");
  await bob.app.press("Enter");
  const [fromAnn, fromBob] = ["Ann writes at the top. ", "Bob writes at the bottom."];
  await Promise.all([ann.app.type(EDITOR, fromAnn, 30), bob.app.type(EDITOR, fromBob, 30)]);
  await ann.app.waitFor(`${EDITOR} >> text=${fromBob}`);
  await bob.app.waitFor(`${EDITOR} >> text=${fromAnn.trim()}`);
  await ann.app.waitFor('.remote-caret[data-name="Bob"]');
  await bob.app.waitFor('.remote-caret[data-name="Ann"]');
  await ann.keep("09-together");
  await bob.keep("09-together");
  await converge(people, document ?? "", [fromAnn.trim(), fromBob, "We need bread."]);
  await Promise.all(people.map(({ app }) => app.waitFor(`${STATUS} >> text=Everything delivered`)));
  expect(await status(ann)).toContain("Connected to Bob");
  expect(await status(bob)).toContain("Connected to Ann");

  network.host("bob").unplug();
  await ann.app.type(EDITOR, "Ann alone. ", 10);
  await bob.app.type(EDITOR, " Bob alone.", 10);
  for (const { app } of people) await app.waitFor(`${STATUS} >> text=Not connected`, "visible", LINK_LOST_MS);
  for (const { app } of people) await app.waitFor(".remote-caret", "detached", CARET_GONE_MS);
  for (const { app } of people) await app.waitFor(`${STATUS} >> text=/\\d+ changes? only on this computer/`);
  await ann.keep("10-cable-cut");
  await bob.keep("10-cable-cut");
  expect(await shown(ann)).not.toContain("Bob alone.");
  expect(await shown(bob)).not.toContain("Ann alone.");

  network.host("bob").plug();
  await converge(people, document ?? "", ["Ann alone.", "Bob alone.", fromBob]);
  for (const { app } of people) await app.waitFor(`${STATUS} >> text=Everything delivered`, "visible", CONVERGED_MS);
  await Promise.all(people.map(({ app }) => app.theme("dark")));
  await ann.keep("11-converged-dark");
  await bob.keep("11-converged-dark");
};

test("two people meet on a LAN, write one note together, and again after the cable was out", async () => {
  test.setTimeout(400_000);
  const folder = mkdtempSync(path.join(os.tmpdir(), "p2pcollab-source-"));
  try {
    await withPeople("two-people", ["Ann", "Bob"], async (network, people) =>
      journey(network, ...(people as [Person, Person]), folder),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
