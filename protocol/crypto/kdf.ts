import { ascii } from "../kernel/bytes.ts";
import type { CryptoProvider } from "./provider.ts";

/** HKDF-SHA-256 with info `"p2pc/1/" + label`: the one key derivation of the data formats. `label` is ASCII, `length` at most 8160. */
export const hk = (
  crypto: Pick<CryptoProvider, "hkdfSha256">,
  ikm: Uint8Array,
  salt: Uint8Array,
  label: string,
  length: number,
): Uint8Array => crypto.hkdfSha256(ikm, salt, ascii(`p2pc/1/${label}`), length);
