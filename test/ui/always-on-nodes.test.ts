import { fireEvent, screen } from "@testing-library/svelte";
import { expect, test } from "vitest";
import { statusText } from "../../renderer/src/components/network/status-text.ts";
import { expectAccessible, openSettings, renderApp, type } from "./support/render-app.ts";
import { PROXIES, sampleWorld } from "./support/sample-world.ts";

const openNodes = async () => {
  await screen.findByRole("option", { name: /Equipment list/u });
  await openSettings("Always-on nodes");
  return screen.findByLabelText("Link or address");
};

test("each always-on node is listed with its state, freshness and space, and can be given up", async () => {
  const world = sampleWorld();
  world.status = { ...world.status, proxies: PROXIES };
  world.summary = { ...world.summary, connectedProxies: 1, safe: { on: 1, of: 2 } };
  const node = await renderApp(world);
  await openNodes();
  await screen.findByRole("heading", { name: "Everything is safe on 1 of 2 always-on nodes" });
  screen.getByText("Has everything");
  screen.getByText("answers now");
  screen.getByText("Not reached");
  screen.getByText(/^last answered .* · 3 changes to send$/u);
  screen.getByText("Nobody answers at that address.");
  screen.getByText("41.3 MB of 1 GB");
  screen.getByRole("heading", { name: "Used for notebooks you were invited to" });
  await expectAccessible();
  await fireEvent.click(screen.getByRole("button", { name: "Stop using 192.168.1.5:4040" }));
  expect(node.calls.findLast(({ name }) => name === "proxies.remove")?.input).toEqual({ proxy: PROXIES[1]?.id });
});

test("one is added by its link, or by its address and a code; a refusal is said where it was typed", async () => {
  const node = await renderApp(sampleWorld());
  const field = await openNodes();
  await expectAccessible();
  await type(field, "p2pc:j/nonsense");
  expect(screen.queryByLabelText("Access code")).toBeNull();
  await fireEvent.click(screen.getByRole("button", { name: "Add" }));
  await screen.findByText("That is not the link of an always-on node, or not all of it. Copy it again.");
  await type(field, " p2pc:x/abc ");
  await fireEvent.click(screen.getByRole("button", { name: "Add" }));
  await screen.findByText("198.51.100.7:4040");
  expect(node.calls.findLast(({ name }) => name === "proxies.add")?.input).toEqual({ link: "p2pc:x/abc" });
  await type(field, "203.0.113.9:4040");
  await type(await screen.findByLabelText("Access code"), "secret");
  await fireEvent.click(screen.getByRole("button", { name: "Add" }));
  await screen.findByText("203.0.113.9:4040");
  expect(node.calls.findLast(({ name }) => name === "proxies.add")?.input).toEqual({
    address: "203.0.113.9:4040",
    code: "secret",
  });
});

test.each([
  [{ connectedProxies: 1, safe: { on: 1, of: 2 } }, "Connected to 1 always-on node", "Safe on 1 of 2"],
  [{ connectedProxies: 0, safe: { on: 2, of: 2 } }, "Not connected · nobody in sight", "Safe on 2 of 2"],
  [
    { connectedProxies: 2, safe: { on: 0, of: 2 }, undelivered: 1 },
    "Connected to 2 always-on nodes",
    "1 change only on this computer · Safe on 0 of 2",
  ],
])("the status line says on how many of them everything is: %j", (given, connection, waiting) => {
  const none = { connectedPeers: [], visiblePeers: 0, undelivered: 0, pending: 0, paused: false };
  expect(statusText({ ...none, ...given })).toMatchObject({ connection, waiting });
});
