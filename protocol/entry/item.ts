import { type CborValue, decodeShape, encodeCbor } from "../codec/cbor.ts";
import { DOMAINS } from "../codec/domains.ts";
import { padmeLength } from "../codec/padme.ts";
import { bytes, bytesUpTo, literal, tuple, uint } from "../codec/shape.ts";
import { hk } from "../crypto/kdf.ts";
import type { CryptoProvider, SigningKey } from "../crypto/provider.ts";
import { invariant } from "../kernel/assert.ts";
import type { Brand } from "../kernel/brand.ts";
import { bytesEqual, concatBytes, constantTimeEqual } from "../kernel/bytes.ts";
import { type DecodeError, decodeError, err, ok, type Result } from "../kernel/result.ts";

/** What an item is for; the number stands in its clear header. */
export const ITEM_KINDS = {
  entry: 0,
  bundle: 1,
  checkpoint: 2,
  retire: 3,
  live: 4,
  feed: 5,
  rendezvous: 6,
  inbox: 7,
} as const;
export type ItemKind = (typeof ITEM_KINDS)[keyof typeof ITEM_KINDS];

/** Largest body of each kind in bytes, padding and tag included (SPEC ITM-4). */
export const BODY_LIMITS: Readonly<Record<ItemKind, number>> = {
  0: 256 * 1024,
  1: 4 * 1024 * 1024,
  2: 4 * 1024 * 1024,
  3: 64 * 1024,
  4: 32 * 1024,
  5: 64 * 1024,
  6: 64 * 1024,
  7: 4 * 1024,
};

/** An outer item: everything a proxy or relay sees. Byte fields are views into `wire`. */
export interface Item {
  readonly kind: ItemKind;
  readonly topicPk: Uint8Array;
  readonly gen: number;
  readonly salt: Uint8Array;
  readonly commitment: Uint8Array;
  /** SHA-256 over the header: the item's identity in transport and reconciliation. */
  readonly oid: Uint8Array;
  readonly headerBytes: Uint8Array;
  readonly topicSig: Uint8Array;
  readonly body: Uint8Array;
  readonly wire: Uint8Array;
}

/** An item whose topic signature holds: a holder of the topic key made it. */
export type CheckedItem = Brand<Item, "CheckedItem">;

export type ItemError =
  | DecodeError
  | { readonly type: "BodyTooLarge"; readonly kind: ItemKind; readonly bytes: number; readonly limit: number }
  | { readonly type: "BodyHashMismatch" }
  | { readonly type: "TopicSignatureInvalid" };

export type OpenError =
  { readonly type: "WrongKey" } | { readonly type: "CiphertextForged" } | { readonly type: "PaddingInvalid" };

/** Topic id of the overlay: 16 bytes derived from the topic's public key. */
export const topicId = (crypto: CryptoProvider, topicPk: Uint8Array): Uint8Array =>
  crypto.hash("SHA256", DOMAINS.tid, topicPk).slice(0, 16);

/** Parses one wire up to and including the body hash; the topic signature is not yet checked, so that duplicates cost none. */
export const readItem = (crypto: CryptoProvider, wire: Uint8Array): Result<Item, ItemError> => {
  const outer = decodeShape(wireShape, wire);
  if (!outer.ok) return outer;
  const [headerBytes, topicSig, body] = outer.value;
  const header = decodeShape(headerShape, headerBytes);
  if (!header.ok) return header;
  const [, kindNumber, topicPk, gen, salt, commitment, bodyLength, bodyHash] = header.value;
  const kind = kindNumber as ItemKind;
  if (bodyLength !== body.length) return decodeError("body length differs from the header");
  const limit = BODY_LIMITS[kind];
  if (body.length > limit) return err({ type: "BodyTooLarge", kind, bytes: body.length, limit });
  if (!bytesEqual(crypto.hash("SHA256", body), bodyHash)) return err({ type: "BodyHashMismatch" });
  const oid = crypto.hash("SHA256", DOMAINS.entry, headerBytes);
  return ok({ kind, topicPk, gen, salt, commitment, oid, headerBytes, topicSig, body, wire });
};

/** Second half of the check: one Ed25519 verification. */
export const checkTopicSignature = (crypto: CryptoProvider, item: Item): Result<CheckedItem, ItemError> =>
  crypto.verify(item.topicPk, concatBytes(DOMAINS.topic, item.headerBytes), item.topicSig)
    ? ok(item as CheckedItem)
    : err({ type: "TopicSignatureInvalid" });

/** All that a proxy or relay checks: shape, size, body hash and topic signature. Needs no secret. */
export const proxyCheck = (crypto: CryptoProvider, wire: Uint8Array): Result<CheckedItem, ItemError> => {
  const item = readItem(crypto, wire);
  return item.ok ? checkTopicSignature(crypto, item.value) : item;
};

/** The 48 bytes that open one item: AES key (32) and key commitment (16). Giving them away discloses this item only. */
export const itemKey = (crypto: CryptoProvider, readKey: Uint8Array, salt: Uint8Array): Uint8Array =>
  hk(crypto, readKey, salt, "entry", 48);

/** Plaintext of a sealed item. The key commitment is compared before the AEAD runs; the padding must be exact and zero. */
export const openItem = (
  crypto: CryptoProvider,
  item: CheckedItem,
  readKey: Uint8Array,
): Result<Uint8Array, OpenError> => openItemWithKey(crypto, item, itemKey(crypto, readKey, item.salt));

/** `openItem` for someone who was given the item's own 48-byte key. */
export const openItemWithKey = (
  crypto: CryptoProvider,
  item: CheckedItem,
  key48: Uint8Array,
): Result<Uint8Array, OpenError> => {
  if (!constantTimeEqual(key48.subarray(32), item.commitment)) return err({ type: "WrongKey" });
  const padded = crypto.aead("AESGCM", key48.subarray(0, 32)).open(ZERO_NONCE, additionalData(item), item.body);
  if (padded === undefined) return err({ type: "CiphertextForged" });
  if (padded.length < LENGTH_BYTES) return err({ type: "PaddingInvalid" });
  const length = new DataView(padded.buffer, padded.byteOffset).getUint32(0);
  const end = LENGTH_BYTES + length;
  if (end > padded.length || padmeLength(end) !== padded.length) return err({ type: "PaddingInvalid" });
  for (let i = end; i < padded.length; i++) if (padded[i] !== 0) return err({ type: "PaddingInvalid" });
  return ok(padded.subarray(LENGTH_BYTES, end));
};

/** Everything about a new item besides its content; `salt` is 16 fresh random bytes. */
export interface ItemOrigin {
  readonly kind: ItemKind;
  readonly topicKey: SigningKey;
  readonly gen: number;
  readonly salt: Uint8Array;
}

/** Pads, encrypts and signs `plaintext`. */
export const sealItem = (
  crypto: CryptoProvider,
  origin: ItemOrigin,
  readKey: Uint8Array,
  plaintext: Uint8Array,
): Result<CheckedItem, ItemError> => {
  const key48 = itemKey(crypto, readKey, origin.salt);
  const commitment = key48.subarray(32);
  const padded = new Uint8Array(padmeLength(LENGTH_BYTES + plaintext.length));
  new DataView(padded.buffer).setUint32(0, plaintext.length);
  padded.set(plaintext, LENGTH_BYTES);
  const aad = additionalData({ ...origin, topicPk: origin.topicKey.publicKey, commitment });
  return signItem(
    crypto,
    origin,
    commitment,
    crypto.aead("AESGCM", key48.subarray(0, 32)).seal(ZERO_NONCE, aad, padded),
  );
};

/** Signs a body that stays readable: kinds `retire` and `feed`. The commitment is zero, as there is no key. */
export const publishItem = (
  crypto: CryptoProvider,
  origin: ItemOrigin,
  body: Uint8Array,
): Result<CheckedItem, ItemError> => signItem(crypto, origin, new Uint8Array(16), body);

const signItem = (
  crypto: CryptoProvider,
  { kind, topicKey, gen, salt }: ItemOrigin,
  commitment: Uint8Array,
  body: Uint8Array,
): Result<CheckedItem, ItemError> => {
  invariant(salt.length === 16, "an item's salt has 16 bytes");
  const limit = BODY_LIMITS[kind];
  if (body.length > limit) return err({ type: "BodyTooLarge", kind, bytes: body.length, limit });
  const topicPk = topicKey.publicKey;
  const bodyHash = crypto.hash("SHA256", body);
  const headerBytes = encodeCbor([1, kind, topicPk, gen, salt, commitment, body.length, bodyHash]);
  const topicSig = topicKey.sign(concatBytes(DOMAINS.topic, headerBytes));
  const wire = encodeCbor([headerBytes, topicSig, body]);
  const oid = crypto.hash("SHA256", DOMAINS.entry, headerBytes);
  return ok({ kind, topicPk, gen, salt, commitment, oid, headerBytes, topicSig, body, wire } as Item as CheckedItem);
};

const additionalData = (item: Pick<Item, "kind" | "topicPk" | "gen" | "salt" | "commitment">): Uint8Array => {
  const fields: CborValue = [1, item.kind, item.topicPk, item.gen, item.salt, item.commitment];
  return encodeCbor(fields);
};

const LENGTH_BYTES = 4;

/** Each key encrypts one item only, so the nonce carries nothing. */
const ZERO_NONCE = new Uint8Array(12);

const LARGEST_BODY = 4 * 1024 * 1024;
/** A header takes 110 to 126 bytes; more is not one. */
const LARGEST_HEADER = 160;
export const MAX_GEN = 2 ** 48 - 1;

const wireShape = tuple(bytesUpTo(LARGEST_HEADER), bytes(64), bytesUpTo(LARGEST_BODY));
const headerShape = tuple(
  literal(1),
  uint(7),
  bytes(32),
  uint(MAX_GEN),
  bytes(16),
  bytes(16),
  uint(LARGEST_BODY),
  bytes(32),
);
