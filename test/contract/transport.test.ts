import { networkInterfaces } from "node:os";
import { afterEach, describe, expect, test } from "vitest";
import type { Connection, Listener, Transport, TransportError } from "../../app/ports/transport.ts";
import { createTcpTransport, defaultTcpLimits } from "../../main/adapters/tcp-transport.ts";
import { concatBytes } from "../../protocol/kernel/bytes.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { durationMs } from "../../protocol/kernel/time.ts";
import { createMemoryTransport } from "../support/memory-transport.ts";

const deadline = durationMs(5000);
const value = <T>(result: Result<T, TransportError>): T => {
  if (!result.ok) throw new Error(result.error.type);
  return result.value;
};
const until = async (condition: () => boolean): Promise<void> => {
  for (let i = 0; i < 2000 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 1));
  expect(condition()).toBe(true);
};
const pattern = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 255);

/** Starts a connection and writes down everything it reports. */
const record = (connection: Connection) => {
  const seen = {
    chunks: [] as Uint8Array[],
    log: [] as string[],
    drained: 0,
    error: undefined as TransportError | undefined,
  };
  connection.start({
    bytes: (bytes) => {
      seen.chunks.push(bytes);
      seen.log.push("bytes");
    },
    drained: () => {
      seen.drained += 1;
    },
    ended: () => seen.log.push("ended"),
    closed: (error) => {
      seen.error = error;
      seen.log.push("closed");
    },
  });
  return seen;
};
const received = (seen: { readonly chunks: readonly Uint8Array[] }): Uint8Array => concatBytes(...seen.chunks);

describe.each([
  ["memory pipe", "::1", (limit: number): Transport => createMemoryTransport(limit)],
  [
    "TCP",
    "127.0.0.1",
    (limit: number): Transport => createTcpTransport({ ...defaultTcpLimits, halfOpenPerAddress: limit, lingerMs: 200 }),
  ],
])("%s", (kind, host, create) => {
  const open: (Listener | Connection)[] = [];
  afterEach(async () => {
    const ends = open.splice(0);
    for (const each of ends) if ("destroy" in each) each.destroy();
    for (const each of ends) if ("close" in each) await each.close();
  });
  const pair = async (transport = create(8)): Promise<readonly [Connection, Connection]> => {
    let accepted: Connection | undefined;
    const listener = value(
      await transport.listen(host, 0, (connection) => {
        accepted = connection;
      }),
    );
    const dialled = value(
      await transport.dial(kind === "TCP" ? `127.0.0.1:${listener.port}` : `[::1]:${listener.port}`, deadline),
    );
    await until(() => accepted !== undefined);
    open.push(dialled, accepted as Connection, listener);
    return [dialled, accepted as Connection];
  };

  test("P-TRANSPORT-1 a megabyte arrives complete and in order, both ways at once", async () => {
    const [a, b] = await pair();
    const [atA, atB] = [record(a), record(b)];
    const sent = pattern(1_000_003);
    for (let at = 0; at < sent.length; at += 99_991) {
      a.write([sent.subarray(at, at + 50_000), sent.subarray(at + 50_000, at + 99_991)]);
      b.write([sent.subarray(at, at + 99_991)]);
    }
    await until(() => received(atA).length + received(atB).length === 2 * sent.length);
    expect(Buffer.compare(received(atA), sent)).toBe(0);
    expect(Buffer.compare(received(atB), sent)).toBe(0);
  });

  test("P-TRANSPORT-2 nothing is delivered before start, and closed comes once and last", async () => {
    const [a, b] = await pair();
    const atA = record(a);
    a.write([Uint8Array.of(1, 2, 3)]);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const atB = record(b);
    await until(() => received(atB).length === 3);
    b.destroy();
    a.destroy();
    a.destroy();
    await until(() => atA.log.includes("closed") && atB.log.includes("closed"));
    expect(a.write([Uint8Array.of(4)])).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(atA.log.filter((entry) => entry === "closed")).toHaveLength(1);
    expect(atB.log.at(-1)).toBe("closed");
  });

  test("P-TRANSPORT-3 P-TRANSPORT-4 a paused reader makes write answer false; resuming brings drained and every byte", async () => {
    const [a, b] = await pair();
    const atA = record(a);
    const atB = record(b);
    b.pause();
    const block = pattern(262_144);
    let written = 0;
    while (written < 200 && a.write([block])) written += 1;
    written += 1;
    expect(written).toBeLessThan(200);
    await new Promise((resolve) => setTimeout(resolve, 30));
    const beforeResume = received(atB).length;
    expect(atA.drained === 0 || beforeResume === 0).toBe(true);
    b.resume();
    await until(() => received(atB).length === written * block.length);
    await until(() => atA.drained > 0);
  });

  test("P-TRANSPORT-5 what was written before end arrives before ended", async () => {
    const [a, b] = await pair();
    const atB = record(b);
    record(a);
    a.write([pattern(500_000)]);
    a.end();
    await until(() => atB.log.includes("ended"));
    expect(received(atB).length).toBe(500_000);
    b.end();
    await until(() => atB.log.at(-1) === "closed");
    expect(atB.error).toBeUndefined();
  });

  test("P-TRANSPORT-6 P-TRANSPORT-7 failures have names", async () => {
    const transport = create(8);
    const listener = value(await transport.listen(host, 0, () => undefined));
    open.push(listener);
    const again = await transport.listen(host, listener.port, () => undefined);
    expect(again).toMatchObject({ ok: false, error: { type: "PortInUse" } });
    for (const bad of ["", "host", "host:", "::1:80", "a b:1", "host:x"])
      expect(await transport.dial(bad, deadline)).toMatchObject({ ok: false, error: { type: "BadAddress" } });
    await listener.close();
    expect(await transport.dial(`127.0.0.1:${listener.port}`, deadline)).toMatchObject({
      ok: false,
      error: { type: "Refused" },
    });
    const aborted = AbortSignal.abort();
    expect(await transport.dial("127.0.0.1:9", deadline, aborted)).toMatchObject({
      ok: false,
      error: { type: "Aborted" },
    });
  });

  test("P-TRANSPORT-8 half-open connections beyond the limit are closed; settled ones do not count", async () => {
    const transport = create(2);
    const accepted: Connection[] = [];
    const listener = value(await transport.listen(host, 0, (connection) => accepted.push(connection)));
    open.push(listener);
    const dial = async () => {
      const connection = value(await transport.dial(`127.0.0.1:${listener.port}`, deadline));
      open.push(connection);
      return record(connection);
    };
    await dial();
    await dial();
    await until(() => accepted.length === 2);
    const third = await dial();
    await until(() => third.log.includes("closed") || third.log.includes("ended"));
    expect(accepted).toHaveLength(2);
    accepted[0]?.settle();
    accepted[0]?.settle();
    await dial();
    await until(() => accepted.length === 3);
    const fifth = await dial();
    await until(() => fifth.log.includes("closed") || fifth.log.includes("ended"));
    accepted[1]?.destroy();
    await dial();
    await until(() => accepted.length === 4);
    open.push(...accepted);
  });
});

describe("TCP alone", () => {
  const hasIPv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ family }) => family === "IPv6"));

  test("P-TRANSPORT-9 a listener on :: takes IPv4 and, where there is any, IPv6; addresses are written plainly", async () => {
    const transport = createTcpTransport();
    const accepted: Connection[] = [];
    const listener = value(await transport.listen("::", 0, (connection) => accepted.push(connection)));
    const targets = [
      `127.0.0.1:${listener.port}`,
      `localhost:${listener.port}`,
      ...(hasIPv6 ? [`[::1]:${listener.port}`] : []),
    ];
    for (const target of targets) {
      const connection = value(await transport.dial(target, deadline));
      if (!target.startsWith("localhost")) expect(connection.remoteAddress).toBe(target);
      connection.destroy();
    }
    await until(() => accepted.length === targets.length);
    expect(accepted[0]?.remoteAddress).toMatch(/^127\.0\.0\.1:\d+$/);
    for (const connection of accepted) connection.destroy();
    await listener.close();
  });

  test("P-TRANSPORT-6 a dial nobody answers ends at its deadline", async () => {
    const transport = createTcpTransport();
    const started = performance.now();
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 50);
    const [timedOut, aborted] = await Promise.all([
      transport.dial("192.0.2.1:9", durationMs(80)),
      transport.dial("192.0.2.1:9", deadline, controller.signal),
    ]);
    expect(performance.now() - started).toBeLessThan(2000);
    for (const result of [timedOut, aborted])
      expect(result).toMatchObject({
        ok: false,
        error: { type: expect.stringMatching(/TimedOut|Aborted|Unreachable|Refused/) as string },
      });
  });

  test("a port that may not be opened and an address of another computer are named", async () => {
    const transport = createTcpTransport();
    expect(await transport.listen("192.0.2.7", 0, () => undefined)).toMatchObject({
      ok: false,
      error: { type: "AddressNotAvailable" },
    });
  });
});
