import { describe, expect, it } from "vitest";
import { ENTRY_STATE } from "../../app/ports/store.ts";
import { encodeBundle } from "../../protocol/checkpoint/bundle.ts";
import { encodeCheckpoint } from "../../protocol/checkpoint/checkpoint.ts";
import { ITEM_KINDS } from "../../protocol/entry/item.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { pick, randomBelow } from "../../protocol/kernel/random.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import { must } from "../support/data-fixtures.ts";
import { bundleDependencies, createRecordHistory } from "../support/record-history.ts";
import {
  createManualClock,
  createRepositoryPeer,
  exchange,
  type ManualClock,
  type RepositoryPeer,
  settled,
} from "../support/repository-peers.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

/** Histories in every run of the tests; nightly runs set more. */
const RUNS = Number(process.env["CHECKPOINT_RUNS"] ?? 3);

interface Team {
  readonly random: RandomSource;
  readonly clock: ManualClock;
  readonly peers: readonly RepositoryPeer[];
  readonly meet: (among: readonly RepositoryPeer[]) => Promise<void>;
  readonly join: (by: RepositoryPeer, name: string, compacts?: boolean) => RepositoryPeer;
}

/** Members who know each other; the first founded the repository. */
const createTeam = async (seed: string, names: readonly string[]): Promise<Team> => {
  const random = createSeededRandom(seed);
  const clock = createManualClock();
  const peers = names.map((name) => createRepositoryPeer(name, random.fork(name), clock, 0, true));
  const meet = async (among: readonly RepositoryPeer[]): Promise<void> => {
    for (let round = 0, quiet = 0; quiet < 2 && round < 30; round++) {
      let handed = 0;
      for (const one of among) for (const two of among) if (one !== two) handed += exchange(random, clock, one, two, 0);
      await settled(clock);
      quiet = handed === 0 ? quiet + 1 : 0;
    }
  };
  const [owner, ...others] = peers as [RepositoryPeer];
  owner.found();
  owner.write("start ", "now");
  for (const [index, one] of others.entries()) owner.admit(one, index === 0 ? 3 : 2);
  await meet(peers);
  const join = (by: RepositoryPeer, name: string, compacts = true): RepositoryPeer => {
    const one = createRepositoryPeer(name, random.fork(name), clock, 0, compacts);
    by.admit(one, 2);
    return one;
  };
  return { random, clock, peers, meet, join };
};

const numberOf = (peer: RepositoryPeer): number => peer.repository()?.n ?? 0;

/** Everything members must agree on. */
const stateOf = (peer: RepositoryPeer) => ({
  text: peer.text(),
  heads: peer.heads(),
  records: peer.store.entries
    .inners(numberOf(peer))
    .map(({ iid }) => `${bytesToHex(iid)} ${peer.store.entries.doubt(iid) ?? "valid"}`)
    .toSorted(),
  roles: (peer.repository()?.access.state().members ?? [])
    .map(({ idRoot, role }) => `${bytesToHex(idRoot)}:${role}`)
    .toSorted(),
});

const kinds = (peer: RepositoryPeer, kind: number): number =>
  peer.store.checkpoints.items(numberOf(peer)).filter((item) => item.kind === kind).length;

const entriesOf = (peer: RepositoryPeer): number => peer.store.repositories.counts(numberOf(peer)).entries;

const make = async (team: Pick<Team, "clock">, peer: RepositoryPeer): Promise<boolean> => {
  const repository = peer.repository();
  if (repository === undefined) return false;
  const making = peer.checkpoints().make(repository);
  await settled(team.clock);
  return making;
};

/** What every entry is, from everybody who was there: the state that checkpoints must give as well. */
const replayed = async (
  team: Team,
  owner: RepositoryPeer,
  sources: readonly RepositoryPeer[],
): Promise<RepositoryPeer> => {
  const replay = team.join(owner, "Replay", false);
  // Following one topic leads to the next.
  for (let round = 0; round < 4; round++) {
    await team.meet([owner, replay]);
    team.clock.advance(3_000);
    for (const source of sources)
      for (const topic of source.service().topics()) {
        const own = replay.service().topicByPk(topic.pk);
        if (own === undefined || topic.repository === null) continue;
        // Covered entries are not offered any more, but still here.
        const wires = source.store.entries
          .inners(numberOf(source))
          .flatMap(({ iid }) => source.store.entries.wireOf(iid) ?? [])
          .flatMap((carried) => (carried.topic === topic.n ? [carried.wire] : []));
        replay.service().ingest(own, wires, { source, isAcknowledged: true }, () => undefined);
        await settled(team.clock);
      }
  }
  return replay;
};

describe("checkpoints among devices", () => {
  it("I33 a newcomer has the same state by checkpoint and tail as by every entry, whatever happened before", async () => {
    const items = { newcomers: 0, owners: 0 };
    for (let run = 0; run < RUNS; run++) {
      const team = await createTeam(`i33/${run}`, ["Olga", "Ann", "Ben", "Cleo"]);
      const { random, clock, peers } = team;
      const [owner] = peers as [RepositoryPeer];
      for (let step = 0; step < 40; step++) {
        const peer = pick(random, peers) as RepositoryPeer;
        const what = randomBelow(random, 20);
        const repository = peer.repository();
        if (what < 12) peer.write(`<${peer.name}${step}>`, what < 8 ? "now" : "later");
        else if (what < 17) exchange(random, clock, peer, pick(random, peers) as RepositoryPeer, 20);
        else if (what === 17) await make(team, peer);
        else if (what === 18 && repository !== undefined) peer.members().rotate(repository);
        else if (peer === owner && repository !== undefined && run % 2 === 1) {
          const who = pick(random, peers.slice(1)) as RepositoryPeer;
          peer.members().remove(repository, [bytesToHex(who.profile.idRoot)], undefined);
        }
        clock.advance(randomBelow(random, 1_000));
        await settled(clock);
      }
      const members = peers.filter((peer) => {
        const role = owner.repository()?.access.state().roleOf(peer.profile.idRoot) ?? 0;
        return role > 0;
      });
      await team.meet(members);
      await make(team, owner);
      owner.write("tail", "now");
      await team.meet(members);
      const newcomer = team.join(owner, "Newcomer");
      await team.meet([owner, newcomer]);
      const replay = await replayed(team, owner, peers);
      await team.meet([...members, newcomer]);
      expect(stateOf(newcomer), `run ${run}`).toEqual(stateOf(owner));
      expect(newcomer.text()).toContain("tail");
      expect(stateOf(replay).text, `run ${run}`).toBe(newcomer.text());
      items.newcomers += entriesOf(newcomer);
      items.owners += entriesOf(owner);
      // It goes on like everybody: what it writes and compacts in turn is taken by all.
      newcomer.write("<new>", "now");
      await make(team, newcomer);
      await team.meet([...members, newcomer]);
      expect(stateOf(owner), `run ${run}`).toEqual(stateOf(newcomer));
    }
    expect(items.newcomers).toBeLessThan(items.owners);
  });

  it("I34 a bundle that does not prove its records is refused, and the entries stay on offer", async () => {
    const team = await createTeam("i34", ["Olga", "Mallory"]);
    const [owner, mallory] = team.peers as [RepositoryPeer, RepositoryPeer];
    owner.write("honest", "now");
    await team.meet(team.peers);
    const repository = mallory.repository();
    if (repository === undefined) throw new Error("no repository");
    // Another repository's history, announced as this one's.
    const { records } = createRecordHistory(team.random, 5);
    const payload = encodeBundle(bundleDependencies, records);
    const bundle = must(mallory.service().publishCompacted(repository, "bundle", payload));
    const [last] = records.slice(-1);
    if (last === undefined) throw new Error("no record");
    const { sess, devSig, seq } = last.header;
    const forged = encodeCheckpoint({
      sessions: [{ sess, devSig, seq, iid: last.iid }],
      bundles: [{ oid: bundle.oid, ranges: [[0, 0, seq]] }],
      aclOps: [],
      previous: null,
    });
    must(mallory.service().publishCompacted(repository, "checkpoint", forged));
    // What everybody has, but not in the bundle: who believed it would withhold the entries from newcomers.
    const [first] = mallory.store.entries.inners(numberOf(mallory));
    if (first === undefined) throw new Error("no record");
    const claimed = encodeCheckpoint({
      sessions: [{ sess: first.session, devSig: first.device, seq: first.seq, iid: first.iid }],
      bundles: [{ oid: bundle.oid, ranges: [[0, 0, first.seq]] }],
      aclOps: [],
      previous: null,
    });
    must(mallory.service().publishCompacted(repository, "checkpoint", claimed));
    await team.meet(team.peers);
    const states = owner.store.checkpoints.items(numberOf(owner)).filter(({ kind }) => kind === ITEM_KINDS.checkpoint);
    expect(states.map(({ state }) => state)).toEqual([ENTRY_STATE.malformed, ENTRY_STATE.malformed]);
    const newcomer = team.join(owner, "Newcomer");
    await team.meet([owner, newcomer]);
    expect(newcomer.text()).toContain("honest");
    expect(stateOf(newcomer)).toEqual(stateOf(owner));
  });

  it("I35 checkpoints made at the same time converge", async () => {
    const team = await createTeam("i35", ["Olga", "Ann", "Ben"]);
    const [owner, ann, ben] = team.peers as [RepositoryPeer, RepositoryPeer, RepositoryPeer];
    for (let n = 0; n < 20; n++) {
      (pick(team.random, team.peers) as RepositoryPeer).write(`<${n}>`, "now");
      if (n % 5 === 0) await team.meet(team.peers);
    }
    expect(await make(team, ann)).toBe(true);
    expect(await make(team, ben)).toBe(true);
    await team.meet(team.peers);
    expect(stateOf(ann)).toEqual(stateOf(owner));
    expect(stateOf(ben)).toEqual(stateOf(owner));
    const newcomer = team.join(owner, "Newcomer");
    await team.meet([ann, ben, owner, newcomer]);
    expect(stateOf(newcomer)).toEqual(stateOf(owner));
    // The next one covers both, and they go.
    owner.write("later", "now");
    expect(await make(team, owner)).toBe(true);
    owner.write("more", "now");
    expect(await make(team, owner)).toBe(true);
    await team.meet([ann, ben, owner, newcomer]);
    expect(kinds(newcomer, ITEM_KINDS.checkpoint)).toBeLessThanOrEqual(2);
    expect(stateOf(newcomer)).toEqual(stateOf(ann));
  });

  it("I36 after a rotation the new topic alone is enough for a newcomer", async () => {
    const team = await createTeam("i36", ["Olga", "Ann"]);
    const [owner, ann] = team.peers as [RepositoryPeer, RepositoryPeer];
    for (let n = 0; n < 10; n++) owner.write(`<${n}>`, "now");
    await make(team, owner);
    await team.meet(team.peers);
    const repository = owner.repository();
    if (repository === undefined) throw new Error("no repository");
    must(owner.members().rotate(repository));
    await team.meet(team.peers);
    // The rotator publishes one by itself within half a minute.
    team.clock.advance(31_000);
    await settled(team.clock);
    await team.meet(team.peers);
    const newcomer = team.join(ann, "Newcomer");
    const topic = ann.service().topicByPk(ann.repository()?.epoch.topicPk ?? new Uint8Array());
    const own = topic && newcomer.service().topicByPk(topic.pk);
    if (topic === undefined || own === undefined) throw new Error("no common topic");
    const wires = ann.store.entries.items(topic.n).map(({ oid }) => ann.store.entries.wire(oid) as Uint8Array);
    newcomer.service().ingest(own, wires, { source: ann, isAcknowledged: true }, () => undefined);
    await settled(team.clock);
    expect(stateOf(newcomer)).toEqual(stateOf(ann));
    expect(newcomer.text()).toContain("<9>");
  });

  it("a checkpoint of a member removed later covers nothing any more, and another takes its place", async () => {
    const team = await createTeam("voided", ["Olga", "Ann", "Mallory"]);
    const [owner, ann, mallory] = team.peers as [RepositoryPeer, RepositoryPeer, RepositoryPeer];
    for (let n = 0; n < 10; n++) ann.write(`<${n}>`, "now");
    await team.meet(team.peers);
    mallory.write("<m>", "now");
    expect(await make(team, mallory)).toBe(true);
    await team.meet([owner, ann]);
    const before = entriesOf(owner);
    const repository = owner.repository();
    if (repository === undefined) throw new Error("no repository");
    // Everything of it is discarded, the place its checkpoint names as well.
    must(owner.members().remove(repository, [bytesToHex(mallory.profile.idRoot)], 0));
    exchange(team.random, team.clock, mallory, owner, 0);
    await settled(team.clock);
    await team.meet([owner, ann]);
    expect(entriesOf(owner)).toBeGreaterThanOrEqual(before);
    const newcomer = team.join(owner, "Newcomer");
    await team.meet([owner, newcomer]);
    expect(stateOf(newcomer)).toEqual(stateOf(owner));
    expect(newcomer.text()).not.toContain("<m>");
    team.clock.advance(31_000);
    await settled(team.clock);
    await team.meet([owner, ann, newcomer]);
    const last = team.join(owner, "Last");
    await team.meet([ann, owner, last]);
    expect(stateOf(last)).toEqual(stateOf(ann));
  });

  it("a crash between the bundles and their checkpoint leaves nothing behind", async () => {
    const team = await createTeam("crash", ["Olga", "Ann"]);
    const [owner, ann] = team.peers as [RepositoryPeer, RepositoryPeer];
    for (let n = 0; n < 10; n++) owner.write(`<${n}>`, "now");
    const repository = owner.repository();
    if (repository === undefined) throw new Error("no repository");
    void owner.checkpoints().make(repository);
    // Until the first bundle stands, and not further.
    for (let turn = 0; kinds(owner, ITEM_KINDS.bundle) === 0; turn++) {
      if (turn > 1_000) throw new Error("no bundle");
      team.clock.advance(0);
      await Promise.resolve();
    }
    owner.restart();
    await settled(team.clock);
    expect([kinds(owner, ITEM_KINDS.bundle), kinds(owner, ITEM_KINDS.checkpoint)]).toEqual([0, 0]);
    expect(await make(team, owner)).toBe(true);
    await team.meet([owner, ann]);
    const newcomer = team.join(owner, "Newcomer");
    await team.meet([owner, newcomer]);
    expect(stateOf(newcomer)).toEqual(stateOf(owner));
  });

  it("covered entries lose their bytes after a week, and nothing that is known is lost", async () => {
    const team = await createTeam("retire", ["Olga", "Ann"]);
    const [owner, ann] = team.peers as [RepositoryPeer, RepositoryPeer];
    for (let n = 0; n < 30; n++) (n % 2 === 0 ? owner : ann).write(`<${n}>`, "now");
    await team.meet(team.peers);
    expect(await make(team, owner)).toBe(true);
    await team.meet(team.peers);
    const before = stateOf(owner);
    const kept = (peer: RepositoryPeer): number =>
      peer.store.entries.inners(numberOf(peer)).filter(({ iid }) => peer.store.entries.wireOf(iid) !== undefined)
        .length;
    const had = kept(ann);
    team.clock.advance(8 * 24 * 3_600_000);
    await settled(team.clock);
    team.clock.advance(3_600_000);
    await settled(team.clock);
    expect(kept(ann)).toBeLessThan(had);
    await team.meet(team.peers);
    expect(stateOf(owner)).toEqual(before);
    const newcomer = team.join(ann, "Newcomer");
    await team.meet([ann, newcomer]);
    expect(newcomer.text()).toBe(owner.text());
    newcomer.write("<new>", "now");
    await team.meet([owner, ann, newcomer]);
    expect(owner.text()).toContain("<new>");
  });
});
