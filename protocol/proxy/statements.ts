import type { CryptoProvider } from "../crypto/provider.ts";
import { ascii, concatBytes } from "../kernel/bytes.ts";

const CODE_DOMAIN = ascii("p2pc/code/1\0");
const PIN_DOMAIN = ascii("p2pc/bpin/1\0");
const UNPIN_DOMAIN = ascii("p2pc/bunpin/1\0");
const RELAY_DOMAIN = ascii("p2pc/relay/1\0");

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

/** What the topic key signs so that this proxy publishes the topic in the core overlay until `until` (Unix seconds). */
export const relayStatement = (proxyStaticPk: Uint8Array, until: number): Uint8Array => {
  const seconds = new Uint8Array(8);
  const view = new DataView(seconds.buffer);
  view.setUint32(0, Math.floor(until / 2 ** 32));
  view.setUint32(4, until >>> 0);
  return concatBytes(RELAY_DOMAIN, proxyStaticPk, seconds);
};
