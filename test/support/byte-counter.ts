import { connect, createServer, type Socket } from "node:net";

/** A TCP relay on loopback that counts what comes back from the target. */
export interface ByteCounter {
  readonly address: string;
  /** Bytes towards whoever connected since the last call. */
  readonly take: () => number;
  readonly close: () => void;
}

export const countBytes = async (target: string): Promise<ByteCounter> => {
  const [host = "", port = ""] = target.split(":");
  const sockets = new Set<Socket>();
  let bytes = 0;
  const server = createServer((near) => {
    const far = connect({ host, port: Number(port) });
    far.on("data", (chunk: Buffer) => (bytes += chunk.length));
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.pipe(to);
      from.on("error", () => to.destroy());
      from.on("close", () => sockets.delete(from));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const own = server.address();
  return {
    address: `127.0.0.1:${typeof own === "object" ? own?.port : 0}`,
    take: () => {
      const taken = bytes;
      bytes = 0;
      return taken;
    },
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
};
