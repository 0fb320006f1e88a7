import { decodeShape, encodeCbor } from "../codec/cbor.ts";
import { cutUtf8 } from "../codec/utf8.ts";
import { array, bytes, literal, mapped, text, tuple } from "../codec/shape.ts";
import { base64urlToBytes, bytesToBase64url } from "../kernel/bytes.ts";
import { type DecodeError, err, type Result } from "../kernel/result.ts";

/** What a new device shows to a device of the identity it is to belong to. */
export interface PairingLink {
  /** 16 random bytes: who does not know them is not answered. */
  readonly secret: Uint8Array;
  readonly devSig: Uint8Array;
  readonly devEnc: Uint8Array;
  /** `host:port` under which the new device listens, best first; at most 8. */
  readonly addresses: readonly string[];
  /** What the new device calls itself, at most 256 bytes. */
  readonly name: string;
}

export type PairingLinkError = DecodeError | { readonly type: "NotAPairingLink" };

/** `p2pc:d/` and base64url of the CBOR record. */
export const formatPairingLink = ({ secret, devSig, devEnc, addresses, name }: PairingLink): string =>
  PREFIX + bytesToBase64url(encodeCbor([1, secret, devSig, devEnc, addresses, cutUtf8(name, LONGEST_NAME)]));

/** Link as pasted by a person; surrounding white space is forgiven. */
export const parsePairingLink = (pasted: string): Result<PairingLink, PairingLinkError> => {
  const link = pasted.trim();
  if (!link.startsWith(PREFIX) || link.length > LONGEST_LINK) return err({ type: "NotAPairingLink" });
  const record = base64urlToBytes(link.slice(PREFIX.length));
  return record === undefined ? err({ type: "NotAPairingLink" }) : decodeShape(linkShape, record);
};

const PREFIX = "p2pc:d/";
const LONGEST_LINK = 4096;
const MAX_ADDRESSES = 8;
const LONGEST_ADDRESS = 128;
const LONGEST_NAME = 256;

const linkShape = mapped(
  tuple(literal(1), bytes(16), bytes(32), bytes(32), array(text(LONGEST_ADDRESS), MAX_ADDRESSES), text(LONGEST_NAME)),
  ([, secret, devSig, devEnc, addresses, name]): PairingLink => ({ secret, devSig, devEnc, addresses, name }),
);
