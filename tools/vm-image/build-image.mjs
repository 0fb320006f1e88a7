import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { zstdCompressSync, constants } from "node:zlib";
import { cacheFolder } from "../bootstrap/cache.mjs";
import { ensurePackages } from "../bootstrap/packages.mjs";
import { say, stop } from "../bootstrap/say.mjs";
import { ensureSystemPackages } from "../bootstrap/system-packages.mjs";
import { NODE, ROOT, run } from "../run.mjs";
import { writeCpio } from "./cpio.mjs";

/** Debian packages that the image takes files from; the first stands for the newest kernel. */
const KERNEL = "linux-image-cloud-amd64";
const LIBRARIES = ["libc6", "libstdc++6", "libgcc-s1"];
const DRIVERS = ["virtio_pci", "virtio_blk", "virtio_net"];
/** What the Node binary is linked with. */
const SHARED_OBJECTS = ["libc.so.6", "libdl.so.2", "libgcc_s.so.1", "libm.so.6", "libpthread.so.0", "libstdc++.so.6"];
const LOADER = "ld-linux-x86-64.so.2";
/** The fastest: the kernel takes a second longer to unpack what a build saves five to pack. */
const ZSTD_LEVEL = 1;

const must = async (command, args, options) => {
  const { code, output } = await run(command, args, options);
  if (code !== 0) stop(`${command} ${args.join(" ")} failed:\n${output.trimEnd()}`);
  return output;
};

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const folder = { type: "folder", mode: 0o755 };
const program = (content) => ({ type: "file", mode: 0o755, content });
const data = (content) => ({ type: "file", mode: 0o644, content });

/** The package behind a name that only depends on others. */
const kernelPackage = async () => {
  const output = await must("apt-cache", ["depends", "--important", KERNEL]);
  const name = /Depends: (linux-image-\d\S+)/.exec(output)?.[1];
  return name ?? stop(`no kernel behind ${KERNEL}: run apt-get update`);
};

/** Downloads a package, unless this version of it is in the cache, and unpacks it; nothing is installed. */
const unpackPackage = async (name, into) => {
  const shown = await must("apt-cache", ["show", "--no-all-versions", name]);
  const field = (key) => new RegExp(`^${key}: (\\S+)`, "m").exec(shown)?.[1] ?? stop(`apt does not know ${name}`);
  const [version, expected] = [field("Version"), field("SHA256")];
  const cache = path.join(cacheFolder(), "debian");
  mkdirSync(cache, { recursive: true });
  const file = path.join(cache, `${expected}.deb`);
  if (!existsSync(file)) {
    const download = mkdtempSync(path.join(cache, "download-"));
    await must("apt-get", ["download", "-q", `${name}=${version}`], { cwd: download });
    const [got] = readdirSync(download);
    const content = readFileSync(path.join(download, got));
    if (sha256(content) !== expected) stop(`${name} ${version} is not what the package list says`);
    writeFileSync(file, content);
    rmSync(download, { recursive: true });
  }
  await must("dpkg-deb", ["-x", file, into]);
  return { name, version, sha256: expected };
};

const find = (root, name) => {
  const all = readdirSync(root, { recursive: true, withFileTypes: true });
  const entry = all.find((each) => each.isFile() && (each.name === name || each.name === `${name}.xz`));
  return entry === undefined ? undefined : path.join(entry.parentPath, entry.name);
};

/** Modules with those they depend on, each after these. */
const modulesFor = async (root) => {
  const ordered = new Map();
  const add = async (name) => {
    if (ordered.has(name)) return;
    const file = find(root, `${name}.ko`) ?? find(root, `${name.replaceAll("_", "-")}.ko`);
    if (file === undefined) return;
    const packed = readFileSync(file);
    const content = file.endsWith(".xz") ? await decompress(file) : packed;
    const depends = /\0depends=([^\0]*)\0/.exec(content.toString("latin1"))?.[1] ?? "";
    for (const other of depends.split(",").filter(Boolean)) await add(other);
    ordered.set(name, content);
  };
  for (const name of DRIVERS) await add(name);
  return [...ordered];
};
const decompress = async (file) => {
  const plain = file.slice(0, -".xz".length);
  await must("xz", ["-dkf", file]);
  return readFileSync(plain);
};

const addTree = (entries, from, to, keep = () => true) => {
  entries.set(to, folder);
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [path.join(from, entry.name), `${to}/${entry.name}`];
    if (entry.isDirectory()) addTree(entries, source, target, keep);
    else if (keep(entry.name)) entries.set(target, data(readFileSync(source)));
  }
};

/** The proxy as built by tools/build-proxy.mjs with the one package it needs. */
const addProxy = (entries) => {
  addTree(entries, path.join(ROOT, "out", "proxy"), "app");
  const sqlite = path.join(ROOT, "node_modules", "better-sqlite3");
  for (const name of [
    "app/node_modules",
    "app/node_modules/better-sqlite3",
    "app/node_modules/better-sqlite3/prebuilds",
  ])
    entries.set(name, folder);
  addTree(entries, path.join(sqlite, "lib"), "app/node_modules/better-sqlite3/lib");
  for (const file of ["package.json", "LICENSE", "prebuilds/linux-x64.node"])
    entries.set(`app/node_modules/better-sqlite3/${file}`, data(readFileSync(path.join(sqlite, file))));
};

/**
 * Builds `vmlinuz`, `initramfs` and `manifest.json` into `out`: a machine whose only program is the proxy. The same packages and
 * sources give the same bytes. `addApp` puts another program at app/p2pcollab-proxy.mjs.
 */
export const buildImage = async (out, addApp = addProxy) => {
  if (process.platform !== "linux" || process.arch !== "x64") stop("the image is built on Linux, x86-64.");
  await ensureSystemPackages(["compile", "image"]);
  const work = mkdtempSync(path.join(tmpdir(), "p2pcollab-image-"));
  try {
    const root = path.join(work, "debian");
    mkdirSync(root);
    const packages = [];
    for (const name of [await kernelPackage(), ...LIBRARIES]) packages.push(await unpackPackage(name, root));
    const init = path.join(work, "init");
    const source = path.join(ROOT, "tools", "vm-image", "init.c");
    const strict = ["-static", "-Os", "-Wall", "-Wextra", "-Werror", "-Wl,--build-id=none", "-s"];
    await must("gcc", [...strict, "-o", init, source]);

    const entries = new Map();
    for (const name of ["bin", "data", "dev", "lib", "lib64", "modules", "proc"]) entries.set(name, folder);
    entries.set("dev/console", { type: "device", mode: 0o600, major: 5, minor: 1 });
    entries.set("init", program(readFileSync(init)));
    entries.set("bin/node", program(readFileSync(NODE)));
    for (const name of SHARED_OBJECTS) {
      const file = find(root, name) ?? find(root, versionedName(root, name));
      entries.set(`lib/${name}`, program(readFileSync(file)));
    }
    entries.set(`lib64/${LOADER}`, program(readFileSync(find(root, LOADER))));
    for (const [i, [name, content]] of (await modulesFor(root)).entries())
      entries.set(`modules/${String(i).padStart(2, "0")}-${name}.ko`, data(content));
    addApp(entries);

    const mtime = Number(process.env.SOURCE_DATE_EPOCH ?? 0);
    const compressed = zstdCompressSync(writeCpio(entries, mtime), {
      params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL },
    });
    const kernel = readdirSync(path.join(root, "boot")).find((name) => name.startsWith("vmlinuz-"));
    const files = { vmlinuz: readFileSync(path.join(root, "boot", kernel)), initramfs: compressed };
    const manifest = {
      packages,
      node: process.versions.node,
      files: Object.fromEntries(Object.entries(files).map(([name, content]) => [name, sha256(content)])),
      contents: Object.fromEntries(
        [...entries].flatMap(([name, { content }]) => (content === undefined ? [] : [[name, sha256(content)]])).sort(),
      ),
    };
    mkdirSync(out, { recursive: true });
    for (const [name, content] of Object.entries(files)) writeFileSync(path.join(out, name), content);
    writeFileSync(path.join(out, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
    return manifest;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
};

/** `libstdc++.so.6` is a link to `libstdc++.so.6.0.30`. */
const versionedName = (root, name) =>
  readdirSync(root, { recursive: true, withFileTypes: true }).find(
    (each) => each.isFile() && each.name.startsWith(`${name}.`) && !each.name.endsWith(".py"),
  )?.name ?? stop(`no ${name} in the packages ${LIBRARIES.join(", ")}`);

if (process.argv[1] === import.meta.filename) {
  await ensurePackages();
  await must(NODE, [path.join(ROOT, "tools", "build-proxy.mjs")]);
  const out = path.resolve(process.argv[2] ?? path.join(ROOT, "out", "image"));
  const { files } = await buildImage(out);
  for (const [name, hash] of Object.entries(files)) say(`${path.join(out, name)}  sha256 ${hash}`);
}
