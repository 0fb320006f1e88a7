import { afterEach, expect, test } from "vitest";
import { removeFolder } from "../support/headless-node.ts";
import type { HeadlessNode } from "../support/headless-node.ts";
import { openReplica, startNode } from "../support/node-pair.ts";

let node: HeadlessNode | undefined;

afterEach(async () => {
  await node?.stop();
  if (node !== undefined) removeFolder(node.dataDirectory);
});

test("an open note gets any of its changes again by hash, as long as its lease lasts", async () => {
  node = await startNode("recall", "Ada");
  const notebook = (await node.call("notebooks.create", { title: "Notes" })).id;
  const { id } = await node.call("documents.create", { notebook, title: "Long", markdown: "start" });
  const { replica, lease, close } = await openReplica(node, id);
  const text = replica.objectAt(["text"]) ?? "";
  const changes = ["a", "b", "c", "d"].flatMap(
    (letter) => replica.change({ time: 1 }, (transaction) => transaction.splice(text, 0, 0, letter)) ?? [],
  );
  const [first, second, third, fourth] = changes.map(({ bytes }) => bytes) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  await node.call("documents.apply", { lease, changes: [first, second, third] });
  await node.call("documents.apply", { lease, changes: [fourth] });
  const hashes = changes.map(({ hash }) => hash) as [string, string, string, string];
  const recalled = await node.call("documents.recall", { lease, changes: [hashes[3], "00".repeat(32), hashes[1]] });
  expect(recalled.changes).toEqual([second, fourth]);
  expect((await node.call("documents.recall", { lease, changes: [] })).changes).toEqual([]);
  close();
  await expect(node.call("documents.recall", { lease, changes: [hashes[1]] })).rejects.toThrow("LeaseExpired");
});
