import type { CryptoProvider } from "../crypto/provider.ts";
import type { AclCovers } from "../entry/chain.ts";
import { bytesEqual, bytesToHex } from "../kernel/bytes.ts";
import { createCausalGraph, includes } from "../kernel/causal-graph.ts";
import { joinProof, repositoryOf, type VerifiedAclOp } from "./acl-op.ts";
import { type AclState, createAclState } from "./acl-state.ts";
import { type AclNode, evaluateAcl } from "./evaluate.ts";

/** All ACL ops of one repository. Adding is cheap; the state is evaluated when asked for and kept until the next op. */
export interface AclLog {
  readonly add: (op: VerifiedAclOp) => AddOutcome;
  readonly has: (id: Uint8Array) => boolean;
  /** `undefined` until genesis arrived. */
  readonly state: () => AclState | undefined;
  /** Whether the past of `later` contains all of `earlier`; false when an op is unknown. */
  readonly covers: AclCovers;
  /** Ids that pending ops wait for. */
  readonly missing: () => readonly Uint8Array[];
}

export type AddOutcome =
  /** The op and whatever waited for it, parents first. */
  | { readonly type: "added"; readonly ops: readonly VerifiedAclOp[] }
  | { readonly type: "known" }
  | { readonly type: "pending" }
  | { readonly type: "refused"; readonly rule: "foreign repository" | "wrong gen" | "too many ops" };

export const createAclLog = (crypto: CryptoProvider, rid: Uint8Array): AclLog => {
  const graph = createCausalGraph();
  const nodes = new Map<string, AclNode>();
  const pending = new Map<string, VerifiedAclOp>();
  let state: AclState | undefined;

  const missingParents = (op: VerifiedAclOp): readonly string[] =>
    op.parents.map(bytesToHex).filter((parent) => !nodes.has(parent));
  const hasRightGen = (op: VerifiedAclOp): boolean =>
    op.gen === Math.max(-1, ...op.parents.map((parent) => nodes.get(bytesToHex(parent))?.op.gen ?? Number.NaN)) + 1;

  const isJoinProven = (op: VerifiedAclOp): boolean => {
    if (op.body.type !== "join" || !bytesEqual(op.body.who, op.idRoot)) return false;
    const invite = nodes.get(bytesToHex(op.body.invite))?.op.body;
    return (
      invite?.type === "invite" &&
      crypto.verify(invite.invPk, joinProof(rid, op.body.invite, op.body.who), op.body.invSig)
    );
  };

  const insert = (op: VerifiedAclOp): void => {
    const key = bytesToHex(op.id);
    const index = graph.add(key, op.parents.map(bytesToHex));
    nodes.set(key, {
      op,
      key,
      index,
      by: bytesToHex(op.idRoot),
      device: bytesToHex(op.devSig),
      joinProven: isJoinProven(op),
    });
    state = undefined;
  };

  /** Pending ops whose parents are all here now; those with a wrong gen are dropped with what waits for them. */
  const release = (): VerifiedAclOp[] => {
    const released: VerifiedAclOp[] = [];
    for (let grown = true; grown;) {
      grown = false;
      for (const [key, op] of pending) {
        if (missingParents(op).length > 0) continue;
        pending.delete(key);
        if (!hasRightGen(op)) continue;
        insert(op);
        released.push(op);
        grown = true;
      }
    }
    return released;
  };

  const add: AclLog["add"] = (op) => {
    const key = bytesToHex(op.id);
    if (nodes.has(key) || pending.has(key)) return { type: "known" };
    if (!bytesEqual(repositoryOf(crypto, op), rid)) return { type: "refused", rule: "foreign repository" };
    if (nodes.size + pending.size >= MAX_OPS) return { type: "refused", rule: "too many ops" };
    if (missingParents(op).length > 0) {
      pending.set(key, op);
      return { type: "pending" };
    }
    if (!hasRightGen(op)) return { type: "refused", rule: "wrong gen" };
    insert(op);
    return { type: "added", ops: [op, ...release()] };
  };

  const evaluated = (): AclState | undefined => {
    if (state !== undefined) return state;
    const ordered = [...nodes.values()].sort((a, b) => a.op.gen - b.op.gen || (a.key < b.key ? -1 : 1));
    const [genesis] = ordered;
    if (genesis === undefined) return undefined;
    const heads = new Set(graph.heads());
    state = createAclState(
      graph,
      evaluateAcl(graph, ordered, genesis),
      ordered.filter((node) => heads.has(node.key)),
    );
    return state;
  };

  return {
    add,
    has: (id) => nodes.has(bytesToHex(id)),
    state: evaluated,
    covers: (later, earlier) => {
      const past = graph.pastOf(later.map(bytesToHex));
      return (
        past !== undefined &&
        earlier.every((id) => {
          const index = graph.indexOf(bytesToHex(id));
          return index !== undefined && includes(past, index);
        })
      );
    },
    missing: () => {
      const ids = new Map<string, Uint8Array>();
      for (const op of pending.values()) {
        for (const parent of op.parents) {
          const key = bytesToHex(parent);
          if (!nodes.has(key) && !pending.has(key)) ids.set(key, parent);
        }
      }
      return [...ids.values()];
    },
  };
};

/** Bounds evaluation time and the ancestor bitsets (6 MB at this size). */
const MAX_OPS = 10_000;
