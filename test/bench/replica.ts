import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import * as A from "@automerge/automerge";
import * as Y from "yjs";
import { createReplica, loadReplica } from "../../protocol/replica/replica.ts";
import { snapshotText } from "../../protocol/replica/snapshot.ts";
import type { Replica } from "../../protocol/replica/types.ts";
import { automergeDependencies } from "../support/automerge-dependencies.ts";

interface Trace {
  readonly startContent: string;
  readonly endContent: string;
  readonly txns: readonly { readonly patches: readonly (readonly [number, number, string])[] }[];
}

const ACTOR = "a1".repeat(16);
const KEYSTROKES = 2_000;
const SLOW_KEYSTROKES = 12;

const readTrace = (name: string): Trace =>
  JSON.parse(
    gunzipSync(readFileSync(new URL(`../vectors/data/traces/${name}.json.gz`, import.meta.url))).toString(),
  ) as Trace;

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
const quantile = (sorted: readonly number[], q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;
const round = (value: number, digits = 3): number => Number(value.toFixed(digits));

/** Wall milliseconds of each run, as quantiles; mean CPU beside it, because another process may hold the core. */
const timed = (count: number, run: (i: number) => void) => {
  const wall: number[] = [];
  const cpu = cpuMs();
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    run(i);
    wall.push(performance.now() - start);
  }
  const cpuMean = (cpuMs() - cpu) / count;
  wall.sort((a, b) => a - b);
  return { p50Ms: round(quantile(wall, 0.5), 4), p99Ms: round(quantile(wall, 0.99), 4), cpuMeanMs: round(cpuMean, 4) };
};

/** Where keystroke `i` goes: a caret that wanders and sometimes jumps. */
const createCaret = (length: () => number) => {
  let at = Math.floor(length() / 2);
  return (i: number): number => {
    at = i % 50 === 49 ? Math.floor((length() * ((i * 2_654_435_761) % 1000)) / 1000) : Math.min(at + 1, length());
    return at;
  };
};

const typeTrace = (trace: Trace) => {
  const replica = createReplica(automergeDependencies, ACTOR);
  const changes: Uint8Array[] = [];
  let text = "";
  const first = replica.change({ time: 0 }, (transaction) => {
    text = transaction.putText("_root", "text", trace.startContent);
  });
  changes.push(first?.bytes as Uint8Array);
  const figures = timed(trace.txns.length, (i) => {
    const change = replica.change({ time: 0 }, (transaction) => {
      for (const [at, removed, inserted] of trace.txns[i]?.patches ?? [])
        transaction.splice(text, at, removed, inserted);
    });
    if (change !== undefined) changes.push(change.bytes);
  });
  if (replica.text(text) !== trace.endContent) throw new Error("the trace did not give its end content");
  return { replica, changes, text, figures };
};

const loaded = (snapshot: Uint8Array, actor: string): Replica => {
  const replica = loadReplica(automergeDependencies, snapshot, actor);
  if (!replica.ok) throw new Error(replica.error.rule);
  return replica.value;
};

const keystrokes = (snapshot: Uint8Array, text: string) => {
  const writer = loaded(snapshot, ACTOR);
  const reader = loaded(snapshot, "b2");
  const caret = createCaret(() => writer.length(text));
  const changes: Uint8Array[] = [];
  const local = timed(KEYSTROKES, (i) => {
    const change = writer.change({ time: 0 }, (transaction) => {
      transaction.splice(text, caret(i), i % 7 === 6 ? 1 : 0, i % 7 === 6 ? "" : "x");
    });
    if (change !== undefined) changes.push(change.bytes);
  });
  const remote = timed(changes.length, (i) => {
    reader.applyChanges([changes[i] as Uint8Array]);
  });
  if (reader.text(text) !== writer.text(text)) throw new Error("replicas differ");
  return { local, remote, changes };
};

interface OpenFigures {
  readonly firstTextMs: number;
  readonly firstLoadMs: number;
  readonly textMs: number;
  readonly loadMs: number;
  readonly rssMb: number;
}

const median = (values: readonly number[]): number =>
  quantile(
    [...values].sort((a, b) => a - b),
    0.5,
  );

/** Runs in a process of its own: what opening costs there, first and repeated, and what stays resident. */
const measureOpen = (engine: string, file: string): OpenFigures => {
  const bytes = new Uint8Array(readFileSync(file));
  const rss = process.memoryUsage.rss();
  const kept: unknown[] = [];
  const texts: number[] = [];
  const loads: number[] = [];
  for (let i = 0; i < 7; i++) {
    const start = performance.now();
    if (engine === "replica") {
      if (snapshotText(bytes, "text") === undefined) throw new Error("no text");
      texts.push(performance.now() - start);
      kept[0] = loaded(bytes, "b2");
      loads.push(performance.now() - start);
    } else if (engine === "yjs") {
      const doc = new Y.Doc();
      Y.applyUpdate(doc, bytes);
      kept[0] = doc.getText("text").toJSON();
      kept[1] = doc;
    } else {
      const doc = A.load<{ text: string }>(bytes);
      kept[0] = doc.text.length;
      kept[1] = doc;
    }
    if (engine !== "replica") {
      texts.push(performance.now() - start);
      loads.push(performance.now() - start);
    }
    if (i === 0) kept[2] = process.memoryUsage.rss() - rss;
  }
  return {
    firstTextMs: round(texts[0] ?? 0, 2),
    firstLoadMs: round(loads[0] ?? 0, 2),
    textMs: round(median(texts), 2),
    loadMs: round(median(loads), 2),
    rssMb: round(Number(kept[2]) / 1e6, 1),
  };
};

const openInProcess = (engine: string, bytes: Uint8Array): OpenFigures => {
  const folder = mkdtempSync(path.join(os.tmpdir(), "replica-bench-"));
  const file = path.join(folder, "document");
  writeFileSync(file, bytes);
  try {
    const output = execFileSync(process.execPath, [import.meta.filename, engine, file]);
    return JSON.parse(output.toString()) as OpenFigures;
  } finally {
    rmSync(folder, { recursive: true });
  }
};

const automergeFigures = (history: readonly Uint8Array[], fresh: readonly Uint8Array[]) => {
  const start = cpuMs();
  let [doc] = A.applyChanges(A.init<{ text: string }>(), [...history]);
  const batchCpuMs = round(cpuMs() - start, 0);
  const file = A.save(doc);
  const remote = timed(SLOW_KEYSTROKES, (i) => {
    [doc] = A.applyChanges(doc, [fresh[i] as Uint8Array]);
  });
  const local = timed(SLOW_KEYSTROKES, () => {
    doc = A.change(doc, { time: 0 }, (draft) => {
      A.splice(draft, ["text"], 50, 0, "y");
    });
  });
  return { remote, local, batchCpuMs, bytes: file.length, open: openInProcess("automerge", file) };
};

const yjsFigures = (trace: Trace) => {
  const doc = new Y.Doc();
  const text = doc.getText("text");
  text.insert(0, trace.startContent);
  for (const { patches } of trace.txns) {
    for (const [at, removed, inserted] of patches) {
      if (removed > 0) text.delete(at, removed);
      if (inserted !== "") text.insert(at, inserted);
    }
  }
  const file = Y.encodeStateAsUpdate(doc);
  const reader = new Y.Doc();
  Y.applyUpdate(reader, file);
  const updates: Uint8Array[] = [];
  doc.on("update", (update: Uint8Array) => updates.push(update));
  const caret = createCaret(() => text.length);
  const local = timed(KEYSTROKES, (i) => {
    if (i % 7 === 6) text.delete(Math.min(caret(i), text.length - 1), 1);
    else text.insert(caret(i), "x");
  });
  const remote = timed(updates.length, (i) => {
    Y.applyUpdate(reader, updates[i] as Uint8Array);
  });
  return { local, remote, bytes: file.length, open: openInProcess("yjs", file) };
};

/** Figures of perf.md (a) for one trace: the replica beside Automerge 3.5 and Yjs in the same run. */
export const run = ({ args }: { readonly json: boolean; readonly args: readonly string[] }): Promise<object> => {
  const name = args[0] ?? "automerge-paper";
  const trace = readTrace(name);
  const typed = typeTrace(trace);
  const snapshot = typed.replica.snapshot();
  const { local, remote, changes } = keystrokes(snapshot, typed.text);
  const batch = createReplica(automergeDependencies, "c3");
  const start = cpuMs();
  batch.applyChanges(typed.changes);
  const batchCpuMs = round(cpuMs() - start, 0);
  const replica = {
    typing: typed.figures,
    local,
    remote,
    batchCpuMs,
    bytes: snapshot.length,
    open: openInProcess("replica", snapshot),
  };
  return Promise.resolve({
    trace: name,
    changes: typed.changes.length,
    node: process.version,
    cpu: os.cpus()[0]?.model ?? "",
    replica,
    automerge: automergeFigures(typed.changes, changes),
    yjs: yjsFigures(trace),
  });
};

if (process.argv[1] === import.meta.filename) {
  const [, , engine, file] = process.argv;
  if (engine !== undefined && file !== undefined) console.log(JSON.stringify(measureOpen(engine, file)));
}
