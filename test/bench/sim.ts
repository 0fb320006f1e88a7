import { createEventQueue } from "../simulation/kernel/event-queue.ts";
import { parseFlags } from "../simulation/flags.ts";
import { defaultCyclonScenario, runCyclon } from "../simulation/scenarios/cyclon.ts";
import { defaultPolderCastScenario, runPolderCast } from "../simulation/scenarios/poldercast.ts";
import { defaultVicinityScenario, runVicinity } from "../simulation/scenarios/vicinity.ts";

/** Seconds of CPU of this process; unlike wall time it is not distorted by other processes. */
const cpuSeconds = <T>(work: () => T): { readonly seconds: number; readonly value: T } => {
  const before = process.cpuUsage();
  const value = work();
  const { user, system } = process.cpuUsage(before);
  return { seconds: (user + system) / 1e6, value };
};

const EVENTS = 2_000_000;
const PENDING = 10_000;

/** A scheduler with ten thousand pending timers, each popped event pushing the next. */
const eventsPerSecond = (): number => {
  const queue = createEventQueue();
  for (let i = 0; i < PENDING; i++) queue.push((i * 7_919) % 1_000, i, 0);
  const { seconds } = cpuSeconds(() => {
    for (let i = 0; i < EVENTS; i++) {
      queue.pop();
      queue.push(queue.popped.time + ((i * 7_919) % 1_000), queue.popped.target, 0);
    }
  });
  return Math.round(EVENTS / seconds);
};

/**
 * The machines of the product at full size: node-cycles per CPU second of each layer, then PolderCast until it has converged
 * and has disseminated its messages, with time and memory. `--nodes` and `--messages` make it smaller.
 */
export const run = async ({ args }: { readonly json: boolean; readonly args: readonly string[] }): Promise<object> => {
  const parsed = parseFlags(args, {
    nodes: { type: "integer", minimum: 100, maximum: 100_000, initial: 10_000 },
    topics: { type: "integer", minimum: 1, maximum: 10_000, initial: 100 },
    cycles: { type: "integer", minimum: 1, maximum: 1_000, initial: 12 },
    messages: { type: "integer", minimum: 1, maximum: 100_000, initial: 1_000 },
  });
  if (!parsed.ok) throw new Error(parsed.problem);
  const nodes = Number(parsed.values["nodes"]);
  const cycles = Number(parsed.values["cycles"]);
  const layerCycles = 10;

  const cyclon = cpuSeconds(() =>
    runCyclon({ ...defaultCyclonScenario, nodes, cycles: layerCycles, graphEvery: layerCycles }),
  );
  const vicinity = cpuSeconds(() => runVicinity({ ...defaultVicinityScenario, nodes, cycles: layerCycles }));
  const memoryBefore = process.memoryUsage().rss;
  const startedAt = performance.now();
  const polderCast = cpuSeconds(() =>
    runPolderCast({
      ...defaultPolderCastScenario,
      nodes,
      cycles,
      topics: Number(parsed.values["topics"]),
      messages: Number(parsed.values["messages"]),
      hitEvery: cycles,
    }),
  );
  const wallSeconds = (performance.now() - startedAt) / 1000;
  const { rss } = process.memoryUsage();
  return {
    nodes,
    cycles,
    messages: parsed.values["messages"],
    schedulerEventsPerSecond: eventsPerSecond(),
    cyclonNodeCyclesPerSecond: Math.round((nodes * layerCycles) / cyclon.seconds),
    cyclonAndVicinityNodeCyclesPerSecond: Math.round((nodes * layerCycles) / vicinity.seconds),
    polderCastNodeCyclesPerSecond: Math.round((nodes * cycles) / polderCast.seconds),
    polderCastCpuSeconds: Math.round(polderCast.seconds * 10) / 10,
    polderCastWallSeconds: Math.round(wallSeconds * 10) / 10,
    residentMiB: Math.round(rss / 2 ** 20),
    kibPerNode: Math.round((Math.max(0, rss - memoryBefore) / nodes / 1024) * 10) / 10,
    hitRatio: polderCast.value.hitRatio,
    ringLinksCorrect: polderCast.value.ringLinksCorrect,
  };
};
