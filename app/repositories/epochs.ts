import type { AclState } from "../../protocol/acl/acl-state.ts";
import type { CryptoProvider, DhKeyPair, SigningKey } from "../../protocol/crypto/provider.ts";
import type { EpochBody, Seal, SealRecipient } from "../../protocol/epoch/epoch-body.ts";
import { createEpoch, openHistory, openSeal } from "../../protocol/epoch/epoch-body.ts";
import type { EpochSecret, TopicKeys } from "../../protocol/epoch/epoch-keys.ts";
import { deriveTopicKeys, mergeEpochs } from "../../protocol/epoch/epoch-keys.ts";
import { bytesEqual, bytesToHex, concatBytes } from "../../protocol/kernel/bytes.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import type { Access } from "./access.ts";

/** The device that opens seals. */
export interface KeyHolder {
  readonly idRoot: Uint8Array;
  readonly device: SigningKey;
  readonly deviceEncryption: DhKeyPair;
  /** Keys the device had before. */
  readonly earlierEncryption?: readonly DhKeyPair[];
}

/** Secrets of epochs by eid in hex. */
export type HeldSecrets = ReadonlyMap<string, EpochSecret>;

/** What the accepted head epochs mean for this device. */
export type HeadKeys =
  | {
      readonly type: "held";
      readonly eids: readonly Uint8Array[];
      readonly keys: TopicKeys;
      /** Undefined for a reader of combined epochs whose topic no writer has announced yet. */
      readonly topicPk: Uint8Array | undefined;
    }
  /** Nobody has sealed these to this device yet. */
  | { readonly type: "missing"; readonly eids: readonly Uint8Array[] };

const LABEL_BYTES = 8;

/** Seals of an epoch in later ops, each with the rid its HPKE info was made with. */
const laterSeals = (
  access: Access,
  body: EpochBody,
  holder: KeyHolder,
): readonly (readonly [Uint8Array, readonly Seal[]])[] =>
  access.ops().flatMap((op) => {
    const isMine =
      (op.body.type === "reseal" && bytesEqual(op.body.eid, body.eid)) ||
      (op.body.type === "set" && bytesEqual(op.body.who, holder.idRoot));
    return isMine && "seals" in op.body ? [[op.rid, op.body.seals] as const] : [];
  });

/**
 * Secrets that the known ops give this device beyond `held`: from seals made for it, and from each epoch's history of its
 * parents, back to the first. `tried` remembers seals that did not open.
 */
export const openableSecrets = (
  crypto: CryptoProvider,
  access: Access,
  holder: KeyHolder,
  held: HeldSecrets,
  tried: Set<string>,
): readonly EpochSecret[] => {
  const found = new Map<string, EpochSecret>();
  const { epochs } = access.state();
  const identifier = holder.device.publicKey;
  const label = identifier.slice(0, LABEL_BYTES);
  const keyPairs = [holder.deviceEncryption, ...(holder.earlierEncryption ?? [])];
  const secretOf = (eid: string): EpochSecret | undefined => found.get(eid) ?? held.get(eid);
  for (const { body, rid } of epochs) {
    const eid = bytesToHex(body.eid);
    for (const [place, seals] of [[rid, body.seals] as const, ...laterSeals(access, body, holder)]) {
      if ((secretOf(eid)?.W ?? null) !== null) break;
      const mine = seals.filter(({ label: to }) => bytesEqual(to, label));
      const name = eid + mine.map(({ enc }) => bytesToHex(enc)).join();
      if (mine.length === 0 || tried.has(name)) continue;
      tried.add(name);
      for (const keyPair of keyPairs) {
        const opened = openSeal(crypto, place, body, mine, { identifier, label, keyPair });
        if (opened.ok && (secretOf(eid) === undefined || opened.value.W !== null)) found.set(eid, opened.value);
        if (opened.ok) break;
      }
    }
  }
  // Epochs come in causal order, so that one pass from the newest back reaches every ancestor.
  for (const { body } of epochs.toReversed()) {
    const secret = secretOf(bytesToHex(body.eid));
    if (secret === undefined || body.eparents.every((parent) => secretOf(bytesToHex(parent)) !== undefined)) continue;
    for (const parent of openHistory(crypto, body, secret) ?? []) {
      const eid = bytesToHex(parent.eid);
      if (secretOf(eid) === undefined) found.set(eid, parent);
    }
  }
  return [...found.values()];
};

/** Name of a set of combined epochs, the same on every replica. */
export const combinationOf = (eids: readonly Uint8Array[]): string => eids.map(bytesToHex).toSorted().join("");

/** Keys of the accepted head epochs; `announced` is the topic a writer named for their combination. */
export const headKeys = (
  crypto: CryptoProvider,
  state: AclState,
  held: HeldSecrets,
  announced: (combination: string) => Uint8Array | undefined,
): HeadKeys => {
  const heads = state.epochHeads.map(({ body }) => body);
  const eids = heads.map(({ eid }) => eid);
  const secrets = eids.flatMap((eid) => held.get(bytesToHex(eid)) ?? []);
  if (secrets.length < heads.length) return { type: "missing", eids: eids.filter((eid) => !held.has(bytesToHex(eid))) };
  const keys = deriveTopicKeys(crypto, mergeEpochs(crypto, secrets));
  const [only] = heads;
  const topicPk = keys.topicKey?.publicKey ?? (heads.length === 1 ? only?.topicPk : announced(combinationOf(eids)));
  return { type: "held", eids, keys, topicPk };
};

/** Keys of a combination of epochs that was current once, as far as `held` reaches. */
export const combinedKeys = (
  crypto: CryptoProvider,
  held: HeldSecrets,
  eids: readonly Uint8Array[],
): TopicKeys | undefined => {
  const secrets = eids.flatMap((eid) => held.get(bytesToHex(eid)) ?? []);
  return secrets.length === eids.length && secrets.length > 0
    ? deriveTopicKeys(crypto, mergeEpochs(crypto, secrets))
    : undefined;
};

/** Salt under which a record is sealed again: whoever does it makes the same item, and a key never serves two texts. */
export const rewrapSalt = (crypto: CryptoProvider, topicPk: Uint8Array, record: Uint8Array): Uint8Array =>
  crypto.hash("SHA256", concatBytes(topicPk, record)).slice(0, 16);

/** Reader devices to whom no op known so far gives the secret of an epoch: those admitted by someone who did not know it. */
export const unsealedRecipients = (access: Access, eid: Uint8Array): readonly SealRecipient[] => {
  const state = access.state();
  const epoch = state.epochs.find(({ body }) => bytesEqual(body.eid, eid));
  if (epoch === undefined) return [];
  const seals = [...epoch.body.seals];
  for (const op of access.ops()) {
    const { body } = op;
    if (body.type === "reseal" && bytesEqual(body.eid, eid)) seals.push(...body.seals);
    if (body.type === "set" && access.covers([op.id], [epoch.op.id])) seals.push(...body.seals);
  }
  const labels = new Set(seals.map(({ label }) => bytesToHex(label)));
  return state.recipients.filter(({ label }) => !labels.has(bytesToHex(label)));
};

/** More head epochs than this are combined into one by the next writer, who can name no more as parents (data.md section 16). */
export const MAX_EPOCH_HEADS = 8;

/**
 * A new epoch for `recipients` on top of `parents`. A device whose key nothing can be sealed to (its owner's fault) is named
 * all the same, with a seal nobody opens: it must not keep everybody else from changing the keys.
 */
export const foundEpoch = (
  deps: { readonly crypto: CryptoProvider; readonly random: RandomSource },
  rid: Uint8Array,
  parents: readonly EpochSecret[],
  recipients: readonly SealRecipient[],
): { readonly secret: EpochSecret & { readonly W: Uint8Array }; readonly body: EpochBody } => {
  const { crypto, random } = deps;
  let sealable = recipients;
  for (;;) {
    const epoch = createEpoch(crypto, random, rid, parents.slice(0, MAX_EPOCH_HEADS), sealable);
    if (epoch.ok) return epoch.value;
    const { identifier } = epoch.error;
    const nobody = crypto.dhKeyPair(random.bytes(32)).publicKey;
    sealable = sealable.map((one) =>
      bytesEqual(one.identifier, identifier) ? { ...one, encryptionKey: nobody } : one,
    );
  }
};
