import { parentPort, workerData } from "node:worker_threads";
import type { SearchRequest } from "../../app/ports/search-index.ts";
import { openReader } from "./sqlite/database.ts";
import { createSearchReader } from "./sqlite/search-reader.ts";

/** Entry of the reader worker: a second SQLite connection that answers searches off the main thread. */
const search = createSearchReader(openReader((workerData as { file: string }).file));

parentPort?.on("message", ({ id, request }: { readonly id: number; readonly request: SearchRequest }) => {
  try {
    parentPort?.postMessage({ id, matches: search(request) });
  } catch (cause) {
    parentPort?.postMessage({ id, failure: cause instanceof Error ? cause.message : "failed" });
  }
});
