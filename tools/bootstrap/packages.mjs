import { createHash } from "node:crypto";
import { existsSync, lstatSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { NODE, ROOT, run } from "../run.mjs";
import { say, stop } from "./say.mjs";

const MODULES = path.join(ROOT, "node_modules");
const STAMP = path.join(MODULES, ".p2pcollab-installed");
const OLDEST_NODE = [20, 20];

const fingerprint = () =>
  createHash("sha256")
    .update(readFileSync(path.join(ROOT, "package-lock.json")))
    .update(`${process.platform} ${process.arch}`)
    .digest("hex");

/** True when npm's own record of node_modules holds every required package of the lockfile in its version. */
const matchesLockfile = () => {
  const record = path.join(MODULES, ".package-lock.json");
  if (!existsSync(record) || !existsSync(NODE)) return false;
  const installed = JSON.parse(readFileSync(record, "utf8")).packages;
  const locked = JSON.parse(readFileSync(path.join(ROOT, "package-lock.json"), "utf8")).packages;
  return Object.entries(locked).every(
    ([name, entry]) =>
      name === "" || entry.optional || entry.devOptional || entry.peer || installed[name]?.version === entry.version,
  );
};

const requireNode = () => {
  const [major, minor] = process.versions.node.split(".").map(Number);
  const [needMajor, needMinor] = OLDEST_NODE;
  if (major < needMajor || (major === needMajor && minor < needMinor))
    stop(`Node ${process.versions.node} is too old; install Node ${needMajor}.${needMinor} or newer.`);
};

/** Installs node_modules from the lockfile when it is missing or stale; nothing otherwise. */
export const ensurePackages = async () => {
  requireNode();
  const wanted = fingerprint();
  if (existsSync(STAMP) && existsSync(NODE) && readFileSync(STAMP, "utf8") === wanted) return;
  const isLink = existsSync(MODULES) && lstatSync(MODULES).isSymbolicLink();
  if (isLink) {
    if (!matchesLockfile()) say("node_modules is a link and does not match package-lock.json; using it as it is.");
    return;
  }
  if (!matchesLockfile()) {
    say("installing packages from the npm registry (once; about 700 MB on disk, one to three minutes) …");
    const npm = process.platform === "win32" ? "npm.cmd" : "npm";
    const { code } = await run(npm, ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
      inherit: true,
      env: process.env,
    });
    if (code !== 0)
      stop("npm ci failed (see above). Check the connection to the npm registry and run the command again.");
    if (!existsSync(NODE))
      stop("npm did not run the install script of the package `node`; run `npm rebuild node` and try again.");
  }
  writeFileSync(STAMP, wanted);
};
