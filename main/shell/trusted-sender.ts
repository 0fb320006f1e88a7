import type { IpcMainEvent, IpcMainInvokeEvent, WebContents } from "electron";
import { isOwnUrl } from "./app-scheme.ts";

/** True when a message comes from the top frame of our own window, showing our own page. */
export const isTrustedSender = (event: IpcMainEvent | IpcMainInvokeEvent, window: WebContents | undefined): boolean =>
  window !== undefined &&
  event.sender === window &&
  event.senderFrame !== null &&
  event.senderFrame === window.mainFrame &&
  isOwnUrl(event.senderFrame.url);
