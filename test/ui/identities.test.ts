import { cleanup, fireEvent, screen, waitFor, within } from "@testing-library/svelte";
import { afterEach, expect, test } from "vitest";
import type { InstalledIdentity } from "../../app/contract/types.ts";
import { createWorld } from "./support/fake-transport.ts";
import { expectAccessible, press, renderApp, type } from "./support/render-app.ts";
import { sampleWorld } from "./support/sample-world.ts";

const ADA: InstalledIdentity = {
  id: "0000000000000000",
  name: "Ada Lovelace",
  colour: "teal",
  state: "unlocked",
  problem: "",
  requests: 0,
};
const WORK: InstalledIdentity = { ...ADA, id: "1122334455667788", name: "Ada at work", colour: "orange", requests: 2 };

afterEach(() => {
  cleanup();
  localStorage.clear();
});

const switcher = (name: RegExp) => screen.findByRole("button", { name });

test("a single identity is not bothered with switching, and can add another", async () => {
  const node = await renderApp(sampleWorld());
  expect(document.title).toBe("p2pcollab");
  await fireEvent.click(await switcher(/^Ada Lovelace/));
  const menu = await screen.findByRole("menu", { name: "Identity" });
  expect(within(menu).queryAllByRole("menuitemradio")).toEqual([]);
  expect(within(menu).queryByRole("menuitem", { name: /Remove/ })).toBeNull();
  await fireEvent.click(within(menu).getByRole("menuitem", { name: "Add an identity…" }));
  await waitFor(() => expect(node.calls.some(({ name }) => name === "identities.add")).toBe(true));
  await waitFor(() => expect(document.title).toBe("New identity – p2pcollab"));
});

test("the menu shows everyone with state; choosing switches title, keeps what was open, and the keyboard does the same", async () => {
  await renderApp(
    sampleWorld({ identities: [ADA, WORK, { ...ADA, id: "99".repeat(8), name: "Old", state: "locked" }] }),
  );
  await waitFor(() => expect(document.title).toBe("Ada Lovelace – p2pcollab"));
  const button = await switcher(/Ada Lovelace.*Requests at other identities: 2/);
  await fireEvent.click(await screen.findByRole("button", { name: "Search everything" }));
  await screen.findByRole("combobox", { name: "Search everything" });
  await fireEvent.click(button);
  await expectAccessible();
  const items = screen.getAllByRole("menuitemradio");
  expect(items.map((item) => item.getAttribute("aria-checked"))).toEqual(["true", "false", "false"]);
  expect(items[1]?.textContent).toContain("2 requests");
  expect(items[2]?.textContent).toContain("Locked");
  await fireEvent.click(items[1] as HTMLElement);
  await waitFor(() => expect(document.title).toBe("Ada at work – p2pcollab"));
  await switcher(/^Ada at work/);
  // The other's search is still there, out of sight and out of reach.
  expect(screen.queryByRole("combobox")).toBeNull();
  expect(document.querySelector("input[role=combobox]")).not.toBeNull();

  window.dispatchEvent(new KeyboardEvent("keydown", { key: "&", code: "Digit1", ctrlKey: true, bubbles: true }));
  await waitFor(() => expect(document.title).toBe("Ada Lovelace – p2pcollab"));
  await screen.findByRole("combobox", { name: "Search everything" });
  press("Control+,");
  expect(await screen.findAllByRole("dialog")).toHaveLength(1);
});

test("name and colour are changed here alone; removing asks for the name and says what is lost", async () => {
  const world = sampleWorld({ identities: [ADA, WORK] });
  world.summary = { ...world.summary, undelivered: 3 };
  const node = await renderApp(world);
  await fireEvent.click(await switcher(/^Ada Lovelace/));
  await fireEvent.click(await screen.findByRole("menuitem", { name: "Name and colour…" }));
  await type(await screen.findByRole("textbox", { name: "Name" }), "Home");
  await fireEvent.click(screen.getByRole("radio", { name: "violet" }));
  await expectAccessible();
  await fireEvent.click(screen.getByRole("button", { name: "Save" }));
  await waitFor(() => expect(world.identities[0]).toMatchObject({ name: "Home", colour: "violet" }));
  await fireEvent.click(await switcher(/^Home/));
  await fireEvent.click(await screen.findByRole("menuitem", { name: "Remove from this computer…" }));
  const dialog = await screen.findByRole("dialog", { name: /Remove “Home”/ });
  expect(dialog.textContent).toContain("3 changes are only on this computer");
  const remove = within(dialog).getByRole("button", { name: "Remove" });
  expect((remove as HTMLButtonElement).disabled).toBe(true);
  await expectAccessible();
  await type(within(dialog).getByRole("textbox"), "Home");
  await fireEvent.click(remove);
  await waitFor(() => expect(document.title).toBe("p2pcollab"));
  expect(world.identities.map(({ id }) => id)).toEqual([WORK.id]);
  expect(node.calls.findLast(({ name }) => name === "identities.remove")?.input).toEqual({ id: ADA.id });
});

test("a place for another identity can be given up again", async () => {
  const absent: InstalledIdentity = { ...WORK, name: "", state: "absent", requests: 0 };
  localStorage.setItem("shown-identity", absent.id);
  const world = createWorld({ vault: "absent", identity: null, identities: [ADA, absent] });
  await renderApp(world);
  await screen.findByRole("heading", { name: "Add an identity" });
  await expectAccessible();
  await fireEvent.click(screen.getByRole("button", { name: "Cancel" }));
  await waitFor(() => expect(world.identities.map(({ id }) => id)).toEqual([ADA.id]));
});

test("a link that was opened asks who joins, and only that identity does", async () => {
  const world = sampleWorld({ identities: [ADA, WORK], openedLink: "p2pc:j/AbCdEf" });
  await renderApp(world);
  const dialog = await screen.findByRole("dialog", { name: "Who opens this link?" });
  await expectAccessible();
  await fireEvent.click(within(dialog).getByRole("button", { name: /Ada at work/ }));
  await waitFor(() => expect(document.title).toBe("Ada at work – p2pcollab"));
  const join = await screen.findByRole("dialog", { name: "Join a notebook" });
  expect(within(join).getByRole("textbox", { name: "Invite link" })).toHaveProperty("value", "p2pc:j/AbCdEf");
});
