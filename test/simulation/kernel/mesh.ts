import { randomBelow, type RandomSource, randomUnit } from "../../../protocol/kernel/random.ts";
import { createEventQueue } from "./event-queue.ts";

export interface MeshFigures {
  readonly delivered: number;
  readonly duplicatesPerDelivery: number;
  readonly hops: readonly number[];
  readonly latenciesMs: readonly number[];
}

/**
 * One message over a GossipSub-like mesh: a random graph of degree about `degree`, every node forwards a new message to
 * all neighbors but the sender. The comparison for lazy mode, in the same run and on the same links.
 */
export const floodMesh = (
  alive: readonly number[],
  degree: number,
  latency: { readonly fromMs: number; readonly toMs: number },
  random: RandomSource,
): MeshFigures => {
  const count = alive.length;
  const neighbors: number[][] = Array.from({ length: count }, () => []);
  for (let links = 0; links < (count * degree) / 2;) {
    const a = randomBelow(random, count);
    const b = randomBelow(random, count);
    if (a === b || neighbors[a]!.includes(b)) continue;
    neighbors[a]!.push(b);
    neighbors[b]!.push(a);
    links++;
  }
  const hopsOf = new Int32Array(count).fill(-1);
  const latenciesMs: number[] = [];
  const hops: number[] = [];
  const queue = createEventQueue();
  let copies = 0;
  const forward = (node: number, from: number, at: number): void => {
    for (const next of neighbors[node]!) {
      if (next === from) continue;
      copies++;
      queue.push(at + latency.fromMs + randomUnit(random) * (latency.toMs - latency.fromMs), next, node);
    }
  };
  const source = randomBelow(random, count);
  hopsOf[source] = 0;
  forward(source, -1, 0);
  while (queue.pop()) {
    const { time, target, payload } = queue.popped;
    if (hopsOf[target]! >= 0) continue;
    hopsOf[target] = hopsOf[payload]! + 1;
    hops.push(hopsOf[target]);
    latenciesMs.push(time);
    forward(target, payload, time);
  }
  return {
    delivered: hops.length / (count - 1),
    duplicatesPerDelivery: hops.length === 0 ? 0 : (copies - hops.length) / hops.length,
    hops,
    latenciesMs,
  };
};
