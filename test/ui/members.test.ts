import { fireEvent, screen, waitFor, within } from "@testing-library/svelte";
import { describe, expect, test } from "vitest";
import type { Activity } from "../../app/contract/types.ts";
import { ok } from "../../protocol/kernel/result.ts";
import type { World } from "./support/fake-transport.ts";
import { hex } from "./support/fake-transport.ts";
import { expectAccessible, press, renderApp, type } from "./support/render-app.ts";
import { ACTIVITY, COPIES, FIELD_NOTES, HOUSE, LINKS, MEMBERS, NOW, sampleWorld } from "./support/sample-world.ts";

const [ADA, BEN, CHIARA] = MEMBERS;

const open = async (tab: string, given: Partial<World> = {}) => {
  const node = await renderApp(sampleWorld(given));
  await screen.findByRole("option", { name: /Equipment list/u });
  press("Control+Shift+s");
  await fireEvent.click(await screen.findByRole("tab", { name: new RegExp(`^${tab}`, "u") }));
  return node;
};
const row = async (name: string) => {
  const list = await screen.findByRole("list", { name: "Members" });
  const found = within(list)
    .getAllByRole("listitem")
    .find((item) => item.textContent?.includes(name));
  if (found === undefined) throw new Error(`${name} is not listed`);
  return found;
};
const lastInput = (node: Awaited<ReturnType<typeof open>>, operation: string) =>
  node.calls.findLast(({ name }) => name === operation)?.input;
/** The window as somebody of this role sees it. */
const asRole = (role: "reader" | "writer" | "admin"): Partial<World> => ({
  notebooks: [{ ...FIELD_NOTES, role }],
  members: {
    [FIELD_NOTES.id]: MEMBERS.map((member) => {
      if (member.self) return { ...member, role };
      return member.id === BEN?.id ? { ...member, role: "owner" } : member;
    }),
  },
});

describe("rules", () => {
  test("the owner sets them; others read them", async () => {
    const node = await open("Members");
    await fireEvent.click(await screen.findByText("Rules of this notebook"));
    await fireEvent.click(await screen.findByRole("checkbox", { name: /Every newcomer is let in/u }));
    await waitFor(() =>
      expect(lastInput(node, "notebooks.setPolicy")).toEqual({ notebook: FIELD_NOTES.id, automaticInvites: false }),
    );
    await waitFor(() => expect(screen.getByLabelText<HTMLSelectElement>("Files may take").disabled).toBe(false));
    await fireEvent.change(screen.getByLabelText("Files may take"), { target: { value: "0" } });
    await waitFor(() =>
      expect(lastInput(node, "notebooks.setPolicy")).toEqual({ notebook: FIELD_NOTES.id, attachmentBytes: 0 }),
    );
    await expectAccessible();
  });

  test("who is no admin cannot change them", async () => {
    await open("Members", asRole("writer"));
    await fireEvent.click(await screen.findByText("Rules of this notebook"));
    expect((await screen.findByRole<HTMLInputElement>("checkbox", { name: /Every newcomer/u })).disabled).toBe(true);
  });
});

describe("members", () => {
  test("the owner sees who belongs to the notebook, when they were met and what each may do", async () => {
    await open("Members");
    expect((await row("Ada Lovelace")).textContent).toMatch(/\(you\).*This computer.*Owner/su);
    expect((await row("Ben Haddad")).textContent).toContain("Connected now");
    expect((await row("Dai Evans")).textContent).toMatch(/Last connected: /u);
    screen.getByText(/As the owner you hand the notebook over before you can leave it/u);
    await expectAccessible();
    await fireEvent.click(screen.getByText("What each role may do"));
    screen.getByText(/Changes nothing\./u);
  });

  test("a role is changed, and put back where the node refuses", async () => {
    const node = await open("Members");
    const select = await screen.findByLabelText<HTMLSelectElement>("Role of Ben Haddad");
    expect([...select.options].map(({ value }) => value)).toEqual(["reader", "writer", "admin"]);
    await fireEvent.change(select, { target: { value: "reader" } });
    await waitFor(() =>
      expect(lastInput(node, "members.setRole")).toEqual({
        notebook: FIELD_NOTES.id,
        member: BEN?.id,
        role: "reader",
      }),
    );
    await waitFor(() => expect(screen.getByLabelText<HTMLSelectElement>("Role of Ben Haddad").value).toBe("reader"));
    node.break("members.setRole", "NotAllowed");
    await fireEvent.change(screen.getByLabelText("Role of Dai Evans"), { target: { value: "admin" } });
    await screen.findByRole("alert");
    expect(screen.getByLabelText<HTMLSelectElement>("Role of Dai Evans").value).toBe("reader");
  });

  test("an admin is not offered what only the owner may do, and is told why", async () => {
    await open("Members", asRole("admin"));
    expect((await row("Ben Haddad")).textContent).toContain("Only the owner can hand the notebook over.");
    expect((await row("Chiara Rossi")).textContent).toContain("Only the owner can change or remove an admin.");
    expect(screen.queryByLabelText("Role of Chiara Rossi")).toBeNull();
    const select = screen.getByLabelText<HTMLSelectElement>("Role of Dai Evans");
    expect([...select.options].map(({ value }) => value)).toEqual(["reader", "writer"]);
  });

  test("a writer changes nothing about others and can leave", async () => {
    const node = await open("Members", asRole("writer"));
    await screen.findByText("Only the owner and admins change who may do what.");
    expect(screen.queryByRole("button", { name: /^More about/u })).toBeNull();
    await fireEvent.click(screen.getByRole("button", { name: "Leave the notebook…" }));
    await screen.findByRole("heading", { name: "Leave “Field notes”?" });
    await expectAccessible();
    await fireEvent.click(screen.getByRole("button", { name: "Leave" }));
    await waitFor(() => expect(lastInput(node, "notebooks.leave")).toEqual({ notebook: FIELD_NOTES.id }));
    await screen.findByText(/You left this notebook/u);
  });

  test("removing says what it means and what it cannot, and can discard what was written since", async () => {
    const node = await open("Members", { links: [] });
    await fireEvent.click(await screen.findByRole("button", { name: "More about Ben Haddad" }));
    await fireEvent.click(screen.getByRole("menuitem", { name: "Remove from the notebook" }));
    await screen.findByRole("heading", { name: "Remove Ben Haddad?" });
    screen.getByText(/They keep what their devices already have/u);
    await expectAccessible();
    await fireEvent.click(screen.getByRole("button", { name: "Cancel" }));
    await row("Ben Haddad");

    await fireEvent.click(screen.getByRole("button", { name: "More about Ben Haddad" }));
    await fireEvent.click(screen.getByRole("menuitem", { name: "Remove from the notebook" }));
    await fireEvent.click(await screen.findByRole("checkbox", { name: /Also discard what Ben Haddad wrote/u }));
    await type(screen.getByLabelText("Discard what was written after"), "2026-11-20T08:30");
    await fireEvent.click(screen.getByRole("button", { name: "Remove" }));
    await waitFor(() =>
      expect(lastInput(node, "members.remove")).toEqual({
        notebook: FIELD_NOTES.id,
        members: [BEN?.id],
        discardAfter: new Date(2026, 10, 20, 8, 30).getTime(),
      }),
    );
    await screen.findByText("Ben Haddad was removed");
    await waitFor(() => expect(screen.queryByText("Ben Haddad", { selector: "[role=tabpanel] strong" })).toBeNull());
  });

  test("an open door is pointed out before somebody is removed", async () => {
    await open("Members");
    await fireEvent.click(await screen.findByRole("button", { name: "More about Dai Evans" }));
    expect(screen.queryByRole("menuitem", { name: "Hand the notebook over" })).toBeNull();
    await fireEvent.click(screen.getByRole("menuitem", { name: "Remove from the notebook" }));
    await screen.findByText(/A link that lets anyone in is still open/u);
  });

  test("the notebook is handed over to somebody who can write", async () => {
    const node = await open("Members");
    await fireEvent.click(await screen.findByRole("button", { name: "Hand over…" }));
    await screen.findByRole("heading", { name: "Hand the notebook over" });
    expect(screen.queryByRole("radio", { name: /Dai Evans/u })).toBeNull();
    const confirm = screen.getByRole<HTMLButtonElement>("button", { name: "Hand over" });
    expect(confirm.disabled).toBe(true);
    await fireEvent.click(screen.getByRole("radio", { name: /Chiara Rossi/u }));
    await fireEvent.click(confirm);
    await waitFor(() =>
      expect(lastInput(node, "notebooks.transfer")).toEqual({ notebook: FIELD_NOTES.id, member: CHIARA?.id }),
    );
    await screen.findByText("Chiara Rossi owns the notebook now");
    await waitFor(async () => expect((await row("Ada Lovelace")).textContent).toContain("Admin"));
  });

  test("a failure to read the members can be tried again", async () => {
    const node = await renderApp(sampleWorld());
    await screen.findByRole("option", { name: /Equipment list/u });
    node.break("notebooks.members", "Internal");
    press("Control+Shift+s");
    await fireEvent.click(await screen.findByRole("tab", { name: /^Members/u }));
    const again = await screen.findByRole("button", { name: "Try again" });
    node.heal("notebooks.members");
    await fireEvent.click(again);
    await row("Ben Haddad");
  });
});

describe("invite links", () => {
  test("are listed with state and uses left; one is revoked after a word of warning", async () => {
    const node = await open("Invite");
    const list = await screen.findByRole("region", { name: "Invite links" });
    await within(list).findByText(/14 of 16 uses left/u);
    within(list).getByText(/Made on another device/u);
    within(list).getByText("Used up");
    within(list).getByText("Revoked");
    await fireEvent.click(within(list).getAllByRole("button", { name: "Revoke" })[1] as HTMLElement);
    within(list).getByText(/the keys change with the next word/u);
    await expectAccessible();
    await fireEvent.click(within(list).getByRole("button", { name: "Revoke the link" }));
    await waitFor(() =>
      expect(lastInput(node, "invites.revoke")).toEqual({ notebook: FIELD_NOTES.id, id: LINKS[1]?.id }),
    );
    await waitFor(() => expect(within(list).getAllByText("Revoked")).toHaveLength(2));
  });

  test("carry the role, the time and the number of people that were chosen", async () => {
    const node = await open("Invite");
    const uses = screen.getByLabelText<HTMLInputElement>("People");
    expect(uses.value).toBe("16");
    await fireEvent.click(screen.getByRole("radio", { name: /Anyone with the link/u }));
    await waitFor(() => expect(uses.value).toBe("1"));
    await fireEvent.change(screen.getByLabelText("Valid for"), { target: { value: "1" } });
    await type(uses, "80");
    await screen.findByText("Between 1 and 64 people can use one link.");
    expect(screen.getByRole<HTMLButtonElement>("button", { name: "Create invite link" }).disabled).toBe(true);
    await type(uses, "3");
    const before = Date.now();
    await fireEvent.click(screen.getByRole("button", { name: "Create invite link" }));
    await screen.findByRole("img", { name: "QR code of the invite link" });
    const input = lastInput(node, "invites.create") as { readonly maxUses: number; readonly expiresAt: number };
    expect(input).toMatchObject({ mode: "auto", maxUses: 3 });
    expect(Math.abs(input.expiresAt - before - 3_600_000)).toBeLessThan(60_000);
    await screen.findByText(/3 of 3 uses left · valid until/u);
  });

  test("somebody who waits is counted on the button and beside the notebook", async () => {
    const node = await renderApp(sampleWorld());
    await screen.findByRole("option", { name: /Equipment list/u });
    node.world.invites = [61, 62].map((seed) => ({
      id: hex(seed, 16),
      person: null,
      direction: "incoming",
      notebook: FIELD_NOTES.id,
      label: FIELD_NOTES.title,
      name: `Guest ${seed}`,
      state: "requested",
      checkString: "482913",
      message: "",
    }));
    node.emit({ type: "invitesChanged" });
    await fireEvent.click(await screen.findByRole("button", { name: /^Share 2 waiting/u }));
    expect(await screen.findAllByRole("article")).toHaveLength(2);
    expect(document.querySelector("[role=treeitem] .waiting")?.textContent).toBe("2");
    await expectAccessible();
  });
});

describe("activity", () => {
  test("says who did what, what had no effect, and opens the note", async () => {
    await open("Activity");
    const log = await screen.findByRole("region", { name: "Activity, newest first" });
    const texts = within(log)
      .getAllByRole("listitem")
      .map((item) => item.textContent?.replaceAll(/\s+/gu, " ").trim() ?? "");
    expect(texts.some((text) => text.includes("Ben Haddad edited Transect 4, north bank · 42 changes"))).toBe(true);
    expect(texts.some((text) => text.includes("You let Dai Evans read"))).toBe(true);
    expect(texts.some((text) => text.includes("had no effect: not theirs to do"))).toBe(true);
    expect(texts.some((text) => text.includes("removed Emil Novak and changed the keys"))).toBe(true);
    await expectAccessible();
    await fireEvent.click(within(log).getByRole("button", { name: "Who counts what on Saturday" }));
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    await screen.findByDisplayValue("Who counts what on Saturday");
  });

  test("is filtered by person and kind, and empty where nothing fits", async () => {
    const node = await open("Activity");
    await screen.findByRole("region", { name: "Activity, newest first" });
    await fireEvent.change(screen.getByLabelText("Who"), { target: { value: CHIARA?.id } });
    await screen.findByText(/made an invite link/u);
    await fireEvent.change(screen.getByLabelText("What"), { target: { value: "edited" } });
    await screen.findByRole("heading", { name: "Nothing of that kind" });
    expect(lastInput(node, "activity.list")).toMatchObject({ member: CHIARA?.id, type: "edited" });
  });

  test("goes further back on demand", async () => {
    const first = ACTIVITY[0] as Activity;
    const many = Array.from({ length: 130 }, (_, index) => ({
      ...first,
      id: hex(index, 32),
      at: NOW - index * 60_000,
    }));
    const ids = many.map((one, index) => ({ ...one, id: index.toString(16).padStart(64, "0") }));
    await open("Activity", { activity: { [FIELD_NOTES.id]: ids } });
    const log = await screen.findByRole("region", { name: "Activity, newest first" });
    const rows = () => log.querySelectorAll(".row").length;
    expect(rows()).toBe(50);
    await fireEvent.click(within(log).getByRole("button", { name: "Show older" }));
    await waitFor(() => expect(rows()).toBe(130));
    expect(within(log).queryByRole("button", { name: "Show older" })).toBeNull();
  });
});

describe("where a notebook is", () => {
  test("names devices, how fresh they are, who kept a copy, and what it takes", async () => {
    const node = await open("Where it is");
    await screen.findByText(/Besides this computer, 1 device holds everything/u);
    screen.getByText(/2 changes are on no other device yet/u);
    screen.getByText(/Up to 214 changes newer here/u);
    screen.getByText(/How much it holds is not known · not met/u);
    screen.getByText(/Emil Novak was removed .*keeps what had arrived/su);
    screen.getByText(/A link is open that lets anyone/u);
    screen.getByText("18.4 MB of 44 MB");
    screen.getByText(/1 of 2\s+holds everything that is here, encrypted/u);
    await expectAccessible();
    await fireEvent.click(screen.getByRole("button", { name: "Change the keys" }));
    await waitFor(() => expect(lastInput(node, "notebooks.changeKeys")).toEqual({ notebook: FIELD_NOTES.id }));
  });

  test("a backup is a copy as well", async () => {
    const alone = { ...COPIES, members: COPIES.members.slice(0, 1), former: [], safe: { on: 0, of: 0 } };
    const world = sampleWorld({ copies: { [FIELD_NOTES.id]: alone } });
    const last = {
      path: "/media/disk/p2pcollab.backup",
      createdAt: NOW,
      name: "Ada Lovelace",
      identity: ADA?.id ?? "",
      notebooks: 3,
      documents: 67,
      chunks: 0,
      bytes: 1_000_000,
    };
    await renderApp(world, {
      "backup.status": async () =>
        ok({ folder: "/media/disk", every: "week", running: null, last, next: null, problem: null }),
    });
    await screen.findByRole("option", { name: /Equipment list/u });
    press("Control+Shift+s");
    await fireEvent.click(await screen.findByRole("tab", { name: "Where it is" }));
    await screen.findByText(/No other device holds this notebook\..*The last backup was made on/su);
  });

  test("warns of the only copy, and says what could not be measured", async () => {
    const alone = {
      ...COPIES,
      members: COPIES.members.slice(0, 1),
      former: [],
      safe: { on: 0, of: 0 },
      storage: { ...COPIES.storage, history: null },
    };
    await open("Where it is", { copies: { [FIELD_NOTES.id]: alone }, links: [] });
    await screen.findByText(/Only this computer holds this notebook/u);
    screen.getByText("could not be measured");
  });
});

describe("rights that others change", () => {
  test("are told wherever one is, with the way there", async () => {
    const node = await renderApp(sampleWorld());
    await screen.findByRole("option", { name: /Equipment list/u });
    const become = (given: Partial<(typeof node.world.notebooks)[number]>) => {
      node.world.notebooks = node.world.notebooks.map((one) => (one.id === HOUSE.id ? { ...one, ...given } : one));
      node.emit({ type: "notebooksChanged" });
    };
    become({ role: "admin" });
    await screen.findByText("You are an admin of this notebook now");
    become({ role: "reader" });
    await screen.findByText("You can read this notebook now, not change it");
    become({ membership: "removed" });
    await screen.findByText("You were removed from a notebook");
    await fireEvent.click(screen.getAllByRole("button", { name: "Show" }).at(-1) as HTMLElement);
    await screen.findByText(/You are no longer a member/u);
  });
});

describe("a notebook that cannot be written", () => {
  const isEditable = () => document.querySelector(".ProseMirror")?.getAttribute("contenteditable");
  const roleGiven: Activity = {
    ...(ACTIVITY[2] as Activity),
    actor: { id: BEN?.id ?? "", name: "Ben Haddad" },
    members: [{ id: ADA?.id ?? "", name: "Ada Lovelace" }],
  };

  test("a reader reads, is told by whom and whom to ask", async () => {
    await renderApp(sampleWorld({ ...asRole("reader"), activity: { [FIELD_NOTES.id]: [roleGiven] } }));
    await screen.findByText(/Ben Haddad lets you read this notebook, not change it/u);
    screen.getByText(/ask Ben Haddad or Chiara Rossi to make you an editor/u);
    await waitFor(() => expect(isEditable()).toBe("false"));
    for (const button of screen.getAllByRole<HTMLButtonElement>("button", { name: /^New note/u }))
      expect(button.disabled).toBe(true);
    expect(screen.queryByRole("button", { name: "Note actions" })).toBeNull();
    await expectAccessible();
  });

  test.each([
    ["removed", /You are no longer a member|removed you from this notebook/u],
    ["left", /You left this notebook/u],
  ] as const)("who %s keeps a copy, and is told how to come back or take it along", async (membership, text) => {
    const node = await renderApp(sampleWorld({ notebooks: [{ ...FIELD_NOTES, role: "writer", membership }] }));
    await screen.findByText(text);
    await waitFor(() => expect(isEditable()).toBe("false"));
    await expectAccessible();
    await fireEvent.click(screen.getByRole("button", { name: "Export a copy" }));
    await screen.findByRole("heading", { name: "Export “Field notes”" });
    press("Escape");
    node.world.notebooks = [{ ...FIELD_NOTES }];
    node.emit({ type: "notebooksChanged" });
    await waitFor(() => expect(screen.queryByText(text)).toBeNull());
  });

  test("losing the right while the note is open closes it to edits", async () => {
    const node = await renderApp(sampleWorld());
    await waitFor(() => expect(isEditable()).toBe("true"));
    node.world.notebooks = [{ ...FIELD_NOTES, role: "reader" }];
    node.emit({ type: "notebooksChanged" });
    await screen.findByText(/You can read this notebook, not change it|lets you read this notebook/u);
    expect(screen.queryByText("You can read this notebook now, not change it")).toBeNull();
  });
});
