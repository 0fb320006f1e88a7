import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, expect, test } from "vitest";
import type { ContractError } from "../../app/contract/errors.ts";
import type { HeadlessNode } from "../support/headless-node.ts";
import { eventually, removeFolder, startHeadless, temporaryFolder } from "../support/headless-node.ts";

const CANARY = "Zwetschgenmus";

let node: HeadlessNode | undefined;
let folder = "";
afterEach(async () => {
  await node?.stop();
  removeFolder(folder);
});

const filesIn = (directory: string): readonly string[] =>
  readdirSync(directory).flatMap((name) => {
    const file = path.join(directory, name);
    const kind = statSync(file);
    if (kind.isDirectory()) return filesIn(file);
    return kind.isFile() ? [file] : [];
  });

test("a locked profile answers nothing, ends its streams, keeps what was typed and opens again", async () => {
  folder = temporaryFolder("lock");
  const passphrase = path.join(folder, "passphrase");
  writeFileSync(passphrase, "four wet herons\n");
  const data = path.join(folder, "data");
  const args = ["--listen", "127.0.0.1:0", "--no-mdns", "--passphrase-file", passphrase];
  node = await startHeadless(data, { args });
  const { call, client } = node;
  expect(await call("notebooks.list")).toEqual([]);
  await call("identity.create", { name: "Ann" });
  const notebook = (await call("notebooks.create", { title: `${CANARY} and more` })).id;
  const { id: document } = await call("documents.create", { notebook, title: "Jam", markdown: CANARY });
  const ends: ContractError[] = [];
  client.subscribe("documents.open", { document }, (message) => {
    if (!message.ok) ends.push(message.error);
  });
  await call("documents.edit", { document, appendMarkdown: `second ${CANARY}` });

  expect(await call("vault.lock")).toMatchObject({ state: "locked", protection: "passphrase" });
  await eventually(async () => ends.length > 0, "the end of the stream");
  expect(ends.map(({ type }) => type)).toEqual(["VaultLocked"]);
  await expect(call("notebooks.list")).rejects.toThrow("VaultLocked");
  await expect(call("documents.read", { document })).rejects.toThrow("VaultLocked");
  await expect(call("identity.show")).rejects.toThrow("VaultLocked");
  await expect(call("vault.unlock", { passphrase: "another" })).rejects.toThrow("WrongPassphrase");
  expect(filesIn(data).filter((file) => readFileSync(file).includes(CANARY))).toEqual([]);

  const both = [call("vault.unlock", { passphrase: "four wet herons" }), call("vault.unlock", {})];
  expect(await Promise.all(both)).toMatchObject([{ state: "unlocked" }, { state: "unlocked" }]);
  expect((await call("documents.read", { document })).text).toContain(`second ${CANARY}`);
  expect((await call("identity.show")).name).toBe("Ann");
  await call("documents.edit", { document, appendMarkdown: "third" });
  await eventually(async () => (await call("search", { query: "third" })).length === 1, "the edit in the search");
});
