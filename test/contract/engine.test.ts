import { fileURLToPath } from "node:url";
import * as A from "@automerge/automerge";
import { afterEach, expect, test } from "vitest";
import type { Engine, NewDocument } from "../../app/ports/engine.ts";
import { createEngineHost, createForkSpawner, engineEntry } from "../../main/adapters/engine-host.ts";
import type { ChangeOp } from "../../protocol/automerge-format/change.ts";
import { decodeChange } from "../../protocol/automerge-format/decode.ts";
import { encodeChange } from "../../protocol/automerge-format/encode.ts";
import { createReplica } from "../../protocol/replica/replica.ts";
import { automergeDependencies } from "../support/automerge-dependencies.ts";

const FRAGILE = fileURLToPath(new URL("../support/fragile-engine.ts", import.meta.url));
const ACTOR = "0123456789abcdef0123456789abcdef";
const OTHER = "fedcba9876543210fedcba9876543210";

const engines: Engine[] = [];
const logged: string[] = [];
const note = (event: string): void => {
  logged.push(event);
};
const log = { debug: note, info: note, warn: note, error: note };
const engineOf = (file = engineEntry(), baseTime?: number): Engine => {
  const engine = createEngineHost(log, createForkSpawner(file), baseTime === undefined ? {} : { baseTime });
  engines.push(engine);
  return engine;
};
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.stop();
});

const value = <T>(
  result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown },
): T => {
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
};

const MARKDOWN =
  'Some **bold** and *slanted* text with a [link](https://example.org "T").\n\n## Head\n\n- one\n- two\n  - deep\n\n```js\ncode();\n```\n';
const NOTE: NewDocument = {
  type: "note",
  title: "A title",
  content: { type: "markdown", markdown: MARKDOWN },
  folder: "a/b",
  tags: ["x", "y"],
  meta: { author: '"me"' },
  createdAt: 1_000,
  updatedAt: 2_000,
};

test("P-ENGINE-3 create answers changes that Automerge and a fresh engine read alike", async () => {
  const engine = engineOf();
  const { changes, content } = value(await engine.create(ACTOR, 7, NOTE));
  expect(content).toMatchObject({
    type: "note",
    title: "A title",
    folder: "a/b",
    tags: ["x", "y"],
    createdAt: 1_000,
    updatedAt: 2_000,
    deleted: false,
    markdown: MARKDOWN,
    meta: { author: '"me"' },
    names: {},
  });
  expect(value(await engine.load(1, { snapshot: null, changes }))).toBeNull();
  expect(value(await engine.read(1))).toEqual(content);
  const file = value(await engine.automerge(changes));
  const doc = A.load<{ title: string; folder: unknown }>(file);
  expect(doc.title).toBe("A title");
  expect(A.spans(doc, ["text"]).length).toBe(content.spans.length);
  const snapshot = value(await engine.snapshot(1));
  value(await engine.load(2, { snapshot, changes: [] }));
  expect(value(await engine.read(2))).toEqual(content);
});

test("P-ENGINE-3 edits do what they say, answer their changes, and leave the rest alone", async () => {
  const engine = engineOf();
  const { changes } = value(await engine.create(ACTOR, 7, NOTE));
  value(await engine.load(1, { snapshot: null, changes }));
  value(await engine.load(2, { snapshot: null, changes }));
  const edited = value(
    await engine.edit(1, OTHER, 8, [
      { type: "setTitle", title: "Another title" },
      { type: "setTags", tags: ["y", "z"] },
      { type: "setFolder", folder: "" },
      { type: "insert", at: 0, text: "First\nline. " },
      { type: "delete", at: 6, count: 5 },
      { type: "appendMarkdown", markdown: "The **end**" },
      { type: "setDeleted", at: 5 },
    ]),
  );
  value(await engine.apply(2, edited.changes));
  const content = value(await engine.read(1));
  expect(content).toEqual(value(await engine.read(2)));
  expect(content).toMatchObject({ title: "Another title", tags: ["y", "z"], folder: "", deleted: true });
  expect(content.text.startsWith("First\n Some bold and")).toBe(true);
  expect(content.markdown.endsWith("```\n\nThe **end**\n")).toBe(true);
  expect(value(await engine.edit(1, OTHER, 9, [{ type: "setDeleted", at: null }])).changes.length).toBe(1);
  expect(value(await engine.read(1)).deleted).toBe(false);
  const replaced = MARKDOWN.replace("**bold**", "**bolder** words");
  value(await engine.edit(1, OTHER, 9, [{ type: "replaceMarkdown", markdown: replaced }]));
  expect(value(await engine.read(1)).markdown).toBe(replaced);
  const same = value(
    await engine.edit(1, OTHER, 9, [
      { type: "replaceMarkdown", markdown: replaced },
      { type: "setTitle", title: "Another title" },
    ]),
  );
  expect(same.changes).toEqual([]);
});

test("P-ENGINE-3 a long text becomes changes of bounded size, and marks survive", async () => {
  const engine = engineOf();
  const markdown = `${"word **bold** \u{1f600} ".repeat(1500).trim()}\n`;
  const { changes, content } = value(
    await engine.create(ACTOR, 7, { ...NOTE, content: { type: "markdown", markdown } }),
  );
  expect(changes.length).toBeGreaterThan(3);
  for (const change of changes) expect(change.length).toBeLessThan(200_000);
  expect(content.markdown).toBe(markdown);
  value(await engine.load(1, { snapshot: null, changes }));
  expect(value(await engine.read(1)).markdown).toBe(markdown);
});

test("P-ENGINE-3 a notebook keeps its members' names", async () => {
  const engine = engineOf();
  const { changes, content } = value(await engine.create(ACTOR, 7, { type: "notebook", title: "Book" }));
  expect(content).toMatchObject({ type: "notebook", title: "Book", names: {} });
  value(await engine.load(1, { snapshot: null, changes }));
  value(await engine.edit(1, ACTOR, 8, [{ type: "setName", identity: "abc", name: "Ada" }]));
  expect(value(await engine.read(1)).names).toEqual({ abc: "Ada" });
});

test("P-ENGINE-1 what is not loaded, out of range or damaged is named", async () => {
  const engine = engineOf();
  const { changes } = value(await engine.create(ACTOR, 7, NOTE));
  expect(await engine.read(9)).toMatchObject({ ok: false, error: { type: "NotLoaded" } });
  value(await engine.load(1, { snapshot: null, changes }));
  const beyond = [{ type: "insert", at: 100_000, text: "x" }] as const;
  expect(await engine.edit(1, OTHER, 8, beyond)).toMatchObject({ ok: false, error: { type: "OutOfRange" } });
  expect(await engine.read(1)).toMatchObject({ ok: false, error: { type: "NotLoaded" } });
  expect(await engine.load(1, { snapshot: new Uint8Array(50), changes: [] })).toMatchObject({
    ok: false,
    error: { type: "BadSnapshot" },
  });
  value(await engine.load(1, { snapshot: null, changes }));
  await engine.unload(1);
  expect(await engine.read(1)).toMatchObject({ ok: false, error: { type: "NotLoaded" } });
});

test("P-ENGINE-5 I37 changes that do not fit are left out, with what builds on them, and the note lives on", async () => {
  const engine = engineOf();
  const { changes } = value(await engine.create(ACTOR, 7, NOTE));
  const before = createReplica(automergeDependencies, OTHER);
  before.applyChanges(changes);
  const honest = before.change({ time: 0 }, (transaction) => {
    transaction.put("_root", "k", 1);
  });
  const decoded = decodeChange(honest?.bytes as Uint8Array, automergeDependencies);
  if (!decoded.ok) throw new Error(decoded.error.rule);
  const [op] = decoded.value.ops;
  const evil = { ...decoded.value, actors: ["ee"], ops: [{ ...(op as ChangeOp), object: { counter: 3, actor: 0 } }] };
  const bad = encodeChange(evil, automergeDependencies.sha256);
  const upon = encodeChange(
    { ...decoded.value, actors: ["ee"], seq: 2, startOp: evil.startOp + 1, dependencies: [bad.hash] },
    automergeDependencies.sha256,
  );
  logged.length = 0;
  value(await engine.load(1, { snapshot: null, changes: [...changes, bad.bytes, upon.bytes] }));
  expect(logged).toContain("changes refused");
  expect(value(await engine.read(1)).title).toBe("A title");
  value(await engine.load(2, { snapshot: null, changes }));
  value(await engine.apply(2, [bad.bytes, upon.bytes]));
  for (const key of [1, 2]) {
    const edited = value(await engine.edit(key, OTHER, 8, [{ type: "insert", at: 0, text: `Still ${key} ` }]));
    expect(edited.changes.length).toBe(1);
    value(await engine.apply(key, [upon.bytes]));
    expect(value(await engine.read(key)).text.startsWith(`Still ${key} Some`)).toBe(true);
  }
  const snapshot = value(await engine.snapshot(1));
  expect(await engine.load(3, { snapshot, changes: [upon.bytes] })).toMatchObject({
    ok: false,
    error: { type: "BadSnapshot" },
  });
});

const poisoned = (words: readonly string[]): readonly Uint8Array[] => {
  const replica = createReplica(automergeDependencies, ACTOR);
  let text = "";
  return words.map((message, i) => {
    const change = replica.change({ time: 0, message }, (transaction) => {
      if (i === 0) text = transaction.putText("_root", "text", "");
      transaction.splice(text, 0, 0, "x");
    });
    return change?.bytes as Uint8Array;
  });
};

test("P-ENGINE-2 a change that crashes the process is found and named; the next request is answered", async () => {
  const engine = engineOf(FRAGILE);
  const changes = poisoned(["a", "b", "c", "d", "CRASH", "e", "CRASH", "f"]);
  logged.length = 0;
  const [bad, good] = await Promise.all([
    engine.load(1, { snapshot: null, changes }),
    engine.load(2, { snapshot: null, changes: changes.slice(0, 4) }),
  ]);
  expect(bad).toMatchObject({ ok: false, error: { type: "EngineCrashed", index: 4 } });
  expect(good.ok).toBe(true);
  expect(logged).toContain("poisonous change");
  value(await engine.load(2, { snapshot: null, changes: changes.slice(0, 4) }));
  expect(value(await engine.read(2)).text).toBe("xxxx");
  expect(await engine.apply(2, changes.slice(4, 5))).toMatchObject({ ok: false, error: { type: "NotLoaded" } });
  expect(await engine.read(2)).toMatchObject({ ok: false, error: { type: "NotLoaded" } });
});

test("P-ENGINE-2 a change that hangs the process is found and named within the time limit", async () => {
  const engine = engineOf(FRAGILE, 700);
  const changes = poisoned(["a", "HANG", "b"]);
  expect(await engine.load(1, { snapshot: null, changes })).toMatchObject({
    ok: false,
    error: { type: "EngineTimeout", index: 1 },
  });
  expect((await engine.load(1, { snapshot: null, changes: changes.slice(0, 1) })).ok).toBe(true);
});

test("P-ENGINE-4 requests for one document take effect in the order they were made", async () => {
  const engine = engineOf();
  const { changes } = value(await engine.create(ACTOR, 7, NOTE));
  const answers = await Promise.all([
    engine.load(1, { snapshot: null, changes }),
    ...Array.from({ length: 20 }, (_, i) =>
      engine.edit(1, OTHER, 8, [{ type: "insert", at: i, text: String(i % 10) }]),
    ),
    engine.read(1),
  ]);
  const last = answers.at(-1);
  expect(last).toMatchObject({ ok: true });
  expect(JSON.stringify(last)).toContain("01234567890123456789Some");
  await engine.stop();
  expect(await engine.read(1)).toMatchObject({ ok: false, error: { type: "NotLoaded" } });
});
