import { encodeUtf8 } from "../codec/utf8.ts";
import type { Brand } from "../kernel/brand.ts";
import { ascii, concatBytes } from "../kernel/bytes.ts";

/** What a name stands for; two kinds never match each other. */
export type NameKind = "topic" | "email" | "person" | "file";

/** A name that others may guess, in the one spelling both sides compare. Not accepted by BFPSI. */
export type NamedElement = Brand<Uint8Array, "NamedElement">;

const DOMAIN = ascii("p2pcollab/named/v1");
const SEPARATOR = Uint8Array.of(0);
/** RFC 9497 limits an input to 2^16 - 1 bytes; no name is a thousandth of that. */
const MAXIMUM_NAME_CHARACTERS = 1024;

/** Element of a name: NFC, lower case, UTF-8; longer names are cut at 1024 UTF-16 units, on both sides alike. */
export const namedElement = (kind: NameKind, name: string): NamedElement => {
  const spelling = name.slice(0, MAXIMUM_NAME_CHARACTERS).normalize("NFC").toLowerCase().normalize("NFC");
  return concatBytes(DOMAIN, SEPARATOR, ascii(kind), SEPARATOR, encodeUtf8(spelling)) as NamedElement;
};
