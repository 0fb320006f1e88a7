import { afterEach, expect, test } from "vitest";
import type { HeadlessNode } from "../support/headless-node.ts";
import { eventually, removeFolder, startHeadless } from "../support/headless-node.ts";
import { joinNotebook, startNode } from "../support/node-pair.ts";

const nodes: HeadlessNode[] = [];
const start = async (name: string): Promise<HeadlessNode> => {
  const node = await startNode(name.toLowerCase(), name);
  nodes.push(node);
  return node;
};
const restart = async (node: HeadlessNode): Promise<HeadlessNode> => {
  await node.stop();
  const again = await startHeadless(node.dataDirectory);
  nodes.splice(nodes.indexOf(node), 1, again);
  return again;
};
afterEach(async () => {
  const ended = nodes.splice(0);
  await Promise.all(ended.map((node) => node.stop()));
  for (const node of ended) removeFolder(node.dataDirectory);
}, 60_000);

const textOf = async (node: HeadlessNode, document: string): Promise<string> => {
  try {
    return (await node.call("documents.read", { document })).text;
  } catch {
    return "";
  }
};
const shows = (node: HeadlessNode, document: string, text: string) =>
  eventually(async () => (await textOf(node, document)).includes(text), `"${text}"`, 60_000);
const notebookOf = async (node: HeadlessNode, notebook: string) =>
  (await node.call("notebooks.list")).find(({ id }) => id === notebook);

test("a note shared by itself: the guest gets it with its file and nothing else, members learn where it went, its old links lead there", async () => {
  const [olga, will] = [await start("Olga"), await start("Will")];
  const { id: notebook } = await olga.call("notebooks.create", { title: "Work" });
  const { id: note } = await olga.call("documents.create", { notebook, title: "Plan", markdown: "The plan." });
  const { id: other } = await olga.call("documents.create", { notebook, title: "Other", markdown: "Not for Will." });
  const bytes = new TextEncoder().encode("a file ".repeat(100));
  await olga.call("attachments.add", { document: note, bytes, name: "plan.txt" });
  const shared = await olga.call("documents.share", { document: note });
  await joinNotebook(olga, will, shared.notebook);
  await shows(will, shared.document, "The plan.");
  const seen = await eventually(async () => {
    const found = await notebookOf(will, shared.notebook);
    return found?.note === shared.document ? found : false;
  }, "the note among the shared ones");
  expect(seen).toMatchObject({ kind: "note", title: "Plan", memberCount: 2 });
  expect(await textOf(will, other)).toBe("");
  const [file] = await will.call("attachments.list", { document: shared.document });
  const piece = await will.call("attachments.read", {
    document: shared.document,
    blob: file?.blob ?? "",
    start: 0,
    length: bytes.length,
  });
  expect(piece.bytes).toEqual(bytes);
  await will.call("documents.edit", { document: shared.document, appendMarkdown: "Will agrees." });
  await shows(olga, shared.document, "Will agrees.");

  const refused = await olga.call("documents.moveBack", { document: note }).catch((cause: Error) => cause.message);
  expect(refused).toMatch(/^NotAllowed: Somebody joined/u);
  await joinNotebook(olga, will, notebook);
  const moved = await eventually(
    async () => (await will.call("documents.moved", { document: note })) ?? false,
    "where it went",
  );
  expect(moved).toMatchObject({ document: shared.document, here: true, by: "Olga", self: false });
}, 120_000);

test("what was written after a demotion nobody had told of is kept for its author; a notebook that was left is deleted with its keys", async () => {
  const [olga, will] = [await start("Olga"), await start("Will")];
  const { id: notebook } = await olga.call("notebooks.create", { title: "Work" });
  const { id: note } = await olga.call("documents.create", { notebook, title: "Plan", markdown: "The plan." });
  await joinNotebook(olga, will, notebook);
  await shows(will, note, "The plan.");
  const own = (await will.call("notebooks.create", { title: "Mine" })).id;
  const { id: member } = await will.call("identity.show");

  const offline = will;
  await offline.call("sync.pause", { paused: true });
  await offline.call("documents.edit", { document: note, appendMarkdown: "Written offline." });
  await olga.call("members.setRole", { notebook, member, role: "reader" });
  await offline.call("sync.pause", { paused: false });
  const [copy] = await eventually(async () => {
    const list = await offline.call("recovered.list");
    return list.length > 0 ? list : false;
  }, "a recovered copy");
  expect(copy).toMatchObject({ document: note, notebook, notebookTitle: "Work", title: "Plan", reason: "demoted" });
  expect(await textOf(offline, note)).not.toContain("Written offline.");
  const later = await restart(offline);
  expect((await later.call("notices.list")).recovered).toHaveLength(1);
  expect((await later.call("recovered.read", { document: note })).text).toContain("Written offline.");
  const kept = await later.call("recovered.keep", { document: note, notebook: own });
  expect(kept.title).toBe("Plan (recovered)");
  expect(await textOf(later, kept.id)).toContain("Written offline.");
  expect(await later.call("recovered.list")).toEqual([]);

  const early = await later.call("notebooks.forget", { notebook }).catch((cause: Error) => cause.message);
  expect(early).toMatch(/^NotAllowed/u);
  expect((await later.call("notebooks.leave", { notebook })).membership).toBe("left");
  await later.call("notebooks.forget", { notebook });
  expect((await later.call("notebooks.list")).map(({ id }) => id)).toEqual([own]);
  expect(await textOf(later, note)).toBe("");
  await eventually(
    async () => (await later.call("search", { query: "offline" })).length === 1,
    "one hit, the kept note",
  );
  const again = await restart(later);
  expect((await again.call("notebooks.list")).map(({ id }) => id)).toEqual([own]);
  await joinNotebook(olga, again, notebook);
  await shows(again, note, "The plan.");
  expect(await textOf(again, kept.id)).toContain("Written offline.");
}, 180_000);
