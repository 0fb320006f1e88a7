import { afterEach, expect, test } from "vitest";
import {
  eventually,
  type HeadlessNode,
  removeFolder,
  startHeadless,
  temporaryFolder,
} from "../support/headless-node.ts";

const nodes: HeadlessNode[] = [];
const folders: string[] = [];

const start = async (label: string): Promise<HeadlessNode> => {
  const folder = temporaryFolder(label);
  folders.push(folder);
  const node = await startHeadless(folder);
  nodes.push(node);
  return node;
};

afterEach(async () => {
  for (const node of nodes.splice(0)) await node.stop();
  for (const folder of folders.splice(0)) removeFolder(folder);
});

/** Lets `joiner` into a notebook of `owner` through an ask-mode invite; answers when the joiner lists it. */
const invite = async (
  owner: HeadlessNode,
  joiner: HeadlessNode,
  notebook: string,
  mode: "ask" | "auto",
): Promise<void> => {
  const { link } = await owner.call("invites.create", { notebook, mode });
  await joiner.call("peers.connect", { address: owner.address });
  await joiner.call("invites.join", { link });
  if (mode === "ask") {
    const request = await eventually(
      async () =>
        (await owner.call("invites.pending")).find(
          ({ state, checkString }) => state === "requested" && checkString !== null,
        ),
      "the request with its check string",
    );
    const mine = await eventually(
      async () => (await joiner.call("invites.pending")).find(({ checkString }) => checkString !== null),
      "the joiner's check string",
    );
    expect(request.checkString).toMatch(/^\d{6}$/);
    expect(mine.checkString).toBe(request.checkString);
    await owner.call("invites.approve", { id: request.id });
  }
  await eventually(
    async () => (await joiner.call("notebooks.list")).some(({ id }) => id === notebook),
    "the notebook at the joiner",
  );
};

const read = async (node: HeadlessNode, document: string) => {
  try {
    return await node.call("documents.read", { document });
  } catch {
    return undefined;
  }
};

const converged = (a: HeadlessNode, b: HeadlessNode, document: string) =>
  eventually(async () => {
    const [left, right] = [await read(a, document), await read(b, document)];
    return left !== undefined &&
      right !== undefined &&
      left.heads.join() === right.heads.join() &&
      left.text === right.text
      ? left
      : false;
  }, "equal heads and text");

for (const mode of ["ask", "auto"] as const)
  test(`a note written on one node is read and edited on another (${mode} invite)`, async () => {
    const [alice, bob] = [await start("alice"), await start("bob")];
    await alice.call("identity.create", { name: "Alice" });
    await bob.call("identity.create", { name: "Bob" });
    const notebook = await alice.call("notebooks.create", { title: "Garden" });
    const note = await alice.call("documents.create", {
      notebook: notebook.id,
      title: "Roses",
      markdown: "# Roses\n\nRed ones.",
    });
    await invite(alice, bob, notebook.id, mode);

    const seen = await converged(alice, bob, note.id);
    expect(seen.text).toContain("Red ones.");
    await Promise.all([
      alice.call("documents.edit", { document: note.id, appendMarkdown: "From Alice." }),
      bob.call("documents.edit", { document: note.id, appendMarkdown: "From Bob." }),
    ]);
    const both = await eventually(async () => {
      const now = await converged(alice, bob, note.id);
      return now.text.includes("From Alice.") && now.text.includes("From Bob.") ? now : false;
    }, "both edits on both nodes");
    expect(both.markdown).toContain("Red ones.");

    // The names stand in the notebook's document, which is indexed a moment later.
    await eventually(async () => {
      const members = await bob.call("notebooks.members", { notebook: notebook.id });
      return (
        members
          .map(({ name }) => name)
          .toSorted()
          .join() === "Alice,Bob"
      );
    }, "the members by name");
    const hits = await eventually(async () => {
      const found = await bob.call("search", { query: "alice", limit: 5 });
      return found.length > 0 ? found : false;
    }, "the edit is found by search at the other node");
    expect(hits[0]?.document).toBe(note.id);
    const status = await eventually(async () => {
      const { notebooks } = await alice.call("sync.status");
      return notebooks[0]?.undelivered === 0 ? notebooks[0] : false;
    }, "everything delivered");
    expect(status.pending).toBe(0);
  });
