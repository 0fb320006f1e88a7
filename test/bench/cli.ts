import { readdirSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

/** What every bench module exports: measures and returns one JSON object of figures. */
export interface Bench {
  readonly run: (options: { readonly json: boolean; readonly args: readonly string[] }) => Promise<object>;
}

const FOLDER = import.meta.dirname;

const benchNames = (): readonly string[] =>
  readdirSync(FOLDER)
    .filter((file) => /^[a-z][a-z0-9-]*\.ts$/.test(file) && file !== "cli.ts")
    .map((file) => file.slice(0, -".ts".length))
    .toSorted();

const isBench = (module: unknown): module is Bench =>
  typeof module === "object" && module !== null && "run" in module && typeof module.run === "function";

const [name, ...args] = process.argv.slice(2);
const names = benchNames();
if (name === undefined || !names.includes(name)) {
  console.error(`usage: npm run bench -- NAME [--json]\nbenches: ${names.join(", ")}`);
  process.exit(1);
}
const module: unknown = await import(pathToFileURL(path.join(FOLDER, `${name}.ts`)).href);
if (!isBench(module)) throw new Error(`test/bench/${name}.ts does not export run()`);
const json = args.includes("--json");
const figures = await module.run({ json, args: args.filter((arg) => arg !== "--json") });
console.log(json ? JSON.stringify(figures) : JSON.stringify(figures, undefined, 2));
// Peers such as WebSocket providers keep timers that would hold this process.
process.exit(0);
