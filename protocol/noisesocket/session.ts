import { tagBytes } from "../crypto/sizes.ts";
import { invariant } from "../kernel/assert.ts";
import { ascii, concatBytes } from "../kernel/bytes.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { CipherState } from "../noise/cipher-state.ts";
import {
  createHandshake,
  type HandshakeConfig,
  type HandshakeDeps,
  type HandshakeKeys,
  type HandshakeState,
  maxNoiseMessageBytes,
} from "../noise/handshake-state.ts";
import type { NoiseSocketError } from "./errors.ts";
import {
  classifyResponse,
  createFrameDecoder,
  encodeHandshakeFrame,
  type Frame,
  type FrameLimits,
  widestFrames,
} from "./framing.ts";
import {
  decodePayload,
  encodePayload,
  maxTransportBodyBytes,
  minTransportMessageBytes,
  payloadBytes,
} from "./payload.ts";

export interface NoiseSocketConfig {
  /** Of the connection: the initiator is the spec's Alice, who sends first, also where a switch makes Bob the Noise initiator. */
  readonly side: "initiator" | "responder";
  /** Appended to every prologue; a versioned constant of the application. */
  readonly applicationPrologue: Uint8Array;
  readonly limits?: FrameLimits;
}

export type NoiseSocketEvent =
  /** Bob must call `accept`, `switchTo`, `requestRetry` or `reject`; after a retry only the first or the last. */
  | { readonly type: "request"; readonly negotiationData: Uint8Array; readonly isRetry: boolean }
  /** Alice must call `acceptSwitch`, `retry`, `acceptDespiteNegotiationData` or `close`. */
  | { readonly type: "response"; readonly kind: "switch" | "retryOrReject"; readonly negotiationData: Uint8Array }
  | { readonly type: "handshakeBody"; readonly body: Uint8Array }
  | {
      readonly type: "established";
      readonly handshakeHash: Uint8Array;
      readonly remoteStatic: Uint8Array | undefined;
      readonly protocolName: string;
    }
  /** `body` is a view of the decrypted record and belongs to the receiver. */
  | { readonly type: "message"; readonly body: Uint8Array }
  | { readonly type: "failed"; readonly error: NoiseSocketError };

export interface Body {
  readonly body?: Uint8Array;
  /** The body is padded with zeros to this length where the payload is encrypted. */
  readonly paddedBodyLength?: number;
}

type Outcome = Result<readonly NoiseSocketEvent[], NoiseSocketError>;

/** One NoiseSocket connection (revision 2draft) without its socket. After any failure it is dead and its keys are wiped. */
export interface NoiseSocketSession {
  readonly receive: (chunk: Uint8Array) => readonly NoiseSocketEvent[];
  /** Whether the stream may end here: `Truncated` in mid-frame or before the handshake is over. */
  readonly endOfStream: () => Result<void, NoiseSocketError>;
  /** The bytes to send, in order; where one array ends and the next begins means nothing. */
  readonly takeOutput: () => readonly Uint8Array[];
  readonly start: (keys: HandshakeKeys, negotiationData: Uint8Array, payload?: Body) => Outcome;
  readonly acceptSwitch: (keys: HandshakeKeys) => Outcome;
  readonly retry: (keys: HandshakeKeys, negotiationData: Uint8Array, payload?: Body) => Outcome;
  /** Reads a response as an acceptance although it carries negotiation data, as the OCaml implementation answers. */
  readonly acceptDespiteNegotiationData: () => Outcome;
  /** `applicationPrologue` instead of the configured one, where the request decides which application it is for. */
  readonly accept: (keys: HandshakeKeys, applicationPrologue?: Uint8Array) => Outcome;
  readonly switchTo: (keys: HandshakeKeys, negotiationData: Uint8Array, payload?: Body) => Outcome;
  readonly requestRetry: (negotiationData: Uint8Array) => Outcome;
  readonly reject: (negotiationData: Uint8Array) => Outcome;
  /** Whether it is this side's turn to send a handshake message. */
  readonly mustWriteHandshake: () => boolean;
  readonly writeHandshake: (payload?: Body) => Outcome;
  /** One transport message of `prefix ‖ body`, at most 65 517 bytes; the prefix spares the caller a copy of a large body. */
  readonly send: (body: Uint8Array, paddedBodyLength?: number, prefix?: Uint8Array) => Result<void, NoiseSocketError>;
  readonly bufferedBytes: () => number;
  readonly close: () => void;
}

type State =
  | "idle"
  | "awaitingRequest"
  | "requested"
  | "awaitingRetry"
  | "retried"
  | "awaitingResponse"
  | "responded"
  | "handshaking"
  | "transport"
  | "dead";

/** States in which the next frame is read at once; in the others it waits for a decision. */
const reads: ReadonlySet<State> = new Set([
  "awaitingRequest",
  "awaitingRetry",
  "awaitingResponse",
  "handshaking",
  "transport",
]);

/** Two full length fields and what they announce; more than this waiting for a decision is abuse. */
const maxWaitingBytes = 131074;

/** Payloads up to this size are put together in one reused buffer; copying larger ones costs more than it saves (benchmark `noise`). */
const scratchBytes = 8192;

const empty: Uint8Array = new Uint8Array(0);
const emptyField = Uint8Array.of(0, 0);

const lengthPrefixed = (bytes: Uint8Array): Uint8Array =>
  concatBytes(Uint8Array.of(bytes.length >> 8, bytes.length), bytes);

export const createNoiseSocketSession = (deps: HandshakeDeps, config: NoiseSocketConfig): NoiseSocketSession => {
  const isAlice = config.side === "initiator";
  const decoder = createFrameDecoder(config.limits ?? widestFrames);
  const scratch = new Uint8Array(scratchBytes);
  let state: State = isAlice ? "idle" : "awaitingRequest";
  let output: Uint8Array[] = [];
  let handshake: HandshakeState | undefined;
  let protocolName = "";
  /** Alice's first frame and Bob's response, as sent: what the prologues of switch and retry are made of. */
  let firstFrame = empty;
  let firstMessage = empty;
  let response: Frame | undefined;
  let retryFrame: Frame | undefined;
  let firstNegotiationData = empty;
  let responseNegotiationData = empty;
  let sendCipher: CipherState | undefined;
  let receiveCipher: CipherState | undefined;

  const initialPrologue = (applicationPrologue: Uint8Array): Uint8Array =>
    concatBytes(ascii("NoiseSocketInit1"), lengthPrefixed(firstNegotiationData), applicationPrologue);
  const switchPrologue = (): Uint8Array =>
    concatBytes(
      ascii("NoiseSocketInit2"),
      firstFrame,
      lengthPrefixed(responseNegotiationData),
      config.applicationPrologue,
    );
  const retryPrologue = (negotiationData: Uint8Array, applicationPrologue: Uint8Array): Uint8Array =>
    concatBytes(
      ascii("NoiseSocketInit3"),
      firstFrame,
      lengthPrefixed(responseNegotiationData),
      emptyField,
      lengthPrefixed(negotiationData),
      applicationPrologue,
    );

  const die = (): void => {
    state = "dead";
    handshake?.wipe();
    sendCipher?.wipe();
    receiveCipher?.wipe();
    sendCipher = undefined;
    receiveCipher = undefined;
  };
  const fatal = (error: NoiseSocketError): Result<never, NoiseSocketError> => {
    die();
    return err(error);
  };
  const wrongState = (): Outcome => err({ type: state === "dead" ? "Dead" : "WrongState" });

  const begin = (
    keys: HandshakeKeys,
    roles: Omit<HandshakeConfig, keyof HandshakeKeys>,
  ): Result<void, NoiseSocketError> => {
    const created = createHandshake(deps, { ...keys, ...roles });
    if (!created.ok) return fatal(created.error);
    handshake = created.value;
    protocolName = keys.protocolName;
    return ok(undefined);
  };

  const finishIfDone = (): Outcome => {
    if (handshake?.turn() !== "done") return ok([]);
    const finished = handshake.finish();
    if (!finished.ok) return fatal(finished.error);
    const { send, receive, handshakeHash, remoteStatic } = finished.value;
    sendCipher = send;
    receiveCipher = receive;
    state = "transport";
    return ok([{ type: "established", handshakeHash, remoteStatic, protocolName }]);
  };

  /** Writes the next handshake message with `negotiationData`; too large a body is refused before anything changes. */
  const write = (negotiationData: Uint8Array, payload: Body, nextState: State): Outcome => {
    invariant(handshake !== undefined, "a handshake has begun");
    const body = payload.body ?? empty;
    const { overheadBytes, payloadIsEncrypted } = handshake.nextMessage();
    const padded = payload.paddedBodyLength ?? 0;
    const length = payloadIsEncrypted ? payloadBytes(body.length, padded) : body.length;
    const available = maxNoiseMessageBytes - overheadBytes;
    if (length > available) return err({ type: "BodyTooLong", limit: payloadIsEncrypted ? available - 2 : available });
    const message = handshake.writeMessage(payloadIsEncrypted ? encodePayload(body, padded) : body);
    if (!message.ok) return fatal(message.error);
    const frame = encodeHandshakeFrame(negotiationData, message.value);
    output.push(frame);
    state = nextState;
    if (nextState === "awaitingResponse") {
      firstFrame = frame;
      firstMessage = message.value;
    }
    return finishIfDone();
  };

  const read = (noiseMessage: Uint8Array): Outcome => {
    invariant(handshake !== undefined, "a handshake has begun");
    const { payloadIsEncrypted } = handshake.nextMessage();
    const payload = handshake.readMessage(noiseMessage);
    if (!payload.ok) return fatal(payload.error);
    const body = payloadIsEncrypted ? decodePayload(payload.value) : ok(payload.value.slice());
    if (!body.ok) return fatal(body.error);
    state = "handshaking";
    const finished = finishIfDone();
    if (!finished.ok) return finished;
    return ok([{ type: "handshakeBody", body: body.value }, ...finished.value]);
  };

  /** `body_len ‖ prefix ‖ body ‖ zeros`: joined in the scratch buffer when small, else in parts that copy nothing large. */
  const payloadParts = (prefix: Uint8Array, body: Uint8Array, payloadLength: number): readonly Uint8Array[] => {
    const bodyLength = prefix.length + body.length;
    const isSmall = payloadLength <= scratchBytes;
    const head = isSmall ? scratch.subarray(0, payloadLength) : new Uint8Array(2 + prefix.length);
    head[0] = bodyLength >> 8;
    head[1] = bodyLength;
    head.set(prefix, 2);
    if (!isSmall) return [head, body, new Uint8Array(payloadLength - 2 - bodyLength)];
    head.set(body, 2 + prefix.length);
    head.fill(0, 2 + bodyLength);
    return [head];
  };

  const readTransport = (noiseMessage: Uint8Array): Outcome => {
    if (receiveCipher === undefined) return fatal({ type: "OutOfTurn" });
    if (noiseMessage.length < minTransportMessageBytes) return fatal({ type: "MessageTooShort" });
    const payload = receiveCipher.decrypt(empty, noiseMessage);
    if (!payload.ok) return fatal(payload.error);
    const body = decodePayload(payload.value);
    if (!body.ok) return fatal(body.error);
    return ok([{ type: "message", body: body.value }]);
  };

  const ownCopy = ({ bytes }: Frame): Frame => {
    const copy = bytes.slice();
    const length = ((copy[0] as number) << 8) | (copy[1] as number);
    return { bytes: copy, negotiationData: copy.subarray(2, 2 + length), noiseMessage: copy.subarray(4 + length) };
  };

  const readRequest = (frame: Frame): Outcome => {
    if (frame.noiseMessage.length === 0) return fatal({ type: "EmptyMessage" });
    const request = ownCopy(frame);
    if (state === "awaitingRequest") {
      firstFrame = request.bytes;
      firstMessage = request.noiseMessage;
      firstNegotiationData = request.negotiationData;
      state = "requested";
      return ok([{ type: "request", negotiationData: request.negotiationData, isRetry: false }]);
    }
    retryFrame = request;
    state = "retried";
    return ok([{ type: "request", negotiationData: request.negotiationData, isRetry: true }]);
  };

  const readResponse = (frame: Frame): Outcome => {
    const kind = classifyResponse(frame);
    if (kind === "invalid") return fatal({ type: "EmptyMessage" });
    if (kind === "accept") return read(frame.noiseMessage);
    response = ownCopy(frame);
    responseNegotiationData = response.negotiationData;
    state = "responded";
    return ok([{ type: "response", kind, negotiationData: response.negotiationData }]);
  };

  const readFrame = (frame: Frame): Outcome => {
    switch (state) {
      case "transport":
        return readTransport(frame.noiseMessage);
      case "handshaking":
        if (frame.negotiationData.length > 0) return fatal({ type: "UnexpectedNegotiationData" });
        return read(frame.noiseMessage);
      case "awaitingResponse":
        return readResponse(frame);
      default:
        return readRequest(frame);
    }
  };

  const drain = (events: NoiseSocketEvent[]): readonly NoiseSocketEvent[] => {
    while (reads.has(state)) {
      const frame = decoder.next(state === "transport" ? "transport" : "handshake");
      const outcome = !frame.ok ? fatal(frame.error) : frame.value === undefined ? undefined : readFrame(frame.value);
      if (outcome === undefined) return events;
      if (!outcome.ok) {
        events.push({ type: "failed", error: outcome.error });
        return events;
      }
      events.push(...outcome.value);
    }
    if (decoder.bufferedBytes() > maxWaitingBytes && state !== "dead") {
      die();
      events.push({ type: "failed", error: { type: "FrameTooLong", limit: maxWaitingBytes } });
    }
    return events;
  };

  /** After a decision, frames that were waiting for it are read. */
  const andDrain = (outcome: Outcome): Outcome => (outcome.ok ? ok(drain([...outcome.value])) : outcome);

  const isFallback = (keys: HandshakeKeys): boolean => /^Noise_[A-Z0-9]+fallback/.test(keys.protocolName);

  return {
    receive: (chunk) => {
      if (state === "dead") return [{ type: "failed", error: { type: "Dead" } }];
      decoder.push(chunk);
      return drain([]);
    },
    endOfStream: () => {
      if (state === "transport" && decoder.bufferedBytes() === 0) return ok(undefined);
      return fatal({ type: "Truncated" });
    },
    takeOutput: () => {
      const taken = output;
      output = [];
      return taken;
    },
    start: (keys, negotiationData, payload = {}) => {
      if (state !== "idle") return wrongState();
      firstNegotiationData = negotiationData;
      const begun = begin(keys, { role: "initiator", prologue: initialPrologue(config.applicationPrologue) });
      return begun.ok ? write(negotiationData, payload, "awaitingResponse") : begun;
    },
    acceptSwitch: (keys) => {
      if (state !== "responded" || response === undefined || response.noiseMessage.length === 0) return wrongState();
      const ephemeral = isFallback(keys) ? handshake?.ephemeral() : undefined;
      if (ephemeral === undefined) handshake?.wipe();
      const begun = begin(keys, {
        role: "responder",
        prologue: switchPrologue(),
        ...(ephemeral === undefined ? {} : { ephemeral }),
      });
      return begun.ok ? andDrain(read(response.noiseMessage)) : begun;
    },
    retry: (keys, negotiationData, payload = {}) => {
      if (state !== "responded" || response === undefined || response.noiseMessage.length > 0) return wrongState();
      handshake?.wipe();
      const begun = begin(keys, {
        role: "initiator",
        prologue: retryPrologue(negotiationData, config.applicationPrologue),
      });
      return begun.ok ? write(negotiationData, payload, "handshaking") : begun;
    },
    acceptDespiteNegotiationData: () => {
      if (state !== "responded" || response === undefined || response.noiseMessage.length === 0) return wrongState();
      return andDrain(read(response.noiseMessage));
    },
    accept: (keys, applicationPrologue = config.applicationPrologue) => {
      if (state === "requested") {
        const begun = begin(keys, { role: "responder", prologue: initialPrologue(applicationPrologue) });
        return begun.ok ? andDrain(read(firstMessage)) : begun;
      }
      if (state !== "retried" || retryFrame === undefined) return wrongState();
      const begun = begin(keys, {
        role: "responder",
        prologue: retryPrologue(retryFrame.negotiationData, applicationPrologue),
      });
      return begun.ok ? andDrain(read(retryFrame.noiseMessage)) : begun;
    },
    switchTo: (keys, negotiationData, payload = {}) => {
      invariant(negotiationData.length > 0, "a switch names its protocol");
      if (state !== "requested") return wrongState();
      responseNegotiationData = negotiationData;
      const usesFirst = isFallback(keys);
      if (usesFirst && firstMessage.length < 32) return fatal({ type: "MessageTooShort" });
      const begun = begin(keys, {
        role: "initiator",
        prologue: switchPrologue(),
        ...(usesFirst ? { remoteEphemeral: firstMessage.slice(0, 32) } : {}),
      });
      return begun.ok ? write(negotiationData, payload, "handshaking") : begun;
    },
    requestRetry: (negotiationData) => {
      invariant(negotiationData.length > 0, "a retry request names a protocol");
      if (state !== "requested") return wrongState();
      responseNegotiationData = negotiationData;
      output.push(encodeHandshakeFrame(negotiationData, empty));
      state = "awaitingRetry";
      return ok(drain([]));
    },
    reject: (negotiationData) => {
      invariant(negotiationData.length > 0, "an explicit rejection says so");
      if (state !== "requested" && state !== "retried") return wrongState();
      output.push(encodeHandshakeFrame(negotiationData, empty));
      die();
      return ok([]);
    },
    mustWriteHandshake: () => state === "handshaking" && handshake?.turn() === "write",
    writeHandshake: (payload = {}) => {
      if (state !== "handshaking" || handshake?.turn() !== "write") return wrongState();
      return andDrain(write(empty, payload, "handshaking"));
    },
    send: (body, paddedBodyLength = 0, prefix = empty) => {
      if (state !== "transport" || sendCipher === undefined)
        return err({ type: state === "dead" ? "Dead" : "WrongState" });
      const payloadLength = payloadBytes(prefix.length + body.length, paddedBodyLength);
      if (payloadLength > maxTransportBodyBytes + 2) return err({ type: "BodyTooLong", limit: maxTransportBodyBytes });
      const sealed = sendCipher.encryptParts(empty, payloadParts(prefix, body, payloadLength));
      if (!sealed.ok) return fatal(sealed.error);
      const messageLength = payloadLength + tagBytes;
      const length = Uint8Array.of(messageLength >> 8, messageLength);
      if (payloadLength <= scratchBytes) output.push(concatBytes(length, ...sealed.value));
      else output.push(length, ...sealed.value);
      return ok(undefined);
    },
    bufferedBytes: decoder.bufferedBytes,
    close: die,
  };
};
