import { ascii, concatBytes } from "../kernel/bytes.ts";
import type { AeadName, CryptoProvider, DhKeyPair } from "./provider.ts";

/** A sealed message: the encapsulated X25519 key (32 bytes) and the ciphertext with its 16-byte tag. */
export interface HpkeSealed {
  readonly enc: Uint8Array;
  readonly ct: Uint8Array;
}

/** What both sides know: `info` binds the context, `aad` the single message. */
export interface HpkeContext {
  readonly info: Uint8Array;
  readonly aad: Uint8Array;
}

/**
 * Single-shot HPKE base mode (RFC 9180 section 6.1) with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-256-GCM.
 * `ephemeralSeed` is 32 fresh random bytes. `undefined` when the recipient's key is of low order or malformed.
 */
export const hpkeSeal = (
  crypto: CryptoProvider,
  recipient: Uint8Array,
  context: HpkeContext,
  plaintext: Uint8Array,
  ephemeralSeed: Uint8Array,
): HpkeSealed | undefined => {
  const schedule = hpkeSchedule(crypto, AES_256_GCM, recipient, context.info, ephemeralSeed);
  if (schedule === undefined) return undefined;
  const ct = crypto.aead(AES_256_GCM.name, schedule.key).seal(schedule.nonce, context.aad, plaintext);
  return { enc: schedule.enc, ct };
};

/** Plaintext of a sealed message, `undefined` when it was not made for this key and context. */
export const hpkeOpen = (
  crypto: CryptoProvider,
  recipient: DhKeyPair,
  context: HpkeContext,
  sealed: HpkeSealed,
): Uint8Array | undefined => {
  const dh = crypto.dh(recipient, sealed.enc);
  if (dh === undefined) return undefined;
  const secret = sharedSecret(crypto, dh, sealed.enc, recipient.publicKey);
  const { key, nonce } = keySchedule(crypto, AES_256_GCM, secret, context.info);
  return crypto.aead(AES_256_GCM.name, key).open(nonce, context.aad, sealed.ct);
};

/** AEAD of a cipher suite: its HPKE id, key length and the provider's name for it. */
export interface HpkeAead {
  readonly id: number;
  readonly keyBytes: number;
  readonly name: AeadName;
}

const AES_256_GCM: HpkeAead = { id: 2, keyBytes: 32, name: "AESGCM" };

/** Sender's encapsulation, key and base nonce for any AEAD of RFC 9180; published vectors of other AEADs check the KEM and schedule with it. */
export const hpkeSchedule = (
  crypto: CryptoProvider,
  aead: HpkeAead,
  recipient: Uint8Array,
  info: Uint8Array,
  ephemeralSeed: Uint8Array,
): { readonly enc: Uint8Array; readonly key: Uint8Array; readonly nonce: Uint8Array } | undefined => {
  const ephemeral = crypto.dhKeyPair(ephemeralSeed);
  const dh = crypto.dh(ephemeral, recipient);
  if (dh === undefined) return undefined;
  const enc = ephemeral.publicKey;
  return { enc, ...keySchedule(crypto, aead, sharedSecret(crypto, dh, enc, recipient), info) };
};

/** RFC 9180 section 4.1, ExtractAndExpand. */
const sharedSecret = (crypto: CryptoProvider, dh: Uint8Array, enc: Uint8Array, recipient: Uint8Array): Uint8Array => {
  const prk = labeledExtract(crypto, KEM_SUITE, EMPTY, "eae_prk", dh);
  return labeledExpand(crypto, KEM_SUITE, prk, "shared_secret", concatBytes(enc, recipient), 32);
};

/** RFC 9180 section 5.1, KeySchedule in mode_base. */
const keySchedule = (
  crypto: CryptoProvider,
  aead: HpkeAead,
  secret: Uint8Array,
  info: Uint8Array,
): { readonly key: Uint8Array; readonly nonce: Uint8Array } => {
  const suite = concatBytes(ascii("HPKE"), u16(KEM_ID), u16(KDF_ID), u16(aead.id));
  const pskIdHash = labeledExtract(crypto, suite, EMPTY, "psk_id_hash", EMPTY);
  const infoHash = labeledExtract(crypto, suite, EMPTY, "info_hash", info);
  const context = concatBytes(MODE_BASE, pskIdHash, infoHash);
  const prk = labeledExtract(crypto, suite, secret, "secret", EMPTY);
  return {
    key: labeledExpand(crypto, suite, prk, "key", context, aead.keyBytes),
    nonce: labeledExpand(crypto, suite, prk, "base_nonce", context, 12),
  };
};

const labeledExtract = (
  crypto: CryptoProvider,
  suite: Uint8Array,
  salt: Uint8Array,
  label: string,
  ikm: Uint8Array,
): Uint8Array => crypto.hmac("SHA256", salt.length === 0 ? ZERO_SALT : salt, VERSION, suite, ascii(label), ikm);

/** HKDF-Expand (RFC 5869 section 2.3) for at most one block, which is all this suite asks for. */
const labeledExpand = (
  crypto: CryptoProvider,
  suite: Uint8Array,
  prk: Uint8Array,
  label: string,
  info: Uint8Array,
  length: number,
): Uint8Array =>
  crypto.hmac("SHA256", prk, u16(length), VERSION, suite, ascii(label), info, FIRST_BLOCK).slice(0, length);

const u16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 255);

const KEM_ID = 0x0020;
const KDF_ID = 0x0001;
const VERSION = ascii("HPKE-v1");
const KEM_SUITE = concatBytes(ascii("KEM"), u16(KEM_ID));
const MODE_BASE = Uint8Array.of(0);
const FIRST_BLOCK = Uint8Array.of(1);
const EMPTY = new Uint8Array(0);
const ZERO_SALT = new Uint8Array(32);
