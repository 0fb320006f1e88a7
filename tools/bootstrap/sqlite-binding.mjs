import { cpSync, existsSync, mkdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { NODE, ROOT, run, toolEnvironment, toolScript } from "../run.mjs";
import { cacheFolder } from "./cache.mjs";
import { say, stop } from "./say.mjs";
import { ensureSystemPackages } from "./system-packages.mjs";

/** First Electron with Node-API 10, for which better-sqlite3 carries ready binaries. */
const FIRST_ELECTRON_WITH_NAPI_10 = 36;
const FLAGS = "-UNAPI_VERSION -DNAPI_EXPERIMENTAL -DNODE_API_EXPERIMENTAL_NOGC_ENV_OPT_OUT";
const require = createRequire(path.join(ROOT, "package.json"));

const headersFolder = () =>
  [path.dirname(path.dirname(process.execPath)), "/usr", "/usr/local"].find((folder) =>
    existsSync(path.join(folder, "include", "node", "node_api.h")),
  );

/**
 * Path of a better-sqlite3 binding that this Electron can load, built once from the package's own source;
 * `undefined` when the binaries in the package do.
 */
export const ensureSqliteBinding = async (electronVersion) => {
  if (Number.parseInt(electronVersion, 10) >= FIRST_ELECTRON_WITH_NAPI_10) return undefined;
  const source = path.dirname(require.resolve("better-sqlite3/package.json"));
  const { name, version } = require("better-sqlite3/package.json");
  const target = path.join(cacheFolder(), `${name}-${version}-napi9-${process.platform}-${process.arch}.node`);
  if (existsSync(target)) return target;
  await ensureSystemPackages(["compile"]);
  say(`building SQLite for Electron ${electronVersion} (once; one to three minutes) …`);
  const work = path.join(cacheFolder(), `build-${process.pid}`);
  try {
    mkdirSync(path.join(work, "node_modules"), { recursive: true });
    const folder = path.join(work, "node_modules", "better-sqlite3");
    cpSync(source, folder, { recursive: true, dereference: true });
    symlinkSync(
      path.dirname(require.resolve("node-addon-api/package.json", { paths: [source] })),
      path.join(work, "node_modules", "node-addon-api"),
    );
    const headers = headersFolder();
    const env = toolEnvironment({ CXXFLAGS: FLAGS, ...(headers ? { npm_config_nodedir: headers } : {}) });
    const { code, output } = await run(
      NODE,
      [toolScript("node-gyp"), "rebuild", "--release", "--force_build=1", ...(headers ? [`--nodedir=${headers}`] : [])],
      { cwd: folder, env },
    );
    if (code !== 0) stop(`building better-sqlite3 failed:\n${output.slice(-4000).trimEnd()}`);
    renameSync(path.join(folder, "build", "Release", "better_sqlite3.node"), target);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return target;
};
