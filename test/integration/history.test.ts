import { afterEach, expect, test } from "vitest";
import { eventually, type HeadlessNode, removeFolder, startHeadless } from "../support/headless-node.ts";
import { joinNotebook, openReplica, startNode } from "../support/node-pair.ts";

const nodes: HeadlessNode[] = [];
const start = async (label: string, name: string): Promise<HeadlessNode> => {
  const node = await startNode(label, name);
  nodes.push(node);
  return node;
};
const restart = async (node: HeadlessNode): Promise<HeadlessNode> => {
  nodes.splice(nodes.indexOf(node), 1);
  const again = await startHeadless(node.dataDirectory);
  nodes.push(again);
  return again;
};

afterEach(async () => {
  for (const node of nodes.splice(0)) {
    await node.stop();
    removeFolder(node.dataDirectory);
  }
});

const converged = (a: HeadlessNode, b: HeadlessNode, document: string) =>
  eventually(async () => {
    try {
      const [left, right] = [
        await a.call("documents.read", { document }),
        await b.call("documents.read", { document }),
      ];
      return left.heads.join() === right.heads.join() && left.text === right.text ? left : false;
    } catch {
      return false;
    }
  }, "equal heads and text");

/** Appends text as an editor does, with a clock that says `secondsAgo`. */
const type = async (node: HeadlessNode, document: string, text: string, secondsAgo: number): Promise<void> => {
  const { replica, lease, close } = await openReplica(node, document);
  const object = replica.objectAt(["text"]) as string;
  for (const letter of text) {
    const time = Math.floor(Date.now() / 1000) - secondsAgo;
    const change = replica.change({ time }, (transaction) => {
      transaction.splice(object, replica.length(object), 0, letter);
    });
    if (change !== undefined) await node.call("documents.apply", { lease, changes: [change.bytes] });
  }
  close();
};

test("two people see one timeline, compare, restore, take it back and name versions", async () => {
  const [alice, bob] = [await start("alice", "Alice"), await start("bob", "Bob")];
  const notebook = (await alice.call("notebooks.create", { title: "Garden" })).id;
  const { id: document } = await alice.call("documents.create", {
    notebook,
    title: "Roses",
    markdown: "Red ones by the wall.",
  });
  await joinNotebook(alice, bob, notebook);
  const first = await converged(alice, bob, document);
  await bob.call("documents.edit", { document, replaceMarkdown: "# Plan\n\nRed **roses** by the wall." });
  const second = await converged(alice, bob, document);
  await eventually(
    async () => (await alice.call("notebooks.members", { notebook })).some(({ name }) => name === "Bob"),
    "Bob's name at Alice",
  );

  const page = await alice.call("history.list", { document });
  const theirs = await bob.call("history.list", { document });
  expect(theirs.sessions.map(({ heads }) => heads)).toEqual(page.sessions.map(({ heads }) => heads));
  expect(page.sessions[0]?.heads).toEqual(second.heads);
  const people = page.sessions.flatMap((session) => session.people);
  expect(people.map(({ name, self }) => `${name} ${self}`).toSorted()).toEqual(["Alice true", "Bob false"]);
  expect(people.every(({ device, member }) => device?.length === 64 && member?.length === 64)).toBe(true);
  expect(people.reduce((sum, { changes }) => sum + changes, 0)).toBe(page.changes);
  expect(page.next).toBeNull();

  const past = await bob.call("history.read", { document, heads: first.heads });
  expect(past.markdown).toBe(first.markdown);
  const diff = await alice.call("history.diff", { document, from: first.heads, to: second.heads });
  expect(diff.parts.some((part) => part.type === "added" && JSON.stringify(part.span).includes("Plan"))).toBe(true);
  expect(diff.added).toBeGreaterThan(0);

  // Bob names the present, Alice restores the first version while Bob goes on at the end.
  const named = await bob.call("versions.name", { document, name: "Before the frost" });
  expect(named).toMatchObject({ name: "Before the frost", by: "Bob", heads: second.heads });
  await eventually(async () => {
    const [version] = await alice.call("versions.list", { document });
    return version?.name === "Before the frost" && version.by === "Bob";
  }, "the name at Alice");
  const listed = await alice.call("history.list", { document });
  expect(listed.sessions.flatMap(({ versions }) => versions.map(({ name }) => name))).toEqual(["Before the frost"]);

  const restored = await alice.call("history.restore", { document, heads: first.heads });
  expect((await alice.call("documents.read", { document })).markdown).toBe(first.markdown);
  await converged(alice, bob, document);
  await bob.call("documents.edit", { document, appendMarkdown: "Bob was here." });
  await converged(alice, bob, document);
  const undone = await alice.call("history.restore", { document, heads: restored.before, base: restored.heads });
  expect(undone.heads).not.toEqual(restored.heads);
  const last = await converged(alice, bob, document);
  expect(last.markdown).toContain("# Plan");
  expect(last.markdown).toContain("Red **roses** by the wall.");
  expect(last.markdown).toContain("Bob was here.");

  await alice.call("versions.remove", { document, heads: second.heads });
  await eventually(async () => (await bob.call("versions.list", { document })).length === 0, "the name gone at Bob");
  await expect(alice.call("history.read", { document, heads: ["0".repeat(64)] })).rejects.toThrow("VersionNotFound");
  await expect(alice.call("history.read", { document: "0".repeat(64), heads: [] })).rejects.toThrow("DocumentNotFound");
  await expect(alice.call("history.read", { document, heads: ["x"] })).rejects.toThrow("InvalidInput");
});

test("edits made apart give a notice on both sides that opens their difference", async () => {
  let [alice, bob] = [await start("alice", "Alice"), await start("bob", "Bob")];
  const notebook = (await alice.call("notebooks.create", { title: "Garden" })).id;
  const { id: document } = await alice.call("documents.create", { notebook, title: "Roses", markdown: "Start." });
  await joinNotebook(alice, bob, notebook);
  await converged(alice, bob, document);
  expect(await alice.call("history.merged", { document })).toBeNull();

  await bob.stop();
  await type(alice, document, " From Alice.", 3_600);
  const { text: before } = await alice.call("documents.read", { document });
  await alice.stop();
  bob = await restart(bob);
  await type(bob, document, " From Bob.", 1_800);
  alice = await restart(alice);
  await bob.call("peers.connect", { address: alice.address });
  const merged = await converged(alice, bob, document);
  expect(merged.text).toContain("From Alice.");
  expect(merged.text).toContain("From Bob.");

  const atAlice = await eventually(async () => {
    const notice = await alice.call("history.merged", { document });
    return notice?.people[0]?.name === "Bob" ? notice : false;
  }, "the notice at Alice");
  expect((await alice.call("history.read", { document, heads: atAlice.before })).text).toBe(before);
  expect(atAlice.changes).toBe(" From Bob.".length);
  const diff = await alice.call("history.diff", { document, from: atAlice.before, to: atAlice.heads });
  expect(diff.added).toBe(" From Bob.".length);
  expect(diff.removed).toBe(0);
  const atBob = await eventually(async () => (await bob.call("history.merged", { document })) ?? false, "at Bob");
  expect(atBob.people.map(({ name }) => name)).toEqual(["Alice"]);

  await alice.call("history.seen", { document });
  expect(await alice.call("history.merged", { document })).toBeNull();
});
