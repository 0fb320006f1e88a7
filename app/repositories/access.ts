import type { AclState, EntryClaim, EntryRight } from "../../protocol/acl/acl-state.ts";
import { createAclLog } from "../../protocol/acl/acl-log.ts";
import type { VerifiedAclOp } from "../../protocol/acl/acl-op.ts";
import { readAclOp, ROLES } from "../../protocol/acl/acl-op.ts";
import { DOMAINS } from "../../protocol/codec/domains.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import type { VerifiedIdentityOp } from "../../protocol/identity/identity-op.ts";
import { invariant } from "../../protocol/kernel/assert.ts";
import { bytesEqual, bytesToHex } from "../../protocol/kernel/bytes.ts";
import type { Membership, Role } from "../contract/types.ts";
import type { SignedRow } from "../ports/store.ts";
import type { RepositoryKind } from "./repository.ts";

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
  readonly kind: () => RepositoryKind;
  /** Every op taken, those that still wait for their parents included, in order of arrival. */
  readonly ops: () => readonly VerifiedAclOp[];
  /** What a new record names as its view of the ACL, at most 16 ops. */
  readonly heads: () => readonly Uint8Array[];
  readonly knows: (ids: readonly Uint8Array[]) => boolean;
  readonly covers: (later: readonly Uint8Array[], earlier: readonly Uint8Array[]) => boolean;
  readonly right: (claim: EntryClaim) => EntryRight;
  readonly isWriter: (device: Uint8Array) => boolean;
  readonly members: () => readonly AccessMember[];
  readonly memberOfDevice: (device: Uint8Array) => AccessMember | undefined;
  /** All devices an identity ever had here, those of former members included. */
  readonly devicesEver: (idRoot: Uint8Array) => readonly Uint8Array[];
  /** Steps of an identity's device log that the ops carry. */
  readonly identityOps: (idRoot: Uint8Array) => readonly VerifiedIdentityOp[];
  /** Whose device it is, or was. */
  readonly identityOfDevice: (device: Uint8Array) => Uint8Array | undefined;
  /** Where one device of an identity stands: one that was revoked is no member, whatever the identity is. */
  readonly membershipOf: (idRoot: Uint8Array, device: Uint8Array) => Membership;
  /** Whether since the last call something was added that can change what counts among records already here. */
  readonly takeRightsChange: () => boolean;
}

const ROLE_NAMES: Readonly<Record<number, Role>> = {
  [ROLES.reader]: "reader",
  [ROLES.writer]: "writer",
  [ROLES.admin]: "admin",
  [ROLES.owner]: "owner",
};
const MAX_HEADS = 16;
/** Third value of a genesis policy: the repository holds one note that is shared by itself. */
export const SINGLE_NOTE = 1;
/** Ops on which no right to write depends. */
const WITHOUT_RIGHTS: ReadonlySet<string> = new Set(["epoch", "reseal", "policy", "invite"]);

/** Whether a valid op by itself takes rights from entries that do not know it. */
const takesRights = ({ body }: VerifiedAclOp): boolean =>
  body.type === "remove" ||
  body.type === "leave" ||
  body.type === "freeze" ||
  (body.type === "set" && body.role < ROLES.writer) ||
  ("identityOps" in body && body.identityOps.some((op) => op.body.type === "revokeDevice"));

export const createAccess = (crypto: CryptoProvider, rid: Uint8Array): Access => {
  const log = createAclLog(crypto, rid);
  const taken: VerifiedAclOp[] = [];
  const takenIds = new Set<string>();
  /** Verdicts at the last look, by op id. */
  let judged = new Map<string, string | undefined>();
  let untouched = true;

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

  const devicesEver = (idRoot: Uint8Array): readonly Uint8Array[] =>
    taken.flatMap(({ body }) =>
      "identityOps" in body
        ? body.identityOps.flatMap((op) =>
            op.body.type === "addDevice" && bytesEqual(op.idRoot, idRoot) ? [op.body.devSig] : [],
          )
        : [],
    );

  return {
    add: ({ header, signature }) => {
      const known = bytesToHex(crypto.hash("SHA256", DOMAINS.acl, header));
      if (takenIds.has(known)) return { type: "known" };
      const op = readAclOp(crypto, header, signature);
      if (!op.ok) return { type: "invalid" };
      const outcome = log.add(op.value);
      if (outcome.type === "known") return { type: "known" };
      if (outcome.type === "refused") return { type: "invalid" };
      taken.push(op.value);
      takenIds.add(known);
      untouched = false;
      return { type: "added", id: op.value.id, gen: op.value.gen };
    },
    state,
    kind: () => {
      const genesis = taken.find(({ gen }) => gen === 0)?.body;
      return genesis?.type === "genesis" && genesis.policy[2] === SINGLE_NOTE ? "note" : "notebook";
    },
    ops: () => taken,
    heads: () => state().heads.slice(-MAX_HEADS),
    knows: (ids) => ids.every((id) => log.has(id)),
    covers: log.covers,
    right: (claim) => state().rightOf(claim),
    isWriter: (device) => {
      const member = memberOfDevice(device);
      return member !== undefined && member.role !== "reader";
    },
    members,
    memberOfDevice,
    devicesEver,
    identityOps: (idRoot) =>
      taken.flatMap(({ body }) =>
        "identityOps" in body ? body.identityOps.filter((op) => bytesEqual(op.idRoot, idRoot)) : [],
      ),
    identityOfDevice: (device) => {
      for (const { body } of taken)
        for (const op of "identityOps" in body ? body.identityOps : [])
          if (op.body.type === "addDevice" && bytesEqual(op.body.devSig, device)) return op.idRoot;
      return undefined;
    },
    membershipOf: (idRoot, device) => {
      const current = state();
      if (current.roleOf(idRoot) !== ROLES.none) {
        const member = memberOfDevice(device);
        if (member !== undefined && bytesEqual(member.idRoot, idRoot)) return "active";
        return devicesEver(idRoot).some((key) => bytesEqual(key, device)) ? "removed" : "joining";
      }
      const ended = taken.findLast(
        ({ id, body, idRoot: by }) =>
          current.verdictOf(id) === "valid" &&
          ((body.type === "remove" && body.who.some((who) => bytesEqual(who, idRoot))) ||
            (body.type === "leave" && bytesEqual(by, idRoot))),
      );
      if (ended === undefined) return "joining";
      return ended.body.type === "leave" ? "left" : "removed";
    },
    takeRightsChange: () => {
      if (untouched) return false;
      untouched = true;
      const current = state();
      const before = judged;
      judged = new Map();
      let changed = false;
      for (const op of taken) {
        if (WITHOUT_RIGHTS.has(op.body.type)) continue;
        const key = bytesToHex(op.id);
        const verdict = current.verdictOf(op.id);
        judged.set(key, verdict);
        const earlier = before.get(key);
        if (earlier === undefined ? verdict === "valid" && takesRights(op) : earlier !== verdict) changed = true;
      }
      return changed;
    },
  };
};
