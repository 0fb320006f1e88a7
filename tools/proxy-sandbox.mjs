import { execFileSync } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { createServer } from "node:net";
import { NODE } from "./run.mjs";

/** Where a distribution keeps the shared libraries that Node is linked with; no folder with programs is among them. */
const LIBRARIES = ["/lib", "/lib64", "/usr/lib", "/usr/lib64"];
/** After the standard streams and the channel to the command that started it. */
export const LISTEN_DESCRIPTOR = 4;

const bind = (flag, file) => [flag, file, file];

/**
 * Arguments for bubblewrap that run Node with `nodeArguments`: it sees its libraries and code, may write `writable`, has a network without
 * any interface, no other process and no capability. What it listens on is a socket of outside, passed to it.
 */
export const sandboxArguments = (nodeArguments, { readable, writable }) => {
  const node = realpathSync(NODE);
  return [
    ..."--unshare-all --die-with-parent --new-session --cap-drop ALL --proc /proc --dev /dev --chdir /".split(" "),
    ...LIBRARIES.filter((folder) => existsSync(folder)).flatMap((folder) => bind("--ro-bind", folder)),
    ...bind("--ro-bind", node),
    ...readable.flatMap((file) => bind("--ro-bind", file)),
    ...writable.flatMap((folder) => bind("--bind", folder)),
    "--",
    node,
    ...nodeArguments,
  ];
};

/** Files that a command line in Node's permission model may read, and folders it may write. */
export const allowedBy = (nodeArguments) => {
  const given = (flag) =>
    nodeArguments
      .filter((argument) => argument.startsWith(`${flag}=`))
      .map((argument) => argument.slice(flag.length + 1));
  const writable = given("--allow-fs-write");
  return { readable: given("--allow-fs-read").filter((file) => !writable.includes(file)), writable };
};

/** A socket that listens at `host:port`; `release` closes it here once a child has it too. */
export const openListener = async (address) => {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(address);
  const host = match?.[1] ?? (match?.[2] || "::");
  const server = createServer();
  await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port: Number(match?.[3] ?? 0) }, resolve);
  });
  return { descriptor: server._handle.fd, port: server.address().port, release: () => server.close() };
};

export const hasBubblewrap = () => {
  try {
    execFileSync("bwrap", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
};
