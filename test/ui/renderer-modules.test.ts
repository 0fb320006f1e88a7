import { describe, expect, test, vi } from "vitest";
import { passphraseStrength } from "../../renderer/src/components/identity/passphrase-strength.ts";
import { titleHighlights } from "../../renderer/src/components/search/title-highlights.ts";
import { initialsOf, personColour } from "../../renderer/src/components/shared/person.ts";
import { shortTime } from "../../renderer/src/components/shared/relative-time.ts";
import { foldersOf, isInFolder, normaliseFolder } from "../../renderer/src/controllers/folder-tree.ts";
import { createRefresh } from "../../renderer/src/controllers/refresh.ts";
import { NOW } from "./support/sample-world.ts";

describe("folders", () => {
  test("come from the notes, parents first, counted with what is below", () => {
    const folders = foldersOf([
      { folder: "b/x", count: 1 },
      { folder: "a", count: 2 },
      { folder: "b", count: 1 },
      { folder: "", count: 9 },
      { folder: "b/x/10", count: 3 },
      { folder: "b/x/9", count: 1 },
    ]);
    expect(folders.map(({ path, depth, count }) => [path, depth, count])).toEqual([
      ["a", 0, 2],
      ["b", 0, 6],
      ["b/x", 1, 5],
      ["b/x/9", 2, 1],
      ["b/x/10", 2, 3],
    ]);
  });
  test("a folder holds its own and what is below, not its namesakes", () => {
    expect(["a", "a/b", "ab", ""].map((folder) => isInFolder(folder, "a"))).toEqual([true, true, false, false]);
    expect(isInFolder("anything", "")).toBe(true);
  });
  test("typed paths are tidied", () => expect(normaliseFolder(" /a // b c/ ")).toBe("a/b c"));
});

describe("people", () => {
  test("initials of one, two and many words, of other scripts and of nothing", () => {
    expect(["ada", "Ada Lovelace", "Juan Carlos de la Cruz", "李 明", "👩🏽‍🚀 Mae", "  "].map(initialsOf)).toEqual([
      "A",
      "AL",
      "JC",
      "李明",
      "👩🏽‍🚀M",
      "?",
    ]);
  });
  test("a colour depends on the key alone", () => {
    expect(personColour("Ada")).toBe(personColour("Ada"));
    expect(new Set(Array.from({ length: 100 }, (_, at) => personColour(`p${at}`))).size).toBe(8);
  });
});

test("times are as short as they stay clear", () => {
  const at = (y: number, m: number, d: number, h = 12) => shortTime(new Date(y, m, d, h).getTime(), NOW);
  expect(shortTime(NOW - 20_000, NOW)).toBe("now");
  expect(at(2026, 10, 22, 9)).toMatch(/9/u);
  expect(at(2026, 10, 21)).toBe("Yesterday");
  expect(at(2026, 10, 18)).toMatch(/^\p{L}+$/u);
  expect(at(2026, 2, 3)).not.toContain("2026");
  expect(at(2024, 2, 3)).toContain("2024");
});

test("title highlights ignore case and words that are not there", () => {
  expect(titleHighlights("Transect 4", "4 TRAN zebra")).toEqual([
    [9, 10],
    [0, 4],
  ]);
  expect(titleHighlights("İstanbul", "stan")).toEqual([]);
});

test("strength grows with words and never calls a short or repeated text good", () => {
  expect(
    [
      "",
      "heron",
      "aaaaaaaaaaaaaaaaaaaaaaaa",
      "seven quiet herons",
      "seven quiet herons watch",
      "seven quiet herons watch amber ponds",
    ].map((text) => passphraseStrength(text).level),
  ).toEqual([0, 1, 1, 2, 3, 4]);
});

test("many requests for a reload become few, and the last one is always answered", async () => {
  vi.useFakeTimers();
  try {
    let source = 0;
    let seen = -1;
    let loads = 0;
    const refresh = createRefresh(async () => {
      loads += 1;
      const read = source;
      await new Promise((resolve) => setTimeout(resolve, 50));
      seen = read;
    });
    for (source = 0; source < 100; source += 1) {
      void refresh();
      await vi.advanceTimersByTimeAsync(5);
    }
    await vi.advanceTimersByTimeAsync(2_000);
    expect(seen).toBe(source);
    expect(loads).toBeLessThan(6);
  } finally {
    vi.useRealTimers();
  }
});
