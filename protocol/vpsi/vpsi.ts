// Private set intersection from an oblivious pseudorandom function (2HashDH), here RFC 9497 in verifiable mode.
import { paddedCount } from "../bfpsi/parameters.ts";
import type { RunQuota } from "../bfpsi/run-quota.ts";
import { paddedTags, tagSet } from "../bfpsi/tag-list.ts";
import type { RunBinding } from "../bfpsi/transcript.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import type { BlindedInput } from "../crypto/ristretto.ts";
import { exhaustive, invariant } from "../kernel/assert.ts";
import { bytesToHex } from "../kernel/bytes.ts";
import type { DeadlineReached, Machine } from "../kernel/machine.ts";
import { type RandomSource, shuffle } from "../kernel/random.ts";
import { after, durationMs, earliest, type MonotonicMs } from "../kernel/time.ts";
import type { VpsiGuards } from "./guards.ts";
import type { VpsiJob, VpsiJobOutcome } from "./job.ts";
import type { VpsiFault, VpsiMessage } from "./messages.ts";
import type { NamedElement } from "./named-element.ts";
import { bucketOf, ELEMENT_BYTES, MAXIMUM_NAMES, UNIFORM_BYTES } from "./parameters.ts";
import { namedRunSalt, outputTag } from "./transcript.ts";

export type VpsiEvent =
  | { readonly type: "intersect" }
  | { readonly type: "messageReceived"; readonly message: VpsiMessage }
  /** Outcome of the job of that number; ignored when the run is over. */
  | { readonly type: "jobDone"; readonly job: number; readonly outcome: VpsiJobOutcome }
  | DeadlineReached;

export type VpsiEffect =
  | { readonly type: "send"; readonly message: VpsiMessage }
  /** To be computed off the event loop with `runVpsiJob`. */
  | { readonly type: "compute"; readonly job: number; readonly work: VpsiJob }
  | { readonly type: "intersectionFound"; readonly startedBy: "us" | "peer"; readonly common: readonly string[] }
  | { readonly type: "runFailed"; readonly startedBy: "us" | "peer"; readonly fault: VpsiFault | "timeout" };

export interface VpsiDependencies {
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  /** The established NoiseSocket session: its handshake hash and both static keys (32 bytes each). */
  readonly channel: { readonly handshakeHash: Uint8Array; readonly local: Uint8Array; readonly remote: Uint8Array };
  readonly peer: string;
  /** Names the user agreed to compare with this peer, at most 256. */
  readonly items: () => ReadonlyMap<string, NamedElement>;
  /** 32 secret bytes for the responder's key: the same for one peer and day, others for every other peer and day. */
  readonly keySeed: () => Uint8Array;
  /** Shared by all sessions of this node. */
  readonly started: RunQuota;
  readonly answered: RunQuota;
  readonly guards: VpsiGuards;
}

interface OurRun {
  readonly id: number;
  readonly deadline: MonotonicMs;
  readonly salt: Uint8Array;
  readonly nonce: Uint8Array;
  /** Topic of each blinded input; `undefined` for padding. */
  readonly topics: readonly (string | undefined)[];
  readonly step:
    | { readonly type: "blinding"; readonly job: number }
    | { readonly type: "asked"; readonly inputs: readonly BlindedInput[] }
    | { readonly type: "finalizing"; readonly job: number; readonly tags: ReadonlySet<string> };
}

interface PeerRun {
  readonly id: number;
  readonly deadline: MonotonicMs;
  readonly salt: Uint8Array;
  readonly topics: readonly string[];
  readonly asked: number;
  readonly step:
    | { readonly type: "answering"; readonly job: number }
    | { readonly type: "answered"; readonly topicByTag: ReadonlyMap<string, string> };
}

/** Two runs of 256 names on a slow machine, computed one after the other. */
const RUN_TIMEOUT = durationMs(60_000);
const NONCE_BYTES = 16;

/** Private set intersection of guessable names over one session: at most one run in each direction at a time. */
export const createVpsi = (dependencies: VpsiDependencies): Machine<VpsiEvent, VpsiEffect> => {
  const { crypto, random, channel, peer, items, keySeed, started, answered, guards } = dependencies;
  let ours: OurRun | undefined;
  let theirs: PeerRun | undefined;
  let jobs = 0;

  const binding = (startedBy: "us" | "peer"): RunBinding => ({
    handshakeHash: channel.handshakeHash,
    initiator: startedBy === "us" ? channel.local : channel.remote,
    responder: startedBy === "us" ? channel.remote : channel.local,
  });

  const refuse = (run: number, fault: VpsiFault): VpsiEffect[] => [
    { type: "send", message: { type: "error", run, fault } },
  ];

  const fail = (startedBy: "us" | "peer", fault: VpsiFault | "timeout", tell: boolean): VpsiEffect[] => {
    const run = startedBy === "us" ? ours : theirs;
    if (startedBy === "us") ours = undefined;
    else theirs = undefined;
    const failed: VpsiEffect = { type: "runFailed", startedBy, fault };
    return run === undefined || fault === "timeout" || !tell ? [failed] : [...refuse(run.id, fault), failed];
  };

  const compute = (work: VpsiJob): VpsiEffect & { readonly type: "compute" } => {
    jobs += 1;
    return { type: "compute", job: jobs, work };
  };

  const ownItems = (): readonly (readonly [string, NamedElement])[] => {
    const own = [...items()];
    invariant(own.length <= MAXIMUM_NAMES, "a run takes at most 256 names");
    return own;
  };

  const intersect = (now: MonotonicMs): VpsiEffect[] => {
    if (ours !== undefined) return [{ type: "runFailed", startedBy: "us", fault: "busy" }];
    if (!started.take(peer, now)) return [{ type: "runFailed", startedBy: "us", fault: "rate" }];
    const own = ownItems();
    const padding = Array.from(
      { length: bucketOf(own.length) - own.length },
      () => [undefined, random.bytes(ELEMENT_BYTES)] as const,
    );
    const entries = shuffle<readonly [string | undefined, Uint8Array]>(random, [...own, ...padding]);
    const nonce = random.bytes(NONCE_BYTES);
    const effect = compute({
      type: "blind",
      inputs: entries.map(([, input]) => input),
      uniforms: entries.map(() => random.bytes(UNIFORM_BYTES)),
    });
    ours = {
      id: random.uint32(),
      deadline: after(now, RUN_TIMEOUT),
      salt: namedRunSalt(crypto, binding("us"), nonce),
      nonce,
      topics: entries.map(([topic]) => topic),
      step: { type: "blinding", job: effect.job },
    };
    return [effect];
  };

  const answer = (message: VpsiMessage & { readonly type: "query" }, now: MonotonicMs): VpsiEffect[] => {
    if (theirs !== undefined) return refuse(message.run, "busy");
    const allowed = answered.take(peer, now) && guards.spendElements(peer, message.blinded.length, now);
    if (!allowed) return refuse(message.run, "rate");
    const own = ownItems();
    const effect = compute({
      type: "answer",
      keySeed: keySeed(),
      blinded: message.blinded,
      own: own.map(([, element]) => element),
      uniform: random.bytes(UNIFORM_BYTES),
    });
    theirs = {
      id: message.run,
      deadline: after(now, RUN_TIMEOUT),
      salt: namedRunSalt(crypto, binding("peer"), message.nonce),
      topics: own.map(([topic]) => topic),
      asked: message.blinded.length,
      step: { type: "answering", job: effect.job },
    };
    return [effect];
  };

  const finalize = (message: VpsiMessage & { readonly type: "answer" }, now: MonotonicMs): VpsiEffect[] => {
    if (ours?.id !== message.run) return refuse(message.run, "state");
    if (ours.step.type !== "asked") return fail("us", "state", true);
    if (message.evaluated.length !== ours.step.inputs.length) return fail("us", "tooBig", true);
    if (!guards.acceptKey(peer, message.publicKey, now)) return fail("us", "keyChanged", true);
    const effect = compute({
      type: "finalize",
      inputs: ours.step.inputs,
      evaluated: message.evaluated,
      proof: message.proof,
      publicKey: message.publicKey,
    });
    ours = { ...ours, step: { type: "finalizing", job: effect.job, tags: tagSet(message.tags) } };
    return [effect];
  };

  const conclude = (message: VpsiMessage & { readonly type: "confirm" }): VpsiEffect[] => {
    if (theirs?.id !== message.run) return refuse(message.run, "state");
    const { step, asked, topics } = theirs;
    if (step.type !== "answered") return fail("peer", "state", true);
    if (message.tags.length > paddedCount(Math.min(asked, topics.length))) return fail("peer", "tooBig", true);
    theirs = undefined;
    const common = message.tags.flatMap((tag) => step.topicByTag.get(bytesToHex(tag)) ?? []);
    return [{ type: "intersectionFound", startedBy: "peer", common }];
  };

  const receive = (message: VpsiMessage, now: MonotonicMs): VpsiEffect[] => {
    switch (message.type) {
      case "query":
        return answer(message, now);
      case "answer":
        return finalize(message, now);
      case "confirm":
        return conclude(message);
      case "error":
        // Never answered: two sides would refuse each other's refusals for ever.
        if (ours?.id === message.run) return fail("us", message.fault, false);
        if (theirs?.id === message.run) return fail("peer", message.fault, false);
        return [];
      default:
        return exhaustive(message);
    }
  };

  const confirm = (run: OurRun, outputs: readonly Uint8Array[], peerTags: ReadonlySet<string>): VpsiEffect[] => {
    ours = undefined;
    const common = run.topics.flatMap((topic, i) => {
      const output = outputs[i];
      if (topic === undefined || output === undefined) return [];
      return peerTags.has(bytesToHex(outputTag(crypto, "responder", run.salt, output))) ? [{ topic, output }] : [];
    });
    const proofs = common.map(({ output }) => outputTag(crypto, "initiator", run.salt, output));
    const tags = paddedTags(random, proofs, paddedCount(proofs.length));
    return [
      { type: "send", message: { type: "confirm", run: run.id, tags } },
      { type: "intersectionFound", startedBy: "us", common: common.map(({ topic }) => topic) },
    ];
  };

  const ourJobDone = (run: OurRun, outcome: VpsiJobOutcome): VpsiEffect[] => {
    if (outcome.type === "invalid") return fail("us", "badElement", true);
    if (outcome.type === "finalized" && run.step.type === "finalizing") {
      return confirm(run, outcome.outputs, run.step.tags);
    }
    invariant(outcome.type === "blinded", "the outcome fits the job");
    ours = { ...run, step: { type: "asked", inputs: outcome.inputs } };
    const blinded = outcome.inputs.map((input) => input.blinded);
    return [{ type: "send", message: { type: "query", run: run.id, nonce: run.nonce, blinded } }];
  };

  const theirJobDone = (run: PeerRun, outcome: VpsiJobOutcome): VpsiEffect[] => {
    if (outcome.type === "invalid") return fail("peer", "badElement", true);
    invariant(outcome.type === "answered", "the outcome fits the job");
    const { publicKey, proof, evaluated, outputs } = outcome;
    const proofs = outputs.map((output) => outputTag(crypto, "responder", run.salt, output));
    const topicByTag = new Map(
      outputs.map((output, i) => [
        bytesToHex(outputTag(crypto, "initiator", run.salt, output)),
        run.topics[i] as string,
      ]),
    );
    theirs = { ...run, step: { type: "answered", topicByTag } };
    const tags = paddedTags(random, proofs, bucketOf(proofs.length));
    return [{ type: "send", message: { type: "answer", run: run.id, publicKey, proof, evaluated, tags } }];
  };

  const jobDone = (job: number, outcome: VpsiJobOutcome): VpsiEffect[] => {
    if (ours !== undefined && ours.step.type !== "asked" && ours.step.job === job) return ourJobDone(ours, outcome);
    if (theirs?.step.type === "answering" && theirs.step.job === job) return theirJobDone(theirs, outcome);
    return [];
  };

  return {
    handle: (event, now) => {
      switch (event.type) {
        case "intersect":
          return intersect(now);
        case "messageReceived":
          return receive(event.message, now);
        case "jobDone":
          return jobDone(event.job, event.outcome);
        case "deadlineReached":
          return [
            ...(ours !== undefined && now >= ours.deadline ? fail("us", "timeout", false) : []),
            ...(theirs !== undefined && now >= theirs.deadline ? fail("peer", "timeout", false) : []),
          ];
        default:
          return exhaustive(event);
      }
    },
    nextDeadline: () => earliest([ours?.deadline, theirs?.deadline]),
  };
};
