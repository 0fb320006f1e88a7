import { fireEvent, screen, waitFor, within } from "@testing-library/svelte";
import { expect, test } from "vitest";
import { hex } from "./support/fake-transport.ts";
import { expectAccessible, press, renderApp, type } from "./support/render-app.ts";
import { DIFF, HISTORY, NOTES, sampleWorld } from "./support/sample-world.ts";

const NOTE = NOTES[0]?.id ?? "";

const openHistory = async (given: Parameters<typeof sampleWorld>[0] = {}) => {
  const node = await renderApp(sampleWorld({ history: HISTORY, diff: DIFF, ...given }));
  await fireEvent.click(await screen.findByRole("option", { name: /^Transect 4/u }));
  press("Control+Shift+h");
  return node;
};
const versions = () => screen.getByRole("listbox", { name: "Versions" });
const called = (node: Awaited<ReturnType<typeof renderApp>>, name: string) =>
  node.calls.filter((call) => call.name === name).map(({ input }) => input);

test("the panel lists who wrote when, and the arrow keys compare one version after the other", async () => {
  const node = await openHistory();
  await screen.findByRole("listbox", { name: "Versions" });
  await expectAccessible();
  const rows = within(versions()).getAllByRole("option");
  expect(rows.length).toBe(HISTORY.length);
  expect(rows[0]?.textContent).toContain("You");
  expect(rows[1]?.textContent).toContain("Sent to the district council");
  // The same person on two devices is told apart.
  expect(rows[3]?.textContent).toMatch(/device [0-9a-f]{4}.*device [0-9a-f]{4}/su);

  press("ArrowDown", versions());
  press("ArrowDown", versions());
  await screen.findByText("Bring the ladder.");
  await expectAccessible();
  expect(called(node, "history.diff").at(-1)).toEqual({
    document: NOTE,
    from: HISTORY[1]?.before,
    to: HISTORY[1]?.heads,
  });
  expect(document.querySelector("del.run")?.textContent).toBe("×2, far away");
  expect(document.querySelector("ins.run")?.textContent).toBe("×3, one singing from the alder");
  await fireEvent.click(screen.getByRole("button", { name: "3 unchanged paragraphs" }));
  await screen.findByText("Four: nothing to report.");

  // A session that people still write in goes on being shown.
  node.world.history = HISTORY.map((session, at) => (at === 1 ? { ...session, heads: [hex(99, 32)] } : session));
  node.emit({ type: "documentsChanged", notebook: NOTE.slice(0, 32) });
  await waitFor(() => expect(called(node, "history.diff").at(-1)).toMatchObject({ to: [hex(99, 32)] }));
  expect(within(versions()).getAllByRole("option")[1]?.getAttribute("aria-selected")).toBe("true");

  await fireEvent.click(screen.getByLabelText("Side by side"));
  await screen.findByRole("table", { name: "Both versions side by side" });
  await expectAccessible();
  press("Escape", versions());
  await waitFor(() => expect(screen.queryByRole("table")).toBeNull());
  press("Escape", versions());
  await waitFor(() => expect(screen.queryByRole("listbox", { name: "Versions" })).toBeNull());
});

test("restoring offers to take it back on the state it left", async () => {
  const node = await openHistory();
  await screen.findByRole("listbox", { name: "Versions" });
  press("ArrowDown", versions());
  await screen.findByText("Bring the ladder.");
  // The newest version is the note as it is.
  expect(screen.getByRole<HTMLButtonElement>("button", { name: "Restore" }).disabled).toBe(true);
  press("End", versions());
  await waitFor(() => expect(screen.getByRole<HTMLButtonElement>("button", { name: "Restore" }).disabled).toBe(false));
  await fireEvent.click(screen.getByRole("button", { name: "Restore" }));
  await screen.findByText("Version restored");
  expect(called(node, "history.restore")).toEqual([{ document: NOTE, heads: HISTORY.at(-1)?.heads }]);
  // The editor has a button of that name as well.
  const notifications = screen.getByRole("region", { name: "Notifications" });
  await fireEvent.click(within(notifications).getByRole("button", { name: "Undo" }));
  await waitFor(() =>
    expect(called(node, "history.restore").at(-1)).toEqual({
      document: NOTE,
      heads: [hex(8, 32)],
      base: HISTORY.at(-1)?.heads,
    }),
  );
});

test("a version gets a name, is found by it and loses it again; a refusal is shown", async () => {
  const node = await openHistory();
  await fireEvent.click(await screen.findByRole("button", { name: "Name the present version" }));
  node.break("versions.name", "NotAllowed");
  await type(screen.getByLabelText("Name"), " First harvest ");
  await fireEvent.click(screen.getByRole("button", { name: "Name" }));
  await screen.findByText("Not allowed");
  node.heal("versions.name");
  await fireEvent.click(screen.getByRole("button", { name: "Name" }));
  await within(versions()).findByText("First harvest");
  await expectAccessible();

  await fireEvent.click(screen.getByLabelText("Named"));
  await waitFor(() => expect(within(versions()).getAllByRole("option").length).toBe(2));
  await fireEvent.click(within(versions()).getByText("First harvest"));
  await fireEvent.click(await screen.findByRole("button", { name: "Take the name away" }));
  await waitFor(() => expect(within(versions()).getAllByRole("option").length).toBe(1));
});

test("what was merged while away is announced, shown and dismissed", async () => {
  const merged = {
    before: [hex(1, 32)],
    heads: [hex(2, 32)],
    changes: 17,
    people: [{ member: hex(8, 32), name: "Ben Haddad", self: false }],
  };
  const node = await renderApp(sampleWorld({ history: HISTORY, diff: DIFF, merged }));
  await fireEvent.click(await screen.findByRole("option", { name: /^Transect 4/u }));
  await screen.findByText("Merged with 17 changes from Ben Haddad");
  await expectAccessible();
  await fireEvent.click(screen.getByRole("button", { name: "See what changed" }));
  await screen.findByText("Bring the ladder.");
  expect(called(node, "history.diff").at(-1)).toEqual({ document: NOTE, from: merged.before, to: merged.heads });
  await fireEvent.click(screen.getByRole("button", { name: "Back to the note" }));
  await fireEvent.click(screen.getByRole("button", { name: "Dismiss" }));
  await waitFor(() => expect(screen.queryByText(/^Merged with/u)).toBeNull());
  expect(called(node, "history.seen")).toEqual([{ document: NOTE }]);
});

test("an empty history and one that cannot be read say what is the matter", async () => {
  const node = await openHistory({ history: [] });
  await screen.findByRole("heading", { name: "Nothing written yet" });
  await expectAccessible();
  node.break("history.list", "EngineFailed");
  node.emit({ type: "documentsChanged", notebook: NOTE.slice(0, 32) });
  await screen.findByText("The note could not be computed");
  node.heal("history.list");
  await fireEvent.click(screen.getByRole("button", { name: "Try again" }));
  await screen.findByRole("heading", { name: "Nothing written yet" });
});
