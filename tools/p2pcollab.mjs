#!/usr/bin/env node
import { spawn } from "node:child_process";
import path from "node:path";
import { ensurePackages } from "./bootstrap/packages.mjs";
import { stop } from "./bootstrap/say.mjs";
import { proxyArguments } from "./proxy-arguments.mjs";
import { allowedBy, hasBubblewrap, LISTEN_DESCRIPTOR, openListener, sandboxArguments } from "./proxy-sandbox.mjs";
import { NODE, ROOT } from "./run.mjs";

await ensurePackages();
const isSandboxed = process.argv.includes("--sandbox");
const given = process.argv.slice(2).filter((argument) => argument !== "--sandbox");
const script = proxyArguments(given);

/** The proxy in bubblewrap: the socket it listens on is opened here, as inside there is no network. */
const startSandboxed = async () => {
  if (script === undefined) stop("--sandbox is for node --proxy.");
  if (!hasBubblewrap()) stop("--sandbox needs bubblewrap: apt-get install bubblewrap");
  if (!given.some((argument) => argument.startsWith("--announce")))
    stop("--sandbox needs --announce HOST:PORT: inside, this computer's addresses are not seen.");
  const at = given.indexOf("--listen");
  const listener = await openListener(at < 0 ? "[::]:0" : given[at + 1]);
  // The overlay calls other nodes, which cannot be done from in there.
  const inner = [...script, ...given, "--no-overlay", "--listen-fd", String(LISTEN_DESCRIPTOR)];
  const started = spawn("bwrap", sandboxArguments(inner, allowedBy(script)), {
    stdio: ["inherit", "inherit", "inherit", "ipc", listener.descriptor],
    detached: true,
  });
  listener.release();
  return started;
};

// The channel carries nothing: when this process is killed, it closes and the node knows that nobody watches it any more.
const child = isSandboxed
  ? await startSandboxed()
  : spawn(NODE, [...(script ?? [path.join(ROOT, "main", "headless.ts")]), ...given], {
      stdio: ["inherit", "inherit", "inherit", "ipc"],
    });
// bubblewrap would take the proxy with it at once; without the channel the proxy ends in order.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
  process.on(signal, () => (isSandboxed ? child.disconnect() : child.kill(signal)));
child.on("error", (error) => stop(`the node did not start: ${error.message}`));
child.on("close", (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
