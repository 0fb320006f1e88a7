import { createHash } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import { createHistoryCore } from "../../app/history/history-core.ts";
import type { HistoryAnswer, HistoryRequest } from "../../app/ports/history-reader.ts";
import { inflateRaw } from "./inspect-change.ts";
import { createChangeReader } from "./sqlite/change-reader.ts";
import { openReader } from "./sqlite/database.ts";

export type ToHistoryWorker =
  | { readonly type: "ask"; readonly id: number; readonly request: HistoryRequest }
  | { readonly type: "forget"; readonly document: number };
/** The profile's database and its key, 32 bytes. */
export interface HistoryFile {
  readonly file: string;
  readonly key: Uint8Array;
}
export interface FromHistoryWorker {
  readonly id: number;
  readonly answer: HistoryAnswer;
  /** Why the answer is `Failed`. */
  readonly failure?: string;
}

const { file, key } = workerData as HistoryFile;

/** Entry of the history worker: a read-only connection and the past states of the documents last asked about. */
const core = createHistoryCore(createChangeReader(openReader(file, key)), {
  sha256: (bytes) => new Uint8Array(createHash("sha256").update(bytes).digest()),
  inflateRaw,
});

const answer = ({ id, request }: Extract<ToHistoryWorker, { type: "ask" }>): FromHistoryWorker => {
  try {
    return { id, answer: core.handle(request) };
  } catch (cause) {
    const failure = cause instanceof Error ? cause.message : "failed";
    return { id, answer: { ok: false, error: { type: "Failed" } }, failure };
  }
};

parentPort?.on("message", (message: ToHistoryWorker) => {
  if (message.type === "forget") core.forget(message.document);
  else parentPort?.postMessage(answer(message));
});
