import { anyValue, type CborValue, decodeShape, encodeCbor, type Shape } from "../codec/cbor.ts";
import { array, bytes, bytesUpTo, mapped, refined, tuple } from "../codec/shape.ts";
import { hpkeOpen, hpkeSeal } from "../crypto/hpke.ts";
import { hk } from "../crypto/kdf.ts";
import type { CryptoProvider, DhKeyPair } from "../crypto/provider.ts";
import { ascii, bytesEqual, concatBytes } from "../kernel/bytes.ts";
import type { RandomSource } from "../kernel/random.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import { createEpochSecret, deriveTopicKeys, epochCommitment, type EpochSecret } from "./epoch-keys.ts";

/** An epoch's secrets, sealed to one recipient. */
export interface Seal {
  /** First 8 bytes of the recipient's `devSig`; of the `eid` in an invite, whose recipient is the invite itself. */
  readonly label: Uint8Array;
  readonly enc: Uint8Array;
  readonly ct: Uint8Array;
}

/** The public record of an epoch, inside an ACL op. */
export interface EpochBody {
  readonly eid: Uint8Array;
  readonly eparents: readonly Uint8Array[];
  readonly commit: Uint8Array;
  readonly topicPk: Uint8Array;
  readonly seals: readonly Seal[];
  /** Secrets of the parents, encrypted under this epoch's. */
  readonly hist: Uint8Array;
}

/** Someone an epoch is sealed to. `identifier` is a device's `devSig` or an invite's public key; it is bound into the seal. */
export interface SealRecipient {
  readonly identifier: Uint8Array;
  readonly label: Uint8Array;
  readonly encryptionKey: Uint8Array;
  /** Only writers receive W. */
  readonly writer: boolean;
}

/** The recipient form of a device. */
export const deviceRecipient = (devSig: Uint8Array, devEnc: Uint8Array, writer: boolean): SealRecipient => ({
  identifier: devSig,
  label: devSig.slice(0, LABEL_BYTES),
  encryptionKey: devEnc,
  writer,
});

/** The recipient form of an invite, which may hold seals of several epochs. */
export const inviteRecipient = (
  invPk: Uint8Array,
  invEnc: Uint8Array,
  eid: Uint8Array,
  writer: boolean,
): SealRecipient => ({
  identifier: invPk,
  label: eid.slice(0, LABEL_BYTES),
  encryptionKey: invEnc,
  writer,
});

export type SealError = { readonly type: "RecipientKeyInvalid"; readonly identifier: Uint8Array };
export type OpenSealError =
  | { readonly type: "NoSeal" }
  | { readonly type: "SealForged" }
  /** The seal opens but does not hold the secrets the epoch was published with. */
  | { readonly type: "CommitMismatch" };

/** A new epoch on top of `parents`. `rid` is that of the ACL op's header: zero in a genesis op. */
export const createEpoch = (
  crypto: CryptoProvider,
  random: RandomSource,
  rid: Uint8Array,
  parents: readonly EpochSecret[],
  recipients: readonly SealRecipient[],
): Result<{ readonly secret: EpochSecret & { readonly W: Uint8Array }; readonly body: EpochBody }, SealError> => {
  const secret = createEpochSecret(random);
  const seals = sealEpoch(crypto, random, rid, secret, recipients);
  if (!seals.ok) return seals;
  const history = encodeCbor(parents.map(({ eid, S }) => [eid, S]));
  const body: EpochBody = {
    eid: secret.eid,
    eparents: parents.map(({ eid }) => eid),
    commit: epochCommitment(crypto, secret.eid, secret.S, crypto.hash("SHA256", secret.W)),
    topicPk: topicPkOf(crypto, secret),
    seals: seals.value,
    hist: historyAead(crypto, secret).seal(ZERO_NONCE, NOTHING, history),
  };
  return ok({ secret, body });
};

/** Seals an epoch to further recipients; `secret.W` must be known when one of them is a writer. */
export const sealEpoch = (
  crypto: CryptoProvider,
  random: RandomSource,
  rid: Uint8Array,
  secret: EpochSecret & { readonly W: Uint8Array },
  recipients: readonly SealRecipient[],
): Result<readonly Seal[], SealError> => {
  const seals: Seal[] = [];
  const forWriters = encodeCbor([secret.S, secret.W]);
  const forReaders = encodeCbor([secret.S, null, crypto.hash("SHA256", secret.W)]);
  for (const { identifier, label, encryptionKey, writer } of recipients) {
    const context = { info: sealInfo(rid, secret.eid), aad: identifier };
    const sealed = hpkeSeal(crypto, encryptionKey, context, writer ? forWriters : forReaders, random.bytes(32));
    if (sealed === undefined) return err({ type: "RecipientKeyInvalid", identifier });
    seals.push({ label, ...sealed });
  }
  return ok(seals);
};

/** The one who opens: identifier and key pair behind a `SealRecipient`. */
export interface SealHolder {
  readonly identifier: Uint8Array;
  readonly label: Uint8Array;
  readonly keyPair: DhKeyPair;
}

/** Secrets of an epoch from one of `seals` (the body's own, a reseal's or an invite's), checked against its commitment and topic. */
export const openSeal = (
  crypto: CryptoProvider,
  rid: Uint8Array,
  body: Pick<EpochBody, "eid" | "commit" | "topicPk">,
  seals: readonly Seal[],
  holder: SealHolder,
): Result<EpochSecret, OpenSealError> => {
  const mine = seals.filter((seal) => bytesEqual(seal.label, holder.label));
  if (mine.length === 0) return err({ type: "NoSeal" });
  let mismatch = false;
  for (const seal of mine) {
    const plaintext = hpkeOpen(crypto, holder.keyPair, { info: sealInfo(rid, body.eid), aad: holder.identifier }, seal);
    if (plaintext === undefined) continue;
    const read = decodeShape(plaintext[0] === WRITER_FORM ? writerShape : readerShape, plaintext);
    if (read.ok) {
      const { S, W, hashOfW } = read.value;
      const secret = { eid: body.eid, S, W };
      const commit = epochCommitment(crypto, body.eid, S, W === null ? hashOfW : crypto.hash("SHA256", W));
      if (bytesEqual(commit, body.commit) && (W === null || bytesEqual(topicPkOf(crypto, secret), body.topicPk)))
        return ok(secret);
    }
    mismatch = true;
  }
  return err({ type: mismatch ? "CommitMismatch" : "SealForged" });
};

/** Read secrets of an epoch's parents, by which a new member walks back to the first entry; `undefined` when forged. */
export const openHistory = (
  crypto: CryptoProvider,
  body: EpochBody,
  secret: EpochSecret,
): readonly EpochSecret[] | undefined => {
  const plaintext = historyAead(crypto, secret).open(ZERO_NONCE, NOTHING, body.hist);
  if (plaintext === undefined) return undefined;
  const read = decodeShape(historyShape, plaintext);
  if (!read.ok || read.value.length !== body.eparents.length) return undefined;
  const parents = read.value.map(([eid, S]): EpochSecret => ({ eid, S, W: null }));
  return parents.every(({ eid }, i) => bytesEqual(eid, body.eparents[i] as Uint8Array)) ? parents : undefined;
};

export const epochBodyValue = (body: EpochBody): CborValue => [
  body.eid,
  body.eparents,
  body.commit,
  body.topicPk,
  sealsValue(body.seals),
  body.hist,
];

export const sealsValue = (seals: readonly Seal[]): CborValue => seals.map(({ label, enc, ct }) => [label, enc, ct]);

const historyAead = (crypto: CryptoProvider, { S, eid }: EpochSecret) =>
  crypto.aead("AESGCM", hk(crypto, S, eid, "hist", 32));

const sealInfo = (rid: Uint8Array, eid: Uint8Array): Uint8Array => concatBytes(SEAL_INFO, rid, eid);

const topicPkOf = (crypto: CryptoProvider, secret: EpochSecret): Uint8Array =>
  deriveTopicKeys(crypto, secret).topicKey?.publicKey ?? NOTHING;

const SEAL_INFO = ascii("p2pc/1/epoch");
const LABEL_BYTES = 8;
const NOTHING = new Uint8Array(0);
/** The key serves this one message: it is derived from the epoch's own secret and id. */
const ZERO_NONCE = new Uint8Array(12);
/** Head of a two-member array. */
const WRITER_FORM = 0x82;
const MAX_EPARENTS = 8;
/** Devices of all members of a repository. */
const MAX_SEALS = 256;
const LARGEST_SEAL = 128;
const LARGEST_HISTORY = 1024;

interface SealContent {
  readonly S: Uint8Array;
  readonly W: Uint8Array | null;
  readonly hashOfW: Uint8Array;
}
const absent = refined(anyValue, "expected null", (value) => value === null);
const writerShape: Shape<SealContent> = mapped(tuple(bytes(32), bytes(32)), ([S, W]) => ({ S, W, hashOfW: NOTHING }));
const readerShape: Shape<SealContent> = mapped(tuple(bytes(32), absent, bytes(32)), ([S, , hashOfW]) => ({
  S,
  W: null,
  hashOfW,
}));
const historyShape = array(tuple(bytes(16), bytes(32)), MAX_EPARENTS);

/** Form of a list of seals inside other records. */
export const sealsShape: Shape<readonly Seal[]> = array(
  mapped(tuple(bytes(LABEL_BYTES), bytes(32), bytesUpTo(LARGEST_SEAL)), ([label, enc, ct]): Seal => ({
    label,
    enc,
    ct,
  })),
  MAX_SEALS,
);

/** Form of an epoch inside an ACL op. */
export const epochBodyShape: Shape<EpochBody> = mapped(
  tuple(bytes(16), array(bytes(16), MAX_EPARENTS), bytes(32), bytes(32), sealsShape, bytesUpTo(LARGEST_HISTORY)),
  ([eid, eparents, commit, topicPk, seals, hist]): EpochBody => ({ eid, eparents, commit, topicPk, seals, hist }),
);
