import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import {
  eventually,
  type HeadlessNode,
  removeFolder,
  startHeadless,
  temporaryFolder,
} from "../support/headless-node.ts";
import { joinNotebook } from "../support/node-pair.ts";
import { openProfileDatabase } from "../support/profile-database.ts";

let folder: string;
let nodes: HeadlessNode[];
beforeEach(() => {
  folder = temporaryFolder("backups");
  nodes = [];
});
afterEach(async () => {
  await Promise.all(nodes.map((node) => node.stop()));
  for (const { dataDirectory } of nodes) removeFolder(dataDirectory);
  removeFolder(folder);
}, 30_000);

const start = async (label: string): Promise<HeadlessNode> => {
  const node = await startHeadless(temporaryFolder(label));
  nodes.push(node);
  return node;
};
const failure = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
  } catch (cause) {
    return String(cause);
  }
  throw new Error("it must fail");
};

test("I47 backup, restore elsewhere, a new session and no fork", async () => {
  const ada = await start("ada");
  const bob = await start("bob");
  const { phrase, device, id } = await ada.call("identity.create", { name: "Ada" });
  await bob.call("identity.create", { name: "Bob" });
  const notebook = (await ada.call("notebooks.create", { title: "Shared" })).id;
  await joinNotebook(ada, bob, notebook);
  const document = (await ada.call("documents.create", { notebook, title: "Log", markdown: "first" })).id;
  const picture = randomBytes(700_000);
  writeFileSync(path.join(folder, "bay.png"), picture);
  const { blob } = await ada.call("attachments.add", { document, path: path.join(folder, "bay.png") });

  const report = await ada.call("backup.create", { folder });
  expect(report).toMatchObject({ name: "Ada", identity: id, notebooks: 1, documents: 1 });
  expect(report.chunks).toBeGreaterThanOrEqual(3);
  expect((await ada.call("backup.status")).last).toEqual(report);
  expect(readdirSync(folder).toSorted()).toEqual([path.basename(report.path), "bay.png"].toSorted());
  const { path: _path, ...contents } = report;

  // What follows is not in the backup, but Bob has it.
  await ada.call("documents.edit", { document, appendMarkdown: "second" });
  await eventually(async () => {
    try {
      return (await bob.call("documents.read", { document })).text.includes("second");
    } catch {
      return false;
    }
  }, "the edit at Bob");
  const heads = (await bob.call("documents.read", { document })).heads;
  await ada.kill();
  await bob.stop();

  const restored = await start("restored");
  const words = phrase.join(" ");
  expect(await failure(restored.call("backup.restore", { path: report.path, passphrase: "nothing" }))).toContain(
    "WrongPassphrase",
  );
  expect(await restored.call("backup.verify", { path: report.path, phrase: words })).toEqual(report);
  expect(await restored.call("backup.restore", { path: report.path, phrase: words })).toMatchObject({
    identity: { id, name: "Ada", device },
    contents,
  });
  expect(await failure(restored.call("backup.restore", { path: report.path, phrase: words }))).toContain(
    "IdentityExists",
  );
  expect(readdirSync(restored.dataDirectory)).not.toContain("restoring");
  expect((await restored.call("documents.read", { document })).text).not.toContain("second");
  expect((await restored.call("notebooks.list"))[0]).toMatchObject({ id: notebook, title: "Shared", role: "owner" });
  await restored.call("attachments.save", { document, blob, path: path.join(folder, "saved.png") });
  expect(Buffer.compare(readFileSync(path.join(folder, "saved.png")), picture)).toBe(0);
  await eventually(async () => (await restored.call("search", { query: "first" })).length > 0, "the note in search");

  // Written before anybody shows what came after the backup.
  await restored.call("documents.edit", { document, appendMarkdown: "third" });
  const again = await startHeadless(bob.dataDirectory);
  nodes[1] = again;
  await restored.call("peers.connect", { address: again.address });
  for (const node of [restored, again])
    await eventually(async () => {
      const { text, heads: now } = await node.call("documents.read", { document });
      return ["first", "second", "third"].every((word) => text.includes(word)) && heads.join() !== now.join();
    }, "all three edits");
  await eventually(async () => {
    const { notebooks } = await restored.call("sync.status");
    return notebooks[0]?.undelivered === 0 && notebooks[0].pending === 0;
  }, "everything delivered");
  await restored.stop();
  await again.stop();
  const database = await openProfileDatabase(again.dataDirectory);
  const rows = database.prepare("SELECT device, session, seq FROM inner_record").all() as {
    readonly device: Uint8Array;
    readonly session: Uint8Array;
    readonly seq: number;
  }[];
  const forks = (database.prepare("SELECT count(*) AS n FROM equivocation").get() as { readonly n: number }).n;
  database.close();
  const own = rows.filter((row) => bytesToHex(row.device) === device);
  expect(forks).toBe(0);
  expect(new Set(own.map((row) => `${bytesToHex(row.session)} ${row.seq}`)).size).toBe(own.length);
  expect(new Set(own.map((row) => bytesToHex(row.session))).size).toBe(2);
}, 120_000);

test("a passphrase opens a backup too; the schedule makes the first one at once; faults have names", async () => {
  const ada = await start("ada");
  expect(await failure(ada.call("backup.create", { folder }))).toContain("NoIdentity");
  await ada.call("identity.create", { name: "Ada / Lovelace" });
  expect(await failure(ada.call("backup.create", {}))).toContain("FolderNotFound");
  expect(await failure(ada.call("backup.create", { folder: path.join(folder, "absent") }))).toContain("FolderNotFound");
  const report = await ada.call("backup.create", { folder, passphrase: "correct horse battery" });
  expect(path.basename(report.path)).toMatch(/^p2pcollab-Ada-Lovelace-[0-9a-f]{8}-\d{4}-\d\d-\d\d-\d{6}\.p2pcbak$/);
  expect(await ada.call("backup.verify", { path: report.path, passphrase: "correct horse battery" })).toEqual(report);
  expect(await failure(ada.call("backup.verify", { path: report.path }))).toContain("InvalidInput");

  const weekly = path.join(folder, "weekly");
  expect(await failure(ada.call("backup.schedule", { every: "daily" as "week" }))).toContain("InvalidInput");
  await ada.call("backup.schedule", { folder: weekly, every: "week" });
  const before = await ada.call("backup.status");
  // The one made by hand counts: the next is due in a week.
  expect(before).toMatchObject({ folder: weekly, every: "week", problem: null, last: report });
  expect(before.next).toBe(report.createdAt + 7 * 24 * 3_600_000);

  const other = await start("other");
  await other.call("identity.create", { name: "Other" });
  await other.call("backup.schedule", { folder: weekly, every: "week" });
  const failed = await eventually(async () => {
    const status = await other.call("backup.status");
    return status.problem === null ? false : status;
  }, "the missing folder is told");
  expect(failed.problem?.type).toBe("FolderNotFound");
  await other.call("backup.schedule", { folder, every: "week" });
  const done = await eventually(async () => (await other.call("backup.status")).last ?? false, "the first backup");
  expect(path.basename(done.path)).toMatch(/^p2pcollab-Other-[0-9a-f]{8}-weekly-/);
}, 60_000);
