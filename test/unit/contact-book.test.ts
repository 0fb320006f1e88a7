import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ContactBook } from "../../app/contacts/contact-book.ts";
import { createContactBook } from "../../app/contacts/contact-book.ts";
import type { Store } from "../../app/ports/store.ts";
import { MIGRATIONS } from "../../main/adapters/sqlite/schema.ts";
import { createStore } from "../../main/adapters/sqlite/store.ts";
import { createSystemClock } from "../../main/adapters/system-clock.ts";
import { cutUtf8, utf8Length } from "../../protocol/codec/utf8.ts";
import { bytesToBase64url } from "../../protocol/kernel/bytes.ts";

const eve = "ee".repeat(32);
let database: Database.Database;
let store: Store;
const open = (): ContactBook =>
  createContactBook({
    store,
    clock: createSystemClock(),
    log: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined },
  });

beforeEach(() => {
  database = new Database(":memory:");
  for (const migration of MIGRATIONS) database.exec(migration);
  store = createStore(database, () => undefined);
});
afterEach(() => database.close());

describe("the contact book", () => {
  test("text is cut to a number of bytes between code points", () => {
    expect(cutUtf8("Ben", 3)).toBe("Ben");
    expect(cutUtf8("Benj", 3)).toBe("Ben");
    for (const text of ["a€😀b".repeat(9), "😀".repeat(9), "é".repeat(20)])
      for (let bytes = 0; bytes <= utf8Length(text); bytes++) {
        const cut = cutUtf8(text, bytes);
        const next = String.fromCodePoint(text.codePointAt(cut.length) ?? 0);
        expect(text.startsWith(cut) && cut.isWellFormed()).toBe(true);
        expect(utf8Length(cut)).toBeLessThanOrEqual(bytes);
        if (cut !== text) expect(utf8Length(cut + next)).toBeGreaterThan(bytes);
      }
  });

  test("a name of any length leaves the block in place, over a restart and among the own devices", () => {
    const book = open();
    book.meet(new Map([[eve, "Eve"]]));
    expect(book.decide(eve, { state: "blocked" }).ok).toBe(true);
    const long = "😀".repeat(400);
    expect(book.meet(new Map([[eve, long]]))).toBe(true);
    expect(book.meet(new Map([[eve, long]]))).toBe(false);
    expect(open().all().get(eve)).toMatchObject({ state: "blocked", called: "😀".repeat(256) });
    expect(book.decide(eve, { called: long, name: long }).ok).toBe(true);
    const told = book.news({});
    expect(told.size).toBe(1);
    expect(book.news(Object.fromEntries(told)).size).toBe(0);
    expect(open().all().get(eve)).toMatchObject({ state: "blocked", name: "😀".repeat(256) });
  });

  test("what cannot be read is not replaced by meeting the person again, only by what an own device says", () => {
    const book = open();
    book.decide(eve, { state: "blocked" });
    const told = Object.fromEntries(book.news({}));
    const key = Object.keys(told)[0] as string;
    store.transaction(() => store.meta.set(key, new Uint8Array(3)));
    const damaged = open();
    expect(damaged.meet(new Map([[eve, "Eve"]]))).toBe(false);
    expect([...(store.meta.get(key) ?? [])]).toEqual([0, 0, 0]);
    expect(damaged.news({ [key]: bytesToBase64url(new Uint8Array(3)) }).size).toBe(0);
    expect(damaged.take(told)).toBe(true);
    expect(open().all().get(eve)?.state).toBe("blocked");
    expect(damaged.meet(new Map([[eve, "Eve"]]))).toBe(true);
  });
});
