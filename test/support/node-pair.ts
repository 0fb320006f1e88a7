import { inflateRawSync } from "node:zlib";
import { createHash } from "node:crypto";
import type { OpenDocumentEvent } from "../../app/contract/types.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { createReplica, loadReplica } from "../../protocol/replica/replica.ts";
import type { Replica } from "../../protocol/replica/types.ts";
import { eventually, type HeadlessNode, removeFolder, startHeadless, temporaryFolder } from "./headless-node.ts";

/** Two real nodes on loopback that share a notebook. */
export interface NodePair {
  readonly left: HeadlessNode;
  readonly right: HeadlessNode;
  readonly notebook: string;
  readonly dispose: () => Promise<void>;
}

const dependencies = {
  sha256: (bytes: Uint8Array) => new Uint8Array(createHash("sha256").update(bytes).digest()),
  inflateRaw: (bytes: Uint8Array, maxOutput: number) => {
    try {
      return new Uint8Array(inflateRawSync(bytes, { maxOutputLength: maxOutput }));
    } catch {
      return undefined;
    }
  },
};

export const startNode = async (label: string, name: string): Promise<HeadlessNode> => {
  const node = await startHeadless(temporaryFolder(label));
  await node.call("identity.create", { name });
  return node;
};

/** Lets `joiner` into the notebook without asking anybody. */
export const joinNotebook = async (owner: HeadlessNode, joiner: HeadlessNode, notebook: string): Promise<void> => {
  const { link } = await owner.call("invites.create", { notebook, mode: "auto" });
  await joiner.call("invites.join", { link });
  await eventually(
    async () => (await joiner.call("notebooks.list")).some(({ id }) => id === notebook),
    "the notebook at the joiner",
    60_000,
  );
};

export const startNodePair = async (): Promise<NodePair> => {
  const [left, right] = await Promise.all([startNode("left", "Left"), startNode("right", "Right")]);
  const notebook = (await left.call("notebooks.create", { title: "Shared" })).id;
  await joinNotebook(left, right, notebook);
  return {
    left,
    right,
    notebook,
    dispose: async () => {
      await Promise.all([left.stop(), right.stop()]);
      removeFolder(left.dataDirectory);
      removeFolder(right.dataDirectory);
    },
  };
};

/** A document opened as a window opens it: a live replica fed by the node's stream. */
export interface OpenReplica {
  readonly replica: Replica;
  readonly lease: string;
  readonly onChanges: (listener: () => void) => void;
  readonly close: () => void;
}

export const openReplica = (node: HeadlessNode, document: string): Promise<OpenReplica> =>
  new Promise((resolve, reject) => {
    let open: { readonly replica: Replica } | undefined;
    let listener: () => void = () => undefined;
    const close = node.client.subscribe("documents.open", { document }, (message) => {
      const event = message as Result<OpenDocumentEvent, { readonly type: string }>;
      if (!event.ok) reject(new Error(event.error.type));
      else if (event.value.type === "opened") {
        const { snapshot, changes, actor, lease } = event.value;
        const loaded =
          snapshot === null
            ? { ok: true as const, value: createReplica(dependencies, actor) }
            : loadReplica(dependencies, snapshot, actor);
        if (!loaded.ok) throw new Error("the snapshot does not load");
        loaded.value.applyChanges(changes);
        open = { replica: loaded.value };
        resolve({
          replica: loaded.value,
          lease,
          onChanges: (given) => {
            listener = given;
          },
          close,
        });
      } else if (event.value.type === "changes") {
        open?.replica.applyChanges(event.value.changes);
        listener();
      }
    });
  });
