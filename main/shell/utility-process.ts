import type { UtilityProcess } from "electron";
import { ENGINE_ARGUMENTS, engineEntry, type EngineSpawner } from "../adapters/engine-host.ts";
import type { FromEngine } from "../engine/engine-messages.ts";

/** What is used of Electron's `utilityProcess`. */
export interface UtilityProcesses {
  readonly fork: (
    entry: string,
    args: string[],
    options: {
      readonly execArgv: string[];
      readonly serviceName: string;
      readonly stdio: ["ignore", "ignore", "inherit"];
    },
  ) => UtilityProcess;
}

/** Runs the engine as a utility process of Electron: sandboxed from the window, listed by name in the task manager. */
export const spawnUtilityProcess =
  (processes: UtilityProcesses): EngineSpawner =>
  (listener) => {
    const child = processes.fork(engineEntry(), [], {
      execArgv: [...ENGINE_ARGUMENTS],
      serviceName: "p2pcollab engine",
      stdio: ["ignore", "ignore", "inherit"],
    });
    child.on("message", (message: FromEngine) => {
      listener.message(message);
    });
    child.once("exit", listener.exited);
    return {
      post: (message) => {
        child.postMessage(message);
      },
      kill: () => {
        child.kill();
      },
    };
  };
