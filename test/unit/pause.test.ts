import { expect, test } from "vitest";
import type { Clock } from "../../app/ports/clock.ts";
import type { Discovery } from "../../app/ports/discovery.ts";
import type { Link, Links } from "../../app/ports/links.ts";
import { createPause } from "../../app/runtime/pause.ts";
import { ok } from "../../protocol/kernel/result.ts";
import { durationMs, monotonicMs, unixMs } from "../../protocol/kernel/time.ts";

interface Wire {
  readonly link: Link;
  readonly end: () => void;
  readonly isClosed: () => boolean;
}

const createWire = (): Wire => {
  let closed = false;
  let tell: ((reason: string) => void) | undefined;
  return {
    end: () => tell?.("gone"),
    isClosed: () => closed,
    link: {
      role: "initiator",
      handshakeHash: new Uint8Array(32),
      remoteStatic: new Uint8Array(32),
      address: "192.0.2.1:1",
      send: () => undefined,
      start: (handlers) => {
        tell = handlers.closed;
      },
      probe: () => undefined,
      close: () => {
        closed = true;
      },
    },
  };
};

const world = () => {
  const dialled: Wire[] = [];
  const accepted: Link[] = [];
  const discovery: string[] = [];
  let incoming: ((link: Link) => void) | undefined;
  const links: Links = {
    listen: async (_host, _port, accept) => {
      incoming = accept;
      return ok({ port: 1, addresses: [] });
    },
    dial: async () => {
      const wire = createWire();
      dialled.push(wire);
      return ok(wire.link);
    },
    stop: async () => undefined,
  };
  const createDiscovery = (): Discovery => ({
    start: (port) => discovery.push(`start ${port}`),
    refresh: () => discovery.push("refresh"),
    report: () => ({ lans: [], ignored: [], neighbours: 0, nodes: 0 }),
    stop: async () => {
      discovery.push("stop");
    },
  });
  const timers = new Set<() => void>();
  const clock: Clock = {
    monotonic: () => monotonicMs(0),
    unix: () => unixMs(0),
    after: (_delay, callback) => {
      timers.add(callback);
      return () => timers.delete(callback);
    },
  };
  const pause = createPause(links, createDiscovery, clock);
  const passTime = () => {
    for (const timer of timers) {
      timers.delete(timer);
      timer();
    }
  };
  return { pause, dialled, accepted, discovery, passTime, arrive: (wire: Wire) => incoming?.(wire.link) };
};

test("pausing closes every open link, refuses both ways, and takes the announcement back", async () => {
  const { pause, dialled, accepted, discovery, arrive } = world();
  await pause.links.listen(undefined, 0, (link) => accepted.push(link));
  const search = pause.createDiscovery?.();
  search?.start(4040, () => undefined);
  const before = createWire();
  arrive(before);
  expect(accepted).toHaveLength(1);
  expect((await pause.links.dial("192.0.2.1:1")).ok).toBe(true);

  await pause.set(true);
  expect([before.isClosed(), dialled[0]?.isClosed()]).toEqual([true, true]);
  expect(discovery).toEqual(["start 4040", "stop"]);
  const during = createWire();
  arrive(during);
  expect(during.isClosed()).toBe(true);
  expect(accepted).toHaveLength(1);
  expect(await pause.links.dial("192.0.2.1:1")).toMatchObject({ ok: false, error: { type: "PeerUnreachable" } });
  search?.refresh();
  expect(discovery).toEqual(["start 4040", "stop"]);

  await pause.set(false);
  expect(discovery).toEqual(["start 4040", "stop", "start 4040"]);
  expect((await pause.links.dial("192.0.2.1:1")).ok).toBe(true);
});

test("a link dialled while pausing begins is closed, and one that ended by itself is not closed again", async () => {
  const { pause, dialled } = world();
  const dialling = pause.links.dial("192.0.2.1:1");
  await pause.set(true);
  expect((await dialling).ok).toBe(false);
  expect(dialled[0]?.isClosed()).toBe(true);

  await pause.set(false);
  const link = await pause.links.dial("192.0.2.1:1");
  if (!link.ok) throw new Error(link.error.message);
  const reasons: string[] = [];
  link.value.start({ message: () => undefined, closed: (reason) => reasons.push(reason) });
  dialled[1]?.end();
  expect(reasons).toEqual(["gone"]);
  await pause.set(true);
  expect(dialled[1]?.isClosed()).toBe(false);
});

test("a search that starts while paused begins when resumed, and not after it was stopped", async () => {
  const { pause, discovery } = world();
  await pause.set(true);
  const first = pause.createDiscovery?.();
  const second = pause.createDiscovery?.();
  first?.start(1, () => undefined);
  second?.start(2, () => undefined);
  await second?.stop();
  await pause.set(false);
  expect(discovery).toEqual(["start 1"]);
});

test("a rest holds everything until its time or until it is ended, once, and a pause outlasts it", async () => {
  const { pause, discovery, passTime } = world();
  pause.createDiscovery?.().start(1, () => undefined);
  const ends: string[] = [];
  pause.rest(durationMs(90_000), () => ends.push("first"));
  expect([pause.isPaused(), (await pause.links.dial("192.0.2.1:1")).ok]).toEqual([false, false]);
  passTime();
  expect(ends).toEqual(["first"]);
  expect((await pause.links.dial("192.0.2.1:1")).ok).toBe(true);

  pause.rest(durationMs(90_000), () => ends.push("second"));
  pause.endRest();
  pause.endRest();
  passTime();
  expect(ends).toEqual(["first", "second"]);

  await pause.set(true);
  pause.rest(durationMs(90_000), () => ends.push("third"));
  passTime();
  expect((await pause.links.dial("192.0.2.1:1")).ok).toBe(false);
  await pause.set(false);
  expect(discovery).toEqual(["start 1", "stop", "start 1", "stop", "start 1", "stop", "start 1"]);
});
