import { type CausalGraph, createCausalGraph } from "../kernel/causal-graph.ts";
import { bytesEqual, bytesToHex } from "../kernel/bytes.ts";
import type { VerifiedIdentityOp } from "./identity-op.ts";

/** A device of an identity as its log has it. */
export interface Device {
  readonly devSig: Uint8Array;
  /** X25519 key that epoch secrets are sealed to; the newest rekey wins. */
  readonly devEnc: Uint8Array;
  /** May add devices and revoke those that are not managers. */
  readonly manager: boolean;
  /** Revocation is final: the key never comes back. */
  readonly revoked: boolean;
}

export interface IdentityState {
  readonly idRoot: Uint8Array;
  /** By hex of `devSig`. */
  readonly devices: ReadonlyMap<string, Device>;
  readonly profile: Uint8Array | undefined;
  /** Ids of ops that count. */
  readonly valid: ReadonlySet<string>;
  /** Newest ops with complete ancestry: the parents of the next op. */
  readonly heads: readonly Uint8Array[];
  /** `gen` of the next op. */
  readonly nextGen: number;
}

/**
 * Evaluates an identity's log: a pure function of the set of ops, whatever order they came in (SPEC IDL-1 to IDL-5).
 * Ops of other identities, with missing ancestors or a wrong gen are left out.
 */
export const evaluateIdentity = (idRoot: Uint8Array, ops: readonly VerifiedIdentityOp[]): IdentityState => {
  const { graph, ordered } = arrange(idRoot, ops);
  const isRoot = (op: VerifiedIdentityOp): boolean => bytesEqual(op.author, idRoot);
  const rootOps = ordered.filter((node) => isRoot(node.op));
  const before = (a: Node, b: Node): boolean => graph.precedes(a.index, b.index);
  const notAfter = (a: Node, b: Node): boolean => !before(b, a);
  const managerAdds = (device: string): readonly Node[] =>
    rootOps.filter(
      ({ op }) => op.body.type === "addDevice" && op.body.manager && bytesToHex(op.body.devSig) === device,
    );
  const rootRevokes = (device: string): readonly Node[] =>
    rootOps.filter(({ op }) => op.body.type === "revokeDevice" && bytesToHex(op.body.devSig) === device);

  const isManagerFor = (node: Node): boolean => {
    const author = bytesToHex(node.op.author);
    return (
      managerAdds(author).some((add) => before(add, node)) &&
      !rootRevokes(author).some((revoke) => notAfter(revoke, node))
    );
  };

  const added = new Map<string, Node>();
  const revoked = new Set<string>();
  const valid = new Set<string>();
  const rekeys: Node[] = [];
  const accepted: Node[] = [];
  for (const node of ordered) {
    const { body } = node.op;
    if (body.type === "rekeyDevice") {
      if (bytesEqual(node.op.author, body.devSig)) rekeys.push(node);
      continue;
    }
    if (!isRoot(node.op)) {
      if (!isManagerFor(node)) continue;
      if (body.type === "addDevice" && body.manager) continue;
      if (body.type === "revokeDevice" && managerAdds(bytesToHex(body.devSig)).some((add) => notAfter(add, node)))
        continue;
    }
    valid.add(node.key);
    accepted.push(node);
  }
  let profile: Uint8Array | undefined;
  for (const node of [...accepted].sort((a, b) => Number(isRoot(b.op)) - Number(isRoot(a.op)))) {
    const { body } = node.op;
    if (body.type === "revokeDevice") revoked.add(bytesToHex(body.devSig));
    if (body.type === "addDevice" && !added.has(bytesToHex(body.devSig))) added.set(bytesToHex(body.devSig), node);
  }
  for (const node of accepted) if (node.op.body.type === "profile") profile = node.op.body.hash;

  const devices = new Map<string, Device>();
  for (const [device, { op }] of added) {
    if (op.body.type !== "addDevice") continue;
    const manager = managerAdds(device).length > 0;
    devices.set(device, { devSig: op.body.devSig, devEnc: op.body.devEnc, manager, revoked: revoked.has(device) });
  }
  const newest = new Map<string, number>();
  for (const node of rekeys) {
    const { body } = node.op;
    if (body.type !== "rekeyDevice") continue;
    const device = bytesToHex(body.devSig);
    const known = devices.get(device);
    const add = added.get(device);
    if (known === undefined || add === undefined || !before(add, node) || body.n <= (newest.get(device) ?? 0)) continue;
    newest.set(device, body.n);
    valid.add(node.key);
    devices.set(device, { ...known, devEnc: body.devEnc });
  }
  const heads = graph.heads();
  return {
    idRoot,
    devices,
    profile,
    valid,
    heads: ordered.filter((node) => heads.includes(node.key)).map((node) => node.op.id),
    nextGen: ordered.reduce((largest, node) => Math.max(largest, node.op.gen), -1) + 1,
  };
};

interface Node {
  readonly op: VerifiedIdentityOp;
  readonly key: string;
  readonly index: number;
}

/** Ops in the order (gen, id), which puts parents first, with their causal graph. */
const arrange = (
  idRoot: Uint8Array,
  ops: readonly VerifiedIdentityOp[],
): { readonly graph: CausalGraph; readonly ordered: readonly Node[] } => {
  const graph = createCausalGraph();
  const gens = new Map<string, number>();
  const ordered: Node[] = [];
  const keyed = ops
    .map((op) => ({ op, key: bytesToHex(op.id) }))
    .sort((a, b) => a.op.gen - b.op.gen || (a.key < b.key ? -1 : 1));
  for (const { op, key } of keyed) {
    if (gens.has(key) || !bytesEqual(op.idRoot, idRoot)) continue;
    const parents = op.parents.map(bytesToHex);
    const parentGens = parents.map((parent) => gens.get(parent) ?? Number.NaN);
    if (op.gen !== Math.max(-1, ...parentGens) + 1) continue;
    gens.set(key, op.gen);
    ordered.push({ op, key, index: graph.add(key, parents) });
  }
  return { graph, ordered };
};
