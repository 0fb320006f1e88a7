import Database from "better-sqlite3";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, ftruncateSync, openSync, readFileSync } from "node:fs";
import { connect as connectTo, createServer } from "node:net";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildImage } from "../../tools/vm-image/build-image.mjs";
import { filled } from "../support/data-fixtures.ts";
import { removeFolder, temporaryFolder } from "../support/headless-node.ts";
import { connectToProxy } from "../support/proxy-connection.ts";
import { readLink } from "../support/proxy-process.ts";
import { sealed, topicKey } from "../support/proxy-world.ts";

const ROOT = path.resolve(import.meta.dirname, "..", "..");
/** A machine emulated instruction by instruction, on a computer that runs other tests. */
const BOOT_TIMEOUT_MS = 150_000;
const DISK_BYTES = 33_554_432;

const folder = temporaryFolder("vm-image");
const image = path.join(folder, "image");
const cleanUp: (() => unknown)[] = [];
beforeAll(async () => {
  execFileSync(process.execPath, [path.join(ROOT, "tools", "build-proxy.mjs")]);
  await buildImage(image);
}, 200_000);
afterAll(async () => {
  for (const clean of cleanUp.splice(0).toReversed()) await clean();
  removeFolder(folder);
});

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
};

const makeDisk = (): string => {
  const disk = path.join(folder, "disk.img");
  const descriptor = openSync(disk, "w");
  ftruncateSync(descriptor, DISK_BYTES);
  closeSync(descriptor);
  execFileSync("mkfs.ext4", ["-q", "-F", disk]);
  return disk;
};

const boot = async (disk: string, port: number) => {
  const monitor = path.join(folder, "monitor");
  const told = [
    "ip=10.0.2.15/24",
    "gateway=10.0.2.2",
    ...["--listen", "0.0.0.0:4711", "--announce", `127.0.0.1:${port}`, "--json"].map((argument) => `arg=${argument}`),
  ];
  const command = [
    "-accel tcg -cpu max -m 512 -nodefaults -no-user-config -display none -no-reboot",
    `-serial stdio -monitor unix:${monitor},server=on,wait=off`,
    `-kernel ${path.join(image, "vmlinuz")} -initrd ${path.join(image, "initramfs")}`,
    // Nothing but the one port: the machine can call nobody.
    `-netdev user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:${port}-:4711 -device virtio-net-pci,netdev=net,romfile=`,
    `-drive file=${disk},if=virtio,format=raw`,
  ].flatMap((words) => words.split(" "));
  const kernel = `console=ttyS0 quiet panic=-1 ${told.map((each) => `p2pcollab.${each}`).join(" ")}`;
  const machine: ChildProcess = spawn("qemu-system-x86_64", [...command, "-append", kernel], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  cleanUp.push(() => machine.kill("SIGKILL"));
  let output = "";
  const ready = await new Promise<{ readonly link: string; readonly pid: number }>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`the machine did not come up: ${output}`)), BOOT_TIMEOUT_MS);
    const read = (chunk: Buffer): void => {
      output += chunk.toString();
      const line = /^\{"ready".*\}\r?$/m.exec(output)?.[0];
      if (line === undefined) return;
      clearTimeout(timer);
      resolve(JSON.parse(line) as { readonly link: string; readonly pid: number });
    };
    machine.stdout?.on("data", read);
    machine.stderr?.on("data", read);
    machine.once("exit", () => reject(new Error(`the machine ended: ${output}`)));
  });
  return {
    ...ready,
    pressCtrlAltDel: async (): Promise<number | null> => {
      const ended = once(machine, "exit");
      connectTo(monitor).end("sendkey ctrl-alt-delete\n");
      const [code] = (await ended) as [number | null];
      return code;
    },
  };
};

interface Manifest {
  readonly files: Readonly<Record<string, string>>;
  readonly contents: Readonly<Record<string, string>>;
}
const manifestOf = (at: string): Manifest =>
  JSON.parse(readFileSync(path.join(at, "manifest.json"), "utf8")) as Manifest;

describe("the machine image", () => {
  test("two builds are the same, byte for byte", async () => {
    const again = path.join(folder, "again");
    await buildImage(again);
    for (const name of ["vmlinuz", "initramfs", "manifest.json"])
      expect(readFileSync(path.join(again, name)).equals(readFileSync(path.join(image, name))), name).toBe(true);
  });

  test("nothing in it can be run but the loader of the proxy and Node", () => {
    const names = Object.keys(manifestOf(image).contents);
    const programs = names.filter((name) => !/^(app|modules)\//.test(name));
    expect(programs.filter((name) => !/\.so\.\d+$/.test(name))).toEqual(["bin/node", "init"]);
    expect(names.filter((name) => name.startsWith("modules/"))).toHaveLength(
      names.filter((name) => /^modules\/\d\d-(virtio|failover|net_failover)\w*\.ko$/.test(name)).length,
    );
  });

  test("it boots to a proxy that is process 1, stores what comes, and ends in order", async () => {
    const disk = makeDisk();
    const machine = await boot(disk, await freePort());
    expect(machine.pid).toBe(1);
    const { staticPk, addresses, code } = readLink(machine.link);
    const session = await connectToProxy(addresses[0] ?? "", staticPk, filled(61, 32));
    cleanUp.push(session.close);
    const { ask } = session;
    const key = topicKey(1);
    const item = sealed(key, 1);
    expect(await ask({ type: "hello", version: 1, features: 0 })).toMatchObject({ type: "welcome" });
    await ask({ type: "redeem", request: 1, code: code ?? filled(0, 16) });
    const subscription = {
      topic: key.publicKey,
      after: 0,
      live: false,
      pin: true,
      checkpointFirst: false,
      relay: false,
    };
    await ask({ type: "subscribe", request: 2, topics: [subscription] });
    expect(await ask({ type: "push", request: 3, wires: [item.wire] })).toMatchObject({ results: [{ status: 0 }] });
    expect(await machine.pressCtrlAltDel()).toBe(0);

    // Replays the journal, as the next start would.
    execFileSync("e2fsck", ["-p", disk], { stdio: "pipe" });
    const files = execFileSync("debugfs", ["-R", "ls -p /p2pcollab", disk], { encoding: "utf8", stdio: "pipe" });
    expect(files).toContain("proxy.db");
    expect(files, "the mark of a proxy that did not end").not.toContain("/running/");
    const copy = path.join(folder, "proxy.db");
    execFileSync("debugfs", ["-R", `dump /p2pcollab/proxy.db ${copy}`, disk], { stdio: "pipe" });
    const database = new Database(copy, { readonly: true });
    cleanUp.push(() => database.close());
    expect(database.prepare("SELECT wire FROM item").all()).toEqual([{ wire: Buffer.from(item.wire) }]);
  }, 200_000);
});
