import { readFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";

/** One edit of a recorded keystroke history: at `at`, `remove` characters go and `insert` comes. */
export type TraceStep = readonly [at: number, remove: number, insert: string];

/** The 259 778 keystrokes of the Automerge paper; see test/vectors/data/traces/README.md. */
export const readTrace = (): readonly TraceStep[] => {
  const file = path.join(import.meta.dirname, "..", "..", "vectors", "data", "traces", "automerge-paper.json.gz");
  const { txns } = JSON.parse(gunzipSync(readFileSync(file)).toString()) as {
    readonly txns: readonly { readonly patches: readonly TraceStep[] }[];
  };
  return txns.flatMap(({ patches }) => patches);
};
