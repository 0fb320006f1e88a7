import { utilityProcess } from "electron";
import type { EngineSpawner } from "../adapters/engine-host.ts";
import type { FromEngine } from "../engine/engine-messages.ts";

/** Heap bound in MiB, as for a forked engine; beyond it V8 ends the process, which counts as a crash. */
const MAX_HEAP_MIB = 1_024;

/** Spawns the engine as a utility process of Electron: no access to the network service, own memory, disposable. */
export const createUtilitySpawner =
  (entry: string): EngineSpawner =>
  (listener) => {
    const child = utilityProcess.fork(entry, [], {
      serviceName: "p2pcollab engine",
      execArgv: [`--js-flags=--max-old-space-size=${MAX_HEAP_MIB}`],
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
        if (child.pid !== undefined) process.kill(child.pid, "SIGKILL");
      },
    };
  };
