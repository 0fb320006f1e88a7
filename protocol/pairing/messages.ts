import { decodeShape, encodeCbor } from "../codec/cbor.ts";
import { array, bytes, literal, mapped, nullable, tagged, text, tuple } from "../codec/shape.ts";
import { hk } from "../crypto/kdf.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { identityOpsShape } from "../identity/contact-card.ts";
import type { IdentityOpWire } from "../identity/identity-op.ts";
import { exhaustive } from "../kernel/assert.ts";
import { ascii, concatBytes } from "../kernel/bytes.ts";
import { type DecodeError, type Result } from "../kernel/result.ts";

/** What a device of the identity shows of itself when it opens its commitment. */
export interface SponsorStatement {
  readonly idRoot: Uint8Array;
  readonly devSig: Uint8Array;
  readonly identityOps: readonly IdentityOpWire[];
  /** Name the identity goes by. */
  readonly name: string;
}

/** What makes a new device one of the identity's. */
export interface Certificate {
  /** The whole identity log, the new device's op included. */
  readonly identityOps: readonly IdentityOpWire[];
  /** Seed of the topic on which the identity's devices find each other; null where it is not known. */
  readonly recoverySeed: Uint8Array | null;
  /** `host:port` under which the sponsor listens. */
  readonly addresses: readonly string[];
}

export type PairingMessage =
  /** Sponsor: proof that it was given the link, and a commitment to nonce and identity. */
  | { readonly type: "hello"; readonly proof: Uint8Array; readonly commit: Uint8Array }
  /** Newcomer: its nonce, signed by the device of the link. */
  | { readonly type: "greeting"; readonly nonce: Uint8Array; readonly sig: Uint8Array }
  /** Sponsor: opens the commitment. */
  | {
      readonly type: "reveal";
      readonly nonce: Uint8Array;
      readonly statement: SponsorStatement;
      readonly sig: Uint8Array;
    }
  /** Newcomer: the person there read the same digits. */
  | { readonly type: "confirmed" }
  | { readonly type: "certified"; readonly certificate: Certificate }
  /** Newcomer: the certificate is stored. */
  | { readonly type: "done" }
  | { readonly type: "declined" };

export const encodePairingMessage = (message: PairingMessage): Uint8Array => {
  switch (message.type) {
    case "hello":
      return encodeCbor([1, message.proof, message.commit]);
    case "greeting":
      return encodeCbor([2, message.nonce, message.sig]);
    case "reveal": {
      const { idRoot, devSig, identityOps, name } = message.statement;
      return encodeCbor([3, message.nonce, idRoot, devSig, identityOps, name, message.sig]);
    }
    case "confirmed":
      return encodeCbor([4]);
    case "certified": {
      const { identityOps, recoverySeed, addresses } = message.certificate;
      return encodeCbor([5, identityOps, recoverySeed, addresses]);
    }
    case "done":
      return encodeCbor([6]);
    case "declined":
      return encodeCbor([7]);
    default:
      return exhaustive(message);
  }
};

export const readPairingMessage = (encoded: Uint8Array): Result<PairingMessage, DecodeError> =>
  decodeShape(messageShape, encoded);

/** Shows that the sponsor holds the link, on this very channel. */
export const sponsorProof = (crypto: CryptoProvider, secret: Uint8Array, channel: Uint8Array): Uint8Array =>
  crypto.hmac("SHA256", hk(crypto, secret, NO_SALT, "pair-proof", 32), channel);

/** What the sponsor is bound to before it sees the newcomer's nonce. */
export const sponsorCommitment = (
  crypto: CryptoProvider,
  channel: Uint8Array,
  nonce: Uint8Array,
  { idRoot, devSig }: Pick<SponsorStatement, "idRoot" | "devSig">,
): Uint8Array => crypto.hash("SHA256", DOMAIN.commit, channel, nonce, idRoot, devSig);

/** What the newcomer's device signs. */
export const greetingStatement = (
  channel: Uint8Array,
  commit: Uint8Array,
  nonce: Uint8Array,
  devEnc: Uint8Array,
): Uint8Array => concatBytes(DOMAIN.greeting, channel, commit, nonce, devEnc);

/** What the sponsor's device signs. */
export const revealStatement = (
  channel: Uint8Array,
  nonces: readonly [sponsor: Uint8Array, newcomer: Uint8Array],
  idRoot: Uint8Array,
): Uint8Array => concatBytes(DOMAIN.reveal, channel, ...nonces, idRoot);

/**
 * Six digits both people compare. The channel's hash is in them, so a man in the middle has two channels and, bound by the
 * sponsor's commitment, one guess in a million (Vaudenay, CRYPTO 2005).
 */
export const pairingCheck = (
  crypto: CryptoProvider,
  channel: Uint8Array,
  nonces: readonly [sponsor: Uint8Array, newcomer: Uint8Array],
  parties: readonly [idRoot: Uint8Array, devSig: Uint8Array, devEnc: Uint8Array],
): string => {
  const digest = crypto.hash("SHA256", DOMAIN.check, channel, ...nonces, ...parties);
  let value = 0;
  for (let i = 0; i < 6; i++) value = value * 256 + (digest[i] as number);
  return (value % 1_000_000).toString().padStart(6, "0");
};

const NO_SALT = new Uint8Array(0);
const DOMAIN = {
  commit: ascii("p2pc/pair/commit/1\0"),
  greeting: ascii("p2pc/pair/greeting/1\0"),
  reveal: ascii("p2pc/pair/reveal/1\0"),
  check: ascii("p2pc/pair/check/1\0"),
} as const;
const LONGEST_NAME = 1024;
const MAX_ADDRESSES = 8;
const LONGEST_ADDRESS = 128;
const hash = bytes(32);

const messageShape = tagged<PairingMessage>({
  1: mapped(tuple(literal(1), hash, hash), ([, proof, commit]) => ({ type: "hello", proof, commit })),
  2: mapped(tuple(literal(2), hash, bytes(64)), ([, nonce, sig]) => ({ type: "greeting", nonce, sig })),
  3: mapped(
    tuple(literal(3), hash, hash, hash, identityOpsShape, text(LONGEST_NAME), bytes(64)),
    ([, nonce, idRoot, devSig, identityOps, name, sig]) => ({
      type: "reveal",
      nonce,
      statement: { idRoot, devSig, identityOps, name },
      sig,
    }),
  ),
  4: mapped(tuple(literal(4)), () => ({ type: "confirmed" })),
  5: mapped(
    tuple(literal(5), identityOpsShape, nullable(hash), array(text(LONGEST_ADDRESS), MAX_ADDRESSES)),
    ([, identityOps, recoverySeed, addresses]) => ({
      type: "certified",
      certificate: { identityOps, recoverySeed, addresses },
    }),
  ),
  6: mapped(tuple(literal(6)), () => ({ type: "done" })),
  7: mapped(tuple(literal(7)), () => ({ type: "declined" })),
});
