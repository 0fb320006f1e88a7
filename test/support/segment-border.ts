// Run inside the namespace of one segment: segment-border.ts SEGMENT SOCKET-FOLDER LISTENED LATENCY-MS LOSS
import { existsSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import path from "node:path";

/**
 * Carries TCP streams between segments that have no other way to each other, over a socket in the file system. It accepts for the
 * addresses of other segments and dials from an address of its own, as a translator does. Chunks wait for the latency, some for a
 * retransmission. While the file `cut-SEGMENT` exists nothing passes and every stream ends.
 */
const [segment = "", folder = "", listened = "", latency = "0", loss = "0"] = process.argv.slice(2);
const RETRANSMIT_MS = 200;
const CUT_CHECK_MS = 100;
const SPREAD = 0.5;
const socketOf = (of: string): string => path.join(folder, `border-${of}.sock`);
const isCut = (of: string): boolean => existsSync(path.join(folder, `cut-${of}`));
const open = new Set<Socket>();

const track = (socket: Socket): void => {
  open.add(socket);
  socket.on("close", () => open.delete(socket));
  socket.on("error", () => socket.destroy());
};

/** In order, late: what waits for a retransmission holds up what follows. */
const carry = (from: Socket, to: Socket): void => {
  let arrivesAt = 0;
  const later = (work: () => void): void => {
    const lost = Math.random() < Number(loss) ? RETRANSMIT_MS : 0;
    const delay = Number(latency) * (1 + SPREAD * Math.random()) + lost;
    arrivesAt = Math.max(arrivesAt, Date.now() + delay);
    setTimeout(work, arrivesAt - Date.now());
  };
  from.on("data", (chunk: Buffer) => later(() => to.writable && to.write(chunk)));
  from.on("end", () => later(() => to.end()));
  from.on("close", () => later(() => to.destroy()));
};

const started: Promise<void>[] = [];
const listen = (server: Server, where: { readonly path: string } | { readonly host: string; readonly port: number }) =>
  started.push(new Promise((resolve) => server.listen(where, resolve)));

// Outgoing: for each `segment/host:port` of another segment.
for (const entry of listened.split(",").filter((text) => text !== "")) {
  const [other = "", address = ""] = entry.split("/");
  const at = address.lastIndexOf(":");
  const [host, port] = [address.slice(0, at), Number(address.slice(at + 1))];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    if (isCut(segment) || isCut(other)) return void socket.destroy();
    track(socket);
    const onward = connect({ path: socketOf(other), allowHalfOpen: true });
    track(onward);
    onward.write(`${host}:${port}\n`);
    carry(socket, onward);
    carry(onward, socket);
  });
  listen(server, { host, port });
}

// Incoming: the first line names the address in this segment.
const incoming = createServer({ allowHalfOpen: true }, (socket) => {
  track(socket);
  let head = Buffer.alloc(0);
  const read = (chunk: Buffer): void => {
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf("\n");
    if (end < 0) return;
    socket.off("data", read);
    socket.pause();
    const address = head.subarray(0, end).toString();
    const at = address.lastIndexOf(":");
    const inner = connect({
      host: address.slice(0, at),
      port: Number(address.slice(at + 1)),
      localAddress: `10.78.${segment}.254`,
      allowHalfOpen: true,
    });
    track(inner);
    inner.write(head.subarray(end + 1));
    socket.on("data", (data: Buffer) => inner.write(data));
    socket.on("end", () => inner.end());
    socket.on("close", () => inner.destroy());
    inner.on("data", (data: Buffer) => socket.write(data));
    inner.on("end", () => socket.end());
    inner.on("close", () => socket.destroy());
    socket.resume();
  };
  socket.on("data", read);
});
listen(incoming, { path: socketOf(segment) });

let wasCut = false;
setInterval(() => {
  const cut = isCut(segment);
  if (cut && !wasCut) for (const socket of open) socket.destroy();
  wasCut = cut;
}, CUT_CHECK_MS);
void Promise.all(started).then(() => process.stdout.write("up\n"));
