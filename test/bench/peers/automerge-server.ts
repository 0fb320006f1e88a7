/** automerge-repo's own sync server over WebSocket, with documents made before anyone connects. */
import { Repo } from "@automerge/automerge-repo";
import { WebSocketServerAdapter } from "@automerge/automerge-repo-network-websocket";
import * as Automerge from "@automerge/automerge";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { WebSocketServer } from "ws";

process.once("disconnect", () => process.exit(0));
const [mode, first, second] = process.argv.slice(2);
const sockets = new WebSocketServer({ port: 0, host: "127.0.0.1" });
await once(sockets, "listening");
const repo = new Repo({ network: [new WebSocketServerAdapter(sockets as never)], sharePolicy: async () => false });
const urls: string[] = [];
if (mode === "many")
  for (let i = 0; i < Number(first); i++) {
    let doc = Automerge.from({ title: `note ${i}`, text: "" });
    for (let k = 0; k < Number(second); k++)
      doc = Automerge.change(doc, (draft) => {
        Automerge.splice(draft, ["text"], draft.text.length, 0, `word${k} `);
      });
    urls.push(repo.import(Automerge.save(doc)).url);
  }
else urls.push(repo.import(new Uint8Array(readFileSync(first as string))).url);
process.send?.({ urls, port: (sockets.address() as { readonly port: number }).port });
