import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import type * as Fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FIRST_IDENTITY } from "../../app/identities/identity-list.ts";

const disk = { isHeld: false };
/** As on Windows while another program has a file open. */
vi.mock("node:fs", async (original) => {
  const real = await original<typeof Fs>();
  const held: typeof real.rmSync = (...given) => {
    if (disk.isHeld) throw new Error("EBUSY: resource busy or locked");
    real.rmSync(...given);
  };
  return { ...real, rmSync: held };
});
const { openIdentityFolders } = await import("../../main/adapters/identity-folders.ts");

const WORK = "1111111111111111";
let folder = "";
let profiles = "";
let logged: string[] = [];
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "p2pcollab-folders-"));
  profiles = path.join(folder, "profiles");
  logged = [];
  disk.isHeld = false;
});
afterEach(() => {
  disk.isHeld = false;
  rmSync(folder, { recursive: true, force: true });
});

const ignored = (): void => undefined;
const openFolders = () =>
  openIdentityFolders(folder, { debug: ignored, info: ignored, warn: ignored, error: (event) => logged.push(event) });
/** The files of an identity in `place`, each of which says whose it is. */
const write = (place: string, owner: string, ...names: readonly string[]): void => {
  mkdirSync(place, { recursive: true });
  for (const name of names) writeFileSync(path.join(place, name), owner);
};
const ALL = ["vault.json", "profile.db", "high-water"];
const owners = (): readonly string[] =>
  ALL.filter((name) => existsSync(path.join(folder, name))).map((name) =>
    readFileSync(path.join(folder, name), "utf8"),
  );
const foundIds = (): readonly string[] => openFolders().found.map(({ id }) => id);

test("P-FOLDERS-3 what could not be deleted is deleted at the next start, and a new first identity is not touched", async () => {
  write(folder, "Ada", ...ALL);
  const folders = openFolders();
  disk.isHeld = true;
  await folders.erase(FIRST_IDENTITY, []);
  expect(logged).toEqual(["folder not deleted"]);
  expect(owners()).toEqual([]);
  expect(readdirSync(profiles)).toHaveLength(1);
  write(folder, "Bea", ...ALL);
  expect(foundIds()).toEqual([FIRST_IDENTITY]);
  expect(owners()).toEqual(["Bea", "Bea", "Bea"]);
  expect(readdirSync(profiles)).toHaveLength(1);
  disk.isHeld = false;
  expect(foundIds()).toEqual([FIRST_IDENTITY]);
  expect(owners()).toEqual(["Bea", "Bea", "Bea"]);
  expect(readdirSync(profiles)).toEqual([]);
  expect(logged).toEqual(["folder not deleted", "folder not deleted"]);
});

test.each([`${FIRST_IDENTITY}.0011223344556677.removed`, `${FIRST_IDENTITY}.removed`])(
  "P-FOLDERS-3 a removal cut off in %s is finished while the keys in the data folder are gone, and only then",
  (name) => {
    const removed = path.join(profiles, name);
    write(removed, "Ada", "vault.json");
    write(folder, "Ada", "profile.db", "high-water");
    openFolders();
    expect([owners(), readdirSync(profiles)]).toEqual([[], []]);
    write(removed, "Ada", "vault.json", "profile.db");
    write(folder, "Bea", ...ALL);
    expect(foundIds()).toEqual([FIRST_IDENTITY]);
    expect([owners(), readdirSync(profiles)]).toEqual([["Bea", "Bea", "Bea"], []]);
    // Cut off before the keys were moved: nothing was removed yet.
    mkdirSync(removed);
    expect(foundIds()).toEqual([FIRST_IDENTITY]);
    expect([owners(), readdirSync(profiles)]).toEqual([["Bea", "Bea", "Bea"], []]);
  },
);

test("P-FOLDERS-3 erasing one of several leaves nothing of it and touches no other, twice in a row as well", async () => {
  write(folder, "Ada", ...ALL);
  write(path.join(profiles, WORK), "Work", ...ALL);
  const folders = openFolders();
  const [, work] = folders.found;
  if (work === undefined) throw new Error("Work was not found");
  disk.isHeld = true;
  for (const owner of ["Ada", "Bea"]) {
    write(folder, owner, ...ALL);
    await folders.erase(FIRST_IDENTITY, [work]);
    expect(owners()).toEqual([]);
  }
  disk.isHeld = false;
  expect(foundIds()).toEqual([WORK]);
  expect(readdirSync(profiles)).toEqual([WORK]);
  await openFolders().erase(WORK, []);
  expect(readdirSync(profiles)).toEqual([]);
  expect(logged).toEqual(["folder not deleted", "folder not deleted"]);
});
