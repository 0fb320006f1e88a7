import { rmSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import type { ReaderAnswer, ReaderData, ReaderRequest } from "./reader-host.ts";
import type { SqliteDatabase } from "./sqlite/database.ts";
import { isSound, openReader, openWriter, storageErrorOf } from "./sqlite/database.ts";
import { SEARCH_MIGRATIONS } from "./sqlite/schema.ts";
import { createSearchReader } from "./sqlite/search-reader.ts";
import { createStorageMeter } from "./sqlite/storage-meter.ts";
import { createSearchWriter } from "./sqlite/search-writer.ts";

/** Entry of the reader worker: everything on the database that may take long, off the main thread. */
const { profileFile, searchFile, key } = workerData as ReaderData;

const removeIndex = (): void => {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(searchFile + suffix, { force: true });
};

const openIndex = (): SqliteDatabase => {
  const opened = openWriter(searchFile, key, SEARCH_MIGRATIONS, false);
  if (opened.ok) return opened.value;
  if (opened.error.type !== "CorruptDatabase" && opened.error.type !== "NewerSchema")
    throw new Error(opened.error.message);
  // Everything in it is derived: whoever asks for its identity sees that it is a new one.
  removeIndex();
  const made = openWriter(searchFile, key, SEARCH_MIGRATIONS, false);
  if (!made.ok) throw new Error(made.error.message);
  return made.value;
};

const profile = openReader(profileFile, key);
let measure: ReturnType<typeof createStorageMeter> | undefined;

const connect = () => {
  const index = openIndex();
  return {
    index,
    search: createSearchReader(index, profile),
    write: createSearchWriter(index),
    identity: index.prepare("SELECT name FROM identity").pluck().get() as string,
  };
};
let connected: ReturnType<typeof connect> | undefined;

const handle = (request: ReaderRequest): unknown => {
  // A checkpoint moves only pages of the writer's file; it neither waits for the writer nor makes it wait.
  if (request.type === "checkpoint") {
    profile.pragma("wal_checkpoint(PASSIVE)");
    return null;
  }
  if (request.type === "verify") return isSound(profile);
  if (request.type === "measure") return (measure ??= createStorageMeter(profile))(request.repository);
  connected ??= connect();
  try {
    if (request.type === "search") return connected.search(request.request);
    if (request.type === "identity") return connected.identity;
    connected.write(request.notes);
    return null;
  } catch (cause) {
    if (storageErrorOf(cause)?.type === "CorruptDatabase") {
      connected.index.close();
      connected = undefined;
      removeIndex();
    }
    throw cause;
  }
};

parentPort?.on("message", ({ id, request }: { readonly id: number; readonly request: ReaderRequest }) => {
  let answer: ReaderAnswer;
  try {
    answer = { id, ok: true, value: handle(request) };
  } catch (cause) {
    answer = { id, ok: false, failure: cause instanceof Error ? cause.message : "failed" };
  }
  parentPort?.postMessage(answer);
});
