import type { Address } from "../identity/descriptor.ts";
import type { NodeId } from "../identity/node-id.ts";
import type { DeadlineReached, Machine } from "../kernel/machine.ts";
import { randomUnit, type RandomSource } from "../kernel/random.ts";
import { after, durationMs, type DurationMs, earliest, type MonotonicMs } from "../kernel/time.ts";
import type { DialTarget } from "./messages.ts";

export interface ConnectionsConfig {
  /** Dials under way at once. */
  readonly maxDials: number;
  /** Beyond it the session unused for longest is closed. */
  readonly maxConnections: number;
  /** A target has other addresses: the next one is tried after this, without giving up the first (RFC 8305). */
  readonly nextAddressMs: DurationMs;
  /** Transport, handshake and greeting of one attempt. */
  readonly attemptMs: DurationMs;
  /** A session unused for so long is closed by the side that dialled, and by the other after twice that time. */
  readonly idleMs: DurationMs;
  /** The same for the outgoing sessions of a node nobody can dial: over them alone it is told of news. */
  readonly keptIdleMs: DurationMs;
  readonly firstPauseMs: DurationMs;
  readonly longestPauseMs: DurationMs;
  /** Messages kept for a peer that is being dialled. */
  readonly queueLength: number;
}

/** The period is ten seconds: a peer met again within six periods is met over the same session. */
export const defaultConnectionsConfig: ConnectionsConfig = {
  maxDials: 8,
  maxConnections: 128,
  nextAddressMs: durationMs(500),
  attemptMs: durationMs(8_000),
  idleMs: durationMs(60_000),
  keptIdleMs: durationMs(600_000),
  firstPauseMs: durationMs(2_000),
  longestPauseMs: durationMs(300_000),
  queueLength: 64,
};

export type ConnectionsEvent<M> =
  | {
      readonly type: "sendRequested";
      readonly peer: NodeId;
      /** Absent: only over a session that exists. */
      readonly route: DialTarget | undefined;
      readonly message: M;
    }
  /** Meets whoever answers there. */
  | { readonly type: "dialRequested"; readonly target: DialTarget }
  | { readonly type: "dialFailed"; readonly attempt: number }
  /** The session is open and the peer has said who it is; `attempt` when this side dialled. */
  | {
      readonly type: "opened";
      readonly connection: number;
      readonly peer: NodeId;
      readonly attempt: number | undefined;
    }
  | { readonly type: "used"; readonly connection: number }
  | { readonly type: "closed"; readonly connection: number }
  /** Sessions of this peer end. */
  | { readonly type: "dropped"; readonly peer: NodeId }
  | { readonly type: "reachabilityChanged"; readonly isReachable: boolean }
  /** After sleep: nobody is given a rest for old failures. */
  | { readonly type: "wake" }
  | DeadlineReached;

export type ConnectionsEffect<M> =
  | {
      readonly type: "dial";
      readonly attempt: number;
      readonly address: Address;
      readonly transportKey: Uint8Array | undefined;
    }
  | { readonly type: "deliver"; readonly connection: number; readonly message: M }
  | { readonly type: "close"; readonly connection: number }
  /** No address of the peer answers; what waited for it is dropped. */
  | { readonly type: "unreachable"; readonly peer: NodeId };

export interface Connections<M> extends Machine<ConnectionsEvent<M>, ConnectionsEffect<M>> {
  readonly open: () => readonly { readonly connection: number; readonly peer: NodeId; readonly isOurs: boolean }[];
  readonly isConnected: (peer: NodeId) => boolean;
  readonly dialling: () => number;
}

interface Dial {
  readonly peer: NodeId | undefined;
  readonly target: DialTarget;
  next: number;
  readonly attempts: Map<number, MonotonicMs>;
  nextAddressAt: MonotonicMs | undefined;
}
interface Open {
  readonly connection: number;
  readonly peer: NodeId;
  readonly isOurs: boolean;
  usedAt: MonotonicMs;
}
interface Pause {
  failures: number;
  until: MonotonicMs;
}

const PAUSE_JITTER = 0.3;
const MAXIMUM_PAUSES = 4_096;
/** Targets that wait for a free dial; who is not reached in time counts as unreachable. */
const MAXIMUM_WAITING = 256;
/** Sweeps for idle sessions within one idle time. */
const SWEEPS = 4;

/** Which sessions a core node has: dials within a budget, uses one session per peer, lets idle ones go (SPEC.md). */
export const createConnections = <M>(config: ConnectionsConfig, random: RandomSource): Connections<M> => {
  const links = new Map<number, Open>();
  const byPeer = new Map<NodeId, Open[]>();
  const dials: Dial[] = [];
  const waiting: Dial[] = [];
  const queues = new Map<NodeId, M[]>();
  const pauses = new Map<NodeId, Pause>();
  let isReachable = true;
  let nextAttempt = 1;
  let sweepAt: MonotonicMs | undefined;

  const linkOf = (peer: NodeId): Open | undefined => byPeer.get(peer)?.[0];
  const isWanted = (peer: NodeId): boolean => [...dials, ...waiting].some((dial) => dial.peer === peer);

  const attempt = (dial: Dial, now: MonotonicMs): ConnectionsEffect<M>[] => {
    const address = dial.target.addresses[dial.next];
    if (address === undefined) return [];
    dial.next++;
    const number = nextAttempt++;
    dial.attempts.set(number, after(now, config.attemptMs));
    dial.nextAddressAt = dial.next < dial.target.addresses.length ? after(now, config.nextAddressMs) : undefined;
    return [{ type: "dial", attempt: number, address, transportKey: dial.target.transportKey }];
  };

  const startWaiting = (now: MonotonicMs): ConnectionsEffect<M>[] => {
    const effects: ConnectionsEffect<M>[] = [];
    while (dials.length < config.maxDials) {
      const dial = waiting.shift();
      if (dial === undefined) break;
      dials.push(dial);
      effects.push(...attempt(dial, now));
    }
    return effects;
  };

  const begin = (peer: NodeId | undefined, target: DialTarget, now: MonotonicMs): ConnectionsEffect<M>[] => {
    waiting.push({ peer, target, next: 0, attempts: new Map(), nextAddressAt: undefined });
    const given = waiting.length > MAXIMUM_WAITING ? giveUp(waiting.shift() as Dial, now) : [];
    return [...given, ...startWaiting(now)];
  };

  const remove = (dial: Dial): void => {
    const at = dials.indexOf(dial);
    if (at >= 0) dials.splice(at, 1);
  };

  const giveUp = (dial: Dial, now: MonotonicMs): ConnectionsEffect<M>[] => {
    remove(dial);
    const { peer } = dial;
    if (peer === undefined || linkOf(peer) !== undefined) return [];
    const held = pauses.get(peer) ?? { failures: 0, until: now };
    const pause = Math.min(config.longestPauseMs, config.firstPauseMs * 2 ** Math.min(held.failures, 16));
    const spread = 1 - PAUSE_JITTER + 2 * PAUSE_JITTER * randomUnit(random);
    pauses.delete(peer);
    pauses.set(peer, { failures: held.failures + 1, until: after(now, durationMs(pause * spread)) });
    for (const oldest of pauses.keys()) {
      if (pauses.size <= MAXIMUM_PAUSES) break;
      pauses.delete(oldest);
    }
    queues.delete(peer);
    return [{ type: "unreachable", peer }];
  };

  const failed = (dial: Dial, number: number, now: MonotonicMs): ConnectionsEffect<M>[] => {
    dial.attempts.delete(number);
    if (dial.next < dial.target.addresses.length) return attempt(dial, now);
    return dial.attempts.size > 0 ? [] : giveUp(dial, now);
  };

  const send = (
    peer: NodeId,
    route: DialTarget | undefined,
    message: M,
    now: MonotonicMs,
  ): readonly ConnectionsEffect<M>[] => {
    const link = linkOf(peer);
    if (link !== undefined) {
      link.usedAt = now;
      return [{ type: "deliver", connection: link.connection, message }];
    }
    const queue = queues.get(peer);
    if (isWanted(peer)) {
      if (queue === undefined) queues.set(peer, [message]);
      else if (queue.length < config.queueLength) queue.push(message);
      return [];
    }
    if (route === undefined) return [];
    if (route.addresses.length === 0 || (pauses.get(peer)?.until ?? now) > now) return [{ type: "unreachable", peer }];
    queues.set(peer, [message]);
    return begin(peer, route, now);
  };

  const dropLink = (link: Open): void => {
    links.delete(link.connection);
    const left = (byPeer.get(link.peer) ?? []).filter((each) => each !== link);
    if (left.length === 0) byPeer.delete(link.peer);
    else byPeer.set(link.peer, left);
  };

  const closeLink = (link: Open): ConnectionsEffect<M> => {
    dropLink(link);
    return { type: "close", connection: link.connection };
  };

  const opened = (
    connection: number,
    peer: NodeId,
    number: number | undefined,
    now: MonotonicMs,
  ): ConnectionsEffect<M>[] => {
    const effects: ConnectionsEffect<M>[] = [];
    const link: Open = { connection, peer, isOurs: number !== undefined, usedAt: now };
    links.set(connection, link);
    byPeer.set(peer, [link, ...(byPeer.get(peer) ?? [])]);
    pauses.delete(peer);
    const dial = number === undefined ? undefined : dials.find(({ attempts }) => attempts.has(number));
    if (dial !== undefined) {
      remove(dial);
      // Another node than expected lives there now.
      if (dial.peer !== undefined && dial.peer !== peer) effects.push(...giveUp(dial, now));
    }
    for (const [at, { peer: wanted }] of [...waiting.entries()].toReversed())
      if (wanted === peer) waiting.splice(at, 1);
    for (const message of queues.get(peer) ?? []) effects.push({ type: "deliver", connection, message });
    queues.delete(peer);
    if (links.size > config.maxConnections) {
      let least: Open | undefined;
      for (const each of links.values()) if (least === undefined || each.usedAt < least.usedAt) least = each;
      if (least !== undefined && least !== link) effects.push(closeLink(least));
    }
    sweepAt ??= after(now, durationMs(config.idleMs / SWEEPS));
    return [...effects, ...startWaiting(now)];
  };

  const sweep = (now: MonotonicMs): ConnectionsEffect<M>[] => {
    const effects: ConnectionsEffect<M>[] = [];
    for (const link of links.values()) {
      const ours = isReachable ? config.idleMs : config.keptIdleMs;
      // The other side may be one that nobody can dial.
      const idle = link.isOurs ? ours : Math.max(2 * config.idleMs, config.keptIdleMs);
      const isSpare = linkOf(link.peer) !== link && now - link.usedAt >= config.idleMs;
      if (now - link.usedAt >= idle || isSpare) effects.push(closeLink(link));
    }
    sweepAt = links.size === 0 ? undefined : after(now, durationMs(config.idleMs / SWEEPS));
    return effects;
  };

  const deadlineReached = (now: MonotonicMs): ConnectionsEffect<M>[] => {
    const effects: ConnectionsEffect<M>[] = [];
    for (const dial of dials.slice()) {
      for (const [number, deadline] of dial.attempts) if (deadline <= now) effects.push(...failed(dial, number, now));
      if (dial.nextAddressAt !== undefined && dial.nextAddressAt <= now) effects.push(...attempt(dial, now));
    }
    if (sweepAt !== undefined && sweepAt <= now) effects.push(...sweep(now));
    return [...effects, ...startWaiting(now)];
  };

  const nextDeadline = (): MonotonicMs | undefined => {
    const deadlines: (MonotonicMs | undefined)[] = [sweepAt];
    for (const dial of dials) deadlines.push(dial.nextAddressAt, ...dial.attempts.values());
    return earliest(deadlines);
  };

  return {
    nextDeadline,
    open: () => [...links.values()].map(({ connection, peer, isOurs }) => ({ connection, peer, isOurs })),
    isConnected: (peer) => byPeer.has(peer),
    dialling: () => dials.length + waiting.length,
    handle: (event, now) => {
      switch (event.type) {
        case "sendRequested":
          return send(event.peer, event.route, event.message, now);
        case "dialRequested":
          return event.target.addresses.length === 0 ? [] : begin(undefined, event.target, now);
        case "dialFailed": {
          const dial = dials.find(({ attempts }) => attempts.has(event.attempt));
          return dial === undefined ? [] : [...failed(dial, event.attempt, now), ...startWaiting(now)];
        }
        case "opened":
          return opened(event.connection, event.peer, event.attempt, now);
        case "used": {
          const link = links.get(event.connection);
          if (link !== undefined) link.usedAt = now;
          return [];
        }
        case "closed": {
          const link = links.get(event.connection);
          if (link !== undefined) dropLink(link);
          return [];
        }
        case "dropped":
          return (byPeer.get(event.peer) ?? []).map(closeLink);
        case "reachabilityChanged":
          isReachable = event.isReachable;
          return [];
        case "wake":
          pauses.clear();
          return [];
        case "deadlineReached":
          return deadlineReached(now);
      }
    },
  };
};
