import { decodeShape, encodeCbor } from "../codec/cbor.ts";
import { array, bytes, bytesUpTo, literal, mapped, nullable, tagged, text, tuple } from "../codec/shape.ts";
import { hpkeOpen, hpkeSeal } from "../crypto/hpke.ts";
import { hk } from "../crypto/kdf.ts";
import type { CryptoProvider, DhKeyPair, SigningKey } from "../crypto/provider.ts";
import { type CheckedItem, ITEM_KINDS, openItem, proxyCheck, sealItem } from "../entry/item.ts";
import type { EpochSecret } from "../epoch/epoch-keys.ts";
import { identityOpsShape, readIdentityOps } from "../identity/contact-card.ts";
import { evaluateIdentity } from "../identity/identity-log.ts";
import { identityOpWire, type VerifiedIdentityOp } from "../identity/identity-op.ts";
import { invariant } from "../kernel/assert.ts";
import { ascii, bytesToHex, concatBytes } from "../kernel/bytes.ts";
import type { RandomSource } from "../kernel/random.ts";
import type { DecodeError, Result } from "../kernel/result.ts";

/** Keys of the topic on which the devices of one identity find each other, and who holds its phrase finds them. */
export interface RecoveryKeys {
  readonly topicKey: SigningKey;
  readonly readKey: Uint8Array;
}

/** What devices keep of the root seed: it names the recovery topic and signs nothing in the identity's name. */
export const recoverySeed = (crypto: CryptoProvider, rootSeed: Uint8Array): Uint8Array =>
  hk(crypto, rootSeed, NO_SALT, "home-topic", 32);

export const deriveRecoveryKeys = (crypto: CryptoProvider, seed: Uint8Array): RecoveryKeys => ({
  topicKey: crypto.signingKey(hk(crypto, seed, NO_SALT, "recovery-topic", 32)),
  readKey: hk(crypto, seed, NO_SALT, "recovery-read", 32),
});

/** A device that has no home repository asks for it. */
export interface HomeRequest {
  /** 16 bytes that name this request. */
  readonly id: Uint8Array;
  readonly devSig: Uint8Array;
  /** Certify the device. */
  readonly ops: readonly VerifiedIdentityOp[];
}

/** What a device of the same identity needs to follow a repository. */
export interface RepositoryGrant {
  readonly rid: Uint8Array;
  readonly title: string;
  /** ACL ops as far as they fit, genesis first; the rest follows from the topic. */
  readonly aclOps: readonly (readonly [header: Uint8Array, sig: Uint8Array])[];
  /** Secrets of all head epochs. */
  readonly epochs: readonly EpochSecret[];
  readonly topicPk: Uint8Array;
}

/** Name of the identity, and its home repository. */
export interface HomeGrant {
  readonly name: string;
  readonly home: RepositoryGrant;
}

export interface HomeAnswer {
  /** The request's id. */
  readonly id: Uint8Array;
  readonly devSig: Uint8Array;
  readonly ops: readonly VerifiedIdentityOp[];
  readonly enc: Uint8Array;
  readonly ct: Uint8Array;
}

export type RecoveryMessage =
  | { readonly type: "request"; readonly request: HomeRequest }
  | { readonly type: "answer"; readonly answer: HomeAnswer };

/** A request as an item of the recovery topic. */
export const sealHomeRequest = (
  crypto: CryptoProvider,
  random: RandomSource,
  keys: RecoveryKeys,
  device: SigningKey,
  ops: readonly VerifiedIdentityOp[],
): CheckedItem => {
  const body = encodeCbor([1, random.bytes(16), device.publicKey, ops.map(identityOpWire)]);
  return sealSigned(crypto, random, keys, device, 0, body);
};

/** An answer to `request`, which only its device can open; `undefined` when its key is of low order. */
export const sealHomeAnswer = (
  crypto: CryptoProvider,
  random: RandomSource,
  keys: RecoveryKeys,
  device: SigningKey,
  ops: readonly VerifiedIdentityOp[],
  request: HomeRequest,
  devEnc: Uint8Array,
  { name, home }: HomeGrant,
): CheckedItem | undefined => {
  const plaintext = encodeCbor([1, name, encodeRepositoryGrant(home)]);
  const context = { info: GRANT_INFO, aad: grantBinding(request.id, request.devSig) };
  const sealed = hpkeSeal(crypto, devEnc, context, plaintext, random.bytes(32));
  if (sealed === undefined) return undefined;
  const body = encodeCbor([2, request.id, device.publicKey, ops.map(identityOpWire), sealed.enc, sealed.ct]);
  return sealSigned(crypto, random, keys, device, 1, body);
};

/** Message in an item, from a device its own ops certify for `idRoot`; whether it was revoked since is the log's matter. */
export const openRecoveryMessage = (
  crypto: CryptoProvider,
  keys: RecoveryKeys,
  idRoot: Uint8Array,
  wire: Uint8Array,
): RecoveryMessage | undefined => {
  const item = proxyCheck(crypto, wire);
  if (!item.ok || item.value.kind !== ITEM_KINDS.rendezvous) return undefined;
  const plaintext = openItem(crypto, item.value, keys.readKey);
  const signed = plaintext.ok ? decodeShape(signedShape, plaintext.value) : undefined;
  if (signed?.ok !== true) return undefined;
  const [body, sig] = signed.value;
  const read = decodeShape(bodyShape, body);
  if (!read.ok) return undefined;
  const { devSig, wires } = read.value;
  const ops = readIdentityOps(crypto, idRoot, wires);
  if (!ops.ok || !crypto.verify(devSig, concatBytes(DOMAIN, body), sig)) return undefined;
  if (!evaluateIdentity(idRoot, ops.value).devices.has(bytesToHex(devSig))) return undefined;
  const { id } = read.value;
  return read.value.type === "request"
    ? { type: "request", request: { id, devSig, ops: ops.value } }
    : { type: "answer", answer: { id, devSig, ops: ops.value, enc: read.value.enc, ct: read.value.ct } };
};

/** What an answer grants to the device that asked. */
export const openHomeGrant = (
  crypto: CryptoProvider,
  holder: { readonly device: SigningKey; readonly deviceEncryption: DhKeyPair },
  { id, enc, ct }: HomeAnswer,
): HomeGrant | undefined => {
  const context = { info: GRANT_INFO, aad: grantBinding(id, holder.device.publicKey) };
  const plaintext = hpkeOpen(crypto, holder.deviceEncryption, context, { enc, ct });
  const read = plaintext === undefined ? undefined : decodeShape(homeGrantShape, plaintext);
  if (read?.ok !== true) return undefined;
  const [, name, encoded] = read.value;
  const home = readRepositoryGrant(encoded);
  return home.ok ? { name, home: home.value } : undefined;
};

export const encodeRepositoryGrant = ({ rid, title, aclOps, epochs, topicPk }: RepositoryGrant): Uint8Array =>
  encodeCbor([1, rid, title, aclOps, epochs.map(({ eid, S, W }) => [eid, S, W]), topicPk]);

export const readRepositoryGrant = (encoded: Uint8Array): Result<RepositoryGrant, DecodeError> =>
  decodeShape(grantShape, encoded);

const sealSigned = (
  crypto: CryptoProvider,
  random: RandomSource,
  { topicKey, readKey }: RecoveryKeys,
  device: SigningKey,
  gen: number,
  body: Uint8Array,
): CheckedItem => {
  const plaintext = encodeCbor([body, device.sign(concatBytes(DOMAIN, body))]);
  const salt = random.bytes(16);
  const item = sealItem(crypto, { kind: ITEM_KINDS.rendezvous, topicKey, gen, salt }, readKey, plaintext);
  invariant(item.ok, "a recovery message fits its item");
  return item.value;
};

const grantBinding = (id: Uint8Array, devSig: Uint8Array): Uint8Array => concatBytes(id, devSig);

const NO_SALT = new Uint8Array(0);
const DOMAIN = ascii("p2pc/recovery/1\0");
const GRANT_INFO = ascii("p2pc/recovery/grant/1\0");
/** Bytes of ACL ops in one grant, so that one of many ops still fits a document and an item. */
export const MAX_GRANTED_OPS_BYTES = 20_000;
const LARGEST_BODY = 60 * 1024;
const LARGEST_GRANT = 32 * 1024;
const MAX_GRANTED_OPS = 512;
const LARGEST_OP = 28 * 1024;
const MAX_EPOCH_HEADS = 8;
const LONGEST_NAME = 1024;
const key = bytes(32);

const signedShape = tuple(bytesUpTo(LARGEST_BODY), bytes(64));

interface Body {
  readonly id: Uint8Array;
  readonly devSig: Uint8Array;
  readonly wires: readonly (readonly [Uint8Array, Uint8Array])[];
}
const bodyShape = tagged<
  | (Body & { readonly type: "request" })
  | (Body & { readonly type: "answer"; readonly enc: Uint8Array; readonly ct: Uint8Array })
>({
  1: mapped(tuple(literal(1), bytes(16), key, identityOpsShape), ([, id, devSig, wires]) => ({
    type: "request",
    id,
    devSig,
    wires,
  })),
  2: mapped(
    tuple(literal(2), bytes(16), key, identityOpsShape, key, bytesUpTo(LARGEST_GRANT)),
    ([, id, devSig, wires, enc, ct]) => ({ type: "answer", id, devSig, wires, enc, ct }),
  ),
});

const grantShape = mapped(
  tuple(
    literal(1),
    bytes(16),
    text(LONGEST_NAME),
    array(tuple(bytesUpTo(LARGEST_OP), bytes(64)), MAX_GRANTED_OPS, 1),
    array(
      mapped(tuple(bytes(16), key, nullable(key)), ([eid, S, W]): EpochSecret => ({ eid, S, W })),
      MAX_EPOCH_HEADS,
      1,
    ),
    key,
  ),
  ([, rid, title, aclOps, epochs, topicPk]): RepositoryGrant => ({ rid, title, aclOps, epochs, topicPk }),
);
const homeGrantShape = tuple(literal(1), text(LONGEST_NAME), bytesUpTo(LARGEST_GRANT));
