import type { CryptoProvider, DhKeyPair } from "../../protocol/crypto/provider.ts";
import { ascii } from "../../protocol/kernel/bytes.ts";
import type { Machine } from "../../protocol/kernel/machine.ts";
import { randomUnit, type RandomSource } from "../../protocol/kernel/random.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { after, durationMs, type DurationMs, earliest, type MonotonicMs } from "../../protocol/kernel/time.ts";
import type { HandshakeKeys } from "../../protocol/noise/handshake-state.ts";
import type { NoiseSocketError } from "../../protocol/noisesocket/errors.ts";
import {
  decodeNegotiationRequest,
  decodeNegotiationResponse,
  encodeNegotiationRequest,
  encodeNegotiationResponse,
  maxNegotiationBytes,
} from "../../protocol/noisesocket/negotiation.ts";
import {
  createNoiseSocketSession,
  type NoiseSocketEvent,
  type NoiseSocketSession,
} from "../../protocol/noisesocket/session.ts";
import {
  type Channel,
  createReassembly,
  createSendQueue,
  goodbyeRecord,
  pingRecord,
  pongRecord,
} from "./link-messages.ts";
import { choose, defaultApplication, protocolNames } from "./link-negotiation.ts";

export interface LinkTimes {
  /** Both sides must be done by then. */
  readonly handshake: DurationMs;
  /** Silence of the peer after which it is asked for a sign of life. */
  readonly pingAfter: DurationMs;
  /** Silence after which the peer counts as gone. */
  readonly idle: DurationMs;
  /** Time to answer a probe, made when there is reason to doubt the connection. */
  readonly probe: DurationMs;
}

/** Ten seconds are the bound of the transport design; a home router forgets idle connections after a minute or more. */
export const defaultLinkTimes: LinkTimes = {
  handshake: durationMs(10_000),
  pingAfter: durationMs(20_000),
  idle: durationMs(50_000),
  probe: durationMs(4000),
};

export interface LinkInitiator {
  readonly side: "initiator";
  readonly staticKey: DhKeyPair;
  /** The peer's static key, if known: then the pattern is XK, which hides who is calling, and no other peer can answer. */
  readonly remoteStatic?: Uint8Array;
  readonly application?: string;
}

export interface LinkResponder {
  readonly side: "responder";
  readonly staticKey: DhKeyPair;
  /** The application prologues it serves; by default the one of links between nodes. */
  readonly applications?: readonly string[];
}

export type LinkRole = LinkInitiator | LinkResponder;

export interface LinkOpened {
  /** Channel binding: what both sides sign to authenticate more than their static keys. */
  readonly handshakeHash: Uint8Array;
  readonly remoteStatic: Uint8Array;
  readonly protocolName: string;
  readonly application: string;
}

export type LinkClosedReason =
  /** `close` was called here, or there: the goodbye arrived. */
  | { readonly type: "ClosedHere" }
  | { readonly type: "Goodbye" }
  /** The stream ended without a goodbye. */
  | { readonly type: "Truncated" }
  | { readonly type: "HandshakeTimeout" }
  | { readonly type: "Idle" }
  /** No protocol or application in common, or the peer said so. */
  | { readonly type: "Rejected" }
  | { readonly type: "NoiseFailed"; readonly error: NoiseSocketError }
  | { readonly type: "PeerViolated"; readonly rule: string }
  | { readonly type: "ConnectionFailed"; readonly error: string };

export type LinkEvent =
  | { readonly type: "connected" }
  | { readonly type: "bytesReceived"; readonly bytes: Uint8Array }
  /** The connection takes more; answers every `write`, at once or later. */
  | { readonly type: "writable" }
  | { readonly type: "streamEnded" }
  | { readonly type: "connectionClosed"; readonly error: string | undefined }
  | { readonly type: "sendRequested"; readonly channel: Channel; readonly message: Uint8Array }
  | { readonly type: "probeRequested" }
  /** Reading stops or goes on: a peer that is not heard cannot be called silent. */
  | { readonly type: "readingPaused" }
  | { readonly type: "readingResumed" }
  | { readonly type: "closeRequested" }
  | { readonly type: "deadlineReached" };

export type LinkEffect =
  | { readonly type: "write"; readonly chunks: readonly Uint8Array[] }
  | ({ readonly type: "opened" } & LinkOpened)
  | { readonly type: "message"; readonly bytes: Uint8Array }
  /** Everything requested has been written. */
  | { readonly type: "drained" }
  /** Let go of the connection, after sending what is written when `flush`. Always the last effect. */
  | { readonly type: "closed"; readonly reason: LinkClosedReason; readonly flush: boolean };

export interface LinkDeps {
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
}

export interface Link extends Machine<LinkEvent, LinkEffect> {
  /** Bytes requested and not yet written. */
  readonly queuedBytes: () => number;
}

/** Written at once before waiting for the connection: four full records keep it busy and an urgent message waits for no more. */
const burstBytes = 262_144;

/** A short record costs about as much time as this many bytes of a long one (benchmark `noise`). */
const recordCostBytes = 16_384;

const empty = new Uint8Array(0);

/** A NoiseSocket connection carrying messages, as a machine: negotiation, handshake, parts, liveness and goodbye. */
export const createLink = (deps: LinkDeps, role: LinkRole, times: LinkTimes = defaultLinkTimes): Link => {
  const { crypto, random } = deps;
  const application = role.side === "initiator" ? (role.application ?? defaultApplication) : undefined;
  const applications = role.side === "responder" ? (role.applications ?? [defaultApplication]) : [];
  let session: NoiseSocketSession | undefined;
  let opened: LinkOpened | undefined;
  let acceptedApplication = application ?? defaultApplication;
  let isClosed = false;
  let isWritable = true;
  let isIdleQueue = true;
  let isPaused = false;
  let deadlines: { handshake?: MonotonicMs; ping?: MonotonicMs; idle?: MonotonicMs } = {};
  const queue = createSendQueue();
  const reassembly = createReassembly();
  const names = role.side === "initiator" ? protocolNames(role.remoteStatic === undefined ? "XX" : "XK") : [];

  const newSession = (prologue: string): NoiseSocketSession =>
    createNoiseSocketSession(
      { crypto, generateKeyPair: () => crypto.dhKeyPair(random.bytes(32)) },
      {
        side: role.side,
        applicationPrologue: ascii(prologue),
        limits: { negotiationDataBytes: maxNegotiationBytes, handshakeMessageBytes: 4096 },
      },
    );
  const keysFor = (protocolName: string): HandshakeKeys => ({
    protocolName,
    staticKey: role.staticKey,
    ...(role.side === "initiator" && role.remoteStatic !== undefined ? { remoteStatic: role.remoteStatic } : {}),
  });

  const flushOutput = (effects: LinkEffect[]): void => {
    const chunks = session?.takeOutput() ?? [];
    if (chunks.length > 0) effects.push({ type: "write", chunks });
  };
  const close = (effects: LinkEffect[], reason: LinkClosedReason, flush = false): void => {
    if (isClosed) return;
    isClosed = true;
    flushOutput(effects);
    session?.close();
    queue.clear();
    deadlines = {};
    effects.push({ type: "closed", reason, flush });
  };

  /** Timer phases differ from link to link, so that two links of one computer cannot be matched by their rhythm. */
  const nextPing = (now: MonotonicMs): MonotonicMs =>
    after(now, durationMs(times.pingAfter * (0.8 + 0.4 * randomUnit(random))));
  const heard = (now: MonotonicMs): void => {
    deadlines.ping = nextPing(now);
    if (!isPaused) deadlines.idle = after(now, times.idle);
  };

  const pump = (effects: LinkEffect[]): void => {
    if (opened === undefined || isClosed || !isWritable || session === undefined) return;
    let written = 0;
    while (written < burstBytes) {
      const record = queue.next();
      if (record === undefined) break;
      const sent = session.send(record.body, 0, record.prefix);
      if (!sent.ok) {
        close(effects, { type: "NoiseFailed", error: sent.error });
        return;
      }
      written += Math.max(record.body.length, recordCostBytes);
    }
    const chunks = session.takeOutput();
    if (chunks.length > 0) {
      isWritable = false;
      effects.push({ type: "write", chunks });
    } else if (!isIdleQueue) {
      isIdleQueue = true;
      effects.push({ type: "drained" });
    }
  };

  /** A one-record message that need not wait for the queue. */
  const signal = (effects: LinkEffect[], record: Uint8Array): void => {
    const sent = session?.send(record);
    if (sent?.ok === false) close(effects, { type: "NoiseFailed", error: sent.error });
    else flushOutput(effects);
  };

  const run = (
    effects: LinkEffect[],
    outcome: Result<readonly NoiseSocketEvent[], NoiseSocketError>,
    now: MonotonicMs,
  ): void => {
    if (outcome.ok) take(effects, outcome.value, now);
    else close(effects, { type: "NoiseFailed", error: outcome.error });
  };

  const answerRequest = (
    effects: LinkEffect[],
    live: NoiseSocketSession,
    event: Extract<NoiseSocketEvent, { type: "request" }>,
    now: MonotonicMs,
  ): void => {
    const request = decodeNegotiationRequest(event.negotiationData);
    if (!request.ok) {
      close(effects, { type: "PeerViolated", rule: "LNK-1 negotiation data is a NoiseLingo request" });
      return;
    }
    const choice = choose(request.value, applications);
    if (choice.type === "accept") {
      acceptedApplication = choice.application;
      run(effects, live.accept(keysFor(choice.protocolName), ascii(choice.application)), now);
    } else if (choice.type === "retry" && !event.isRetry) {
      run(effects, live.requestRetry(encodeNegotiationResponse({ type: "retry", protocol: choice.protocolName })), now);
    } else {
      void live.reject(encodeNegotiationResponse({ type: "rejected" }));
      close(effects, { type: "Rejected" }, true);
    }
  };

  const requestFor = (initialProtocol: string, retryProtocols: readonly string[]): Uint8Array =>
    encodeNegotiationRequest({
      initialProtocol,
      switchProtocols: [],
      retryProtocols,
      application: application === defaultApplication ? undefined : application,
    });

  const answerResponse = (
    effects: LinkEffect[],
    live: NoiseSocketSession,
    event: Extract<NoiseSocketEvent, { type: "response" }>,
    now: MonotonicMs,
  ): void => {
    const response = decodeNegotiationResponse(event.negotiationData);
    if (response.ok && response.value.type === "rejected" && event.kind === "retryOrReject") {
      close(effects, { type: "Rejected" });
    } else if (response.ok && response.value.type === "retry" && names.slice(1).includes(response.value.protocol)) {
      const { protocol } = response.value;
      run(effects, live.retry(keysFor(protocol), requestFor(protocol, [])), now);
    } else {
      close(effects, { type: "PeerViolated", rule: "LNK-2 the answer is one of the protocols offered" });
    }
  };

  const takeRecord = (effects: LinkEffect[], body: Uint8Array): void => {
    const received = reassembly.take(body);
    if (!received.ok) {
      close(effects, { type: "PeerViolated", rule: received.error.rule });
      return;
    }
    if (received.value.type === "message") effects.push(received.value);
    else if (received.value.type === "ping") signal(effects, pongRecord);
    else if (received.value.type === "goodbye") close(effects, { type: "Goodbye" }, true);
  };

  const take = (effects: LinkEffect[], events: readonly NoiseSocketEvent[], now: MonotonicMs): void => {
    for (const event of events) {
      if (isClosed || session === undefined) return;
      switch (event.type) {
        case "request":
          answerRequest(effects, session, event, now);
          break;
        case "response":
          answerResponse(effects, session, event, now);
          break;
        case "handshakeBody":
          break;
        case "established": {
          const { handshakeHash, remoteStatic = empty, protocolName } = event;
          opened = { handshakeHash, remoteStatic, protocolName, application: acceptedApplication };
          deadlines = {};
          heard(now);
          flushOutput(effects);
          effects.push({ type: "opened", ...opened });
          break;
        }
        case "message":
          takeRecord(effects, event.body);
          break;
        case "failed":
          close(effects, { type: "NoiseFailed", error: event.error });
          break;
      }
      if (!isClosed && session.mustWriteHandshake()) run(effects, session.writeHandshake(), now);
    }
    if (!isClosed) flushOutput(effects);
  };

  const start = (effects: LinkEffect[], now: MonotonicMs): void => {
    deadlines.handshake = after(now, times.handshake);
    if (role.side !== "initiator") return;
    session = newSession(application ?? defaultApplication);
    const [first = "", ...others] = names;
    run(effects, session.start(keysFor(first), requestFor(first, others)), now);
  };

  const onBytes = (effects: LinkEffect[], bytes: Uint8Array, now: MonotonicMs): void => {
    session ??= newSession(defaultApplication);
    if (opened !== undefined) heard(now);
    take(effects, session.receive(bytes), now);
    pump(effects);
  };

  const onDeadline = (effects: LinkEffect[], now: MonotonicMs): void => {
    if (deadlines.handshake !== undefined && now >= deadlines.handshake) close(effects, { type: "HandshakeTimeout" });
    else if (deadlines.idle !== undefined && now >= deadlines.idle) close(effects, { type: "Idle" });
    else if (deadlines.ping !== undefined && now >= deadlines.ping) {
      if (isPaused) deadlines.ping = nextPing(now);
      else delete deadlines.ping;
      signal(effects, pingRecord);
    }
  };

  const handle = (event: LinkEvent, now: MonotonicMs): readonly LinkEffect[] => {
    const effects: LinkEffect[] = [];
    if (isClosed) return effects;
    switch (event.type) {
      case "connected":
        start(effects, now);
        break;
      case "bytesReceived":
        onBytes(effects, event.bytes, now);
        break;
      case "writable":
        isWritable = true;
        pump(effects);
        break;
      case "streamEnded":
        close(effects, { type: "Truncated" });
        break;
      case "connectionClosed":
        close(
          effects,
          event.error === undefined ? { type: "Truncated" } : { type: "ConnectionFailed", error: event.error },
        );
        break;
      case "sendRequested":
        queue.add(event.channel, event.message);
        isIdleQueue = false;
        pump(effects);
        break;
      case "probeRequested":
        if (opened !== undefined && !isPaused) {
          deadlines.idle = earliest([deadlines.idle, after(now, times.probe)]) ?? after(now, times.probe);
          signal(effects, pingRecord);
        }
        break;
      case "readingPaused":
        isPaused = true;
        delete deadlines.idle;
        break;
      case "readingResumed":
        isPaused = false;
        if (opened !== undefined) heard(now);
        break;
      case "closeRequested":
        if (opened !== undefined) signal(effects, goodbyeRecord);
        close(effects, { type: "ClosedHere" }, true);
        break;
      case "deadlineReached":
        onDeadline(effects, now);
        break;
    }
    return effects;
  };

  return {
    handle,
    nextDeadline: () => earliest([deadlines.handshake, deadlines.ping, deadlines.idle]),
    queuedBytes: queue.queuedBytes,
  };
};
