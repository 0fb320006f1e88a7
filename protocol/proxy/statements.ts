import type { CryptoProvider } from "../crypto/provider.ts";
import { ascii, concatBytes } from "../kernel/bytes.ts";

const CODE_DOMAIN = ascii("p2pc/code/1\0");
const PIN_DOMAIN = ascii("p2pc/bpin/1\0");
const UNPIN_DOMAIN = ascii("p2pc/bunpin/1\0");

/** What a proxy keeps of a one-time code. */
export const hashCode = (crypto: Pick<CryptoProvider, "hash">, code: Uint8Array): Uint8Array =>
  crypto.hash("SHA256", CODE_DOMAIN, code);

/** What the topic key signs so that this proxy keeps (or no longer keeps) these chunks. */
export const blobStatement = (
  crypto: Pick<CryptoProvider, "hash">,
  type: "pinBlobs" | "unpinBlobs",
  proxyStaticPk: Uint8Array,
  topic: Uint8Array,
  ids: readonly Uint8Array[],
): Uint8Array =>
  concatBytes(type === "pinBlobs" ? PIN_DOMAIN : UNPIN_DOMAIN, proxyStaticPk, topic, crypto.hash("SHA256", ...ids));
