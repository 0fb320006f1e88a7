import { powerMonitor } from "electron";

/** Tells the node that the computer goes to sleep and wakes; monotonic clocks may stop in between. */
export const watchPower = (listener: { readonly suspended: () => void; readonly resumed: () => void }): void => {
  powerMonitor.on("suspend", listener.suspended);
  powerMonitor.on("resume", listener.resumed);
};
