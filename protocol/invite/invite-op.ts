import { type AclBody, joinProof } from "../acl/acl-op.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import {
  type EpochBody,
  inviteRecipient,
  openSeal,
  type OpenSealError,
  sealEpoch,
  type SealError,
} from "../epoch/epoch-body.ts";
import type { EpochSecret } from "../epoch/epoch-keys.ts";
import type { VerifiedIdentityOp } from "../identity/identity-op.ts";
import type { RandomSource } from "../kernel/random.ts";
import { ok, type Result } from "../kernel/result.ts";
import type { InviteKeys } from "./invite-link.ts";

export type InviteBody = Extract<AclBody, { type: "invite" }>;

export interface InviteTerms {
  readonly mode: "ask" | "auto";
  readonly role: 1 | 2;
  readonly maxUses: number;
  /** Seconds since 1970. */
  readonly expires: number;
}

/**
 * Body of an invite op. An automatic invite seals the head epochs to the link's own key, so that whoever holds the link
 * can read without anyone being online; `heads` is not used in ask mode.
 */
export const createInviteBody = (
  crypto: CryptoProvider,
  random: RandomSource,
  rid: Uint8Array,
  keys: InviteKeys,
  terms: InviteTerms,
  heads: readonly (EpochSecret & { readonly W: Uint8Array })[],
): Result<InviteBody, SealError> => {
  const invPk = keys.signing.publicKey;
  const seals: InviteBody["seals"][number][] = [];
  for (const secret of terms.mode === "auto" ? heads : []) {
    const recipient = inviteRecipient(invPk, keys.encryption.publicKey, secret.eid, terms.role === 2);
    const sealed = sealEpoch(crypto, random, rid, secret, [recipient]);
    if (!sealed.ok) return sealed;
    seals.push(...sealed.value);
  }
  return ok({ type: "invite", ...terms, invPk, rvTopicPk: keys.topicKey.publicKey, seals });
};

/** Secrets of one epoch out of an automatic invite, for whoever holds its link. */
export const openInviteSeal = (
  crypto: CryptoProvider,
  rid: Uint8Array,
  keys: InviteKeys,
  invite: InviteBody,
  epoch: EpochBody,
): Result<EpochSecret, OpenSealError> =>
  openSeal(crypto, rid, epoch, invite.seals, {
    identifier: keys.signing.publicKey,
    label: epoch.eid.slice(0, 8),
    keyPair: keys.encryption,
  });

/** Body of the op by which a holder of an automatic invite's link makes itself a member. */
export const createJoinBody = (
  rid: Uint8Array,
  invite: Uint8Array,
  keys: InviteKeys,
  who: Uint8Array,
  identityOps: readonly VerifiedIdentityOp[],
): Extract<AclBody, { type: "join" }> => ({
  type: "join",
  invite,
  who,
  identityOps,
  invSig: keys.signing.sign(joinProof(rid, invite, who)),
});
