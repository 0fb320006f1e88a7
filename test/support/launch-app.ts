import type { ElectronApplication, Page } from "@playwright/test";
import { _electron as electron } from "@playwright/test";
import { spawn } from "node:child_process";
import type { ElectronRuntime } from "./electron-runtime.ts";
import { ROOT } from "./electron-runtime.ts";

export interface LaunchOptions {
  readonly runtime: ElectronRuntime;
  readonly dataDirectory: string;
  readonly display: string;
  /** Chromium's own sandbox; impossible as root. */
  readonly sandbox: boolean;
  readonly args?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Program to start in place of the runtime's own executable, which it is expected to run. */
  readonly executable?: string;
  /** Folder of the app as that program sees it. */
  readonly folder?: string;
}

export interface LaunchedApp {
  readonly application: ElectronApplication;
  readonly page: Page;
  /** What the main process and the page printed so far. */
  readonly log: () => string;
}

const environmentFor = (options: LaunchOptions): Record<string, string> => {
  const inherited = Object.entries(process.env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && !/^(ELECTRON_|NODE_|VITEST|DISPLAY$|WAYLAND)/.test(entry[0]),
  );
  return {
    ...Object.fromEntries(inherited),
    DISPLAY: options.display,
    ...(options.runtime.binding === null ? {} : { P2PCOLLAB_SQLITE_BINDING: options.runtime.binding }),
    ...options.environment,
  };
};

const LAUNCH_TIME_MS = 45_000;

/** Starts the built app in a real Electron. */
export const launchHidden = (options: LaunchOptions): Promise<ElectronApplication> => {
  const launch = () =>
    electron.launch({
      executablePath: options.executable ?? options.runtime.executable,
      args: [options.folder ?? ROOT, "--data-dir", options.dataDirectory, ...(options.args ?? [])],
      chromiumSandbox: options.sandbox,
      env: environmentFor(options),
      cwd: ROOT,
      timeout: LAUNCH_TIME_MS,
    });
  // Now and then the debugger's connection to a starting Chromium hangs before any of our code runs; the second one holds.
  return launch().catch((cause: unknown) => {
    console.error("the app is launched again:", cause instanceof Error ? cause.message.split("\n")[0] : cause);
    return launch();
  });
};

/** Starts the built app in a real Electron and waits for its first window. */
export const launchApp = async (options: LaunchOptions): Promise<LaunchedApp> => {
  const lines: string[] = [];
  const application = await launchHidden(options);
  application.process().stdout?.on("data", (chunk: Buffer) => lines.push(chunk.toString()));
  application.process().stderr?.on("data", (chunk: Buffer) => lines.push(chunk.toString()));
  const page = await application.firstWindow({ timeout: 60_000 });
  page.on("console", (message) => lines.push(`[page ${message.type()}] ${message.text()}\n`));
  page.on("pageerror", (error) => lines.push(`[page error] ${error.stack ?? error.message}\n`));
  return { application, page, log: () => lines.join("") };
};

/** Starts the built app as a desktop would, with nobody holding its strings; its exit code. */
export const startApp = (options: LaunchOptions): Promise<number | null> => {
  const sandbox = options.sandbox ? [] : ["--no-sandbox"];
  const child = spawn(
    options.runtime.executable,
    [ROOT, ...sandbox, "--data-dir", options.dataDirectory, ...(options.args ?? [])],
    { env: environmentFor(options), cwd: ROOT, stdio: "ignore" },
  );
  return new Promise((resolve) => {
    child.once("exit", resolve);
  });
};

/** Answers the system's folder dialog, which no test can reach, with `folder` from now on. */
export const answerFolderDialog = (application: ElectronApplication, folder: string): Promise<void> =>
  application.evaluate(({ dialog }, picked) => {
    dialog.showOpenDialog = async () => ({ canceled: false, filePaths: [picked] });
  }, folder);
