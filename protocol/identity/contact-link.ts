import { decodeShape, encodeCbor } from "../codec/cbor.ts";
import { bytesUpTo, literal, text, tuple } from "../codec/shape.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { base64urlToBytes, bytesToBase64url } from "../kernel/bytes.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import { type ContactCard, encodeContactCard, readContactCard } from "./contact-card.ts";
import type { IdentityOpError } from "./identity-op.ts";

/** A contact card with the name its owner goes by. */
export interface ContactLink {
  readonly card: ContactCard;
  readonly name: string;
}

export type ContactLinkError = IdentityOpError | { readonly type: "NotAContactLink" };

/** `p2pc:c/` and base64url of CBOR `[1, card, name]`; `name` has at most 256 UTF-16 units. */
export const formatContactLink = ({ card, name }: ContactLink): string =>
  PREFIX + bytesToBase64url(encodeCbor([1, encodeContactCard(card), name]));

/** Link as pasted by a person or read from a file; surrounding white space is forgiven. */
export const parseContactLink = (crypto: CryptoProvider, pasted: string): Result<ContactLink, ContactLinkError> => {
  const link = pasted.trim();
  if (!link.startsWith(PREFIX) || link.length > LONGEST_LINK) return err({ type: "NotAContactLink" });
  const record = base64urlToBytes(link.slice(PREFIX.length));
  if (record === undefined) return err({ type: "NotAContactLink" });
  const read = decodeShape(linkShape, record);
  if (!read.ok) return read;
  const [, encoded, name] = read.value;
  const card = readContactCard(crypto, encoded);
  return card.ok ? ok({ card: card.value, name }) : card;
};

const PREFIX = "p2pc:c/";
/** 256 device log steps of some 300 bytes, in base64url. */
const LONGEST_CARD = 96 * 1024;
const LONGEST_LINK = 128 * 1024;
const LONGEST_NAME = 256;
const linkShape = tuple(literal(1), bytesUpTo(LONGEST_CARD), text(LONGEST_NAME));
