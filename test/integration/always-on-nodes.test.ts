import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { afterEach, expect, test } from "vitest";
import type { CallName } from "../../app/contract/contract.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import {
  eventually,
  type HeadlessNode,
  removeFolder,
  startHeadless,
  temporaryFolder,
} from "../support/headless-node.ts";
import { portOf, type ProxyProcess, readLink, startProxy } from "../support/proxy-process.ts";

const ALLOWED = { timeout: 120_000 };
const cleanUp: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const work of cleanUp.splice(0).toReversed()) await work();
});

const newFolder = (label: string): string => {
  const folder = temporaryFolder(label);
  cleanUp.push(() => removeFolder(folder));
  return folder;
};
const proxyIn = async (folder: string, port = 0): Promise<ProxyProcess> => {
  const proxy = await startProxy(folder, port);
  cleanUp.push(proxy.kill);
  return proxy;
};
/** A node that nobody finds on the network: only its always-on nodes connect it. */
const nodeIn = async (folder: string): Promise<HeadlessNode> => {
  const node = await startHeadless(folder);
  cleanUp.push(node.kill);
  return node;
};
const newPerson = async (name: string): Promise<HeadlessNode> => {
  const node = await nodeIn(newFolder(name.toLowerCase()));
  await node.call("identity.create", { name });
  return node;
};

/** What a call answers once it stops failing: a note that has not come yet is an error of its own. */
const whenItWorks = <T>(work: () => Promise<T>, what: string): Promise<T> =>
  eventually(async () => {
    try {
      return await work();
    } catch {
      return undefined;
    }
  }, what);

const isSafe = (node: HeadlessNode, on: number, of: number) =>
  eventually(async () => {
    const { safe } = await node.call("sync.summary");
    return safe.on === on && safe.of === of;
  }, `safe on ${on} of ${of}`);

/** Everything there was is exchanged with every always-on node. */
const hasSettled = (node: HeadlessNode) =>
  eventually(async () => {
    const used = await node.call("proxies.list");
    return used.length > 0 && used.every(({ state, waiting }) => state === "synced" && waiting === 0);
  }, "the always-on nodes up to date");

const failureOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "no failure",
    (cause: unknown) => String(cause),
  );

test("somebody joins by a link and reads, and the two were never online together", ALLOWED, async () => {
  const proxy = await proxyIn(newFolder("proxy"));
  const [ada, ben] = [await newPerson("Ada"), await newPerson("Ben")];
  await ada.call("proxies.add", { link: proxy.link ?? "" });
  const notebook = (await ada.call("notebooks.create", { title: "Shared" })).id;
  const document = (await ada.call("documents.create", { notebook, title: "First", markdown: "written alone" })).id;
  const { link } = await ada.call("invites.create", { notebook, mode: "auto" });
  await hasSettled(ada);
  await ada.stop();
  await ben.call("invites.join", { link });
  await hasSettled(ben);
  expect((await ben.call("proxies.list")).map(({ kind }) => kind)).toEqual(["guest"]);
  await ben.stop();
  // Challenge, answer, welcome.
  for (const { dataDirectory } of [ada, ben, ada]) {
    const node = await nodeIn(dataDirectory);
    await hasSettled(node);
    await node.stop();
  }
  const reader = await nodeIn(ben.dataDirectory);
  const read = await whenItWorks(() => reader.call("documents.read", { document }), "the note at Ben");
  expect(read.text).toBe("written alone");
  await reader.call("documents.edit", { document, appendMarkdown: "answered alone" });
  await eventually(async () => (await reader.call("sync.summary")).undelivered === 0, "the answer at the proxy");
});

test(
  "a contact is invited without a link: the letter waits at the proxy, and the two are never online together again",
  ALLOWED,
  async () => {
    const proxy = await proxyIn(newFolder("proxy"));
    const [ada, ben] = [await newPerson("Ada"), await newPerson("Ben")];
    await ada.call("proxies.add", { link: proxy.link ?? "" });
    await ben.call("proxies.add", { link: await proxy.mint() });
    const { link } = await ben.call("contacts.card");
    const { id: contact } = await ada.call("contacts.add", { link });
    await hasSettled(ben);
    await ben.stop();

    const notebook = (await ada.call("notebooks.create", { title: "For Ben" })).id;
    const document = (await ada.call("documents.create", { notebook, title: "First", markdown: "come and see" })).id;
    const members = await ada.call("contacts.invite", { notebook, contact, role: "writer" });
    expect(members.map(({ id, role }) => [id === contact, role])).toEqual([
      [false, "owner"],
      [true, "writer"],
    ]);
    await hasSettled(ada);
    await ada.stop();

    const back = await nodeIn(ben.dataDirectory);
    const [invitation] = await eventually(async () => {
      const waiting = await back.call("invitations.list");
      return waiting.length > 0 ? waiting : false;
    }, "the letter in Ben's inbox");
    expect(invitation).toMatchObject({
      notebook,
      title: "For Ben",
      role: "writer",
      from: { name: "Ada", standing: "new" },
    });
    await back.call("invitations.accept", { id: invitation?.id ?? "" });
    const read = await whenItWorks(() => back.call("documents.read", { document }), "the note at Ben");
    expect(read.text).toBe("come and see");
    expect(await back.call("invitations.list")).toEqual([]);
  },
);

test(
  "of two always-on nodes one is killed midway: the other carries on, and the first catches up",
  ALLOWED,
  async () => {
    const folder = newFolder("first");
    const [first, second] = [await proxyIn(folder), await proxyIn(newFolder("second"))];
    const [ada, ben] = [await newPerson("Ada"), await newPerson("Ben")];
    for (const [node, links] of [
      [ada, [first.link, second.link]],
      [ben, [await first.mint(), await second.mint()]],
    ] as const)
      for (const link of links) await node.call("proxies.add", { link: link ?? "" });
    const notebook = (await ada.call("notebooks.create", { title: "Shared" })).id;
    const document = (await ada.call("documents.create", { notebook, title: "Log", markdown: "start" })).id;
    const { link } = await ada.call("invites.create", { notebook, mode: "auto" });
    // Without the addresses of Ada's computer there is no other way than the always-on nodes.
    await ben.call("invites.join", { link });
    await whenItWorks(() => ben.call("documents.read", { document }), "the note at Ben");
    await isSafe(ada, 2, 2);

    const typing = (async () => {
      for (let i = 0; i < 20; i++) await ada.call("documents.edit", { document, appendMarkdown: `line ${i}` });
    })();
    await first.kill();
    await typing;
    await isSafe(ada, 1, 2);
    const [gone] = await ada.call("proxies.list");
    expect(gone?.waiting).toBeGreaterThan(0);
    await eventually(
      async () => (await ben.call("documents.read", { document })).text.includes("line 19"),
      "the last line at Ben",
    );
    await ada.stop();

    // After a kill its database counts as another one: everything is compared, nothing is believed.
    await proxyIn(folder, portOf(first));
    const again = await nodeIn(ada.dataDirectory);
    await isSafe(again, 2, 2);
    await hasSettled(again);
  },
);

test(
  "I28 I29 kill -9 of the writer, of the reader and of the proxy in turn loses nothing acknowledged",
  ALLOWED,
  async () => {
    const folder = newFolder("proxy");
    let proxy = await proxyIn(folder);
    const port = portOf(proxy);
    let [ada, ben] = [await newPerson("Ada"), await newPerson("Ben")];
    await ada.call("proxies.add", { link: proxy.link ?? "" });
    await ben.call("proxies.add", { link: await proxy.mint() });
    const notebook = (await ada.call("notebooks.create", { title: "Shared" })).id;
    const document = (await ada.call("documents.create", { notebook, title: "Log", markdown: "start" })).id;
    const { link } = await ada.call("invites.create", { notebook, mode: "auto" });
    await ben.call("invites.join", { link });
    await whenItWorks(() => ben.call("documents.read", { document }), "the note at Ben");
    const acknowledged: string[] = [];
    for (let round = 0; round < 6; round++) {
      for (let i = 0; i < 5; i++) {
        const word = `r${round}w${i}`;
        await ada.call("documents.edit", { document, appendMarkdown: word });
        acknowledged.push(word);
      }
      if (round % 3 === 0) {
        await ada.kill();
        ada = await nodeIn(ada.dataDirectory);
      } else if (round % 3 === 1) {
        await ben.kill();
        ben = await nodeIn(ben.dataDirectory);
      } else {
        await proxy.kill();
        proxy = await proxyIn(folder, port);
      }
    }
    // Every link is dialled anew at once instead of after its pause.
    for (const node of [ada, ben]) await node.call("sync.pause", { paused: true });
    for (const node of [ada, ben]) await node.call("sync.pause", { paused: false });
    const words = await eventually(async () => {
      const { text } = await ben.call("documents.read", { document });
      const found = new Set(text.split(/\s+/u));
      return acknowledged.every((word) => found.has(word)) ? found : undefined;
    }, "every acknowledged word at Ben");
    expect(words.size).toBeGreaterThanOrEqual(acknowledged.length);
    await isSafe(ada, 1, 1);
  },
);

test(
  "an always-on node is added by address and code; refusals name what to do, and what is removed is forgotten",
  ALLOWED,
  async () => {
    const proxy = await proxyIn(newFolder("proxy"));
    const ada = await newPerson("Ada");
    const notebook = (await ada.call("notebooks.create", { title: "Mine" })).id;
    await ada.call("documents.create", { notebook, title: "Note", markdown: "text" });
    const add = (input: { readonly link?: string; readonly address?: string; readonly code?: string }) =>
      failureOf(ada.call<CallName & "proxies.add">("proxies.add", input));
    const { code, staticPk } = readLink(await proxy.mint());
    const { address } = proxy;
    expect(await add({ link: "p2pc:x/short" })).toContain("BadProxyLink");
    expect(await add({ address })).toContain("ProxyCodeRequired");
    expect(await add({ address, code: "0".repeat(32) })).toContain("BadProxyCode");
    expect(await add({ address: ada.address }), "a node without --proxy").toContain("NotAProxy");
    expect(await add({ address: "127.0.0.1:1" })).toContain("PeerUnreachable");
    expect(await add({})).toContain("InvalidInput");
    expect(await ada.call("proxies.list")).toEqual([]);

    const added = await ada.call("proxies.add", { address, code: bytesToHex(code as Uint8Array) });
    expect(added).toMatchObject({ id: bytesToHex(staticPk), address, kind: "own" });
    await isSafe(ada, 1, 1);
    await hasSettled(ada);
    expect(await ada.call("proxies.list")).toMatchObject([{ reason: "", used: expect.any(Number) as number }]);
    expect((await ada.call("sync.summary")).undelivered).toBe(0);
    await ada.call("proxies.remove", { proxy: added.id });
    expect((await ada.call("sync.status")).notebooks[0]).toMatchObject({ safe: { on: 0, of: 0 } });
    expect((await ada.call("sync.summary")).undelivered, "it is on this computer alone again").toBeGreaterThan(0);
    expect(await failureOf(ada.call("proxies.remove", { proxy: added.id }))).toContain("ProxyNotFound");
  },
);

test(
  "a file attached while nobody else was there is read by who comes later, and the node cannot",
  ALLOWED,
  async () => {
    const folder = newFolder("proxy");
    const proxy = await proxyIn(folder);
    const [ada, ben] = [await newPerson("Ada"), await newPerson("Ben")];
    await ada.call("proxies.add", { link: proxy.link ?? "" });
    await ben.call("proxies.add", { link: await proxy.mint() });
    const notebook = (await ada.call("notebooks.create", { title: "Shared" })).id;
    const document = (await ada.call("documents.create", { notebook, title: "Photo", markdown: "see below" })).id;
    const { link } = await ada.call("invites.create", { notebook, mode: "auto" });
    await ben.call("invites.join", { link });
    await whenItWorks(() => ben.call("documents.read", { document }), "the note at Ben");
    await ben.stop();
    const bytes = new TextEncoder().encode("Haselnussmehl ".repeat(40_000));
    const { blob } = await ada.call("attachments.add", { document, bytes, name: "recipe.txt" });
    await isSafe(ada, 1, 1);
    await ada.stop();

    const reader = await nodeIn(ben.dataDirectory);
    const read = await whenItWorks(
      () => reader.call("attachments.read", { document, blob, start: 0, length: bytes.length }),
      "the file at Ben",
    );
    expect(Buffer.from(read.bytes).equals(bytes)).toBe(true);
    await proxy.stop();
    const kept = readdirSync(folder).map((name) => readFileSync(path.join(folder, name)));
    for (const canary of ["Haselnussmehl", "recipe.txt"])
      expect(Buffer.concat(kept).includes(canary), "I27").toBe(false);
  },
);
