import { fireEvent, screen, waitFor } from "@testing-library/svelte";
import { describe, expect, test } from "vitest";
import type { SearchHit } from "../../app/contract/types.ts";
import { ok } from "../../protocol/kernel/result.ts";
import { expectAccessible, press, renderApp, type } from "./support/render-app.ts";
import { FIELD_NOTES, NOTES, READING, sampleWorld } from "./support/sample-world.ts";

const openSwitcher = async () => {
  await screen.findByRole("option", { name: /Equipment list/u });
  press("Control+p");
  return screen.findByRole("combobox", { name: "Go to a note" });
};
const choices = () =>
  [...document.querySelectorAll("#switcher-list [role=option] .title")].map((title) => title.textContent?.trim());

describe("the quick switcher", () => {
  test("starts with what was edited last and finds titles as they are typed", async () => {
    const { calls } = await renderApp(sampleWorld());
    const input = await openSwitcher();
    await waitFor(() => expect(choices()[0]).toBe("Transect 4, north bank"));
    await expectAccessible();
    await type(input, "tran");
    await waitFor(() => expect(choices()).toEqual(["Transect 4, north bank", "Transect 3, meadow"]));
    expect(document.querySelector("#switcher-list mark")?.textContent).toBe("Tran");
    expect(calls.findLast(({ name }) => name === "search")?.input).toEqual({
      query: "tran",
      scope: "titles",
      limit: 30,
    });
    press("ArrowDown", input);
    await waitFor(() => expect(input.getAttribute("aria-activedescendant")).toBe("choice-1"));
    press("Enter", input);
    await waitFor(() => expect(screen.getByLabelText<HTMLTextAreaElement>("Title").value).toBe("Transect 3, meadow"));
    expect(screen.queryByRole("dialog")).toBeNull();
  });

  test("opens a note that came in a moment ago, while the list is loaded twice", async () => {
    const first = Promise.withResolvers<void>();
    let held = 0;
    const world = sampleWorld();
    const node = await renderApp(world, {
      "documents.folders": async () => {
        const turn = held === 0 ? 0 : held++;
        if (turn === 1) await first.promise;
        if (turn === 2) {
          first.resolve();
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        return ok({ folders: [], deleted: 0 });
      },
    });
    const input = await openSwitcher();
    const arrived = {
      ...(NOTES[0] as (typeof NOTES)[number]),
      id: `${FIELD_NOTES.id}${"cd".repeat(16)}`,
      title: "Otters",
    };
    world.documents = [...world.documents, arrived];
    await type(input, "otters");
    await waitFor(() => expect(choices()).toEqual(["Otters"]));
    held = 1;
    press("Enter", input);
    await waitFor(() => expect(held).toBe(2));
    node.emit({ type: "documentsChanged", notebook: FIELD_NOTES.id });
    await waitFor(() => expect(held).toBe(3));
    await screen.findByRole("option", { name: /Otters/u });
    expect(screen.getByLabelText<HTMLTextAreaElement>("Title").value).toBe("Otters");
  });

  test("finds a note that search learns of while it is open", async () => {
    const world = sampleWorld();
    const node = await renderApp(world);
    await type(await openSwitcher(), "otters");
    await screen.findByText(/No title has “otters”/u);
    const arrived = {
      ...(NOTES[0] as (typeof NOTES)[number]),
      id: `${FIELD_NOTES.id}${"ce".repeat(16)}`,
      title: "Otters",
    };
    world.documents = [...world.documents, arrived];
    node.emit({ type: "searchChanged" });
    await waitFor(() => expect(choices()).toEqual(["Otters"]));
  });

  test("says when no title fits and hands the words to the full search", async () => {
    await renderApp(sampleWorld());
    const input = await openSwitcher();
    await type(input, "otter");
    await screen.findByText(/No title has “otter”/u);
    press("Shift+Enter", input);
    await screen.findByRole("combobox", { name: "Search everything" });
    await waitFor(() => expect(document.querySelector("[aria-label='Notes found'] mark")?.textContent).toBe("otter"));
  });

  test("shows why it failed", async () => {
    const node = await renderApp(sampleWorld());
    node.break("search", "Internal");
    await type(await openSwitcher(), "x");
    await screen.findByText(/Something went wrong inside p2pcollab\./u, { selector: "dialog [role=alert]" });
  });
});

describe("the search view", () => {
  const openSearch = async () => {
    await screen.findByRole("option", { name: /Equipment list/u });
    press("Control+Shift+F");
    return screen.findByRole("combobox", { name: "Search everything" });
  };

  test("marks what was found and opens a hit of another notebook", async () => {
    const other = {
      ...(NOTES[0] as (typeof NOTES)[number]),
      id: `${READING.id}${"ab".repeat(16)}`,
      notebook: READING.id,
      title: "Herons",
      excerpt: "Grey heron at the weir.",
    };
    await renderApp(sampleWorld({ documents: [...NOTES, other] }));
    const input = await openSearch();
    await expectAccessible();
    await type(input, "heron");
    await screen.findByText("1 note", { selector: ".count" });
    expect([...document.querySelectorAll("[aria-label='Notes found'] mark")].map((mark) => mark.textContent)).toEqual([
      "Heron",
      "heron",
    ]);
    await expectAccessible();
    press("Enter", input);
    await waitFor(() => expect(screen.getByLabelText<HTMLTextAreaElement>("Title").value).toBe("Herons"));
    expect(screen.getByRole("heading", { level: 1 }).textContent).toBe("Reading");
  });

  test("a slow answer to an older question never replaces a newer one", async () => {
    const answers: ((hits: readonly SearchHit[]) => void)[] = [];
    await renderApp(sampleWorld(), {
      search: () => new Promise((resolve) => answers.push((value) => resolve({ ok: true, value }))),
    });
    const input = await openSearch();
    const hit = (title: string): SearchHit => ({
      id: title,
      document: NOTES[0]?.id ?? "",
      notebook: FIELD_NOTES.id,
      title,
      snippet: "",
      highlights: [],
      score: 1,
    });
    await type(input, "first");
    await waitFor(() => expect(answers).toHaveLength(1));
    await type(input, "second");
    await waitFor(() => expect(answers).toHaveLength(2));
    answers[1]?.([hit("second")]);
    await screen.findByRole("option", { name: /second/u });
    answers[0]?.([hit("first")]);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(screen.queryByRole("option", { name: /first/u })).toBeNull();
  });

  test("nothing found names a way on; limiting to a notebook is one choice", async () => {
    const { calls } = await renderApp(sampleWorld());
    const input = await openSearch();
    await type(input, "zeppelin");
    await screen.findByRole("heading", { name: "Nothing found" });
    await expectAccessible();
    await fireEvent.change(screen.getByRole("combobox", { name: "Where to search" }), {
      target: { value: READING.id },
    });
    await waitFor(() =>
      expect(calls.findLast(({ name }) => name === "search")?.input).toMatchObject({ notebook: READING.id }),
    );
    await fireEvent.click(await screen.findByRole("button", { name: "Search all notebooks" }));
    await waitFor(() => expect(calls.findLast(({ name }) => name === "search")?.input).not.toHaveProperty("notebook"));
  });

  test("highlights that overlap or lie outside are drawn as well as they can be", async () => {
    await renderApp(sampleWorld(), {
      search: () =>
        Promise.resolve({
          ok: true,
          value: [
            {
              id: "1",
              document: NOTES[0]?.id ?? "",
              notebook: FIELD_NOTES.id,
              title: "T",
              snippet: "abcdef",
              highlights: [
                [4, 99],
                [0, 2],
                [1, 3],
              ],
              score: 1,
            },
          ],
        }),
    });
    await type(await openSearch(), "q");
    await waitFor(() =>
      expect(
        [...document.querySelectorAll("[aria-label='Notes found'] p mark")].map((mark) => mark.textContent),
      ).toEqual(["ab", "c", "ef"]),
    );
    expect(document.querySelector("[aria-label='Notes found'] p")?.textContent).toBe("abcdef");
  });
});
