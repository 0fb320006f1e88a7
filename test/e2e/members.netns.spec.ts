import { expect, test } from "@playwright/test";
import type {
  DocumentContent,
  DocumentSummary,
  InviteCreated,
  Notebook,
  NotebookCopies,
  SyncStatus,
} from "../../app/contract/types.ts";
import type { Person } from "./people.ts";
import { EDITOR, ask, firstRun, openNote, withPeople } from "./people.ts";

const MAY = 'role=status[name="What you may do here"]';
const ARRIVES_MS = 60_000;

/** Olga owns a notebook with one note; Rita may write in it and has it open. */
const share = async (olga: Person, rita: Person): Promise<{ readonly notebook: string; readonly note: string }> => {
  const { id: notebook } = await ask<Notebook>(olga, "notebooks.create", { title: "Choir" });
  const { id: note } = await ask<DocumentSummary>(olga, "documents.create", {
    notebook,
    title: "Programme",
    markdown: "Bring the scores.",
  });
  const { link } = await ask<InviteCreated>(olga, "invites.create", { notebook, mode: "auto", role: "writer" });
  await ask(rita, "invites.join", { link });
  for (const { app } of [olga, rita]) await app.waitFor("role=treeitem[name=/^Choir/]", "visible", ARRIVES_MS);
  for (const person of [olga, rita]) {
    await person.app.click("role=treeitem[name=/^Choir/]");
    await person.app.waitFor("role=option[name=/^Programme/]", "visible", ARRIVES_MS);
    await openNote(person, "Programme", "Bring the scores.");
  }
  await rita.app.waitFor(`${EDITOR}[contenteditable="true"]`, "visible", ARRIVES_MS);
  return { notebook, note };
};

const textAt = async (person: Person, document: string): Promise<string> =>
  (await ask<DocumentContent>(person, "documents.read", { document })).text;
const openTab = async ({ app }: Person, tab: string): Promise<void> => {
  await app.click('role=button[name="Share"]');
  await app.click(`role=tab[name=/^${tab}/]`);
};

const journey = async (olga: Person, rita: Person): Promise<void> => {
  await Promise.all([olga, rita].map(firstRun));
  const { notebook, note } = await share(olga, rita);
  await rita.app.click(`${EDITOR} p`);
  await rita.app.press("Control+End");
  await rita.app.type(EDITOR, " Rita was here.");
  await olga.app.waitFor(`${EDITOR} >> text=Rita was here.`);
  await rita.app.waitFor("footer .status >> text=Everything delivered", "visible", ARRIVES_MS);

  await openTab(olga, "Members");
  await olga.app.waitFor('role=list[name="Members"] >> text=Connected now');
  await olga.keep("01-members");
  await olga.app.select('role=combobox[name="Role of Rita"]', "reader");
  await rita.app.waitFor(`${MAY} >> text=/Olga lets you read this notebook, not change it/`, "visible", ARRIVES_MS);
  await rita.app.waitFor(`${EDITOR}[contenteditable="false"]`);
  await rita.keep("02-reader");
  expect(await rita.app.count('role=button[name="Note actions"]')).toBe(0);
  await rita.app.click(EDITOR);
  await rita.app.press("x");
  await ask(olga, "documents.edit", { document: note, appendMarkdown: "Readers read on." });
  await rita.app.waitFor(`${EDITOR} >> text=Readers read on.`, "visible", ARRIVES_MS);
  expect(await textAt(rita, note)).toBe(await textAt(olga, note));

  await olga.app.click('role=tab[name="Where it is"]');
  await olga.app.waitFor("text=/1 device holds everything that is here/", "visible", ARRIVES_MS);
  await olga.keep("03-copies");
  await olga.app.click("role=tab[name=/^Members/]");
  await olga.app.click('role=button[name="More about Rita"]');
  await olga.app.click('role=menuitem[name="Remove from the notebook"]');
  await olga.app.waitFor('role=heading[name="Remove Rita?"]');
  await olga.keep("04-remove");
  await olga.app.click('role=button[name="Remove"]');
  await rita.app.waitFor(`${MAY} >> text=/Olga removed you from this notebook/`, "visible", ARRIVES_MS);
  await rita.app.waitFor(`${EDITOR}[contenteditable="false"]`);

  await ask(olga, "documents.edit", { document: note, appendMarkdown: "After the removal." });
  // Sealed, and with nobody to take it: had it gone to Rita, it would count as delivered.
  await expect
    .poll(async () => {
      const { notebooks } = await ask<SyncStatus>(olga, "sync.status");
      return notebooks.find(({ id }) => id === notebook)?.undelivered ?? 0;
    })
    .toBeGreaterThan(0);
  expect(await textAt(olga, note)).toContain("After the removal.");
  expect(await textAt(rita, note)).not.toContain("After the removal.");
  expect(await textAt(rita, note)).toContain("Readers read on.");
  await rita.keep("05-removed");

  await olga.app.click('role=tab[name="Activity"]');
  await olga.app.waitFor('role=region[name="Activity, newest first"] >> text=/removed Rita and changed the keys/');
  await olga.keep("06-activity");
  const { members, former } = await ask<NotebookCopies>(olga, "notebooks.copies", { notebook });
  expect(members.map(({ name }) => name)).toEqual(["Olga"]);
  expect(former).toMatchObject([{ name: "Rita", how: "removed" }]);
  await olga.app.theme("dark");
  await olga.app.click('role=tab[name="Where it is"]');
  await olga.app.waitFor("text=/Only this computer holds this notebook/");
  await olga.keep("07-alone-dark");
};

test("the owner lets somebody only read, then removes her: her window says so each time and shows nothing new", async () => {
  test.setTimeout(240_000);
  await withPeople("members", ["Olga", "Rita"], async (_network, people) => journey(...(people as [Person, Person])));
});
