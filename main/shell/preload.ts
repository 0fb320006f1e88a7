import { contextBridge, ipcRenderer, webUtils } from "electron";
import type { ContractTransport } from "../../app/contract/create-api.ts";
import { INVOKE, MESSAGE, SUBSCRIBE, UNSUBSCRIBE } from "./ipc-channels.ts";

type Listener = Parameters<ContractTransport["subscribe"]>[2];

const listenerByStream = new Map<number, Listener>();
let lastStream = 0;

ipcRenderer.on(MESSAGE, (_event, stream: number, message: Parameters<Listener>[0]) => {
  listenerByStream.get(stream)?.(message);
});

const transport: ContractTransport = {
  invoke: (name, input, identity) =>
    ipcRenderer.invoke(INVOKE, name, input, identity) as ReturnType<ContractTransport["invoke"]>,
  subscribe: (name, input, listener, identity) => {
    const stream = ++lastStream;
    listenerByStream.set(stream, listener);
    ipcRenderer.send(SUBSCRIBE, stream, name, input, identity);
    return () => {
      if (listenerByStream.delete(stream)) ipcRenderer.send(UNSUBSCRIBE, stream);
    };
  },
};

contextBridge.exposeInMainWorld("p2pcollab", transport);
/** Where a dropped or chosen file lies; "" for one that is only in memory, such as a pasted picture. */
contextBridge.exposeInMainWorld("p2pcollabPathOf", (file: File) => webUtils.getPathForFile(file));
