import { type CborValue, decodeShape, encodeCbor } from "../codec/cbor.ts";
import {
  array,
  bytes,
  bytesUpTo,
  literal,
  mapped,
  nullable,
  refined,
  tagged,
  text,
  tuple,
  uint,
} from "../codec/shape.ts";
import { cutUtf8 } from "../codec/utf8.ts";
import { hpkeOpen, hpkeSeal } from "../crypto/hpke.ts";
import { hk } from "../crypto/kdf.ts";
import type { CryptoProvider, DhKeyPair, SigningKey } from "../crypto/provider.ts";
import type { EpochSecret } from "../epoch/epoch-keys.ts";
import { identityOpsShape, readIdentityOps } from "../identity/contact-card.ts";
import { evaluateIdentity } from "../identity/identity-log.ts";
import { identityOpWire, type VerifiedIdentityOp } from "../identity/identity-op.ts";
import { exhaustive } from "../kernel/assert.ts";
import { ascii, bytesToHex, concatBytes } from "../kernel/bytes.ts";

/** One side of the conversation: an identity, the device that speaks for it and the name it goes by. */
export interface Party {
  readonly idRoot: Uint8Array;
  readonly devSig: Uint8Array;
  readonly identityOps: readonly VerifiedIdentityOp[];
  readonly name: string;
}

/** First message of a joiner. */
export interface Request {
  /** 16 bytes that name this attempt. */
  readonly id: Uint8Array;
  readonly joiner: Party;
  readonly message: string;
  /** X25519 key the welcome is sealed to. */
  readonly replyEnc: Uint8Array;
  /** Commitment to the joiner's nonce. */
  readonly commit: Uint8Array;
}

/** Answer of an inviter's device. */
export interface Challenge {
  readonly id: Uint8Array;
  readonly requestHash: Uint8Array;
  readonly inviter: Party;
  readonly nonce: Uint8Array;
}

/** What a newcomer needs to read the repository. */
export interface Welcome {
  readonly rid: Uint8Array;
  readonly genesis: { readonly header: Uint8Array; readonly sig: Uint8Array };
  /** Secrets of all head epochs; older ones follow from their history. */
  readonly epochs: readonly EpochSecret[];
  /** Topic of the combined heads, which readers cannot compute. */
  readonly topicPk: Uint8Array;
  readonly role: 1 | 2 | 3;
  readonly title: string;
  /** The invite op, which a `join` op names. */
  readonly invite: Uint8Array | null;
}

/** A message as it lies in a rendezvous item; nothing in it is verified yet. */
export type RendezvousMessage =
  | { readonly type: "request"; readonly header: Uint8Array; readonly sig: Uint8Array; readonly invSig: Uint8Array }
  | {
      readonly type: "welcome";
      readonly id: Uint8Array;
      readonly enc: Uint8Array;
      readonly ct: Uint8Array;
      readonly sig: Uint8Array;
    }
  | { readonly type: "challenge"; readonly header: Uint8Array; readonly sig: Uint8Array }
  | { readonly type: "reveal"; readonly id: Uint8Array; readonly challengeHash: Uint8Array; readonly nonce: Uint8Array }
  | { readonly type: "declined"; readonly id: Uint8Array; readonly sig: Uint8Array };

export const encodeMessage = (message: RendezvousMessage): Uint8Array => {
  switch (message.type) {
    case "request":
      return encodeCbor([2, message.header, message.sig, message.invSig]);
    case "welcome":
      return encodeCbor([3, message.id, message.enc, message.ct, message.sig]);
    case "challenge":
      return encodeCbor([4, message.header, message.sig]);
    case "reveal":
      return encodeCbor([5, message.id, message.challengeHash, message.nonce]);
    case "declined":
      return encodeCbor([6, message.id, message.sig]);
    default:
      return exhaustive(message);
  }
};

/** `undefined` for anything that is not a message of this protocol. */
export const readMessage = (plaintext: Uint8Array): RendezvousMessage | undefined => {
  const read = decodeShape(messageShape, plaintext);
  return read.ok ? read.value : undefined;
};

/** What a commitment binds besides the nonce: everything else in the request. */
export const requestCommitment = (
  crypto: CryptoProvider,
  nonce: Uint8Array,
  request: Omit<Request, "commit">,
): Uint8Array => crypto.hash("SHA256", DOMAIN.commit, nonce, encodeCbor(requestFields(request)));

export const signRequest = (device: SigningKey, inviteKey: SigningKey, request: Request): RendezvousMessage => {
  const header = encodeCbor([...requestFields(request), request.commit]);
  const signed = concatBytes(DOMAIN.request, header);
  return { type: "request", header, sig: device.sign(signed), invSig: inviteKey.sign(signed) };
};

/** A request whose device is certified by its identity and signed it, as did the invite's key. */
export const verifyRequest = (
  crypto: CryptoProvider,
  invitePk: Uint8Array,
  message: Extract<RendezvousMessage, { type: "request" }>,
): Request | undefined => {
  const read = decodeShape(requestShape, message.header);
  if (!read.ok) return undefined;
  const signed = concatBytes(DOMAIN.request, message.header);
  const { party, ...rest } = read.value;
  if (!crypto.verify(invitePk, signed, message.invSig) || !crypto.verify(party.devSig, signed, message.sig))
    return undefined;
  const joiner = verifyParty(crypto, party);
  return joiner && { ...rest, joiner };
};

export const signChallenge = (device: SigningKey, challenge: Challenge): RendezvousMessage => {
  const { id, requestHash, inviter, nonce } = challenge;
  const header = encodeCbor([1, id, requestHash, ...partyFields(inviter), nonce]);
  return { type: "challenge", header, sig: device.sign(concatBytes(DOMAIN.challenge, header)) };
};

export const verifyChallenge = (
  crypto: CryptoProvider,
  message: Extract<RendezvousMessage, { type: "challenge" }>,
): Challenge | undefined => {
  const read = decodeShape(challengeShape, message.header);
  if (!read.ok) return undefined;
  const { party, ...rest } = read.value;
  if (!crypto.verify(party.devSig, concatBytes(DOMAIN.challenge, message.header), message.sig)) return undefined;
  const inviter = verifyParty(crypto, party);
  return inviter && { ...rest, inviter };
};

/** Hash of a request's or challenge's header; a challenge's covers its request's, hence the whole conversation so far. */
export const messageHash = (crypto: CryptoProvider, header: Uint8Array): Uint8Array =>
  crypto.hash("SHA256", DOMAIN.hash, header);

/**
 * Six digits both people compare. With the joiner's nonce committed before the inviter's is chosen, a man in the middle
 * guesses right once in a million attempts (Vaudenay, CRYPTO 2005; RFC 6189 section 4.4.1).
 */
export const checkString = (
  crypto: CryptoProvider,
  rvTopicPk: Uint8Array,
  request: Request,
  challenge: Challenge,
  joinerNonce: Uint8Array,
): string => {
  const digest = crypto.hash(
    "SHA256",
    DOMAIN.check,
    challenge.nonce,
    joinerNonce,
    challenge.inviter.idRoot,
    request.joiner.idRoot,
    rvTopicPk,
    request.commit,
  );
  let value = 0;
  for (let i = 0; i < 6; i++) value = value * 256 + (digest[i] as number);
  return (value % 1_000_000).toString().padStart(6, "0");
};

/**
 * Seals and signs a welcome for one request; `undefined` when the joiner's reply key is of low order. The ephemeral key comes from
 * `senderSecret` and the content: the same welcome gives the same bytes, another one never meets the same key.
 */
export const sealWelcome = (
  crypto: CryptoProvider,
  device: SigningKey,
  request: Request,
  challengeHash: Uint8Array,
  welcome: Welcome,
  senderSecret: Uint8Array,
): RendezvousMessage | undefined => {
  const plaintext = encodeCbor([
    1,
    welcome.rid,
    [welcome.genesis.header, welcome.genesis.sig],
    welcome.epochs.map(({ eid, S, W }) => [eid, S, W]),
    welcome.topicPk,
    welcome.role,
    cutUtf8(welcome.title, LONGEST_TITLE),
    welcome.invite,
  ]);
  const ephemeralSeed = hk(crypto, senderSecret, crypto.hash("SHA256", challengeHash, plaintext), "inv-welcome", 32);
  const sealed = hpkeSeal(
    crypto,
    request.replyEnc,
    { info: DOMAIN.welcome, aad: challengeHash },
    plaintext,
    ephemeralSeed,
  );
  if (sealed === undefined) return undefined;
  const sig = device.sign(concatBytes(DOMAIN.welcome, challengeHash, sealed.enc, sealed.ct));
  return { type: "welcome", id: request.id, ...sealed, sig };
};

export const openWelcome = (
  crypto: CryptoProvider,
  inviterDevice: Uint8Array,
  reply: DhKeyPair,
  challengeHash: Uint8Array,
  message: Extract<RendezvousMessage, { type: "welcome" }>,
): Welcome | undefined => {
  const signed = concatBytes(DOMAIN.welcome, challengeHash, message.enc, message.ct);
  if (!crypto.verify(inviterDevice, signed, message.sig)) return undefined;
  const plaintext = hpkeOpen(crypto, reply, { info: DOMAIN.welcome, aad: challengeHash }, message);
  if (plaintext === undefined) return undefined;
  const read = decodeShape(welcomeShape, plaintext);
  return read.ok ? read.value : undefined;
};

export const signDeclined = (device: SigningKey, id: Uint8Array, challengeHash: Uint8Array): RendezvousMessage => ({
  type: "declined",
  id,
  sig: device.sign(concatBytes(DOMAIN.declined, challengeHash)),
});

export const verifyDeclined = (
  crypto: CryptoProvider,
  inviterDevice: Uint8Array,
  challengeHash: Uint8Array,
  message: Extract<RendezvousMessage, { type: "declined" }>,
): boolean => crypto.verify(inviterDevice, concatBytes(DOMAIN.declined, challengeHash), message.sig);

interface PartyFields {
  readonly idRoot: Uint8Array;
  readonly devSig: Uint8Array;
  readonly identityOps: readonly (readonly [Uint8Array, Uint8Array])[];
  readonly name: string;
}

const verifyParty = (crypto: CryptoProvider, { idRoot, devSig, identityOps, name }: PartyFields): Party | undefined => {
  const ops = readIdentityOps(crypto, idRoot, identityOps);
  if (!ops.ok) return undefined;
  const device = evaluateIdentity(idRoot, ops.value).devices.get(bytesToHex(devSig));
  return device === undefined || device.revoked ? undefined : { idRoot, devSig, identityOps: ops.value, name };
};

const partyFields = ({ idRoot, devSig, identityOps, name }: Party): readonly CborValue[] => [
  idRoot,
  devSig,
  identityOps.map(identityOpWire),
  cutUtf8(name, LONGEST_NAME),
];

const requestFields = (request: Omit<Request, "commit">): readonly CborValue[] => [
  1,
  request.id,
  ...partyFields(request.joiner),
  request.message,
  request.replyEnc,
];

const DOMAIN = {
  request: ascii("p2pc/rv/request/1\0"),
  challenge: ascii("p2pc/rv/challenge/1\0"),
  welcome: ascii("p2pc/rv/welcome/1\0"),
  declined: ascii("p2pc/rv/declined/1\0"),
  commit: ascii("p2pc/rv/commit/1\0"),
  check: ascii("p2pc/rv/check/1\0"),
  hash: ascii("p2pc/rv/hash/1\0"),
} as const;

const LARGEST_HEADER = 32 * 1024;
const LARGEST_WELCOME = 32 * 1024;
const LARGEST_GENESIS = 28 * 1024;
const LONGEST_NAME = 1024;
const LONGEST_MESSAGE = 1024;
const LONGEST_TITLE = 1024;
const MAX_EPOCH_HEADS = 8;
const id = bytes(16);
const hash = bytes(32);
const signature = bytes(64);

const messageShape = tagged<RendezvousMessage>({
  2: mapped(tuple(literal(2), bytesUpTo(LARGEST_HEADER), signature, signature), ([, header, sig, invSig]) => ({
    type: "request",
    header,
    sig,
    invSig,
  })),
  3: mapped(tuple(literal(3), id, hash, bytesUpTo(LARGEST_WELCOME), signature), ([, request, enc, ct, sig]) => ({
    type: "welcome",
    id: request,
    enc,
    ct,
    sig,
  })),
  4: mapped(tuple(literal(4), bytesUpTo(LARGEST_HEADER), signature), ([, header, sig]) => ({
    type: "challenge",
    header,
    sig,
  })),
  5: mapped(tuple(literal(5), id, hash, hash), ([, request, challengeHash, nonce]) => ({
    type: "reveal",
    id: request,
    challengeHash,
    nonce,
  })),
  6: mapped(tuple(literal(6), id, signature), ([, request, sig]) => ({ type: "declined", id: request, sig })),
});

const requestShape = mapped(
  tuple(literal(1), id, hash, hash, identityOpsShape, text(LONGEST_NAME), text(LONGEST_MESSAGE), hash, hash),
  ([, request, idRoot, devSig, identityOps, name, message, replyEnc, commit]) => ({
    id: request,
    party: { idRoot, devSig, identityOps, name },
    message,
    replyEnc,
    commit,
  }),
);

const challengeShape = mapped(
  tuple(literal(1), id, hash, hash, hash, identityOpsShape, text(LONGEST_NAME), hash),
  ([, request, requestHash, idRoot, devSig, identityOps, name, nonce]) => ({
    id: request,
    requestHash,
    party: { idRoot, devSig, identityOps, name },
    nonce,
  }),
);

const welcomeShape = mapped(
  tuple(
    literal(1),
    id,
    tuple(bytesUpTo(LARGEST_GENESIS), signature),
    array(
      mapped(tuple(id, hash, nullable(hash)), ([eid, S, W]): EpochSecret => ({ eid, S, W })),
      MAX_EPOCH_HEADS,
      1,
    ),
    hash,
    mapped(
      refined(uint(3), "role is 1, 2 or 3", (role) => role >= 1),
      (role) => role as 1 | 2 | 3,
    ),
    text(LONGEST_TITLE),
    nullable(hash),
  ),
  ([, rid, [header, sig], epochs, topicPk, role, title, invite]): Welcome => ({
    rid,
    genesis: { header, sig },
    epochs,
    topicPk,
    role,
    title,
    invite,
  }),
);
