import { fireEvent, screen, waitFor, within } from "@testing-library/svelte";
import { describe, expect, test } from "vitest";
import { createWorld } from "./support/fake-transport.ts";
import { expectAccessible, press, renderApp, type } from "./support/render-app.ts";
import { FIELD_NOTES, NOTES, READING, sampleWorld } from "./support/sample-world.ts";

const optionNames = () =>
  screen.getAllByRole("option").map((option) => option.querySelector(".name")?.textContent?.trim() ?? "");
const list = () => screen.getByRole("listbox", { name: /^Notes in/u });

describe("notebooks", () => {
  test("without one, the next steps are offered and a first one can be made", async () => {
    const { world } = await renderApp(createWorld());
    await screen.findByRole("heading", { name: "Start with a notebook" });
    await expectAccessible();
    await fireEvent.click(screen.getByRole("button", { name: "New notebook" }));
    await expectAccessible();
    await type(screen.getByLabelText("Name"), "  Garden  ");
    await fireEvent.click(screen.getByRole("button", { name: "Create" }));
    await screen.findByRole("heading", { name: "Garden" });
    expect(world.notebooks.map(({ title }) => title)).toEqual(["Garden"]);
    await screen.findByRole("heading", { name: "No notes here yet" });
    await expectAccessible();
  });

  test("the last one used opens again, with its folders as a tree that the arrow keys walk", async () => {
    await renderApp(sampleWorld());
    await screen.findByRole("treeitem", { name: /^Exhibition /u });
    await expectAccessible();
    const items = screen.getAllByRole("treeitem").map((item) => item.getAttribute("data-key"));
    expect(items.slice(0, 4)).toEqual([FIELD_NOTES.id, "folder:Exhibition", "folder:Letters", "folder:Surveys"]);

    const surveys = screen.getByRole("treeitem", { name: /^Surveys /u });
    surveys.focus();
    press("ArrowLeft", surveys);
    await waitFor(() => expect(screen.queryByRole("treeitem", { name: /^2026 /u })).toBeNull());
    expect(surveys.getAttribute("aria-expanded")).toBe("false");
    press("Enter", surveys);
    await waitFor(() =>
      expect(optionNames()).toEqual([
        "Transect 4, north bank",
        "Water levels since August",
        "Transect 3, meadow",
        "Results of the 2025 season",
      ]),
    );
    press("ArrowUp", surveys);
    await waitFor(() => expect(document.activeElement?.getAttribute("data-key")).toBe("folder:Letters"));
  });

  test("F2 renames; a refusal is shown and nothing is lost", async () => {
    const node = await renderApp(sampleWorld());
    const reading = await screen.findByRole("treeitem", { name: /^Reading /u });
    reading.focus();
    press("F2", reading);
    const field = (await screen.findByLabelText("Name")) as HTMLInputElement;
    expect(field.value).toBe("Reading");
    node.break("notebooks.rename", "NotAllowed");
    await type(field, "Books");
    await fireEvent.click(screen.getByRole("button", { name: "Rename" }));
    await screen.findByText("Your role in this notebook does not allow that.");
    node.heal("notebooks.rename");
    await fireEvent.click(screen.getByRole("button", { name: "Rename" }));
    await screen.findByRole("treeitem", { name: /^Books /u });
  });

  test("Shift+F10 opens the actions of a notebook", async () => {
    await renderApp(sampleWorld());
    const reading = await screen.findByRole("treeitem", { name: /^Reading /u });
    reading.focus();
    press("Shift+F10", reading);
    await fireEvent.click(await screen.findByRole("menuitem", { name: "Share" }));
    await screen.findByRole("heading", { name: "Share “Reading”" });
  });

  test("a list that cannot be loaded says so and can be asked again", async () => {
    const world = sampleWorld();
    const node = await renderApp(world, {}, (fresh) => fresh.break("documents.page", "CorruptDatabase"));
    await screen.findByRole("heading", { name: "The database is damaged" });
    await expectAccessible();
    node.heal("documents.page");
    await fireEvent.click(screen.getByRole("button", { name: "Try again" }));
    await screen.findByRole("option", { name: /Equipment list/u });
  });
});

describe("notes", () => {
  test("are listed newest first and in other orders", async () => {
    await renderApp(sampleWorld());
    await screen.findByRole("option", { name: /Equipment list/u });
    expect(optionNames().slice(0, 3)).toEqual([
      "Transect 4, north bank",
      "Who counts what on Saturday",
      "Equipment list",
    ]);
    await fireEvent.click(screen.getByRole("button", { name: "Order of the notes" }));
    await expectAccessible();
    await fireEvent.click(screen.getByRole("menuitemradio", { name: "Title" }));
    await waitFor(() =>
      expect(optionNames().slice(0, 3)).toEqual(["Untitled", "Equipment list", "Ideas for the exhibition"]),
    );
  });

  test("the arrow keys choose, Delete moves to the trash, Undo brings back", async () => {
    const { world } = await renderApp(sampleWorld());
    await screen.findByRole("option", { name: /Equipment list/u });
    const title = () => screen.getByLabelText<HTMLTextAreaElement>("Title").value;
    expect(title()).toBe("Transect 4, north bank");
    press("ArrowDown", list());
    await waitFor(() => expect(title()).toBe("Who counts what on Saturday"));
    press("Delete", list());
    await screen.findByText("Moved to the trash");
    expect(world.documents.find(({ id }) => id === NOTES[1]?.id)?.deleted).toBe(true);
    await waitFor(() => expect(title()).toBe("Equipment list"));
    const notifications = within(screen.getByRole("region", { name: "Notifications" }));
    await fireEvent.click(notifications.getByRole("button", { name: "Undo" }));
    await waitFor(() => expect(world.documents.find(({ id }) => id === NOTES[1]?.id)?.deleted).toBe(false));
    await waitFor(() => expect(title()).toBe("Who counts what on Saturday"));
  });

  test("Shift+F10 and a right click open the actions of a note", async () => {
    const { world } = await renderApp(sampleWorld());
    await screen.findByRole("option", { name: /Equipment list/u });
    press("Shift+F10", list());
    await screen.findByRole("menu", { name: "Actions for Transect 4, north bank" });
    await expectAccessible();
    press("Escape", screen.getByRole("menu"));
    await waitFor(() => expect(screen.queryByRole("menu")).toBeNull());
    await fireEvent.contextMenu(screen.getByRole("option", { name: /Equipment list/u }));
    await fireEvent.click(await screen.findByRole("menuitem", { name: /Delete/u }));
    await waitFor(() => expect(world.documents.find(({ title }) => title === "Equipment list")?.deleted).toBe(true));
  });

  test("the trash shows what was deleted and gives it back", async () => {
    const { world } = await renderApp(sampleWorld());
    await fireEvent.click(await screen.findByRole("treeitem", { name: /^Trash /u }));
    await waitFor(() => expect(optionNames()).toEqual(["Old packing list"]));
    await fireEvent.click(screen.getByRole("option"));
    await fireEvent.click(await screen.findByRole("button", { name: "Take it out" }));
    await waitFor(() => expect(world.documents.every(({ deleted }) => !deleted)).toBe(true));
  });

  test("a new note lands in the folder on the screen and its title is typed at once", async () => {
    const { world } = await renderApp(sampleWorld());
    await fireEvent.click(await screen.findByRole("treeitem", { name: /^Letters /u }));
    press("Control+n");
    await waitFor(() => expect(document.activeElement?.getAttribute("aria-label")).toBe("Title"));
    const made = world.documents.at(-1);
    expect(made).toMatchObject({ folder: "Letters", title: "", notebook: FIELD_NOTES.id });
    await type(screen.getByLabelText("Title"), "To the ferry office");
    await fireEvent.blur(screen.getByLabelText("Title"));
    await waitFor(() => expect(world.documents.at(-1)?.title).toBe("To the ferry office"));
  });

  test("a title typed last is saved to its own note when another is opened", async () => {
    const { world } = await renderApp(sampleWorld());
    await screen.findByRole("option", { name: /Equipment list/u });
    await type(screen.getByLabelText("Title"), "Transect 4, south bank");
    await fireEvent.click(screen.getByRole("option", { name: /Equipment list/u }));
    await waitFor(() => expect(world.documents[0]?.title).toBe("Transect 4, south bank"));
    expect(world.documents[2]?.title).toBe("Equipment list");
  });

  test("tags are added and removed", async () => {
    const { world } = await renderApp(sampleWorld());
    await fireEvent.click(await screen.findByRole("button", { name: "Tag" }));
    const input = screen.getByLabelText("New tag");
    await type(input, "#dawn");
    press("Enter", input);
    await screen.findByText("#dawn", { selector: ".tags *" });
    expect(world.documents[0]?.tags).toEqual(["birds", "river", "dawn"]);
    await fireEvent.click(await screen.findByRole("button", { name: "Remove the tag birds" }));
    await waitFor(() => expect(world.documents[0]?.tags).toEqual(["river", "dawn"]));
  });

  test("a note moves to a folder that is typed", async () => {
    const { world } = await renderApp(sampleWorld());
    await screen.findByRole("option", { name: /Equipment list/u });
    press("Control+Shift+m");
    const field = await screen.findByLabelText("Folder");
    await expectAccessible();
    await type(field, " Surveys / 2027 ");
    await fireEvent.click(await screen.findByRole("button", { name: "New folder “Surveys/2027”" }));
    await waitFor(() => expect(world.documents[0]?.folder).toBe("Surveys/2027"));
    await screen.findByRole("treeitem", { name: /^2027 /u });
  });

  test("ten thousand notes are a window of rows, and the last one is one key away", async () => {
    const documents = Array.from({ length: 10_000 }, (_, index) => ({
      ...(NOTES[0] as (typeof NOTES)[number]),
      id: `${FIELD_NOTES.id}${index.toString(16).padStart(32, "0")}`,
      title: `Note ${index}`,
      updatedAt: 1_000_000 - index,
    }));
    await renderApp(sampleWorld({ documents, settings: {} }));
    await screen.findByRole("option", { name: /Note 0 / });
    expect(screen.getAllByRole("option").length).toBeLessThan(60);
    press("End", list());
    await waitFor(() => expect(screen.getByLabelText<HTMLTextAreaElement>("Title").value).toBe("Note 9999"));
  });

  test("a change that arrives from elsewhere shows without being asked for", async () => {
    const node = await renderApp(sampleWorld());
    await screen.findByRole("option", { name: /Equipment list/u });
    node.world.documents = node.world.documents.map((note) =>
      note.title === "Equipment list" ? { ...note, title: "Equipment, final" } : note,
    );
    node.emit({ type: "documentsChanged", notebook: FIELD_NOTES.id });
    await screen.findByRole("option", { name: /Equipment, final/u });
  });

  test("members online stand in the header", async () => {
    await renderApp(sampleWorld());
    const members = await screen.findByRole("button", { name: /^Members:/u });
    expect(members.textContent).toMatch(/Ben Haddad, online;.*Chiara Rossi, online;.*Dai Evans, not connected;/su);
    await fireEvent.click(members);
    await screen.findByRole("tab", { name: /^Members/u, selected: true });
  });

  test("switching the notebook opens none of the old one's notes", async () => {
    await renderApp(sampleWorld());
    await fireEvent.click(await screen.findByRole("treeitem", { name: /^Reading /u }));
    await screen.findByRole("heading", { name: "No notes here yet" });
    await screen.findByRole("heading", { name: "No note open" });
    expect(READING.title).toBe("Reading");
  });
});

describe("the status line", () => {
  test("follows the node", async () => {
    const node = await renderApp(sampleWorld());
    await screen.findByText("Connected to Ben Haddad and Chiara Rossi", { selector: ".connection" });
    screen.getByText("2 changes only on this computer");
    node.emit({
      type: "syncChanged",
      summary: {
        connectedPeers: [],
        visiblePeers: 2,
        connectedProxies: 0,
        safe: { on: 0, of: 0 },
        undelivered: 1,
        pending: 3,
        paused: false,
      },
    });
    await screen.findByText("Not connected · 2 devices in sight", { selector: ".connection" });
    screen.getByText("1 change only on this computer · 3 changes waiting for missing parts");
  });

  test("a problem of the node becomes a toast with its sentence", async () => {
    const node = await renderApp(sampleWorld());
    node.emit({ type: "problem", error: { type: "DiskFull", message: "The disk is full. Free some space." } });
    const toast = await screen.findByRole("alert");
    expect(toast.textContent).toContain("The disk is full");
    node.emit({ type: "problem", error: { type: "NewerThanThisWindow", message: "Look at this." } });
    await screen.findByText("Look at this.");
  });
});

describe("settings and shortcuts", () => {
  test("a theme is applied at once and remembered", async () => {
    const { world } = await renderApp(sampleWorld());
    await screen.findByRole("option", { name: /Equipment list/u });
    press("Control+,");
    await screen.findByRole("heading", { name: "Settings" });
    await expectAccessible();
    press("End", screen.getByRole("tab", { name: "Identity" }));
    await screen.findByRole("heading", { name: "About" });
    expect(document.activeElement).toBe(screen.getByRole("tab", { name: "About" }));
    await fireEvent.click(screen.getByRole("tab", { name: "Appearance" }));
    await screen.findByRole("heading", { name: "Appearance" });
    await expectAccessible();
    await fireEvent.click(screen.getByRole("radio", { name: "Dark" }));
    expect(document.documentElement.dataset["theme"]).toBe("dark");
    await waitFor(() => expect(world.settings["window.theme"]).toBe("dark"));
    await fireEvent.click(screen.getByRole("radio", { name: "System" }));
    expect(document.documentElement.dataset["theme"]).toBeUndefined();
  });

  test("stored settings out of range fall back", async () => {
    await renderApp(
      sampleWorld({
        settings: { "window.theme": "neon", "window.editorFontSize": "400", "window.sidebarWidth": "-3" },
      }),
    );
    await screen.findByRole("treeitem", { name: /^Reading /u });
    expect(document.documentElement.style.getPropertyValue("--editor-font-size")).toBe("16px");
    expect(screen.getByRole("separator", { name: "Width of the sidebar" }).getAttribute("aria-valuenow")).toBe("244");
  });

  test("the sidebar is resized and hidden with the keyboard", async () => {
    const { world } = await renderApp(sampleWorld());
    const handle = await screen.findByRole("separator", { name: "Width of the sidebar" });
    press("ArrowRight", handle);
    await waitFor(() => expect(world.settings["window.sidebarWidth"]).toBe("260"));
    press("Control+\\");
    await waitFor(() => expect(screen.queryByRole("navigation")).toBeNull());
    await fireEvent.click(screen.getByRole("button", { name: "Show the sidebar" }));
    await screen.findByRole("navigation");
  });

  test("the help lists the shortcuts", async () => {
    await renderApp(sampleWorld());
    await screen.findByRole("option", { name: /Equipment list/u });
    press("Control+/");
    await screen.findByRole("heading", { name: "Keyboard shortcuts" });
    screen.getByText("Search everything", { selector: "dt" });
    await expectAccessible();
  });

  test("a shortcut that the text has taken is left to it", async () => {
    await renderApp(sampleWorld());
    await screen.findByRole("option", { name: /Equipment list/u });
    const title = screen.getByLabelText("Title");
    title.addEventListener("keydown", (event) => event.preventDefault());
    press("Control+k", title);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(screen.queryByRole("dialog")).toBeNull();
  });
});
