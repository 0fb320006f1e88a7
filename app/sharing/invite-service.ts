import type { ContactService } from "../contacts/contact-service.ts";
import type { ContractError } from "../contract/errors.ts";
import { contractError } from "../contract/errors.ts";
import type { Invite, InviteCreated, JoinStarted, PendingInvite } from "../contract/types.ts";
import { storeFailure } from "../identities/identity-service.ts";
import type { Profile } from "../identities/profile.ts";
import type { PeerService } from "../peers/peer-service.ts";
import type { ProxyService } from "../proxies/proxy-service.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Store, TopicRow } from "../ports/store.ts";
import { memberNames } from "../repositories/document-indexer.ts";
import type { DocumentService } from "../repositories/document-service.ts";
import { documentId } from "../repositories/document-service.ts";
import type { Repository } from "../repositories/repository.ts";
import { NOTEBOOK_DOCUMENT } from "../repositories/repository.ts";
import type { RepositoryService } from "../repositories/repository-service.ts";
import type { AclBody, VerifiedAclOp } from "../../protocol/acl/acl-op.ts";
import { readPolicy } from "../../protocol/acl/policy.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import type { CheckedItem } from "../../protocol/entry/item.ts";
import type { EpochSecret } from "../../protocol/epoch/epoch-keys.ts";
import { inviteRecipient, sealEpoch } from "../../protocol/epoch/epoch-body.ts";
import type { InviteKeys } from "../../protocol/invite/invite-link.ts";
import {
  createInviteSecret,
  deriveInviteKeys,
  formatInviteLink,
  parseInviteLink,
} from "../../protocol/invite/invite-link.ts";
import type { Inviter, InviterEffect, InviterEvent, JoinRequest } from "../../protocol/invite/inviter.ts";
import { createInviter } from "../../protocol/invite/inviter.ts";
import type { Joiner, JoinerEffect } from "../../protocol/invite/joiner.ts";
import { createJoiner } from "../../protocol/invite/joiner.ts";
import type { Party, Welcome } from "../../protocol/invite/messages.ts";
import { exhaustive, invariant } from "../../protocol/kernel/assert.ts";
import { bytesEqual, bytesToHex, hexToBytes } from "../../protocol/kernel/bytes.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import { after, durationMs } from "../../protocol/kernel/time.ts";
import { admitMember } from "./admit-member.ts";
import type { InviterRecord, JoinerRecord } from "./invite-record.ts";
import { decodeInviteRecord, encodeInviteRecord } from "./invite-record.ts";

type Answer<T> = Promise<Result<T, ContractError>>;

export interface InviteTerms {
  readonly mode: "auto" | "ask";
  readonly role: "reader" | "writer";
  readonly maxUses: number | undefined;
  /** Unix milliseconds. */
  readonly expiresAt: number | undefined;
}

type InviteOp = VerifiedAclOp & { readonly body: Extract<AclBody, { type: "invite" }> };

export interface InviteService {
  /** Takes up the invites of earlier runs. */
  readonly open: () => void;
  readonly create: (repository: Repository, terms: InviteTerms) => Answer<InviteCreated>;
  /** Every invite of the notebook, newest first. */
  readonly list: (repository: Repository) => readonly Invite[];
  /** Withdraws an invite; where its link gave the keys away, they are changed before anything more is written. */
  readonly revoke: (repository: Repository, id: string) => Answer<Invite>;
  readonly join: (link: string) => Answer<JoinStarted>;
  readonly pending: () => readonly PendingInvite[];
  readonly approve: (id: string) => Answer<PendingInvite>;
  readonly decline: (id: string) => Answer<PendingInvite>;
  /** An item of a rendezvous topic came from a peer. */
  readonly received: (topic: TopicRow, item: CheckedItem) => void;
  /** The membership changed: links that were withdrawn elsewhere end here as well. */
  readonly accessChanged: (repository: Repository) => void;
  /** Puts the own name into a notebook that this device may now write. */
  readonly introduce: (repository: Repository) => void;
  readonly stop: () => void;
}

/** data.md section 8: seven days; one use where nobody is asked, else as many as a person can tell apart. */
const LIFE_MS = 7 * 24 * 3_600_000;
const MAX_USES = { auto: 1, ask: 16 } as const;
/** What the link may carry: the inviter's addresses, LAN ones included. */
const MAX_ADDRESSES = 8;
/** Label in the link, in characters; it is read before anything is proven. */
const MAX_LABEL = 80;
/** A timer further away than this is set again: hosts' timers overflow at 2^31 ms. */
const LONGEST_TIMER = 24 * 3_600_000;

interface Outgoing {
  readonly record: JoinerRecord;
  readonly topic: TopicRow;
  readonly machine: Joiner;
  check: string | undefined;
  inviter: Party | undefined;
  state: PendingInvite["state"];
  notebook: string | null;
  message: string;
}

interface Incoming {
  record: InviterRecord;
  readonly topic: TopicRow;
  readonly repository: Repository;
  readonly machine: Inviter;
  readonly requests: Map<string, JoinRequest>;
  timer: (() => void) | undefined;
  ended: boolean;
}

/** Invites from both sides: the rendezvous machines run over their topics' items, which replay after a restart. */
export const createInviteService = (deps: {
  readonly store: Store;
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly clock: Clock;
  readonly log: Log;
  readonly repositories: RepositoryService;
  readonly peers: PeerService;
  readonly proxies: Pick<ProxyService, "hints" | "meet" | "joined">;
  readonly documents: DocumentService;
  readonly profile: Profile;
  readonly contacts: Pick<ContactService, "standing" | "unpublished">;
  readonly changed: () => void;
  readonly notebooksChanged: () => void;
}): InviteService => {
  const { store, crypto, random, clock, log, repositories, peers, proxies, documents, profile, contacts } = deps;
  const outgoing = new Map<number, Outgoing>();
  const incoming = new Map<number, Incoming>();
  const introducing = new Set<string>();

  const party = (): Party => {
    const { idRoot, device, ops, name } = profile;
    return { idRoot, devSig: device.publicKey, identityOps: ops, name };
  };
  const idOf = (topic: TopicRow): string => bytesToHex(crypto.hash("SHA256", topic.pk).subarray(0, 16));

  const addTopic = (keys: InviteKeys): Result<TopicRow, ContractError> => {
    const added = store.transaction(() =>
      store.topics.add({
        pk: keys.topicKey.publicKey,
        repository: null,
        kind: "rendezvous",
        readKey: keys.readKey,
        topicSeed: keys.topicKey.seed,
        state: "current",
        since: clock.unix(),
      }),
    );
    if (!added.ok) return err(storeFailure(added.error));
    repositories.refreshTopics();
    const topic = repositories.topicByPk(keys.topicKey.publicKey);
    invariant(topic !== undefined, "the topic was added");
    return ok(topic);
  };

  const save = (topic: TopicRow, repository: number | null, record: InviterRecord | JoinerRecord): void => {
    const written = store.transaction(() =>
      store.invites.put({
        id: hexToBytes(idOf(topic)) as Uint8Array,
        role: record.type,
        repository,
        state: encodeInviteRecord(record),
        expiresAt: record.expiresAt,
      }),
    );
    if (!written.ok) log.error("invite not saved", { fault: written.error.type });
  };

  const publish = (topic: TopicRow, item: CheckedItem): void => {
    const written = repositories.publish(topic, item);
    if (!written.ok) log.error("invite message not stored", { fault: written.error.type });
  };

  const appendOp = (repository: Repository, body: AclBody): Result<Uint8Array, ContractError> => {
    const written = repositories.author(repository, body);
    return written.ok ? written : err(storeFailure(written.error));
  };

  /** Secrets of the epochs that count now; W is left out for a reader. */
  const secretsFor = (repository: Repository, writer: boolean): readonly EpochSecret[] => {
    const heads = repository.access.state().epochHeads.map(({ body }) => bytesToHex(body.eid));
    return store.repositories
      .epochs(repository.n)
      .filter(({ eid }) => heads.includes(bytesToHex(eid)))
      .map(({ eid, s, w }) => ({ eid, S: s, W: writer ? w : null }));
  };

  const inviteOps = (repository: Repository): readonly InviteOp[] =>
    repository.access.ops().filter((op): op is InviteOp => op.body.type === "invite");
  const termsOf = (repository: Repository, id: Uint8Array): InviteOp["body"] | undefined =>
    inviteOps(repository).find((op) => bytesEqual(op.id, id))?.body;
  const isWithdrawn = (repository: Repository, id: Uint8Array): boolean => {
    const state = repository.access.state();
    return repository.access
      .ops()
      .some(
        (op) => op.body.type === "uninvite" && bytesEqual(op.body.invite, id) && state.verdictOf(op.id) === "valid",
      );
  };
  const mayInvite = (repository: Repository): boolean => {
    const role = repository.access.memberOfDevice(profile.device.publicKey)?.role;
    return role === "owner" || role === "admin";
  };

  const allowsAutomatic = (repository: Repository): boolean =>
    readPolicy(repository.access.state().policy).automaticInvites;

  const admit = (invite: Incoming, { joiner }: JoinRequest): Result<Welcome, ContractError> => {
    const { repository, record } = invite;
    const known = repository.access.members().find(({ idRoot }) => bytesEqual(idRoot, joiner.idRoot));
    // A member that was made a reader since gets no write secret by a link of before.
    const writer = known === undefined ? record.role === "writer" : known.role !== "reader";
    if (known === undefined) {
      if (repositories.headSecrets(repository) === undefined) return err(contractError("KeysMissing"));
      const isAutomatic = record.mode === "auto";
      if (isAutomatic && !allowsAutomatic(repository)) return err(contractError("NotAllowed"));
      if (!mayInvite(repository) || isWithdrawn(repository, record.invite)) return err(contractError("NotAllowed"));
      // The conversation is read again after each start: whoever was let in by it once and removed since stays out.
      const { access } = repository;
      const admitted = access
        .ops()
        .some(
          (op) =>
            op.body.type === "set" && bytesEqual(op.body.who, joiner.idRoot) && access.covers([op.id], [record.invite]),
        );
      if (admitted) return err(contractError("NotAllowed"));
      const admittedNow = admitMember({ crypto, random, repositories }, repository, joiner, writer ? 2 : 1);
      if (!admittedNow.ok) return admittedNow;
    }
    const genesis = store.repositories.aclOps(repository.n)[0];
    invariant(genesis !== undefined, "a repository has a genesis op");
    const title = store.repositories.all().find(({ n }) => n === repository.n)?.title ?? "";
    return ok({
      rid: repository.rid,
      genesis: { header: genesis.header, sig: genesis.signature },
      epochs: secretsFor(repository, writer),
      topicPk: repository.epoch.topicPk,
      role: writer ? 2 : 1,
      title,
      invite: record.invite,
    });
  };

  const runInviter = (invite: Incoming, event: InviterEvent): void => {
    for (const effect of invite.machine.handle(event, clock.monotonic())) applyInviter(invite, effect);
    schedule(invite);
  };

  const applyInviter = (invite: Incoming, effect: InviterEffect): void => {
    switch (effect.type) {
      case "publish":
        publish(invite.topic, effect.item);
        break;
      case "asked":
        invite.requests.set(effect.request.id, effect.request);
        if (
          personOf(effect.request.joiner).standing === "blocked" &&
          !invite.record.decisions.some(([id]) => id === effect.request.id)
        )
          void decide(effect.request.id, "decline");
        deps.changed();
        break;
      case "admit": {
        invite.requests.set(effect.request.id, effect.request);
        const welcome = admit(invite, effect.request);
        if (welcome.ok) runInviter(invite, { type: "welcome", id: effect.request.id, welcome: welcome.value });
        else log.info("newcomer not admitted", { fault: welcome.error.type });
        deps.changed();
        break;
      }
      case "tooManyRequests":
        log.warn("invite link used too often");
        break;
      case "ended":
        invite.ended = true;
        deps.changed();
        break;
      default:
        exhaustive(effect);
    }
  };

  const schedule = (invite: Incoming): void => {
    invite.timer?.();
    invite.timer = undefined;
    const deadline = invite.machine.nextDeadline();
    if (deadline === undefined) return;
    const delay = Math.min(LONGEST_TIMER, Math.max(0, deadline - clock.monotonic()));
    invite.timer = clock.after(durationMs(delay), () => runInviter(invite, { type: "deadlineReached" }));
  };

  const startInviter = (topic: TopicRow, repository: Repository, record: InviterRecord): void => {
    const { secret, mode, expiresAt } = record;
    const invite: Incoming = {
      record,
      topic,
      repository,
      machine: createInviter({
        crypto,
        secret,
        mode,
        maxUses: termsOf(repository, record.invite)?.maxUses ?? MAX_USES[mode],
        device: profile.device,
        inviter: party(),
        expires: after(clock.monotonic(), durationMs(Math.max(0, expiresAt - clock.unix()))),
      }),
      requests: new Map(),
      timer: undefined,
      ended: false,
    };
    incoming.set(topic.n, invite);
    replay(topic, (wire) => runInviter(invite, { type: "item", wire }));
    for (const [id, decision] of record.decisions) runInviter(invite, { type: decision, id });
  };

  const replay = (topic: TopicRow, take: (wire: Uint8Array) => void): void => {
    for (const { oid } of store.entries.items(topic.n)) {
      const wire = store.entries.wire(oid);
      if (wire !== undefined) take(wire);
    }
  };

  const applyJoiner = (attempt: Outgoing, effect: JoinerEffect): void => {
    switch (effect.type) {
      case "publish":
        publish(attempt.topic, effect.item);
        break;
      case "compare":
        attempt.check = effect.check;
        attempt.inviter = effect.inviter;
        attempt.state = "requested";
        break;
      case "welcomed":
        attempt.state = welcomed(attempt.topic, effect.welcome) ? "joined" : "failed";
        attempt.notebook = bytesToHex(effect.welcome.rid);
        break;
      case "declined":
        attempt.state = "declined";
        break;
      case "otherChallenge":
        attempt.message = "Somebody else answered this link as well. Compare the digits with care.";
        break;
      default:
        exhaustive(effect);
    }
    deps.changed();
  };

  const welcomed = (rendezvous: TopicRow, welcome: Welcome): boolean => {
    const known = repositories.byId(bytesToHex(welcome.rid));
    const held = new Set(known && store.repositories.epochs(known.n).map(({ eid }) => bytesToHex(eid)));
    // Read again after a restart, or a notebook this device has come back to.
    if (known !== undefined && welcome.epochs.every(({ eid }) => held.has(bytesToHex(eid)))) return true;
    const adopted = repositories.adopt({
      rid: welcome.rid,
      title: welcome.title,
      aclOps: [{ header: welcome.genesis.header, signature: welcome.genesis.sig }],
      secrets: welcome.epochs,
      topicPk: welcome.topicPk,
    });
    if (!adopted.ok) {
      log.error("notebook not joined", { fault: adopted.error.type });
      return false;
    }
    proxies.joined(rendezvous, adopted.value);
    deps.notebooksChanged();
    return true;
  };

  const startJoiner = (topic: TopicRow, record: JoinerRecord): Outgoing => {
    const attempt: Outgoing = {
      record,
      topic,
      machine: createJoiner({
        crypto,
        link: { secret: record.secret },
        seed: record.seed,
        device: profile.device,
        joiner: party(),
        message: "",
      }),
      check: undefined,
      inviter: undefined,
      state: "connecting",
      notebook: null,
      message: "",
    };
    outgoing.set(topic.n, attempt);
    for (const effect of attempt.machine.handle({ type: "start" }, clock.monotonic())) applyJoiner(attempt, effect);
    replay(topic, (wire) => takeItem(attempt, wire));
    return attempt;
  };

  const takeItem = (attempt: Outgoing, wire: Uint8Array): void => {
    for (const effect of attempt.machine.handle({ type: "item", wire }, clock.monotonic()))
      applyJoiner(attempt, effect);
  };

  const personOf = ({ idRoot, name }: Party): NonNullable<PendingInvite["person"]> => ({
    id: bytesToHex(idRoot),
    standing: contacts.standing(idRoot, name),
  });

  const describeOutgoing = (attempt: Outgoing): PendingInvite => ({
    id: idOf(attempt.topic),
    direction: "outgoing",
    notebook: attempt.notebook,
    label: attempt.record.label,
    name: attempt.inviter?.name ?? null,
    person: attempt.inviter === undefined ? null : personOf(attempt.inviter),
    state: attempt.state === "connecting" && attempt.record.expiresAt < clock.unix() ? "expired" : attempt.state,
    checkString: attempt.check ?? null,
    message: attempt.message,
  });

  const describeRequest = (invite: Incoming, request: JoinRequest): PendingInvite => {
    const state = invite.machine.stateOf(request.id);
    const title = store.repositories.all().find(({ n }) => n === invite.repository.n)?.title ?? "";
    return {
      id: request.id,
      direction: "incoming",
      notebook: invite.repository.id,
      label: title,
      name: request.joiner.name,
      person: personOf(request.joiner),
      state: state === "welcomed" ? "joined" : state === "declined" || state === "approved" ? state : "requested",
      checkString: request.check,
      message: request.message,
    };
  };

  const linkOf = (repository: Repository, { mode, secret }: InviterRecord): string =>
    formatInviteLink({
      mode,
      secret,
      proxies: proxies.hints(),
      addresses: peers.listening().slice(0, MAX_ADDRESSES),
      label: (store.repositories.all().find(({ n }) => n === repository.n)?.title ?? "").slice(0, MAX_LABEL),
    });

  const describeInvite = (repository: Repository, { id, idRoot, ts, body }: InviteOp): Invite => {
    const running = [...incoming.values()].find(({ record }) => bytesEqual(record.invite, id));
    const state = repository.access.state();
    const joined = repository.access
      .ops()
      .filter((op) => op.body.type === "join" && bytesEqual(op.body.invite, id) && state.verdictOf(op.id) === "valid");
    const welcomed = [...(running?.requests.keys() ?? [])].filter(
      (request) => running?.machine.stateOf(request) === "welcomed",
    );
    const uses = Math.max(joined.length, welcomed.length);
    const expiresAt = running?.record.expiresAt ?? body.expires * 1000;
    const standing = (): Invite["state"] => {
      if (isWithdrawn(repository, id) || state.verdictOf(id) !== "valid") return "revoked";
      if (expiresAt <= clock.unix()) return "expired";
      return uses >= body.maxUses ? "usedUp" : "open";
    };
    const current = standing();
    const creator = bytesToHex(idRoot);
    return {
      id: bytesToHex(id),
      notebook: repository.id,
      mode: body.mode,
      role: body.role === 2 ? "writer" : "reader",
      state: current,
      link: running === undefined || current !== "open" ? null : linkOf(repository, running.record),
      createdBy: memberNames(store, repository)[creator] ?? `Member ${creator.slice(0, 8)}`,
      createdAt: ts * 1000,
      expiresAt,
      uses,
      maxUses: body.maxUses,
    };
  };

  /** Ends the conversations of links that somebody has withdrawn. */
  const endRevoked = (repository: Repository): void => {
    for (const invite of incoming.values())
      if (invite.repository === repository && !invite.ended && isWithdrawn(repository, invite.record.invite))
        runInviter(invite, { type: "revoke" });
  };

  const decide = async (id: string, type: "approve" | "decline"): Answer<PendingInvite> => {
    for (const invite of incoming.values()) {
      const request = invite.requests.get(id);
      if (request === undefined) continue;
      if (invite.machine.stateOf(id) === "requested") {
        invite.record = { ...invite.record, decisions: [...invite.record.decisions, [id, type]] };
        save(invite.topic, invite.repository.n, invite.record);
        runInviter(invite, { type, id });
      }
      return ok(describeRequest(invite, request));
    }
    return err(contractError("InviteNotFound"));
  };

  return {
    open: () => {
      for (const row of store.invites.all()) {
        const record = decodeInviteRecord(row.state);
        if (record === undefined) {
          log.warn("invite not readable");
          continue;
        }
        const topic = repositories.topicByPk(deriveInviteKeys(crypto, record.secret).topicKey.publicKey);
        if (topic === undefined) continue;
        if (record.type === "inviter") {
          const repository = row.repository === null ? undefined : repositories.byNumber(row.repository);
          const ends = repository === undefined || isWithdrawn(repository, record.invite);
          if (!ends && record.expiresAt > clock.unix()) startInviter(topic, repository, record);
          else forget(row.id, topic);
        } else if (record.expiresAt < clock.unix()) forget(row.id, topic);
        else {
          const attempt = startJoiner(topic, record);
          if (attempt.state === "joined" || attempt.state === "declined") {
            outgoing.delete(topic.n);
            forget(row.id, topic);
          }
        }
      }
    },
    create: async (repository, { mode, role, maxUses = MAX_USES[mode], expiresAt = clock.unix() + LIFE_MS }) => {
      if (!mayInvite(repository))
        return err(contractError("NotAllowed", "Only admins and the owner can invite somebody."));
      if (expiresAt <= clock.unix()) return err(contractError("InvalidInput", "expiresAt: expected a time to come."));
      if (mode === "auto" && !allowsAutomatic(repository))
        return err(contractError("NotAllowed", "This notebook lets people in only after somebody was asked."));
      if (mode === "auto" && repositories.headSecrets(repository) === undefined)
        return err(contractError("KeysMissing"));
      const secret = createInviteSecret(random);
      const keys = deriveInviteKeys(crypto, secret);
      const seals =
        mode === "ask"
          ? []
          : secretsFor(repository, true).flatMap((epoch) => {
              invariant(epoch.W !== null, "who invites holds the write secret");
              const recipient = inviteRecipient(
                keys.signing.publicKey,
                keys.encryption.publicKey,
                epoch.eid,
                role === "writer",
              );
              const sealed = sealEpoch(crypto, random, repository.rid, { ...epoch, W: epoch.W }, [recipient]);
              return sealed.ok ? sealed.value : [];
            });
      const invite = appendOp(repository, {
        type: "invite",
        invPk: keys.signing.publicKey,
        mode,
        role: role === "writer" ? 2 : 1,
        maxUses,
        expires: Math.floor(expiresAt / 1000),
        rvTopicPk: keys.topicKey.publicKey,
        seals,
      });
      if (!invite.ok) return invite;
      const topic = addTopic(keys);
      if (!topic.ok) return topic;
      const record: InviterRecord = {
        type: "inviter",
        secret,
        mode,
        role,
        invite: invite.value,
        expiresAt,
        decisions: [],
      };
      save(topic.value, repository.n, record);
      startInviter(topic.value, repository, record);
      deps.changed();
      return ok({ id: bytesToHex(invite.value), link: linkOf(repository, record), mode, expiresAt });
    },
    list: (repository) =>
      inviteOps(repository)
        .map((op) => describeInvite(repository, op))
        .toReversed(),
    revoke: async (repository, id) => {
      const op = inviteOps(repository).find((one) => bytesToHex(one.id) === id);
      if (op === undefined) return err(contractError("InviteNotFound"));
      if (!mayInvite(repository))
        return err(contractError("NotAllowed", "Only admins and the owner can revoke an invite."));
      if (!isWithdrawn(repository, op.id)) {
        const withdrawn = appendOp(repository, { type: "uninvite", invite: op.id });
        if (!withdrawn.ok) return withdrawn;
      }
      endRevoked(repository);
      return ok(describeInvite(repository, op));
    },
    accessChanged: endRevoked,
    join: async (link) => {
      const parsed = parseInviteLink(link);
      if (!parsed.ok) return err(contractError("BadInvite"));
      const { secret, label, addresses, proxies: hints } = parsed.value;
      const keys = deriveInviteKeys(crypto, secret);
      const known = repositories.topicByPk(keys.topicKey.publicKey);
      if (known !== undefined && incoming.has(known.n)) return err(contractError("AlreadyMember"));
      const running = known === undefined ? undefined : outgoing.get(known.n);
      if (running !== undefined) return ok({ id: idOf(running.topic), label: running.record.label });
      const topic = addTopic(keys);
      if (!topic.ok) return topic;
      const record: JoinerRecord = {
        type: "joiner",
        secret,
        label,
        addresses,
        seed: random.bytes(32),
        expiresAt: clock.unix() + LIFE_MS,
      };
      save(topic.value, null, record);
      startJoiner(topic.value, record);
      for (const address of addresses) peers.offer(address);
      proxies.meet(hints, topic.value);
      return ok({ id: idOf(topic.value), label });
    },
    pending: () => [
      ...[...incoming.values()].flatMap((invite) =>
        [...invite.requests.values()].map((request) => describeRequest(invite, request)),
      ),
      ...[...outgoing.values()].map(describeOutgoing),
    ],
    approve: (id) => decide(id, "approve"),
    decline: (id) => decide(id, "decline"),
    received: (topic, item) => {
      const invite = incoming.get(topic.n);
      if (invite !== undefined) runInviter(invite, { type: "item", wire: item.wire });
      const attempt = outgoing.get(topic.n);
      if (attempt !== undefined) takeItem(attempt, item.wire);
    },
    introduce: (repository) => {
      if (introducing.has(repository.id) || !repositories.canWrite(repository)) return;
      const id = bytesToHex(profile.idRoot);
      const notebook = documentId(repository, NOTEBOOK_DOCUMENT);
      const known = memberNames(store, repository);
      if (documents.find(notebook) === undefined) return;
      const missing = Object.entries({ [id]: profile.name, ...contacts.unpublished(known) }).filter(
        ([key, value]) => known[key] !== value,
      );
      if (missing.length === 0) return;
      introducing.add(repository.id);
      void documents
        .edit(
          notebook,
          missing.map(([identity, name]) => ({ type: "setName", identity, name })),
        )
        .then((edited) => {
          if (!edited.ok) log.warn("own name not written", { fault: edited.error.type });
        })
        .finally(() => introducing.delete(repository.id));
    },
    stop: () => {
      for (const invite of incoming.values()) invite.timer?.();
    },
  };

  function forget(id: Uint8Array, topic: TopicRow): void {
    const written = store.transaction(() => {
      store.invites.remove(id);
      store.topics.remove(topic.n);
    });
    if (!written.ok) log.warn("invite not removed", { fault: written.error.type });
    repositories.refreshTopics();
  }
};
