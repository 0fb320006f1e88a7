import { createCyclon, type Cyclon } from "../../../protocol/cyclon/cyclon.ts";
import type { CyclonEffect, CyclonMessage } from "../../../protocol/cyclon/messages.ts";
import { defaultCyclonConfig } from "../../../protocol/cyclon/config.ts";
import type { VerifiedDescriptor } from "../../../protocol/identity/verified.ts";
import type { RandomSource } from "../../../protocol/kernel/random.ts";
import { durationMs, earliest, type MonotonicMs } from "../../../protocol/kernel/time.ts";
import type { RingCastConfig } from "../../../protocol/ringcast/config.ts";
import type { RingCastEffect, RingCastEvent, RingCastMessage, TopicTag } from "../../../protocol/ringcast/messages.ts";
import { createRingCast, type RingCast } from "../../../protocol/ringcast/ringcast.ts";
import type { RingLinks } from "../../../protocol/ringcast/targets.ts";
import { defaultVicinityConfig } from "../../../protocol/vicinity/config.ts";
import type { VicinityEffect, VicinityMessage } from "../../../protocol/vicinity/messages.ts";
import { clockwise, RING_CIRCUMFERENCE, type Selection } from "../../../protocol/vicinity/selection.ts";
import { createVicinity, type Vicinity } from "../../../protocol/vicinity/vicinity.ts";
import { createLivenessBook } from "../../../protocol/view/liveness-book.ts";
import type { Population } from "./population.ts";
import { cyclonWire, ringCastWire, vicinityWire } from "./wires.ts";
import type { SimulatedEvent, SimulatedMachine, Wire } from "./world.ts";

export type OverlayMessage = CyclonMessage | VicinityMessage | RingCastMessage;
export type OverlayEffect = CyclonEffect | VicinityEffect | RingCastEffect;
export type OverlayCommand =
  | (RingCastEvent & { readonly type: "publish" | "ringChanged" })
  | { readonly type: "join"; readonly contacts: readonly VerifiedDescriptor[] };

/** One group of nodes: CYCLON, a ring kept by VICINITY, and RingCast over both. */
export interface OverlayNode extends SimulatedMachine<OverlayMessage, OverlayCommand, OverlayEffect> {
  readonly cyclon: Cyclon;
  readonly vicinity: Vicinity;
  readonly ringCast: RingCast;
  readonly links: () => RingLinks;
}

export const GROUP = "AAAAAAAAAAAAAAAAAAAAAA" as TopicTag;
/** The first 30 bits of the id are the place on the ring. */
export const ringPosition = ({ shortId }: VerifiedDescriptor): number => shortId * (RING_CIRCUMFERENCE / 2 ** 30);

const isVicinity = (message: OverlayMessage): message is VicinityMessage =>
  message.type === "vicinityRequest" || message.type === "vicinityResponse";
const isRingCast = (message: OverlayMessage): message is RingCastMessage => "topic" in message;

export const overlayWire = (population: Population): Wire<OverlayMessage> => {
  const ofCyclon = cyclonWire(population);
  const ofVicinity = vicinityWire(population);
  return {
    sizeOf: (message) =>
      isRingCast(message)
        ? ringCastWire.sizeOf(message)
        : isVicinity(message)
          ? ofVicinity.sizeOf(message)
          : ofCyclon.sizeOf(message),
    roundTrip: (message) =>
      isRingCast(message)
        ? ringCastWire.roundTrip(message)
        : isVicinity(message)
          ? ofVicinity.roundTrip(message)
          : ofCyclon.roundTrip(message),
  };
};

export interface OverlayNodeOptions {
  readonly descriptor: VerifiedDescriptor;
  readonly periodMs: number;
  readonly jitter: number;
  readonly cast: RingCastConfig;
  readonly selection: Selection;
  readonly random: RandomSource;
  readonly startAt: MonotonicMs;
}

const SPARE = 3;

export const createOverlayNode = (options: OverlayNodeOptions): OverlayNode => {
  const { descriptor, periodMs, jitter, cast, selection, random, startAt } = options;
  const self = (): VerifiedDescriptor => descriptor;
  const book = createLivenessBook({ addressCapacity: 32, tombstoneMs: durationMs(30 * periodMs) });
  const rhythm = { gossipPeriodMs: durationMs(periodMs), jitter };
  const cyclon = createCyclon({
    config: { ...defaultCyclonConfig, ...rhythm },
    self,
    book,
    random: random.fork("cyclon"),
    startAt,
  });
  const vicinity = createVicinity({
    config: { ...defaultVicinityConfig, ...rhythm },
    self,
    selection,
    addRandomLayer: (candidates) => candidates.addView(cyclon.view),
    book,
    random: random.fork("vicinity"),
    startAt,
  });
  let known: RingLinks | undefined;

  const links = (): RingLinks => {
    if (known !== undefined) return known;
    const here = ringPosition(descriptor);
    const ring = [...vicinity.view.descriptors()];
    const forward = [...ring].sort((a, b) => clockwise(here, ringPosition(a)) - clockwise(here, ringPosition(b)));
    const backward = [...ring].sort((a, b) => clockwise(ringPosition(a), here) - clockwise(ringPosition(b), here));
    known = {
      successors: forward.slice(0, SPARE),
      predecessors: backward.slice(0, SPARE),
      members: [...cyclon.view.descriptors()],
    };
    return known;
  };
  const ringCast = createRingCast({
    config: cast,
    links: (topic) => (topic === GROUP ? links() : undefined),
    isAuthentic: () => true,
    random: random.fork("ringcast"),
  });

  const below = (event: SimulatedEvent<OverlayMessage>, now: MonotonicMs): readonly OverlayEffect[] => {
    known = undefined;
    if (event.type !== "messageReceived") return [...cyclon.handle(event, now), ...vicinity.handle(event, now)];
    const { from, message } = event;
    if (isVicinity(message)) return vicinity.handle({ type: "messageReceived", from, message }, now);
    return isRingCast(message) ? [] : cyclon.handle({ type: "messageReceived", from, message }, now);
  };

  return {
    cyclon,
    vicinity,
    ringCast,
    links,
    nextDeadline: () => earliest([cyclon.nextDeadline(), vicinity.nextDeadline(), ringCast.nextDeadline()]),
    handle: (event, now) => {
      switch (event.type) {
        case "publish":
        case "ringChanged":
          return ringCast.handle(event, now);
        case "join":
          return cyclon.handle(event, now);
        case "messageReceived": {
          const { from, message } = event;
          return isRingCast(message)
            ? ringCast.handle({ type: "messageReceived", from, message }, now)
            : below(event, now);
        }
        case "peerUnreachable": {
          // RingCast first: its spare link is found from the ring as it was.
          const repaired = ringCast.handle(event, now);
          return [...repaired, ...below(event, now)];
        }
        case "deadlineReached":
          return [...below(event, now), ...ringCast.handle(event, now)];
      }
    },
  };
};
