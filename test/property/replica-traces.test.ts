import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import * as A from "@automerge/automerge";
import { expect, test } from "vitest";
import { shuffle } from "../../protocol/kernel/random.ts";
import { createReplica, loadReplica } from "../../protocol/replica/replica.ts";
import { snapshotText } from "../../protocol/replica/snapshot.ts";
import { automergeDependencies } from "../support/automerge-dependencies.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

interface Trace {
  readonly startContent: string;
  readonly endContent: string;
  readonly txns: readonly { readonly patches: readonly (readonly [number, number, string])[] }[];
}
const readTrace = (name: string): Trace =>
  JSON.parse(
    gunzipSync(readFileSync(new URL(`../vectors/data/traces/${name}.json.gz`, import.meta.url))).toString(),
  ) as Trace;

/** Transactions of a trace per change, so that both traces become some thousand changes. */
const cases = [
  ["sveltecomponent", 3],
  ["automerge-paper", 40],
] as const;

for (const [name, perChange] of cases) {
  test(`RPL-1 RPL-2 RPL-7 the trace ${name} gives its text here, in Automerge, out of order and from a snapshot`, () => {
    const trace = readTrace(name);
    const replica = createReplica(automergeDependencies, "a1");
    const changes: Uint8Array[] = [];
    let text = "";
    const first = replica.change({ time: 0 }, (transaction) => {
      text = transaction.putText("_root", "text", trace.startContent);
    });
    changes.push(first?.bytes as Uint8Array);
    for (let from = 0; from < trace.txns.length; from += perChange) {
      const change = replica.change({ time: 0 }, (transaction) => {
        for (const { patches } of trace.txns.slice(from, from + perChange)) {
          for (const [at, removed, inserted] of patches) transaction.splice(text, at, removed, inserted);
        }
      });
      if (change !== undefined) changes.push(change.bytes);
    }
    expect(replica.text(text)).toBe(trace.endContent);
    const [doc] = A.applyChanges(A.init<{ text: string }>(), changes);
    expect(doc.text).toBe(trace.endContent);
    expect(A.getHeads(doc)).toEqual(replica.heads());

    const other = createReplica(automergeDependencies, "b2");
    for (const part of [changes.slice(1), changes.slice(0, 1)]) {
      other.applyChanges(shuffle(createSeededRandom(name), part));
    }
    expect(other.text(text)).toBe(trace.endContent);
    expect(other.heads()).toEqual(replica.heads());

    const snapshot = other.snapshot();
    expect(snapshotText(snapshot, "text")).toBe(trace.endContent);
    const loaded = loadReplica(automergeDependencies, snapshot, "c3");
    expect(loaded.ok && loaded.value.text(text)).toBe(trace.endContent);
  });
}
