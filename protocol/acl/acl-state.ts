import type { Fork } from "../entry/chain.ts";
import { deviceRecipient, type EpochBody, type SealRecipient } from "../epoch/epoch-body.ts";
import type { Device } from "../identity/identity-log.ts";
import { bytesEqual, bytesToHex, hexToBytes } from "../kernel/bytes.ts";
import { type CausalGraph, includes, type Past } from "../kernel/causal-graph.ts";
import { type Policy, type Role, ROLES, type VerifiedAclOp } from "./acl-op.ts";
import type { Evaluation, OpVerdict } from "./evaluate.ts";

export interface Member {
  readonly idRoot: Uint8Array;
  readonly role: Role;
  /** Devices that are certified and not revoked. */
  readonly devices: readonly Device[];
}

/** An epoch and the ACL op that published it. */
export interface PublishedEpoch {
  readonly body: EpochBody;
  /** As in the op's header, which the seals are bound to. */
  readonly rid: Uint8Array;
  readonly op: VerifiedAclOp;
}

/** The part of an entry the ACL decides on. */
export interface EntryClaim {
  readonly devSig: Uint8Array;
  readonly sess: Uint8Array;
  readonly seq: number;
  readonly acl: readonly Uint8Array[];
}

export type EntryRight =
  /** Written by a writer of the time; `author` is whom the device speaks for. */
  | { readonly type: "allowed"; readonly author: Uint8Array }
  | { readonly type: "refused"; readonly rule: "no such device" | "not a writer" | "beyond a cut" | "session forked" }
  /** Names ACL ops that have not arrived. */
  | { readonly type: "unknownAcl" };

/** An immutable view of the repository's access rights for one set of ops. */
export interface AclState {
  readonly owner: Uint8Array;
  readonly members: readonly Member[];
  readonly roleOf: (idRoot: Uint8Array) => Role;
  /** Role in the eyes of someone who knows exactly the past of `heads`; `undefined` when one is unknown. */
  readonly roleAt: (idRoot: Uint8Array, heads: readonly Uint8Array[]) => Role | undefined;
  readonly verdictOf: (opId: Uint8Array) => OpVerdict | undefined;
  /** To whom the next epoch is sealed: all devices of all readers. */
  readonly recipients: readonly SealRecipient[];
  readonly epochs: readonly PublishedEpoch[];
  readonly epochHeads: readonly PublishedEpoch[];
  readonly stale: boolean;
  readonly policy: Policy;
  readonly forks: readonly Fork[];
  readonly ownerEquivocated: boolean;
  readonly rightOf: (entry: EntryClaim) => EntryRight;
  /** Ops without children: `parents` of the next op and `acl` of the next entry. */
  readonly heads: readonly Uint8Array[];
  /** `gen` of the next op. */
  readonly nextGen: number;
}

export const createAclState = (
  graph: CausalGraph,
  evaluation: Evaluation,
  headNodes: readonly { readonly op: VerifiedAclOp }[],
): AclState => {
  const { devices, roles, cuttings } = evaluation;
  const everything = new Uint32Array((graph.size() >> 5) + 1).fill(0xffffffff);
  const devicesOf = (who: string): readonly Device[] => {
    const known = devices.identities.get(who)?.devices ?? new Map<string, Device>();
    return [...known]
      .filter(([key, device]) => !device.revoked && devices.validAt(who, key, everything))
      .map(([, device]) => device);
  };
  const members = [...roles].map(([who, role]): Member => ({ idRoot: fromHex(who), role, devices: devicesOf(who) }));
  const published = evaluation.epochs.map(({ node, body }): PublishedEpoch => ({
    body,
    rid: node.op.rid,
    op: node.op,
  }));
  const forks = evaluation.freezes.flatMap(({ op }) => (op.fork === undefined ? [] : [op.fork]));

  const views = new Map<string, { readonly past: Past; readonly roles: Map<string, Role> } | undefined>();
  const viewOf = (heads: readonly Uint8Array[]) => {
    const keys = heads.map(bytesToHex);
    const joined = keys.join();
    if (!views.has(joined)) {
      const past = graph.pastOf(keys);
      views.set(joined, past && { past, roles: new Map() });
    }
    return views.get(joined);
  };
  const roleIn = (view: NonNullable<ReturnType<typeof viewOf>>, who: string): Role => {
    const known = view.roles.get(who);
    if (known !== undefined) return known;
    const role = evaluation.roleAt(who, view.past);
    view.roles.set(who, role);
    return role;
  };

  const isCut = (who: string, device: string, entry: EntryClaim, past: Past): boolean =>
    (cuttings.get(who) ?? []).some(({ index, devices: only, cuts }) => {
      if (includes(past, index) || (only !== undefined && !only.has(device))) return false;
      return !cuts.some(([sess, lastSeq]) => lastSeq >= entry.seq && bytesEqual(sess, entry.sess));
    });

  const rightOf: AclState["rightOf"] = (entry) => {
    const view = viewOf(entry.acl);
    if (view === undefined) return { type: "unknownAcl" };
    if (
      forks.some(
        (fork) => entry.seq >= fork.seq && bytesEqual(fork.sess, entry.sess) && bytesEqual(fork.devSig, entry.devSig),
      )
    ) {
      return { type: "refused", rule: "session forked" };
    }
    const device = bytesToHex(entry.devSig);
    let rule: "no such device" | "not a writer" | "beyond a cut" = "no such device";
    for (const who of devices.ownersOf(device)) {
      if (!devices.validAt(who, device, view.past)) continue;
      if (roleIn(view, who) < ROLES.writer) {
        rule = "not a writer";
      } else if (isCut(who, device, entry, view.past)) {
        rule = "beyond a cut";
      } else return { type: "allowed", author: fromHex(who) };
    }
    return { type: "refused", rule };
  };

  return {
    owner: fromHex(evaluation.owner),
    members,
    roleOf: (idRoot) => roles.get(bytesToHex(idRoot)) ?? ROLES.none,
    roleAt: (idRoot, heads) => {
      const view = viewOf(heads);
      return view && roleIn(view, bytesToHex(idRoot));
    },
    verdictOf: (opId) => evaluation.verdicts.get(bytesToHex(opId)),
    recipients: members.flatMap(({ role, devices: own }) =>
      own.map(({ devSig, devEnc }) => deviceRecipient(devSig, devEnc, role >= ROLES.writer)),
    ),
    epochs: published,
    epochHeads: evaluation.epochHeads.map(({ node, body }) => ({ body, rid: node.op.rid, op: node.op })),
    stale: evaluation.stale,
    policy: evaluation.policy,
    forks,
    ownerEquivocated: evaluation.ownerEquivocated,
    rightOf,
    heads: headNodes.map(({ op }) => op.id),
    nextGen: headNodes.reduce((largest, { op }) => Math.max(largest, op.gen), -1) + 1,
  };
};

const fromHex = (hex: string): Uint8Array => hexToBytes(hex) as Uint8Array;
