import { afterEach, expect, test } from "vitest";
import { eventually, type HeadlessNode, removeFolder, startHeadless } from "../support/headless-node.ts";
import { joinNotebook, openReplica, startNode } from "../support/node-pair.ts";

const nodes: HeadlessNode[] = [];
const start = async (name: string): Promise<HeadlessNode> => {
  const node = await startNode(name.toLowerCase(), name);
  nodes.push(node);
  return node;
};

afterEach(async () => {
  for (const node of nodes.splice(0)) {
    await node.stop();
    removeFolder(node.dataDirectory);
  }
});

/** Two sessions write in turn, so that each word is an entry of its own. */
const writeEntries = async (node: HeadlessNode, documents: readonly [string, string], count: number): Promise<void> => {
  const open = await Promise.all(documents.map((id) => openReplica(node, id)));
  for (let n = 0; n < count; n++) {
    const { replica, lease } = open[n % 2] as (typeof open)[number];
    const text = replica.objectAt(["text"]) as string;
    const change = replica.change({ time: 1 }, (transaction) => {
      transaction.splice(text, replica.length(text), 0, `word${n} `);
    });
    if (change !== undefined) await node.call("documents.apply", { lease, changes: [change.bytes] });
  }
  for (const { close } of open) close();
};

const statusOf = async (node: HeadlessNode) => (await node.call("sync.status")).notebooks[0];
const headsOf = async (node: HeadlessNode): Promise<string> =>
  ((await statusOf(node))?.documents ?? [])
    .map(({ id, heads }) => `${id} ${heads.join()}`)
    .toSorted()
    .join();

test("I33 a newcomer pulls one checkpoint and a short tail; attribution, history and activity are complete", async () => {
  const olga = await start("Olga");
  const notebook = (await olga.call("notebooks.create", { title: "Shared" })).id;
  const create = async (title: string): Promise<string> =>
    (await olga.call("documents.create", { notebook, title, markdown: "" })).id;
  const documents = [await create("One"), await create("Two")] as const;
  await writeEntries(olga, documents, 120);
  await eventually(async () => ((await statusOf(olga))?.entries ?? 0) >= 120, "everything sealed");
  expect(await olga.call("sync.checkpoint", { notebook })).toEqual({ made: true, retired: 0 });
  await olga.call("documents.edit", { document: documents[0], appendMarkdown: "the tail" });

  const ann = await start("Ann");
  await joinNotebook(olga, ann, notebook);
  const same = async (one: HeadlessNode, two: HeadlessNode) => (await headsOf(one)) === (await headsOf(two));
  await eventually(() => same(olga, ann), "the same documents at Ann");
  expect((await statusOf(ann))?.entries).toBeLessThan(40);
  expect((await statusOf(ann))?.pending).toBe(0);
  await eventually(async () => (await statusOf(olga))?.undelivered === 0, "all delivered");

  // Everything is ascribed to its author, as if it had come entry by entry.
  const authors = async (): Promise<string> => {
    const history = await ann.call("history.list", { document: documents[0] });
    return [...new Set(history.sessions.flatMap((session) => session.people.map(({ name }) => name)))].join();
  };
  // Names come with the notebook's own document, which is read a moment later.
  await eventually(async () => (await authors()) === "Olga", "Olga named as the only author");
  const activity = await ann.call("activity.list", { notebook, type: "edited" });
  const edited = new Set(activity.map(({ document }) => document?.id));
  expect(documents.filter((id) => !edited.has(id))).toEqual([]);
  const read = await ann.call("documents.read", { document: documents[0] });
  expect(read.text).toContain("word0 word2 ");
  expect(read.text).toContain("the tail");

  // A third one takes it from the newcomer, which never had the entries.
  await ann.call("documents.edit", { document: documents[1], appendMarkdown: "by Ann" });
  await eventually(() => same(olga, ann), "Ann's words at Olga");
  await olga.call("sync.checkpoint", { notebook });
  await eventually(() => same(olga, ann), "the second checkpoint at Ann");
  const ben = await start("Ben");
  await joinNotebook(olga, ben, notebook);
  await eventually(() => same(olga, ben), "the same documents at Ben");
  await ben.call("documents.edit", { document: documents[1], appendMarkdown: "by Ben" });
  await eventually(async () => (await same(olga, ann)) && (await same(olga, ben)), "Ben's words everywhere");
  expect((await ann.call("documents.read", { document: documents[1] })).text).toContain("by Ben");
});

test("a node killed while it makes a checkpoint makes another and loses nothing", async () => {
  const olga = await start("Olga");
  const notebook = (await olga.call("notebooks.create", { title: "Shared" })).id;
  const one = (await olga.call("documents.create", { notebook, title: "One", markdown: "first" })).id;
  const answeredOrCutOff = (): void => undefined;
  void olga.call("sync.checkpoint", { notebook }).then(answeredOrCutOff, answeredOrCutOff);
  await olga.kill();
  nodes.splice(0);
  const again = await startHeadless(olga.dataDirectory);
  nodes.push(again);
  expect(await again.call("sync.checkpoint", { notebook })).toEqual({ made: true, retired: 0 });
  expect((await again.call("documents.read", { document: one })).text).toContain("first");
  const ann = await start("Ann");
  await joinNotebook(again, ann, notebook);
  await eventually(async () => (await headsOf(again)) === (await headsOf(ann)), "the same documents at Ann");
});
