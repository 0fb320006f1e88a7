import { decodeShape, encodeCbor } from "../../protocol/codec/cbor.ts";
import { bytes, text, tuple } from "../../protocol/codec/shape.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import type { ContactCard as Card, InboxKeys } from "../../protocol/identity/contact-card.ts";
import { deriveInboxKeys, encodeContactCard, readContactCard } from "../../protocol/identity/contact-card.ts";
import { formatContactLink, parseContactLink } from "../../protocol/identity/contact-link.ts";
import type { VerifiedIdentityOp } from "../../protocol/identity/identity-op.ts";
import { verificationDigits } from "../../protocol/identity/root-key.ts";
import type { ProxyHint } from "../../protocol/invite/invite-link.ts";
import { base64urlToBytes, bytesEqual, bytesToBase64url, bytesToHex, hexToBytes } from "../../protocol/kernel/bytes.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import type { ContractError } from "../contract/errors.ts";
import { contractError } from "../contract/errors.ts";
import type { CallName } from "../contract/contract.ts";
import type { Handlers } from "../contract/handlers.ts";
import type { Contact } from "../contract/people.ts";
import type { Standing } from "../contract/types.ts";
import { storeFailure } from "../identities/identity-service.ts";
import type { Profile } from "../identities/profile.ts";
import type { PeerService } from "../peers/peer-service.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Store } from "../ports/store.ts";
import type { ProxyService } from "../proxies/proxy-service.ts";
import { memberNames } from "../repositories/document-indexer.ts";
import type { Repository } from "../repositories/repository.ts";
import type { RepositoryService } from "../repositories/repository-service.ts";
import type { ContactBook } from "./contact-book.ts";
import { createContactBook } from "./contact-book.ts";
import type { ContactRecord } from "./contact-record.ts";
import { isCurrentDevice, newestCard } from "./known-devices.ts";
import { saysTheSame } from "./published-card.ts";
import { namesakeOf, shownName, standingOf } from "./standing.ts";

/** The people this identity knows. */
export interface ContactService {
  readonly handlers: Pick<Handlers, Exclude<Extract<CallName, `contacts.${string}`>, "contacts.invite">>;
  /** Keys of the own inbox; undefined until the own card was needed for the first time. */
  readonly inbox: () => InboxKeys | undefined;
  /** The newest card known of a person. */
  readonly cardOf: (idRoot: Uint8Array) => Card | undefined;
  /** Steps of somebody's device log that the notebooks and the card kept of them carry. */
  readonly heardOf: (idRoot: Uint8Array) => readonly VerifiedIdentityOp[];
  /** What a notebook's map of names, which says `known`, lacks of this identity besides its name. */
  readonly unpublished: (known: Readonly<Record<string, string>>) => Readonly<Record<string, string>>;
  /** Takes notice of who belongs to the notebooks; called once, when the repositories are open. */
  readonly open: () => void;
  /** Members or their names changed. */
  readonly met: (repository: Repository) => void;
  readonly standing: (idRoot: Uint8Array, called: string) => Standing;
  /** Name given to a person here; undefined for none. */
  readonly nameOf: (idRoot: Uint8Array) => string | undefined;
  /** What own devices keep together and the home repository lacks. */
  readonly news: ContactBook["news"];
  readonly take: (entries: Readonly<Record<string, string>>) => void;
}

const INBOX = "inbox";
const SECRET_BYTES = 32;

const LONGEST_ADDRESS = 128;
const hintShape = tuple(bytes(32), text(LONGEST_ADDRESS));
/** In a notebook's map of names: the contact card of a member, beside the name under its id. */
const CARD = "card/";

/** Proxies a card names; those written in another form are left out. */
export const proxyHintsOf = (card: Card): readonly ProxyHint[] =>
  card.proxyHints.flatMap((encoded) => {
    const read = decodeShape(hintShape, encoded);
    return read.ok ? [{ proxyPk: read.value[0], address: read.value[1] }] : [];
  });

const encodeProxyHint = ({ proxyPk, address }: ProxyHint): Uint8Array => encodeCbor([proxyPk, address]);

export const createContactService = (deps: {
  readonly store: Store;
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly clock: Clock;
  readonly log: Log;
  readonly repositories: RepositoryService;
  readonly peers: Pick<PeerService, "devices">;
  readonly proxies: Pick<ProxyService, "hints">;
  readonly profile: Profile;
  readonly seenAt: (repository: Repository, device: Uint8Array) => number | null;
  /** The home repository has something to be told. */
  readonly refreshHome: () => void;
  readonly changed: () => void;
  /** There is an inbox now, or another one. */
  readonly inboxChanged: () => void;
}): ContactService => {
  const { store, crypto, random, log, repositories, peers, profile } = deps;
  const book = createContactBook(deps);
  const isSelf = (idRoot: Uint8Array): boolean => bytesEqual(idRoot, profile.idRoot);

  const decided = (id: string, change: Parameters<ContactBook["decide"]>[1]): Result<null, ContractError> => {
    const written = book.decide(id, change);
    if (!written.ok) return err(storeFailure(written.error));
    deps.refreshHome();
    deps.changed();
    return ok(null);
  };

  const notice = (repository: Repository): boolean => {
    const names = memberNames(store, repository);
    const met = repository.access.members().flatMap(({ idRoot }) => {
      const id = bytesToHex(idRoot);
      return isSelf(idRoot) ? [] : [[id, names[id] ?? ""] as const];
    });
    return book.meet(new Map(met));
  };

  const shared = (
    id: string,
  ): readonly { readonly repository: Repository; readonly role: Contact["notebooks"][0]["role"] }[] =>
    repositories.all().flatMap((repository) => {
      if (repositories.membership(repository) !== "active") return [];
      const member = repository.access.members().find(({ idRoot }) => bytesToHex(idRoot) === id);
      return member === undefined ? [] : [{ repository, role: member.role }];
    });

  const devicesOf = (id: string, common: ReturnType<typeof shared>): Contact["devices"] => {
    const connected = peers.devices();
    const devices = new Map<string, Contact["devices"][0]>();
    for (const { repository } of common) {
      const member = repository.access.members().find(({ idRoot }) => bytesToHex(idRoot) === id);
      for (const key of member?.devices ?? []) {
        const device = bytesToHex(key);
        const seenAt = deps.seenAt(repository, key);
        const before = devices.get(device)?.seenAt ?? null;
        devices.set(device, {
          id: device,
          online: connected.some((other) => bytesEqual(other, key)),
          seenAt: before === null || (seenAt !== null && seenAt > before) ? seenAt : before,
        });
      }
    }
    return [...devices.values()];
  };

  const describe = (id: string, record: ContactRecord): Contact => {
    const common = shared(id);
    const titles = new Map(store.repositories.all().map(({ n, title }) => [n, title]));
    const namesake = namesakeOf(book.all(), id, record.called);
    const original = namesake === undefined ? undefined : book.all().get(namesake);
    return {
      id,
      name: shownName(id, record),
      called: record.called,
      standing: standingOf(book.all(), id, record.called),
      namesake:
        namesake === undefined || original === undefined
          ? null
          : { id: namesake, name: shownName(namesake, original), verified: original.verifiedAt !== null },
      verifiedAt: record.verifiedAt,
      digits: verificationDigits(crypto, profile.idRoot, hexToBytes(id) as Uint8Array),
      firstSeen: record.firstSeen,
      notebooks: common.map(({ repository, role }) => ({
        id: repository.id,
        title: titles.get(repository.n) ?? "",
        role,
      })),
      devices: devicesOf(id, common),
      hasCard: cardOf(hexToBytes(id) as Uint8Array) !== undefined,
    };
  };

  /** Who was removed from the list stays on it while a notebook is shared with them. */
  const isListed = (id: string, record: ContactRecord): boolean => record.state !== "removed" || shared(id).length > 0;
  /** A block ends only where somebody ends it. */
  const stateOr = (id: string, state: ContactRecord["state"]): ContactRecord["state"] =>
    book.all().get(id)?.state === "blocked" ? "blocked" : state;
  const find = (id: string): ContactRecord | undefined => {
    const record = book.all().get(id);
    return record !== undefined && isListed(id, record) ? record : undefined;
  };

  const change = async (
    id: string,
    what: Parameters<ContactBook["decide"]>[1],
  ): Promise<Result<Contact, ContractError>> => {
    if (find(id) === undefined) return err(contractError("ContactNotFound"));
    const done = decided(id, what);
    return done.ok ? ok(describe(id, book.all().get(id) as ContactRecord)) : done;
  };

  const inbox = (): InboxKeys | undefined => {
    const secret = store.meta.get(INBOX);
    return secret === undefined ? undefined : deriveInboxKeys(crypto, secret);
  };
  /** Makes the inbox when it is needed first; the same on all own devices as soon as they have met. */
  const openInbox = (): Result<InboxKeys, ContractError> => {
    const known = inbox();
    if (known !== undefined) return ok(known);
    const secret = random.bytes(SECRET_BYTES);
    const written = store.transaction(() => store.meta.set(INBOX, secret));
    if (!written.ok) return err(storeFailure(written.error));
    deps.refreshHome();
    deps.inboxChanged();
    return ok(deriveInboxKeys(crypto, secret));
  };

  const ownCard = (keys: InboxKeys): Card => ({
    idRoot: profile.idRoot,
    identityOps: profile.ops,
    inboxSeed: keys.seed,
    inboxEnc: keys.encryption.publicKey,
    proxyHints: deps.proxies.hints().map(encodeProxyHint),
  });
  const cardWith = (keys: InboxKeys): string =>
    formatContactLink(profile.device, { card: ownCard(keys), name: profile.name });

  const storedCard = (idRoot: Uint8Array): Card | undefined => {
    const stored = book.all().get(bytesToHex(idRoot))?.card ?? null;
    const card = stored === null ? undefined : readContactCard(crypto, stored);
    return card?.ok === true ? card.value : undefined;
  };

  const heardOf = (idRoot: Uint8Array): readonly VerifiedIdentityOp[] => [
    ...repositories.all().flatMap(({ access }) => access.identityOps(idRoot)),
    ...(storedCard(idRoot)?.identityOps ?? []),
  ];

  const cardOf = (idRoot: Uint8Array): Card | undefined => {
    const id = bytesToHex(idRoot);
    const written = shared(id).flatMap(({ repository }) => {
      const parsed = parseContactLink(crypto, memberNames(store, repository)[CARD + id] ?? "");
      if (!parsed.ok || !bytesEqual(parsed.value.card.idRoot, idRoot)) return [];
      return [{ card: parsed.value.card, signer: parsed.value.devSig }];
    });
    const given = storedCard(idRoot);
    const cards = given === undefined ? written : [...written, { card: given, signer: null }];
    return cards.length === 0 ? undefined : newestCard(idRoot, cards, heardOf(idRoot));
  };

  const add = async (link: string, name: string | undefined): Promise<Result<Contact, ContractError>> => {
    const parsed = parseContactLink(crypto, link);
    if (!parsed.ok) return err(contractError("BadContactLink"));
    const { card, name: called, devSig } = parsed.value;
    if (isSelf(card.idRoot)) return err(contractError("OwnContact"));
    if (!isCurrentDevice(card.idRoot, devSig, [...card.identityOps, ...heardOf(card.idRoot)]))
      return err(contractError("BadContactLink"));
    const id = bytesToHex(card.idRoot);
    const known = book.all().get(id);
    const done = decided(id, {
      card: encodeContactCard(card),
      state: stateOr(id, "known"),
      called: known === undefined || known.called === "" ? called : known.called,
      ...(name === undefined ? {} : { name }),
    });
    return done.ok ? ok(describe(id, book.all().get(id) as ContactRecord)) : done;
  };

  return {
    handlers: {
      "contacts.list": async () =>
        ok([...book.all()].filter(([id, record]) => isListed(id, record)).map(([id, record]) => describe(id, record))),
      "contacts.card": async () => {
        const keys = openInbox();
        return keys.ok ? ok({ link: cardWith(keys.value), name: profile.name }) : keys;
      },
      "contacts.add": ({ link, name }) => add(link, name),
      "contacts.rename": ({ contact, name }) => change(contact, { name: name.trim() }),
      "contacts.verify": async ({ contact, digits }) => {
        if (find(contact) === undefined) return err(contractError("ContactNotFound"));
        const right = verificationDigits(crypto, profile.idRoot, hexToBytes(contact) as Uint8Array);
        if (digits.replaceAll(/\s+/gu, "") !== right.replaceAll(" ", "")) return err(contractError("DigitsDiffer"));
        return change(contact, { verifiedAt: deps.clock.unix(), state: stateOr(contact, "known") });
      },
      "contacts.unverify": ({ contact }) => change(contact, { verifiedAt: null }),
      "contacts.block": ({ contact, blocked }) => change(contact, { state: blocked ? "blocked" : "known" }),
      "contacts.remove": async ({ contact }) => {
        if (find(contact) === undefined) return err(contractError("ContactNotFound"));
        return decided(contact, { state: stateOr(contact, "removed"), name: "", verifiedAt: null, card: null });
      },
    },
    inbox,
    cardOf,
    heardOf,
    unpublished: (known) => {
      const keys = inbox();
      if (keys === undefined) return {};
      const key = CARD + bytesToHex(profile.idRoot);
      return saysTheSame(crypto, known[key], ownCard(keys)) ? {} : { [key]: cardWith(keys) };
    },
    open: () => {
      for (const repository of repositories.all()) notice(repository);
    },
    met: (repository) => {
      if (notice(repository)) deps.changed();
    },
    standing: (idRoot, called) => standingOf(book.all(), bytesToHex(idRoot), called),
    nameOf: (idRoot) => {
      const name = book.all().get(bytesToHex(idRoot))?.name ?? "";
      return name === "" ? undefined : name;
    },
    news: (known) => {
      const secret = store.meta.get(INBOX);
      const news = new Map(book.news(known));
      if (secret !== undefined && known[INBOX] === undefined) news.set(INBOX, bytesToBase64url(secret));
      return news;
    },
    take: (entries) => {
      const given = entries[INBOX] === undefined ? undefined : base64urlToBytes(entries[INBOX]);
      const own = store.meta.get(INBOX);
      if (given?.length === SECRET_BYTES && (own === undefined || !bytesEqual(own, given))) {
        const written = store.transaction(() => store.meta.set(INBOX, given));
        if (written.ok) deps.inboxChanged();
        else log.warn("inbox not kept", { fault: written.error.type });
      }
      if (book.take(entries)) deps.changed();
    },
  };
};
