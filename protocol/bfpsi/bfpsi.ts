// Nagy, De Cristofaro, Dmitrienko, Asokan, Sadeghi, "Do I know you?" (ACSAC 2013, eprint 2013/620), as read in ocaml-psi.
import type { CryptoProvider } from "../crypto/provider.ts";
import { exhaustive } from "../kernel/assert.ts";
import type { DeadlineReached, Machine } from "../kernel/machine.ts";
import type { RandomSource } from "../kernel/random.ts";
import { after, durationMs, earliest, type MonotonicMs } from "../kernel/time.ts";
import { type BfpsiRun, createInitiator, type RunStep } from "./initiator.ts";
import type { BfpsiMessage, PsiFault } from "./messages.ts";
import { createResponder } from "./responder.ts";
import type { RunQuota, RunQuotaConfig } from "./run-quota.ts";
import type { SecretElement } from "./secret-element.ts";

/** The established NoiseSocket session: its handshake hash and both static keys (32 bytes each). */
export interface PsiChannel {
  readonly handshakeHash: Uint8Array;
  readonly local: Uint8Array;
  readonly remote: Uint8Array;
}

export type BfpsiEvent =
  /** Asks the peer which of our topics it holds too. */
  | { readonly type: "intersect" }
  | { readonly type: "messageReceived"; readonly message: BfpsiMessage }
  | DeadlineReached;

export type BfpsiEffect =
  | { readonly type: "send"; readonly message: BfpsiMessage }
  | { readonly type: "intersectionFound"; readonly startedBy: "us" | "peer"; readonly common: readonly string[] }
  | { readonly type: "runFailed"; readonly startedBy: "us" | "peer"; readonly fault: PsiFault | "timeout" };

export interface BfpsiDependencies {
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly channel: PsiChannel;
  readonly peer: string;
  /** Own secret topics at the start of a run, at most 1024. */
  readonly items: () => ReadonlyMap<string, SecretElement>;
  /** Shared by all sessions of this node, one for runs we start and one for those we answer. */
  readonly started: RunQuota;
  readonly answered: RunQuota;
}

interface OpenRun {
  readonly id: number;
  readonly run: BfpsiRun;
  readonly deadline: MonotonicMs;
}

/** A run takes three messages and under 50 ms of computation; a peer that needs longer than this is gone. */
const RUN_TIMEOUT = durationMs(15_000);

/** One run per peer in ten minutes, thirty an hour in all. */
export const bfpsiQuota: RunQuotaConfig = {
  perPeerMs: durationMs(600_000),
  windowMs: durationMs(3_600_000),
  perWindow: 30,
};

/** Private set intersection over one session: at most one run in each direction at a time. */
export const createBfpsi = (dependencies: BfpsiDependencies): Machine<BfpsiEvent, BfpsiEffect> => {
  const { crypto, random, channel, peer, items, started, answered } = dependencies;
  const { handshakeHash, local, remote } = channel;
  const open: { us: OpenRun | undefined; peer: OpenRun | undefined } = { us: undefined, peer: undefined };

  const take = (side: "us" | "peer", step: RunStep): BfpsiEffect[] => {
    const effects: BfpsiEffect[] = [];
    if (step.send !== undefined) effects.push({ type: "send", message: step.send });
    if (step.common !== undefined) effects.push({ type: "intersectionFound", startedBy: side, common: step.common });
    if (step.fault !== undefined) effects.push({ type: "runFailed", startedBy: side, fault: step.fault });
    if (step.common !== undefined || step.fault !== undefined) open[side] = undefined;
    return effects;
  };

  const refuse = (run: number, fault: PsiFault): BfpsiEffect[] => [
    { type: "send", message: { type: "error", run, fault } },
  ];

  const intersect = (now: MonotonicMs): BfpsiEffect[] => {
    if (open.us !== undefined) return [{ type: "runFailed", startedBy: "us", fault: "busy" }];
    if (!started.take(peer, now)) return [{ type: "runFailed", startedBy: "us", fault: "rate" }];
    const id = random.uint32();
    const binding = { handshakeHash, initiator: local, responder: remote };
    const run = createInitiator({ crypto, random, binding, items: items() }, id);
    open.us = { id, run, deadline: after(now, RUN_TIMEOUT) };
    return [{ type: "send", message: run.offer }];
  };

  const answer = (message: BfpsiMessage & { readonly type: "offer" }, now: MonotonicMs): BfpsiEffect[] => {
    if (open.peer !== undefined) return refuse(message.run, "busy");
    if (!answered.take(peer, now)) return refuse(message.run, "rate");
    const binding = { handshakeHash, initiator: remote, responder: local };
    const run = createResponder({ crypto, random, binding, items: items() }, message.run);
    open.peer = { id: message.run, run, deadline: after(now, RUN_TIMEOUT) };
    return take("peer", run.receive(message));
  };

  const receive = (message: BfpsiMessage, now: MonotonicMs): BfpsiEffect[] => {
    switch (message.type) {
      case "offer":
        return answer(message, now);
      case "response":
        if (open.peer?.id !== message.run) return refuse(message.run, "state");
        return take("peer", open.peer.run.receive(message));
      case "challenge":
      case "done":
        if (open.us?.id !== message.run) return refuse(message.run, "state");
        return take("us", open.us.run.receive(message));
      case "error":
        // Never answered: two sides would refuse each other's refusals for ever.
        if (open.us?.id === message.run) return take("us", open.us.run.receive(message));
        if (open.peer?.id === message.run) return take("peer", open.peer.run.receive(message));
        return [];
      default:
        return exhaustive(message);
    }
  };

  const expire = (now: MonotonicMs): BfpsiEffect[] => {
    const effects: BfpsiEffect[] = [];
    for (const side of ["us", "peer"] as const) {
      const run = open[side];
      if (run === undefined || now < run.deadline) continue;
      open[side] = undefined;
      effects.push({ type: "runFailed", startedBy: side, fault: "timeout" });
    }
    return effects;
  };

  return {
    handle: (event, now) => {
      switch (event.type) {
        case "intersect":
          return intersect(now);
        case "messageReceived":
          return receive(event.message, now);
        case "deadlineReached":
          return expire(now);
        default:
          return exhaustive(event);
      }
    },
    nextDeadline: () => earliest([open.us?.deadline, open.peer?.deadline]),
  };
};
