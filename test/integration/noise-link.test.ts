import { randomBytes } from "node:crypto";
import { afterEach, describe, expect, test } from "vitest";
import type { Clock } from "../../app/ports/clock.ts";
import type { Connection, Transport } from "../../app/ports/transport.ts";
import type { LinkClosedReason, LinkOpened, LinkRole, LinkTimes } from "../../app/runtime/link.ts";
import { maxMessageBytes } from "../../app/runtime/link-messages.ts";
import { createNoiseLink, type NoiseLink } from "../../app/runtime/noise-link.ts";
import { createNativeProvider } from "../../main/adapters/native-crypto.ts";
import { createSystemClock } from "../../main/adapters/system-clock.ts";
import { createTcpTransport, defaultTcpLimits } from "../../main/adapters/tcp-transport.ts";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { durationMs } from "../../protocol/kernel/time.ts";
import { createMemoryTransport } from "../support/memory-transport.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const crypto = createNativeProvider(createNobleProvider());
const clock = createSystemClock();
const value = <T>(result: Result<T, { readonly type: string }>): T => {
  if (!result.ok) throw new Error(result.error.type);
  return result.value;
};
const until = async (condition: () => boolean, patienceMs = 8000): Promise<void> => {
  const end = performance.now() + patienceMs;
  while (!condition() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 1));
  expect(condition()).toBe(true);
};
const keyPair = () => crypto.dhKeyPair(new Uint8Array(randomBytes(32)));
const times: LinkTimes = {
  handshake: durationMs(300),
  pingAfter: durationMs(80),
  idle: durationMs(600),
  probe: durationMs(150),
};

const observe = (
  seed: string,
  connection: Connection,
  role: LinkRole,
  linkTimes?: LinkTimes,
  linkClock: Clock = clock,
) => {
  const seen = {
    opened: undefined as LinkOpened | undefined,
    messages: [] as Uint8Array[],
    drained: 0,
    reasons: [] as LinkClosedReason[],
  };
  const link: NoiseLink = createNoiseLink(
    { crypto, clock: linkClock, random: createSeededRandom(seed) },
    connection,
    role,
    {
      opened: (opened) => {
        seen.opened = opened;
      },
      message: (bytes) => seen.messages.push(bytes),
      drained: () => {
        seen.drained += 1;
      },
      closed: (reason) => seen.reasons.push(reason),
    },
    linkTimes,
  );
  return { link, seen, connection };
};

describe.each([
  ["memory pipe", (): Transport => createMemoryTransport()],
  ["TCP", (): Transport => createTcpTransport({ ...defaultTcpLimits, lingerMs: 100 })],
])("%s", (_, create) => {
  const closing: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });
  const connectionPair = async (): Promise<readonly [Connection, Connection]> => {
    const transport = create();
    let accepted: Connection | undefined;
    const listener = value(
      await transport.listen("127.0.0.1", 0, (connection) => {
        accepted = connection;
      }),
    );
    const dialled = value(await transport.dial(`127.0.0.1:${listener.port}`, durationMs(3000)));
    await until(() => accepted !== undefined);
    closing.push(
      () => dialled.destroy(),
      () => accepted?.destroy(),
      listener.close,
    );
    return [dialled, accepted as Connection];
  };
  const linkPair = async (
    initiator: Partial<LinkRole> = {},
    responder: Partial<LinkRole> = {},
    linkTimes?: LinkTimes,
  ) => {
    const [near, far] = await connectionPair();
    const b = observe("b", far, { side: "responder", staticKey: keyPair(), ...responder }, linkTimes);
    const a = observe("a", near, { side: "initiator", staticKey: keyPair(), ...initiator }, linkTimes);
    return [a, b] as const;
  };

  test("LNK-1 XX: both sides agree on the handshake hash and learn each other's static key", async () => {
    const keys = [keyPair(), keyPair()] as const;
    const [a, b] = await linkPair({ staticKey: keys[0] }, { staticKey: keys[1] });
    await until(() => a.seen.opened !== undefined && b.seen.opened !== undefined);
    expect(a.seen.opened?.protocolName).toBe("Noise_XX_25519_AESGCM_SHA256");
    expect(a.seen.opened?.handshakeHash).toEqual(b.seen.opened?.handshakeHash);
    expect(a.seen.opened?.remoteStatic).toEqual(keys[1].publicKey);
    expect(b.seen.opened?.remoteStatic).toEqual(keys[0].publicKey);
  });

  test("XK to a known key works, and to a wrong one fails on both sides", async () => {
    const key = keyPair();
    const [a, b] = await linkPair({ side: "initiator", remoteStatic: key.publicKey }, { staticKey: key });
    await until(() => a.seen.opened !== undefined && b.seen.opened !== undefined);
    expect(b.seen.opened?.protocolName).toBe("Noise_XK_25519_AESGCM_SHA256");
    const [c, d] = await linkPair({ side: "initiator", remoteStatic: keyPair().publicKey });
    await until(() => c.seen.reasons.length + d.seen.reasons.length === 2);
    expect(c.seen.opened ?? d.seen.opened).toBeUndefined();
    expect(d.seen.reasons[0]).toEqual({ type: "NoiseFailed", error: { type: "OpenFailed" } });
  });

  test("an application not served is rejected by name; a served one is used", async () => {
    const [a, b] = await linkPair({ side: "initiator", application: "p2pc-proxy/1" });
    await until(() => a.seen.reasons.length + b.seen.reasons.length === 2);
    expect([a.seen.reasons, b.seen.reasons]).toEqual([[{ type: "Rejected" }], [{ type: "Rejected" }]]);
    const [c, d] = await linkPair(
      { side: "initiator", application: "p2pc-proxy/1" },
      { side: "responder", applications: ["p2pcollab/1", "p2pc-proxy/1"] },
    );
    await until(() => c.seen.opened !== undefined && d.seen.opened !== undefined);
    expect(d.seen.opened?.application).toBe("p2pc-proxy/1");
  });

  test("LNK-4 messages of 0 bytes to 4.25 MiB arrive whole and in order, sent before and after the handshake", async () => {
    const [a, b] = await linkPair();
    const sizes = [0, 1, 65_515, 65_516, 65_517, 131_032, 131_033, 1_000_000, maxMessageBytes];
    const sent = sizes.map((size) => new Uint8Array(randomBytes(size)));
    for (const message of sent.slice(0, 4)) value(a.link.send(message));
    await until(() => a.seen.opened !== undefined);
    for (const message of sent.slice(4)) value(a.link.send(message));
    for (const message of sent) value(b.link.send(message));
    await until(() => b.seen.messages.length === sizes.length && a.seen.messages.length === sizes.length);
    for (const [i, message] of sent.entries()) {
      expect(Buffer.compare(b.seen.messages[i] as Uint8Array, message)).toBe(0);
      expect(Buffer.compare(a.seen.messages[i] as Uint8Array, message)).toBe(0);
    }
    await until(() => a.seen.drained > 0 && a.link.queuedBytes() === 0);
    expect(a.link.send(new Uint8Array(maxMessageBytes + 1))).toMatchObject({ error: { type: "MessageTooLong" } });
  });

  test("LNK-6 an urgent message overtakes megabytes of bulk", async () => {
    const [a, b] = await linkPair();
    await until(() => b.seen.opened !== undefined && a.seen.opened !== undefined);
    const bulk = new Uint8Array(4_000_000);
    for (let i = 0; i < 5; i++) value(a.link.send(bulk));
    value(a.link.send(Uint8Array.of(1), "urgent"));
    await until(() => b.seen.messages.length === 6);
    expect(b.seen.messages.findIndex((message) => message.length === 1)).toBe(0);
  });

  test("LNK-7 a goodbye ends both sides in order; without one it is a truncation", async () => {
    const [a, b] = await linkPair();
    await until(() => b.seen.opened !== undefined && a.seen.opened !== undefined);
    a.link.close();
    a.link.close();
    await until(() => b.seen.reasons.length === 1);
    expect([a.seen.reasons, b.seen.reasons]).toEqual([[{ type: "ClosedHere" }], [{ type: "Goodbye" }]]);
    expect(a.link.send(Uint8Array.of(1))).toMatchObject({ error: { type: "LinkClosed" } });
    const [c, d] = await linkPair();
    await until(() => c.seen.opened !== undefined && d.seen.opened !== undefined);
    c.connection.end();
    await until(() => d.seen.reasons.length === 1);
    expect(d.seen.reasons).toEqual([{ type: "Truncated" }]);
  });

  test("LNK-8 a silent stranger is cut off at the handshake deadline", async () => {
    const [near, far] = await connectionPair();
    near.start({ bytes: () => undefined, drained: () => undefined, ended: () => undefined, closed: () => undefined });
    const b = observe("b", far, { side: "responder", staticKey: keyPair() }, times);
    await until(() => b.seen.reasons.length === 1);
    expect(b.seen.reasons).toEqual([{ type: "HandshakeTimeout" }]);
  });

  test("LNK-9 pings keep an idle link alive, also while one side does not read", async () => {
    const [a, b] = await linkPair({}, {}, times);
    await until(() => b.seen.opened !== undefined && a.seen.opened !== undefined);
    await new Promise((resolve) => setTimeout(resolve, 2 * times.idle));
    expect([...a.seen.reasons, ...b.seen.reasons]).toEqual([]);
    b.link.pause();
    await new Promise((resolve) => setTimeout(resolve, 2 * times.idle));
    expect([...a.seen.reasons, ...b.seen.reasons]).toEqual([]);
    b.link.resume();
    value(a.link.send(Uint8Array.of(7)));
    await until(() => b.seen.messages.length === 1);
  });

  test("LNK-9 a peer that froze is noticed, and sooner by a probe", async () => {
    const frozen: Clock = { ...clock, after: () => () => undefined };
    for (const probes of [false, true]) {
      const [near, far] = await connectionPair();
      const b = observe("b", far, { side: "responder", staticKey: keyPair() }, times, frozen);
      const a = observe(
        "a",
        near,
        { side: "initiator", staticKey: keyPair() },
        { ...times, pingAfter: durationMs(10_000) },
      );
      await until(() => b.seen.opened !== undefined && a.seen.opened !== undefined);
      far.pause();
      const started = performance.now();
      if (probes) a.link.probe();
      await until(() => a.seen.reasons.length === 1);
      expect(a.seen.reasons).toEqual([{ type: "Idle" }]);
      const took = performance.now() - started;
      expect(took).toBeGreaterThan((probes ? times.probe : times.idle) / 2);
      if (probes) expect(took).toBeLessThan(times.idle);
    }
  });

  test("garbage instead of a handshake closes the link with a named reason", async () => {
    const [near, far] = await connectionPair();
    near.start({ bytes: () => undefined, drained: () => undefined, ended: () => undefined, closed: () => undefined });
    const b = observe("b", far, { side: "responder", staticKey: keyPair() });
    near.write([new TextEncoder().encode("GET / HTTP/1.1\r\nHost: x\r\n\r\n")]);
    await until(() => b.seen.reasons.length === 1);
    expect(b.seen.reasons).toEqual([{ type: "NoiseFailed", error: { type: "FrameTooLong", limit: 4096 } }]);
  });
});
