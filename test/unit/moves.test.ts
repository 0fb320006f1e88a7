import { afterEach, describe, expect, test } from "vitest";
import type { Notebook } from "../../app/contract/types.ts";
import { storedPlans, storePlan } from "../../app/sharing/move-plan.ts";
import { decodeUtf8, encodeUtf8 } from "../../protocol/codec/utf8.ts";
import { must } from "../support/data-fixtures.ts";
import { createLoneDisk, type LoneCore } from "../support/lone-core.ts";

const running: LoneCore[] = [];
const start = (disk: ReturnType<typeof createLoneDisk>): LoneCore => {
  const core = disk.start();
  running.push(core);
  return core;
};
afterEach(async () => {
  await Promise.all(running.splice(0).map((core) => core.stop()));
});

const FILE = encodeUtf8("the file in the note ".repeat(20));
const TEXT = "What the note says.";

/** A notebook with one note that holds a file. */
const withNote = async (core: LoneCore): Promise<{ readonly notebook: string; readonly note: string }> => {
  const { id: notebook } = must(await core.handlers["notebooks.create"]({ title: "Work" }));
  const { id: note } = must(await core.handlers["documents.create"]({ notebook, title: "Plan", markdown: TEXT }));
  must(await core.handlers["attachments.add"]({ document: note, bytes: FILE, name: "file.txt" }));
  return { notebook, note };
};

const notebooksOf = async (core: LoneCore): Promise<readonly Notebook[]> =>
  must(await core.handlers["notebooks.list"](undefined));

/** Every note outside the trash, wherever it is. */
const liveNotes = async (core: LoneCore): Promise<readonly string[]> => {
  const lists = await Promise.all(
    (await notebooksOf(core)).map(async ({ id }) => must(await core.handlers["documents.list"]({ notebook: id }))),
  );
  return lists.flat().map(({ id }) => id);
};

const fileIn = async (core: LoneCore, document: string): Promise<Uint8Array> => {
  const [file] = must(await core.handlers["attachments.list"]({ document }));
  if (file === undefined) return new Uint8Array();
  return must(await core.handlers["attachments.read"]({ document, blob: file.blob, start: 0, length: FILE.length }))
    .bytes;
};

const blobOf = async (core: LoneCore, document: string): Promise<string | undefined> =>
  must(await core.handlers["attachments.list"]({ document }))[0]?.blob;

const finished = async (core: LoneCore): Promise<void> => {
  await expect.poll(() => storedPlans(core.store), { timeout: 10_000, interval: 5 }).toEqual([]);
};

describe("a note in a repository of its own", () => {
  test("I50 sharing gives it new keys, seals its file anew, and leaves a pointer in the trash", async () => {
    const core = start(createLoneDisk());
    const { notebook, note } = await withNote(core);
    const before = await blobOf(core, note);
    const moved = must(await core.handlers["documents.share"]({ document: note }));
    expect(await liveNotes(core)).toEqual([moved.document]);
    const shared = (await notebooksOf(core)).find(({ id }) => id === moved.notebook);
    expect(shared).toMatchObject({ kind: "note", note: moved.document, title: "Plan", memberCount: 1, role: "owner" });
    expect((await notebooksOf(core)).find(({ id }) => id === notebook)).toMatchObject({ kind: "notebook", note: null });
    const { title, text } = must(await core.handlers["documents.read"]({ document: moved.document }));
    expect([title, text.includes(TEXT)]).toEqual(["Plan", true]);
    expect(await fileIn(core, moved.document)).toEqual(FILE);
    expect(await blobOf(core, moved.document)).not.toBe(before);
    const trash = must(await core.handlers["documents.list"]({ notebook, deleted: "only" }));
    expect(trash.map(({ id }) => id)).toEqual([note]);
    const where = must(await core.handlers["documents.moved"]({ document: note }));
    expect(where).toEqual({ document: moved.document, notebook: moved.notebook, here: true, by: "Olga", self: true });
    expect(must(await core.handlers["documents.moved"]({ document: moved.document }))).toBeNull();
  });

  test("taking it back keeps its id, and what was written since", async () => {
    const core = start(createLoneDisk());
    const { note } = await withNote(core);
    const moved = must(await core.handlers["documents.share"]({ document: note }));
    must(await core.handlers["documents.edit"]({ document: moved.document, appendMarkdown: "Written since." }));
    must(await core.handlers["documents.moveBack"]({ document: note }));
    expect(await liveNotes(core)).toEqual([note]);
    const { text } = must(await core.handlers["documents.read"]({ document: note }));
    expect(text).toContain(TEXT);
    expect(text).toContain("Written since.");
    expect(await fileIn(core, note)).toEqual(FILE);
    expect(must(await core.handlers["documents.moved"]({ document: note }))).toBeNull();
    expect((await notebooksOf(core)).find(({ id }) => id === moved.notebook)?.note).toBeNull();
  });

  test("a pointer of somebody else, or to what no move made, brings nothing here", async () => {
    const core = start(createLoneDisk());
    const { note } = await withNote(core);
    const { id: diary } = must(await core.handlers["notebooks.create"]({ title: "Diary" }));
    const { id: secret } = must(
      await core.handlers["documents.create"]({ notebook: diary, title: "Secret", markdown: "" }),
    );
    const moved = must(await core.handlers["documents.share"]({ document: note }));
    const [pointer] = core.store.meta.list("moved/");
    const { actor } = JSON.parse(decodeUtf8(pointer?.value ?? FILE) ?? "null") as { readonly actor: string };
    const back = async (to: string, by: string) => {
      const bytes = encodeUtf8(JSON.stringify({ to, actor: by }));
      must(core.store.transaction(() => core.store.meta.set(pointer?.key ?? "", bytes)));
      const answer = await core.handlers["documents.moveBack"]({ document: note });
      return answer.ok ? "moved" : answer.error.type;
    };
    expect(await back(secret, "00".repeat(16))).toBe("NotAllowed");
    expect(await back(secret, actor)).toBe("NotAllowed");
    expect(await back(moved.document, "00".repeat(16))).toBe("NotAllowed");
    expect((await liveNotes(core)).toSorted()).toEqual([secret, moved.document].toSorted());
    expect(await back(moved.document, actor)).toBe("moved");
  });

  test("between notebooks, and on: the first place knows the last", async () => {
    const core = start(createLoneDisk());
    const { note } = await withNote(core);
    const second = must(await core.handlers["notebooks.create"]({ title: "Second" })).id;
    const third = must(await core.handlers["notebooks.create"]({ title: "Third" })).id;
    const there = must(
      await core.handlers["documents.moveTo"]({ document: note, notebook: second, folder: "In/here" }),
    );
    expect(must(await core.handlers["documents.list"]({ notebook: second }))[0]?.folder).toBe("In/here");
    const last = must(await core.handlers["documents.moveTo"]({ document: there.document, notebook: third }));
    expect(must(await core.handlers["documents.moved"]({ document: note }))?.document).toBe(last.document);
    expect(await liveNotes(core)).toEqual([last.document]);
    expect(await fileIn(core, last.document)).toEqual(FILE);
    const same = await core.handlers["documents.moveTo"]({ document: last.document, notebook: third });
    expect(same.ok ? "" : same.error.type).toBe("InvalidInput");
  });
});

test("I50 a file out of another notebook is taken in anew, and one that is there stays as it is", async () => {
  const core = start(createLoneDisk());
  const { note } = await withNote(core);
  const { id: notebook } = must(await core.handlers["notebooks.create"]({ title: "Other" }));
  const { id: document } = must(await core.handlers["documents.create"]({ notebook, title: "", markdown: "" }));
  const blob = (await blobOf(core, note)) ?? "";
  const adopted = must(await core.handlers["attachments.adopt"]({ document, blob }));
  expect(adopted).toMatchObject({ name: "file.txt", state: "present" });
  expect(adopted.blob).not.toBe(blob);
  expect(must(await core.handlers["attachments.adopt"]({ document: note, blob })).blob).toBe(blob);
});

describe("a move that is cut off", () => {
  type Move = (core: LoneCore, note: string, other: string) => Promise<unknown>;
  const share: Move = (core, note) => core.handlers["documents.share"]({ document: note });
  const moveTo: Move = (core, note, notebook) => core.handlers["documents.moveTo"]({ document: note, notebook });

  /** How many transactions the move takes until it is answered. */
  const lengthOf = async (move: Move): Promise<number> => {
    const core = start(createLoneDisk());
    const { note } = await withNote(core);
    const { id } = must(await core.handlers["notebooks.create"]({ title: "Other" }));
    const before = core.transactions();
    await move(core, note, id);
    return core.transactions() - before;
  };

  test.each([
    ["sharing", share],
    ["moving", moveTo],
  ] as const)(
    "%s: whatever reached the disk, the note is there once after a restart",
    async (_name, move) => {
      const length = await lengthOf(move);
      expect(length).toBeGreaterThan(4);
      for (let reached = 0; reached <= length; reached++) {
        const disk = createLoneDisk();
        const dying = start(disk);
        const { note } = await withNote(dying);
        const { id } = must(await dying.handlers["notebooks.create"]({ title: "Other" }));
        dying.dieAfter(reached);
        await move(dying, note, id);
        await dying.stop();
        const core = start(disk);
        await finished(core);
        const live = await liveNotes(core);
        expect(live, `after ${reached} of ${length} transactions`).toHaveLength(1);
        const document = live[0] as string;
        const { title, text } = must(await core.handlers["documents.read"]({ document }));
        expect([title, text.includes(TEXT)]).toEqual(["Plan", true]);
        expect(await fileIn(core, document)).toEqual(FILE);
        expect((await notebooksOf(core)).filter(({ note: one }) => one !== null).length).toBeLessThan(2);
        await core.stop();
      }
    },
    60_000,
  );
});

describe("a copy of a notebook without its history", () => {
  const copyOf = async (core: LoneCore, notebook: string) =>
    must(await core.handlers["notebooks.copy"]({ notebook, title: "Work, afresh" }));

  test("has the notes as they are, with their files and links among each other", async () => {
    const core = start(createLoneDisk());
    const { notebook, note } = await withNote(core);
    const markdown = `See [the plan](p2pc:doc/${note}).`;
    must(await core.handlers["documents.create"]({ notebook, title: "Index", markdown, folder: "A/b" }));
    const { id: gone } = must(await core.handlers["documents.create"]({ notebook, title: "Gone", markdown: "" }));
    must(await core.handlers["documents.delete"]({ document: gone }));
    await expect
      .poll(async () => must(await core.handlers["documents.list"]({ notebook })).length, { timeout: 10_000 })
      .toBe(2);
    const copied = await copyOf(core, notebook);
    expect(copied).toMatchObject({ notes: 2, missing: 0 });
    const list = must(await core.handlers["documents.list"]({ notebook: copied.notebook }));
    expect(list.map(({ title, folder }) => [title, folder]).toSorted()).toEqual([
      ["Index", "A/b"],
      ["Plan", ""],
    ]);
    const idOf = (title: string): string => list.find((one) => one.title === title)?.id ?? "";
    expect(await fileIn(core, idOf("Plan"))).toEqual(FILE);
    const index = must(await core.handlers["documents.read"]({ document: idOf("Index") }));
    expect(index.markdown).toContain(`p2pc:doc/${idOf("Plan")}`);
    expect(await liveNotes(core)).toHaveLength(4);
  });

  test("one that is cut off is finished by a restart, each note once", async () => {
    for (const reached of [1, 3, 6, 8, 10]) {
      const disk = createLoneDisk();
      const dying = start(disk);
      const { notebook } = await withNote(dying);
      must(await dying.handlers["documents.create"]({ notebook, title: "Other", markdown: "" }));
      dying.dieAfter(reached);
      await dying.handlers["notebooks.copy"]({ notebook, title: "Work, afresh" });
      await dying.stop();
      const core = start(disk);
      await expect.poll(() => core.store.meta.list("notebook-copy/"), { timeout: 10_000, interval: 5 }).toEqual([]);
      expect(await liveNotes(core), `after ${reached} transactions`).toHaveLength(4);
      await core.stop();
    }
  }, 60_000);
});

test("a plan that cannot succeed any more is given up at the next start", async () => {
  const disk = createLoneDisk();
  const first = start(disk);
  const { notebook, note } = await withNote(first);
  const id = "ab".repeat(16);
  const place = { from: note, to: id, alone: false, did: id, folder: "", copied: null };
  must(
    first.store.transaction(() => {
      storePlan(first.store, { id, ...place });
      const copy = { id, from: id, to: null, title: "Gone" };
      first.store.meta.set(`notebook-copy/${id}`, encodeUtf8(JSON.stringify(copy)));
    }),
  );
  await first.stop();
  const core = start(disk);
  await finished(core);
  await expect.poll(() => core.store.meta.list("notebook-copy/"), { timeout: 10_000, interval: 5 }).toEqual([]);
  expect(await liveNotes(core)).toEqual([note]);
  expect((await notebooksOf(core)).map((one) => one.id)).toEqual([notebook]);
});
