import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import type { ContactCard } from "../../protocol/identity/contact-card.ts";
import { parseContactLink } from "../../protocol/identity/contact-link.ts";
import { bytesEqual, bytesToHex } from "../../protocol/kernel/bytes.ts";

/**
 * Whether a notebook's `written` card says what the `own` one would. Who signed it and the hints differ from device to device
 * of one identity and are no news: were they, two devices would replace each other's card for ever.
 */
export const saysTheSame = (
  crypto: CryptoProvider,
  written: string | undefined,
  own: Pick<ContactCard, "idRoot" | "identityOps" | "inboxSeed" | "inboxEnc">,
): boolean => {
  const parsed = written === undefined ? undefined : parseContactLink(crypto, written);
  if (parsed?.ok !== true) return false;
  const { card } = parsed.value;
  const listed = new Set(card.identityOps.map(({ id }) => bytesToHex(id)));
  return (
    bytesEqual(card.idRoot, own.idRoot) &&
    bytesEqual(card.inboxSeed, own.inboxSeed) &&
    bytesEqual(card.inboxEnc, own.inboxEnc) &&
    own.identityOps.every(({ id }) => listed.has(bytesToHex(id)))
  );
};
