// VICINITY: Voulgaris, van Steen, "VICINITY: A Pinch of Randomness Brings out the Structure" (2013).
import type { NodeId } from "../identity/node-id.ts";
import type { VerifiedDescriptor } from "../identity/verified.ts";
import { exhaustive } from "../kernel/assert.ts";
import type { Machine } from "../kernel/machine.ts";
import { randomUnit, type RandomSource } from "../kernel/random.ts";
import { after, durationMs, earliest, type MonotonicMs } from "../kernel/time.ts";
import { type Candidates, createCandidates } from "../view/candidates.ts";
import type { LivenessBook } from "../view/liveness-book.ts";
import type { Neighbor } from "../view/neighbor.ts";
import { createView, type View } from "../view/view.ts";
import type { VicinityConfig } from "./config.ts";
import type { VicinityEffect, VicinityEvent, VicinityMessage } from "./messages.ts";
import type { Selection } from "./selection.ts";

export interface Vicinity extends Machine<VicinityEvent, VicinityEffect> {
  readonly view: View;
  /** Chooses the view anew after the proximity function changed its mind, such as after a subscription. */
  readonly reselect: (now: MonotonicMs) => void;
}

export interface VicinityOptions {
  readonly config: VicinityConfig;
  /** The newest own descriptor. */
  readonly self: () => VerifiedDescriptor;
  readonly selection: Selection;
  /** Candidates from the random layer below: the pinch of randomness. */
  readonly addRandomLayer: (candidates: Candidates) => void;
  readonly book: LivenessBook;
  readonly random: RandomSource;
  readonly startAt: MonotonicMs;
}

interface Exchange {
  readonly id: number;
  readonly partner: Neighbor;
  readonly attempt: number;
  readonly deadline: MonotonicMs;
}

// Shared by all machines of a process: filled and read within one call, and ten thousand of them would miss every cache.
const candidates = createCandidates();

export const createVicinity = (options: VicinityOptions): Vicinity => {
  const { config, self, selection, addRandomLayer, book, random, startAt } = options;
  const ownId = self().id;
  const view = createView(ownId, config.viewLength);
  let exchange: Exchange | undefined;
  let nextExchange = after(startAt, durationMs(config.jitter === 0 ? 0 : randomUnit(random) * config.gossipPeriodMs));

  /** Chooses the view among what it holds, what was received and the random layer. */
  const keep = (received: readonly Neighbor[], now: MonotonicMs): void => {
    candidates.reset(self());
    candidates.addView(view);
    for (const { descriptor, age } of received)
      if (descriptor.reachable && book.accepts(descriptor, now)) candidates.add(descriptor, age);
    addRandomLayer(candidates);
    view.assign(selection(config.viewLength, self(), candidates, random));
  };

  /** The best this node knows for `peer`; itself among them always, or the peer could not learn of it. */
  const bestFor = (peer: VerifiedDescriptor, without: readonly Neighbor[]): Neighbor[] => {
    const fresh: Neighbor = { descriptor: self(), age: 0 };
    candidates.reset(peer);
    candidates.addView(view);
    addRandomLayer(candidates);
    for (const { descriptor } of without) candidates.discard(descriptor);
    candidates.add(fresh.descriptor, 0);
    const chosen = selection(config.exchangeLength, peer, candidates, random);
    if (chosen.some(({ descriptor }) => descriptor.id === ownId)) return chosen;
    return [...chosen.slice(0, config.exchangeLength - 1), fresh];
  };

  const initiate = (now: MonotonicMs, attempt: number, effects: VicinityEffect[]): void => {
    const partner = view.oldest(random);
    if (partner === undefined) return;
    view.remove(partner.descriptor.id);
    const id = random.uint32() * 2 ** 21 + (random.uint32() >>> 11);
    exchange = { id, partner, attempt, deadline: after(now, config.replyTimeoutMs) };
    effects.push({
      type: "send",
      to: partner.descriptor.id,
      route: partner.descriptor,
      message: { type: "vicinityRequest", exchange: id, neighbors: bestFor(partner.descriptor, []) },
    });
  };

  const tick = (now: MonotonicMs, effects: VicinityEffect[]): void => {
    exchange = undefined;
    const stretch = config.jitter === 0 ? 1 : 1 + config.jitter * (2 * randomUnit(random) - 1);
    nextExchange = after(now, durationMs(config.gossipPeriodMs * stretch));
    view.growOlder();
    if (view.size() === 0) keep([], now);
    initiate(now, 1, effects);
  };

  const received = (from: NodeId, message: VicinityMessage, now: MonotonicMs): VicinityEffect[] => {
    if (message.neighbors.length > config.exchangeLength) return [{ type: "peerViolated", peer: from, rule: "VIC-7" }];
    const sender = message.neighbors.find(({ descriptor }) => descriptor.id === from);
    const heard: VicinityEffect = { type: "descriptorsHeard", from, neighbors: message.neighbors };
    switch (message.type) {
      case "vicinityRequest": {
        if (sender === undefined) return [{ type: "peerViolated", peer: from, rule: "VIC-8" }];
        book.sawAlive(sender.descriptor);
        const answer = bestFor(sender.descriptor, message.neighbors);
        keep(message.neighbors, now);
        const reply: VicinityMessage = { type: "vicinityResponse", exchange: message.exchange, neighbors: answer };
        return [{ type: "send", to: from, route: undefined, message: reply }, heard];
      }
      case "vicinityResponse": {
        if (exchange === undefined || exchange.id !== message.exchange) return [];
        const { partner } = exchange;
        if (partner.descriptor.id !== from) return [{ type: "peerViolated", peer: from, rule: "VIC-9" }];
        exchange = undefined;
        book.sawAlive(partner.descriptor);
        keep([...message.neighbors, { descriptor: partner.descriptor, age: 0 }], now);
        return [heard];
      }
      default:
        return exhaustive(message.type);
    }
  };

  const partnerFailed = (peer: NodeId, now: MonotonicMs): VicinityEffect[] => {
    const resident = view.get(peer);
    if (resident !== undefined) {
      book.bury(resident.descriptor, now);
      view.remove(peer);
    }
    if (exchange === undefined || exchange.partner.descriptor.id !== peer) return [];
    const { partner, attempt } = exchange;
    exchange = undefined;
    book.bury(partner.descriptor, now);
    keep([], now);
    view.remove(peer);
    const effects: VicinityEffect[] = [];
    if (attempt < config.attempts) initiate(now, attempt + 1, effects);
    return effects;
  };

  return {
    view,
    reselect: (now) => keep([], now),
    nextDeadline: () => earliest([nextExchange, exchange?.deadline]),
    handle: (event, now) => {
      switch (event.type) {
        case "deadlineReached": {
          const effects: VicinityEffect[] = [];
          if (exchange !== undefined && exchange.deadline <= now) {
            book.remember(exchange.partner.descriptor);
            exchange = undefined;
          }
          if (nextExchange <= now) tick(now, effects);
          return effects;
        }
        case "messageReceived":
          return received(event.from, event.message, now);
        case "peerUnreachable":
          return partnerFailed(event.peer, now);
        default:
          return exhaustive(event);
      }
    },
  };
};
