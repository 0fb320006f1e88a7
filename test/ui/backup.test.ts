import { fireEvent, screen, waitFor } from "@testing-library/svelte";
import { describe, expect, test } from "vitest";
import type { ProfileExport, ProfileImport } from "../../app/contract/types.ts";
import { ok } from "../../protocol/kernel/result.ts";
import { BACKUP } from "./support/fake-backup.ts";
import { createWorld } from "./support/fake-transport.ts";
import { expectAccessible, openSettings, renderApp, type } from "./support/render-app.ts";
import { sampleWorld } from "./support/sample-world.ts";

const callOf = (node: Awaited<ReturnType<typeof renderApp>>, name: string) =>
  node.calls.findLast((call) => call.name === name)?.input;
const phraseField = () => screen.getByLabelText("The 24 words of your recovery phrase");

describe("backups in the settings", () => {
  test("a folder is chosen once, the backup made, and what it holds is told", async () => {
    const node = await renderApp(sampleWorld());
    await openSettings("Backup");
    await screen.findByText("None yet");
    await expectAccessible();
    await fireEvent.click(screen.getByRole("button", { name: "Back up now" }));
    await screen.findByText(/Read back and complete$/u);
    expect(callOf(node, "backup.schedule")).toEqual({ folder: "/home/ada/Notes", every: "never" });
    expect(callOf(node, "backup.create")).toEqual({});
    screen.getByText(/118 MB: 3 notebooks, 67 notes/u);
    await fireEvent.click(screen.getByRole("radio", { name: "Every week" }));
    await screen.findByText(/^Next after .*; the newest four are kept$/u);
    await expectAccessible();
  });

  test("one under way shows how far it is and can be cancelled; one that failed says why", async () => {
    const world = sampleWorld();
    world.backup = { ...world.backup, folder: "/media/stick", running: { phase: "write", done: 0, total: 0 } };
    const node = await renderApp(world);
    await openSettings("Backup");
    await screen.findByText("Writing the backup…");
    node.emit({ type: "backupProgress", phase: "verify", done: 40_000_000, total: 118_300_000 });
    await screen.findByText("Reading it back…");
    screen.getByText("40 MB of 118 MB");
    expect(screen.getByRole("button", { name: "Back up now" }).hasAttribute("disabled")).toBe(true);
    await expectAccessible();
    await fireEvent.click(screen.getByRole("button", { name: "Cancel" }));
    await waitFor(() => expect(screen.queryByText("Reading it back…")).toBeNull());

    const message = "The folder for backups is not there. Connect the disk it is on, or choose another one.";
    world.backup = { ...world.backup, problem: { type: "FolderNotFound", message, at: BACKUP.createdAt } };
    node.emit({ type: "backupChanged" });
    await screen.findByText(message);
  });

  test("a backup is checked with the phrase; other words are refused", async () => {
    const { world } = await renderApp(sampleWorld());
    await openSettings("Backup");
    await fireEvent.click(await screen.findByRole("button", { name: "Choose a file…" }));
    await screen.findByText("In order, separated by spaces");
    expect(screen.getByRole("button", { name: "Check it" }).hasAttribute("disabled")).toBe(true);
    await type(phraseField(), "zebra ".repeat(24));
    await fireEvent.click(screen.getByRole("button", { name: "Check it" }));
    await screen.findByText("Those words are not the ones of your recovery phrase.");
    await expectAccessible();
    await type(phraseField(), world.phrase.join(" "));
    await fireEvent.click(screen.getByRole("button", { name: "Check it" }));
    await screen.findByText("This backup is complete");
  });
});

const REPORT: ProfileExport = {
  path: "/home/ada/Notes",
  createdAt: 0,
  name: "Ada Lovelace",
  notebooks: 3,
  documents: 67,
  attachments: 12,
  missing: 2,
  records: 900,
  unsigned: 0,
  files: 230,
  bytes: 48_000_000,
};

test("everything is exported, and files that were not here are named", async () => {
  const node = await renderApp(sampleWorld(), { "export.profile": async () => ok(REPORT) });
  await openSettings("Backup");
  await fireEvent.click(await screen.findByRole("button", { name: "Export…" }));
  await screen.findByText("Exported and read back");
  screen.getByText(/3 notebooks, 67 notes, 12 files, 48 MB .*2 files were not on this device and are left out\./u);
  expect(callOf(node, "export.profile")).toEqual({ path: "/home/ada/Notes" });
  await fireEvent.click(screen.getByRole("button", { name: "Check…" }));
  await screen.findByText("Not an export");
});

test("an import says how many notes came with their history, a check what the histories are worth", async () => {
  const imported: ProfileImport = {
    notebooks: [{ id: "0".repeat(32), title: "Field notes" }],
    documents: 67,
    histories: 67,
    attachments: 12,
    failed: [],
  };
  const checked: ProfileExport = { ...REPORT, missing: 0, unsigned: 3 };
  const node = await renderApp(sampleWorld(), {
    "import.profile": async () => ok(imported),
    "export.verify": async () => ok(checked),
  });
  await openSettings("Backup");
  await fireEvent.click(await screen.findByRole("button", { name: "Import…" }));
  await screen.findByText("1 new notebook with 67 notes, each with its history.");
  expect(callOf(node, "import.profile")).toEqual({ path: "/home/ada/Notes" });
  await fireEvent.click(screen.getByRole("button", { name: "Check…" }));
  await screen.findByText(/the history of each note is what they say\. 3 changes had no record yet/u);
  await expectAccessible();
});

test("a fresh install restores a backup file and opens its notebooks", async () => {
  const world = createWorld({ vault: "absent", identity: null, protection: "passphrase" });
  const node = await renderApp(world);
  await fireEvent.click(await screen.findByRole("button", { name: "Restore from a backup file" }));
  await expectAccessible();
  await fireEvent.click(screen.getByRole("button", { name: "Choose the file" }));
  await screen.findByText(/\.p2pcbak$/u);
  await fireEvent.click(screen.getByRole("radio", { name: "Passphrase" }));
  await type(screen.getByLabelText("The passphrase this backup was given"), "wrong");
  await type(screen.getByLabelText("New passphrase for this computer"), "correct horse battery");
  await type(screen.getByLabelText("New passphrase again"), "correct horse battery");
  await fireEvent.click(screen.getByRole("button", { name: "Restore" }));
  await screen.findByRole("alert");
  await expectAccessible();
  await type(screen.getByLabelText("The passphrase this backup was given"), "correct horse");
  await fireEvent.click(screen.getByRole("button", { name: "Restore" }));
  await screen.findByRole("heading", { name: "Start with a notebook" });
  expect(callOf(node, "backup.restore")).toEqual({
    path: world.pickedFile,
    passphrase: "correct horse",
    newPassphrase: "correct horse battery",
  });
});
