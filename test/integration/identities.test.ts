import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { afterEach, expect, test } from "vitest";
import type { Api } from "../../app/contract/create-api.ts";
import { createApi } from "../../app/contract/create-api.ts";
import type { CallName, InputOf, OutputOf } from "../../app/contract/contract.ts";
import type { InstalledIdentity } from "../../app/contract/types.ts";
import type { HeadlessNode } from "../support/headless-node.ts";
import { eventually, removeFolder, startHeadless, temporaryFolder } from "../support/headless-node.ts";

const HEADLESS = path.resolve(import.meta.dirname, "..", "..", "main", "headless.ts");
const FIRST = "0000000000000000";

let node: HeadlessNode | undefined;
let folder = "";
afterEach(async () => {
  await node?.stop();
  node = undefined;
  removeFolder(folder);
});

type Caller = HeadlessNode["call"];
const asIdentity = (id: string): Caller => {
  const api: Api = createApi((node as HeadlessNode).client, id);
  return async <N extends CallName>(
    name: N,
    ...input: InputOf<N> extends undefined ? [] : [InputOf<N>]
  ): Promise<OutputOf<N>> => {
    const answer = await api.call(name, ...input);
    if (!answer.ok) throw new Error(`${answer.error.type}: ${answer.error.message}`);
    return answer.value;
  };
};

/** Runs the command line as a person does; standard output as JSON. */
const command = async (...args: readonly string[]): Promise<unknown> => {
  const { stdout } = await promisify(execFile)(process.execPath, [HEADLESS, ...args]);
  return JSON.parse(stdout);
};

const start = async (...args: readonly string[]): Promise<HeadlessNode> =>
  (node = await startHeadless(folder, { args: ["--listen", "127.0.0.1:0", "--no-mdns", ...args] }));

test("two identities of one folder are open at once, share nothing, outlive a restart and one goes without the other", async () => {
  folder = temporaryFolder("identities");
  await start();
  const first = asIdentity(FIRST);
  await first("identity.create", { name: "Ada" });
  await first("notebooks.create", { title: "Private" });
  expect(existsSync(path.join(folder, "identities.json"))).toBe(false);

  const seen: (readonly InstalledIdentity[])[] = [];
  node?.client.subscribe("identities.watch", undefined, (message) => {
    if (message.ok) seen.push(message.value as readonly InstalledIdentity[]);
  });
  const added = (await command("identities", "--data-dir", folder, "add", "Ada at work")) as {
    readonly installed: string;
    readonly id: string;
    readonly phrase: readonly string[];
  };
  expect(added.phrase).toHaveLength(24);
  const second = asIdentity(added.installed);
  await eventually(async () => seen.at(-1)?.[1]?.state === "unlocked", "the list to show the new identity");
  expect(await first("identities.list")).toEqual([
    { id: FIRST, name: "Ada", colour: "teal", state: "unlocked", problem: "", requests: 0 },
    { id: added.installed, name: "Ada at work", colour: "blue", state: "unlocked", problem: "", requests: 0 },
  ]);

  await second("notebooks.create", { title: "Reports" });
  expect((await first("notebooks.list")).map(({ title }) => title)).toEqual(["Private"]);
  expect((await second("notebooks.list")).map(({ title }) => title)).toEqual(["Reports"]);
  const shown = [await first("identity.show"), await second("identity.show")];
  expect(new Set(shown.flatMap(({ id, device }) => [id, device])).size).toBe(4);
  const listening = [(await first("sync.status")).listening[0], (await second("sync.status")).listening[0]];
  expect(new Set(listening).size).toBe(2);
  const events: string[] = [];
  node?.client.subscribe("events", undefined, (message) => events.push(JSON.stringify(message)), added.installed);
  const notebook = await first("notebooks.create", { title: "Also private" });
  const work = await second("notebooks.create", { title: "Plans" });
  await second("documents.create", { notebook: work.id, title: "Plan" });
  await eventually(async () => events.some((event) => event.includes(work.id)), "an event of the second identity");
  expect(events.join("")).not.toContain(notebook.id);

  const named = await command("ctl", "--data-dir", folder, "--identity", "Ada at work", "identity.show");
  expect(named).toMatchObject({ name: "Ada at work" });
  await expect(asIdentity("Nobody")("app.info")).rejects.toThrow("IdentityNotFound");
  await first("identities.update", { id: added.installed, name: "Work", colour: "pink" });

  await second("vault.lock");
  await expect(second("notebooks.list")).rejects.toThrow("VaultLocked");
  expect(await first("notebooks.list")).toHaveLength(2);
  expect((await first("identities.list")).map(({ state }) => state)).toEqual(["unlocked", "locked"]);

  await node?.stop();
  await start();
  expect(await asIdentity(FIRST)("identities.list")).toMatchObject([
    { id: FIRST, name: "Ada", state: "unlocked" },
    { id: added.installed, name: "Work", colour: "pink", state: "unlocked" },
  ]);
  expect(await asIdentity("Work")("notebooks.list")).toHaveLength(2);
  // A remembered address stays true for each of them.
  expect((await asIdentity("Work")("sync.status")).listening[0]).toBe(listening[1]);

  await node?.stop();
  await start("--identity", "Work");
  expect((await asIdentity("Work")("identities.list")).map(({ state }) => state)).toEqual(["failed", "unlocked"]);
  await expect(asIdentity("Ada")("notebooks.list")).rejects.toThrow("IdentityNotFound");
  expect((node?.client && (await asIdentity("Work")("identity.show")).name) ?? "").toBe("Ada at work");

  await node?.stop();
  await start();
  const kept = asIdentity(added.installed);
  await command("identities", "--data-dir", folder, "remove", "Ada");
  expect((await kept("identities.list")).map(({ name }) => name)).toEqual(["Work"]);
  expect(await kept("notebooks.list")).toHaveLength(2);
  const left = ["vault.json", "profile.db", "search.db", "blobs", "high-water", "running"];
  expect(readdirSync(folder).filter((name) => left.includes(name))).toEqual([]);
  expect(readdirSync(path.join(folder, "profiles"))).toEqual([added.installed]);
  expect(await (node as HeadlessNode).call("identity.show")).toMatchObject({ name: "Ada at work" });

  expect(await kept("identities.remove", { id: added.installed })).toMatchObject([{ id: FIRST, state: "absent" }]);
  expect(readdirSync(path.join(folder, "profiles"))).toEqual([]);
  await (node as HeadlessNode).call("identity.create", { name: "Nova" });
  expect(await (node as HeadlessNode).call("notebooks.list")).toEqual([]);
});

test("a place nobody took is gone after a restart, a cut removal is finished, a damaged list is kept and made again, one that fails to start fails alone", async () => {
  folder = temporaryFolder("identities-found");
  await start();
  await asIdentity(FIRST)("identity.create", { name: "Ada" });
  const { installed } = (await command("identities", "--data-dir", folder, "add", "Bea")) as { installed: string };
  const empty = await asIdentity(FIRST)("identities.add");
  expect(await asIdentity(FIRST)("identities.add")).toEqual(empty);
  await node?.stop();

  const profiles = path.join(folder, "profiles");
  writeFileSync(path.join(folder, "identities.json"), "{");
  mkdirSync(path.join(profiles, "00112233445566ff.removed"));
  await start();
  expect(readdirSync(profiles)).toEqual([installed]);
  await eventually(
    async () => (await asIdentity(FIRST)("identities.list")).every(({ name }) => name !== ""),
    "the names the identities call themselves",
  );
  expect(await asIdentity(FIRST)("identities.list")).toMatchObject([
    { id: FIRST, name: "Ada" },
    { id: installed, name: "Bea" },
  ]);
  expect(readdirSync(folder).some((name) => name.startsWith("identities.json.damaged-"))).toBe(true);
  expect(readFileSync(path.join(folder, "identities.json"), "utf8")).toContain("Bea");

  await node?.stop();
  const port = path.join(profiles, installed, "listen-port");
  rmSync(port);
  mkdirSync(port);
  await start();
  expect(await asIdentity(FIRST)("identities.list")).toMatchObject([
    { id: FIRST, state: "unlocked" },
    { id: installed, state: "failed" },
  ]);
  await expect(asIdentity(installed)("app.info")).rejects.toThrow("Internal");
});
