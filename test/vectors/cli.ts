import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { createNativeProvider } from "../../main/adapters/native-crypto.ts";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import type { VectorReport } from "./run-noise.ts";

const usage = "usage: npm run vectors -- (--noise FILE | --data FILE) [--provider native|noble]";

const fail = (message: string): never => {
  process.stderr.write(`${message}\n`);
  process.exit(2);
};

const readJson = (path: string): unknown => {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    return fail(`cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
};

const readOptions = () => {
  try {
    const { values } = parseArgs({
      options: { noise: { type: "string" }, data: { type: "string" }, provider: { type: "string", default: "native" } },
    });
    return values;
  } catch (error) {
    return fail(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
  }
};

const { noise, data, provider } = readOptions();
if ((noise === undefined) === (data === undefined)) fail(usage);
if (provider !== "native" && provider !== "noble") fail(usage);

const noble = createNobleProvider();
const crypto = provider === "noble" ? noble : createNativeProvider(noble);

const run = async (): Promise<VectorReport> => {
  if (noise !== undefined) return (await import("./run-noise.ts")).runNoiseVectors(readJson(noise), crypto);
  return (await import("./run-data.ts")).runDataVectors(readJson(data as string), crypto);
};

const { passed, failed, failures } = await run();
for (const failure of failures) process.stdout.write(`FAILED ${failure}\n`);
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
