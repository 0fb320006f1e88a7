import { spawn } from "node:child_process";
import path from "node:path";
import readline from "node:readline";
import type { LaunchOptions } from "../support/launch-app.ts";
import type { NetworkHost } from "../support/netns.ts";
import type { DriverAnswer, DriverRequest } from "./driver-messages.ts";

const DRIVER = path.join(import.meta.dirname, "driver.ts");

/** The app on one host of a test network, steered from outside. Selectors are Playwright's. */
export interface RemoteApp {
  readonly launch: (options: Omit<LaunchOptions, "display">) => Promise<void>;
  /** Starts the app as it was started last. */
  readonly launchAgain: () => Promise<void>;
  /** Closes the app as a person would. */
  readonly close: () => Promise<void>;
  /** Ends the app's main process with SIGKILL. */
  readonly kill: () => Promise<void>;
  readonly log: () => Promise<string>;
  readonly processId: () => Promise<number>;
  readonly reload: () => Promise<void>;
  readonly click: (selector: string) => Promise<void>;
  readonly fill: (selector: string, text: string) => Promise<void>;
  readonly type: (selector: string, text: string, delayMs?: number) => Promise<void>;
  /** Chooses an option of a list by its value. */
  readonly select: (selector: string, value: string) => Promise<void>;
  readonly press: (key: string) => Promise<void>;
  readonly text: (selector: string) => Promise<string>;
  readonly count: (selector: string) => Promise<number>;
  readonly waitFor: (
    selector: string,
    state?: "visible" | "hidden" | "attached" | "detached",
    timeoutMs?: number,
  ) => Promise<void>;
  /** Calls a contract operation through the page's own door; its `Result`. */
  readonly invoke: <T>(name: string, input?: unknown) => Promise<T>;
  /** Value of a JavaScript expression in the page. */
  readonly evaluate: <T>(expression: string) => Promise<T>;
  /** What the system's folder dialog answers from now on. */
  readonly chooseFolder: (folder: string) => Promise<void>;
  /** The colours that the system asks of the app. */
  readonly theme: (theme: "light" | "dark") => Promise<void>;
  readonly screenshot: (file: string) => Promise<void>;
  /** Ends app and driver. */
  readonly dispose: () => Promise<void>;
}

/** Starts a driver process on `host`; the app itself starts with `launch`. */
export const startRemoteApp = (host: NetworkHost): RemoteApp => {
  const [command, ...args] = host.command([process.execPath, DRIVER]);
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  const waiting = new Map<
    number,
    { readonly resolve: (value: unknown) => void; readonly reject: (cause: Error) => void }
  >();
  let last = 0;
  let launched: Omit<LaunchOptions, "display"> | undefined;
  const exited = new Promise<void>((resolve) => {
    child.once("exit", (code) => {
      for (const { reject } of waiting.values()) reject(new Error(`the driver on ${host.name} ended with ${code}`));
      waiting.clear();
      resolve();
    });
  });
  readline.createInterface({ input: child.stdout }).on("line", (line) => {
    const message = JSON.parse(line) as DriverAnswer;
    const caller = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.ok) caller?.resolve(message.value);
    else caller?.reject(new Error(`${host.name}: ${message.message}`));
  });

  const ask = <T>(request: DriverRequest): Promise<T> =>
    new Promise((resolve, reject) => {
      const id = ++last;
      waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      child.stdin.write(`${JSON.stringify({ id, request })}\n`);
    });

  return {
    launch: (options) => {
      launched = options;
      return ask({ method: "launch", options });
    },
    launchAgain: async () => {
      if (launched === undefined) throw new Error("the app was never started");
      await ask({ method: "launch", options: launched });
    },
    close: () => ask({ method: "close" }),
    kill: () => ask({ method: "kill" }),
    log: () => ask({ method: "log" }),
    processId: () => ask({ method: "processId" }),
    reload: () => ask({ method: "reload" }),
    click: (selector) => ask({ method: "click", selector }),
    fill: (selector, text) => ask({ method: "fill", selector, text }),
    type: (selector, text, delayMs = 0) => ask({ method: "type", selector, text, delayMs }),
    select: (selector, value) => ask({ method: "select", selector, value }),
    press: (key) => ask({ method: "press", key }),
    text: (selector) => ask({ method: "text", selector }),
    count: (selector) => ask({ method: "count", selector }),
    waitFor: (selector, state = "visible", timeoutMs = 30_000) =>
      ask({ method: "waitFor", selector, state, timeoutMs }),
    invoke: (name, input) => ask({ method: "invoke", name, input }),
    evaluate: (expression) => ask({ method: "evaluate", expression }),
    chooseFolder: (folder) => ask({ method: "chooseFolder", folder }),
    theme: (theme) => ask({ method: "theme", theme }),
    screenshot: (file) => ask({ method: "screenshot", file }),
    dispose: async () => {
      child.stdin.end();
      await exited;
    },
  };
};
