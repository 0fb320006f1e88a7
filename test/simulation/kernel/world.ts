import type { NodeId } from "../../../protocol/identity/node-id.ts";
import type { DeadlineReached } from "../../../protocol/kernel/machine.ts";
import { randomBelow, type RandomSource } from "../../../protocol/kernel/random.ts";
import { monotonicMs, type MonotonicMs } from "../../../protocol/kernel/time.ts";
import type { VerifiedDescriptor } from "../../../protocol/identity/verified.ts";
import { createEventQueue } from "./event-queue.ts";
import type { Netem } from "./netem.ts";
import type { Population } from "./population.ts";

/** The part of a machine the world drives; every gossip machine of the product has it. */
export interface SimulatedMachine<M, C, F> {
  readonly handle: (event: SimulatedEvent<M> | C, now: MonotonicMs) => readonly F[];
  readonly nextDeadline: () => MonotonicMs | undefined;
}
export type SimulatedEvent<M> =
  | DeadlineReached
  | { readonly type: "messageReceived"; readonly from: NodeId; readonly message: M }
  | { readonly type: "peerUnreachable"; readonly peer: NodeId };

export interface SendEffect<M> {
  readonly type: "send";
  readonly to: NodeId;
  readonly route: VerifiedDescriptor | undefined;
  readonly message: M;
}

export interface Wire<M> {
  /** Length of the encoding, computed without encoding. */
  readonly sizeOf: (message: M) => number;
  /** The message after a trip through the product's encoder and decoder. */
  readonly roundTrip: (message: M) => M;
}

export interface WorldOptions<M, F> {
  readonly population: Population;
  readonly netem: Netem;
  readonly random: RandomSource;
  readonly periodMs: number;
  readonly wire: Wire<M>;
  /** Whether each message passes through its bytes (`--wire`). */
  readonly throughBytes: boolean;
  /** Every effect that is not `send`. */
  readonly onEffect?: (index: number, effect: F, now: MonotonicMs) => void;
  readonly onSend?: (from: number, to: number, message: M) => void;
  /** An adversary's machine decides for itself; `undefined` lets the message pass. */
  readonly intercept?: (from: number, to: number, message: M) => M | "drop";
}

export interface World<M, C, F> {
  readonly now: () => MonotonicMs;
  readonly add: (index: number, machine: SimulatedMachine<M, C, F>) => void;
  readonly kill: (index: number) => void;
  /** Makes a node deaf and dumb for a while; it keeps its state, and its deadlines wait. */
  readonly suspend: (index: number) => void;
  readonly resume: (index: number) => void;
  readonly isAlive: (index: number) => boolean;
  readonly aliveCount: () => number;
  readonly alive: () => number[];
  readonly machine: (index: number) => SimulatedMachine<M, C, F>;
  /** Delivers a command to one node, and everything that follows at once in cycle mode. */
  readonly command: (index: number, command: C) => void;
  /** Cycle mode: every live node once, in random order, with messages taking no time (the papers' experiments). */
  readonly runCycle: () => void;
  /** Event mode: latency, timers, order of arrival; runs until virtual time `until`. */
  readonly runUntil: (until: number) => void;
  readonly bytesSent: () => number;
  readonly messagesSent: () => number;
}

const DEADLINE: DeadlineReached = { type: "deadlineReached" };
const TIMER = -1;
/** A refused connection is noticed after a round trip. */
const REFUSAL_DELAY_MS = 60;

interface Parcel<M> {
  readonly from: number;
  readonly message: M | undefined;
}

export const createWorld = <M, C extends { readonly type: string }, F extends { readonly type: string }>(
  options: WorldOptions<M, F>,
): World<M, C, F> => {
  const { population, netem, random, periodMs, wire, throughBytes, onEffect, onSend, intercept } = options;
  const machines: (SimulatedMachine<M, C, F> | undefined)[] = [];
  const isAlive: boolean[] = [];
  let aliveCount = 0;
  let now = monotonicMs(0);
  let bytesSent = 0;
  let messagesSent = 0;

  const queue = createEventQueue();
  const parcels: (Parcel<M> | undefined)[] = [];
  const freeParcels: number[] = [];
  const timerAt: number[] = [];
  // Cycle mode: a first-in-first-out list of parcels that is drained before the next node gets its turn.
  const outbox: { readonly to: number; readonly parcel: Parcel<M> }[] = [];
  let eventMode = false;

  const machineOf = (index: number): SimulatedMachine<M, C, F> => {
    const machine = machines[index];
    if (machine === undefined) throw new Error(`no node ${index}`);
    return machine;
  };

  const post = (to: number, parcel: Parcel<M>, delayMs: number): void => {
    if (!eventMode) {
      outbox.push({ to, parcel });
      return;
    }
    const slot = freeParcels.pop() ?? parcels.length;
    parcels[slot] = parcel;
    queue.push(now + delayMs, to, slot);
  };

  const armTimer = (index: number): void => {
    if (!eventMode) return;
    const deadline = machineOf(index).nextDeadline();
    if (deadline === undefined) return;
    const at = Math.max(deadline, now);
    const armed = timerAt[index];
    if (armed !== undefined && armed <= at) return;
    timerAt[index] = at;
    queue.push(at, index, TIMER);
  };

  const perform = (index: number, effects: readonly F[]): void => {
    for (const effect of effects) {
      if (effect.type !== "send") {
        onEffect?.(index, effect, now);
        continue;
      }
      const send = effect as unknown as SendEffect<M>;
      const to = population.indexOf(send.to);
      if (to < 0) throw new Error(`message to unknown node ${send.to}`);
      const altered = intercept === undefined ? send.message : intercept(index, to, send.message);
      if (altered === "drop") continue;
      messagesSent++;
      bytesSent += wire.sizeOf(altered);
      onSend?.(index, to, altered);
      const fate = netem.fate(index, to, send.route === undefined);
      if (fate.type === "lost") continue;
      if (fate.type === "refused" || isAlive[to] !== true)
        post(index, { from: to, message: undefined }, eventMode ? REFUSAL_DELAY_MS : 0);
      else post(to, { from: index, message: throughBytes ? wire.roundTrip(altered) : altered }, fate.latencyMs);
    }
    armTimer(index);
  };

  const deliver = (to: number, parcel: Parcel<M>): void => {
    if (isAlive[to] !== true) {
      if (parcel.message !== undefined && isAlive[parcel.from] === true)
        post(parcel.from, { from: to, message: undefined }, eventMode ? REFUSAL_DELAY_MS : 0);
      return;
    }
    const peer = (population.descriptors[parcel.from] as VerifiedDescriptor).id;
    perform(
      to,
      machineOf(to).handle(
        parcel.message === undefined
          ? { type: "peerUnreachable", peer }
          : { type: "messageReceived", from: peer, message: parcel.message },
        now,
      ),
    );
  };

  const drain = (): void => {
    for (let i = 0; i < outbox.length; i++) {
      const { to, parcel } = outbox[i]!;
      deliver(to, parcel);
    }
    outbox.length = 0;
  };

  const alive = (): number[] => {
    const indices: number[] = [];
    for (let i = 0; i < isAlive.length; i++) if (isAlive[i] === true) indices.push(i);
    return indices;
  };

  return {
    now: () => now,
    add: (index, machine) => {
      machines[index] = machine;
      isAlive[index] = true;
      aliveCount++;
      armTimer(index);
    },
    kill: (index) => {
      if (isAlive[index] === true) aliveCount--;
      isAlive[index] = false;
      machines[index] = undefined;
    },
    suspend: (index) => {
      if (isAlive[index] === true) aliveCount--;
      isAlive[index] = false;
    },
    resume: (index) => {
      if (isAlive[index] === true) return;
      isAlive[index] = true;
      aliveCount++;
      timerAt[index] = Number.POSITIVE_INFINITY;
      armTimer(index);
    },
    isAlive: (index) => isAlive[index] === true,
    aliveCount: () => aliveCount,
    alive,
    machine: machineOf,
    command: (index, command) => {
      perform(index, machineOf(index).handle(command, now));
      if (!eventMode) drain();
    },
    runCycle: () => {
      if (eventMode) throw new Error("a world in event mode has no cycles");
      now = monotonicMs(now + periodMs);
      const order = alive();
      for (let i = order.length - 1; i > 0; i--) {
        const j = randomBelow(random, i + 1);
        const swap = order[i]!;
        order[i] = order[j]!;
        order[j] = swap;
      }
      for (const index of order) {
        if (isAlive[index] !== true) continue;
        perform(index, machineOf(index).handle(DEADLINE, now));
        drain();
      }
    },
    runUntil: (until) => {
      if (!eventMode) {
        eventMode = true;
        for (const index of alive()) armTimer(index);
      }
      while (queue.peekTime() <= until && queue.pop()) {
        const { time, target, payload } = queue.popped;
        now = monotonicMs(time);
        if (payload !== TIMER) {
          const parcel = parcels[payload]!;
          parcels[payload] = undefined;
          freeParcels.push(payload);
          deliver(target, parcel);
        } else if (isAlive[target] === true && timerAt[target] === time) {
          timerAt[target] = Number.POSITIVE_INFINITY;
          perform(target, machineOf(target).handle(DEADLINE, now));
        }
      }
      now = monotonicMs(until);
    },
    bytesSent: () => bytesSent,
    messagesSent: () => messagesSent,
  };
};
