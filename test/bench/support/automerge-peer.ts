import { Repo } from "@automerge/automerge-repo";
import { WebSocketClientAdapter } from "@automerge/automerge-repo-network-websocket";
import { fork } from "node:child_process";
import { once } from "node:events";
import path from "node:path";

export interface AutomergeServer {
  readonly port: number;
  /** Fetches every document over the given port; answers the milliseconds it took. */
  readonly pull: (port: number) => Promise<number>;
  readonly stop: () => void;
}

/** automerge-repo's own sync server with documents made before anyone connects, and a client of it in this process. */
export const startAutomergeServer = async (args: readonly string[]): Promise<AutomergeServer> => {
  const server = fork(path.join(import.meta.dirname, "..", "peers", "automerge-server.ts"), [...args]);
  const [{ urls, port: serverPort }] = (await once(server, "message")) as [
    { readonly urls: readonly string[]; readonly port: number },
  ];
  return {
    port: serverPort,
    pull: async (port) => {
      const repo = new Repo({
        network: [new WebSocketClientAdapter(`ws://127.0.0.1:${port}`)],
        sharePolicy: async () => true,
      });
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      const start = performance.now();
      const find = async (url: string) => {
        for (;;)
          try {
            const handle = await repo.find<{ text: string }>(url as never);
            await handle.whenReady();
            return handle.doc().text.length;
          } catch (cause) {
            // It answers "unavailable" now and then while it is busy; asking again succeeds.
            if (!String(cause).includes("unavailable")) throw cause;
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
      };
      await Promise.all(urls.map(find));
      return performance.now() - start;
    },
    stop: () => server.kill(),
  };
};
