import * as Automerge from "@automerge/automerge";
import { rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { eventually, removeFolder } from "../support/headless-node.ts";
import { joinNotebook, startNode } from "../support/node-pair.ts";
import { startAutomergeServer } from "./support/automerge-peer.ts";
import { writeTrace, writeWords } from "./support/documents.ts";
import { readTrace } from "./support/traces.ts";

/**
 * A fresh device pulls a notebook: from the moment it has the keys until every document has the other node's heads, durably
 * stored, decrypted and verified. automerge-repo pulls the same content over WebSocket, in clear, into memory.
 */
const DOCUMENTS = 1_000;
const CHANGES = 100;
/** Asking for a thousand heads costs the node some 5 ms; asking seldom leaves it to its work. */
const POLL_MS = 100;
/** One document costs next to nothing to ask for. */
const POLL_TRACE_MS = 10;

const pullOurs = async (documents: number, changes: number, trace: boolean): Promise<number> => {
  const left = await startNode("sync-left", "Left");
  const right = await startNode("sync-right", "Right");
  try {
    const notebook = (await left.call("notebooks.create", { title: "Bench" })).id;
    if (trace) {
      const { id } = await left.call("documents.create", { notebook, title: "Large", markdown: "" });
      await writeTrace(left, id);
    } else for (let i = 0; i < documents; i++) await writeWords(left, notebook, `note ${i}`, changes);
    // Everything typed is sealed within the batching delay.
    await new Promise((resolve) => setTimeout(resolve, 6_000));
    const wanted = (await left.call("sync.status")).notebooks[0]?.documents
      .map(({ id, heads }) => `${id} ${heads.join()}`)
      .toSorted();
    await joinNotebook(left, right, notebook);
    const start = performance.now();
    await eventually(
      async () => {
        const held = (await right.call("sync.status")).notebooks[0]?.documents.map(
          ({ id, heads }) => `${id} ${heads.join()}`,
        );
        return held?.length === wanted?.length && held?.toSorted().join() === wanted?.join();
      },
      "all documents at the fresh device",
      300_000,
      trace ? POLL_TRACE_MS : POLL_MS,
    );
    return performance.now() - start;
  } finally {
    await Promise.all([left.stop(), right.stop()]);
    removeFolder(left.dataDirectory);
    removeFolder(right.dataDirectory);
  }
};

const pullAutomerge = async (args: readonly string[]): Promise<number> => {
  const server = await startAutomergeServer(args);
  const elapsed = await server.pull(server.port);
  server.stop();
  return elapsed;
};

const traceFile = (): string => {
  const file = path.join(os.tmpdir(), `p2pcollab-trace-${process.pid}.automerge`);
  const steps = readTrace();
  let doc = Automerge.from({ title: "Large", text: "" });
  for (let from = 0; from < steps.length; from += 5)
    doc = Automerge.change(doc, (draft) => {
      for (const [at, remove, insert] of steps.slice(from, from + 5))
        Automerge.splice(draft, ["text"], at, remove, insert);
    });
  writeFileSync(file, Automerge.save(doc));
  return file;
};

/** `--docs N` and `--changes N` for other sizes; `--no-trace` leaves out the 260 000-keystroke document. */
export const run = async ({ args }: { readonly json: boolean; readonly args: readonly string[] }): Promise<object> => {
  const numberAfter = (flag: string, fallback: number): number =>
    args.includes(flag) ? Number(args[args.indexOf(flag) + 1]) : fallback;
  const documents = numberAfter("--docs", DOCUMENTS);
  const changes = numberAfter("--changes", CHANGES);
  const many = await pullOurs(documents, changes, false);
  const manyPeer = await pullAutomerge(["many", String(documents), String(changes)]);
  const result = {
    bench: "sync",
    documents,
    changes,
    manyMs: Math.round(many),
    automergeRepoManyMs: Math.round(manyPeer),
    ratioMany: +(many / manyPeer).toFixed(3),
    documentsPerSecond: Math.round(documents / (many / 1_000)),
    changesPerSecond: Math.round((documents * changes) / (many / 1_000)),
    goalManyMs: 600,
  };
  if (args.includes("--no-trace")) return result;
  const file = traceFile();
  const trace = await pullOurs(1, 0, true);
  const tracePeer = await pullAutomerge(["big", file]);
  rmSync(file);
  return {
    ...result,
    traceMs: Math.round(trace),
    automergeRepoTraceMs: Math.round(tracePeer),
    ratioTrace: +(trace / tracePeer).toFixed(3),
    goalTraceMs: 150,
  };
};
