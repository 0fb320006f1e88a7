import { bytesToHex } from "../kernel/bytes.ts";
import { type CausalGraph, includes, type Past } from "../kernel/causal-graph.ts";
import { type Cuts, type Policy, type Role, ROLES, type VerifiedAclOp } from "./acl-op.ts";
import { type DeviceRegistry, registerDevices } from "./devices.ts";
import { acceptedEpochs, type AcceptedEpoch, LABEL_HEX } from "./epochs.ts";

/** An op with complete ancestry, its place in the graph and its author's keys in hex. */
export interface AclNode {
  readonly op: VerifiedAclOp;
  readonly key: string;
  readonly index: number;
  readonly by: string;
  readonly device: string;
  /** A `join` whose invite is in its past and signed for the joiner. */
  readonly joinProven: boolean;
}

/** Why an op has no effect: its author lacked the right, or a concurrent act of a higher one overruled it. */
export type OpVerdict = "valid" | "overruled" | "unauthorised";

/** A valid op that takes rights to write away from an identity, or from some of its devices. */
export interface Cutting {
  readonly index: number;
  /** `undefined`: all devices. */
  readonly devices: ReadonlySet<string> | undefined;
  readonly cuts: Cuts;
}

/** Result of evaluating a set of ops; everything is keyed by hex ids. */
export interface Evaluation {
  readonly owner: string;
  readonly verdicts: ReadonlyMap<string, OpVerdict>;
  readonly roles: ReadonlyMap<string, Role>;
  readonly roleAt: (who: string, past: Past) => Role;
  readonly devices: DeviceRegistry;
  readonly cuttings: ReadonlyMap<string, readonly Cutting[]>;
  readonly epochs: readonly AcceptedEpoch[];
  readonly epochHeads: readonly AcceptedEpoch[];
  /** A recipient of the head epochs is no longer a reader device: the next writer has to rotate. */
  readonly stale: boolean;
  readonly policy: Policy;
  /** Valid freeze ops. */
  readonly freezes: readonly AclNode[];
  /** Two transfers by one owner that do not know each other: a dishonest owner. */
  readonly ownerEquivocated: boolean;
}

/**
 * Deterministic evaluation in strata (SPEC ACL-1 to ACL-9): devices depend on identity logs only, owner ops on devices, admin ops
 * on owner ops, members on both, writers' epochs on members. No stratum depends on a later one, so there is no fixpoint.
 * `ordered` is in (gen, id) order and starts with genesis.
 */
export const evaluateAcl = (graph: CausalGraph, ordered: readonly AclNode[], genesis: AclNode): Evaluation => {
  const devices = registerDevices(graph, ordered);
  const signed = ordered.filter((node) => node === genesis || devices.signs(node));
  const verdicts = new Map<string, OpVerdict>(ordered.map((node) => [node.key, "unauthorised"]));
  verdicts.set(genesis.key, "valid");
  const isValid = (node: AclNode): boolean => verdicts.get(node.key) === "valid";
  const pastOf = (node: AclNode): Past => graph.ancestors(node.index);

  const ownership = ownerChain(graph, signed, genesis);
  const ownerAt = (past: Past): string => {
    let owner = genesis.by;
    for (const { node, newOwner } of ownership.chain) if (includes(past, node.index)) owner = newOwner;
    return owner;
  };
  const ownerBefore = new Map(
    signed.map((node) => [node.index, node === genesis ? genesis.by : ownerAt(pastOf(node))]),
  );
  const isOwners = (node: AclNode): boolean => ownerBefore.get(node.index) === node.by;

  const byOwner = createRoleHistory(graph);
  for (const node of signed) {
    const { body } = node.op;
    if (body.type === "leave" && !isOwners(node)) {
      verdicts.set(node.key, "valid");
      byOwner.note(node.by, { index: node.index, role: ROLES.none, own: true });
      continue;
    }
    if (!isOwners(node) || body.type === "join" || body.type === "leave" || node === genesis) continue;
    if (body.type === "transfer") {
      if (!ownership.chain.some((step) => step.node === node)) continue;
      byOwner.note(node.by, { index: node.index, role: ROLES.admin, own: true });
    }
    if (targets(node).includes(node.by)) continue;
    verdicts.set(node.key, "valid");
    for (const who of targets(node)) byOwner.note(who, { index: node.index, role: roleGiven(node), own: false });
  }

  const isAdminAt = (who: string, past: Past): boolean => byOwner.roleAt(who, past) === ROLES.admin;
  for (const node of signed) {
    const { body } = node.op;
    if (isOwners(node) || !ADMIN_OPS.has(body.type) || !isAdminAt(node.by, pastOf(node))) continue;
    if (body.type === "set" && body.role === ROLES.admin) continue;
    const touched = targets(node);
    if (touched.some((who) => who === ownerBefore.get(node.index) || isAdminAt(who, pastOf(node)))) continue;
    const demoted = byOwner
      .of(node.by)
      .some((step) => step.role < ROLES.admin && !step.own && graph.concurrent(step.index, node.index));
    const raised = touched.some((who) =>
      byOwner.of(who).some((step) => step.role === ROLES.admin && graph.concurrent(step.index, node.index)),
    );
    verdicts.set(node.key, demoted || raised ? "overruled" : "valid");
  }

  const members = createRoleHistory(graph);
  const roleAt = (who: string, past: Past): Role => {
    if (ownerAt(past) === who) return ROLES.owner;
    if (isAdminAt(who, past)) return ROLES.admin;
    return Math.min(members.roleAt(who, past), ROLES.writer) as Role;
  };
  const users = new Map<string, Set<string>>();
  const byKey = new Map(signed.map((node) => [node.key, node]));
  const withdrawals = signed.filter((node) => node.op.body.type === "uninvite" && isValid(node));
  for (const node of signed) {
    const { body } = node.op;
    if (body.type === "join") {
      const invite = byKey.get(bytesToHex(body.invite));
      if (invite?.op.body.type !== "invite" || !isValid(invite) || !mayJoin(graph, node, invite, withdrawals)) continue;
      const joined = users.get(invite.key) ?? new Set<string>();
      if (joined.size < invite.op.body.maxUses && roleAt(node.by, pastOf(node)) === ROLES.none) {
        users.set(invite.key, joined.add(node.by));
        verdicts.set(node.key, "valid");
        members.note(node.by, { index: node.index, role: invite.op.body.role, own: true });
      }
    }
    if (!isValid(node)) continue;
    if (body.type === "leave") members.note(node.by, { index: node.index, role: ROLES.none, own: true });
    if (body.type === "transfer") members.note(node.by, { index: node.index, role: ROLES.admin, own: true });
    for (const who of targets(node)) members.note(who, { index: node.index, role: roleGiven(node), own: false });
  }

  for (const node of signed) {
    const { body } = node.op;
    if (isOwners(node)) continue;
    const role = roleAt(node.by, pastOf(node));
    if (body.type === "devices" && role >= ROLES.reader) verdicts.set(node.key, "valid");
    if (body.type === "freeze" && role >= ROLES.reader) verdicts.set(node.key, "valid");
    if ((body.type === "epoch" || body.type === "reseal") && role >= ROLES.writer) {
      const demoted = members
        .of(node.by)
        .some((step) => step.role < ROLES.writer && graph.concurrent(step.index, node.index));
      verdicts.set(node.key, demoted ? "overruled" : "valid");
    }
  }

  const everyone = new Uint32Array((graph.size() >> 5) + 1).fill(0xffffffff);
  const people = new Set([genesis.by, ...members.people(), ...ownership.chain.map((step) => step.newOwner)]);
  const roles = new Map<string, Role>();
  for (const who of people) {
    const role = roleAt(who, everyone);
    if (role > ROLES.none) roles.set(who, role);
  }

  const readersAt = (past: Past): ReadonlySet<string> => readerLabels(devices, people, roleAt, past);
  const epochs = acceptedEpochs(graph, ordered, genesis, isValid, readersAt);
  for (const node of epochs.refused) if (node.op.body.type === "epoch") verdicts.set(node.key, "unauthorised");
  const current = readersAt(everyone);

  return {
    owner: ownerAt(everyone),
    verdicts,
    roles,
    roleAt,
    devices,
    cuttings: collectCuttings(ordered, isValid, devices),
    epochs: epochs.accepted,
    epochHeads: epochs.heads,
    stale: epochs.isStale(current, withdrawals),
    policy: currentPolicy(ordered, isValid),
    freezes: signed.filter((node) => node.op.body.type === "freeze" && isValid(node)),
    ownerEquivocated: ownership.equivocated,
  };
};

const ADMIN_OPS: ReadonlySet<string> = new Set(["set", "remove", "invite", "uninvite", "policy"]);

/** Ownership moves along transfers by the owner of the time; of two that do not know each other the first in (gen, id) counts. */
const ownerChain = (
  graph: CausalGraph,
  signed: readonly AclNode[],
  genesis: AclNode,
): {
  readonly chain: readonly { readonly node: AclNode; readonly newOwner: string }[];
  readonly equivocated: boolean;
} => {
  const chain: { node: AclNode; newOwner: string }[] = [];
  let owner = genesis.by;
  let since = genesis;
  let equivocated = false;
  for (;;) {
    const candidates = signed.filter(
      (node) =>
        node.op.body.type === "transfer" &&
        node.by === owner &&
        graph.precedes(since.index, node.index) &&
        newOwnerOf(node) !== owner,
    );
    const [node] = candidates;
    if (node === undefined) return { chain, equivocated };
    equivocated ||= candidates.some((other) => graph.concurrent(other.index, node.index));
    owner = newOwnerOf(node);
    since = node;
    chain.push({ node, newOwner: owner });
  }
};

const newOwnerOf = (node: AclNode): string =>
  node.op.body.type === "transfer" ? bytesToHex(node.op.body.newOwner) : "";

/** Identities whose role an op sets. */
const targets = ({ op: { body } }: AclNode): readonly string[] =>
  body.type === "set" ? [bytesToHex(body.who)] : body.type === "remove" ? body.who.map(bytesToHex) : [];

const roleGiven = ({ op: { body } }: AclNode): Role => (body.type === "set" ? body.role : ROLES.none);

interface RoleStep {
  readonly index: number;
  readonly role: Role;
  /** The person's own act: leaving, or handing the ownership on. */
  readonly own: boolean;
}

/** Per identity the valid steps about it, in (gen, id) order; its role is the lowest among the causally latest. */
interface RoleHistory {
  readonly note: (who: string, step: RoleStep) => void;
  readonly of: (who: string) => readonly RoleStep[];
  readonly roleAt: (who: string, past: Past) => Role;
  readonly people: () => Iterable<string>;
}

const createRoleHistory = (graph: CausalGraph): RoleHistory => {
  const steps = new Map<string, RoleStep[]>();
  return {
    note: (who, step) => {
      const known = steps.get(who);
      if (known === undefined) steps.set(who, [step]);
      else known.push(step);
    },
    of: (who) => steps.get(who) ?? [],
    roleAt: (who, past) => {
      const known = steps.get(who) ?? [];
      const latest: RoleStep[] = [];
      let role: Role | undefined;
      for (let i = known.length - 1; i >= 0; i--) {
        const step = known[i] as RoleStep;
        if (!includes(past, step.index) || latest.some((later) => graph.precedes(step.index, later.index))) continue;
        latest.push(step);
        if (role === undefined || step.role < role) role = step.role;
      }
      return role ?? ROLES.none;
    },
    people: () => steps.keys(),
  };
};

/** Whether a join names a valid automatic invite in its past that nobody withdrew before or concurrently. */
const mayJoin = (
  graph: CausalGraph,
  node: AclNode,
  invite: AclNode | undefined,
  withdrawals: readonly AclNode[],
): boolean =>
  node.joinProven &&
  invite?.op.body.type === "invite" &&
  invite.op.body.mode === "auto" &&
  graph.precedes(invite.index, node.index) &&
  !withdrawals.some(
    ({ op: { body }, index }) =>
      body.type === "uninvite" && bytesToHex(body.invite) === invite.key && !graph.precedes(node.index, index),
  );

/** Labels under which an epoch has to be sealed for all reader devices of `past`. */
const readerLabels = (
  devices: DeviceRegistry,
  people: Iterable<string>,
  roleAt: Evaluation["roleAt"],
  past: Past,
): ReadonlySet<string> => {
  const labels = new Set<string>();
  for (const who of people) {
    if (roleAt(who, past) === ROLES.none) continue;
    for (const device of devices.identities.get(who)?.devices.keys() ?? []) {
      if (devices.validAt(who, device, past)) labels.add(device.slice(0, LABEL_HEX));
    }
  }
  return labels;
};

const collectCuttings = (
  ordered: readonly AclNode[],
  isValid: (node: AclNode) => boolean,
  devices: DeviceRegistry,
): ReadonlyMap<string, readonly Cutting[]> => {
  const cuttings = new Map<string, Cutting[]>();
  const note = (who: string, cutting: Cutting): void => {
    cuttings.set(who, [...(cuttings.get(who) ?? []), cutting]);
  };
  for (const node of ordered) {
    const { body } = node.op;
    if (!isValid(node)) continue;
    if (body.type === "set" && body.role < ROLES.writer) note(bytesToHex(body.who), whole(node, body.cuts ?? []));
    if (body.type === "remove") for (const who of body.who) note(bytesToHex(who), whole(node, body.cuts));
    if (body.type === "leave") note(node.by, whole(node, body.cuts));
  }
  for (const { node, idRoot, devices: revoked } of devices.revocations) {
    const { body } = node.op;
    if (isValid(node) && body.type === "devices")
      note(idRoot, { index: node.index, devices: revoked, cuts: body.cuts });
  }
  return cuttings;
};

const whole = (node: AclNode, cuts: Cuts): Cutting => ({ index: node.index, devices: undefined, cuts });

/** Of several latest policies the last in (gen, id), which is also the last of all. */
const currentPolicy = (ordered: readonly AclNode[], isValid: (node: AclNode) => boolean): Policy => {
  let policy: Policy = [];
  for (const node of ordered) {
    const { body } = node.op;
    if ((body.type === "policy" || body.type === "genesis") && isValid(node)) policy = body.policy;
  }
  return policy;
};
