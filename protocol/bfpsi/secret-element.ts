import type { CryptoProvider } from "../crypto/provider.ts";
import type { Brand } from "../kernel/brand.ts";
import { ascii } from "../kernel/bytes.ts";

/**
 * 32 bytes nobody can guess, derived one-way from a random topic secret. The only kind BFPSI takes: a peer could test
 * guesses of a name or an e-mail address offline against what BFPSI sends, so names go through VPSI.
 */
export type SecretElement = Brand<Uint8Array, "SecretElement">;

const ELEMENT_INFO = ascii("p2pcollab/psi-elem/v1");

/** Element of a topic whose secret is 32 random bytes; a proxy may hold it without the content keys. */
export const secretElement = (crypto: CryptoProvider, topicSecret: Uint8Array): SecretElement =>
  crypto.hkdfSha256(topicSecret, new Uint8Array(0), ELEMENT_INFO, 32) as SecretElement;
