import type { SigningKey } from "../../../protocol/crypto/provider.ts";
import { randomBelow, randomUnit, sample } from "../../../protocol/kernel/random.ts";
import { createCoreWorld } from "../../support/core-world.ts";
import { native } from "../../support/data-fixtures.ts";

export interface OverlayScenario {
  readonly nodes: number;
  /** Periods in all; what is not the same everywhere by then never was. */
  readonly cycles: number;
  readonly seed: number;
  /** Repositories for each ten core nodes; each has two to six members at different core nodes. */
  readonly repositoriesPerTen: number;
  /** Share of packets lost. */
  readonly loss: number;
  /** Share of members whose core node is told of another one of the repository; the others are found by intersection. */
  readonly introduced: number;
  /** Share of the nodes killed with kill -9 while the network is cut, and started again before it is mended. */
  readonly killed: number;
}

export const defaultOverlayScenario: OverlayScenario = {
  nodes: 24,
  cycles: 90,
  seed: 1,
  repositoriesPerTen: 5,
  loss: 0.02,
  introduced: 0.8,
  killed: 0.1,
};

export interface OverlayFigures {
  readonly repositories: number;
  readonly members: number;
  readonly items: number;
  /** Of all (member, item) pairs, present when the network was mended, and at the end. */
  readonly completeAtMending: number;
  readonly complete: number;
  /** Periods from mending until every member had everything; -1 for never. */
  readonly completeAfter: number;
  /** Items offered to a node that does not pin their topic, and topics held without a pin. */
  readonly delivered: { readonly toStrangers: number; readonly unpinnedTopics: number };
  readonly violations: readonly string[];
  readonly bytesPerNodePerCycle: number;
  readonly duplicatesPerDelivery: number;
  readonly sessionsPerNode: number;
  readonly series: readonly { readonly cycle: number; readonly complete: number }[];
}

const PERIOD_MS = 10_000;
/** The last of four segments is behind a translator; the first is the one cut off. */
const SEGMENTS = 4;
const CUT_AT = 14;
const KILL_AT = 18;
const RESTART_AT = 26;
const MEND_AT = 30;
const CONTACTS = 3;
/** The first nodes are the well-known ones: dialable, and neither cut off nor killed for good. */
const WELL_KNOWN = 4;

interface Repository {
  readonly key: SigningKey;
  readonly members: readonly number[];
  written: number;
}

/** Core nodes in four segments, one behind a translator, with loss, a cut and kill -9 while edges write: then everybody has everything. */
export const runOverlay = (scenario: OverlayScenario): OverlayFigures => {
  const { nodes, cycles, seed } = scenario;
  const segmentOf = (index: number): number => index % SEGMENTS;
  const isBehindNat = (index: number): boolean => segmentOf(index) === SEGMENTS - 1;
  const world = createCoreWorld({ seed, loss: scenario.loss, isBehindNat });
  const random = world.random.fork("scenario");
  const everybody = Array.from({ length: nodes }, (_, index) => index);
  const dialable = everybody.filter((index) => !isBehindNat(index));
  const known = dialable.slice(0, WELL_KNOWN);
  for (const index of everybody) {
    const others = index < WELL_KNOWN ? known : dialable.filter((each) => each < index);
    world.add(sample(random, others, CONTACTS).filter((each) => each !== index));
  }
  world.runUntil(2 * PERIOD_MS);

  const repositories: Repository[] = [];
  for (let n = 0; n < Math.max(1, Math.round((nodes * scenario.repositoriesPerTen) / 10)); n++) {
    const count = 2 + randomBelow(random, 5);
    // Two holders that nobody can dial meet only by way of a third one.
    const [first] = sample(random, dialable, 1) as [number];
    const rest = sample(random, everybody, count).filter((index) => index !== first);
    const members = [first, ...rest.slice(0, count - 1)];
    repositories.push({ key: native.signingKey(random.bytes(32)), members, written: 0 });
  }
  const topicsOf = everybody.map((index) => repositories.filter(({ members }) => members.includes(index)));
  for (const index of everybody) {
    const topics = topicsOf[index] ?? [];
    world.pin(
      index,
      topics.map(({ key }) => ({ pk: key.publicKey, publishes: true })),
    );
  }
  for (const { key, members } of repositories)
    for (const [at, member] of members.entries())
      if (at > 0 && randomUnit(random) < scenario.introduced) {
        const other = members[randomBelow(random, at)] as number;
        world.introduce(member, isBehindNat(other) ? (members[0] as number) : other, key.publicKey);
      }

  const killable = everybody.filter((index) => !known.includes(index));
  const victims = sample(random, killable, Math.round(scenario.killed * nodes));
  const write = (share: number): void => {
    for (const repository of repositories) {
      if (randomUnit(random) >= share) continue;
      const { key, members } = repository;
      const member = members[randomBelow(random, members.length)] as number;
      if (world.push(member, world.item(key, repository.written, random))) repository.written++;
    }
  };
  const held = (): number => {
    let pairs = 0;
    for (const { key, members } of repositories)
      for (const member of members) pairs += world.held(member, key.publicKey).size;
    return pairs;
  };
  const due = (): number => repositories.reduce((sum, { members, written }) => sum + members.length * written, 0);

  const series: { cycle: number; complete: number }[] = [];
  let completeAtMending = 0;
  let completeAfter = -1;
  for (let cycle = 3; cycle <= cycles; cycle++) {
    if (cycle === CUT_AT) world.cut((index) => (segmentOf(index) === 0 ? 0 : 1));
    if (cycle === KILL_AT) for (const index of victims) world.kill(index);
    if (cycle === RESTART_AT) for (const index of victims) world.restart(index);
    if (cycle <= MEND_AT) write(0.5);
    if (cycle === MEND_AT) {
      completeAtMending = held() / due();
      world.cut(undefined);
    }
    if (cycle % 6 === 0) world.keepSnapshots();
    world.runUntil(cycle * PERIOD_MS);
    const complete = due() === 0 ? 1 : held() / due();
    series.push({ cycle, complete });
    if (cycle > MEND_AT && complete === 1) {
      completeAfter = cycle - MEND_AT;
      break;
    }
  }
  const unpinned = everybody.reduce(
    (sum, index) => sum + world.topicsHeld(index).length - (topicsOf[index]?.length ?? 0),
    0,
  );
  let delivered = 0;
  let duplicates = 0;
  let sessions = 0;
  for (const index of everybody) {
    const status = world.machine(index)?.status();
    delivered += status?.counters.delivered ?? 0;
    duplicates += status?.counters.duplicates ?? 0;
    sessions += status?.links.length ?? 0;
  }
  return {
    repositories: repositories.length,
    members: repositories.reduce((sum, { members }) => sum + members.length, 0),
    items: repositories.reduce((sum, { written }) => sum + written, 0),
    completeAtMending,
    complete: held() / due(),
    completeAfter,
    delivered: { toStrangers: world.figures.refusedUnpinned, unpinnedTopics: unpinned },
    violations: [...new Set(world.violations)],
    bytesPerNodePerCycle: world.figures.bytes / nodes / (world.now() / PERIOD_MS),
    duplicatesPerDelivery: delivered === 0 ? 0 : duplicates / delivered,
    sessionsPerNode: sessions / nodes,
    series,
  };
};
