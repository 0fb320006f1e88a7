import { decodeShape, encodeCbor } from "../codec/cbor.ts";
import { bytes, bytesUpTo, literal, text, tuple } from "../codec/shape.ts";
import { cutUtf8 } from "../codec/utf8.ts";
import type { CryptoProvider, SigningKey } from "../crypto/provider.ts";
import { ascii, base64urlToBytes, bytesToBase64url, bytesToHex, concatBytes } from "../kernel/bytes.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import { type ContactCard, encodeContactCard, readContactCard } from "./contact-card.ts";
import { evaluateIdentity } from "./identity-log.ts";
import type { IdentityOpError } from "./identity-op.ts";

/** A contact card with the name its owner goes by. */
export interface ContactLink {
  readonly card: ContactCard;
  readonly name: string;
}

/** A contact link as read. */
export interface ReadContactLink extends ContactLink {
  /** The device that signed it; as far as the card says, it was not revoked. */
  readonly devSig: Uint8Array;
}

export type ContactLinkError =
  IdentityOpError | { readonly type: "NotAContactLink" } | { readonly type: "CardSignatureInvalid" };

/**
 * `p2pc:c/` and base64url of CBOR `[1, [card, name], devSig, sig]`, signed by a device of the card's identity. `name` has at
 * most 1 024 UTF-8 bytes; what is longer is cut.
 */
export const formatContactLink = (device: SigningKey, { card, name }: ContactLink): string => {
  const body = encodeCbor([encodeContactCard(card), cutUtf8(name, LONGEST_NAME)]);
  return PREFIX + bytesToBase64url(encodeCbor([1, body, device.publicKey, device.sign(concatBytes(DOMAIN, body))]));
};

/** Link as pasted by a person or read from a file; surrounding white space is forgiven. */
export const parseContactLink = (crypto: CryptoProvider, pasted: string): Result<ReadContactLink, ContactLinkError> => {
  const link = pasted.trim();
  if (!link.startsWith(PREFIX) || link.length > LONGEST_LINK) return err({ type: "NotAContactLink" });
  const record = base64urlToBytes(link.slice(PREFIX.length));
  if (record === undefined) return err({ type: "NotAContactLink" });
  const read = decodeShape(linkShape, record);
  if (!read.ok) return read;
  const [, body, devSig, sig] = read.value;
  const content = decodeShape(bodyShape, body);
  if (!content.ok) return content;
  const [encoded, name] = content.value;
  const card = readContactCard(crypto, encoded);
  if (!card.ok) return card;
  const device = evaluateIdentity(card.value.idRoot, card.value.identityOps).devices.get(bytesToHex(devSig));
  const isSigned = device !== undefined && !device.revoked && crypto.verify(devSig, concatBytes(DOMAIN, body), sig);
  return isSigned ? ok({ card: card.value, name, devSig }) : err({ type: "CardSignatureInvalid" });
};

const PREFIX = "p2pc:c/";
const DOMAIN = ascii("p2pc/card/1\0");
/** 256 device log steps of some 300 bytes, in base64url. */
const LONGEST_CARD = 96 * 1024;
const LONGEST_BODY = LONGEST_CARD + 2 * 1024;
const LONGEST_LINK = 136 * 1024;
const LONGEST_NAME = 1024;
const linkShape = tuple(literal(1), bytesUpTo(LONGEST_BODY), bytes(32), bytes(64));
const bodyShape = tuple(bytesUpTo(LONGEST_CARD), text(LONGEST_NAME));
