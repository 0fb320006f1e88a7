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

afterEach(async () => {
  const ended = nodes.splice(0);
  await Promise.all(ended.map((node) => node.stop()));
  for (const node of ended) removeFolder(node.dataDirectory);
}, 60_000);

const idOf = async (node: HeadlessNode): Promise<string> => (await node.call("identity.show")).id;
const contactOf = async (node: HeadlessNode, id: string) =>
  (await node.call("contacts.list")).find((contact) => contact.id === id);
const refusal = async (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => "nothing",
    (cause: Error) => cause.message.split(":")[0] as string,
  );

describe("contacts on real nodes", () => {
  test("who shares a notebook is a contact; the digits agree; verified stays over a restart; the same name under another key is said loudly", async () => {
    const [ada, ben] = [await start("Ada"), await start("Ben")];
    const { id: notebook } = await ada.call("notebooks.create", { title: "Shared" });
    await joinNotebook(ada, ben, notebook);
    const [adaId, benId] = [await idOf(ada), await idOf(ben)];
    const seen = await eventually(async () => {
      const contact = await contactOf(ada, benId);
      return contact?.called === "Ben" ? contact : false;
    }, "Ben among Ada's contacts by name");
    expect(seen).toMatchObject({ name: "Ben", standing: "known", verifiedAt: null, namesake: null });
    expect(seen.notebooks).toEqual([{ id: notebook, title: "Shared", role: "writer" }]);
    expect(seen.devices.map(({ id }) => id)).toEqual([(await ben.call("identity.show")).device]);
    const mirrored = await eventually(() => contactOf(ben, adaId), "Ada among Ben's contacts");
    expect(mirrored.digits).toBe(seen.digits);

    const wrong = seen.digits.replace(/^./u, (digit) => String((Number(digit) + 1) % 10));
    expect(await refusal(ada.call("contacts.verify", { contact: benId, digits: wrong }))).toBe("DigitsDiffer");
    await ada.call("contacts.verify", { contact: benId, digits: mirrored.digits.replaceAll(" ", "") });
    await ada.call("contacts.rename", { contact: benId, name: "Benjamin" });

    const other = await start("ben");
    const { link } = await ada.call("invites.create", { notebook, mode: "ask" });
    await other.call("invites.join", { link });
    const request = await eventually(
      async () => (await ada.call("invites.pending")).find(({ state }) => state === "requested"),
      "a request at Ada's",
    );
    expect(request.person).toEqual({ id: await idOf(other), standing: "namesake" });
    await ada.call("invites.approve", { id: request.id });
    const stranger = await eventually(async () => {
      const contact = await contactOf(ada, await idOf(other));
      return contact?.called === "ben" ? contact : false;
    }, "the other Ben among Ada's contacts");
    expect(stranger).toMatchObject({
      standing: "namesake",
      namesake: { id: benId, name: "Benjamin", verified: true },
    });

    await ada.stop();
    const again = await startHeadless(ada.dataDirectory);
    nodes.splice(nodes.indexOf(ada), 1, again);
    expect(await contactOf(again, benId)).toMatchObject({ name: "Benjamin", called: "Ben", standing: "verified" });
    expect((await again.call("notebooks.members", { notebook })).find(({ id }) => id === benId)).toMatchObject({
      name: "Benjamin",
      standing: "verified",
    });
  }, 120_000);

  test("a member of one notebook is invited to another over the connection that is there; one is turned down", async () => {
    const [ada, ben] = [await start("Ada"), await start("Ben")];
    const { id: shared } = await ada.call("notebooks.create", { title: "Shared" });
    await joinNotebook(ada, ben, shared);
    const contact = await idOf(ben);
    await eventually(() => contactOf(ada, contact), "Ben among Ada's contacts");
    const { id: second } = await ada.call("notebooks.create", { title: "Second" });
    expect(await refusal(ada.call("contacts.invite", { contact, notebook: second }))).toBe("CardMissing");

    await ben.call("contacts.card");
    await eventually(
      async () => (await contactOf(ada, contact))?.hasCard === true,
      "Ben's card in the shared notebook",
    );
    const { id: note } = await ada.call("documents.create", { notebook: second, title: "N", markdown: "Hello Ben." });
    await ada.call("contacts.invite", { contact, notebook: second, role: "reader" });
    const invitationFor = (notebook: string) =>
      eventually(
        async () => (await ben.call("invitations.list")).find((one) => one.notebook === notebook),
        "an invitation at Ben's",
      );
    const invitation = await invitationFor(second);
    expect(invitation).toMatchObject({ title: "Second", role: "reader", from: { name: "Ada", standing: "known" } });
    await ben.call("invitations.accept", { id: invitation.id });
    await eventually(async () => {
      const found = (await ben.call("notebooks.list")).find(({ id }) => id === second);
      return found?.membership === "active" && found.role === "reader";
    }, "Ben is a reader of the second notebook");
    await eventually(
      async () => (await ben.call("documents.list", { notebook: second })).some(({ id }) => id === note),
      "its note at Ben's",
    );
    expect((await ben.call("documents.read", { document: note })).text).toBe("Hello Ben.");
    await eventually(
      async () => (await refusal(ada.call("contacts.invite", { contact, notebook: second }))) === "AlreadyMember",
      "Ben's device with the second notebook at Ada's",
    );

    const { id: third } = await ada.call("notebooks.create", { title: "Third" });
    await ada.call("contacts.invite", { contact, notebook: third });
    const other = await invitationFor(third);
    await ben.call("invitations.decline", { id: other.id });
    await ben.stop();
    const again = await startHeadless(ben.dataDirectory);
    nodes.splice(nodes.indexOf(ben), 1, again);
    expect(await again.call("invitations.list")).toEqual([]);
    expect((await again.call("notebooks.list")).some(({ id }) => id === third)).toBe(false);
  }, 120_000);

  test("the rules of a notebook are set by who may and kept by everybody; a device gets another key", async () => {
    const [ada, ben] = [await start("Ada"), await start("Ben")];
    const { id: notebook } = await ada.call("notebooks.create", { title: "Shared" });
    await joinNotebook(ada, ben, notebook);
    const { id: note } = await ada.call("documents.create", { notebook, title: "Note" });
    const rules = { automaticInvites: false, attachmentBytes: 0 };
    expect(await ada.call("notebooks.setPolicy", { notebook, ...rules })).toEqual(rules);
    await eventually(
      async () => !(await ben.call("notebooks.policy", { notebook })).automaticInvites,
      "the rules at Ben's",
    );
    expect(await refusal(ben.call("notebooks.setPolicy", { notebook, automaticInvites: true }))).toBe("NotAllowed");
    expect(await refusal(ada.call("invites.create", { notebook, mode: "auto" }))).toBe("NotAllowed");
    const picture = { document: note, bytes: new Uint8Array(9), name: "a.png" };
    await eventually(
      async () => (await refusal(ben.call("attachments.add", picture))) === "NotebookFull",
      "no files by the rules",
    );
    expect(
      (await ben.call("activity.list", { notebook, type: "settingsChanged" })).map(({ effect }) => effect),
    ).toEqual(["valid"]);

    const before = (await ben.call("devices.list"))[0]?.keySince ?? 0;
    const [own] = await ben.call("devices.renewKey");
    expect(own?.keySince).toBeGreaterThanOrEqual(before);
    await ada.call("documents.edit", { document: note, appendMarkdown: "After." });
    await eventually(
      async () => (await ben.call("documents.read", { document: note })).text.includes("After."),
      "what was written after the key changed",
    );
    await ben.stop();
    const again = await startHeadless(ben.dataDirectory);
    nodes.splice(nodes.indexOf(ben), 1, again);
    await again.call("peers.connect", { address: ada.address });
    await ada.call("notebooks.changeKeys", { notebook });
    await ada.call("documents.edit", { document: note, appendMarkdown: "Sealed to the new key." });
    await eventually(
      async () => (await again.call("documents.read", { document: note })).text.includes("Sealed to the new key."),
      "what was sealed to the new key, after a restart",
    );
  }, 120_000);

  test("a contact card makes a contact of somebody who shares nothing; who is blocked is turned down unseen", async () => {
    const [ada, eve] = [await start("Ada"), await start("Eve")];
    const { link } = await eve.call("contacts.card");
    expect(await refusal(ada.call("contacts.add", { link: link.slice(0, -8) }))).toBe("BadContactLink");
    expect(await refusal(eve.call("contacts.add", { link }))).toBe("OwnContact");
    const eveId = await idOf(eve);
    expect(await ada.call("contacts.add", { link })).toMatchObject({
      id: eveId,
      name: "Eve",
      notebooks: [],
      hasCard: true,
    });
    expect((await eve.call("contacts.card")).link).toBe(link);

    await ada.call("contacts.block", { contact: eveId, blocked: true });
    const { id: notebook } = await ada.call("notebooks.create", { title: "Mine" });
    const invite = await ada.call("invites.create", { notebook, mode: "ask" });
    await eve.call("invites.join", { link: invite.link });
    await eventually(
      async () => (await eve.call("invites.pending")).some(({ state }) => state === "declined"),
      "Eve is turned down",
    );
    expect((await ada.call("invites.pending")).filter(({ state }) => state === "requested")).toEqual([]);

    const { digits } = (await contactOf(ada, eveId)) ?? { digits: "" };
    expect(await ada.call("contacts.verify", { contact: eveId, digits })).toMatchObject({ standing: "blocked" });
    await ada.call("contacts.remove", { contact: eveId });
    expect(await contactOf(ada, eveId)).toMatchObject({ standing: "blocked", verifiedAt: null, hasCard: false });
    await ada.call("contacts.block", { contact: eveId, blocked: false });
    await ada.call("contacts.remove", { contact: eveId });
    expect(await ada.call("contacts.list")).toEqual([]);
    expect(await refusal(ada.call("contacts.rename", { contact: eveId, name: "E" }))).toBe("ContactNotFound");
  }, 120_000);
});
