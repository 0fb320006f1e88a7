import { spawnSync } from "node:child_process";
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { ensureBuilt } from "./bootstrap/build.mjs";
import { ensureElectron, runtimeNotice } from "./bootstrap/electron-runtime.mjs";
import { ensurePackages } from "./bootstrap/packages.mjs";
import { say } from "./bootstrap/say.mjs";
import { ensureSqliteBinding } from "./bootstrap/sqlite-binding.mjs";
import { NODE, ROOT, run, toolEnvironment, toolScript } from "./run.mjs";

/**
 * Packages the built app with electron-builder; arguments go to it (`--dir` for the unpacked app). On the runtime that
 * ships, electron-builder fetches what it needs; on the one from the npm registry only `--dir` works.
 */
await ensurePackages();
const electron = await ensureElectron();
const binding = await ensureSqliteBinding(electron.version);
await ensureBuilt();
const notice = runtimeNotice(electron);
if (notice) say(notice);

/** The runtime without the launcher that development needs in place of an app; hard links, so next to free. */
const plainRuntime = (dist) => {
  const copy = path.join(ROOT, "out", "electron-dist");
  rmSync(copy, { recursive: true, force: true });
  const { status } = spawnSync("cp", ["-al", dist, copy]);
  if (status !== 0) cpSync(dist, copy, { recursive: true });
  rmSync(path.join(copy, "resources", "app"), { recursive: true });
  rmSync(path.join(copy, "p2pcollab-runtime.json"));
  return copy;
};

const { parse } = await import("yaml");
const config = parse(readFileSync(path.join(ROOT, "electron-builder.yml"), "utf8"));
config.electronVersion = electron.version;
if (notice) config.electronDist = plainRuntime(electron.dist);
// Name that main/shell/native-binding.ts looks for.
if (binding) config.extraResources = [{ from: binding, to: "better-sqlite3-napi9.node" }];
const file = path.join(ROOT, "out", "electron-builder.json");
writeFileSync(file, JSON.stringify(config));

const { code } = await run(
  NODE,
  [toolScript("electron-builder"), "--config", file, "--publish", "never", ...process.argv.slice(2)],
  { inherit: true, cwd: ROOT, env: toolEnvironment({ CSC_IDENTITY_AUTO_DISCOVERY: "false" }) },
);
process.exit(code);
