import { once } from "node:events";
import net from "node:net";
import { formatInviteLink, parseInviteLink } from "../../protocol/invite/invite-link.ts";
import { eventually, type HeadlessNode, removeFolder } from "../support/headless-node.ts";
import { openReplica, startNode } from "../support/node-pair.ts";
import { startAutomergeServer } from "./support/automerge-peer.ts";

/**
 * A fresh device joins a notebook of so many entries: by reading all of them, by a checkpoint, and with automerge-repo (the same
 * words, in clear, into memory). Time from the moment it has the keys until every document has the other node's heads, durable and
 * verified; bytes are those of the connection, towards the newcomer, handshake and overhead included.
 */
const ENTRIES = [1_500, 20_000];
const POLL_MS = 20;
/** Changes handed to the node at once; each becomes an entry of its own, since two sessions take turns. */
const AT_ONCE = 16;

interface Counter {
  readonly port: number;
  readonly received: () => number;
  readonly close: () => void;
}

/** Passes connections on and counts what comes back. */
const countBytes = async (port: number): Promise<Counter> => {
  let received = 0;
  const server = net.createServer((socket) => {
    const other = net.connect(port, "127.0.0.1");
    socket.setNoDelay(true);
    other.setNoDelay(true);
    socket.pipe(other);
    other.on("data", (chunk) => (received += chunk.length));
    other.pipe(socket);
    for (const end of [socket, other])
      end.on("error", () => {
        socket.destroy();
        other.destroy();
      });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as net.AddressInfo).port,
    received: () => received,
    close: () => server.close(),
  };
};

/** Two sessions write words in turn, so that each word is an entry. */
const writeEntries = async (node: HeadlessNode, notebook: string, entries: number): Promise<void> => {
  const open = await Promise.all(
    [0, 1].map(async (index) => {
      const { id } = await node.call("documents.create", { notebook, title: `Writer ${index}`, markdown: "" });
      return openReplica(node, id);
    }),
  );
  const calls: Promise<unknown>[] = [];
  for (let n = 0; n < entries; n++) {
    const { replica, lease } = open[n % 2] as (typeof open)[number];
    const text = replica.objectAt(["text"]) as string;
    const change = replica.change({ time: Math.floor(Date.now() / 1_000) }, (transaction) => {
      transaction.splice(text, replica.length(text), 0, `word${n} `);
    });
    if (change !== undefined) calls.push(node.call("documents.apply", { lease, changes: [change.bytes] }));
    if (calls.length >= AT_ONCE) await Promise.all(calls.splice(0));
  }
  await Promise.all(calls);
  for (const { close } of open) close();
};

const headsOf = async (node: HeadlessNode): Promise<string> =>
  ((await node.call("sync.status")).notebooks[0]?.documents ?? [])
    .map(({ id, heads }) => `${id} ${heads.join()}`)
    .toSorted()
    .join();

/** A fresh device joins through a counting connection; answers once it has everything. */
const join = async (left: HeadlessNode, notebook: string): Promise<{ readonly ms: number; readonly bytes: number }> => {
  const right = await startNode("newcomer", "Newcomer");
  const counter = await countBytes(Number(left.address.split(":").at(-1)));
  try {
    const { link } = await left.call("invites.create", { notebook, mode: "auto" });
    const parsed = parseInviteLink(link);
    if (!parsed.ok) throw new Error(parsed.error.type);
    const wanted = await headsOf(left);
    await right.call("invites.join", {
      link: formatInviteLink({ ...parsed.value, addresses: [`127.0.0.1:${counter.port}`] }),
    });
    await eventually(
      async () => (await right.call("notebooks.list")).some(({ id }) => id === notebook),
      "the notebook at the newcomer",
      60_000,
      POLL_MS,
    );
    const start = performance.now();
    await eventually(async () => (await headsOf(right)) === wanted, "all documents", 300_000, POLL_MS);
    return { ms: Math.round(performance.now() - start), bytes: counter.received() };
  } finally {
    await right.stop();
    counter.close();
    removeFolder(right.dataDirectory);
  }
};

const joinAutomerge = async (entries: number): Promise<{ readonly ms: number; readonly bytes: number }> => {
  const server = await startAutomergeServer(["many", "2", String(entries / 2)]);
  const counter = await countBytes(server.port);
  try {
    const ms = await server.pull(counter.port);
    return { ms: Math.round(ms), bytes: counter.received() };
  } finally {
    server.stop();
    counter.close();
  }
};

const measure = async (entries: number): Promise<object> => {
  const left = await startNode("newcomer-left", "Left");
  try {
    // Else it would make one by itself while it writes.
    await left.call("settings.set", { key: "checkpoints", value: "off" });
    const notebook = (await left.call("notebooks.create", { title: "Bench" })).id;
    await writeEntries(left, notebook, entries);
    await eventually(
      async () => ((await left.call("sync.status")).notebooks[0]?.entries ?? 0) >= entries,
      "all entries sealed",
      120_000,
      500,
    );
    const replay = await join(left, notebook);
    const start = performance.now();
    const { made } = await left.call("sync.checkpoint", { notebook });
    if (!made) throw new Error("no checkpoint");
    const makeMs = Math.round(performance.now() - start);
    const checkpoint = await join(left, notebook);
    const automergeRepo = await joinAutomerge(entries);
    return {
      entries,
      checkpoint,
      replay,
      automergeRepo,
      makeMs,
      timesFewerBytes: +(replay.bytes / checkpoint.bytes).toFixed(1),
      timesFaster: +(replay.ms / checkpoint.ms).toFixed(1),
    };
  } finally {
    await left.stop();
    removeFolder(left.dataDirectory);
  }
};

/** `--entries N` for one other size. */
export const run = async ({ args }: { readonly json: boolean; readonly args: readonly string[] }): Promise<object> => {
  const sizes = args.includes("--entries") ? [Number(args[args.indexOf("--entries") + 1])] : ENTRIES;
  const results: object[] = [];
  for (const entries of sizes) results.push(await measure(entries));
  return { bench: "newcomer", results };
};
