import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { FolderFile, FolderReader, FolderWriter } from "../../app/ports/folder.ts";
import { mediaTypeOf } from "../../app/attachments/media-type.ts";
import type { BlobReference } from "../../app/ports/store.ts";
import { exportMarkdown, planPaths } from "../../app/portability/markdown-export.ts";
import type {
  ImportedBefore,
  ImportedNote,
  MarkdownImportDependencies,
} from "../../app/portability/markdown-import.ts";
import { convertMarkdownFile, importMarkdown } from "../../app/portability/markdown-import.ts";
import { relativePath, resolvePath } from "../../app/portability/note-links.ts";
import { contractError } from "../../app/contract/errors.ts";
import { err, ok } from "../../protocol/kernel/result.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

const memoryReader = (files: Readonly<Record<string, string | Uint8Array>>): FolderReader => {
  const bytesOf = (path: string): Uint8Array => {
    const content = files[path] ?? "";
    return typeof content === "string" ? encode(content) : content;
  };
  return {
    list: async () =>
      ok(
        Object.keys(files)
          .sort()
          .map((path): FolderFile => ({ path, bytes: bytesOf(path).length, createdAt: 1_000, modifiedAt: 2_000 })),
      ),
    read: async (path, maxBytes) => {
      const bytes = bytesOf(path);
      return bytes.length > maxBytes ? err({ type: "TooLarge", bytes: bytes.length }) : ok(bytes);
    },
    open: async () => err({ type: "Unreadable", reason: "nothing here opens files" }),
  };
};

const bytesIn = (files: Readonly<Record<string, string | Uint8Array>>, path: string): Uint8Array => {
  const content = files[path] ?? "";
  return typeof content === "string" ? encode(content) : content;
};

/** Reference of an attachment, its id made from its path. */
const fileOf = (path: string, size: number): BlobReference => ({
  root: new Uint8Array(createHash("sha256").update(path).digest()),
  key: new Uint8Array(32).fill(1),
  size,
  mime: mediaTypeOf(path),
  name: path.slice(path.lastIndexOf("/") + 1),
});

const setUp = (
  files: Readonly<Record<string, string | Uint8Array>>,
  overrides: Partial<MarkdownImportDependencies> = {},
) => {
  const notes: ImportedNote[] = [];
  const imported = new Map<string, ImportedBefore>();
  const progress: number[] = [];
  const attachedPaths: string[] = [];
  let ids = 0;
  const dependencies: MarkdownImportDependencies = {
    reader: memoryReader(files),
    sha256: (bytes) => createHash("sha256").update(bytes).digest(),
    newDocumentId: () => (++ids).toString(16).padStart(4, "0"),
    recall: async (path) => imported.get(path),
    createNote: async (note) => {
      notes.push(note);
      imported.set(note.source.path, { hash: note.source.hash, document: note.id });
      return ok(undefined);
    },
    convert: async (input) => ok(convertMarkdownFile(input)),
    attach: async (path) => {
      attachedPaths.push(path);
      return ok(fileOf(path, bytesIn(files, path).length));
    },
    now: () => 0,
    onProgress: ({ done }) => progress.push(done),
    isCancelled: () => false,
    ...overrides,
  };
  return { notes, progress, dependencies, imported, attachedPaths };
};

const run = async (dependencies: MarkdownImportDependencies) => {
  const report = await importMarkdown("job", dependencies);
  if (!report.ok) throw new Error(report.error.type);
  return report.value;
};

describe("import", () => {
  test("makes notes with folders, titles, dates and links between them", async () => {
    const { notes, dependencies } = setUp({
      "index.md": "# Start\n\n[guide](docs/guide.md#part) [site](https://x.org) [up](../other.md) [pdf](a.pdf)",
      "docs/guide.md": "---\ntags: a b\n---\n\n![shot](img/shot.png) [home](../index) [here](/docs/guide.md)",
      "docs/img/shot.png": new Uint8Array([1]),
    });
    const report = await run(dependencies);
    expect(notes.map(({ title, folder, tags }) => [title, folder, tags])).toEqual([
      ["guide", "docs", ["a", "b"]],
      ["Start", "", []],
    ]);
    const [guide, start] = notes;
    expect(JSON.stringify(start?.spans)).toContain(`p2pc:doc/${guide?.id}#part`);
    expect(JSON.stringify(guide?.spans).match(/p2pc:doc\/\w+/g)).toEqual([
      `p2pc:doc/${start?.id}`,
      `p2pc:doc/${guide?.id}`,
    ]);
    expect(guide).toMatchObject({ createdAt: 1_000, updatedAt: 2_000 });
    expect(report).toMatchObject({ state: "done", files: 2, imported: 2, unchanged: 0, attached: 1, failed: [] });
    expect(report.dropped.map(({ what, count, example }) => [what, count, example])).toEqual([
      ["link to a file that is not in the folder (kept as it is)", 2, "index.md: ../other.md"],
    ]);
  });

  test("reports files it cannot take and imports the others", async () => {
    const { notes, dependencies } = setUp(
      {
        "bad.md": new Uint8Array([0xff, 0xfe, 0x41, 0]),
        "big.md": "x".repeat(8_388_609),
        "full.md": "f",
        "good.md": "g",
      },
      {},
    );
    const create = dependencies.createNote;
    const report = await run({
      ...dependencies,
      createNote: (note) => (note.title === "full" ? Promise.resolve(err(contractError("DiskFull"))) : create(note)),
    });
    expect(notes.map(({ title }) => title)).toEqual(["good"]);
    expect(report.failed.map(({ path, reason }) => [path, reason])).toEqual([
      ["bad.md", "The file is not UTF-8 text."],
      ["big.md", "The file is larger than 8 MB."],
      ["full.md", "The disk is full. Nothing was lost; free some space and try again."],
    ]);
  });

  test("goes on where a cancelled run stopped and skips what is unchanged", async () => {
    const files = Object.fromEntries(
      Array.from({ length: 30 }, (_, i) => [`n${String(i).padStart(2, "0")}.md`, `[x](n29.md) ${i}`]),
    );
    const { notes, dependencies, progress } = setUp(files);
    const first = await run({ ...dependencies, isCancelled: () => notes.length >= 10 });
    expect(first).toMatchObject({ state: "cancelled", imported: 10 });
    const second = await run(dependencies);
    expect(second).toMatchObject({ state: "done", imported: 20, unchanged: 10 });
    expect(new Set(notes.map(({ source }) => source.path)).size).toBe(30);
    expect(progress.at(-1)).toBe(30);
    expect(await run(dependencies)).toMatchObject({ imported: 0, unchanged: 30 });
  });

  test("imports a changed file as a new note and leaves the edited one alone", async () => {
    const { notes, dependencies, imported } = setUp({ "a.md": "new" });
    imported.set("a.md", { hash: "00", document: "old" });
    expect(await run(dependencies)).toMatchObject({ imported: 1 });
    expect(notes[0]?.id).not.toBe("old");
  });
});

test("relative addresses resolve inside the folder only", () => {
  expect(resolvePath("a/b", "../c%20d.md#x?y")).toBe("a/c d.md");
  expect(resolvePath("a", "/b.md")).toBe("b.md");
  expect(resolvePath("a", "../../b.md")).toBeUndefined();
  expect(resolvePath("", "%zz")).toBe("%zz");
  expect(relativePath("a/b", "a/c d.md")).toBe("../c%20d.md");
  expect(relativePath("", "x/y.md")).toBe("x/y.md");
});

describe("export", () => {
  test("plans names that every file system takes", () => {
    const paths = planPaths([
      { id: "1", title: "A/B: c?", folder: "" },
      { id: "2", title: "a b c", folder: "" },
      { id: "3", title: "", folder: "../x//CON" },
      { id: "4", title: "aux", folder: "" },
      { id: "5", title: `${"é".repeat(300)}...`, folder: "" },
      { id: "6", title: ".hidden\u202e", folder: "" },
    ]);
    expect([...paths.values()].filter((_, index) => index !== 4)).toEqual([
      "A B c.md",
      "a b c 2.md",
      "Folder/x/_CON/Untitled.md",
      "_aux.md",
      "hidden.md",
    ]);
    expect(encode(paths.get("5") ?? "").length).toBeLessThan(255);
  });

  test("writes what was imported with its links made relative again", async () => {
    const { notes, dependencies } = setUp({
      "Start.md": "# Start\n\nTo [two](sub/Two.md#x).\n",
      "sub/Two.md": "# Two\n\nBack to [start](../Start.md).\n",
    });
    await run(dependencies);
    const written = new Map<string, string>();
    const writer: FolderWriter = {
      open: async () => ok(undefined),
      write: async (path, bytes) => {
        written.set(path, new TextDecoder().decode(bytes));
        return ok(undefined);
      },
      create: async () => err({ type: "CannotWrite", reason: "attachments are copied by the test" }),
    };
    const report = await exportMarkdown("/out", {
      writer,
      notes,
      readNote: async (id) => {
        const note = notes.find((candidate) => candidate.id === id);
        return note === undefined ? err(contractError("DocumentNotFound")) : ok(note);
      },
      copyAttachment: async () => err(contractError("AttachmentMissing")),
      isCancelled: () => false,
      onProgress: () => undefined,
    });
    expect(report).toEqual({ ok: true, value: { path: "/out", documents: 2, attachments: 0, bytes: 70 } });
    expect(Object.fromEntries(written)).toEqual({
      "Start.md": "# Start\n\nTo [two](sub/Two.md#x).\n",
      "sub/Two.md": "# Two\n\nBack to [start](../Start.md).\n",
    });
  });

  test("pictures and linked files come in as attachments and go out beside the notes", async () => {
    const { notes, dependencies, attachedPaths } = setUp({
      "a/One.md": "# One\n\n![A *shot*](../img/shot%201.png) and [the **report**](report.pdf), [site](https://x.org)\n",
      "Two.md": "# Two\n\n![](img/shot%201.png) [report.pdf](other/report.pdf) ![gone](img/gone.png)\n",
      "img/shot 1.png": new Uint8Array(10),
      "a/report.pdf": new Uint8Array(20),
      "other/report.pdf": new Uint8Array(30),
      "unused.zip": new Uint8Array(1),
    });
    const report = await run(dependencies);
    expect(attachedPaths.toSorted()).toEqual(["a/report.pdf", "img/shot 1.png", "other/report.pdf"]);
    expect(report.attached).toBe(3);
    expect(report.dropped.map(({ what, example }) => [what, example])).toEqual([
      ["picture that is not in the folder (only its reference is kept)", "Two.md: img/gone.png"],
      ["file that no note refers to (not imported)", "unused.zip"],
    ]);
    const written = new Map<string, string>();
    const copied: string[] = [];
    const exported = await exportMarkdown("/out", {
      writer: {
        open: async () => ok(undefined),
        write: async (path, bytes) => {
          written.set(path, new TextDecoder().decode(bytes));
          return ok(undefined);
        },
        create: async () => err({ type: "CannotWrite", reason: "attachments are copied by the test" }),
      },
      notes,
      readNote: async (id) => {
        const note = notes.find((candidate) => candidate.id === id);
        return note === undefined ? err(contractError("DocumentNotFound")) : ok(note);
      },
      copyAttachment: async ({ size }, path) => {
        copied.push(`${path} ${size}`);
        return ok(size);
      },
      isCancelled: () => false,
      onProgress: () => undefined,
    });
    expect(exported).toMatchObject({ ok: true, value: { documents: 2, attachments: 3 } });
    expect(copied.toSorted()).toEqual([
      "attachments/report 2.pdf 20",
      "attachments/report.pdf 30",
      "attachments/shot 1.png 10",
    ]);
    expect(Object.fromEntries(written)).toEqual({
      "a/One.md":
        "# One\n\n![A shot](../attachments/shot%201.png) and [the report](../attachments/report%202.pdf), [site](https://x.org)\n",
      "Two.md": "# Two\n\n![](attachments/shot%201.png) [report.pdf](attachments/report.pdf) ![gone](img/gone.png)\n",
    });
  });
});
