import Database from "better-sqlite3";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openReader, openWriter } from "../../main/adapters/sqlite/database.ts";
import { MIGRATIONS, SEARCH_MIGRATIONS } from "../../main/adapters/sqlite/schema.ts";

const KEY = new Uint8Array(32).fill(7);
const OTHER_KEY = new Uint8Array(32).fill(8);
const CANARY = "Quittengelee im Keller";

let folder = "";
let file = "";
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "p2pcollab-database-"));
  file = path.join(folder, "profile.db");
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const open = (key: Uint8Array) => {
  const opened = openWriter(file, key, [...MIGRATIONS, ...SEARCH_MIGRATIONS], true);
  if (!opened.ok) throw new Error(opened.error.type);
  return opened.value;
};
const filesWith = (word: string): readonly string[] =>
  readdirSync(folder).filter((name) => readFileSync(path.join(folder, name)).includes(word));

test("I44: neither the database nor its write-ahead log holds a plaintext word or title", () => {
  const database = open(KEY);
  database
    .prepare("INSERT INTO repository(rid, title, added_at, updated_at) VALUES (?, ?, 0, 0)")
    .run(Buffer.alloc(16, 1), CANARY);
  database.prepare("INSERT INTO note_words(rowid, title, body, tags) VALUES (1, ?, ?, '')").run(CANARY, CANARY);
  expect(readdirSync(folder)).toContain("profile.db-wal");
  for (const word of ["Quittengelee", "quittengelee", "SQLite format 3", "CREATE TABLE"])
    expect(filesWith(word)).toEqual([]);
  database.pragma("wal_checkpoint(TRUNCATE)");
  expect(filesWith("uittengelee")).toEqual([]);
  const reader = openReader(file, KEY);
  expect(reader.prepare("SELECT title FROM repository").pluck().all()).toEqual([CANARY]);
  reader.close();
  database.close();
});

test("I45: another key opens nothing and changes nothing", () => {
  open(KEY).close();
  const before = readFileSync(file);
  expect(openWriter(file, OTHER_KEY, [], false)).toMatchObject({ ok: false, error: { type: "CorruptDatabase" } });
  expect(readFileSync(file).equals(before)).toBe(true);
  open(KEY).close();
});

test("a database of before encryption is sealed with all it holds, and the clear file is gone", () => {
  const plain = new Database(file);
  plain.pragma("journal_mode = WAL");
  for (const sql of MIGRATIONS) plain.exec(sql);
  plain.pragma(`user_version = ${MIGRATIONS.length}`);
  plain.prepare("INSERT INTO setting(key, value) VALUES ('note', ?)").run(CANARY);
  plain.close();
  expect(filesWith(CANARY)).toEqual(["profile.db"]);
  const sealed = open(KEY);
  expect(sealed.prepare("SELECT value FROM setting").pluck().all()).toEqual([CANARY]);
  expect(filesWith(CANARY)).toEqual([]);
  sealed.close();
  expect(readdirSync(folder)).toEqual(["profile.db"]);
});
