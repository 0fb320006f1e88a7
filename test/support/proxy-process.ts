import { type ChildProcess, spawn } from "node:child_process";
import type { S3Settings } from "../../main/proxy/s3-chunks.ts";
import type { CoreStatus } from "../../protocol/core/status.ts";
import { parseProxyLink, type ProxyLink } from "../../protocol/proxy/proxy-link.ts";
import { proxyArguments } from "../../tools/proxy-arguments.mjs";
import { must } from "./data-fixtures.ts";
import type { NetworkHost } from "./netns.ts";

/** A real proxy in its own process and in Node's permission model, as `p2pcollab node --proxy` starts it. */
export interface ProxyProcess {
  readonly child: ChildProcess;
  /** host:port. */
  readonly address: string;
  /** The owner's link; null when there is an account. */
  readonly link: string | null;
  /** A link for another account. */
  readonly mint: (quota?: string) => Promise<string>;
  /** What `proxy-status` prints, as of the last time the proxy wrote it down. */
  readonly status: () => Promise<CoreStatus>;
  readonly kill: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

const START_TIMEOUT_MS = 30_000;

const ended = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once("exit", () => resolve());
  });

/** Runs the command and answers its first line of JSON; the process may live on. */
const run = async (
  args: readonly string[],
  nodeArguments = proxyArguments(args),
  host?: Pick<NetworkHost, "address" | "command">,
  environment: Readonly<Record<string, string>> = {},
): Promise<{ readonly child: ChildProcess; readonly answer: unknown }> => {
  const own: readonly [string, ...string[]] = [process.execPath, ...(nodeArguments ?? []), ...args];
  const [command, ...rest] = host?.command(own) ?? own;
  const child = spawn(command, rest, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  });
  let stdout = "";
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const answer = await new Promise<unknown>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`the proxy did not start: ${stderr}`)), START_TIMEOUT_MS);
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
      if (!stdout.includes("\n")) return;
      clearTimeout(timer);
      resolve(JSON.parse(stdout.slice(0, stdout.indexOf("\n"))));
    });
    child.once("exit", (code) => {
      clearTimeout(timer);
      if (!stdout.includes("\n")) reject(new Error(`the proxy ended with ${code}: ${stderr}`));
    });
  });
  return { child, answer };
};

/** `home`: the arguments that say where it keeps everything. */
const startWith = async (
  home: readonly string[],
  more: readonly string[],
  nodeArguments?: readonly string[],
  host?: Pick<NetworkHost, "address" | "command">,
  environment?: Readonly<Record<string, string>>,
): Promise<ProxyProcess> => {
  const args = ["node", "--proxy", ...home, "--json", ...more];
  const { child, answer } = await run(args, nodeArguments, host, environment);
  const { listening, link } = answer as { readonly listening: readonly string[]; readonly link: string | null };
  return {
    child,
    address: listening[0] ?? "",
    link,
    mint: async (quota = "1G") => {
      const minted = await run(["proxy-code", ...home, "--quota", quota, "--json"], undefined, undefined, environment);
      await ended(minted.child);
      return (minted.answer as { readonly link: string }).link;
    },
    status: async () => {
      const shown = await run(["proxy-status", ...home, "--json"]);
      await ended(shown.child);
      return shown.answer as CoreStatus;
    },
    kill: async () => {
      child.kill("SIGKILL");
      await ended(child);
    },
    stop: async () => {
      child.kill("SIGTERM");
      await ended(child);
    },
  };
};

/**
 * Starts a proxy on loopback or on a host of a test network; `port` 0 for any free one. `nodeArguments`: another script than
 * the sources', and its permissions.
 */
export const startProxy = (
  folder: string,
  port = 0,
  more: readonly string[] = [],
  nodeArguments?: readonly string[],
  host?: Pick<NetworkHost, "address" | "command">,
): Promise<ProxyProcess> => {
  const listen = `${host?.address ?? "127.0.0.1"}:${port}`;
  return startWith(["--data-dir", folder], ["--listen", listen, ...more], nodeArguments, host);
};

/** Starts one of the proxies that share a database and an object store. */
export const startSharedProxy = (database: string, chunks: S3Settings): Promise<ProxyProcess> =>
  startWith(["--database", database, "--chunks", chunks.url], ["--listen", "127.0.0.1:0"], undefined, undefined, {
    AWS_ACCESS_KEY_ID: chunks.accessKeyId,
    AWS_SECRET_ACCESS_KEY: chunks.secretAccessKey,
  });

export const portOf = ({ address }: ProxyProcess): number => Number(address.slice(address.lastIndexOf(":") + 1));
export const readLink = (link: string | null): ProxyLink => must(parseProxyLink(link ?? ""));
