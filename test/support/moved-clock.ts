import { writeFileSync } from "node:fs";
import path from "node:path";
import { proxyArguments } from "../../tools/proxy-arguments.mjs";

const DAY_MS = 86_400_000;

/** Arguments for Node that start the proxy of a folder on a computer whose clock is some days ahead. */
export const daysLater = (folder: string, days: number): readonly string[] => {
  const script = path.join(folder, "clock.mjs");
  writeFileSync(script, `const now = Date.now;\nDate.now = () => now() + ${days * DAY_MS};\n`);
  return ["--import", script, ...(proxyArguments(["node", "--proxy", "--data-dir", folder]) ?? [])];
};
