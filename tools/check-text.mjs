import { readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { ROOT, run } from "./run.mjs";

const MAX_LINES = 800;
const CODE_FILE = /\.(ts|js|mjs|cjs|svelte|css)$/;
/** Foreign data, and the tests that plant what this check must find. */
const NOT_OURS = /^test\/(vectors\/data|architecture)\//;

const RULES = [
  {
    rule: "a to-do names its owner and the condition under which to do it",
    pattern: /\b(TODO(?!\([a-z-]+\): \S)|FIXME|XXX|HACK)\b/,
    skip: /^tools\/check-text\.mjs/,
  },
  {
    rule: "an error is not swallowed",
    pattern: /\bcatch\s*(\([^)]*\))?\s*\{\s*((\/\/[^\n]*|\/\*[^]*?\*\/)\s*)*\}/,
  },
  {
    rule: "a rejection is not swallowed",
    pattern: /\.catch\(\s*(async\s*)?\(?\s*_?\w*\s*\)?\s*=>\s*(\{\s*\}|undefined|null|void 0)\s*\)/,
  },
  { rule: "no test is switched off", pattern: /\b(test|it|describe)\.(skip|only|todo)\b/, skip: /^(?!test\/)/ },
];

/** Findings in one file: `path:line rule`. */
export const textFindings = (name, text) => {
  const findings = [];
  const lines = text.split("\n").length - 1;
  if (lines > MAX_LINES) findings.push(`${name}:${lines} a file has at most ${MAX_LINES} lines`);
  for (const { rule, pattern, skip } of RULES) {
    if (skip?.test(name)) continue;
    for (const match of text.matchAll(new RegExp(pattern, "g"))) {
      findings.push(`${name}:${text.slice(0, match.index).split("\n").length} ${rule}`);
    }
  }
  return findings;
};

const main = async () => {
  const listed = await run("git", ["ls-files", "--cached", "--others", "--exclude-standard", "-z"]);
  if (listed.code !== 0) throw new Error(`git ls-files failed: ${listed.output}`);
  const names = listed.output.split("\0").filter((name) => CODE_FILE.test(name) && !NOT_OURS.test(name));
  const findings = [];
  for (const name of names) {
    const file = path.join(ROOT, name);
    let text;
    try {
      text = readFileSync(file, "utf8");
    } catch (error) {
      if (error.code === "ENOENT") continue;
      throw error;
    }
    findings.push(...textFindings(name, text));
  }
  for (const finding of findings) console.log(finding);
  process.exit(findings.length === 0 ? 0 : 1);
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await main();
