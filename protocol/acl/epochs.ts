import type { EpochBody, Seal } from "../epoch/epoch-body.ts";
import { bytesToHex } from "../kernel/bytes.ts";
import { type CausalGraph, includes, type Past } from "../kernel/causal-graph.ts";
import type { AclNode } from "./evaluate.ts";

/** An epoch published by a valid op, with the right recipients. */
export interface AcceptedEpoch {
  readonly node: AclNode;
  readonly eid: string;
  readonly body: EpochBody;
}

export interface EpochReport {
  readonly accepted: readonly AcceptedEpoch[];
  /** Accepted epochs no accepted one has as parent, in (gen, id) order. */
  readonly heads: readonly AcceptedEpoch[];
  readonly refused: readonly AclNode[];
  /** Whether someone outside `current` reader devices can derive the combined key of the heads. */
  readonly isStale: (current: ReadonlySet<string>, withdrawals: readonly AclNode[]) => boolean;
}

/**
 * Epochs that count (SPEC ACL-8): published by a valid op, with parents from its past, sealed to exactly the reader devices. A removal's
 * or demotion's epoch is measured after the op, a plain rotation's before it.
 */
export const acceptedEpochs = (
  graph: CausalGraph,
  ordered: readonly AclNode[],
  genesis: AclNode,
  isValid: (node: AclNode) => boolean,
  readersAt: (past: Past) => ReadonlySet<string>,
): EpochReport => {
  const accepted: AcceptedEpoch[] = [];
  const refused: AclNode[] = [];
  for (const node of ordered) {
    const body = epochOf(node);
    if (body === null || !isValid(node)) continue;
    const before = graph.ancestors(node.index);
    const known = new Set(accepted.filter((epoch) => includes(before, epoch.node.index)).map((epoch) => epoch.eid));
    const eid = bytesToHex(body.eid);
    const rooted =
      node === genesis
        ? body.eparents.length === 0
        : body.eparents.length > 0 && body.eparents.every((parent) => known.has(bytesToHex(parent)));
    const readers =
      node === genesis ? undefined : readersAt(node.op.body.type === "epoch" ? before : withSelf(graph, node));
    if (rooted && !known.has(eid) && (readers === undefined || sameLabels(body.seals, readers)))
      accepted.push({ node, eid, body });
    else refused.push(node);
  }
  const isSuperseded = (epoch: AcceptedEpoch): boolean =>
    accepted.some(
      (later) =>
        graph.precedes(epoch.node.index, later.node.index) &&
        later.body.eparents.some((parent) => bytesToHex(parent) === epoch.eid),
    );
  const heads = accepted.filter((epoch) => !isSuperseded(epoch));

  /**
   * Labels of the devices, and ids of the invites, that were given an epoch's secret: no verdict takes it back. Ops that do not count
   * give it too, when they come from somebody who had it, or else somebody put out could force changes of keys without end.
   */
  const recipientsOf = (epoch: AcceptedEpoch): ReadonlySet<string> => {
    const recipients = new Set<string>();
    const giveTo = (seals: readonly Seal[]): void => {
      for (const { label } of seals) recipients.add(bytesToHex(label));
    };
    giveTo(epoch.body.seals);
    /** The epoch, and refused ones whose history leads back to it. */
    const leading = new Set([epoch.eid]);
    for (const node of ordered) {
      if (!graph.precedes(epoch.node.index, node.index)) continue;
      const { body } = node.op;
      const isInvited = body.type === "join" && node.joinProven && recipients.has(bytesToHex(body.invite));
      if (!isValid(node) && !isInvited && !recipients.has(node.device.slice(0, LABEL_HEX))) continue;
      if (body.type === "set" || (body.type === "reseal" && leading.has(bytesToHex(body.eid)))) giveTo(body.seals);
      if (body.type === "invite" && body.seals.length > 0) recipients.add(node.key);
      if (body.type === "join") {
        for (const { body: step } of body.identityOps)
          if (step.type === "addDevice") recipients.add(bytesToHex(step.devSig.subarray(0, LABEL_BYTES)));
      }
      const later = epochOf(node);
      if (later?.eparents.some((parent) => leading.has(bytesToHex(parent))) !== true) continue;
      leading.add(bytesToHex(later.eid));
      giveTo(later.seals);
    }
    return recipients;
  };
  const isStale: EpochReport["isStale"] = (current, withdrawals) => {
    const withdrawn = new Set(
      withdrawals.map(({ op: { body } }) => (body.type === "uninvite" ? bytesToHex(body.invite) : "")),
    );
    const isOpen = (node: AclNode): boolean =>
      node.op.body.type === "invite" && isValid(node) && !withdrawn.has(node.key);
    const open = new Set(ordered.filter(isOpen).map(({ key }) => key));
    const [first, ...others] = heads.map(recipientsOf);
    const common = [...(first ?? [])].filter((recipient) => others.every((more) => more.has(recipient)));
    return common.some((recipient) => !current.has(recipient) && !open.has(recipient));
  };
  return { accepted, heads, refused, isStale };
};

const epochOf = ({ op: { body } }: AclNode): EpochBody | null =>
  body.type === "genesis" || body.type === "set" || body.type === "remove" || body.type === "epoch" ? body.epoch : null;

const sameLabels = (seals: readonly Seal[], readers: ReadonlySet<string>): boolean => {
  const labels = new Set(seals.map(({ label }) => bytesToHex(label)));
  return labels.size === readers.size && [...labels].every((label) => readers.has(label));
};

const withSelf = (graph: CausalGraph, node: AclNode): Past => {
  const before = graph.ancestors(node.index);
  const past = new Uint32Array(Math.max(before.length, (node.index >> 5) + 1));
  past.set(before);
  past[node.index >> 5] = (past[node.index >> 5] as number) | (1 << (node.index & 31));
  return past;
};

/** A seal's label is the beginning of the device's key. */
const LABEL_BYTES = 8;
/** Hex digits of a seal's label. */
export const LABEL_HEX = 2 * LABEL_BYTES;
