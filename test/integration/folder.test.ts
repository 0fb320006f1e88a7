import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createFolderReader, createFolderWriter } from "../../main/adapters/folder.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "p2pcollab-folder-"));
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

const put = (path: string, content: string | Uint8Array = "x"): void => {
  mkdirSync(join(root, path, ".."), { recursive: true });
  writeFileSync(join(root, path), content);
};

test("[P-FOLDER-2] [P-FOLDER-4] lists files in order without hidden ones and node_modules", async () => {
  for (const path of ["b/z.md", "a.md", "b/a.md", ".git/x.md", "node_modules/y.md", "b/node_modules/z.md", "b/.hidden"])
    put(path);
  const listed = await createFolderReader(root).list();
  if (!listed.ok) throw new Error(listed.error.type);
  expect(listed.value.map(({ path }) => path)).toEqual(["a.md", "b/a.md", "b/z.md"]);
  expect(listed.value[0]).toMatchObject({ bytes: 1 });
  expect(listed.value[0]?.createdAt).toBeGreaterThan(0);
});

test("[P-FOLDER-1] follows links only inside the folder", async () => {
  put("in/real.md", "inside");
  put("out.md", "outside");
  mkdirSync(join(root, "other"));
  symlinkSync(join(root, "out.md"), join(root, "in/escape.md"));
  symlinkSync(join(root, "other"), join(root, "in/escape"));
  symlinkSync(join(root, "in/real.md"), join(root, "in/alias.md"));
  symlinkSync(join(root, "in"), join(root, "in/loop"));
  const reader = createFolderReader(join(root, "in"));
  const listed = await reader.list();
  expect(listed.ok && listed.value.map(({ path }) => path)).toEqual(["alias.md", "real.md"]);
  for (const path of ["escape.md", "../out.md", "escape/../../out.md"])
    expect(await reader.read(path, 100)).toMatchObject({ ok: false, error: { type: "Unreadable" } });
  const alias = await reader.read("alias.md", 100);
  expect(alias.ok && new TextDecoder().decode(alias.value)).toBe("inside");
});

test("[P-FOLDER-3] reads bounded and names what is wrong", async () => {
  put("a.md", "12345");
  const reader = createFolderReader(root);
  expect(await reader.read("a.md", 4)).toEqual({ ok: false, error: { type: "TooLarge", bytes: 5 } });
  expect(await reader.read("gone.md", 4)).toEqual({ ok: false, error: { type: "Unreadable", reason: "it is gone" } });
  expect(await createFolderReader(join(root, "absent")).list()).toEqual({
    ok: false,
    error: { type: "FolderNotFound" },
  });
  expect(await createFolderReader(join(root, "a.md")).list()).toEqual({ ok: false, error: { type: "FolderNotFound" } });
});

test("[P-FOLDER-5] [P-FOLDER-6] writes whole files into a new folder only", async () => {
  const writer = createFolderWriter(join(root, "new/deep"));
  expect(await writer.open()).toEqual({ ok: true, value: undefined });
  expect(await writer.write("x/y.md", new TextEncoder().encode("hello"))).toMatchObject({ ok: true });
  expect(readFileSync(join(root, "new/deep/x/y.md"), "utf8")).toBe("hello");
  expect(readdirSync(join(root, "new/deep/x"))).toEqual(["y.md"]);
  for (const path of ["../z.md", "", "x/../../z.md"])
    expect((await writer.write(path, new Uint8Array())).ok).toBe(false);
  expect(await createFolderWriter(root).open()).toEqual({ ok: false, error: { type: "FolderNotEmpty" } });
  put("file");
  expect((await createFolderWriter(join(root, "file/below")).open()).ok).toBe(false);
});
