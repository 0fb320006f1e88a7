import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import type { CheckedItem } from "../../protocol/entry/item.ts";
import { openSeal } from "../../protocol/epoch/epoch-body.ts";
import type { EpochSecret } from "../../protocol/epoch/epoch-keys.ts";
import type { ContactCard as Card, InboxKeys } from "../../protocol/identity/contact-card.ts";
import { deriveInboxTopic } from "../../protocol/identity/contact-card.ts";
import type { Letter } from "../../protocol/invite/letter.ts";
import { openLetter, sealLetter } from "../../protocol/invite/letter.ts";
import { invariant } from "../../protocol/kernel/assert.ts";
import { bytesEqual, bytesToHex, hexToBytes } from "../../protocol/kernel/bytes.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import type { CallName } from "../contract/contract.ts";
import type { ContractError } from "../contract/errors.ts";
import { contractError } from "../contract/errors.ts";
import type { Handlers } from "../contract/handlers.ts";
import type { Invitation } from "../contract/people.ts";
import { storeFailure } from "../identities/identity-service.ts";
import type { Profile } from "../identities/profile.ts";
import type { PeerService } from "../peers/peer-service.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Store, TopicRow } from "../ports/store.ts";
import type { ProxyService } from "../proxies/proxy-service.ts";
import type { AccessMember } from "../repositories/access.ts";
import { memberNames } from "../repositories/document-indexer.ts";
import type { Repository } from "../repositories/repository.ts";
import type { RepositoryService } from "../repositories/repository-service.ts";
import { admitSealed, sealHeads } from "../sharing/admit-member.ts";
import type { ContactService } from "./contact-service.ts";
import { proxyHintsOf } from "./contact-service.ts";
import { isCurrentDevice } from "./known-devices.ts";

/** Letters: invitations to somebody one knows, without a link being handed over, and those that came. */
export interface InboxService {
  readonly handlers: Pick<Handlers, Extract<CallName, `invitations.${string}`>>;
  /** Follows the own inbox, if there is one, and reads what lies in it. */
  readonly open: () => void;
  /** An item of a topic that belongs to no repository came. */
  readonly received: (topic: TopicRow, item: CheckedItem) => void;
  /** Makes a contact a member and leaves them a letter that says so; another letter while a member has not appeared. */
  readonly invite: (
    repository: Repository,
    contact: string,
    role: "reader" | "writer",
  ) => Promise<Result<null, ContractError>>;
}

/** Letters lie as long as an inbox keeps what nobody took (data.md section 8). */
const LIFE_MS = 30 * 24 * 3_600_000;
const ANSWERED = "letter/";
const MAX_ADDRESSES = 8;
const LABEL_BYTES = 8;
/** Letters shown at once; whoever has the card may leave more. */
const MAX_LETTERS = 200;
/** Notebooks one person invites to at once. */
const MAX_LETTERS_FROM_ONE = 8;

interface Arrived {
  readonly letter: Letter;
  /** When it came to this device, Unix milliseconds. */
  readonly at: number;
  /** Ids of earlier letters of the sender about the same notebook: one answer answers them all. */
  readonly earlier: readonly string[];
}

export const createInboxService = (deps: {
  readonly store: Store;
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly clock: Clock;
  readonly log: Log;
  readonly repositories: RepositoryService;
  readonly peers: Pick<PeerService, "offer" | "listening">;
  readonly proxies: Pick<ProxyService, "hints" | "meet" | "joined">;
  readonly profile: Profile;
  readonly contacts: Pick<ContactService, "standing" | "nameOf" | "inbox" | "cardOf" | "heardOf">;
  readonly seenAt: (repository: Repository, device: Uint8Array) => number | null;
  readonly changed: () => void;
  readonly notebooksChanged: () => void;
}): InboxService => {
  const { store, crypto, random, clock, log, repositories, peers, proxies, profile, contacts } = deps;
  const letters = new Map<string, Arrived>();

  const topicOf = (seed: Uint8Array): Result<TopicRow, ContractError> => {
    const { topicKey, readKey } = deriveInboxTopic(crypto, seed);
    const known = repositories.topicByPk(topicKey.publicKey);
    if (known !== undefined) return ok(known);
    const added = store.transaction(() =>
      store.topics.add({
        pk: topicKey.publicKey,
        repository: null,
        kind: "rendezvous",
        readKey,
        topicSeed: topicKey.seed,
        state: "current",
        since: clock.unix(),
      }),
    );
    if (!added.ok) return err(storeFailure(added.error));
    repositories.refreshTopics();
    const topic = repositories.topicByPk(topicKey.publicKey);
    invariant(topic !== undefined, "the topic was added");
    return ok(topic);
  };

  const isOwnTopic = (inbox: InboxKeys, topic: TopicRow): boolean =>
    bytesEqual(deriveInboxTopic(crypto, inbox.seed).topicKey.publicKey, topic.pk);

  const isByCurrentDevice = ({ from }: Letter): boolean =>
    isCurrentDevice(from.idRoot, from.devSig, [...from.identityOps, ...contacts.heardOf(from.idRoot)]);

  const isMember = ({ invitation }: Letter): boolean => {
    const known = repositories.byId(bytesToHex(invitation.rid));
    return known !== undefined && repositories.membership(known) === "active";
  };

  const isExpired = (at: number): boolean => at + LIFE_MS <= clock.unix();

  /** Whether a letter is still worth a place: not overtaken by time, by the membership or by what is thought of the sender. */
  const isOpen = ({ letter, at }: Pick<Arrived, "letter" | "at">): boolean =>
    !isExpired(at) &&
    !isMember(letter) &&
    contacts.standing(letter.from.idRoot, letter.from.name) !== "blocked" &&
    isByCurrentDevice(letter);

  const hasRoom = (): boolean => {
    if (letters.size < MAX_LETTERS) return true;
    for (const [id, arrived] of letters) if (!isOpen(arrived)) letters.delete(id);
    return letters.size < MAX_LETTERS;
  };

  const take = (inbox: InboxKeys, oid: Uint8Array, wire: Uint8Array): boolean => {
    const at = store.entries.arrivedAt(oid) ?? clock.unix();
    // Opening a letter costs far more than leaving one: what has no place is not opened.
    if (isExpired(at) || !hasRoom()) return false;
    const letter = openLetter(crypto, inbox, profile.idRoot, wire);
    if (letter === undefined) return false;
    const id = bytesToHex(letter.id);
    if (letters.has(id) || store.meta.get(ANSWERED + id) !== undefined || !isOpen({ letter, at })) return false;
    const fromSame = [...letters].filter(([, other]) => bytesEqual(other.letter.from.idRoot, letter.from.idRoot));
    const twin = fromSame.find(([, other]) => bytesEqual(other.letter.invitation.rid, letter.invitation.rid));
    if (twin === undefined) {
      if (fromSame.length >= MAX_LETTERS_FROM_ONE) return false;
      letters.set(id, { letter, at, earlier: [] });
      return true;
    }
    const [twinId, other] = twin;
    if (other.at > at) {
      letters.set(twinId, { ...other, earlier: [...other.earlier, id] });
      return false;
    }
    letters.delete(twinId);
    letters.set(id, { letter, at, earlier: [...other.earlier, twinId] });
    return true;
  };

  const describe = (id: string, { letter, at }: Arrived): Invitation => {
    const { from, invitation } = letter;
    return {
      id,
      notebook: bytesToHex(invitation.rid),
      title: invitation.title,
      role: invitation.role === 2 ? "writer" : "reader",
      from: {
        id: bytesToHex(from.idRoot),
        name: contacts.nameOf(from.idRoot) ?? from.name,
        standing: contacts.standing(from.idRoot, from.name),
      },
      at,
    };
  };

  const answer = (id: string): Result<null, ContractError> => {
    const written = store.transaction(() => {
      for (const one of [id, ...(letters.get(id)?.earlier ?? [])]) store.meta.set(ANSWERED + one, new Uint8Array(1));
    });
    if (!written.ok) return err(storeFailure(written.error));
    letters.delete(id);
    deps.changed();
    return ok(null);
  };

  /** Secrets of the epochs that are sealed to this device. */
  const secretsIn = ({ rid, epochs }: Letter["invitation"]): readonly EpochSecret[] => {
    const identifier = profile.device.publicKey;
    return epochs.flatMap((epoch) => {
      for (const keyPair of [profile.deviceEncryption, ...(profile.earlierEncryption ?? [])]) {
        const holder = { identifier, label: identifier.slice(0, LABEL_BYTES), keyPair };
        const opened = openSeal(crypto, rid, epoch, epoch.seals, holder);
        if (opened.ok) return [opened.value];
      }
      return [];
    });
  };

  const accept = (id: string): Result<null, ContractError> => {
    const found = letters.get(id);
    if (found === undefined || !isByCurrentDevice(found.letter)) return err(contractError("InviteNotFound"));
    const { invitation } = found.letter;
    if (!isMember(found.letter)) {
      const secrets = secretsIn(invitation);
      if (secrets.length < invitation.epochs.length) return err(contractError("KeysMissing"));
      const adopted = repositories.adopt({
        rid: invitation.rid,
        title: invitation.title,
        aclOps: [{ header: invitation.genesis.header, signature: invitation.genesis.sig }],
        secrets,
        topicPk: invitation.topicPk,
      });
      if (!adopted.ok) return err(storeFailure(adopted.error));
      const inbox = contacts.inbox();
      const topic = inbox === undefined ? undefined : topicOf(inbox.seed);
      if (topic?.ok === true) {
        proxies.meet(invitation.proxies, topic.value);
        proxies.joined(topic.value, adopted.value);
      }
      for (const address of invitation.addresses) peers.offer(address);
      deps.notebooksChanged();
    }
    return answer(id);
  };

  /** Everything that can fail for want of keys comes before the membership is written. */
  const inviteBy = (
    repository: Repository,
    card: Card,
    contact: string,
    role: 1 | 2,
    isMemberAlready: boolean,
  ): Result<null, ContractError> => {
    const known = new Set(card.identityOps.map(({ id }) => bytesToHex(id)));
    const heard = contacts
      .heardOf(card.idRoot)
      .filter(({ id }) => !known.has(bytesToHex(id)) && known.add(bytesToHex(id)));
    const who = { idRoot: card.idRoot, identityOps: [...card.identityOps, ...heard] };
    const epochs = sealHeads({ crypto, random, repositories }, repository, who, role);
    if (!epochs.ok) return epochs;
    if (epochs.value.some(({ seals }) => seals.length === 0)) return err(contractError("BadContactLink"));
    const [genesis] = store.repositories.aclOps(repository.n);
    invariant(genesis !== undefined, "a repository has a genesis op");
    const topic = topicOf(card.inboxSeed);
    if (!topic.ok) return topic;
    const { idRoot, device, ops, name } = profile;
    const item = sealLetter(
      crypto,
      random,
      device,
      { idRoot, devSig: device.publicKey, identityOps: ops, name },
      card,
      {
        rid: repository.rid,
        genesis: { header: genesis.header, sig: genesis.signature },
        epochs: epochs.value,
        topicPk: repository.epoch.topicPk,
        role,
        title: store.repositories.all().find(({ n }) => n === repository.n)?.title ?? "",
        proxies: proxies.hints(),
        addresses: peers.listening().slice(0, MAX_ADDRESSES),
      },
    );
    if (item === undefined) return err(contractError("BadContactLink"));
    if (!isMemberAlready) {
      const admitted = admitSealed({ repositories }, repository, who, role, epochs.value);
      if (!admitted.ok) return admitted;
    }
    const written = repositories.publish(topic.value, item);
    if (!written.ok) return err(storeFailure(written.error));
    proxies.meet(proxyHintsOf(card), topic.value);
    log.info("invited by letter", { contact: contact.slice(0, 8) });
    return ok(null);
  };

  /** Whether a member has the notebook, as far as this device can tell: else the letter may have been lost. */
  const hasAppeared = (repository: Repository, { idRoot, devices }: AccessMember): boolean =>
    bytesEqual(idRoot, profile.idRoot) ||
    devices.some((device) => deps.seenAt(repository, device) !== null) ||
    memberNames(store, repository)[bytesToHex(idRoot)] !== undefined;

  const open = (): void => {
    const inbox = contacts.inbox();
    const own = inbox === undefined ? undefined : topicOf(inbox.seed);
    if (inbox === undefined || own?.ok !== true) return;
    let isNew = false;
    for (const { oid } of store.entries.items(own.value.n)) {
      const wire = store.entries.wire(oid);
      if (wire !== undefined) isNew = take(inbox, oid, wire) || isNew;
    }
    if (isNew) deps.changed();
  };

  return {
    handlers: {
      "invitations.list": async () =>
        ok([...letters].filter(([, arrived]) => isOpen(arrived)).map(([id, found]) => describe(id, found))),
      "invitations.accept": async ({ id }) => accept(id),
      "invitations.decline": async ({ id }) => (letters.has(id) ? answer(id) : err(contractError("InviteNotFound"))),
    },
    open,
    received: (topic, item) => {
      const inbox = contacts.inbox();
      if (inbox !== undefined && isOwnTopic(inbox, topic) && take(inbox, item.oid, item.wire)) deps.changed();
    },
    invite: async (repository, contact, role) => {
      const own = repository.access.memberOfDevice(profile.device.publicKey)?.role;
      if (own !== "owner" && own !== "admin")
        return err(contractError("NotAllowed", "Only admins and the owner can invite somebody."));
      const idRoot = hexToBytes(contact) as Uint8Array;
      const member = repository.access.members().find((one) => bytesEqual(one.idRoot, idRoot));
      if (member !== undefined && hasAppeared(repository, member))
        return err(contractError("AlreadyMember", "They are a member of that notebook already."));
      const card = contacts.cardOf(idRoot);
      if (card === undefined) return err(contractError("CardMissing"));
      const isWriter = (member?.role ?? role) !== "reader";
      return inviteBy(repository, card, contact, isWriter ? 2 : 1, member !== undefined);
    },
  };
};
