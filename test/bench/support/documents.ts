import { eventually, type HeadlessNode } from "../../support/headless-node.ts";
import { type NodePair, openReplica } from "../../support/node-pair.ts";
import { readTrace } from "./traces.ts";

/** Keystrokes in one change of the trace, as 300 ms of fast typing make. */
const KEYSTROKES_PER_CHANGE = 5;
const CHANGES_PER_CALL = 500;

/** Writes the recorded history into a document of the node; answers the heads it then has. */
export const writeTrace = async (node: HeadlessNode, document: string): Promise<string> => {
  const { replica, lease, close } = await openReplica(node, document);
  const text = replica.objectAt(["text"]) as string;
  const base = replica.length(text);
  const steps = readTrace();
  let batch: Uint8Array[] = [];
  for (let from = 0; from < steps.length; from += KEYSTROKES_PER_CHANGE) {
    const change = replica.change({ time: 1 }, (transaction) => {
      for (const [at, remove, insert] of steps.slice(from, from + KEYSTROKES_PER_CHANGE))
        transaction.splice(text, base + at, remove, insert);
    });
    if (change !== undefined) batch.push(change.bytes);
    if (batch.length === CHANGES_PER_CALL) await node.call("documents.apply", { lease, changes: batch.splice(0) });
  }
  await node.call("documents.apply", { lease, changes: batch });
  close();
  return replica.heads().join();
};

/** Makes a document of `count` changes, each one word longer. */
export const writeWords = async (node: HeadlessNode, notebook: string, title: string, count: number): Promise<void> => {
  const { id } = await node.call("documents.create", { notebook, title, markdown: "" });
  const { replica, lease, close } = await openReplica(node, id);
  const text = replica.objectAt(["text"]) as string;
  const changes: Uint8Array[] = [];
  for (let k = 0; k < count; k++) {
    const change = replica.change({ time: 1 }, (transaction) => {
      transaction.splice(text, replica.length(text), 0, `word${k} `);
    });
    if (change !== undefined) changes.push(change.bytes);
  }
  await node.call("documents.apply", { lease, changes });
  close();
};

/** Waits until the right node's document has these heads. */
export const atRightWith = (pair: Pick<NodePair, "right">, document: string, heads: string): Promise<unknown> =>
  eventually(
    async () => {
      const { notebooks } = await pair.right.call("sync.status");
      return notebooks.some(({ documents }) =>
        documents.some((one) => one.id === document && one.heads.join() === heads),
      );
    },
    "the document at the other node",
    300_000,
  );
