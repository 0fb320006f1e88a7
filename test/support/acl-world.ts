import {
  type AclBody,
  type AclOpFields,
  joinProof,
  repositoryOf,
  signAclOp,
  type VerifiedAclOp,
} from "../../protocol/acl/acl-op.ts";
import { type AclLog, createAclLog } from "../../protocol/acl/acl-log.ts";
import type { AclState } from "../../protocol/acl/acl-state.ts";
import { type EpochBody, type Seal } from "../../protocol/epoch/epoch-body.ts";
import { signIdentityOp, type VerifiedIdentityOp } from "../../protocol/identity/identity-op.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { filled, native } from "./data-fixtures.ts";

/** A person with a root key and device keys, the first of which is certified. */
export interface Person {
  readonly name: string;
  readonly root: ReturnType<typeof native.signingKey>;
  readonly device: ReturnType<typeof native.signingKey>;
  readonly second: ReturnType<typeof native.signingKey>;
  readonly id: Uint8Array;
  readonly log: readonly VerifiedIdentityOp[];
}

const people = new Map<string, Person>();
export const person = (name: string): Person => {
  const known = people.get(name);
  if (known !== undefined) return known;
  const [root, device, second] = [0, 1, 2].map((n) =>
    native.signingKey(native.hash("SHA256", Buffer.from(`${name}${n}`))),
  ) as [Person["root"], Person["root"], Person["root"]];
  const first = signIdentityOp(native, root, {
    idRoot: root.publicKey,
    parents: [],
    gen: 0,
    ts: 0,
    body: { type: "addDevice", devSig: device.publicKey, devEnc: filled(1, 32), manager: true },
  });
  const made: Person = { name, root, device, second, id: root.publicKey, log: [first] };
  people.set(name, made);
  return made;
};

/** An epoch record with made-up secrets: the ACL looks at ids, parents and labels only. */
export const epochFor = (eid: number, eparents: readonly number[], to: readonly Person[]): EpochBody => ({
  eid: epochId(eid),
  eparents: eparents.map(epochId),
  commit: filled(0, 32),
  topicPk: filled(0, 32),
  seals: sealsFor(to),
  hist: filled(0, 17),
});
export const sealsFor = (to: readonly Person[]): readonly Seal[] =>
  to.map(({ device }) => ({ label: device.publicKey.slice(0, 8), enc: filled(0, 32), ct: filled(0, 85) }));
export const epochId = (n: number): Uint8Array => {
  const eid = new Uint8Array(16);
  new DataView(eid.buffer).setUint32(0, n);
  return eid;
};

export interface World {
  readonly genesis: VerifiedAclOp;
  readonly rid: Uint8Array;
  readonly op: (
    by: Person,
    parents: readonly VerifiedAclOp[],
    body: AclBody,
    more?: Partial<AclOpFields> & { readonly device?: Person["device"] },
  ) => VerifiedAclOp;
  readonly set: (
    by: Person,
    parents: readonly VerifiedAclOp[],
    who: Person,
    role: 1 | 2 | 3,
    more?: Partial<Extract<AclBody, { type: "set" }>>,
  ) => VerifiedAclOp;
  readonly join: (
    who: Person,
    parents: readonly VerifiedAclOp[],
    invite: VerifiedAclOp,
    inviteKey: Person["device"],
  ) => VerifiedAclOp;
  readonly log: (ops: readonly VerifiedAclOp[]) => AclLog;
  readonly state: (ops: readonly VerifiedAclOp[]) => AclState;
  /** "A3 W2": members besides the owner with their roles, by name. */
  readonly roles: (ops: readonly VerifiedAclOp[], names: string) => string;
}

export const createWorld = (owner: Person, readers: readonly Person[] = [owner]): World => {
  const genesis = signAclOp(native, owner.device, {
    rid: new Uint8Array(16),
    parents: [],
    idRoot: owner.id,
    gen: 0,
    ts: 0,
    body: {
      type: "genesis",
      nonce: filled(1, 16),
      policy: [],
      identityOps: owner.log,
      epoch: epochFor(0, [], readers),
    },
  });
  const rid = repositoryOf(native, genesis);
  const op: World["op"] = (by, parents, body, more = {}) =>
    signAclOp(native, more.device ?? by.device, {
      rid,
      parents: parents.map(({ id }) => id),
      idRoot: by.id,
      gen: Math.max(...parents.map(({ gen }) => gen)) + 1,
      ts: 0,
      body,
      ...("gen" in more ? { gen: more.gen } : {}),
      ...("idRoot" in more ? { idRoot: more.idRoot } : {}),
    });
  const log: World["log"] = (ops) => {
    const made = createAclLog(native, rid);
    for (const one of ops) made.add(one);
    return made;
  };
  const state: World["state"] = (ops) => {
    const found = log(ops).state();
    if (found === undefined) throw new Error("no genesis");
    return found;
  };
  return {
    genesis,
    rid,
    op,
    set: (by, parents, who, role, more = {}) =>
      op(by, parents, {
        type: "set",
        who: who.id,
        role,
        identityOps: who.log,
        seals: [],
        cuts: null,
        epoch: null,
        ...more,
      }),
    join: (who, parents, invite, inviteKey) =>
      op(who, parents, {
        type: "join",
        invite: invite.id,
        who: who.id,
        identityOps: who.log,
        invSig: inviteKey.sign(joinProof(rid, invite.id, who.id)),
      }),
    log,
    state,
    roles: (ops, names) => {
      const found = state(ops);
      return names
        .split(" ")
        .map((name) => `${name}${found.roleOf(person(name).id)}`)
        .join(" ");
    },
  };
};

/** Everything two replicas have to agree on. */
export const fingerprint = (state: AclState, ops: readonly VerifiedAclOp[]): string =>
  JSON.stringify([
    state.members.map(({ idRoot, role, devices }) => [bytesToHex(idRoot), role, devices.length]).sort(),
    ops.map(({ id }) => [bytesToHex(id), state.verdictOf(id)]).sort(),
    state.epochHeads.map(({ body, op }) => bytesToHex(body.eid) + bytesToHex(op.id)),
    state.stale,
    bytesToHex(state.owner),
    state.heads.map(bytesToHex).sort(),
  ]);
