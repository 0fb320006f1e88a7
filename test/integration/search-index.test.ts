import { existsSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, expect, test } from "vitest";
import {
  eventually,
  type HeadlessNode,
  removeFolder,
  startHeadless,
  temporaryFolder,
} from "../support/headless-node.ts";

const folders: string[] = [];
const nodes: HeadlessNode[] = [];

afterEach(async () => {
  for (const node of nodes.splice(0)) await node.stop();
  for (const folder of folders.splice(0)) removeFolder(folder);
});

const start = async (folder: string): Promise<HeadlessNode> => {
  const node = await startHeadless(folder);
  nodes.push(node);
  return node;
};

const finds = (node: HeadlessNode, query: string): Promise<unknown> =>
  eventually(async () => (await node.call("search", { query, limit: 5 })).length > 0, `"${query}" in the search`);

const damage: Readonly<Record<string, (file: string) => void>> = {
  "was deleted": (file) => {
    for (const suffix of ["", "-wal", "-shm"]) rmSync(file + suffix, { force: true });
  },
  "is damaged": (file) => {
    for (const suffix of ["-wal", "-shm"]) rmSync(file + suffix, { force: true });
    writeFileSync(file, "no database at all, but long enough to be read as one ".repeat(100));
  },
};

for (const [what, harm] of Object.entries(damage))
  test(`a search index that ${what} is built again, also for notes that nobody touches`, async () => {
    const folder = temporaryFolder("search");
    folders.push(folder);
    const file = path.join(folder, "search.db");
    const first = await start(folder);
    await first.call("identity.create", { name: "Ada" });
    const notebook = (await first.call("notebooks.create", { title: "Engines" })).id;
    await first.call("documents.create", { notebook, title: "Difference", markdown: "brass columns" });
    const { id } = await first.call("documents.create", { notebook, title: "Analytical", markdown: "punched cards" });
    await finds(first, "columns");
    await first.call("documents.edit", { document: id, appendMarkdown: "a mill and a store" });
    await finds(first, "mill");
    await first.call("documents.delete", { document: id });
    await eventually(
      async () => (await first.call("search", { query: "mill", limit: 5 })).length === 0,
      "the deleted note to leave the search",
    );
    await first.stop();
    expect(existsSync(file)).toBe(true);
    harm(file);

    const second = await start(folder);
    await finds(second, "columns");
    expect(await second.call("search", { query: "mill", limit: 5 })).toEqual([]);
  });
