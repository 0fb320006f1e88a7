import { copyFileSync, mkdirSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import { ROOT } from "./electron-runtime.ts";

const MODULES = path.join(ROOT, "node_modules");
/** Changelogs of megabytes say nothing about a folder of notes. */
const MAX_BYTES = 300_000;

const markdownBelow = (folder: string): readonly string[] =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const full = path.join(folder, entry.name);
    if (entry.isDirectory()) return entry.name.startsWith(".") ? [] : markdownBelow(full);
    return entry.isFile() && entry.name.endsWith(".md") && statSync(full).size <= MAX_BYTES ? [full] : [];
  });

/**
 * Copies the documentation of installed packages, Markdown that people wrote, into `target` with its folders and gives
 * the number of files. `packages`: folders below node_modules, all of them when left out.
 */
export const copyMarkdown = (target: string, packages: readonly string[] = [""]): number => {
  const files = packages.flatMap((name) => markdownBelow(path.join(MODULES, name)));
  for (const file of files) {
    // An importer leaves folders called node_modules out.
    const relative = path.relative(MODULES, file).replaceAll("node_modules", "modules");
    const copy = path.join(target, relative);
    mkdirSync(path.dirname(copy), { recursive: true });
    copyFileSync(file, copy);
  }
  return files.length;
};
