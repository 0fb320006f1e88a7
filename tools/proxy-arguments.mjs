import { mkdirSync, realpathSync } from "node:fs";
import path from "node:path";
import { ROOT } from "./run.mjs";

/** What the proxy's code is made of; beside it, it reads and writes its data folder and nothing else. */
const CODE = ["main", "app", "protocol", "package.json", "node_modules"];

/** Node compares paths as they are written, before links are followed. */
const namesOf = (file) => [...new Set([file, realpathSync(file)])];

/** Arguments for Node that run the proxy inside the permission model, when the command line asks for a proxy. */
export const proxyArguments = (given) => {
  const isProxy =
    given[0] === "proxy-code" || given[0] === "proxy-status" || (given[0] === "node" && given.includes("--proxy"));
  if (!isProxy) return undefined;
  const script = path.join(ROOT, "main", "proxy", "proxy-main.ts");
  const at = given.findIndex((argument) => argument === "--data-dir" || argument.startsWith("--data-dir="));
  const folder = at < 0 ? undefined : (given[at].split("=")[1] ?? given[at + 1]);
  const isShared = given.some((argument) => /^--database(=|$)/.test(argument));
  if (folder === undefined && !isShared) return [script];
  if (folder !== undefined) mkdirSync(folder, { recursive: true, mode: 0o700 });
  const readable = CODE.flatMap((name) => namesOf(path.join(ROOT, name)));
  const folders = folder === undefined ? [] : namesOf(path.resolve(folder));
  return [
    "--permission",
    "--disable-warning=SecurityWarning",
    "--allow-addons",
    ...[...readable, ...folders].map((file) => `--allow-fs-read=${file}`),
    ...folders.map((file) => `--allow-fs-write=${file}`),
    script,
  ];
};
