import { decodeShape, encodeCbor, type Shape } from "../codec/cbor.ts";
import { array, bytes, bytesUpTo, literal, mapped, tuple } from "../codec/shape.ts";
import { hk } from "../crypto/kdf.ts";
import type { CryptoProvider, DhKeyPair, SigningKey } from "../crypto/provider.ts";
import { bytesEqual } from "../kernel/bytes.ts";
import { decodeError, ok, type Result } from "../kernel/result.ts";
import {
  type IdentityOpError,
  identityOpShape,
  identityOpWire,
  readIdentityOp,
  type VerifiedIdentityOp,
} from "./identity-op.ts";

/** What one person gives another to be reached: identity, devices, inbox. */
export interface ContactCard {
  readonly idRoot: Uint8Array;
  readonly identityOps: readonly VerifiedIdentityOp[];
  /** Seed of the topic in which letters to them are left; whoever has the card may leave one. */
  readonly inboxSeed: Uint8Array;
  readonly inboxEnc: Uint8Array;
  /** Opaque to this layer; the proxy protocol defines their form. */
  readonly proxyHints: readonly Uint8Array[];
}

/** Keys of an identity's inbox; every device of it derives them from one secret of 32 bytes. */
export interface InboxKeys {
  /** What the card says of the topic. */
  readonly seed: Uint8Array;
  /** Letters are sealed to it. */
  readonly encryption: DhKeyPair;
}

/** The topic of an inbox, as everybody derives it who has the card. */
export interface InboxTopic {
  readonly topicKey: SigningKey;
  readonly readKey: Uint8Array;
}

export const deriveInboxKeys = (crypto: CryptoProvider, secret: Uint8Array): InboxKeys => ({
  seed: hk(crypto, secret, NO_SALT, "inbox-seed", 32),
  encryption: crypto.dhKeyPair(hk(crypto, secret, NO_SALT, "inbox-enc", 32)),
});

export const deriveInboxTopic = (crypto: CryptoProvider, seed: Uint8Array): InboxTopic => ({
  topicKey: crypto.signingKey(hk(crypto, seed, NO_SALT, "inbox-topic", 32)),
  readKey: hk(crypto, seed, NO_SALT, "inbox-read", 32),
});

const NO_SALT = new Uint8Array(0);

export const encodeContactCard = (card: ContactCard): Uint8Array =>
  encodeCbor([1, card.idRoot, card.identityOps.map(identityOpWire), card.inboxSeed, card.inboxEnc, card.proxyHints]);

/** Card from anywhere; every op in it is signed and of the card's identity. */
export const readContactCard = (crypto: CryptoProvider, encoded: Uint8Array): Result<ContactCard, IdentityOpError> => {
  const read = decodeShape(cardShape, encoded);
  if (!read.ok) return read;
  const identityOps = readIdentityOps(crypto, read.value.idRoot, read.value.wires);
  if (!identityOps.ok) return identityOps;
  const { idRoot, inboxSeed, inboxEnc, proxyHints } = read.value;
  return ok({ idRoot, identityOps: identityOps.value, inboxSeed, inboxEnc, proxyHints });
};

/** Verifies a list of ops of one identity, as cards, ACL ops and invites carry it. */
export const readIdentityOps = (
  crypto: CryptoProvider,
  idRoot: Uint8Array,
  wires: readonly (readonly [Uint8Array, Uint8Array])[],
): Result<readonly VerifiedIdentityOp[], IdentityOpError> => {
  const ops: VerifiedIdentityOp[] = [];
  for (const wire of wires) {
    const op = readIdentityOp(crypto, wire);
    if (!op.ok) return op;
    if (!bytesEqual(op.value.idRoot, idRoot)) return decodeError("op of another identity");
    ops.push(op.value);
  }
  return ok(ops);
};

/** 64 devices with some history each. */
const MAX_IDENTITY_OPS = 256;
const MAX_HINTS = 8;

/** Form of an identity's log inside other records. */
export const identityOpsShape: Shape<readonly (readonly [Uint8Array, Uint8Array])[]> = array(
  identityOpShape,
  MAX_IDENTITY_OPS,
);

const cardShape = mapped(
  tuple(literal(1), bytes(32), identityOpsShape, bytes(32), bytes(32), array(bytesUpTo(256), MAX_HINTS)),
  ([, idRoot, wires, inboxSeed, inboxEnc, proxyHints]) => ({ idRoot, wires, inboxSeed, inboxEnc, proxyHints }),
);
