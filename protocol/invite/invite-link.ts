import { decodeShape, encodeCbor } from "../codec/cbor.ts";
import { array, bytes, literal, mapped, text, tuple, uint } from "../codec/shape.ts";
import { hk } from "../crypto/kdf.ts";
import type { CryptoProvider, DhKeyPair, SigningKey } from "../crypto/provider.ts";
import { base64urlToBytes, bytesToBase64url } from "../kernel/bytes.ts";
import type { RandomSource } from "../kernel/random.ts";
import { type DecodeError, err, type Result } from "../kernel/result.ts";

/** A proxy that keeps the rendezvous topic while nobody is online. */
export interface ProxyHint {
  readonly proxyPk: Uint8Array;
  readonly address: string;
}

/** What the link that one person sends another says. */
export interface InviteLink {
  readonly mode: "ask" | "auto";
  /** 16 random bytes; every key of the rendezvous comes from it. */
  readonly secret: Uint8Array;
  readonly proxies: readonly ProxyHint[];
  /** `host:port` under which a device of the inviter may be reached, best first. */
  readonly addresses: readonly string[];
  /** Shown until the real title is known. */
  readonly label: string;
}

export type LinkError = DecodeError | { readonly type: "NotAnInviteLink" };

/** Keys shared by everyone who holds the link. */
export interface InviteKeys {
  /** Signs `join` ops; its public key stands in the invite op. */
  readonly signing: SigningKey;
  /** An automatic invite's epoch secrets are sealed to it. */
  readonly encryption: DhKeyPair;
  /** Signs items of the rendezvous topic. */
  readonly topicKey: SigningKey;
  /** R of the rendezvous topic. */
  readonly readKey: Uint8Array;
}

export const createInviteSecret = (random: RandomSource): Uint8Array => random.bytes(16);

export const deriveInviteKeys = (crypto: CryptoProvider, secret: Uint8Array): InviteKeys => ({
  signing: crypto.signingKey(hk(crypto, secret, NO_SALT, "inv-sig", 32)),
  encryption: crypto.dhKeyPair(hk(crypto, secret, NO_SALT, "inv-enc", 32)),
  topicKey: crypto.signingKey(hk(crypto, secret, NO_SALT, "inv-topic", 32)),
  readKey: hk(crypto, secret, NO_SALT, "inv-read", 32),
});

/** `p2pc:j/` and base64url of the CBOR record; members beyond the limits of SPEC INV-1 are a bug of the caller. */
export const formatInviteLink = ({ mode, secret, proxies, addresses, label }: InviteLink): string => {
  const record = encodeCbor([
    1,
    mode === "ask" ? 0 : 1,
    secret,
    proxies.map(({ proxyPk, address }) => [proxyPk, address]),
    addresses,
    label,
  ]);
  return PREFIX + bytesToBase64url(record);
};

/** Link as pasted by a person; surrounding white space is forgiven. */
export const parseInviteLink = (pasted: string): Result<InviteLink, LinkError> => {
  const link = pasted.trim();
  if (!link.startsWith(PREFIX) || link.length > LONGEST_LINK) return err({ type: "NotAnInviteLink" });
  const record = base64urlToBytes(link.slice(PREFIX.length));
  return record === undefined ? err({ type: "NotAnInviteLink" }) : decodeShape(linkShape, record);
};

const PREFIX = "p2pc:j/";
const LONGEST_LINK = 4096;
const NO_SALT = new Uint8Array(0);
const MAX_PROXIES = 4;
const MAX_ADDRESSES = 8;
const LONGEST_ADDRESS = 128;
const LONGEST_LABEL = 256;

const linkShape = mapped(
  tuple(
    literal(1),
    uint(1),
    bytes(16),
    array(
      mapped(tuple(bytes(32), text(LONGEST_ADDRESS)), ([proxyPk, address]): ProxyHint => ({ proxyPk, address })),
      MAX_PROXIES,
    ),
    array(text(LONGEST_ADDRESS), MAX_ADDRESSES),
    text(LONGEST_LABEL),
  ),
  ([, mode, secret, proxies, addresses, label]): InviteLink => ({
    mode: mode === 0 ? "ask" : "auto",
    secret,
    proxies,
    addresses,
    label,
  }),
);
