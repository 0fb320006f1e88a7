import { evaluateIdentity, type IdentityState } from "../identity/identity-log.ts";
import type { VerifiedIdentityOp } from "../identity/identity-op.ts";
import { bytesToHex } from "../kernel/bytes.ts";
import { type CausalGraph, includes, type Past } from "../kernel/causal-graph.ts";
import type { AclNode } from "./evaluate.ts";

/** Which device keys speak for which identity, and when, as far as the ACL ops tell. */
export interface DeviceRegistry {
  readonly identities: ReadonlyMap<string, IdentityState>;
  /** Identities that certified the device, in (gen, id) order of the ops that say so. */
  readonly ownersOf: (device: string) => readonly string[];
  /** Whether the device was certified and not revoked in the eyes of someone who knows exactly `past`. */
  readonly validAt: (idRoot: string, device: string, past: Past) => boolean;
  /** Whether `node` was signed by a device valid in its past and not revoked concurrently by its own identity. */
  readonly signs: (node: AclNode) => boolean;
  /** Ops by which an identity itself revoked devices, with those devices. */
  readonly revocations: readonly Revocation[];
}

export interface Revocation {
  readonly node: AclNode;
  readonly idRoot: string;
  readonly devices: ReadonlySet<string>;
}

/**
 * First pass of the evaluation (SPEC ACL-1). Identity logs are evaluated over all identity ops in the DAG; which of their
 * adds and revocations an ACL op or entry has to respect depends on the ops that carry them.
 */
export const registerDevices = (graph: CausalGraph, ordered: readonly AclNode[]): DeviceRegistry => {
  const opsByIdentity = new Map<string, VerifiedIdentityOp[]>();
  for (const node of ordered)
    for (const [idRoot, ops] of carried(node)) for (const op of ops) append(opsByIdentity, idRoot, op);
  const identities = new Map<string, IdentityState>();
  for (const [idRoot, ops] of opsByIdentity) {
    const [first] = ops;
    if (first !== undefined) identities.set(idRoot, evaluateIdentity(first.idRoot, ops));
  }

  const adds = new Map<string, number[]>();
  const revokes = new Map<string, number[]>();
  const owners = new Map<string, string[]>();
  for (const node of ordered) {
    for (const [idRoot, ops] of carried(node)) {
      for (const op of ops) {
        const { body } = op;
        if (body.type !== "addDevice" && body.type !== "revokeDevice") continue;
        if (identities.get(idRoot)?.valid.has(bytesToHex(op.id)) !== true) continue;
        const device = bytesToHex(body.devSig);
        append(body.type === "addDevice" ? adds : revokes, idRoot + device, node.index);
        if (body.type === "addDevice" && !(owners.get(device) ?? []).includes(idRoot)) append(owners, device, idRoot);
      }
    }
  }
  const carriedIn = (table: ReadonlyMap<string, readonly number[]>, key: string, past: Past): boolean =>
    (table.get(key) ?? []).some((index) => includes(past, index));
  const validAt: DeviceRegistry["validAt"] = (idRoot, device, past) =>
    carriedIn(adds, idRoot + device, past) && !carriedIn(revokes, idRoot + device, past);

  const validIn = (node: AclNode): boolean => {
    const key = node.by + node.device;
    const past = graph.ancestors(node.index);
    const added = carriedIn(adds, key, past) || (adds.get(key) ?? []).includes(node.index);
    return added && !carriedIn(revokes, key, past) && !(revokes.get(key) ?? []).includes(node.index);
  };

  const revocations: Revocation[] = [];
  for (const node of ordered) {
    const { body } = node.op;
    if (body.type !== "devices" || !validIn(node)) continue;
    const devices = new Set<string>();
    for (const { body: step, id } of body.identityOps) {
      if (step.type === "revokeDevice" && identities.get(node.by)?.valid.has(bytesToHex(id)) === true)
        devices.add(bytesToHex(step.devSig));
    }
    if (devices.size > 0) revocations.push({ node, idRoot: node.by, devices });
  }

  return {
    identities,
    ownersOf: (device) => owners.get(device) ?? [],
    validAt,
    signs: (node) =>
      validIn(node) &&
      !revocations.some(
        (revocation) =>
          revocation.idRoot === node.by &&
          revocation.devices.has(node.device) &&
          graph.concurrent(revocation.node.index, node.index),
      ),
    revocations,
  };
};

/** Identity ops an ACL op carries, with the identity they belong to. */
const carried = ({ op, by }: AclNode): readonly (readonly [idRoot: string, ops: readonly VerifiedIdentityOp[]])[] => {
  switch (op.body.type) {
    case "genesis":
    case "devices":
      return [[by, op.body.identityOps]];
    case "set":
    case "join":
      return [[bytesToHex(op.body.who), op.body.identityOps]];
    default:
      return [];
  }
};

const append = <T>(table: Map<string, T[]>, key: string, value: T): void => {
  const list = table.get(key);
  if (list === undefined) table.set(key, [value]);
  else list.push(value);
};
