import type { WebContents } from "electron";
import { ipcMain } from "electron";
import { contractError } from "../../app/contract/errors.ts";
import type { ContractHost } from "../../app/contract/handlers.ts";
import { err } from "../../protocol/kernel/result.ts";
import { INVOKE, MESSAGE, SUBSCRIBE, UNSUBSCRIBE } from "./ipc-channels.ts";
import { isTrustedSender } from "./trusted-sender.ts";

/** Open streams a window may hold; the app needs about a dozen. */
const MAX_STREAMS = 256;

/** Longest name of an identity, by which the control socket may choose it. */
const MAX_IDENTITY = 200;

const isIdentity = (value: unknown): value is string | undefined =>
  value === undefined || (typeof value === "string" && value.length <= MAX_IDENTITY);
const isStreamNumber = (value: unknown): value is number => Number.isSafeInteger(value);

/**
 * Serves the contract to the window that `current` names. Everything from the renderer is untrusted: sender, operation,
 * identity and input are checked before a handler runs. Streams end with their page.
 */
export const serveContract = (host: ContractHost, current: () => WebContents | undefined): void => {
  const closeByStream = new Map<number, () => void>();
  const watched = new WeakSet<WebContents>();

  const closeAll = (): void => {
    for (const close of closeByStream.values()) close();
    closeByStream.clear();
  };

  const watch = (sender: WebContents): void => {
    if (watched.has(sender)) return;
    watched.add(sender);
    sender.on("destroyed", closeAll);
    sender.on("render-process-gone", closeAll);
    sender.on("did-start-navigation", (details) => {
      if (details.isMainFrame && !details.isSameDocument) closeAll();
    });
  };

  ipcMain.handle(INVOKE, async (event, name: unknown, input: unknown, identity: unknown) => {
    if (!isTrustedSender(event, current()) || typeof name !== "string" || !isIdentity(identity))
      return err(contractError("NotAllowed"));
    return host.invoke(name, input, identity);
  });

  ipcMain.on(SUBSCRIBE, (event, stream: unknown, name: unknown, input: unknown, identity: unknown) => {
    if (!isTrustedSender(event, current()) || !isStreamNumber(stream)) return;
    if (typeof name !== "string" || !isIdentity(identity)) return;
    const { sender } = event;
    if (closeByStream.has(stream) || closeByStream.size >= MAX_STREAMS) {
      sender.send(MESSAGE, stream, err(contractError("NotAllowed", "Too many open streams.")));
      return;
    }
    watch(sender);
    const send = (message: unknown): void => {
      if (!sender.isDestroyed()) sender.send(MESSAGE, stream, message);
    };
    const close = host.subscribe(name, input, send, identity);
    closeByStream.set(stream, close);
  });

  ipcMain.on(UNSUBSCRIBE, (event, stream: unknown) => {
    if (!isTrustedSender(event, current()) || !isStreamNumber(stream)) return;
    closeByStream.get(stream)?.();
    closeByStream.delete(stream);
  });
};
