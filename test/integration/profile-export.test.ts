import * as Automerge from "@automerge/automerge";
import { createHash, randomBytes } from "node:crypto";
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  eventually,
  type HeadlessNode,
  removeFolder,
  startHeadless,
  temporaryFolder,
} from "../support/headless-node.ts";
import { joinNotebook } from "../support/node-pair.ts";
import { createPicture } from "../support/sample-files.ts";

/** Every kind of block and mark the editor knows, and what it keeps as source. */
const EVERYTHING = `# Heading 1

## Heading 2 with *emphasis*

Plain, **strong**, *em*, ~~strike~~, \`code\`, [a link](https://example.org "title") and **all *of ~~it~~***.
A second line\\
after a hard break.

- a list
  - in a list
    1. numbered
    2. twice

  with a paragraph
- [x] done
- [ ] to do

3. starts at three

> quoted
>
> - with a list
>
> \`\`\`ts
> const quoted = true;
> \`\`\`

\`\`\`python
print("code")   # kept
\`\`\`

---

![a picture](https://example.org/x.png "of x")

| a | b |
| - | :-: |
| 1 | 2 |

<details>
<summary>HTML</summary>
</details>

A footnote[^1], *stars\\* escaped*, emoji 👩‍🚀, ünïcödé.

[^1]: kept as source
`;

let folder: string;
let nodes: HeadlessNode[];
beforeEach(() => {
  folder = temporaryFolder("export");
  nodes = [];
});
afterEach(async () => {
  await Promise.all(nodes.map((node) => node.stop()));
  for (const { dataDirectory } of nodes) removeFolder(dataDirectory);
  removeFolder(folder);
}, 30_000);

const start = async (name: string): Promise<HeadlessNode> => {
  const node = await startHeadless(temporaryFolder("profile"));
  nodes.push(node);
  await node.call("identity.create", { name });
  return node;
};
const at = (...parts: readonly string[]): string => path.join(folder, ...parts);
const filesBelow = (root: string): readonly string[] =>
  readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
    .toSorted();
/** Content of an export that an import gives back: notes and their files, by path without the notebook's id. */
const contentOf = (root: string): ReadonlyMap<string, Buffer> =>
  new Map(
    filesBelow(root)
      .filter((file) => /^notebooks[/\\][^/\\]+[/\\](?:notes|trash)[/\\]/.test(file))
      .map((file) => [file.replace(/-[0-9a-f]{8}(?=[/\\])/, ""), readFileSync(path.join(root, file))]),
  );

/** The notes of an export, by the half of their id that an import keeps. */
const notesOf = (root: string): ReadonlyMap<string, { readonly heads: readonly string[]; readonly title: string }> =>
  new Map(
    filesBelow(root)
      .filter((file) => /documents.*\.json$/.test(file))
      .map((file) => {
        const note = JSON.parse(readFileSync(path.join(root, file), "utf8")) as Record<"id" | "title", string> & {
          readonly heads: readonly string[];
        };
        return [note.id.slice(32), note];
      }),
  );

test("I48 an export verifies and re-imports to equal notes and heads: all block kinds, attachments, folders, trash, links", async () => {
  const ada = await start("Ada");
  const notebook = (await ada.call("notebooks.create", { title: "Field: notes?" })).id;
  const second = (await ada.call("notebooks.create", { title: "Empty" })).id;
  const everything = await ada.call("documents.create", {
    notebook,
    title: "Everything",
    markdown: EVERYTHING,
    folder: "Deep/Down",
  });
  await ada.call("documents.edit", { document: everything.id, tags: ["one", "two words"] });
  writeFileSync(at("bay.png"), createPicture(64, 48));
  writeFileSync(at("data (1).bin"), randomBytes(400_000));
  for (const name of ["bay.png", "data (1).bin"])
    await ada.call("attachments.add", { document: everything.id, path: at(name) });
  const twin = await ada.call("documents.create", {
    notebook,
    title: "Everything",
    folder: "Deep/Down",
    markdown: `A [link](p2pc:doc/${everything.id}) and one [to nowhere](p2pc:doc/${"0".repeat(64)}).`,
  });
  await ada.call("attachments.add", { document: twin.id, path: at("bay.png") });
  await ada.call("documents.create", { notebook, title: "Every kind", markdown: EVERYTHING });
  const trashed = await ada.call("documents.create", { notebook, title: "Gone", markdown: "was here" });
  await ada.call("documents.delete", { document: trashed.id });
  await ada.call("documents.create", { notebook, title: "", markdown: "" });
  // Markdown that came from a file, with front matter of its own.
  mkdirSync(at("in"));
  writeFileSync(
    at("in", "Front.md"),
    "---\ncreated: 2020-02-03T04:05:06Z\nauthor:\n  - Ada\nrating: 5\n---\n\nSee [[Front]].\n",
  );
  await ada.call("import.markdown", { path: at("in"), notebook });

  const report = await ada.call("export.profile", { path: at("out") });
  expect(report).toMatchObject({ name: "Ada", notebooks: 2, documents: 6, attachments: 2, missing: 0, unsigned: 0 });
  expect(report.records).toBeGreaterThan(5);
  expect(await ada.call("export.verify", { path: at("out") })).toEqual(report);
  expect(filesBelow(at("out"))).toHaveLength(report.files + 1);

  // The Automerge files hold the whole history: any Automerge opens them and sees the heads of the JSON beside them.
  const notes = filesBelow(at("out")).filter((file) => /documents.*\.json$/.test(file));
  expect(notes).toHaveLength(6);
  for (const file of notes) {
    const note = JSON.parse(readFileSync(at("out", file), "utf8")) as { heads: string[]; title: string; id: string };
    const loaded = Automerge.load<{ title: string }>(readFileSync(at("out", file.replace(/\.json$/, ".automerge"))));
    expect(Automerge.getHeads(loaded).toSorted()).toEqual(note.heads.toSorted());
    expect(loaded.title).toBe(note.title);
    expect((await ada.call("documents.read", { document: note.id })).heads).toEqual(note.heads);
  }
  // Every act and every record is there, signed.
  const folderName = readdirSync(at("out", "notebooks")).find((name) => name.startsWith("Field")) as string;
  const lines = (name: string): readonly Record<string, unknown>[] =>
    readFileSync(at("out", "notebooks", folderName, name), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(lines("acl.ndjson")[0]).toMatchObject({ type: "genesis", effect: "valid" });
  expect(lines("history.ndjson").every(({ name, state }) => name === "Ada" && state === "valid")).toBe(true);

  const bob = await start("Bob");
  const imported = await bob.call("import.profile", { path: at("out") });
  expect(imported).toMatchObject({ documents: 6, histories: 6, attachments: 2, failed: [] });
  expect(imported.notebooks.map(({ title }) => title).toSorted()).toEqual(["Empty", "Field: notes?"]);
  expect(imported.notebooks.some(({ id }) => id === notebook || id === second)).toBe(false);
  const id = imported.notebooks.find(({ title }) => title.startsWith("Field"))?.id ?? "";
  const timesOf = async (node: HeadlessNode, of: string): Promise<string> =>
    (await node.call("documents.list", { notebook: of, deleted: "include" }))
      .map((note) => `${note.id.slice(32)} ${note.updatedAt}`)
      .join();
  const times = await timesOf(ada, notebook);
  await eventually(async () => (await timesOf(bob, id)) === times, "the lists");
  const again = await bob.call("export.profile", { path: at("again") });
  expect(again).toMatchObject({ name: "Bob", notebooks: 2, documents: 6, attachments: 2, missing: 0 });
  const [before, after] = [contentOf(at("out")), contentOf(at("again"))];
  expect([...after.keys()]).toEqual([...before.keys()]);
  for (const [name, bytes] of before) {
    const same = bytes.equals(after.get(name) as Buffer);
    if (!same) expect(after.get(name)?.toString()).toBe(bytes.toString());
    expect(same, name).toBe(true);
  }

  // Heads are equal; where files or links have to name other ids here, one change stands on top of them.
  for (const [did, { heads, title }] of notesOf(at("out"))) {
    const now = notesOf(at("again")).get(did);
    const document = id + did;
    // Names come with the notebook's own document, which is read a moment later.
    await eventually(async () => {
      const { sessions } = await bob.call("history.list", { document });
      return sessions.some(({ people }) => people.some(({ name }) => name === "Ada, imported by you"));
    }, `${title} ascribed to its author`);
    if (title === "Everything") {
      const past = await bob.call("history.read", { document, heads });
      const { text } = await ada.call("history.read", { document: notebook + did, heads });
      expect(past.text).toBe(text);
    } else expect(now?.heads, title).toEqual(heads);
  }
  // What is written on top belongs to whoever writes it.
  const front = [...notesOf(at("out"))].find(([, { title }]) => title === "Front")?.[0] ?? "";
  await bob.call("documents.edit", { document: id + front, appendMarkdown: "by Bob" });
  const { sessions } = await bob.call("history.list", { document: id + front });
  expect(sessions[0]?.people.map(({ name }) => name)).toContain("Bob");
  // New histories are begun on demand.
  const begun = await bob.call("import.profile", { path: at("out"), history: false });
  expect(begun).toMatchObject({ documents: 6, histories: 0, attachments: 2, failed: [] });
}, 90_000);

test("I48 a profile that joined by a checkpoint exports what it has, and the export verifies", async () => {
  const olga = await start("Olga");
  const notebook = (await olga.call("notebooks.create", { title: "Shared" })).id;
  const { id } = await olga.call("documents.create", { notebook, title: "One", markdown: "first" });
  expect(await olga.call("sync.checkpoint", { notebook })).toEqual({ made: true, retired: 0 });
  const ann = await start("Ann");
  await joinNotebook(olga, ann, notebook);
  await eventually(async () => {
    try {
      return (await ann.call("documents.read", { document: id })).text.includes("first");
    } catch {
      return false;
    }
  }, "the note at Ann");
  const report = await ann.call("export.profile", { path: at("out") });
  expect(report).toMatchObject({ notebooks: 1, documents: 1, unsigned: 0 });
  // Records that came in a bundle are there as well, the genesis of another's notebook among them.
  const folderName = readdirSync(at("out", "notebooks"))[0] as string;
  const history = readFileSync(at("out", "notebooks", folderName, "history.ndjson"), "utf8")
    .trim()
    .split("\n");
  expect(report.records).toBe(history.length);
  expect(await ann.call("export.verify", { path: at("out") })).toEqual(report);
}, 60_000);

test("what is missing, changed or forged in an export is named; a folder with files is refused", async () => {
  const ada = await start("Ada");
  const notebook = (await ada.call("notebooks.create", { title: "Notes" })).id;
  await ada.call("documents.create", { notebook, title: "One", markdown: "one" });
  const failure = async (work: Promise<unknown>): Promise<string> => {
    try {
      await work;
    } catch (cause) {
      return String(cause);
    }
    throw new Error("it must fail");
  };
  await ada.call("export.profile", { path: at("out") });
  expect(await failure(ada.call("export.profile", { path: at("out") }))).toContain("FolderNotEmpty");
  expect(await failure(ada.call("export.verify", { path: at("absent") }))).toContain("FolderNotFound");
  mkdirSync(at("empty"));
  expect(await failure(ada.call("import.profile", { path: at("empty") }))).toContain("NotAnExport");
  const name = readdirSync(at("out", "notebooks"))[0] as string;
  const note = at("out", "notebooks", name, "notes", "One.md");
  const original = readFileSync(note);
  appendFileSync(note, " ");
  const told = await failure(ada.call("export.verify", { path: at("out") }));
  expect(told).toContain("ExportDamaged");
  expect(told).toContain("One.md");
  rmSync(note);
  expect(await failure(ada.call("export.verify", { path: at("out") }))).toContain("One.md");
  writeFileSync(note, original);
  await ada.call("export.verify", { path: at("out") });

  // A history that does not hold what the records signed, in a manifest that says so.
  const listed = at("out", "manifest.json");
  const whole = readFileSync(listed, "utf8");
  const replaced = at("out", "notebooks", name, "documents", "One.automerge");
  const genuine = readFileSync(replaced);
  const forged = Automerge.save(Automerge.from({ title: "One" }));
  writeFileSync(replaced, forged);
  const hashOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
  const renamed = JSON.parse(whole) as { files: { path: string; sha256: string; bytes: number }[] };
  for (const file of renamed.files)
    if (file.path.endsWith("One.automerge")) Object.assign(file, { sha256: hashOf(forged), bytes: forged.length });
  writeFileSync(listed, JSON.stringify(renamed));
  expect(await failure(ada.call("export.verify", { path: at("out") }))).toContain("One.automerge");
  writeFileSync(replaced, genuine);
  writeFileSync(listed, whole);

  // A record changed together with the manifest is not what its author signed.
  const records = at("out", "notebooks", name, "entries.cborseq");
  const bytes = readFileSync(records);
  bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) ^ 1;
  writeFileSync(records, bytes);
  const manifest = JSON.parse(readFileSync(at("out", "manifest.json"), "utf8")) as {
    files: { path: string; sha256: string }[];
  };
  const sha256 = hashOf(bytes);
  const files = manifest.files.map((file) => (file.path.endsWith(".cborseq") ? { ...file, sha256 } : file));
  writeFileSync(at("out", "manifest.json"), JSON.stringify({ ...manifest, files }));
  expect(await failure(ada.call("export.verify", { path: at("out") }))).toContain("entries.cborseq");
}, 60_000);
