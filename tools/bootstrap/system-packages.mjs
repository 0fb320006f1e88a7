import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { run } from "../run.mjs";
import { say, stop } from "./say.mjs";

const onPath = (command) =>
  [...(process.env.PATH ?? "").split(path.delimiter), "/usr/sbin", "/sbin"].some((folder) =>
    existsSync(path.join(folder, command)),
  );

let libraries;
const hasLibrary = (name) => {
  libraries ??= execFileSync(existsSync("/sbin/ldconfig") ? "/sbin/ldconfig" : "ldconfig", ["-p"], {
    encoding: "utf8",
  });
  return libraries.includes(`${name} `);
};

/** Debian keeps the server's programs out of the path. */
const hasPostgres = () => {
  const folder = "/usr/lib/postgresql";
  return (
    existsSync(folder) && readdirSync(folder).some((version) => existsSync(path.join(folder, version, "bin", "initdb")))
  );
};

const library = (name, ...debian) => ({ present: () => hasLibrary(name), debian });
const command = (name, ...debian) => ({ present: () => onPath(name), debian });

/** What each purpose needs beyond Node, and the Debian packages that bring it (the `t64` name where a release renamed it). */
const NEEDS = {
  electron: [
    library("libnss3.so", "libnss3"),
    library("libatk-1.0.so.0", "libatk1.0-0", "libatk1.0-0t64"),
    library("libatk-bridge-2.0.so.0", "libatk-bridge2.0-0", "libatk-bridge2.0-0t64"),
    library("libgtk-3.so.0", "libgtk-3-0", "libgtk-3-0t64"),
    library("libgbm.so.1", "libgbm1"),
    library("libasound.so.2", "libasound2", "libasound2t64"),
  ],
  unpack: [command("unzip", "unzip"), command("tar", "tar")],
  compile: [command("python3", "python3"), command("make", "make"), command("g++", "g++")],
  display: [command("Xvfb", "xvfb"), command("xauth", "xauth")],
  keychain: [
    command("gnome-keyring-daemon", "gnome-keyring"),
    command("dbus-run-session", "dbus"),
    library("libsecret-1.so.0", "libsecret-1-0"),
  ],
  image: [command("xz", "xz-utils"), command("dpkg-deb", "dpkg")],
  machine: [command("qemu-system-x86_64", "qemu-system-x86"), command("mkfs.ext4", "e2fsprogs")],
  database: [{ present: hasPostgres, debian: ["postgresql"] }],
  sandbox: [command("bwrap", "bubblewrap")],
  network: [command("ip", "iproute2"), command("tc", "iproute2"), command("tcpdump", "tcpdump")],
};

const installable = async (names) => {
  for (const name of names) {
    const { code, output } = await run("apt-cache", ["show", "--no-all-versions", name]);
    if (code === 0 && /^Filename:/m.test(output)) return name;
  }
  return names[0];
};

/** Names of Debian packages that `purposes` still need; empty on other systems, where nothing can be said. */
const missingPackages = async (purposes, pick) => {
  if (process.platform !== "linux") return [];
  const missing = purposes.flatMap((purpose) => NEEDS[purpose]).filter((need) => !need.present());
  const names = [];
  for (const need of missing) names.push(await pick(need.debian));
  return [...new Set(names)];
};

/**
 * Makes sure the system libraries and commands for `purposes` exist. As root on a Debian family system it installs
 * them itself; otherwise it stops and names the one command to run.
 */
export const ensureSystemPackages = async (purposes) => {
  const first = await missingPackages(purposes, (names) => names[0]);
  if (first.length === 0) return;
  if (!onPath("apt-get"))
    stop(`this system lacks what these Debian packages bring: ${first.join(" ")}. Install them and try again.`);
  const isRoot = process.getuid?.() === 0;
  if (!isRoot) {
    const names = await missingPackages(purposes, installable);
    stop(`system packages are missing. Install them with:\n  sudo apt-get install -y ${names.join(" ")}`);
  }
  say(`installing the system packages this needs (running as root): ${first.join(" ")} …`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const update = await run("apt-get", ["update", "-q"], { env });
  if (update.code !== 0) stop(`apt-get update failed:\n${update.output.trimEnd()}`);
  const names = await missingPackages(purposes, installable);
  const install = await run("apt-get", ["install", "-y", "-q", "--no-install-recommends", ...names], { env });
  if (install.code !== 0) stop(`apt-get install ${names.join(" ")} failed:\n${install.output.trimEnd()}`);
  libraries = undefined;
  const still = await missingPackages(purposes, (candidates) => candidates[0]);
  if (still.length > 0) stop(`after the installation these are still missing: ${still.join(" ")}`);
};
