import { bytesToBase64url } from "../../../protocol/kernel/bytes.ts";
import { randomBelow, sample } from "../../../protocol/kernel/random.ts";
import { monotonicMs } from "../../../protocol/kernel/time.ts";
import { defaultRingCastConfig } from "../../../protocol/ringcast/config.ts";
import type { MessageId } from "../../../protocol/ringcast/messages.ts";
import { selectRing } from "../../../protocol/vicinity/selection.ts";
import { createSeededRandom } from "../../support/seeded-random.ts";
import { floodMesh } from "../kernel/mesh.ts";
import { continentalNetwork, createNetem } from "../kernel/netem.ts";
import {
  createOverlayNode,
  GROUP,
  type OverlayCommand,
  type OverlayEffect,
  type OverlayMessage,
  type OverlayNode,
  overlayWire,
  ringPosition,
} from "../kernel/overlay-node.ts";
import { createPopulation } from "../kernel/population.ts";
import { createWorld } from "../kernel/world.ts";
import { seedViews } from "./cyclon.ts";

export interface LazyScenario {
  readonly nodes: number;
  readonly seed: number;
  readonly mode: "plain" | "lazy";
  readonly fanout: number;
  readonly treeLinks: number;
  readonly messages: number;
  readonly payloadBytes: number;
  /** Share of nodes killed at once between the first half of the messages and the second. */
  readonly failures: number;
  /** Gossip periods in which the overlay forms. */
  readonly cycles: number;
  /** Degree of the mesh that is flooded for comparison. */
  readonly meshDegree: number;
}

export const defaultLazyScenario: LazyScenario = {
  nodes: 1000,
  seed: 7,
  mode: "lazy",
  fanout: 3,
  treeLinks: 2,
  messages: 40,
  payloadBytes: 1024,
  failures: 0,
  cycles: 25,
  meshDegree: 6,
};

export interface LazyFigures {
  readonly missRatio: number;
  /** Share of messages that reached every live node in time. */
  readonly completeShare: number;
  /** Payload copies per delivery, the first included, and beyond it. */
  readonly messagesPerNode: number;
  readonly duplicatesPerNode: number;
  /** Share of live nodes reached within five seconds, before repair and after it. */
  readonly deliveredShare: number;
  readonly deliveredAfterRepair: number;
  /** All RingCast bytes over the bytes of one payload per delivery. */
  readonly bytesPerDelivery: number;
  readonly hopsMean: number;
  readonly hopsP99: number;
  readonly hopsLast: number;
  readonly latencyP50Ms: number;
  readonly latencyP99Ms: number;
  readonly meshDuplicatesPerDelivery: number;
  readonly meshHopsP99: number;
  readonly meshLatencyP99Ms: number;
  readonly bytesPerNodePerCycle: number;
}

const PERIOD_MS = 10_000;
/** Time given to one message before it is judged. */
const MESSAGE_MS = 5_000;
/** Time for the overlay to heal and for neighbors to announce what was missed. */
const REPAIR_MS = 300_000;

export const runLazy = (scenario: LazyScenario): LazyFigures => {
  const random = createSeededRandom(scenario.seed);
  const experiment = random.fork("experiment");
  const population = createPopulation(random.fork("population"));
  const wire = overlayWire(population);
  const sentAt = new Map<MessageId, number>();
  const reached = new Map<MessageId, Set<number>>();
  const hops: number[] = [];
  const latencies: number[] = [];
  let counts = false;
  let payloads = 0;
  let castBytes = 0;
  let deliveries = 0;
  const nodes: OverlayNode[] = [];
  const world = createWorld<OverlayMessage, OverlayCommand, OverlayEffect>({
    population,
    netem: createNetem(continentalNetwork, random.fork("netem")),
    random: random.fork("world"),
    periodMs: PERIOD_MS,
    wire,
    throughBytes: false,
    onSend: (_, to, message) => {
      if (!counts || !("topic" in message)) return;
      castBytes += wire.sizeOf(message);
      if (message.type === "publish" && world.isAlive(to)) payloads++;
    },
    onEffect: (index, effect, now) => {
      if (effect.type !== "deliver") return;
      reached.get(effect.id)?.add(index);
      if (!counts) return;
      deliveries++;
      hops.push(effect.hops);
      latencies.push(now - sentAt.get(effect.id)!);
    },
  });
  const selection = selectRing(ringPosition);
  for (let index = 0; index < scenario.nodes; index++) {
    const node = createOverlayNode({
      descriptor: population.create(index),
      periodMs: PERIOD_MS,
      jitter: 0.2,
      cast: { ...defaultRingCastConfig, mode: scenario.mode, fanout: scenario.fanout, treeLinks: scenario.treeLinks },
      selection,
      random: random.fork(`node ${index}`),
      startAt: monotonicMs(0),
    });
    nodes[index] = node;
    world.add(index, node);
  }
  seedViews(
    "random",
    population.descriptors,
    20,
    (index, neighbor) => nodes[index]!.cyclon.view.put(neighbor, 0),
    random.fork("start"),
  );
  world.runUntil(scenario.cycles * PERIOD_MS);
  const overlayBytes = world.bytesSent();

  const payload = new Uint8Array(scenario.payloadBytes);
  const publish = (): MessageId => {
    const live = world.alive();
    const source = live[randomBelow(experiment, live.length)]!;
    const id = bytesToBase64url(experiment.bytes(32)) as MessageId;
    sentAt.set(id, world.now());
    reached.set(id, new Set([source]));
    world.command(source, { type: "publish", topic: GROUP, id, payload });
    world.runUntil(world.now() + MESSAGE_MS);
    return id;
  };
  // The first message floods and prunes: afterwards the tree stands.
  publish();
  counts = true;
  const ids: MessageId[] = [];
  let reachedInTime = 0;
  let expected = 0;
  let complete = 0;
  for (let message = 0; message < scenario.messages; message++) {
    if (scenario.failures > 0 && message === Math.floor(scenario.messages / 2))
      for (const victim of sample(experiment, world.alive(), Math.round(scenario.failures * world.aliveCount())))
        world.kill(victim);
    const id = publish();
    if (scenario.failures === 0 || message >= Math.floor(scenario.messages / 2)) {
      ids.push(id);
      const live = [...reached.get(id)!].filter(world.isAlive).length;
      reachedInTime += live;
      expected += world.aliveCount();
      if (live === world.aliveCount()) complete++;
    }
  }
  counts = false;
  if (scenario.failures > 0) world.runUntil(world.now() + REPAIR_MS);
  let reachedAfterRepair = 0;
  for (const id of ids) reachedAfterRepair += [...reached.get(id)!].filter(world.isAlive).length;

  const mesh = floodMesh(world.alive(), scenario.meshDegree, { fromMs: 10, toMs: 50 }, random.fork("mesh"));
  return {
    missRatio: 1 - reachedInTime / expected,
    completeShare: complete / ids.length,
    messagesPerNode: payloads / deliveries,
    duplicatesPerNode: (payloads - deliveries) / deliveries,
    deliveredShare: reachedInTime / expected,
    deliveredAfterRepair: reachedAfterRepair / expected,
    bytesPerDelivery: castBytes / (deliveries * scenario.payloadBytes),
    hopsMean: hops.reduce((sum, each) => sum + each, 0) / hops.length,
    hopsP99: percentile(hops, 0.99),
    hopsLast: percentile(hops, 1),
    latencyP50Ms: Math.round(percentile(latencies, 0.5)),
    latencyP99Ms: Math.round(percentile(latencies, 0.99)),
    meshDuplicatesPerDelivery: mesh.duplicatesPerDelivery,
    meshHopsP99: percentile(mesh.hops, 0.99),
    meshLatencyP99Ms: Math.round(percentile(mesh.latenciesMs, 0.99)),
    bytesPerNodePerCycle: overlayBytes / scenario.nodes / scenario.cycles,
  };
};

const percentile = (values: readonly number[], share: number): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
};
