import { spawn } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { ensureBuilt } from "./bootstrap/build.mjs";
import { ensureElectron, runtimeNotice } from "./bootstrap/electron-runtime.mjs";
import { ensurePackages } from "./bootstrap/packages.mjs";
import { say, stop } from "./bootstrap/say.mjs";
import { ensureSqliteBinding } from "./bootstrap/sqlite-binding.mjs";
import { ensureSystemPackages } from "./bootstrap/system-packages.mjs";
import { NODE, ROOT, toolScript } from "./run.mjs";

const isDevelopment = process.argv[2] === "--dev";
const args = process.argv.slice(isDevelopment ? 3 : 2);

if (process.platform === "linux" && !process.env.DISPLAY && !process.env.WAYLAND_DISPLAY)
  stop(
    "there is no display here (neither DISPLAY nor WAYLAND_DISPLAY is set), so no window can open.\n" +
      "To run a node without a window: npm run node -- --data-dir FOLDER",
  );

const readFlag = (file) => (existsSync(file) ? readFileSync(file, "utf8").trim() : undefined);

/** Chromium's sandbox needs unprivileged user namespaces or its setuid helper; some distributions forbid the former. */
const requireSandbox = (dist) => {
  const forbidden =
    readFlag("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") === "1" ||
    readFlag("/proc/sys/kernel/unprivileged_userns_clone") === "0";
  if (!forbidden) return;
  const helper = path.join(dist, "chrome-sandbox");
  const status = existsSync(helper) ? statSync(helper) : undefined;
  if (status?.uid === 0 && (status.mode & 0o4000) !== 0) return;
  stop(
    "this system does not let programs make their own sandbox. Allow it for this Electron with:\n" +
      `  sudo chown root:root '${helper}' && sudo chmod 4755 '${helper}'`,
  );
};

await ensurePackages();
await ensureSystemPackages(["electron"]);
const electron = await ensureElectron();
const binding = await ensureSqliteBinding(electron.version);
if (!isDevelopment) await ensureBuilt();

const notice = runtimeNotice(electron);
if (notice) say(notice);
const flags = [];
if (process.platform === "linux") {
  if (process.getuid() === 0) {
    say("running as root: Chromium's sandbox cannot work, adding --no-sandbox. Prefer an ordinary user.");
    flags.push("--no-sandbox");
  } else requireSandbox(electron.dist);
}
const env = { ...process.env, ...(binding ? { P2PCOLLAB_SQLITE_BINDING: binding } : {}) };
delete env.ELECTRON_RUN_AS_NODE;
/** electron-vite rebuilds and reloads on every change; it starts the Electron named by ELECTRON_EXEC_PATH. */
const development = [
  toolScript("electron-vite"),
  "dev",
  "--watch",
  "--config",
  "main/electron.vite.config.ts",
  ...(flags.length > 0 ? ["--noSandbox"] : []),
  "--",
  ...args,
];
const child = isDevelopment
  ? spawn(NODE, development, { stdio: "inherit", cwd: ROOT, env: { ...env, ELECTRON_EXEC_PATH: electron.executable } })
  : spawn(electron.executable, [...flags, ROOT, ...args], { stdio: "inherit", env });
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
child.on("error", (error) => stop(`Electron did not start: ${error.message}`));
child.on("close", (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
