import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createJsonLog } from "../../main/adapters/json-log.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "p2pcollab-log-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);
const open = () => createJsonLog({ folder, level: "info", now: () => NOW, stderr: false });
const linesOf = (file: string): readonly unknown[] =>
  readFileSync(file, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);

test("writes one JSON line per event at or above its level", () => {
  const log = open();
  log.debug("peer.seen");
  log.info("node.started", { port: 4000 });
  log.close();
  log.error("after.close");
  expect(linesOf(log.file)).toEqual([
    { time: "2026-01-02T03:04:05.000Z", level: "info", event: "node.started", port: 4000 },
  ]);
  expect(statSync(log.file).mode & 0o777).toBe(0o600);
});

test("shortens ids, keys and links to eight digits", () => {
  const log = open();
  const id = "0123456789abcdef".repeat(4);
  const link = "p2pcollab:Zm9vYmFyYmF6cXV1eGNvcmdlZ3JhdWx0Z2FycGx5d2FsZG8";
  log.warn("odd", { id, link, text: "x".repeat(2000) });
  log.close();
  const text = readFileSync(log.file, "utf8");
  expect(text).toContain("01234567…");
  expect(text).toContain("p2pcollab:Zm9vYmFy…");
  expect(text).not.toContain(id.slice(0, 16));
  expect(text.length).toBeLessThan(1000);
});

test("keeps four files of bounded size", () => {
  const log = open();
  const filler = "a b ".repeat(120);
  for (let i = 0; i < 45_000; i++) log.info("filler", { filler });
  log.close();
  expect(readdirSync(folder).toSorted()).toEqual(["node.log", "node.log.1", "node.log.2", "node.log.3"]);
  for (const name of readdirSync(folder)) expect(statSync(path.join(folder, name)).size).toBeLessThan(4.1 * 1_048_576);
});
