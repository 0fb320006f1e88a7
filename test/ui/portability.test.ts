import { fireEvent, screen, waitFor } from "@testing-library/svelte";
import { describe, expect, test } from "vitest";
import type { OutputOf } from "../../app/contract/contract.ts";
import { expectAccessible, renderApp, type } from "./support/render-app.ts";
import { FIELD_NOTES, sampleWorld } from "./support/sample-world.ts";

type Report = OutputOf<"import.markdown">;

const report: Report = {
  job: "00",
  state: "done",
  files: 12,
  imported: 10,
  unchanged: 1,
  attached: 3,
  failed: [{ path: "attic/broken.md", reason: "Not UTF-8 text." }],
  dropped: [{ what: "Raw HTML", count: 37, example: "<details>" }],
  milliseconds: 1_200,
};
const openMenu = async (item: string) => {
  await screen.findByRole("option", { name: /Equipment list/u });
  await fireEvent.click(screen.getByRole("button", { name: "Add a notebook" }));
  await fireEvent.click(screen.getByRole("menuitem", { name: item }));
};
const chooseAndStart = async () => {
  await openMenu("Import a folder");
  await expectAccessible();
  await fireEvent.click(screen.getByRole("button", { name: "Choose a folder" }));
  await screen.findByText("/home/ada/Notes");
  await fireEvent.click(screen.getByRole("button", { name: "Import" }));
};

describe("import", () => {
  test("shows progress, can be stopped, goes on from where it was", async () => {
    let finish: (value: Report) => void = () => undefined;
    const node = await renderApp(sampleWorld(), {
      "import.markdown": () => new Promise((resolve) => (finish = (value) => resolve({ ok: true, value }))),
    });
    await chooseAndStart();
    await screen.findByText("Looking for Markdown files…");
    node.emit({ type: "importProgress", job: "00", notebook: FIELD_NOTES.id, done: 3, total: 12, current: "a/b.md" });
    await screen.findByText("3 of 12 files");
    const bar = screen.getByRole("progressbar", { name: "Import" });
    expect([bar.getAttribute("aria-valuenow"), bar.getAttribute("aria-valuemax")]).toEqual(["3", "12"]);
    await expectAccessible();
    await fireEvent.click(screen.getByRole("button", { name: "Stop import" }));
    await screen.findByText("Stopping after this file…");
    expect(node.calls.at(-1)).toEqual({ name: "import.cancel", input: { notebook: FIELD_NOTES.id } });
    finish({ ...report, state: "cancelled" });
    await screen.findByText("Stopped");
    await fireEvent.click(screen.getByRole("button", { name: "Go on with the import" }));
    expect(node.calls.filter(({ name }) => name === "import.markdown")).toHaveLength(2);
  });

  test("goes on in the background and reports in a toast", async () => {
    let finish: (value: Report) => void = () => undefined;
    const node = await renderApp(sampleWorld(), {
      "import.markdown": () => new Promise((resolve) => (finish = (value) => resolve({ ok: true, value }))),
    });
    await chooseAndStart();
    node.emit({ type: "importProgress", job: "00", notebook: FIELD_NOTES.id, done: 3, total: 12, current: "a/b.md" });
    await fireEvent.click(await screen.findByRole("button", { name: "Continue in the background" }));
    await screen.findByText(/Importing into Field notes/u);
    finish(report);
    await screen.findByText("10 of 12 files imported");
    await fireEvent.click(screen.getByRole("button", { name: "Show" }));
    await screen.findByText("Not UTF-8 text.");
  });

  test("the report names what was dropped and what could not be read", async () => {
    await renderApp(sampleWorld(), { "import.markdown": () => Promise.resolve({ ok: true, value: report }) });
    await chooseAndStart();
    await screen.findByText("37 places");
    screen.getByText("attic/broken.md");
    screen.getByText("<details>");
    await expectAccessible();
    await fireEvent.click(screen.getByRole("button", { name: "Show the notes" }));
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
  });

  test("into a new notebook named like the folder", async () => {
    const { world, calls } = await renderApp(sampleWorld());
    await openMenu("Import a folder");
    await fireEvent.click(screen.getByRole("button", { name: "Choose a folder" }));
    await screen.findByText("/home/ada/Notes");
    await fireEvent.change(screen.getByRole("combobox", { name: "Import into" }), { target: { value: "new" } });
    const name = (await screen.findByLabelText("Name of the new notebook")) as HTMLInputElement;
    expect(name.value).toBe("Notes");
    await type(name, "Old notes");
    await fireEvent.click(screen.getByRole("button", { name: "Import" }));
    await screen.findByText("Every file is here");
    const made = world.notebooks.find(({ title }) => title === "Old notes");
    expect(calls.find((call) => call.name === "import.markdown")?.input).toEqual({
      notebook: made?.id,
      path: "/home/ada/Notes",
    });
  });

  test("one that was started elsewhere shows while it runs and no longer", async () => {
    const node = await renderApp(sampleWorld());
    await screen.findByRole("option", { name: /Equipment list/u });
    const progress = (done: number) =>
      node.emit({ type: "importProgress", job: "00", notebook: FIELD_NOTES.id, done, total: 12, current: "a.md" });
    progress(3);
    await screen.findByText(/Importing into Field notes/u);
    progress(12);
    await waitFor(() => expect(screen.queryByText(/Importing into/u)).toBeNull());
    progress(12);
    expect(screen.queryByText(/Importing into/u)).toBeNull();
  });

  test("a failure keeps the way to try again", async () => {
    const node = await renderApp(sampleWorld());
    node.break("import.markdown", "FolderNotFound");
    await chooseAndStart();
    await screen.findByText("There is no such folder, or it may not be read.");
    node.heal("import.markdown");
    await fireEvent.click(screen.getByRole("button", { name: "Try again" }));
    await screen.findByText("Every file is here");
  });
});

describe("export", () => {
  test("says where it went, or why not", async () => {
    const node = await renderApp(sampleWorld());
    node.break("export.markdown", "FolderNotEmpty");
    await openMenu("Export this notebook");
    await expectAccessible();
    await fireEvent.click(screen.getByRole("button", { name: "Choose a folder" }));
    await screen.findByText("/home/ada/Notes");
    await fireEvent.click(screen.getByRole("button", { name: "Export" }));
    await screen.findByText("That folder already holds other files. Choose an empty one.");
    node.heal("export.markdown");
    await fireEvent.click(screen.getByRole("button", { name: "Export" }));
    await screen.findByText("Exported");
  });
});
