/** A minimal y-websocket server on y-protocols, as its documentation describes: one room per URL, updates relayed as they come. */
import * as decoding from "lib0/decoding";
import * as encoding from "lib0/encoding";
import { type WebSocket, WebSocketServer } from "ws";
import * as sync from "y-protocols/sync";
import * as Y from "yjs";

const SYNC_MESSAGE = 0;
const rooms = new Map<string, { readonly doc: Y.Doc; readonly members: Set<WebSocket> }>();

const room = (name: string) => {
  const known = rooms.get(name);
  if (known !== undefined) return known;
  const fresh = { doc: new Y.Doc(), members: new Set<WebSocket>() };
  rooms.set(name, fresh);
  fresh.doc.on("update", (update: Uint8Array, origin: unknown) => {
    const encoder = encoding.createEncoder();
    encoding.writeVarUint(encoder, SYNC_MESSAGE);
    sync.writeUpdate(encoder, update);
    for (const member of fresh.members) if (member !== origin) member.send(encoding.toUint8Array(encoder));
  });
  return fresh;
};

const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false }, () => {
  process.send?.({ port: (server.address() as { readonly port: number }).port });
});
server.on("connection", (socket, request) => {
  const { doc, members } = room((request.url ?? "/").slice(1).split("?")[0] ?? "");
  members.add(socket);
  socket.binaryType = "arraybuffer";
  socket.on("close", () => members.delete(socket));
  socket.on("message", (message) => {
    const decoder = decoding.createDecoder(new Uint8Array(message as ArrayBuffer));
    if (decoding.readVarUint(decoder) !== SYNC_MESSAGE) return;
    const encoder = encoding.createEncoder();
    encoding.writeVarUint(encoder, SYNC_MESSAGE);
    sync.readSyncMessage(decoder, encoder, doc, socket);
    if (encoding.length(encoder) > 1) socket.send(encoding.toUint8Array(encoder));
  });
  const encoder = encoding.createEncoder();
  encoding.writeVarUint(encoder, SYNC_MESSAGE);
  sync.writeSyncStep1(encoder, doc);
  socket.send(encoding.toUint8Array(encoder));
});
process.on("message", (preload: { readonly room: string; readonly update: string }) => {
  Y.applyUpdate(room(preload.room).doc, Buffer.from(preload.update, "base64"));
  process.send?.({ loaded: true });
});
process.once("disconnect", () => process.exit(0));
