import type { UtilityProcess } from "electron";
import { utilityProcess } from "electron";
import { fileURLToPath } from "node:url";
import type { Serving, ServingReport } from "../../app/contract/types.ts";
import type { FromProxy, ToProxy } from "../proxy/proxy-messages.ts";
import type { ShellSettings } from "./shell-settings.ts";

/** The app as an always-on node for others: a proxy in a process of its own, started and stopped here. */
export interface ServingControl {
  readonly show: () => Promise<Serving>;
  /** Resolves once the proxy runs, was refused, or has ended. */
  readonly set: (active: boolean, capacity: number | undefined) => Promise<Serving>;
  /** A link that opens one account; null while nothing is served. */
  readonly mint: () => Promise<string | null>;
  /** Starts what the settings say. */
  readonly resume: () => void;
  readonly stop: () => Promise<void>;
}

interface Running {
  readonly child: UtilityProcess;
  addresses: readonly string[];
}

/** A proxy that has not closed its files by then is ended. */
const STOP_MS = 5_000;

const post = (child: UtilityProcess, message: ToProxy): void => {
  child.postMessage(message);
};

/** `script`: the built entry of the process; `folder`: all that the proxy keeps. */
export const createServing = (script: URL, folder: string, settings: ShellSettings): ServingControl => {
  let running: Running | undefined;
  let problem: string | null = null;
  let lastMint = 0;
  const minting = new Map<number, (link: string | null) => void>();
  let settled: (() => void) | undefined;

  const reporting = new Map<number, (report: ServingReport | null) => void>();
  let lastReport = 0;
  const report = (): Promise<ServingReport | null> =>
    new Promise((resolve) => {
      if (running === undefined || running.addresses.length === 0) {
        resolve(null);
        return;
      }
      const id = ++lastReport;
      reporting.set(id, resolve);
      post(running.child, { type: "report", id });
    });

  const show = async (): Promise<Serving> => ({
    active: settings.serves(),
    capacity: settings.capacity(),
    report: await report(),
    addresses: running?.addresses ?? [],
    problem,
  });

  const heard = (message: FromProxy): void => {
    switch (message.type) {
      case "started":
        if (running !== undefined) running.addresses = message.addresses;
        settled?.();
        break;
      case "failed":
        problem = `The always-on node does not run: ${message.error.message}.`;
        running?.child.kill();
        break;
      case "minted":
        minting.get(message.id)?.(message.link);
        minting.delete(message.id);
        break;
      case "reported":
        reporting.get(message.id)?.(message.report);
        reporting.delete(message.id);
        break;
      case "stopped":
        running?.child.kill();
        break;
    }
  };

  const start = (): Promise<void> =>
    new Promise((resolve) => {
      settled = resolve;
      problem = null;
      const child = utilityProcess.fork(fileURLToPath(script), [], {
        serviceName: "p2pcollab always-on node",
        stdio: ["ignore", "ignore", "inherit"],
      });
      running = { child, addresses: [] };
      child.on("message", heard);
      child.once("exit", () => {
        if (running?.child !== child) return;
        running = undefined;
        for (const answer of minting.values()) answer(null);
        minting.clear();
        for (const answer of reporting.values()) answer(null);
        reporting.clear();
        if (settings.serves()) problem ??= "The always-on node ended unexpectedly. Switch it off and on again.";
        settled?.();
      });
      post(child, { type: "start", folder, capacity: settings.capacity() });
    });

  const stop = async (): Promise<void> => {
    const ending = running;
    if (ending === undefined) return;
    const ended = new Promise<void>((resolve) => {
      ending.child.once("exit", () => resolve());
    });
    post(ending.child, { type: "stop" });
    const timer = setTimeout(() => ending.child.kill(), STOP_MS);
    await ended;
    clearTimeout(timer);
  };

  return {
    show,
    set: async (active, capacity) => {
      settings.setServes(active);
      if (capacity !== undefined && capacity !== settings.capacity()) {
        settings.setCapacity(capacity);
        await stop();
      }
      if (active && running === undefined) await start();
      if (!active) {
        await stop();
        problem = null;
      }
      return show();
    },
    mint: () =>
      new Promise((resolve) => {
        if (running === undefined || running.addresses.length === 0) {
          resolve(null);
          return;
        }
        const id = ++lastMint;
        minting.set(id, resolve);
        post(running.child, { type: "mint", id });
      }),
    resume: () => {
      if (settings.serves()) void start();
    },
    stop,
  };
};
