import { DOMAINS } from "../codec/domains.ts";
import { hk } from "../crypto/kdf.ts";
import type { CryptoProvider, SigningKey } from "../crypto/provider.ts";
import { invariant } from "../kernel/assert.ts";
import { compareBytes, concatBytes } from "../kernel/bytes.ts";
import type { RandomSource } from "../kernel/random.ts";

/** Secrets of one epoch: S lets read, W lets write. Readers hold no W. */
export interface EpochSecret {
  readonly eid: Uint8Array;
  readonly S: Uint8Array;
  readonly W: Uint8Array | null;
}

/** What a topic's S and W are, after combining all head epochs. */
export type CombinedSecret = Pick<EpochSecret, "S" | "W">;

/** Keys of the topic that one (combined) epoch stands for. */
export interface TopicKeys {
  /** R: items of the topic are sealed under keys derived from it. */
  readonly readKey: Uint8Array;
  /** Signs items of the topic; `null` for readers. */
  readonly topicKey: SigningKey | null;
  /** The readers' return channel: anyone who holds S may write there. */
  readonly replyKey: SigningKey;
  readonly replyReadKey: Uint8Array;
  /** Makes attachment chunks convergent within the epoch. */
  readonly blobSecret: Uint8Array;
}

export const createEpochSecret = (random: RandomSource): EpochSecret & { readonly W: Uint8Array } => ({
  eid: random.bytes(16),
  S: random.bytes(32),
  W: random.bytes(32),
});

/** Binds an epoch id to its secrets; published, so that a seal with other secrets is noticed. */
export const epochCommitment = (
  crypto: CryptoProvider,
  eid: Uint8Array,
  S: Uint8Array,
  hashOfW: Uint8Array,
): Uint8Array => crypto.hash("SHA256", DOMAINS.epoch, eid, S, hashOfW);

export const deriveTopicKeys = (crypto: CryptoProvider, { S, W }: CombinedSecret): TopicKeys => ({
  readKey: hk(crypto, S, NO_SALT, "read", 32),
  topicKey: W === null ? null : crypto.signingKey(hk(crypto, W, NO_SALT, "topic", 32)),
  replyKey: crypto.signingKey(hk(crypto, S, NO_SALT, "reply", 32)),
  replyReadKey: hk(crypto, S, NO_SALT, "reply-read", 32),
  blobSecret: hk(crypto, S, NO_SALT, "blob", 32),
});

/**
 * Secret of several concurrent head epochs: known only to whoever knows all of them. One head stands for itself.
 * The order of `heads` does not matter.
 */
export const mergeEpochs = (crypto: CryptoProvider, heads: readonly EpochSecret[]): CombinedSecret => {
  const [first, ...others] = [...heads].sort((a, b) => compareBytes(a.eid, b.eid));
  invariant(first !== undefined, "a repository has at least one head epoch");
  if (others.length === 0) return { S: first.S, W: first.W };
  const sorted = [first, ...others];
  const ids = concatBytes(...sorted.map(({ eid }) => eid));
  const writeSecrets = sorted.map(({ W }) => W);
  return {
    S: hk(crypto, concatBytes(...sorted.map(({ S }) => S)), ids, "merge-read", 32),
    W: writeSecrets.every((W) => W !== null) ? hk(crypto, concatBytes(...writeSecrets), ids, "merge-write", 32) : null,
  };
};

const NO_SALT = new Uint8Array(0);
