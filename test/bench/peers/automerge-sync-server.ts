/** automerge-repo's own sync server over WebSocket, storing what passes through it in SQLite with the pragmas of our proxy. */
import { Repo, type Chunk, type StorageKey } from "@automerge/automerge-repo";
import { WebSocketServerAdapter } from "@automerge/automerge-repo-network-websocket";
import Database from "better-sqlite3";
import { once } from "node:events";
import { WebSocketServer } from "ws";

process.once("disconnect", () => process.exit(0));
const database = new Database(process.argv[2] ?? ":memory:");
database.pragma("journal_mode = WAL");
database.pragma("synchronous = NORMAL");
database.exec("CREATE TABLE chunk (key TEXT PRIMARY KEY, data BLOB NOT NULL) STRICT");
const nameOf = (key: StorageKey): string => key.join("/");
const load = database.prepare<[string], { readonly data: Uint8Array }>("SELECT data FROM chunk WHERE key = ?");
const save = database.prepare("INSERT OR REPLACE INTO chunk VALUES (?, ?)");
const remove = database.prepare("DELETE FROM chunk WHERE key = ?");
const range = database.prepare<[string, string], { readonly key: string; readonly data: Uint8Array }>(
  "SELECT key, data FROM chunk WHERE key >= ? AND key < ?",
);
const removeRange = database.prepare("DELETE FROM chunk WHERE key >= ? AND key < ?");
const end = (key: StorageKey): string => `${nameOf(key)}\uffff`;

const sockets = new WebSocketServer({ port: 0, host: "127.0.0.1" });
await once(sockets, "listening");
const repo = new Repo({
  network: [new WebSocketServerAdapter(sockets as never)],
  sharePolicy: async () => true,
  storage: {
    load: async (key) => load.get(nameOf(key))?.data,
    save: async (key, data) => void save.run(nameOf(key), data),
    remove: async (key) => void remove.run(nameOf(key)),
    loadRange: async (key): Promise<Chunk[]> =>
      range.all(nameOf(key), end(key)).map((row) => ({ key: row.key.split("/"), data: row.data })),
    removeRange: async (key) => void removeRange.run(nameOf(key), end(key)),
  },
});
process.on("message", (message) => {
  if (message === "flush") void repo.flush().then(() => process.send?.("flushed"));
});
process.send?.({ port: (sockets.address() as { readonly port: number }).port });
