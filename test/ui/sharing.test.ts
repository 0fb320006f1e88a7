import { fireEvent, screen, waitFor, within } from "@testing-library/svelte";
import { describe, expect, test } from "vitest";
import type { PendingInvite } from "../../app/contract/types.ts";
import type { FakeNode } from "./support/fake-transport.ts";
import { hex } from "./support/fake-transport.ts";
import { expectAccessible, press, renderApp, type } from "./support/render-app.ts";
import { FIELD_NOTES, HOUSE, READING, sampleWorld } from "./support/sample-world.ts";

const request: PendingInvite = {
  id: hex(61, 16),
  direction: "incoming",
  notebook: FIELD_NOTES.id,
  label: FIELD_NOTES.title,
  name: "Emil Novak",
  person: { id: hex(64, 32), standing: "new" },
  state: "requested",
  checkString: "482913",
  message: "",
};
const ready = () => screen.findByRole("option", { name: /Equipment list/u });

describe("inviting", () => {
  test("asking first is the default; the link is shown, copied and drawn as a code", async () => {
    const { world, calls } = await renderApp(sampleWorld());
    await ready();
    press("Control+Shift+s");
    await screen.findByRole("heading", { name: "Share “Field notes”" });
    expect(screen.getByRole<HTMLInputElement>("radio", { name: /Ask me first/u }).checked).toBe(true);
    await expectAccessible();
    await fireEvent.click(screen.getByRole("button", { name: "Create invite link" }));
    await screen.findByRole("img", { name: "QR code of the invite link" });
    await expectAccessible();
    expect(calls.findLast(({ name }) => name === "invites.create")?.input).toMatchObject({
      notebook: FIELD_NOTES.id,
      mode: "ask",
      role: "writer",
      maxUses: 16,
    });
    const link = screen.getByLabelText<HTMLTextAreaElement>("Invite link").value;
    await fireEvent.click(screen.getByRole("button", { name: "Copy link" }));
    await waitFor(() => expect(world.copied).toEqual([link]));
  });

  test("a link for anyone, to read only", async () => {
    const { calls } = await renderApp(sampleWorld());
    await ready();
    press("Control+Shift+s");
    await fireEvent.click(await screen.findByRole("radio", { name: /Anyone with the link/u }));
    await fireEvent.change(screen.getByLabelText("People who join"), { target: { value: "reader" } });
    await fireEvent.click(screen.getByRole("button", { name: "Create invite link" }));
    await screen.findByText(/reach yours/u);
    expect(calls.findLast(({ name }) => name === "invites.create")?.input).toMatchObject({
      mode: "auto",
      role: "reader",
    });
  });

  test("whoever may not invite is told so", async () => {
    await renderApp(sampleWorld({ settings: { "window.lastNotebook": HOUSE.id } }));
    await screen.findByRole("heading", { name: "House rebuilding" });
    press("Control+Shift+s");
    await screen.findByText(/Only the owner and admins/u);
    expect(screen.queryByRole("button", { name: "Create invite link" })).toBeNull();
  });

  test("a failure is shown where it happened", async () => {
    const node = await renderApp(sampleWorld());
    node.break("invites.create", "DiskFull");
    await ready();
    press("Control+Shift+s");
    await fireEvent.click(await screen.findByRole("button", { name: "Create invite link" }));
    await screen.findByText("The disk is full. Nothing was lost; free some space and try again.");
  });
});

describe("a request to join", () => {
  const arrive = async (node: FakeNode, invite: PendingInvite) => {
    await ready();
    node.world.invites = [invite];
    node.emit({ type: "invitesChanged" });
  };

  test("is announced, shows the number in two groups, and is approved", async () => {
    const node = await renderApp(sampleWorld());
    await arrive(node, request);
    await screen.findByText("Emil Novak wants to join");
    screen.getByText("1 person asks to join");
    await fireEvent.click(screen.getByRole("button", { name: "Review" }));
    const card = await screen.findByRole("article", { name: "Emil Novak asks to join" });
    await expectAccessible();
    expect(card.querySelector(".check")?.textContent?.replaceAll(/\s+/gu, " ").trim()).toContain("482913");
    within(card).getByText("Check string 4 8 2 9 1 3");
    await fireEvent.click(within(card).getByRole("button", { name: "It matches, let them in" }));
    await waitFor(() => expect(node.world.invites[0]?.state).toBe("approved"));
    await waitFor(() => expect(screen.queryByRole("article")).toBeNull());
  });

  test("is not announced beside the dialog that shows it", async () => {
    const node = await renderApp(sampleWorld());
    await ready();
    press("Control+Shift+s");
    await screen.findByRole("heading", { name: "Share “Field notes”" });
    await arrive(node, request);
    await screen.findByRole("article", { name: "Emil Novak asks to join" });
    expect(screen.queryByRole("button", { name: "Review" })).toBeNull();
  });

  test("cannot be approved before there is a number, but can be declined", async () => {
    const node = await renderApp(sampleWorld());
    await arrive(node, { ...request, checkString: null });
    await fireEvent.click(await screen.findByRole("button", { name: "Review" }));
    const approve = (await screen.findByRole("button", { name: "It matches, let them in" })) as HTMLButtonElement;
    expect(approve.disabled).toBe(true);
    await fireEvent.click(screen.getByRole("button", { name: "No, decline" }));
    await waitFor(() => expect(node.world.invites[0]?.state).toBe("declined"));
  });

  test("a name of markup stays text", async () => {
    const node = await renderApp(sampleWorld());
    await arrive(node, { ...request, name: "<img src=x onerror=alert(1)>" });
    await screen.findByText("<img src=x onerror=alert(1)> wants to join");
    expect(document.querySelector("img")).toBeNull();
  });
});

describe("joining", () => {
  const openJoin = async () => {
    await ready();
    await fireEvent.click(screen.getByRole("button", { name: "Add a notebook" }));
    await fireEvent.click(screen.getByRole("menuitem", { name: "Join with a link" }));
    return screen.findByLabelText("Invite link");
  };
  const become = (node: FakeNode, change: Partial<PendingInvite>) => {
    node.world.invites = node.world.invites.map((invite) => ({ ...invite, ...change }));
    node.emit({ type: "invitesChanged" });
  };

  test("a link that is none is refused with a sentence", async () => {
    await renderApp(sampleWorld());
    await type(await openJoin(), "https://example.org");
    await fireEvent.click(screen.getByRole("button", { name: "Join" }));
    await screen.findByText("That invite link is not complete. Copy it again.");
  });

  test("every state is told as it is, up to opening the notebook", async () => {
    const node = await renderApp(sampleWorld());
    await type(await openJoin(), " p2pc:j/abc ");
    await fireEvent.click(screen.getByRole("button", { name: "Join" }));
    await screen.findByText("Looking for the other side");
    await expectAccessible();
    become(node, { state: "requested", checkString: "104522" });
    await screen.findByText("Waiting to be let in");
    screen.getByText("Check string 1 0 4 5 2 2");
    await expectAccessible();
    become(node, { state: "approved" });
    await screen.findByText("You were let in");
    become(node, { state: "joined", notebook: READING.id });
    await screen.findByText("You are a member");
    await fireEvent.click(screen.getByRole("button", { name: "Open the notebook" }));
    await screen.findByRole("heading", { name: "Reading" });
  });

  test.each([
    ["declined", "You were not let in"],
    ["expired", "The invite has expired"],
    ["failed", "That did not work"],
  ] as const)("%s ends with a way to use another link", async (state, title) => {
    const node = await renderApp(sampleWorld());
    await type(await openJoin(), "p2pc:j/abc");
    await fireEvent.click(screen.getByRole("button", { name: "Join" }));
    await screen.findByText("Looking for the other side");
    become(node, { state, message: "The node's own words." });
    await screen.findByRole("heading", { name: title });
    screen.getByText("The node's own words.");
    await fireEvent.click(screen.getByRole("button", { name: "Use another link" }));
    await screen.findByLabelText("Invite link");
  });
});
