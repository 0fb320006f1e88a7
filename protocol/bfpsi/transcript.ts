import type { CryptoProvider } from "../crypto/provider.ts";
import { ascii } from "../kernel/bytes.ts";
import type { SecretElement } from "./secret-element.ts";
import { TAG_BYTES } from "./tag-list.ts";

/** The authenticated channel a run is bound to; `initiator` and `responder` are the static keys by role in the run. */
export interface RunBinding {
  readonly handshakeHash: Uint8Array;
  readonly initiator: Uint8Array;
  readonly responder: Uint8Array;
}

const SALT_DOMAIN = ascii("p2pcollab/bfpsi/v1");
const TAG_DOMAIN = ascii("BFPSI");
const ROLES = { responder: ascii("R"), initiator: ascii("I") } as const;

/** Salt of one run: nothing computed with it is of use in another session, with another peer or in the other direction. */
export const runSalt = (crypto: CryptoProvider, binding: RunBinding, nonce: Uint8Array): Uint8Array =>
  crypto.hash("SHA256", SALT_DOMAIN, binding.handshakeHash, binding.initiator, binding.responder, nonce);

/** Proof by `role` that it holds the element. */
export const elementTag = (
  crypto: CryptoProvider,
  key: Uint8Array,
  role: "responder" | "initiator",
  salt: Uint8Array,
  element: SecretElement,
): Uint8Array => crypto.hmac("SHA256", key, TAG_DOMAIN, ROLES[role], salt, element).slice(0, TAG_BYTES);

/** Key of the response, to which both sides contributed. */
export const responseKey = (
  crypto: CryptoProvider,
  salt: Uint8Array,
  initiatorRandom: Uint8Array,
  responderRandom: Uint8Array,
): Uint8Array => crypto.hmac("SHA256", salt, initiatorRandom, responderRandom);
