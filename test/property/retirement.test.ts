import { expect, it } from "vitest";
import { ENTRY_STATE } from "../../app/ports/store.ts";
import { ITEM_KINDS, readItem } from "../../protocol/entry/item.ts";
import { readRetirement } from "../../protocol/entry/retirement.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import { filled, must, native } from "../support/data-fixtures.ts";
import {
  createManualClock,
  createRepositoryPeer,
  exchange,
  type ManualClock,
  type RepositoryPeer,
  settled,
} from "../support/repository-peers.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const HOUR = 3_600_000;
const MEMBERS = 3;

interface Team {
  readonly random: RandomSource;
  readonly clock: ManualClock;
  readonly peers: readonly [RepositoryPeer, RepositoryPeer, RepositoryPeer];
}

const repositoryOf = (peer: RepositoryPeer) => {
  const repository = peer.repository();
  if (repository === undefined) throw new Error("no repository");
  return repository;
};

/** Three devices; the first two have an always-on node that follows the topic. */
const createTeam = async (seed: string): Promise<Team> => {
  const random = createSeededRandom(seed);
  const clock = createManualClock();
  const create = (name: string) => createRepositoryPeer(name, random.fork(name), clock, 0, true);
  const peers = [create("Olga"), create("Ann"), create("Ben")] as const;
  const [olga, ann, ben] = peers;
  olga.found();
  olga.write("start ", "now");
  for (const one of [ann, ben]) olga.admit(one, 2);
  const team = { random, clock, peers };
  await meet(team, peers);
  for (const peer of [olga, ann])
    must(
      peer.store.transaction(() => {
        const row = { staticKey: filled(9, 32), addresses: [], accountKey: filled(8, 32), kind: "own", code: null };
        const n = peer.store.proxies.add({ ...row, kind: "own" }, clock.unix());
        peer.store.proxies.reset(n, filled(7, 16));
        peer.store.proxies.follow(n, repositoryOf(peer).epoch.topicPk);
      }),
    );
  return team;
};

const meet = async ({ random, clock }: Team, among: readonly RepositoryPeer[]): Promise<void> => {
  for (let round = 0, quiet = 0; quiet < 2 && round < 30; round++) {
    let handed = 0;
    for (const one of among) for (const two of among) if (one !== two) handed += exchange(random, clock, one, two, 0);
    await settled(clock);
    quiet = handed === 0 ? quiet + 1 : 0;
  }
};

const pass = async ({ clock }: Team, ms: number): Promise<void> => {
  clock.advance(ms);
  await settled(clock);
};

const make = async ({ clock }: Team, peer: RepositoryPeer): Promise<boolean> => {
  const making = peer.checkpoints().make(repositoryOf(peer));
  await settled(clock);
  return making;
};

const tell = async ({ clock }: Team, peer: RepositoryPeer): Promise<number> => {
  const telling = peer.checkpoints().retire(repositoryOf(peer));
  await settled(clock);
  return telling;
};

/** What stored items of kind 3 name. */
const toldBy = (peer: RepositoryPeer): readonly string[] =>
  peer.store.entries.items(repositoryOf(peer).epoch.topic).flatMap(({ oid }) => {
    const item = must(readItem(native, peer.store.entries.wire(oid) ?? new Uint8Array()));
    return item.kind === ITEM_KINDS.retire ? must(readRetirement(item.body)).map(bytesToHex) : [];
  });

/** Devices whose receipts are here. */
const receiptsAt = (peer: RepositoryPeer): number => {
  const repository = repositoryOf(peer);
  return repository.access
    .state()
    .recipients.filter(({ identifier }) => peer.store.checkpoints.receiptOf(repository.n, identifier).size > 0).length;
};

const owedTo = (peer: RepositoryPeer): readonly string[] =>
  peer.store.proxies
    .owed(1, { learned: true, limit: 10_000, bytes: 2 ** 30, without: [] })
    .map(({ oid }) => bytesToHex(oid));

const acknowledgeAll = (peer: RepositoryPeer): void => {
  const all = peer.store.proxies.owed(1, { learned: true, limit: 10_000, bytes: 2 ** 30, without: [] });
  must(
    peer.store.transaction(() =>
      peer.store.proxies.acknowledge(
        1,
        all.map(({ oid }) => oid),
      ),
    ),
  );
};

const writeMany = async (team: Team, count: number): Promise<void> => {
  for (let n = 0; n < count; n++) (team.peers[n % MEMBERS] as RepositoryPeer).write(`<${n}>`, "now");
  await meet(team, team.peers);
};

it("proxies are told what may go once every device that reads has given its receipt, and not before", async () => {
  const team = await createTeam("receipts");
  const [olga, ann, ben] = team.peers;
  await writeMany(team, 48);
  expect(await make(team, olga)).toBe(true);
  await meet(team, [olga, ann]);
  await pass(team, HOUR / 5);
  await meet(team, [olga, ann]);
  await pass(team, 2 * HOUR);
  for (const peer of [olga, ann]) acknowledgeAll(peer);
  await pass(team, 2 * HOUR);
  expect(receiptsAt(olga)).toBe(2);
  expect(toldBy(olga).length, "Ben has not said that he has them").toBeLessThan(32);
  await meet(team, team.peers);
  await pass(team, HOUR / 5);
  await meet(team, team.peers);
  await pass(team, 2 * HOUR);
  await meet(team, team.peers);
  expect(receiptsAt(olga)).toBe(MEMBERS);
  const told = new Set(toldBy(olga));
  expect(told.size).toBeGreaterThan(47);
  expect(new Set(toldBy(ann))).toEqual(told);
  // Whoever comes later needs none of them.
  const newcomer = createRepositoryPeer("New", team.random.fork("New"), team.clock, 0, true);
  olga.admit(newcomer, 2);
  await meet(team, [olga, newcomer]);
  expect(newcomer.text()).toBe(ben.text());
  const { n } = repositoryOf(newcomer);
  for (const { iid } of newcomer.store.entries.inners(n)) {
    const wire = newcomer.store.entries.wireOf(iid)?.wire;
    if (wire !== undefined) expect(told.has(bytesToHex(must(readItem(native, wire)).oid))).toBe(false);
  }
});

it("nothing is told while a proxy may not have the checkpoint", async () => {
  const team = await createTeam("first");
  const [olga, ann] = team.peers;
  await writeMany(team, 48);
  expect(await make(team, olga)).toBe(true);
  await meet(team, [olga, ann]);
  await pass(team, 9 * 24 * HOUR);
  expect([toldBy(olga), toldBy(ann)]).toEqual([[], []]);
  expect(await tell(team, ann), "Ann's goes before Olga's items").toBe(0);
  acknowledgeAll(ann);
  await pass(team, 2 * HOUR);
  expect(toldBy(olga)).toEqual([]);
  expect(toldBy(ann).length).toBeGreaterThan(47);
  expect(await tell(team, olga), "the checkpoint goes first").toBeGreaterThan(47);
});

it("without a receipt the grace of a week is waited for", async () => {
  const team = await createTeam("grace");
  const [olga, ann] = team.peers;
  await writeMany(team, 48);
  expect(await make(team, olga)).toBe(true);
  await meet(team, [olga, ann]);
  acknowledgeAll(olga);
  await pass(team, 6 * 24 * HOUR);
  expect(toldBy(olga).length).toBeLessThan(32);
  await pass(team, 2 * 24 * HOUR);
  expect(toldBy(olga).length).toBeGreaterThan(47);
});

it("receipts alone call for no receipts", async () => {
  const team = await createTeam("quiet");
  const [olga] = team.peers;
  await writeMany(team, 48);
  const counts: number[] = [];
  for (let round = 0; round < 6; round++) {
    await make(team, olga);
    await meet(team, team.peers);
    await pass(team, HOUR);
    await meet(team, team.peers);
    counts.push(olga.store.entries.inners(repositoryOf(olga).n).length);
  }
  expect(new Set(counts.slice(1)).size).toBe(1);
});

it("I31 what is retired without being covered is pushed to the proxies again, which revives it", async () => {
  const team = await createTeam("early");
  const [olga, ann, mallory] = team.peers;
  await writeMany(team, 9);
  acknowledgeAll(ann);
  const repository = repositoryOf(mallory);
  const entries = mallory.store.entries.items(repository.epoch.topic).map(({ oid }) => oid);
  must(mallory.service().publishRetirement(repository, entries));
  await meet(team, team.peers);
  acknowledgeAll(ann);
  await pass(team, HOUR);
  expect(owedTo(ann), "a checkpoint may be on its way").toEqual([]);
  await pass(team, 2 * HOUR);
  expect(owedTo(ann).toSorted()).toEqual(entries.map(bytesToHex).toSorted());
  expect(ann.store.entries.waiting(repositoryOf(ann).epoch.topic, ENTRY_STATE.opened)).toEqual([]);
  expect(ann.text()).toBe(olga.text());
});

const stateAt = (peer: RepositoryPeer, topic: number) =>
  peer
    .service()
    .topics()
    .find(({ n }) => n === topic)?.state;

const deliverAll = (peer: RepositoryPeer, topic: number): void => {
  must(peer.store.transaction(() => peer.store.entries.markDelivered(peer.store.entries.undelivered(topic, 1_000))));
};

it("the topic of an earlier epoch is left after thirty days, when a checkpoint has what it holds and everybody knows the new keys", async () => {
  const team = await createTeam("topics");
  const [olga, ann] = team.peers;
  await writeMany(team, 9);
  const old = repositoryOf(ann).epoch.topic;
  must(olga.members().rotate(repositoryOf(olga)));
  await meet(team, team.peers);
  expect(stateAt(ann, old)).toBe("lingering");
  await writeMany(team, MEMBERS);
  await make(team, olga);
  await meet(team, team.peers);
  await pass(team, 29 * 24 * HOUR);
  expect(stateAt(ann, old)).toBe("lingering");
  await pass(team, 2 * 24 * HOUR);
  expect(stateAt(ann, old), "own entries that nobody has acknowledged").toBe("lingering");
  deliverAll(ann, old);
  await pass(team, 2 * HOUR);
  expect(stateAt(ann, old)).toBe("history");
  // Only the current topic is left to a newcomer, and suffices.
  const newcomer = createRepositoryPeer("New", team.random.fork("New"), team.clock, 0, true);
  ann.admit(newcomer, 2);
  await meet(team, [ann, newcomer]);
  expect(newcomer.text()).toBe(olga.text());
});

it("who knows an earlier topic alone finds it followed still after thirty days, and learns there of the new keys", async () => {
  const team = await createTeam("away");
  const [olga, ann, ben] = team.peers;
  await writeMany(team, 9);
  const old = repositoryOf(ann).epoch.topic;
  must(olga.members().rotate(repositoryOf(olga)));
  await meet(team, [olga, ann]);
  for (const peer of [olga, ann]) peer.write("meanwhile ", "now");
  await meet(team, [olga, ann]);
  await make(team, olga);
  await meet(team, [olga, ann]);
  await pass(team, 20 * 24 * HOUR);
  // Of before he knew: no checkpoint has it.
  ben.write("late ", "now");
  await meet(team, [ann, ben]);
  deliverAll(ann, old);
  await pass(team, 12 * 24 * HOUR);
  expect(stateAt(ann, old), "Ben has said nothing since").toBe("lingering");
  expect(ben.text()).toBe(ann.text());
  ben.write("back ", "now");
  await meet(team, team.peers);
  await pass(team, 2 * HOUR);
  expect(stateAt(ann, old), "no checkpoint has what Ben wrote there").toBe("lingering");
  await make(team, ann);
  await meet(team, team.peers);
  deliverAll(ann, old);
  await pass(team, 2 * HOUR);
  expect(stateAt(ann, old)).toBe("history");
});
