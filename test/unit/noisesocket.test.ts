import { describe, expect, test } from "vitest";
import { createNativeProvider } from "../../main/adapters/native-crypto.ts";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import { ascii, concatBytes } from "../../protocol/kernel/bytes.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { createFrameDecoder, encodeHandshakeFrame, type FrameLimits } from "../../protocol/noisesocket/framing.ts";
import {
  decodeNegotiationRequest,
  decodeNegotiationResponse,
  encodeNegotiationRequest,
} from "../../protocol/noisesocket/negotiation.ts";
import { maxTransportBodyBytes } from "../../protocol/noisesocket/payload.ts";
import {
  createNoiseSocketSession,
  type NoiseSocketEvent,
  type NoiseSocketSession,
} from "../../protocol/noisesocket/session.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const crypto = createNativeProvider(createNobleProvider());
const random = createSeededRandom("noisesocket unit");
const deps = { crypto, generateKeyPair: () => crypto.dhKeyPair(random.bytes(32)) };
const none = new Uint8Array(0);
const prologue = ascii("unit/1");
const [aliceKey, bobKey] = [deps.generateKeyPair(), deps.generateKeyPair()];
const named = (pattern: string) => `Noise_${pattern}_25519_AESGCM_SHA256`;
const aliceKeys = (pattern: string) => ({
  protocolName: named(pattern),
  staticKey: aliceKey,
  remoteStatic: bobKey.publicKey,
});
const bobKeys = (pattern: string) => ({
  protocolName: named(pattern),
  staticKey: bobKey,
  remoteStatic: aliceKey.publicKey,
});
const value = <T>(result: Result<T, { readonly type: string }>): T => {
  if (!result.ok) throw new Error(result.error.type);
  return result.value;
};
const newSession = (
  side: "initiator" | "responder",
  limits?: FrameLimits,
  applicationPrologue = prologue,
): NoiseSocketSession =>
  createNoiseSocketSession(deps, { side, applicationPrologue, ...(limits === undefined ? {} : { limits }) });
const output = (session: NoiseSocketSession): Uint8Array => concatBytes(...session.takeOutput());
const types = (events: readonly NoiseSocketEvent[]): readonly string[] => events.map(({ type }) => type);
const failure = (events: readonly NoiseSocketEvent[]): string | undefined => {
  const failed = events.find((event) => event.type === "failed");
  return failed?.error.type;
};

/** Both ends after an XX handshake that Bob accepted. */
const connected = () => {
  const [alice, bob] = [newSession("initiator"), newSession("responder")];
  value(alice.start(aliceKeys("XX"), ascii("hello")));
  bob.receive(output(alice));
  value(bob.accept(bobKeys("XX")));
  value(bob.writeHandshake());
  alice.receive(output(bob));
  value(alice.writeHandshake());
  expect(types(bob.receive(output(alice)))).toEqual(["handshakeBody", "established"]);
  return { alice, bob };
};

describe("NSK-2 limits of frames", () => {
  const limits = { negotiationDataBytes: 8, handshakeMessageBytes: 40 };
  test.each([
    ["negotiation data", Uint8Array.of(0, 9), 8],
    ["noise message", Uint8Array.of(0, 1, 65, 0, 41), 40],
  ])("%s beyond the limit is refused at its length field", (_, bytes, limit) => {
    const session = newSession("responder", limits);
    expect(session.receive(bytes)).toEqual([{ type: "failed", error: { type: "FrameTooLong", limit } }]);
  });

  test("the widest frames fit, one byte at a time", () => {
    const decoder = createFrameDecoder();
    const frame = encodeHandshakeFrame(new Uint8Array(65535), new Uint8Array(65535));
    expect(frame.length).toBe(131_074);
    decoder.push(frame.subarray(0, frame.length - 1));
    expect(value(decoder.next("handshake"))).toBeUndefined();
    expect(decoder.bufferedBytes()).toBe(131_073);
    decoder.push(frame.subarray(-1));
    expect(value(decoder.next("handshake"))?.bytes.length).toBe(131_074);
  });
});

test("NSK-3 NSK-9 bodies up to 65 517 bytes, padded or not; larger ones change nothing", () => {
  const { alice, bob } = connected();
  for (const [length, padded] of [
    [0, 0],
    [1, 100],
    [maxTransportBodyBytes, 0],
    [5, maxTransportBodyBytes],
  ] as const) {
    value(alice.send(new Uint8Array(length).fill(7), padded));
    const frame = output(alice);
    expect(frame.length).toBe(20 + Math.max(length, padded));
    expect(bob.receive(frame)).toEqual([{ type: "message", body: new Uint8Array(length).fill(7) }]);
  }
  for (const outcome of [
    alice.send(new Uint8Array(65_518)),
    alice.send(none, 65_518),
    alice.send(new Uint8Array(65_517), 0, Uint8Array.of(1)),
  ])
    expect(outcome).toEqual({ ok: false, error: { type: "BodyTooLong", limit: 65_517 } });
  value(alice.send(Uint8Array.of(2, 3), 0, Uint8Array.of(1)));
  expect(bob.receive(output(alice))).toEqual([{ type: "message", body: Uint8Array.of(1, 2, 3) }]);
  const starting = newSession("initiator");
  expect(starting.start(aliceKeys("XX"), none, { body: new Uint8Array(65_504) })).toMatchObject({
    error: { type: "BodyTooLong", limit: 65_503 },
  });
});

test("NSK-4 negotiation data changed under way, or another application, is noticed at the first encrypted field", () => {
  const tampered = newSession("initiator");
  value(tampered.start(aliceKeys("XX"), ascii("offer")));
  const frame = output(tampered);
  const bob = newSession("responder");
  bob.receive(frame.with(2, "x".charCodeAt(0)));
  value(bob.accept(bobKeys("XX")));
  value(bob.writeHandshake());
  expect(failure(tampered.receive(output(bob)))).toBe("OpenFailed");
  const other = newSession("responder", undefined, ascii("unit/2"));
  const alice = newSession("initiator");
  value(alice.start(aliceKeys("IK"), none));
  other.receive(output(alice));
  expect(other.accept(bobKeys("IK"))).toMatchObject({ error: { type: "OpenFailed" } });
});

test("NSK-5 empty first, retry and response messages are errors", () => {
  expect(failure(newSession("responder").receive(encodeHandshakeFrame(ascii("offer"), none)))).toBe("EmptyMessage");
  const alice = newSession("initiator");
  value(alice.start(aliceKeys("XX"), none));
  expect(failure(alice.receive(encodeHandshakeFrame(none, none)))).toBe("EmptyMessage");
  const bob = newSession("responder");
  bob.receive(encodeHandshakeFrame(none, Uint8Array.of(1)));
  value(bob.requestRetry(ascii("again")));
  expect(failure(bob.receive(encodeHandshakeFrame(ascii("retry"), none)))).toBe("EmptyMessage");
});

test("NSK-6 negotiation data in the third message is an error", () => {
  const [alice, bob] = [newSession("initiator"), newSession("responder")];
  value(alice.start(aliceKeys("XX"), none));
  bob.receive(output(alice));
  value(bob.accept(bobKeys("XX")));
  value(bob.writeHandshake());
  alice.receive(output(bob));
  value(alice.writeHandshake());
  const third = output(alice);
  expect(failure(bob.receive(concatBytes(Uint8Array.of(0, 1, 65), third.subarray(2))))).toBe(
    "UnexpectedNegotiationData",
  );
});

describe("NSK-7 NSK-8 transport faults are fatal", () => {
  const faults: readonly (readonly [
    string,
    (alice: NoiseSocketSession, bob: NoiseSocketSession) => Uint8Array,
    string,
  ])[] = [
    ["too short", () => concatBytes(Uint8Array.of(0, 17), new Uint8Array(17)), "MessageTooShort"],
    [
      "replayed",
      (alice, bob) => {
        value(alice.send(Uint8Array.of(1)));
        const frame = output(alice);
        expect(types(bob.receive(frame))).toEqual(["message"]);
        return frame;
      },
      "OpenFailed",
    ],
    [
      "dropped",
      (alice) => {
        value(alice.send(Uint8Array.of(1)));
        alice.takeOutput();
        value(alice.send(Uint8Array.of(2)));
        return output(alice);
      },
      "OpenFailed",
    ],
    [
      "reflected",
      (_, bob) => {
        value(bob.send(Uint8Array.of(1)));
        return output(bob);
      },
      "OpenFailed",
    ],
  ];
  test.each(faults)("%s", (_, frameOf, error) => {
    const { alice, bob } = connected();
    expect(failure(bob.receive(frameOf(alice, bob)))).toBe(error);
    value(alice.send(Uint8Array.of(3)));
    expect(failure(bob.receive(output(alice)))).toBe("Dead");
    expect(bob.send(none)).toMatchObject({ error: { type: "Dead" } });
  });
});

test("NSK-10 an end in mid-frame or before the handshake is over is a truncation", () => {
  const { alice, bob } = connected();
  expect(bob.endOfStream().ok).toBe(true);
  value(alice.send(new Uint8Array(100)));
  bob.receive(output(alice).subarray(0, 50));
  expect(bob.endOfStream()).toMatchObject({ error: { type: "Truncated" } });
  expect(newSession("responder").endOfStream()).toMatchObject({ error: { type: "Truncated" } });
});

describe("NSK-11 negotiation data", () => {
  const request = { initialProtocol: "a", switchProtocols: [], retryProtocols: [], application: undefined };

  test("unknown fields of every wire type are skipped", () => {
    const unknown = Uint8Array.of(
      ((20 << 3) & 127) | 128,
      1,
      5,
      (6 << 3) | 2,
      1,
      9,
      (7 << 3) | 5,
      1,
      2,
      3,
      4,
      (8 << 3) | 1,
      1,
      2,
      3,
      4,
      5,
      6,
      7,
      8,
    );
    expect(value(decodeNegotiationRequest(concatBytes(unknown, encodeNegotiationRequest(request), unknown)))).toEqual(
      request,
    );
  });

  test.each([
    ["nothing", none],
    ["a field cut short", Uint8Array.of((2 << 3) | 2, 5, 65)],
    ["a group", Uint8Array.of((2 << 3) | 3)],
    ["field 0", Uint8Array.of(2, 1, 65)],
    ["an endless varint", new Uint8Array(20).fill(255)],
    ["an empty name", Uint8Array.of((2 << 3) | 2, 0)],
    ["a name with a control character", Uint8Array.of((2 << 3) | 2, 1, 10)],
    ["a number for a name", Uint8Array.of(2 << 3, 1)],
    ["too many names", encodeNegotiationRequest({ ...request, retryProtocols: Array.from({ length: 17 }, () => "x") })],
    [
      "more than 4096 bytes",
      concatBytes(
        encodeNegotiationRequest(request),
        ...Array.from({ length: 2100 }, () => Uint8Array.of((20 << 3) & 127, 1)),
      ),
    ],
  ])("%s is refused", (_, bytes) => {
    expect(decodeNegotiationRequest(bytes).ok).toBe(false);
    expect(decodeNegotiationResponse(bytes).ok).toBe(false);
  });
});

describe("NSK-12 decisions", () => {
  test("only the diagram's are possible, and only once", () => {
    const [alice, bob] = [newSession("initiator"), newSession("responder")];
    const wrong = { error: { type: "WrongState" } };
    expect(bob.start(bobKeys("XX"), none)).toMatchObject(wrong);
    expect(bob.accept(bobKeys("XX"))).toMatchObject(wrong);
    expect(alice.retry(aliceKeys("XX"), none)).toMatchObject(wrong);
    expect(alice.send(none)).toMatchObject(wrong);
    value(alice.start(aliceKeys("XX"), ascii("offer")));
    expect(alice.start(aliceKeys("XX"), none)).toMatchObject(wrong);
    bob.receive(output(alice));
    value(bob.requestRetry(ascii("again")));
    expect(bob.switchTo(bobKeys("XX"), ascii("no"))).toMatchObject(wrong);
    expect(alice.receive(output(bob))).toMatchObject([{ type: "response", kind: "retryOrReject" }]);
    expect(alice.acceptSwitch(aliceKeys("XX"))).toMatchObject(wrong);
    value(alice.retry(aliceKeys("XX"), ascii("here")));
    expect(bob.receive(output(alice))).toMatchObject([{ type: "request", isRetry: true }]);
    expect(bob.requestRetry(ascii("again"))).toMatchObject(wrong);
    expect(bob.switchTo(bobKeys("XX"), ascii("no"))).toMatchObject(wrong);
    value(bob.accept(bobKeys("XX")));
    value(bob.writeHandshake());
    alice.receive(output(bob));
    value(alice.writeHandshake());
    expect(types(bob.receive(output(alice)))).toContain("established");
  });

  test("a second switch after a retry is refused as data that does not belong there", () => {
    const alice = newSession("initiator");
    value(alice.start(aliceKeys("XX"), ascii("offer")));
    alice.receive(encodeHandshakeFrame(ascii("again"), none));
    value(alice.retry(aliceKeys("XX"), none));
    expect(failure(alice.receive(encodeHandshakeFrame(ascii("switch"), new Uint8Array(96))))).toBe(
      "UnexpectedNegotiationData",
    );
  });

  test("an explicit rejection reaches Alice and ends Bob", () => {
    const [alice, bob] = [newSession("initiator"), newSession("responder")];
    value(alice.start(aliceKeys("XX"), ascii("offer")));
    bob.receive(output(alice));
    value(bob.reject(ascii("no")));
    expect(alice.receive(output(bob))).toMatchObject([
      { type: "response", kind: "retryOrReject", negotiationData: ascii("no") },
    ]);
    expect(failure(bob.receive(Uint8Array.of(0)))).toBe("Dead");
  });

  test("a switch to a fallback of a message without a whole key ends Bob", () => {
    const bob = newSession("responder");
    bob.receive(encodeHandshakeFrame(ascii("offer"), new Uint8Array(31)));
    expect(bob.switchTo(bobKeys("XXfallback"), ascii("switch"))).toMatchObject({ error: { type: "MessageTooShort" } });
  });

  test("bytes that arrive while a decision is pending wait, but not without bound", () => {
    const [alice, bob] = [newSession("initiator"), newSession("responder")];
    value(alice.start({ protocolName: named("N"), remoteStatic: bobKey.publicKey }, none));
    value(alice.send(Uint8Array.of(1)));
    expect(types(bob.receive(output(alice)))).toEqual(["request"]);
    value(alice.send(Uint8Array.of(2)));
    expect(bob.receive(output(alice))).toEqual([]);
    expect(types(value(bob.accept({ protocolName: named("N"), staticKey: bobKey })))).toEqual([
      "handshakeBody",
      "established",
      "message",
      "message",
    ]);
    const flooded = newSession("responder");
    flooded.receive(encodeHandshakeFrame(none, new Uint8Array(32)));
    flooded.receive(new Uint8Array(131_074));
    expect(failure(flooded.receive(new Uint8Array(1)))).toBe("FrameTooLong");
  });
});

describe("NSK-14 one port for several applications, and answers with negotiation data", () => {
  test("the prologue is chosen with the acceptance", () => {
    const [alice, bob] = [newSession("initiator", undefined, ascii("other/1")), newSession("responder")];
    value(alice.start(aliceKeys("IK"), ascii("other/1")));
    bob.receive(output(alice));
    value(bob.accept(bobKeys("IK"), ascii("other/1")));
    value(bob.writeHandshake());
    expect(types(alice.receive(output(bob)))).toContain("established");
  });

  test("a response that says more than nothing can be taken as an acceptance", () => {
    const [alice, bob] = [newSession("initiator"), newSession("responder")];
    value(alice.start(aliceKeys("IK"), none));
    bob.receive(output(alice));
    value(bob.accept(bobKeys("IK")));
    value(bob.writeHandshake());
    const plain = output(bob);
    expect(alice.receive(concatBytes(Uint8Array.of(0, 8), ascii("accepted"), plain.subarray(2)))).toMatchObject([
      { type: "response", kind: "switch" },
    ]);
    expect(types(value(alice.acceptDespiteNegotiationData()))).toEqual(["handshakeBody", "established"]);
  });
});
