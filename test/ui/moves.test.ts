import { fireEvent, screen, waitFor, within } from "@testing-library/svelte";
import { describe, expect, test } from "vitest";
import { expectAccessible, press, renderApp } from "./support/render-app.ts";
import { hex } from "./support/fake-transport.ts";
import { HOUSE, NOTES, NOW, READING, sampleWorld } from "./support/sample-world.ts";

const [TRANSECT] = NOTES;
const TITLE = TRANSECT?.title ?? "";

const openActions = async (): Promise<void> => {
  const row = await screen.findByRole("option", { name: new RegExp(TITLE, "u") });
  await fireEvent.click(row);
  await fireEvent.contextMenu(row);
};
const choose = async (name: string): Promise<void> => {
  await fireEvent.click(await screen.findByRole("menuitem", { name }));
};
const sharedNotes = () => screen.queryByRole("list", { name: "Shared notes" });

describe("a note that is shared by itself", () => {
  test("goes to the shared notes, where others are invited, and comes back while nobody has joined", async () => {
    const { world } = await renderApp(sampleWorld());
    await openActions();
    await choose("Share this note");
    await screen.findByRole("heading", { name: `Share “${TITLE}” by itself` });
    screen.getByText(/The 3 other members/u);
    await expectAccessible();
    await fireEvent.click(screen.getByRole("button", { name: "Share this note" }));

    await screen.findByRole("heading", { name: `Share “${TITLE}”` });
    screen.getByText(/this one note with its files/u);
    press("Escape", screen.getByRole("dialog"));
    const list = await screen.findByRole("list", { name: "Shared notes" });
    expect(within(list).getByRole("button", { name: TITLE }).getAttribute("aria-current")).toBe("page");
    expect(screen.queryByRole("listbox", { name: /^Notes in/u })).toBeNull();
    expect(screen.queryByRole("treeitem", { name: new RegExp(`^${TITLE}`, "u") })).toBeNull();
    await expectAccessible();

    await fireEvent.click(screen.getByText("Undo"));
    await waitFor(() => expect(sharedNotes()).toBeNull());
    expect(world.documents.find(({ id }) => id === TRANSECT?.id)?.deleted).toBe(false);
    await screen.findByRole("option", { name: new RegExp(TITLE, "u") });
  });

  test("in its old notebook's trash it says where it went, and a link to it leads there", async () => {
    await renderApp(sampleWorld());
    await openActions();
    await choose("Share this note");
    await fireEvent.click(await screen.findByRole("button", { name: "Share this note" }));
    await screen.findByRole("heading", { name: `Share “${TITLE}”` });
    press("Escape", screen.getByRole("dialog"));
    await fireEvent.click(await screen.findByRole("treeitem", { name: /^Field notes /u }));
    await fireEvent.click(await screen.findByRole("treeitem", { name: /^Trash /u }));
    await fireEvent.click(await screen.findByRole("option", { name: new RegExp(TITLE, "u") }));
    await screen.findByText(/You moved this note to share it by itself\./u);
    screen.getByRole("button", { name: "Take it back" });
    await expectAccessible();
    await fireEvent.click(screen.getByRole("button", { name: "Open it where it is" }));
    const list = await screen.findByRole("list", { name: "Shared notes" });
    await waitFor(() =>
      expect(within(list).getByRole("button", { name: TITLE }).getAttribute("aria-current")).toBe("page"),
    );
  });
});

describe("a note that moves to another notebook", () => {
  test("is shown there, and the move is taken back by its toast", async () => {
    const { world, calls } = await renderApp(sampleWorld());
    await openActions();
    await choose("Move");
    await expectAccessible();
    const others = await screen.findByRole("list", { name: "Another notebook" });
    await fireEvent.click(within(others).getByRole("button", { name: READING.title }));
    await screen.findByText(`Moved to “${READING.title}”`);
    expect(calls.find(({ name }) => name === "documents.moveTo")?.input).toEqual({
      document: TRANSECT?.id,
      notebook: READING.id,
    });
    await screen.findByRole("listbox", { name: `Notes in ${READING.title}` });
    await screen.findByRole("option", { name: new RegExp(TITLE, "u") });
    await fireEvent.click(screen.getByText("Undo"));
    await waitFor(() => expect(world.documents.find(({ id }) => id === TRANSECT?.id)?.deleted).toBe(false));
  });
});

describe("notices", () => {
  test("what was taken out of a note is read, kept as a note or dismissed", async () => {
    const copies = [
      { document: `${HOUSE.id}${hex(70, 16)}`, title: "Roof", reason: "demoted", changes: 3 },
      { document: `${HOUSE.id}${hex(71, 16)}`, title: "Cellar", reason: "removed", changes: 0 },
    ] as const;
    const { world } = await renderApp(
      sampleWorld({
        recovered: copies.map((copy) => ({ ...copy, notebook: HOUSE.id, notebookTitle: HOUSE.title, at: NOW })),
      }),
    );
    await fireEvent.click(await screen.findByRole("button", { name: /^Notices/u }));
    const list = await screen.findByRole("list", { name: "Recovered texts" });
    const [roof, cellar] = within(list).getAllByRole("listitem") as [HTMLElement, HTMLElement];
    within(roof).getByText(/after you were made a reader there/u);
    within(cellar).getByText(/before this reached anybody else/u);
    await fireEvent.click(within(roof).getByRole("button", { name: "Read" }));
    await within(roof).findByText("Lost.");
    await expectAccessible();
    await fireEvent.click(within(cellar).getByRole("button", { name: "Dismiss" }));
    await waitFor(() => expect(world.recovered.map(({ title }) => title)).toEqual(["Roof"]));
    await fireEvent.click(within(roof).getByRole("button", { name: "Keep as a note" }));
    await waitFor(() => expect(world.recovered).toEqual([]));
    await screen.findByRole("option", { name: /Roof \(recovered\)/u });
    await waitFor(() => expect(screen.queryByRole("button", { name: /^Notices/u })).toBeNull());
  });
});

test("a notebook one does not belong to any more is deleted from this device, after a question", async () => {
  const { world } = await renderApp(
    sampleWorld({ notebooks: [{ ...READING, membership: "left" }], documents: [], recovered: [] }),
  );
  await fireEvent.click(await screen.findByRole("button", { name: "Delete" }));
  await screen.findByRole("heading", { name: `Delete “${READING.title}” from this device` });
  await expectAccessible();
  await fireEvent.click(screen.getByRole("button", { name: "Delete it here" }));
  await screen.findByRole("heading", { name: "Start with a notebook" });
  expect(world.notebooks).toEqual([]);
});

test("a notebook is shared without its history as a copy", async () => {
  const { world } = await renderApp(sampleWorld());
  await screen.findByRole("option", { name: new RegExp(TITLE, "u") });
  press("Control+Shift+s");
  await fireEvent.click(await screen.findByRole("button", { name: "Share without history" }));
  screen.getByText(/from then on the two go their own ways/u);
  await fireEvent.click(screen.getByRole("button", { name: "Make the copy" }));
  await screen.findByRole("heading", { name: "Share “Field notes (copy)”" });
  expect(world.notebooks.map(({ title }) => title)).toContain("Field notes (copy)");
});
