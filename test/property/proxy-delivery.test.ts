import { expect, test } from "vitest";
import { proxyCheck } from "../../protocol/entry/item.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { randomBelow } from "../../protocol/kernel/random.ts";
import type { StoredPage } from "../../protocol/proxy/store.ts";
import { filled, must, native } from "../support/data-fixtures.ts";
import { createProxyWorld, type Device, emptyDisk, type ProxyWorld, sealed, topicKey } from "../support/proxy-world.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const SEEDS = Number(process.env["PROXY_SEEDS"] ?? 6);
const STEPS = 120;
const keys = [topicKey(1), topicKey(2)] as const;

/** What the proxy stores of a topic, by position; `known`: what is known of it, as a position never changes its item. */
const storedAt = async (
  world: ProxyWorld,
  topic: Uint8Array,
  known: Map<number, string>,
): Promise<ReadonlyMap<number, string>> => {
  const after = Math.max(0, ...known.keys());
  const [page] = must(
    await world.store().perform([{ type: "pull", topic, after, maxItems: 100_000, maxBytes: 2 ** 40 }]),
  );
  const items = (page as StoredPage | null)?.items ?? [];
  for (const { position, wire } of items) known.set(position, bytesToHex(must(proxyCheck(native, wire)).oid));
  return known;
};

/** I28: whoever has a cursor holds every item the proxy stores up to it. */
const expectNothingSkipped = async (
  world: ProxyWorld,
  devices: readonly Device[],
  known: readonly Map<number, string>[],
  note: string,
): Promise<void> => {
  for (const [n, { publicKey: topic }] of keys.entries()) {
    const stored = await storedAt(world, topic, known[n] ?? new Map());
    for (const { disk, oids } of devices) {
      const cursor = disk.cursors.get(bytesToHex(topic));
      if (cursor === undefined) continue;
      const held = new Set(oids(topic));
      for (const [position, oid] of stored)
        if (position <= cursor) expect(held.has(oid), `${note}: position ${position}, cursor ${cursor}`).toBe(true);
    }
  }
};

test.each(Array.from({ length: SEEDS }, (_, seed) => seed))(
  "I28 I29 PRX-4 a cursor never skips and all converge, whatever breaks: seed %i",
  async (seed) => {
    const random = createSeededRandom(`proxy-delivery/${seed}`);
    const rates = { itemsPerSecond: 5, burst: 10, bytesPerDay: 2 ** 30 };
    const world = createProxyWorld({ server: { openQuota: 2 ** 30, rates } });
    const start = (n: number, disk = emptyDisk()): Device => {
      const device = world.device(filled(100 + n, 32), disk, keys, n !== 2);
      device.handle({ type: "started" });
      return device;
    };
    const devices = [start(0), start(1), start(2)];
    const written = new Set<string>();
    const known = keys.map(() => new Map<number, string>());
    for (let step = 0; step < STEPS; step++) {
      const n = randomBelow(random, devices.length);
      const device = devices[n] as Device;
      const chance = randomBelow(random, 20);
      if (chance < 9) {
        const item = sealed(keys[randomBelow(random, 2)] ?? keys[0], step);
        written.add(bytesToHex(item.oid));
        device.write(item);
      } else if (chance < 11) device.cut();
      else if (chance < 13) {
        device.kill();
        devices[n] = start(n, device.disk);
      } else if (chance === 13) device.failNextStore();
      else if (chance === 14) world.restart(randomBelow(random, 2) === 0);
      else if (chance === 15) device.setReachable(randomBelow(random, 2) === 0);
      else if (chance === 16) device.setCongested(randomBelow(random, 2) === 0);
      else if (chance < 19) await world.advance(randomBelow(random, 5_000), devices);
      for (let k = randomBelow(random, 25); k > 0; k--) if (!(await world.step())) break;
      await expectNothingSkipped(world, devices, known, `seed ${seed}, step ${step}`);
    }
    for (const device of devices) {
      device.setReachable(true);
      device.setCongested(false);
    }
    // Longer than the longest pause, the rate and two audits of who does not follow live.
    for (let round = 0; round < 40; round++) await world.advance(round % 2 === 0 ? 10_000 : 600_000, devices);
    await expectNothingSkipped(world, devices, known, `seed ${seed}, at the end`);
    for (const { disk, oids } of devices) {
      expect(disk.outbox).toEqual([]);
      expect(keys.flatMap(({ publicKey }) => oids(publicKey)).toSorted()).toEqual([...written].toSorted());
    }
  },
);
