import { afterEach, describe, expect, test } from "vitest";
import type { NotebookCopies } from "../../app/contract/types.ts";
import type { HeadlessNode } from "../support/headless-node.ts";
import { eventually, removeFolder, startHeadless } from "../support/headless-node.ts";
import { joinNotebook, startNode } from "../support/node-pair.ts";

const nodes: HeadlessNode[] = [];

afterEach(async () => {
  const ended = nodes.splice(0);
  await Promise.all(ended.map((node) => node.stop()));
  for (const node of ended) removeFolder(node.dataDirectory);
}, 60_000);

const copiesOf = (node: HeadlessNode, notebook: string): Promise<NotebookCopies> =>
  node.call("notebooks.copies", { notebook });
const copyOf = async (node: HeadlessNode, notebook: string, name: string) =>
  (await copiesOf(node, notebook)).members.find((member) => member.name === name)?.devices[0];

describe("where a notebook is", () => {
  test("a member's device is complete, then behind, then complete again; it survives a restart, and who was removed is named", async () => {
    const [owner, other] = [await startNode("olga", "Olga"), await startNode("will", "Will")];
    nodes.push(owner, other);
    const { id: notebook } = await owner.call("notebooks.create", { title: "Shared" });
    const alone = await copiesOf(owner, notebook);
    expect(alone.members.map(({ name, devices }) => [name, devices.map(({ self, behind }) => [self, behind])])).toEqual(
      [["Olga", [[true, 0]]]],
    );
    expect(alone.undelivered).toBeGreaterThan(0);
    await joinNotebook(owner, other, notebook);
    await owner.call("documents.create", { notebook, title: "Note", markdown: "First." });
    for (const [node, name] of [
      [owner, "Will"],
      [other, "Olga"],
    ] as const)
      await eventually(async () => {
        const copy = await copyOf(node, notebook, name);
        return copy?.online === true && copy.behind === 0 && copy.completeAt !== null;
      }, `${name}'s copy is complete`);
    await owner.call("notebooks.changeKeys", { notebook });
    await owner.call("documents.create", { notebook, title: "Newer keys", markdown: "Under them." });
    await eventually(async () => (await copyOf(owner, notebook, "Will"))?.behind === 0, "complete under new keys");
    await eventually(async () => (await copiesOf(owner, notebook)).undelivered === 0, "everything acknowledged");

    await other.stop();
    await eventually(async () => (await copyOf(owner, notebook, "Will"))?.online === false, "the connection ends");
    const left = await copyOf(owner, notebook, "Will");
    expect(left).toMatchObject({ behind: 0, self: false });
    const { id: note } = await owner.call("documents.create", { notebook, title: "Later", markdown: "Second." });
    await eventually(async () => ((await copyOf(owner, notebook, "Will"))?.behind ?? 0) > 0, "it is behind");
    const { seenAt, completeAt } = (await copyOf(owner, notebook, "Will")) ?? {};
    expect(completeAt).toBe(left?.completeAt);
    expect(seenAt).toBe(left?.seenAt);
    expect((await owner.call("notebooks.members", { notebook })).find(({ name }) => name === "Will")).toMatchObject({
      online: false,
      seenAt,
    });

    await owner.stop();
    const again = await startHeadless(owner.dataDirectory);
    nodes.splice(nodes.indexOf(owner), 1, again);
    expect(await copyOf(again, notebook, "Will")).toMatchObject({ online: false, seenAt, completeAt });
    const { storage } = await copiesOf(again, notebook);
    for (const bytes of [storage.history, storage.items]) expect(bytes).toBeGreaterThan(100);

    const back = await startHeadless(other.dataDirectory);
    nodes.splice(nodes.indexOf(other), 1, back);
    await back.call("peers.connect", { address: again.address });
    await eventually(async () => (await copyOf(again, notebook, "Will"))?.behind === 0, "it has caught up", 60_000);
    expect((await back.call("documents.read", { document: note })).text).toContain("Second.");

    const will = (await back.call("identity.show")).id;
    await again.call("members.remove", { notebook, members: [will] });
    const after = await copiesOf(again, notebook);
    expect(after.members.map(({ name }) => name)).toEqual(["Olga"]);
    const activity = await again.call("activity.list", { notebook });
    expect([activity[0]?.type, activity.at(-1)?.type]).toEqual(["removed", "created"]);
    expect(after.former).toMatchObject([{ id: will, name: "Will", how: "removed" }]);

    const newcomer = await startNode("nora", "Nora");
    nodes.push(newcomer);
    await joinNotebook(again, newcomer, notebook);
    await eventually(
      async () => (await copyOf(again, notebook, "Nora"))?.behind === 0,
      "a newcomer holds what was sealed under earlier keys as well",
      60_000,
    );
    expect((await newcomer.call("documents.read", { document: note })).text).toContain("Second.");
  }, 180_000);
});
