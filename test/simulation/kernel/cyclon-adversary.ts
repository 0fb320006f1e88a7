import type { CyclonEffect, CyclonEvent, CyclonMessage } from "../../../protocol/cyclon/messages.ts";
import type { NodeId } from "../../../protocol/identity/node-id.ts";
import type { VerifiedDescriptor } from "../../../protocol/identity/verified.ts";
import type { RandomSource } from "../../../protocol/kernel/random.ts";
import type { MonotonicMs } from "../../../protocol/kernel/time.ts";
import type { Neighbor } from "../../../protocol/view/neighbor.ts";
import type { SimulatedEvent, SimulatedMachine } from "./world.ts";

export type CyclonMachine = SimulatedMachine<CyclonMessage, CyclonEvent, CyclonEffect>;

export interface PolluterOptions {
  readonly self: VerifiedDescriptor;
  /** Up to `count` descriptors that every message pretends to be fresh. */
  readonly offer: (count: number) => readonly VerifiedDescriptor[];
  /** Whom to exchange with, once for each initiation of a period. */
  readonly target: () => VerifiedDescriptor | undefined;
  /** Initiations per period; an honest node makes one. */
  readonly rate: () => number;
  readonly exchangeLength: number;
  readonly random: RandomSource;
}

const neighborsOf = (descriptors: readonly VerifiedDescriptor[]): Neighbor[] =>
  descriptors.map((descriptor) => ({ descriptor, age: 0 }));
const exchangeNumber = (random: RandomSource): number => random.uint32();

/**
 * Descriptor pollution (the hub attack of Jesi, Montresor, van Steen 2010, and SecureCyclon, 2023): speaks the protocol
 * correctly, offers only accomplices, always at age 0, and exchanges more often than it should.
 */
export const createPolluter = (options: PolluterOptions): CyclonMachine => {
  const { self, offer, target, rate, exchangeLength, random } = options;
  return {
    nextDeadline: () => undefined,
    handle: (event) => {
      const effects: CyclonEffect[] = [];
      if (event.type === "deadlineReached")
        for (let each = 0; each < rate(); each++) {
          const victim = target();
          if (victim === undefined) break;
          const neighbors = [{ descriptor: self, age: 0 }, ...neighborsOf(offer(exchangeLength - 1))];
          effects.push({
            type: "send",
            to: victim.id,
            route: victim,
            message: { type: "shuffleRequest", exchange: exchangeNumber(random), neighbors },
          });
        }
      if (event.type !== "messageReceived") return effects;
      const { message, from } = event;
      if (message.type === "shuffleRequest")
        effects.push({
          type: "send",
          to: from,
          route: undefined,
          message: {
            type: "shuffleResponse",
            exchange: message.exchange,
            neighbors: neighborsOf(offer(exchangeLength)),
          },
        });
      // A newcomer's walk never ends anywhere else.
      if (message.type === "joinRequest" || message.type === "joinWalk")
        for (const gift of neighborsOf(offer(exchangeLength)))
          effects.push({
            type: "send",
            to: message.joiner.id,
            route: message.joiner,
            message: { type: "joinGift", exchange: message.exchange, gift },
          });
      return effects;
    },
  };
};

export interface EclipserOptions {
  /** An honest machine of the same node: towards everybody else the eclipser behaves. */
  readonly honest: CyclonMachine;
  /** Speaks to the victim only. */
  readonly polluter: CyclonMachine;
  readonly victim: VerifiedDescriptor;
}

/**
 * Eclipse: towards the victim a polluter; towards all others an honest node that never mentions the victim, so that the
 * victim's own links are taken over while nobody else learns of it.
 */
export const createEclipser = ({ honest, polluter, victim }: EclipserOptions): CyclonMachine => {
  const hide = (effects: readonly CyclonEffect[]): CyclonEffect[] =>
    effects.flatMap((effect): CyclonEffect[] => {
      if (effect.type !== "send") return [effect];
      if (effect.to === victim.id) return [];
      const { message } = effect;
      if (message.type !== "shuffleRequest" && message.type !== "shuffleResponse") return [effect];
      const neighbors = message.neighbors.filter(({ descriptor }) => descriptor.id !== victim.id);
      return [{ ...effect, message: { ...message, neighbors } }];
    });
  const isOfVictim = (event: SimulatedEvent<CyclonMessage> | CyclonEvent): boolean =>
    event.type === "messageReceived" && event.from === victim.id;
  return {
    nextDeadline: honest.nextDeadline,
    handle: (event, now) =>
      isOfVictim(event)
        ? polluter.handle(event, now)
        : [
            ...hide(honest.handle(event, now)),
            ...(event.type === "deadlineReached" ? polluter.handle(event, now) : []),
          ],
  };
};

/** Behaves honestly until `startsAt`, then as the adversary. */
export const createTurncoat = (
  honest: CyclonMachine,
  adversary: CyclonMachine,
  startsAt: MonotonicMs,
): CyclonMachine => ({
  nextDeadline: honest.nextDeadline,
  handle: (event, now) => (now < startsAt ? honest : adversary).handle(event, now),
});

/** What the receiving side's composition drops unread (NOD-2): more than `perPeriod` requests of one peer in a period. */
export const createRequestLimit = (perPeriod: number, periodMs: number) => {
  const spent = new Map<NodeId, { readonly period: number; count: number }>();
  return (from: NodeId, now: MonotonicMs): boolean => {
    const period = Math.floor(now / periodMs);
    const held = spent.get(from);
    if (held === undefined || held.period !== period) {
      spent.set(from, { period, count: 1 });
      return true;
    }
    held.count++;
    return held.count <= perPeriod;
  };
};
