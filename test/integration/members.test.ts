import { afterEach, describe, expect, test } from "vitest";
import type { HeadlessNode } from "../support/headless-node.ts";
import { eventually, removeFolder, startHeadless } from "../support/headless-node.ts";
import { joinNotebook, startNode } from "../support/node-pair.ts";

const nodes: HeadlessNode[] = [];

const start = async (name: string): Promise<HeadlessNode> => {
  const node = await startNode(name.toLowerCase(), name);
  nodes.push(node);
  return node;
};

/** The same data folder, in a new process that nobody reaches yet. */
const restart = async (node: HeadlessNode): Promise<HeadlessNode> => {
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

const shows = (node: HeadlessNode, document: string, text: string, what: string) =>
  eventually(async () => (await textOf(node, document)).includes(text), what, 60_000);

const memberId = async (node: HeadlessNode): Promise<string> => (await node.call("identity.show")).id;

const roleOf = async (node: HeadlessNode, notebook: string, member: string) =>
  (await node.call("notebooks.members", { notebook })).find(({ id }) => id === member)?.role;

const notebookOf = async (node: HeadlessNode, notebook: string) =>
  (await node.call("notebooks.list")).find(({ id }) => id === notebook);

const refusal = async (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => "nothing",
    (cause: Error) => cause.message.split(":")[0] as string,
  );

describe("members of a notebook on real nodes", () => {
  test("I16 I20 the owner removes one while another is offline and editing: the edits survive, the removed one sees nothing new and keeps its copy", async () => {
    const [owner, writer, mallory] = [await start("Olga"), await start("Will"), await start("Mallory")];
    const { id: notebook } = await owner.call("notebooks.create", { title: "Shared" });
    await joinNotebook(owner, writer, notebook);
    await joinNotebook(owner, mallory, notebook);
    const { id: note } = await owner.call("documents.create", { notebook, title: "Note", markdown: "First." });
    for (const node of [writer, mallory]) await shows(node, note, "First.", "the note everywhere");
    await writer.call("peers.connect", { address: mallory.address });
    await mallory.call("documents.edit", { document: note, appendMarkdown: "From Mallory." });
    for (const node of [owner, writer]) await shows(node, note, "From Mallory.", "Mallory's edit everywhere");

    await writer.stop();
    const offline = await restart(writer);
    await offline.call("documents.edit", { document: note, appendMarkdown: "Written offline." });
    await offline.stop();

    const id = await memberId(mallory);
    const left = await owner.call("members.remove", { notebook, members: [id] });
    expect(left.map(({ name }) => name).toSorted()).toEqual(["Olga", "Will"]);
    await owner.call("documents.edit", { document: note, appendMarkdown: "After the removal." });

    await eventually(
      async () => (await notebookOf(mallory, notebook))?.membership === "removed",
      "Mallory is told",
      60_000,
    );
    expect(await refusal(mallory.call("documents.edit", { document: note, appendMarkdown: "No." }))).toBe("NotAllowed");

    const back = await restart(offline);
    await back.call("peers.connect", { address: owner.address });
    for (const node of [owner, back])
      for (const text of ["From Mallory.", "Written offline.", "After the removal."])
        await shows(node, note, text, `"${text}" on both`);
    await back.call("documents.edit", { document: note, appendMarkdown: "Under the new keys." });
    await shows(owner, note, "Under the new keys.", "the writer goes on under the new keys");

    const copy = await textOf(mallory, note);
    expect(copy).toContain("From Mallory.");
    expect(copy).not.toContain("After the removal.");
    expect(copy).not.toContain("Under the new keys.");
    const activity = await back.call("activity.list", { notebook, type: "removed" });
    expect(activity.map(({ actor, members, effect }) => [actor.name, members[0]?.id, effect])).toEqual([
      ["Olga", id, "valid"],
    ]);
  }, 240_000);

  test("I18 I24 a reader cannot write, a promoted one can, a demoted one cannot; a newcomer after all that reads everything; who was removed comes back by a new invite", async () => {
    const [owner, other] = [await start("Olga"), await start("Rita")];
    const { id: notebook } = await owner.call("notebooks.create", { title: "Shared" });
    const { link } = await owner.call("invites.create", { notebook, mode: "auto", role: "reader" });
    await other.call("invites.join", { link });
    await eventually(async () => (await notebookOf(other, notebook))?.membership === "active", "a member", 60_000);
    const { id: note } = await owner.call("documents.create", { notebook, title: "Note", markdown: "First." });
    await shows(other, note, "First.", "a reader reads");
    const member = await memberId(other);
    expect(await roleOf(other, notebook, member)).toBe("reader");
    const edit = (text: string) => other.call("documents.edit", { document: note, appendMarkdown: text });
    expect(await refusal(edit("No."))).toBe("NotAllowed");
    expect(await refusal(other.call("members.setRole", { notebook, member, role: "admin" }))).toBe("NotAllowed");

    await owner.call("members.setRole", { notebook, member, role: "writer" });
    await eventually(async () => (await refusal(edit("As a writer."))) === "nothing", "a writer writes", 60_000);
    await shows(owner, note, "As a writer.", "what the writer wrote");

    await owner.call("members.setRole", { notebook, member, role: "reader" });
    await eventually(async () => (await roleOf(other, notebook, member)) === "reader", "demoted", 60_000);
    expect(await refusal(edit("No."))).toBe("NotAllowed");
    await owner.call("documents.edit", { document: note, appendMarkdown: "Readers read on." });
    await shows(other, note, "Readers read on.", "a demoted reader reads on under the new keys");

    await owner.call("members.remove", { notebook, members: [member] });
    await owner.call("documents.edit", { document: note, appendMarkdown: "Without Rita." });
    const newcomer = await start("Nora");
    await joinNotebook(owner, newcomer, notebook);
    for (const text of ["First.", "As a writer.", "Readers read on.", "Without Rita."])
      await shows(newcomer, note, text, `the newcomer reads "${text}"`);

    await eventually(async () => (await notebookOf(other, notebook))?.membership === "removed", "told", 60_000);
    const again = await owner.call("invites.create", { notebook, mode: "auto", role: "writer" });
    await other.call("invites.join", { link: again.link });
    await eventually(async () => (await notebookOf(other, notebook))?.membership === "active", "back again", 60_000);
    await shows(other, note, "Without Rita.", "what was missed");
    await eventually(async () => (await refusal(edit("Back again."))) === "nothing", "writes again", 60_000);
    await shows(newcomer, note, "Back again.", "the newcomer sees it");
  }, 300_000);

  test("a member leaves, the owner hands over and leaves; invites are listed, used up and revoked", async () => {
    const [owner, heir, guest] = [await start("Olga"), await start("Hans"), await start("Gerd")];
    const { id: notebook } = await owner.call("notebooks.create", { title: "Shared" });
    await joinNotebook(owner, heir, notebook);
    const { link, id: invite } = await owner.call("invites.create", {
      notebook,
      mode: "auto",
      role: "reader",
      maxUses: 2,
    });
    await guest.call("invites.join", { link });
    await eventually(async () => (await notebookOf(guest, notebook))?.membership === "active", "a guest", 60_000);
    // The name stands in the notebook's document, which is indexed a moment later.
    const listed = await eventually(async () => {
      const found = (await owner.call("invites.list", { notebook })).find(({ id }) => id === invite);
      return found?.createdBy === "Olga" ? found : false;
    }, "the inviter's name");
    expect(listed).toMatchObject({ state: "open", uses: 1, maxUses: 2, role: "reader" });
    expect((await owner.call("invites.revoke", { notebook, id: invite })).state).toBe("revoked");

    // A reader has no write key: the farewell goes over the readers' own topic.
    expect((await guest.call("notebooks.leave", { notebook })).membership).toBe("left");
    const guestId = await memberId(guest);
    await eventually(async () => (await roleOf(owner, notebook, guestId)) === undefined, "the guest is gone", 60_000);
    await eventually(async () => (await roleOf(heir, notebook, guestId)) === undefined, "for everybody", 60_000);

    expect(await refusal(owner.call("notebooks.leave", { notebook }))).toBe("NotAllowed");
    const heirId = await memberId(heir);
    expect((await owner.call("notebooks.transfer", { notebook, member: heirId })).role).toBe("admin");
    await eventually(async () => (await roleOf(heir, notebook, heirId)) === "owner", "the new owner", 60_000);
    expect((await owner.call("notebooks.leave", { notebook })).membership).toBe("left");
    await eventually(async () => (await heir.call("notebooks.members", { notebook })).length === 1, "alone", 60_000);
    const { id: note } = await heir.call("documents.create", { notebook, title: "Mine", markdown: "Under new keys." });
    expect(await textOf(heir, note)).toContain("Under new keys.");
    const typesAt = async (node: HeadlessNode) =>
      (await node.call("activity.list", { notebook })).map(({ type }) => type).toSorted();
    const types = await eventually(async () => {
      const now = await typesAt(heir);
      return now.includes("edited") ? now : false;
    }, "the new note among the activities");
    expect(types).toEqual(expect.arrayContaining(["created", "left", "transferred", "keysChanged"]));
    const revived = await restart(await heir.stop().then(() => heir));
    expect(await typesAt(revived)).toEqual(types);
    expect(await textOf(revived, note)).toContain("Under new keys.");
  }, 300_000);
});
