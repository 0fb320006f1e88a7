import { existsSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";

/** A rule stands in a SPEC.md with an id and in the name of a test that carries it, or it is not a rule. */

const ROOT = path.dirname(path.dirname(import.meta.dirname));
const RULE = /[A-Z]{2,8}-\d+/g;
const DEFINED_RULE = /^- \*\*([A-Z]{2,8}-\d+)\*\*/gm;
/** The name given to test(), describe(), test.each(…)(): the first string literal after it. */
const TEST_NAME = /\b(?:test|it|describe)(?:\.\w+\((?:[^()]|\([^()]*\))*\))?\(\s*(["'`])((?:(?!\1)[^\\]|\\.)*)\1/g;

const rulesByFile = new Map<string, readonly string[]>(
  readdirSync(path.join(ROOT, "protocol"))
    .map((folder) => path.join("protocol", folder, "SPEC.md"))
    .filter((file) => existsSync(path.join(ROOT, file)))
    .map((file) => [
      file,
      [...readFileSync(path.join(ROOT, file), "utf8").matchAll(DEFINED_RULE)].map(([, id]) => id ?? ""),
    ]),
);
const defined = new Set([...rulesByFile.values()].flat());
const prefixes = new Set([...defined].map((id) => id.replace(/-\d+$/, "")));

/** Of the data formats (data.md section 16). */
const INVARIANTS = Array.from({ length: 51 }, (_, at) => `I${at + 1}`);

const namesIn = (text: string): readonly string[] => [...text.matchAll(TEST_NAME)].map(([, , name]) => name ?? "");
const testFiles = readdirSync(path.join(ROOT, "test"), { recursive: true, encoding: "utf8" }).filter((file) =>
  /\.(test|spec)\.ts$/.test(file),
);
const carried = new Map<string, string>();
const named = new Set<string>();
for (const file of testFiles)
  for (const name of namesIn(readFileSync(path.join(ROOT, "test", file), "utf8"))) {
    for (const [id] of name.matchAll(RULE)) if (prefixes.has(id.replace(/-\d+$/, ""))) carried.set(id, file);
    for (const [id] of name.matchAll(/\bI\d+\b/g)) named.add(id);
  }

test("test names are found in every form they are written", () => {
  const text = [
    'test("ABC-1 plain", () => {});',
    "it('ABC-2 single', () => {});",
    "describe(`ABC-3 group`, () => {});",
    'test.each([f(1), [2]])("ABC-4 %s", () => {});',
    'test(\n  "ABC-5 on its own line",',
    '// "ABC-6 not a name"',
  ].join("\n");
  expect(namesIn(text).map((name) => name.slice(0, 5))).toEqual(["ABC-1", "ABC-2", "ABC-3", "ABC-4", "ABC-5"]);
});

describe.each([...rulesByFile])("%s", (file, rules) => {
  test("defines each rule once", () => {
    expect(rules.length, `${file} defines no rule`).toBeGreaterThan(0);
    expect([...new Set(rules)]).toEqual(rules);
  });

  test("has a test for every rule", () => {
    expect(rules.filter((id) => !carried.has(id))).toEqual([]);
  });
});

test("every invariant of the data formats has a test that carries its name", () => {
  expect(INVARIANTS.filter((id) => !named.has(id))).toEqual([]);
});

test("every rule a test names is defined in a SPEC.md", () => {
  expect([...carried].filter(([id]) => !defined.has(id))).toEqual([]);
});

test("every protocol folder says what it is", () => {
  const folders = readdirSync(path.join(ROOT, "protocol"), { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  );
  const without = folders
    .map(({ name }) => name)
    .filter((name) => name !== "kernel")
    .filter((name) => !existsSync(path.join(ROOT, "protocol", name, "README.md")));
  expect(without).toEqual([]);
});
