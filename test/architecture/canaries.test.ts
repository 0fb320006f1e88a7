import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

/**
 * A check that cannot fail is not a check. Each tool runs over a small tree without faults and over the same tree with
 * planted ones; it must be silent on the first and name every fault on the second.
 */

const ROOT = path.dirname(path.dirname(import.meta.dirname));
const FIXTURES = path.join(import.meta.dirname, "fixtures");
const CONFIGURATION = [
  "package.json",
  "tsconfig.json",
  ".oxlintrc.json",
  ".gitignore",
  ".prettierignore",
  "protocol/tsconfig.json",
  "app/tsconfig.json",
  "main/tsconfig.json",
  "renderer/tsconfig.json",
  "renderer/svelte.config.js",
  "test/lint",
  "tools/check-results.mjs",
];

interface Outcome {
  readonly code: number;
  readonly output: string;
}

const TOOLS = {
  tsc: (room: string) => ["typescript/bin/tsc", "-p", room, "--pretty", "false"],
  oxlint: () => ["oxlint/bin/oxlint", "--type-aware", "-f", "unix"],
  depcruise: () => [
    "dependency-cruiser/bin/dependency-cruise.mjs",
    "--config",
    "test/lint/dependency-cruiser.mjs",
    "protocol",
    "app",
    "main",
    "renderer",
  ],
  eslint: () => ["eslint/bin/eslint.js", "-c", "test/lint/eslint.config.js", "renderer/**/*.svelte"],
  svelteCheck: () => [
    "svelte-check/bin/svelte-check",
    "--workspace",
    "renderer",
    "--tsconfig",
    "./tsconfig.json",
    "--output",
    "machine",
  ],
  knip: () => ["knip/bin/knip.js", "--no-progress", "--no-config-hints", "--include", "files,exports"],
  prettier: () => ["prettier/bin/prettier.cjs", "--check", "main/**/*.ts"],
} as const;

let base = "";
const trees: { clean: string; violations: string } = { clean: "", violations: "" };

const plant = (name: string, layers: readonly string[]): string => {
  const tree = path.join(base, name);
  for (const file of CONFIGURATION) cpSync(path.join(ROOT, file), path.join(tree, file), { recursive: true });
  for (const layer of layers) cpSync(path.join(FIXTURES, layer), tree, { recursive: true });
  symlinkSync(path.join(ROOT, "node_modules"), path.join(tree, "node_modules"));
  return tree;
};

const runNode = (tree: string, args: readonly string[]): Promise<Outcome> =>
  new Promise((resolve) => {
    execFile(
      process.execPath,
      args,
      {
        cwd: tree,
        encoding: "utf8",
        maxBuffer: 64 * 1_048_576,
        env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: "0" },
      },
      (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), output: `${stdout}\n${stderr}` });
      },
    );
  });

const runTool = (tree: string, [script, ...args]: readonly string[]): Promise<Outcome> =>
  runNode(tree, [path.join("node_modules", script ?? ""), ...args]);

beforeAll(() => {
  base = mkdtempSync(path.join(os.tmpdir(), "p2pcollab-canaries-"));
  trees.clean = plant("clean", ["clean"]);
  trees.violations = plant("violations", ["clean", "violations"]);
});
afterAll(() => {
  rmSync(base, { recursive: true, force: true });
});

/** Silent on the clean tree; on the other it fails and its output has every expected line, in any order. */
const catches = async (args: readonly string[], expected: readonly RegExp[]): Promise<void> => {
  const [clean, dirty] = await Promise.all([runTool(trees.clean, args), runTool(trees.violations, args)]);
  expect(clean.code, clean.output).toBe(0);
  expect(dirty.code, dirty.output).not.toBe(0);
  for (const line of expected) expect(dirty.output).toMatch(line);
};

describe("planted faults", () => {
  test("tsc: a timer, a Node module, an enum and an unchecked index in protocol/", async () => {
    await catches(TOOLS.tsc("protocol"), [
      /uses-timer\.ts.*setTimeout/,
      /uses-node\.ts.*node:fs/,
      /has-an-enum\.ts.*TS1294/,
      /unchecked-index\.ts.*undefined/,
    ]);
  });

  test("oxlint: time, randomness and async in protocol/; floating promises, swallowed errors and cycles anywhere", async () => {
    await catches(TOOLS.oxlint(), [
      /uses-date\.ts.*no-restricted-globals/,
      /uses-timer\.ts.*no-restricted-globals/,
      /uses-math-random\.ts.*no-restricted-properties/,
      /is-async\.ts.*no-async-await/,
      /floats\.ts.*no-floating-promises/,
      /swallows\.ts.*no-empty/,
      /cycle-[ab]\.ts.*no-cycle/,
    ]);
  });

  test("dependency-cruiser: every forbidden direction", async () => {
    await catches(TOOLS.depcruise(), [
      /protocol-layer-kernel: protocol\/kernel\/imports-upward\.ts/,
      /noble-only-in-crypto: protocol\/bloom\/uses-noble\.ts/,
      /protocol-imports-only-protocol: protocol\/kernel\/uses-node\.ts/,
      /protocol-folder-has-a-layer: protocol\/strange\/without-a-layer\.ts/,
      /app-imports-only-protocol-and-pure-packages: app\/uses-node\.ts/,
      /contract-stands-alone: app\/contract\/imports-app\.ts/,
      /electron-only-in-the-shell: main\/adapters\/reaches-electron\.ts/,
      /headless-cannot-reach-electron: main\/headless\.ts/,
      /renderer-imports-only-the-contract-and-the-replica: renderer\/src\/foreign\.ts/,
      /no-runtime-cycles: main\/adapters\/cycle-[ab]\.ts/,
    ]);
  });

  test("eslint: raw HTML and foreign types in a component", async () => {
    await catches(TOOLS.eslint(), [/no-at-html-tags/, /no-restricted-imports/]);
  });

  test("svelte-check: a wrong property and a wrong contract type", async () => {
    await catches(TOOLS.svelteCheck(), [/ERROR "src\/App\.svelte"/, /ERROR "src\/wrong\.ts"/]);
  });

  test("knip: an export and a file nobody uses", async () => {
    const dirty = await runTool(trees.violations, TOOLS.knip());
    expect(dirty.code, dirty.output).not.toBe(0);
    expect(dirty.output).toMatch(/main\/adapters\/floats\.ts/);
    const clean = await runTool(trees.clean, TOOLS.knip());
    expect(clean.output).not.toMatch(/(protocol|app|main)\//);
  });

  test("prettier: a line of another shape", async () => {
    await catches(TOOLS.prettier(), [/main\/adapters\/unformatted\.ts/]);
  });

  test("check-results: an ignored Result", async () => {
    const check = ["tools/check-results.mjs", "protocol", "app", "main"];
    const [clean, dirty] = await Promise.all([runNode(trees.clean, check), runNode(trees.violations, check)]);
    expect(clean.code, clean.output).toBe(0);
    expect(dirty.code).toBe(1);
    expect(dirty.output).toMatch(/ignores-a-result\.ts:7/);
  });
});
