import { createHash } from "node:crypto";
import { nip77 } from "nostr-tools";
import { describe, expect, it } from "vitest";
import { bytesToHex, hexToBytes } from "../../protocol/kernel/bytes.ts";
import { shuffle } from "../../protocol/kernel/random.ts";
import { createItemSet, END_GEN, type ItemSet, type SetItem } from "../../protocol/reconcile/item-set.ts";
import { createInitiator, type Difference, respond } from "../../protocol/reconcile/reconciler.ts";
import { leastCpuMs } from "../support/cpu-time.ts";
import { createSeededRandom } from "../support/seeded-random.ts";
import { must, native } from "../support/data-fixtures.ts";

const { Negentropy, NegentropyStorageVector } = nip77;
const crypto = native;
const hex = (digits: string): Uint8Array => hexToBytes(digits) as Uint8Array;

type Learned = Difference & { readonly next: Uint8Array | undefined };
interface Run {
  readonly have: string[];
  readonly need: string[];
  readonly rounds: number;
  readonly bytes: number;
  readonly largest: number;
}
const reconcile = (mine: ItemSet, theirs: ItemSet, frameLimit?: number): Run => {
  const options = frameLimit === undefined ? {} : { frameLimit };
  const initiator = createInitiator({ crypto, set: mine, ...options });
  const have: string[] = [];
  const need: string[] = [];
  let [rounds, bytes, largest] = [0, 0, 0];
  for (let message: Uint8Array | undefined = initiator.start(); message !== undefined; rounds++) {
    const reply: Uint8Array = must(respond({ crypto, set: theirs, ...options }, message));
    bytes += message.length + reply.length;
    largest = Math.max(largest, message.length, reply.length);
    const learned: Learned = must(initiator.take(reply));
    have.push(...learned.have.map(bytesToHex));
    need.push(...learned.need.map(bytesToHex));
    message = learned.next;
    if (rounds > 500) throw new Error("no end");
  }
  return { have: have.sort(), need: need.sort(), rounds, bytes, largest };
};

const items = (random: ReturnType<typeof createSeededRandom>, count: number, gens: number): SetItem[] => {
  const seed = random.bytes(16);
  return Array.from({ length: count }, (_, i) => ({
    gen: random.uint32() % gens,
    id: new Uint8Array(createHash("sha256").update(seed).update(String(i)).digest()),
  }));
};
const ids = (list: readonly SetItem[]): string[] => list.map(({ id }) => bytesToHex(id)).sort();
const unique = (list: readonly string[]): string[] => [...new Set(list)].sort();

/** Two sets with a common part and parts of their own. */
const pair = (seed: string, common: number, onlyMine: number, onlyTheirs: number, gens: number) => {
  const random = createSeededRandom(seed);
  const [shared, mine, theirs] = [
    items(random, common, gens),
    items(random, onlyMine, gens),
    items(random, onlyTheirs, gens),
  ];
  return {
    mine,
    theirs,
    mineSet: createItemSet(shuffle(random, [...shared, ...mine])),
    theirSet: createItemSet(shuffle(random, [...shared, ...theirs])),
    allMine: [...shared, ...mine],
    allTheirs: [...shared, ...theirs],
  };
};
const nostr = (list: readonly SetItem[]): nip77.NegentropyStorageVector => {
  const storage = new NegentropyStorageVector();
  for (const { gen, id } of list) storage.insert(gen, bytesToHex(id));
  storage.seal();
  return storage;
};

describe("item set", () => {
  it("RSS-1 stays sorted and fingerprints like a plain recount, under any adds and removes", () => {
    const random = createSeededRandom("item-set");
    const set = createItemSet();
    const model = new Map<string, SetItem>();
    for (let step = 0; step < 3000; step++) {
      const known = [...model.values()][random.uint32() % Math.max(1, model.size)];
      if (random.uint32() % 4 === 0 && known !== undefined) {
        expect(set.remove(known)).toBe(true);
        expect(set.remove(known)).toBe(false);
        model.delete(bytesToHex(known.id));
      } else {
        const [item] = items(random, 1, 20) as [SetItem];
        expect(set.add(item)).toBe(true);
        expect(set.add({ ...item })).toBe(false);
        expect(set.has(item)).toBe(true);
        model.set(bytesToHex(item.id), item);
      }
    }
    const sorted = [...model.values()].sort((a, b) => a.gen - b.gen || Buffer.compare(a.id, b.id));
    expect(Array.from(set.range(0, set.size()))).toEqual(sorted);
    const storage = nostr(sorted);
    for (let i = 0; i < 200; i++) {
      const [from, to] = [random.uint32() % (sorted.length + 1), random.uint32() % (sorted.length + 1)].sort(
        (a, b) => a - b,
      ) as [number, number];
      expect(bytesToHex(set.fingerprint(crypto, from, to))).toBe(bytesToHex(storage.fingerprint(from, to)));
      const prefix = random.bytes(random.uint32() % 33);
      const bound = { gen: random.uint32() % 22, prefix };
      expect(set.lowerBound(bound, 0)).toBe(
        storage.findLowerBound(0, sorted.length, { timestamp: bound.gen, id: prefix }),
      );
    }
    expect(set.lowerBound({ gen: END_GEN, prefix: new Uint8Array(0) }, 0)).toBe(sorted.length);
  });

  it("RSS-1 inserts and fingerprints 20 000 items quickly", () => {
    const list = items(createSeededRandom("speed"), 20_000, 5000);
    expect(leastCpuMs(() => createItemSet(list))).toBeLessThan(1000);
    const set = createItemSet(list);
    expect(leastCpuMs(() => createInitiator({ crypto, set }).start())).toBeLessThan(50);
  });
});

describe("range-based set reconciliation", () => {
  it("I41 RSM-2 RSM-4 finds the exact symmetric difference of random sets under frame limits of 4 kB to 60 kB", () => {
    for (const [i, [common, mine, theirs, gens, frame]] of (
      [
        [0, 0, 0, 1, 4096],
        [0, 3, 0, 9, 4096],
        [0, 0, 40, 9, 4096],
        [5, 1, 1, 1, 4096],
        [300, 0, 1, 300, 60_000],
        [300, 100, 100, 300, 4096],
        [14, 2, 3, 20, 4096],
        [30, 1, 0, 5, 4096],
        [3000, 50, 70, 3000, 4096],
        [3000, 700, 0, 10, 8192],
        [3000, 0, 700, 10, 8192],
        [0, 2500, 2500, 1, 4096],
        [20_000, 100, 100, 20_000, 60_000],
      ] as const
    ).entries()) {
      const sets = pair(`I41/${i}`, common, mine, theirs, gens);
      const run = reconcile(sets.mineSet, sets.theirSet, frame);
      expect(run.have, `case ${i}`).toEqual(ids(sets.mine));
      expect(run.need, `case ${i}`).toEqual(ids(sets.theirs));
      expect(run.largest).toBeLessThanOrEqual(frame);
    }
  });

  it("I42 RSM-3 equal sets cost at most 700 bytes up to 10^5 items", () => {
    for (const n of [0, 1, 10, 11, 15, 16, 31, 32, 300, 30_000, 100_000]) {
      const sets = pair(`I42/${n}`, n, 0, 0, Math.max(1, n));
      const run = reconcile(sets.mineSet, sets.theirSet);
      expect(run).toMatchObject({ have: [], need: [], rounds: 1 });
      expect(run.bytes, `${n}`).toBeLessThanOrEqual(700);
    }
  });

  it("I43 a nip77 initiator learns the exact difference from our responder", () => {
    for (const [i, [common, mine, theirs, frame]] of (
      [
        [0, 0, 0, 60_000],
        [10, 3, 4, 60_000],
        [300, 20, 30, 4096],
        [5000, 200, 300, 4096],
        [5000, 2000, 2000, 60_000],
      ] as const
    ).entries()) {
      const sets = pair(`I43/${i}`, common, mine, theirs, 1000);
      const initiator = new Negentropy(nostr(sets.allMine), frame);
      const have: string[] = [];
      const need: string[] = [];
      let message: string | null = initiator.initiate();
      for (let round = 0; message !== null && round < 500; round++) {
        const reply: Uint8Array = must(respond({ crypto, set: sets.theirSet, frameLimit: frame }, hex(message)));
        message = initiator.reconcile(
          bytesToHex(reply),
          (id) => have.push(id),
          (id) => need.push(id),
        );
      }
      expect(message).toBeNull();
      expect(unique(have), `case ${i}`).toEqual(ids(sets.mine));
      expect(unique(need), `case ${i}`).toEqual(ids(sets.theirs));
    }
  });

  it("I43 our initiator and a nip77 peer find the exact difference between them", () => {
    for (const [i, [common, mine, theirs, frame]] of (
      [
        [10, 3, 4, 60_000],
        [300, 20, 30, 60_000],
        [5000, 200, 300, 4096],
      ] as const
    ).entries()) {
      const sets = pair(`I43b/${i}`, common, mine, theirs, 1000);
      const peer = new Negentropy(nostr(sets.allTheirs), frame);
      const initiator = createInitiator({ crypto, set: sets.mineSet, frameLimit: frame });
      const have: string[] = [];
      const need: string[] = [];
      let message: Uint8Array | undefined = initiator.start();
      for (let round = 0; message !== undefined && round < 500; round++) {
        // nip77 only ever initiates: given an id list it reports the difference itself, from its own point of view.
        const reply: string | null = peer.reconcile(
          bytesToHex(message),
          (id) => need.push(id),
          (id) => have.push(id),
        );
        if (reply === null) break;
        const learned = must(initiator.take(hex(reply)));
        have.push(...learned.have.map(bytesToHex));
        need.push(...learned.need.map(bytesToHex));
        message = learned.next;
      }
      expect(unique(have), `case ${i}`).toEqual(ids(sets.mine));
      expect(unique(need), `case ${i}`).toEqual(ids(sets.theirs));
    }
  });

  it("I43 the first message is byte for byte the one of nip77", () => {
    for (const n of [0, 1, 10, 32, 1000]) {
      const { mineSet, allMine } = pair(`first/${n}`, n, 0, 0, 50);
      expect(bytesToHex(createInitiator({ crypto, set: mineSet }).start())).toBe(
        new Negentropy(nostr(allMine)).initiate(),
      );
    }
  });

  it("RSM-1 refuses broken messages and answers another version with its own", () => {
    const { mineSet } = pair("broken", 100, 0, 0, 50);
    const rule = (digits: string): string => {
      const answer = respond({ crypto, set: mineSet }, hex(digits));
      return answer.ok ? bytesToHex(answer.value) : answer.error.rule;
    };
    expect(rule("")).toBe("empty message");
    expect(rule("50")).toBe("not a negentropy message");
    expect(rule("62")).toBe("61");
    expect(createInitiator({ crypto, set: mineSet }).take(hex("62"))).toMatchObject({ ok: false });
    expect(rule("6100")).toBe("broken bound");
    expect(rule("610021")).toBe("broken bound");
    expect(rule("61000003")).toBe("unknown mode");
    expect(rule("6100000100")).toBe("broken fingerprint");
    expect(rule("61000002ff7f")).toBe("broken id list");
    expect(rule("61ffffffffffffffffff7f0000")).toBe("broken bound");
    const random = createSeededRandom("fuzz");
    const valid = createInitiator({ crypto, set: mineSet }).start();
    for (let i = 0; i < 3000; i++) {
      const bytes = i % 2 === 0 ? random.bytes(random.uint32() % 80) : valid.slice();
      if (bytes.length > 0)
        bytes[i % 2 === 0 ? 0 : random.uint32() % bytes.length] = i % 2 === 0 ? 0x61 : random.uint32() & 255;
      expect(() => respond({ crypto, set: mineSet }, bytes)).not.toThrow();
      expect(() => createInitiator({ crypto, set: mineSet }).take(bytes)).not.toThrow();
    }
  });
});
