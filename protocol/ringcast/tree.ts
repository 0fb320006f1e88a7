import type { NodeId } from "../identity/node-id.ts";
import type { VerifiedDescriptor } from "../identity/verified.ts";
import type { RandomSource } from "../kernel/random.ts";
import type { MonotonicMs } from "../kernel/time.ts";
import type { MessageId } from "./messages.ts";
import { type RingLinks, sampleMembers } from "./targets.ts";

/** A link of one topic; without a route it was opened by the other side and is used over that connection. */
export interface TreeLink {
  readonly peer: NodeId;
  readonly route: VerifiedDescriptor | undefined;
}

/** The links of one topic in lazy mode: payloads go over the eager ones, which grow into a spanning tree; ids over the rest. */
export interface Tree {
  /** Takes in new ring neighbors and replaces lost random links. */
  readonly refresh: (links: RingLinks, random: RandomSource) => void;
  readonly eager: () => readonly TreeLink[];
  /** True when the link was eager until now. */
  readonly makeLazy: (peer: NodeId) => boolean;
  readonly makeEager: (peer: NodeId) => void;
  readonly remove: (peer: NodeId) => void;
  /** Queues the announcement of a message that came from `from`. */
  readonly postpone: (id: MessageId, from: NodeId | undefined, at: MonotonicMs) => void;
  /** `peer` has that message: it needs no announcement. */
  readonly heard: (id: MessageId, peer: NodeId) => void;
  readonly dueAnnouncements: (
    now: MonotonicMs,
  ) => readonly { readonly link: TreeLink; readonly ids: readonly MessageId[] }[];
  readonly nextDeadline: () => MonotonicMs | undefined;
}

interface HeldLink extends TreeLink {
  readonly kind: "ring" | "random" | "inbound";
  isEager: boolean;
}
interface Postponed {
  readonly id: MessageId;
  readonly at: MonotonicMs;
  readonly holders: NodeId[];
}

/** Announcements waiting; beyond it the oldest is left to the heartbeat. */
const MAXIMUM_POSTPONED = 1_024;
/** Random links others chose to this node are Poisson around `randomLinks`; more than this is somebody pushing. */
const MAXIMUM_INBOUND = 10;

export const createTree = (randomLinks: number): Tree => {
  const links = new Map<NodeId, HeldLink>();
  const postponed: Postponed[] = [];

  const countOf = (kind: HeldLink["kind"]): number => {
    let count = 0;
    for (const link of links.values()) if (link.kind === kind) count++;
    return count;
  };
  const adopt = (route: VerifiedDescriptor, kind: "ring" | "random"): void => {
    const known = links.get(route.id);
    if (known === undefined || known.kind === "inbound")
      links.set(route.id, { peer: route.id, route, kind, isEager: known?.isEager ?? true });
  };
  const admit = (peer: NodeId, isEager: boolean): void => {
    if (countOf("inbound") < MAXIMUM_INBOUND) links.set(peer, { peer, route: undefined, kind: "inbound", isEager });
  };

  return {
    refresh: (current, random) => {
      const successor = current.successors[0];
      const predecessor = current.predecessors[0];
      for (const [id, link] of links)
        if (link.kind === "ring" && id !== successor?.id && id !== predecessor?.id) links.delete(id);
      if (successor !== undefined) adopt(successor, "ring");
      if (predecessor !== undefined) adopt(predecessor, "ring");
      const missing = randomLinks - countOf("random");
      if (missing <= 0) return;
      const fresh = current.members.filter(({ id }) => !links.has(id));
      for (const route of sampleMembers(fresh, missing, undefined, [], random)) adopt(route, "random");
    },
    eager: () => {
      const eager: TreeLink[] = [];
      for (const link of links.values()) if (link.isEager) eager.push(link);
      return eager;
    },
    makeLazy: (peer) => {
      const link = links.get(peer);
      if (link === undefined) {
        admit(peer, false);
        return true;
      }
      const wasEager = link.isEager;
      link.isEager = false;
      return wasEager;
    },
    makeEager: (peer) => {
      const link = links.get(peer);
      if (link === undefined) admit(peer, true);
      else link.isEager = true;
    },
    remove: (peer) => {
      links.delete(peer);
    },
    postpone: (id, from, at) => {
      postponed.push({ id, at, holders: from === undefined ? [] : [from] });
      if (postponed.length > MAXIMUM_POSTPONED) postponed.shift();
    },
    heard: (id, peer) => {
      for (const waiting of postponed) if (waiting.id === id) waiting.holders.push(peer);
    },
    dueAnnouncements: (now) => {
      const due: Postponed[] = [];
      while (postponed[0] !== undefined && postponed[0].at <= now) due.push(postponed.shift() as Postponed);
      const announcements: { link: TreeLink; ids: MessageId[] }[] = [];
      if (due.length === 0) return announcements;
      for (const link of links.values()) {
        if (link.isEager) continue;
        const ids = due.filter(({ holders }) => !holders.includes(link.peer)).map(({ id }) => id);
        if (ids.length > 0) announcements.push({ link, ids });
      }
      return announcements;
    },
    nextDeadline: () => postponed[0]?.at,
  };
};
