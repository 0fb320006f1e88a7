import { afterEach, expect, test } from "vitest";
import { eventually, type HeadlessNode, removeFolder, temporaryFolder } from "../support/headless-node.ts";
import { joinNotebook, startNode } from "../support/node-pair.ts";
import { startProxy } from "../support/proxy-process.ts";

const ALLOWED = { timeout: 120_000 };
const cleanUp: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const work of cleanUp.splice(0).toReversed()) await work();
});

const person = async (name: string): Promise<HeadlessNode> => {
  const node = await startNode(name.toLowerCase(), name);
  cleanUp.push(node.kill, () => removeFolder(node.dataDirectory));
  return node;
};
const has = async (node: HeadlessNode, document: string): Promise<boolean> =>
  (await node.call("sync.status")).notebooks.some(({ documents }) => documents.some(({ id }) => id === document));
const arrives = (node: HeadlessNode, document: string) => eventually(() => has(node, document), "the note");

test(
  "a paused notebook rests on both sides of a connection while another goes on, and catches up",
  ALLOWED,
  async () => {
    const [ann, bob] = [await person("Ann"), await person("Bob")];
    const [resting, busy] = [
      (await ann.call("notebooks.create", { title: "Resting" })).id,
      (await ann.call("notebooks.create", { title: "Busy" })).id,
    ];
    await joinNotebook(ann, bob, resting);
    await joinNotebook(ann, bob, busy);
    const paused = await bob.call("following.set", { notebook: resting, paused: true });
    expect(paused).toMatchObject({ paused: true, priority: "normal" });
    await eventually(
      async () => (await ann.call("peers.list")).some(({ notebooks }) => notebooks.length === 1),
      "one notebook in common",
    );

    const hidden = (await ann.call("documents.create", { notebook: resting, title: "Hidden", markdown: "one" })).id;
    const own = (await bob.call("documents.create", { notebook: resting, title: "Own", markdown: "two" })).id;
    const seen = (await ann.call("documents.create", { notebook: busy, title: "Seen", markdown: "three" })).id;
    await arrives(bob, seen);
    const back = (await bob.call("documents.create", { notebook: busy, title: "Back", markdown: "four" })).id;
    await arrives(ann, back);
    expect([await has(bob, hidden), await has(ann, own)]).toEqual([false, false]);
    expect(
      (await bob.call("peers.list")).some(({ state, stage }) => state === "connected" && stage === "current"),
    ).toBe(true);

    await bob.call("following.set", { notebook: resting, paused: false, priority: "first" });
    await arrives(bob, hidden);
    await arrives(ann, own);
    expect((await bob.call("following.list")).find(({ id }) => id === resting)).toMatchObject({
      paused: false,
      priority: "first",
      connectedPeers: 1,
    });
  },
);

test(
  "an always-on node keeps what it was given while a notebook rests, and forgets what it is told to leave out",
  ALLOWED,
  async () => {
    const folder = temporaryFolder("proxy");
    const proxy = await startProxy(folder, 0);
    cleanUp.push(
      () => removeFolder(folder),
      () => proxy.kill(),
    );
    const ann = await person("Ann");
    const notebook = (await ann.call("notebooks.create", { title: "Kept" })).id;
    await ann.call("documents.create", { notebook, title: "Before", markdown: "x".repeat(20_000) });
    const { id } = await ann.call("proxies.add", { link: proxy.link ?? "" });
    const safe = async () => (await ann.call("sync.status")).notebooks[0]?.safe;
    const usedThere = async () => (await ann.call("proxies.list"))[0]?.used ?? 0;
    const isSafe = (on: number, of: number) =>
      eventually(async () => {
        const now = await safe();
        return now?.on === on && now.of === of;
      }, `safe on ${on} of ${of}`);
    await isSafe(1, 1);
    await eventually(async () => (await usedThere()) > 20_000, "what is kept counted", 30_000);

    await ann.call("following.set", { notebook, paused: true });
    await ann.call("documents.create", { notebook, title: "While paused", markdown: "y" });
    await isSafe(0, 1);
    await eventually(async () => (await ann.call("proxies.list"))[0]?.state === "synced", "nothing else owed");
    expect(await usedThere()).toBeGreaterThan(20_000);
    await ann.call("following.set", { notebook, paused: false });
    await isSafe(1, 1);

    const without = await ann.call("following.set", { notebook, proxies: [] });
    expect(without.proxies).toMatchObject([{ id, used: false, holdsAll: false }]);
    await isSafe(0, 0);
    await ann.call("following.set", { notebook, proxies: [id] });
    await isSafe(1, 1);
  },
);
