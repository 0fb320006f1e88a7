import type { ItemOpener } from "../../app/ports/item-opener.ts";
import Database from "better-sqlite3";
import type { Profile } from "../../app/identities/profile.ts";
import type { Clock } from "../../app/ports/clock.ts";
import type { Store } from "../../app/ports/store.ts";
import { createCompaction } from "../../app/repositories/compaction.ts";
import type { CheckpointService } from "../../app/repositories/checkpoint-service.ts";
import { createCheckpointService } from "../../app/repositories/checkpoint-service.ts";
import { inspectBatch } from "../../app/repositories/change-batch.ts";
import { storeChanges } from "../../app/repositories/integrate.ts";
import { storedLoss } from "../../app/repositories/lost-changes.ts";
import type { Repository } from "../../app/repositories/repository.ts";
import type { RepositoryObserver, RepositoryService } from "../../app/repositories/repository-service.ts";
import { createRepositoryService } from "../../app/repositories/repository-service.ts";
import { createSliceQueue } from "../../app/runtime/slices.ts";
import type { MemberService } from "../../app/sharing/member-service.ts";
import { createMemberService } from "../../app/sharing/member-service.ts";
import type { SqliteDatabase } from "../../main/adapters/sqlite/database.ts";
import { createChangeInspector } from "../../main/adapters/inspect-change.ts";
import { MIGRATIONS } from "../../main/adapters/sqlite/schema.ts";
import { createCompactionSource } from "../../main/adapters/sqlite/compaction-source.ts";
import { createStore } from "../../main/adapters/sqlite/store.ts";
import { repositoryOf, signAclOp } from "../../protocol/acl/acl-op.ts";
import { createEpoch, deviceRecipient, sealEpoch } from "../../protocol/epoch/epoch-body.ts";
import { signIdentityOp } from "../../protocol/identity/identity-op.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { type RandomSource, randomBelow, shuffle } from "../../protocol/kernel/random.ts";
import type { MonotonicMs, UnixMs } from "../../protocol/kernel/time.ts";
import { durationMs } from "../../protocol/kernel/time.ts";
import { createReplica } from "../../protocol/replica/replica.ts";
import type { Replica } from "../../protocol/replica/types.ts";
import { automergeDependencies } from "./automerge-dependencies.ts";
import { filled, must, native } from "./data-fixtures.ts";
import { bundleDependencies } from "./record-history.ts";

/** Time that passes only when a test lets it. */
export interface ManualClock extends Clock {
  readonly advance: (ms: number) => void;
}

export const createManualClock = (): ManualClock => {
  let now = 0;
  let timers: { readonly due: number; readonly run: () => void }[] = [];
  return {
    monotonic: () => now as MonotonicMs,
    unix: () => (1_700_000_000_000 + now) as UnixMs,
    after: (delay, run) => {
      const timer = { due: now + delay, run };
      timers.push(timer);
      return () => {
        timers = timers.filter((one) => one !== timer);
      };
    },
    advance: (ms) => {
      const end = now + ms;
      for (;;) {
        const next = timers.filter(({ due }) => due <= end).toSorted((a, b) => a.due - b.due)[0];
        if (next === undefined) break;
        timers = timers.filter((one) => one !== next);
        now = Math.max(now, next.due);
        next.run();
      }
      now = end;
    },
  };
};

/** The document everybody writes. */
const DOCUMENT = filled(7, 16);

/** One device with its own database and the real repository service on it; no network, no engine. */
export interface RepositoryPeer {
  readonly name: string;
  readonly profile: Profile;
  readonly store: Store;
  readonly service: () => RepositoryService;
  readonly members: () => MemberService;
  readonly checkpoints: () => CheckpointService;
  readonly repository: () => Repository | undefined;
  /** Is told what its service tells the rest of a node. */
  readonly observe: (observer: Partial<Pick<RepositoryObserver, "stored" | "topicsChanged">>) => void;
  /** Starts again from the database, as after a crash. */
  readonly restart: () => void;
  /** Appends text; sealed at once, or left as a draft. False when it may not write. */
  readonly write: (text: string, urgency: "now" | "later") => boolean;
  readonly text: () => string;
  /** Bytes of the changes that the document holds, and of those the device keeps for their author although they no longer count. */
  readonly changes: () => { readonly held: string; readonly lost: string };
  readonly heads: () => string;
  readonly found: () => void;
  /** The same device once more from a copy of its database, as after restoring a backup: both write in one session. */
  readonly clone: () => RepositoryPeer;
  /** What a newcomer needs, after making it a member. */
  readonly admit: (who: RepositoryPeer, role: 1 | 2 | 3) => boolean;
}

const createProfile = (name: string, random: RandomSource): Profile => {
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
  return { idRoot: root.publicKey, name, device, deviceEncryption, ops: [op] };
};

/** Everything is opened on the one thread of the test. */
const NO_OPENER: ItemOpener = {
  isReady: () => false,
  prepare: () => undefined,
  open: () => Promise.resolve(undefined),
  stop: () => Promise.resolve(),
};

/** `storingMs`: how long what it receives waits before it is stored; `compacts`: it takes and makes checkpoints, for which a test awaits `settled`. */
export const createRepositoryPeer = (
  name: string,
  random: RandomSource,
  clock: ManualClock,
  storingMs = 0,
  compacts = false,
): RepositoryPeer => {
  const database = new Database(":memory:");
  for (const migration of MIGRATIONS) database.exec(migration);
  return peerOn(name, random, clock, database, createProfile(name, random), storingMs, compacts);
};

/** Lets everything happen that waits for nothing but its turn. */
export const settled = async (clock: ManualClock): Promise<void> => {
  for (let turn = 0; turn < 100; turn++) {
    clock.advance(0);
    await Promise.resolve();
  }
};

const peerOn = (
  name: string,
  random: RandomSource,
  clock: ManualClock,
  database: SqliteDatabase,
  profile: Profile,
  storingMs: number,
  compacts: boolean,
): RepositoryPeer => {
  const store = createStore(database, () => undefined);
  const inspect = createChangeInspector(native);
  const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

  let observer: Parameters<RepositoryPeer["observe"]>[0] = {};
  const start = () => {
    const later: ManualClock["after"] = (delay, run) => clock.after(durationMs(delay + storingMs), run);
    const slices = createSliceQueue({ ...clock, after: later });
    const service = createRepositoryService({
      store,
      crypto: native,
      random: random.fork("repositories"),
      clock,
      log,
      inspect,
      inflateRaw: automergeDependencies.inflateRaw,
      opener: NO_OPENER,
      slices,
      observer: {
        integrated: ({ repository: changed, accessChanged }) => {
          if (compacts && accessChanged) checkpoints.accessChanged(changed);
        },
        stored: (topic, item, source) => {
          observer.stored?.(topic, item, source);
          if (compacts) checkpoints.stored(topic, item, source === undefined);
        },
        topicsChanged: () => observer.topicsChanged?.(),
        sessionsEnded: () => undefined,
        fault: (error) => {
          throw new Error(error.message);
        },
      },
    });
    const compaction = createCompaction({
      ...bundleDependencies,
      source: createCompactionSource(database),
    });
    const checkpoints: CheckpointService = createCheckpointService({
      store,
      crypto: native,
      random: compacts ? random.fork("checkpoints") : random,
      clock,
      log,
      slices,
      compactor: {
        prepare: () => undefined,
        pack: (request) => Promise.resolve(compaction.pack(request)),
        unpack: (request) => Promise.resolve(compaction.unpack(request)),
        tail: (topic) => Promise.resolve(compaction.tail(topic)),
        stop: () => Promise.resolve(),
      },
      repositories: service,
      covered: () => undefined,
      owed: () => undefined,
    });
    service.open(profile, false);
    if (compacts) checkpoints.open();
    const members = createMemberService({
      store,
      crypto: native,
      random: random.fork("members"),
      repositories: service,
      profile,
    });
    return { service, members, checkpoints, slices };
  };
  let running = start();
  const repository = (): Repository | undefined => running.service.all()[0];

  const load = (actor: string): Replica => {
    const replica = createReplica(automergeDependencies, actor);
    const held = repository();
    const row = held && store.documents.byId(held.n, DOCUMENT);
    if (row !== undefined) replica.applyChanges(store.documents.changesAfter(row.n, 0).changes);
    return replica;
  };
  const textIn = (replica: Replica): string => {
    const object = replica.objectAt(["text"]);
    return object === undefined ? "" : replica.text(object);
  };

  const write: RepositoryPeer["write"] = (text, urgency) => {
    const held = repository();
    if (held === undefined || !running.service.canWrite(held)) return false;
    const lease = must(running.service.leaseSession(held));
    const replica = load(bytesToHex(lease.session.session));
    const object = replica.objectAt(["text"]);
    const made = replica.change({ time: 0 }, (transaction) => {
      if (object === undefined) transaction.putText("_root", "text", text);
      else transaction.splice(object, replica.length(object), 0, text);
    });
    if (made !== undefined) {
      const batch = must(inspectBatch(inspect, [made.bytes]));
      must(
        store.transaction(() => {
          const document = store.documents.add(held.n, DOCUMENT, clock.unix());
          must(storeChanges(store, document, batch, "draft", clock.unix()));
        }),
      );
    }
    lease.release();
    running.service.scheduleSeal(held, urgency === "now" ? "now" : "idle", 1);
    return true;
  };

  return {
    name,
    profile,
    store,
    service: () => running.service,
    members: () => running.members,
    repository,
    checkpoints: () => running.checkpoints,
    observe: (given) => {
      observer = given;
    },
    restart: () => {
      running.checkpoints.stop();
      running.slices.stop();
      running = start();
    },
    write,
    text: () => textIn(load("00")),
    changes: () => {
      const held = repository();
      const row = held && store.documents.byId(held.n, DOCUMENT);
      const bytesOf = (list: readonly Uint8Array[]): string => Buffer.concat(list).toString("latin1");
      return {
        held: bytesOf(row === undefined ? [] : store.documents.changesAfter(row.n, 0).changes),
        lost: bytesOf(row === undefined ? [] : (storedLoss(store, row.n)?.changes ?? [])),
      };
    },
    heads: () => {
      const held = repository();
      const row = held && store.documents.byId(held.n, DOCUMENT);
      return (row?.heads ?? []).map(bytesToHex).join();
    },
    clone: () =>
      peerOn(name, random.fork("clone"), clock, new Database(database.serialize()), profile, storingMs, compacts),
    found: () => {
      const rid = new Uint8Array(16);
      const recipient = deviceRecipient(profile.device.publicKey, profile.deviceEncryption.publicKey, true);
      const epoch = must(createEpoch(native, random, rid, [], [recipient]));
      const genesis = signAclOp(native, profile.device, {
        rid,
        parents: [],
        idRoot: profile.idRoot,
        gen: 0,
        ts: Math.floor(clock.unix() / 1000),
        body: { type: "genesis", nonce: random.bytes(16), policy: [], identityOps: profile.ops, epoch: epoch.body },
      });
      const founded = must(
        running.service.adopt({
          rid: repositoryOf(native, genesis),
          title: "Shared",
          aclOps: [{ header: genesis.headerBytes, signature: genesis.sig }],
          secrets: [epoch.secret],
          topicPk: epoch.body.topicPk,
        }),
      );
      must(running.service.append(founded, [{ type: "aclOp", header: genesis.headerBytes, sig: genesis.sig }]));
    },
    admit: (who, role) => {
      const held = repository();
      const heads = held && running.service.headSecrets(held);
      if (held === undefined || heads === undefined) return false;
      must(running.service.publishOps(held));
      const { idRoot, device, deviceEncryption, ops } = who.profile;
      const to = deviceRecipient(device.publicKey, deviceEncryption.publicKey, role >= 2);
      const seals = heads.flatMap((secret) => must(sealEpoch(native, random, held.rid, secret, [to])));
      const set = { type: "set", who: idRoot, role, identityOps: ops, seals, cuts: null, epoch: null } as const;
      must(running.service.author(held, set));
      const [genesis] = store.repositories.aclOps(held.n);
      if (genesis === undefined) return false;
      const secrets = running.service.headSecrets(held) ?? heads;
      must(
        who.service().adopt({
          rid: held.rid,
          title: "Shared",
          aclOps: [genesis],
          secrets: secrets.map(({ eid, S, W }) => ({ eid, S, W: role >= 2 ? W : null })),
          topicPk: held.epoch.topicPk,
        }),
      );
      return true;
    },
  };
};

/** Hands each side what it lacks in the topics both follow, in any order, some of it twice, some of it not. Answers how much. */
export const exchange = (
  random: RandomSource,
  clock: ManualClock,
  one: RepositoryPeer,
  two: RepositoryPeer,
  lossPercent: number,
): number => {
  let handed = 0;
  for (const [from, to] of [
    [one, two],
    [two, one],
  ] as const)
    for (const topic of shuffle(random, from.service().topics())) {
      const theirs = to.service().topicByPk(topic.pk);
      if (theirs === undefined || topic.repository === null) continue;
      const lacking = from.store.entries.items(topic.n).filter(({ oid }) => !to.store.entries.has(oid));
      const wires = shuffle(random, lacking)
        .filter(() => randomBelow(random, 100) >= lossPercent)
        .map(({ oid }) => from.store.entries.wire(oid) as Uint8Array);
      if (wires.length === 0) continue;
      handed += wires.length;
      to.service().ingest(
        theirs,
        [...wires, wires[0] as Uint8Array],
        { source: from, isAcknowledged: true },
        () => undefined,
      );
      clock.advance(1);
    }
  return handed;
};
