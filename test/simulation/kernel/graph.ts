import { randomBelow, type RandomSource } from "../../../protocol/kernel/random.ts";

/** Directed links between live nodes, numbered 0..count-1, in compressed rows. */
export interface Overlay {
  readonly count: number;
  /** Row starts, count + 1 numbers. */
  readonly rows: Int32Array;
  readonly links: Int32Array;
}

/** Builds the overlay of the live nodes; links to dead ones are left out and counted. */
export const buildOverlay = (
  alive: readonly number[],
  linksOf: (index: number) => readonly number[],
): { readonly overlay: Overlay; readonly deadLinks: number; readonly totalLinks: number } => {
  let highest = 0;
  for (const index of alive) if (index > highest) highest = index;
  const numberOf = new Int32Array(highest + 1).fill(-1);
  alive.forEach((index, number) => {
    numberOf[index] = number;
  });
  const rows = new Int32Array(alive.length + 1);
  const links: number[] = [];
  let total = 0;
  alive.forEach((index, number) => {
    for (const target of linksOf(index)) {
      total++;
      const known = numberOf[target] ?? -1;
      if (known >= 0) links.push(known);
    }
    rows[number + 1] = links.length;
  });
  return {
    overlay: { count: alive.length, rows, links: Int32Array.from(links) },
    deadLinks: total - links.length,
    totalLinks: total,
  };
};

export const undirected = (overlay: Overlay): Overlay => {
  const { count, rows, links } = overlay;
  const degree = new Int32Array(count + 1);
  for (let from = 0; from < count; from++)
    for (let i = rows[from]!; i < rows[from + 1]!; i++) {
      degree[from + 1]!++;
      degree[links[i]! + 1]!++;
    }
  for (let i = 0; i < count; i++) degree[i + 1]! += degree[i]!;
  const next = degree.slice(0, count);
  const both = new Int32Array(2 * links.length);
  for (let from = 0; from < count; from++)
    for (let i = rows[from]!; i < rows[from + 1]!; i++) {
      const to = links[i]!;
      both[next[from]!++] = to;
      both[next[to]!++] = from;
    }
  return { count, rows: degree, links: both };
};

export interface Spread {
  readonly mean: number;
  readonly sd: number;
  readonly min: number;
  readonly max: number;
}

export const spreadOf = (values: ArrayLike<number>): Spread => {
  let sum = 0;
  let squares = 0;
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    sum += value;
    squares += value * value;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  const mean = values.length === 0 ? 0 : sum / values.length;
  const sd = values.length === 0 ? 0 : Math.sqrt(Math.max(0, squares / values.length - mean * mean));
  return { mean, sd, min: values.length === 0 ? 0 : min, max: values.length === 0 ? 0 : max };
};

export const inDegrees = (overlay: Overlay): Int32Array => {
  const degrees = new Int32Array(overlay.count);
  for (const target of overlay.links) degrees[target]!++;
  return degrees;
};

/** Sizes of the weakly connected components, largest first. */
export const componentSizes = (overlay: Overlay): number[] => {
  const parent = Int32Array.from({ length: overlay.count }, (_, i) => i);
  const root = (node: number): number => {
    let at = node;
    while (parent[at] !== at) {
      parent[at] = parent[parent[at]!]!;
      at = parent[at]!;
    }
    return at;
  };
  for (let from = 0; from < overlay.count; from++)
    for (let i = overlay.rows[from]!; i < overlay.rows[from + 1]!; i++) {
      const a = root(from);
      const b = root(overlay.links[i]!);
      if (a !== b) parent[a] = b;
    }
  const sizes = new Map<number, number>();
  for (let node = 0; node < overlay.count; node++) sizes.set(root(node), (sizes.get(root(node)) ?? 0) + 1);
  return [...sizes.values()].sort((a, b) => b - a);
};

/** Mean hops between reachable pairs on the undirected graph, by breadth-first search from `sources` random nodes. */
export const averagePathLength = (graph: Overlay, sources: number, random: RandomSource): number => {
  const distance = new Int32Array(graph.count);
  const queue = new Int32Array(graph.count);
  let hops = 0;
  let pairs = 0;
  for (let s = 0; s < Math.min(sources, graph.count); s++) {
    distance.fill(-1);
    const start = randomBelow(random, graph.count);
    distance[start] = 0;
    queue[0] = start;
    let tail = 1;
    for (let head = 0; head < tail; head++) {
      const node = queue[head]!;
      for (let i = graph.rows[node]!; i < graph.rows[node + 1]!; i++) {
        const next = graph.links[i]!;
        if (distance[next]! >= 0) continue;
        distance[next] = distance[node]! + 1;
        queue[tail++] = next;
        hops += distance[next];
        pairs++;
      }
    }
  }
  return pairs === 0 ? 0 : hops / pairs;
};

/** Mean local clustering coefficient of `samples` random nodes of the undirected graph. */
export const clusteringCoefficient = (graph: Overlay, samples: number, random: RandomSource): number => {
  const stamp = new Int32Array(graph.count).fill(-1);
  let sum = 0;
  const taken = Math.min(samples, graph.count);
  for (let s = 0; s < taken; s++) {
    const node = taken === graph.count ? s : randomBelow(random, graph.count);
    const neighbors = new Set<number>();
    for (let i = graph.rows[node]!; i < graph.rows[node + 1]!; i++)
      if (graph.links[i] !== node) neighbors.add(graph.links[i]!);
    if (neighbors.size < 2) continue;
    let closed = 0;
    for (const neighbor of neighbors) {
      for (let i = graph.rows[neighbor]!; i < graph.rows[neighbor + 1]!; i++) {
        const third = graph.links[i]!;
        if (stamp[third] === neighbor || third === neighbor || !neighbors.has(third)) continue;
        stamp[third] = neighbor;
        closed++;
      }
      for (const third of neighbors) stamp[third] = -1;
    }
    sum += closed / (neighbors.size * (neighbors.size - 1));
  }
  return taken === 0 ? 0 : sum / taken;
};
