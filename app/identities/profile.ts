import { decodeShape, encodeCbor } from "../../protocol/codec/cbor.ts";
import { bytes, literal, nullable, text, tuple } from "../../protocol/codec/shape.ts";
import type { CryptoProvider, DhKeyPair, SigningKey } from "../../protocol/crypto/provider.ts";
import type { VerifiedIdentityOp } from "../../protocol/identity/identity-op.ts";

/** The identity this node acts for, with the keys of this very device. */
export interface Profile {
  readonly idRoot: Uint8Array;
  readonly name: string;
  readonly device: SigningKey;
  /** Epoch secrets are sealed to this key. */
  readonly deviceEncryption: DhKeyPair;
  /** The identity's device log, all of it. */
  readonly ops: readonly VerifiedIdentityOp[];
}

/** What the vault keeps: device keys, and the phrase only until its copy on paper was confirmed. */
export interface ProfileSecret {
  readonly idRoot: Uint8Array;
  readonly deviceSeed: Uint8Array;
  readonly encryptionKey: Uint8Array;
  readonly phrase: string | null;
}

/** 24 English BIP-39 words take at most 215 characters. */
const MAX_PHRASE = 255;
const secretShape = tuple(literal(1), bytes(32), bytes(32), bytes(32), nullable(text(MAX_PHRASE)));

export const encodeProfileSecret = (secret: ProfileSecret): Uint8Array =>
  encodeCbor([1, secret.idRoot, secret.deviceSeed, secret.encryptionKey, secret.phrase]);

/** `undefined` when the vault's content is damaged. */
export const decodeProfileSecret = (encoded: Uint8Array): ProfileSecret | undefined => {
  const decoded = decodeShape(secretShape, encoded);
  if (!decoded.ok) return undefined;
  const [, idRoot, deviceSeed, encryptionKey, phrase] = decoded.value;
  return { idRoot: idRoot.slice(), deviceSeed: deviceSeed.slice(), encryptionKey: encryptionKey.slice(), phrase };
};

export const profileOf = (
  crypto: CryptoProvider,
  secret: ProfileSecret,
  name: string,
  ops: readonly VerifiedIdentityOp[],
): Profile => ({
  idRoot: secret.idRoot,
  name,
  device: crypto.signingKey(secret.deviceSeed),
  deviceEncryption: crypto.dhKeyPair(secret.encryptionKey),
  ops,
});
