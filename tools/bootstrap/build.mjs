import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { NODE, ROOT, run, toolScript } from "../run.mjs";
import { say, stop } from "./say.mjs";

const SOURCES = ["app", "main", "protocol", "renderer"];
const OUT = path.join(ROOT, "out");
const STAMP = path.join(OUT, ".built-from");

const filesBelow = (folder) =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const full = path.join(folder, entry.name);
    if (entry.isDirectory()) return filesBelow(full);
    return entry.isFile() && !entry.name.endsWith(".md") ? [full] : [];
  });

const fingerprint = () => {
  const hash = createHash("sha256");
  const files = SOURCES.flatMap((room) => filesBelow(path.join(ROOT, room))).toSorted();
  for (const file of [...files, path.join(ROOT, "package-lock.json"), path.join(ROOT, "package.json")]) {
    const content = readFileSync(file);
    hash.update(`${path.relative(ROOT, file)} ${content.length}\n`).update(content);
  }
  return hash.digest("hex");
};

/** Builds the app into out/ when a source changed since the last build; nothing otherwise. */
export const ensureBuilt = async () => {
  const wanted = fingerprint();
  if (existsSync(STAMP) && readFileSync(STAMP, "utf8") === wanted) return;
  say("building the app …");
  const { code, output } = await run(NODE, [
    toolScript("electron-vite"),
    "build",
    "--config",
    "main/electron.vite.config.ts",
  ]);
  if (code !== 0) stop(`the build failed:\n${output.trimEnd()}`);
  mkdirSync(OUT, { recursive: true });
  writeFileSync(STAMP, wanted);
};
