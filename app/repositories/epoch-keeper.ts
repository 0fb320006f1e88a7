import type { AclState, PublishedEpoch } from "../../protocol/acl/acl-state.ts";
import type { AclBody } from "../../protocol/acl/acl-op.ts";
import { signAclOp } from "../../protocol/acl/acl-op.ts";
import { encodeCbor } from "../../protocol/codec/cbor.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import { forkProof } from "../../protocol/entry/chain.ts";
import type { CheckedItem } from "../../protocol/entry/item.ts";
import { ITEM_KINDS, readItem, sealItem } from "../../protocol/entry/item.ts";
import type { Part } from "../../protocol/entry/payload.ts";
import type { InnerRecord, SignedRecord } from "../../protocol/entry/record.ts";
import type { SealRecipient } from "../../protocol/epoch/epoch-body.ts";
import { sealEpoch } from "../../protocol/epoch/epoch-body.ts";
import type { EpochSecret, TopicKeys } from "../../protocol/epoch/epoch-keys.ts";
import { invariant } from "../../protocol/kernel/assert.ts";
import { bytesEqual, bytesToHex, hexToBytes } from "../../protocol/kernel/bytes.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import type { Membership } from "../contract/types.ts";
import type { Clock } from "../ports/clock.ts";
import type { EntryState, InnerRow, SessionRow, SignedRow, Store, TopicRow } from "../ports/store.ts";
import { ENTRY_STATE } from "../ports/store.ts";
import type { Access } from "./access.ts";
import { createAccess } from "./access.ts";
import type { BundleReader } from "./bundle-reader.ts";
import type { ChangeInspector } from "./change-inspector.ts";
import type { KeyHolder } from "./epochs.ts";
import {
  combinationOf,
  combinedKeys,
  foundEpoch,
  headKeys,
  MAX_EPOCH_HEADS,
  openableSecrets,
  rewrapSalt,
  unsealedRecipients,
} from "./epochs.ts";
import type { EpochKeys, Repository, WritableTopic } from "./repository.ts";
import type { SealDependencies } from "./seal.ts";
import { appendRecord, sealDrafts } from "./seal.ts";
import { openEntry } from "./integrate.ts";
import type { LossReason } from "./lost-changes.ts";
import { openStored, rejudge } from "./validity.ts";

/** An epoch secret with which new epochs and seals can be made. */
export type WritableSecret = EpochSecret & { readonly W: Uint8Array };

/** An item this device made, and the topic it stands in. */
export interface Sealed {
  readonly topic: number;
  readonly item: CheckedItem;
}

/** What rights and keys mean for the repositories of this device. Everything that writes runs inside the caller's transaction. */
export interface EpochKeeper {
  readonly loadAccess: (n: number, rid: Uint8Array) => Access;
  /** The current topic as stored, when the ACL known so far does not tell. */
  readonly storedEpoch: (n: number) => EpochKeys;
  readonly membership: (repository: Repository) => Membership;
  /** Makes a topic the current one; the one before lingers. Answers its row. */
  readonly moveTo: (n: number, pk: Uint8Array, keys: TopicKeys) => number;
  /** Brings secrets, topics and the current epoch in line with the ACL. */
  readonly refreshKeys: (repository: Repository) => void;
  /** Draws the consequences of new ACL ops; answers the documents that lost or regained changes. */
  readonly settleAccess: (repository: Repository) => ReadonlySet<number>;
  readonly judgeAgain: (repository: Repository) => ReadonlySet<number>;
  /** Where this device may speak: the main topic for writers, the reply topic for everybody else. */
  readonly speakingTopic: (repository: Repository) => WritableTopic | undefined;
  /** Signs and takes an ACL op, and links the record that carries it. Answers the op's id. */
  readonly authorOp: (repository: Repository, body: AclBody, secret?: EpochSecret) => Uint8Array;
  readonly takeOp: (repository: Repository, row: SignedRow) => void;
  /** Secrets of the head epochs, undefined while one is missing or may only be read with. */
  readonly headSecrets: (repository: Repository) => readonly WritableSecret[] | undefined;
  /** Whether this device may seal content: it is a writer and holds every head epoch. */
  readonly mayWrite: (repository: Repository) => boolean;
  /** Whether it may do so under the keys as they are: nobody without rights knows them, nor whoever has a key that a device replaced. */
  readonly hasFreshKeys: (repository: Repository) => boolean;
  /** Founds a new epoch when one is due. */
  readonly rotateIfDue: (repository: Repository) => void;
  /** Seals drafts under the keys that count, after a rotation when one is due. */
  readonly sealAllDrafts: (repository: Repository) => void;
  /** A session of this device nobody else writes with. */
  readonly ownSession: (repository: Repository) => SessionRow;
  readonly sealing: () => SealDependencies;
  /** A device says that it has no usable seal of an epoch. */
  readonly noteRequest: (repository: Repository, device: Uint8Array, part: Part) => void;
  /** A writer names the topic of combined epochs; answers whether that was news. */
  readonly noteAnnouncement: (repository: Repository, part: Part) => boolean;
  /** Seals a late record again for the current topic, when it is one. */
  readonly rewrap: (
    repository: Repository,
    topic: TopicRow,
    record: SignedRecord,
    parts: readonly Part[],
    state: EntryState,
  ) => void;
  /** Proves equivocations to everybody. */
  readonly freezeSessions: (
    repository: Repository,
    contradictions: readonly (readonly [Uint8Array, Uint8Array])[],
  ) => void;
  /** Links a record with these parts in a given topic. */
  readonly say: (repository: Repository, parts: readonly Part[], into: WritableTopic) => void;
  /** Links records with every ACL op, in the current topic and in `others`. */
  readonly publishOps: (repository: Repository, others?: readonly WritableTopic[]) => void;
  /** Notes from the store what may wait for a change of keys to be sealed again. */
  readonly noteLeft: (repository: Repository) => void;
  /** Whether records wait for a change of keys, which this device may make, to be sealed again where everybody follows. */
  readonly hasLeft: (repository: Repository) => boolean;
  /** Asks for and gives missing seals, names the topic of combined epochs, and changes the keys for records that wait for it. */
  readonly keepUp: (repository: Repository) => void;
  /** The items made since the last call, to be handed on once the transaction is committed. */
  readonly takeItems: () => readonly Sealed[];
}

/** Epochs are replaced after this even if nobody left (data.md section 7). */
const EPOCH_MS = 30 * 24 * 3_600_000;
/** Sessions live at most 30 days (data.md section 4.3). */
const SESSION_DAYS_MS = 30 * 24 * 3_600_000;

interface SealRequest {
  readonly device: Uint8Array;
  readonly eid: Uint8Array;
  readonly ops: number;
}

/** An op with seals is told on the topics of this many epochs: who needs one follows one of the latest. */
export const RESEAL_TOPICS = 16;
/** Combinations of epochs that members may name; each is a topic to follow. */
const MAX_ANNOUNCEMENTS = 256;
/** ACL ops in one record; leaves room within an entry for the largest op. */
const OPS_BYTES = 100_000;
/** Requests kept until they are answered: as many as a repository has devices. */
const MAX_REQUESTS = 256;

export const createEpochKeeper = (deps: {
  readonly store: Store;
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly clock: Clock;
  readonly inspect: ChangeInspector;
  readonly readBundle: BundleReader;
  readonly holder: () => KeyHolder;
  /** Sessions somebody writes with, in hex. */
  readonly leased: ReadonlySet<string>;
}): EpochKeeper => {
  const { store, crypto, random, clock, inspect, readBundle, holder, leased } = deps;
  /** Seals that did not open, and epochs asked for, by repository. */
  const triedSeals = new Map<number, Set<string>>();
  const askedSeals = new Map<number, Set<string>>();
  /** Who asked for a usable seal of which epoch, and how many ops were known then. */
  const requests = new Map<number, readonly SealRequest[]>();
  /** Repositories with records in topics not everybody follows, which wait for a change of keys to be sealed again. */
  const left = new Set<number>();
  /** Whether a device renewed its key, by what is known of the ACL: asked with every change somebody types. */
  const renewedKeys = new WeakMap<AclState, boolean>();
  let outbox: Sealed[] = [];
  const sealing = (): SealDependencies => ({ store, crypto, random, device: holder().device, inspect });
  const membership = (repository: Repository): Membership =>
    repository.access.membershipOf(holder().idRoot, holder().device.publicKey);
  const heldSecrets = (n: number): Map<string, EpochSecret> =>
    new Map(store.repositories.epochs(n).map(({ eid, s, w }) => [bytesToHex(eid), { eid, S: s, W: w }]));
  const announcedKey = (repository: Repository, combination: string): string =>
    `merged/${repository.id}/${combination}`;
  const unjudgedKey = (repository: Repository): string => `unjudged/${repository.id}`;

  const replyTopic = (n: number, keys: TopicKeys, state: TopicRow["state"]): WritableTopic => ({
    readKey: keys.replyReadKey,
    topicKey: keys.replyKey,
    topic: store.topics.add({
      pk: keys.replyKey.publicKey,
      repository: n,
      kind: "reply",
      readKey: keys.replyReadKey,
      topicSeed: keys.replyKey.seed,
      state,
      since: clock.unix(),
    }),
  });

  const epochTopic = (n: number, pk: Uint8Array, keys: TopicKeys, state: TopicRow["state"]): number =>
    store.topics.add({
      pk,
      repository: n,
      kind: "epoch",
      readKey: keys.readKey,
      topicSeed: keys.topicKey !== null && bytesEqual(keys.topicKey.publicKey, pk) ? keys.topicKey.seed : null,
      state,
      since: clock.unix(),
    });

  const moveTo: EpochKeeper["moveTo"] = (n, pk, keys) => {
    const now = clock.unix();
    const topic = epochTopic(n, pk, keys, "current");
    for (const row of store.topics.all()) {
      if (row.repository !== n || row.kind !== "epoch" || (row.state === "current") === (row.n === topic)) continue;
      store.topics.setState(row.n, row.n === topic ? "current" : "lingering", now);
    }
    return topic;
  };

  /** The current topic as stored, when the ACL known so far does not tell (while joining, or without the newest secrets). */
  const storedEpoch = (n: number): EpochKeys => {
    const row = store.topics
      .all()
      .find((topic) => topic.repository === n && topic.kind === "epoch" && topic.state === "current");
    invariant(row !== undefined, "a repository has a current topic");
    return {
      readKey: row.readKey,
      topicPk: row.pk,
      topicKey: row.topicSeed === null ? null : crypto.signingKey(row.topicSeed),
      blobSecret: undefined,
      topic: row.n,
      reply: undefined,
      missing: [],
    };
  };

  /**
   * Brings secrets, topics and the current epoch in line with the ACL: opens what is sealed to this device, follows the
   * topics of earlier epochs and moves to the one that counts now. Inside a transaction.
   */
  const refreshKeys = (repository: Repository): void => {
    const { n, access } = repository;
    const held = heldSecrets(n);
    const tried = triedSeals.get(n) ?? new Set<string>();
    triedSeals.set(n, tried);
    for (const secret of openableSecrets(crypto, access, holder(), held, tried)) {
      store.repositories.addEpoch(n, { eid: secret.eid, s: secret.S, w: secret.W });
      const eid = bytesToHex(secret.eid);
      held.set(eid, { ...secret, W: secret.W ?? held.get(eid)?.W ?? null });
    }
    const standing = membership(repository);
    const state = access.state();
    // Also for who was put out: on a topic beside the one of the removal may stand that it does not count.
    for (const { body } of standing === "joining" ? [] : state.epochs) {
      const keys = combinedKeys(crypto, held, [body.eid]);
      if (keys === undefined) continue;
      epochTopic(n, body.topicPk, keys, "history");
      replyTopic(n, keys, "history");
    }
    if (standing === "left") repeatFarewell(repository, held);
    if (standing !== "active") return;
    for (const { eids, topicPk } of announcements(repository)) {
      const keys = combinedKeys(crypto, held, eids);
      // Who can derive the topic does not take anybody's word for it.
      if (keys !== undefined) epochTopic(n, keys.topicKey?.publicKey ?? topicPk, keys, "history");
    }
    const head = headKeys(crypto, state, held, (combination) => store.meta.get(announcedKey(repository, combination)));
    const topicPk = head.type === "held" ? head.topicPk : undefined;
    if (head.type === "missing" || topicPk === undefined) {
      repository.epoch = {
        ...repository.epoch,
        missing: head.type === "missing" ? head.eids : [],
        topicKey: head.type === "missing" ? repository.epoch.topicKey : null,
      };
      return;
    }
    const { topic: previous } = repository.epoch;
    const topic = moveTo(n, topicPk, head.keys);
    repository.epoch = {
      readKey: head.keys.readKey,
      topicPk,
      topicKey: head.keys.topicKey,
      blobSecret: head.keys.blobSecret,
      topic,
      reply: replyTopic(n, head.keys, "current"),
      missing: [],
    };
    if (previous !== topic) carryAllOver(repository);
  };

  /** Tells own ops again where the others are, when the topic this device left the notebook in turned out not to be theirs. */
  const repeatFarewell = (repository: Repository, held: ReadonlyMap<string, EpochSecret>): void => {
    const { n, access, epoch, rid } = repository;
    const state = access.state();
    if (state.epochs.some(({ body }) => bytesEqual(body.topicPk, epoch.topicPk))) return;
    const head = headKeys(crypto, state, held, (combination) => store.meta.get(announcedKey(repository, combination)));
    const row = store.topics.all().find((topic) => topic.n === epoch.topic);
    if (head.type === "missing" || row === undefined) return;
    const into = replyTopic(n, head.keys, "history");
    for (const { oid } of store.entries.items(row.n)) {
      const wire = store.entries.wire(oid);
      const item = wire && readItem(crypto, wire);
      if (item === undefined || !item.ok) continue;
      const opened = openEntry({ crypto, inspect }, rid, row.readKey, item.value as CheckedItem);
      if (opened.type !== "record" || !bytesEqual(opened.record.header.devSig, holder().device.publicKey)) continue;
      if (opened.parts.every(({ type }) => type === "aclOp")) sealAgain(opened.record, ENTRY_STATE.void, into, true);
    }
  };

  /**
   * Seals what stands in a topic that not everybody can follow into the current one: the topic of a combination, or of an epoch
   * whose author turned out to have lost the right to found it.
   */
  const carryOver = (repository: Repository, row: TopicRow): void => {
    const { topicKey, readKey, topic } = repository.epoch;
    if (topicKey === null || !mayWrite(repository)) return;
    const isFresh = hasFreshKeys(repository);
    for (const { oid } of store.entries.items(row.n)) {
      const wire = store.entries.wire(oid);
      const item = wire && readItem(crypto, wire);
      if (item === undefined || !item.ok) continue;
      // The topic signature was checked before the item was stored.
      const opened = openEntry({ crypto, inspect }, repository.rid, row.readKey, item.value as CheckedItem);
      if (opened.type !== "record" || store.entries.inner(opened.record.iid) === undefined) continue;
      // Own void records go along, since later ones of the session follow them, and so do ops, since others may build on them.
      // What was sealed away from somebody is not sealed for them again: the keys are changed first.
      if (!isFresh && opened.record.header.parts.length > 0) {
        left.add(repository.n);
        continue;
      }
      const isVoid = store.entries.doubt(opened.record.iid) === "void";
      const isOwn = bytesEqual(opened.record.header.devSig, holder().device.publicKey);
      if (isVoid && !isOwn && !opened.parts.some(({ type }) => type === "aclOp")) continue;
      const state = isVoid ? ENTRY_STATE.void : ENTRY_STATE.valid;
      sealAgain(opened.record, state, { topicKey, readKey, topic }, false);
    }
  };

  /** Topics besides the current one that not everybody can follow. */
  const uncommonTopics = ({ n, access }: Repository): readonly TopicRow[] => {
    const { epochs } = access.state();
    return store.topics
      .all()
      .filter(
        ({ repository, kind, state, pk }) =>
          repository === n &&
          kind === "epoch" &&
          state !== "current" &&
          !epochs.some(({ body }) => bytesEqual(body.topicPk, pk)),
      );
  };

  const carryAllOver = (repository: Repository): void => {
    for (const row of uncommonTopics(repository)) carryOver(repository, row);
    if (hasFreshKeys(repository)) left.delete(repository.n);
  };

  /** Combinations of epochs whose topic a writer named, for those who cannot derive it. */
  const announcements = (
    repository: Repository,
  ): readonly { readonly eids: readonly Uint8Array[]; readonly topicPk: Uint8Array }[] =>
    store.meta.list(announcedKey(repository, "")).map(({ key, value }) => {
      const combination = key.slice(announcedKey(repository, "").length);
      const eids = combination.match(/.{32}/g) ?? [];
      return { eids: eids.map((eid) => hexToBytes(eid) as Uint8Array), topicPk: value };
    });

  const loadAccess = (n: number, rid: Uint8Array): Access => {
    const access = createAccess(crypto, rid);
    for (const op of store.repositories.aclOps(n)) access.add(op);
    // What the ops mean for the records was stored together with them.
    access.takeRightsChange();
    return access;
  };

  const validity = () => ({ store, crypto, inspect, readBundle });

  /** Draws the consequences of new ACL ops: which records count, which keys. Answers the documents that changed by it. Inside a transaction. */
  const settleAccess = (repository: Repository): ReadonlySet<number> => {
    let rebuilt: ReadonlySet<number> = new Set();
    const changed = repository.access.takeRightsChange();
    const unjudged = store.meta.get(unjudgedKey(repository))?.[0] === 1;
    if (changed || unjudged) {
      // Who is no member any more keeps the copy as it was.
      const active = membership(repository) === "active";
      if (active) rebuilt = judgeAgain(repository);
      if (active === unjudged) store.meta.set(unjudgedKey(repository), Uint8Array.of(active ? 0 : 1));
    }
    refreshKeys(repository);
    return rebuilt;
  };

  const judgeAgain = (repository: Repository): ReadonlySet<number> => {
    const { device, idRoot } = holder();
    const role = repository.access.members().find((member) => bytesEqual(member.idRoot, idRoot))?.role;
    const devices = repository.access.devicesEver(idRoot);
    /** Why a record of this identity is void; undefined for those of others. */
    const reasonOf = (row: InnerRow): LossReason | undefined => {
      if (!bytesEqual(row.device, device.publicKey) && !devices.some((own) => bytesEqual(own, row.device)))
        return undefined;
      if (repository.access.memberOfDevice(row.device) === undefined) return "revoked";
      if (role === "reader") return "demoted";
      return store.repositories.hasEquivocation(repository.n) ? "forked" : "removed";
    };
    const { rebuilt, lostSessions } = rejudge(validity(), repository, clock.unix(), reasonOf);
    for (const id of lostSessions) {
      const session = store.repositories.session(repository.n, id);
      if (session?.own === true) store.repositories.putSession(repository.n, { ...session, state: 1 });
    }
    return rebuilt;
  };

  /** Where this device may speak: the main topic for writers, the reply topic for everybody else. */
  const speakingTopic = (repository: Repository): WritableTopic | undefined => {
    const { topicKey, readKey, topic, reply } = repository.epoch;
    return topicKey !== null && repository.access.isWriter(holder().device.publicKey)
      ? { topicKey, readKey, topic }
      : reply;
  };

  /** Signs and takes an ACL op, and links the record that carries it. Inside a transaction. */
  const authorOp: EpochKeeper["authorOp"] = (repository, body, secret) => {
    const { device, idRoot } = holder();
    announceCombination(repository);
    const into = speakingTopic(repository);
    invariant(into !== undefined, "who may author can speak");
    const others = into.topic === repository.epoch.topic ? sideTopics(repository, body) : [];
    const { nextGen } = repository.access.state();
    const op = signAclOp(crypto, device, {
      rid: repository.rid,
      parents: repository.access.heads(),
      idRoot,
      gen: nextGen,
      ts: Math.floor(clock.unix() / 1000),
      body,
    });
    takeOp(repository, { header: op.headerBytes, signature: op.sig });
    say(repository, [{ type: "aclOp", header: op.headerBytes, sig: op.sig }], into, others);
    if (secret !== undefined) store.repositories.addEpoch(repository.n, { eid: secret.eid, s: secret.S, w: secret.W });
    return op.id;
  };

  const takeOp = (repository: Repository, row: SignedRow): void => {
    const added = repository.access.add(row);
    if (added.type === "added") store.repositories.addAclOp(repository.n, added.id, added.gen, row);
  };

  const headSecrets: EpochKeeper["headSecrets"] = (repository) => {
    const held = heldSecrets(repository.n);
    const secrets = repository.access.state().epochHeads.map(({ body }) => held.get(bytesToHex(body.eid)));
    const writable = secrets.flatMap((secret) =>
      secret === undefined || secret.W === null ? [] : [{ ...secret, W: secret.W }],
    );
    return writable.length === secrets.length ? writable : undefined;
  };

  /** Whether a device has changed its key since the epochs were founded that count now: whoever has the old one opens those. */
  const hasRenewedKeys = ({ access }: Repository): boolean => {
    const state = access.state();
    const known = renewedKeys.get(state);
    if (known !== undefined) return known;
    const heads = state.epochHeads.map(({ op }) => op.id);
    const found = access
      .ops()
      .some(
        ({ id, body }) =>
          body.type === "devices" &&
          body.identityOps.some((op) => op.body.type === "rekeyDevice") &&
          state.verdictOf(id) === "valid" &&
          !access.covers(heads, [id]),
      );
    renewedKeys.set(state, found);
    return found;
  };

  /** Whether new content needs a new epoch first: somebody without rights knows this one, or it has served long enough. */
  const needsRotation = (repository: Repository): boolean => {
    const { stale, epochHeads } = repository.access.state();
    const newest = Math.max(...epochHeads.map(({ op }) => op.ts * 1000));
    return (
      stale || hasRenewedKeys(repository) || epochHeads.length > MAX_EPOCH_HEADS || newest + EPOCH_MS < clock.unix()
    );
  };

  /** Founds a new epoch when one is due. Inside a transaction. */
  const rotateIfDue = (repository: Repository): void => {
    const parents = mayWrite(repository) && needsRotation(repository) ? headSecrets(repository) : undefined;
    if (parents === undefined) return;
    const { body, secret } = foundEpoch(
      { crypto, random },
      repository.rid,
      parents,
      repository.access.state().recipients,
    );
    authorOp(repository, { type: "epoch", epoch: body }, secret);
    settleAccess(repository);
  };

  /** Whether this device may seal content: it is a writer and holds every head epoch. */
  const mayWrite = (repository: Repository): boolean =>
    repository.epoch.topicKey !== null &&
    repository.epoch.missing.length === 0 &&
    repository.access.isWriter(holder().device.publicKey);

  const hasFreshKeys: EpochKeeper["hasFreshKeys"] = (repository) =>
    mayWrite(repository) && !repository.access.state().stale && !hasRenewedKeys(repository);

  const sealAllDrafts: EpochKeeper["sealAllDrafts"] = (repository) => {
    if (!mayWrite(repository) || store.documents.drafts(repository.n, 1).length === 0) return;
    rotateIfDue(repository);
    announceCombination(repository);
    const { topic } = repository.epoch;
    for (const item of sealDrafts(sealing(), repository, clock.unix())) outbox.push({ topic, item });
  };

  const ownSession = (repository: Repository): SessionRow => {
    const now = clock.unix();
    const device = holder().device.publicKey;
    const free = store.repositories
      .ownSessions(repository.n)
      .find(
        (row) =>
          row.state === 0 &&
          bytesEqual(row.device, device) &&
          now - row.startedAt < SESSION_DAYS_MS &&
          !store.entries.hasDoubts(repository.n, row.session) &&
          !leased.has(bytesToHex(row.session)),
      );
    if (free !== undefined) return free;
    const session: SessionRow = {
      session: random.bytes(16),
      device,
      lastSeq: -1,
      lastIid: new Uint8Array(32),
      own: true,
      state: 0,
      startedAt: now,
      acl: encodeCbor([]),
    };
    store.repositories.putSession(repository.n, session);
    return session;
  };

  const noteAnnouncement: EpochKeeper["noteAnnouncement"] = (repository, part) => {
    if (part.type !== "mergedTopic") return false;
    const key = announcedKey(repository, combinationOf(part.eids));
    if (store.meta.get(key) !== undefined || announcements(repository).length >= MAX_ANNOUNCEMENTS) return false;
    store.meta.set(key, part.topicPk);
    return true;
  };

  /**
   * Seals a late record of an earlier epoch, or ACL ops of a reader, into the current topic (data.md section 7). Everyone who does
   * it makes the same item.
   */
  const rewrap = (
    repository: Repository,
    topic: TopicRow,
    record: SignedRecord,
    parts: readonly Part[],
    state: EntryState,
  ): void => {
    const { topicKey, readKey, topic: into } = repository.epoch;
    if (topicKey === null || into === topic.n) return;
    const tells = parts.some(({ type }) => type === "aclOp");
    const isCommon = repository.access.state().epochs.some(({ body }) => bytesEqual(body.topicPk, topic.pk));
    const late =
      topic.kind === "epoch" &&
      (topic.state === "lingering" || !isCommon) &&
      (tells || (state === ENTRY_STATE.valid && topic.state === "lingering"));
    const reply = topic.kind === "reply" && tells;
    if ((!late && !reply) || !mayWrite(repository)) return;
    if (!isCommon && record.header.parts.length > 0 && !hasFreshKeys(repository)) {
      left.add(repository.n);
      return;
    }
    sealAgain(record, state, { topicKey, readKey, topic: into }, false);
  };

  /** Puts a record into one more topic; whoever does it makes the same item. */
  const sealAgain = (record: InnerRecord, state: EntryState, into: WritableTopic, own: boolean): void => {
    const { topicKey, readKey, topic } = into;
    const { gen } = record.header;
    const salt = rewrapSalt(crypto, topicKey.publicKey, record.bytes);
    const item = sealItem(crypto, { kind: ITEM_KINDS.entry, topicKey, gen, salt }, readKey, record.bytes);
    if (!item.ok) return;
    const { oid, wire } = item.value;
    const { iid } = record;
    const arrivedAt = clock.unix();
    const added = store.entries.add({ oid, topic, kind: ITEM_KINDS.entry, gen, wire, iid, state, own, arrivedAt });
    if (added !== undefined) outbox.push({ topic, item: item.value });
  };

  /** Proves equivocations to everybody, then judges what depends on it. Inside a transaction. */
  const freezeSessions: EpochKeeper["freezeSessions"] = (repository, contradictions) => {
    for (const [one, two] of contradictions) {
      const [a, b] = [one, two].map((iid) => openStored(validity(), repository, iid)?.record);
      // A proof needs both signatures; a record that came in a bundle has none of its own.
      const isSigned = a !== undefined && b !== undefined && a.isig.length > 0 && b.isig.length > 0;
      const proof = isSigned ? forkProof(a, b) : undefined;
      if (a === undefined || proof === undefined || speakingTopic(repository) === undefined) continue;
      const { sess } = a.header;
      if (repository.access.state().forks.some((fork) => bytesEqual(fork.sess, sess))) continue;
      authorOp(repository, { type: "freeze", sess, proof });
    }
  };

  const say = (
    repository: Repository,
    parts: readonly Part[],
    into: WritableTopic,
    others: readonly WritableTopic[] = [],
  ): void => {
    const item = appendRecord(sealing(), repository, ownSession(repository), parts, [], clock.unix(), into);
    outbox.push({ topic: into.topic, item });
    const opened = others.length === 0 ? undefined : openEntry({ crypto, inspect }, repository.rid, into.readKey, item);
    if (opened?.type !== "record") return;
    const state = store.entries.doubt(opened.record.iid) === "void" ? ENTRY_STATE.void : ENTRY_STATE.valid;
    for (const topic of others) if (topic.topic !== into.topic) sealAgain(opened.record, state, topic, true);
  };

  const publishOps: EpochKeeper["publishOps"] = (repository, others = []) => {
    const into = speakingTopic(repository);
    if (into === undefined) return;
    let parts: Part[] = [];
    let size = 0;
    const ops = store.repositories.aclOps(repository.n);
    for (const [index, { header, signature }] of ops.entries()) {
      parts.push({ type: "aclOp", header, sig: signature });
      size += header.length + signature.length;
      if (size < OPS_BYTES && index < ops.length - 1) continue;
      say(repository, parts, into, others);
      parts = [];
      size = 0;
    }
  };

  /** Topics of single epochs that this device can write. */
  const topicsOfEpochs = (repository: Repository, epochs: readonly PublishedEpoch[]): readonly WritableTopic[] => {
    const held = heldSecrets(repository.n);
    return epochs.flatMap(({ body }) => {
      const keys = combinedKeys(crypto, held, [body.eid]);
      if (keys === undefined || keys.topicKey === null) return [];
      const topic = epochTopic(repository.n, body.topicPk, keys, "history");
      return [{ readKey: keys.readKey, topicKey: keys.topicKey, topic }];
    });
  };

  /**
   * Where an op is told besides the current topic. Not everybody can derive the topic of combined epochs, and who needs a seal
   * cannot follow any topic of the epoch it is for.
   */
  const sideTopics = (repository: Repository, body: AclBody): readonly WritableTopic[] => {
    const { epochHeads, epochs } = repository.access.state();
    if (body.type === "reseal") return topicsOfEpochs(repository, epochs.slice(-RESEAL_TOPICS));
    return epochHeads.length > 1 ? topicsOfEpochs(repository, epochHeads) : [];
  };

  /** Head epochs of which this device lacks a secret that its role entitles it to. */
  const lacking = (repository: Repository): readonly Uint8Array[] => {
    const held = heldSecrets(repository.n);
    const writes = repository.access.isWriter(holder().device.publicKey);
    return repository.access.state().epochHeads.flatMap(({ body: { eid } }) => {
      const secret = held.get(bytesToHex(eid));
      return secret === undefined || (writes && secret.W === null) ? [eid] : [];
    });
  };

  const noteRequest: EpochKeeper["noteRequest"] = (repository, device, part) => {
    if (part.type !== "missingEpoch") return;
    const known = requests.get(repository.n) ?? [];
    if (known.length >= MAX_REQUESTS) return;
    requests.set(repository.n, [...known, { device, eid: part.eid, ops: repository.access.ops().length }]);
  };

  /** Devices that asked for a seal of the epoch and were given none since. */
  const requested = (repository: Repository, eid: Uint8Array): readonly SealRecipient[] => {
    const { access, n } = repository;
    const open = (requests.get(n) ?? []).filter((request) => bytesEqual(request.eid, eid));
    return access.state().recipients.filter(({ identifier, label }) =>
      open.some(
        ({ device, ops }) =>
          bytesEqual(device, identifier) &&
          !access
            .ops()
            .slice(ops)
            .some(
              ({ body }) =>
                body.type === "reseal" &&
                bytesEqual(body.eid, eid) &&
                body.seals.some((seal) => bytesEqual(seal.label, label)),
            ),
      ),
    );
  };

  /** Says which head epochs nobody sealed to this device, once each. */
  const askForSeals = (repository: Repository): void => {
    const into = speakingTopic(repository);
    const asked = askedSeals.get(repository.n) ?? new Set<string>();
    askedSeals.set(repository.n, asked);
    const missing = lacking(repository).filter((eid) => !asked.has(bytesToHex(eid)));
    if (into === undefined || missing.length === 0 || membership(repository) !== "active") return;
    for (const eid of missing) asked.add(bytesToHex(eid));
    say(
      repository,
      missing.map((eid): Part => ({ type: "missingEpoch", eid })),
      into,
    );
  };

  /** Gives head epochs to reader devices that joined without knowing of them. */
  const resealMissing = (repository: Repository): void => {
    const secrets = mayWrite(repository) ? headSecrets(repository) : undefined;
    if (secrets === undefined) return;
    let given = false;
    for (const secret of secrets) {
      const without = [
        ...new Set([...unsealedRecipients(repository.access, secret.eid), ...requested(repository, secret.eid)]),
      ];
      const seals = without.length === 0 ? undefined : sealEpoch(crypto, random, repository.rid, secret, without);
      if (seals === undefined || !seals.ok) continue;
      const body = { type: "reseal", eid: secret.eid, seals: seals.value } as const;
      // The ops that led here may stand where the recipients cannot follow.
      if (!given) publishOps(repository, sideTopics(repository, body));
      authorOp(repository, body);
      given = true;
    }
    if (given) requests.delete(repository.n);
  };

  /** Names the topic of several concurrent epochs on each one's own, for those who cannot derive it, before it is used. */
  const announceCombination = (repository: Repository): void => {
    const { epochHeads } = repository.access.state();
    if (epochHeads.length < 2 || !mayWrite(repository)) return;
    const eids = epochHeads.map(({ body }) => body.eid);
    const key = announcedKey(repository, combinationOf(eids));
    if (store.meta.get(key) !== undefined) return;
    const { topicPk } = repository.epoch;
    store.meta.set(key, topicPk);
    const [into, ...others] = topicsOfEpochs(repository, epochHeads);
    if (into !== undefined) say(repository, [{ type: "mergedTopic", eids, topicPk }], into, others);
  };

  return {
    loadAccess,
    storedEpoch,
    membership,
    moveTo,
    refreshKeys,
    settleAccess,
    judgeAgain,
    speakingTopic,
    authorOp,
    takeOp,
    headSecrets,
    mayWrite,
    hasFreshKeys,
    rotateIfDue,
    sealAllDrafts,
    ownSession,
    sealing,
    noteAnnouncement,
    noteRequest,
    rewrap,
    freezeSessions,
    say: (repository, parts, into) => say(repository, parts, into),
    publishOps,
    noteLeft: (repository) => {
      const isLeft =
        mayWrite(repository) &&
        !hasFreshKeys(repository) &&
        uncommonTopics(repository).some(({ n }) => store.entries.items(n).length > 0);
      if (isLeft) left.add(repository.n);
    },
    hasLeft: (repository) => left.has(repository.n) && mayWrite(repository),
    keepUp: (repository) => {
      if (left.has(repository.n)) rotateIfDue(repository);
      // The keys can be fresh again without a change of them: who was out came back.
      if (left.has(repository.n) && hasFreshKeys(repository)) carryAllOver(repository);
      askForSeals(repository);
      resealMissing(repository);
      announceCombination(repository);
    },
    takeItems: () => {
      const items = outbox;
      outbox = [];
      return items;
    },
  };
};
