// node test/simulation/cores/cli.ts --seeds 0-999 [--trace] [--computers 10 --steps 90]
import { createHash } from "node:crypto";
import { parseArgs } from "node:util";
import { judge } from "./checks.ts";
import { play, shapeOf } from "./history.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "0-9" },
    trace: { type: "boolean", default: false },
    computers: { type: "string" },
    steps: { type: "string" },
  },
});
const [first = 0, last = first] = values.seeds.split("-").map(Number);
let failed = 0;
let rejected: string[] = [];
process.on("unhandledRejection", (cause) => {
  rejected.push(`rejected and not handled: ${cause instanceof Error ? cause.stack : String(cause)}`);
});
for (let seed = first; seed <= last; seed++) {
  rejected = [];
  const shape = shapeOf(seed);
  const world = await play(
    seed,
    {
      computers: values.computers === undefined ? shape.computers : Number(values.computers),
      steps: values.steps === undefined ? shape.steps : Number(values.steps),
    },
    values.trace ? (line) => process.stdout.write(`${line}\n`) : undefined,
  );
  const verdict = judge(world);
  const failures = [...verdict.failures, ...rejected];
  const digest = createHash("sha256").update(world.trace.join("\n")).digest("hex").slice(0, 12);
  const { compared, voided, guarded, readable, kept } = verdict;
  process.stdout.write(
    `seed ${seed} ${failures.length === 0 ? "ok" : "FAILED"} ${digest} ${JSON.stringify({ computers: world.places.length, words: world.written.length, compared, voided, guarded, readable, kept, ms: Math.round(process.cpuUsage().user / 1000) })}\n`,
  );
  for (const failure of failures) process.stdout.write(`    ${failure}\n`);
  if (failures.length > 0) failed++;
  world.dispose();
}
process.stdout.write(`${failed} of ${last - first + 1} seeds failed\n`);
process.exit(failed === 0 ? 0 : 1);
