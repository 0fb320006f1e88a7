import { anyValue, type CborValue, decodeShape, encodeCbor, type Shape } from "../codec/cbor.ts";
import { DOMAINS } from "../codec/domains.ts";
import { array, bytes, bytesUpTo, literal, mapped, nullable, refined, tagged, tuple, uint } from "../codec/shape.ts";
import type { CryptoProvider, SigningKey } from "../crypto/provider.ts";
import { type Fork, type ForkProof, verifyForkProof } from "../entry/chain.ts";
import { repositoryId } from "../entry/record.ts";
import {
  type EpochBody,
  epochBodyShape,
  epochBodyValue,
  type Seal,
  sealsShape,
  sealsValue,
} from "../epoch/epoch-body.ts";
import { identityOpsShape, readIdentityOps } from "../identity/contact-card.ts";
import {
  type IdentityOpError,
  identityOpWire,
  type IdentityOpWire,
  type VerifiedIdentityOp,
} from "../identity/identity-op.ts";
import { exhaustive } from "../kernel/assert.ts";
import type { Brand } from "../kernel/brand.ts";
import { concatBytes } from "../kernel/bytes.ts";
import { decodeError, err, ok, type Result } from "../kernel/result.ts";

/** 0 none, 1 reader, 2 writer, 3 admin, 4 owner. */
export const ROLES = { none: 0, reader: 1, writer: 2, admin: 3, owner: 4 } as const;
export type Role = (typeof ROLES)[keyof typeof ROLES];

/** For each session the last seq that still counts; sessions not named end before their first entry. */
export type Cuts = readonly (readonly [sess: Uint8Array, lastSeq: number])[];

/** Settings of a repository; readers ignore members behind the ones they know. */
export type Policy = readonly CborValue[];

export type AclBody<Ops = readonly VerifiedIdentityOp[]> =
  | {
      readonly type: "genesis";
      readonly nonce: Uint8Array;
      readonly policy: Policy;
      readonly identityOps: Ops;
      readonly epoch: EpochBody;
    }
  | {
      readonly type: "set";
      readonly who: Uint8Array;
      readonly role: 1 | 2 | 3;
      readonly identityOps: Ops;
      readonly seals: readonly Seal[];
      readonly cuts: Cuts | null;
      readonly epoch: EpochBody | null;
    }
  | { readonly type: "remove"; readonly who: readonly Uint8Array[]; readonly cuts: Cuts; readonly epoch: EpochBody }
  | { readonly type: "devices"; readonly identityOps: Ops; readonly cuts: Cuts }
  | { readonly type: "epoch"; readonly epoch: EpochBody }
  | { readonly type: "reseal"; readonly eid: Uint8Array; readonly seals: readonly Seal[] }
  | {
      readonly type: "invite";
      readonly invPk: Uint8Array;
      readonly mode: "ask" | "auto";
      readonly role: 1 | 2;
      readonly maxUses: number;
      /** Seconds since 1970; advisory, honest members refuse by their own clock. */
      readonly expires: number;
      readonly rvTopicPk: Uint8Array;
      readonly seals: readonly Seal[];
    }
  | { readonly type: "uninvite"; readonly invite: Uint8Array }
  | {
      readonly type: "join";
      readonly invite: Uint8Array;
      readonly who: Uint8Array;
      readonly identityOps: Ops;
      readonly invSig: Uint8Array;
    }
  | { readonly type: "leave"; readonly cuts: Cuts }
  | { readonly type: "policy"; readonly policy: Policy }
  | { readonly type: "transfer"; readonly newOwner: Uint8Array }
  | { readonly type: "freeze"; readonly sess: Uint8Array; readonly proof: ForkProof };

interface AclFields<Body> {
  /** Zero in a genesis op. */
  readonly rid: Uint8Array;
  readonly parents: readonly Uint8Array[];
  readonly idRoot: Uint8Array;
  readonly devSig: Uint8Array;
  /** 0 for genesis, else 1 + the largest gen of the parents. */
  readonly gen: number;
  /** Seconds since 1970; shown, never decided upon. */
  readonly ts: number;
  readonly body: Body;
}
export type AclOpFields = AclFields<AclBody>;

/** One step of a repository's access history. */
export interface AclOp extends AclOpFields {
  readonly id: Uint8Array;
  readonly headerBytes: Uint8Array;
  readonly sig: Uint8Array;
  /** What a `freeze` op proves, else `undefined`. */
  readonly fork: Fork | undefined;
}

/** An op whose signatures hold: its device's, those of the identity ops in it and a freeze's proof. Its author's rights are the log's matter. */
export type VerifiedAclOp = Brand<AclOp, "VerifiedAclOp">;

export type AclOpError =
  IdentityOpError | { readonly type: "DeviceSignatureInvalid" } | { readonly type: "ForkProofInvalid" };

/** Signs an op with a device key. */
export const signAclOp = (
  crypto: CryptoProvider,
  device: SigningKey,
  fields: Omit<AclOpFields, "devSig">,
): VerifiedAclOp => {
  const { rid, parents, idRoot, gen, ts, body } = fields;
  const headerBytes = encodeCbor([1, rid, parents, idRoot, device.publicKey, gen, ts, bodyValue(body)]);
  const op: AclOp = {
    ...fields,
    devSig: device.publicKey,
    id: crypto.hash("SHA256", DOMAINS.acl, headerBytes),
    headerBytes,
    sig: device.sign(concatBytes(DOMAINS.acl, headerBytes)),
    fork: body.type === "freeze" ? verifyForkProof(crypto, rid, body.proof) : undefined,
  };
  return op as VerifiedAclOp;
};

/** Strict decoding and all signatures, over the received bytes. */
export const readAclOp = (
  crypto: CryptoProvider,
  headerBytes: Uint8Array,
  sig: Uint8Array,
): Result<VerifiedAclOp, AclOpError> => {
  const read = decodeShape(headerShape, headerBytes);
  if (!read.ok) return read;
  const fields = read.value;
  if (!crypto.verify(fields.devSig, concatBytes(DOMAINS.acl, headerBytes), sig))
    return err({ type: "DeviceSignatureInvalid" });
  const isGenesis = fields.body.type === "genesis";
  if (
    isGenesis !== (fields.gen === 0) ||
    isGenesis !== (fields.parents.length === 0) ||
    isGenesis !== fields.rid.every((b) => b === 0)
  ) {
    return decodeError("rid, parents and gen are empty in genesis and nowhere else");
  }
  const body = verifiedBody(crypto, fields.idRoot, fields.body);
  if (!body.ok) return body;
  const fork = body.value.type === "freeze" ? verifyForkProof(crypto, fields.rid, body.value.proof) : undefined;
  if (body.value.type === "freeze" && fork === undefined) return err({ type: "ForkProofInvalid" });
  const op: AclOp = {
    ...fields,
    body: body.value,
    id: crypto.hash("SHA256", DOMAINS.acl, headerBytes),
    headerBytes,
    sig,
    fork,
  };
  return ok(op as VerifiedAclOp);
};

/** What the invite key signs for a joiner. */
export const joinProof = (rid: Uint8Array, invite: Uint8Array, who: Uint8Array): Uint8Array =>
  concatBytes(DOMAINS.inv, rid, invite, who);

/** Repository id that a genesis op founds; for other ops their `rid`. */
export const repositoryOf = (crypto: CryptoProvider, op: AclOp): Uint8Array =>
  op.body.type === "genesis" ? repositoryId(crypto, op.headerBytes) : op.rid;

const verifiedBody = (
  crypto: CryptoProvider,
  author: Uint8Array,
  body: AclBody<readonly IdentityOpWire[]>,
): Result<AclBody, IdentityOpError> => {
  switch (body.type) {
    case "genesis":
    case "devices": {
      const identityOps = readIdentityOps(crypto, author, body.identityOps);
      return identityOps.ok ? ok({ ...body, identityOps: identityOps.value }) : identityOps;
    }
    case "set":
    case "join": {
      const identityOps = readIdentityOps(crypto, body.who, body.identityOps);
      return identityOps.ok ? ok({ ...body, identityOps: identityOps.value }) : identityOps;
    }
    default:
      return ok(body);
  }
};

const bodyValue = (body: AclBody): CborValue => {
  switch (body.type) {
    case "genesis":
      return [0, body.nonce, body.policy, body.identityOps.map(identityOpWire), epochBodyValue(body.epoch)];
    case "set":
      return [
        1,
        body.who,
        body.role,
        body.identityOps.map(identityOpWire),
        sealsValue(body.seals),
        body.cuts,
        body.epoch === null ? null : epochBodyValue(body.epoch),
      ];
    case "remove":
      return [2, body.who, body.cuts, epochBodyValue(body.epoch)];
    case "devices":
      return [3, body.identityOps.map(identityOpWire), body.cuts];
    case "epoch":
      return [4, epochBodyValue(body.epoch)];
    case "reseal":
      return [5, body.eid, sealsValue(body.seals)];
    case "invite":
      return [
        6,
        body.invPk,
        body.mode === "ask" ? 0 : 1,
        body.role,
        body.maxUses,
        body.expires,
        body.rvTopicPk,
        sealsValue(body.seals),
      ];
    case "uninvite":
      return [7, body.invite];
    case "join":
      return [8, body.invite, body.who, body.identityOps.map(identityOpWire), body.invSig];
    case "leave":
      return [9, body.cuts];
    case "policy":
      return [10, body.policy];
    case "transfer":
      return [11, body.newOwner];
    case "freeze":
      return [12, body.sess, body.proof.a.headerBytes, body.proof.a.isig, body.proof.b.headerBytes, body.proof.b.isig];
    default:
      return exhaustive(body);
  }
};

const MAX_PARENTS = 16;
const MAX_GEN = 2 ** 48 - 1;
/** Members of a repository. */
const MAX_MEMBERS = 64;
/** Sessions a removal may speak about; a session lasts at most 30 days. */
const MAX_CUTS = 2048;
const MAX_POLICY = 64;
const LARGEST_RECORD_HEADER = 128 * 1024;

const hash = bytes(32);
const cuts: Shape<Cuts> = array(tuple(bytes(16), uint()), MAX_CUTS);
const policy: Shape<Policy> = array(anyValue, MAX_POLICY);
const memberRole = mapped(
  refined(uint(ROLES.admin), "role is 1, 2 or 3", (role) => role >= 1),
  (role) => role as 1 | 2 | 3,
);
const inviteRole = mapped(
  refined(uint(ROLES.writer), "role is 1 or 2", (role) => role >= 1),
  (role) => role as 1 | 2,
);
const recordHeader = bytesUpTo(LARGEST_RECORD_HEADER);

const bodyShape: Shape<AclBody<readonly IdentityOpWire[]>> = tagged<AclBody<readonly IdentityOpWire[]>>({
  0: mapped(
    tuple(literal(0), bytes(16), policy, identityOpsShape, epochBodyShape),
    ([, nonce, settings, identityOps, epoch]) => ({
      type: "genesis",
      nonce,
      policy: settings,
      identityOps,
      epoch,
    }),
  ),
  1: mapped(
    tuple(literal(1), hash, memberRole, identityOpsShape, sealsShape, nullable(cuts), nullable(epochBodyShape)),
    ([, who, role, identityOps, seals, limits, epoch]) => ({
      type: "set",
      who,
      role,
      identityOps,
      seals,
      cuts: limits,
      epoch,
    }),
  ),
  2: mapped(tuple(literal(2), array(hash, MAX_MEMBERS, 1), cuts, epochBodyShape), ([, who, limits, epoch]) => ({
    type: "remove",
    who,
    cuts: limits,
    epoch,
  })),
  3: mapped(tuple(literal(3), identityOpsShape, cuts), ([, identityOps, limits]) => ({
    type: "devices",
    identityOps,
    cuts: limits,
  })),
  4: mapped(tuple(literal(4), epochBodyShape), ([, epoch]) => ({ type: "epoch", epoch })),
  5: mapped(tuple(literal(5), bytes(16), sealsShape), ([, eid, seals]) => ({ type: "reseal", eid, seals })),
  6: mapped(
    tuple(literal(6), hash, uint(1), inviteRole, uint(), uint(), hash, sealsShape),
    ([, invPk, mode, role, maxUses, expires, rvTopicPk, seals]) => ({
      type: "invite",
      invPk,
      mode: mode === 0 ? "ask" : "auto",
      role,
      maxUses,
      expires,
      rvTopicPk,
      seals,
    }),
  ),
  7: mapped(tuple(literal(7), hash), ([, invite]) => ({ type: "uninvite", invite })),
  8: mapped(tuple(literal(8), hash, hash, identityOpsShape, bytes(64)), ([, invite, who, identityOps, invSig]) => ({
    type: "join",
    invite,
    who,
    identityOps,
    invSig,
  })),
  9: mapped(tuple(literal(9), cuts), ([, limits]) => ({ type: "leave", cuts: limits })),
  10: mapped(tuple(literal(10), policy), ([, settings]) => ({ type: "policy", policy: settings })),
  11: mapped(tuple(literal(11), hash), ([, newOwner]) => ({ type: "transfer", newOwner })),
  12: mapped(
    tuple(literal(12), bytes(16), recordHeader, bytes(64), recordHeader, bytes(64)),
    ([, sess, headerA, isigA, headerB, isigB]) => ({
      type: "freeze",
      sess,
      proof: { a: { headerBytes: headerA, isig: isigA }, b: { headerBytes: headerB, isig: isigB } },
    }),
  ),
});

const headerShape = mapped(
  tuple(literal(1), bytes(16), array(hash, MAX_PARENTS), hash, hash, uint(MAX_GEN), uint(), bodyShape),
  ([, rid, parents, idRoot, devSig, gen, ts, body]): AclFields<AclBody<readonly IdentityOpWire[]>> => ({
    rid,
    parents,
    idRoot,
    devSig,
    gen,
    ts,
    body,
  }),
);
