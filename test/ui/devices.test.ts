import { fireEvent, screen, waitFor, within } from "@testing-library/svelte";
import { describe, expect, test } from "vitest";
import type { Device } from "../../app/contract/types.ts";
import { createWorld, hex } from "./support/fake-transport.ts";
import { expectAccessible, openSettings, renderApp, type } from "./support/render-app.ts";

const device = (seed: number, more: Partial<Device>): Device => ({
  id: hex(seed, 32),
  name: `Device ${seed}`,
  self: false,
  manager: false,
  state: "active",
  online: false,
  lastSeen: null,
  addedAt: 0,
  keySince: 0,
  ...more,
});
const OWN = device(1, { name: "Laptop", self: true, manager: true, online: true });
const PHONE = device(2, { name: "Phone", online: true });
const DESKTOP = device(3, { name: "Desktop", manager: true });
const withDevices = (devices: readonly Device[] = [OWN, PHONE, DESKTOP]) => createWorld({ devices });

const choose = async (name: string, action: string) => {
  await fireEvent.click(await screen.findByRole("button", { name: `More about ${name}` }));
  await fireEvent.click(await screen.findByRole("menuitem", { name: action }));
};
const press = async (name: string) => fireEvent.click(await screen.findByRole("button", { name }));

describe("devices in the settings", () => {
  test("are listed with this one first and what is known of the others, and can be renamed", async () => {
    const { world } = await renderApp(withDevices());
    await openSettings("Devices");
    const list = await screen.findByRole("list", { name: "Your devices" });
    const rows = await within(list).findAllByRole("listitem");
    expect(rows.map((row) => row.querySelector("strong")?.textContent)).toEqual(["Laptop", "Desktop", "Phone"]);
    expect(rows.map((row) => row.querySelector(".detail")?.textContent)).toEqual([
      "This device",
      "Not met from here yet",
      "Connected now",
    ]);
    await expectAccessible();
    await choose("Phone", "Rename");
    await type(await screen.findByLabelText("Name of the device"), "Pocket");
    await press("Rename");
    await screen.findByText("Pocket");
    expect(world.devices.find(({ id }) => id === PHONE.id)?.name).toBe("Pocket");
  });

  test("this one gets another key", async () => {
    const { calls } = await renderApp(withDevices());
    await openSettings("Devices");
    await choose("Laptop", "Change its key");
    await screen.findByText("This device has another key");
    await screen.findByText(/^This device · its key is of/u);
    expect(calls.some(({ name }) => name === "devices.renewKey")).toBe(true);
  });

  test("one is removed after a question; one that could remove this one needs the phrase", async () => {
    const { world } = await renderApp(withDevices());
    await openSettings("Devices");
    await choose("Phone", "Remove…");
    expect(screen.queryByLabelText("Recovery phrase")).toBeNull();
    await expectAccessible();
    await press("Remove it");
    await screen.findByRole("list", { name: "Your devices" });
    expect(screen.queryByText("Phone")).toBeNull();

    await choose("Desktop", "Remove…");
    const remove = await screen.findByRole("button", { name: "Remove it" });
    expect((remove as HTMLButtonElement).disabled).toBe(true);
    await type(screen.getByLabelText("Recovery phrase"), "some other words");
    await fireEvent.click(remove);
    await screen.findByText("Those words are not the ones of your recovery phrase.");
    await type(screen.getByLabelText("Recovery phrase"), world.phrase.join(" "));
    await press("Remove it");
    await waitFor(() => expect(world.devices.map(({ state }) => state)).toEqual(["active", "revoked", "revoked"]));
  });

  test("a new one is added by its link and six digits", async () => {
    const node = await renderApp(withDevices([OWN]));
    await openSettings("Devices");
    expect(screen.queryByRole("button", { name: "More about Phone" })).toBeNull();
    await press("Add a device");
    await type(await screen.findByLabelText("Link of the new device"), "p2pc:j/invite");
    await press("Connect");
    await screen.findByText("That is not the link a new device shows. Copy it again.");
    await type(screen.getByLabelText("Link of the new device"), "p2pc:d/AbCdEf");
    await press("Connect");
    await screen.findByText("Check string 3 1 4 1 5 9");
    await expectAccessible();
    await press("Yes, add it");
    await screen.findByRole("heading", { name: "Now confirm on Phone" });
    node.world.pairings = node.world.pairings.map((pairing) => ({ ...pairing, state: "done" }));
    node.world.devices = [OWN, PHONE];
    node.emit({ type: "devicesChanged" });
    await screen.findByRole("heading", { name: "Phone is one of your devices" });
    await press("Done");
    await screen.findByRole("button", { name: "More about Phone" });
  });
});

describe("an install without an identity", () => {
  test("shows a link to another device, compares digits, and opens the notebooks", async () => {
    const node = await renderApp(createWorld({ vault: "absent", identity: null }));
    await press("I have an identity on another device");
    await press("Show the link");
    await screen.findByText("p2pc:d/AbCdEf");
    expect(screen.getByRole("img", { name: "QR code of this computer’s link" })).toBeTruthy();
    await expectAccessible();
    node.world.pairing = { ...node.world.pairing, state: "compare", checkString: "271828", name: "Ada Lovelace" };
    node.emit({ type: "devicesChanged" });
    await screen.findByText("Check string 2 7 1 8 2 8");
    await expectAccessible();
    await press("Yes, they match");
    await screen.findByRole("heading", { name: "Now confirm on the other device" });
    node.world.vault = "unlocked";
    node.world.identity = createWorld().identity;
    node.world.pairing = { ...node.world.pairing, state: "done" };
    node.emit({ type: "devicesChanged" });
    await screen.findByRole("heading", { name: "Start with a notebook" });
  });

  test("digits that differ end it, on either side", async () => {
    const node = await renderApp(createWorld({ vault: "absent", identity: null }));
    await press("I have an identity on another device");
    await press("Show the link");
    await screen.findByText("p2pc:d/AbCdEf");
    node.world.pairing = { ...node.world.pairing, state: "declined" };
    node.emit({ type: "devicesChanged" });
    await screen.findByRole("heading", { name: "The other device said no" });
    await press("Cancel");
    await screen.findByRole("button", { name: "Get started" });
    await waitFor(() => expect(node.calls.some(({ name }) => name === "identity.cancelPairing")).toBe(true));
  });

  test("is restored by phrase, and wrong words are refused with a sentence", async () => {
    const { world } = await renderApp(createWorld({ vault: "absent", identity: null }));
    await press("Restore with my phrase");
    await expectAccessible();
    const field = await screen.findByLabelText("24 words from your paper");
    await type(field, "zebra zebra");
    await press("Restore my identity");
    await screen.findByText("Those 24 words do not belong together. Check them once more.");
    await type(field, world.phrase.join(" "));
    await press("Restore my identity");
    await screen.findByRole("heading", { name: "Start with a notebook" });
  });
});
