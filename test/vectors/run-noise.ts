import type { AeadName, CryptoProvider } from "../../protocol/crypto/provider.ts";
import { bytesToHex, concatBytes, hexToBytes } from "../../protocol/kernel/bytes.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { createCipherState } from "../../protocol/noise/cipher-state.ts";
import { createHandshake, type HandshakeKeys, type HandshakeState } from "../../protocol/noise/handshake-state.ts";
import { classifyResponse, createFrameDecoder, type Frame } from "../../protocol/noisesocket/framing.ts";
import {
  createNoiseSocketSession,
  type NoiseSocketEvent,
  type NoiseSocketSession,
} from "../../protocol/noisesocket/session.ts";

export interface VectorReport {
  readonly passed: number;
  readonly failed: number;
  /** `category id: reason`, one for each failed vector. */
  readonly failures: readonly string[];
}

type Json = Readonly<Record<string, unknown>>;

const fail = (reason: string): never => {
  throw new Error(reason);
};
const text = (vector: Json, field: string): string => {
  const value = vector[field];
  return typeof value === "string" ? value : fail(`no text in ${field}`);
};
const bytesOf = (value: unknown, field: string): Uint8Array =>
  (typeof value === "string" ? hexToBytes(value) : undefined) ?? fail(`no hex in ${field}`);
const bytes = (vector: Json, field: string): Uint8Array => bytesOf(vector[field], field);
const optionalBytes = (vector: Json, field: string): Uint8Array | undefined =>
  vector[field] === undefined ? undefined : bytes(vector, field);
const list = (vector: Json, field: string): readonly Json[] => {
  const value = vector[field];
  return Array.isArray(value) ? (value as Json[]) : fail(`no list in ${field}`);
};
const bytesList = (vector: Json, field: string): readonly Uint8Array[] =>
  vector[field] === undefined ? [] : list(vector, field).map((value) => bytesOf(value, field));
const object = (vector: Json, field: string): Json => {
  const value = vector[field];
  return typeof value === "object" && value !== null ? (value as Json) : fail(`no object in ${field}`);
};

const same = (what: string, actual: Uint8Array | undefined, expected: Uint8Array): void => {
  if (actual === undefined || bytesToHex(actual) !== bytesToHex(expected)) fail(`${what} differs`);
};
const must = <T>(what: string, result: Result<T, { readonly type: string }>): T =>
  result.ok ? result.value : fail(`${what}: ${result.error.type}`);

const keysOf = (
  crypto: CryptoProvider,
  vector: Json,
  protocolName: string,
  prefix: string,
  psks: readonly Uint8Array[],
): HandshakeKeys => {
  const secret = optionalBytes(vector, `${prefix}static`);
  const remoteStatic = optionalBytes(vector, `${prefix}remote_static`);
  return {
    protocolName,
    psks,
    ...(secret === undefined ? {} : { staticKey: crypto.dhKeyPair(secret) }),
    ...(remoteStatic === undefined ? {} : { remoteStatic }),
  };
};

/** Deps whose only ephemeral key is the vector's; asking for one the vector does not have is a failure. */
const fixedEphemeral = (crypto: CryptoProvider, vector: Json, field: string) => ({
  crypto,
  generateKeyPair: () => crypto.dhKeyPair(bytes(vector, field)),
});

const checkTransport = (
  messages: readonly Json[],
  sender: (message: Json) => { readonly from: Channel; readonly to: Channel },
): void => {
  for (const [i, message] of messages.entries()) {
    const { from, to } = sender(message);
    const payload = bytes(message, "payload");
    const ciphertext = bytes(message, "ciphertext");
    const none = new Uint8Array(0);
    same(
      `transport ciphertext ${i}`,
      must("encrypt", from.send?.encrypt(none, payload) ?? fail("no send cipher")),
      ciphertext,
    );
    same(
      `transport payload ${i}`,
      must("decrypt", to.receive?.decrypt(none, ciphertext) ?? fail("no receive cipher")),
      payload,
    );
  }
};
type Channel = ReturnType<typeof finished>;
const finished = (handshake: HandshakeState) => must("finish", handshake.finish());

const checkHandshakeMessage = (i: number, message: Json, writer: HandshakeState, reader: HandshakeState): void => {
  const payload = bytes(message, "payload");
  const written = must(`write ${i}`, writer.writeMessage(payload));
  same(`message ${i}`, written, bytes(message, "ciphertext"));
  same(`payload ${i}`, must(`read ${i}`, reader.readMessage(written)), payload);
};

const runNoise = (crypto: CryptoProvider, vector: Json): void => {
  const name = text(vector, "protocol_name");
  const side = (prefix: "init" | "resp"): HandshakeState =>
    must(
      prefix,
      createHandshake(fixedEphemeral(crypto, vector, `${prefix}_ephemeral`), {
        ...keysOf(crypto, vector, name, `${prefix}_`, bytesList(vector, `${prefix}_psks`)),
        role: prefix === "init" ? "initiator" : "responder",
        prologue: bytes(vector, `${prefix}_prologue`),
      }),
    );
  const init = side("init");
  const resp = side("resp");
  const messages = list(vector, "messages");
  let i = 0;
  for (; i < messages.length && init.turn() !== "done"; i++) {
    const message = messages[i] as Json;
    const fromInit = text(message, "from") === "init";
    if ((init.turn() === "write") !== fromInit) fail(`message ${i} is from the wrong side`);
    checkHandshakeMessage(i, message, fromInit ? init : resp, fromInit ? resp : init);
  }
  if (init.turn() !== "done") return;
  const ends = { init: finished(init), resp: finished(resp) };
  const handshakeHash = optionalBytes(vector, "handshake_hash");
  same("handshake hashes", ends.init.handshakeHash, ends.resp.handshakeHash);
  if (handshakeHash !== undefined) same("handshake hash", ends.init.handshakeHash, handshakeHash);
  checkTransport(messages.slice(i), (message) =>
    text(message, "from") === "init" ? { from: ends.init, to: ends.resp } : { from: ends.resp, to: ends.init },
  );
};

const runNoiseFallback = (crypto: CryptoProvider, vector: Json): void => {
  const messages = list(vector, "messages");
  const initial = (prefix: "init" | "resp", role: "initiator" | "responder"): HandshakeState =>
    must(
      `initial ${prefix}`,
      createHandshake(fixedEphemeral(crypto, vector, `${prefix}_ephemeral`), {
        ...keysOf(
          crypto,
          vector,
          text(vector, "initial_protocol_name"),
          `${prefix}_`,
          bytesList(vector, `${prefix}_psks`),
        ),
        role,
        prologue: bytes(vector, `${prefix}_prologue`),
      }),
    );
  const first = messages[0] as Json;
  const alice = initial("init", "initiator");
  const message = must("message 0", alice.writeMessage(bytes(first, "payload")));
  same("message 0", message, bytes(first, "ciphertext"));
  if (initial("resp", "responder").readMessage(message).ok) fail("Bob read a message meant for another key");
  const name = text(vector, "protocol_name");
  const ephemeral = alice.ephemeral() ?? fail("Alice has no ephemeral");
  const aliceFallback = must(
    "Alice's fallback",
    createHandshake(fixedEphemeral(crypto, vector, "none"), {
      ...keysOf(crypto, vector, name, "init_", bytesList(vector, "init_psks")),
      role: "responder",
      prologue: bytes(vector, "init_prologue"),
      ephemeral,
    }),
  );
  const bobFallback = must(
    "Bob's fallback",
    createHandshake(fixedEphemeral(crypto, vector, "resp_ephemeral"), {
      ...keysOf(crypto, vector, name, "resp_", bytesList(vector, "resp_psks")),
      role: "initiator",
      prologue: bytes(vector, "resp_prologue"),
      remoteEphemeral: message.slice(0, 32),
    }),
  );
  let i = 1;
  for (; i < messages.length && aliceFallback.turn() !== "done"; i++) {
    const bobWrites = aliceFallback.turn() === "read";
    checkHandshakeMessage(
      i,
      messages[i] as Json,
      bobWrites ? bobFallback : aliceFallback,
      bobWrites ? aliceFallback : bobFallback,
    );
  }
  const a = finished(aliceFallback);
  const b = finished(bobFallback);
  const handshakeHash = optionalBytes(vector, "handshake_hash");
  same("handshake hashes", a.handshakeHash, b.handshakeHash);
  if (handshakeHash !== undefined) same("handshake hash", a.handshakeHash, handshakeHash);
  checkTransport(messages.slice(i), ({ from }) => (from === "alice" ? { from: a, to: b } : { from: b, to: a }));
};

const runCipherState = (crypto: CryptoProvider, vector: Json): void => {
  const state = createCipherState(crypto, text(vector, "cipher") as AeadName);
  state.initializeKey(bytes(vector, "key"));
  for (const [i, step] of list(vector, "steps").entries()) {
    const op = text(step, "op");
    if (op === "rekey") {
      state.rekey();
    } else if (op === "set_nonce") {
      state.setNonce(BigInt(text(step, "n")));
    } else {
      const seals = op === "encrypt";
      const additionalData = optionalBytes(step, "ad") ?? new Uint8Array(0);
      const input = optionalBytes(step, seals ? "plaintext" : "ciphertext") ?? new Uint8Array(32);
      const outcome = seals ? state.encrypt(additionalData, input) : state.decrypt(additionalData, input);
      if (step["error"] !== undefined) {
        if (outcome.ok || outcome.error.type !== "NonceExhausted") fail(`step ${i} should exhaust the nonce`);
      } else {
        same(`step ${i}`, must(`step ${i}`, outcome), bytes(step, seals ? "ciphertext" : "plaintext"));
      }
    }
  }
};

const runFraming = (_: CryptoProvider, vector: Json): void => {
  const phase = text(vector, "phase") === "transport" ? "transport" : "handshake";
  const decoder = createFrameDecoder();
  const frames: Frame[] = [];
  for (const chunk of list(vector, "chunks")) {
    decoder.push(bytesOf(chunk, "chunks"));
    for (;;) {
      const frame = must("frame", decoder.next(phase));
      if (frame === undefined) break;
      frames.push({
        ...frame,
        negotiationData: frame.negotiationData.slice(),
        noiseMessage: frame.noiseMessage.slice(),
      });
    }
  }
  const expected = list(vector, "frames");
  if (frames.length !== expected.length) fail(`${frames.length} frames instead of ${expected.length}`);
  for (const [i, frame] of frames.entries()) {
    const wanted = expected[i] as Json;
    same(
      `negotiation data ${i}`,
      frame.negotiationData,
      optionalBytes(wanted, "negotiation_data") ?? new Uint8Array(0),
    );
    same(`noise message ${i}`, frame.noiseMessage, bytes(wanted, "noise_message"));
  }
  if (decoder.bufferedBytes() !== bytes(vector, "rest").length) fail("rest differs");
};

/** One end of a NoiseSocket vector: the session and what it has reported. */
const createEnd = (crypto: CryptoProvider, vector: Json, name: "alice" | "bob") => {
  let ephemeral: Uint8Array | undefined;
  const session = createNoiseSocketSession(
    { crypto, generateKeyPair: () => crypto.dhKeyPair(ephemeral ?? fail(`${name} has no ephemeral`)) },
    { side: name === "alice" ? "initiator" : "responder", applicationPrologue: bytes(vector, `${name}_prologue`) },
  );
  const useKeys = (field: string): HandshakeKeys => {
    const protocol = object(vector, field);
    ephemeral = optionalBytes(protocol, `${name}_ephemeral`);
    const protocolName = text(protocol, "protocol_name");
    const psks = protocolName.includes("psk") ? bytesList(vector, `${name}_psks`) : [];
    return keysOf(crypto, protocol, protocolName, `${name}_`, psks);
  };
  return { session, useKeys };
};
type End = ReturnType<typeof createEnd>;

const output = (session: NoiseSocketSession): Uint8Array => concatBytes(...session.takeOutput());
const bodyIn = (events: readonly NoiseSocketEvent[]): Uint8Array => {
  for (const event of events) {
    if (event.type === "handshakeBody" || event.type === "message") return event.body;
    if (event.type === "failed") fail(`read: ${event.error.type}`);
  }
  return fail("no body");
};

const runNoiseSocket = (crypto: CryptoProvider, vector: Json): void => {
  const alice = createEnd(crypto, vector, "alice");
  const bob = createEnd(crypto, vector, "bob");
  const events = { alice: [] as NoiseSocketEvent[], bob: [] as NoiseSocketEvent[] };
  const response = text(vector, "response");
  let isOver = false;

  const write = (i: number, end: End, message: Json): readonly NoiseSocketEvent[] => {
    const negotiationData = optionalBytes(message, "negotiation_data") ?? new Uint8Array(0);
    const body = optionalBytes(message, "message_body") ?? new Uint8Array(0);
    const payload = { body, paddedBodyLength: Number(message["padded_length"] ?? 0) };
    const { session } = end;
    if (isOver) {
      must(`send ${i}`, session.send(body, payload.paddedBodyLength));
      return [];
    }
    if (i === 0) return must("start", session.start(end.useKeys("initial"), negotiationData, payload));
    if (i === 1 && response === "switch")
      return must("switch", session.switchTo(end.useKeys("switch"), negotiationData, payload));
    if (i === 1 && response === "retry") return must("ask for retry", session.requestRetry(negotiationData));
    if (i === 2 && response === "retry")
      return must("retry", session.retry(end.useKeys("retry"), negotiationData, payload));
    if (i === 1) bob.useKeys("initial");
    return must(`write ${i}`, session.writeHandshake(payload));
  };
  const read = (i: number, end: End, frame: Uint8Array): readonly NoiseSocketEvent[] => {
    const received = end.session.receive(frame);
    const [first] = received;
    if (first?.type === "request") {
      if (i === 0 && response !== "accept") return [];
      return must("accept", end.session.accept(end.useKeys(i === 0 ? "initial" : "retry")));
    }
    if (first?.type === "response") {
      if (first.kind !== (response === "switch" ? "switch" : "retryOrReject"))
        fail(`response looks like ${first.kind}`);
      return response === "switch" ? must("accept the switch", end.session.acceptSwitch(end.useKeys("switch"))) : [];
    }
    return received;
  };

  for (const [i, message] of list(vector, "messages").entries()) {
    const [writer, reader] = i % 2 === 0 ? (["alice", "bob"] as const) : (["bob", "alice"] as const);
    const ends = { alice, bob };
    events[writer].push(...write(i, ends[writer], message));
    const frame = output(ends[writer].session);
    same(`message ${i}`, frame, bytes(message, "message"));
    const received = read(i, ends[reader], frame);
    events[reader].push(...received);
    const isUnread = (i === 0 && response !== "accept") || (i === 1 && response === "retry");
    const body = optionalBytes(message, "message_body") ?? new Uint8Array(0);
    if (!isUnread) same(`body ${i}`, bodyIn(received), body);
    else if (received.length > 0) fail(`message ${i} was read`);
    isOver =
      events.alice.some(({ type }) => type === "established") && events.bob.some(({ type }) => type === "established");
  }
  for (const side of ["alice", "bob"] as const) {
    const established = events[side].find((event) => event.type === "established");
    same(`${side}'s handshake hash`, established?.handshakeHash, bytes(vector, "handshake_hash"));
  }
};

const runNegative = (crypto: CryptoProvider, vector: Json): void => {
  const config = object(vector, "config");
  const isInitiator = text(vector, "sut") === "initiator";
  const session = createNoiseSocketSession(
    { crypto, generateKeyPair: () => crypto.dhKeyPair(bytes(config, "ephemeral")) },
    {
      side: isInitiator ? "initiator" : "responder",
      applicationPrologue: optionalBytes(config, "app_prologue") ?? new Uint8Array(0),
    },
  );
  const keys = keysOf(crypto, config, text(config, "protocol_name"), "", bytesList(config, "psks"));
  let hasStarted = false;

  const bodyToWrite = (step: Json): Uint8Array => {
    if (step["message_body_repeat"] === undefined) return optionalBytes(step, "message_body") ?? new Uint8Array(0);
    const repeat = object(step, "message_body_repeat");
    return new Uint8Array(Number(repeat["count"])).fill(bytes(repeat, "byte")[0] as number);
  };
  const write = (step: Json): Uint8Array | undefined => {
    const payload = { body: bodyToWrite(step), paddedBodyLength: Number(step["padded_length"] ?? 0) };
    const isHandshake = text(step, "do") === "write_handshake";
    const negotiationData = optionalBytes(step, "negotiation_data") ?? new Uint8Array(0);
    const starts = isHandshake && isInitiator && !hasStarted;
    hasStarted = true;
    const outcome = starts
      ? session.start(keys, negotiationData, payload)
      : isHandshake
        ? session.writeHandshake(payload)
        : session.send(payload.body, payload.paddedBodyLength);
    return outcome.ok ? output(session) : undefined;
  };
  const checkWrite = (what: string, step: Json): void => {
    const frame = write(step);
    if (step["expect"] === "error") {
      if (frame !== undefined) fail(`${what} should fail`);
    } else if (step["message"] !== undefined) {
      same(what, frame, bytes(step, "message"));
    } else if (frame?.length !== Number(step["expect_length"])) {
      fail(`${what} has ${frame?.length} bytes`);
    }
  };
  const checkRead = (what: string, step: Json): void => {
    let received = session.receive(bytes(step, "message"));
    let negotiationData: Uint8Array = new Uint8Array(0);
    const [first] = received;
    if (first?.type === "request") {
      negotiationData = first.negotiationData;
      const accepted = session.accept(keys);
      received = accepted.ok ? accepted.value : [{ type: "failed", error: accepted.error }];
    }
    const failed = received.some(({ type }) => type === "failed");
    if (step["expect"] === "error") {
      if (!failed || received.some(({ type }) => type === "message" || type === "handshakeBody"))
        fail(`${what} should fail`);
      return;
    }
    same(`${what} body`, bodyIn(received), optionalBytes(step, "message_body") ?? new Uint8Array(0));
    const expected = optionalBytes(step, "negotiation_data");
    if (expected !== undefined) same(`${what} negotiation data`, negotiationData, expected);
  };
  for (const [i, step] of list(vector, "steps").entries()) {
    const action = text(step, "do");
    const what = `step ${i} (${action})`;
    if (action === "write_handshake" || action === "write_transport") {
      checkWrite(what, step);
    } else if (action === "read_handshake" || action === "read_transport") {
      checkRead(what, step);
    } else if (action === "peek_response") {
      const decoder = createFrameDecoder();
      decoder.push(bytes(step, "message"));
      const frame = must(what, decoder.next("handshake")) ?? fail(`${what}: no frame`);
      const kind = classifyResponse(frame);
      if ((kind === "retryOrReject" ? "retry_or_reject" : kind) !== text(step, "expect")) fail(`${what}: ${kind}`);
    } else {
      fail(`unknown step ${action}`);
    }
  }
};

const runners: Readonly<Record<string, (crypto: CryptoProvider, vector: Json) => void>> = {
  noise: runNoise,
  noise_fallback: runNoiseFallback,
  noisesocket: runNoiseSocket,
  cipherstate: runCipherState,
  noisesocket_negative: runNegative,
  framing: runFraming,
};

/** Runs every vector of a file in the format `noise-vectors/1` with the given primitives. */
export const runNoiseVectors = (json: unknown, crypto: CryptoProvider): VectorReport => {
  let passed = 0;
  const failures: string[] = [];
  const file = json as Json;
  for (const [category, vectors] of Object.entries(file)) {
    if (!Array.isArray(vectors)) continue;
    const run = runners[category];
    for (const vector of vectors as Json[]) {
      try {
        (run ?? (() => fail("unknown category")))(crypto, vector);
        passed += 1;
      } catch (error) {
        failures.push(`${category} ${String(vector["id"])}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
  if (passed + failures.length === 0) failures.push("the file holds no vectors");
  return { passed, failed: failures.length, failures };
};
