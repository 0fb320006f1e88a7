import type { CryptoProvider } from "../crypto/provider.ts";
import { type CheckedItem, ITEM_KINDS, openItem, proxyCheck, sealItem } from "../entry/item.ts";
import { hk } from "../crypto/kdf.ts";
import { invariant } from "../kernel/assert.ts";
import type { InviteKeys } from "./invite-link.ts";
import { encodeMessage, readMessage, type RendezvousMessage } from "./messages.ts";

/**
 * A message as an item of the rendezvous topic. The salt comes from a secret of the sender and the content, so that a
 * machine restarted with the same inputs makes the same item again and nothing is published twice.
 */
export const sealMessage = (
  crypto: CryptoProvider,
  keys: InviteKeys,
  senderSecret: Uint8Array,
  message: RendezvousMessage,
): CheckedItem => {
  const plaintext = encodeMessage(message);
  const salt = hk(crypto, senderSecret, crypto.hash("SHA256", plaintext), "inv-salt", 16);
  const gen = ORDER.indexOf(message.type);
  const item = sealItem(
    crypto,
    { kind: ITEM_KINDS.rendezvous, topicKey: keys.topicKey, gen, salt },
    keys.readKey,
    plaintext,
  );
  invariant(item.ok, "a rendezvous message fits its item");
  return item.value;
};

/** Message in an item; `undefined` for items of other topics and anything broken, which strangers may send. */
export const openMessage = (
  crypto: CryptoProvider,
  keys: InviteKeys,
  wire: Uint8Array,
): RendezvousMessage | undefined => {
  const item = proxyCheck(crypto, wire);
  if (!item.ok || item.value.kind !== ITEM_KINDS.rendezvous) return undefined;
  const plaintext = openItem(crypto, item.value, keys.readKey);
  return plaintext.ok ? readMessage(plaintext.value) : undefined;
};

/** The gen of an item follows the conversation, so that sorted items replay in a useful order. */
const ORDER: readonly RendezvousMessage["type"][] = ["request", "challenge", "reveal", "welcome", "declined"];
