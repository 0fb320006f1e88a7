import { describe, expect, test } from "vitest";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import { randomBelow } from "../../protocol/kernel/random.ts";
import { durationMs, monotonicMs } from "../../protocol/kernel/time.ts";
import { createAcceptance, type UrpsStrategy } from "../../protocol/urps/acceptance.ts";
import { createAdmissionGate } from "../../protocol/urps/admission-gate.ts";
import { createAnchors } from "../../protocol/urps/anchors.ts";
import { defaultUrpsConfig, paperStrategy, urps2Strategy } from "../../protocol/urps/config.ts";
import { createCountMinSketch } from "../../protocol/urps/count-min-sketch.ts";
import { createSampler } from "../../protocol/urps/sampler.ts";
import { createUrps, type Urps, type UrpsEvent } from "../../protocol/urps/urps.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const crypto = createNobleProvider();
const idToBytes = (id: string): Uint8Array => Uint8Array.from(id, (char) => char.charCodeAt(0));
const at = monotonicMs;
const always: UrpsStrategy = { type: "omniscient", shareOf: () => 0.5, leastShare: 0.5 };

const samplerOf = (strategy: UrpsStrategy, slots: number, slotsPerNetwork = slots, seed = "sampler") => {
  const random = createSeededRandom(seed);
  return createSampler<number>(random, createAcceptance(crypto, random.bytes(32), idToBytes, strategy), {
    slots,
    slotsPerNetwork,
  });
};

describe("count-min sketch", () => {
  test.each(["plain", "conservative"] as const)("[URP-2] %s estimates are never below the true count", (update) => {
    const random = createSeededRandom(`sketch-${update}`);
    const sketch = createCountMinSketch(crypto, random.bytes(32), idToBytes, { columns: 16, rows: 4, update });
    const counts = new Map<string, number>();
    for (let i = 0; i < 3000; i++) {
      const id = `id${randomBelow(random, 80)}`;
      counts.set(id, (counts.get(id) ?? 0) + 1);
      sketch.add(id);
    }
    for (const [id, count] of counts) expect(sketch.estimate(id)).toBeGreaterThanOrEqual(count);
  });

  test("[URP-2] conservative update is nowhere above the plain one", () => {
    const random = createSeededRandom("sketch-both");
    const key = random.bytes(32);
    const plain = createCountMinSketch(crypto, key, idToBytes, { columns: 16, rows: 4, update: "plain" });
    const careful = createCountMinSketch(crypto, key, idToBytes, { columns: 16, rows: 4, update: "conservative" });
    for (let i = 0; i < 2000; i++) {
      const id = `id${randomBelow(random, 60)}`;
      plain.add(id);
      careful.add(id);
    }
    for (let i = 0; i < 60; i++) expect(careful.estimate(`id${i}`)).toBeLessThanOrEqual(plain.estimate(`id${i}`));
  });

  test("[URP-2] columns depend on the key", () => {
    const filled = (fill: number): Uint32Array => {
      const sketch = createCountMinSketch(crypto, new Uint8Array(32).fill(fill), idToBytes, {
        columns: 4096,
        rows: 12,
        update: "plain",
      });
      sketch.add("same id");
      return sketch.counters;
    };
    expect(filled(1)).toEqual(filled(1));
    expect(filled(1)).not.toEqual(filled(2));
    expect(filled(1).reduce((sum, count) => sum + count, 0)).toBe(12);
  });

  test("[URP-4] quantile counts non-zero cells only and halving forgets", () => {
    const sketch = createCountMinSketch(
      crypto,
      new Uint8Array(32),
      idToBytes,
      { columns: 10, rows: 1, update: "plain" },
      Uint32Array.of(0, 9, 0, 4, 2, 8, 6, 0, 1, 3),
    );
    expect(sketch.quantile(0)).toBe(1);
    expect(sketch.quantile(0.5)).toBe(4);
    expect(sketch.minimum("all")).toBe(0);
    expect(sketch.minimum("nonZero")).toBe(1);
    sketch.halve();
    expect([...sketch.counters]).toEqual([0, 4, 0, 2, 1, 4, 3, 0, 0, 1]);
  });
});

describe("sampler", () => {
  test.each([
    ["omniscient", always],
    ["paper", paperStrategy],
    ["urps2", urps2Strategy],
  ] as const)("[URP-5] %s: an id in the memory changes nothing and the memory never shrinks", (_name, strategy) => {
    const random = createSeededRandom("present");
    const sampler = samplerOf(strategy, 8);
    let size = 0;
    for (let i = 0; i < 4000; i++) {
      const id = `id${randomBelow(random, 40)}`;
      const before = sampler.state().members;
      const present = sampler.get(id) !== undefined;
      sampler.add({ id, entry: i });
      if (present) expect(sampler.state().members).toEqual(before);
      expect(sampler.size()).toBeGreaterThanOrEqual(size);
      size = sampler.size();
    }
    expect(size).toBe(8);
    expect(new Set(sampler.sample(8).map((member) => member.id)).size).toBe(8);
  });

  test("[URP-5] a removed id comes back through the acceptance test only", () => {
    const never: UrpsStrategy = { type: "omniscient", shareOf: () => 1, leastShare: 0 };
    const sampler = samplerOf(never, 4);
    for (const id of ["a", "b", "c", "d"]) sampler.add({ id, entry: 0 });
    sampler.remove("b");
    for (let i = 0; i < 500; i++) sampler.add({ id: "b", entry: 0 });
    expect(sampler.get("b")).toBeUndefined();
    expect(sampler.size()).toBe(3);
  });

  test("[URP-7] one network holds at most its share, and newcomers of it replace its own", () => {
    const sampler = samplerOf(always, 16, 2);
    for (let i = 0; i < 200; i++) sampler.add({ id: `x${i}`, entry: i, network: "10.0.0" });
    expect(sampler.size()).toBe(2);
    expect(sampler.sample(2).every((member) => member.entry > 2)).toBe(true);
    for (let i = 0; i < 200; i++) sampler.add({ id: `y${i}`, entry: i, network: `10.1.${i}` });
    for (let i = 0; i < 200; i++) sampler.add({ id: `z${i}`, entry: i, network: "10.0.0" });
    const held = sampler.state().members.filter((member) => member.network === "10.0.0");
    expect(held.length).toBeLessThanOrEqual(2);
    expect(sampler.size()).toBe(16);
  });
});

describe("admission gate", () => {
  const config = {
    roundMs: durationMs(1000),
    arrivalsPerRound: 4,
    newcomersPerRound: 2,
    vouchersNeeded: 2,
    probationPerPartner: 3,
    partners: 4,
    admittedIds: 8,
  };

  test("[URP-6] an id counts after two distinct partners named it", () => {
    const gate = createAdmissionGate(config);
    expect(gate.arrive("p", "x", at(0))).toBe("probation");
    expect(gate.arrive("p", "x", at(1))).toBe("probation");
    expect(gate.arrive("q", "x", at(2))).toBe("admitted");
    expect(gate.arrive("p", "x", at(3))).toBe("admitted");
    gate.forget("x");
    expect(gate.arrive("q", "x", at(4))).toBe("probation");
  });

  test("[URP-6] a partner has tokens per round, fewer of them for unknown ids", () => {
    const gate = createAdmissionGate(config);
    gate.vouch("known");
    expect(gate.arrive("p", "a", at(0))).toBe("probation");
    expect(gate.arrive("p", "b", at(0))).toBe("probation");
    expect(gate.arrive("p", "c", at(0))).toBe("throttled");
    expect(gate.arrive("p", "known", at(0))).toBe("admitted");
    expect(gate.arrive("p", "known", at(0))).toBe("admitted");
    expect(gate.arrive("p", "known", at(999))).toBe("throttled");
    expect(gate.arrive("p", "c", at(1000))).toBe("probation");
  });

  test("[URP-6] probation and partners are bounded, the oldest is forgotten", () => {
    const gate = createAdmissionGate(config);
    for (let i = 0; i < 4; i++) gate.arrive("p", `x${i}`, at(1000 * i));
    expect(gate.arrive("q", "x0", at(5000))).toBe("probation");
    expect(gate.arrive("q", "x3", at(5000))).toBe("admitted");
    for (let i = 0; i < 20; i++) gate.arrive(`crowd${i}`, "y", at(6000 + i));
    expect(gate.arrive("r", "x2", at(7000))).toBe("probation");
  });

  test("[URP-6] a vouched id needs no probation", () => {
    const gate = createAdmissionGate(config);
    gate.vouch("x");
    expect(gate.arrive("p", "x", at(0))).toBe("admitted");
  });
});

describe("anchors", () => {
  const newer = (held: number, heard: number): number => Math.max(held, heard);

  test("[URP-8] repetition changes nothing and order does not matter", () => {
    const key = new Uint8Array(32).fill(9);
    const ids = Array.from({ length: 60 }, (_, i) => `id${i}`);
    const forward = createAnchors<number>(crypto, key, idToBytes, newer);
    const backward = createAnchors<number>(crypto, key, idToBytes, newer);
    for (const id of ids) for (let i = 0; i < 3; i++) forward.offer(id, 1);
    for (const id of [...ids].reverse()) backward.offer(id, 1);
    expect(forward.held().map((slot) => slot?.id)).toEqual(backward.held().map((slot) => slot?.id));
    expect(forward.held()).toHaveLength(16);
  });

  test("[URP-8] a dead anchor is replaced by an id heard later, also one that lost before", () => {
    const anchors = createAnchors<number>(crypto, new Uint8Array(32), idToBytes, newer);
    anchors.offer("a", 1);
    anchors.offer("b", 1);
    anchors.offer("a", 7);
    const holderOfA = anchors.held().findIndex((slot) => slot?.id === "a");
    expect(anchors.held()[holderOfA]?.entry).toBe(7);
    anchors.remove("a");
    expect(anchors.held()[holderOfA]).toBeUndefined();
    anchors.offer("b", 2);
    expect(anchors.held().every((slot) => slot?.id === "b")).toBe(true);
    expect(anchors.entries()).toEqual([2]);
  });
});

describe("urps", () => {
  interface Entry {
    readonly id: string;
    readonly sequence: number;
  }
  const create = (config = defaultUrpsConfig, restored?: ReturnType<Urps<Entry>["snapshot"]>): Urps<Entry> =>
    createUrps<Entry>(
      {
        crypto,
        random: createSeededRandom("urps"),
        idToBytes,
        newer: (held, heard) => (heard.sequence > held.sequence ? heard : held),
        startAt: at(0),
      },
      config,
      restored,
    );
  const heard = (partner: string, id: string, sequence = 0): UrpsEvent<Entry> => ({
    type: "entryHeard",
    partner,
    id,
    entry: { id, sequence },
  });

  test("[URP-6] only admitted ids are sampled", () => {
    const urps = create();
    urps.handle(heard("p", "x"), at(0));
    expect(urps.sample(4)).toEqual([]);
    urps.handle(heard("q", "x"), at(0));
    expect(urps.sample(4)).toEqual([{ id: "x", sequence: 0 }]);
    urps.handle({ type: "entryVouched", id: "y", entry: { id: "y", sequence: 0 } }, at(0));
    expect(urps.size()).toBe(2);
  });

  test("[URP-6] a partner out of tokens is reported", () => {
    const urps = create();
    const effects = Array.from({ length: 40 }, (_, i) => urps.handle(heard("p", `x${i}`), at(0))).flat();
    expect(effects).toHaveLength(32);
    expect(effects[0]).toEqual({ type: "partnerThrottled", partner: "p" });
  });

  test("[URP-5] the newest entry of a member is kept and a dead one leaves", () => {
    const urps = create();
    urps.handle({ type: "entryVouched", id: "x", entry: { id: "x", sequence: 5 } }, at(0));
    urps.handle(heard("p", "x", 9), at(1));
    urps.handle(heard("p", "x", 3), at(2));
    expect(urps.sample(1)).toEqual([{ id: "x", sequence: 9 }]);
    expect(urps.anchors()).toEqual([{ id: "x", sequence: 9 }]);
    urps.handle({ type: "peerUnreachable", id: "x" }, at(3));
    expect(urps.size()).toBe(0);
    expect(urps.anchors()).toEqual([]);
  });

  test("[URP-9] the sketch key changes after a day, once the fresh sketch has seen enough", () => {
    const urps = create({ ...defaultUrpsConfig, slots: 2 });
    const first = urps.snapshot().sketchKey;
    const day = defaultUrpsConfig.rekeyMs;
    expect(urps.nextDeadline()).toBe(day);
    urps.handle({ type: "deadlineReached" }, at(day));
    expect(urps.nextDeadline()).toBe(2 * day);
    const vouched = { type: "entryVouched", id: "x", entry: { id: "x", sequence: 0 } } as const;
    for (let i = 0; i < 19; i++) urps.handle(vouched, at(day + i));
    expect(urps.snapshot().sketchKey).toEqual(first);
    urps.handle(vouched, at(day + 20));
    expect(urps.snapshot().sketchKey).not.toEqual(first);
    expect(urps.snapshot().counters.reduce((most, count) => Math.max(most, count))).toBe(20);
  });

  test("[URP-9] a restart keeps memory, counts and anchors", () => {
    const urps = create();
    for (let i = 0; i < 30; i++) {
      urps.handle({ type: "entryVouched", id: `x${i}`, entry: { id: `x${i}`, sequence: i } }, at(i));
    }
    const snapshot = urps.snapshot();
    const again = create(defaultUrpsConfig, snapshot);
    expect(again.snapshot()).toEqual(snapshot);
    again.handle(heard("p", "x3", 99), at(100));
    expect(again.sample(64).find((entry) => entry.id === "x3")?.sequence).toBe(99);
  });
});
