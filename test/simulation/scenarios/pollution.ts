import { createNativeProvider } from "../../../main/adapters/native-crypto.ts";
import { createNobleProvider } from "../../../protocol/crypto/noble-provider.ts";
import { createCyclon, type Cyclon } from "../../../protocol/cyclon/cyclon.ts";
import type { CyclonEffect, CyclonEvent, CyclonMessage } from "../../../protocol/cyclon/messages.ts";
import { type NodeId, nodeIdToBytes } from "../../../protocol/identity/node-id.ts";
import type { VerifiedDescriptor } from "../../../protocol/identity/verified.ts";
import { pick, sample } from "../../../protocol/kernel/random.ts";
import { durationMs, monotonicMs } from "../../../protocol/kernel/time.ts";
import { defaultUrpsConfig } from "../../../protocol/urps/config.ts";
import { createUrps, type Urps } from "../../../protocol/urps/urps.ts";
import { createLivenessBook } from "../../../protocol/view/liveness-book.ts";
import { createSeededRandom } from "../../support/seeded-random.ts";
import {
  createEclipser,
  createPolluter,
  createRequestLimit,
  createTurncoat,
  type CyclonMachine,
} from "../kernel/cyclon-adversary.ts";
import { spreadOf } from "../kernel/graph.ts";
import { createNetem, perfectNetwork } from "../kernel/netem.ts";
import { createPopulation } from "../kernel/population.ts";
import { cyclonWire } from "../kernel/wires.ts";
import { createWorld } from "../kernel/world.ts";
import { cyclonConfigOf, seedViews } from "./cyclon.ts";

export interface PollutionScenario {
  readonly nodes: number;
  readonly cycles: number;
  readonly seed: number;
  readonly view: number;
  readonly exchange: number;
  readonly variant: "product" | "paper";
  /** `hub` offers accomplices, `sybil` ids invented on the spot, `eclipse` accomplices to one victim only (node 0). */
  readonly adversary: "hub" | "sybil" | "eclipse";
  /** Share of the nodes that belong to the adversary. */
  readonly adversaries: number;
  /** Initiations of an adversary per period. */
  readonly attackRate: number;
  /** Cycle in which the adversary stops behaving. */
  readonly attackAt: number;
  /** Whether views ask the sampler, and count networks, before they take a node in. */
  readonly guarded: boolean;
  readonly throughBytes: boolean;
}

export const defaultPollutionScenario: PollutionScenario = {
  nodes: 1000,
  cycles: 100,
  seed: 1,
  view: 20,
  exchange: 8,
  variant: "product",
  adversary: "hub",
  adversaries: 0.02,
  attackRate: 1,
  attackAt: 10,
  guarded: true,
  throughBytes: false,
};

export interface PollutionFigures {
  /** Share of the view entries of honest nodes that are the adversary's, at the end. */
  readonly adversaryLinkShare: number;
  /** Share of the descriptors honest nodes heard since the attack began that are the adversary's. */
  readonly adversaryHeardShare: number;
  /** Share of the samples of honest nodes' URPS that are the adversary's, over the last fifth of the run. */
  readonly adversaryShare: number;
  /** The same over the adversary's share of all nodes; over its nodes alone where it invents ids. */
  readonly overRepresentation: number;
  /** Spread of honest nodes' in-degree among honest nodes. */
  readonly inDegreeSd: number;
  /** Honest nodes all of whose view entries are the adversary's. */
  readonly eclipsedShare: number;
  /** Of the victim: share of the adversary in its view and samples; its fewest honest neighbors since the attack, in the view alone and with sampler and anchors. */
  readonly victimLinkShare: number;
  readonly victimSampleShare: number;
  readonly victimHonestLinksMin: number;
  readonly victimHonestNeighborsMin: number;
  /** Honest nodes that hold the victim in their views, at the end. */
  readonly victimInDegree: number;
  readonly bytesPerNodePerCycle: number;
  readonly series: readonly { readonly cycle: number; readonly adversaryLinkShare: number }[];
}

const PERIOD_MS = 10_000;
/** What the node's composition lets one peer initiate per layer and period (gossip design, inbound checks). */
const REQUESTS_PER_PERIOD = 2;
const NEIGHBORS_OF_NETWORK = 3;
/** Honest nodes whose samplers are run; a sketch takes 64 KiB. */
const SAMPLERS = 40;
/** Drawn from each sampler in each cycle, as VICINITY's random layer does. */
const SAMPLES = 8;
const VICTIM = 0;

export const runPollution = (scenario: PollutionScenario): PollutionFigures => {
  const { nodes, cycles, attackAt, attackRate } = scenario;
  const random = createSeededRandom(scenario.seed);
  const plan = random.fork("plan");
  const population = createPopulation(random.fork("population"));
  const config = cyclonConfigOf(scenario);
  const crypto = createNativeProvider(createNobleProvider());
  const startsAt = monotonicMs(attackAt * PERIOD_MS);
  const hostileCount = Math.round(scenario.adversaries * nodes);
  const others = Array.from({ length: nodes - 1 }, (_, index) => index + 1);
  const hostile = new Set(sample(plan, others, hostileCount));
  const honest = others.filter((index) => !hostile.has(index));
  honest.unshift(VICTIM);
  const isHostile = (index: number): boolean => hostile.has(index) || index >= nodes;
  const watched = new Set([VICTIM, ...sample(plan, honest, SAMPLERS)]);

  const cyclons: Cyclon[] = [];
  const inventorOf = new Map<number, number>();
  /** Invented ids live where their inventor lives; everybody else has a network of their own, which needs no name. */
  const networkOf = (descriptor: VerifiedDescriptor): string | undefined => {
    const inventor = inventorOf.get(population.indexOf(descriptor.id));
    return inventor === undefined ? undefined : `network of ${inventor}`;
  };
  /** The node composition's bound (NOD-12). */
  const hasRoomFor = (index: number, newcomer: VerifiedDescriptor): boolean => {
    const network = networkOf(newcomer);
    if (network === undefined) return true;
    const held = cyclons[index]!.view.descriptors().filter((neighbor) => networkOf(neighbor) === network);
    return held.length < NEIGHBORS_OF_NETWORK;
  };

  const urpsOf = new Map<number, Urps<VerifiedDescriptor>>();
  const heard = { all: 0, hostile: 0 };
  const world = createWorld<CyclonMessage, CyclonEvent, CyclonEffect>({
    population,
    netem: createNetem(perfectNetwork, random.fork("netem")),
    random: random.fork("world"),
    periodMs: PERIOD_MS,
    wire: cyclonWire(population),
    throughBytes: scenario.throughBytes,
    onEffect: (index, effect, now) => {
      if (effect.type !== "descriptorsHeard" || isHostile(index)) return;
      const urps = urpsOf.get(index);
      for (const { descriptor } of effect.neighbors) {
        const named = population.indexOf(descriptor.id);
        if (now >= startsAt) {
          heard.all++;
          if (isHostile(named)) heard.hostile++;
        }
        if (named === index) continue;
        urps?.handle(
          {
            type: "entryHeard",
            partner: effect.from,
            id: descriptor.id,
            entry: descriptor,
            network: networkOf(descriptor),
          },
          now,
        );
      }
    },
  });

  const nodeRandom = random.fork("nodes");
  const invented: VerifiedDescriptor[] = [];
  const invent = (inventor: number): VerifiedDescriptor => {
    const index = population.descriptors.length;
    const descriptor = population.create(index);
    inventorOf.set(index, inventor);
    invented.push(descriptor);
    world.add(index, polluter(inventor, descriptor, 0));
    return descriptor;
  };

  const accomplices = (): VerifiedDescriptor[] => [...hostile].map((index) => population.descriptors[index]!);
  const polluter = (index: number, self: VerifiedDescriptor, rate: number): CyclonMachine => {
    const dice = nodeRandom.fork(`polluter ${population.descriptors.length}`);
    let team: readonly VerifiedDescriptor[] = [];
    return createPolluter({
      self,
      offer: (count) => {
        if (scenario.adversary === "sybil") return sample(dice, invented, count);
        if (team.length === 0) team = accomplices().filter(({ id }) => id !== self.id);
        return sample(dice, team, count);
      },
      target: () => {
        // A new face joins the invented crowd for each exchange; it answers whoever dials it.
        if (scenario.adversary === "sybil") invent(index);
        return population.descriptors[scenario.adversary === "eclipse" ? VICTIM : pick(dice, honest)!];
      },
      rate: () => rate,
      exchangeLength: scenario.exchange,
      random: dice,
    });
  };

  for (let index = 0; index < nodes; index++) {
    const self = population.create(index);
    const dice = nodeRandom.fork(`outsider ${index}`);
    const cyclon = createCyclon({
      config,
      self: () => self,
      book: createLivenessBook({
        addressCapacity: config.lowWater === 0 ? 1 : 64,
        tombstoneMs: durationMs(scenario.variant === "paper" ? 0 : 30 * PERIOD_MS),
      }),
      admits: scenario.guarded
        ? (newcomer, isPartner) =>
            (isPartner || urpsOf.get(index)!.tolerates(newcomer.id)) && hasRoomFor(index, newcomer)
        : undefined,
      outsider: scenario.guarded ? () => pick(dice, urpsOf.get(index)!.anchors()) : undefined,
      random: nodeRandom.fork(String(index)),
      startAt: monotonicMs(0),
    });
    cyclons[index] = cyclon;
    if (scenario.guarded || watched.has(index))
      urpsOf.set(
        index,
        createUrps<VerifiedDescriptor>(
          {
            crypto,
            random: nodeRandom.fork(`urps ${index}`),
            idToBytes: (id) => nodeIdToBytes(id as NodeId),
            newer: (held) => held,
            startAt: monotonicMs(0),
          },
          defaultUrpsConfig,
        ),
      );
  }
  for (let index = 0; index < nodes; index++) {
    const cyclon = cyclons[index]!;
    const admits = createRequestLimit(scenario.variant === "paper" ? attackRate + 1 : REQUESTS_PER_PERIOD, PERIOD_MS);
    const guarded: CyclonMachine = {
      nextDeadline: cyclon.nextDeadline,
      handle: (event, now) =>
        event.type === "messageReceived" && event.message.type === "shuffleRequest" && !admits(event.from, now)
          ? []
          : cyclon.handle(event, now),
    };
    if (!isHostile(index)) {
      world.add(index, guarded);
      continue;
    }
    const attack = polluter(index, population.descriptors[index]!, attackRate);
    const adversary =
      scenario.adversary === "eclipse"
        ? createEclipser({ honest: guarded, polluter: attack, victim: population.descriptors[VICTIM]! })
        : attack;
    world.add(index, createTurncoat(guarded, adversary, startsAt));
  }
  seedViews(
    "random",
    population.descriptors.slice(0, nodes),
    scenario.view,
    (index, neighbor) => cyclons[index]!.view.put(neighbor, 0),
    random.fork("start"),
  );

  const hostileIn = (descriptors: readonly VerifiedDescriptor[]): number =>
    descriptors.filter(({ id }) => isHostile(population.indexOf(id))).length;
  const honestInDegrees = (): number[] => {
    const degrees = new Map(honest.map((index) => [index, 0]));
    for (const index of honest)
      for (const { id } of cyclons[index]!.view.descriptors()) {
        const named = population.indexOf(id);
        if (!isHostile(named)) degrees.set(named, degrees.get(named)! + 1);
      }
    return [...degrees.values()];
  };
  const series: { cycle: number; adversaryLinkShare: number }[] = [];
  const sampled = { all: 0, hostile: 0, ofVictim: 0, hostileOfVictim: 0 };
  let victimHonestLinksMin = Number.POSITIVE_INFINITY;
  let victimHonestNeighborsMin = Number.POSITIVE_INFINITY;
  let eclipsed = 0;
  for (let cycle = 1; cycle <= cycles; cycle++) {
    world.runCycle();
    let links = 0;
    let hostileLinks = 0;
    eclipsed = 0;
    for (const index of honest) {
      const view = cyclons[index]!.view.descriptors();
      const taken = hostileIn(view);
      links += view.length;
      hostileLinks += taken;
      if (taken === view.length) eclipsed++;
    }
    series.push({ cycle, adversaryLinkShare: hostileLinks / links });
    const isMeasured = cycle > 0.8 * cycles;
    for (const index of watched) {
      const urps = urpsOf.get(index)!;
      const drawn = urps.sample(SAMPLES);
      if (isMeasured && index !== VICTIM) {
        sampled.all += drawn.length;
        sampled.hostile += hostileIn(drawn);
      }
      if (index !== VICTIM) continue;
      if (isMeasured) {
        sampled.ofVictim += drawn.length;
        sampled.hostileOfVictim += hostileIn(drawn);
      }
      const view = cyclons[VICTIM]!.view.descriptors();
      const known = new Set([...view, ...urps.sample(urps.size()), ...urps.anchors()]);
      if (cycle < attackAt) continue;
      victimHonestLinksMin = Math.min(victimHonestLinksMin, view.length - hostileIn(view));
      victimHonestNeighborsMin = Math.min(victimHonestNeighborsMin, known.size - hostileIn([...known]));
    }
  }
  const victimView = cyclons[VICTIM]!.view.descriptors();
  const victimId = population.descriptors[VICTIM]!.id;
  const adversaryShare = sampled.all === 0 ? 0 : sampled.hostile / sampled.all;
  return {
    adversaryLinkShare: series[series.length - 1]!.adversaryLinkShare,
    adversaryHeardShare: heard.all === 0 ? 0 : heard.hostile / heard.all,
    adversaryShare,
    overRepresentation: hostileCount === 0 ? 0 : adversaryShare / (hostileCount / nodes),
    inDegreeSd: spreadOf(honestInDegrees()).sd,
    eclipsedShare: eclipsed / honest.length,
    victimLinkShare: victimView.length === 0 ? 0 : hostileIn(victimView) / victimView.length,
    victimSampleShare: sampled.ofVictim === 0 ? 0 : sampled.hostileOfVictim / sampled.ofVictim,
    victimHonestLinksMin,
    victimHonestNeighborsMin,
    victimInDegree: honest.filter((index) => cyclons[index]!.view.has(victimId)).length,
    bytesPerNodePerCycle: world.bytesSent() / nodes / cycles,
    series,
  };
};
