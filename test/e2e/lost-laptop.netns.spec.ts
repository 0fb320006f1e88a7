import { expect, test } from "@playwright/test";
import type {
  Activity,
  Device,
  DevicePairing,
  DocumentContent,
  DocumentSummary,
  Identity,
  Notebook,
  PairingStatus,
} from "../../app/contract/types.ts";
import type { Network } from "../support/netns.ts";
import type { Person } from "./people.ts";
import { EDITOR, answers, ask, choosePassphrase, openNote, settleIn, withPeople } from "./people.ts";

const ARRIVES_MS = 60_000;
/** The other device that may add devices: the one that made the identity. */
const LOST =
  'role=list[name="Your devices"] >> li:has-text("Adds devices"):not(:has-text("This device")):not(:has-text("Desk"))';

const textAt = async (person: Person, document: string): Promise<string> =>
  (await ask<DocumentContent>(person, "documents.read", { document })).text;
const has = (person: Person, document: string, text: string): Promise<void> =>
  answers<DocumentContent>(person, "documents.read", { document }, (content) => content.text.includes(text));
const hasNotebook = (person: Person, notebook: string): Promise<void> =>
  answers<readonly Notebook[]>(person, "notebooks.list", undefined, (list) =>
    list.some(({ id, membership }) => id === notebook && membership === "active"),
  );

/** Signs the app at `newcomer` in on the sponsor's. */
const pair = async (sponsor: Person, newcomer: Person): Promise<void> => {
  await newcomer.app.waitFor('role=button[name="Get started"]');
  const { link } = await ask<PairingStatus>(newcomer, "identity.pair", {
    deviceName: newcomer.name,
    passphrase: "seven quiet herons over the marsh",
  });
  const { id } = await ask<DevicePairing>(sponsor, "devices.add", { link });
  await answers<PairingStatus>(newcomer, "identity.pairing", undefined, ({ state }) => state === "compare");
  await ask(sponsor, "devices.approve", { id });
  await ask(newcomer, "identity.confirmPairing");
  await answers<PairingStatus>(newcomer, "identity.pairing", undefined, ({ state }) => state === "done");
};

const journey = async (network: Network, laptop: Person, desk: Person, spare: Person): Promise<void> => {
  const phrase = await settleIn(laptop, "Ada");
  const { id: notebook } = await ask<Notebook>(laptop, "notebooks.create", { title: "Mine" });
  const { id: note } = await ask<DocumentSummary>(laptop, "documents.create", {
    notebook,
    title: "Plans",
    markdown: "Written before.",
  });
  const { device: lost } = await ask<Identity>(laptop, "identity.show");
  await pair(laptop, desk);
  await hasNotebook(desk, notebook);
  await has(desk, note, "Written before.");

  // Stolen: out of reach of the others, and somebody writes with it.
  network.host("laptop").unplug();
  await ask(laptop, "documents.edit", { document: note, appendMarkdown: "By the thief." });

  await spare.app.click('role=button[name="Restore with my phrase"]');
  await spare.app.fill('role=textbox[name="24 words from your paper"]', phrase.join(" "));
  await choosePassphrase(spare);
  await spare.keep("01-phrase");
  await spare.app.click('role=button[name="Restore my identity"]');
  await spare.app.waitFor("role=treeitem[name=/^Mine/]", "visible", ARRIVES_MS);
  await spare.app.click("role=treeitem[name=/^Mine/]");
  await spare.app.waitFor("role=option[name=/^Plans/]", "visible", ARRIVES_MS);
  await openNote(spare, "Plans", "Written before.");
  await spare.app.waitFor(`${EDITOR}[contenteditable="true"]`, "visible", ARRIVES_MS);
  await spare.keep("02-restored");

  await spare.app.press("Control+,");
  await spare.app.click('role=tab[name="Devices"]');
  const { name } = (await ask<readonly Device[]>(spare, "devices.list")).find(({ id }) => id === lost) ?? { name: "" };
  await spare.app.click(`${LOST} >> role=button >> nth=0`);
  await spare.app.click('role=menuitem[name="Remove…"]');
  await spare.app.waitFor(`role=heading[name="Remove “${name}” from your devices?"]`);
  await spare.app.fill('role=textbox[name="Recovery phrase"]', phrase.join(" "));
  await spare.keep("03-revoke");
  await spare.app.click('role=button[name="Remove it"]');
  await spare.app.waitFor(LOST, "detached", ARRIVES_MS);
  await spare.keep("04-revoked");
  await answers<readonly Device[]>(desk, "devices.list", undefined, (list) =>
    list.some(({ id, state }) => id === lost && state === "revoked"),
  );
  for (const person of [spare, desk])
    await answers<readonly Activity[]>(person, "activity.list", { notebook }, (list) =>
      list.some(({ type }) => type === "keysChanged"),
    );
  await ask(spare, "documents.edit", { document: note, appendMarkdown: "After the loss." });
  await has(desk, note, "After the loss.");

  network.host("laptop").plug();
  await answers<readonly Notebook[]>(laptop, "notebooks.list", undefined, (list) =>
    list.some(({ id, membership }) => id === notebook && membership === "removed"),
  );
  for (const person of [spare, desk]) {
    await answers<readonly Activity[]>(person, "activity.list", { notebook, type: "edited" }, (list) =>
      list.some(({ device, effect }) => device === lost && effect === "void"),
    );
    expect(await textAt(person, note)).not.toContain("By the thief.");
  }
  expect(await textAt(laptop, note)).not.toContain("After the loss.");
  await ask(desk, "documents.edit", { document: note, appendMarkdown: "All is well." });
  await has(spare, note, "All is well.");
  expect(await textAt(laptop, note)).not.toContain("All is well.");
  await laptop.keep("05-lost");
};

test("a lost laptop is revoked by phrase on a computer that knows only the words; what it writes later is void", async () => {
  test.setTimeout(240_000);
  await withPeople("lost-laptop", ["Laptop", "Desk", "Spare"], async (network, people) =>
    journey(network, ...(people as [Person, Person, Person])),
  );
});
