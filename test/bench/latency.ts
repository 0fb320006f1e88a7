import { fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import path from "node:path";
import { WebSocket } from "ws";
import { WebsocketProvider } from "y-websocket";
import * as Y from "yjs";
import { eventually } from "../support/headless-node.ts";
import { openReplica, startNodePair, type NodePair } from "../support/node-pair.ts";
import { atRightWith, writeTrace } from "./support/documents.ts";

/**
 * Keystroke in one window's replica to text in the other's. Ours: replica → node → durable draft → sealed and signed →
 * NoiseSocket → the other node → verified → replica, five processes in all (two nodes with their engines, and this one, which
 * plays both windows over the control socket). Yjs: provider → server → provider, neither encrypted nor stored.
 */
interface Figures {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly keystrokes: number;
}

interface NodeFigures extends Figures {
  /** Processor time a keystroke takes in each node, its threads included and its engine not; null where /proc is missing. */
  readonly writerCpuMs: number | null;
  readonly readerCpuMs: number | null;
}

/** A fast typist: 60 ms between keys. */
const GAP_MS = 60;
const KEYSTROKES = 200;

const percentiles = (samples: readonly number[]): Figures => {
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] as number;
  return { p50Ms: +at(0.5).toFixed(2), p99Ms: +at(0.99).toFixed(2), keystrokes: samples.length };
};

/** Processor time of a process so far, in steps of 10 ms. */
const cpuMs = (pid: number | undefined): number | null => {
  try {
    const [, fields = ""] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ");
    const [user, system] = fields.split(" ").slice(11, 13).map(Number);
    return ((user ?? 0) + (system ?? 0)) * 10;
  } catch {
    return null;
  }
};

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const typeOver = async (pair: NodePair, document: string, count: number): Promise<NodeFigures> => {
  const [writer, reader] = [await openReplica(pair.left, document), await openReplica(pair.right, document)];
  const text = writer.replica.objectAt(["text"]) as string;
  const samples: number[] = [];
  let sentAt = 0;
  let expected = 0;
  let seen: (() => void) | undefined;
  reader.onChanges(() => {
    if (reader.replica.length(text) < expected) return;
    samples.push(performance.now() - sentAt);
    seen?.();
  });
  const cpu = () => [cpuMs(pair.left.child.pid), cpuMs(pair.right.child.pid)] as const;
  const before = cpu();
  for (let i = 0; i < count; i++) {
    const shown = new Promise<void>((resolve) => (seen = resolve));
    sentAt = performance.now();
    const change = writer.replica.change({ time: Math.floor(Date.now() / 1000) }, (transaction) =>
      transaction.splice(text, Math.min(100, writer.replica.length(text)), 0, "x"),
    );
    expected = writer.replica.length(text);
    if (change === undefined) throw new Error("a keystroke makes a change");
    void pair.left.call("documents.apply", { lease: writer.lease, changes: [change.bytes] });
    await shown;
    await pause(GAP_MS);
  }
  const [writerCpuMs, readerCpuMs] = cpu().map((now, side) => {
    const earlier = before[side] ?? null;
    return now === null || earlier === null ? null : +((now - earlier) / count).toFixed(2);
  }) as [number | null, number | null];
  writer.close();
  reader.close();
  return { ...percentiles(samples), writerCpuMs, readerCpuMs };
};

const ours = async (big: boolean): Promise<{ readonly small: NodeFigures; readonly big: NodeFigures | null }> => {
  const pair = await startNodePair();
  try {
    const small = await pair.left.call("documents.create", {
      notebook: pair.notebook,
      title: "Small",
      markdown: "start",
    });
    const atRight = (id: string) =>
      eventually(
        async () => (await pair.right.call("sync.status")).notebooks[0]?.documents.some((one) => one.id === id),
        "the document at the other node",
        60_000,
      );
    await atRight(small.id);
    const smallFigures = await typeOver(pair, small.id, KEYSTROKES);
    if (!big) return { small: smallFigures, big: null };
    const large = await pair.left.call("documents.create", { notebook: pair.notebook, title: "Large", markdown: "" });
    await atRight(large.id);
    await atRightWith(pair, large.id, await writeTrace(pair.left, large.id));
    return { small: smallFigures, big: await typeOver(pair, large.id, KEYSTROKES) };
  } finally {
    await pair.dispose();
  }
};

const yjs = async (): Promise<Figures> => {
  const server = fork(path.join(import.meta.dirname, "peers", "yjs-server.ts"));
  const [{ port }] = (await once(server, "message")) as [{ readonly port: number }];
  const open = (): Promise<{ readonly doc: Y.Doc; readonly provider: WebsocketProvider }> =>
    new Promise((resolve) => {
      const doc = new Y.Doc();
      const provider = new WebsocketProvider(`ws://127.0.0.1:${port}`, "room", doc, {
        WebSocketPolyfill: WebSocket as never,
        disableBc: true,
      });
      provider.on("sync", (synced: boolean) => {
        if (synced) resolve({ doc, provider });
      });
    });
  const [writer, reader] = [await open(), await open()];
  const samples: number[] = [];
  let sentAt = 0;
  let seen: (() => void) | undefined;
  reader.doc.getText("text").observe(() => {
    samples.push(performance.now() - sentAt);
    seen?.();
  });
  for (let i = 0; i < KEYSTROKES; i++) {
    const shown = new Promise<void>((resolve) => (seen = resolve));
    sentAt = performance.now();
    writer.doc.getText("text").insert(0, "x");
    await shown;
    await pause(GAP_MS);
  }
  writer.provider.destroy();
  reader.provider.destroy();
  server.kill();
  return percentiles(samples);
};

/** `--small` leaves out the 260 000-keystroke document. */
export const run = async ({ args }: { readonly json: boolean; readonly args: readonly string[] }): Promise<object> => {
  const peer = await yjs();
  const { small, big } = await ours(!args.includes("--small"));
  const ratio = (figures: Figures) => ({
    p50: +(figures.p50Ms / peer.p50Ms).toFixed(2),
    p99: +(figures.p99Ms / peer.p99Ms).toFixed(2),
  });
  return {
    bench: "latency",
    gapMs: GAP_MS,
    encryptedSmall: small,
    encrypted260k: big,
    yjsWebsocketUnencrypted: peer,
    ratioSmallToYjs: ratio(small),
    ratio260kToYjs: big === null ? null : ratio(big),
    goal: { p50Ms: 3, p99Ms: 15 },
  };
};
