import { once } from "node:events";
import { readFileSync } from "node:fs";
import net from "node:net";
import { formatInviteLink, parseInviteLink } from "../../protocol/invite/invite-link.ts";
import { eventually, type HeadlessNode, removeFolder } from "../support/headless-node.ts";
import { openReplica, startNode } from "../support/node-pair.ts";
import { startAutomergeServer } from "./support/automerge-peer.ts";

/**
 * A fresh device joins a notebook of so many entries: by reading all of them, by a checkpoint, and with automerge-repo (the same
 * words, in clear, into memory). Time from the moment it has the keys until every document has the other node's heads, durable and
 * verified; bytes are those of the connection, towards the newcomer, handshake and overhead included; memory is the most the newcomer's
 * main process ever held. What takes longer than the limit is given as null, and the bench goes on.
 */
const ENTRIES = [1_500, 20_000];
const POLL_MS = 20;
/** Changes handed to the node at once; each becomes an entry of its own, since two sessions take turns. */
const AT_ONCE = 16;
/** One way of joining may take this long on a slow machine; sealing what is written as well. */
const LIMIT_MS = 300_000;

interface Joined {
  readonly ms: number;
  readonly bytes: number;
}

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

/** Largest resident memory of a process so far in MB; null where the system does not tell. */
const peakMemory = (pid: number | undefined): number | null => {
  try {
    const kib = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return kib === undefined ? null : Math.round(Number(kib) / 1_024);
  } catch {
    return null;
  }
};

/** A fresh device joins through a counting connection; answers once it has everything, null when that takes too long. */
const join = async (
  left: HeadlessNode,
  notebook: string,
): Promise<(Joined & { readonly peakMB: number | null }) | null> => {
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
    const isDone = await eventually(
      async () => (await headsOf(right)) === wanted,
      "all documents",
      LIMIT_MS,
      POLL_MS,
    ).catch(() => false);
    const ms = Math.round(performance.now() - start);
    return isDone ? { ms, bytes: counter.received(), peakMB: peakMemory(right.child.pid) } : null;
  } finally {
    await right.stop();
    counter.close();
    removeFolder(right.dataDirectory);
  }
};

const joinAutomerge = async (entries: number): Promise<Joined | null> => {
  const server = await startAutomergeServer(["many", "2", String(entries / 2)]);
  const counter = await countBytes(server.port);
  try {
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<null>((resolve) => (timer = setTimeout(() => resolve(null), LIMIT_MS)));
    const ms = await Promise.race([server.pull(counter.port), limit]);
    clearTimeout(timer);
    return ms === null ? null : { ms: Math.round(ms), bytes: counter.received() };
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
      LIMIT_MS,
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
      timesFewerBytes: replay && checkpoint && +(replay.bytes / checkpoint.bytes).toFixed(1),
      timesFaster: replay && checkpoint && +(replay.ms / checkpoint.ms).toFixed(1),
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
