import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { DocumentView, Store } from "../../app/ports/store.ts";
import type { SqliteDatabase } from "../../main/adapters/sqlite/database.ts";
import { openWriter } from "../../main/adapters/sqlite/database.ts";
import { MIGRATIONS } from "../../main/adapters/sqlite/schema.ts";
import { createStore } from "../../main/adapters/sqlite/store.ts";
import { titleKey } from "../../main/adapters/sqlite/title-key.ts";

let folder: string;
let database: SqliteDatabase;
let store: Store;
beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "p2pcollab-lists-"));
  const opened = openWriter(path.join(folder, "profile.db"), new Uint8Array(32), MIGRATIONS, false);
  if (!opened.ok) throw new Error(opened.error.message);
  database = opened.value;
  store = createStore(database, () => undefined);
});
afterAll(() => {
  database.close();
  rmSync(folder, { recursive: true, force: true });
});

const note = fc.record({
  type: fc.constantFrom("note", "note", "note", "repository"),
  title: fc.constantFrom("", "a", "B", "b", "Note 9", "note 10", "Ä", "z"),
  folder: fc.constantFrom("", "x", "x/y", "xy", "x_", "%"),
  deleted: fc.boolean(),
  createdAt: fc.integer({ min: 0, max: 5 }),
  updatedAt: fc.integer({ min: 0, max: 5 }),
});
const view: fc.Arbitrary<DocumentView> = fc.record({
  folder: fc.constantFrom("", "x", "x/y", "%", "none"),
  deleted: fc.boolean(),
  order: fc.constantFrom("updated", "created", "title"),
});

const inOrder = (order: DocumentView["order"]) => (a: Listed, b: Listed) => {
  if (order === "updated" && a.updatedAt !== b.updatedAt) return b.updatedAt - a.updatedAt;
  if (order === "created" && a.createdAt !== b.createdAt) return b.createdAt - a.createdAt;
  const [left, right] = [titleKey(a.title), titleKey(b.title)];
  if (order === "title" && left !== right) return left < right ? -1 : 1;
  return Buffer.compare(a.did, b.did);
};
interface Listed {
  readonly did: Uint8Array;
  readonly title: string;
  readonly createdAt: number;
  readonly updatedAt: number;
}

test("pages, counts and positions of any view agree with the whole list", () => {
  let made = 0;
  fc.assert(
    fc.property(
      fc.array(note, { maxLength: 30 }),
      view,
      fc.nat(12),
      fc.integer({ min: 1, max: 9 }),
      (notes, shown, offset, limit) => {
        made++;
        const did = (at: number) => Uint8Array.from({ length: 16 }, (_, byte) => (at * 37 + byte) % 256);
        const written = store.transaction(() => {
          const repository = store.repositories.add(
            Uint8Array.from({ length: 16 }, (_, at) => (made >> (at * 8)) & 255),
            "",
            0,
          );
          for (const [at, facts] of notes.entries())
            store.documents.setFacts(store.documents.add(repository, did(at), 0), {
              ...facts,
              tags: [],
              excerpt: "",
            });
          return repository;
        });
        if (!written.ok) throw new Error(written.error.message);
        const repository = written.value;
        const listed = notes
          .map((facts, at) => ({ ...facts, did: did(at) }))
          .filter(
            (facts) =>
              facts.type === "note" &&
              facts.deleted === shown.deleted &&
              (shown.folder === "" || facts.folder === shown.folder || facts.folder.startsWith(`${shown.folder}/`)),
          )
          .toSorted(inOrder(shown.order));
        expect(store.documents.count(repository, shown)).toBe(listed.length);
        const page = store.documents.page(repository, shown, offset, limit);
        expect(page.map((row) => Buffer.from(row.did).toString("hex"))).toEqual(
          listed.slice(offset, offset + limit).map((facts) => Buffer.from(facts.did).toString("hex")),
        );
        for (const [at, row] of page.entries())
          expect(store.documents.position(repository, shown, row)).toBe(offset + at);
        const kept = notes.filter((facts) => facts.type === "note" && !facts.deleted);
        expect(Object.fromEntries(store.documents.folders(repository).map((row) => [row.folder, row.count]))).toEqual(
          Object.fromEntries(
            [...new Set(kept.map((facts) => facts.folder))].map((name) => [
              name,
              kept.filter((facts) => facts.folder === name).length,
            ]),
          ),
        );
      },
    ),
    { numRuns: 200 },
  );
});

test("a page is read by way of its order's index", () => {
  for (const [order, index] of [
    ["updated_at DESC, did", "document_by_update"],
    ["created_at DESC, did", "document_by_creation"],
    ["title_key, did", "document_by_title"],
  ]) {
    const plan = database
      .prepare(
        `EXPLAIN QUERY PLAN SELECT title FROM document WHERE repository = 1 AND type = 'note' AND deleted = 0 ORDER BY ${order} LIMIT 100 OFFSET 500`,
      )
      .all()
      .map((row) => (row as { detail: string }).detail)
      .join("; ");
    expect(plan).toContain(`USING INDEX ${index}`);
    expect(plan).not.toContain("TEMP B-TREE");
  }
});

test("titles are ordered without case and accents, numbers by value", () => {
  const sorted = ["Zoo", "note 10", "Note 9", "äpfel", "Birne", "apfel 007", "Note 9b", "100", "20"].toSorted((a, b) =>
    titleKey(a) < titleKey(b) ? -1 : 1,
  );
  expect(sorted).toEqual(["20", "100", "äpfel", "apfel 007", "Birne", "Note 9", "Note 9b", "note 10", "Zoo"]);
});
