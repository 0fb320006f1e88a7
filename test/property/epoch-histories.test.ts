import { describe, expect, it } from "vitest";
import { createAccess, type Access } from "../../app/repositories/access.ts";
import {
  combinationOf,
  foundEpoch,
  headKeys,
  openableSecrets,
  unsealedRecipients,
} from "../../app/repositories/epochs.ts";
import type { AclBody, VerifiedAclOp } from "../../protocol/acl/acl-op.ts";
import { repositoryOf, signAclOp } from "../../protocol/acl/acl-op.ts";
import type { DhKeyPair, SigningKey } from "../../protocol/crypto/provider.ts";
import { createEpoch, deviceRecipient, sealEpoch } from "../../protocol/epoch/epoch-body.ts";
import type { EpochSecret } from "../../protocol/epoch/epoch-keys.ts";
import type { VerifiedIdentityOp } from "../../protocol/identity/identity-op.ts";
import { signIdentityOp } from "../../protocol/identity/identity-op.ts";
import { bytesEqual, bytesToHex } from "../../protocol/kernel/bytes.ts";
import { pick, type RandomSource, randomBelow } from "../../protocol/kernel/random.ts";
import { must, native } from "../support/data-fixtures.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

/** Membership histories of honest people who act on what they know; nightly runs set more. */
const RUNS = Number(process.env["KEY_RUNS"] ?? 30);
const NAMES = ["O", "A", "B", "C", "D", "E"];
const STEPS = 45;

interface Person {
  readonly idRoot: Uint8Array;
  readonly device: SigningKey;
  readonly deviceEncryption: DhKeyPair;
  readonly log: readonly VerifiedIdentityOp[];
}

/** One device: the ops it has seen, and the secrets they gave it. */
interface Replica {
  readonly person: Person;
  access: Access;
  readonly ops: Map<string, VerifiedAclOp>;
  readonly held: Map<string, EpochSecret>;
}

/** Content somebody sealed: under which epochs, and who was out by all the writer knew. */
interface Sealed {
  readonly epochs: readonly string[];
  readonly removed: ReadonlySet<string>;
}

const createPerson = (random: RandomSource): Person => {
  const root = native.signingKey(random.bytes(32));
  const device = native.signingKey(random.bytes(32));
  const deviceEncryption = native.dhKeyPair(random.bytes(32));
  const body = {
    type: "addDevice",
    devSig: device.publicKey,
    devEnc: deviceEncryption.publicKey,
    manager: true,
  } as const;
  const op = signIdentityOp(native, root, { idRoot: root.publicKey, parents: [], gen: 0, ts: 0, body });
  return { idRoot: root.publicKey, device, deviceEncryption, log: [op] };
};

const learn = (replica: Replica, ops: Iterable<VerifiedAclOp>): void => {
  for (const op of ops) {
    const key = bytesToHex(op.id);
    if (replica.ops.has(key)) continue;
    replica.ops.set(key, op);
    replica.access.add({ header: op.headerBytes, signature: op.sig });
  }
  for (const secret of openableSecrets(native, replica.access, replica.person, replica.held, new Set())) {
    const eid = bytesToHex(secret.eid);
    replica.held.set(eid, { ...secret, W: secret.W ?? replica.held.get(eid)?.W ?? null });
  }
};

const play = (seed: string) => {
  const random = createSeededRandom(seed);
  const people = NAMES.map(() => createPerson(random)) as [Person, ...Person[]];
  const [owner] = people;
  const recipientOf = ({ device, deviceEncryption }: Person) =>
    deviceRecipient(device.publicKey, deviceEncryption.publicKey, true);
  const first = must(createEpoch(native, random, new Uint8Array(16), [], [recipientOf(owner)]));
  const genesis = signAclOp(native, owner.device, {
    rid: new Uint8Array(16),
    parents: [],
    idRoot: owner.idRoot,
    gen: 0,
    ts: 0,
    body: { type: "genesis", nonce: random.bytes(16), policy: [], identityOps: owner.log, epoch: first.body },
  });
  const rid = repositoryOf(native, genesis);
  const replicas = people.map((person): Replica => ({
    person,
    access: createAccess(native, rid),
    ops: new Map(),
    held: new Map(),
  }));
  for (const replica of replicas) learn(replica, [genesis]);
  const sealed: Sealed[] = [];

  const author = (replica: Replica, body: AclBody, secret?: EpochSecret): void => {
    const { nextGen } = replica.access.state();
    const op = signAclOp(native, replica.person.device, {
      rid,
      parents: replica.access.heads(),
      idRoot: replica.person.idRoot,
      gen: nextGen,
      ts: 0,
      body,
    });
    if (secret !== undefined) replica.held.set(bytesToHex(secret.eid), secret);
    learn(replica, [op]);
  };
  const headsOf = (replica: Replica): readonly (EpochSecret & { readonly W: Uint8Array })[] | undefined => {
    const secrets = replica.access.state().epochHeads.map(({ body }) => replica.held.get(bytesToHex(body.eid)));
    const writable = secrets.flatMap((secret) =>
      secret === undefined || secret.W === null ? [] : [{ ...secret, W: secret.W }],
    );
    return writable.length === secrets.length ? writable : undefined;
  };
  const rotation = (replica: Replica, without: readonly Uint8Array[], readers: readonly Uint8Array[] = []) => {
    const heads = headsOf(replica);
    const state = replica.access.state();
    const gone = new Set(without.map(bytesToHex));
    const demoted = new Set(readers.map(bytesToHex));
    const recipients = state.members.flatMap(({ idRoot, role, devices }) =>
      gone.has(bytesToHex(idRoot))
        ? []
        : devices.map(({ devSig, devEnc }) =>
            deviceRecipient(devSig, devEnc, role >= 2 && !demoted.has(bytesToHex(idRoot))),
          ),
    );
    return heads && foundEpoch({ crypto: native, random }, rid, heads, recipients);
  };

  const act = (replica: Replica): void => {
    const { access, person } = replica;
    const state = access.state();
    const own = state.roleOf(person.idRoot);
    const who = pick(
      random,
      people.filter((one) => one !== person && one !== owner),
    ) as Person;
    const theirs = state.roleOf(who.idRoot);
    const mayManage = own >= 3 && (own === 4 || theirs < 3);
    const heads = headsOf(replica);
    switch (randomBelow(random, 8)) {
      case 0:
      case 1:
      case 2: {
        if (!mayManage || heads === undefined || theirs !== 0) return;
        const role = own === 4 && randomBelow(random, 3) === 0 ? 3 : randomBelow(random, 3) === 0 ? 1 : 2;
        admit(replica, who, role);
        return;
      }
      case 3: {
        const epoch = mayManage && theirs > 0 ? rotation(replica, [who.idRoot]) : undefined;
        if (epoch === undefined) return;
        author(replica, { type: "remove", who: [who.idRoot], cuts: [], epoch: epoch.body }, epoch.secret);
        return;
      }
      case 4: {
        const epoch = mayManage && theirs === 2 ? rotation(replica, [], [who.idRoot]) : undefined;
        if (epoch === undefined) return;
        const set = { type: "set", who: who.idRoot, role: 1, identityOps: [], seals: [], cuts: [] } as const;
        author(replica, { ...set, epoch: epoch.body }, epoch.secret);
        return;
      }
      case 5:
        if (own > 0 && own < 4 && randomBelow(random, 4) === 0) author(replica, { type: "leave", cuts: [] });
        return;
      default:
        write(replica);
    }
  };

  /** What a writer does before and when it seals content: rotate when somebody out of the notebook knows the keys. */
  const write = (replica: Replica): void => {
    const { access, person } = replica;
    if (access.state().roleOf(person.idRoot) < 2 || headsOf(replica) === undefined) return;
    if (access.state().stale) {
      const epoch = rotation(replica, []);
      if (epoch !== undefined) author(replica, { type: "epoch", epoch: epoch.body }, epoch.secret);
    }
    const state = access.state();
    expect(state.stale, `${seed}: still stale after a rotation`).toBe(false);
    const removed = people.filter(({ idRoot }) => state.roleOf(idRoot) === 0).map(({ idRoot }) => bytesToHex(idRoot));
    sealed.push({ epochs: state.epochHeads.map(({ body }) => bytesToHex(body.eid)), removed: new Set(removed) });
  };

  const admit = (replica: Replica, who: Person, role: 1 | 2 | 3): void => {
    const to = deviceRecipient(who.device.publicKey, who.deviceEncryption.publicKey, role >= 2);
    const seals = (headsOf(replica) ?? []).flatMap((secret) => must(sealEpoch(native, random, rid, secret, [to])));
    author(replica, { type: "set", who: who.idRoot, role, identityOps: who.log, seals, cuts: null, epoch: null });
  };
  for (const [index, role] of ([3, 3, 2, 1] as const).entries())
    admit(replicas[0] as Replica, people[index + 1] as Person, role);
  for (const replica of replicas) learn(replica, (replicas[0] as Replica).ops.values());

  for (let step = 0; step < STEPS; step++) {
    const replica = pick(random, replicas) as Replica;
    if (randomBelow(random, 4) === 0) learn(replica, (pick(random, replicas) as Replica).ops.values());
    else act(replica);
  }
  const everything = replicas.flatMap(({ ops }) => [...ops.values()]);
  for (const replica of replicas) learn(replica, everything);
  // The owner is among the recipients of every epoch, so it seals under whatever came together in the end.
  write(replicas[0] as Replica);
  return { random, rid, people, replicas, sealed, author, headsOf, genesis, everything };
};

describe("keys over random membership histories", () => {
  it(`I20 I21 EPS-1 in ${RUNS} histories nobody derives a key of content sealed when the writer knew them to be out`, () => {
    let protectedContent = 0;
    let combined = 0;
    for (let run = 0; run < RUNS; run++) {
      const seed = `keys/${run}`;
      const { people, replicas, sealed } = play(seed);
      for (const [index, { idRoot }] of people.entries()) {
        // Everything it ever held, and all that every public op gives it: a combination needs all its epochs.
        const reach = (replicas[index] as Replica).held;
        for (const { epochs, removed } of sealed) {
          if (!removed.has(bytesToHex(idRoot))) continue;
          const reads = epochs.every((eid) => reach.has(eid));
          // Whoever is admitted again later reads the history, by design.
          const admittedLater = (replicas[0] as Replica).access.state().roleOf(idRoot) > 0;
          if (!admittedLater) expect(reads && !wasAdmittedAfter(replicas, idRoot, epochs), seed).toBe(false);
          protectedContent++;
          if (epochs.length > 1) combined++;
        }
      }
    }
    expect(protectedContent).toBeGreaterThan(3 * RUNS);
    expect(combined).toBeGreaterThan(0);
  });

  it(`I22 I23 I24 after quiescence every reader device holds the head keys and reaches the first epoch, and no reader a topic key`, () => {
    let resealed = 0;
    for (let run = 0; run < RUNS; run++) {
      const seed = `keys/${run}`;
      const { random, rid, people, replicas, author, headsOf, genesis } = play(seed);
      /** Writers who were sealed to as readers, by somebody who thought they were: they say so themselves. */
      const asking = (writer: Replica, eid: Uint8Array) =>
        writer.access.state().recipients.filter((recipient) => {
          const one = replicas.find(({ person }) => bytesEqual(person.device.publicKey, recipient.identifier));
          return recipient.writer && one?.held.get(bytesToHex(eid))?.W === null;
        });
      // Writers give what is missing, each on what the one before said.
      for (let round = 0; round < 3; round++)
        for (const replica of replicas) {
          learn(
            replica,
            replicas.flatMap(({ ops }) => [...ops.values()]),
          );
          const heads = headsOf(replica);
          if (replica.access.state().roleOf(replica.person.idRoot) < 2 || heads === undefined) continue;
          for (const secret of heads) {
            const without = [...unsealedRecipients(replica.access, secret.eid), ...asking(replica, secret.eid)];
            if (without.length === 0) continue;
            const seals = must(sealEpoch(native, random, rid, secret, without));
            author(replica, { type: "reseal", eid: secret.eid, seals });
            resealed++;
          }
        }
      for (const replica of replicas)
        learn(
          replica,
          replicas.flatMap(({ ops }) => [...ops.values()]),
        );
      const state = (replicas[0] as Replica).access.state();
      const anyWriterHolds = replicas.some(
        (replica) => state.roleOf(replica.person.idRoot) >= 2 && headsOf(replica) !== undefined,
      );
      if (!anyWriterHolds) continue;
      const firstEid = genesis.body.type === "genesis" ? bytesToHex(genesis.body.epoch.eid) : "";
      for (const [index, { idRoot }] of people.entries()) {
        const role = state.roleOf(idRoot);
        if (role === 0) continue;
        const { held, access } = replicas[index] as Replica;
        const keys = headKeys(native, access.state(), held, () => undefined);
        expect(keys.type, `${seed}: ${NAMES[index]} lacks a head`).toBe("held");
        expect(held.has(firstEid), `${seed}: ${NAMES[index]} cannot read the beginning`).toBe(true);
        if (keys.type === "held" && role >= 2) expect(keys.keys.topicKey, seed).not.toBeNull();
        expect(combinationOf(keys.eids).length % 32).toBe(0);
      }
    }
    expect(resealed).toBeGreaterThan(0);
  });
});

/** Whether somebody sealed one of these epochs, or a later one, to the person after all: an admission that did not last. */
const wasAdmittedAfter = (replicas: readonly Replica[], idRoot: Uint8Array, epochs: readonly string[]): boolean => {
  const { access } = replicas[0] as Replica;
  const known = access.state().epochs.filter(({ body }) => epochs.includes(bytesToHex(body.eid)));
  return access
    .ops()
    .some(
      (op) =>
        op.body.type === "set" &&
        bytesToHex(op.body.who) === bytesToHex(idRoot) &&
        known.some((epoch) => access.covers([op.id], [epoch.op.id])),
    );
};
