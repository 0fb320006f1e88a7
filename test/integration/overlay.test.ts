import { afterEach, expect, test } from "vitest";
import {
  eventually,
  type HeadlessNode,
  removeFolder,
  startHeadless,
  temporaryFolder,
} from "../support/headless-node.ts";
import { type ProxyProcess, startProxy } from "../support/proxy-process.ts";

const ALLOWED = { timeout: 120_000 };
/** Half a second instead of ten: what takes periods takes seconds. */
const QUICK = ["--gossip-period", "0.5"];
const cleanUp: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const work of cleanUp.splice(0).toReversed()) await work();
});

const newFolder = (label: string): string => {
  const folder = temporaryFolder(label);
  cleanUp.push(() => removeFolder(folder));
  return folder;
};
const newProxy = async (label: string, more: readonly string[] = []): Promise<ProxyProcess> => {
  const proxy = await startProxy(newFolder(label), 0, [...QUICK, ...more]);
  cleanUp.push(proxy.kill);
  return proxy;
};
const newPerson = async (name: string): Promise<HeadlessNode> => {
  const node = await startHeadless(newFolder(name.toLowerCase()));
  cleanUp.push(node.kill);
  await node.call("identity.create", { name });
  return node;
};
const reads = (node: HeadlessNode, document: string, words: string) =>
  eventually(async () => {
    try {
      return (await node.call("documents.read", { document })).text.includes(words);
    } catch {
      return false;
    }
  }, `"${words}" to arrive`);

test("what is written through one always-on node reaches a member who only knows another", ALLOWED, async () => {
  const hub = await newProxy("hub");
  const peers = ["--peer", hub.address];
  const [first, second, third] = [
    await newProxy("first", peers),
    await newProxy("second", peers),
    await newProxy("third", peers),
  ];
  const [ada, ben] = [await newPerson("Ada"), await newPerson("Ben")];
  await ada.call("proxies.add", { link: first.link ?? "" });
  await ben.call("proxies.add", { link: second.link ?? "" });
  const notebook = (await ada.call("notebooks.create", { title: "Shared" })).id;
  const document = (await ada.call("documents.create", { notebook, title: "Log", markdown: "start" })).id;
  const { link } = await ada.call("invites.create", { notebook, mode: "auto" });
  await ben.call("invites.join", { link });
  await reads(ben, document, "start");
  // From now on Ben knows nobody but his own node.
  for (const { id, kind } of await ben.call("proxies.list"))
    if (kind === "guest") await ben.call("proxies.remove", { proxy: id });
  expect(await ben.call("proxies.list")).toHaveLength(1);

  await ada.call("documents.edit", { document, appendMarkdown: "across the overlay" });
  await reads(ben, document, "across the overlay");
  await ben.call("documents.edit", { document, appendMarkdown: "and back" });
  await reads(ada, document, "and back");
  await first.stop();
  const [holding, { topics, links }] = [await first.status(), await third.status()];
  expect(holding.views.random).toHaveLength(3);
  // Ring neighbours may still be looked for: what is published before they are found goes by comparison.
  expect(holding.topics.some(({ publishes }) => publishes)).toBe(true);
  expect(holding.counters.published).toBeGreaterThan(0);
  expect(topics, "who pins nothing holds nothing").toEqual([]);
  expect(links.length, "as of its start").toBeLessThanOrEqual(3);
});
