import { existsSync } from "node:fs";
import path from "node:path";
import { ROOT, toolScript } from "./run.mjs";

const ROOMS = ["protocol", "app", "main", "test"];
/** Type-checked by itself: it needs the DOM and the component types, which the other tests must not see. */
const TEST_UI = "test/ui";
const CODE = "**/*.{ts,js,mjs,cjs,svelte,css,html,json,yml}";

const tsc = (room) => ({
  name: `types ${room}`,
  group: "types",
  args: [
    toolScript("tsc", "typescript"),
    "-p",
    room,
    "--incremental",
    "--tsBuildInfoFile",
    `out/tsc/${room.replace("/", "-")}.tsbuildinfo`,
  ],
});

/** Every static check of the house, as arguments for Node; each counts as one test in `npm test`. */
export const checkSteps = () => {
  const hasRenderer = existsSync(path.join(ROOT, "renderer", "tsconfig.json"));
  const rooms = hasRenderer ? [...ROOMS, "renderer"] : ROOMS;
  return [
    ...[...ROOMS, TEST_UI].map(tsc),
    {
      name: "types renderer",
      group: "types",
      args: [
        toolScript("svelte-check"),
        "--workspace",
        "renderer",
        "--tsconfig",
        "./tsconfig.json",
        "--fail-on-warnings",
        "--output",
        "human",
      ],
    },
    {
      name: "types ui tests",
      group: "types",
      args: [
        toolScript("svelte-check"),
        "--workspace",
        "test/ui",
        "--tsconfig",
        "./tsconfig.json",
        "--fail-on-warnings",
      ],
    },
    { name: "lint typescript", group: "lint", args: [toolScript("oxlint"), "--type-aware"] },
    {
      name: "lint svelte",
      group: "lint",
      args: [
        toolScript("eslint"),
        "-c",
        "test/lint/eslint.config.js",
        "--no-error-on-unmatched-pattern",
        "renderer/**/*.svelte",
      ],
    },
    { name: "lint text", group: "lint", args: ["tools/check-text.mjs"] },
    { name: "ignored results", group: "lint", args: ["tools/check-results.mjs", "protocol", "app", "main"] },
    {
      name: "imports",
      group: "deps",
      args: [toolScript("depcruise", "dependency-cruiser"), "--config", "test/lint/dependency-cruiser.mjs", ...rooms],
    },
    {
      name: "unused code",
      group: "deps",
      args: [
        toolScript("knip"),
        "--no-progress",
        "--no-config-hints",
        "--include",
        "files,exports,types,duplicates,unlisted",
      ],
    },
    { name: "format", group: "format", args: [toolScript("prettier"), "--check", "--log-level", "warn", CODE] },
  ];
};
