/** Loaded before the node by the `loop` bench: keeps the event-loop delay since the start in a file. */
import { writeFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";

const file = process.env["LOOP_MONITOR_FILE"];
if (file !== undefined && process.argv.includes("node")) {
  const resolution = 5;
  const histogram = monitorEventLoopDelay({ resolution });
  histogram.enable();
  const ms = (nanoseconds: number): number => +Math.max(0, nanoseconds / 1e6 - resolution).toFixed(2);
  setInterval(() => {
    writeFileSync(
      file,
      JSON.stringify({
        p50Ms: ms(histogram.percentile(50)),
        p99Ms: ms(histogram.percentile(99)),
        maxMs: ms(histogram.max),
      }),
    );
  }, 250).unref();
}
