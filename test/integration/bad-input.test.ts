import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, openSync, readdirSync, readFileSync, statSync, writeSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { afterEach, expect, test } from "vitest";
import { createApi } from "../../app/contract/create-api.ts";
import {
  eventually,
  type HeadlessNode,
  removeFolder,
  startHeadless,
  temporaryFolder,
} from "../support/headless-node.ts";
import { joinNotebook } from "../support/node-pair.ts";
import { openProfileDatabase } from "../support/profile-database.ts";

const nodes: HeadlessNode[] = [];
const folders: string[] = [];
const cleanups: (() => void)[] = [];

const folder = (label: string): string => {
  const made = temporaryFolder(label);
  folders.push(made);
  return made;
};
const start = async (dataDirectory: string, args?: readonly string[]): Promise<HeadlessNode> => {
  const node = await startHeadless(dataDirectory, args === undefined ? {} : { args });
  nodes.push(node);
  return node;
};

afterEach(async () => {
  for (const node of nodes.splice(0)) await node.stop();
  for (const cleanup of cleanups.splice(0)) cleanup();
  for (const made of folders.splice(0)) removeFolder(made);
});

/** Runs a second command to its end and gives the error it printed. */
const failing = (args: readonly string[]): { readonly status: number | null; readonly type: string } => {
  const { status, stderr } = spawnSync(process.execPath, [path.resolve("main/headless.ts"), ...args], {
    encoding: "utf8",
    timeout: 60_000,
  });
  const line = stderr.split("\n").find((text) => text.startsWith("{")) ?? "{}";
  return { status, type: (JSON.parse(line) as { type?: string }).type ?? stderr };
};

const noteIn = async (node: HeadlessNode) => {
  await node.call("identity.create", { name: "Ann" });
  const notebook = (await node.call("notebooks.create", { title: "Book" })).id;
  const document = (await node.call("documents.create", { notebook, title: "Note", markdown: "kept text" })).id;
  return { notebook, document };
};

test("a second node on the same folder says so and the first goes on", async () => {
  const node = await start(folder("second"));
  expect(failing(["node", "--data-dir", node.dataDirectory, "--no-mdns"])).toEqual({
    status: 1,
    type: "DataDirectoryInUse",
  });
  expect(await node.call("notebooks.list")).toEqual([]);
});

test("a taken port is an error with its name", async () => {
  const node = await start(folder("port"));
  const other = folder("port-other");
  expect(failing(["node", "--data-dir", other, "--no-mdns", "--listen", node.address])).toEqual({
    status: 1,
    type: "PortInUse",
  });
});

test("unknown operations, wrong inputs and no node are errors on standard error with status 1", async () => {
  const node = await start(folder("ctl"));
  const ctl = (...args: readonly string[]) => failing(["ctl", "--data-dir", node.dataDirectory, ...args]);
  expect(ctl("no.such").type).toBe("UnknownOperation");
  expect(ctl("notebooks.create", "{").type).toBe("InvalidInput");
  expect(ctl("notebooks.create", '{"title":7}').type).toBe("InvalidInput");
  expect(ctl("notebooks.create", '{"title":"a","extra":1}').type).toBe("InvalidInput");
  expect(ctl("notebooks.create", '{"title":"a"}').type).toBe("NoIdentity");
  expect(failing(["ctl", "--data-dir", folder("empty"), "app.info"])).toEqual({ status: 1, type: "NoNode" });
});

test("a wrong invite is refused by name and changes nothing", async () => {
  const node = await start(folder("invite"));
  await noteIn(node);
  for (const link of ["p2pc:j/", "p2pc:j/AAAA", "https://example.org", "p2pc:j/hQEAQFBQUFA"])
    await expect(node.call("invites.join", { link })).rejects.toThrow("BadInvite");
  expect(await node.call("invites.pending")).toEqual([]);
});

test("changes that are garbage, bombs or out of order are refused and the note stays", async () => {
  const node = await start(folder("change"));
  const { document } = await noteIn(node);
  const vectors = JSON.parse(readFileSync("test/vectors/data/data/data-vectors.json", "utf8")) as {
    readonly automerge: Readonly<Record<string, string | readonly string[]>>;
  };
  const lease = await new Promise<string>((resolve) => {
    node.client.subscribe("documents.open", { document }, (message) => {
      const event = message as { readonly ok: true; readonly value: { readonly type: string; readonly lease: string } };
      if (event.value.type === "opened") resolve(event.value.lease);
    });
  });
  const hostile = Object.entries(vectors.automerge)
    .filter((entry): entry is [string, string] => typeof entry[1] === "string" && entry[1].startsWith("856f4a83"))
    .map(([, hex]) => new Uint8Array(Buffer.from(hex, "hex")));
  expect(hostile.length).toBeGreaterThan(3);
  for (const change of [...hostile, new Uint8Array(randomBytes(200)), new Uint8Array(0)])
    await expect(node.call("documents.apply", { lease, changes: [change] })).rejects.toThrow("BadChange");
  expect((await node.call("documents.read", { document })).text).toContain("kept text");
  await node.call("documents.edit", { document, appendMarkdown: "and more" });
});

test("garbage, cut-off and half-open connections leave the node running", async () => {
  const node = await start(folder("frames"));
  const { document } = await noteIn(node);
  const [host, port] = node.address.split(":") as [string, string];
  for (const bytes of [
    randomBytes(5_000),
    Buffer.alloc(70_000, 0xff),
    Buffer.from("GET / HTTP/1.1\r\n\r\n"),
    Buffer.from([0, 9, 1]),
  ])
    await new Promise<void>((resolve) => {
      const socket = net.connect(Number(port), host, () => {
        socket.write(bytes, () => setTimeout(() => socket.destroy(), 50));
      });
      socket.on("error", () => undefined);
      socket.on("close", () => resolve());
    });
  const silent = Array.from({ length: 40 }, () => net.connect(Number(port), host).on("error", () => undefined));
  cleanups.push(() => {
    for (const socket of silent) socket.destroy();
  });
  expect((await node.call("documents.read", { document })).text).toContain("kept text");
});

test("a damaged database is kept aside, named, and the node goes on with its identity", async () => {
  const dataDirectory = folder("damage");
  const first = await start(dataDirectory);
  await noteIn(first);
  const { id } = await first.call("identity.show");
  await first.stop();
  const file = path.join(dataDirectory, "profile.db");
  const before = readFileSync(file);
  const descriptor = openSync(file, "r+");
  writeSync(descriptor, randomBytes(64), 0, 64, 0);
  const second = await start(dataDirectory);
  expect(second.stderr()).toContain("CorruptDatabase");
  const kept = readdirSync(dataDirectory).find((name) => name.startsWith("profile.db.damaged-"));
  expect(
    readFileSync(path.join(dataDirectory, kept as string))
      .subarray(64)
      .equals(before.subarray(64)),
  ).toBe(true);
  expect((await second.call("identity.show")).id).toBe(id);
  await second.call("notebooks.create", { title: "New" });
});

test("damage deeper in the file is found soon after the start and treated alike", async () => {
  const dataDirectory = folder("deep-damage");
  const first = await start(dataDirectory);
  const { notebook } = await noteIn(first);
  for (let i = 0; i < 20; i++)
    await first.call("documents.create", { notebook, title: `Note ${i}`, markdown: "word ".repeat(2_000) });
  await first.stop();
  const file = path.join(dataDirectory, "profile.db");
  const descriptor = openSync(file, "r+");
  const page = 4_096;
  writeSync(descriptor, randomBytes(page), 0, page, Math.floor(statSync(file).size / page - 2) * page);
  closeSync(descriptor);
  const second = await start(dataDirectory);
  expect(await second.call("notebooks.list")).toHaveLength(1);
  const problems: string[] = [];
  createApi(second.client).subscribe("events", undefined, (message) => {
    if (message.ok && message.value.type === "problem") problems.push(message.value.error.type);
  });
  await eventually(async () => problems.includes("CorruptDatabase"), "the damage named");
  expect(readdirSync(dataDirectory).some((name) => name.startsWith("profile.db.damaged-"))).toBe(true);
  expect(await second.call("notebooks.list")).toEqual([]);
  await second.call("notebooks.create", { title: "New" });
});

test("items forged by a member are refused and the members stay in sync", async () => {
  const [ann, bob] = [await start(folder("forge-ann")), await start(folder("forge-bob"))];
  const { notebook, document } = await noteIn(ann);
  await bob.call("identity.create", { name: "Bob" });
  await joinNotebook(ann, bob, notebook);
  await eventually(
    async () => (await bob.call("sync.status")).notebooks[0]?.documents.some(({ id }) => id === document),
    "the note at Bob",
  );
  // Bob's disk rots: one stored item is altered, then offered to a third device in reconciliation.
  await bob.stop();
  const disk = await openProfileDatabase(bob.dataDirectory);
  const row = disk.prepare("SELECT n, wire FROM entry ORDER BY n DESC LIMIT 1").get() as { n: number; wire: Buffer };
  row.wire.writeUInt8(row.wire.readUInt8(row.wire.length - 40) ^ 1, row.wire.length - 40);
  disk.prepare("UPDATE entry SET wire = ? WHERE n = ?").run(row.wire, row.n);
  disk.close();
  const again = await start(bob.dataDirectory);
  const carol = await start(folder("forge-carol"));
  await carol.call("identity.create", { name: "Carol" });
  const { link } = await ann.call("invites.create", { notebook, mode: "auto" });
  await carol.call("peers.connect", { address: again.address });
  await carol.call("invites.join", { link });
  await again.call("peers.connect", { address: ann.address });
  await eventually(
    async () => {
      const { notebooks } = await carol.call("sync.status");
      const heads = (await ann.call("sync.status")).notebooks[0]?.documents.find(({ id }) => id === document)?.heads;
      const mine = notebooks[0]?.documents.find(({ id }) => id === document)?.heads;
      return mine !== undefined && mine.join() === heads?.join() && notebooks[0]?.pending === 0;
    },
    "Carol in sync with Ann although Bob offers a forged item",
    60_000,
  );
});
