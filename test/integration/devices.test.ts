import { afterEach, describe, expect, test } from "vitest";
import type { HeadlessNode } from "../support/headless-node.ts";
import { eventually, removeFolder, startHeadless, temporaryFolder } from "../support/headless-node.ts";
import { joinNotebook, startNode } from "../support/node-pair.ts";

const nodes: HeadlessNode[] = [];

const started = (node: HeadlessNode): HeadlessNode => {
  nodes.push(node);
  return node;
};
const start = async (name: string): Promise<HeadlessNode> => started(await startNode(name.toLowerCase(), name));
/** An install without an identity. */
const fresh = async (label: string): Promise<HeadlessNode> => started(await startHeadless(temporaryFolder(label)));
/** The same data folder, in a new process that nobody reaches yet. */
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
const shows = (node: HeadlessNode, document: string, text: string, what: string) =>
  eventually(async () => (await textOf(node, document)).includes(text), what, 60_000);
const notebookOf = async (node: HeadlessNode, notebook: string) =>
  (await node.call("notebooks.list")).find(({ id }) => id === notebook);
const hasNotebook = (node: HeadlessNode, notebook: string, what: string) =>
  eventually(async () => (await notebookOf(node, notebook))?.membership === "active", what, 60_000);
const refusal = async (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => "nothing",
    (cause: Error) => cause.message.split(":")[0] as string,
  );
const deviceOf = async (node: HeadlessNode): Promise<string> => (await node.call("identity.show")).device;

/** Signs `newcomer` in on `sponsor`, with digits compared on both. */
const pair = async (sponsor: HeadlessNode, newcomer: HeadlessNode, deviceName: string): Promise<void> => {
  const { link } = await newcomer.call("identity.pair", { deviceName });
  const { id } = await sponsor.call("devices.add", { link: link ?? "" });
  const pairing = await eventually(
    async () => (await sponsor.call("devices.pairings")).find((one) => one.id === id && one.state === "compare"),
    "digits at the sponsor",
  );
  const status = await eventually(async () => {
    const now = await newcomer.call("identity.pairing");
    return now.state === "compare" ? now : false;
  }, "digits at the newcomer");
  expect(pairing.checkString).toMatch(/^\d{6}$/);
  expect(status.checkString).toBe(pairing.checkString);
  expect(pairing.name).toBe(deviceName);
  await sponsor.call("devices.approve", { id });
  await newcomer.call("identity.confirmPairing");
  await eventually(
    async () => (await newcomer.call("identity.pairing")).state === "done",
    "the newcomer is in",
    60_000,
  );
};

describe("devices of one identity on real nodes", () => {
  test("a second device is signed in by link and digits, has every notebook, old and new, and both write", async () => {
    const [laptop, friend] = [await start("Ada"), await start("Fred")];
    const { id: mine } = await laptop.call("notebooks.create", { title: "Mine" });
    const { id: note } = await laptop.call("documents.create", { notebook: mine, title: "Note", markdown: "First." });
    const { id: shared } = await friend.call("notebooks.create", { title: "Fred's" });
    await joinNotebook(friend, laptop, shared);
    const { id: other } = await friend.call("documents.create", { notebook: shared, title: "N", markdown: "By Fred." });
    await shows(laptop, other, "By Fred.", "the shared note");

    const phone = await fresh("phone");
    await pair(laptop, phone, "Phone");
    expect((await phone.call("identity.show")).id).toBe((await laptop.call("identity.show")).id);
    expect((await phone.call("identity.show")).name).toBe("Ada");
    for (const notebook of [mine, shared]) await hasNotebook(phone, notebook, "a notebook on the new device");
    await shows(phone, note, "First.", "an old note on the new device");
    await shows(phone, other, "By Fred.", "a note of somebody else on the new device");
    expect((await notebookOf(phone, mine))?.role).toBe("owner");
    expect((await notebookOf(phone, shared))?.role).toBe("writer");
    expect((await laptop.call("notebooks.list")).map(({ title }) => title).toSorted()).toEqual(["Fred's", "Mine"]);

    await phone.call("documents.edit", { document: note, appendMarkdown: "From the phone." });
    await phone.call("documents.edit", { document: other, appendMarkdown: "Ada was here." });
    await shows(laptop, note, "From the phone.", "what the phone wrote");
    await shows(friend, other, "Ada was here.", "what the phone wrote, at a friend's");
    const { id: late } = await phone.call("notebooks.create", { title: "Later" });
    await hasNotebook(laptop, late, "a notebook made on the phone");
    expect((await laptop.call("notebooks.members", { notebook: late })).length).toBe(1);

    const devices = await eventually(async () => {
      const list = await laptop.call("devices.list");
      return list.some(({ name, online }) => name === "Phone" && online) ? list : false;
    }, "the phone among the devices");
    expect(devices.map(({ self, manager, state }) => [self, manager, state])).toEqual([
      [true, true, "active"],
      [false, false, "active"],
    ]);
    await laptop.call("devices.rename", { device: await deviceOf(phone), name: "Pocket" });
    await eventually(
      async () => (await phone.call("devices.list")).some(({ name, self }) => self && name === "Pocket"),
      "the new name on the phone",
      60_000,
    );
  }, 240_000);

  test("I19 a revoked device's later entries are void, it sees nothing new; the identity's other devices go on", async () => {
    let [laptop, friend] = [await start("Ada"), await start("Fred")];
    const { id: notebook } = await laptop.call("notebooks.create", { title: "Shared" });
    await joinNotebook(laptop, friend, notebook);
    const { id: note } = await laptop.call("documents.create", { notebook, title: "Note", markdown: "First." });
    await shows(friend, note, "First.", "the note at the friend's");
    let thief = await fresh("phone");
    await pair(laptop, thief, "Phone");
    await hasNotebook(thief, notebook, "the notebook on the phone");
    await shows(thief, note, "First.", "the note on the phone");
    await thief.call("documents.edit", { document: note, appendMarkdown: "Before the loss." });
    for (const node of [laptop, friend]) await shows(node, note, "Before the loss.", "the phone's edit everywhere");

    // Out of reach of the others, the lost phone seals an edit of its own under the keys it has.
    await Promise.all([laptop.stop(), friend.stop()]);
    const lost = await deviceOf(thief);
    const entriesOf = async (node: HeadlessNode) =>
      (await node.call("sync.status")).notebooks.find(({ id }) => id === notebook)?.entries ?? 0;
    const before = await entriesOf(thief);
    await thief.call("documents.edit", { document: note, appendMarkdown: "By the thief." });
    await eventually(async () => (await entriesOf(thief)) > before, "the thief's entry is sealed");
    await thief.stop();
    [laptop, friend] = [await restart(laptop), await restart(friend)];
    await laptop.call("devices.revoke", { device: lost });
    await laptop.call("documents.edit", { document: note, appendMarkdown: "After the loss." });
    await laptop.call("peers.connect", { address: friend.address });
    await shows(friend, note, "After the loss.", "the laptop goes on");

    thief = await restart(thief);
    await thief.call("peers.connect", { address: friend.address });
    await eventually(
      async () => (await notebookOf(thief, notebook))?.membership === "removed",
      "the lost phone is told",
      60_000,
    );
    expect(await refusal(thief.call("documents.edit", { document: note, appendMarkdown: "No." }))).toBe("NotAllowed");
    const void_ = await eventually(async () => {
      const list = await friend.call("activity.list", { notebook, type: "edited" });
      return list.some(({ device, effect }) => device === lost && effect === "void") ? list : false;
    }, "the thief's entry, void");
    expect(void_.some(({ device, effect }) => device === lost && effect === "valid")).toBe(true);
    for (const node of [laptop, friend]) {
      const text = await textOf(node, note);
      expect(text).toContain("Before the loss.");
      expect(text).not.toContain("By the thief.");
    }
    expect(await textOf(thief, note)).not.toContain("After the loss.");
    await laptop.call("documents.edit", { document: note, appendMarkdown: "Still writing." });
    await shows(friend, note, "Still writing.", "the other device is unaffected");
    expect((await laptop.call("devices.list")).find(({ id }) => id === lost)?.state).toBe("revoked");
  }, 240_000);

  test("a lost laptop is revoked by phrase from a machine restored by phrase alone, over one reachable device", async () => {
    const laptop = await fresh("laptop");
    const { phrase } = await laptop.call("identity.create", { name: "Ada" });
    const { id: notebook } = await laptop.call("notebooks.create", { title: "Mine" });
    const { id: note } = await laptop.call("documents.create", { notebook, title: "Note", markdown: "First." });
    const desktop = await fresh("desktop");
    await pair(laptop, desktop, "Desktop");
    await hasNotebook(desktop, notebook, "the notebook on the desktop");
    await shows(desktop, note, "First.", "the note on the desktop");
    const lost = await deviceOf(laptop);
    await laptop.stop();
    expect(await refusal(desktop.call("devices.revoke", { device: lost }))).toBe("PhraseRequired");

    const spare = await fresh("spare");
    expect(await refusal(spare.call("identity.restore", { phrase: "not a phrase" }))).toBe("BadPhrase");
    await spare.call("identity.restore", { phrase: phrase.join(" ").toUpperCase() });
    expect((await spare.call("identity.show")).id).toBe((await desktop.call("identity.show")).id);
    await spare.call("peers.connect", { address: desktop.address });
    await hasNotebook(spare, notebook, "the notebook on the restored machine");
    await shows(spare, note, "First.", "the note on the restored machine");
    expect((await spare.call("identity.show")).name).toBe("Ada");
    await spare.call("documents.edit", { document: note, appendMarkdown: "Restored." });
    await shows(desktop, note, "Restored.", "what the restored machine wrote");

    const other = await fresh("other");
    const { phrase: wrong } = await other.call("identity.create", { name: "Eve" });
    expect(await refusal(spare.call("devices.revoke", { device: lost, phrase: wrong.join(" ") }))).toBe("WrongPhrase");
    await spare.call("devices.revoke", { device: lost, phrase: phrase.join(" ") });
    await eventually(
      async () => (await desktop.call("devices.list")).find(({ id }) => id === lost)?.state === "revoked",
      "revoked on the desktop as well",
      60_000,
    );
    await eventually(
      async () => (await desktop.call("activity.list", { notebook })).some(({ type }) => type === "keysChanged"),
      "new keys of the notebook on the desktop",
      60_000,
    );
  }, 240_000);

  test("digits that are not confirmed sign nobody in, and a link is for installs without an identity", async () => {
    const laptop = await start("Ada");
    expect(await refusal(laptop.call("identity.pair", {}))).toBe("IdentityExists");
    expect(await refusal(laptop.call("devices.add", { link: "p2pc:d/nonsense" }))).toBe("BadPairingLink");
    const phone = await fresh("phone");
    expect(await phone.call("devices.list")).toEqual([]);
    const { link } = await phone.call("identity.pair", {});
    const { id } = await laptop.call("devices.add", { link: link ?? "" });
    await eventually(async () => (await phone.call("identity.pairing")).state === "compare", "digits");
    await laptop.call("devices.decline", { id });
    await eventually(async () => (await phone.call("identity.pairing")).state === "declined", "told");
    expect(await refusal(phone.call("identity.confirmPairing"))).toBe("PairingNotFound");
    expect(await refusal(phone.call("identity.show"))).toBe("NoIdentity");
    expect(await laptop.call("devices.list")).toHaveLength(1);
    expect(await refusal(laptop.call("devices.revoke", { device: await deviceOf(laptop) }))).toBe("NotAllowed");
  }, 60_000);
});
