import { fireEvent, screen, waitFor, within } from "@testing-library/svelte";
import { describe, expect, test } from "vitest";
import { expectAccessible, press, renderApp } from "./support/render-app.ts";
import { NOTES, READING, sampleWorld } from "./support/sample-world.ts";

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
