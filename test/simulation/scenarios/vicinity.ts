import { createCyclon, type Cyclon } from "../../../protocol/cyclon/cyclon.ts";
import type { CyclonEffect, CyclonMessage } from "../../../protocol/cyclon/messages.ts";
import type { VerifiedDescriptor } from "../../../protocol/identity/verified.ts";
import { earliest, durationMs, monotonicMs } from "../../../protocol/kernel/time.ts";
import { defaultVicinityConfig } from "../../../protocol/vicinity/config.ts";
import type { VicinityEffect, VicinityMessage } from "../../../protocol/vicinity/messages.ts";
import { clockwise, selectRing } from "../../../protocol/vicinity/selection.ts";
import { createVicinity, type Vicinity } from "../../../protocol/vicinity/vicinity.ts";
import { createLivenessBook } from "../../../protocol/view/liveness-book.ts";
import { createSeededRandom } from "../../support/seeded-random.ts";
import { createNetem, perfectNetwork } from "../kernel/netem.ts";
import { ringPosition } from "../kernel/overlay-node.ts";
import { createPopulation } from "../kernel/population.ts";
import { cyclonWire, vicinityWire } from "../kernel/wires.ts";
import { createWorld, type SimulatedEvent, type SimulatedMachine } from "../kernel/world.ts";
import { cyclonConfigOf, seedViews, type Start } from "./cyclon.ts";

export interface VicinityScenario {
  readonly nodes: number;
  readonly cycles: number;
  readonly seed: number;
  readonly view: number;
  readonly exchange: number;
  readonly start: Start;
  /** Whether CYCLON runs beneath; without it the ring must not close (control). */
  readonly randomLayer: boolean;
  readonly throughBytes: boolean;
}

export const defaultVicinityScenario: VicinityScenario = {
  nodes: 1000,
  cycles: 30,
  seed: 3,
  view: 20,
  exchange: 10,
  start: "random",
  randomLayer: true,
  throughBytes: false,
};

export interface VicinityFigures {
  /** Share of nodes' successor and predecessor links that are the true ones. */
  readonly correctLinks: number;
  /** First cycle in which every link was correct; -1 if never. */
  readonly closedAtCycle: number;
  readonly bytesPerNodePerCycle: number;
  readonly series: readonly { readonly cycle: number; readonly correctLinks: number }[];
}

type Message = CyclonMessage | VicinityMessage;
type Effect = CyclonEffect | VicinityEffect;

const PERIOD_MS = 10_000;
const isVicinity = (message: Message): message is VicinityMessage =>
  message.type === "vicinityRequest" || message.type === "vicinityResponse";

/** CYCLON and VICINITY as one machine, in the order the composition of the product runs them. */
const layered = (cyclon: Cyclon, vicinity: Vicinity): SimulatedMachine<Message, never, Effect> => ({
  nextDeadline: () => earliest([cyclon.nextDeadline(), vicinity.nextDeadline()]),
  handle: (event: SimulatedEvent<Message>, now) => {
    if (event.type !== "messageReceived") return [...cyclon.handle(event, now), ...vicinity.handle(event, now)];
    const { message, from } = event;
    return isVicinity(message)
      ? vicinity.handle({ type: "messageReceived", from, message }, now)
      : cyclon.handle({ type: "messageReceived", from, message }, now);
  },
});

export const runVicinity = (scenario: VicinityScenario): VicinityFigures => {
  const random = createSeededRandom(scenario.seed);
  const population = createPopulation(random.fork("population"));
  const ofCyclon = cyclonWire(population);
  const ofVicinity = vicinityWire(population);
  const world = createWorld<Message, never, Effect>({
    population,
    netem: createNetem(perfectNetwork, random.fork("netem")),
    random: random.fork("world"),
    periodMs: PERIOD_MS,
    throughBytes: scenario.throughBytes,
    wire: {
      sizeOf: (message) => (isVicinity(message) ? ofVicinity.sizeOf(message) : ofCyclon.sizeOf(message)),
      roundTrip: (message) => (isVicinity(message) ? ofVicinity.roundTrip(message) : ofCyclon.roundTrip(message)),
    },
  });
  const vicinities: Vicinity[] = [];
  const cyclons: Cyclon[] = [];
  const nodeRandom = random.fork("nodes");
  const selection = selectRing(ringPosition);
  for (let index = 0; index < scenario.nodes; index++) {
    const descriptor = population.create(index);
    const self = (): VerifiedDescriptor => descriptor;
    const book = createLivenessBook({ addressCapacity: 16, tombstoneMs: durationMs(30 * PERIOD_MS) });
    const startAt = monotonicMs(0);
    const cyclon = createCyclon({
      config: cyclonConfigOf({ view: 20, exchange: 8, variant: "product" }),
      self,
      book,
      random: nodeRandom.fork(`cyclon ${index}`),
      startAt,
    });
    const vicinity = createVicinity({
      config: {
        ...defaultVicinityConfig,
        viewLength: scenario.view,
        exchangeLength: scenario.exchange,
        gossipPeriodMs: durationMs(PERIOD_MS),
        jitter: 0,
      },
      self,
      selection,
      addRandomLayer: (candidates) => (scenario.randomLayer ? candidates.addView(cyclon.view) : undefined),
      book,
      random: nodeRandom.fork(`vicinity ${index}`),
      startAt,
    });
    cyclons[index] = cyclon;
    vicinities[index] = vicinity;
    world.add(index, scenario.randomLayer ? layered(cyclon, vicinity) : layered(silent(cyclon), vicinity));
  }
  const viewOf = (index: number) => (scenario.randomLayer ? cyclons[index]! : vicinities[index]!).view;
  seedViews(
    scenario.start,
    population.descriptors,
    scenario.view,
    (index, neighbor) => viewOf(index).put(neighbor, 0),
    random.fork("start"),
  );

  const ring = [...population.descriptors.keys()].sort(
    (a, b) => ringPosition(population.descriptors[a]!) - ringPosition(population.descriptors[b]!),
  );
  const series: { cycle: number; correctLinks: number }[] = [];
  let closedAtCycle = -1;
  for (let cycle = 1; cycle <= scenario.cycles; cycle++) {
    world.runCycle();
    let correct = 0;
    ring.forEach((index, rank) => {
      const successor = population.descriptors[ring[(rank + 1) % ring.length]!]!;
      const predecessor = population.descriptors[ring[(rank + ring.length - 1) % ring.length]!]!;
      const { next, previous } = nearest(population.descriptors[index]!, vicinities[index]!.view.descriptors());
      if (next === successor) correct++;
      if (previous === predecessor) correct++;
    });
    const correctLinks = correct / (2 * ring.length);
    if (correctLinks === 1 && closedAtCycle < 0) closedAtCycle = cycle;
    series.push({ cycle, correctLinks });
  }
  return {
    correctLinks: series[series.length - 1]!.correctLinks,
    closedAtCycle,
    bytesPerNodePerCycle: world.bytesSent() / scenario.nodes / scenario.cycles,
    series,
  };
};

const silent = (cyclon: Cyclon): Cyclon => ({ ...cyclon, handle: () => [], nextDeadline: () => undefined });

const nearest = (self: VerifiedDescriptor, known: readonly VerifiedDescriptor[]) => {
  let next: VerifiedDescriptor | undefined;
  let previous: VerifiedDescriptor | undefined;
  const here = ringPosition(self);
  for (const descriptor of known) {
    const there = ringPosition(descriptor);
    if (next === undefined || clockwise(here, there) < clockwise(here, ringPosition(next))) next = descriptor;
    if (previous === undefined || clockwise(there, here) < clockwise(ringPosition(previous), here))
      previous = descriptor;
  }
  return { next, previous };
};
