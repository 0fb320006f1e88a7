import { decodeShape, encodeCbor } from "../../protocol/codec/cbor.ts";
import { array, bytes, literal, mapped, nullable, tagged, text, tuple, uint } from "../../protocol/codec/shape.ts";
import type { CryptoProvider, DhKeyPair, SigningKey } from "../../protocol/crypto/provider.ts";
import { readIdentityOps } from "../../protocol/identity/contact-card.ts";
import type { IdentityOpWire, VerifiedIdentityOp } from "../../protocol/identity/identity-op.ts";
import { identityOpShape } from "../../protocol/identity/identity-op.ts";

/** The identity this node acts for, with the keys of this very device. */
export interface Profile {
  readonly idRoot: Uint8Array;
  /** "" on a device that was restored by phrase, until another device tells. */
  name: string;
  readonly device: SigningKey;
  /** Epoch secrets are sealed to this key; another one takes its place from time to time. */
  deviceEncryption: DhKeyPair;
  /** Keys it had before, to which members who have not heard of the present one may still seal. */
  earlierEncryption?: readonly DhKeyPair[];
  /** The identity's device log as far as this device knows it; grows while the profile is open. */
  ops: readonly VerifiedIdentityOp[];
}

/**
 * What the vault keeps: everything this device is, so that a damaged database costs no identity. The phrase stays only until
 * its copy on paper was confirmed.
 */
export interface ProfileSecret {
  readonly name: string;
  readonly ops: readonly IdentityOpWire[];
  readonly idRoot: Uint8Array;
  readonly deviceSeed: Uint8Array;
  readonly encryptionKey: Uint8Array;
  readonly phrase: string | null;
  /** Seed of the topic on which the identity's devices find each other; null in profiles from before there was one. */
  readonly recoverySeed: Uint8Array | null;
  /** Whether the identity began on this device: then its home repository does so as well. */
  readonly isFounder: boolean;
}

/** 24 English BIP-39 words take at most 215 characters. */
const MAX_PHRASE = 255;
const MAX_NAME = 800;
/** Steps of an identity's device log that are kept, as a card carries them. */
export const MAX_OPS = 256;
const members = [
  text(MAX_NAME),
  bytes(32),
  bytes(32),
  bytes(32),
  nullable(text(MAX_PHRASE)),
  array(identityOpShape, MAX_OPS),
] as const;
const secretShape = tagged<ProfileSecret>({
  1: mapped(tuple(literal(1), ...members), ([, name, idRoot, deviceSeed, encryptionKey, phrase, ops]) => ({
    name,
    idRoot,
    deviceSeed,
    encryptionKey,
    phrase,
    ops,
    recoverySeed: null,
    isFounder: true,
  })),
  2: mapped(
    tuple(literal(2), ...members, nullable(bytes(32)), uint(1)),
    ([, name, idRoot, deviceSeed, encryptionKey, phrase, ops, recoverySeed, founder]) => ({
      name,
      idRoot,
      deviceSeed,
      encryptionKey,
      phrase,
      ops,
      recoverySeed,
      isFounder: founder === 1,
    }),
  ),
});

export const encodeProfileSecret = (secret: ProfileSecret): Uint8Array =>
  encodeCbor([
    2,
    secret.name,
    secret.idRoot,
    secret.deviceSeed,
    secret.encryptionKey,
    secret.phrase,
    secret.ops.map(([header, signature]) => [header, signature]),
    secret.recoverySeed,
    secret.isFounder ? 1 : 0,
  ]);

/** `undefined` when the vault's content is damaged. */
export const decodeProfileSecret = (encoded: Uint8Array): ProfileSecret | undefined => {
  // Decoded byte strings are views: a copy of the whole keeps them when the vault wipes its buffer.
  const decoded = decodeShape(secretShape, encoded.slice());
  return decoded.ok ? decoded.value : undefined;
};

/** `undefined` when the device log in the secret is not this identity's. */
export const profileOf = (crypto: CryptoProvider, secret: ProfileSecret): Profile | undefined => {
  const ops = readIdentityOps(crypto, secret.idRoot, secret.ops);
  if (!ops.ok) return undefined;
  return {
    idRoot: secret.idRoot,
    name: secret.name,
    device: crypto.signingKey(secret.deviceSeed),
    deviceEncryption: crypto.dhKeyPair(secret.encryptionKey),
    ops: ops.value,
  };
};
