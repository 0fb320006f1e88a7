import { execFileSync, spawnSync } from "node:child_process";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";

const ROOT = path.dirname(path.dirname(import.meta.dirname));

interface TextCheck {
  readonly textFindings: (name: string, text: string) => readonly string[];
}
const { textFindings } = (await import(pathToFileURL(path.join(ROOT, "tools", "check-text.mjs")).href)) as TextCheck;

const FAULTS: readonly (readonly [string, string, RegExp])[] = [
  ["app/long.ts", "a\n".repeat(801), /at most 800 lines/],
  ["app/todo.ts", `// ${"TO"}${"DO"} later`, /:1 a to-do/],
  ["main/empty.ts", "x\ntry { a(); } catch (cause) {}", /:2 an error is not swallowed/],
  ["main/comment.ts", "try { a(); } catch {\n  // fine\n}", /an error is not swallowed/],
  ["main/promise.ts", "work().catch(() => {});", /a rejection is not swallowed/],
  ["main/promise.ts", "work().catch((_e) => undefined)", /a rejection is not swallowed/],
  ["test/unit/off.test.ts", `test.${"skip"}("x", () => {});`, /no test is switched off/],
  ["test/unit/only.test.ts", `describe.${"only"}("x", () => {});`, /no test is switched off/],
];

test.each(FAULTS)("the text check finds the fault in %s", (name, text, expected) => {
  expect(textFindings(name, text).join("\n")).toMatch(expected);
});

test("the text check is silent on clean text", () => {
  expect(textFindings("app/clean.ts", `try { a(); } catch { return undefined; }\n${"b\n".repeat(799)}`)).toEqual([]);
});

test("no file of the repository names a machine's own folders or registry", () => {
  const listed = execFileSync("git", ["ls-files", "-z"], { cwd: ROOT, encoding: "utf8" }).split("\0");
  expect(listed.length).toBeGreaterThan(50);
  const pattern = `(^|[^A-Za-z0-9_.])/(${"work"}|${"root"})/[a-z.]|"resolved": "https?://`;
  const found = spawnSync("git", ["grep", "-nIE", pattern, "--", ".", ":!test/vectors/data"], {
    cwd: ROOT,
    encoding: "utf8",
  });
  expect(found.stdout).toBe("");
  // git grep ends with 1 when nothing matches and with more when it could not search.
  expect(found.status).toBe(1);
});
