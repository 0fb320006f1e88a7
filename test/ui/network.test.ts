import { fireEvent, screen, waitFor } from "@testing-library/svelte";
import { describe, expect, test } from "vitest";
import { statusText } from "../../renderer/src/components/network/status-text.ts";
import { hex } from "./support/fake-transport.ts";
import { expectAccessible, press, renderApp, type } from "./support/render-app.ts";
import { sampleWorld } from "./support/sample-world.ts";

const openNetwork = async () => {
  await screen.findByRole("option", { name: /Equipment list/u });
  press("Control+Shift+e");
  await screen.findByRole("heading", { name: "Network" });
};

describe("the network panel", () => {
  test("shows every device with its state and why it is not connected", async () => {
    await renderApp(sampleWorld());
    await openNetwork();
    await screen.findByText("Dai Evans", { selector: "strong" });
    screen.getByText("Nobody answers at that address. Next try in 4 minutes. Check Wi-Fi or the cable.");
    screen.getByRole("list", { name: "Stage: Syncing, 4 of 5" });
    screen.getByRole("list", { name: "Stage: Found, 1 of 5" });
    screen.getByText("Unknown device");
    screen.getByText("192.168.1.20:4040 · found on this network · Field notes, House rebuilding");
    screen.getByText("[fe80::5c1f:2aff:fe3b:91d0]:4040");
    await expectAccessible();
  });

  test("the check says what is wrong and what to do, and gives text to pass on", async () => {
    await renderApp(sampleWorld());
    await openNetwork();
    await fireEvent.click(await screen.findByRole("button", { name: "Check the network" }));
    await screen.findByText("Announcements do not pass on wlan0");
    screen.getByText("Allow UDP port 5353.");
    await expectAccessible();
    await fireEvent.click(screen.getByRole("button", { name: "Copy diagnostics" }));
    await screen.findByText(/Diagnostics/u);
  });

  test("an address is refused or added", async () => {
    const node = await renderApp(sampleWorld());
    await openNetwork();
    const field = await screen.findByLabelText("Address of another computer");
    await type(field, "nonsense");
    await fireEvent.click(screen.getByRole("button", { name: "Connect" }));
    await screen.findByText("That is not an address of the form host:port.");
    await type(field, " 10.1.2.3:4040 ");
    await fireEvent.click(screen.getByRole("button", { name: "Connect" }));
    await screen.findByText("10.1.2.3:4040 · added by hand · no notebook in common");
    expect(node.calls.findLast(({ name }) => name === "peers.connect")?.input).toEqual({ address: "10.1.2.3:4040" });
  });

  test("stays fresh while it is open and not after", async () => {
    const node = await renderApp(sampleWorld());
    await openNetwork();
    await screen.findByText("Dai Evans", { selector: "strong" });
    node.world.status = { ...node.world.status, peers: [] };
    node.emit({ type: "peersChanged" });
    await screen.findByRole("heading", { name: "Nobody in sight" });
    await fireEvent.click(screen.getByRole("button", { name: "Back to the notes" }));
    await screen.findByRole("option", { name: /Equipment list/u });
    const asked = () => node.calls.filter(({ name }) => name === "sync.status").length;
    const before = asked();
    node.emit({ type: "peersChanged" });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(asked()).toBe(before);
  });

  test("a notebook is paused, put first, and taken from an always-on node", async () => {
    const node = await renderApp(sampleWorld());
    await openNetwork();
    await fireEvent.click(await screen.findByRole("button", { name: "How Field notes is followed" }));
    await fireEvent.click(screen.getByRole("button", { name: "Pause this notebook" }));
    await screen.findByRole("button", { name: "Resume this notebook" });
    await fireEvent.click(screen.getByRole("radio", { name: "First" }));
    await fireEvent.click(screen.getByRole("checkbox", { name: /198\.51\.100\.7/u }));
    await waitFor(() =>
      expect(node.world.following[0]).toMatchObject({ paused: true, priority: "first", proxies: [{ used: false }] }),
    );
    await expectAccessible();
  });

  test("what the always-on node on this computer does is shown live", async () => {
    const node = await renderApp(sampleWorld());
    await openNetwork();
    await screen.findByText("Dai Evans", { selector: "strong" });
    expect(screen.queryByText("Always-on node on this computer")).toBeNull();
    await node.transport.invoke("shell.setServing", { active: true });
    await screen.findByText("Always-on node on this computer", {}, { timeout: 4_000 });
    screen.getByText("Others can reach it");
    screen.getByRole("cell", { name: "77aa88bb" });
    await expectAccessible();
  });

  test("a failure is shown", async () => {
    const node = await renderApp(sampleWorld());
    node.break("sync.status", "Stopping");
    await openNetwork();
    await waitFor(() => screen.getByText("The node is shutting down."));
  });
});

describe("the status sentence", () => {
  const peer = (seed: number, name: string | null) => ({ id: hex(seed, 32), name });
  const none = {
    connectedPeers: [],
    visiblePeers: 0,
    connectedProxies: 0,
    safe: { on: 0, of: 0 },
    undelivered: 0,
    pending: 0,
    paused: false,
  };

  test.each([
    [null, "Asking the node…", ""],
    [none, "Not connected · nobody in sight", ""],
    [
      { ...none, visiblePeers: 1, connectedProxies: 0, safe: { on: 0, of: 0 }, undelivered: 1200 },
      "Not connected · 1 device in sight",
      "1,200 changes only on this computer",
    ],
    [{ ...none, paused: true, undelivered: 1 }, "Paused", "1 change only on this computer"],
    [{ ...none, connectedPeers: [peer(1, "Ada")] }, "Connected to Ada", "Everything delivered"],
    [{ ...none, connectedPeers: [peer(1, "Ada"), peer(2, "Ada")] }, "Connected to Ada", "Everything delivered"],
    [{ ...none, connectedPeers: [peer(1, null)] }, "Connected to 1 device", "Everything delivered"],
    [
      { ...none, connectedPeers: [peer(1, "Ada"), peer(2, "Ben"), peer(3, "Cleo"), peer(4, null)], pending: 1 },
      "Connected to Ada, Ben, and 2 others",
      "1 change waiting for missing parts",
    ],
  ])("%#", (summary, connection, waiting) => {
    expect(statusText(summary)).toMatchObject({ connection, waiting });
  });
});
