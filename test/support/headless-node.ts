import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { CallName, InputOf, OutputOf } from "../../app/contract/contract.ts";
import { createApi } from "../../app/contract/create-api.ts";
import { connectControl, type ControlClient } from "../../main/control/control-client.ts";

/** A real node in its own process, as `p2pcollab node` starts it. */
export interface HeadlessNode {
  readonly dataDirectory: string;
  readonly child: ChildProcess;
  /** host:port on loopback. */
  readonly address: string;
  readonly stderr: () => string;
  /** Runs a contract operation; throws on a contract error, with its type in the message. */
  readonly call: <N extends CallName>(
    name: N,
    ...input: InputOf<N> extends undefined ? [] : [InputOf<N>]
  ) => Promise<OutputOf<N>>;
  readonly client: ControlClient;
  readonly kill: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

const ROOT = path.resolve(import.meta.dirname, "..", "..");
const START_TIMEOUT_MS = 30_000;

export const temporaryFolder = (label: string): string => mkdtempSync(path.join(os.tmpdir(), `p2pcollab-${label}-`));
export const removeFolder = (folder: string): void => rmSync(folder, { recursive: true, force: true });

const exited = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once("exit", () => resolve());
  });

/** Starts a node and waits until it answers. `before` goes in front of the command, such as `ip netns exec NAME`. */
export const startHeadless = async (
  dataDirectory: string,
  options: {
    readonly args?: readonly string[];
    readonly before?: readonly string[];
    readonly nodeArgs?: readonly string[];
    readonly environment?: Readonly<Record<string, string>>;
  } = {},
): Promise<HeadlessNode> => {
  const args = options.args ?? ["--listen", "127.0.0.1:0", "--no-mdns"];
  const command = [
    ...(options.before ?? []),
    process.execPath,
    ...(options.nodeArgs ?? []),
    path.join(ROOT, "main", "headless.ts"),
    "node",
    "--data-dir",
    dataDirectory,
    ...args,
  ];
  const child = spawn(command[0] as string, command.slice(1), {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...options.environment },
  });
  let stdout = "";
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const ready = await new Promise<{ readonly listening: readonly string[] }>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`the node did not start: ${stderr}`)), START_TIMEOUT_MS);
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
      const line = stdout.split("\n").find((text) => text.startsWith("{") && text.endsWith("}"));
      if (line === undefined) return;
      clearTimeout(timer);
      resolve(JSON.parse(line) as { listening: string[] });
    });
    child.once("exit", (code) => {
      clearTimeout(timer);
      reject(new Error(`the node ended with ${code}: ${stderr}`));
    });
  });
  const connected = await connectControl(dataDirectory);
  if (!connected.ok) throw new Error(connected.error.message);
  const client = connected.value;
  const api = createApi(client);
  return {
    dataDirectory,
    child,
    client,
    address: ready.listening[0] ?? "",
    stderr: () => stderr,
    call: async (name, ...input) => {
      const answer = await api.call(name, ...input);
      if (!answer.ok) throw new Error(`${answer.error.type}: ${answer.error.message}`);
      return answer.value;
    },
    kill: async () => {
      child.kill("SIGKILL");
      client.close();
      await exited(child);
    },
    stop: async () => {
      child.kill("SIGTERM");
      client.close();
      await exited(child);
    },
  };
};

/** Waits until `probe` answers something other than undefined or false. */
export const eventually = async <T>(
  probe: () => Promise<T | undefined | false>,
  what: string,
  timeoutMs = 20_000,
  intervalMs = 50,
): Promise<T> => {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > end) throw new Error(`timed out: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  }
};
