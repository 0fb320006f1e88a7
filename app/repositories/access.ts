import type { AclState, EntryClaim, EntryRight } from "../../protocol/acl/acl-state.ts";
import { createAclLog } from "../../protocol/acl/acl-log.ts";
import { readAclOp, ROLES } from "../../protocol/acl/acl-op.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import { invariant } from "../../protocol/kernel/assert.ts";
import { bytesEqual } from "../../protocol/kernel/bytes.ts";
import type { Role } from "../contract/types.ts";
import type { SignedRow } from "../ports/store.ts";

export type AddedOp =
  /** Taken, perhaps waiting for its parents; to be stored. */
  | { readonly type: "added"; readonly id: Uint8Array; readonly gen: number }
  | { readonly type: "known" }
  | { readonly type: "invalid" };

export interface AccessMember {
  readonly idRoot: Uint8Array;
  readonly role: Role;
  readonly devices: readonly Uint8Array[];
}

/** The access control of one repository as evaluated from all ops known so far. */
export interface Access {
  readonly add: (op: SignedRow) => AddedOp;
  readonly state: () => AclState;
  /** What a new record names as its view of the ACL, at most 16 ops. */
  readonly heads: () => readonly Uint8Array[];
  readonly knows: (ids: readonly Uint8Array[]) => boolean;
  readonly covers: (later: readonly Uint8Array[], earlier: readonly Uint8Array[]) => boolean;
  readonly right: (claim: EntryClaim) => EntryRight;
  readonly isWriter: (device: Uint8Array) => boolean;
  readonly members: () => readonly AccessMember[];
  readonly memberOfDevice: (device: Uint8Array) => AccessMember | undefined;
}

const ROLE_NAMES: Readonly<Record<number, Role>> = {
  [ROLES.reader]: "reader",
  [ROLES.writer]: "writer",
  [ROLES.admin]: "admin",
  [ROLES.owner]: "owner",
};
const MAX_HEADS = 16;

export const createAccess = (crypto: CryptoProvider, rid: Uint8Array): Access => {
  const log = createAclLog(crypto, rid);

  const state = (): AclState => {
    const current = log.state();
    invariant(current !== undefined, "a repository starts with its genesis op");
    return current;
  };
  const members = (): readonly AccessMember[] =>
    state().members.flatMap(({ idRoot, role, devices }) => {
      const name = ROLE_NAMES[role];
      return name === undefined ? [] : [{ idRoot, role: name, devices: devices.map(({ devSig }) => devSig) }];
    });
  const memberOfDevice = (device: Uint8Array): AccessMember | undefined =>
    members().find(({ devices }) => devices.some((key) => bytesEqual(key, device)));

  return {
    add: ({ header, signature }) => {
      const op = readAclOp(crypto, header, signature);
      if (!op.ok) return { type: "invalid" };
      const outcome = log.add(op.value);
      if (outcome.type === "known") return { type: "known" };
      if (outcome.type === "refused") return { type: "invalid" };
      return { type: "added", id: op.value.id, gen: op.value.gen };
    },
    state,
    heads: () => state().heads.slice(0, MAX_HEADS),
    knows: (ids) => ids.every((id) => log.has(id)),
    covers: log.covers,
    right: (claim) => state().rightOf(claim),
    isWriter: (device) => {
      const member = memberOfDevice(device);
      return member !== undefined && member.role !== "reader";
    },
    members,
    memberOfDevice,
  };
};
