#!/usr/bin/env node
import { spawn } from "node:child_process";
import path from "node:path";
import { ensurePackages } from "./bootstrap/packages.mjs";
import { stop } from "./bootstrap/say.mjs";
import { proxyArguments } from "./proxy-arguments.mjs";
import { NODE, ROOT } from "./run.mjs";

await ensurePackages();
const given = process.argv.slice(2);
const script = proxyArguments(given) ?? [path.join(ROOT, "main", "headless.ts")];
// The channel carries nothing: when this process is killed, it closes and the node knows that nobody watches it any more.
const child = spawn(NODE, [...script, ...given], {
  stdio: ["inherit", "inherit", "inherit", "ipc"],
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("error", (error) => stop(`the node did not start: ${error.message}`));
child.on("close", (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
