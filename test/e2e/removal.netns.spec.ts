import { expect, test } from "@playwright/test";
import type {
  DocumentContent,
  DocumentSummary,
  InviteCreated,
  Notebook,
  Member,
  SyncStatus,
} from "../../app/contract/types.ts";
import type { Network } from "../support/netns.ts";
import type { Person } from "./people.ts";
import { EDITOR, answers, ask, openNote, settleIn, withPeople } from "./people.ts";

const MAY = 'role=status[name="What you may do here"]';
const ARRIVES_MS = 60_000;

const textAt = async (person: Person, document: string): Promise<string> =>
  (await ask<DocumentContent>(person, "documents.read", { document })).text;
const shows = ({ app }: Person, text: string) => app.waitFor(`${EDITOR} >> text=${text}`, "visible", ARRIVES_MS);
const typeAtEnd = async ({ app }: Person, text: string): Promise<void> => {
  await app.click(`${EDITOR} p`);
  await app.press("Control+End");
  await app.type(EDITOR, text);
};
/** Everything this person wrote is sealed and somebody else has it. */
const isDelivered = (person: Person, notebook: string): Promise<void> =>
  answers<SyncStatus>(
    person,
    "sync.status",
    undefined,
    ({ notebooks }) => notebooks.find(({ id }) => id === notebook)?.undelivered === 0,
  );

const journey = async (network: Network, olga: Person, rita: Person, tom: Person): Promise<void> => {
  const people = [olga, rita, tom];
  await Promise.all(people.map((person) => settleIn(person)));
  const { id: notebook } = await ask<Notebook>(olga, "notebooks.create", { title: "Choir" });
  const { id: note } = await ask<DocumentSummary>(olga, "documents.create", {
    notebook,
    title: "Programme",
    markdown: "Bring the scores.",
  });
  for (const guest of [rita, tom]) {
    const { link } = await ask<InviteCreated>(olga, "invites.create", { notebook, mode: "auto", role: "writer" });
    await ask(guest, "invites.join", { link });
    await answers<readonly Notebook[]>(guest, "notebooks.list", undefined, (list) =>
      list.some(({ id, membership }) => id === notebook && membership === "active"),
    );
  }
  for (const person of people) {
    await person.app.click("role=treeitem[name=/^Choir/]");
    await person.app.waitFor("role=option[name=/^Programme/]", "visible", ARRIVES_MS);
    await openNote(person, "Programme", "Bring the scores.");
    await person.app.waitFor(`${EDITOR}[contenteditable="true"]`, "visible", ARRIVES_MS);
  }
  await answers<readonly Member[]>(tom, "notebooks.members", { notebook }, (members) => members.length === 3);

  network.host("tom").unplug();
  await typeAtEnd(tom, " Tom is on the train.");
  await olga.app.click('role=button[name="Share"]');
  await olga.app.click("role=tab[name=/^Members/]");
  await olga.app.click('role=button[name="More about Rita"]');
  await olga.app.click('role=menuitem[name="Remove from the notebook"]');
  await olga.app.click('role=button[name="Remove"]');
  await rita.app.waitFor(`${MAY} >> text=/Olga removed you from this notebook/`, "visible", ARRIVES_MS);
  await olga.app.press("Escape");
  await ask(olga, "documents.edit", { document: note, appendMarkdown: "Olga goes on without Rita." });
  await shows(olga, "Olga goes on without Rita.");
  await typeAtEnd(tom, " Still no network.");
  await tom.keep("01-offline");
  expect(await textAt(tom, note)).not.toContain("Olga goes on");

  network.host("tom").plug();
  await shows(olga, "Tom is on the train. Still no network.");
  await shows(tom, "Olga goes on without Rita.");
  await answers<readonly Member[]>(tom, "notebooks.members", { notebook }, (members) =>
    members.every(({ name }) => name !== "Rita"),
  );
  await tom.app.type(EDITOR, " Tom is back.");
  await shows(olga, "Tom is back.");
  for (const person of [olga, tom]) await isDelivered(person, notebook);
  const [hers, his] = [await textAt(olga, note), await textAt(tom, note)];
  expect(his).toBe(hers);

  // The cable in her machine is good: what is not there was not sent, or could not be opened.
  const seen = await textAt(rita, note);
  expect(seen).toContain("Bring the scores.");
  expect(seen).not.toContain("Olga goes on");
  expect(seen).not.toContain("Tom is back");
  expect(await rita.app.text(EDITOR)).not.toContain("Olga goes on");
  await Promise.all(people.map(({ keep }) => keep("02-healed")));
};

test("removed while another is offline and writes: his edits survive, she sees nothing new", async () => {
  test.setTimeout(240_000);
  await withPeople("removal", ["Olga", "Rita", "Tom"], async (network, people) =>
    journey(network, ...(people as [Person, Person, Person])),
  );
});
