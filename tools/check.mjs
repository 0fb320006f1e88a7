import { checkSteps } from "./check-steps.mjs";
import { NODE, inParallel, run } from "./run.mjs";

const wanted = process.argv.slice(2);
const steps = checkSteps().filter((step) => wanted.length === 0 || wanted.includes(step.group));
if (steps.length === 0) {
  console.error(`unknown check ${wanted.join(", ")}; there are: types, lint, deps, format`);
  process.exit(1);
}

const results = await inParallel(
  steps.map((step) => async () => {
    const started = performance.now();
    const { code, output } = await run(NODE, step.args);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(`${code === 0 ? "ok    " : "FAILED"} ${step.name} (${seconds} s)`);
    if (code !== 0) console.log(output.trimEnd());
    return code === 0;
  }),
  2,
);
process.exit(results.every(Boolean) ? 0 : 1);
