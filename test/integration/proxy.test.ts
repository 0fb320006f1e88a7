import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, realpathSync } from "node:fs";
import path from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { proxyArguments } from "../../tools/proxy-arguments.mjs";
import { filled } from "../support/data-fixtures.ts";
import {
  eventually,
  type HeadlessNode,
  removeFolder,
  startHeadless,
  temporaryFolder,
} from "../support/headless-node.ts";
import { joinNotebook, startNode } from "../support/node-pair.ts";
import { connectToProxy } from "../support/proxy-connection.ts";
import { portOf, type ProxyProcess, readLink, startProxy } from "../support/proxy-process.ts";
import { sealed, topicKey } from "../support/proxy-world.ts";

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
const startAt = async (folder: string, port = 0): Promise<ProxyProcess> => {
  const proxy = await startProxy(folder, port);
  cleanUp.push(proxy.stop);
  return proxy;
};

const connect = async (proxy: ProxyProcess, staticPk: Uint8Array, account: Uint8Array) => {
  const { ask, close } = await connectToProxy(proxy.address, staticPk, account);
  cleanUp.push(close);
  return ask;
};

const filesOf = (folder: string): readonly string[] => readdirSync(folder).toSorted();

describe("the process", () => {
  const key = topicKey(1);
  const subscription = { topic: key.publicKey, after: 0, live: false, pin: true, checkpointFirst: false, relay: false };

  test("kill -9 at any moment loses nothing acknowledged; then the incarnation is another one", async () => {
    const folder = folderFor("proxy");
    let proxy = await startAt(folder);
    const { staticPk, code } = readLink(proxy.link);
    const acknowledged = new Map<string, Uint8Array>();
    const incarnations: string[] = [];
    for (let round = 0; round < 3; round++) {
      const ask = await connect(proxy, staticPk, filled(61, 32));
      const welcome = await ask({ type: "hello", version: 1, features: 0 });
      if (welcome?.type !== "welcome") throw new Error("no welcome");
      incarnations.push(bytesToHex(welcome.incarnation));
      if (round === 0) await ask({ type: "redeem", request: 1, code: code ?? filled(0, 16) });
      await ask({ type: "subscribe", request: 2, topics: [subscription] });
      for (const oid of acknowledged.values()) {
        const found = await ask({ type: "get", request: 3, topic: key.publicKey, oids: [oid] });
        expect(found).toMatchObject({ type: "items", items: [{}] });
      }
      let isKilled: Promise<void> | undefined;
      for (let n = 0; n < 60; n++) {
        const items = [sealed(key, 1000 * round + 2 * n), sealed(key, 1000 * round + 2 * n + 1)];
        if (n === 20 + 7 * round) isKilled = proxy.kill();
        const answer = await ask({ type: "push", request: 10 + n, wires: items.map(({ wire }) => wire) });
        if (answer?.type !== "pushed") break;
        for (const { oid, status } of answer.results) if (status === 0) acknowledged.set(bytesToHex(oid), oid);
      }
      await isKilled;
      expect(acknowledged.size).toBeGreaterThan(30 * (round + 1));
      proxy = await startAt(folder, portOf(proxy));
      expect(proxy.link).toBeNull();
    }
    expect(new Set(incarnations).size).toBe(3);
    const ask = await connect(proxy, staticPk, filled(61, 32));
    await ask({ type: "hello", version: 1, features: 0 });
    const [oids, after] = [new Set<string>(), { position: 0 }];
    for (const oid of acknowledged.values()) {
      const found = await ask({ type: "get", request: 3, topic: key.publicKey, oids: [oid] });
      if (found?.type === "items" && found.items[0] !== undefined) {
        oids.add(bytesToHex(oid));
        expect(found.items[0].position).toBeGreaterThan(after.position);
        after.position = found.items[0].position;
      }
    }
    expect(oids.size).toBe(acknowledged.size);
  });

  test("stopped in order it keeps its incarnation; a second one on the same folder is refused", async () => {
    const folder = folderFor("proxy");
    const first = await startAt(folder);
    const { staticPk } = readLink(first.link);
    await expect(startProxy(folder)).rejects.toThrow("DataDirectoryInUse");
    const incarnationOf = async (proxy: ProxyProcess) => {
      const welcome = await (
        await connect(proxy, staticPk, filled(61, 32))
      )({ type: "hello", version: 1, features: 0 });
      return welcome?.type === "welcome" ? bytesToHex(welcome.incarnation) : undefined;
    };
    const before = await incarnationOf(first);
    await first.stop();
    expect(await incarnationOf(await startAt(folder, portOf(first)))).toBe(before);
  });

  test("built into one file it runs beside nothing but SQLite, and idles below 80 MB", async () => {
    execFileSync(process.execPath, [path.join(ROOT, "tools", "build-proxy.mjs")]);
    const bundle = path.join(ROOT, "out", "proxy", "p2pcollab-proxy.mjs");
    const packages = path.join(ROOT, "node_modules");
    const folder = folderFor("proxy");
    const readable = [bundle, packages, realpathSync(packages), path.join(ROOT, "package.json"), folder];
    const proxy = await startProxy(
      folder,
      0,
      [],
      [
        "--permission",
        "--allow-addons",
        ...readable.map((file) => `--allow-fs-read=${file}`),
        `--allow-fs-write=${folder}`,
        bundle,
      ],
    );
    cleanUp.push(proxy.stop);
    const { staticPk } = readLink(proxy.link);
    const ask = await connect(proxy, staticPk, filled(61, 32));
    expect(await ask({ type: "hello", version: 1, features: 0 })).toMatchObject({ type: "welcome" });
    if (process.platform === "linux") {
      const resident = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${proxy.child.pid}/status`, "utf8"))?.[1];
      expect(Number(resident) / 1_024).toBeLessThan(80);
    }
  });

  test("I26 it reads and writes its folder and its code, nothing else, and starts no process", () => {
    const folder = folderFor("proxy");
    const flags = (proxyArguments(["node", "--proxy", "--data-dir", folder]) ?? []).slice(0, -1);
    const attempt = (code: string): string => {
      const script = `try { ${code}; console.log("done"); } catch (cause) { console.log(cause.code); }`;
      return execFileSync(process.execPath, [...flags, "--input-type=module", "-e", script], {
        encoding: "utf8",
      }).trim();
    };
    const profile = path.join(folderFor("profile"), "vault.json");
    expect(attempt('process.getBuiltinModule("fs").readFileSync("/etc/passwd")')).toBe("ERR_ACCESS_DENIED");
    expect(attempt(`process.getBuiltinModule("fs").writeFileSync(${JSON.stringify(profile)}, "x")`)).toBe(
      "ERR_ACCESS_DENIED",
    );
    expect(attempt('process.getBuiltinModule("child_process").execFileSync("true")')).toBe("ERR_ACCESS_DENIED");
    const own = JSON.stringify(path.join(folder, "x"));
    expect(attempt(`process.getBuiltinModule("fs").writeFileSync(${own}, "x")`)).toBe("done");
  });
});

test("A edits and quits; B starts later and has it; the proxy was killed in between and knows nothing", async () => {
  const folder = folderFor("proxy");
  const proxy = await startAt(folder);
  const [alice, bob] = await Promise.all([startNode("alice", "Alice Pfefferkorn"), startNode("bob", "Bob")]);
  let running: HeadlessNode[] = [alice, bob];
  cleanUp.push(async () => {
    for (const node of running) await node.stop();
    for (const { dataDirectory } of [alice, bob]) removeFolder(dataDirectory);
  });
  await alice.call("proxies.add", { link: proxy.link ?? "" });
  await bob.call("proxies.add", { link: await proxy.mint() });
  const notebook = await alice.call("notebooks.create", { title: "Zwetschgenkuchen" });
  await joinNotebook(alice, bob, notebook.id);
  await bob.stop();
  running = [alice];
  const note = await alice.call("documents.create", {
    notebook: notebook.id,
    title: "Rezept",
    markdown: "Ein Kilo Zwetschgen und Streusel aus Haselnussmehl.",
  });
  await eventually(async () => {
    const { notebooks } = await alice.call("sync.status");
    const status = notebooks.find(({ id }) => id === notebook.id);
    return status?.undelivered === 0 && status.safe.on === 1;
  }, "the proxy's acknowledgements");
  const { device } = await alice.call("identity.show");
  await alice.stop();
  running = [];
  await proxy.kill();

  const again = await startAt(folder, portOf(proxy));
  const reader = await startHeadless(bob.dataDirectory);
  running = [reader];
  const text = await eventually(async () => {
    try {
      return (await reader.call("documents.read", { document: note.id })).text;
    } catch {
      return undefined;
    }
  }, "the note at the reader");
  expect(text).toContain("Haselnussmehl");
  await again.stop();

  expect(filesOf(folder)).toEqual(["core.db", "key.db", "proxy.db", "service.json"]);
  const kept = Buffer.concat(filesOf(folder).map((name) => readFileSync(path.join(folder, name))));
  const canaries = ["Zwetschgen", "Haselnussmehl", "Streusel", "Rezept", "Pfefferkorn", notebook.id, note.id, device];
  const raw = [notebook.id, note.id, device].map((hex) => Buffer.from(hex, "hex"));
  for (const canary of [...canaries, ...raw]) expect(kept.includes(canary), `I27 ${String(canary)}`).toBe(false);
  expect(kept.length).toBeGreaterThan(50_000);
}, 90_000);
