import path from "node:path";
import Database from "better-sqlite3";
import { afterEach, expect, test } from "vitest";
import { formatProxyLink } from "../../protocol/proxy/proxy-link.ts";
import { type ByteCounter, countBytes } from "../support/byte-counter.ts";
import {
  eventually,
  type HeadlessNode,
  removeFolder,
  startHeadless,
  temporaryFolder,
} from "../support/headless-node.ts";
import { daysLater } from "../support/moved-clock.ts";
import { openReplica } from "../support/node-pair.ts";
import { portOf, readLink, startProxy } from "../support/proxy-process.ts";

const cleanUp: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const work of cleanUp.splice(0).toReversed()) await work();
});

const newFolder = (label: string): string => {
  const folder = temporaryFolder(label);
  cleanUp.push(() => removeFolder(folder));
  return folder;
};
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

const WORDS = 120;
/** Two sessions write in turn, so that each word is an entry of its own. */
const writeEntries = async (node: HeadlessNode, documents: readonly [string, string]): Promise<void> => {
  const open = await Promise.all(documents.map((id) => openReplica(node, id)));
  for (let n = 0; n < WORDS; n++) {
    const { replica, lease } = open[n % 2] as (typeof open)[number];
    const text = replica.objectAt(["text"]) as string;
    const change = replica.change({ time: 1 }, (transaction) => {
      transaction.splice(text, replica.length(text), 0, `word${n} `);
    });
    if (change !== undefined) await node.call("documents.apply", { lease, changes: [change.bytes] });
  }
  for (const { close } of open) close();
};

const isSafe = (node: HeadlessNode) =>
  eventually(async () => {
    const { safe } = await node.call("sync.summary");
    return safe.on === 1 && safe.of === 1;
  }, "safe on the always-on node");

/** Items of kind 0 in the database of a proxy that does not run. */
const entriesIn = (folder: string) => {
  const database = new Database(path.join(folder, "proxy.db"), { readonly: true });
  try {
    return database.prepare("SELECT count(*) AS stored, count(retired) AS marked FROM item WHERE kind = 0").get() as {
      readonly stored: number;
      readonly marked: number;
    };
  } finally {
    database.close();
  }
};

test(
  "I31 a newcomer reads a checkpoint and a short tail from a proxy, which deletes the rest only after the grace",
  { timeout: 120_000 },
  async () => {
    const folder = newFolder("proxy");
    const proxy = await startProxy(folder);
    cleanUp.push(proxy.kill);
    const counter: ByteCounter = await countBytes(proxy.address);
    cleanUp.push(counter.close);
    const olga = await newPerson("Olga");
    await olga.call("proxies.add", {
      link: formatProxyLink({ ...readLink(proxy.link), addresses: [counter.address] }),
    });
    const notebook = (await olga.call("notebooks.create", { title: "Shared" })).id;
    const create = async (title: string) => (await olga.call("documents.create", { notebook, title, markdown: "" })).id;
    const documents = [await create("One"), await create("Two")] as const;
    await writeEntries(olga, documents);
    await isSafe(olga);
    const [before] = (await olga.call("sync.status")).notebooks;
    const made = await olga.call("sync.checkpoint", { notebook });
    expect(made.made).toBe(true);
    expect(made.retired).toBeGreaterThanOrEqual(WORDS);
    await olga.call("documents.edit", { document: documents[0], appendMarkdown: "the tail" });
    await isSafe(olga);
    const { link } = await olga.call("invites.create", { notebook, mode: "auto" });
    await isSafe(olga);

    counter.take();
    const ben = await newPerson("Ben");
    await ben.call("invites.join", { link });
    const read = await eventually(async () => {
      const text = await ben.call("documents.read", { document: documents[0] }).then(
        (answer) => answer.text,
        () => "",
      );
      return text.includes("the tail") ? text : undefined;
    }, "the note at Ben");
    expect(read).toContain(`word${WORDS - 2} `);
    const [status] = (await ben.call("sync.status")).notebooks;
    // Membership, names and the tail; everything else came in bundles.
    expect(before?.entries).toBeGreaterThanOrEqual(WORDS);
    expect(status?.entries).toBeLessThan(30);
    expect(status?.pending).toBe(0);
    // An entry of one word takes more than 700 bytes.
    const bytes = counter.take();
    expect(bytes).toBeLessThan((WORDS * 700) / 2);
    await ben.stop();
    await proxy.stop();
    const { stored, marked } = entriesIn(folder);
    expect(marked).toBe(made.retired);

    for (const [days, rest] of [
      [29, marked],
      [32, 0],
    ] as const) {
      const later = await startProxy(folder, portOf(proxy), [], daysLater(folder, days));
      cleanUp.push(later.kill);
      await olga.call("sync.pause", { paused: true });
      await olga.call("sync.pause", { paused: false });
      await eventually(
        async () => (await olga.call("proxies.list")).every(({ state }) => state === "synced"),
        "the proxy again",
      );
      await later.stop();
      const now = entriesIn(folder);
      expect(now.marked, `after ${days} days`).toBe(rest);
      // What was not retired stays, and the owner may have written more.
      expect(now.stored - now.marked).toBeGreaterThanOrEqual(stored - marked);
    }
  },
);
