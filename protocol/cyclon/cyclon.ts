// CYCLON: Voulgaris, Gavidia, van Steen, "CYCLON: Inexpensive Membership Management for Unstructured P2P Overlays" (2005).
// Deviations are listed in SPEC.md and are switched off by `paperCyclonConfig`.
import type { NodeId } from "../identity/node-id.ts";
import type { VerifiedDescriptor } from "../identity/verified.ts";
import { exhaustive, invariant } from "../kernel/assert.ts";
import type { Machine } from "../kernel/machine.ts";
import { randomUnit, type RandomSource } from "../kernel/random.ts";
import { after, durationMs, earliest, type MonotonicMs } from "../kernel/time.ts";
import type { LivenessBook } from "../view/liveness-book.ts";
import { MAXIMUM_AGE, type Neighbor } from "../view/neighbor.ts";
import { createView, type View } from "../view/view.ts";
import type { CyclonConfig } from "./config.ts";
import type { CyclonEffect, CyclonEvent, CyclonMessage } from "./messages.ts";

export interface Cyclon extends Machine<CyclonEvent, CyclonEffect> {
  /** For the layers above and for metrics; only this machine changes it. */
  readonly view: View;
}

export interface CyclonOptions {
  readonly config: CyclonConfig;
  /** The newest own descriptor. */
  readonly self: () => VerifiedDescriptor;
  readonly book: LivenessBook;
  /** Whether a node that is not in the view may enter it; what `protocol/urps` finds too loud may not. */
  readonly admits?: ((newcomer: VerifiedDescriptor, isPartner: boolean) => boolean) | undefined;
  /** A partner from outside the view for every fourth exchange, such as an anchor of `protocol/urps`: a way out of a view that was taken over. */
  readonly outsider?: (() => VerifiedDescriptor | undefined) | undefined;
  readonly random: RandomSource;
  readonly startAt: MonotonicMs;
}

interface Exchange {
  readonly id: number;
  readonly partner: Neighbor;
  readonly sent: readonly Neighbor[];
  readonly attempt: number;
  readonly deadline: MonotonicMs;
}

/** A joiner asks this many contacts at once, so that one silent or hostile introducer does not decide its view. */
const JOIN_CONTACTS = 3;
const EARLIER_JOINS = 4;
const OUTSIDER_EVERY = 4;
/** Requests whose descriptors are taken in per period; all are answered. More than four come by chance once in 270 periods (Poisson). */
const REQUESTS_PER_PERIOD = 4;
/** Peers spoken to that may enter the view as such in one period: an honest node hears from one in the mean. */
const PARTNERS_PER_PERIOD = 2;
const MAXIMUM_WALK_STEPS = 16;

export const createCyclon = (options: CyclonOptions): Cyclon => {
  const { config, self, book, admits, outsider, random, startAt } = options;
  const ownId = self().id;
  const view = createView(ownId, config.viewLength);
  let exchange: Exchange | undefined;
  let nextShuffle = after(startAt, durationMs(config.jitter === 0 ? 0 : randomUnit(random) * config.gossipPeriodMs));
  let periods = 0;
  let partnersAdmitted = 0;
  let requestsMerged = 0;
  let burst = 0;
  let giftsExpected = 0;
  let earlierJoins: readonly number[] = [];
  let joinExchange = 0;

  const exchangeId = (): number => random.uint32() * 2 ** 21 + (random.uint32() >>> 11);
  const locked = (id: NodeId): boolean =>
    exchange !== undefined && exchange.sent.some((neighbor) => neighbor.descriptor.id === id);

  const scheduleShuffle = (now: MonotonicMs): void => {
    if (burst > 0) {
      burst--;
      nextShuffle = after(now, config.joinBurstIntervalMs);
      return;
    }
    const stretch = 1 + config.jitter * (2 * randomUnit(random) - 1);
    nextShuffle = after(now, durationMs(config.gossipPeriodMs * stretch));
  };

  const refill = (now: MonotonicMs): void => {
    while (view.size() < config.lowWater) {
      const forgotten = book.pick(random, (id) => id === ownId || view.has(id));
      if (forgotten === undefined || !book.accepts(forgotten, now)) return;
      view.put(forgotten, MAXIMUM_AGE);
    }
  };

  const partnerOf = (attempt: number): Neighbor | undefined => {
    const stranger = attempt > 1 || periods % OUTSIDER_EVERY !== 0 ? undefined : outsider?.();
    return stranger === undefined ? view.oldest(random) : { descriptor: stranger, age: 0 };
  };

  const initiate = (now: MonotonicMs, attempt: number, effects: CyclonEffect[]): void => {
    const partner = partnerOf(attempt);
    if (partner === undefined) {
      if (attempt === 1) effects.push({ type: "contactsNeeded" });
      return;
    }
    view.remove(partner.descriptor.id);
    const chosen = view.sample(random, config.exchangeLength - 1);
    const id = exchangeId();
    exchange = {
      id,
      partner,
      sent: chosen,
      attempt,
      deadline: after(now, config.replyTimeoutMs),
    };
    effects.push({
      type: "send",
      to: partner.descriptor.id,
      route: partner.descriptor,
      message: { type: "shuffleRequest", exchange: id, neighbors: [{ descriptor: self(), age: 0 }, ...chosen] },
    });
  };

  const merge = (from: NodeId, received: readonly Neighbor[], sent: readonly Neighbor[], now: MonotonicMs): void => {
    const newcomers: Neighbor[] = [];
    for (const neighbor of received) {
      const { descriptor, age } = neighbor;
      if (descriptor.id === ownId || !descriptor.reachable || !book.accepts(descriptor, now)) continue;
      if (view.hasDescriptor(descriptor)) view.put(descriptor, age);
      else newcomers.push(neighbor);
    }
    let next = 0;
    for (const { descriptor, age } of newcomers) {
      if (admits !== undefined) {
        const isPartner = descriptor.id === from && partnersAdmitted < PARTNERS_PER_PERIOD;
        if (!admits(descriptor, isPartner)) continue;
        if (isPartner) partnersAdmitted++;
      }
      if (view.put(descriptor, age)) continue;
      while (next < sent.length && !view.replace((sent[next] as Neighbor).descriptor, descriptor, age)) next++;
      if (next >= sent.length) return;
      next++;
    }
  };

  const giveUp = (open: Exchange): void => {
    book.remember(open.partner.descriptor);
    exchange = undefined;
  };

  const tick = (now: MonotonicMs, effects: CyclonEffect[]): void => {
    if (exchange !== undefined) giveUp(exchange);
    scheduleShuffle(now);
    periods++;
    partnersAdmitted = 0;
    requestsMerged = 0;
    refill(now);
    view.growOlder();
    initiate(now, 1, effects);
  };

  const answerShuffle = (
    from: NodeId,
    message: CyclonMessage & { readonly type: "shuffleRequest" },
    now: MonotonicMs,
    effects: CyclonEffect[],
  ): void => {
    const sender = message.neighbors[0];
    if (sender === undefined || sender.descriptor.id !== from || sender.age !== 0)
      return violated(from, "CYC-10", effects);
    if (message.neighbors.length > config.exchangeLength) return violated(from, "CYC-11", effects);
    book.sawAlive(sender.descriptor);
    const answer = view.sample(random, config.exchangeLength, (id) => id === from || locked(id));
    effects.push({
      type: "send",
      to: from,
      route: undefined,
      message: { type: "shuffleResponse", exchange: message.exchange, neighbors: answer },
    });
    effects.push({ type: "descriptorsHeard", from, neighbors: message.neighbors });
    if (admits !== undefined && requestsMerged++ >= REQUESTS_PER_PERIOD) return;
    merge(from, message.neighbors, answer, now);
  };

  const acceptResponse = (
    from: NodeId,
    message: CyclonMessage & { readonly type: "shuffleResponse" },
    now: MonotonicMs,
    effects: CyclonEffect[],
  ): void => {
    if (exchange === undefined || exchange.id !== message.exchange) return;
    if (exchange.partner.descriptor.id !== from) return violated(from, "CYC-12", effects);
    if (message.neighbors.length > config.exchangeLength) return violated(from, "CYC-11", effects);
    const { partner, sent } = exchange;
    exchange = undefined;
    book.sawAlive(partner.descriptor);
    effects.push({ type: "descriptorsHeard", from, neighbors: message.neighbors });
    merge(from, message.neighbors, sent, now);
    if (config.readdPartner) view.put(partner.descriptor, 0);
  };

  const partnerFailed = (peer: NodeId, now: MonotonicMs, effects: CyclonEffect[]): void => {
    const resident = view.get(peer);
    if (resident !== undefined) {
      book.bury(resident.descriptor, now);
      view.remove(peer);
    }
    if (exchange === undefined || exchange.partner.descriptor.id !== peer) return;
    const { partner, attempt } = exchange;
    exchange = undefined;
    book.bury(partner.descriptor, now);
    if (attempt < config.attempts) initiate(now, attempt + 1, effects);
  };

  const join = (contacts: readonly VerifiedDescriptor[], now: MonotonicMs, effects: CyclonEffect[]): void => {
    if (joinExchange !== 0) earlierJoins = [joinExchange, ...earlierJoins].slice(0, EARLIER_JOINS);
    joinExchange = exchangeId();
    giftsExpected = config.viewLength * JOIN_CONTACTS;
    burst = config.joinBurst;
    for (const contact of contacts.slice(0, JOIN_CONTACTS)) {
      book.exhume(contact.id);
      book.remember(contact);
      view.put(contact, 0);
      effects.push({
        type: "send",
        to: contact.id,
        route: contact,
        message: { type: "joinRequest", exchange: joinExchange, joiner: self() },
      });
    }
    if (burst > 0) scheduleShuffle(now);
  };

  const walk = (joiner: VerifiedDescriptor, steps: number, id: number, effects: CyclonEffect[]): void => {
    const next =
      steps > 0 ? view.sample(random, 1, (neighbor) => neighbor === joiner.id || locked(neighbor))[0] : undefined;
    if (next !== undefined) {
      effects.push({
        type: "send",
        to: next.descriptor.id,
        route: next.descriptor,
        message: { type: "joinWalk", exchange: id, joiner, steps: steps - 1 },
      });
      return;
    }
    adopt(joiner, id, effects);
  };

  const adopt = (joiner: VerifiedDescriptor, id: number, effects: CyclonEffect[]): void => {
    let gift: Neighbor = { descriptor: self(), age: 0 };
    if (!view.put(joiner, 0)) {
      const replaced = view.sample(random, 1, locked)[0];
      if (replaced === undefined) return;
      view.replace(replaced.descriptor, joiner, 0);
      gift = replaced;
    }
    effects.push({
      type: "send",
      to: joiner.id,
      route: joiner,
      message: { type: "joinGift", exchange: id, gift },
    });
  };

  const received = (from: NodeId, message: CyclonMessage, now: MonotonicMs): CyclonEffect[] => {
    const effects: CyclonEffect[] = [];
    switch (message.type) {
      case "shuffleRequest":
        answerShuffle(from, message, now, effects);
        return effects;
      case "shuffleResponse":
        acceptResponse(from, message, now, effects);
        return effects;
      case "joinRequest":
        if (message.joiner.id !== from) violated(from, "CYC-10", effects);
        else if (message.joiner.reachable) {
          book.sawAlive(message.joiner);
          for (let i = 0; i < config.viewLength; i++)
            walk(message.joiner, config.walkLength, message.exchange, effects);
        }
        return effects;
      case "joinWalk":
        if (message.steps > MAXIMUM_WALK_STEPS) violated(from, "CYC-11", effects);
        else if (message.joiner.id !== ownId && message.joiner.reachable && book.accepts(message.joiner, now))
          walk(message.joiner, message.steps, message.exchange, effects);
        return effects;
      case "joinGift":
        // Walks of a join before the last one end late: no fault of those who give, and the view has moved on.
        if (earlierJoins.includes(message.exchange)) return effects;
        if (message.exchange !== joinExchange || giftsExpected === 0) violated(from, "CYC-13", effects);
        else {
          giftsExpected--;
          effects.push({ type: "descriptorsHeard", from, neighbors: [message.gift] });
          merge(from, [message.gift], [], now);
        }
        return effects;
      default:
        return exhaustive(message);
    }
  };

  return {
    view,
    nextDeadline: () => earliest([nextShuffle, exchange?.deadline]),
    handle: (event, now) => {
      switch (event.type) {
        case "deadlineReached": {
          const effects: CyclonEffect[] = [];
          if (exchange !== undefined && exchange.deadline <= now) giveUp(exchange);
          if (nextShuffle <= now) tick(now, effects);
          return effects;
        }
        case "messageReceived":
          invariant(event.from !== ownId, "no messages to oneself");
          return received(event.from, event.message, now);
        case "peerUnreachable": {
          const effects: CyclonEffect[] = [];
          partnerFailed(event.peer, now, effects);
          return effects;
        }
        case "join": {
          const effects: CyclonEffect[] = [];
          join(event.contacts, now, effects);
          return effects;
        }
        default:
          return exhaustive(event);
      }
    },
  };
};

const violated = (
  peer: NodeId,
  rule: (CyclonEffect & { readonly type: "peerViolated" })["rule"],
  effects: CyclonEffect[],
): void => {
  effects.push({ type: "peerViolated", peer, rule });
};
