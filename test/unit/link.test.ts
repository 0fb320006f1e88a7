import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { backoff } from "../../app/runtime/backoff.ts";
import { createLink, defaultLinkTimes, type Link, type LinkEffect, type LinkRole } from "../../app/runtime/link.ts";
import { createReassembly, createSendQueue, maxMessageBytes, partBytes } from "../../app/runtime/link-messages.ts";
import { choose, protocolNames } from "../../app/runtime/link-negotiation.ts";
import { createNativeProvider } from "../../main/adapters/native-crypto.ts";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import { concatBytes } from "../../protocol/kernel/bytes.ts";
import { monotonicMs } from "../../protocol/kernel/time.ts";
import { encodeNegotiationRequest } from "../../protocol/noisesocket/negotiation.ts";
import { encodeHandshakeFrame } from "../../protocol/noisesocket/framing.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const crypto = createNativeProvider(createNobleProvider());
const start = monotonicMs(1000);

const written = (effects: readonly LinkEffect[]): Uint8Array =>
  concatBytes(...effects.flatMap((effect) => (effect.type === "write" ? effect.chunks : [])));

const linkOf = (seed: string, side: "initiator" | "responder", extra: Partial<LinkRole> = {}): Link => {
  const random = createSeededRandom(seed);
  const role = { side, staticKey: crypto.dhKeyPair(random.bytes(32)), ...extra } as LinkRole;
  return createLink({ crypto, random }, role);
};

/** Lets two links talk until neither has anything to write; their other effects. */
const converse = (a: Link, b: Link, fromA: readonly LinkEffect[], fromB: readonly LinkEffect[] = []) => {
  const seen = { a: [...fromA], b: [...fromB] };
  let [toB, toA] = [written(fromA), written(fromB)];
  while (toA.length + toB.length > 0) {
    const [ofA, ofB]: [LinkEffect[], LinkEffect[]] = [[], []];
    if (toB.length > 0)
      ofB.push(...b.handle({ type: "bytesReceived", bytes: toB }, start), ...a.handle({ type: "writable" }, start));
    if (toA.length > 0)
      ofA.push(...a.handle({ type: "bytesReceived", bytes: toA }, start), ...b.handle({ type: "writable" }, start));
    seen.a.push(...ofA);
    seen.b.push(...ofB);
    toB = written(ofA);
    toA = written(ofB);
  }
  return seen;
};

const openPair = () => {
  const a = linkOf("a", "initiator");
  const b = linkOf("b", "responder");
  b.handle({ type: "connected" }, start);
  const seen = converse(a, b, a.handle({ type: "connected" }, start));
  return { a, b, seen };
};

test("LNK-1 the links open with the same handshake hash", () => {
  const { seen } = openPair();
  const [a, b] = [seen.a.find(({ type }) => type === "opened"), seen.b.find(({ type }) => type === "opened")];
  expect(a).toMatchObject({ protocolName: "Noise_XX_25519_AESGCM_SHA256", application: "p2pcollab/1" });
  expect(a?.type === "opened" && b?.type === "opened" && Buffer.compare(a.handshakeHash, b.handshakeHash)).toBe(0);
});

describe("LNK-2 choice of protocol", () => {
  const request = {
    initialProtocol: "Noise_XX_25519_AESGCM_SHA256",
    switchProtocols: [],
    retryProtocols: [],
    application: undefined,
  };
  const applications = ["p2pcollab/1"];
  const [, chaCha = ""] = protocolNames("XX");

  test("known, unknown with and without an alternative, and an application not served", () => {
    expect(choose(request, applications)).toMatchObject({ type: "accept" });
    expect(choose({ ...request, initialProtocol: "Noise_NN_25519_AESGCM_SHA256" }, applications)).toEqual({
      type: "reject",
    });
    expect(choose({ ...request, initialProtocol: "x", retryProtocols: ["y", chaCha] }, applications)).toEqual({
      type: "retry",
      protocolName: chaCha,
    });
    expect(choose({ ...request, application: "p2pc-proxy/1" }, applications)).toEqual({ type: "reject" });
  });

  test("a responder that asks for an offered suite gets it; one that asks for another ends the link", () => {
    for (const [protocol, isOffered] of [
      [chaCha, true],
      ["Noise_NN_25519_AESGCM_SHA256", false],
    ] as const) {
      const a = linkOf("a", "initiator");
      a.handle({ type: "connected" }, start);
      const answer = encodeHandshakeFrame(
        Uint8Array.of((4 << 3) | 2, protocol.length, ...Buffer.from(protocol)),
        new Uint8Array(0),
      );
      const effects = a.handle({ type: "bytesReceived", bytes: answer }, start);
      if (isOffered) expect(effects[0]?.type).toBe("write");
      else
        expect(effects).toEqual([
          {
            type: "closed",
            flush: false,
            reason: { type: "PeerViolated", rule: expect.stringContaining("LNK-2") as string },
          },
        ]);
    }
  });

  test("an unknown first protocol is retried with a known one, by a peer of our own make", () => {
    const b = linkOf("b", "responder");
    b.handle({ type: "connected" }, start);
    const data = encodeNegotiationRequest({
      ...request,
      initialProtocol: "Noise_XX_448_AESGCM_SHA256",
      retryProtocols: [chaCha],
    });
    const effects = b.handle({ type: "bytesReceived", bytes: encodeHandshakeFrame(data, new Uint8Array(56)) }, start);
    expect(Buffer.from(written(effects)).toString("latin1")).toContain(chaCha);
    expect(effects.some(({ type }) => type === "closed")).toBe(false);
  });
});

describe("LNK-3 LNK-4 LNK-5 records", () => {
  test.each([
    ["unknown kind", Uint8Array.of(0)],
    ["empty record", Uint8Array.of()],
    ["ping with content", Uint8Array.of(16, 1)],
    ["short part", Uint8Array.of(3, 1, 2)],
  ])("%s is refused", (_, record) => {
    expect(createReassembly().take(record).ok).toBe(false);
  });

  test("a message beyond 4.25 MiB is refused at the part that exceeds it", () => {
    const reassembly = createReassembly();
    const part = new Uint8Array(partBytes + 1);
    part[0] = 4;
    let taken = 0;
    while (reassembly.take(part).ok) taken += 1;
    expect(taken).toBe(Math.floor(maxMessageBytes / partBytes));
  });

  test("any sequence of messages on two channels comes out whole and in the order of each channel", () => {
    const message = fc.tuple(
      fc.constantFrom("urgent" as const, "bulk" as const),
      fc.nat({ max: 150_000 }),
      fc.nat({ max: 255 }),
    );
    fc.assert(
      fc.property(fc.array(message, { maxLength: 8 }), (messages) => {
        const queue = createSendQueue();
        const reassembly = createReassembly();
        for (const [channel, length, byte] of messages) queue.add(channel, new Uint8Array(length).fill(byte));
        const out: string[] = [];
        for (let record = queue.next(); record !== undefined; record = queue.next()) {
          const received = reassembly.take(concatBytes(record.prefix, record.body));
          if (received.ok && received.value.type === "message")
            out.push(`${received.value.bytes.length}:${received.value.bytes[0] ?? ""}`);
          expect(received.ok).toBe(true);
        }
        const expected = [...messages.filter(([c]) => c === "urgent"), ...messages.filter(([c]) => c === "bulk")];
        expect(out).toEqual(expected.map(([, length, byte]) => `${length}:${length === 0 ? "" : byte}`));
        expect(queue.queuedBytes()).toBe(0);
      }),
      { numRuns: 50 },
    );
  });
});

test("LNK-6 a burst is bounded and goes on when the connection takes more; drained follows the last", () => {
  const { a } = openPair();
  a.handle({ type: "writable" }, start);
  const first = a.handle({ type: "sendRequested", channel: "bulk", message: new Uint8Array(1_000_000) }, start);
  expect(written(first).length).toBeLessThan(400_000);
  expect(a.handle({ type: "sendRequested", channel: "urgent", message: Uint8Array.of(1) }, start)).toEqual([]);
  let bytes = written(first).length;
  let effects: readonly LinkEffect[] = first;
  for (let i = 0; i < 10 && !effects.some(({ type }) => type === "drained"); i++) {
    effects = a.handle({ type: "writable" }, start);
    bytes += written(effects).length;
  }
  expect(effects.map(({ type }) => type)).toEqual(["drained"]);
  expect(bytes).toBeGreaterThan(1_000_000);
  expect(a.queuedBytes()).toBe(0);
});

describe("LNK-7 LNK-8 LNK-9 LNK-10 endings", () => {
  const later = (ms: number) => monotonicMs(start + ms);

  test("a handshake that is not over in ten seconds ends the link", () => {
    const b = linkOf("b", "responder");
    b.handle({ type: "connected" }, start);
    expect(b.nextDeadline()).toBe(later(10_000));
    expect(b.handle({ type: "deadlineReached" }, later(9999))).toEqual([]);
    expect(b.handle({ type: "deadlineReached" }, later(10_000))).toEqual([
      { type: "closed", flush: false, reason: { type: "HandshakeTimeout" } },
    ]);
    expect(b.handle({ type: "deadlineReached" }, later(10_001))).toEqual([]);
    expect(b.nextDeadline()).toBeUndefined();
  });

  test("silence brings a ping, then the end; a pong in between brings time", () => {
    const { a, b } = openPair();
    const ping = a.nextDeadline() as number;
    expect(ping - start).toBeGreaterThanOrEqual(0.8 * defaultLinkTimes.pingAfter);
    expect(ping - start).toBeLessThanOrEqual(1.2 * defaultLinkTimes.pingAfter);
    const pinged = a.handle({ type: "deadlineReached" }, monotonicMs(ping));
    const pong = b.handle({ type: "bytesReceived", bytes: written(pinged) }, monotonicMs(ping));
    expect(a.handle({ type: "bytesReceived", bytes: written(pong) }, monotonicMs(ping))).toEqual([]);
    expect(a.handle({ type: "deadlineReached" }, monotonicMs(start + defaultLinkTimes.idle))).not.toContainEqual(
      expect.objectContaining({ type: "closed" }),
    );
    expect(a.handle({ type: "deadlineReached" }, monotonicMs(ping + defaultLinkTimes.idle))).toEqual([
      { type: "closed", flush: false, reason: { type: "Idle" } },
    ]);
  });

  test("goodbye, end of stream and a broken connection are told apart", () => {
    const { a, b } = openPair();
    const goodbye = a.handle({ type: "closeRequested" }, start);
    expect(goodbye.at(-1)).toEqual({ type: "closed", flush: true, reason: { type: "ClosedHere" } });
    expect(b.handle({ type: "bytesReceived", bytes: written(goodbye) }, start)).toEqual([
      { type: "closed", flush: true, reason: { type: "Goodbye" } },
    ]);
    expect(openPair().a.handle({ type: "streamEnded" }, start)).toEqual([
      { type: "closed", flush: false, reason: { type: "Truncated" } },
    ]);
    expect(openPair().a.handle({ type: "connectionClosed", error: "Reset" }, start)).toEqual([
      { type: "closed", flush: false, reason: { type: "ConnectionFailed", error: "Reset" } },
    ]);
  });

  test("a changed byte in a record ends the link and delivers nothing", () => {
    const { a, b } = openPair();
    const bytes = written(a.handle({ type: "sendRequested", channel: "bulk", message: Uint8Array.of(1, 2, 3) }, start));
    bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1;
    expect(b.handle({ type: "bytesReceived", bytes }, start)).toEqual([
      { type: "closed", flush: false, reason: { type: "NoiseFailed", error: { type: "OpenFailed" } } },
    ]);
  });
});

test("backoff doubles from one second to five minutes within 30 %", () => {
  const random = createSeededRandom("backoff");
  for (const [failures, base] of [
    [1, 1000],
    [2, 2000],
    [5, 16_000],
    [9, 256_000],
    [10, 300_000],
    [60, 300_000],
  ] as const)
    for (let i = 0; i < 50; i++) {
      expect(backoff(failures, random)).toBeGreaterThanOrEqual(0.7 * base);
      expect(backoff(failures, random)).toBeLessThanOrEqual(1.3 * base);
    }
});
