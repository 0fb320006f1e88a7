import { randomBelow, randomUnit, type RandomSource } from "../../../protocol/kernel/random.ts";

/** Topics of every node, as ascending numbers; one array per node. */
export type Subscriptions = readonly Int32Array[];

export interface Workload {
  readonly kind: "zipf" | "random" | "clustered" | "friends";
  readonly nodes: number;
  readonly topics: number;
  readonly meanSubscriptions: number;
}

/** Seeded generators; each is documented because the papers' traces are not at hand. */
export const createSubscriptions = (workload: Workload, random: RandomSource): Subscriptions => {
  switch (workload.kind) {
    case "zipf":
      return drawn(workload, random, zipfDraw(workload.topics, random));
    case "random":
      return drawn(workload, random, () => randomBelow(random, workload.topics));
    case "clustered":
      return clustered(workload, random);
    case "friends":
      return friends(workload, random);
  }
};

/** Numbers of subscriptions: exponential around the mean, at least one, at most nine times the mean or half the topics. */
const subscriptionCount = ({ meanSubscriptions, topics }: Workload, random: RandomSource): number => {
  const limit = Math.max(1, Math.min(Math.floor(topics / 2), Math.round(9 * meanSubscriptions)));
  const drawnCount = Math.round(0.5 - Math.log(1 - randomUnit(random)) * (meanSubscriptions - 0.5));
  return Math.max(1, Math.min(limit, drawnCount));
};

const drawn = (workload: Workload, random: RandomSource, draw: () => number): Int32Array[] =>
  Array.from({ length: workload.nodes }, () => {
    const chosen = new Set<number>();
    const wanted = subscriptionCount(workload, random);
    for (let tries = 0; chosen.size < wanted && tries < 50 * wanted; tries++) chosen.add(draw());
    return ascending(chosen);
  });

/** Popularity of topic i proportional to 1 / (i + 1). */
const zipfDraw = (topics: number, random: RandomSource): (() => number) => {
  const cumulative = new Float64Array(topics);
  let sum = 0;
  for (let topic = 0; topic < topics; topic++) {
    sum += 1 / (topic + 1);
    cumulative[topic] = sum;
  }
  return () => {
    const target = randomUnit(random) * sum;
    let low = 0;
    let high = topics - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cumulative[middle]! < target) low = middle + 1;
      else high = middle;
    }
    return low;
  };
};

/** Nodes belong to one of topics/20 communities and draw four in five topics from its twenty. */
const clustered = (workload: Workload, random: RandomSource): Int32Array[] => {
  const communities = Math.max(1, Math.floor(workload.topics / 20));
  return Array.from({ length: workload.nodes }, () => {
    const home = randomBelow(random, communities);
    const chosen = new Set<number>();
    const wanted = Math.min(subscriptionCount(workload, random), 20);
    for (let tries = 0; chosen.size < wanted && tries < 50 * wanted; tries++)
      chosen.add(
        randomUnit(random) < 0.8
          ? Math.min(workload.topics - 1, home * 20 + randomBelow(random, 20))
          : randomBelow(random, workload.topics),
      );
    return ascending(chosen);
  });
};

/**
 * Every node is a topic; it follows itself and its friends in a preferential-attachment graph (Barabási, Albert 1999) with
 * mean/2 links per newcomer: a stand-in for a social network trace.
 */
const friends = ({ nodes, meanSubscriptions }: Workload, random: RandomSource): Int32Array[] => {
  const links = Math.max(1, Math.round(meanSubscriptions / 2));
  const friendsOf: Set<number>[] = Array.from({ length: nodes }, (_, index) => new Set([index]));
  const ends: number[] = [0];
  for (let newcomer = 1; newcomer < nodes; newcomer++) {
    const chosen = new Set<number>();
    for (let tries = 0; chosen.size < Math.min(links, newcomer) && tries < 50 * links; tries++)
      chosen.add(ends[randomBelow(random, ends.length)]!);
    for (const friend of chosen) {
      friendsOf[newcomer]!.add(friend);
      friendsOf[friend]!.add(newcomer);
      ends.push(friend, newcomer);
    }
  }
  return friendsOf.map(ascending);
};

const ascending = (chosen: ReadonlySet<number>): Int32Array => Int32Array.from(chosen).sort();

/** Topics both follow, ascending. */
export const commonTopics = (a: Int32Array, b: Int32Array): number[] => {
  const common: number[] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const difference = a[i]! - b[j]!;
    if (difference === 0) common.push(a[i]!);
    if (difference <= 0) i++;
    if (difference >= 0) j++;
  }
  return common;
};
