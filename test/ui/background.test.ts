import { fireEvent, screen, waitFor, within } from "@testing-library/svelte";
import { expect, test } from "vitest";
import { expectAccessible, openSettings, renderApp } from "./support/render-app.ts";
import { NOTES, sampleWorld } from "./support/sample-world.ts";

test("the settings say what closing the window does on this desktop", async () => {
  const { world } = await renderApp(
    sampleWorld({ background: { whenClosed: "automatic", startAtLogin: false, hasTray: false } }),
  );
  await screen.findByRole("option", { name: /Equipment list/u });
  await openSettings("Background");
  await screen.findByText("This desktop shows no tray icons, so you are asked each time.");
  await expectAccessible();
  await fireEvent.click(screen.getByRole("radio", { name: "Keep running" }));
  await screen.findByText(/start p2pcollab again to see it/u);
  const login = within(screen.getByRole("radiogroup", { name: /^Start when I log in/u }));
  await fireEvent.click(login.getByRole("radio", { name: "Yes" }));
  await waitFor(() => expect(world.background).toEqual({ whenClosed: "keep", startAtLogin: true, hasTray: false }));
});

test("syncing is paused and resumed in the network view", async () => {
  const { world } = await renderApp(sampleWorld());
  await fireEvent.click(await screen.findByRole("button", { name: /^Network: / }));
  await fireEvent.click(await screen.findByRole("button", { name: "Pause" }));
  await screen.findByRole("button", { name: /^Network: Paused/u });
  expect(world.summary.paused).toBe(true);
  await fireEvent.click(screen.getByRole("button", { name: "Resume" }));
  await waitFor(() => expect(world.summary.paused).toBe(false));
});

test("an invite that the system asked to open waits in the dialog until the person joins", async () => {
  const node = await renderApp(sampleWorld({ openedLink: "p2pc:j/abc" }));
  const field = await screen.findByRole<HTMLTextAreaElement>("textbox", { name: "Invite link" });
  expect(field.value).toBe("p2pc:j/abc");
  expect(node.calls.some(({ name }) => name === "invites.join")).toBe(false);
});

test("a link to a note opens the note, and says when it is not here", async () => {
  const [, note] = NOTES;
  const node = await renderApp(sampleWorld());
  await screen.findByRole("option", { name: /Equipment list/u });
  node.world.openedLink = `p2pc:doc/${note?.id ?? ""}`;
  node.emit({ type: "linkOpened" });
  await waitFor(() => expect(screen.getByLabelText<HTMLTextAreaElement>("Title").value).toBe(note?.title));
  node.world.openedLink = `p2pc:doc/${"ef".repeat(32)}`;
  node.emit({ type: "linkOpened" });
  await screen.findByText("That note is not here");
});

test("the computer becomes an always-on node for others, whose link is copied", async () => {
  const { world } = await renderApp(sampleWorld());
  await screen.findByRole("option", { name: /Equipment list/u });
  await openSettings("Background");
  const choice = within(await screen.findByRole("radiogroup", { name: "Act as an always-on node" }));
  await fireEvent.click(choice.getByRole("radio", { name: "Yes" }));
  await screen.findByText("192.168.1.12:4711");
  await expectAccessible();
  const space = within(screen.getByRole("radiogroup", { name: "Space for others" }));
  await fireEvent.click(space.getByRole("radio", { name: "50 GB" }));
  await waitFor(() => expect(world.serving.capacity).toBe(50 * 2 ** 30));
  await fireEvent.click(screen.getByRole("button", { name: "Copy a link" }));
  await waitFor(() => expect(world.copied).toEqual(["p2pc:x/abc"]));
  await fireEvent.click(choice.getByRole("radio", { name: "No" }));
  await waitFor(() => expect(screen.queryByText("192.168.1.12:4711")).toBeNull());
});
