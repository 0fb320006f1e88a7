import type { ContactCard } from "../../protocol/identity/contact-card.ts";
import { evaluateIdentity, type IdentityState } from "../../protocol/identity/identity-log.ts";
import type { VerifiedIdentityOp } from "../../protocol/identity/identity-op.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";

/** A contact card and the device that signed it; `null` where that was checked when the card was added. */
export interface SignedCard {
  readonly card: ContactCard;
  readonly signer: Uint8Array | null;
}

/**
 * Whether `device` belongs to the identity and was not revoked, as far as `ops` say. A revoked device leaves its revocation
 * out of what it sends, so `ops` have to hold what was heard of the identity elsewhere as well.
 */
export const isCurrentDevice = (idRoot: Uint8Array, device: Uint8Array, ops: readonly VerifiedIdentityOp[]): boolean =>
  isCurrent(evaluateIdentity(idRoot, ops), device);

/** The card that says most of the identity, of those by devices that still belong to it; `heard` besides what the cards say. */
export const newestCard = (
  idRoot: Uint8Array,
  cards: readonly SignedCard[],
  heard: readonly VerifiedIdentityOp[],
): ContactCard | undefined => {
  const state = evaluateIdentity(idRoot, [...heard, ...cards.flatMap(({ card }) => card.identityOps)]);
  const validOps = ({ identityOps }: ContactCard): number =>
    new Set(identityOps.map(({ id }) => bytesToHex(id)).filter((id) => state.valid.has(id))).size;
  return cards
    .filter(({ signer }) => signer === null || isCurrent(state, signer))
    .map(({ card }) => ({ card, size: validOps(card) }))
    .reduce<{ readonly card: ContactCard; readonly size: number } | undefined>(
      (best, one) => (best === undefined || one.size > best.size ? one : best),
      undefined,
    )?.card;
};

const isCurrent = (state: IdentityState, device: Uint8Array): boolean =>
  state.devices.get(bytesToHex(device))?.revoked === false;
