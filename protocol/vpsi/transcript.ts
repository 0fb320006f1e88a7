import { TAG_BYTES } from "../bfpsi/tag-list.ts";
import type { RunBinding } from "../bfpsi/transcript.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { ascii } from "../kernel/bytes.ts";

const SALT_DOMAIN = ascii("p2pcollab/vpsi/v1");
const TAG_DOMAINS = { responder: ascii("p2pcollab/vpsi/v1/R"), initiator: ascii("p2pcollab/vpsi/v1/I") } as const;

/** Salt of one run, bound to the session, both static keys by role and the initiator's nonce. */
export const namedRunSalt = (crypto: CryptoProvider, binding: RunBinding, nonce: Uint8Array): Uint8Array =>
  crypto.hash("SHA256", SALT_DOMAIN, binding.handshakeHash, binding.initiator, binding.responder, nonce);

/** What `role` shows of one pseudorandom output. */
export const outputTag = (
  crypto: CryptoProvider,
  role: "responder" | "initiator",
  salt: Uint8Array,
  output: Uint8Array,
): Uint8Array => crypto.hash("SHA256", TAG_DOMAINS[role], salt, output).slice(0, TAG_BYTES);
