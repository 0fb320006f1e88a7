import { decodeShape, encodeCbor } from "../codec/cbor.ts";
import { array, bytes, literal, mapped, nullable, text, tuple } from "../codec/shape.ts";
import { base64urlToBytes, bytesToBase64url } from "../kernel/bytes.ts";
import { type DecodeError, err, type Result } from "../kernel/result.ts";
import { CODE_BYTES } from "./wire.ts";

/** What somebody needs to use a proxy; handed over as text or QR. */
export interface ProxyLink {
  /** The proxy's static key: no other peer can answer in its place. */
  readonly staticPk: Uint8Array;
  /** One-time code that opens an account, or `null` when none is needed. */
  readonly code: Uint8Array | null;
  /** `host:port`, best first, IPv6 in brackets. */
  readonly addresses: readonly string[];
}

export type ProxyLinkError = DecodeError | { readonly type: "NotAProxyLink" };

/** `p2pc:x/` and base64url of the CBOR record (PRX-20). */
export const formatProxyLink = ({ staticPk, code, addresses }: ProxyLink): string =>
  PREFIX + bytesToBase64url(encodeCbor([1, staticPk, code, addresses.slice(0, MAX_ADDRESSES)]));

/** Link as pasted by a person; surrounding white space is forgiven. */
export const parseProxyLink = (pasted: string): Result<ProxyLink, ProxyLinkError> => {
  const link = pasted.trim();
  if (!link.startsWith(PREFIX) || link.length > LONGEST_LINK) return err({ type: "NotAProxyLink" });
  const record = base64urlToBytes(link.slice(PREFIX.length));
  return record === undefined ? err({ type: "NotAProxyLink" }) : decodeShape(linkShape, record);
};

const PREFIX = "p2pc:x/";
const LONGEST_LINK = 2048;
const MAX_ADDRESSES = 8;
const LONGEST_ADDRESS = 128;

const linkShape = mapped(
  tuple(literal(1), bytes(32), nullable(bytes(CODE_BYTES)), array(text(LONGEST_ADDRESS), MAX_ADDRESSES, 1)),
  ([, staticPk, code, addresses]): ProxyLink => ({ staticPk, code, addresses }),
);
