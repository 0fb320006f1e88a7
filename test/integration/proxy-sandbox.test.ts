import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { promisify } from "node:util";
import { afterEach, describe, expect, test } from "vitest";
import { proxyArguments } from "../../tools/proxy-arguments.mjs";
import { allowedBy, sandboxArguments } from "../../tools/proxy-sandbox.mjs";
import { filled } from "../support/data-fixtures.ts";
import { removeFolder, temporaryFolder } from "../support/headless-node.ts";
import { connectToProxy } from "../support/proxy-connection.ts";
import { readLink } from "../support/proxy-process.ts";

const ROOT = path.resolve(import.meta.dirname, "..", "..");
const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanUp.splice(0).toReversed()) await clean();
});
const folderFor = (label: string): string => {
  const folder = temporaryFolder(label);
  cleanUp.push(() => removeFolder(folder));
  return folder;
};
const freeAddress = async (): Promise<string> => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return `127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
};
/** Something of this computer that the proxy has no business with. */
const startNeighbour = async () => {
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    socket.end("hello");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanUp.push(() => server.close());
  const address = server.address();
  return { port: typeof address === "object" && address !== null ? address.port : 0, connections: () => connections };
};

/** What injected code would try; each attempt answers with the code of its failure, or with what it got. */
const PROBE = `
  const attempt = async (work) => { try { return await work(); } catch (cause) { return cause.code ?? cause.message; } };
  const fs = await import("node:fs"), net = await import("node:net"), { spawnSync } = await import("node:child_process");
  const dial = (host, port) => new Promise((resolve, reject) => {
    net.connect({ host, port }).once("data", () => resolve("connected")).once("error", reject);
  });
  const { data, secret, port } = JSON.parse(process.env.PROBE);
  console.log(JSON.stringify({
    own: await attempt(() => { fs.writeFileSync(data + "/mine", "x"); return "written"; }),
    readSecret: await attempt(() => fs.readFileSync(secret, "utf8")),
    readSystem: await attempt(() => fs.readFileSync("/etc/passwd", "utf8")),
    writeSystem: await attempt(() => fs.writeFileSync("/usr/lib/p2pcollab-probe", "x")),
    spawnShell: await attempt(() => spawnSync("/bin/sh", ["-c", "echo ran"]).error?.code ?? "ran"),
    dialHere: await attempt(() => dial("127.0.0.1", port)),
    dialOut: await attempt(() => dial("192.0.2.1", 443)),
    resolve: await attempt(async () => (await import("node:dns/promises")).lookup("example.org")),
    others: await attempt(() => fs.readdirSync("/proc").filter((name) => /^\\\\d+$/.test(name)).length),
  }));
`.replaceAll("\\\\d", "\\d");

const probe = async (
  command: string,
  args: readonly string[],
  environment: object,
): Promise<Record<string, unknown>> => {
  const env = { ...process.env, PROBE: JSON.stringify(environment) };
  const { stdout } = await promisify(execFile)(command, [...args], { env });
  return JSON.parse(stdout) as Record<string, unknown>;
};

describe("bubblewrap", () => {
  test("the proxy serves from inside it and ends in order", async () => {
    const folder = folderFor("sandbox");
    const address = await freeAddress();
    const flags = ["--sandbox", "--data-dir", folder, "--listen", address, "--announce", address, "--json"];
    const command = spawn(process.execPath, [path.join(ROOT, "tools", "p2pcollab.mjs"), "node", "--proxy", ...flags], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    cleanUp.push(() => command.kill("SIGKILL"));
    const [line] = (await once(command.stdout, "data")) as [Buffer];
    const { link } = JSON.parse(line.toString()) as { readonly link: string };
    const session = await connectToProxy(address, readLink(link).staticPk, filled(61, 32));
    cleanUp.push(session.close);
    expect(await session.ask({ type: "hello", version: 1, features: 0 })).toMatchObject({ type: "welcome" });
    expect(existsSync(path.join(folder, "running"))).toBe(true);
    command.kill("SIGTERM");
    await once(command, "exit");
    expect(existsSync(path.join(folder, "running")), "the mark of a proxy that did not end").toBe(false);
  });

  test("injected code reads nothing else, starts nothing and reaches nobody, also without Node's permission model", async () => {
    const folder = folderFor("sandbox");
    const outside = folderFor("secret");
    const secret = path.join(outside, "secret.txt");
    writeFileSync(secret, "secret");
    const neighbour = await startNeighbour();
    const environment = { data: folder, secret, port: neighbour.port };
    const script = ["--input-type=module", "--eval", PROBE];
    const free = await probe(process.execPath, script, environment);
    expect(free, "without any confinement the attempts succeed").toMatchObject({
      readSecret: "secret",
      spawnShell: "ran",
      dialHere: "connected",
    });
    const flags = (proxyArguments(["node", "--proxy", "--data-dir", folder]) ?? []).slice(0, -1);
    const wrapped = await probe("bwrap", sandboxArguments(script, allowedBy(flags)), environment);
    expect(wrapped).toMatchObject({
      own: "written",
      readSecret: "ENOENT",
      readSystem: "ENOENT",
      spawnShell: "ENOENT",
      dialHere: "ECONNREFUSED",
      dialOut: "ENETUNREACH",
      resolve: "EAI_AGAIN",
      others: 2,
    });
    expect(wrapped["writeSystem"]).toMatch(/^E(ROFS|ACCES|PERM)$/);
    const both = await probe("bwrap", sandboxArguments([...flags, ...script], allowedBy(flags)), environment);
    expect(both).toMatchObject({
      own: "written",
      readSecret: "ERR_ACCESS_DENIED",
      readSystem: "ERR_ACCESS_DENIED",
      writeSystem: "ERR_ACCESS_DENIED",
      spawnShell: "ERR_ACCESS_DENIED",
      dialHere: "ECONNREFUSED",
      dialOut: "ENETUNREACH",
    });
    expect(neighbour.connections()).toBe(1);
  });
});
