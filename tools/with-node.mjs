import { spawn } from "node:child_process";
import path from "node:path";
import { ensurePackages } from "./bootstrap/packages.mjs";
import { stop } from "./bootstrap/say.mjs";
import { NODE, ROOT } from "./run.mjs";

const [script, ...args] = process.argv.slice(2);
if (script === undefined) stop("usage: node tools/with-node.mjs SCRIPT [ARGUMENT …]");
await ensurePackages();
const child = spawn(NODE, [path.join(ROOT, script), ...args], { stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
child.on("error", (error) => stop(`${script} did not start: ${error.message}`));
child.on("close", (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
