import { fireEvent, screen, waitFor, within } from "@testing-library/svelte";
import { describe, expect, test } from "vitest";
import type { PendingInvite } from "../../app/contract/types.ts";
import { hex } from "./support/fake-transport.ts";
import { expectAccessible, renderApp, type } from "./support/render-app.ts";
import { CONTACTS, FIELD_NOTES, HOUSE, READING, sampleWorld } from "./support/sample-world.ts";

const request = (seed: number, more: Partial<PendingInvite>): PendingInvite => ({
  id: hex(seed, 16),
  direction: "incoming",
  notebook: FIELD_NOTES.id,
  label: FIELD_NOTES.title,
  name: "Emil Novak",
  person: { id: hex(64, 32), standing: "new" },
  state: "requested",
  checkString: "482913",
  message: "",
  ...more,
});
const openPeople = async () => {
  await screen.findByRole("option", { name: /Equipment list/u });
  await fireEvent.click(screen.getByRole("button", { name: /^People/u }));
  return screen.findByRole("list", { name: "Contacts" });
};

describe("people", () => {
  test("contacts with their marks; the digits are compared, typed or by eye, and the mark is taken away", async () => {
    const { calls } = await renderApp(sampleWorld());
    const list = await openPeople();
    expect(within(list).getAllByRole("button")).toHaveLength(CONTACTS.length);
    await expectAccessible();
    await fireEvent.click(within(list).getByRole("button", { name: /Chiara Rossi/u }));
    const person = await screen.findByRole("article", { name: "Chiara Rossi" });
    await expectAccessible();
    const field = within(person).getByLabelText("Digits they read or sent");
    await type(field, "00000 30475 66120 98317 25504 71938");
    await fireEvent.click(within(person).getByRole("button", { name: "Compare" }));
    await within(person).findByText("The digits differ");
    await type(field, "48291 30475 66120 98317 25504 71938");
    await fireEvent.click(within(person).getByRole("button", { name: "Compare" }));
    await within(person).findByText(/You compared these digits/u);
    await fireEvent.click(within(person).getByRole("button", { name: "Take the mark away" }));
    await fireEvent.click(await within(person).findByRole("button", { name: "They are the same" }));
    await waitFor(() => expect(calls.filter(({ name }) => name === "contacts.verify")).toHaveLength(3));
  });

  test("another key under a known name is said loudly", async () => {
    await renderApp(sampleWorld());
    const list = await openPeople();
    await fireEvent.click(within(list).getByRole("button", { name: /Ben Haddad.*By contact card/u }));
    expect((await screen.findByRole("alert")).textContent).toContain("This is another key");
  });

  test("a name is given, somebody is blocked, unblocked and removed", async () => {
    const { world } = await renderApp(sampleWorld());
    const list = await openPeople();
    await fireEvent.click(within(list).getByRole("button", { name: /Chiara Rossi/u }));
    const more = async (item: string) => {
      await fireEvent.click(screen.getByRole("button", { name: /^More about (?:Chiara|Chi)/u }));
      await fireEvent.click(await screen.findByRole("menuitem", { name: item }));
    };
    await more("Name for them");
    await type(screen.getByLabelText("Name for them"), "Chi");
    await fireEvent.click(screen.getByRole("button", { name: "Save" }));
    await screen.findByText(/calls themselves “Chiara Rossi”/u);
    await more("Block…");
    await waitFor(() => expect(screen.queryByRole("menuitem")).toBeNull());
    await fireEvent.click(screen.getByRole("button", { name: "Block" }));
    await waitFor(() => expect(world.contacts[1]?.standing).toBe("blocked"));
    await waitFor(() => expect(screen.queryByRole("button", { name: "Block" })).toBeNull());
    await more("Unblock");
    await waitFor(() => expect(world.contacts[1]?.standing).toBe("known"));
    await more("Remove…");
    await fireEvent.click(screen.getByRole("button", { name: "Remove" }));
    await waitFor(() => expect(world.contacts.map(({ name }) => name)).not.toContain("Chi"));
  });

  test("a card is pasted, opened by a link, and the own one is shown and copied", async () => {
    const node = await renderApp(sampleWorld());
    await openPeople();
    await fireEvent.click(screen.getAllByRole("button", { name: "Add a contact" })[0] as HTMLElement);
    await type(await screen.findByRole("textbox", { name: "Contact card" }), "p2pc:j/no");
    await expectAccessible();
    await fireEvent.click(screen.getByRole("button", { name: "Add" }));
    await screen.findByText("Not a contact card");
    await type(screen.getByRole("textbox", { name: "Contact card" }), "p2pc:c/AbCd");
    await fireEvent.click(screen.getByRole("button", { name: "Add" }));
    await screen.findByRole("article", { name: "Grace Hopper" });

    await fireEvent.click(screen.getAllByRole("button", { name: "Your contact card" })[0] as HTMLElement);
    await screen.findByRole("img", { name: "QR code of your contact card" });
    await expectAccessible();
    await fireEvent.click(screen.getByRole("button", { name: "Copy" }));
    await waitFor(() => expect(node.world.copied[0]).toMatch(/^p2pc:c\//u));
    await fireEvent.click(screen.getByRole("button", { name: "Close" }));

    node.world.openedLink = "p2pc:c/EfGh";
    node.emit({ type: "linkOpened" });
    await screen.findByText(/Nothing happens before you add it/u);
  });

  test("a contact is invited to a notebook; an invitation that came is answered", async () => {
    const { world, calls } = await renderApp(
      sampleWorld({
        invitations: [
          {
            id: hex(81, 16),
            notebook: hex(82, 16),
            title: "Choir",
            role: "reader",
            from: { id: hex(32, 32), name: "Chiara Rossi", standing: "known" },
            at: 0,
          },
        ],
      }),
    );
    await screen.findByRole("option", { name: /Equipment list/u });
    await fireEvent.click(await screen.findByRole("button", { name: "People 1" }));
    const card = await screen.findByRole("article", { name: "Chiara Rossi invites you" });
    await expectAccessible();
    await fireEvent.click(within(card).getByRole("button", { name: "Join" }));
    await screen.findByText("You joined “Choir”");
    expect(world.invitations).toEqual([]);

    const list = screen.getByRole("list", { name: "Contacts" });
    await fireEvent.click(within(list).getByRole("button", { name: /Chiara Rossi/u }));
    await screen.findByText(/you need their contact card/u);
    await fireEvent.click(within(list).getByRole("button", { name: /Ben Haddad.*contact card/u }));
    await fireEvent.change(await screen.findByLabelText("Notebook"), { target: { value: READING.id } });
    await fireEvent.change(screen.getByLabelText("What they may do"), { target: { value: "reader" } });
    await expectAccessible();
    await fireEvent.click(screen.getByRole("button", { name: "Invite" }));
    await screen.findByText(/is a member of “Reading”/u);
    expect(calls.findLast(({ name }) => name === "contacts.invite")?.input).toEqual({
      contact: hex(34, 32),
      notebook: READING.id,
      role: "reader",
    });
  });

  test("requests of every notebook stand in one place, with a count in the sidebar", async () => {
    const requests = [
      request(61, {}),
      request(62, {
        notebook: HOUSE.id,
        label: HOUSE.title,
        name: "Ben Haddad",
        person: { id: hex(31, 32), standing: "verified" },
      }),
    ];
    const { world } = await renderApp(sampleWorld({ invites: requests }));
    await screen.findByRole("option", { name: /Equipment list/u });
    await fireEvent.click(await screen.findByRole("button", { name: "People 2" }));
    await screen.findByText(/It is the key you verified/u);
    await screen.findByText(/Not met before/u);
    await expectAccessible();
    const ben = screen.getByRole("article", { name: "Ben Haddad asks to join" });
    await fireEvent.click(within(ben).getByRole("button", { name: "It matches, let them in" }));
    await waitFor(() => expect(world.invites.map(({ state }) => state)).toEqual(["requested", "approved"]));
    await screen.findByRole("button", { name: "People 1" });
  });
});
