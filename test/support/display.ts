import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";

export interface Display {
  /** Value for DISPLAY. */
  readonly name: string;
  readonly close: () => void;
}

const SCREEN = "1440x960x24";
const START_TIMEOUT_MS = 15_000;

const displayNumber = (server: ChildProcess): Promise<string> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error("Xvfb did not say its display number"));
    }, START_TIMEOUT_MS);
    server.on("error", reject);
    server.on("exit", (code) => {
      reject(new Error(`Xvfb ended with ${code}`));
    });
    server.stdio[3]?.on("data", (chunk: Buffer) => {
      clearTimeout(timer);
      resolve(chunk.toString().trim());
    });
  });

/** A virtual screen of its own; ends with `close` or with this process. */
export const startDisplay = async (): Promise<Display> => {
  const server = spawn("Xvfb", ["-displayfd", "3", "-screen", "0", SCREEN, "-nolisten", "tcp", "-ac"], {
    stdio: ["ignore", "ignore", "ignore", "pipe"],
  });
  const stop = (): void => {
    server.kill();
  };
  process.once("exit", stop);
  const number = await displayNumber(server);
  return {
    name: `:${number}`,
    close: () => {
      process.off("exit", stop);
      stop();
    },
  };
};
