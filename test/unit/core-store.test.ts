import Database from "better-sqlite3";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openCoreStore } from "../../main/proxy/core-store.ts";
import { filled, must } from "../support/data-fixtures.ts";

test("what the disk does not take is reported once, and is no error", { timeout: 30_000 }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), "core-store-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, "core.db");
  const lines: string[] = [];
  const store = must(openCoreStore(file, (line) => lines.push(line)));
  const other = new Database(file);
  const row = { topic: filled(1, 32), wantedUntil: 1, delegatedUntil: 0 };
  expect(store.setRelay(row)).toBe(true);
  other.exec("BEGIN EXCLUSIVE");
  expect(store.dropRelay(row.topic)).toBe(false);
  other.exec("ROLLBACK");
  expect(lines).toHaveLength(1);
  expect(store.relays()).toEqual([row]);
  expect(store.dropRelay(row.topic)).toBe(true);
  other.close();
  store.close();
});
